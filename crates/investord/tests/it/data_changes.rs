//! Changes of a user's data: asked for, done later, told.

use investord::worker::jobs::run_due;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::{TestApp, Told};
use testing::bodies;
use testing::client::Client;

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

fn example(name: &str) -> Value {
    let text = match name {
        "name" => include_str!("../../../../api/examples/change-name.json"),
        "email" => include_str!("../../../../api/examples/change-email.json"),
        "nationality" => include_str!("../../../../api/examples/change-nationality.json"),
        "address" => include_str!("../../../../api/examples/change-address.json"),
        _ => include_str!("../../../../api/examples/change-byol.json"),
    };
    serde_json::from_str(text).unwrap()
}

async fn ask(client: &Client, user: &Value, body: &Value) -> Answer {
    let target = format!("/users/{}/data_change_requests", id(user));
    client.request("POST", &target).json(body).send().await
}

/// Accepted and done; the user afterwards.
async fn changed(app: &TestApp, user: &Value, body: &Value) -> Value {
    let answer = ask(app.client(), user, body).await;
    assert_eq!((answer.status, answer.text()), (202, ""), "{body}");
    assert_eq!(answer.header("content-type"), None);
    assert!(answer.header("upvest-request-id").is_some());
    run_due(app.app()).await.unwrap();
    read(app.client(), user).await
}

async fn read(client: &Client, user: &Value) -> Value {
    client.get(&format!("/users/{}", id(user))).send().await.ok()
}

async fn history(client: &Client, user: &Value) -> Vec<Value> {
    let target = format!("/investord/users/{}/data_change_requests", id(user));
    client.get(&target).send().await.ok()["data"].as_array().unwrap().clone()
}

/// The events of a user, without the one that tells of the creation.
async fn told(app: &TestApp, user: &Value) -> Vec<Told> {
    let all = app.told(1).await.into_iter();
    all.filter(|told| told.subject.to_string() == id(user)).skip(1).collect()
}

fn kinds(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| told.kind.as_str()).collect()
}

#[tokio::test]
async fn every_body_of_the_reference_is_done_and_told() {
    for (model, names) in [
        ("BYOL", &["name", "email", "nationality", "address", "byol"][..]),
        ("TOL", &["name", "email", "nationality", "address"]),
    ] {
        let app = TestApp::with(|options| options.settings.push(("model", json!(model)))).await;
        for name in names {
            let body = example(name);
            let mut start = bodies::everything();
            (start["first_name"], start["last_name"]) = (json!("Anna"), json!("Berg"));
            (start["nationalities"], start["birth_date"]) = (json!(["FR"]), json!("1980-05-17"));
            let user = app.client().created(&start).await;
            app.pass(1);
            let after = changed(&app, &user, &body).await;
            let mut expected = user.clone();
            for (member, value) in body.as_object().unwrap() {
                if !["issuance_date", "data_download_link", "document_type"].contains(&member.as_str()) {
                    expected[member] = value.clone();
                }
            }
            assert_ne!(after["updated_at"], user["updated_at"]);
            expected["updated_at"] = after["updated_at"].clone();
            assert_eq!(after, expected, "{model} {name}");
            let order = |user: &Value| user.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(order(&after), order(&user));
            let told = told(&app, &user).await;
            assert_eq!(kinds(&told), ["USER.ACTIVATED", "USER.DATA_CHANGED"], "{model} {name}");
            assert_eq!(told[1].object, after, "the new user");
            let [change] = &history(app.client(), &user).await[..] else { panic!("one") };
            assert_eq!((&change["state"], &change["decided_by"]), (&json!("DONE"), &json!("system")));
            for (member, value) in change["before"].as_object().unwrap() {
                assert_eq!(user[member], *value, "{member} before");
            }
            assert_eq!(change["proof"].get("document_type"), body.get("document_type"));
        }
    }
}

