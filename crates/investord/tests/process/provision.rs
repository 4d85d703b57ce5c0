//! Tenants, clients and keys: by command, by file, and beside a running server.

use std::time::{Duration, Instant};

use http_message_signatures::{Algorithm, SigningKey};
use serde_json::{Value, json};
use testing::client::{Client, Key, uuid};
use testing::home::{Home, Register, master_key, person};
use testing::patience::until_async;
use testing::program::run;
use testing::server::Server;
use testing::signing::Request;

use crate::judge::ask;

/// A register with nobody in it: `serve` has run once.
fn empty() -> Home {
    let home = Home::new("");
    home.write("tenants.toml", "");
    home.serve().stop();
    home
}

/// All rows of the tables that a tenants file speaks of.
fn rows(home: &Home) -> Vec<String> {
    dump(home, &["tenants", "tenant_sequences", "clients", "client_keys"])
}

fn dump(home: &Home, tables: &[&str]) -> Vec<String> {
    let all = |table: &&str| {
        let rows = ask(&home.register(), &[&format!("SELECT * FROM {table} ORDER BY 1, 2")]);
        rows.into_iter().map(|row| format!("{table}: {row:?}")).collect::<Vec<_>>()
    };
    tables.iter().flat_map(all).collect()
}

fn caller(home: &Home, server: &Server, id: &str, secret: &str, key: Key) -> Client {
    Client { id: id.into(), secret: secret.into(), key, ..home.stranger(server) }
}

/// Asks until `refused` says so; how long after now the last question was asked that was still answered. When the
/// answers come, late on a slow machine, is no matter.
pub async fn until_refused(mut refused: impl AsyncFnMut() -> bool) -> Duration {
    let (started, mut last) = (Instant::now(), Duration::ZERO);
    until_async("a refusal", async || {
        let asked = started.elapsed();
        if refused().await {
            return Ok(());
        }
        last = asked;
        Err("what was asked is answered")
    })
    .await;
    last
}

/// After so long nothing is answered that was revoked before.
pub const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_make_a_client_that_works_at_once() {
    let home = empty();
    let server = home.serve();
    let run = |words: &[&str]| run(&mut home.command(words));
    let tenant = run(&["tenant", "create", "acme", "--set", "model=TOL", "--json"]).json();
    assert_eq!((&tenant["name"], &tenant["model"]), (&json!("acme"), &json!("TOL")));
    let made = run(&["client", "create", "--tenant", "acme", "--json"]).json();
    assert_eq!(made["scopes"], json!(["users:admin", "users:read"]));
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(secret.len() >= 32);
    let mut keys = Vec::new();
    for (kind, name, as_jwk) in [
        (Algorithm::Ed25519, "Ed25519", false),
        (Algorithm::Ed25519, "Ed25519", true),
        (Algorithm::P256, "P-256", false),
        (Algorithm::P256, "P-256", true),
        (Algorithm::P384, "P-384", false),
        (Algorithm::P384, "P-384", true),
        (Algorithm::P521, "P-521", false),
        (Algorithm::P521, "P-521", true),
    ] {
        let key = Key::new(kind);
        let public = key.pair.public_key();
        home.write("key.pub", &if as_jwk { public.to_jwk() } else { public.to_spki_pem() });
        let added = run(&["key", "add", "key.pub", "--client", id, "--id", &key.id, "--json"]).json();
        assert_eq!(added, json!({ "id": key.id, "client": id, "kind": name }));
        let mut client = caller(&home, &server, id, secret, key.clone());
        // Keys added beside the server are known within a second.
        until_async("the key to be known", async || {
            let answer = client.token_request().ask().await;
            if answer.status == 200 { Ok(()) } else { Err(answer.to_string()) }
        })
        .await;
        client.renew().await;
        for signed in [Request::draft6, std::convert::identity, Request::raw_ecdsa] {
            assert_eq!(signed(client.get("/users")).ask().await.status, 200, "{name}");
        }
        keys.push(key.id);
    }
    let listed = run(&["key", "list", "--client", id, "--json"]).json();
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap()).collect();
    assert_eq!(ids, keys);
    assert_eq!(run(&["key", "list", "--tenant", "acme", "--json"]).json(), listed);
    let shown = run(&["tenant", "show", "acme", "--json"]).json();
    assert_eq!((&shown["clients"][0]["id"], &shown["users"]), (&json!(id), &json!(0)));
    assert!(!shown.to_string().contains(secret), "a secret is shown once");
    server.stop();
}

