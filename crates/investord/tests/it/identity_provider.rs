//! Operators who sign in at an identity provider: a real one, by browser and by device, and what it must not achieve.

use investord::clock::{Clock as _, SystemClock};
use investord::config::{ClaimGrant, Oidc, Secret};
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::identity_provider::{Arrival, Browser, CLIENT, IdentityProvider};

use crate::operators::{Officer, UNKNOWN, create_operator, officer};

/// Where the browser comes back.
const BACK: &str = "http://127.0.0.1:4711/back";

fn settings(issuer: &str) -> Oidc {
    let [client_id, secret] = CLIENT.map(str::to_owned);
    let grant = |value: &str, role: &str, tenant: Option<&str>| ClaimGrant {
        claim: "groups".into(),
        value: value.into(),
        role: role.into(),
        tenant: tenant.map(str::to_owned),
    };
    Oidc {
        issuer: issuer.to_owned(),
        client_id,
        client_secret: Some(Secret(secret)),
        client_secret_file: None,
        ca_file: None,
        redirect_uris: Vec::new(),
        device_sign_in: true,
        scopes: vec!["profile".into()],
        name_claim: "preferred_username".into(),
        second_factor_amr: vec!["mfa".into()],
        grants: vec![grant("chiefs", "administrator", None), grant("desk", "support", Some("main"))],
    }
}

/// A register whose operators sign in at a provider.
struct House {
    app: TestApp,
    /// Sends requests that need no session.
    anybody: Officer,
    provider: IdentityProvider,
}

impl House {
    /// None without Node.
    async fn new() -> Option<Self> {
        let provider = IdentityProvider::start()?;
        let app = TestApp::with(|options| options.config.oidc = Some(settings(&provider.issuer))).await;
        // The provider has the real time.
        app.pass(SystemClock::default().now().as_second() - app.clock.now().as_second());
        let anybody = officer(&app, "local", "viewer", None).await;
        provider.person("1001", json!({ "preferred_username": "Anna", "groups": ["staff", "chiefs"] })).await;
        provider.person("1002", json!({ "preferred_username": "berta", "groups": ["desk"] })).await;
        Some(Self { app, anybody, provider })
    }

    async fn begin(&self) -> Value {
        self.anybody.post("/oidc/requests", json!({ "redirect_uri": BACK })).await.ok()
    }

    /// Signs somebody in at the provider with a new browser.
    async fn arrive(&self, begun: &Value, person: &str) -> Arrival {
        Browser::new(&self.provider).sign_in(begun["url"].as_str().unwrap(), person).await
    }

    async fn finish(&self, begun: &Value, arrival: &Arrival) -> Answer {
        self.anybody.post("/oidc/sessions", finishing(begun, arrival)).await
    }

    /// The whole way of somebody who signs in.
    async fn sign_in(&self, person: &str) -> Answer {
        let begun = self.begin().await;
        self.finish(&begun, &self.arrive(&begun, person).await).await
    }

    fn session(&self, begun: &Value) -> Officer {
        self.anybody.with_token(begun["token"].as_str().unwrap())
    }

    /// The types of the events of the register about somebody, with the kind of who has acted.
    async fn record(&self, reader: &Officer, name: &str) -> Vec<(String, String)> {
        let events = reader.get("/register/events").await.ok();
        let all = events["data"].as_array().unwrap().iter();
        let own = all.filter(|event| event["content"]["subject"]["operator"] == name);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        own.map(|event| (text(&event["type"]), text(&event["content"]["actor"]["kind"]))).collect()
    }
}

fn finishing(begun: &Value, arrival: &Arrival) -> Value {
    let [code, state, iss] = ["code", "state", "iss"].map(|name| arrival.parameter(name));
    json!({ "request": begun["request"], "code": code, "state": state, "iss": iss })
}

