//! The operator API: sessions and roles, who may look, and who is found.

use std::sync::Arc;

use investord::backoffice::password_hash::hash_password;
use investord::backoffice::session::new_token;
use investord::domain::administration::{Act, GivenRole};
use investord::provision::administration::Circumstances;
use investord::store::Tx;
use investord::store::tenants::operators;
use investord::worker::backfills;
use investord::worker::jobs::run_due;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;
use testing::http::Wire;
use uuid::Uuid;

use crate::operator_answers::assert_documented;

pub const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";
pub const PASSWORD: &str = "correct horse battery";

/// Somebody with a token.
#[derive(Clone)]
pub struct Officer {
    wire: Arc<Wire>,
    token: String,
}

impl Officer {
    pub async fn ask(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        self.request(method, target, &body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    async fn send(&self, target: &str, body: &str) -> Answer {
        self.request("POST", target, body).await
    }

    /// Somebody at the same place who comes with this token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { wire: Arc::clone(&self.wire), token: token.into() }
    }

    /// The same person after a sign-in: a session with a proof.
    pub async fn signed_in(&self, name: &str) -> Self {
        let begun = self.post("/sessions", json!({ "name": name, "password": PASSWORD })).await.ok();
        self.with_token(begun["token"].as_str().unwrap())
    }

    pub async fn request(&self, method: &str, target: &str, body: &str) -> Answer {
        let answer = self.exchange(method, target, body).await.sound(method);
        assert_documented(method, target, &answer);
        answer
    }

    /// The same where the server may answer that it cannot.
    pub async fn exchange(&self, method: &str, target: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.wire.exchange(request.as_bytes()).await
    }

    /// Asks for a page of the console, with the session in the cookie.
    pub async fn browse(&self, method: &str, target: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let headers =
            headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect::<String>();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: localhost\r\ncookie: __Host-investord-session={}\r\n{headers}\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            self.token,
            form.len()
        );
        self.wire.exchange(request.as_bytes()).await
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, None).await
    }

    pub async fn post(&self, target: &str, body: Value) -> Answer {
        self.ask("POST", target, Some(body)).await
    }

    /// Ids of those who are found.
    pub async fn find(&self, query: &str) -> Vec<String> {
        let found = self.get(&format!("/tenants/main/users?{query}")).await.ok();
        let ids = found["data"].as_array().unwrap().iter().map(|user| id(user).to_owned());
        ids.collect()
    }

    pub async fn act(&self, user: &Value, action: &str) -> Answer {
        let target = format!("/tenants/main/users/{}/actions", id(user));
        self.post(&target, json!({ "action": action, "reason": "because" })).await
    }

    pub async fn say(&self, user: &Value, subject: &str, body: Value) -> Answer {
        self.post(&format!("/tenants/main/users/{}/reviews/{subject}", id(user)), body).await
    }

    pub async fn queue(&self) -> Vec<Value> {
        self.get("/tenants/main/reviews").await.ok()["data"].as_array().unwrap().clone()
    }

    pub async fn history(&self, user: &Value) -> Vec<Value> {
        let target = format!("/tenants/main/users/{}/history", id(user));
        self.get(&target).await.ok()["data"].as_array().unwrap().clone()
    }
}

/// Invites a new viewer. The invitation.
async fn invited(chief: &Officer, name: &str) -> String {
    let new = json!({ "name": name, "grants": [{ "role": "viewer" }], "reason": "new here" });
    let done = chief.post("/operators", new).await.ok();
    done["shown_once"]["invitation"].as_str().unwrap().to_owned()
}

/// Chooses the password of somebody who was invited.
pub async fn accept(anybody: &Officer, invitation: &str, password: &str) -> Answer {
    anybody.post("/invitations", json!({ "invitation": invitation, "password": password })).await
}

pub fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

pub fn example(name: &str) -> Value {
    let text = match name {
        "name" => include_str!("../../../../api/examples/change-name.json"),
        "email" => include_str!("../../../../api/examples/change-email.json"),
        _ => include_str!("../../../../api/examples/create-check-kyc.json"),
    };
    serde_json::from_str(text).unwrap()
}

