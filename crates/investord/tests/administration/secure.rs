//! The way to the database: TLS, passwords, limits on waiting.

use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use testing::answer::Answer;
use testing::client::uuid;
use testing::cutter::Cutter;
use testing::home::person;
use testing::patience::{in_time, until};
use testing::postgres::{Cluster, number, or_skip};
use testing::program::{Said, run};
use tokio::task::block_in_place;

use crate::place::{ENCODED, Place, Talk, assert_silent, demand_password};

/// An address of this machine that does not look like one.
const AFAR: &str = "[::ffff:127.0.0.1]";

/// A server that speaks to nobody without TLS and a password.
struct Fort {
    cluster: Cluster,
    authority: String,
}

impl Fort {
    fn new() -> Option<Self> {
        let (cluster, authority) = or_skip(Cluster::with_tls(&[]))?;
        let fort = Self { cluster, authority: authority.to_str().unwrap().to_owned() };
        demand_password(&fort.admin("postgres"), "hostssl");
        Some(fort)
    }

    /// By the socket in the server's folder, which needs neither.
    fn admin(&self, database: &str) -> String {
        let folder = Path::new(&self.authority).parent().unwrap().to_str().unwrap().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/{database}", self.cluster.port())
    }

    fn place(&self, host: &str, options: &str) -> Place {
        let port = self.cluster.port();
        // TLS with a password takes its time on a busy machine.
        let patient = "[postgres]\nconnect_timeout_seconds = 60";
        Place::at(&format!("postgres://keeper:{ENCODED}@{host}:{port}/register{options}"), patient)
    }

    fn verified(&self) -> Place {
        self.place("localhost", &format!("?sslmode=verify-full&sslrootcert={}", self.authority))
    }
}

/// Runs a command, whatever comes of it; the password must not come of it.
fn discreet(place: &Place, words: &[&str]) -> Said {
    let said = place.run(words);
    assert_silent(&[&said.out, &said.err]);
    said
}