#[tokio::test]
async fn claims_give_an_account_its_roles_at_each_sign_in() {
    let Some(house) = House::new().await else { return };
    let anna = house.sign_in("1001").await.ok();
    assert_eq!((&anna["name"], &anna["factors"]), (&json!("anna"), &json!(["provider"])));
    assert_eq!(anna["grants"], json!([{ "role": "administrator", "tenant": null }]));
    let chief = house.session(&anna);
    let berta = house.session(&house.sign_in("1002").await.ok());
    assert_eq!(berta.get("/me").await.ok()["grants"], json!([{ "role": "support", "tenant": "main" }]));
    // The same person has the same account, whatever they are called now.
    house.provider.person("1002", json!({ "preferred_username": "bea", "groups": ["chiefs"] })).await;
    let again = house.sign_in("1002").await.ok();
    assert_eq!((&again["name"], &again["grants"][0]["role"]), (&json!("berta"), &json!("administrator")));
    house.provider.person("1002", json!({ "preferred_username": "berta", "groups": ["staff"] })).await;
    house.sign_in("1002").await.refused("forbidden");
    berta.get("/me").await.refused("unauthorised");
    let pairs = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        all.iter().map(|(kind, actor)| ((*kind).to_owned(), (*actor).to_owned())).collect()
    };
    let expected = [
        ("OPERATOR.CREATED", "identity_provider"),
        ("OPERATOR.SIGNED_IN", "operator"),
        ("OPERATOR.GRANTS_CHANGED", "identity_provider"),
        ("OPERATOR.SIGNED_IN", "operator"),
        ("OPERATOR.GRANTS_CHANGED", "identity_provider"),
    ];
    assert_eq!(house.record(&chief, "berta").await, pairs(&expected));
}

