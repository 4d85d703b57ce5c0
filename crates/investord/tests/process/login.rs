//! Signing in as a person, for the commands that go through the operator API.

use std::process::Command;

use serde_json::Value;
use testing::home::Home;
use testing::program::run;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_kept_for_the_commands_until_it_ends() {
    let home = Home::new("");
    let server = home.serve();
    let log = home.log();
    let address = log.lines().find_map(|line| line.strip_prefix("operators are answered on ")).unwrap();
    let url = format!("http://{address}");
    let config = home.path("configuration");
    let command = |words: &[&str]| -> Command {
        let mut command = home.bare(words);
        command.args(["--url", &url]).env("XDG_CONFIG_HOME", &config);
        command
    };
    let create = ["operator", "create", "anna", "--role", "administrator", "--json"];
    let invited = run(&mut home.command(&create)).json();
    let invitation = home.write("invitation", invited["invitation"].as_str().unwrap()).display().to_string();
    let password = home.write("password", "correct horse battery\n").display().to_string();
    let accept = ["operator", "accept", "--invitation-file", &invitation, "--password-file", &password];
    run(&mut command(&accept)).ok();

    let refusal = run(&mut command(&["evidence", "access"])).refusal();
    assert!(refusal.contains("investord login"), "{refusal}");
    let wrong = home.write("wrong", "another horse battery").display().to_string();
    run(&mut command(&["login", "anna", "--password-file", &wrong])).refusal();
    let said = run(&mut command(&["login", "anna", "--password-file", &password])).ok();
    assert!(said.contains("signed in as anna"), "{said}");
    let file = config.join("investord/sessions.json");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let access = run(&mut command(&["evidence", "access", "--json"])).json();
    assert_eq!(access[0]["name"], "anna");
    // It is that of this server alone.
    let mut elsewhere = home.bare(&["evidence", "access", "--url", "http://127.0.0.1:1"]);
    let refusal = run(elsewhere.env("XDG_CONFIG_HOME", &config)).refusal();
    assert!(refusal.contains("investord login"), "{refusal}");
    // A person may what takes a proof of the last minutes.
    run(&mut command(&["webhook", "rotate-key", "--reason", "a year has passed"])).ok();
    run(&mut command(&["logout"])).ok();
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(kept[&url]["token"], Value::Null);
    assert!(kept[&url]["device"].is_string(), "wrong passwords from elsewhere do not delay the next sign-in");
    run(&mut command(&["evidence", "access"])).refusal();
    server.stop();
}
