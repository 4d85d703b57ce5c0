//! `investord dev` and `investord call`, as on the first day.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;
use testing::client::uuid;
use testing::home::{Home, person};
use testing::program::{Said, investord, run};
use testing::server::{Ready, Server};

/// A folder with a development server.
pub struct Dev {
    pub folder: TempDir,
}

impl Dev {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn start(&self, words: &[&str]) -> Server {
        let mut command = investord(self.folder.path());
        command.args(["dev", "--listen", "127.0.0.1:0"]).args(words);
        Server::start(command, &self.folder.path().join("dev"), Ready::Answers)
    }

    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("dev.out")).unwrap()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = investord(self.folder.path());
        command.arg("call").args(words);
        command
    }

    pub fn call(&self, words: &[&str]) -> Said {
        run(&mut self.command(words))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("investord-dev").join(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("investord-dev").join(name), text).unwrap();
    }
}

const TOKENS: &str = r#"investord_requests_total{method="POST",route="/auth/token",status="200"}"#;

fn body() -> String {
    String::from_utf8(person(2)).unwrap()
}

#[test]
fn dev_prints_what_one_needs_and_the_line_to_try_works() {
    let dev = Dev::new();
    let server = dev.start(&[]);
    let printed = dev.printed();
    let profile: toml::Table = toml::from_str(&dev.read("profile.toml")).unwrap();
    let keys = profile["key"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    let mut wanted = vec![server.url.as_str(), "investord-dev", "P-521", "Ed25519"];
    wanted.extend(["client_id", "client_secret"].map(|name| profile[name].as_str().unwrap()));
    for key in keys {
        wanted.extend(["id", "private_key_file"].map(|name| key[name].as_str().unwrap()));
    }
    for word in wanted {
        assert!(printed.contains(word), "{word} is not in: {printed}");
    }
    assert!(server.address.ip().is_loopback());

    // The line to try, exactly as it is printed.
    let line = printed.lines().find_map(|line| line.split_once("investord call ")).unwrap().1;
    let mut shell = investord(dev.folder.path());
    let program = shell.get_program().to_owned();
    shell = testing::program::clean(Command::new("sh"), dev.folder.path());
    shell.args(["-c", &format!("\"$0\" call {line}")]).arg(program);
    let answer = run(&mut shell).json();
    assert_eq!(answer["meta"]["total_count"], 0);
    assert_eq!(answer["data"], json!([]));
    server.stop();
}

#[test]
fn dev_finds_everything_again() {
    let dev = Dev::new();
    let server = dev.start(&[]);
    let created = dev.call(&["POST", "/users", &body()]).json();
    let before = (dev.read("profile.toml"), dev.read("master.key"), dev.read("demo-p521.pem"));
    server.kill();
    let server = dev.start(&[]);
    let after = (dev.read("profile.toml"), dev.read("master.key"), dev.read("demo-p521.pem"));
    let without_url = |profile: &str| {
        profile.lines().filter(|line| !line.starts_with("url")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_url(&before.0), without_url(&after.0), "the same client and keys");
    assert_eq!((before.1, before.2), (after.1, after.2));
    let path = format!("/users/{}", created["id"].as_str().unwrap());
    assert_eq!(dev.call(&["GET", &path]).json(), created);
    let tenants =
        run(investord(dev.folder.path()).args(["tenant", "list", "--json", "--data", "investord-dev"]));
    assert_eq!(tenants.json().as_array().unwrap().len(), 1, "no second demo tenant");
    server.stop();
}

#[test]
fn dev_takes_another_folder_and_says_how_to_call_it() {
    let dev = Dev::new();
    let server = dev.start(&["--data", "else where"]);
    assert!(dev.folder.path().join("else where/investord.db").exists());
    assert!(!dev.folder.path().join("investord-dev").exists());
    let line = dev.printed();
    let line = line.lines().find_map(|line| line.split_once("investord call ")).unwrap().1.to_owned();
    let program = investord(dev.folder.path()).get_program().to_owned();
    let mut shell = testing::program::clean(Command::new("sh"), dev.folder.path());
    shell.args(["-c", &format!("\"$0\" call {line}")]).arg(program);
    assert_eq!(run(&mut shell).json()["meta"]["total_count"], 0, "the printed line works: {line}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_takes_a_tenants_file_too() {
    let home = Home::new("");
    let words = ["dev", "--data", "data", "--listen", "127.0.0.1:0", "--tenants", "tenants.toml"];
    for _ in 0..2 {
        let server = Server::start(home.bare(&words), &home.path("server"), Ready::Answers);
        assert_eq!(home.caller(&server).await.all_users().await.1, 0);
        let tenants = run(&mut home.bare(&["tenant", "list", "--json", "--data", "data"])).json();
        let names: Vec<&str> =
            tenants.as_array().unwrap().iter().map(|tenant| tenant["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["demo", "acme"]);
        server.stop();
    }
}

#[test]
fn every_signature_version_and_key_is_understood() {
    let dev = Dev::new();
    let server = dev.start(&[]);
    let mut made = 0;
    for version in ["6", "15", "9421"] {
        for key in ["p521", "ed25519"] {
            let options = ["--signature-version", version, "--key", key];
            let created = dev.call(&[&["POST", "/users", &body()], &options[..]].concat()).json();
            made += 1;
            let path = format!("/users/{}", created["id"].as_str().unwrap());
            assert_eq!(dev.call(&[&["GET", &path], &options[..]].concat()).json(), created);
            let listed = dev.call(&[&["GET", "/users?limit=1&order=DESC"], &options[..]].concat()).json();
            assert_eq!((&listed["data"][0], &listed["meta"]["total_count"]), (&created, &json!(made)));
        }
    }
    let refusal = dev.call(&["GET", "/users", "--signature-version", "7"]).refusal();
    assert!(refusal.contains("9421"), "{refusal}");
    let refusal = dev.call(&["GET", "/users", "--key", "rsa"]).refusal();
    assert!(refusal.contains("the profile has no key 'rsa'"), "{refusal}");
    server.stop();
}

#[test]
fn a_token_is_kept_and_used_again() {
    let dev = Dev::new();
    let server = dev.start(&[]);
    assert!(server.metric(TOKENS) < 0.5);
    for _ in 0..3 {
        dev.call(&["GET", "/users"]).ok();
        assert!((server.metric(TOKENS) - 1.0).abs() < 0.1, "one token for all calls");
    }
    // Expired, of another register, or no JSON at all: a new one is fetched without a word.
    let kept: Value = serde_json::from_str(&dev.read("profile.token.json")).unwrap();
    let mut expired = kept.clone();
    expired["until"] = json!(1_000_000_000);
    let mut foreign = kept.clone();
    foreign["access_token"] = json!("of-another-register");
    for (count, text) in [(2.0, expired.to_string()), (3.0, foreign.to_string()), (4.0, "{".to_owned())] {
        dev.write("profile.token.json", &text);
        dev.call(&["GET", "/users"]).ok();
        assert!((server.metric(TOKENS) - count).abs() < 0.1, "{text}");
        dev.call(&["GET", "/users"]).ok();
        assert!((server.metric(TOKENS) - count).abs() < 0.1, "the new one is kept");
    }
    server.stop();
}

/// A server that writes down what it is asked and answers as told.
struct Listening {
    address: SocketAddr,
    heard: Arc<Mutex<String>>,
}

impl Listening {
    fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(String::new())));
        let notes = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = [0; 16_384];
                let read = stream.read(&mut bytes).unwrap_or(0);
                notes.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, heard }
    }

    fn redirecting_to(elsewhere: SocketAddr) -> Self {
        Self::start(format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{elsewhere}/users\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n"
        ))
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }
}

