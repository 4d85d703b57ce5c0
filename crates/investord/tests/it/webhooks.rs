//! Webhooks: subscriptions, and what is sent to them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http_message_signatures::{Hash, PublicKey, SignatureEncoding};
use investord::worker::{dispatcher, jobs};
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;
use testing::receiver::{Act, Receiver, Request};
use testing::signing::digest_of;

/// A server that sends to anybody, when the test says so.
pub async fn app() -> TestApp {
    TestApp::with(|options| {
        options.config.webhooks.allow_insecure_targets = true;
        options.worker = false;
    })
    .await
}

pub fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

async fn create(client: &Client, body: &Value) -> Answer {
    client.request("POST", "/webhooks").json(body).send().await
}

pub async fn patch(client: &Client, webhook: &Value, body: &Value) -> Value {
    client.request("PATCH", &format!("/webhooks/{}", id(webhook))).json(body).send().await.ok()
}

/// A webhook that is enabled, to this receiver.
pub async fn enabled(client: &Client, receiver: &Receiver, more: Value) -> Value {
    let mut body = json!({ "title": "Test", "url": receiver.url(), "enabled": true });
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
    created(client, &body).await
}

async fn created(client: &Client, body: &Value) -> Value {
    let answer = create(client, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// Delivers what is due; how many packages were tried.
pub async fn deliver(app: &TestApp) -> usize {
    dispatcher::run_due(app.app()).await.unwrap()
}

/// Lets the shortest delay pass. Where the clock stands still, each event is a microsecond after the one before.
pub fn pass(app: &TestApp) {
    app.pass(2);
}

pub fn kinds(requests: &[Request]) -> Vec<Vec<String>> {
    requests.iter().map(Request::kinds).collect()
}

pub const NEW: [&str; 2] = ["USER.CREATED", "USER.ACTIVATED"];

#[tokio::test]
async fn a_webhook_is_made_changed_listed_and_deleted() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = json!({ "title": "Back office", "url": "https://example.com/hooks" });
    let webhook = created(client, &body).await;
    let expected = json!({
        "id": webhook["id"], "created_at": webhook["created_at"], "updated_at": webhook["created_at"],
        "title": "Back office", "url": "https://example.com/hooks", "type": ["ALL"], "enabled": false,
        "config": { "delay": "1s", "max_package_size": 10240 },
    });
    assert_eq!(webhook, expected);
    let path = format!("/webhooks/{}", id(&webhook));
    assert_eq!(client.get(&path).send().await.ok(), webhook);
    app.pass(1);
    // A client may send all of it back, as the vendor's listener does.
    let mut whole = webhook.clone();
    whole["enabled"] = json!(true);
    whole["exclude_type"] = json!(["USER_CHECK"]);
    whole["config"]["delay"] = json!("30s");
    let changed = patch(client, &webhook, &whole).await;
    assert_ne!(changed["updated_at"], webhook["updated_at"]);
    whole["updated_at"] = changed["updated_at"].clone();
    assert_eq!(changed, whole);
    // What is not sent stays, inside of `config` too.
    let changed = patch(client, &webhook, &json!({ "config": { "max_package_size": 100 } })).await;
    assert_eq!(changed["config"], json!({ "delay": "30s", "max_package_size": 100 }));
    let second = created(client, &body).await;
    let list = client.get("/webhooks?order=DESC&limit=1").send().await.ok();
    assert_eq!((&list["meta"]["total_count"], &list["data"]), (&json!(2), &json!([second])));
    let answer = client.request("DELETE", &path).send().await;
    assert_eq!((answer.status, answer.text()), (204, ""));
    client.get(&path).send().await.refused("not_found");
    client.request("DELETE", &path).send().await.refused("not_found");
    client.request("PATCH", &path).json(&json!({})).send().await.refused("not_found");
    assert_eq!(client.get("/webhooks").send().await.ok()["meta"]["total_count"], 1);
}

#[tokio::test]
async fn what_a_webhook_cannot_be_is_refused() {
    let app = TestApp::start().await;
    let client = app.client();
    for (field, value) in [
        ("title", json!(null)),
        ("title", json!("x".repeat(101))),
        ("url", json!("http://example.com/")),
        ("url", json!("https://127.0.0.1/")),
        ("url", json!("https://2130706433/")),
        ("url", json!("https://[::1]/")),
        ("url", json!(format!("https://example.com/{}", "x".repeat(981)))),
        ("type[0]", json!(["USERS"])),
        ("exclude_type[0]", json!(["X"])),
        ("enabled", json!("yes")),
        ("config", json!({ "delay": "0s" })),
        ("config", json!({ "delay": "100s" })),
        ("config", json!({ "delay": 1 })),
        ("config", json!({ "max_package_size": 99 })),
        ("config", json!({ "max_package_size": 1_048_577 })),
        ("config", json!({ "max_package_size": 100.5 })),
        ("config", json!({ "max_package_size": "100" })),
        ("config", json!({ "signature": "6" })),
        ("other", json!(1)),
    ] {
        let mut body = json!({ "title": "T", "url": "https://example.com/" });
        body[field.split('[').next().unwrap()] = value.clone();
        let problem = create(client, &body).await.refused("invalid_request");
        let named = problem["errors"][0]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{field} {value}: {problem}");
    }
    for missing in ["title", "url"] {
        let mut body = json!({ "title": "T", "url": "https://example.com/" });
        body.as_object_mut().unwrap().remove(missing);
        create(client, &body).await.refused("invalid_request");
    }
    for (delay, size) in [("1s", 100), ("99m", 1_048_576)] {
        let config = json!({ "delay": delay, "max_package_size": size });
        let body = json!({ "title": "", "url": "https://example.com/", "config": config });
        assert_eq!(created(client, &body).await["config"], config);
    }
    // Nobody else's.
    let webhook = created(client, &json!({ "title": "T", "url": "https://example.com/" })).await;
    app.new_tenant("other", &[]).await;
    let foreign = app.new_client("other", "webhooks:admin").await;
    for (method, path) in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/test")] {
        let request = foreign.request(method, &format!("/webhooks/{}{path}", id(&webhook)));
        let request = if method == "PATCH" { request.json(&json!({})) } else { request };
        request.send().await.refused("not_found");
    }
    assert_eq!(foreign.get("/webhooks").send().await.ok()["data"], json!([]));
    let reader = app.new_client("main", "webhooks:read").await;
    assert_eq!(reader.get("/webhooks").send().await.ok()["meta"]["total_count"], 3);
    create(&reader, &json!({ "title": "T", "url": "https://example.com/" })).await.refused("forbidden");
}

