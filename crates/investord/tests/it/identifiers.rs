//! Identifiers of users, and what becomes of a user by them.

use jiff::Timestamp;
use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;
use testing::signing::Request;
use uuid::Uuid;

const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";

pub fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

/// The example of the reference.
pub fn pesel() -> Value {
    json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917" })
}

pub async fn user_of(client: &Client, nationalities: &[&str]) -> Value {
    client.created(&bodies::with("nationalities", json!(nationalities))).await
}

pub fn path(user: &Value) -> String {
    format!("/users/{}/identifiers", id(user))
}

pub async fn listed(client: &Client, user: &Value) -> Vec<Value> {
    client.get(&path(user)).send().await.ok()["data"].as_array().unwrap().clone()
}

pub fn add(client: &Client, user: &Value, body: &Value) -> Request {
    client.request("POST", &path(user)).json(body)
}

pub fn change(client: &Client, user: &Value, identifier: &Value, value: &str) -> Request {
    let target = format!("{}/{}", path(user), id(identifier));
    client.request("PATCH", &target).json(&json!({ "identifier": value }))
}

pub async fn status(client: &Client, user: &Value) -> Value {
    client.get(&format!("/users/{}", id(user))).send().await.ok()["status"].clone()
}

#[tokio::test]
async fn the_examples_of_the_reference_are_answered_as_in_the_reference() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = user_of(client, &["PL"]).await;
    assert_eq!(user["status"], "INACTIVE");
    assert_eq!(client.get(&path(&user)).send().await.ok(), json!({ "data": [] }));
    app.pass(60);

    let created = add(client, &user, &pesel()).send().await.ok();
    let mut rest = created.clone();
    let members = rest.as_object_mut().unwrap();
    let uuid = Uuid::try_parse(members.remove("id").unwrap().as_str().unwrap()).unwrap();
    assert_eq!(uuid.get_version_num(), 4);
    let created_at = members.remove("created_at").unwrap();
    assert_eq!(members.remove("updated_at").unwrap(), created_at);
    assert_eq!(
        rest,
        json!({
            "user_id": id(&user), "type": "NATIONAL_ID", "issuing_country": "PL",
            "identifier_standard": "PESEL", "identifier": "83053078917",
        })
    );
    let one = format!("{}/{}", path(&user), id(&created));
    assert_eq!(client.get(&one).send().await.ok(), created);
    assert_eq!(listed(client, &user).await, std::slice::from_ref(&created));

    app.pass(60);
    let changed = change(client, &user, &created, "83053078111").send().await.ok();
    let mut expected = created.clone();
    expected["identifier"] = json!("83053078111");
    expected["updated_at"] = changed["updated_at"].clone();
    assert_eq!(changed, expected);
    let instant = |name: &str| changed[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(instant("updated_at").as_second() - instant("created_at").as_second() >= 60);
    assert_eq!(client.get(&one).send().await.ok(), changed);
}

#[tokio::test]
async fn the_register_makes_a_concat_where_it_comes_first_and_shows_no_value() {
    let app = TestApp::start().await;
    for (nationalities, country) in [
        (vec!["AT"], Some("AT")),
        (vec!["DE"], Some("DE")),
        (vec!["FR"], Some("FR")),
        (vec!["HU"], Some("HU")),
        (vec!["IE"], Some("IE")),
        (vec!["LU"], Some("LU")),
        (vec!["PL", "DE"], Some("DE")),
        (vec!["US", "DE", "AT"], Some("AT")),
        (vec!["BE", "DE"], None),
        (vec!["US"], None),
        (vec!["GB"], None),
    ] {
        let user = user_of(app.client(), &nationalities).await;
        let found = listed(app.client(), &user).await;
        let Some(country) = country else {
            assert!(found.is_empty(), "{nationalities:?}");
            continue;
        };
        let [concat] = &found[..] else { panic!("{nationalities:?}: {found:?}") };
        assert_eq!(concat["created_at"], user["created_at"]);
        let shown =
            ["type", "issuing_country", "identifier_standard", "identifier"].map(|name| &concat[name]);
        assert_eq!(shown, ["NATIONAL_ID", country, "CONCAT", ""]);
        let refused = change(app.client(), &user, concat, "DE19891109PETERMILLE").send().await;
        assert_eq!(refused.faults(), ["identifier"]);
    }
}