/// Creates an operator with these roles, separated by blanks, who has a password and a token.
pub async fn officer(app: &TestApp, name: &str, roles: &str, tenant: Option<&str>) -> Officer {
    let provisioner = app.provisioner();
    let kept = hash_password(PASSWORD, &*provisioner.ids).unwrap();
    let id = create_operator(app, name, roles, tenant).await;
    let set = move |tx: &Tx<'_>| operators::set_password(tx, id, Some(&kept));
    provisioner.store.write_serializable("test.password", set).await.unwrap();
    let (token, hash) = new_token(&*provisioner.ids);
    provisioner.add_operator_token(name.into(), hash, None, None).await.unwrap();
    Officer { wire: Arc::new(Wire::to(app.app().config.operator_address().resolve().unwrap())), token }
}

/// Creates an operator without a password.
pub async fn create_operator(app: &TestApp, name: &str, roles: &str, tenant: Option<&str>) -> Uuid {
    let provisioner = app.provisioner();
    let given = |role: &str| GivenRole { role: role.to_owned(), tenant: tenant.map(str::to_owned) };
    let grants = roles.split(' ').map(given).collect();
    let act = Act::CreateOperator { operator: name.to_owned(), grants };
    provisioner.administer(act, Circumstances::of_machine()).await.unwrap();
    let name = name.to_owned();
    let find = move |tx: &Tx<'_>| operators::by_name(tx, &name);
    provisioner.store.read("test.operator", find).await.unwrap().unwrap().id
}

pub async fn status(client: &Client, user: &Value) -> Value {
    client.get(&format!("/users/{}", id(user))).send().await.ok()["status"].clone()
}

#[tokio::test]
async fn a_password_gives_a_session_that_ends() {
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", "viewer", None).await;
    let log_in = async |name: &str, password: &str| {
        anna.post("/sessions", json!({ "name": name, "password": password })).await
    };
    let begun = log_in("anna", PASSWORD).await.ok();
    assert_eq!((&begun["name"], &begun["grants"][0]["role"]), (&json!("anna"), &json!("viewer")));
    let session = anna.with_token(begun["token"].as_str().unwrap());
    assert_eq!(session.get("/me").await.ok()["name"], "anna");
    for (name, password) in [("anna", "wrong"), ("nobody", PASSWORD)] {
        log_in(name, password).await.refused("unauthorised");
    }
    for (body, fields) in [
        (json!({}), ["name", "password"]),
        (json!({ "name": 1 }), ["name", "password"]),
        (json!({ "name": "a", "pin": "1" }), ["pin", "password"]),
    ] {
        assert_eq!(anna.post("/sessions", body).await.faults(), fields);
    }
    session.ask("DELETE", "/sessions", None).await.ok();
    session.get("/me").await.refused("unauthorised");
    let second = log_in("anna", PASSWORD).await.ok();
    let second = anna.with_token(second["token"].as_str().unwrap());
    // It ends 15 minutes after the last request, and after 12 hours in any case.
    for _ in 0..51 {
        app.pass(14 * 60);
        second.get("/me").await.ok();
    }
    app.pass(6 * 60 - 1);
    second.get("/me").await.ok();
    app.pass(1);
    second.get("/me").await.refused("unauthorised");
    let third = log_in("anna", PASSWORD).await.ok();
    let third = anna.with_token(third["token"].as_str().unwrap());
    app.pass(15 * 60 - 1);
    third.get("/me").await.ok();
    app.pass(15 * 60);
    third.get("/me").await.refused("unauthorised");
    // An access token does not end by being idle.
    anna.get("/me").await.ok();
    let disable = Act::DisableOperator { operator: "anna".into() };
    app.provisioner().administer(disable, Circumstances::of_machine()).await.unwrap();
    anna.get("/me").await.refused("unauthorised");
    log_in("anna", PASSWORD).await.refused("unauthorised");
    let stranger = anna.with_token("x");
    for target in ["/me", "/tenants", "/operators", "/tenants/main/users?name=x", "/tenants/main/reviews"] {
        stranger.get(target).await.refused("unauthorised");
    }
    assert!(
        !app.register
            .everything()
            .iter()
            .any(|bytes| { bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()) })
    );
}

