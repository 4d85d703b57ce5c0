//! Second factors of operators: enrolment, sign-in, recovery codes, fresh proofs, and roles that demand one.

use futures_util::future::join_all;
use investord::domain::administration::Act;
use investord::provision::administration::Circumstances;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::hashes::hex;
use totp_rs::Totp;

use crate::operators::{Officer, PASSWORD, officer};

/// An operator with an authenticator app, which has read the address of the QR code.
struct Person {
    name: &'static str,
    /// Comes with an access token.
    script: Officer,
    /// The session in which the second factor was confirmed.
    session: Officer,
    app: Totp,
    codes: Vec<String>,
}

impl Person {
    async fn enrolled(app: &TestApp, name: &'static str, role: &str) -> Self {
        let script = officer(app, name, role, None).await;
        let session = script.signed_in(name).await;
        let authenticator = begin(&session).await;
        let body = json!({ "code": code(app, &authenticator, 0) });
        let codes = texts(&session.post("/me/totp/confirmation", body).await.ok());
        // The code of the confirmation is used up.
        app.pass(30);
        Self { name, script, session, app: authenticator, codes }
    }

    fn code(&self, app: &TestApp, steps: i64) -> String {
        code(app, &self.app, steps)
    }

    async fn sign_in(&self, code: Option<&str>) -> Answer {
        sign_in(&self.script, self.name, code).await
    }

    async fn refused(&self, code: &str) {
        self.sign_in(Some(code)).await.problem(401, "unauthorised");
    }
}

async fn sign_in(officer: &Officer, name: &str, code: Option<&str>) -> Answer {
    let mut body = json!({ "name": name, "password": PASSWORD });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    officer.post("/sessions", body).await
}

/// What the app shows so many steps after the time of the server.
pub fn code(app: &TestApp, authenticator: &Totp, steps: i64) -> String {
    use investord::clock::Clock as _;
    let second = app.clock.now().as_second() + 30 * steps;
    authenticator.generate(second.try_into().unwrap()).to_string()
}

/// A code that is none of three steps around now.
fn wrong(app: &TestApp, authenticator: &Totp) -> String {
    let right = [-1, 0, 1].map(|steps| code(app, authenticator, steps));
    (0..10).map(|number| format!("{number:06}")).find(|code| !right.contains(code)).unwrap()
}

pub async fn begin(session: &Officer) -> Totp {
    let begun = session.ask("POST", "/me/totp", None).await.ok();
    let authenticator = Totp::from_url(begun["otpauth_url"].as_str().unwrap()).unwrap();
    assert_eq!(authenticator.secret().to_base32(), begun["secret"].as_str().unwrap());
    assert_eq!(authenticator.secret().as_bytes().len(), 20);
    authenticator
}

fn texts(answer: &Value) -> Vec<String> {
    let codes = answer["recovery_codes"].as_array().unwrap().iter();
    codes.map(|code| code.as_str().unwrap().to_owned()).collect()
}

fn token(officer: &Officer, begun: &Value) -> Officer {
    officer.with_token(begun["token"].as_str().unwrap())
}

