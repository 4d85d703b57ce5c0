//! A reader that has gone ends a command quietly, as `… | head -1` expects.

use std::io::Read as _;
use std::process::{Command, Stdio};

use testing::client::uuid;
use testing::home::Home;
use testing::program::run;

/// Runs a command whose standard output nobody reads: exit code and what it has said besides.
fn unread(mut command: Command) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    // The other end of the pipe is the child's alone.
    drop(command);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_command_panics_when_its_reader_has_gone() {
    let home = Home::new("");
    let server = home.serve();
    let client = home.caller(&server).await;
    let body = include_bytes!("../../../../api/examples/create-user-byol.json");
    let user = client.creation(body, &uuid()).ask().await.json();
    let id = user["id"].as_str().unwrap().to_owned();
    run(&mut home.command(&["operator", "create", "anna", "--role", "administrator"])).ok();
    let token = run(&mut home.command(&["operator", "token", "anna"])).ok();
    home.write("anna.token", &token);
    let log = home.log();
    let address = log.lines().find_map(|line| line.strip_prefix("operators are answered on ")).unwrap();
    let (url, token) = (format!("http://{address}"), home.path("anna.token").display().to_string());
    let there = ["--url", &url, "--token-file", &token];
    home.write("people.csv", "first_name,last_name,birth_date,nationality\nKarl,Schmidt,1972-09-30,DE\n");
    let explain = ["mifir", "explain", "--birth-date", "1972-09-30", "--last-name", "Schmidt"];
    for words in [&["config"][..], &["openapi"], &explain, &["mifir", "check", "people.csv"]] {
        let (code, said) = unread(home.bare(words));
        assert_eq!(code, Some(141), "{words:?}: {said}");
        assert!(said.is_empty() || said == "nationality is read as nationalities\n", "{words:?}: {said}");
    }
    for words in [
        &["tenant", "list"][..],
        &["operator", "list", "--json"],
        &["doctor"],
        &["key", "list", "--tenant", "acme"],
    ] {
        assert_eq!(unread(home.command(words)), (Some(141), String::new()), "{words:?}");
    }
    for words in [
        &["user", "find", "--name", "Schmidt"][..],
        &["user", "show", &id],
        &["user", "history", &id, "--json"],
        &["review", "list"],
        &["webhook", "list"],
    ] {
        let words = [words, &there].concat();
        assert_eq!(unread(home.bare(&words)), (Some(141), String::new()), "{words:?}");
    }
    server.stop();
}
