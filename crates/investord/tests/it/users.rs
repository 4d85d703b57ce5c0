//! Creating, reading and listing users.

use std::collections::HashSet;

use investord::store::tools::chains::check_chains;
use jiff::Timestamp;
use serde_json::{Value, json};
use testing::app::{START, TestApp};
use testing::bodies;
use uuid::Uuid;

/// Takes `id`, `created_at` and `updated_at` out of an answer, checks their form and gives the rest.
fn rest(mut user: Value) -> Value {
    let members = user.as_object_mut().unwrap();
    let id = members.remove("id").unwrap();
    let id = Uuid::try_parse(id.as_str().unwrap()).map(|uuid| (uuid, id)).unwrap();
    assert_eq!(id.0.to_string(), id.1.as_str().unwrap(), "lower case with hyphens");
    assert_eq!(id.0.get_version_num(), 4);
    let created_at = members.remove("created_at").unwrap();
    assert!(created_at.as_str().unwrap().ends_with('Z'));
    assert_eq!(members.remove("updated_at").unwrap(), created_at, "nothing has happened since");
    user
}

fn instant(user: &Value, name: &str) -> Timestamp {
    user[name].as_str().unwrap().parse().unwrap()
}

fn path(user: &Value) -> String {
    format!("/users/{}", user["id"].as_str().unwrap())
}

#[tokio::test]
async fn the_example_of_the_reference_is_answered_as_in_the_reference() {
    let app = TestApp::start().await;
    app.pass(100);
    let user = app.client().created(&bodies::karl()).await;
    assert_eq!(instant(&user, "created_at").as_second(), START + 102, "the clock of the server");
    let mut expected = bodies::karl();
    expected["status"] = json!("ACTIVE");
    assert_eq!(rest(user), expected);
}

#[tokio::test]
async fn the_body_of_the_vendors_clients_works_for_both_models() {
    for app in [TestApp::start().await, TestApp::tol().await] {
        let user = app.client().created(&bodies::peter()).await;
        let mut expected = bodies::peter();
        for name in ["salutation", "title"] {
            expected[name] = json!("");
        }
        expected["postal_address"] = expected["address"].clone();
        expected["status"] = json!("ACTIVE");
        assert_eq!(rest(user), expected);
    }
}

#[tokio::test]
async fn a_small_body_is_answered_with_its_defaults_and_nothing_more() {
    let app = TestApp::start().await;
    let mut expected = bodies::smallest();
    expected["salutation"] = json!("");
    expected["title"] = json!("");
    expected["postal_address"] = expected["address"].clone();
    expected["status"] = json!("ACTIVE");
    assert_eq!(rest(app.client().created(&bodies::smallest()).await), expected);
}

#[tokio::test]
async fn every_member_that_any_version_knows_is_kept_and_answered() {
    for app in [TestApp::start().await, TestApp::tol().await] {
        let user = app.client().created(&bodies::everything()).await;
        let mut expected = bodies::everything();
        expected["status"] = json!("ACTIVE");
        assert_eq!(rest(user.clone()), expected);
        assert_eq!(app.client().get(&path(&user)).send().await.ok(), user);
    }
}

#[tokio::test]
async fn values_are_answered_by_their_rules() {
    let app = TestApp::start().await;
    let absent = Value::Null;
    let full = bodies::rosenweg();
    let moment = |text: &str| json!({ "status": true, "confirmed_at": text });
    for (name, sent, answered) in [
        ("postal_address", json!(null), Some(json!(null))),
        ("postal_address", full.clone(), Some(full)),
        ("tags", json!([]), None),
        ("tags", json!(["CLIENT_EMPLOYEE"]), Some(json!(["CLIENT_EMPLOYEE"]))),
        ("decease_date", json!(""), None),
        ("decease_date", json!("2024-02-29"), Some(json!("2024-02-29"))),
        ("birth_name", json!(""), Some(json!(""))),
        ("phone_number", json!(""), Some(json!(""))),
        ("gender", json!(""), Some(json!(""))),
        ("social_security_number", json!(""), Some(json!(""))),
        ("first_name", json!("Zoe\u{308} 🙂"), Some(json!("Zoe\u{308} 🙂"))),
        ("last_name", json!(" van  Dam "), Some(json!(" van  Dam "))),
        ("nationalities", json!(["DE", "AU", "DE"]), Some(json!(["DE", "AU", "DE"]))),
        ("birth_country", json!("XK"), Some(json!("XK"))),
        ("email", json!("miller@example.com"), Some(json!("miller@example.com"))),
        ("fatca", moment("2023-07-28T12:09:00+02:00"), Some(moment("2023-07-28T10:09:00Z"))),
        ("fatca", moment("2023-07-28T10:09:00.123456400Z"), Some(moment("2023-07-28T10:09:00.123456Z"))),
        ("fatca", moment("2023-07-28T10:09:00.500000Z"), Some(moment("2023-07-28T10:09:00.5Z"))),
        ("fatca", moment("2023-07-28t10:09:00.00z"), Some(moment("2023-07-28T10:09:00Z"))),
        ("fatca", moment("2020-02-29T23:30:00-01:00"), Some(moment("2020-03-01T00:30:00Z"))),
        ("fatca", moment("2099-01-01T00:00:00Z"), Some(moment("2099-01-01T00:00:00Z"))),
    ] {
        let user = app.client().created(&bodies::with(name, sent.clone())).await;
        assert_eq!(user.get(name), answered.as_ref(), "{name} sent as {sent}");
        let read = app.client().get(&path(&user)).send().await.ok();
        assert_eq!(read.get(name).unwrap_or(&absent), answered.as_ref().unwrap_or(&absent));
    }
    let user = app.client().created(&bodies::smallest()).await;
    for name in ["decease_date", "tags", "birth_name", "email", "fatca", "birth_city", "gender", "branch_id"]
    {
        assert_eq!(user.get(name), None, "{name} was not given");
    }
}

