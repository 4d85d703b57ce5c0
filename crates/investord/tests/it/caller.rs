//! Who is let in, and in which order requests are refused; headers, methods and the pages of problems.

use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::{Client, once_key};
use testing::signing::{Request, Sent};

pub const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";

/// What can be wrong with a request, in the order in which it is refused (decisions W6 and W20).
const DEFECTS: [(&str, &str); 8] = [
    ("client", "missing_client_id"),
    ("version", "upgrade_required"),
    ("token", "unauthorised"),
    ("rate", "too_many_requests"),
    ("signature", "unauthorised"),
    ("scope", "forbidden"),
    ("accept", "not_acceptable"),
    ("once", "missing_idempotency_key"),
];

/// A request with these defects; `reader` has no right to write.
fn defective(app: &TestApp, reader: &Client, defects: &[&str], request: impl Fn(&Client) -> Request) -> Sent {
    let has = |defect: &str| defects.contains(&defect);
    let client = if has("scope") { reader } else { app.client() };
    let mut request = request(client);
    for (defect, name) in [("client", "upvest-client-id"), ("once", "idempotency-key")] {
        if has(defect) {
            request = request.without(name);
        }
    }
    for (defect, name, value) in [
        ("version", "upvest-api-version", "2"),
        ("token", "authorization", "Bearer nobodys"),
        ("accept", "accept", "text/csv"),
    ] {
        if has(defect) {
            request = request.header(name, value);
        }
    }
    if has("signature") {
        request = request.spoilt(|base| base + "x");
    }
    request.sign()
}

#[tokio::test]
async fn of_two_defects_the_earlier_of_the_list_is_refused() {
    let mut app = TestApp::with(|options| {
        options.config.rate_limit_per_second = 1;
        options.config.rate_limit_burst = 1;
    })
    .await;
    let mut reader = app.new_client("main", "users:read").await;
    let mut all: Vec<(&str, &str)> = DEFECTS.to_vec();
    all.push(("body", "invalid_request"));
    for (at, (first, slug)) in all.iter().enumerate() {
        for (second, _) in &all[at..] {
            app.pass(600);
            app.client_mut().renew().await;
            app.pass(5);
            reader.renew().await;
            app.pass(5);
            let defects = [*first, *second];
            let bad = defects.contains(&"body");
            let request = |client: &Client| client.create(&if bad { json!([]) } else { bodies::smallest() });
            if defects.contains(&"rate") {
                app.client().get("/users").send().await.ok();
                reader.get("/users").send().await.ok();
            }
            let answer = defective(&app, &reader, &defects, request).send().await;
            assert_eq!(answer.slug(), *slug, "{defects:?}: {}", answer.text());
        }
    }
    assert_eq!(app.rows().users, 0);
}

#[tokio::test]
async fn a_path_or_method_that_is_not_there_is_refused_before_anything_else() {
    let app = TestApp::start().await;
    let reader = app.new_client("main", "users:read").await;
    for (defect, _) in DEFECTS {
        for (method, target, slug) in [
            ("POST", "/nowhere", "not_found"),
            ("PUT", "/users", "method_not_allowed"),
            ("PATCH", "/auth/token", "method_not_allowed"),
        ] {
            let sent = defective(&app, &reader, &[defect], |client| client.request(method, target));
            sent.send().await.refused(slug);
        }
    }
}

#[tokio::test]
async fn what_is_not_found_is_refused_after_who_may_not_look() {
    let app = TestApp::start().await;
    let other = app.new_client("main", "accounts:read").await;
    for (defect, slug) in DEFECTS.into_iter().filter(|(defect, _)| !["once", "rate"].contains(defect)) {
        let sent = defective(&app, &other, &[defect], |client| client.get(&format!("/users/{UNKNOWN}")));
        sent.send().await.refused(slug);
    }
    app.client().get(&format!("/users/{UNKNOWN}")).send().await.refused("not_found");
}

#[tokio::test]
async fn a_bad_body_is_refused_before_a_used_key() {
    let app = TestApp::start().await;
    let key = once_key();
    app.client().create(&bodies::smallest()).header("idempotency-key", &key).send().await.ok();
    app.client().create(&json!({})).header("idempotency-key", &key).send().await.refused("invalid_request");
    app.client()
        .create(&bodies::karl())
        .header("idempotency-key", &key)
        .send()
        .await
        .refused("unprocessable_entity");
}

