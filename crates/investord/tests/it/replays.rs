//! Replays: how long a signed message is valid, and that it counts once.

use investord::clock::Clock as _;
use investord::store::Tx;
use investord::store::tenants::signature_counts;
use investord::store::tenants::signature_counts::SignatureCount;
use serde_json::json;
use testing::app::{ED25519, P521, START, TestApp};
use testing::bodies;
use testing::client::{Client, once_key};

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
        "@method", "@path", "accept", "authorization", "content-length", "content-type", "content-digest",
        "idempotency-key", "upvest-client-id",
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