#[tokio::test]
async fn a_password_is_the_same_from_every_keyboard() {
    let app = TestApp::start().await;
    let chief =
        officer(&app, "chief", "administrator compliance support", None).await.signed_in("chief").await;
    let log_in = async |name: &str, password: &str| {
        chief.post("/sessions", json!({ "name": name, "password": password })).await.status
    };
    // Composed and decomposed, with a blank and a no-break space (RFC 8265 section 4.2.2).
    let spellings = ["Stra\u{df}e f\u{fc}r Zo\u{eb}", "Stra\u{df}e\u{a0}fu\u{308}r\u{3000}Zoe\u{308}"];
    for (name, kept) in [("anna", spellings[0]), ("berta", spellings[1])] {
        let invitation = invited(&chief, name).await;
        accept(&chief, &invitation, kept).await.ok();
        for (password, expected) in [
            (spellings[0], 200),
            (spellings[1], 200),
            ("STRA\u{df}E F\u{dc}R ZO\u{cb}", 401),
            // Wide letters stay what they are.
            ("\u{ff33}tra\u{df}e f\u{fc}r Zo\u{eb}", 401),
        ] {
            assert_eq!(log_in(name, password).await, expected, "{name} {password}");
        }
    }
    let invitation = invited(&chief, "carla").await;
    for (password, why) in [
        ("elf Zeichen", "must have at least 12 characters"),
        // Twelve signs as they are sent, of which eleven letters are left.
        ("elf Zeiche\u{6e}\u{303}", "must have at least 12 characters"),
        ("correct horse\u{200b}battery", "must not contain control or format characters"),
        ("correct horse\u{e0001}battery", "must not contain control or format characters"),
    ] {
        let problem = accept(&chief, &invitation, password).await.refused("invalid_request");
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(problem["errors"][0]["field"] == "password" && message.starts_with(why), "{problem}");
    }
}

#[tokio::test]
async fn a_refusal_names_what_was_probably_meant() {
    let app = TestApp::start().await;
    let chief =
        officer(&app, "chief", "administrator compliance support", None).await.signed_in("chief").await;
    let user = app.client().created(&bodies::karl()).await;
    let actions = format!("/tenants/main/users/{}/actions", id(&user));
    for (target, body, says) in [
        ("/operators", json!({ "nme": "x" }), "nme: is not a member of CreateOperator; did you mean 'name'?"),
        (
            "/operators",
            json!({ "name": "x", "grants": [{ "role": "viewr" }], "reason": "x" }),
            "grants: there is no role 'viewr'; did you mean 'viewer'?",
        ),
        (&actions, json!({ "action": "Deactivate", "reason": "x" }), "; did you mean 'deactivate'?"),
        (&actions, json!({ "action": 1 }), "action: must be a string, not a number"),
        (&actions, json!([]), "(root): must be an object, not an array"),
    ] {
        let problem = chief.post(target, body).await.refused("invalid_request");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    let twice = "{\"action\":\"deactivate\",\"action\":\"reactivate\",\"reason\":\"x\"}";
    assert_eq!(chief.send(&actions, twice).await.faults(), ["action"]);
    let broken = chief.send(&actions, "{\"action\"").await.refused("invalid_request");
    assert!(broken["detail"].as_str().unwrap().starts_with("(root): the body is not JSON"), "{broken}");
}

#[tokio::test]
async fn operators_are_listed_with_their_tenant() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", "administrator compliance support", None).await;
    let own = officer(&app, "own", "viewer", Some("main")).await;
    let listed = chief.get("/operators").await.ok();
    let all = listed["data"].as_array().unwrap();
    let tenants: Vec<&Value> = all.iter().map(|one| &one["grants"][0]["tenant"]).collect();
    assert_eq!(tenants, [&Value::Null, &json!("main")]);
    assert_eq!(own.get("/me").await.ok()["grants"], json!([{ "role": "viewer", "tenant": "main" }]));
}

