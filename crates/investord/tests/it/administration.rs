//! Acts of administration: one person asks, another one confirms, and all of it is on record.

use http_message_signatures::Algorithm;
use investord::clock::Clock as _;
use investord::config::Secret;
use investord::store::Tx;
use investord::store::tenants::second_factors;
use investord::store::tools::chains::check_chains;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::Key;
use testing::receiver::Receiver;

use crate::operators::{Officer, PASSWORD, UNKNOWN, accept, create_operator, id, officer};

const HOUR: i64 = 3600;
pub const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n";

/// A register with two administrators.
struct House {
    app: TestApp,
    /// Two administrators who have signed in.
    anna: Officer,
    berta: Officer,
}

impl House {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let mut signed_in = Vec::new();
        for name in ["anna", "berta"] {
            let script = officer(&app, name, "administrator", None).await;
            signed_in.push(sign_in(&script, name).await);
        }
        let berta = signed_in.pop().unwrap();
        Self { app, anna: signed_in.pop().unwrap(), berta }
    }

    /// What was recorded of the register, by type.
    async fn record(&self) -> Vec<Value> {
        self.anna.get("/register/events").await.ok()["data"].as_array().unwrap().clone()
    }

    async fn kinds(&self) -> Vec<String> {
        self.record().await.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

async fn sign_in(anybody: &Officer, name: &str) -> Officer {
    anybody.clone().signed_in(name).await
}

async fn ask(officer: &Officer, act: &(&str, &str, Value)) -> Value {
    let (method, target, body) = act;
    officer.ask(method, target, Some(body.clone())).await.ok()
}

fn confirmation(proposal: &Value) -> String {
    format!("/proposals/{}/confirmation", id(proposal))
}

fn new_operator(name: &str, role: &str) -> (&'static str, &'static str, Value) {
    let grants = json!([{ "role": role }]);
    ("POST", "/operators", json!({ "name": name, "grants": grants, "reason": "new here" }))
}

#[tokio::test]
async fn an_invitation_is_accepted_once() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator", None).await.signed_in("chief").await;
    let done = ask(&chief, &new_operator("carla", "viewer")).await;
    assert_eq!((&done["state"], &done["id"]), (&json!("done"), &Value::Null), "there is no second person");
    let invitation = done["shown_once"]["invitation"].as_str().unwrap();
    let stranger = chief.with_token("x");
    accept(&stranger, "unknown", PASSWORD).await.refused("unauthorised");
    assert_eq!(accept(&stranger, invitation, "too short").await.faults(), ["password"]);
    let carla = accept(&stranger, invitation, PASSWORD).await.ok();
    assert_eq!((&carla["name"], &carla["has_password"]), (&json!("carla"), &json!(true)));
    accept(&stranger, invitation, PASSWORD).await.refused("unauthorised");
    let carla = sign_in(&stranger, "carla").await;
    carla.get("/me").await.ok();

    // Another invitation ends the password and the sessions, and an earlier invitation.
    let reset = ("POST", "/operators/carla/invitation", json!({ "reason": "forgotten" }));
    let first = ask(&chief, &reset).await["shown_once"]["invitation"].clone();
    carla.get("/me").await.refused("unauthorised");
    let body = json!({ "name": "carla", "password": PASSWORD });
    stranger.post("/sessions", body).await.refused("unauthorised");
    let second = ask(&chief, &reset).await["shown_once"]["invitation"].clone();
    accept(&stranger, first.as_str().unwrap(), PASSWORD).await.refused("unauthorised");
    app.pass(72 * HOUR);
    accept(&stranger, second.as_str().unwrap(), PASSWORD).await.refused("unauthorised");
    let chief = sign_in(&chief, "chief").await;
    let third = ask(&chief, &reset).await["shown_once"]["invitation"].clone();
    app.pass(72 * HOUR - 1);
    accept(&stranger, third.as_str().unwrap(), PASSWORD).await.ok();
    for secret in [&first, &second, &third] {
        let secret = secret.as_str().unwrap().as_bytes();
        let is_kept = |bytes: &Vec<u8>| bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!app.register.everything().iter().any(is_kept), "an invitation is stored");
    }
}