#[tokio::test]
async fn who_has_no_place_here_does_not_come_in() {
    let Some(house) = House::new().await else { return };
    house.provider.person("1003", json!({ "preferred_username": "carla", "groups": ["staff"] })).await;
    house.sign_in("1003").await.refused("forbidden");
    // The name of somebody else gives nobody their account.
    house.provider.person("1004", json!({ "preferred_username": "LOCAL", "groups": ["chiefs"] })).await;
    house.sign_in("1004").await.refused("forbidden");
    house.provider.person("1005", json!({ "groups": ["chiefs"] })).await;
    house.sign_in("1005").await.refused("forbidden");
    house
        .provider
        .person("1006", json!({ "preferred_username": "name of many words", "groups": ["chiefs"] }))
        .await;
    house.sign_in("1006").await.refused("forbidden");
    let chief = house.session(&house.sign_in("1001").await.ok());
    let names: Vec<String> = chief.get("/operators").await.ok()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operator| operator["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["anna", "local"]);
    // For a day a new account is nobody's second: whoever makes accounts at the provider is not two persons here.
    let local = officer(&house.app, "carla", "administrator", None).await.signed_in("carla").await;
    let other = officer(&house.app, "dora", "administrator", None).await.signed_in("dora").await;
    let role = json!({ "permissions": ["people:read"], "reason": "few need more" });
    let asked = local.request("PUT", "/roles/trainee", &role.to_string()).await.ok();
    let confirmation = format!("/proposals/{}/confirmation", asked["id"].as_str().unwrap());
    chief.ask("POST", &confirmation, None).await.refused("forbidden");
    other.ask("POST", &confirmation, None).await.ok();
    // It has no access tokens, which would outlive its claims.
    let token = house.app.provisioner().add_operator_token("anna".into(), [7; 32], None, None).await;
    assert!(token.unwrap_err().to_string().contains("identity provider"));
    // Roles and way in of an account of the provider are the provider's.
    house.sign_in("1002").await.ok();
    let grants = json!({ "grants": [{ "role": "administrator" }], "reason": "promoted" });
    chief.request("PUT", "/operators/berta/grants", &grants.to_string()).await.refused("conflict");
    chief.post("/operators/berta/invitation", json!({ "reason": "forgotten" })).await.refused("conflict");
    // A disabled account stays disabled.
    house.sign_in("1002").await.ok();
    let disable = json!({ "disabled": true, "reason": "has left", "break_glass": true });
    local.request("PUT", "/operators/berta/disabled", &disable.to_string()).await.ok();
    house.sign_in("1002").await.refused("forbidden");
}

#[tokio::test]
async fn a_code_counts_once_for_the_one_who_has_begun() {
    let Some(house) = House::new().await else { return };
    let refused =
        async |body: Value| house.anybody.post("/oidc/sessions", body).await.refused("unauthorised");
    let (mine, theirs) = (house.begin().await, house.begin().await);
    let came = house.arrive(&mine, "1001").await;
    let other = house.arrive(&theirs, "1002").await;
    // Codes of two sign-ins, mixed up: by the state, and where the state was exchanged, too.
    refused(finishing(&mine, &other)).await;
    let mut mixed = finishing(&mine, &other);
    mixed["state"] = json!(came.parameter("state"));
    refused(mixed).await;
    for (name, value) in [
        ("iss", json!("http://127.0.0.1:1")),
        ("state", json!("another")),
        ("state", Value::Null),
        ("code", json!("another")),
        ("request", json!("bm9uc2Vuc2U")),
    ] {
        let mut body = finishing(&mine, &came);
        body[name] = value;
        refused(body).await;
    }
    let mut body = finishing(&mine, &came);
    body["code"] = Value::Null;
    assert_eq!(house.anybody.post("/oidc/sessions", body).await.faults(), ["code"]);
    house.finish(&mine, &came).await.ok();
    refused(finishing(&mine, &came)).await;
    let late = house.begin().await;
    let came = house.arrive(&late, "1001").await;
    house.app.pass(10 * 60);
    refused(finishing(&late, &came)).await;
    for address in ["https://evil.example/", "http://127.0.0.1.evil.example/", "nonsense"] {
        let body = json!({ "redirect_uri": address });
        assert_eq!(house.anybody.post("/oidc/requests", body).await.faults(), ["redirect_uri"]);
    }
}

#[tokio::test]
async fn a_code_is_confirmed_on_another_device() {
    let Some(house) = House::new().await else { return };
    let begun = house.anybody.ask("POST", "/oidc/device_requests", None).await.ok();
    let poll = async || house.anybody.post("/oidc/sessions", json!({ "request": begun["request"] })).await;
    poll().await.refused("conflict");
    let mut browser = Browser::new(&house.provider);
    let Arrival::Page(page) = browser.visit(begun["verification_uri"].as_str().unwrap()).await else {
        panic!()
    };
    let code = begun["user_code"].as_str().unwrap();
    let Arrival::Page(page) = browser.send_form(&page, "user_code", code).await else { panic!() };
    house.provider.person("anna", json!({ "preferred_username": "anna", "groups": ["chiefs"] })).await;
    browser.send_form(&page, "confirm", "yes").await;
    let session = poll().await.ok();
    assert_eq!(session["name"], "anna");
    house.session(&session).get("/me").await.ok();
    poll().await.refused("unauthorised");
}

#[tokio::test]
async fn a_second_factor_and_a_fresh_proof_are_those_of_the_provider() {
    let Some(mut house) = House::new().await else { return };
    house.app.restart_with(|config| config.operators.second_factor_for = vec!["administrator".into()]).await;
    house.anybody = officer(&house.app, "elsewhere", "viewer", None).await;
    let anna = house.session(&house.sign_in("1001").await.ok());
    anna.get("/operators").await.refused("second_factor_missing");
    let claims = json!({ "preferred_username": "anna", "groups": ["chiefs"], "amr": ["pwd", "mfa"] });
    house.provider.person("1001", claims).await;
    let begun = house.sign_in("1001").await.ok();
    assert_eq!(begun["factors"], json!(["provider", "provider_second"]));
    let anna = house.session(&begun);
    let role = json!({ "permissions": ["people:read"], "reason": "few need more" }).to_string();
    anna.request("PUT", "/roles/trainee", &role).await.ok();
    house.app.pass(11 * 60);
    anna.request("PUT", "/roles/trainee", &role).await.refused("proof_required");
    anna.post("/me/proof", json!({ "password": "x" })).await.refused("conflict");
    anna.post("/me/totp", json!({})).await.refused("proof_required");
}

#[tokio::test]
async fn a_logout_at_the_provider_ends_its_sessions() {
    let Some(house) = House::new().await else { return };
    let begin = async |browser: &mut Browser<'_>| {
        let begun = house.begin().await;
        let came = browser.sign_in(begun["url"].as_str().unwrap(), "1001").await;
        house.session(&house.finish(&begun, &came).await.ok())
    };
    let (mut one, mut other) = (Browser::new(&house.provider), Browser::new(&house.provider));
    let (first, second) = (begin(&mut one).await, begin(&mut other).await);
    let operators = house.app.app().config.operator_address().resolve().unwrap();
    house.provider.logout_receiver(&format!("http://127.0.0.1:{}/oidc/logout", operators.port())).await;
    let end = format!("{}/session/end?client_id=investord", house.provider.issuer);
    let Arrival::Page(page) = one.visit(&end).await else { panic!() };
    one.send_form(&page, "logout", "yes").await;
    first.get("/me").await.refused("unauthorised");
    second.get("/me").await.ok();
    // What is no logout token of this provider ends nothing.
    for form in
        ["", "logout_token=", "logout_token=a.b.c", "logout_token=eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMDAxIn0."]
    {
        let answer = house.anybody.request("POST", "/oidc/logout", form).await;
        assert_eq!(answer.faults(), ["logout_token"], "{form}");
    }
    second.get("/me").await.ok();
}