#[test]
fn given_ids_and_secrets_are_taken_and_nothing_is_taken_twice() {
    let home = empty();
    let run = |words: &[&str]| run(&mut home.command(words));
    let (client, other, key) = (uuid(), uuid(), Key::new(Algorithm::P521));
    run(&["tenant", "create", "acme"]).ok();
    assert!(run(&["tenant", "create", "acme"]).refusal().contains("there is a tenant 'acme' already"));
    let words = [
        "client",
        "create",
        "--tenant",
        "acme",
        "--id",
        &client,
        "--secret",
        "s3cret-of-a-client-of-a-tenant",
        "--json",
    ];
    let made = run(&[&words[..], &["--scope", "users:read", "--scope", "checks:read"]].concat()).json();
    assert_eq!(
        made,
        json!({ "id": client, "secret": "s3cret-of-a-client-of-a-tenant", "scopes": ["users:read", "checks:read"] })
    );
    assert!(run(&words).refusal().contains(&client));
    home.write("secret.txt", "from-a-file-beside-it-0000\n");
    let words =
        ["client", "create", "--tenant", "acme", "--id", &other, "--secret-file", "secret.txt", "--json"];
    assert_eq!(run(&words).json()["secret"], "from-a-file-beside-it-0000");
    home.write("key.pem", &key.pair.public_key().to_spki_pem());
    let words = ["key", "add", "key.pem", "--client", &client, "--id", &key.id];
    run(&words).ok();
    assert!(run(&words).refusal().contains(&key.id));
    let before = rows(&home);
    for (words, reason) in [
        (vec!["client", "create", "--tenant", "nobody"], "there is no tenant 'nobody'".to_owned()),
        (vec!["key", "add", "key.pem", "--client", &key.id], format!("there is no client '{}'", key.id)),
        (vec!["key", "revoke", &client], format!("there is no key '{client}'")),
        (vec!["client", "rotate-secret", &key.id], format!("there is no client '{}'", key.id)),
        (vec!["tenant", "show", "nobody"], "there is no tenant 'nobody'".to_owned()),
        (vec!["tenant", "create", ""], "name".to_owned()),
        (vec!["client", "create", "--tenant", "acme", "--secret", ""], "22 to 1000 characters".to_owned()),
        (
            vec!["client", "create", "--tenant", "acme", "--secret", "guess-me"],
            "22 to 1000 characters".to_owned(),
        ),
        (vec!["client", "create", "--tenant", "acme", "--id", "no-uuid"], "no-uuid".to_owned()),
        (vec!["key", "add", "nowhere.pem", "--client", &client], "nowhere.pem".to_owned()),
        (
            vec!["client", "create", "--tenant", "acme", "--secret-file", "nowhere.txt"],
            "nowhere.txt".to_owned(),
        ),
    ] {
        let refusal = run(&words).refusal();
        assert!(refusal.contains(&reason), "{words:?}: {refusal}");
    }
    assert_eq!(rows(&home), before, "what is refused changes nothing");
}

#[test]
fn without_json_the_answers_are_tables() {
    let home = empty();
    let run = |words: &[&str]| run(&mut home.command(words)).ok();
    assert!(run(&["tenant", "list"]).contains("none"));
    assert!(run(&["tenant", "create", "acme"]).contains("acme"));
    let (id, key) = (uuid(), Key::new(Algorithm::P384));
    let made = run(&[
        "client",
        "create",
        "--tenant",
        "acme",
        "--id",
        &id,
        "--secret",
        "s3cret-of-a-client-of-a-tenant",
    ]);
    assert!(
        made.contains(&id)
            && made.contains("s3cret-of-a-client-of-a-tenant")
            && made.contains("users:admin users:read"),
        "{made}"
    );
    home.write("key.pem", &key.pair.public_key().to_spki_pem());
    assert!(run(&["key", "add", "key.pem", "--client", &id, "--id", &key.id]).contains("P-384"));
    let list = run(&["key", "list", "--client", &id]);
    assert!(list.contains(&key.id) && list.lines().count() >= 2, "{list}");
    assert!(run(&["tenant", "show", "acme"]).contains(&id));
    for text in [made, list] {
        assert!(serde_json::from_str::<Value>(&text).is_err());
    }
}