#[tokio::test]
async fn a_second_factor_is_enrolled_and_then_asked_for() {
    const NONE: &str = r#"{"confirmed_at":null,"recovery_codes_left":0}"#;
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", "viewer", None).await;
    let session = anna.signed_in("anna").await;
    assert_eq!(session.get("/me/totp").await.ok().to_string(), NONE);
    session.ask("DELETE", "/me/totp", None).await.refused("conflict");
    session.ask("POST", "/me/recovery-codes", None).await.refused("conflict");
    let confirm = async |code: &str| session.post("/me/totp/confirmation", json!({ "code": code })).await;
    confirm("123456").await.refused("conflict");
    let first = begin(&session).await;
    let second = begin(&session).await;
    // It does not count yet, and the first one not any more.
    assert_eq!(session.get("/me/totp").await.ok().to_string(), NONE);
    assert_eq!(sign_in(&anna, "anna", None).await.ok()["factors"], json!(["password"]));
    for sent in [code(&app, &first, 0), wrong(&app, &second), code(&app, &second, 2), "?".into()] {
        assert_eq!(confirm(&sent).await.faults(), ["code"], "{sent}");
    }
    let confirmed = code(&app, &second, 0);
    let codes = texts(&confirm(&confirmed).await.ok());
    assert_eq!(codes.iter().collect::<std::collections::BTreeSet<_>>().len(), 10, "{codes:?}");
    assert!(codes.iter().all(|code| code.replace('-', "").len() == 16), "80 bits in base32: {codes:?}");
    confirm(&code(&app, &second, 1)).await.refused("conflict");
    session.ask("POST", "/me/totp", None).await.refused("conflict");
    assert_eq!(session.get("/me/totp").await.ok()["recovery_codes_left"], 10);

    let problem = sign_in(&anna, "anna", None).await;
    assert_eq!(problem.header("www-authenticate"), Some("Bearer"));
    problem.problem(401, "second_factor_required");
    // Whoever does not know the password learns nothing of the second factor.
    let body = json!({ "name": "anna", "password": "wrong", "code": code(&app, &second, 1) });
    let unknown = json!({ "name": "nobody", "password": "wrong" });
    let [guess, nobody] = [body, unknown].map(|body| anna.post("/sessions", body));
    assert_eq!(guess.await.about(""), nobody.await.about(""));
    for used in [&confirmed, &wrong(&app, &second)] {
        sign_in(&anna, "anna", Some(used)).await.problem(401, "unauthorised");
    }
    app.pass(30);
    let sent = code(&app, &second, 0);
    let begun = sign_in(&anna, "anna", Some(&sent)).await.ok();
    assert_eq!(begun["factors"], json!(["password", "totp"]));
    assert_eq!(begun["recovery_codes_left"], Value::Null);
    sign_in(&anna, "anna", Some(&sent)).await.problem(401, "unauthorised");
    let listed = token(&anna, &begun).get("/me/sessions").await.ok();
    let factors = listed["data"].as_array().unwrap().iter().map(|one| one["factors"].to_string());
    let mut factors: Vec<String> = factors.collect();
    factors.sort();
    let both = r#"["password","totp"]"#;
    assert_eq!(factors, [both, both, r#"["password"]"#, "[]"]);
    // Whoever has none may send a code: the answer says that it did not count.
    let berta = officer(&app, "berta", "viewer", None).await;
    assert_eq!(sign_in(&berta, "berta", Some("123456")).await.ok()["factors"], json!(["password"]));
}

#[tokio::test]
async fn a_code_counts_a_step_early_or_late_and_never_again() {
    let app = TestApp::start().await;
    let anna = Person::enrolled(&app, "anna", "viewer").await;
    app.pass(300);
    for far in [-2, 2] {
        anna.refused(&anna.code(&app, far)).await;
    }
    for steps in [-1, 0, 1] {
        let typed = anna.code(&app, steps);
        let (left, right) = typed.split_at(3);
        anna.sign_in(Some(&format!("{left} {right}"))).await.ok();
        for used in [-1, 0, 1].into_iter().filter(|used| *used <= steps) {
            anna.refused(&anna.code(&app, used)).await;
        }
    }
    // A clock that is set back makes no used code good, and recovery codes help.
    app.pass(-3600);
    anna.refused(&anna.code(&app, 0)).await;
    anna.sign_in(Some(&anna.codes[0])).await.ok();
    app.pass(3600 + 60);
    anna.sign_in(Some(&anna.code(&app, 0))).await.ok();
}

#[tokio::test]
async fn a_recovery_code_counts_once() {
    let app = TestApp::start().await;
    let anna = Person::enrolled(&app, "anna", "viewer").await;
    let berta = Person::enrolled(&app, "berta", "viewer").await;
    let begun = anna.sign_in(Some(&anna.codes[0])).await.ok();
    assert_eq!(
        (&begun["factors"], &begun["recovery_codes_left"]),
        (&json!(["password", "recovery_code"]), &json!(9))
    );
    anna.refused(&anna.codes[0]).await;
    berta.refused(&anna.codes[1]).await;
    let typed = anna.codes[1].replace('-', " ").to_lowercase();
    assert_eq!(anna.sign_in(Some(&typed)).await.ok()["recovery_codes_left"], 8);
    let session = token(&anna.script, &begun);
    let renewed = texts(&session.ask("POST", "/me/recovery-codes", None).await.ok());
    anna.refused(&anna.codes[2]).await;
    assert_eq!(anna.sign_in(Some(&renewed[2])).await.ok()["recovery_codes_left"], 9);
    assert_eq!(
        berta.sign_in(Some(&berta.codes[2])).await.ok()["recovery_codes_left"],
        9,
        "those of others stay"
    );
}

#[tokio::test]
async fn of_sign_ins_at_once_with_one_code_one_succeeds() {
    let app = TestApp::start().await;
    let anna = Person::enrolled(&app, "anna", "viewer").await;
    for code in [anna.code(&app, 0), anna.codes[0].clone()] {
        let answers = join_all((0..5).map(|_| anna.sign_in(Some(&code)))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401, 401, 401], "{code}");
    }
    assert_eq!(anna.session.get("/me/totp").await.ok()["recovery_codes_left"], 9);
}

#[tokio::test]
async fn wrong_codes_delay_as_wrong_passwords_do() {
    let app = TestApp::start().await;
    let anna = Person::enrolled(&app, "anna", "viewer").await;
    let begun = anna.sign_in(Some(&anna.codes[0])).await.ok();
    for _ in 0..10 {
        anna.sign_in(None).await.problem(401, "second_factor_required");
    }
    for sent in
        [wrong(&app, &anna.app), "AAAA-AAAA-AAAA-AAAA".into(), "?".into(), anna.codes[0].clone(), "1".into()]
    {
        anna.refused(&sent).await;
        // The right password alone ends no counting.
        let asked = anna.sign_in(None).await.slug();
        assert!(["second_factor_required", "too_many_requests"].contains(&&*asked), "{asked}");
    }
    anna.sign_in(None).await.refused("too_many_requests");
    anna.sign_in(Some(&anna.code(&app, 0))).await.refused("too_many_requests");
    // The owner comes from a known device.
    let body = json!({ "name": "anna", "password": PASSWORD, "device": begun["device"], "code": anna.code(&app, 0) });
    anna.script.post("/sessions", body).await.ok();
    app.pass(30);
    anna.sign_in(Some(&anna.code(&app, 0))).await.ok();
    anna.sign_in(None).await.problem(401, "second_factor_required");
}

/// Operations that need a fresh proof; a new one belongs here or has a reason why not.
const DANGEROUS: [&str; 31] = [
    "POST /operators",
    "PUT /operators/{name}/grants",
    "DELETE /operators/{name}/sessions",
    "POST /tenants/{tenant}/signing_keys",
    "PUT /operators/{name}/disabled",
    "POST /operators/{name}/invitation",
    "POST /operators/{name}/second_factor_reset",
    "POST /operators/{name}/access_review",
    "PUT /roles/{role}",
    "PUT /register/four_eyes",
    "POST /tenants",
    "PATCH /tenants/{tenant}/settings",
    "PUT /tenants/{tenant}/suspended",
    "PUT /clients/{client}/disabled",
    "POST /tenants/{tenant}/clients",
    "PUT /clients/{client}/scopes",
    "POST /clients/{client}/secret",
    "POST /clients/{client}/keys",
    "POST /client_keys/{key}/revocation",
    "POST /proposals/{proposal}/confirmation",
    "POST /proposals/{proposal}/review",
    "DELETE /proposals/{proposal}",
    "DELETE /me/sessions",
    "DELETE /me/sessions/{session}",
    "POST /me/totp",
    "POST /me/totp/confirmation",
    "DELETE /me/totp",
    "POST /me/recovery-codes",
    "POST /me/passkeys",
    "POST /me/passkeys/confirmation",
    "DELETE /me/passkeys/{passkey}",
];

/// All operations with a session, and a path of each.
fn operations() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&investord::backoffice::openapi_document()).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let target = path.replace("{name}", "nobody").replace("{tenant}", "main");
            let target = target.replace(['{', '}'], "");
            if operation["security"] != json!([]) && path != "/sessions" {
                found.push((format!("{} {path}", method.to_uppercase()), target));
            }
        }
    }
    assert!(found.len() > 25, "{found:?}");
    found
}

