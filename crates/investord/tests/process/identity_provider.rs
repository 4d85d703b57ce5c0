//! The identity provider in the configuration, and commands that sign in there.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;
use testing::home::Home;
use testing::identity_provider::{Arrival, Browser, IdentityProvider};
use testing::program::run;

/// The table `[oidc]` with these grants.
fn table(issuer: &str, grants: &str) -> String {
    format!(
        "[oidc]\nissuer = \"{issuer}\"\nclient_id = \"investord\"\nclient_secret_file = \"provider.secret\"\n\
         device_sign_in = true\n\
         grants = [{grants}]\n"
    )
}

const CHIEFS: &str = r#"{ claim = "groups", value = "chiefs", role = "administrator" }"#;

fn home(issuer: &str, grants: &str) -> Home {
    let home = Home::new(&table(issuer, grants));
    home.write("provider.secret", "kept from everybody\n");
    home
}

#[test]
fn a_mapping_that_cannot_be_meant_is_refused_at_the_start() {
    let desk = r#"{ claim = "groups", value = "desk", role = "support" }"#;
    let chief_of_acme = r#"{ claim = "groups", value = "x", role = "administrator", tenant = "acme" }"#;
    for (grants, reason) in [
        (String::new(), "oidc.grants is empty"),
        (desk.to_owned(), "gives nobody a role that manages operators"),
        (chief_of_acme.to_owned(), "gives nobody a role that manages operators"),
        (CHIEFS.replace("administrator", "administrater"), "there is no role 'administrater'; did you mean"),
        (format!("{CHIEFS}, {}", chief_of_acme.replace("acme", "acne")), "there is no tenant 'acne'"),
    ] {
        let home = home("https://login.example", &grants);
        let refusal = run(&mut home.command(&["serve"])).refusal();
        assert!(refusal.contains(reason), "{grants}: {refusal}");
    }
    let insecure = home("http://login.example", CHIEFS);
    let refusal = run(&mut insecure.command(&["serve"])).refusal();
    assert!(refusal.contains("oidc.issuer must be an https address"), "{refusal}");
}

/// A register whose provider is not there starts all the same.
#[test]
fn a_register_starts_without_its_provider() {
    home("https://login.example", CHIEFS).serve().stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_signs_in_at_the_identity_provider() {
    let Some(provider) = IdentityProvider::start() else { return };
    provider.person("anna", json!({ "preferred_username": "anna", "groups": ["chiefs"] })).await;
    let home = home(&provider.issuer, CHIEFS);
    let server = home.serve();
    let log = home.log();
    let address = log.lines().find_map(|line| line.strip_prefix("operators are answered on ")).unwrap();
    let url = format!("http://{address}");
    let command = |words: &[&str]| -> Command {
        let mut command = home.bare(words);
        command.args(["--url", &url]).env("XDG_CONFIG_HOME", home.path("configuration"));
        command
    };
    // The browser comes back to the command.
    let mut login = command(&["login", "--browser", "--fresh"]);
    let mut login = login.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(login.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.next().unwrap();
    let mut browser = Browser::new(&provider);
    let arrival = browser.sign_in(line.strip_prefix("sign in at ").unwrap(), "anna").await;
    let Arrival::Away(back) = arrival else { panic!("{arrival:?}") };
    let page = browser.leave_to(back).await;
    assert!(page.contains("this page can be closed"), "{page}");
    let said = login.wait_with_output().unwrap();
    assert!(String::from_utf8(said.stdout).unwrap().starts_with("signed in as anna until"));
    // The session is a person's, freshly proved.
    run(&mut command(&["webhook", "rotate-key", "--reason", "a year has passed"])).ok();
    run(&mut command(&["logout"])).ok();

    // The code of a device is confirmed elsewhere.
    let mut login = command(&["login", "--device"]);
    let mut login = login.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(login.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.next().unwrap();
    let line = lines.next().unwrap();
    let Arrival::Page(page) = browser.visit(line.strip_prefix("or open ").unwrap()).await else { panic!() };
    let page = browser.send_shown_form(&page).await;
    browser.send_form(&page, "confirm", "yes").await;
    let said = login.wait_with_output().unwrap();
    assert!(String::from_utf8(said.stdout).unwrap().starts_with("signed in as anna until"));
    let access = run(&mut command(&["evidence", "access", "--json"])).json();
    assert_eq!(access[0]["name"], "anna");

    // Options of two ways do not mix.
    for words in [&["login"][..], &["login", "anna", "--browser"], &["login", "--device", "--fresh"]] {
        run(&mut command(words)).refusal();
    }
    server.stop();
}