#[test]
fn private_keys_and_other_nonsense_are_refused_with_help() {
    let home = empty();
    let run = |words: &[&str]| run(&mut home.command(words));
    run(&["tenant", "create", "acme"]).ok();
    let id = uuid();
    run(&["client", "create", "--tenant", "acme", "--id", &id]).ok();
    for kind in [Algorithm::P256, Algorithm::P521, Algorithm::Ed25519] {
        let pem = SigningKey::generate(kind).unwrap().to_pkcs8_pem().unwrap();
        home.write("private.pem", &pem);
        let refusal = run(&["key", "add", "private.pem", "--client", &id]).refusal();
        assert!(refusal.contains("private.pem") && refusal.contains("private key"), "{refusal}");
        let secret_line = pem.lines().nth(1).unwrap();
        assert!(!refusal.contains(secret_line), "the key itself is not repeated");
    }
    let jwk: Value = serde_json::from_str(&Key::new(Algorithm::P256).pair.public_key().to_jwk()).unwrap();
    let mut private = jwk.clone();
    private["d"] = json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE");
    home.write("private.jwk", &private.to_string());
    let refusal = run(&["key", "add", "private.jwk", "--client", &id]).refusal();
    assert!(refusal.contains("private") && !refusal.contains("870MB6gf"), "{refusal}");
    for text in [
        "",
        "no key",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "{}",
        "{\"kty\":\"RSA\"}",
    ] {
        home.write("nonsense", text);
        let refusal = run(&["key", "add", "nonsense", "--client", &id]).refusal();
        assert!(refusal.contains("nonsense"), "{refusal}");
    }
    assert_eq!(run(&["key", "list", "--client", &id, "--json"]).json(), json!([]));
}

