//! What operators read of a user: why they are not active, what has changed, and what a decision would lead to.

use investord::worker::jobs::run_due;
use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;

use crate::operators::{Officer, officer};

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

fn kyc() -> Value {
    serde_json::from_str(include_str!("../../../../api/examples/create-check-kyc.json")).unwrap()
}

/// A register with an operator and somebody of Poland, who is asked for a PESEL.
async fn waiting(settings: &[(&'static str, Value)]) -> (TestApp, Officer, Value) {
    let settings = settings.to_vec();
    let app = TestApp::with(|options| options.settings = settings).await;
    let anna = officer(&app, "anna", "compliance support", None).await;
    let mut body = bodies::everything();
    body["nationalities"] = json!(["PL"]);
    let user = app.client().created(&body).await;
    (app, anna, user)
}

async fn shown(anna: &Officer, user: &Value) -> Value {
    anna.get(&format!("/tenants/main/users/{}", id(user))).await.ok()
}

/// Names of the reasons, each of which is also a sentence.
async fn reasons(anna: &Officer, user: &Value) -> Vec<String> {
    let shown = shown(anna, user).await;
    let reasons = shown["not_active_because"].as_array().unwrap();
    assert!(reasons.iter().all(|reason| !reason["says"].as_str().unwrap().is_empty()), "{shown}");
    let active = shown["user"]["status"] == "ACTIVE";
    assert_eq!(active, reasons.is_empty(), "{shown}");
    reasons.iter().map(|reason| reason["reason"].as_str().unwrap().to_owned()).collect()
}

async fn act(anna: &Officer, user: &Value, action: &str, reason: &str) {
    let target = format!("/tenants/main/users/{}/actions", id(user));
    anna.post(&target, json!({ "action": action, "reason": reason })).await.ok();
}

async fn add_pesel(client: &Client, user: &Value) {
    let pesel = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917" });
    client.post(&format!("/users/{}/identifiers", id(user))).json(&pesel).send().await.ok();
}

#[tokio::test]
async fn every_requirement_that_is_not_met_is_named_until_it_is() {
    let required = ("activation_requires", json!(["identifiers", "checks", "tax_residency"]));
    let (app, anna, user) = waiting(&[required, ("model", json!("TOL"))]).await;
    let client = app.client();
    let all = [
        "identifier_missing", "check_missing", "check_missing", "check_missing", "check_missing",
        "tax_residency_missing",
    ];
    assert_eq!(reasons(&anna, &user).await, all);
    let first = shown(&anna, &user).await;
    let identifier = &first["not_active_because"][0];
    assert_eq!(
        [&identifier["country"], &identifier["identifier_standard"], &identifier["next"]],
        [&json!("PL"), &json!("PESEL"), &json!("PLTN")]
    );
    let kinds: Vec<&Value> =
        first["not_active_because"].as_array().unwrap()[1..5].iter().map(|one| &one["type"]).collect();
    assert_eq!(kinds, ["KYC", "POR", "INSTRUMENT_FIT", "COMPLIANCE"]);
    assert_eq!(first["status_since"], user["created_at"]);

    add_pesel(client, &user).await;
    assert_eq!(reasons(&anna, &user).await, all[1..]);
    // A check that fails says why, and one that is open that it is.
    app.set("review_policy", "review").await;
    let target = format!("/users/{}/checks", id(&user));
    let check = client.request("POST", &target).json(&kyc()).send().await.json();
    run_due(app.app()).await.unwrap();
    let open = shown(&anna, &user).await["not_active_because"][0].clone();
    assert_eq!((&open["reason"], &open["id"]), (&json!("check_in_progress"), &check["id"]));
    let verdict = json!({ "verdict": "refuse", "reason": "the picture is blurred" });
    anna.post(&format!("/tenants/main/users/{}/reviews/{}", id(&user), id(&check)), verdict).await.ok();
    run_due(app.app()).await.unwrap();
    let failed = shown(&anna, &user).await["not_active_because"][0].clone();
    assert_eq!((&failed["reason"], &failed["id"]), (&json!("check_failed"), &check["id"]));
    assert!(failed["says"].as_str().unwrap().ends_with("has failed: the picture is blurred"), "{failed}");
    // A good check of identity confirms the address, too, and brings the check of the register.
    app.set("review_policy", "auto").await;
    client.request("POST", &target).json(&kyc()).send().await;
    run_due(app.app()).await.unwrap();
    assert_eq!(reasons(&anna, &user).await, ["check_missing", "tax_residency_missing"]);
    let fit = include_str!("../../../../api/examples/create-check-instrument-fit.json");
    client.request("POST", &target).json(&serde_json::from_str(fit).unwrap()).send().await;
    run_due(app.app()).await.unwrap();
    assert_eq!(reasons(&anna, &user).await, ["tax_residency_missing"]);
    let taxes = include_str!("../../../../api/examples/set-tax-residencies.json");
    let taxes: Value = serde_json::from_str(taxes).unwrap();
    client.post(&format!("/users/{}/tax_residencies", id(&user))).json(&taxes).send().await.ok();
    run_due(app.app()).await.unwrap();
    assert!(reasons(&anna, &user).await.is_empty());
    let active = shown(&anna, &user).await;
    let history = anna.get(&format!("/tenants/main/users/{}/history", id(&user))).await.ok();
    let events = history["data"].as_array().unwrap();
    let activated = events.iter().find(|event| event["type"] == "USER.ACTIVATED").unwrap();
    assert_eq!(active["status_since"], activated["created_at"]);
}

#[tokio::test]
async fn who_holds_a_user_back_is_named_with_the_reason() {
    let (app, anna, user) = waiting(&[]).await;
    act(&anna, &user, "deactivate", "a court has said so").await;
    assert_eq!(reasons(&anna, &user).await, ["deactivated", "identifier_missing"]);
    add_pesel(app.client(), &user).await;
    let held = shown(&anna, &user).await["not_active_because"][0].clone();
    assert_eq!(
        (&held["operator"], &held["operator_reason"]),
        (&json!("anna"), &json!("a court has said so"))
    );
    assert_eq!(reasons(&anna, &user).await, ["deactivated"]);
    act(&anna, &user, "reactivate", "the court has changed its mind").await;
    assert!(reasons(&anna, &user).await.is_empty());

    // Somebody who leaves: what the offboarding waits for.
    let client = app.client();
    let group = json!({ "user_id": user["id"], "type": "PERSONAL" });
    let group = client.post("/account_groups").json(&group).send().await.ok();
    app.set("offboarding_delay_seconds", 60).await;
    client.request("DELETE", &format!("/users/{}", id(&user))).send().await;
    run_due(app.app()).await.unwrap();
    let leaving = shown(&anna, &user).await["not_active_because"][0].clone();
    assert_eq!((&leaving["reason"], &leaving["held"]), (&json!("offboarding"), &json!(false)));
    assert_eq!(leaving["open_account_groups"], json!([group["id"]]));
    assert!(leaving["not_before"].is_string(), "{leaving}");
    act(&anna, &user, "hold_offboarding", "a lawsuit").await;
    let leaving = shown(&anna, &user).await["not_active_because"][0].clone();
    assert_eq!((&leaving["held"], &leaving["operator_reason"]), (&json!(true), &json!("a lawsuit")));
    act(&anna, &user, "release_offboarding", "it is over").await;
    client.request("DELETE", &format!("/account_groups/{}", id(&group))).send().await;
    app.pass(100);
    run_due(app.app()).await.unwrap();
    assert_eq!(reasons(&anna, &user).await, ["offboarded"]);
}

#[tokio::test]
async fn a_history_tells_old_and_new_who_and_why() {
    let (app, anna, user) = waiting(&[]).await;
    let target = format!("/users/{}/data_change_requests", id(&user));
    let change = json!({ "last_name": "Nowak", "address": { "address_line1": "Rosenweg 221", "address_line2": "apt. 33",
        "postcode": "45678", "city": "Potsdam", "state": "BE", "country": "DE" } });
    app.client().request("POST", &target).json(&change).send().await;
    run_due(app.app()).await.unwrap();
    act(&anna, &user, "deactivate", "a court has said so").await;
    let history = anna.get(&format!("/tenants/main/users/{}/history", id(&user))).await.ok();
    let event = |kind: &str| {
        let mut found = history["data"].as_array().unwrap().iter().filter(|event| event["type"] == kind);
        found.next().unwrap_or_else(|| panic!("{kind}: {history}"))
    };
    assert_eq!(event("USER.CREATED")["changes"], json!([]));
    let changed = event("USER.DATA_CHANGED");
    let expected = json!([
        { "member": "last_name", "old": "Schmidt", "new": "Nowak" },
        { "member": "address.city", "old": "Berlin", "new": "Potsdam" },
    ]);
    assert_eq!(changed["changes"], expected);
    assert_eq!((&changed["actor"], &changed["reason"]), (&json!("system"), &Value::Null));
    let action = event("OPERATOR.ACTION");
    assert_eq!(
        (&action["actor"], &action["reason"]),
        (&json!("operator:anna"), &json!("a court has said so"))
    );
    assert_eq!(action["changes"], json!([{ "member": "suspended", "old": false, "new": true }]));
}

#[tokio::test]
async fn what_waits_for_a_decision_says_since_when_and_what_would_be() {
    let tol = [
        ("model", json!("TOL")),
        ("review_policy", json!("review")),
        ("activation_requires", json!(["checks"])),
    ];
    let (app, anna, user) = waiting(&tol).await;
    let client = app.client();
    let change = include_str!("../../../../api/examples/change-name.json");
    let mut change: Value = serde_json::from_str(change).unwrap();
    change["last_name"] = json!("Nowak");
    let target = format!("/users/{}/data_change_requests", id(&user));
    client.request("POST", &target).json(&change).send().await;
    client.request("POST", &format!("/users/{}/checks", id(&user))).json(&kyc()).send().await;
    run_due(app.app()).await.unwrap();
    app.pass(7200);
    let queue = anna.get("/tenants/main/reviews").await.ok();
    let [change, check] = &queue["data"].as_array().unwrap()[..] else { panic!("{queue}") };
    assert_eq!((&change["id"], &change["kind"]), (&change["matter"]["id"], &json!("data-change")));
    assert_eq!(change["waiting_since"], change["matter"]["created_at"]);
    assert!((7190..=7200).contains(&change["age_seconds"].as_i64().unwrap()), "{change}");
    let preview = &change["preview"];
    assert_eq!(preview["before"], json!({ "last_name": "Schmidt" }));
    assert_eq!(preview["after"], json!({ "last_name": "Nowak" }));
    assert_eq!(check["preview"]["after"]["status"], "PASSED");
    let says = &check["preview"]["says"];
    assert_eq!(says, &json!(["the check INSTRUMENT_FIT is missing", "the check COMPLIANCE is missing"]));
}