#[tokio::test]
async fn events_are_sent_after_their_delay_in_their_order() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let client = app.client();
    // Nothing of before, and nothing while it is not enabled.
    client.created(&bodies::karl()).await;
    let webhook =
        created(client, &json!({ "title": "T", "url": receiver.url(), "config": { "delay": "5s" } })).await;
    client.created(&bodies::karl()).await;
    patch(client, &webhook, &json!({ "enabled": true })).await;
    let first = client.created(&bodies::karl()).await;
    app.pass(3);
    let second = client.created(&bodies::karl()).await;
    assert_eq!(deliver(&app).await, 0);
    app.pass(1);
    assert_eq!(deliver(&app).await, 0);
    pass(&app);
    assert_eq!(deliver(&app).await, 1);
    let [request] = &receiver.seen()[..] else { panic!("one package") };
    assert_eq!(request.kinds(), [NEW, NEW].concat());
    let events = request.events();
    let told = app.told(1).await;
    for (event, told) in events.iter().zip(&told[told.len() - 4..]) {
        assert_eq!(event.as_object().unwrap().len(), 5);
        assert_eq!(event["object"], told.object);
        assert_eq!(event["webhook_id"], webhook["id"]);
        assert_eq!(event["created_at"], json!(told.created_at));
    }
    assert_eq!([&events[0]["object"]["id"], &events[3]["object"]["id"]], [&first["id"], &second["id"]]);
    assert_eq!(deliver(&app).await, 0);
}

