//! The operator API: who may look, who is found, what is decided, and that all of it is on record.

use std::sync::Arc;

use investord::backoffice::session::{hash_password, new_token};
use investord::store::tenants::operators::Role;
use investord::worker::backfills;
use investord::worker::jobs::run_due;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;
use testing::http::Wire;
use tokio::sync::Barrier;

const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";
const PASSWORD: &str = "correct horse battery";

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

    pub async fn request(&self, method: &str, target: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.wire.exchange(request.as_bytes()).await.sound(method)
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

    async fn act(&self, user: &Value, action: &str) -> Answer {
        let target = format!("/tenants/main/users/{}/actions", id(user));
        self.post(&target, json!({ "action": action, "reason": "because" })).await
    }

    async fn say(&self, user: &Value, subject: &str, body: Value) -> Answer {
        self.post(&format!("/tenants/main/users/{}/reviews/{subject}", id(user)), body).await
    }

    async fn queue(&self) -> Vec<Value> {
        self.get("/tenants/main/reviews").await.ok()["data"].as_array().unwrap().clone()
    }

    async fn history(&self, user: &Value) -> Vec<Value> {
        let target = format!("/tenants/main/users/{}/history", id(user));
        self.get(&target).await.ok()["data"].as_array().unwrap().clone()
    }
}

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

fn example(name: &str) -> Value {
    let text = match name {
        "name" => include_str!("../../../../api/examples/change-name.json"),
        "email" => include_str!("../../../../api/examples/change-email.json"),
        _ => include_str!("../../../../api/examples/create-check-kyc.json"),
    };
    serde_json::from_str(text).unwrap()
}

pub async fn officer(app: &TestApp, name: &str, role: Role, tenant: Option<&str>) -> Officer {
    let provisioner = app.provisioner();
    let kept = hash_password(PASSWORD, &*provisioner.ids).unwrap();
    let tenant = tenant.map(str::to_owned);
    provisioner.create_operator(name.into(), role, tenant, Some(kept)).await.unwrap();
    let (token, hash) = new_token(&*provisioner.ids);
    provisioner.add_operator_token(name.into(), hash).await.unwrap();
    Officer { wire: Arc::new(Wire::to(app.app().config.operator_address().resolve().unwrap())), token }
}

async fn status(client: &Client, user: &Value) -> Value {
    client.get(&format!("/users/{}", id(user))).send().await.ok()["status"].clone()
}

/// A tenant under whose licence somebody looks at every proof, and two who do.
async fn reviewed() -> (TestApp, Officer, Officer) {
    let app = TestApp::tol().await;
    app.set("review_policy", "review").await;
    let anna = officer(&app, "anna", Role::Operator, None).await;
    let berta = officer(&app, "berta", Role::Operator, Some("main")).await;
    (app, anna, berta)
}

async fn ask(app: &TestApp, user: &Value, body: &Value) {
    let target = format!("/users/{}/data_change_requests", id(user));
    assert_eq!(app.client().request("POST", &target).json(body).send().await.status, 202);
}