async fn slug(officer: &Officer, operation: &str, target: &str) -> String {
    officer.request(operation.split_once(' ').unwrap().0, target, "{}").await.slug()
}

#[tokio::test]
async fn what_is_dangerous_needs_a_fresh_proof() {
    let app = TestApp::start().await;
    let script = officer(&app, "chief", "administrator", None).await;
    let [session, stale] = [script.signed_in("chief").await, script.signed_in("chief").await];
    app.pass(599);
    for operation in &DANGEROUS[..4] {
        let (_, target) = operations().into_iter().find(|(known, _)| known == operation).unwrap();
        assert_ne!(slug(&session, operation, &target).await, "proof_required", "{operation}");
    }
    app.pass(1);
    for (operation, target) in operations() {
        let is_dangerous = DANGEROUS.contains(&&*operation);
        // A token cannot be proved, which is said with the same type.
        if ["DELETE /me/sessions", "POST /me/proof"].contains(&&*operation) {
            continue;
        }
        for who in [&session, &script] {
            let is_refused = slug(who, &operation, &target).await == "proof_required";
            assert_eq!(is_refused, is_dangerous, "{operation}");
        }
    }
    let refusal = session.ask("DELETE", "/operators/nobody/sessions", None).await;
    let challenge = refusal.header("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_user_authentication"), "{challenge} (RFC 9470)");
    let detail = refusal.problem(401, "proof_required")["detail"].clone();
    assert!(detail.as_str().unwrap().contains("10 minutes ago: POST /me/proof"), "{detail}");

    let prove = async |body: Value| session.post("/me/proof", body).await;
    for (body, field) in [
        (json!({}), "code"),
        (json!({ "password": PASSWORD, "code": "123456" }), "(root)"),
        (json!({ "password": "wrong" }), "password"),
        (json!({ "code": "123456" }), "code"),
    ] {
        assert_eq!(prove(body).await.faults(), [field]);
    }
    let proof = prove(json!({ "password": PASSWORD })).await.ok();
    assert_eq!(proof["factors"], json!(["password"]));
    session.ask("DELETE", "/operators/nobody/sessions", None).await.refused("not_found");
    stale.ask("DELETE", "/operators/nobody/sessions", None).await.refused("proof_required");
    script.post("/me/proof", json!({ "password": PASSWORD })).await.problem(401, "proof_required");
    // A proof that the clock has left in the future does not last until then.
    app.pass(-60);
    session.ask("DELETE", "/operators/nobody/sessions", None).await.refused("proof_required");
    app.pass(60);
    for attempt in 0..6 {
        let answer = prove(json!({ "password": "wrong" })).await;
        assert_eq!(answer.status, if attempt < 5 { 400 } else { 429 });
    }
}

