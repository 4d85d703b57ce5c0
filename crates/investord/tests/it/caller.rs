//! Who is let in: headers, signatures, tokens, times, replays, limits, and the order of refusals.

use httpsig::Algorithm;
use investord::clock::Clock as _;
use investord::store::Tx;
use investord::store::tenants::signature_counts;
use investord::store::tenants::signature_counts::SignatureCount;
use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::{ED25519, P521, START, TestApp};
use testing::bodies;
use testing::client::{Client, once_key};
use testing::signing::{Request, Sent, digest_of};

const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";

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
async fn a_token_that_is_not_good_is_refused() {
    let app = TestApp::start().await;
    let second = app.new_client("main", "users:admin").await;
    let get = |value: &str| app.client().get("/users").header("authorization", value);
    let good = &app.client().token;
    for value in [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        good.clone(),
        format!("Basic {good}"),
        format!("Token {good}"),
        format!("Bearer{good}"),
        format!("Bearer {good}x"),
        format!("Bearer {}", &good[1..]),
        format!("Bearer {}", good.to_lowercase()),
        format!("Bearer {good} {good}"),
        format!("Bearer {good}, Bearer {good}"),
        format!("Bearer {}", second.token),
        "Bearer nobodys".into(),
    ] {
        get(&value).send().await.refused("unauthorised");
    }
    get(&format!("Bearer {good}")).send().await.ok();
    assert_eq!(app.number("SELECT count(*) FROM tokens"), 2, "one each, and only their hashes:");
    let readable = format!("SELECT count(*) FROM tokens WHERE CAST(hash AS TEXT) LIKE '%{good}%'");
    assert_eq!(app.number(&readable), 0);
}

#[tokio::test]
async fn a_token_ends_with_its_lifetime() {
    let mut app = TestApp::start().await;
    app.client_mut().renew().await;
    app.pass(1798);
    app.client().get("/users").send().await.ok();
    app.pass(1);
    app.client().get("/users").send().await.refused("unauthorised");
    app.client_mut().renew().await;
    app.client().get("/users").send().await.ok();
    app.restart().await;
    app.client().get("/users").send().await.ok();
    app.restart_with(|config| config.token_lifetime_seconds = 5).await;
    let answer = app.client().token_request().send().await.ok();
    assert_eq!(answer["expires_in"], 5);
}

#[tokio::test]
async fn any_one_of_the_scopes_of_an_operation_is_enough() {
    let app = TestApp::start().await;
    for (scopes, reads, writes) in [
        ("users:read", true, false),
        ("users:admin", true, true),
        ("users:read users:admin", true, true),
        ("accounts:admin checks:admin", false, false),
    ] {
        let client = app.new_client("main", scopes).await;
        let user = client.get(&format!("/users/{UNKNOWN}")).send().await;
        assert_eq!(user.slug(), if reads { "not_found" } else { "forbidden" }, "{scopes}");
        assert_eq!(
            client.get("/users").send().await.slug(),
            if reads { "ok" } else { "forbidden" },
            "{scopes}"
        );
        let created = client.create(&bodies::smallest()).send().await;
        assert_eq!(created.slug(), if writes { "ok" } else { "forbidden" }, "{scopes}");
    }
    let mut narrow = app.client().clone();
    narrow.scopes = "users:read".into();
    narrow.renew().await;
    narrow.create(&bodies::smallest()).send().await.refused("forbidden");
}

#[tokio::test]
async fn the_token_answer_is_as_documented() {
    let app = TestApp::start().await;
    let answer = app.client().token_request().send().await.ok();
    let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "expires_in", "token_type", "scope"]);
    assert_eq!(answer["expires_in"], 1799);
    assert_eq!(answer["token_type"], "bearer");
    assert_eq!(answer["scope"], app.client().scopes);
    let token = answer["access_token"].as_str().unwrap();
    assert!((43..=1000).contains(&token.len()), "256 bits or more");
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)), "{token}");
    let second = app.client().token_request().send().await.ok();
    assert_ne!(second["access_token"], answer["access_token"]);
}

/// A token request with other values in its form.
fn form(client: &Client, id: &str, secret: &str, grant: &str, scope: &str) -> Request {
    client.token_form(&format!("client_id={id}&client_secret={secret}&grant_type={grant}&scope={scope}"))
}

#[tokio::test]
async fn credentials_that_do_not_fit_get_no_token() {
    let app = TestApp::start().await;
    let other = app.new_client("main", "users:admin").await;
    let client = app.client();
    let (id, secret) = (client.id.clone(), client.secret.as_str());
    let grant = "client_credentials";
    let before = app.number("SELECT count(*) FROM tokens");
    for request in [
        form(client, &id, "wrong", grant, "users:read"),
        form(client, &id, &format!("{secret}x"), grant, "users:read"),
        form(client, &id, &other.secret, grant, "users:read"),
        form(client, &other.id, &other.secret, grant, "users:admin"),
        form(client, &other.id, &other.secret, grant, "users:admin").without("upvest-client-id"),
        form(client, UNKNOWN, secret, grant, "users:read"),
        form(client, UNKNOWN, secret, grant, "users:read").without("upvest-client-id"),
        form(client, &id, secret, grant, "orders:admin"),
        form(client, &id, secret, grant, "users:read+orders:admin"),
        form(client, &id, secret, grant, "users:read,users:admin"),
        form(client, &id, secret, grant, "USERS:READ"),
        form(client, &id, secret, grant, "nonsense"),
        client.token_request().spoilt(|base| base + "x"),
        client.token_request().key(&other.keys[ED25519]),
    ] {
        request.send().await.refused("unauthorised");
    }
    assert_eq!(app.number("SELECT count(*) FROM tokens"), before);
    form(client, &id, secret, grant, "users:read+users:admin").send().await.ok();
    form(client, &id, secret, grant, "users:read%20users:admin").send().await.ok();
    form(client, &id.to_uppercase(), secret, grant, "users:read").send().await.ok();
}

