//! What packages call: the health check, the completions of shells, the pages of `man`.

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