#[tokio::test]
async fn an_invitation_of_somebody_who_was_disabled_is_void() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator", None).await.signed_in("chief").await;
    let done = ask(&chief, &new_operator("carla", "viewer")).await;
    let disabled = |disabled: bool| {
        ("PUT", "/operators/carla/disabled", json!({ "disabled": disabled, "reason": "gone" }))
    };
    ask(&chief, &disabled(true)).await;
    ask(&chief, &disabled(false)).await;
    accept(&chief, done["shown_once"]["invitation"].as_str().unwrap(), PASSWORD)
        .await
        .refused("unauthorised");
}

#[tokio::test]
async fn names_are_plain_and_never_given_again() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator", None).await.signed_in("chief").await;
    for name in ["Carla", "c arla", "сarla", "-carla", "", "c\u{301}arla", &"c".repeat(65)] {
        let (_, target, body) = new_operator(name, "viewer");
        assert_eq!(chief.post(target, body).await.faults(), ["name"], "{name}");
    }
    ask(&chief, &new_operator("carla", "viewer")).await;
    let disabled = json!({ "disabled": true, "reason": "gone" });
    ask(&chief, &("PUT", "/operators/carla/disabled", disabled)).await;
    let (_, target, body) = new_operator("carla", "viewer");
    assert_eq!(chief.post(target, body).await.faults(), ["name"]);
}

/// Everything that a lone administrator could do harm with. `{client}` and `{key}` are those of the tenant.
fn dangerous_acts() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("POST", "/operators", json!({ "name": "puppet", "grants": [{ "role": "administrator" }] })),
        ("PUT", "/operators/carla/grants", json!({ "grants": [{ "role": "administrator" }] })),
        ("PUT", "/operators/carla/disabled", json!({ "disabled": true })),
        ("PUT", "/operators/berta/disabled", json!({ "disabled": true })),
        ("PUT", "/operators/dora/disabled", json!({ "disabled": false })),
        ("POST", "/operators/carla/invitation", json!({})),
        ("POST", "/operators/emil/second_factor_reset", json!({})),
        ("PUT", "/roles/viewer", json!({ "permissions": ["people:act", "reviews:decide"] })),
        ("PUT", "/register/four_eyes", json!({ "four_eyes": false })),
        ("POST", "/tenants", json!({ "name": "puppets" })),
        ("PATCH", "/tenants/main/settings", json!({ "settings": { "four_eyes": false } })),
        ("POST", "/tenants/main/clients", json!({ "scopes": ["users:admin"] })),
        ("PUT", "/tenants/main/suspended", json!({ "suspended": true })),
        ("PUT", "/clients/{client}/disabled", json!({ "disabled": true })),
        ("PUT", "/clients/{client}/scopes", json!({ "scopes": ["users:read"] })),
        ("POST", "/clients/{client}/secret", json!({})),
        ("POST", "/clients/{client}/keys", json!({ "public_key": PUBLIC_KEY })),
        ("POST", "/client_keys/{key}/revocation", json!({})),
    ]
}

