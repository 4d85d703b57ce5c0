//! What a development server tells a developer, and a production server tells nobody.

use std::collections::BTreeSet;

use http_message_signatures::Algorithm;
use investord::app::Mode;
use serde_json::Value;
use testing::app::{ED25519, P521, TestApp};
use testing::bodies;
use testing::client::Client;
use testing::signing::Request;

async fn app(mode: Mode) -> (TestApp, Client) {
    let app = TestApp::with(|options| options.mode = mode).await;
    let mut client = app.client().clone();
    app.add_key(&mut client, Algorithm::P256).await;
    (app, client)
}

const P256: usize = 2;
const UNKNOWN: &str = "a3a780b6-a012-4fa8-905c-61a9d0c20844";

/// The mistakes, and a word that the likely cause must contain. The last field: whether a base was built.
fn mistakes(client: &Client) -> Vec<(&'static str, Request, &'static [&'static str], bool)> {
    let get = || client.get("/users?limit=1");
    let create = || client.create(&bodies::smallest());
    vec![
        ("draft 15 signed, 6 named", get().version(Some("6")), &["15"], true),
        ("draft 6 signed, 15 named", get().quoted(false), &["6"], true),
        (
            "draft 15 signed with P-521, 6 named",
            get().key(&client.keys[P521]).version(Some("6")),
            &["15"],
            true,
        ),
        (
            "another key of the client",
            get().key(&client.keys[ED25519]).key_id(&client.keys[P521].id),
            &[],
            false,
        ),
        (
            "another key of the client and of the same kind",
            get().key(&client.keys[P256]).key_id(&client.keys[P521].id),
            &[],
            false,
        ),
        ("a line feed at the end", get().spoilt(|base| base + "\n"), &["line feed"], true),
        ("a line feed at the end, with a body", create().spoilt(|base| base + "\n"), &["line feed"], true),
        (
            "the digest is not covered",
            create().covering(&["@method", "@path", "authorization"]),
            &["digest"],
            false,
        ),
        ("no digest at all", create().digest("", ""), &["digest"], false),
        (
            "the digest of something else",
            create().digest("content-digest", &testing::signing::digest_of(true, b"{}").1),
            &["digest"],
            false,
        ),
        (
            "an expired signature",
            get().times(Some(testing::app::START - 100), Some(testing::app::START - 90)),
            &["clock"],
            false,
        ),
        ("a signature of tomorrow", get().times(Some(testing::app::START + 90_000), None), &["clock"], false),
        ("an unknown key id", get().key_id("a3a780b6-a012-4fa8-905c-61a9d0c20844"), &["keyid"], false),
        ("a changed value", get().signed_as("accept", "*/*"), &["signature_base"], true),
    ]
}

fn text<'a>(problem: &'a Value, name: &str) -> &'a str {
    problem[name].as_str().unwrap_or_else(|| panic!("no {name} in {problem}"))
}

#[tokio::test]
async fn a_development_server_names_the_likely_cause_and_shows_the_base() {
    let (_app, client) = app(Mode::Development).await;
    for (what, request, words, with_base) in mistakes(&client) {
        let problem = request.send().await.refused("unauthorised");
        let cause = text(&problem, "likely_cause");
        for word in words {
            assert!(cause.contains(word), "{what}: {cause}");
        }
        if with_base {
            let base = text(&problem, "signature_base");
            assert!(base.contains("@method") && base.contains("@signature-params"), "{what}: {base}");
            assert!(!base.ends_with('\n'));
        }
    }
}

#[tokio::test]
async fn the_base_that_is_shown_is_the_one_to_sign() {
    let (_app, client) = app(Mode::Development).await;
    let get = client.get("/users?limit=1").signed_as("accept", "*/*").sign();
    let problem = get.send().await.refused("unauthorised");
    assert_eq!(text(&problem, "signature_base").replace("application/json", "*/*"), get.base);
    let get = client.get("/users?limit=1").signed_as("accept", "*/*").quoted(false).version(Some("6")).sign();
    let problem = get.send().await.refused("unauthorised");
    assert_eq!(text(&problem, "signature_base").replace("application/json", "*/*"), get.base);
}