#[tokio::test]
async fn whether_a_new_user_is_active_follows_from_the_leading_nationality() {
    for (regime, nationalities, active) in [
        ("EU", vec!["DE", "AU"], true),
        ("EU", vec!["AU", "DE"], true),
        ("EU", vec!["AT"], true),
        ("EU", vec!["FR"], true),
        ("EU", vec!["HU"], true),
        ("EU", vec!["IE"], true),
        ("EU", vec!["LU"], true),
        ("EU", vec!["PL"], false),
        ("EU", vec!["PL", "DE"], true),
        ("EU", vec!["PL", "PL"], false),
        ("EU", vec!["US"], false),
        ("EU", vec!["CZ", "PL"], false),
        ("EU", vec!["CZ", "DE"], false),
        ("EU", vec!["BE", "DE"], false),
        ("EU", vec!["GB"], false),
        ("EU", vec!["GB", "DE"], true),
        ("EU", vec!["GB", "IE"], true),
        ("EU", vec!["GB", "LU"], true),
        ("UK", vec!["GB"], false),
        ("UK", vec!["GB", "DE"], true),
        ("UK", vec!["GB", "IE"], false),
        ("UK", vec!["GB", "LU"], false),
        ("UK", vec!["DE", "AU"], true),
    ] {
        let app = TestApp::with(|options| options.settings.push(("regime", json!(regime)))).await;
        let user = app.client().created(&bodies::with("nationalities", json!(nationalities))).await;
        let status = if active { "ACTIVE" } else { "INACTIVE" };
        assert_eq!(user["status"], status, "{regime} {nationalities:?}");
        let kinds: Vec<String> = app.told(1).await.into_iter().map(|told| told.kind).collect();
        let expected: &[&str] = if active { &["USER.CREATED", "USER.ACTIVATED"] } else { &["USER.CREATED"] };
        assert_eq!(kinds, expected, "{regime} {nationalities:?}");
    }
}

#[tokio::test]
async fn what_activation_requires_is_a_setting() {
    for (required, german, polish) in [
        (json!([]), "ACTIVE", "ACTIVE"),
        (json!(["identifiers"]), "ACTIVE", "INACTIVE"),
        (json!(["checks"]), "INACTIVE", "INACTIVE"),
        (json!(["tax_residency"]), "INACTIVE", "INACTIVE"),
        (json!(["identifiers", "checks"]), "INACTIVE", "INACTIVE"),
        (json!(["identifiers", "checks", "tax_residency"]), "INACTIVE", "INACTIVE"),
    ] {
        for model in ["BYOL", "TOL"] {
            let app = TestApp::start().await;
            app.set("model", model).await;
            app.set("activation_requires", required.clone()).await;
            for (nationality, status) in [("DE", german), ("PL", polish)] {
                let mut body = bodies::peter();
                body["nationalities"] = json!([nationality]);
                assert_eq!(app.client().created(&body).await["status"], status, "{required} {nationality}");
            }
        }
    }
}