#[tokio::test]
async fn a_lone_administrator_does_nothing_dangerous() {
    let house = House::new().await;
    let (app, anna) = (&house.app, &house.anna);
    let viewer = officer(app, "carla", "viewer", None).await.signed_in("carla").await;
    create_operator(app, "dora", "viewer", None).await;
    let lost = create_operator(app, "emil", "viewer", None).await;
    let enrol = move |tx: &Tx<'_>| {
        second_factors::begin(tx, lost, b"sealed")?;
        second_factors::confirm(tx, lost, Timestamp::UNIX_EPOCH, 1)
    };
    app.provisioner().store.write_serializable("test.enrol", enrol).await.unwrap();
    let disabled = json!({ "disabled": true, "reason": "gone" });
    let gone = ask(anna, &("PUT", "/operators/dora/disabled", disabled)).await;
    house.berta.ask("POST", &confirmation(&gone), None).await.ok();
    let client = app.client();
    let state = async || {
        let mut seen = Vec::new();
        for target in ["/operators", "/roles", "/tenants", "/tenants/main/clients"] {
            seen.push(house.berta.get(target).await.ok());
        }
        seen
    };
    for (method, target, mut body) in dangerous_acts() {
        let target = target.replace("{client}", &client.id).replace("{key}", &client.key.id);
        body["reason"] = json!("because");
        let before = state().await;
        let waiting = anna.ask(method, &target, Some(body.clone())).await.ok();
        assert_eq!(
            (&waiting["state"], &waiting["shown_once"]),
            (&json!("waiting"), &Value::Null),
            "{target}"
        );
        // Neither the one who asks confirms it, in whatever session, nor a script, nor somebody without permission.
        assert_eq!(house.kinds().await.last().unwrap(), "ADMINISTRATION.PROPOSED");
        for who in [anna, &sign_in(anna, "anna").await] {
            who.ask("POST", &confirmation(&waiting), None).await.refused("forbidden");
        }
        viewer.ask("POST", &confirmation(&waiting), None).await.refused("not_found");
        assert!(state().await == before, "{target} has changed something");
        anna.ask("DELETE", &format!("/proposals/{}", id(&waiting)), None).await.ok();
        house.berta.ask("POST", &confirmation(&waiting), None).await.refused("conflict");
        assert!(state().await == before, "{target} has changed something");
    }
    assert!(check_chains(&app.app().store, |_| {}).await.unwrap() > 30);
}

#[tokio::test]
async fn a_second_person_confirms_exactly_what_was_asked_for() {
    let house = House::new().await;
    let (anna, berta) = (&house.anna, &house.berta);
    let waiting = ask(anna, &new_operator("carla", "viewer")).await;
    assert_eq!(waiting["asked"], json!(["berta"]));
    house.app.pass(90);
    let listed = berta.get("/proposals").await.ok()["data"][0].clone();
    assert_eq!((&listed["age_seconds"], &listed["proposed_by"]), (&json!(90), &json!("anna")));
    assert_eq!(listed["wanted"]["grants"], json!([{ "role": "viewer", "tenant": null }]));
    let done = berta.ask("POST", &confirmation(&waiting), None).await.ok();
    assert_eq!((&done["state"], &done["decided_by"]), (&json!("done"), &json!("berta")));
    accept(anna, done["shown_once"]["invitation"].as_str().unwrap(), PASSWORD).await.ok();
    berta.ask("POST", &confirmation(&waiting), None).await.refused("conflict");
    let created = house.record().await.into_iter().rev().find(|event| event["type"] == "OPERATOR.CREATED");
    let content = created.unwrap()["content"].clone();
    assert_eq!(
        (&content["actor"]["name"], &content["confirmed_by"]["name"]),
        (&json!("anna"), &json!("berta"))
    );
    assert!(anna.get("/proposals").await.ok()["data"].as_array().unwrap().is_empty());

    // What it is about has changed meanwhile: the proposal is void.
    let grants = |role: &str| {
        let grants = json!([{ "role": role }]);
        ("PUT", "/operators/carla/grants", json!({ "grants": grants, "reason": "moved" }))
    };
    let first = ask(anna, &grants("support")).await;
    let second = ask(anna, &grants("compliance")).await;
    berta.ask("POST", &confirmation(&second), None).await.ok();
    berta.ask("POST", &confirmation(&first), None).await.refused("conflict");
    let carla = &anna.get("/operators").await.ok()["data"][2];
    assert_eq!(carla["grants"], json!([{ "role": "compliance", "tenant": null }]));

    // It waits for three days.
    let late = ask(anna, &grants("support")).await;
    house.app.pass(72 * HOUR);
    let (anna, berta) = (sign_in(anna, "anna").await, sign_in(berta, "berta").await);
    berta.ask("POST", &confirmation(&late), None).await.refused("conflict");
    let early = ask(&anna, &grants("support")).await;
    house.app.pass(72 * HOUR - 1);
    sign_in(&berta, "berta").await.ask("POST", &confirmation(&early), None).await.ok();
}

