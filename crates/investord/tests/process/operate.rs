//! The commands for operators, against a running server.

use serde_json::{Value, json};
use testing::client::uuid;
use testing::home::{Home, Register};
use testing::patience::until;
use testing::postgres;
use testing::program::{Said, run};

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_found_judged_and_on_record() {
    let home = Home::new("");
    home.write("tenants.toml", &home.tenants("acme", "model = \"TOL\"\nreview_policy = \"review\""));
    let server = home.serve();
    let client = home.caller(&server).await;
    let create = ["operator", "create", "anna", "--role", "compliance", "--json"];
    let invited = run(&mut home.command(&create)).json();
    run(&mut home.command(&create)).refusal();
    let token = run(&mut home.command(&["operator", "token", "anna"])).out;
    home.write("anna.token", &token);
    let log = home.log();
    let address = log.lines().find_map(|line| line.strip_prefix("operators are answered on ")).unwrap();
    let (url, token) = (format!("http://{address}"), home.path("anna.token").display().to_string());
    let operate = |words: &[&str]| -> Said {
        run(&mut home.bare(&[words, &["--url", &url, "--token-file", &token, "--json"]].concat()))
    };

    let person = include_str!("../../../../api/examples/create-user-tol.json");
    let user = client.creation(person.as_bytes(), &uuid()).ask().await.json();
    let invitation = home.write("invitation", invited["invitation"].as_str().unwrap()).display().to_string();
    let password = home.write("anna.password", "correct horse battery\n").display().to_string();
    let accept = ["operator", "accept", "--invitation-file", &invitation, "--password-file", &password];
    assert_eq!(operate(&accept).json()["has_password"], true);
    let refusal = operate(&accept).refusal();
    assert!(refusal.contains("was used"), "{refusal}");
    let found = operate(&["user", "find", "--name", user["last_name"].as_str().unwrap()]).json();
    let mut masked = user.clone();
    (masked["email"], masked["phone_number"]) = (json!("k•••••@•••••"), json!("•••••20"));
    assert_eq!(found, json!([masked]));
    operate(&["user", "reveal", id(&user), "--purpose", "person-asks", "--reference", "CALL-5521"]).json();
    assert_eq!(operate(&["user", "find", "--name", "Nobody"]).json(), json!([]));
    assert_eq!(operate(&["user", "show", id(&user)]).json()["user"], user);
    let body = include_str!("../../../../api/examples/change-name.json");
    let target = format!("/users/{}/data_change_requests", id(&user));
    assert_eq!(client.request("POST", &target).body(body).ask().await.status, 202);
    let queue = operate(&["review", "list"]).json();
    let subject = id(&queue[0]["matter"]).to_owned();
    let refusal = operate(&["review", "refuse", id(&user), &subject]).refusal();
    assert!(refusal.contains("reason"), "{refusal}");
    let decided = operate(&["review", "refuse", id(&user), &subject, "--reason", "blurred"]).json();
    assert_eq!((&decided["actor"]["name"], &decided["action"]), (&json!("anna"), &json!("refuse")));
    let refusal = operate(&["review", "approve", id(&user), &subject]).refusal();
    assert!(refusal.contains("operator:anna has decided it"), "{refusal}");
    operate(&["user", "act", "deactivate", id(&user), "--reason", "a court has said so"]).json();
    let told = || operate(&["user", "history", id(&user)]).json();
    // The worker tells the refusal in its own time.
    until("the refusal to be told", || {
        let told = told();
        let events = told.as_array().unwrap();
        let found = events.iter().any(|event| event["type"] == "USER.DATA_CHANGE_FAILED");
        if found { Ok(()) } else { Err(told.to_string()) }
    });
    let history = told();
    let types: Vec<&str> =
        history.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert!(
        types.contains(&"USER.DEACTIVATED")
            && types.iter().filter(|kind| **kind == "OPERATOR.ACTION").count() == 3
    );

    // All of it is in the chain; what is altered is found, with its place.
    let whole = run(&mut home.command(&["audit", "verify", "--json"])).json();
    assert_eq!(whole["chain"], "whole");
    // The register has events of its own: a tenant, a client, its key, an operator, the invitation and a token.
    assert_eq!(whole["events"], types.len() + 6);
    server.stop();
    let number = history.as_array().unwrap().iter().find(|event| event["type"] == "OPERATOR.ACTION").unwrap()
        ["number"]
        .clone();
    let damage = format!("UPDATE events SET created_at = created_at + 1 WHERE number = {number}");
    match home.register() {
        Register::File(file) => rusqlite::Connection::open(file).unwrap().execute_batch(&damage).unwrap(),
        Register::Server(url) => drop(postgres::sql(&url, &damage)),
    }
    let refusal = run(&mut home.command(&["audit", "verify"])).refusal();
    assert!(refusal.contains(&format!("breaks at {number}")), "{refusal}");
    run(&mut home.command(&["operator", "disable", "anna"])).ok();
}