#[tokio::test]
async fn a_form_with_faults_is_refused_by_name() {
    let app = TestApp::start().await;
    let client = app.client();
    let (id, secret) = (client.id.clone(), client.secret.as_str());
    let good =
        format!("client_id={id}&client_secret={secret}&grant_type=client_credentials&scope=users:read");
    let send = async |text: String| client.token_form(&text).send().await;
    for field in ["client_id", "client_secret", "grant_type", "scope"] {
        let without: Vec<&str> =
            good.split('&').filter(|pair| !pair.starts_with(&format!("{field}="))).collect();
        assert_eq!(send(without.join("&")).await.faults(), [field], "missing");
        let empty: Vec<String> = good
            .split('&')
            .map(|pair| if pair.starts_with(field) { format!("{field}=") } else { pair.into() })
            .collect();
        assert_eq!(send(empty.join("&")).await.faults(), [field], "empty");
        assert!(send(format!("{good}&{field}=x")).await.faults().contains(&field.to_owned()), "twice");
    }
    assert_eq!(send(format!("{good}&surprise=1")).await.faults(), ["surprise"]);
    assert_eq!(send(good.replace("client_credentials", "password")).await.faults(), ["grant_type"]);
    let long = "x".repeat(1001);
    assert_eq!(send(good.replace(secret, &long)).await.status / 100, 4);
    assert_eq!(send(good.replace(&id, "abc")).await.faults(), ["client_id"]);
    for content_type in ["application/json", "text/plain"] {
        let request = client.token_form(&good).header("content-type", content_type);
        assert_eq!(request.send().await.faults(), ["content-type"]);
    }
    let charset =
        client.token_form(&good).header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    charset.send().await.ok();
    assert_eq!(client.token_form("").send().await.status, 400);
}

#[tokio::test]
async fn a_token_request_names_its_client_in_the_header_or_in_the_form() {
    let app = TestApp::start().await;
    app.client().token_request().without("upvest-client-id").send().await.ok();
    app.client()
        .token_form("grant_type=x")
        .without("upvest-client-id")
        .send()
        .await
        .refused("missing_client_id");
    // As Java sends it: nothing but these covered.
    let covered = ["content-type", "content-length", "accept", "@method", "@path", "content-digest"];
    let java = app.client().token_request().without("upvest-client-id").covering(&covered);
    java.key(&app.client().keys[P521]).send().await.ok();
    // A caching client asks again with a token in its headers; it is no fault.
    let token = format!("Bearer {}", app.client().token);
    app.client().token_request().header("authorization", &token).send().await.ok();
}

#[tokio::test]
async fn the_version_header_says_how_to_read_the_signature() {
    let app = TestApp::start().await;
    for (header, draft, good) in [
        (Some("15"), 15, true),
        (Some("15"), 6, false),
        (Some("6"), 6, true),
        (Some("6"), 15, false),
        (None, 6, true),
        (None, 15, true),
        (Some("16"), 15, false),
        (Some("14"), 15, false),
        (Some("06"), 6, false),
        (Some(""), 6, false),
        (Some("\"15\""), 15, false),
        (Some("v15"), 15, false),
    ] {
        for key in [P521, ED25519] {
            for request in [app.client().get("/users?limit=1"), app.client().create(&bodies::smallest())] {
                let request = request.key(&app.client().keys[key]).quoted(draft == 15).version(header);
                let answer = request.send().await;
                assert_eq!(
                    answer.slug(),
                    if good { "ok" } else { "unauthorised" },
                    "{header:?} draft {draft}"
                );
            }
        }
    }
    let answer = app.client().get("/users").version(Some("16")).send().await.refused("unauthorised");
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.contains("15") && detail.contains('6'), "names the supported ones: {detail}");
}

#[tokio::test]
async fn every_curve_signs_in_der_and_raw_each_with_its_hash() {
    let app = TestApp::start().await;
    let mut client = app.client().clone();
    for kind in [Algorithm::P256, Algorithm::P384] {
        app.add_key(&mut client, kind).await;
    }
    for key in &client.keys {
        for draft15 in [true, false] {
            let request = || {
                let request = client.create(&bodies::smallest()).key(key);
                if draft15 { request } else { request.draft6() }
            };
            request().send().await.ok();
            request().raw_ecdsa().send().await.ok();
        }
    }
    // The digest is named by the draft, and draft 15 does not know the old one.
    let (name, value) = digest_of(false, bodies::smallest().to_string().as_bytes());
    client.create(&bodies::smallest()).digest(&name, &value).send().await.refused("unauthorised");
}

