//! What packages call, and where they run: the health check, the completions of shells, the pages of `man`, a system
//! without certificates.

use std::process::Command;

use testing::home::Home;
use testing::program::run;
use testing::server::{Ready, Server};

use crate::configuration::started;

#[test]
fn a_health_check_knows_a_server_that_answers_from_one_that_does_not() {
    let home = Home::new("");
    let server = Server::start(home.command(&["serve"]), &home.path("server"), Ready::Answers);
    let line = started(&home.log());
    let address = line["metrics_listen"].as_str().unwrap().to_owned();
    let port = address.rsplit_once(':').unwrap().1;
    for named in [&address, &format!("0.0.0.0:{port}"), &format!("localhost:{port}")] {
        assert_eq!(run(&mut home.bare(&["health", "--metrics-listen", named])).ok(), "ready\n");
    }
    let mut configured = home.bare(&["health"]);
    configured.env("INVESTORD_METRICS_LISTEN", &address);
    assert_eq!(run(&mut configured).ok(), "ready\n");
    server.stop();
    let refusal = run(&mut home.bare(&["health", "--metrics-listen", &address])).refusal();
    assert!(refusal.contains("no server answers on"), "{refusal}");
}

#[test]
fn every_command_has_a_page_and_is_completed() {
    let home = Home::new("");
    let folder = home.path("man");
    run(home.bare(&["man"]).arg(&folder)).ok();
    let page = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(page("investord.1").contains("investord\\-serve(1)"), "{}", page("investord.1"));
    assert!(page("investord-serve.1").contains("configuration file"), "{}", page("investord-serve.1"));
    assert!(page("investord-mifir-check.1").contains("\\-\\-delimiter"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&mut home.bare(&["completions", shell])).ok();
        assert!(script.contains("master-key") && script.contains("metrics-listen"), "{shell}: {script}");
    }
    home.write("file", "");
    let refusal = run(home.bare(&["man"]).arg(home.path("file").join("man"))).refusal();
    assert!(refusal.contains("cannot write manual pages to"), "{refusal}");
}

#[test]
fn a_system_without_certificates_is_served_and_the_log_says_what_that_means() {
    let home = Home::new("");
    let without = |mut command: Command| {
        command.env("SSL_CERT_FILE", home.path("nowhere")).env("SSL_CERT_DIR", home.path("nowhere"));
        command
    };
    let bare = |words: &[&str]| without(home.bare(words));
    run(&mut home.command(&["migrate"])).ok();
    let examined = run(&mut without(home.command(&["doctor", "--json"]))).json().to_string();
    assert!(examined.contains("install the package ca-certificates"), "{examined}");
    let dev = bare(&["dev", "--listen", "127.0.0.1:0", "--data", "dev"]);
    let server = Server::start(dev, &home.path("server"), Ready::Answers);
    let warnings = home.log().matches("the system trusts no certificate authority").count();
    assert_eq!(warnings, 1, "{}", home.log());
    let mut call = bare(&["call", "GET", "/users?limit=1", "--profile", "dev/profile.toml"]);
    assert!(run(&mut call).ok().contains("total_count"));
    server.stop();
}