/// An operator with a token, who works with a server.
struct Desk<'a> {
    home: &'a Home,
    url: String,
    token: String,
}

impl<'a> Desk<'a> {
    fn of(home: &'a Home) -> Self {
        let create = ["operator", "create", "anna", "--role", "compliance", "--role", "support"];
        run(home.command(&create).args(["--tenant", "acme"])).ok();
        let token = run(&mut home.command(&["operator", "token", "anna"])).ok();
        home.write("anna.token", &token);
        let log = home.log();
        let address = log.lines().find_map(|line| line.strip_prefix("operators are answered on ")).unwrap();
        let (url, token) = (format!("http://{address}"), home.path("anna.token").display().to_string());
        Self { home, url, token }
    }

    fn run(&self, words: &[&str]) -> Said {
        run(&mut self.home.bare(&[words, &["--url", &self.url, "--token-file", &self.token]].concat()))
    }
}

/// What people read fits a terminal: nothing of it is JSON.
fn readable(text: &str) -> &str {
    assert!(!text.contains(['{', '"']), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_speak_to_people() {
    let home = Home::new("");
    home.write("tenants.toml", &home.tenants("acme", "model = \"TOL\"\nreview_policy = \"review\""));
    let server = home.serve();
    let client = home.caller(&server).await;
    let desk = Desk::of(&home);
    let mut person: Value =
        serde_json::from_str(include_str!("../../../../api/examples/create-user-tol.json")).unwrap();
    person["nationalities"] = json!(["PL"]);
    let user = client.creation(person.to_string().as_bytes(), &uuid()).ask().await.json();
    let shown = desk.run(&["user", "show", id(&user)]).ok();
    for part in [
        &format!(
            "{} {}, born",
            person["first_name"].as_str().unwrap(),
            person["last_name"].as_str().unwrap()
        ),
        &format!("user {}", id(&user)),
        "INACTIVE since 20",
        "Not active because",
        "- an identifier of PL is missing: PESEL",
    ] {
        assert!(readable(&shown).contains(part), "{shown}");
    }
    desk.run(&["user", "act", "deactivate", id(&user), "--reason", "a court has said so"]).ok();
    let shown = desk.run(&["user", "show", id(&user)]).ok();
    assert!(readable(&shown).contains("- deactivated by anna on 20"), "{shown}");

    let mut change: Value =
        serde_json::from_str(include_str!("../../../../api/examples/change-name.json")).unwrap();
    change["last_name"] = json!("Brzęczyszczykiewicz");
    let target = format!("/users/{}/data_change_requests", id(&user));
    let body = change.to_string();
    assert_eq!(client.request("POST", &target).body(body).ask().await.status, 202);
    let subject = desk.run(&["review", "list", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    let waiting = desk.run(&["review", "list"]).ok();
    for part in [
        &format!("data change {subject}, waits for 0 min"),
        "would be",
        "Brzęczyszczykiewicz",
        "proof:",
        id(&user),
    ] {
        assert!(readable(&waiting).contains(part), "{waiting}");
    }
    assert!(desk.run(&["user", "show", id(&user)]).ok().contains("Open data changes"));
    let done = desk.run(&["review", "approve", id(&user), &subject]).ok();
    assert!(readable(&done).starts_with("approve is on record, by anna"), "{done}");
    let history = until("the change to be done", || {
        let history = desk.run(&["user", "history", id(&user)]).ok();
        history.contains("USER.DATA_CHANGED").then_some(history)
    });
    let old = person["last_name"].as_str().unwrap();
    for part in
        [&format!("last_name: {old} → Brzęczyszczykiewicz"), "operator:anna", "reason: a court has said so"]
    {
        assert!(readable(&history).contains(part), "{history}");
    }
    let operators = run(&mut home.command(&["operator", "list"])).ok();
    assert!(
        readable(&operators).lines().any(|line| line.contains("anna") && line.contains("acme")),
        "{operators}"
    );
    let listed = run(&mut home.command(&["operator", "list", "--json"])).json();
    assert_eq!((&listed[0]["name"], &listed[0]["grants"][0]["tenant"]), (&json!("anna"), &json!("acme")));
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_told_in_words() {
    let home = Home::new("");
    let server = home.serve();
    let desk = Desk::of(&home);
    let id = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    for words in [
        &["user", "show", "7"][..],
        &["user", "history", "karl"],
        &["user", "act", "deactivate", "3fa85f64", "--reason", "x"],
        &["user", "find", "--id", "x"],
        &["review", "approve", id, "x"],
        &["webhook", "show", "x"],
        &["webhook", "pause", "x", "--reason", "x"],
    ] {
        let refusal = desk.run(words).refusal();
        assert!(refusal.contains("must be a UUID, as in "), "{words:?}: {refusal}");
    }
    for words in [
        &["client", "create", "--tenant", "acme", "--id", "x"][..],
        &["client", "rotate-secret", "x"],
        &["key", "list", "--client", "x"],
        &["key", "revoke", "x"],
    ] {
        let refusal = run(&mut home.command(words)).refusal();
        assert!(refusal.contains("must be a UUID, as in "), "{words:?}: {refusal}");
    }
    for (words, says) in [
        (&["user", "find", "--name", "x", "--tenant", "acm"][..], "no tenant 'acm'; did you mean 'acme'?"),
        (&["user", "act", "deactivat", id, "--reason", "x"], "'deactivate'"),
        (&["webhook", "package", id, "0"], "must be a whole number from 1"),
        (&["user", "order", "activation", id, "--seconds", "soon"], "must be a whole number of seconds"),
        (&["user", "show", id], "there is no such user"),
    ] {
        let refusal = desk.run(words).refusal();
        assert!(refusal.contains(says), "{words:?}: {refusal}");
    }
    for (words, says) in [
        (&["tenant", "set", "acme", "modle=TOL"][..], "there is no setting 'modle'; did you mean 'model'?"),
        (
            &["tenant", "set", "acme", "model=TOLL"],
            "model: must be one of BYOL, TOL, not 'TOLL'; did you mean 'TOL'?",
        ),
        (&["tenant", "set", "acme", "four_eyes=yes"], "four_eyes: must be true or false"),
        (&["client", "create", "--tenant", "acme", "--scope", "user:read"], "did you mean 'users:read'?"),
        (&["tenant", "show", "acm"], "no tenant 'acm'; did you mean 'acme'?"),
        (&["operator", "create", "x", "--role", "viewr"], "no role 'viewr'; did you mean 'viewer'?"),
        (&["operator", "token", "ana"], "no operator 'ana'; did you mean 'anna'?"),
    ] {
        let refusal = run(&mut home.command(words)).refusal();
        assert!(refusal.contains(says), "{words:?}: {refusal}");
    }
    home.write("key.pem", &home.key.pair.to_pkcs8_pem().unwrap());
    let (client, secret, key) = (&home.client, &home.secret, &home.key.id);
    let profile = format!(
        "url = \"{}\"\nclient_id = \"{client}\"\nclient_secret = \"{secret}\"\nscopes = [\"users:read\"]\n\
         [[key]]\nid = \"{key}\"\nprivate_key_file = \"key.pem\"\n",
        server.url
    );
    let profile = home.write("profile.toml", &profile).display().to_string();
    let missed = run(&mut home.bare(&["call", "GET", "/user?limit=10", "--profile", &profile])).refusal();
    assert!(missed.contains("did you mean '/users'?"), "{missed}");
    let missed =
        run(&mut home.bare(&["call", "GET", &format!("/users/{id}/check"), "--profile", &profile])).refusal();
    assert!(missed.contains(&format!("did you mean '/users/{id}/checks'?")), "{missed}");
    let missed =
        run(&mut home.bare(&["call", "GET", &format!("/users/{id}"), "--profile", &profile])).refusal();
    assert!(!missed.contains("did you mean"), "a path that exists: {missed}");
    server.stop();
}