#[tokio::test]
async fn members_follow_their_rules() {
    let app = TestApp::start().await;
    let client = app.client();
    let mut other = bodies::rosenweg();
    other["city"] = json!("Köln");
    let user = client.created(&bodies::everything()).await;
    assert_eq!(
        changed(&app, &user, &json!({ "address": other })).await["postal_address"],
        bodies::rosenweg()
    );
    assert_eq!(changed(&app, &user, &json!({ "tags": [] })).await.get("tags"), None);
    assert_eq!(changed(&app, &user, &json!({ "decease_date": "" })).await["decease_date"], Value::Null);
    // Absent until it was set, whatever was said about its absence.
    let living = client.created(&bodies::with("decease_date", json!(""))).await;
    assert_eq!(living.get("decease_date"), None);
    for (sent, answered) in [
        (json!({ "decease_date": "" }), None),
        (json!({ "title": "DR" }), None),
        (json!({ "decease_date": "2024-02-29" }), Some(json!("2024-02-29"))),
        (json!({ "title": "" }), Some(json!("2024-02-29"))),
        (json!({ "decease_date": "" }), Some(Value::Null)),
        (json!({ "title": "DR" }), Some(Value::Null)),
    ] {
        assert_eq!(changed(&app, &living, &sent).await.get("decease_date"), answered.as_ref(), "{sent}");
    }
    assert_eq!(changed(&app, &user, &json!({ "postal_address": null })).await["postal_address"], Value::Null);
    assert_eq!(
        changed(&app, &user, &json!({ "branch_id": "0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21" })).await["status"],
        "ACTIVE"
    );
    // A postal address that was a copy moves along; one that was sent does not.
    let copied = client.created(&bodies::smallest()).await;
    assert_eq!(changed(&app, &copied, &json!({ "address": other })).await["postal_address"], other);
    let after = changed(&app, &copied, &json!({ "postal_address": bodies::rosenweg() })).await;
    assert_eq!((&after["address"], &after["postal_address"]), (&other, &bodies::rosenweg()));
    let after = changed(&app, &copied, &json!({ "address": bodies::rosenweg() })).await;
    assert_eq!(after["postal_address"], bodies::rosenweg());
    // The same again is a success, too.
    let again = changed(&app, &copied, &json!({ "address": bodies::rosenweg() })).await;
    assert_ne!(again["updated_at"], after["updated_at"]);
    assert!(told(&app, &copied).await.iter().skip(1).all(|told| told.kind == "USER.DATA_CHANGED"));
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_refused_by_name_and_not_recorded() {
    let broken = |example: Value| {
        let mut all =
            vec![(json!({}), "(root)"), (json!([]), "(root)"), (json!({ "surprise": 1 }), "surprise")];
        for (member, wrong) in [
            ("first_name", json!("A")),
            ("last_name", json!("B")),
            ("nationalities", json!([])),
            ("nationalities", json!(["XX"])),
            ("address", json!({ "city": "Köln" })),
            ("email", json!("nobody")),
            ("issuance_date", json!("2030-02-30")),
            ("data_download_link", json!("ftp")),
            ("data_download_link", json!(format!("https://example.com/{}", "x".repeat(1000)))),
            ("document_type", json!("DRIVING_LICENSE")),
            ("birth_date", json!("2990-01-01")),
        ] {
            if example.get(member).is_some() {
                let mut body = example.clone();
                body[member] = wrong;
                all.push((body, member));
            }
        }
        all
    };
    for (model, names) in [
        ("BYOL", &["name", "email", "nationality", "address", "byol"][..]),
        ("TOL", &["name", "email", "nationality", "address"]),
    ] {
        let app = TestApp::with(|options| options.settings.push(("model", json!(model)))).await;
        let user = app.client().created(&bodies::everything()).await;
        for name in names {
            for (body, field) in broken(example(name)) {
                let answer = ask(app.client(), &user, &body).await;
                let faults = answer.faults();
                assert!(faults.iter().any(|fault| fault.starts_with(field)), "{model} {body}: {faults:?}");
            }
            if model == "TOL" && *name != "email" {
                for member in example(name).as_object().unwrap().keys() {
                    let mut body = example(name);
                    body.as_object_mut().unwrap().remove(member);
                    assert_eq!(ask(app.client(), &user, &body).await.status, 400, "{name} without {member}");
                }
            }
        }
        run_due(app.app()).await.unwrap();
        assert!(history(app.client(), &user).await.is_empty());
        assert_eq!(read(app.client(), &user).await, user);
    }
}

#[tokio::test]
async fn under_the_registers_licence_one_thing_is_proved_at_a_time() {
    let app = TestApp::tol().await;
    let user = app.client().created(&bodies::everything()).await;
    let mut both = example("name");
    both["nationalities"] = json!(["DE"]);
    assert_eq!(ask(app.client(), &user, &both).await.faults(), ["first_name"]);
    let mut all = both;
    all["address"] = bodies::rosenweg();
    assert_eq!(ask(app.client(), &user, &all).await.faults(), ["address", "first_name"]);
    for member in ["birth_date", "birth_city", "birth_country"] {
        let body = json!({ member: bodies::karl()[member] });
        assert_eq!(ask(app.client(), &user, &body).await.faults(), [member], "only an operator changes that");
    }
}

#[tokio::test]
async fn concats_and_activation_follow() {
    let app = TestApp::start().await;
    let client = app.client();
    let identifiers = async |user: &Value| {
        let found = client.get(&format!("/users/{}/identifiers", id(user))).send().await.ok();
        found["data"].as_array().unwrap().clone()
    };
    let reported = async |user: &Value| {
        let report = client.get(&format!("/investord/users/{}/reporting", id(user))).send().await.ok();
        report["designation"]["identifier"].clone()
    };
    let user = client.created(&bodies::smallest()).await;
    let before = identifiers(&user).await;
    app.pass(5);
    changed(&app, &user, &json!({ "first_name": "Günter", "last_name": "von der Heide" })).await;
    let after = identifiers(&user).await;
    assert_eq!(reported(&user).await, "DE19891109GUNTEHEIDE");
    assert_eq!((&after[0]["id"], &after[0]["created_at"]), (&before[0]["id"], &before[0]["created_at"]));
    assert_ne!(after[0]["updated_at"], before[0]["updated_at"]);
    // Another country leads: its CONCAT is added, the old one stays.
    changed(&app, &user, &json!({ "nationalities": ["DE", "AT"] })).await;
    let countries: Vec<Value> =
        identifiers(&user).await.iter().map(|one| one["issuing_country"].clone()).collect();
    assert_eq!(countries, ["DE", "AT"]);
    // Whoever is active stays so when a number would be needed; the reporting answer says that it is.
    let polish = changed(&app, &user, &json!({ "nationalities": ["PL"] })).await;
    assert_eq!((&polish["status"], reported(&user).await), (&json!("ACTIVE"), Value::Null));

    let waiting = client.created(&bodies::with("nationalities", json!(["PL"]))).await;
    let german = changed(&app, &waiting, &json!({ "nationalities": ["PL", "DE"] })).await;
    assert_eq!(german["status"], "ACTIVE");
    let told = told(&app, &waiting).await;
    assert_eq!(kinds(&told), ["USER.DATA_CHANGED", "USER.ACTIVATED"]);
    assert_eq!(told[0].object["status"], "INACTIVE", "each the user as it then was");
    assert_eq!(told[1].object, german);
}

#[tokio::test]
async fn requests_of_one_user_are_done_in_their_order() {
    let app = TestApp::start().await;
    let (anna, berta) =
        (app.client().created(&bodies::smallest()).await, app.client().created(&bodies::smallest()).await);
    for number in 0..10 {
        for user in [&anna, &berta] {
            let body = json!({ "last_name": format!("Number {number}") });
            assert_eq!(ask(app.client(), user, &body).await.status, 202);
        }
    }
    run_due(app.app()).await.unwrap();
    for user in [&anna, &berta] {
        let told = told(&app, user).await;
        let names: Vec<_> = told[1..].iter().map(|told| told.object["last_name"].as_str().unwrap()).collect();
        assert_eq!(names, (0..10).map(|number| format!("Number {number}")).collect::<Vec<_>>());
        assert_eq!(history(app.client(), user).await.len(), 10);
    }
    assert_eq!(app.number("SELECT count(*) FROM jobs"), 0);
}

#[tokio::test]
async fn a_bad_proof_changes_nothing_and_is_told() {
    let app = TestApp::tol().await;
    app.set("review_policy", "simulate").await;
    let user = app.client().created(&bodies::everything()).await;
    let mut body = example("name");
    body["data_download_link"] = json!("https://bucket.customer.com/fail.zip");
    assert_eq!(changed(&app, &user, &body).await, user, "updated_at too");
    let told = told(&app, &user).await;
    assert_eq!(kinds(&told), ["USER.ACTIVATED", "USER.DATA_CHANGE_FAILED"]);
    assert_eq!(told[1].object, json!({ "user_id": id(&user), "reason": "proof document is not accepted" }));
    let [change] = &history(app.client(), &user).await[..] else { panic!("one") };
    assert_eq!((&change["state"], &change["before"]), (&json!("FAILED"), &Value::Null));
    // Any other is good.
    assert_eq!(changed(&app, &user, &example("name")).await["first_name"], "Karl");
}

#[tokio::test]
async fn a_change_for_review_waits_and_holds_up_what_comes_after_it() {
    let app = TestApp::tol().await;
    app.set("review_policy", "review").await;
    let user = app.client().created(&bodies::everything()).await;
    for name in ["name", "email"] {
        assert_eq!(changed(&app, &user, &example(name)).await, user);
    }
    let states: Vec<Value> =
        history(app.client(), &user).await.iter().map(|change| change["state"].clone()).collect();
    assert_eq!(states, ["PENDING", "PENDING"]);
    // What needs no proof needs no review.
    let other = app.client().created(&bodies::everything()).await;
    assert_eq!(changed(&app, &other, &example("email")).await["email"], "max@example.com");
}

#[tokio::test]
async fn what_cannot_be_done_does_not_keep_the_rest_from_being_done() {
    let app = TestApp::start().await;
    let (broken, whole) =
        (app.client().created(&bodies::smallest()).await, app.client().created(&bodies::smallest()).await);
    for user in [&broken, &whole] {
        let answer = ask(app.client(), user, &example("email")).await;
        assert_eq!(answer.status, 202);
    }
    run_due(app.app()).await.unwrap();
    // More than are done at once, of which nothing is known.
    for number in 1..=120 {
        app.register.run(&format!(
            "INSERT INTO jobs (tenant, user_number, number, kind, subject, due)
             SELECT tenant, number, {number}, 'check', id, 0 FROM users WHERE number = 1"
        ));
    }
    ask(app.client(), &whole, &json!({ "last_name": "Later" })).await;
    run_due(app.app()).await.unwrap();
    assert_eq!(read(app.client(), &whole).await["last_name"], "Later");
    assert_eq!(app.number("SELECT count(*) FROM jobs WHERE due > 0"), 120, "tried again in a while");
    app.register.run("DELETE FROM jobs");
}

#[tokio::test]
async fn who_may_ask_and_for_whom() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let foreign = app.new_client("other", "users:admin users:read").await;
    let reader = app.new_client("main", "users:read").await;
    let user = app.client().created(&bodies::smallest()).await;
    ask(&foreign, &user, &example("email")).await.refused("not_found");
    ask(&reader, &user, &example("email")).await.refused("forbidden");
    assert!(history(&reader, &user).await.is_empty());
    foreign
        .get(&format!("/investord/users/{}/data_change_requests", id(&user)))
        .send()
        .await
        .refused("not_found");
    app.client()
        .request("POST", "/users/abc/data_change_requests")
        .json(&example("email"))
        .send()
        .await
        .refused("not_found");
    app.register.run("UPDATE users SET status = 'OFFBOARDED'");
    ask(app.client(), &user, &example("email")).await.refused("forbidden");
    app.register.run("UPDATE users SET status = 'ACTIVE'");
}

