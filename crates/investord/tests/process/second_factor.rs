//! A second factor through the commands: signing in, a new master key, a lost device; and what the log says of it all.

use std::process::Command;

use investord::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use testing::home::{Home, master_key};
use testing::http::Wire;
use testing::program::run;
use testing::server::Server;
use totp_rs::Totp;

const PASSWORD: &str = "correct horse battery";

/// The operator API of a server that runs.
struct Door {
    wire: Wire,
    url: String,
    password: String,
}

impl Door {
    fn of(home: &Home) -> Self {
        let log = home.log();
        let address =
            log.lines().rev().find_map(|line| line.strip_prefix("operators are answered on ")).unwrap();
        let password = home.path("anna.password").display().to_string();
        Self { wire: Wire::to(address.parse().unwrap()), url: format!("http://{address}"), password }
    }

    async fn post(&self, target: &str, token: &str, body: Value) -> Value {
        let body = body.to_string();
        let head = format!("POST {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n");
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        self.wire.exchange(request.as_bytes()).await.ok()
    }

    /// The command that signs in.
    fn sign_in(&self, home: &Home, code: Option<&str>) -> Command {
        let words = ["operator", "sign-in", "anna", "--password-file", &self.password, "--url", &self.url];
        let mut command = home.bare(&words);
        command.args(code.iter().flat_map(|code| ["--code", code]));
        command
    }
}

fn code(authenticator: &Totp) -> String {
    let now = SystemClock::default().now().as_second();
    authenticator.generate(now.try_into().unwrap()).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_factor_outlives_the_master_key_and_ends_on_the_machine() {
    let home = Home::new("");
    let server: Server = home.serve();
    home.write("anna.password", &format!("{PASSWORD}\n"));
    let door = Door::of(&home);
    let create = ["operator", "create", "anna", "--role", "administrator", "--json"];
    let invited = run(&mut home.command(&create)).json();
    home.write("invitation", invited["invitation"].as_str().unwrap());
    let invitation = home.path("invitation").display().to_string();
    let accept = ["operator", "accept", "--invitation-file", &invitation, "--password-file", &door.password];
    run(home.bare(&accept).args(["--url", &door.url])).ok();
    let token = run(&mut door.sign_in(&home, None)).ok().trim().to_owned();
    let begun = door.post("/me/totp", &token, json!({})).await;
    let authenticator = Totp::from_url(begun["otpauth_url"].as_str().unwrap()).unwrap();
    let sent = code(&authenticator);
    let answer = door.post("/me/totp/confirmation", &token, json!({ "code": sent })).await;
    let codes: Vec<&str> =
        answer["recovery_codes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let refusal = run(&mut door.sign_in(&home, None)).refusal();
    assert!(refusal.contains("second factor: send 'code'"), "{refusal}");
    run(&mut door.sign_in(&home, Some(&sent))).refusal();
    // A script has no proof; the token of a session does what a person has to do.
    let rotate = |token: &str| {
        home.write("anna.token", token);
        let file = home.path("anna.token").display().to_string();
        let words = ["webhook", "rotate-key", "--reason", "a year has passed", "--url", &door.url];
        run(&mut home.bare(&[&words[..], &["--token-file", &file]].concat()))
    };
    let script = run(&mut home.command(&["operator", "token", "anna"])).ok();
    let refusal = rotate(&script).refusal();
    assert!(refusal.contains("sign in"), "{refusal}");
    let token = run(&mut door.sign_in(&home, Some(codes[0]))).ok();
    rotate(&token).ok();
    server.stop();
    let log = home.log();

    home.write("next.key", &master_key());
    run(&mut home.command(&["master-key", "rotate", "--to", "next.key"])).ok();
    home.write("master.key", &std::fs::read_to_string(home.path("next.key")).unwrap());
    let server = home.serve();
    let door = Door::of(&home);
    // The next code: that of the confirmation is used up.
    let now = SystemClock::default().now().as_second();
    let next = authenticator.generate(u64::try_from(now).unwrap() + 30).to_string();
    run(&mut door.sign_in(&home, Some(&next))).ok();
    run(&mut door.sign_in(&home, Some(codes[1]))).ok();
    let reset = run(&mut home.command(&["operator", "reset-factor", "anna", "--json"])).json();
    assert_eq!(reset["second_factor_since"], Value::Null);
    run(&mut door.sign_in(&home, None)).ok();
    server.stop();

    let log = log + &home.log();
    assert!(log.contains("/me/totp/confirmation"), "{log}");
    let secret = authenticator.secret().to_base32();
    for hidden in [&secret, PASSWORD, &sent, &next, token.trim(), codes[0], codes[1]] {
        assert!(!log.contains(hidden), "{hidden}: {log}");
    }
    let names =
        home.command(&["serve"]).env("INVESTORD_OPERATORS__SECOND_FACTOR_FOR", "[\"admin\"]").output();
    let refusal = String::from_utf8(names.unwrap().stderr).unwrap();
    assert!(refusal.contains("second_factor_for"), "{refusal}");
}
