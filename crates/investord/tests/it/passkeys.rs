//! Passkeys of operators as second factors: a real browser with a virtual authenticator.

use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::browser::{Chromium, Page};

use crate::operators::{Officer, PASSWORD, UNKNOWN, officer};
use crate::second_factor::{begin, code};

/// A register with an administrator at a browser.
struct Desk {
    app: TestApp,
    browser: Chromium,
    /// Comes with an access token.
    script: Officer,
    /// The session in which the passkey was added.
    session: Officer,
    passkey: Value,
}

impl Desk {
    /// None without Chromium.
    async fn new() -> Option<Self> {
        let page = Page::new().await;
        let origin = page.origin();
        let browser = Chromium::open(page).await?;
        let app = TestApp::with(|options| options.config.operators.passkey_origin = Some(origin)).await;
        let script = officer(&app, "anna", "administrator", None).await;
        let session = script.signed_in("anna").await;
        let passkey = add_passkey(&session, &browser).await.ok();
        Some(Self { app, browser, script, session, passkey })
    }

    async fn sign_in(&self, more: Value) -> Answer {
        let mut body = json!({ "name": "anna", "password": PASSWORD });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.script.post("/sessions", body).await
    }

    /// What the browser makes of a refusal that asks for a second factor.
    async fn answer(&self, refusal: &Value) -> Value {
        let passkey = &refusal["passkey"];
        let credential = self.browser.use_passkey(&passkey["options"]).await;
        json!({ "passkey": { "request": passkey["request"], "credential": credential } })
    }
}

async fn add_passkey(session: &Officer, browser: &Chromium) -> Answer {
    let begun = session.post("/me/passkeys", json!({})).await.ok();
    let credential = browser.create_passkey(&begun["options"]).await;
    let passkey = json!({ "request": begun["request"], "credential": credential });
    let body = json!({ "name": "key of the house", "passkey": passkey });
    let added = session.post("/me/passkeys/confirmation", body.clone()).await;
    // A ceremony is finished once.
    assert_eq!(session.post("/me/passkeys/confirmation", body).await.faults(), ["passkey"]);
    added
}

#[tokio::test]
async fn a_passkey_is_a_second_factor_from_its_confirmation_on() {
    let Some(desk) = Desk::new().await else { return };
    assert_eq!(desk.passkey["recovery_codes"].as_array().unwrap().len(), 10);
    let refusal = desk.sign_in(json!({})).await.problem(401, "second_factor_required");
    let answer = desk.answer(&refusal).await;
    let begun = desk.sign_in(answer.clone()).await.ok();
    assert_eq!(begun["factors"], json!(["password", "passkey"]));
    let session = desk.script.with_token(begun["token"].as_str().unwrap());
    let listed = session.get("/me/passkeys").await.ok();
    assert_eq!(listed["data"][0]["name"], "key of the house");
    assert!(listed["data"][0]["last_used_at"].is_string());
    // It counts once, and with the password alone nobody comes in.
    desk.sign_in(answer).await.refused("unauthorised");
    desk.sign_in(json!({ "code": "123456" })).await.refused("unauthorised");
    // A recovery code stands in for a passkey that is lost.
    let code = &desk.passkey["recovery_codes"][0];
    let begun = desk.sign_in(json!({ "code": code })).await.ok();
    assert_eq!((&begun["factors"][1], &begun["recovery_codes_left"]), (&json!("recovery_code"), &json!(9)));
    let events = desk.script.get("/register/events").await.ok().to_string();
    assert!(events.contains("OPERATOR.PASSKEY_ADDED"), "{events}");
}

#[tokio::test]
async fn a_passkey_counts_for_its_operator_and_in_time() {
    let Some(desk) = Desk::new().await else { return };
    let other = officer(&desk.app, "berta", "viewer", None).await.signed_in("berta").await;
    add_passkey(&other, &desk.browser).await.ok();
    let refusal = desk.sign_in(json!({})).await.problem(401, "second_factor_required");
    let answer = desk.answer(&refusal).await;
    let mut body = json!({ "name": "berta", "password": PASSWORD });
    body["passkey"] = answer["passkey"].clone();
    assert_eq!(desk.script.post("/sessions", body).await.faults(), ["passkey"]);
    for (member, value) in [("rawId", json!("AAAA")), ("response", json!({})), ("type", json!("x"))] {
        let mut changed = answer.clone();
        changed["passkey"]["credential"][member] = value;
        let faults = desk.sign_in(changed).await.faults();
        assert!(faults[0].starts_with("passkey"), "{faults:?}");
    }
    let mut changed = answer.clone();
    changed["passkey"]["request"] = json!("bm9uc2Vuc2U");
    assert_eq!(desk.sign_in(changed).await.faults(), ["passkey"]);
    desk.app.pass(5 * 60);
    assert_eq!(desk.sign_in(answer).await.faults(), ["passkey"]);
}

#[tokio::test]
async fn a_passkey_proves_who_uses_a_session() {
    let Some(desk) = Desk::new().await else { return };
    let session = &desk.session;
    desk.app.pass(11 * 60);
    session.post("/me/passkeys", json!({})).await.refused("proof_required");
    let refusal = session.post("/me/proof", json!({})).await.problem(401, "second_factor_required");
    let answer = desk.answer(&refusal).await;
    let proof = session.post("/me/proof", answer.clone()).await.ok();
    assert_eq!(proof["factors"], json!(["password", "passkey"]));
    session.post("/me/proof", answer).await.refused("invalid_request");
    let passkey = desk.passkey["id"].as_str().unwrap();
    session.request("DELETE", &format!("/me/passkeys/{UNKNOWN}"), "").await.refused("not_found");
    session.request("DELETE", &format!("/me/passkeys/{passkey}"), "").await.ok();
    // With the last second factor its recovery codes are gone, and the password suffices again.
    assert_eq!(session.get("/me/totp").await.ok()["recovery_codes_left"], 0);
    assert_eq!(desk.sign_in(json!({})).await.ok()["factors"], json!(["password"]));
}

#[tokio::test]
async fn recovery_codes_stay_with_the_last_second_factor() {
    let Some(desk) = Desk::new().await else { return };
    let authenticator = begin(&desk.session).await;
    let body = json!({ "code": code(&desk.app, &authenticator, 0) });
    let added = desk.session.post("/me/totp/confirmation", body).await.ok();
    desk.session.ask("DELETE", "/me/totp", None).await.ok();
    let begun = desk.sign_in(json!({ "code": added["recovery_codes"][0] })).await.ok();
    assert_eq!(begun["recovery_codes_left"], 9);
}

#[tokio::test]
async fn a_lost_passkey_is_reset_by_others() {
    let Some(desk) = Desk::new().await else { return };
    let chief = officer(&desk.app, "carla", "administrator", None).await.signed_in("carla").await;
    let reset = json!({ "reason": "the laptop is gone", "break_glass": true });
    chief.post("/operators/anna/second_factor_reset", reset).await.ok();
    desk.session.get("/me").await.refused("unauthorised");
    desk.sign_in(json!({})).await.ok();
}

#[tokio::test]
async fn without_an_origin_there_are_no_passkeys() {
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", "viewer", None).await.signed_in("anna").await;
    let problem = anna.post("/me/passkeys", json!({})).await.refused("conflict");
    assert!(problem["detail"].as_str().unwrap().contains("operators.passkey_origin"));
    assert_eq!(anna.get("/me/passkeys").await.ok()["data"], json!([]));
}