/// Level and text of what the doctor says about TLS.
fn doctor_on_tls(place: &Place) -> (String, String) {
    let said = discreet(place, &["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let found = found.as_array().unwrap().iter().find(|found| found["what"] == "tls");
    let found = found.unwrap_or_else(|| panic!("{said:?}"));
    ["level", "found"].map(|key| found[key].as_str().unwrap().to_owned()).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_verified_and_served_from() {
    let Some(fort) = Fort::new() else { return };
    let place = fort.verified();
    discreet(&place, &["migrate"]).ok();
    assert_eq!(doctor_on_tls(&place), ("good".into(), "encrypted".into()));
    let server = place.home.serve();
    let client = place.home.caller(&server).await;
    assert_eq!(client.creation(&person(1), &uuid()).ask().await.status, 200);
    let connections = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
                       WHERE usename = 'keeper' AND ";
    assert!(number(&fort.admin("register"), &format!("{connections} ssl")) >= 2);
    assert_eq!(number(&fort.admin("register"), &format!("{connections} NOT ssl")), 0);
    server.stop();
    assert_silent(&[&place.home.log()]);
    discreet(&place, &["tenant", "list"]).ok();
}

#[test]
fn a_server_that_cannot_prove_who_it_is_is_refused() {
    let Some(fort) = Fort::new() else { return };
    let good = fort.verified();
    discreet(&good, &["migrate"]).ok();
    let stranger = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let stranger = good.home.write("stranger.pem", &stranger);
    let stranger = stranger.display();
    let nothing = good.home.write("nothing.pem", "nothing");
    let nothing = nothing.display();
    let authority = &fort.authority;
    for (host, options, reason) in [
        ("localhost", format!("?sslmode=verify-full&sslrootcert={stranger}"), "UnknownIssuer"),
        // Whoever names an authority wants it to be asked.
        ("localhost", format!("?sslmode=require&sslrootcert={stranger}"), "UnknownIssuer"),
        ("localhost", format!("?sslrootcert={stranger}"), "UnknownIssuer"),
        ("localhost", format!("?sslmode=disable&sslrootcert={stranger}"), "UnknownIssuer"),
        ("localhost", format!("?sslmode=verify-ca&sslrootcert={stranger}"), "UnknownIssuer"),
        ("localhost", "?sslmode=verify-full".into(), "UnknownIssuer"),
        // Another name for the same server, which its certificate does not have.
        (AFAR, format!("?sslmode=verify-full&sslrootcert={authority}"), "not valid for name"),
        ("localhost", "?sslmode=disable".into(), "no encryption"),
    ] {
        let place = fort.place(host, &options);
        for words in [&["migrate"][..], &["serve"], &["tenant", "list"]] {
            let refusal = discreet(&place, words).refusal();
            assert!(refusal.contains("cannot reach postgres://keeper@"), "{options}: {refusal}");
            assert!(refusal.contains(reason), "{options}: {refusal}");
        }
        let doctor = discreet(&place, &["doctor"]);
        assert!(!doctor.success && doctor.out.contains(reason), "{options}: {doctor:?}");
    }
    for (options, reason) in [
        ("?sslmode=verify-full&sslrootcert=/nowhere/ca.pem".to_owned(), "/nowhere/ca.pem".to_owned()),
        (format!("?sslmode=verify-full&sslrootcert={nothing}"), "there is no certificate in".to_owned()),
        ("?sslmode=sometimes".into(), "unknown sslmode 'sometimes'".into()),
        ("?sslcert=client.pem".into(), "sslcert".into()),
        ("?colour=blue".into(), "colour".into()),
    ] {
        let place = fort.place("localhost", &options);
        for words in [&["migrate"][..], &["doctor"], &["serve"]] {
            let refusal = discreet(&place, words).refusal();
            assert!(refusal.contains(&reason), "{options}: {refusal}");
        }
    }
}

/// Encrypted without proof is enough on this machine; anywhere else it is worth a word.
#[test]
fn encryption_without_proof_is_doubtful_from_afar() {
    let Some(fort) = Fort::new() else { return };
    discreet(&fort.verified(), &["migrate"]).ok();
    for options in ["?sslmode=require", "?sslmode=prefer", ""] {
        let near = fort.place("127.0.0.1", options);
        assert_eq!(doctor_on_tls(&near), ("good".into(), "encrypted".into()), "{options}");
        discreet(&near, &["tenant", "list"]).ok();
        // The same server by a name that is not known to be this machine's.
        let (level, found) = doctor_on_tls(&fort.place(AFAR, options));
        assert!(level == "doubtful" && found.contains("sslmode=verify-full"), "{options}: {found}");
    }
    let Some(plain) = or_skip(Cluster::start(&[])) else { return };
    let refusal = Place::at(&format!("{}?sslmode=require", plain.url("postgres")), "").run(&["migrate"]);
    assert!(refusal.refusal().contains("server does not support TLS"));
    let far = Place::at(&plain.url("postgres").replace("127.0.0.1", AFAR), "");
    let (level, found) = doctor_on_tls(&far);
    assert!(level == "doubtful" && found.contains("not encrypted"), "{found}");
}

/// What a stray character of a password makes of a URL, nothing of it is told.
#[test]
fn a_password_that_is_not_escaped_is_not_told() {
    let place = Place::sqlite("");
    for (url, help) in [
        ("postgres://keeper:p@ss@127.0.0.1:1/register", "%40"),
        ("postgres://keeper:1?p@ss@127.0.0.1:1/register", "%3F"),
        ("postgres://keeper:w:o?r#d@127.0.0.1:1/register", ""),
        ("postgres://keeper:w:o/r#d@127.0.0.1:1/register", ""),
        ("postgres://keeper:p%40ss@127.0.0.1:port/register", "port"),
        ("postgres://keeper:p%40ss@/register", "no host"),
        ("postgres:/keeper:p@ss@127.0.0.1:1/register", "postgres://USER@HOST/NAME"),
        ("postgres://keeper:p@ss", ""),
    ] {
        for words in [
            &["doctor"][..],
            &["migrate"],
            &["serve"],
            &["tenant", "list"],
            &["migrate", "--database", url],
            &["copy", "--from", url, "--to", "sqlite:x.db"],
            &["copy", "--from", "sqlite:x.db", "--to", url],
        ] {
            let said = run(place.home.bare(words).env("INVESTORD_DATABASE", url));
            assert_silent(&[&said.out, &said.err]);
            assert!(!said.success, "{said:?}");
            let told = format!("{}{}", said.out, said.err);
            assert!(told.contains(help), "{words:?}: {told}");
        }
    }
}

/// A place with these limits in seconds. The one that is not tested is far away, so that nothing else ends a wait.
fn hasty(url: &str, statement: u32, lock: u32) -> Place {
    let limits =
        format!("[postgres]\nstatement_timeout_seconds = {statement}\nlock_timeout_seconds = {lock}");
    Place::at(url, &limits).migrated()
}

async fn timed(answer: impl Future<Output = Answer>) -> (Answer, Duration) {
    let started = Instant::now();
    (answer.await, started.elapsed())
}

/// What may be added to a limit.
const SLACK: Duration = Duration::from_secs(2);

/// Somebody else holds a row: the client is told to come again, and nothing has been done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_row_is_a_conflict_in_time() {
    let Some(database) = Place::postgres("") else { return };
    let place = hasty(&database.url, 600, 1);
    let server = place.home.serve();
    let client = place.home.caller(&server).await;
    let (body, once) = (person(1), uuid());
    let somebody = block_in_place(|| Talk::open(&place.url));
    block_in_place(|| somebody.say("BEGIN; UPDATE tenant_sequences SET last_at = last_at"));
    for _ in 0..3 {
        let (answer, took) = timed(client.creation(&body, &once).ask()).await;
        answer.problem(409, "conflict");
        assert!(took >= Duration::from_millis(900), "{took:?}");
        in_time("a write that waits for a row", took, Duration::from_secs(1) + SLACK);
        assert_eq!(client.get("/users").ask().await.status, 200, "who reads is not held up");
    }
    block_in_place(|| somebody.say("ROLLBACK"));
    assert_eq!(client.creation(&body, &once).ask().await.status, 200);
    assert_eq!(number(&place.url, "SELECT count(*) FROM users"), 1);
    // A whole table, as during a migration by hand: reads wait, too, and not for ever.
    block_in_place(|| somebody.say("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE"));
    let (answer, took) = timed(client.get("/users").ask()).await;
    answer.problem(503, "unavailable");
    in_time("a read that waits for a table", took, Duration::from_secs(1) + SLACK);
    block_in_place(|| somebody.say("ROLLBACK"));
    assert_eq!(client.get("/users").ask().await.status, 200);
    block_in_place(|| drop(somebody));
    server.stop();
}

/// A statement that takes too long is given up; the server goes on, and a repeat does it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_statement_is_given_up_in_time() {
    let Some(database) = Place::postgres("") else { return };
    let place = hasty(&database.url, 4, 600);
    let server = place.home.serve();
    let client = place.home.caller(&server).await;
    place.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); RETURN new; END $$;
         CREATE TRIGGER slow BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    let (body, once) = (person(1), uuid());
    for _ in 0..2 {
        let (answer, took) = timed(client.creation(&body, &once).ask()).await;
        answer.problem(503, "unavailable");
        in_time("a slow statement", took, Duration::from_secs(4) + SLACK);
        assert_eq!(client.get("/users").ask().await.status, 200);
    }
    let rows = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM events)
                + (SELECT count(*) FROM idempotent_responses)";
    assert_eq!(number(&place.url, rows), 0);
    place.sql("DROP TRIGGER slow ON users");
    assert_eq!(client.creation(&body, &once).ask().await.status, 200);
    assert_eq!(number(&place.url, "SELECT count(*) FROM users"), 1);
    // Nothing is left at work on the server.
    until("the server to rest", || {
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND state <> 'idle' AND pid <> pg_backend_pid()";
        match number(&place.url, busy) {
            0 => Ok(()),
            count => Err(format!("{count} connections are busy")),
        }
    });
    server.stop();
}