#[tokio::test]
async fn everybody_may_what_their_role_may_for_their_tenant() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let user = app.client().created(&bodies::karl()).await;
    let viewer = officer(&app, "viewer", "viewer", None).await;
    let operator = officer(&app, "operator", "compliance support", None).await;
    let chief =
        officer(&app, "chief", "administrator compliance support", None).await.signed_in("chief").await;
    let foreign = officer(&app, "foreign", "administrator compliance support", Some("other")).await;
    let foreign = foreign.signed_in("foreign").await;
    viewer.act(&user, "deactivate").await.refused("forbidden");
    viewer.say(&user, UNKNOWN, json!({ "verdict": "approve" })).await.refused("forbidden");
    for officer in [&viewer, &operator] {
        officer.get("/operators").await.refused("forbidden");
        officer.post("/operators", json!({})).await.refused("forbidden");
        officer.ask("PUT", "/operators/chief/disabled", Some(json!({}))).await.refused("forbidden");
    }
    for target in [
        format!("/tenants/main/users/{}", id(&user)),
        format!("/tenants/main/users/{}/history", id(&user)),
        "/tenants/main/users?name=schmidt".to_owned(),
        "/tenants/main/reviews".to_owned(),
    ] {
        viewer.get(&target).await.ok();
        foreign.get(&target).await.refused("not_found");
        foreign.get(&target.replace("main", "nowhere")).await.refused("not_found");
    }
    foreign.get(&format!("/tenants/other/users/{}", id(&user))).await.refused("not_found");
    foreign.act(&user, "deactivate").await.refused("not_found");
    let names = |answer: &Value| {
        answer["data"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&viewer.get("/tenants").await.ok()), ["main", "other"]);
    assert_eq!(names(&foreign.get("/tenants").await.ok()), ["other"]);
    for target in ["/operators/viewer/sessions", "/operators/nobody/sessions"] {
        foreign.get(target).await.refused("not_found");
    }
    assert_eq!(names(&chief.get("/operators").await.ok()).len(), 4);
    assert_eq!(names(&foreign.get("/operators").await.ok()), ["foreign"], "their own");
    // What cannot be an id or a name is not there, for whoever may ask.
    for target in ["/tenants/main/users/abc", "/tenants/%00/users?name=x", "/tenants/main/users/abc/history"]
    {
        operator.get(target).await.refused("not_found");
    }
    let disabled = json!({ "disabled": true, "reason": "x" });
    chief.ask("PUT", "/operators/%00/disabled", Some(disabled)).await.refused("not_found");
    let long = json!({ "name": "x".repeat(70_000) });
    assert_eq!(chief.post("/operators", long).await.faults(), ["(root)"]);
}