#[tokio::test]
async fn a_second_factor_is_proved_by_its_code() {
    let app = TestApp::start().await;
    let anna = Person::enrolled(&app, "anna", "administrator").await;
    let begun = anna.sign_in(Some(&anna.code(&app, 0))).await.ok();
    let (session, other) = (token(&anna.script, &begun), &anna.session);
    app.pass(600);
    for who in [&session, other] {
        who.ask("DELETE", "/me/totp", None).await.refused("proof_required");
    }
    let prove = async |body: Value| session.post("/me/proof", body).await;
    prove(json!({ "password": PASSWORD })).await.problem(401, "second_factor_required");
    assert_eq!(prove(json!({ "code": wrong(&app, &anna.app) })).await.faults(), ["code"]);
    let sent = anna.code(&app, 0);
    assert_eq!(prove(json!({ "code": sent })).await.ok()["factors"], json!(["password", "totp"]));
    assert_eq!(prove(json!({ "code": sent })).await.faults(), ["code"], "used");
    session.ask("POST", "/me/recovery-codes", None).await.ok();
    let renewed = session.ask("POST", "/me/recovery-codes", None).await.ok();
    let proof = prove(json!({ "code": texts(&renewed)[0] })).await.ok();
    assert_eq!((&proof["factors"][1], &proof["recovery_codes_left"]), (&json!("recovery_code"), &json!(9)));
    other.ask("DELETE", "/me/totp", None).await.refused("proof_required");
    // Whoever knows the password, too, has no more guesses at the code.
    for attempt in 0..6 {
        let answer = prove(json!({ "code": "?" })).await;
        assert_eq!(answer.status, if attempt < 5 { 400 } else { 429 });
    }
    let body = json!({ "old_password": PASSWORD, "new_password": "another horse battery" });
    session.ask("PUT", "/me/password", Some(body)).await.ok();
    prove(json!({ "code": "?" })).await.refused("too_many_requests");
    session.ask("DELETE", "/me/totp", None).await.ok();
    assert_eq!(session.get("/me/totp").await.ok()["confirmed_at"], Value::Null);
    assert_eq!(app.number("SELECT count(*) FROM recovery_codes"), 0);
    assert_eq!(session.get("/me/sessions").await.ok()["data"][1]["factors"], json!(["password"]));
    let body = json!({ "name": "anna", "password": "another horse battery" });
    assert_eq!(anna.script.post("/sessions", body).await.ok()["factors"], json!(["password"]));
}