#[tokio::test]
async fn an_alg_parameter_must_agree_with_the_key() {
    let app = TestApp::start().await;
    let mut client = app.client().clone();
    app.add_key(&mut client, Algorithm::P256).await;
    for (key, alg, good) in [
        (ED25519, "ed25519", true),
        (ED25519, "ecdsa-p256-sha256", false),
        (ED25519, "hmac-sha256", false),
        (ED25519, "rsa-v1_5-sha256", false),
        (ED25519, "none", false),
        (2, "ecdsa-p256-sha256", true),
        (2, "ed25519", false),
        (2, "ecdsa-p384-sha384", false),
        (P521, "ed25519", false),
        (P521, "ecdsa-p256-sha256", false),
    ] {
        let request = client.get("/users").key(&client.keys[key]).parameters(&format!(";alg=\"{alg}\""));
        let request = if good && key == 2 { request.raw_ecdsa() } else { request };
        assert_eq!(request.send().await.slug(), if good { "ok" } else { "unauthorised" }, "{key} {alg}");
    }
    client.get("/users").parameters(";tag=\"app\"").send().await.ok();
}

#[tokio::test]
async fn what_must_be_covered_must_be_covered() {
    let app = TestApp::start().await;
    let get = |covered: &[&str]| app.client().get("/users?limit=1").covering(covered);
    let post = |covered: &[&str]| app.client().create(&bodies::smallest()).covering(covered);
    let slug = async |request: Request| request.send().await.slug();
    for (covered, good) in [
        (&["@method", "@path", "@query", "authorization"][..], true),
        (&["authorization", "@query", "@path", "@method"], true),
        (&["@method", "@path", "@query"], false),
        (&["@method", "@path", "authorization"], false),
        (&["@method", "@query", "authorization"], false),
        (&["@path", "@query", "authorization"], false),
        (&["@method", "@target-uri", "authorization"], true),
        (&["@method", "@request-target", "authorization"], true),
        (&["@target-uri", "authorization"], false),
        (&["@method", "@authority", "authorization"], false),
        (&[], false),
    ] {
        assert_eq!(slug(get(covered)).await, if good { "ok" } else { "unauthorised" }, "{covered:?}");
    }
    for (covered, good) in [
        (&["@method", "@path", "authorization", "content-digest"][..], true),
        (&["@method", "@path", "authorization", "content-type", "content-length"], false),
        (&["@method", "@path", "content-digest"], false),
        (&["@method", "authorization", "content-digest"], false),
        (&["@path", "authorization", "content-digest"], false),
        (&["@method", "@target-uri", "authorization", "content-digest"], true),
        (&["@method", "@path", "@authority", "@scheme", "authorization", "content-digest"], true),
    ] {
        assert_eq!(slug(post(covered)).await, if good { "ok" } else { "unauthorised" }, "{covered:?}");
    }
    // A query need not be covered when there is none, and may be empty.
    app.client().get("/users").covering(&["@method", "@path", "authorization"]).send().await.ok();
    // A covered header that is not sent, a name listed twice.
    for covered in [
        &["@method", "@path", "authorization", "x-none"][..],
        &["@method", "@path", "@path", "authorization"],
    ] {
        app.client().get("/users").covering(covered).send().await.refused("unauthorised");
    }
}

#[tokio::test]
async fn the_digest_is_recomputed_from_the_body() {
    let app = TestApp::start().await;
    let body = bodies::smallest();
    let good = digest_of(true, body.to_string().as_bytes()).1;
    let other = digest_of(true, b"{}").1;
    for (value, fits) in [
        (good.clone(), true),
        (other.clone(), false),
        (good.replace("sha-512", "sha-256"), false),
        (good.replace("sha-512", "md5"), false),
        (format!("{good}, {other}"), false),
        (good.replace(':', ""), false),
        ("sha-512=::".into(), false),
        ("x".into(), false),
    ] {
        let answer = app.client().create(&body).digest("content-digest", &value).send().await;
        assert_eq!(answer.slug(), if fits { "ok" } else { "unauthorised" }, "{value}");
    }
    let sent = app.client().create(&body).sign();
    let mut forged = sent.clone();
    forged.body = sent.body.iter().map(|byte| if *byte == b'P' { b'Q' } else { *byte }).collect();
    forged.send().await.refused("unauthorised");
    // A covered digest of a body that is not there.
    let get = app.client().get("/users").header("content-digest", &other);
    get.send().await.refused("unauthorised");
    let get = app.client().get("/users").header("content-digest", &digest_of(true, b"").1);
    get.send().await.ok();
}

