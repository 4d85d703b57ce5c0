//! Signatures: which are understood, what they must cover, and how the clients of the vendor sign.

use http_message_signatures::Algorithm;
use testing::app::{ED25519, P521, START, TestApp};
use testing::bodies;
use testing::client::once_key;
use testing::signing::{Request, digest_of};

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
async fn the_habits_of_java_are_served() {
    let app = TestApp::start().await;
    let key = &app.client().keys[P521];
    let now = START + 2;
    let covered = [
        "upvest-client-id", "authorization", "upvest-api-version", "content-type", "content-length",
        "accept", "@method", "@path", "content-digest",
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
        "@method", "@path", "accept", "authorization", "content-length", "content-type", "digest",
        "idempotency-key", "upvest-client-id",
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