/// The network swallows an answer. Whoever no longer waits for it says so by hanging up: the database would
/// keep what is locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_given_up_is_closed() {
    let Some(database) = Place::postgres("") else { return };
    let Some((_, address)) = database.url.split_once('@') else { return };
    let Some(target) = address.split('/').next().and_then(|address| address.parse().ok()) else { return };
    let cutter = Cutter::start(target);
    let url = database.url.replace(&target.to_string(), &cutter.address().to_string());
    database.run(&["migrate"]).ok();
    // The one reader has the one connection; the limits of the database itself are far away.
    let limits = "[postgres]\nreaders = 1\nstatement_timeout_seconds = 3\nconnect_timeout_seconds = 3
                  lock_timeout_seconds = 100";
    let place = Place::at(&url, limits);
    let server = place.home.serve();
    let client = place.home.caller(&server).await;
    assert_eq!(client.get("/users").ask().await.status, 200);
    let connections = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND application_name LIKE 'investord%'";
    let before = number(&database.url, connections);
    cutter.freeze();
    let (answer, took) = timed(client.get("/users").ask()).await;
    answer.problem(503, "unavailable");
    in_time("a read through a network that swallows it", took, Duration::from_secs(10) + SLACK);
    cutter.thaw();
    until("the connection to be closed", || {
        let now = number(&database.url, connections);
        if now < before { Ok(()) } else { Err(format!("{now} connections")) }
    });
    server.stop();
}