#[tokio::test]
async fn nobody_confirms_by_an_account_of_their_own_making() {
    let house = House::new().await;
    let (anna, berta) = (&house.anna, &house.berta);
    let waiting = ask(anna, &new_operator("puppet", "administrator")).await;
    let done = berta.ask("POST", &confirmation(&waiting), None).await.ok();
    accept(anna, done["shown_once"]["invitation"].as_str().unwrap(), PASSWORD).await.ok();
    let puppet = sign_in(anna, "puppet").await;
    let hers = ask(anna, &new_operator("carla", "viewer")).await;
    assert_eq!(hers["asked"], json!(["berta"]));
    puppet.ask("POST", &confirmation(&hers), None).await.refused("forbidden");
    // Whoever confirmed the invitation had it in their hands, too.
    let puppets = ask(&puppet, &new_operator("dora", "viewer")).await;
    assert_eq!(puppets["asked"], json!([]));
    for maker in [anna, berta] {
        maker.ask("POST", &confirmation(&puppets), None).await.refused("forbidden");
    }
    house.app.pass(24 * HOUR);
    sign_in(anna, "puppet").await.ask("POST", &confirmation(&hers), None).await.ok();
}

#[tokio::test]
async fn an_emergency_is_told_to_an_address() {
    let receiver = Receiver::start().await;
    let url = Secret(receiver.url());
    let app = TestApp::with(|options| options.config.operators.alarm_url = Some(url)).await;
    let anna = officer(&app, "anna", "administrator", None).await.signed_in("anna").await;
    officer(&app, "berta", "administrator", None).await.signed_in("berta").await;
    let alone = json!({ "four_eyes": false, "reason": "the other is ill", "break_glass": true });
    let done = anna.ask("PUT", "/register/four_eyes", Some(alone)).await.ok();
    receiver.until(1).await;
    let told: Value = serde_json::from_slice(&receiver.seen()[0].body).unwrap();
    assert_eq!((&told["type"], &told["by"]), (&json!("ADMINISTRATION.BREAK_GLASS"), &json!("anna")));
    assert_eq!(told["proposal"], done["id"]);
}

#[tokio::test]
async fn an_emergency_is_an_alarm_and_is_reviewed() {
    let house = House::new().await;
    let (anna, berta) = (&house.anna, &house.berta);
    let client = house.app.client();
    let body = json!({ "reason": "the key was stolen", "break_glass": true });
    let revoke = ("POST", &*format!("/client_keys/{}/revocation", client.key.id), body);
    let done = ask(anna, &revoke).await;
    assert_eq!((&done["state"], &done["break_glass"]), (&json!("done"), &json!(true)));
    assert_eq!(
        house.kinds().await[house.kinds().await.len() - 2..],
        ["ADMINISTRATION.BREAK_GLASS", "ADMINISTRATION.CLIENT_KEY_REVOKED"]
    );
    let review = format!("/proposals/{}/review", id(&done));
    house.app.pass(500 * HOUR);
    let (anna, berta) = (sign_in(anna, "anna").await, sign_in(berta, "berta").await);
    let open = berta.get("/proposals").await.ok();
    assert_eq!(id(&open["data"][0]), id(&done), "it stays open until it is reviewed");
    anna.post(&review, json!({ "finding": "well done, me" })).await.refused("forbidden");
    assert_eq!(berta.post(&review, json!({ "finding": "" })).await.faults(), ["finding"]);
    let reviewed = berta.post(&review, json!({ "finding": "the key was stolen indeed" })).await.ok();
    assert_eq!(reviewed["review"]["reviewed_by"], "berta");
    berta.post(&review, json!({ "finding": "again" })).await.refused("conflict");
    assert!(berta.get("/proposals").await.ok()["data"].as_array().unwrap().is_empty());
    let record = anna.get("/register/events").await.ok();
    let last = record["data"].as_array().unwrap().last().unwrap();
    assert_eq!(last["type"], "ADMINISTRATION.BREAK_GLASS_REVIEWED");
}