#[tokio::test]
async fn a_name_of_which_no_concat_can_be_made_waits() {
    let app = TestApp::start().await;
    for (first, last) in [("Ιωάννης", "Papadopoulos"), ("Peter", "Миллер"), ("Peter", "--")] {
        let mut body = bodies::smallest();
        (body["first_name"], body["last_name"]) = (json!(first), json!(last));
        let user = app.client().created(&body).await;
        assert_eq!(user["status"], "INACTIVE", "{first} {last}");
        assert!(listed(app.client(), &user).await.is_empty());
        let body = json!({ "type": "NATIONAL_ID", "issuing_country": "DE" });
        assert_eq!(add(app.client(), &user, &body).send().await.faults(), ["identifier_standard"]);
    }
}

/// What the answer to the completing request, the user and the events say is one thing.
#[tokio::test]
async fn the_identifier_that_was_missing_activates_in_the_same_commit() {
    let app = TestApp::start().await;
    let client = app.client();
    for (nationalities, body) in [
        (vec!["PL"], pesel()),
        (
            vec!["PL"],
            json!({
                "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "6720304990",
                "identifier_standard": "PLTN",
            }),
        ),
        (vec!["US"], json!({ "type": "PASSPORT", "issuing_country": "US", "identifier": "418867337" })),
        (vec!["US"], json!({ "type": "NATIONAL_ID", "issuing_country": "US", "identifier": "418867337" })),
        (vec!["CZ", "PL"], json!({ "type": "PASSPORT", "issuing_country": "CZ", "identifier": "34150815" })),
        (
            vec!["BE"],
            json!({ "type": "NATIONAL_ID", "issuing_country": "BE", "identifier_standard": "CONCAT" }),
        ),
        (
            vec!["BE"],
            json!({
                "type": "NATIONAL_ID", "issuing_country": "BE", "identifier_standard": "CONCAT", "identifier": "",
            }),
        ),
        (vec!["GB"], json!({ "type": "PASSPORT", "issuing_country": "GB", "identifier": "533401372" })),
    ] {
        let user = user_of(client, &nationalities).await;
        assert_eq!(user["status"], "INACTIVE");
        let before = app.told(1).await.len();
        let identifier = add(client, &user, &body).send().await.ok();
        let now = client.get(&format!("/users/{}", id(&user))).send().await.ok();
        assert_eq!(now["status"], "ACTIVE", "{body}");
        assert_eq!(now["updated_at"], identifier["created_at"]);
        assert_eq!(now["created_at"], user["created_at"]);
        let told = app.told(1).await;
        let [event] = &told[before..] else { panic!("one event, not {}", told.len() - before) };
        assert_eq!((event.kind.as_str(), event.subject.to_string().as_str()), ("USER.ACTIVATED", id(&user)));
        assert_eq!(event.object, now, "the user as it then is");
        let by_update = client.get("/users?sort=updated_at&order=DESC&limit=1").send().await.ok();
        assert_eq!(by_update["data"], json!([now]));
    }
}

#[tokio::test]
async fn an_identifier_that_does_not_complete_changes_nothing_but_the_list() {
    let app = TestApp::start().await;
    let client = app.client();
    for (nationalities, body) in [
        (vec!["BE", "PL"], pesel()),
        (vec!["PL"], json!({ "type": "PASSPORT", "issuing_country": "PL", "identifier": "ZS0000177" })),
        (vec!["US"], json!({ "type": "PASSPORT", "issuing_country": "CA", "identifier": "AB123456" })),
    ] {
        let user = user_of(client, &nationalities).await;
        let before = app.told(1).await.len();
        add(client, &user, &body).send().await.ok();
        assert_eq!(client.get(&format!("/users/{}", id(&user))).send().await.ok(), user, "{body}");
        assert_eq!(app.told(1).await.len(), before);
        assert_eq!(listed(client, &user).await.len(), 1);
    }
    let german = user_of(client, &["DE"]).await;
    add(client, &german, &pesel()).send().await.ok();
    let standards: Vec<Value> =
        listed(client, &german).await.iter().map(|one| one["identifier_standard"].clone()).collect();
    assert_eq!(standards, ["CONCAT", "PESEL"], "in the order of their creation");
}

#[tokio::test]
async fn activation_waits_for_whatever_else_is_required() {
    let app = TestApp::start().await;
    app.set("activation_requires", json!(["identifiers", "checks"])).await;
    let user = user_of(app.client(), &["PL"]).await;
    add(app.client(), &user, &pesel()).send().await.ok();
    assert_eq!(status(app.client(), &user).await, "INACTIVE");
}