#[tokio::test]
async fn a_signature_is_valid_from_half_a_minute_ahead_until_five_seconds_after_its_end() {
    let app = TestApp::start().await;
    // So long that whatever is valid was signed since the start.
    app.pass(1000);
    let get = async |created: Option<i64>, expires: Option<i64>| {
        let now = START + 1002;
        let at = |offset: Option<i64>| offset.map(|seconds| now + seconds);
        app.client().get("/users").times(at(created), at(expires)).send().await.slug()
    };
    for ahead in 28..=33 {
        let expected = if ahead <= 30 { "ok" } else { "unauthorised" };
        assert_eq!(get(Some(ahead), Some(ahead + 10)).await, expected, "created {ahead} s ahead");
        assert_eq!(get(Some(ahead), None).await, expected, "created {ahead} s ahead, without end");
    }
    for late in 3..=8 {
        let expected = if late <= 5 { "ok" } else { "unauthorised" };
        assert_eq!(get(Some(-60), Some(-late)).await, expected, "expired {late} s ago");
    }
    for life in 298..=303 {
        let expected = if life <= 300 { "ok" } else { "unauthorised" };
        assert_eq!(get(Some(0), Some(life)).await, expected, "lives {life} s");
        assert_eq!(get(Some(-life), None).await, expected, "{life} s old, without end");
    }
    assert_eq!(get(None, Some(10)).await, "unauthorised", "no created");
    assert_eq!(get(None, None).await, "unauthorised", "no created");
    assert_eq!(get(Some(0), Some(0)).await, "ok");
    assert_eq!(get(Some(0), Some(-1)).await, "unauthorised", "ends before it begins");
    assert_eq!(get(Some(-300), Some(0)).await, "ok");
    for created in [i64::from(i32::MIN), -1, 0, 999_999_999_999_999] {
        let request = app.client().get("/users").times(Some(created), None);
        request.send().await.refused("unauthorised");
    }
    for text in
        [";created=\"1\"", ";created=1.5", ";created", ";expires=abc", ";created=99999999999999999999"]
    {
        let request = app.client().get("/users").times(None, None).parameters(text);
        request.send().await.refused("unauthorised");
    }
}

#[tokio::test]
async fn a_signed_request_counts_from_the_first_second_to_the_last_of_the_moving_clock() {
    let app = TestApp::start().await;
    let now = START + 2;
    for (seconds, good) in [(0, true), (10, true), (5, true), (1, false)] {
        app.pass(seconds);
        let request = app.client().get("/users").times(Some(now), Some(now + 10));
        assert_eq!(request.send().await.slug(), if good { "ok" } else { "unauthorised" });
    }
}

#[tokio::test]
async fn the_same_bytes_do_not_count_twice() {
    let mut app = TestApp::start().await;
    let read = app.client().get("/users").sign();
    let write = app.client().create(&bodies::smallest()).sign();
    let token = app.client().token_request().sign();
    for sent in [&read, &write, &token] {
        sent.send().await.ok();
        for _ in 0..3 {
            sent.send().await.refused("unauthorised");
        }
    }
    app.pass(14);
    for sent in [&read, &write, &token] {
        sent.send().await.refused("unauthorised");
    }
    app.restart().await;
    for sent in [&write, &token] {
        sent.send().await.refused("unauthorised");
    }
    assert_eq!(app.rows().users, 1);
    // What differs only in what is not covered is the same message.
    write.clone().set("x-new", "1").send().await.refused("unauthorised");
    app.client().create(&bodies::smallest()).send().await.ok();
    assert_eq!(app.rows().users, 2);
}

/// Whatever a client leaves out of its signature, what was signed counts once (decision W19).
#[tokio::test]
async fn a_write_without_nonce_counts_once_whatever_is_not_covered() {
    let mut app = TestApp::start().await;
    let covered = ["@method", "@path", "authorization", "content-digest"];
    let write = app.client().create(&bodies::smallest()).nonce(None).covering(&covered).sign();
    let token = app.client().token_request().nonce(None).sign();
    for sent in [&write, &token] {
        sent.send().await.ok();
    }
    let again = || write.clone().set("idempotency-key", &once_key());
    for _ in 0..3 {
        again().send().await.refused("unauthorised");
        token.send().await.refused("unauthorised");
    }
    app.restart().await;
    again().send().await.refused("unauthorised");
    token.send().await.refused("unauthorised");
    assert_eq!(app.rows().users, 1);
}

/// The store knows a message by the end that the message itself tells, whatever the tenant demands when it comes again.
#[tokio::test]
async fn a_message_counts_once_whatever_the_settings_become() {
    let mut app = TestApp::start().await;
    app.set("strict_signatures", true).await;
    let now = app.clock.now().as_second();
    let write = app.client().create(&bodies::smallest()).times(Some(now), None).sign();
    write.send().await.ok();
    app.set("strict_signatures", false).await;
    app.restart().await;
    write.send().await.refused("unauthorised");
    assert_eq!(app.rows().users, 1);
}

/// A read that could have been received by the process before is refused, as long as it is valid.
#[tokio::test]
async fn what_was_signed_before_a_restart_is_not_read() {
    let mut app = TestApp::start().await;
    let read = app.client().get("/users").sign();
    read.send().await.ok();
    let unseen = app.client().get("/users").sign();
    app.pass(1);
    app.restart().await;
    read.send().await.refused("unauthorised");
    unseen.send().await.refused("unauthorised");
    app.client().get("/users").send().await.ok();
}