#[tokio::test]
async fn search_finds_exactly_whom_it_should() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let anna = officer(&app, "anna", "viewer", None).await;
    let client = app.client();
    let person = |first: &str, last: &str, birth: &str| {
        let mut body = bodies::smallest();
        (body["first_name"], body["last_name"], body["birth_date"]) =
            (json!(first), json!(last), json!(birth));
        body["email"] = json!(format!("{}@example.com", last.to_lowercase().replace("  ", ".")));
        body["phone_number"] = json!("4930123456");
        body
    };
    let zoe = client.created(&person("Zoe\u{308}", "van  Dam", "1980-01-02")).await;
    let karl = client.created(&person("Karl", "Schmidt", "1980-01-02")).await;
    let other = client.created(&person("Karla", "Schmidt", "1999-12-31")).await;
    let foreign = app.new_client("other", "users:admin").await;
    foreign.created(&person("Karl", "Schmidt", "1980-01-02")).await;
    let passport = json!({ "type": "PASSPORT", "issuing_country": "US", "identifier": "QW1234567" });
    client.post(&format!("/users/{}/identifiers", id(&karl))).json(&passport).send().await.ok();
    let group = json!({ "user_id": other["id"], "type": "PERSONAL", "securities_account_number": "7654321" });
    client.post("/account_groups").json(&group).send().await.ok();
    // Those who came first are first.
    let ids = |users: &[&Value]| users.iter().map(|user| id(user).to_owned()).collect::<Vec<_>>();
    for (query, expected) in [
        (format!("id={}", id(&zoe)), vec![&zoe]),
        (format!("id={UNKNOWN}"), vec![]),
        ("name=Zo%C3%AB+VAN+DAM".into(), vec![&zoe]),
        ("name=van+dam".into(), vec![&zoe]),
        ("name=schmidt".into(), vec![&karl, &other]),
        ("name=karl+schmidt".into(), vec![&karl]),
        ("name=Schmidt,+Karl".into(), vec![&karl]),
        ("name=KARL++%C5%9Ech-midt".into(), vec![&karl]),
        ("name=zoe+vandam".into(), vec![&zoe]),
        ("phone_number=%2B49+30+12+34+56".into(), vec![&zoe, &karl, &other]),
        ("phone_number=0049+30+123456&name=schmidt".into(), vec![&karl, &other]),
        ("phone_number=%2B49+30+123457".into(), vec![]),
        ("name=karl".into(), vec![]),
        ("name=schmid".into(), vec![]),
        ("birth_date=1980-01-02".into(), vec![&zoe, &karl]),
        ("birth_date=1980-01-02&name=schmidt".into(), vec![&karl]),
        ("birth_date=1980-01-02&name=schmidt&email=van.dam%40example.com".into(), vec![]),
        ("email=Schmidt%40Example.com".into(), vec![&karl, &other]),
        ("identifier=qw-123+4567".into(), vec![&karl]),
        ("identifier=USQW1234567".into(), vec![&karl]),
        ("identifier=US:QW1234567".into(), vec![&karl]),
        ("identifier=GBQW1234567".into(), vec![]),
        ("identifier=DE19800102KARL%23SCHMI".into(), vec![&karl]),
        ("identifier=AT19800102KARL%23SCHMI".into(), vec![]),
        ("identifier=QW1234568".into(), vec![]),
        ("securities_account_number=7654321".into(), vec![&other]),
    ] {
        assert_eq!(anna.find(&query).await, ids(&expected), "{query}");
    }
    for (query, field) in [
        ("", "(query)"),
        (&"name=a&".repeat(21), "(query)"),
        ("shoe_size=42", "shoe_size"),
        ("name=+", "name"),
        ("name=%E2%80%99", "name"),
        ("id=7", "id"),
        ("birth_date=30.01.1972", "birth_date"),
        ("birth_date=1972-02-30&name=schmidt", "birth_date"),
        ("birth_date=2026-11-22", "birth_date"),
        ("email=anna", "email"),
        ("phone_number=Berlin", "phone_number"),
        ("identifier=-", "identifier"),
        ("securities_account_number=12", "securities_account_number"),
    ] {
        assert_eq!(anna.get(&format!("/tenants/main/users?{query}")).await.faults(), [field]);
    }
    // What has changed is found by what it is now.
    let target = format!("/users/{}/data_change_requests", id(&karl));
    let change = json!({ "last_name": "Müller", "email": "new@example.com" });
    client.request("POST", &target).json(&change).send().await;
    run_due(app.app()).await.unwrap();
    let identifiers = client.get(&format!("/users/{}/identifiers", id(&karl))).send().await.ok();
    let own = identifiers["data"].as_array().unwrap().iter().find(|one| one["type"] == "PASSPORT").unwrap();
    let target = format!("/users/{}/identifiers/{}", id(&karl), id(own));
    client.request("PATCH", &target).json(&json!({ "identifier": "ZZ7654321" })).send().await.ok();
    for (query, expected) in [
        ("name=karl+schmidt", vec![]),
        ("name=MU%CC%88LLER", vec![&karl]),
        ("email=schmidt%40example.com", vec![&other]),
        ("identifier=QW1234567", vec![]),
        ("identifier=ZZ7654321", vec![&karl]),
        ("birth_date=1980-01-02", vec![&zoe, &karl]),
    ] {
        assert_eq!(anna.find(query).await, ids(&expected), "{query}");
    }
    // As after a migration that compares values otherwise.
    app.register.run("DELETE FROM search_index");
    app.register
        .run("INSERT INTO backfills (tenant, name, done, last) VALUES (1, 'rebuild-search-index', 0, 3)");
    assert!(anna.find("name=schmidt").await.is_empty());
    while backfills::run_batch(app.app()).await.unwrap() {}
    assert_eq!(anna.find("name=m%C3%BCller").await, ids(&[&karl]));
    assert_eq!(anna.find("identifier=ZZ7654321").await, ids(&[&karl]));
}