#[tokio::test]
async fn a_header_that_is_missing_is_named() {
    let app = TestApp::start().await;
    let sent = || app.client().create(&bodies::smallest()).sign();
    for (name, slug) in [
        ("upvest-client-id", "missing_client_id"),
        ("authorization", "unauthorised"),
        ("signature", "unauthorised"),
        ("signature-input", "unauthorised"),
        ("content-digest", "unauthorised"),
        ("accept", "unauthorised"),
        ("idempotency-key", "unauthorised"),
    ] {
        sent().without(name).send().await.refused(slug);
    }
    // Not even signed.
    let request = || app.client().create(&bodies::smallest());
    request().without("upvest-client-id").send().await.refused("missing_client_id");
    request().without("authorization").send().await.refused("unauthorised");
    request().without("idempotency-key").send().await.refused("missing_idempotency_key");
    request().without("accept").send().await.ok();
    for (name, value) in [("upvest-client-id", "abc"), ("upvest-client-id", ""), ("idempotency-key", "abc")] {
        assert_eq!(request().header(name, value).send().await.faults(), [name]);
    }
    for version in ["2", "0", "1.0", "\"1\"", "v1", ""] {
        request().header("upvest-api-version", version).send().await.refused("upgrade_required");
    }
    request().header("upvest-api-version", "1").send().await.ok();
    assert_eq!(app.rows().users, 2);
}

#[tokio::test]
async fn a_header_that_decides_something_may_not_stand_twice() {
    let app = TestApp::start().await;
    let other = app.new_client("main", "users:admin").await;
    let covered = ["@method", "@path", "authorization", "content-digest"];
    let mut wrong = Vec::new();
    for (name, second) in [
        ("upvest-client-id", other.id.clone()),
        ("idempotency-key", once_key()),
        ("authorization", format!("Bearer {}", other.token)),
        ("upvest-signature-version", "6".into()),
        ("upvest-signature-version", "16".into()),
        ("upvest-api-version", "2".into()),
        ("content-type", "text/plain".into()),
    ] {
        let create = app.client().create(&bodies::smallest()).header("upvest-api-version", "1");
        let answer = create.covering(&covered).sign().add(name, &second).send().await;
        if answer.status < 400 {
            wrong.push(name);
        }
    }
    assert_eq!(wrong, Vec::<&str>::new(), "which of the two counts?");
}

#[tokio::test]
async fn accept_is_refused_only_when_it_excludes_json() {
    let app = TestApp::start().await;
    for (accept, good) in [
        ("application/json", true),
        ("*/*", true),
        ("application/*", true),
        ("application/json;q=1, application/problem+json;q=0", true),
        ("application/json, text/plain, */*", true),
        ("text/html, */*;q=0.1", true),
        ("text/csv", false),
        ("text/*", false),
        ("application/pdf", false),
        ("application/problem+json", false),
        ("application/xml, text/html", false),
    ] {
        let answer = app.client().get("/users").header("accept", accept).send().await;
        assert_eq!(answer.slug(), if good { "ok" } else { "not_acceptable" }, "{accept}");
        let token = app.client().token_request().header("accept", accept).send().await;
        assert_eq!(token.slug(), if good { "ok" } else { "not_acceptable" }, "{accept} on the token call");
    }
}