#[tokio::test]
async fn collecting_and_testing_count_once_across_restarts() {
    let mut app = TestApp::start().await;
    let client = app.new_client("main", "webhooks:admin").await;
    let endpoint = client.request("POST", "/events-acceptor-service/endpoints").json(&json!("")).send().await;
    let endpoint = endpoint.json()["id"].as_str().unwrap().to_owned();
    let webhook = json!({ "title": "t", "url": "https://receiver.example/", "type": ["USER"] });
    let webhook = client.request("POST", "/webhooks").json(&webhook).send().await.json()["id"].clone();
    let webhook = webhook.as_str().unwrap();
    for (method, target) in [
        ("GET", format!("/events-acceptor-service/endpoints/{endpoint}?wait=0")),
        ("GET", format!("/webhooks/{webhook}/test")),
        ("POST", format!("/webhooks/{webhook}/test")),
    ] {
        for nonce in [Some("once"), None] {
            let nonce = nonce.map(|nonce| format!("{nonce} {method} {target}"));
            let sent = client.request(method, &target).nonce(nonce.as_deref()).sign();
            assert!(sent.send().await.status < 300);
            app.restart().await;
            sent.send().await.refused("unauthorised");
        }
    }
}

#[tokio::test]
async fn a_nonce_belongs_to_its_key_and_is_used_up_by_good_signatures_only() {
    let app = TestApp::start().await;
    let other = app.new_client("main", "users:admin").await;
    let get = |client: &Client, key: usize| client.get("/users").key(&client.keys[key]).nonce(Some("once"));
    get(app.client(), ED25519).spoilt(|base| base + "x").send().await.refused("unauthorised");
    get(app.client(), ED25519).send().await.ok();
    get(app.client(), P521).send().await.ok();
    get(&other, ED25519).send().await.ok();
    get(app.client(), ED25519).send().await.refused("unauthorised");
    app.client().create(&bodies::smallest()).nonce(Some("once")).send().await.refused("unauthorised");
    for nonce in ["", "a\\\"b", &"n".repeat(500)] {
        app.client().get("/users").nonce(Some(nonce)).send().await;
    }
}

#[tokio::test]
async fn a_nonce_may_come_back_when_its_signature_can_no_longer_be_valid() {
    let app = TestApp::start().await;
    for _ in 0..2 {
        app.client().get("/users").nonce(Some("once")).send().await.ok();
        app.pass(700);
    }
}

#[tokio::test]
async fn a_request_without_nonce_counts_unless_the_tenant_is_strict() {
    let app = TestApp::start().await;
    let sent = app.client().get("/users").nonce(None).sign();
    sent.send().await.ok();
    sent.send().await.ok();
    let key = once_key();
    let create =
        || app.client().create(&bodies::smallest()).header("idempotency-key", &key).nonce(None).sign();
    let first = create().send().await;
    create().send().await.refused("unauthorised");
    app.pass(1);
    assert_eq!(create().send().await.text(), first.text(), "signed afresh it is a repeat");
    app.set("strict_signatures", true).await;
    app.client().get("/users").nonce(None).send().await.refused("unauthorised");
    app.client().get("/users").send().await.ok();
}

#[tokio::test]
async fn a_strict_tenant_demands_what_the_documentation_lists() {
    let app = TestApp::start().await;
    let all = [
        "@method",
        "@path",
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "content-digest",
        "idempotency-key",
        "upvest-client-id",
    ];
    for strict in [false, true] {
        app.set("strict_signatures", strict).await;
        app.client().create(&bodies::smallest()).covering(&all).send().await.ok();
        for (left_out, needed) in [
            ("@method", true),
            ("@path", true),
            ("authorization", true),
            ("content-digest", true),
            ("accept", false),
            ("content-length", false),
            ("content-type", false),
            ("idempotency-key", false),
            ("upvest-client-id", false),
        ] {
            let covered: Vec<&str> = all.into_iter().filter(|name| *name != left_out).collect();
            let answer = app.client().create(&bodies::smallest()).covering(&covered).send().await;
            let expected = if needed || strict { "unauthorised" } else { "ok" };
            assert_eq!(answer.slug(), expected, "without {left_out}, strict {strict}");
        }
    }
}

/// Decision W21: bound to the host that is configured, and good for a minute.
#[tokio::test]
async fn a_strict_tenant_takes_no_message_for_another_host_and_none_that_lives_long() {
    let mut app = TestApp::start().await;
    app.restart_with(|config| config.public_url = Some("https://register.example".into())).await;
    let client = app.client();
    let covered = ["@method", "@path", "accept", "authorization", "upvest-client-id"];
    let bound = [&covered[..], &["@authority"]].concat();
    let ask = |covered: &[&str]| client.get("/users").covering(covered);
    for strict in [false, true] {
        app.set("strict_signatures", strict).await;
        let now = app.clock.now().as_second();
        ask(&bound).signed_as("@authority", "register.example").send().await.ok();
        let expected = if strict { "unauthorised" } else { "ok" };
        assert_eq!(ask(&covered).send().await.slug(), expected, "for whatever host");
        let long = ask(&bound).signed_as("@authority", "register.example").times(Some(now), Some(now + 61));
        assert_eq!(long.send().await.slug(), expected, "61 s");
    }
}

