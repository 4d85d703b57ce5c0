//! The commands for operators, against a running server.

use serde_json::{Value, json};

use crate::harness::{Home, Register, Request, Said, run, until, uuid};
use crate::support::postgres;

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_found_judged_and_on_record() {
    let home = Home::new("");
    home.write("tenants.toml", &home.tenants("acme", "model = \"TOL\"\nreview_policy = \"review\""));
    let server = home.serve();
    let client = home.caller(&server).await;
    home.write("anna.password", "correct horse battery\n");
    let password = home.path("anna.password").display().to_string();
    let create = ["operator", "create", "anna", "--role", "operator", "--password-file", &password, "--json"];
    let made = run(&mut home.command(&create)).json();
    assert_eq!((&made["role"], &made["has_password"]), (&json!("operator"), &json!(true)));
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
    let user = client.create(person.as_bytes(), &uuid()).await.json();
    let found = operate(&["user", "find", "--name", user["last_name"].as_str().unwrap()]).json();
    assert_eq!(found, json!([user]));
    assert_eq!(operate(&["user", "find", "--name", "Nobody"]).json(), json!([]));
    assert_eq!(operate(&["user", "show", id(&user)]).json()["user"], user);
    let body = include_str!("../../../../api/examples/change-name.json");
    let target = format!("/users/{}/data_change_requests", id(&user));
    let request = Request { method: "POST", target: &target, body: body.as_bytes(), headers: &[] };
    assert_eq!(client.send(&client.signed(&request)).await.status, 202);
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
            && types.iter().filter(|kind| **kind == "OPERATOR.ACTION").count() == 2
    );

    // All of it is in the chain; what is altered is found, with its place.
    let whole = run(&mut home.command(&["audit", "verify", "--json"])).json();
    assert_eq!(whole["chain"], "whole");
    assert_eq!(whole["events"], types.len());
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
