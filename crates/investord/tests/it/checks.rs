//! Checks and tax residencies: filed, decided, told; and users whose activation waits for them.

use investord::worker::jobs::run_due;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::client::{Client, once_key};

const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";
const ALL: [&str; 3] = ["kyc", "por", "instrument-fit"];

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

fn example(name: &str) -> Value {
    let text = match name {
        "kyc" => include_str!("../../../../api/examples/create-check-kyc.json"),
        "por" => include_str!("../../../../api/examples/create-check-por.json"),
        "instrument-fit" => include_str!("../../../../api/examples/create-check-instrument-fit.json"),
        _ => include_str!("../../../../api/examples/set-tax-residencies.json"),
    };
    serde_json::from_str(text).unwrap()
}

fn without(mut body: Value, member: &str) -> Value {
    body.as_object_mut().unwrap().remove(member);
    body
}

fn with(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

async fn file(client: &Client, user: &Value, body: &Value) -> Answer {
    client.request("POST", &format!("/users/{}/checks", id(user))).json(body).send().await
}

/// Filed and decided; the check.
async fn filed(app: &TestApp, user: &Value, body: &Value) -> Value {
    let answer = file(app.client(), user, body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.json().as_object().unwrap().len(), 1);
    run_due(app.app()).await.unwrap();
    let target = format!("/users/{}/checks/{}", id(user), id(&answer.json()));
    app.client().get(&target).send().await.ok()
}

async fn list(client: &Client, user: &Value, query: &str) -> Vec<Value> {
    let found = client.get(&format!("/users/{}/checks{query}", id(user))).send().await.ok();
    found["data"].as_array().unwrap().clone()
}

async fn tax(client: &Client, user: &Value, body: &Value) -> Answer {
    client.post(&format!("/users/{}/tax_residencies", id(user))).json(body).send().await
}

async fn status(client: &Client, user: &Value) -> Value {
    client.get(&format!("/users/{}", id(user))).send().await.ok()["status"].clone()
}

/// Kinds and objects of what has been told since an event.
async fn told(app: &TestApp, since: usize) -> Vec<(String, Value)> {
    app.told(1).await.into_iter().skip(since).map(|told| (told.kind, told.object)).collect()
}

#[tokio::test]
async fn every_body_is_kept_decided_and_told() {
    let app = TestApp::start().await;
    let user = app.client().created(&bodies::karl()).await;
    for name in ALL {
        let since = app.told(1).await.len();
        let body = example(name);
        let check = filed(&app, &user, &body).await;
        let mut expected = body.clone();
        for (member, value) in [("id", &check["id"]), ("user_id", &user["id"]), ("status", &json!("PASSED"))]
        {
            expected[member] = value.clone();
        }
        assert_eq!(check, expected, "{name}");
        let told = told(&app, since).await;
        assert_eq!(
            told[0],
            ("USER_CHECK.CREATED".into(), with(check.clone(), "status", json!("IN_PROGRESS")))
        );
        assert_eq!(told[1], ("USER_CHECK.PASSED".into(), check.clone()));
        assert_eq!(told.len(), if name == "kyc" { 4 } else { 2 });
        if name == "kyc" {
            let compliance = &told[3].1;
            let members: Vec<_> = compliance.as_object().unwrap().keys().collect();
            assert_eq!(members, ["id", "user_id", "type", "check_confirmed_at", "status"]);
            assert_eq!(
                (&compliance["type"], told[3].0.as_str()),
                (&json!("COMPLIANCE"), "USER_CHECK.PASSED")
            );
        }
    }
    let types = |found: &[Value]| {
        found.iter().map(|one| one["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let client = app.client();
    assert_eq!(types(&list(client, &user, "").await), ["KYC", "COMPLIANCE", "POR", "INSTRUMENT_FIT"]);
    // A second one of a kind: no second look at the person, and the history when it is wanted.
    let second = filed(&app, &user, &with(example("kyc"), "kyc_update", json!(true))).await;
    let expected = ["COMPLIANCE", "POR", "INSTRUMENT_FIT", "KYC"];
    assert_eq!(types(&list(client, &user, "?list_history=false").await), expected);
    assert_eq!(list(client, &user, "?list_history=true").await.len(), 5);
    assert_eq!(list(client, &user, "?type=KYC&list_history=false").await, [second]);
    for (query, field) in [("?type=SHOE_SIZE", "type"), ("?list_history=maybe", "list_history")] {
        let answer = client.get(&format!("/users/{}/checks{query}", id(&user))).send().await;
        assert_eq!(answer.faults(), [field]);
    }
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_refused_by_name_and_not_recorded() {
    let app = TestApp::start().await;
    let user = app.client().created(&bodies::karl()).await;
    let events = app.rows().events;
    let mut broken = vec![
        (json!({}), "type".to_owned()),
        (json!([]), "(root)".into()),
        (json!({ "type": "COMPLIANCE" }), "type".into()),
        (json!({ "type": 1 }), "type".into()),
    ];
    for name in ALL {
        let body = example(name);
        for member in body.as_object().unwrap().keys().filter(|member| *member != "type") {
            broken.push((with(body.clone(), member, json!(7)), member.clone()));
            if (name, member.as_str()) != ("kyc", "confirmed_address") {
                broken.push((without(body.clone(), member), member.clone()));
            }
        }
        broken.push((with(body.clone(), "surprise", json!(1)), "surprise".into()));
    }
    for (member, value) in [
        ("document_type", json!("UTILITY_BILL")),
        ("method", json!("PIGEON")),
        ("nationality", json!("XX")),
        ("provider", json!("x".repeat(101))),
        ("data_download_link", json!(format!("https://example.com/{}", "x".repeat(1000)))),
        ("document_expiration_date", json!("2030-02-30")),
        ("kyc_update", json!("yes")),
    ] {
        broken.push((with(example("kyc"), member, value), member.into()));
    }
    for (body, field) in broken {
        assert_eq!(file(app.client(), &user, &body).await.faults(), [field], "{body}");
    }
    run_due(app.app()).await.unwrap();
    assert_eq!((app.rows().events, app.number("SELECT count(*) FROM checks")), (events, 0));
}

#[tokio::test]
async fn activation_waits_for_what_the_tenant_requires_in_any_order() {
    let whole = json!(["identifiers", "checks", "tax_residency"]);
    for order in [
        ["checks", "taxes", "identifier"],
        ["identifier", "taxes", "checks"],
        ["taxes", "identifier", "checks"],
    ] {
        let app = TestApp::with(|options| {
            options.settings.extend([("model", json!("TOL")), ("activation_requires", whole.clone())]);
        })
        .await;
        let client = app.client();
        let mut body = bodies::everything();
        body["nationalities"] = json!(["PL"]);
        let user = client.created(&body).await;
        for (at, step) in order.into_iter().enumerate() {
            assert_eq!(status(client, &user).await, "INACTIVE", "before {step}");
            match step {
                "checks" => {
                    for name in ALL {
                        filed(&app, &user, &example(name)).await;
                    }
                }
                "taxes" => drop(tax(client, &user, &example("taxes")).await.ok()),
                _ => {
                    let pesel = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917" });
                    client.post(&format!("/users/{}/identifiers", id(&user))).json(&pesel).send().await.ok();
                }
            }
            assert_eq!(
                status(client, &user).await,
                if at == 2 { "ACTIVE" } else { "INACTIVE" },
                "after {step}"
            );
        }
        assert_eq!(app.number("SELECT count(*) FROM events WHERE type = 'USER.ACTIVATED'"), 1);
    }
}

#[tokio::test]
async fn of_each_kind_the_last_that_was_decided_counts() {
    let app = TestApp::with(|options| {
        options.settings.extend([
            ("model", json!("TOL")),
            ("activation_requires", json!(["checks"])),
            ("review_policy", json!("simulate")),
        ]);
    })
    .await;
    let client = app.client();
    let bad =
        |name: &str| with(example(name), "data_download_link", json!("https://bucket.customer.com/fail.zip"));
    let unfit = with(example("instrument-fit"), "instrument_suitability", json!({ "suitability": false }));
    // (what is filed, active afterwards)
    let plain = without(example("kyc"), "confirmed_address");
    for filings in [
        vec![(example("kyc"), false), (example("instrument-fit"), true)],
        vec![(example("instrument-fit"), false), (plain.clone(), false), (example("por"), true)],
        vec![(bad("kyc"), false), (example("instrument-fit"), false), (example("kyc"), true)],
        vec![(plain, false), (example("instrument-fit"), false), (bad("por"), false), (example("por"), true)],
        vec![
            (example("instrument-fit"), false),
            (unfit, false),
            (example("kyc"), false),
            (example("instrument-fit"), true),
        ],
    ] {
        let user = client.created(&bodies::everything()).await;
        for (body, active) in filings {
            filed(&app, &user, &body).await;
            assert_eq!(status(client, &user).await, if active { "ACTIVE" } else { "INACTIVE" }, "{body}");
        }
        // Whoever is active stays so.
        assert_eq!(filed(&app, &user, &bad("kyc")).await["status"], "FAILED");
        assert_eq!(status(client, &user).await, "ACTIVE");
    }
}

/// The history of a user can be long: what was decided before is not read again.
#[tokio::test]
async fn a_judgement_reads_no_more_than_the_last_check_of_each_kind() {
    let app = TestApp::with(|options| {
        options.settings.extend([("model", json!("TOL")), ("activation_requires", json!(["checks"]))]);
    })
    .await;
    let client = app.client();
    let user = client.created(&bodies::everything()).await;
    let plain = without(example("kyc"), "confirmed_address");
    filed(&app, &user, &plain).await;
    filed(&app, &user, &plain).await;
    // If it were read, nothing more could be decided of this user.
    let nothing = if testing::postgres::is_chosen() { "'x'::bytea" } else { "X'00'" };
    let first = "(SELECT min(created_at) FROM checks)";
    app.register.run(&format!("UPDATE checks SET sealed = {nothing} WHERE created_at = {first}"));
    for body in [example("kyc"), example("instrument-fit")] {
        assert_eq!(filed(&app, &user, &body).await["status"], "PASSED");
    }
    assert_eq!(status(client, &user).await, "ACTIVE");
}

#[tokio::test]
async fn what_is_too_old_fails_where_the_tenant_wants_that() {
    let app = TestApp::start().await;
    let user = app.client().created(&bodies::karl()).await;
    let old = [
        // The clock of the tests begins on 2026-11-21.
        (with(example("kyc"), "check_confirmed_at", json!("2024-11-20T23:59:59Z")), "FAILED"),
        (with(example("kyc"), "check_confirmed_at", json!("2024-11-21T00:00:00Z")), "PASSED"),
        (with(example("por"), "issuance_date", json!("2025-11-20")), "FAILED"),
        (with(example("por"), "issuance_date", json!("2025-11-21")), "PASSED"),
    ];
    let mut registration = with(example("por"), "document_type", json!("REGISTRATION_CERT"));
    registration["issuance_date"] = json!("2021-11-21");
    let mut expired = with(example("kyc"), "check_confirmed_at", json!("2026-11-01T00:00:00Z"));
    expired["document_expiration_date"] = json!("2026-11-20");
    let more = [
        (registration.clone(), "PASSED"),
        (with(registration, "issuance_date", json!("2021-11-20")), "FAILED"),
        (with(expired.clone(), "document_expiration_date", json!("2026-11-21")), "PASSED"),
        (expired, "FAILED"),
        (with(example("por"), "document_type", json!("ID_CARD")), "PASSED"),
    ];
    for (body, expected) in old.iter().chain(&more) {
        assert_eq!(filed(&app, &user, body).await["status"], "PASSED", "{body}");
        app.set("proof_validity", "enforce").await;
        assert_eq!(filed(&app, &user, body).await["status"], *expected, "{body}");
        app.set("proof_validity", "ignore").await;
    }
}

#[tokio::test]
async fn a_check_for_review_waits() {
    let app = TestApp::tol().await;
    app.set("review_policy", "review").await;
    let user = app.client().created(&bodies::everything()).await;
    assert_eq!(filed(&app, &user, &example("kyc")).await["status"], "IN_PROGRESS");
    assert_eq!(filed(&app, &user, &example("por")).await["status"], "IN_PROGRESS");
    assert_eq!(filed(&app, &user, &example("instrument-fit")).await["status"], "PASSED", "there is no proof");
    // Whoever leaves waits until they are decided.
    app.client().request("DELETE", &format!("/users/{}", id(&user))).send().await;
    run_due(app.app()).await.unwrap();
    assert_eq!(status(app.client(), &user).await, "OFFBOARDING");
    file(app.client(), &user, &example("kyc")).await.refused("forbidden");
}

#[tokio::test]
async fn tax_residencies_are_set_as_a_whole() {
    let app = TestApp::start().await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let target = format!("/users/{}/tax_residencies", id(&user));
    client.get(&target).send().await.refused("not_found");
    let body = example("taxes");
    let key = once_key();
    let send =
        async |body: &Value| client.post(&target).header("idempotency-key", &key).json(body).send().await;
    let first = send(&body).await.ok();
    let expected = json!({
        "created_at": first["created_at"], "updated_at": first["created_at"],
        "tax_residencies": body["tax_residencies"], "status": "ACTIVE",
    });
    assert_eq!(first.to_string(), expected.to_string());
    assert_eq!(send(&body).await.ok(), first);
    assert_eq!(client.get(&target).send().await.ok(), first);
    let other = json!({ "tax_residencies": [{ "country": "CH", "missing_tin_reason": "OTHER_REASONS" }] });
    send(&other).await.refused("unprocessable_entity");
    app.pass(1);
    let second = tax(client, &user, &other).await.ok();
    assert_eq!(
        (&second["tax_residencies"], &second["created_at"]),
        (&other["tax_residencies"], &first["created_at"])
    );
    assert_ne!(second["updated_at"], first["updated_at"]);
    assert_eq!(client.get(&target).send().await.ok(), second);
    client.request("POST", &target).json(&body).send().await.refused("missing_idempotency_key");
    let german = json!({ "country": "DE", "tax_identifier_number": "65929970489" });
    let residency = |one: Value| json!({ "tax_residencies": [german, one] });
    for (body, field) in [
        (json!({}), "tax_residencies"),
        (json!({ "tax_residencies": [] }), "tax_residencies"),
        (
            residency(json!({ "country": "XX", "tax_identifier_number": "1234567" })),
            "tax_residencies[1].country",
        ),
        (
            residency(json!({ "country": "FR", "tax_identifier_number": "" })),
            "tax_residencies[1].tax_identifier_number",
        ),
        (
            residency(json!({ "country": "FR", "missing_tin_reason": "LOST" })),
            "tax_residencies[1].missing_tin_reason",
        ),
        (residency(json!({ "country": "FR" })), "tax_residencies[1]"),
        (
            residency(
                json!({ "country": "FR", "tax_identifier_number": "1234567", "missing_tin_reason": "OTHER_REASONS" }),
            ),
            "tax_residencies[1]",
        ),
        (
            residency(json!({ "country": "DE", "missing_tin_reason": "OTHER_REASONS" })),
            "tax_residencies[1].country",
        ),
    ] {
        assert_eq!(tax(client, &user, &body).await.faults(), [field], "{body}");
    }
    client.request("DELETE", &format!("/users/{}", id(&user))).send().await;
    run_due(app.app()).await.unwrap();
    tax(client, &user, &body).await.refused("forbidden");
    assert_eq!(client.get(&target).send().await.ok(), second);
}

#[tokio::test]
async fn who_may_and_for_whom() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let foreign = app.new_client("other", "checks:admin taxes:admin").await;
    let reader = app.new_client("main", "checks:read taxes:read").await;
    let user = app.client().created(&bodies::karl()).await;
    let check = filed(&app, &user, &example("por")).await;
    tax(app.client(), &user, &example("taxes")).await.ok();
    let targets = [
        format!("/users/{}/checks", id(&user)),
        format!("/users/{}/checks/{}", id(&user), id(&check)),
        format!("/users/{}/tax_residencies", id(&user)),
    ];
    for target in &targets {
        reader.get(target).send().await.ok();
        foreign.get(target).send().await.refused("not_found");
        app.new_client("main", "users:admin").await.get(target).send().await.refused("forbidden");
    }
    for client in [&foreign, &reader] {
        let slug = if client.id == foreign.id { "not_found" } else { "forbidden" };
        file(client, &user, &example("kyc")).await.refused(slug);
        tax(client, &user, &example("taxes")).await.refused(slug);
    }
    for target in [
        format!("{}/{UNKNOWN}", targets[0]),
        format!("/users/{UNKNOWN}/checks"),
        "/users/abc/tax_residencies".into(),
    ] {
        app.client().get(&target).send().await.refused("not_found");
    }
}