#[tokio::test]
async fn a_password_gives_a_session_that_ends() {
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", Role::Viewer, None).await;
    let log_in = async |name: &str, password: &str| {
        anna.post("/sessions", json!({ "name": name, "password": password })).await
    };
    let begun = log_in("anna", PASSWORD).await.ok();
    assert_eq!((&begun["name"], &begun["role"]), (&json!("anna"), &json!("viewer")));
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
    app.pass(12 * 3600 - 1);
    second.get("/me").await.ok();
    app.pass(1);
    second.get("/me").await.refused("unauthorised");
    // An access token lives until its operator is disabled.
    anna.get("/me").await.ok();
    app.provisioner().disable_operator("anna".into()).await.unwrap();
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
    let chief = officer(&app, "chief", Role::Administrator, None).await;
    let log_in = async |name: &str, password: &str| {
        chief.post("/sessions", json!({ "name": name, "password": password })).await.status
    };
    // Composed and decomposed, with a blank and a no-break space (RFC 8265 section 4.2.2).
    let spellings = ["Stra\u{df}e f\u{fc}r Zo\u{eb}", "Stra\u{df}e\u{a0}fu\u{308}r\u{3000}Zoe\u{308}"];
    for (name, kept) in [("anna", spellings[0]), ("berta", spellings[1])] {
        let new = json!({ "name": name, "role": "viewer", "password": kept });
        chief.post("/operators", new).await.ok();
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
    for (password, why) in [
        ("elf Zeichen", "must have at least 12 characters"),
        // Twelve signs as they are sent, of which eleven letters are left.
        ("elf Zeiche\u{6e}\u{303}", "must have at least 12 characters"),
        ("correct horse\u{200b}battery", "must not contain control or format characters"),
        ("correct horse\u{e0001}battery", "must not contain control or format characters"),
    ] {
        let new = json!({ "name": "carla", "role": "viewer", "password": password });
        let problem = chief.post("/operators", new).await.refused("invalid_request");
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(problem["errors"][0]["field"] == "password" && message.starts_with(why), "{problem}");
    }
}

#[tokio::test]
async fn a_refusal_names_what_was_probably_meant() {
    let app = TestApp::start().await;
    let chief = officer(&app, "chief", Role::Administrator, None).await;
    let user = app.client().created(&bodies::karl()).await;
    let actions = format!("/tenants/main/users/{}/actions", id(&user));
    for (target, body, says) in [
        ("/operators", json!({ "nme": "x" }), "nme: is not a member of CreateOperator; did you mean 'name'?"),
        (
            "/operators",
            json!({ "name": "x", "role": "viewr" }),
            r#"role: must be one of "viewer", "operator", "administrator"; did you mean 'viewer'?"#,
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
    let chief = officer(&app, "chief", Role::Administrator, None).await;
    let own = officer(&app, "own", Role::Viewer, Some("main")).await;
    let listed = chief.get("/operators").await.ok();
    let tenants: Vec<&Value> = listed["data"].as_array().unwrap().iter().map(|one| &one["tenant"]).collect();
    assert_eq!(tenants, [&Value::Null, &json!("main")]);
    assert_eq!(own.get("/me").await.ok()["tenant"], "main");
}

#[tokio::test]
async fn everybody_may_what_their_role_may_for_their_tenant() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let user = app.client().created(&bodies::karl()).await;
    let viewer = officer(&app, "viewer", Role::Viewer, None).await;
    let operator = officer(&app, "operator", Role::Operator, None).await;
    let chief = officer(&app, "chief", Role::Administrator, None).await;
    let foreign = officer(&app, "foreign", Role::Administrator, Some("other")).await;
    viewer.act(&user, "deactivate").await.refused("forbidden");
    viewer.say(&user, UNKNOWN, json!({ "verdict": "approve" })).await.refused("forbidden");
    for officer in [&viewer, &operator] {
        officer.get("/operators").await.refused("forbidden");
        officer.post("/operators", json!({})).await.refused("forbidden");
        officer.ask("DELETE", "/operators/chief", None).await.refused("forbidden");
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
    // Operators are made by administrators, and not beyond their own tenant.
    let new = |name: &str, tenant: Option<&str>| json!({ "name": name, "role": "viewer", "password": PASSWORD, "tenant": tenant });
    assert_eq!(chief.post("/operators", new("new", Some("main"))).await.ok()["role"], "viewer");
    assert_eq!(chief.post("/operators", new("new", None)).await.faults(), ["name"]);
    foreign.post("/operators", new("theirs", Some("main"))).await.refused("not_found");
    foreign.post("/operators", new("theirs", None)).await.ok();
    let begun = viewer.post("/sessions", json!({ "name": "theirs", "password": PASSWORD })).await.ok();
    let theirs = viewer.with_token(begun["token"].as_str().unwrap());
    assert_eq!(names(&theirs.get("/tenants").await.ok()), ["other"]);
    for (member, value) in [("role", "king"), ("password", "too short"), ("name", " ")] {
        let mut body = new("another", None);
        body[member] = json!(value);
        assert_eq!(chief.post("/operators", body).await.faults(), [member]);
    }
    foreign.ask("DELETE", "/operators/viewer", None).await.refused("not_found");
    chief.ask("DELETE", "/operators/chief", None).await.refused("conflict");
    chief.ask("DELETE", "/operators/viewer", None).await.ok();
    viewer.get("/me").await.refused("unauthorised");
    assert_eq!(names(&chief.get("/operators").await.ok()).len(), 6);
    assert_eq!(names(&foreign.get("/operators").await.ok()), ["foreign", "theirs"], "their own");
    // What cannot be an id or a name is not there, for whoever may ask.
    for target in ["/tenants/main/users/abc", "/tenants/%00/users?name=x", "/tenants/main/users/abc/history"]
    {
        operator.get(target).await.refused("not_found");
        viewer.get(target).await.refused("unauthorised");
    }
    chief.ask("DELETE", "/operators/%00", None).await.refused("not_found");
    let long = json!({ "name": "x".repeat(70_000) });
    assert_eq!(chief.post("/operators", long).await.faults(), ["(root)"]);
}

#[tokio::test]
async fn search_finds_exactly_whom_it_should() {
    let app = TestApp::start().await;
    app.new_tenant("other", &[]).await;
    let anna = officer(&app, "anna", Role::Viewer, None).await;
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

#[tokio::test]
async fn a_decision_is_done_in_order_and_on_record() {
    let (app, anna, berta) = reviewed().await;
    let user = app.client().created(&bodies::everything()).await;
    for name in ["name", "email"] {
        ask(&app, &user, &example(name)).await;
    }
    run_due(app.app()).await.unwrap();
    let [waiting] = &anna.queue().await[..] else { panic!("one") };
    let matter = &waiting["matter"];
    assert_eq!((&waiting["user_id"], &matter["asked"]["first_name"]), (&user["id"], &json!("Karl")));
    assert_eq!(matter["proof"]["document_type"], example("name")["document_type"]);
    let subject = id(matter).to_owned();
    for (body, field) in [
        (json!({}), "verdict"),
        (json!({ "verdict": "perhaps" }), "verdict"),
        (json!({ "verdict": "refuse" }), "reason"),
        (json!({ "verdict": "refuse", "reason": "x".repeat(101) }), "reason"),
        (json!({ "verdict": "approve", "mood": "good" }), "mood"),
    ] {
        assert_eq!(anna.say(&user, &subject, body).await.faults(), [field]);
    }
    anna.say(&user, UNKNOWN, json!({ "verdict": "approve" })).await.refused("not_found");
    anna.say(&user, &subject, json!({ "verdict": "approve" })).await.ok();
    run_due(app.app()).await.unwrap();
    let problem =
        berta.say(&user, &subject, json!({ "verdict": "refuse", "reason": "no" })).await.refused("conflict");
    assert_eq!(problem["detail"], "operator:anna has decided it");
    assert!(berta.queue().await.is_empty());
    let shown = berta.get(&format!("/tenants/main/users/{}", id(&user))).await.ok();
    let changes = shown["data_changes"].as_array().unwrap();
    assert_eq!((&changes[0]["state"], &changes[0]["decided_by"]), (&json!("DONE"), &json!("operator:anna")));
    assert_eq!((&changes[1]["state"], &changes[1]["decided_by"]), (&json!("DONE"), &json!("system")));
    assert_eq!(shown["user"]["email"], "max@example.com");
    let types: Vec<Value> = anna.history(&user).await.iter().map(|event| event["type"].clone()).collect();
    let expected =
        ["USER.CREATED", "USER.ACTIVATED", "OPERATOR.ACTION", "USER.DATA_CHANGED", "USER.DATA_CHANGED"];
    assert_eq!(types, expected);
    let action = &anna.history(&user).await[2]["object"];
    assert_eq!(action["actor"], json!({ "name": "anna", "role": "operator" }));
    assert_eq!((&action["action"], &action["subject"]), (&json!("approve"), &json!(subject)));
    assert_eq!(
        (&action["old"]["decided"], &action["new"]["decided"]["by"]),
        (&Value::Null, &json!("operator:anna"))
    );

    // Refused: told to the client with the reason, and nothing has changed.
    ask(&app, &user, &example("name")).await;
    let subject = id(&anna.queue().await[0]["matter"]).to_owned();
    berta
        .say(&user, &subject, json!({ "verdict": "refuse", "reason": "the picture is of somebody else" }))
        .await
        .ok();
    run_due(app.app()).await.unwrap();
    let last = anna.history(&user).await.pop().unwrap();
    let expected = json!({ "user_id": user["id"], "reason": "the picture is of somebody else" });
    assert_eq!((&last["type"], &last["object"]), (&json!("USER.DATA_CHANGE_FAILED"), &expected));
    // Withdrawn, also what only waits for its turn.
    for name in ["name", "email"] {
        ask(&app, &user, &example(name)).await;
    }
    let shown = anna.get(&format!("/tenants/main/users/{}", id(&user))).await.ok();
    let pending = shown["pending"].as_array().unwrap().clone();
    assert_eq!(pending.len(), 2);
    let (first, second) = (pending[0]["subject"].as_str().unwrap(), pending[1]["subject"].as_str().unwrap());
    anna.say(&user, second, json!({ "verdict": "approve" })).await.refused("conflict");
    anna.say(&user, second, json!({ "verdict": "cancel", "reason": "asked twice" })).await.ok();
    anna.say(&user, first, json!({ "verdict": "cancel", "reason": "asked twice" })).await.ok();
    run_due(app.app()).await.unwrap();
    let history = anna.history(&user).await;
    let failed = history.iter().filter(|event| event["type"] == "USER.DATA_CHANGE_FAILED").count();
    assert_eq!((failed, app.number("SELECT count(*) FROM jobs")), (3, 0));
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_wins() {
    let (app, anna, berta) = reviewed().await;
    let mut decided = [0, 0];
    for round in 0..20 {
        let user = app.client().created(&bodies::everything()).await;
        ask(&app, &user, &example("name")).await;
        let subject = id(&anna.queue().await[0]["matter"]).to_owned();
        let barrier = Arc::new(Barrier::new(2));
        let answers = [(anna.clone(), "approve"), (berta.clone(), "refuse")].map(|(officer, verdict)| {
            let (barrier, user, subject) = (Arc::clone(&barrier), user.clone(), subject.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                officer.say(&user, &subject, json!({ "verdict": verdict, "reason": "seen" })).await
            })
        });
        let mut won = Vec::new();
        for (at, answer) in answers.into_iter().enumerate() {
            let answer = answer.await.unwrap();
            if answer.status == 200 {
                won.push(at);
            } else {
                let detail = answer.refused("conflict")["detail"].as_str().unwrap().to_owned();
                assert!(detail.ends_with(" has decided it"), "{detail}");
            }
        }
        let [winner] = won[..] else { panic!("{won:?} in round {round}") };
        decided[winner] += 1;
        run_due(app.app()).await.unwrap();
        let kinds: Vec<String> = app.told(1).await.into_iter().rev().take(2).map(|told| told.kind).collect();
        let outcome = ["USER.DATA_CHANGED", "USER.DATA_CHANGE_FAILED"][winner];
        assert_eq!(kinds, [outcome, "OPERATOR.ACTION"]);
    }
    assert_eq!(decided.iter().sum::<i32>(), 20);
}

#[tokio::test]
async fn four_eyes_see_more_than_two() {
    let (app, anna, berta) = reviewed().await;
    app.set("four_eyes", true).await;
    let user = app.client().created(&bodies::everything()).await;
    let approve = || json!({ "verdict": "approve" });
    let refuse = || json!({ "verdict": "refuse", "reason": "blurred" });
    let cancel = || json!({ "verdict": "cancel", "reason": "asked twice" });
    for (said, outcome) in [
        (
            vec![(&anna, approve(), 200), (&anna, approve(), 409), (&berta, approve(), 200)],
            "USER.DATA_CHANGED",
        ),
        (
            vec![
                (&anna, approve(), 200),
                (&berta, refuse(), 200),
                (&berta, refuse(), 409),
                (&anna, refuse(), 200),
            ],
            "USER.DATA_CHANGE_FAILED",
        ),
        (vec![(&anna, refuse(), 200), (&berta, refuse(), 200)], "USER.DATA_CHANGE_FAILED"),
        (
            vec![(&anna, cancel(), 200), (&anna, cancel(), 409), (&berta, cancel(), 200)],
            "USER.DATA_CHANGE_FAILED",
        ),
    ] {
        ask(&app, &user, &example("name")).await;
        let subject = id(&anna.queue().await[0]["matter"]).to_owned();
        let before = app.told(1).await.len();
        let (mut agreed, count) = (0, said.len());
        for (at, (officer, body, expected)) in said.into_iter().enumerate() {
            assert_eq!(anna.queue().await.len(), 1, "until somebody else has said so");
            assert_eq!(officer.say(&user, &subject, body).await.status, expected, "step {at} of {count}");
            run_due(app.app()).await.unwrap();
            agreed += usize::from(expected == 200);
        }
        let told = app.told(1).await;
        assert_eq!(told.len(), before + agreed + 1, "each on record, and one outcome");
        assert_eq!(told.last().unwrap().kind, outcome);
        assert!(anna.queue().await.is_empty());
    }
}

#[tokio::test]
async fn checks_are_decided_like_changes() {
    let (app, anna, _) = reviewed().await;
    app.set("activation_requires", json!(["checks"])).await;
    let user = app.client().created(&bodies::everything()).await;
    let target = format!("/users/{}/checks", id(&user));
    app.client().request("POST", &target).json(&example("kyc")).send().await;
    run_due(app.app()).await.unwrap();
    let fit: Value =
        serde_json::from_str(include_str!("../../../../api/examples/create-check-instrument-fit.json"))
            .unwrap();
    app.client().request("POST", &target).json(&fit).send().await;
    let kyc = anna.queue().await;
    assert_eq!((kyc.len(), &kyc[0]["matter"]["type"], &kyc[0]["kind"]), (1, &json!("KYC"), &json!("check")));
    anna.say(&user, id(&kyc[0]["matter"]), json!({ "verdict": "approve" })).await.ok();
    run_due(app.app()).await.unwrap();
    assert_eq!(status(app.client(), &user).await, "INACTIVE");
    // Then somebody has to look whether the law is against it.
    let compliance = anna.queue().await;
    assert_eq!((compliance.len(), &compliance[0]["matter"]["type"]), (1, &json!("COMPLIANCE")));
    anna.say(
        &user,
        id(&compliance[0]["matter"]),
        json!({ "verdict": "approve", "reason": "not on any list" }),
    )
    .await
    .ok();
    run_due(app.app()).await.unwrap();
    assert_eq!(status(app.client(), &user).await, "ACTIVE");
    let shown = anna.get(&format!("/tenants/main/users/{}", id(&user))).await.ok();
    assert_eq!(shown["checks"][0]["decided_by"], "operator:anna");
    // Of somebody who leaves nothing new is asked, and nothing holds them up.
    let leaver = app.client().created(&bodies::everything()).await;
    app.client()
        .request("POST", &format!("/users/{}/checks", id(&leaver)))
        .json(&example("kyc"))
        .send()
        .await;
    delete_user(app.client(), &leaver).await;
    anna.say(&leaver, id(&anna.queue().await[0]["matter"]), json!({ "verdict": "approve" })).await.ok();
    run_due(app.app()).await.unwrap();
    assert_eq!(status(app.client(), &leaver).await, "OFFBOARDED");
}

#[tokio::test]
async fn a_deactivated_user_stays_so_until_somebody_undoes_it() {
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", Role::Operator, None).await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let since = app.told(1).await.len();
    anna.act(&user, "deactivate").await.ok();
    anna.act(&user, "deactivate").await.ok();
    assert_eq!(status(client, &user).await, "INACTIVE");
    // Nothing that arrives activates them, and what is opened waits.
    let target = format!("/users/{}/data_change_requests", id(&user));
    client.request("POST", &target).json(&json!({ "last_name": "Other" })).send().await;
    run_due(app.app()).await.unwrap();
    let group = json!({ "user_id": user["id"], "type": "PERSONAL" });
    assert_eq!(client.post("/account_groups").json(&group).send().await.ok()["status"], "PENDING_APPROVAL");
    assert_eq!(status(client, &user).await, "INACTIVE");
    anna.act(&user, "reactivate").await.ok();
    assert_eq!(status(client, &user).await, "ACTIVE");
    let kinds: Vec<String> = app.told(1).await.into_iter().skip(since).map(|told| told.kind).collect();
    let expected = [
        "USER.DEACTIVATED",
        "OPERATOR.ACTION",
        "OPERATOR.ACTION",
        "USER.DATA_CHANGED",
        "ACCOUNT_GROUP.CREATED",
        "USER.ACTIVATED",
        "ACCOUNT_GROUP.ACTIVATED",
        "OPERATOR.ACTION",
    ];
    assert_eq!(kinds, expected);
    let told = app.told(1).await;
    let action = &told[since + 1].object;
    assert_eq!(action["old"], json!({ "status": "ACTIVE", "suspended": false, "offboarding": null }));
    assert_eq!(action["new"], json!({ "status": "INACTIVE", "suspended": true, "offboarding": null }));
    assert_eq!(action["reason"], "because");
    // Who waits for an identifier and is held back does not become active by it.
    let waiting = client.created(&bodies::with("nationalities", json!(["PL"]))).await;
    anna.act(&waiting, "deactivate").await.ok();
    let pesel = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917" });
    client.post(&format!("/users/{}/identifiers", id(&waiting))).json(&pesel).send().await.ok();
    assert_eq!(status(client, &waiting).await, "INACTIVE");
    anna.act(&waiting, "reactivate").await.ok();
    assert_eq!(status(client, &waiting).await, "ACTIVE");
    // There is no way back from leaving.
    delete_user(client, &user).await;
    for action in ["deactivate", "reactivate"] {
        anna.act(&user, action).await.refused("conflict");
    }
    assert_eq!(anna.act(&user, "promote").await.faults(), ["action"]);
    let target = format!("/tenants/main/users/{}/actions", id(&user));
    assert_eq!(anna.post(&target, json!({ "action": "deactivate" })).await.faults(), ["reason"]);
    anna.post(&target.replace(id(&user), UNKNOWN), json!({ "action": "deactivate", "reason": "x" }))
        .await
        .refused("not_found");
}

async fn delete_user(client: &Client, user: &Value) {
    assert_eq!(client.request("DELETE", &format!("/users/{}", id(user))).send().await.status, 202);
}

#[tokio::test]
async fn an_offboarding_is_held_released_and_finished() {
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", Role::Operator, None).await;
    let client = app.client();
    let run = async || run_due(app.app()).await.unwrap();
    app.set("offboarding_waits_for", json!(["operator"])).await;
    let user = client.created(&bodies::karl()).await;
    anna.act(&user, "finish_offboarding").await.refused("conflict");
    delete_user(client, &user).await;
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDING");
    anna.act(&user, "finish_offboarding").await.ok();
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDED");

    app.set("offboarding_waits_for", json!([])).await;
    app.set("offboarding_delay_seconds", 60).await;
    let user = client.created(&bodies::karl()).await;
    let group = json!({ "user_id": user["id"], "type": "PERSONAL" });
    let group = client.post("/account_groups").json(&group).send().await.ok();
    delete_user(client, &user).await;
    anna.act(&user, "finish_offboarding").await.refused("conflict");
    client.request("DELETE", &format!("/account_groups/{}", id(&group))).send().await;
    run().await;
    let held = anna.act(&user, "hold_offboarding").await.ok();
    let offboarding = |side: &str| held[side]["offboarding"]["held"].clone();
    assert_eq!((offboarding("old"), offboarding("new")), (json!(false), json!(true)));
    app.pass(100);
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDING");
    anna.act(&user, "release_offboarding").await.ok();
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDED");
    // Before its time, because somebody says so.
    let user = client.created(&bodies::karl()).await;
    delete_user(client, &user).await;
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDING");
    anna.act(&user, "finish_offboarding").await.ok();
    run().await;
    assert_eq!(status(client, &user).await, "OFFBOARDED");
}

#[tokio::test]
async fn an_outcome_is_ordered_once_and_only_where_that_is_allowed() {
    let app = TestApp::start().await;
    let anna = officer(&app, "anna", Role::Operator, None).await;
    let client = app.client();
    let user = client.created(&bodies::with("nationalities", json!(["PL"]))).await;
    let order = async |user: &Value, body: Value| {
        anna.post(&format!("/tenants/main/users/{}/outcomes", id(user)), body).await
    };
    let fails = || json!({ "next": "data-change", "refusal": "because I say so" });
    order(&user, fails()).await.refused("conflict");
    app.set("review_policy", "simulate").await;
    for (body, field) in [
        (json!({}), "next"),
        (json!({ "next": "weather" }), "next"),
        (json!({ "next": "activation" }), "seconds"),
        (json!({ "next": "activation", "seconds": "soon" }), "seconds"),
        (json!({ "next": "check", "seconds": "5" }), "seconds"),
        (json!({ "next": "check", "refusal": "x".repeat(101) }), "refusal"),
    ] {
        assert_eq!(order(&user, body).await.faults(), [field]);
    }
    // The next change alone.
    order(&user, fails()).await.ok();
    for (email, outcome) in
        [("a@example.com", "USER.DATA_CHANGE_FAILED"), ("b@example.com", "USER.DATA_CHANGED")]
    {
        ask(&app, &user, &json!({ "email": email })).await;
        run_due(app.app()).await.unwrap();
        assert_eq!(app.told(1).await.last().unwrap().kind, outcome);
    }
    let failed = app.told(1).await.into_iter().find(|told| told.kind == "USER.DATA_CHANGE_FAILED").unwrap();
    assert_eq!(failed.object["reason"], "because I say so");
    // The next check, here a good one although its address says otherwise.
    let mut kyc = example("kyc");
    kyc["data_download_link"] = json!("https://example.com/fail.zip");
    order(&user, json!({ "next": "check" })).await.ok();
    for status in ["PASSED", "FAILED"] {
        let target = format!("/users/{}/checks", id(&user));
        let answer = client.request("POST", &target).json(&kyc).send().await.json();
        run_due(app.app()).await.unwrap();
        let check = client.get(&format!("{target}/{}", id(&answer))).send().await.ok();
        assert_eq!(check["status"], status);
    }
    // An activation that takes its time, and is told when it has come.
    order(&user, json!({ "next": "activation", "seconds": "40" })).await.ok();
    let pesel = json!({ "type": "NATIONAL_ID", "issuing_country": "PL", "identifier": "83053078917" });
    client.post(&format!("/users/{}/identifiers", id(&user))).json(&pesel).send().await.ok();
    for (seconds, expected) in [(0, "INACTIVE"), (38, "INACTIVE"), (3, "ACTIVE")] {
        app.pass(seconds);
        run_due(app.app()).await.unwrap();
        assert_eq!(status(client, &user).await, expected, "after {seconds} s more");
    }
    // Somebody who deactivates a user has the last word, whatever was ordered before.
    let held = client.created(&bodies::with("nationalities", json!(["PL"]))).await;
    order(&held, json!({ "next": "activation", "seconds": "40" })).await.ok();
    client.post(&format!("/users/{}/identifiers", id(&held))).json(&pesel).send().await.ok();
    anna.act(&held, "deactivate").await.ok();
    app.pass(100);
    run_due(app.app()).await.unwrap();
    assert_eq!(status(client, &held).await, "INACTIVE");
    anna.act(&held, "reactivate").await.ok();
    assert_eq!(status(client, &held).await, "ACTIVE");
    // An offboarding that is stuck until somebody lets it go.
    order(&user, json!({ "next": "offboarding" })).await.ok();
    delete_user(client, &user).await;
    run_due(app.app()).await.unwrap();
    assert_eq!(status(client, &user).await, "OFFBOARDING");
    anna.act(&user, "release_offboarding").await.ok();
    run_due(app.app()).await.unwrap();
    assert_eq!(status(client, &user).await, "OFFBOARDED");
    assert_eq!(app.number("SELECT count(*) FROM simulated_outcomes"), 0);
}