#[tokio::test]
async fn the_rule_of_two_persons_is_switched_off_by_two() {
    let house = House::new().await;
    let (anna, berta) = (&house.anna, &house.berta);
    let off = ("PUT", "/register/four_eyes", json!({ "four_eyes": false, "reason": "a small firm" }));
    let waiting = ask(anna, &off).await;
    berta.ask("POST", &confirmation(&waiting), None).await.ok();
    assert_eq!(ask(anna, &new_operator("carla", "viewer")).await["state"], "done");
    let on = ("PUT", "/register/four_eyes", json!({ "four_eyes": true, "reason": "grown" }));
    assert_eq!(ask(anna, &on).await["state"], "done");
    assert_eq!(ask(anna, &new_operator("dora", "viewer")).await["state"], "waiting");
}

#[tokio::test]
async fn somebody_administers_the_register_at_any_time() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator", None).await.signed_in("chief").await;
    let none = json!({ "permissions": ["people:read"], "reason": "x" });
    for (target, body) in [
        ("/operators/chief/disabled", json!({ "disabled": true, "reason": "x" })),
        ("/operators/chief/grants", json!({ "grants": [{ "role": "viewer" }], "reason": "x" })),
        ("/roles/administrator", none),
    ] {
        chief.ask("PUT", target, Some(body)).await.refused("conflict");
    }
    // Of a tenant's administrator there may be none.
    officer(&app, "local", "administrator", Some("main")).await;
    let gone = json!({ "disabled": true, "reason": "x", "break_glass": true });
    assert_eq!(chief.ask("PUT", "/operators/local/disabled", Some(gone)).await.ok()["state"], "done");
}

#[tokio::test]
async fn a_role_can_be_changed_for_all_who_have_it() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator", None).await.signed_in("chief").await;
    let viewer = officer(&app, "viewer", "viewer", None).await;
    viewer.get("/tenants/main/clients").await.refused("forbidden");
    let body = json!({ "permissions": ["people:read", "clients:read"], "reason": "they ask all the time" });
    ask(&chief, &("PUT", "/roles/viewer", body)).await;
    viewer.get("/tenants/main/clients").await.ok();
    viewer.get("/tenants/main/webhooks").await.refused("forbidden");
    let roles = viewer.get("/roles").await.ok()["data"].as_array().unwrap().clone();
    let changed: Vec<&Value> = roles.iter().filter(|role| role["is_changed"] == true).collect();
    assert_eq!((changed.len(), &changed[0]["name"]), (1, &json!("viewer")));
    let wrong = json!({ "permissions": ["clients:reed"], "reason": "x" });
    assert_eq!(chief.ask("PUT", "/roles/viewer", Some(wrong)).await.faults(), ["permissions[0]"]);
}

#[tokio::test]
async fn an_administrator_of_a_tenant_reaches_its_people_alone() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let local = officer(&app, "local", "administrator", Some("main")).await.signed_in("local").await;
    officer(&app, "foreign", "viewer", Some("other")).await;
    officer(&app, "both", "viewer", None).await;
    let given = |tenant: Option<&str>| json!([{ "role": "viewer", "tenant": tenant }]);
    for name in ["foreign", "both", "nobody"] {
        let target = format!("/operators/{name}/grants");
        let body = json!({ "grants": given(Some("main")), "reason": "x" });
        local.ask("PUT", &target, Some(body)).await.refused("not_found");
    }
    for tenant in [Some("other"), Some("nowhere"), None] {
        let body = json!({ "name": "carla", "grants": given(tenant), "reason": "x" });
        local.post("/operators", body).await.refused("not_found");
    }
    let body = json!({ "name": "carla", "grants": given(Some("main")), "reason": "x" });
    assert_eq!(local.post("/operators", body).await.ok()["state"], "done");
    let names = local.get("/operators").await.ok();
    let names: Vec<&Value> = names["data"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["carla", "local"]);
    local.ask("POST", &format!("/proposals/{UNKNOWN}/confirmation"), None).await.refused("not_found");
}