#[tokio::test]
async fn a_user_and_its_events_are_one_commit_and_the_events_show_the_user() {
    let app = TestApp::start().await;
    let before = app.rows();
    let user = app.client().created(&bodies::karl()).await;
    let after = app.rows();
    assert_eq!(
        (after.users, after.events, after.replies),
        (before.users + 1, before.events + 2, before.replies + 1)
    );
    let inactive = app.client().created(&bodies::with("nationalities", json!(["PL"]))).await;
    let told = app.told(1).await;
    let kinds: Vec<_> = told.iter().map(|event| (event.kind.as_str(), event.subject.to_string())).collect();
    let of = |user: &Value| user["id"].as_str().unwrap().to_owned();
    assert_eq!(
        kinds,
        [("USER.CREATED", of(&user)), ("USER.ACTIVATED", of(&user)), ("USER.CREATED", of(&inactive))]
    );
    for (event, user) in told.iter().zip([&user, &user, &inactive]) {
        assert_eq!(&event.object, user, "the object is the user as the API shows it");
        assert_eq!(event.created_at, instant(user, "created_at"));
    }
}

#[tokio::test]
async fn a_broken_link_of_the_event_chain_is_noticed() {
    let app = TestApp::start().await;
    for _ in 0..3 {
        app.client().created(&bodies::karl()).await;
    }
    assert_eq!(app.told(1).await.len(), 6);
    app.register.run("UPDATE events SET type = 'USER.UPDATED' WHERE number = 3");
    let broken = check_chains(&app.app().store, |_| {}).await.unwrap_err();
    assert!(broken.to_string().contains("the event chain of tenant 1 breaks at 3"), "{broken}");
    app.register.run("UPDATE events SET type = 'USER.CREATED' WHERE number = 3");
}

#[tokio::test]
async fn create_read_and_list_show_the_same_bytes() {
    let app = TestApp::start().await;
    let mut texts = Vec::new();
    for body in [bodies::karl(), bodies::everything(), bodies::with("postal_address", json!(null))] {
        let created = app.client().create(&body).send().await;
        let read = app.client().get(&path(&created.ok())).send().await;
        assert_eq!(created.text(), read.text());
        texts.push(created.text().to_owned());
    }
    let listed = app.client().get("/users").send().await;
    assert!(listed.text().ends_with(&format!("\"data\":[{}]}}", texts.join(","))), "{}", listed.text());
    texts.reverse();
    for sort in ["created_at", "updated_at"] {
        let listed = app.client().get(&format!("/users?order=DESC&sort={sort}")).send().await;
        assert!(listed.text().ends_with(&format!("\"data\":[{}]}}", texts.join(","))), "{}", listed.text());
    }
}

#[tokio::test]
async fn a_user_that_is_not_there_is_not_found() {
    let app = TestApp::start().await;
    let user = app.client().created(&bodies::karl()).await;
    let id = user["id"].as_str().unwrap();
    for id in ["a3a780b6-a012-4fa8-905c-61a9d0c20844", "abc", "1", &format!("{id}0"), &id[1..]] {
        app.client().get(&format!("/users/{id}")).send().await.refused("not_found");
    }
    for target in ["/users/", "/user", "/v1/users", "//users", "/users//x"] {
        assert_eq!(app.client().get(target).send().await.status, 404, "{target}");
    }
}

#[tokio::test]
async fn an_empty_register_has_an_empty_list() {
    let app = TestApp::start().await;
    let meta = json!({ "offset": 0, "limit": 100, "count": 0, "total_count": 0, "sort": "created_at", "order": "ASC" });
    let list = app.client().get("/users").send().await.ok();
    assert_eq!(list, json!({ "meta": meta, "data": [] }));
}

#[tokio::test]
async fn offset_limit_sort_and_order_cut_the_list() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        let user = app.client().created(&bodies::smallest()).await;
        ids.push(user["id"].as_str().unwrap().to_owned());
        app.pass(1);
    }
    let slice = |from: usize, to: usize, descending: bool| -> Vec<String> {
        let mut all = ids.clone();
        if descending {
            all.reverse();
        }
        all.get(from.min(7)..to.min(7)).unwrap_or_default().to_vec()
    };
    for (offset, limit) in [
        (0, 7),
        (0, 3),
        (3, 3),
        (6, 3),
        (7, 1),
        (0, 0),
        (3, 0),
        (0, 1000),
        (100, 1000),
        (2_147_483_647, 1000),
    ] {
        for sort in ["created_at", "updated_at"] {
            for order in ["ASC", "DESC"] {
                let target = format!("/users?offset={offset}&limit={limit}&sort={sort}&order={order}");
                let list = app.client().get(&target).send().await.ok();
                let got: Vec<&str> = list["data"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|user| user["id"].as_str().unwrap())
                    .collect();
                assert_eq!(got, slice(offset, offset.saturating_add(limit), order == "DESC"), "{target}");
                let meta = json!({
                    "offset": offset, "limit": limit, "count": got.len(), "total_count": 7,
                    "sort": sort, "order": order,
                });
                assert_eq!(list["meta"], meta, "{target}");
            }
        }
    }
}