/// Nothing but the configured server hears the token or the secret.
#[test]
fn credentials_go_to_the_configured_server_alone() {
    let dev = Dev::new();
    let server = dev.start(&[]);
    dev.call(&["GET", "/users"]).ok();
    let other = Listening::start("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into());
    let at = other.address;
    for target in [
        format!("@{at}/users"),
        format!("//{at}/users"),
        format!("http://{at}/users"),
        format!("/\\{at}/users"),
        format!("\\\\{at}/users"),
        format!(":80@{at}/users"),
        format!(".{at}/users"),
        "/users\r\nx: y".to_owned(),
        "/users#a".to_owned(),
        String::new(),
    ] {
        let refusal = dev.call(&["GET", &target]).refusal();
        assert!(refusal.contains("must be a path, as in '/users?limit=10'"), "{target}: {refusal}");
    }
    let refusal = dev.call(&["GET", "users"]).refusal();
    assert!(refusal.contains("did you mean '/users'?"), "{refusal}");

    // A server that sends its callers elsewhere, with a kept token, a new one, and to operators.
    let redirecting = Listening::redirecting_to(other.address);
    let profile = dev.read("profile.toml").replace(&server.url, &format!("http://{}", redirecting.address));
    let mut kept: Value = serde_json::from_str(&dev.read("profile.token.json")).unwrap();
    dev.write("profile.toml", &profile);
    let refusal = dev.call(&["GET", "/users"]).refusal();
    assert!(refusal.contains("307"), "{refusal}");
    kept["url"] = format!("http://{}", redirecting.address).into();
    dev.write("profile.token.json", &kept.to_string());
    let said = dev.call(&["GET", "/users"]);
    assert!(!said.success && said.err.contains("307"), "{said:?}");
    let listen = run(investord(dev.folder.path()).arg("listen")).refusal();
    assert!(listen.contains("307"), "{listen}");
    let url = format!("http://{}", redirecting.address);
    let find = ["user", "find", "--name", "Anna", "--url", &url];
    let refusal = run(investord(dev.folder.path()).args(find)).refusal();
    assert!(refusal.contains("307"), "{refusal}");
    assert!(redirecting.heard().contains("authorization: Bearer"));
    // A tenant is looked up by its name before the name is part of any path.
    let find = [&find[..], &["--tenant", "../x?y#@z"]].concat();
    run(investord(dev.folder.path()).args(find)).refusal();
    assert!(!redirecting.heard().contains("x?y"));
    // No proxy sees what goes in clear.
    dev.write("profile.toml", &profile.replace(&url, &server.url));
    let mut command = dev.command(&["GET", "/users"]);
    run(command.env("http_proxy", format!("http://{at}")).env("ALL_PROXY", format!("http://{at}"))).ok();
    // The token of `dev` is for this machine; an address elsewhere needs one that is named.
    let far = ["user", "find", "--name", "Anna", "--url", "http://192.0.2.1:9"];
    let refusal = run(investord(dev.folder.path()).args(far)).refusal();
    assert!(refusal.contains("--token-file") && refusal.contains("192.0.2.1"), "{refusal}");
    assert_eq!(other.heard(), "", "the other server has heard nothing");

    for bad in ["ftp://127.0.0.1", "http://user:secret@127.0.0.1:1", "127.0.0.1:1", "http://127.0.0.1:1/?a=b"]
    {
        dev.write("profile.toml", &profile.replace(&url, bad));
        let refusal = dev.call(&["GET", "/users"]).refusal();
        assert!(refusal.contains("the url in profile") && !refusal.contains("secret"), "{refusal}");
        let refusal = run(investord(dev.folder.path()).args(["review", "list", "--url", bad])).refusal();
        assert!(refusal.contains("--url") && !refusal.contains("secret"), "{refusal}");
    }
    server.stop();
}

#[test]
fn bodies_come_from_the_line_a_file_or_standard_input() {
    let dev = Dev::new();
    let server = dev.start(&[]);
    std::fs::write(dev.folder.path().join("anna.json"), body()).unwrap();
    let first = dev.call(&["POST", "/users", "@anna.json"]).json();
    assert_eq!(first["first_name"], "Anna 2");
    let mut command = dev.command(&["POST", "/users", "@-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(body().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let second: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(second["last_name"], first["last_name"]);
    assert_ne!(second["id"], first["id"]);
    let refusal = dev.call(&["POST", "/users", "@nowhere.json"]).refusal();
    assert!(refusal.contains("nowhere.json"), "{refusal}");
    server.stop();
}

#[test]
fn answers_are_readable_or_raw_and_problems_fail() {
    let dev = Dev::new();
    let server = dev.start(&[]);
    let key = uuid();
    let create = ["POST", "/users", &body(), "--idempotency-key", &key];
    let pretty = dev.call(&create).ok();
    assert!(pretty.lines().count() > 10 && pretty.contains("\n  \"first_name\": \"Anna 2\""), "{pretty}");
    let raw = dev.call(&[&create[..], &["--raw"]].concat()).ok();
    assert_eq!(raw.lines().count(), 1);
    let values: [Value; 2] = [&pretty, &raw].map(|text| serde_json::from_str(text).unwrap());
    assert_eq!(values[0], values[1], "the same key is the same user");

    let wrong = dev.call(&["POST", "/users", "{\"first_name\":1}"]);
    assert!(!wrong.success);
    let problem: Value = serde_json::from_str(&wrong.out).unwrap();
    assert_eq!(problem["status"], 400);
    assert!(wrong.err.contains("400") && wrong.err.contains(problem["request_id"].as_str().unwrap()));
    assert!(!dev.call(&["GET", &format!("/users/{}", uuid())]).success, "404 is a failure");
    let other = dev.call(&["POST", "/users", "{}", "--idempotency-key", &uuid(), "-H", "accept: text/csv"]);
    assert!(!other.success && other.out.contains("not_acceptable"), "{other:?}");
    server.stop();
}

#[test]
fn verbose_shows_the_signature_base_and_no_token() {
    let dev = Dev::new();
    let server = dev.start(&[]);
    for (version, lines) in [
        ("15", ["\"@method\": GET", "\"@path\": /users", "\"@query\": ?limit=7", "\"@signature-params\": ("]),
        ("6", ["@method: GET", "@path: /users", "@query: ?limit=7", "@signature-params: ("]),
    ] {
        let said = dev.call(&["GET", "/users?limit=7", "--verbose", "--signature-version", version]);
        for line in lines {
            assert!(said.err.contains(line), "{line} is not in: {}", said.err);
        }
        assert!(said.err.contains("< 200") && said.err.contains("upvest-request-id"), "{}", said.err);
        let kept: Value = serde_json::from_str(&dev.read("profile.token.json")).unwrap();
        let profile: toml::Table = toml::from_str(&dev.read("profile.toml")).unwrap();
        for secret in [kept["access_token"].as_str().unwrap(), profile["client_secret"].as_str().unwrap()] {
            assert!(!said.err.contains(secret) && !said.out.contains(secret));
        }
        serde_json::from_str::<Value>(&said.ok()).expect("standard output is the answer alone");
    }
    // A token request can be watched too, and shows no token either.
    std::fs::remove_file(dev.folder.path().join("investord-dev/profile.token.json")).unwrap();
    let said = dev.call(&["GET", "/users", "--verbose"]);
    let kept: Value = serde_json::from_str(&dev.read("profile.token.json")).unwrap();
    assert!(!said.err.contains(kept["access_token"].as_str().unwrap()));
    server.stop();
}

#[test]
fn what_is_missing_is_named() {
    let dev = Dev::new();
    let refusal = dev.call(&["GET", "/users"]).refusal();
    assert!(refusal.contains("investord-dev/profile.toml"), "{refusal}");
    let server = dev.start(&[]);
    let url = server.url.clone();
    dev.call(&["GET", "/users"]).ok();
    server.kill();
    let refusal = dev.call(&["GET", "/users"]).refusal();
    assert!(refusal.contains(&url) && refusal.to_lowercase().contains("connect"), "{refusal}");
    dev.write("profile.toml", "url = \"http://127.0.0.1:1\"\nunknown = 1\n");
    let refusal = dev.call(&["GET", "/users"]).refusal();
    assert!(refusal.contains("profile.toml") && refusal.contains("unknown"), "{refusal}");
}