#[tokio::test]
async fn the_standard_follows_from_type_country_and_regime() {
    for (regime, kind, country, value, standard, expected) in [
        ("EU", "NATIONAL_ID", "PL", "83053078917", None, "PESEL"),
        ("EU", "NATIONAL_ID", "DK", "3005837891", None, "DPIC"),
        ("EU", "NATIONAL_ID", "CY", "E123456", None, "CYPN"),
        ("EU", "PASSPORT", "CY", "K12345678", None, "CYPN"),
        ("EU", "PASSPORT", "CZ", "34150815", None, "CZPN"),
        ("EU", "NATIONAL_ID", "CZ", "34150815", Some("CZPN"), "CZPN"),
        ("EU", "PASSPORT", "DE", "C01X00T47", None, "GPN"),
        ("EU", "NATIONAL_ID", "GB", "533401372", None, "GPN"),
        ("UK", "NATIONAL_ID", "GB", "PK030030B", None, "NINO"),
        ("UK", "PASSPORT", "GB", "533401372", None, "GPN"),
        ("EU", "NATIONAL_ID", "NL", "SNE2EHKP1", None, "NLPN"),
        ("EU", "NATIONAL_ID", "XK", "P1234567", None, "GPN"),
        // What the issuer knows and the vendor's pattern does not.
        ("EU", "NATIONAL_ID", "FI", "190944Y647R", None, "FPIN"),
    ] {
        let app = TestApp::with(|options| options.settings.push(("regime", json!(regime)))).await;
        let user = user_of(app.client(), &["PL"]).await;
        let mut body = json!({ "type": kind, "issuing_country": country, "identifier": value });
        if let Some(standard) = standard {
            body["identifier_standard"] = json!(standard);
        }
        let created = add(app.client(), &user, &body).send().await.ok();
        assert_eq!(
            (&created["identifier_standard"], &created["type"]),
            (&json!(expected), &json!(kind)),
            "{body}"
        );
        assert_eq!(created["identifier"], value, "as it was sent");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name_and_nothing_is_kept() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = user_of(client, &["PL"]).await;
    let with = |name: &str, value: Value| {
        let mut body = pesel();
        body[name] = value;
        body
    };
    let without = |name: &str| {
        let mut body = pesel();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let before = app.rows();
    for (body, field) in [
        (without("type"), "type"),
        (without("issuing_country"), "issuing_country"),
        (without("identifier"), "identifier"),
        (with("type", json!("ID_CARD")), "type"),
        (with("type", json!(null)), "type"),
        (json!({ "type": "PASSPORT", "issuing_country": "PL", "identifier": "zs" }), "identifier"),
        (with("issuing_country", json!("XX")), "issuing_country"),
        (with("issuing_country", json!("pl")), "issuing_country"),
        (with("issuing_country", json!("EL")), "issuing_country"),
        (with("issuing_country", json!("DE")), "identifier"),
        (with("identifier", json!("")), "identifier"),
        (with("identifier", json!(83_053_078_917_u64)), "identifier"),
        (with("identifier", json!("8305307891")), "identifier"),
        (with("identifier", json!("830530789171")), "identifier"),
        (with("identifier", json!("8305307891a")), "identifier"),
        (with("identifier", json!("83053078917\n")), "identifier"),
        (with("identifier", json!("8305307891７")), "identifier"),
        (with("identifier", json!("1".repeat(31))), "identifier"),
        (with("identifier_standard", json!("CZNI")), "identifier_standard"),
        (with("identifier_standard", json!("CONCAT")), "identifier_standard"),
        (with("identifier_standard", json!("pesel")), "identifier_standard"),
        (with("identifier_standard", json!("P")), "identifier_standard"),
        (with("surprise", json!(1)), "surprise"),
        (json!([]), "(root)"),
    ] {
        assert_eq!(add(client, &user, &body).send().await.faults(), [field], "{body}");
    }
    let mismatch = json!({
        "type": "PASSPORT", "issuing_country": "PL", "identifier": "83053078917", "identifier_standard": "PESEL",
    });
    assert_eq!(add(client, &user, &mismatch).send().await.faults(), ["type"]);
    let all = add(client, &user, &json!({})).send().await;
    assert_eq!(all.faults(), ["type", "issuing_country"], "every fault at once");
    add(client, &user, &pesel()).header("content-type", "text/plain").send().await.refused("invalid_request");
    let after = app.rows();
    assert_eq!((after.users, after.events), (before.users, before.events));
    assert!(listed(client, &user).await.is_empty());
    assert_eq!(status(client, &user).await, "INACTIVE");

    let created = add(client, &user, &pesel()).send().await.ok();
    for (body, field) in [
        (json!({}), "identifier"),
        (json!({ "identifier": "" }), "identifier"),
        (json!({ "identifier": null }), "identifier"),
        (json!({ "identifier": "8305307891" }), "identifier"),
        (json!({ "identifier": "83053078111", "type": "PASSPORT" }), "type"),
    ] {
        let target = format!("{}/{}", path(&user), id(&created));
        assert_eq!(client.request("PATCH", &target).json(&body).send().await.faults(), [field], "{body}");
    }
    assert_eq!(listed(client, &user).await, [created]);
}

#[tokio::test]
async fn a_user_has_one_identifier_of_a_country_and_standard() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = user_of(client, &["PL"]).await;
    let first = add(client, &user, &pesel()).send().await.ok();
    app.pass(5);
    assert_eq!(add(client, &user, &pesel()).send().await.ok(), first, "the same again");
    let mut other = pesel();
    other["identifier"] = json!("44051401359");
    let refused = add(client, &user, &other).send().await;
    assert_eq!(refused.faults(), ["identifier"]);
    assert!(refused.text().contains(&format!("PATCH {}/{}", path(&user), id(&first))), "{}", refused.text());
    assert_eq!(listed(client, &user).await, std::slice::from_ref(&first));
    // Nothing is unique across users.
    let twin = user_of(client, &["PL"]).await;
    add(client, &twin, &pesel()).send().await.ok();
    // The same value is no change.
    app.pass(5);
    assert_eq!(change(client, &user, &first, "83053078917").send().await.ok(), first);
    // Turned strict, the tenant keeps what is there.
    app.set("identifier_checks", "strict").await;
    assert_eq!(add(client, &user, &pesel()).send().await.ok(), first);
    // What the register has made counts.
    let german = user_of(client, &["DE"]).await;
    let concat = listed(client, &german).await;
    let again = json!({ "type": "NATIONAL_ID", "issuing_country": "DE" });
    assert_eq!(add(client, &german, &again).send().await.ok(), concat[0]);
    assert_eq!(listed(client, &german).await, concat);
}

#[tokio::test]
async fn who_may_and_whose_it_is() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let foreign = app.new_client("other", "users:admin users:read").await;
    let reader = app.new_client("main", "users:read").await;
    let nobody = app.new_client("main", "accounts:admin").await;
    let client = app.client();
    let user = user_of(client, &["PL"]).await;
    let created = add(client, &user, &pesel()).send().await.ok();
    let one = format!("{}/{}", path(&user), id(&created));

    reader.get(&one).send().await.ok();
    reader.get(&path(&user)).send().await.ok();
    add(&reader, &user, &pesel()).send().await.refused("forbidden");
    change(&reader, &user, &created, "83053078111").send().await.refused("forbidden");
    for target in [&one, &path(&user)] {
        nobody.get(target).send().await.refused("forbidden");
        foreign.get(target).send().await.refused("not_found");
    }
    add(&foreign, &user, &pesel()).send().await.refused("not_found");
    change(&foreign, &user, &created, "83053078111").send().await.refused("not_found");
    let theirs = user_of(&foreign, &["PL"]).await;
    foreign.get(&format!("{}/{}", path(&theirs), id(&created))).send().await.refused("not_found");
    change(&foreign, &theirs, &created, "83053078111").send().await.refused("not_found");
    // Another user of the same tenant is not the one whose it is.
    let twin = user_of(client, &["PL"]).await;
    client.get(&format!("{}/{}", path(&twin), id(&created))).send().await.refused("not_found");
    change(client, &twin, &created, "83053078111").send().await.refused("not_found");
    for unknown in [UNKNOWN, "abc", &id(&created)[1..]] {
        client.get(&format!("/users/{unknown}/identifiers")).send().await.refused("not_found");
        client.get(&format!("{}/{unknown}", path(&user))).send().await.refused("not_found");
        let target = format!("/users/{unknown}/identifiers");
        client.request("POST", &target).json(&pesel()).send().await.refused("not_found");
    }
    client.request("DELETE", &one).send().await.refused("method_not_allowed");
    client.request("PUT", &path(&user)).send().await.refused("method_not_allowed");
    assert_eq!(listed(client, &user).await, [created]);
    assert!(listed(client, &twin).await.is_empty());
}