#[tokio::test]
async fn a_package_is_cut_by_its_size() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let client = app.client();
    enabled(client, &receiver, json!({ "config": { "delay": "1s", "max_package_size": 2000 } })).await;
    enabled(client, &receiver, json!({ "config": { "delay": "90m", "max_package_size": 4000 } })).await;
    for _ in 0..6 {
        client.created(&bodies::karl()).await;
    }
    // Full ones wait for nothing.
    assert!(deliver(&app).await > 0);
    let full = receiver.seen();
    for request in &full {
        let (length, most) = (request.body.len(), if request.events().len() > 2 { 4000 } else { 2000 });
        assert!(length <= most && length > most / 2, "{length}");
    }
    pass(&app);
    assert_eq!(deliver(&app).await, 1);
    let rest = receiver.seen();
    assert_eq!(rest.len(), 1);
    let all: usize =
        full.iter().chain(&rest).filter(|one| one.body.len() <= 2000).map(|one| one.events().len()).sum();
    assert_eq!(all, 12);
    // A single event that is larger than that goes alone.
    enabled(client, &receiver, json!({ "config": { "max_package_size": 100 } })).await;
    client.created(&bodies::karl()).await;
    assert!(deliver(&app).await > 0);
    let alone = receiver.seen().iter().filter(|one| one.events().len() == 1).count();
    assert!(alone >= 2);
}

#[tokio::test]
async fn a_failure_is_repeated_and_holds_up_what_follows() {
    let (app, receiver, other) = (app().await, Receiver::start().await, Receiver::start().await);
    let client = app.client();
    let webhook = enabled(client, &receiver, json!({})).await;
    enabled(client, &other, json!({})).await;
    let elsewhere = Receiver::start().await;
    let failures = [
        Act::Status(400),
        Act::Status(404),
        Act::Status(410),
        Act::Status(429),
        Act::Status(500),
        Act::Redirect(302, elsewhere.address),
        Act::HangUp,
        Act::Half,
        Act::Status(302),
        Act::Status(503),
        Act::Status(301),
        Act::Status(418),
        Act::HangUp,
        Act::Status(500),
        Act::Status(500),
    ];
    receiver.does(failures);
    client.created(&bodies::karl()).await;
    pass(&app);
    deliver(&app).await;
    let first = receiver.seen().remove(0);
    assert_eq!(kinds(&other.seen()), [NEW]);
    // More comes meanwhile, and waits; the others do not.
    client.created(&bodies::karl()).await;
    app.pass(-1);
    let waits = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 600, 600];
    for (failure, wait) in waits.into_iter().enumerate() {
        app.pass(if failure == 0 { wait } else { wait - 1 });
        deliver(&app).await;
        assert!(receiver.seen().is_empty(), "too early after {failure}");
        pass(&app);
        deliver(&app).await;
        let again = receiver.seen();
        let again = &again[0];
        assert_eq!(again.body, first.body);
        assert_ne!(again.header("signature"), first.header("signature"));
    }
    assert!(elsewhere.seen().is_empty(), "a redirect was followed");
    assert_eq!(kinds(&other.seen()), [NEW]);
    deliver(&app).await;
    assert_eq!(receiver.seen().len(), 0, "what waited has come with the first good answer");
    let state = |sql: &str| {
        app.number(&format!(
            "SELECT {sql} FROM webhooks WHERE created_at = (SELECT min(created_at) FROM webhooks)"
        ))
    };
    assert_eq!((state("packages"), state("settled"), state("failures")), (2, 2, 0));
    assert_eq!(app.number("SELECT count(*) FROM webhook_attempts WHERE outcome <> 'delivered'"), 15);
    drop(webhook);
}