#[tokio::test]
async fn a_development_server_tells_der_over_the_hash_of_the_curve() {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    let (_app, client) = app(Mode::Development).await;
    // DER over SHA-256, as every library does with P-256 unless told otherwise: made from the raw form.
    let mut sent = client.get("/users").key(&client.keys[P256]).raw_ecdsa().sign();
    let raw = sent.get("signature").trim_start_matches("sig1=:").trim_end_matches(':').to_owned();
    let raw = BASE64_STANDARD.decode(raw).unwrap();
    let integer = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let mut number = bytes[zeros..].to_vec();
        if number[0] >= 0x80 {
            number.insert(0, 0);
        }
        [&[2, u8::try_from(number.len()).unwrap()], number.as_slice()].concat()
    };
    let both = [integer(&raw[..32]), integer(&raw[32..])].concat();
    let der = [&[0x30, u8::try_from(both.len()).unwrap()], both.as_slice()].concat();
    sent = sent.set("signature", &format!("sig1=:{}:", BASE64_STANDARD.encode(der)));
    let problem = sent.send().await.refused("unauthorised");
    let cause = text(&problem, "likely_cause");
    assert!(cause.contains("Sha256") || cause.contains("SHA-256"), "{cause}");
    assert!(cause.contains("SHA-512"), "says what is right: {cause}");
    assert!(problem["signature_base"].is_string());
}

#[tokio::test]
async fn a_development_server_names_the_key_that_did_sign() {
    let (app, mut client) = app(Mode::Development).await;
    app.add_key(&mut client, Algorithm::Ed25519).await;
    let last = client.keys.last().unwrap();
    let problem =
        client.get("/users").key(last).key_id(&client.keys[ED25519].id).send().await.refused("unauthorised");
    assert!(text(&problem, "likely_cause").contains(&last.id), "{problem}");
    assert!(problem["signature_base"].is_string());
}

#[tokio::test]
async fn a_production_server_explains_nothing() {
    let (_app, client) = app(Mode::Production).await;
    for (what, request, ..) in mistakes(&client) {
        let problem = request.send().await.refused("unauthorised");
        let mut members: Vec<&String> = problem.as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["detail", "request_id", "status", "title", "type"], "{what}");
    }
}

/// A stranger cannot find out which clients, keys, secrets and tokens there are.
#[tokio::test]
async fn a_production_server_says_one_thing_before_it_knows_who_asks() {
    let (_app, client) = app(Mode::Production).await;
    let get = || client.get("/users");
    let form = |secret: &str| {
        client.token_form(&format!(
            "client_id={}&client_secret={secret}&grant_type=client_credentials&scope=users:read",
            client.id
        ))
    };
    let mut details = BTreeSet::new();
    for request in [
        get().header("upvest-client-id", UNKNOWN),
        get().key_id(UNKNOWN),
        get().spoilt(|base| base + "x"),
        get().header("authorization", "Bearer x"),
        get().without("authorization"),
        get().covering(&["@path"]),
        get().times(Some(1), None),
        form("wrong"),
        form("wrong").header("upvest-client-id", UNKNOWN),
        form(&client.secret).spoilt(|base| base + "x"),
    ] {
        let problem = request.send().await.refused("unauthorised");
        details.insert(text(&problem, "detail").to_owned());
    }
    assert_eq!(details.len(), 1, "{details:?}");
    // Who has proved it hears more.
    let sent = get().sign();
    sent.send().await.ok();
    assert!(text(&sent.send().await.refused("unauthorised"), "detail").contains("received before"));
}

#[tokio::test]
async fn a_development_server_refuses_what_a_production_server_refuses() {
    let (_app, client) = app(Mode::Development).await;
    client.get("/users").send().await.ok();
    client.get("/users").without("upvest-client-id").send().await.refused("missing_client_id");
    client.get("/users").header("authorization", "Bearer x").send().await.refused("unauthorised");
    client.create(&serde_json::json!({})).send().await.refused("invalid_request");
}