#[test]
fn settings_and_scopes_are_named_when_one_is_unknown() {
    let home = empty();
    let run = |words: &[&str]| run(&mut home.command(words));
    run(&["tenant", "create", "acme"]).ok();
    let refusal = run(&["client", "create", "--tenant", "acme", "--scope", "users:write"]).refusal();
    for word in ["users:write", "users:admin", "users:read", "webhooks:admin"] {
        assert!(refusal.contains(word), "{refusal}");
    }
    for words in
        [&["tenant", "set", "acme", "colour=blue"][..], &["tenant", "create", "b", "--set", "colour=blue"]]
    {
        let refusal = run(words).refusal();
        for word in
            ["colour", "model", "strict_signatures", "unknown_members", "activation_requires", "regime"]
        {
            assert!(refusal.contains(word), "{refusal}");
        }
    }
    for (setting, known) in
        [("model=XYZ", "BYOL"), ("regime=US", "UK"), ("strict_signatures=maybe", "true or false")]
    {
        let refusal = run(&["tenant", "set", "acme", setting]).refusal();
        let (key, value) = setting.split_once('=').unwrap();
        assert!([key, value, known].iter().all(|word| refusal.contains(word)), "{refusal}");
    }
    assert!(run(&["tenant", "set", "acme", "model"]).refusal().contains("KEY=VALUE"));

    let words =
        ["tenant", "set", "acme", "model=TOL", "strict_signatures=true", "activation_requires=[\"checks\"]"];
    let last = run(&[&words[..], &["--json"]].concat()).ok();
    let shown = run(&["tenant", "show", "acme", "--json"]).json();
    assert_eq!(
        (&shown["model"], &shown["strict_signatures"], &shown["activation_requires"]),
        (&json!("TOL"), &json!(true), &json!(["checks"]))
    );
    let last = serde_json::from_str::<Value>(&last).expect("one JSON document for one command");
    assert_eq!(last["activation_requires"], json!(["checks"]));
    // All or nothing: a good setting before a bad one is not kept.
    run(&["tenant", "set", "acme", "model=BYOL", "regime=US"]).refusal();
    assert_eq!(run(&["tenant", "show", "acme", "--json"]).json()["model"], "TOL");
    assert_eq!(run(&["tenant", "list", "--json"]).json().as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_refused_within_a_second() {
    let home = Home::new("");
    let server = home.serve();
    let client = home.caller(&server).await;
    assert_eq!(client.get("/users").ask().await.status, 200);
    run(&mut home.command(&["key", "revoke", &client.key.id])).ok();
    let took = until_refused(async || client.get("/users").ask().await.status == 401).await;
    println!("a revoked key is refused {took:?} after the command");
    assert!(took <= SECOND, "{took:?}");
    assert_eq!(client.token_request().ask().await.status, 401);
    let again = run(&mut home.command(&["key", "revoke", &client.key.id])).refusal();
    assert!(again.contains("was revoked at"), "{again}");
    let listed = run(&mut home.command(&["key", "list", "--client", &client.id, "--json"])).json();
    assert!(listed[0]["revoked_at"].is_string());
    server.stop();
    // The tenants file still names it; it stays revoked.
    let server = home.serve();
    let client = client.at(server.address);
    assert_eq!(client.get("/users").ask().await.status, 401);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_secret_replaces_the_old_one_within_a_second() {
    let home = Home::new("");
    let server = home.serve();
    let old = home.caller(&server).await;
    let rotated = run(&mut home.command(&["client", "rotate-secret", &old.id, "--json"])).json();
    let took = until_refused(async || old.token_request().ask().await.status == 401).await;
    println!("an old secret is refused {took:?} after the command");
    assert!(took <= SECOND, "{took:?}");
    let mut new = Client { secret: rotated["secret"].as_str().unwrap().to_owned(), ..old.clone() };
    new.renew().await;
    assert_eq!(old.get("/users").ask().await.status, 200, "tokens stay unless they are to end");
    let words = [
        "client",
        "rotate-secret",
        &old.id,
        "--secret",
        "given-to-the-command-line",
        "--end-tokens",
        "--json",
    ];
    assert_eq!(
        run(&mut home.command(&words)).json(),
        json!({ "id": old.id, "secret": "given-to-the-command-line" })
    );
    let took = until_refused(async || old.get("/users").ask().await.status == 401).await;
    assert!(took <= SECOND, "{took:?}");
    assert_eq!(new.get("/users").ask().await.status, 401, "all tokens of the client");
    let mut given = Client { secret: "given-to-the-command-line".into(), ..old };
    given.renew().await;
    assert_eq!(given.get("/users").ask().await.status, 200);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_tenants_file_does_not_undo_a_rotation() {
    let home = Home::new("");
    let server = home.serve();
    let old = home.caller(&server).await;
    let rotated = run(&mut home.command(&["client", "rotate-secret", &old.id, "--json"])).json();
    server.stop();
    let server = home.serve();
    let moved = old.at(server.address);
    assert_eq!(moved.token_request().ask().await.status, 401, "the file still has the old secret");
    let new = Client { secret: rotated["secret"].as_str().unwrap().to_owned(), ..moved };
    assert_eq!(new.token_request().ask().await.status, 200);
    server.stop();
}

#[test]
fn a_command_with_another_master_key_makes_nothing() {
    let home = Home::new("");
    home.serve().stop();
    let before = rows(&home);
    home.write("other.key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let mut command = home.command(&["tenant", "create", "stranger"]);
    command.env_remove("INVESTORD_MASTER_KEY").env("INVESTORD_MASTER_KEY_FILE", home.path("other.key"));
    let refusal = run(&mut command).refusal();
    assert!(refusal.contains("master key"), "{refusal}");
    assert_eq!(rows(&home), before);
    home.serve().stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_file_is_applied_once_and_changes_when_it_changes() {
    let home = Home::new("");
    let server = home.serve();
    home.caller(&server).await;
    server.stop();
    let before = rows(&home);
    for _ in 0..2 {
        home.serve().stop();
        assert_eq!(rows(&home), before, "a repeat changes nothing");
    }
    // A second tenant, settings of the first, another secret and another key.
    let (p521, other) = (Key::new(Algorithm::P521), Home::new(""));
    home.write("p521.jwk", &p521.pair.public_key().to_jwk());
    home.write("secret.txt", "new-secret-of-the-tenants-file\n");
    let text = home.tenants("acme", "model = \"TOL\"\nactivation_requires = [\"identifiers\", \"checks\"]");
    let text = text.replace(&format!("secret = \"{}\"", home.secret), "secret_file = \"secret.txt\"");
    let key = format!("[[tenant.client.key]]\nid = \"{}\"\npublic_key_file = \"p521.jwk\"\n", p521.id);
    home.write("tenants.toml", &format!("{text}{key}{}", other.tenants("zeta", "regime = \"UK\"")));
    let server = home.serve();
    assert_eq!(home.stranger(&server).token_request().ask().await.status, 401, "the old secret");
    let mut client = caller(&home, &server, &home.client, "new-secret-of-the-tenants-file", p521);
    client.renew().await;
    let problem = client.creation(&person(1), &uuid()).ask().await.problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("birth_city"), "TOL needs more: {problem}");
    let mut zeta = other.stranger(&server);
    zeta.renew().await;
    assert_eq!(zeta.creation(&person(1), &uuid()).ask().await.status, 200);
    let settings = run(&mut home.command(&["tenant", "show", "zeta", "--json"])).json();
    assert_eq!((&settings["regime"], &settings["users"]), (&json!("UK"), &json!(1)));
    server.stop();
}

#[test]
fn a_tenants_file_with_a_mistake_is_refused_whole() {
    let home = Home::new("");
    let good = home.tenants("acme", "");
    home.serve().stop();
    let before = rows(&home);
    let key_file = "public_key_file = \"nowhere.pem\"\n";
    let without_key = good.split("public_key = ").next().unwrap();
    let first = Home::new("").tenants("first", "");
    for (text, words) in [
        (good.replace("name = ", "nmae = \"x\"\nname = "), vec!["nmae"]),
        (home.tenants("acme", "colour = \"blue\""), vec!["colour", "acme"]),
        (home.tenants("acme", "model = \"XYZ\""), vec!["model", "XYZ", "BYOL"]),
        (good.replace("scopes = ", "sopes = "), vec!["sopes"]),
        (good.replace("users:read", "users:write"), vec!["users:write"]),
        (format!("{good}lable = \"x\"\n"), vec!["lable"]),
        (format!("{without_key}{key_file}"), vec!["nowhere.pem"]),
        (good.replace("id = \"", "id = \"no-uuid-"), vec!["line", "UUID"]),
        (good.replacen("secret = ", "secret_file = \"nowhere.txt\" #", 1), vec!["nowhere.txt"]),
        (format!("[[tenants]]\nname = \"x\"\n{good}"), vec!["tenants"]),
        ("[[tenant]\n".to_owned(), vec!["tenants.toml"]),
    ] {
        // Even what stands before the mistake is not made.
        let text = format!("{first}{text}");
        home.write("tenants.toml", &text);
        let refusal = run(&mut home.command(&["serve"])).refusal();
        assert!(words.iter().all(|word| refusal.contains(word)), "{words:?}: {refusal}");
        assert!(!refusal.contains(&home.secret), "{refusal}");
        assert_eq!(rows(&home), before, "{refusal}");
    }
    let refusal = run(&mut home.command(&["serve", "--tenants", "nowhere.toml"])).refusal();
    assert!(refusal.contains("nowhere.toml"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_key_changes_without_a_users_row() {
    let home = Home::new("");
    let server = home.serve();
    let client = home.caller(&server).await;
    let mut created = Vec::new();
    for number in 0..10 {
        let once = uuid();
        let answer = client.creation(&person(number), &once).ask().await;
        assert_eq!(answer.status, 200, "{answer}");
        created.push((number, once, answer));
    }
    home.write("next.key", &master_key());
    let rotate = ["master-key", "rotate", "--to", "next.key", "--json"];
    let refusal = run(&mut home.command(&rotate)).refusal();
    let running = match home.register() {
        Register::File(_) => "a server is running",
        Register::Server(_) => "of other processes use",
    };
    assert!(refusal.contains(running), "{refusal}");
    server.stop();

    let tables = ["users", "events", "idempotent_responses", "clients", "client_keys", "tokens"];
    let (before, tenants) = (dump(&home, &tables), dump(&home, &["tenants"]));
    home.write("short.key", "AAAA");
    let refusal = run(&mut home.command(&["master-key", "rotate", "--to", "short.key"])).refusal();
    assert!(refusal.contains("32 random bytes"), "{refusal}");
    assert_eq!(run(&mut home.command(&rotate)).json()["tenants"], 1);
    assert_eq!(dump(&home, &tables), before, "only tenants' keys are wrapped anew");
    assert_ne!(dump(&home, &["tenants"]), tenants);

    let refusal = run(&mut home.command(&["serve"])).refusal();
    assert!(refusal.contains("master key") && refusal.contains("acme"), "{refusal}");
    let old = std::fs::read_to_string(home.path("master.key")).unwrap();
    let next = std::fs::read_to_string(home.path("next.key")).unwrap();
    assert!(!refusal.contains(&old) && !refusal.contains(&next));
    let mut wrong = home.command(&["client", "create", "--tenant", "acme"]);
    run(&mut wrong).refusal();
    run(&mut home.command(&["master-key", "rotate", "--to", "next.key"])).refusal();

    home.write("master.key", &next);
    let server = home.serve();
    let mut client = client.at(server.address);
    for (number, once, answer) in &created {
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(client.get(&format!("/users/{id}")).ask().await.body, answer.body);
        assert_eq!(client.creation(&person(*number), once).ask().await.body, answer.body);
    }
    client.renew().await;
    server.stop();
}