#[tokio::test]
async fn any_2xx_is_a_success_whatever_follows_it() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let client = app.client();
    enabled(client, &receiver, json!({})).await;
    for act in [
        Act::Status(200),
        Act::Status(201),
        Act::Status(204),
        Act::Status(299),
        Act::HalfBody,
        Act::Long(1 << 20),
    ] {
        receiver.does([act]);
        client.created(&bodies::karl()).await;
        pass(&app);
        deliver(&app).await;
        assert_eq!(receiver.seen().len(), 1, "{act:?}");
        app.pass(10);
        assert_eq!(deliver(&app).await, 0, "{act:?}");
    }
}

#[tokio::test]
async fn what_is_wanted_holds_for_what_happens_from_then_on() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let client = app.client();
    let webhook = enabled(client, &receiver, json!({ "type": ["ACCOUNT", "USER"] })).await;
    client.created(&bodies::karl()).await;
    patch(client, &webhook, &json!({ "type": ["ACCOUNT"] })).await;
    client.created(&bodies::karl()).await;
    patch(client, &webhook, &json!({ "enabled": false })).await;
    client.created(&bodies::karl()).await;
    app.pass(60);
    assert_eq!(deliver(&app).await, 0, "not while it is disabled");
    patch(client, &webhook, &json!({ "enabled": true, "type": ["ALL"], "exclude_type": ["USER_CHECK"] }))
        .await;
    let last = client.created(&bodies::karl()).await;
    app.pass(60);
    deliver(&app).await;
    let requests = receiver.seen();
    assert_eq!(
        kinds(&requests),
        [NEW, NEW],
        "what was written while it was enabled, by what was wanted then"
    );
    assert_eq!(requests[1].events()[0]["object"]["id"], last["id"]);
    assert_eq!(app.number("SELECT count(*) FROM webhook_event_ranges"), 1);
}

/// The keys by which receivers verify.
pub async fn keys(client: &Client) -> Vec<(String, PublicKey)> {
    let keys = client.get("/auth/verify_keys").send().await.ok();
    let keys = keys["keys"].as_array().unwrap().iter().map(|key| {
        assert_eq!(key.as_object().unwrap().len(), 5);
        assert_eq!((&key["kty"], &key["crv"]), (&json!("EC"), &json!("P-521")));
        for coordinate in ["x", "y"] {
            assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(key[coordinate].as_str().unwrap()).unwrap().len(), 66);
        }
        let mut jwk = key.clone();
        jwk.as_object_mut().unwrap().remove("kid");
        (key["kid"].as_str().unwrap().to_owned(), PublicKey::from_jwk(&jwk.to_string()).unwrap())
    });
    keys.collect()
}

/// Whether a delivery is signed, by the rule that the vendor publishes: the base is rebuilt from `signature-input`.
pub fn verifies(
    request: &Request,
    keys: &[(String, PublicKey)],
    quoted: bool,
    encoding: SignatureEncoding,
) -> bool {
    let input = request.header("signature-input").strip_prefix("sig1=").unwrap();
    let list = &input[1..input.find(')').unwrap()];
    let mut base = String::new();
    for name in list.split(' ').map(|name| name.trim_matches('"')) {
        let value = match name {
            "@method" => "POST",
            "@path" => request.target.split('?').next().unwrap(),
            "@query" => &request.target[request.target.find('?').unwrap()..],
            name => request.header(name),
        };
        let mark = if quoted { "\"" } else { "" };
        let _ = writeln!(base, "{mark}{name}{mark}: {value}");
    }
    let mark = if quoted { "\"" } else { "" };
    let _ = write!(base, "{mark}@signature-params{mark}: {input}");
    let id = input.split("keyid=\"").nth(1).unwrap().split('"').next().unwrap();
    let Some((_, key)) = keys.iter().find(|(own, _)| own == id) else { return false };
    let signature = request.header("signature").strip_prefix("sig1=:").unwrap().strip_suffix(':').unwrap();
    let signature = BASE64_STANDARD.decode(signature).unwrap();
    let (name, value) = digest_of(quoted, &request.body);
    key.verify_as(base.as_bytes(), &signature, encoding, Hash::Sha512) && request.header(&name) == value
}