#[tokio::test]
async fn a_user_who_has_left_keeps_what_was_known() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = user_of(client, &["PL"]).await;
    let created = add(client, &user, &pesel()).send().await.ok();
    for status in ["OFFBOARDING", "OFFBOARDED"] {
        app.register.run(&format!("UPDATE users SET status = '{status}'"));
        let gpn = json!({ "type": "PASSPORT", "issuing_country": "PL", "identifier": "ZS0000177" });
        let (added, changed) = (
            add(client, &user, &gpn).send().await,
            change(client, &user, &created, "83053078111").send().await,
        );
        if status == "OFFBOARDING" {
            added.ok();
            changed.ok();
            assert_eq!(self::status(client, &user).await, status, "nobody comes back by it");
        } else {
            added.refused("forbidden");
            changed.refused("forbidden");
            assert_eq!(listed(client, &user).await.len(), 2);
        }
    }
    app.register.run("UPDATE users SET status = 'ACTIVE'");
}

#[tokio::test]
async fn the_same_signed_message_is_done_once() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = user_of(client, &["PL"]).await;
    let sent = add(client, &user, &pesel()).sign();
    let created = sent.send().await.ok();
    sent.send().await.refused("unauthorised");
    let sent = change(client, &user, &created, "83053078111").sign();
    sent.send().await.ok();
    sent.send().await.refused("unauthorised");
    // A key of idempotency is not asked for, and not minded.
    let key = testing::client::once_key();
    add(client, &user, &pesel()).header("idempotency-key", &key).send().await.refused("invalid_request");
    change(client, &user, &created, "83053078917").header("idempotency-key", &key).send().await.ok();
}