#[tokio::test]
async fn a_token_may_what_it_was_given() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator", None).await;
    let provisioner = app.provisioner();
    let (token, hash) = investord::backoffice::session::new_token(&*provisioner.ids);
    let limited = investord::domain::permissions::Permissions::parse("clients:read people:act").unwrap();
    provisioner.add_operator_token("chief".into(), hash, None, Some(limited)).await.unwrap();
    let script = chief.with_token(&token);
    script.get("/tenants/main/clients").await.ok();
    for target in ["/operators", "/tenants/main/webhooks", "/register/events"] {
        script.get(target).await.refused("forbidden");
        chief.get(target).await.ok();
    }
    // What its operator may not, it may not either.
    let target = format!("/tenants/main/users/{UNKNOWN}/actions");
    script.post(&target, json!({ "action": "deactivate", "reason": "x" })).await.refused("forbidden");
    let listed = chief.get("/me/sessions").await.ok();
    let mut listed = listed["data"].as_array().unwrap().iter();
    assert!(listed.any(|one| one["permissions"] == json!(["people:act", "clients:read"])));
}

#[tokio::test]
async fn a_client_is_disabled_and_enabled() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator", None).await.signed_in("chief").await;
    let mut client = app.new_client("main", "users:read").await;
    let target = format!("/clients/{}/disabled", client.id);
    let disable = |disabled: bool| json!({ "disabled": disabled, "reason": "a breach" });
    client.get("/users").send().await.ok();
    chief.ask("PUT", &target, Some(disable(true))).await.ok();
    app.pass(1);
    client.get("/users").send().await.refused("unauthorised");
    client.token_request().send().await.refused("unauthorised");
    app.client().get("/users").send().await.ok();
    chief.ask("PUT", &target, Some(disable(false))).await.ok();
    app.pass(1);
    client.get("/users").send().await.refused("unauthorised");
    client.renew().await;
    client.get("/users").send().await.ok();
}

#[tokio::test]
async fn an_old_secret_is_taken_until_its_hours_are_over() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator", None).await.signed_in("chief").await;
    let old = app.new_client("main", "users:read").await;
    let target = format!("/clients/{}/secret", old.id);
    let rotated =
        chief.post(&target, json!({ "overlap_hours": 2, "reason": "a year has passed" })).await.ok();
    let mut new = old.clone();
    new.secret = rotated["shown_once"]["secret"].as_str().unwrap().to_owned();
    app.pass(1);
    for client in [&old, &new] {
        client.token_request().send().await.ok();
    }
    app.pass(2 * HOUR - 2);
    old.token_request().send().await.ok();
    app.pass(1);
    old.token_request().send().await.refused("unauthorised");
    new.token_request().send().await.ok();
}

#[tokio::test]
async fn a_key_is_refused_once_it_has_expired() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator", None).await.signed_in("chief").await;
    let mut client = app.client().clone();
    let key = Key::new(Algorithm::Ed25519);
    let (target, public_key) = (format!("/clients/{}/keys", client.id), key.pair.public_key().to_spki_pem());
    let expires = |seconds: i64| app.clock.now() + SignedDuration::from_secs(seconds);
    let add =
        |expires_at: Timestamp| json!({ "public_key": public_key, "expires_at": expires_at, "reason": "x" });
    assert_eq!(chief.post(&target, add(expires(0))).await.faults(), ["expires_at"]);
    let added = chief.post(&target, add(expires(60))).await.ok();
    client.key = Key { id: added["shown_once"]["key"].as_str().unwrap().to_owned(), ..key };
    app.pass(1);
    client.get("/users").send().await.ok();
    app.pass(58);
    client.get("/users").send().await.ok();
    app.pass(1);
    client.get("/users").send().await.refused("unauthorised");
    app.client().get("/users").send().await.ok();
}