#[tokio::test]
async fn deliveries_are_signed_as_asked() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let client = app.client();
    for (signature, quoted, encoding) in [
        ("draft-6", false, SignatureEncoding::Der),
        ("draft-15", true, SignatureEncoding::Der),
        ("rfc9421", true, SignatureEncoding::Raw),
    ] {
        let url = format!("{}?a=b%20c", receiver.url());
        let config = json!({ "config": { "signature": signature }, "url": url });
        let webhook = enabled(client, &receiver, config).await;
        client.created(&bodies::karl()).await;
        pass(&app);
        deliver(&app).await;
        let request = receiver.seen().remove(0);
        let keys = keys(client).await;
        assert!(verifies(&request, &keys, quoted, encoding), "{signature}: {request:?}");
        for covered in ["@method", "@path", "@query", "content-length", "content-type"] {
            assert!(request.header("signature-input").contains(&format!("\"{covered}\"")));
        }
        let altered = |alter: fn(&mut Request)| {
            let mut altered = request.clone();
            alter(&mut altered);
            !verifies(&altered, &keys, quoted, encoding)
        };
        assert!(altered(|request| request.body[20] ^= 1));
        assert!(altered(|request| request.target.push('x')));
        assert!(altered(|request| request.headers.iter_mut().for_each(|(name, value)| {
            if name == "content-type" {
                value.push('x');
            }
        })));
        client.request("DELETE", &format!("/webhooks/{}", id(&webhook))).send().await;
    }
}

#[tokio::test]
async fn a_test_event_shows_the_answer() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let client = app.client();
    let webhook = created(client, &json!({ "title": "T", "url": receiver.url() })).await;
    let path = format!("/webhooks/{}/test", id(&webhook));
    let answer = client.get(&path).send().await.ok();
    assert_eq!((&answer["url"], &answer["outcome"]), (&json!(receiver.url()), &json!("delivered")));
    assert_eq!((&answer["response"]["status"], &answer["response"]["body"]), (&json!(200), &json!("oops")));
    assert_eq!(answer["response"]["headers"]["content-length"], "4");
    let request = receiver.seen().remove(0);
    assert!(verifies(&request, &keys(client).await, false, SignatureEncoding::Der));
    assert_eq!(request.kinds(), ["WEBHOOK.TEST"]);
    receiver.does([Act::HangUp]);
    let answer = client.get(&path).send().await.ok();
    assert_eq!((&answer["outcome"], &answer["response"]), (&json!("broken_off"), &Value::Null));
    assert_eq!(client.request("POST", &path).send().await.status, 202);
    assert_eq!(app.number("SELECT count(*) FROM webhook_packages"), 0);
}

#[tokio::test]
async fn events_can_be_fetched_and_none_is_skipped() {
    let app = app().await;
    let client = app.client();
    assert_eq!(
        client.get("/investord/events").send().await.ok(),
        json!({ "data": [], "next": 0, "more": false })
    );
    for _ in 0..3 {
        client.created(&bodies::karl()).await;
    }
    let (mut after, mut all) = (json!(0), Vec::new());
    loop {
        let list = client.get(&format!("/investord/events?after={after}&limit=2")).send().await.ok();
        all.extend(list["data"].as_array().unwrap().clone());
        after = list["next"].clone();
        if list["more"] == false {
            break;
        }
    }
    let told = app.told(1).await;
    assert_eq!(all.len(), told.len());
    for ((position, event), told) in (1..).zip(&all).zip(&told) {
        assert_eq!(
            (&event["position"], &event["type"], &event["object"]),
            (&json!(position), &json!(told.kind), &told.object)
        );
    }
    let checks = client.get("/investord/events?type=USER_CHECK,ACCOUNT").send().await.ok();
    assert_eq!(checks, json!({ "data": [], "next": 6, "more": false }));
    for query in ["after=7", "after=-1", "after=+1", "after=x", "limit=1001", "type=USERS", "after=1&after=2"]
    {
        client.get(&format!("/investord/events?{query}")).send().await.refused("invalid_request");
    }
}