#[tokio::test]
async fn two_at_once_are_one_identifier_and_one_activation() {
    let app = TestApp::start().await;
    let client = app.client();
    for _ in 0..10 {
        let user = user_of(client, &["PL"]).await;
        let before = app.told(1).await.len();
        let (one, other) =
            tokio::join!(add(client, &user, &pesel()).send(), add(client, &user, &pesel()).send());
        assert_eq!(one.ok(), other.ok());
        assert_eq!(listed(client, &user).await, [one.ok()]);
        assert_eq!(app.told(1).await.len(), before + 1);
    }
}

#[tokio::test]
async fn identifiers_are_there_after_a_restart_and_not_readable_in_the_database() {
    let mut app = TestApp::start().await;
    let user = user_of(app.client(), &["PL"]).await;
    let created = add(app.client(), &user, &pesel()).send().await.ok();
    app.restart().await;
    assert_eq!(listed(app.client(), &user).await, [created]);
    for text in app.register.everything() {
        for canary in ["83053078917", "PESEL", "MILLE"] {
            let found = text.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} stands in the database");
        }
    }
}

/// Users of a register that is older than its identifiers.
#[tokio::test]
async fn the_worker_makes_the_concats_that_a_migration_has_left() {
    let app = TestApp::start().await;
    let (german, polish) = (user_of(app.client(), &["DE"]).await, user_of(app.client(), &["PL"]).await);
    let mut with_own = Vec::new();
    for _ in 0..150 {
        with_own.push(user_of(app.client(), &["AT"]).await);
    }
    app.register.run("DELETE FROM identifiers");
    app.register.run(
        "INSERT INTO backfills (tenant, name, done, last)
         SELECT tenant, 'refresh-concats', 0, users FROM tenant_sequences WHERE users > 0",
    );
    let own = json!({ "type": "NATIONAL_ID", "issuing_country": "AT" });
    let own = add(app.client(), &with_own[0], &own).send().await.ok();
    let later = user_of(app.client(), &["DE"]).await;
    let before = listed(app.client(), &later).await;
    let mut portions = 0;
    while investord::worker::backfills::run_batch(app.app()).await.unwrap() {
        portions += 1;
    }
    assert_eq!(portions, 2, "of a hundred users each");
    assert_eq!(app.number("SELECT count(*) FROM backfills"), 0);
    let found = listed(app.client(), &german).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0]["identifier_standard"], &found[0]["issuing_country"]),
        (&json!("CONCAT"), &json!("DE"))
    );
    assert!(listed(app.client(), &polish).await.is_empty());
    assert_eq!(listed(app.client(), &with_own[0]).await, [own], "not twice");
    assert_eq!(listed(app.client(), with_own.last().unwrap()).await.len(), 1);
    assert_eq!(listed(app.client(), &later).await, before);
}