/// Who has taken over a session of a password does not get rid of the second factor that its owner enrols.
#[tokio::test]
async fn an_enrolment_makes_the_proofs_of_other_sessions_void() {
    let app = TestApp::start().await;
    let script = officer(&app, "anna", "viewer", None).await;
    let stolen = script.signed_in("anna").await;
    let own = script.signed_in("anna").await;
    let authenticator = begin(&own).await;
    own.post("/me/totp/confirmation", json!({ "code": code(&app, &authenticator, 0) })).await.ok();
    stolen.ask("DELETE", "/me/totp", None).await.refused("proof_required");
    stolen.post("/me/proof", json!({ "password": PASSWORD })).await.refused("second_factor_required");
    own.ask("DELETE", "/me/totp", None).await.ok();
}

#[tokio::test]
async fn a_role_can_demand_a_second_factor() {
    let app = TestApp::with(|options| {
        options.config.operators.second_factor_for = vec!["administrator".into()];
    })
    .await;
    let script = officer(&app, "chief", "administrator compliance support", None).await;
    let viewer = officer(&app, "viewer", "viewer", None).await;
    let [session, before] = [script.signed_in("chief").await, script.signed_in("chief").await];
    for (operation, target) in operations() {
        if ["DELETE /me/sessions", "POST /me/totp"].contains(&&*operation) {
            continue;
        }
        let is_refused = slug(&session, &operation, &target).await == "second_factor_missing";
        assert_eq!(is_refused, !target.starts_with("/me"), "{operation}");
    }
    session.get("/tenants").await.problem(403, "second_factor_missing");
    viewer.signed_in("viewer").await.get("/tenants").await.ok();
    script.get("/tenants").await.ok();

    let authenticator = begin(&session).await;
    session.get("/tenants").await.refused("second_factor_missing");
    session.post("/me/totp/confirmation", json!({ "code": code(&app, &authenticator, 0) })).await.ok();
    session.get("/tenants").await.ok();
    before.get("/tenants").await.refused("second_factor_missing");
    before.post("/me/proof", json!({ "code": code(&app, &authenticator, 1) })).await.ok();
    before.get("/tenants").await.ok();
    session.ask("DELETE", "/me/totp", None).await.ok();
    for who in [&session, &before] {
        who.get("/tenants").await.refused("second_factor_missing");
    }
    session.ask("DELETE", "/sessions", None).await.ok();
}

#[tokio::test]
async fn a_lost_second_factor_is_taken_away_on_the_machine() {
    let app = TestApp::start().await;
    let anna = Person::enrolled(&app, "anna", "viewer").await;
    let berta = Person::enrolled(&app, "berta", "viewer").await;
    let reset = |name: &str| {
        let (provisioner, operator) = (app.provisioner(), name.to_owned());
        let act = Act::ResetSecondFactor { operator };
        async move { provisioner.administer(act, Circumstances::of_machine()).await }
    };
    let refusal = reset("ana").await.unwrap_err().to_string();
    assert!(refusal.contains("did you mean 'anna'"), "{refusal}");
    assert_eq!(reset("anna").await.unwrap().new["second_factor_since"], Value::Null);
    anna.session.get("/me").await.refused("unauthorised");
    anna.script.get("/me").await.ok();
    assert_eq!(anna.sign_in(None).await.ok()["factors"], json!(["password"]));
    berta.sign_in(None).await.refused("second_factor_required");
    berta.session.get("/me").await.ok();
    let refusal = reset("anna").await.unwrap_err().to_string();
    assert!(refusal.contains("has no second factor"), "{refusal}");
}

#[tokio::test]
async fn secrets_and_codes_are_stored_nowhere_and_listed_nowhere() {
    let app = TestApp::start().await;
    let chief = Person::enrolled(&app, "chief", "administrator").await;
    let secret = chief.app.secret();
    let mut hidden = vec![
        secret.to_base32().into_bytes(),
        secret.as_bytes().to_vec(),
        hex(secret.as_bytes()).into_bytes(),
    ];
    for code in &chief.codes {
        let bytes = totp_rs::Secret::try_from_base32(code.replace('-', "")).unwrap();
        hidden.extend([
            code.clone().into_bytes(),
            bytes.as_bytes().to_vec(),
            hex(bytes.as_bytes()).into_bytes(),
        ]);
    }
    let mut shown = app.register.everything();
    for target in ["/me", "/me/totp", "/me/sessions", "/operators", "/operators/chief/sessions"] {
        shown.push(chief.session.get(target).await.ok().to_string().into_bytes());
    }
    for text in &hidden {
        let is_shown = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|window| window == &text[..]);
        assert!(!shown.iter().any(is_shown), "{}", String::from_utf8_lossy(text));
    }
    assert!(shown.iter().any(|bytes| bytes.windows(5).any(|window| window == b"chief")));
}