#[tokio::test]
async fn of_a_suspended_tenant_operators_read_alone() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let other = app.new_client("other", "users:read").await;
    let chief = officer(&app, "chief", "administrator compliance", None).await.signed_in("chief").await;
    let user = app.client().created(&bodies::karl()).await;
    let suspend = |suspended: bool| json!({ "suspended": suspended, "reason": "the licence is withdrawn" });
    chief.ask("PUT", "/tenants/main/suspended", Some(suspend(true))).await.ok();
    app.pass(1);
    let local = officer(&app, "local", "administrator", Some("main")).await.signed_in("local").await;
    let scopes = json!({ "scopes": ["users:read"], "reason": "x" });
    let target = format!("/clients/{}/scopes", app.client().id);
    local.ask("PUT", &target, Some(scopes)).await.refused("not_found");
    app.client().get("/users").send().await.refused("forbidden");
    app.client().token_request().send().await.refused("unauthorised");
    other.get("/users").send().await.ok();
    chief.get(&format!("/tenants/main/users/{}", id(&user))).await.ok();
    chief.act(&user, "deactivate").await.refused("conflict");
    let shown = chief.get("/tenants").await.ok();
    assert!(shown["data"][0]["suspended_at"].is_string() && shown["data"][1]["suspended_at"].is_null());
    let resume = json!({ "suspended": false, "reason": "it has come back", "break_glass": true });
    local.ask("PUT", "/tenants/main/suspended", Some(resume.clone())).await.refused("not_found");
    chief.ask("PUT", "/tenants/main/suspended", Some(resume)).await.ok();
    app.pass(1);
    app.client().get("/users").send().await.ok();
    chief.act(&user, "deactivate").await.ok();
}

