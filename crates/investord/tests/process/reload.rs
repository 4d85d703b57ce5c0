//! SIGHUP: what is read again, and what a mistake in it leads to.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use testing::home::Home;
use testing::program::run;
use testing::server::{Ready, Server};

/// A certificate for localhost, and its key, written to the home.
fn certify(home: &Home, name: &str) -> reqwest::Certificate {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    home.write(&format!("{name}.crt"), &certificate.pem());
    home.write(&format!("{name}.key"), &key.serialize_pem());
    reqwest::Certificate::from_pem(certificate.pem().as_bytes()).unwrap()
}

fn lines(home: &Home) -> Vec<Value> {
    home.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Sends SIGHUP and waits until the log has said something about everything in `whats`.
pub fn reload(home: &Home, server: &Server, whats: &[(&str, &str)]) -> Vec<Value> {
    let before = lines(home).len();
    server.signal("HUP");
    let begun = Instant::now();
    loop {
        let said: Vec<Value> = lines(home).split_off(before);
        let is_said = |(what, message): &(&str, &str)| {
            said.iter().any(|line| {
                line["what"] == *what
                    && line["message"].as_str().is_some_and(|text| text.starts_with(message))
            })
        };
        if whats.iter().all(is_said) {
            return said;
        }
        assert!(begun.elapsed() < Duration::from_mins(3), "{whats:?} was not said: {said:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const GOOD: &str = "reloaded";
const BAD: &str = "not reloaded";

async fn trusts(server: &Server, certificate: &reqwest::Certificate) -> bool {
    let client = reqwest::Client::builder()
        .tls_certs_only([certificate.clone()])
        .resolve("localhost", server.address)
        .no_proxy()
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/healthz", server.address.port());
    client.get(url).send().await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_exchanged_and_a_bad_one_is_not() {
    let home = Home::new("[tls]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\"\n");
    let first = certify(&home, "tls");
    let server = Server::start(home.command(&["serve"]), &home.path("server"), Ready::Listens);
    assert!(trusts(&server, &first).await);
    let second = certify(&home, "tls");
    reload(&home, &server, &[("tls", GOOD), ("tenants", GOOD), ("log.level", GOOD)]);
    assert!(trusts(&server, &second).await && !trusts(&server, &first).await);
    // A key of somebody else, no key, no certificate: the second stays.
    certify(&home, "other");
    let certificate = std::fs::read_to_string(home.path("tls.crt")).unwrap();
    std::fs::copy(home.path("other.key"), home.path("tls.key")).unwrap();
    let said = reload(&home, &server, &[("tls.key_file", BAD), ("tenants", GOOD)]);
    assert!(
        said.iter()
            .any(|line| line["level"] == "ERROR" && line["error"].to_string().contains("does not fit"))
    );
    assert!(trusts(&server, &second).await);
    std::fs::remove_file(home.path("tls.key")).unwrap();
    home.write("tls.crt", "nothing");
    reload(&home, &server, &[("tls.key_file", BAD), ("tls.cert_file", BAD)]);
    assert!(trusts(&server, &second).await);
    home.write("tls.crt", &certificate);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_and_the_level_are_read_again_and_mistakes_change_nothing() {
    let home = Home::new("[log]\nlevel = \"info\"\n");
    let server = home.serve();
    let names = || {
        let all = run(&mut home.command(&["tenant", "list", "--json"])).json();
        all.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let acme = home.tenants("acme", "");
    home.write("tenants.toml", &format!("{acme}\n[[tenant]]\nname = \"bank\"\n"));
    let config = std::fs::read_to_string(home.path("investord.toml")).unwrap();
    home.write("investord.toml", &config.replace("level = \"info\"", "level = \"debug\""));
    reload(&home, &server, &[("tenants", GOOD), ("log.level", GOOD)]);
    assert_eq!(names(), ["acme", "bank"]);
    testing::http::peek(server.address, "/healthz");
    assert!(lines(&home).iter().any(|line| line["route"] == "/healthz"), "what is said at debug is heard");

    // A mistake in one of them, and in the configuration itself; other settings wait for a restart.
    home.write("tenants.toml", &format!("{acme}\n[[tenant]]\nname = \"third\"\nmodel = \"NEITHER\"\n"));
    let quieter = config.replace("level = \"info\"", "level = \"warn\"");
    home.write("investord.toml", &format!("token_lifetime_seconds = 77\n{quieter}"));
    let said = reload(&home, &server, &[("tenants", BAD), ("log.level", GOOD)]);
    let waits = said.iter().find(|line| line["settings"].is_string());
    assert_eq!(waits.expect("what waits is named")["settings"], "token_lifetime_seconds");
    assert_eq!(names(), ["acme", "bank"]);
    let heard = lines(&home).len();
    server_is_alive(&server);
    assert_eq!(lines(&home).len(), heard, "requests are not heard at warn");
    home.write("investord.toml", &quieter.replace("level = \"warn\"", "level = \"warning\""));
    let said = reload(&home, &server, &[("log.level", BAD), ("tenants", BAD)]);
    assert!(said.iter().any(|line| line["error"].to_string().contains("did you mean 'warn'?")), "{said:?}");
    home.write("tenants.toml", &acme);
    home.write("investord.toml", &format!("lisen = \"x\"\n{quieter}"));
    let said = reload(&home, &server, &[("configuration", BAD)]);
    assert!(said.iter().any(|line| line["error"].to_string().contains("lisen")), "{said:?}");
    server_is_alive(&server);
    home.write("investord.toml", &config);
    reload(&home, &server, &[("log.level", GOOD), ("tenants", GOOD)]);
    server.stop();
}

/// A worker whose log is that of the home.
fn worker(home: &Home) -> Child {
    let mut command = home.command(&["worker"]);
    command.env("INVESTORD_METRICS_LISTEN", "127.0.0.1:0");
    let nowhere = home.path("server");
    let [out, err] = ["out", "err"].map(|name| std::fs::File::create(nowhere.with_extension(name)).unwrap());
    command.stdout(out).stderr(err).spawn().unwrap()
}

fn signal(worker: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &worker.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Waits until the log has said the word so many times.
fn hear(home: &Home, word: &str, times: usize) {
    let begun = Instant::now();
    while lines(home).iter().filter(|line| line["message"] == word).count() < times {
        assert!(begun.elapsed() < Duration::from_mins(3), "{word}: {}", home.log());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A worker reads its level again, and goes on as well.
#[test]
fn a_worker_reads_its_level_again() {
    let home = Home::new("");
    let mut worker = worker(&home);
    hear(&home, "working", 1);
    for times in 1..3 {
        signal(&worker, "HUP");
        hear(&home, "reloaded", times);
    }
    signal(&worker, "TERM");
    assert!(worker.wait().unwrap().success());
}

#[test]
fn a_worker_that_says_it_works_can_be_stopped_at_once() {
    let home = Home::new("");
    for _ in 0..10 {
        let mut worker = worker(&home);
        hear(&home, "working", 1);
        signal(&worker, "TERM");
        let status = worker.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

fn server_is_alive(server: &Server) {
    assert_eq!(testing::http::peek(server.address, "/nowhere").unwrap().0, 404);
}