#[tokio::test]
async fn every_event_of_the_area_is_sent() {
    let (app, receiver) = (app().await, Receiver::start().await);
    let client = app.client();
    enabled(client, &receiver, json!({})).await;
    let user = client.created(&bodies::karl()).await;
    let group = client
        .post("/account_groups")
        .json(&json!({ "user_id": user["id"], "type": "PERSONAL" }))
        .send()
        .await
        .ok();
    let account = json!({ "user_id": user["id"], "account_group_id": group["id"], "type": "TRADING" });
    let account = client.post("/accounts").json(&account).send().await.ok();
    let name = json!({ "name": "Other" });
    client.request("PATCH", &format!("/accounts/{}", id(&account))).json(&name).send().await.ok();
    let change = format!("/users/{}/data_change_requests", id(&user));
    client.request("POST", &change).json(&json!({ "last_name": "Other" })).send().await;
    for path in ["accounts", "account_groups", "users"] {
        let one = match path {
            "accounts" => id(&account),
            "account_groups" => id(&group),
            _ => id(&user),
        };
        client.request("DELETE", &format!("/{path}/{one}")).send().await;
    }
    jobs::run_due(app.app()).await.unwrap();
    pass(&app);
    deliver(&app).await;
    let sent: Vec<Value> = receiver.seen().iter().flat_map(Request::events).collect();
    let told = app.told(1).await;
    assert_eq!(sent.len(), told.len());
    for (event, told) in sent.iter().zip(&told) {
        assert_eq!((event["type"].as_str().unwrap(), &event["object"]), (told.kind.as_str(), &told.object));
    }
    let known: std::collections::BTreeSet<&str> = told.iter().map(|told| told.kind.as_str()).collect();
    assert_eq!(known.len(), 14, "{known:?}");
}

/// What the vendor's signing proxy does when it listens.
#[tokio::test]
async fn events_are_collected_by_who_has_no_address() {
    let app = TestApp::with(|options| options.worker = false).await;
    let client = app.client();
    assert_eq!(app.plain("GET", "/events-acceptor-service/health").await.status, 200);
    let path = "/events-acceptor-service/endpoints";
    let endpoint = client.request("POST", path).json(&json!("")).send().await;
    assert_eq!(endpoint.status, 201);
    let endpoint = endpoint.json();
    let own = format!("{path}/{}", id(&endpoint));
    let config = json!({ "delay": "1s", "max_package_size": 12400 });
    let body = json!({ "title": "Listen", "url": endpoint["url"], "type": ["ALL"], "config": config });
    let webhook = created(client, &body).await;
    patch(client, &webhook, &json!({ "enabled": true })).await;
    let collect = || client.get(&format!("{own}?wait=0"));
    client.created(&bodies::karl()).await;
    assert_eq!(collect().send().await.ok(), json!([]));
    pass(&app);
    let [one] = &collect().send().await.ok().as_array().unwrap().clone()[..] else { panic!("one package") };
    let headers = one["headers"].as_object().unwrap();
    let headers = headers.iter().map(|(name, values)| (name.clone(), values[0].as_str().unwrap().to_owned()));
    let (target, body) = (own.clone(), one["payload"].as_str().unwrap().as_bytes().to_vec());
    let request = Request { target, headers: headers.collect(), body };
    assert_eq!(request.kinds(), NEW);
    assert!(verifies(&request, &keys(client).await, false, SignatureEncoding::Der));
    assert_eq!(collect().send().await.ok(), json!([]), "once");
    assert_eq!(deliver(&app).await, 0, "nothing is sent");
    // Nobody else's: not collected, and no address for their webhooks.
    app.new_tenant("other", &[]).await;
    let foreign = app.new_client("other", "webhooks:admin").await;
    foreign.get(&own).send().await.refused("not_found");
    let theirs = json!({ "title": "T", "url": endpoint["url"] });
    create(&foreign, &theirs).await.refused("invalid_request");
    assert_eq!(client.request("DELETE", &format!("/webhooks/{}", id(&webhook))).send().await.status, 204);
    assert_eq!(client.request("DELETE", &own).send().await.status, 204);
    client.get(&own).send().await.refused("not_found");
}