#[tokio::test]
async fn empty_and_unknown_members_of_the_query_mean_nothing() {
    let app = TestApp::start().await;
    for target in [
        "/users",
        "/users?",
        "/users?limit=&offset=",
        "/users?sort=&order=",
        "/users?filter=x&page=-1&limit=100",
    ] {
        let meta = app.client().get(target).send().await.ok()["meta"].clone();
        assert_eq!((&meta["limit"], &meta["offset"]), (&json!(100), &json!(0)), "{target}");
        assert_eq!((&meta["sort"], &meta["order"]), (&json!("created_at"), &json!("ASC")), "{target}");
    }
}

#[tokio::test]
async fn a_query_that_does_not_fit_is_refused_by_name() {
    let app = TestApp::start().await;
    for (name, values) in [
        (
            "limit",
            vec!["1001", "-1", "abc", "1.0", "1e2", "0x10", "%201", "+1", "99999999999999999999", "%F0"],
        ),
        ("offset", vec!["-1", "2147483648", "abc", "1.5", "1,0", "99999999999999999999"]),
        ("sort", vec!["id", "CREATED_AT", "created_at,updated_at", "first_name", "%00"]),
        ("order", vec!["asc", "desc", "Asc", "UP", "1"]),
    ] {
        for value in values {
            let answer = app.client().get(&format!("/users?{name}={value}")).send().await;
            assert_eq!(answer.faults(), [name], "{name}={value}");
        }
    }
    let answer = app.client().get("/users?limit=x&offset=-1&sort=y&order=z").send().await;
    assert_eq!(answer.faults(), ["limit", "offset", "sort", "order"]);
}

#[tokio::test]
async fn pages_neither_overlap_nor_miss_anybody_while_users_are_added() {
    let app = TestApp::start().await;
    for _ in 0..25 {
        app.client().created(&bodies::smallest()).await;
    }
    for sort in ["created_at", "updated_at"] {
        let (mut seen, mut offset) = (HashSet::new(), 0);
        loop {
            let list =
                app.client().get(&format!("/users?limit=4&offset={offset}&sort={sort}")).send().await.ok();
            let data = list["data"].as_array().unwrap();
            for user in data {
                assert!(seen.insert(user["id"].as_str().unwrap().to_owned()), "nobody twice");
            }
            offset += data.len();
            if data.len() < 4 {
                assert_eq!(
                    seen.len(),
                    usize::try_from(list["meta"]["total_count"].as_i64().unwrap()).unwrap()
                );
                break;
            }
            if offset < 60 {
                app.client().created(&bodies::smallest()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_later_user_has_a_later_created_at_whatever_the_clock_does() {
    let mut app = TestApp::start().await;
    let mut instants = Vec::new();
    for seconds in [0, 0, 0, 5, 0, -3600, 0, -86_400, 0, 90_000, 0] {
        app.pass(seconds);
        if seconds != 0 {
            app.client_mut().renew().await;
        }
        let user = app.client().created(&bodies::smallest()).await;
        instants.push(instant(&user, "created_at"));
    }
    assert!(instants.windows(2).all(|pair| pair[0] < pair[1]), "{instants:?}");
    let ahead = instants.last().unwrap().as_second() - START;
    assert!((0..=90_000).contains(&ahead), "the register does not run away from the clock: {ahead}");
    app.restart().await;
    app.pass(-50);
    app.client_mut().renew().await;
    let user = app.client().created(&bodies::smallest()).await;
    assert!(instant(&user, "created_at") > *instants.last().unwrap(), "after a restart too");
    let told = app.told(1).await;
    assert!(told.windows(2).all(|pair| pair[0].created_at <= pair[1].created_at));
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let mut app = TestApp::start().await;
    let created = app.client().create(&bodies::everything()).send().await;
    let path = path(&created.ok());
    app.restart().await;
    assert_eq!(app.client().get(&path).send().await.text(), created.text());
}

#[tokio::test]
async fn personal_data_does_not_stand_readable_in_the_database() {
    let app = TestApp::start().await;
    let mut body = bodies::everything();
    body["last_name"] = json!("Kanarienvogel");
    body["email"] = json!("kanarienvogel@example.com");
    app.client().created(&body).await;
    for text in app.register.everything() {
        for canary in ["Kanarienvogel", "kanarienvogel", "1972-09-30", "65150872J003", "Rosenweg"] {
            let found = text.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} stands in the database");
        }
    }
}