/// What an operation answers follows from the document, which follows from the code.
#[tokio::test]
async fn an_operation_without_a_body_on_success_is_left_with_problem_documents() {
    let app = TestApp::start().await;
    let document = app.plain("GET", "/openapi.json").await.json();
    let (mut without, mut wrong) = (0, Vec::new());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation["security"].as_array().unwrap().is_empty() {
                continue;
            }
            let responses = operation["responses"].as_object().unwrap();
            let (_, success) = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap();
            let has_body = success.get("content").is_some();
            without += i32::from(!has_body);
            let target = path.split('/').map(|part| if part.starts_with('{') { UNKNOWN } else { part });
            let target = target.collect::<Vec<_>>().join("/");
            for (accept, good) in [
                ("application/problem+json", !has_body),
                ("application/json", true),
                ("application/json, application/problem+json", true),
                ("text/html", false),
                ("application/json;q=0, application/problem+json;q=0", false),
            ] {
                let request = app.client().request(&method.to_uppercase(), &target).header("accept", accept);
                let answer = request.send().await;
                if (answer.slug() == "not_acceptable") == good {
                    wrong.push(format!("{method} {path} {accept}: {}", answer.status));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(without >= 5, "{without} operations without a body");
    let user = app.client().created(&bodies::smallest()).await;
    let target = format!("/users/{}", user["id"].as_str().unwrap());
    let delete = app.client().request("DELETE", &target).header("accept", "application/problem+json");
    assert_eq!(delete.send().await.status, 202);
}

#[tokio::test]
async fn a_method_that_a_path_does_not_know_is_refused_with_those_it_knows() {
    let app = TestApp::start().await;
    let user = format!("/users/{UNKNOWN}");
    for (target, allowed) in
        [("/users", ["GET", "POST"].as_slice()), (&user, &["GET"]), ("/auth/token", &["POST"])]
    {
        for method in ["GET", "POST", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            if allowed.contains(&method) {
                continue;
            }
            for answer in [app.plain(method, target).await, app.client().request(method, target).send().await]
            {
                answer.clone().sound(method).refused("method_not_allowed");
                let allow = answer.header("allow").expect("the header `allow`");
                let mut names: Vec<&str> =
                    allow.split(',').map(str::trim).filter(|name| *name != "HEAD").collect();
                names.sort_unstable();
                assert!(allowed.iter().all(|name| names.contains(name)), "{method} {target}: {allow}");
                assert!(!names.contains(&method));
            }
        }
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_is_not_found() {
    let app = TestApp::start().await;
    for target in
        ["/nowhere", "/users/x/y/z", "/auth", "/AUTH/TOKEN", "/Users", "/errors/nonsense", "/..", "/%2e%2e/x"]
    {
        for answer in [app.plain("GET", target).await, app.plain("DELETE", target).await] {
            if answer.status != 405 {
                answer.sound("GET").refused("not_found");
            }
        }
    }
}

#[tokio::test]
async fn head_asks_like_get_and_gets_no_body() {
    let app = TestApp::start().await;
    let answer = app.client().request("HEAD", "/users").send().await;
    assert!(answer.body.is_empty());
    assert!([200, 405].contains(&answer.status));
    let stranger = app.plain("HEAD", "/users").await.sound("HEAD");
    assert!(stranger.body.is_empty());
    assert!([400, 405].contains(&stranger.status));
    let forged = app.client().request("HEAD", "/users").spoilt(|base| base + "x").send().await;
    assert!([401, 405].contains(&forged.status));
}

#[tokio::test]
async fn the_type_of_every_problem_leads_to_a_page() {
    let app = TestApp::with(|options| options.config.rate_limit_burst = 1).await;
    let client = app.client();
    let mut types = Vec::new();
    for answer in [
        client.create(&json!({})).send().await,
        client.get("/users").without("upvest-client-id").send().await,
        client.get("/users").spoilt(|base| base + "x").send().await,
        client.get("/nowhere").send().await,
        client.request("PUT", "/users").send().await,
        client.get("/users").header("accept", "a/b").send().await,
        client.get("/users").header("upvest-api-version", "2").send().await,
        client.create(&bodies::smallest()).without("idempotency-key").send().await,
    ] {
        types.push(answer.json()["type"].as_str().unwrap().to_owned());
    }
    let base = format!("http://{}", app.wire().address());
    for slug in [
        "too_many_requests", "conflict", "unprocessable_entity", "internal", "unavailable", "forbidden",
        "gateway_timeout",
    ] {
        types.push(format!("{base}/errors/{slug}"));
    }
    for address in types {
        let path = address.strip_prefix(&base).unwrap_or_else(|| panic!("{address} is served by us"));
        let page = app.plain("GET", path).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{address}"
        );
        assert!(page.text().contains("<h1>") && page.header("upvest-request-id").is_some());
    }
}

#[tokio::test]
async fn the_base_of_problem_types_can_be_another() {
    let app = TestApp::with(|options| {
        options.config.problem_type_base = Some("https://docs.upvest.co/errors/".into());
    })
    .await;
    let answer = app.client().get("/users").without("upvest-client-id").send().await.json();
    assert_eq!(answer["type"], "https://docs.upvest.co/errors/missing_client_id");
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let app = TestApp::start().await;
    let mut ids = std::collections::HashSet::new();
    for target in ["/users", "/nowhere", "/errors/conflict", "/healthz", "/users?limit=x"] {
        for answer in [app.plain("GET", target).await, app.client().get(target).send().await] {
            assert!(ids.insert(answer.header("upvest-request-id").unwrap().to_owned()));
        }
    }
    let forced = app.client().get("/users").header("upvest-request-id", UNKNOWN).send().await;
    assert_ne!(forced.header("upvest-request-id"), Some(UNKNOWN));
}

#[tokio::test]
async fn a_stranger_gets_in_nowhere() {
    let app = TestApp::start().await;
    let reader = app.new_client("main", "accounts:read").await;
    let user = app.client().created(&bodies::smallest()).await;
    let own = format!("/users/{}", user["id"].as_str().unwrap());
    let before = app.rows();
    let calls: [(&str, &str, Option<Value>); 3] =
        [("GET", "/users", None), ("GET", &own, None), ("POST", "/users", Some(bodies::karl()))];
    for (method, target, body) in calls {
        let request = |client: &Client| {
            let request = client.request(method, target).header("idempotency-key", &once_key());
            match &body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        app.plain(method, target).await.refused("missing_client_id");
        request(app.client()).without("authorization").send().await.refused("unauthorised");
        request(app.client()).header("authorization", "Bearer x").send().await.refused("unauthorised");
        request(app.client()).spoilt(|base| base + " ").send().await.refused("unauthorised");
        request(app.client()).key_id(UNKNOWN).send().await.refused("unauthorised");
        request(app.client()).sign().without("signature").send().await.refused("unauthorised");
        request(app.client()).header("upvest-client-id", UNKNOWN).send().await.refused("unauthorised");
        request(&reader).send().await.refused("forbidden");
    }
    let after = app.rows();
    assert_eq!((after.users, after.events, after.replies), (before.users, before.events, before.replies));
}