/// Decision W21: an operator can see which clients a strict tenant would lock out, before it becomes strict.
#[tokio::test]
async fn what_a_strict_tenant_would_refuse_is_counted() {
    let app = TestApp::start().await;
    let client = app.new_client("main", "users:read").await;
    let counted = async || {
        app.app().signature_counts.save(&app.app().store).await.unwrap();
        let id = client.id.parse().unwrap();
        let read = move |tx: &Tx<'_>| signature_counts::of_client(tx, id);
        app.app().store.read("test.counted", read).await.unwrap()
    };
    let since = app.clock.now();
    // It has asked for a token.
    assert_eq!(counted().await.map(|count| (count.since, count.taken)), Some((since, 1)));
    client.get("/users").send().await.ok();
    client.get("/users").covering(&["@method"]).send().await.refused("unauthorised");
    let count = counted().await.unwrap();
    let good = SignatureCount { since, last_at: since, taken: 2, refused: 0, last_refused: None };
    assert_eq!(count, good, "what is refused anyhow does not count");
    app.pass(1);
    let now = app.clock.now();
    client.get("/users").nonce(None).send().await.ok();
    app.pass(1);
    client.get("/users").send().await.ok();
    let reason = Some((now, "the signature parameter `nonce` is missing".to_owned()));
    let both = SignatureCount { since, last_at: app.clock.now(), taken: 3, refused: 1, last_refused: reason };
    assert_eq!(counted().await, Some(both.clone()));
    app.set("strict_signatures", true).await;
    client.get("/users").send().await.ok();
    assert_eq!(counted().await, Some(both), "nothing is counted of a strict tenant");
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
    for target in [
        "/",
        "/nowhere",
        "/users/x/y/z",
        "/auth",
        "/AUTH/TOKEN",
        "/Users",
        "/errors/nonsense",
        "/..",
        "/%2e%2e/x",
    ] {
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
        "too_many_requests",
        "conflict",
        "unprocessable_entity",
        "internal",
        "unavailable",
        "forbidden",
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

fn retry_after(answer: &Answer) -> i64 {
    answer.refused("too_many_requests");
    let seconds = answer.header("retry-after").expect("the header `retry-after`").parse().unwrap();
    assert!(seconds >= 1);
    seconds
}

#[tokio::test]
async fn a_client_that_asks_too_much_waits_as_long_as_it_is_told() {
    let app = TestApp::start().await;
    let other = app.new_client("main", "users:read").await;
    let mut app = app;
    app.restart_with(|config| (config.rate_limit_per_second, config.rate_limit_burst) = (2, 5)).await;
    for _ in 0..5 {
        app.client().get("/users").send().await.ok();
    }
    let wait = retry_after(&app.client().get("/users").send().await);
    retry_after(&app.client().create(&bodies::smallest()).send().await);
    other.get("/users").send().await.ok();
    assert_eq!(app.rows().users, 0);
    app.pass(wait);
    app.client().create(&bodies::smallest()).send().await.ok();
    app.pass(60);
    for _ in 0..5 {
        app.client().get("/users").send().await.ok();
    }
    retry_after(&app.client().get("/users").send().await);
}

#[tokio::test]
async fn who_fails_too_often_is_held_back_but_spends_no_quota_of_the_client() {
    let mut app = TestApp::start().await;
    app.restart_with(|config| {
        config.failed_checks_per_second = 3;
        (config.rate_limit_per_second, config.rate_limit_burst) = (1, 5);
    })
    .await;
    let stranger = [127, 0, 0, 2];
    let bad = || app.client().get("/users").spoilt(|base| base + "x").sign();
    let mut slugs = Vec::new();
    let mut last = None;
    for _ in 0..10 {
        let answer = bad().send_from(stranger).await;
        slugs.push(answer.slug());
        last = Some(answer);
    }
    assert_eq!(&slugs[..3], ["unauthorised"; 3]);
    assert_eq!(slugs.last().unwrap(), "too_many_requests");
    let wait = retry_after(&last.unwrap());
    // The client itself, at another address, has all of its quota.
    for _ in 0..5 {
        app.client().get("/users").send().await.ok();
    }
    app.client().get("/users").send().await.refused("too_many_requests");
    app.pass(wait.max(6));
    bad().send_from(stranger).await.refused("unauthorised");
    app.client().get("/users").sign().send_from(stranger).await.ok();
}

/// Who has nothing to show is counted by the address; who has a good token is answered there all the same, and nobody
/// learns which clients there are.
#[tokio::test]
async fn strangers_hold_up_nobody_at_their_address() {
    let mut app = TestApp::start().await;
    app.restart_with(|config| config.failed_checks_per_second = 3).await;
    let client = app.client();
    let with_token = |token: &str| client.get("/users").header("authorization", &format!("Bearer {token}"));
    let known = || with_token("nonsense");
    let unknown = || known().header("upvest-client-id", "a3a780b6-a012-4fa8-905c-61a9d0c20844");
    let mut answers = Vec::new();
    let strangers: [(u8, &dyn Fn() -> Request); 2] = [(20, &known), (21, &unknown)];
    for (last, bad) in strangers {
        let (address, mut slugs) = ([127, 0, 0, last], Vec::new());
        for _ in 0..6 {
            slugs.push(bad().sign().send_from(address).await.slug());
        }
        assert_eq!(slugs[0], "unauthorised");
        assert_eq!(slugs[5], "too_many_requests");
        answers.push(slugs);
        with_token(&client.token).sign().send_from(address).await.ok();
        client.token_request().sign().send_from(address).await.ok();
    }
    assert_eq!(answers[0], answers[1], "a client that there is, and one that there is not");
}

#[tokio::test]
async fn behind_a_trusted_proxy_everybody_has_an_address() {
    let mut app = TestApp::start().await;
    app.restart_with(|config| {
        config.failed_checks_per_second = 2;
        config.proxy.trusted = vec!["127.0.0.3/32".parse().unwrap()];
    })
    .await;
    let client = app.client();
    let bad = async |from: [u8; 4], said: &str| {
        let request = client.get("/users").header("authorization", "Bearer nonsense");
        request.header("x-forwarded-for", said).sign().send_from(from).await.slug()
    };
    let proxy = [127, 0, 0, 3];
    for said in ["192.0.2.1", "198.51.100.1, 192.0.2.1"] {
        assert_eq!(bad(proxy, said).await, "unauthorised");
    }
    assert_eq!(bad(proxy, "192.0.2.1").await, "too_many_requests");
    assert_eq!(bad(proxy, "192.0.2.1, 192.0.2.2").await, "unauthorised", "somebody else");
    // Whoever is no proxy may say what they like.
    for said in ["192.0.2.3", "192.0.2.4"] {
        assert_eq!(bad([127, 0, 0, 4], said).await, "unauthorised");
    }
    assert_eq!(bad([127, 0, 0, 4], "192.0.2.5").await, "too_many_requests");
}

#[tokio::test]
async fn a_revoked_key_is_refused_a_second_later() {
    let app = TestApp::start().await;
    let client = app.client();
    client.get("/users").send().await.ok();
    let key = client.keys[ED25519].id.parse().unwrap();
    investord::provision::revoke_key(&app.provisioner().store, key, app.clock.now()).await.unwrap();
    app.pass(1);
    client.get("/users").send().await.refused("unauthorised");
    client.token_request().send().await.refused("unauthorised");
    client.get("/users").key(&client.keys[P521]).send().await.ok();
}

#[tokio::test]
async fn a_rotated_secret_is_refused_a_second_later_and_its_tokens_if_asked_for() {
    let app = TestApp::start().await;
    let mut client = app.client().clone();
    let new = app.provisioner().rotate_secret(client.id.parse().unwrap(), None, false).await.unwrap();
    app.pass(1);
    client.token_request().send().await.refused("unauthorised");
    client.get("/users").send().await.ok();
    client.secret = new.0.clone();
    client.renew().await;
    client.get("/users").send().await.ok();
    app.provisioner().rotate_secret(client.id.parse().unwrap(), None, true).await.unwrap();
    app.pass(1);
    client.get("/users").send().await.refused("unauthorised");
}

/// Whoever shows no secret is answered before the signature is looked at.
#[tokio::test]
async fn a_form_without_secret_is_refused_before_its_signature() {
    let app = TestApp::start().await;
    let client = app.client();
    let form = format!("client_id={}&grant_type=client_credentials&scope=users:read", client.id);
    let sent = client.token_form(&form).spoilt(|base| base + "x");
    sent.send().await.refused("invalid_request");
}

#[tokio::test]
async fn the_clock_may_go_back_without_holding_clients_back() {
    let mut app = TestApp::start().await;
    app.restart_with(|config| (config.rate_limit_per_second, config.rate_limit_burst) = (1, 1)).await;
    app.client().get("/users").send().await.ok();
    app.pass(2);
    app.client().get("/users").send().await.ok();
    app.pass(-20);
    app.client().get("/users").send().await.refused("too_many_requests");
    app.pass(2);
    app.client().get("/users").send().await.ok();
}

#[tokio::test]
async fn the_habits_of_java_are_served() {
    let app = TestApp::start().await;
    let key = &app.client().keys[P521];
    let now = START + 2;
    let covered = [
        "upvest-client-id",
        "authorization",
        "upvest-api-version",
        "content-type",
        "content-length",
        "accept",
        "@method",
        "@path",
        "content-digest",
    ];
    let create =
        app.client().create(&bodies::peter()).header("upvest-api-version", "1").key(key).covering(&covered);
    let created = create.times(Some(now), Some(now + 60)).send().await.ok();
    assert_eq!(created["email"], "miller@example.com");
    let covered =
        ["upvest-client-id", "authorization", "upvest-api-version", "accept", "@method", "@path", "@query"];
    let list =
        app.client().get("/users?limit=10").header("upvest-api-version", "1").header("content-length", "0");
    list.key(key).covering(&covered).send().await.ok();
}

#[tokio::test]
async fn the_habits_of_python_and_javascript_are_served() {
    let app = TestApp::start().await;
    let date = "Sat, 21 Nov 2026 17:27:31 GMT";
    let get = app.client().get("/users").header("date", date).header("content-length", "0");
    get.send().await.ok();
    let get = app.client().get("/users").header("content-type", "application/json").header("date", date);
    get.send().await.ok();
    let create = app.client().create(&bodies::peter()).header("date", date).header("upvest-api-version", "1");
    create.send().await.ok();
    // Header names in any case, headers of intermediaries beside the signed ones.
    let mut sent = app.client().create(&bodies::peter()).sign();
    for (name, _) in &mut sent.headers {
        *name =
            name.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect::<Vec<_>>().join("-");
    }
    for (name, value) in [("user-agent", "x"), ("cf-ray", "1"), ("x-forwarded-for", "::1"), ("cookie", "a=b")]
    {
        sent = sent.add(name, value);
    }
    sent.send().await.ok();
    // An idempotency key where none is needed.
    app.client().get("/users").header("idempotency-key", "whatever").send().await.ok();
}

#[tokio::test]
async fn the_habits_of_the_go_example_are_served() {
    let app = TestApp::start().await;
    let created = Some(START + 2);
    let covered = [
        "@method",
        "@path",
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "digest",
        "idempotency-key",
        "upvest-client-id",
    ];
    let create = app.client().create(&bodies::karl()).draft6().times(created, None).covering(&covered);
    create.send().await.ok();
    app.client().token_request().draft6().times(created, None).send().await.ok();
}

#[tokio::test]
async fn the_habits_of_the_signing_proxy_are_served() {
    let app = TestApp::start().await;
    let key = &app.client().keys[P521];
    let by_proxy = |request: Request| request.key(key).sign().add("user-agent", "upvest-httpsignature-proxy");
    let slug = async |request: Request| by_proxy(request).send().await.slug();
    let get = || app.client().get("/users").header("accept", "application/json, text/plain, */*");
    assert_eq!(slug(get().signed_as("accept", "application/json")).await, "ok", "the first of the list");
    assert_eq!(slug(get()).await, "ok");
    assert_eq!(slug(get().signed_as("accept", "text/plain")).await, "unauthorised");
    // A dictionary in a header is covered member by member.
    let covered = ["authorization", "cache-control:max-age", "@method", "@path"];
    let get = |value: &str, signed: &str| {
        let request = app.client().get("/users").header("cache-control", value).covering(&covered);
        request.signed_as("cache-control:max-age", signed)
    };
    assert_eq!(slug(get("max-age=0", "0")).await, "ok");
    assert_eq!(slug(get("max-age=0", "1")).await, "unauthorised");
    assert_eq!(slug(get("no-store", "0")).await, "unauthorised");
    let any = app.client().get("/users").header("accept", "*/*").header("user-agent-orig", "curl");
    assert_eq!(slug(any.covering(&["accept", "authorization", "@method", "@path"])).await, "ok");
    // It sends no client id with the token request, and covers what it forwards.
    assert_eq!(
        slug(app.client().token_request().without("upvest-client-id").header("accept", "*/*")).await,
        "ok"
    );
}

#[tokio::test]
async fn nobody_but_the_signing_proxy_may_sign_a_header_in_part() {
    let app = TestApp::start().await;
    let list = "application/json, text/plain, */*";
    for agent in [None, Some("curl"), Some("x upvest-httpsignature-proxy")] {
        let sent =
            app.client().get("/users").header("accept", list).signed_as("accept", "application/json").sign();
        let sent = agent.map_or(sent.clone(), |agent| sent.add("user-agent", agent));
        sent.send().await.refused("unauthorised");
    }
    // And not even the proxy what decides about the request.
    let other = once_key();
    let sent =
        app.client().create(&bodies::smallest()).sign().add("user-agent", "upvest-httpsignature-proxy");
    let both = format!("{}, {other}", sent.get("idempotency-key"));
    sent.set("idempotency-key", &both).send().await.refused("unauthorised");
}

#[tokio::test]
async fn a_path_with_escapes_may_be_signed_raw_or_decoded() {
    let app = TestApp::start().await;
    let user = app.client().created(&bodies::smallest()).await;
    let id = user["id"].as_str().unwrap();
    let escaped = format!("/users/{}", id.replace('-', "%2D"));
    let decoded = format!("/users/{id}");
    for signed in [&escaped, &decoded] {
        let answer = app.client().get(&escaped).signed_as("@path", signed).send().await;
        assert!([200, 404].contains(&answer.status), "{signed}: {}", answer.text());
    }
    app.client().get(&escaped).signed_as("@path", "/users").send().await.refused("unauthorised");
    app.client().get(&decoded).signed_as("@path", &escaped).send().await.refused("unauthorised");
}

#[tokio::test]
async fn a_query_is_signed_as_it_was_sent() {
    let app = TestApp::start().await;
    for query in ["limit=2&offset=0", "limit=%32", "limit=2&x=a+b%20c", "x=%C3%A4&limit=1"] {
        app.client().get(&format!("/users?{query}")).send().await.ok();
    }
    let get = |signed: &str| app.client().get("/users?limit=%32").signed_as("@query", signed);
    for signed in ["?limit=2", "limit=%32", "?", ""] {
        get(signed).send().await.refused("unauthorised");
    }
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
