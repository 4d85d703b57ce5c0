//! Tokens: what one is, who gets one, and how secrets and keys end.

use investord::clock::Clock as _;
use jiff::SignedDuration;
use serde_json::{Value, json};
use testing::app::{ED25519, P521, TestApp};
use testing::bodies;
use testing::client::Client;
use testing::signing::Request;

use crate::caller::UNKNOWN;
use crate::operators::officer;

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
async fn a_revoked_key_is_refused_a_second_later() {
    let app = TestApp::start().await;
    let client = app.client();
    client.get("/users").send().await.ok();
    let key = client.keys[ED25519].id.parse().unwrap();
    let provisioner = app.provisioner();
    let (ids, now) = (provisioner.ids.clone(), app.clock.now());
    investord::provision::revoke_key(&provisioner.store, key, ids, now).await.unwrap();
    app.pass(1);
    client.get("/users").send().await.refused("unauthorised");
    client.token_request().send().await.refused("unauthorised");
    client.get("/users").key(&client.keys[P521]).send().await.ok();
}

#[tokio::test]
async fn a_rotated_secret_is_refused_a_second_later_and_its_tokens_if_asked_for() {
    let app = TestApp::start().await;
    let mut client = app.client().clone();
    let new = app
        .provisioner()
        .rotate_secret(client.id.parse().unwrap(), None, false, SignedDuration::ZERO)
        .await
        .unwrap();
    app.pass(1);
    client.token_request().send().await.refused("unauthorised");
    client.get("/users").send().await.ok();
    client.secret = new.0.clone();
    client.renew().await;
    client.get("/users").send().await.ok();
    app.provisioner()
        .rotate_secret(client.id.parse().unwrap(), None, true, SignedDuration::ZERO)
        .await
        .unwrap();
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

/// A stolen token is worth nothing without the key that asked for it, if the tenant wants that.
#[tokio::test]
async fn a_token_counts_with_its_key_alone_if_the_tenant_wants_that() {
    let app = TestApp::start().await;
    let mut client = app.new_client("main", "users:read").await;
    let [p521, ed25519] = [&client.keys[P521], &client.keys[ED25519]].map(Clone::clone);
    client.get("/users").key(&p521).send().await.ok();
    app.set("key_bound_tokens", true).await;
    client.get("/users").key(&ed25519).send().await.ok();
    client.get("/users").key(&p521).send().await.refused("unauthorised");
    client.key = p521.clone();
    client.renew().await;
    client.get("/users").key(&p521).send().await.ok();
    client.get("/users").key(&ed25519).send().await.refused("unauthorised");
}

#[tokio::test]
async fn the_last_use_of_a_key_is_told() {
    let app = TestApp::start().await;
    let client = app.new_client("main", "users:read").await;
    let chief = officer(&app, "chief", "administrator", None).await;
    let used = async |app: &TestApp| {
        app.app().signature_counts.save(&app.app().store).await.unwrap();
        let clients = chief.get("/tenants/main/clients").await.ok();
        let all = clients["data"].as_array().unwrap();
        let keys = all.iter().find(|one| one["id"] == *client.id).unwrap()["keys"].as_array().unwrap();
        [P521, ED25519].map(|key| keys[key]["last_used_at"].clone())
    };
    let begun = json!(app.clock.now());
    assert_eq!(used(&app).await, [Value::Null, begun.clone()], "it has asked for a token");
    app.pass(60);
    let now = json!(app.clock.now());
    client.get("/users").key(&client.keys[P521]).send().await.ok();
    client.get("/users").covering(&["@method"]).send().await.refused("unauthorised");
    assert_eq!(used(&app).await, [now.clone(), begun.clone()]);
    app.set("strict_signatures", true).await;
    client.get("/users").key(&client.keys[P521]).send().await.ok();
    assert_ne!(used(&app).await[0], now, "in a strict tenant, too");
}