#[tokio::test]
async fn access_is_reviewed_in_time_and_on_record() {
    let house = House::new().await;
    let (app, anna, berta) = (&house.app, &house.anna, &house.berta);
    officer(app, "carla", "viewer", Some("main")).await;
    let waiting = ask(anna, &new_operator("dora", "support")).await;
    berta.ask("POST", &confirmation(&waiting), None).await.ok();
    let of = |listed: &Value, name: &str| {
        listed["data"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
    };
    let listed = anna.get("/access").await.ok();
    let [dora, carla] = ["dora", "carla"].map(|name| of(&listed, name));
    assert_eq!(dora["grants"][0]["granted_by"], "anna");
    assert_eq!((&dora["last_used_at"], &dora["has_password"]), (&Value::Null, &json!(false)));
    let grant = &carla["grants"][0];
    assert_eq!((&grant["tenant"], &grant["granted_by"]), (&json!("main"), &Value::Null));
    assert_eq!((&carla["tokens"], &carla["is_review_due"]), (&json!(1), &json!(false)));

    app.pass(365 * 24 * HOUR);
    let (anna, berta) = (&sign_in(anna, "anna").await, &sign_in(berta, "berta").await);
    let review = async |name: &str, decision: &str| {
        let body = json!({ "decision": decision, "reason": "the yearly review" });
        anna.post(&format!("/operators/{name}/access_review"), body).await
    };
    assert_eq!(of(&anna.get("/access").await.ok(), "carla")["is_review_due"], true);
    review("anna", "keep").await.refused("conflict");
    assert_eq!(review("carla", "perhaps").await.faults(), ["decision"]);
    assert_eq!(review("carla", "keep").await.ok()["proposal"], Value::Null);
    assert_eq!(of(&anna.get("/access").await.ok(), "carla")["is_review_due"], false);
    let removal = review("dora", "remove").await.ok()["proposal"].clone();
    assert_eq!((&removal["act"], &removal["state"]), (&json!("disable_operator"), &json!("waiting")));
    berta.ask("POST", &confirmation(&removal), None).await.ok();
    let dora = of(&berta.get("/access").await.ok(), "dora");
    assert!(dora["disabled_at"].is_string() && dora["review_due_at"].is_null());
    let record = anna.get("/register/events").await.ok();
    let reviews = record["data"].as_array().unwrap().iter();
    let reviews = reviews.filter(|event| event["type"] == "OPERATOR.ACCESS_REVIEWED");
    let said: Vec<&Value> = reviews.map(|event| &event["content"]["new"]["decision"]).collect();
    assert_eq!(said, ["keep", "remove"]);
}

#[tokio::test]
async fn no_act_is_so_wide_that_one_person_suffices() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let chief = officer(&app, "chief", "administrator", None).await.signed_in("chief").await;
    let alice = officer(&app, "alice", "administrator", Some("main")).await.signed_in("alice").await;
    let grants =
        |role: &str| json!([{ "role": role, "tenant": "main" }, { "role": "viewer", "tenant": "other" }]);
    for (method, target, body) in [
        ("PUT", "/operators/alice/grants", json!({ "grants": grants("viewer"), "reason": "x" })),
        ("POST", "/operators", json!({ "name": "puppet", "grants": grants("administrator"), "reason": "x" })),
        ("PUT", "/register/four_eyes", json!({ "four_eyes": false, "reason": "x" })),
        ("PUT", "/roles/administrator", json!({ "permissions": ["operators:manage"], "reason": "x" })),
        ("POST", "/operators/alice/invitation", json!({ "reason": "x" })),
    ] {
        let waiting = chief.ask(method, target, Some(body)).await.ok();
        assert_eq!((&waiting["state"], &waiting["asked"]), (&json!("waiting"), &json!([])), "{target}");
        // Whom it is about decides nothing.
        let answer = alice.ask("POST", &confirmation(&waiting), None).await;
        assert!([403, 404].contains(&answer.status), "{target}: {}", answer.text());
    }
    // What nobody else administers takes one person.
    let settings = json!({ "settings": { "four_eyes": true }, "reason": "x" });
    assert_eq!(chief.ask("PATCH", "/tenants/other/settings", Some(settings)).await.ok()["state"], "done");
}

#[tokio::test]
async fn a_proposal_is_void_once_its_role_may_do_more() {
    let house = House::new().await;
    let (anna, berta) = (&house.anna, &house.berta);
    officer(&house.app, "carla", "viewer", None).await;
    let grants = json!({ "grants": [{ "role": "support" }], "reason": "moved" });
    let harmless = ask(anna, &("PUT", "/operators/carla/grants", grants)).await;
    let role = json!({ "permissions": ["people:read", "reviews:decide"], "reason": "x" });
    let wider = ask(anna, &("PUT", "/roles/support", role)).await;
    berta.ask("POST", &confirmation(&wider), None).await.ok();
    berta.ask("POST", &confirmation(&harmless), None).await.refused("conflict");
    assert_eq!(house.kinds().await.last().unwrap(), "ADMINISTRATION.WITHDRAWN");
}

#[tokio::test]
async fn of_one_operator_fifty_proposals_wait() {
    let house = House::new().await;
    let settings = || json!({ "settings": {}, "reason": "x" });
    for _ in 0..50 {
        ask(&house.anna, &("PATCH", "/tenants/main/settings", settings())).await;
    }
    house.anna.ask("PATCH", "/tenants/main/settings", Some(settings())).await.refused("conflict");
    // What is to be reviewed stands in front of what waits.
    let glass = json!({ "settings": {}, "reason": "x", "break_glass": true });
    let done = ask(&house.anna, &("PATCH", "/tenants/main/settings", glass)).await;
    let listed = house.berta.get("/proposals").await.ok();
    assert_eq!(id(&listed["data"][0]), id(&done));
}