#[tokio::test]
async fn a_register_does_without_its_provider() {
    let Some(mut house) = House::new().await else { return };
    let anna = house.session(&house.sign_in("1001").await.ok());
    let pending = house.begin().await;
    house.provider.stop();
    let came = json!({ "request": pending["request"], "code": "c", "state": "s" });
    house.anybody.post("/oidc/sessions", came).await.refused("unauthorised");
    anna.get("/me").await.ok();
    house.anybody.signed_in("local").await.get("/me").await.ok();
    house.app.restart().await;
    house.anybody = officer(&house.app, "elsewhere", "viewer", None).await;
    let wanted = json!({ "redirect_uri": BACK });
    for target in ["/oidc/requests", "/oidc/device_requests"] {
        house.anybody.exchange("POST", target, &wanted.to_string()).await.problem(503, "unavailable");
    }
    // It comes back with other keys, and is asked again after some seconds.
    house.provider.replace();
    house.app.pass(10);
    house.provider.person("1001", json!({ "preferred_username": "anna", "groups": ["chiefs"] })).await;
    house.sign_in("1001").await.ok();
    house.provider.replace();
    house.provider.person("1001", json!({ "preferred_username": "anna", "groups": ["chiefs"] })).await;
    house.app.pass(11);
    house.sign_in("1001").await.ok();
}

#[tokio::test]
async fn clocks_may_differ_a_little() {
    let Some(house) = House::new().await else { return };
    house.app.pass(-50);
    house.sign_in("1001").await.ok();
    house.app.pass(-50);
    house.sign_in("1001").await.refused("unauthorised");
    house.app.pass(100 + 3_600 + 50);
    house.sign_in("1001").await.ok();
    house.app.pass(60);
    house.sign_in("1001").await.refused("unauthorised");
}

#[tokio::test]
async fn a_sign_in_on_another_device_has_to_be_allowed() {
    let unsure = Oidc { device_sign_in: false, ..settings("http://127.0.0.1:1") };
    let app = TestApp::with(|options| options.config.oidc = Some(unsure)).await;
    let anybody = officer(&app, "local", "viewer", None).await;
    anybody.ask("POST", "/oidc/device_requests", None).await.refused("not_found");
}

#[tokio::test]
async fn without_a_provider_there_is_none() {
    let app = TestApp::start().await;
    let anybody = officer(&app, "local", "viewer", None).await;
    for target in ["/oidc/requests", "/oidc/device_requests", "/oidc/sessions", "/oidc/logout"] {
        anybody.post(target, json!({ "request": UNKNOWN })).await.refused("not_found");
    }
    create_operator(&app, "another", "viewer", None).await;
}

/// In a browser: the console leads to the provider, and the provider back to the console.
#[tokio::test]
async fn the_console_signs_people_in_at_the_provider() {
    let Some(house) = House::new().await else { return };
    let page = house.anybody.browse("GET", "/console/sign-in", &[], "").await;
    assert!(page.text().contains("/console/provider"), "{}", page.text());
    let begun = house.anybody.browse("GET", "/console/provider", &[], "").await;
    let kept = begun.header("set-cookie").unwrap();
    assert!(kept.contains("HttpOnly") && kept.contains("SameSite=Lax"), "{kept}");
    let kept = kept.split(';').next().unwrap().to_owned();
    let arrival = Browser::new(&house.provider).sign_in(begun.header("location").unwrap(), "1001").await;
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["code", "state", "iss"] {
        query.append_pair(name, &arrival.parameter(name).unwrap_or_default());
    }
    let query = query.finish();
    let target = format!("/console/provider/done?{query}");
    // Another browser has not begun it.
    assert_eq!(house.anybody.browse("GET", &target, &[], "").await.status, 401);
    let done = house.anybody.browse("GET", &target, &[("cookie", &kept)], "").await;
    assert_eq!(done.status, 200, "{}", done.text());
    let token = done.text_of_cookie("__Host-investord-session");
    let anna = house.anybody.with_token(&token);
    assert_eq!(anna.get("/me").await.ok()["name"], "anna");
    assert_eq!(anna.browse("GET", "/console/proposals", &[], "").await.status, 200);
}