#[tokio::test]
async fn a_preview_says_what_would_follow_and_does_nothing() {
    let app = TestApp::start().await;
    let client = app.client();
    let reader = app.new_client("main", "users:read").await;
    let user = client.created(&bodies::smallest()).await;
    let try_out = async |user: &Value, body: Value| {
        let target = format!("/investord/users/{}/data_change_requests/preview", id(user));
        reader.request("POST", &target).json(&body).send().await
    };
    let rows = app.rows();
    let polish = try_out(&user, json!({ "nationalities": ["PL"], "last_name": "Nowak" })).await.ok();
    let says = [
        "nationality PL leads",
        "PESEL needed",
        "CONCAT not allowed",
        "the user stays ACTIVE and cannot be reported",
    ];
    assert_eq!(polish["says"], json!(says));
    assert_eq!(
        polish["before"],
        json!({ "last_name": user["last_name"], "nationalities": user["nationalities"] })
    );
    assert_eq!(polish["after"], json!({ "last_name": "Nowak", "nationalities": ["PL"] }));
    assert_eq!((&polish["refusal"], &polish["review"]), (&Value::Null, &json!(false)));
    assert_eq!(polish["reporting"]["before"]["outcome"], "READY");
    assert_eq!(polish["reporting"]["after"]["missing"]["identifier_standard"], "PESEL");
    let belgian = try_out(&user, json!({ "nationalities": ["BE"] })).await.ok();
    let says = belgian["says"].as_array().unwrap();
    assert_eq!(says[1..3], [json!("BNN needed"), json!("without one CONCAT")]);
    let married = try_out(&user, json!({ "last_name": "Heide" })).await.ok();
    let named = married["reporting"]["after"]["designation"]["identifier"].as_str().unwrap();
    assert_eq!(married["says"], json!([format!("reported as {named}")]));
    assert_eq!(try_out(&user, json!({ "email": "a@example.com" })).await.ok()["says"], json!([]));
    // It says what then is done, and has done nothing.
    assert_eq!((read(client, &user).await, app.rows().events), (user.clone(), rows.events));
    assert_eq!(app.number("SELECT count(*) FROM data_changes"), 0);
    let after = changed(&app, &user, &json!({ "nationalities": ["PL"], "last_name": "Nowak" })).await;
    for (member, value) in polish["after"].as_object().unwrap() {
        assert_eq!(after[member], *value);
    }
    let report = client.get(&format!("/investord/users/{}/reporting", id(&user))).send().await.ok();
    assert_eq!(report["reasons"], polish["reporting"]["after"]["reasons"]);
    assert_eq!(try_out(&user, json!({ "nationalities": ["XX"] })).await.faults(), ["nationalities[0]"]);
    assert_eq!(try_out(&user, json!({})).await.faults(), ["(root)"]);
    let waiting = client.created(&bodies::with("nationalities", json!(["PL"]))).await;
    let says = try_out(&waiting, json!({ "nationalities": ["DE"] })).await.ok()["says"].clone();
    assert!(
        says.as_array().unwrap().contains(&json!("nothing is missing of the identifiers any more")),
        "{says}"
    );
    // Who has left cannot be changed.
    client.request("DELETE", &format!("/users/{}", id(&waiting))).send().await;
    run_due(app.app()).await.unwrap();
    let gone = try_out(&waiting, json!({ "last_name": "New" })).await.ok();
    assert_eq!(
        (&gone["refusal"], &gone["after"]),
        (&json!("user status does not allow data changes"), &json!({}))
    );
}
