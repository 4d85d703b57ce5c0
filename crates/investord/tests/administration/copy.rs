//! `investord copy`: a register moves to another engine and back, whatever gets in between.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use http_message_signatures::Algorithm;
use investord::clock::{Clock as _, Ids as _, SystemClock, SystemIds};
use investord::config;
use investord::domain::tenants::TenantSettings;
use investord::domain::users::User;
use investord::domain::users::person::Person;
use investord::store::encryption::MasterKey;
use investord::store::engine::postgres::connection_settings::Tuning;
use investord::store::tenants;
use investord::store::unit::Unit;
use investord::store::{Store, StoreError, Tx, users};
use serde_json::{Value, json};
use testing::client::{Client, Key, uuid};
use testing::home::person;
use testing::patience::{until_async, until_count};
use testing::program::{Said, run};
use testing::server::Server;

use crate::place::{Place, assert_silent, sqlite};

const TOL: &[u8] = include_bytes!("../../../../api/examples/create-user-tol.json");

impl Place {
    fn copy_to(&self, to: &Place, words: &[&str]) -> Said {
        run(&mut copying(&self.url, &to.url, words))
    }

    /// A place for the copy of this one, with its master key and without tenants of its own.
    fn successor(&self, to: Place) -> Place {
        to.home.write("master.key", &std::fs::read_to_string(self.home.path("master.key")).unwrap());
        to.home.write("tenants.toml", "");
        to
    }

    /// Everything there is, as an operator would see it.
    fn rows(&self) -> Vec<(String, Vec<Vec<Option<String>>>)> {
        let order = |table: &str| if table == "refinery_schema_history" { "1" } else { "1, 2, 3" };
        let narrow = ["tenant_sequences", "nonces", "roles", "register_settings", "recovery_codes"];
        let order = |table: &str| if narrow.contains(&table) { "1, 2" } else { order(table) };
        let tables = self.tables().into_iter();
        tables
            .map(|table| {
                let all = format!("SELECT * FROM {table} ORDER BY {}", order(&table));
                let rows = self.sql(&all);
                (table, rows)
            })
            .collect()
    }

    fn count(&self, table: &str) -> i64 {
        let count = self.sql(&format!("SELECT count(*) FROM {table}"));
        count[0][0].as_ref().unwrap().parse().unwrap()
    }
}

fn copying(from: &str, to: &str, words: &[&str]) -> Command {
    let mut command = testing::program::investord(Path::new("/"));
    command.args(["copy", "--from", from, "--to", to]).args(words);
    command
}

/// Rows and digest of each table, and nothing else on standard output.
fn digests(said: Said) -> Vec<(String, u64, String)> {
    let shown = said.json();
    let one = |line: &Value| {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        (text("table"), line["rows"].as_u64().unwrap(), text("digest"))
    };
    let all: Vec<_> = shown.as_array().unwrap().iter().map(one).collect();
    assert_eq!(all.len(), 40, "{shown}");
    assert!(all.iter().all(|(_, _, digest)| digest.len() == 64), "{shown}");
    all
}

/// What a client sees of its tenant, byte for byte.
async fn seen_by(client: &Client) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    for query in [
        "limit=1000",
        "limit=3&offset=2",
        "limit=5&order=DESC",
        "limit=7&sort=updated_at&order=DESC",
        "offset=1000",
    ] {
        let answer = client.get(&format!("/users?{query}")).ask().await;
        assert_eq!(answer.status, 200, "{answer}");
        seen.push(answer.body);
    }
    let all: Value = serde_json::from_slice(&seen[0]).unwrap();
    for user in all["data"].as_array().unwrap() {
        let answer = client.get(&format!("/users/{}", user["id"].as_str().unwrap())).ask().await;
        assert_eq!(answer.status, 200, "{answer}");
        seen.push(answer.body);
    }
    seen
}

/// A client of another tenant that works under the register's licence, with keys of every kind, one revoked.
async fn second_client(place: &Place, server: &Server) -> (Client, Key) {
    let command = |words: &[&str]| run(&mut place.home.command(words));
    command(&["tenant", "create", "bank", "--set", "model=TOL"]).ok();
    let id = uuid();
    command(&[
        "client",
        "create",
        "--tenant",
        "bank",
        "--id",
        &id,
        "--secret",
        "s3cret-of-a-client-of-a-tenant",
    ])
    .ok();
    let keys = [Algorithm::Ed25519, Algorithm::P256, Algorithm::P384, Algorithm::P521].map(Key::new);
    for key in &keys {
        place.home.write("key.pem", &key.pair.public_key().to_spki_pem());
        command(&["key", "add", "key.pem", "--client", &id, "--id", &key.id]).ok();
    }
    let [first, .., last] = keys;
    command(&["key", "revoke", &first.id]).ok();
    let mut client = Client {
        id,
        secret: "s3cret-of-a-client-of-a-tenant".into(),
        key: last,
        ..place.home.stranger(server)
    };
    until_async("the new client to be known", async || {
        let answer = client.token_request().ask().await;
        if answer.status == 200 { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
    client.renew().await;
    (client, first)
}

/// A register with everything in it that there can be goes to PostgreSQL and back; whoever asks the copies
/// sees no difference, and they go on where the original ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_and_back_again() {
    let Some(there) = Place::postgres("") else { return };
    let here = Place::sqlite("");
    let server = here.home.serve();
    let acme = here.home.caller(&server).await;
    let (bank, revoked) = second_client(&here, &server).await;
    let mut kept = Vec::new();
    for number in 0..20 {
        let (body, once) = (person(number), uuid());
        let answer = acme.creation(&body, &once).ask().await;
        assert_eq!(answer.status, 200, "{answer}");
        kept.push((body, once, answer.body));
    }
    for _ in 0..5 {
        assert_eq!(bank.creation(TOL, &uuid()).ask().await.status, 200);
    }
    let before = (seen_by(&acme).await, seen_by(&bank).await);
    server.stop();

    let there = here.successor(there);
    let home_again = here.successor(Place::sqlite(""));
    let first = digests(here.copy_to(&there, &["--json"]));
    assert_eq!(digests(there.copy_to(&home_again, &["--json"])), first, "the digest knows no engine");
    assert_eq!(digests(here.copy_to(&there, &["--json"])), first, "a repeat finds everything there");
    let rows = |table: &str| first.iter().find(|(name, ..)| name == table).unwrap().1;
    assert_eq!(
        ["tenants", "clients", "client_keys", "users", "idempotent_responses", "tenant_sequences"].map(rows),
        [2, 2, 5, 25, 25, 2]
    );
    assert!(rows("tokens") >= 2 && rows("nonces") >= 25 && rows("events") >= 35, "{first:?}");
    let log = home_again.home.path("data/investord.db-wal").metadata().map_or(0, |known| known.len());
    assert_eq!(log, 0, "everything is in the one file");

    for copy in [&there, &home_again] {
        let server = copy.home.serve();
        let [acme, bank] = [&acme, &bank].map(|old| old.at(server.address));
        assert_eq!((seen_by(&acme).await, seen_by(&bank).await), before, "the old tokens still hold");
        for (body, once, answer) in &kept {
            let again = acme.creation(body, once).ask().await;
            assert_eq!((again.status, &again.body), (200, answer), "an old key gets the old answer");
        }
        let other = acme.creation(&person(99), &kept[0].1).ask().await;
        other.problem(422, "unprocessable_entity");
        let denied = Client { key: revoked.clone(), ..bank.clone() };
        denied.get("/users").ask().await.problem(401, "unauthorised");
        for number in 0..4 {
            assert_eq!(acme.creation(&person(100 + number), &uuid()).ask().await.status, 200);
        }
        let (all, total) = acme.all_users().await;
        assert_eq!((all.len(), total), (24, 24), "the numbers go on");
        server.stop();
        let end = copy.sql("SELECT max(number) FROM users WHERE tenant = 1");
        assert_eq!(end, [[Some("24".to_owned())]]);
        // Copied once more, with its chain verified from the old part into the new one.
        let further = here.successor(Place::sqlite(""));
        let said = copy.copy_to(&further, &[]).ok();
        assert!(said.contains("verified: the same content"), "{said}");
        let server = further.home.serve();
        let moved = acme.at(server.address);
        assert_eq!(moved.all_users().await.0, all);
        server.stop();
    }
}

/// A register with so many users, made without any server: it would take its time.
fn filled(place: Place, count: usize) -> Place {
    const TOGETHER: usize = 500;
    place.home.serve().stop();
    let master_key = std::fs::read_to_string(place.home.path("master.key")).unwrap();
    let master_key = MasterKey::from_base64(&master_key).unwrap();
    let database = config::database(&place.url, &Tuning::default()).unwrap();
    let now = SystemClock::default().now();
    let (settings, sample) = (TenantSettings::default(), person(0));
    let sample = Person::parse(&sample, &settings, now).unwrap();
    let fill = async {
        let store = Store::open(&database).unwrap();
        let tenant = store.read("tenants.all", tenants::all).await.unwrap().remove(0).number;
        let open = move |tx: &Tx<'_>| tenants::open(tx, tenant, &master_key);
        let own = Arc::new(store.read("tenant", open).await.unwrap());
        for _ in 0..count / TOGETHER {
            let (own, settings, sample) = (Arc::clone(&own), settings.clone(), sample.clone());
            let unit = move |tx: &Tx<'_>| {
                (0..TOGETHER).try_for_each(|_| {
                    Unit::run(
                        tx,
                        tenant,
                        now,
                        &SystemIds,
                        |_| Ok(&*own),
                        |unit| {
                            let (person, id) = (sample.clone(), SystemIds.uuid());
                            users::register(unit, User::register(person, &settings, id, unit.now())).map(drop)
                        },
                    )
                })
            };
            store.write::<_, StoreError>("fill", tenant, unit).await.unwrap();
        }
        store.checkpoint().await;
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(fill);
    place
}

impl Place {
    /// Makes the database hold up for good whoever inserts a user with a number above this.
    fn hold_up_above(&self, number: i64) {
        let endless = "WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter)
                       SELECT n FROM counter";
        let statements = if self.url.starts_with("sqlite:") {
            vec![
                format!("CREATE VIEW endless AS {endless}"),
                format!(
                    "CREATE TRIGGER held BEFORE INSERT ON users WHEN new.number > {number}
                     BEGIN SELECT count(*) FROM endless; END"
                ),
            ]
        } else {
            vec![
                "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN PERFORM pg_sleep(36000); RETURN new; END $$"
                    .to_owned(),
                format!(
                    "CREATE TRIGGER held BEFORE INSERT ON users FOR EACH ROW WHEN (new.number > {number})
                     EXECUTE FUNCTION hold()"
                ),
            ]
        };
        for statement in statements {
            self.sql(&statement);
        }
    }

    /// Ends what is held up, and holds up nobody any more.
    fn let_go(&self) {
        let statements: &[&str] = if self.url.starts_with("sqlite:") {
            &["DROP TRIGGER held", "DROP VIEW endless"]
        } else {
            &[
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
                "DROP TRIGGER held ON users",
                "DROP FUNCTION hold",
            ]
        };
        for statement in statements {
            self.sql(statement);
        }
    }
}

/// Killed in the middle: the next run goes on where it broke off, and the whole is verified.
#[test]
fn a_killed_copy_is_resumed() {
    // Copied in portions of a thousand: two are done when it is killed.
    const USERS: i64 = 4000;
    let (Some(there), here) = (Place::postgres(""), filled(Place::sqlite(""), 4000)) else { return };
    let back = here.successor(Place::sqlite("").migrated());
    for (from, to) in [(&here, &there), (&there, &back)] {
        if to.tables().is_empty() {
            to.run(&["migrate"]).ok();
        }
        to.hold_up_above(2500);
        let mut copy = copying(&from.url, &to.url, &[]);
        let mut copy = copy.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until_count("two portions of users in the copy", 2000, || to.count("users"));
        copy.kill().unwrap();
        copy.wait().unwrap();
        to.let_go();
        let brought = to.count("users");
        assert!((2000..USERS).contains(&brought), "{brought}");
        assert_eq!(
            (to.count("tenant_sequences"), to.count("clients")),
            (0, 0),
            "a part of a register answers nobody"
        );
        // A row that is written a second time would lose this mark.
        to.sql("UPDATE users SET version = 77 WHERE number = 1");
        let refusal = from.copy_to(to, &[]).refusal();
        assert!(refusal.contains(&format!("users ({USERS} rows, {USERS} in the copy)")), "{refusal}");
        let mark = to.sql("SELECT version FROM users WHERE version <> 1");
        assert_eq!(mark, [[Some("77".to_owned())]], "it went on after what was there");
        to.sql("UPDATE users SET version = 1 WHERE number = 1");
        let said = from.copy_to(to, &[]).ok();
        assert!(said.contains("verified: the same content"), "{said}");
        assert_eq!(to.count("users"), USERS);
    }
}

/// Something has written to the source between two runs: that is told, and copying anew heals it.
#[test]
fn a_source_that_has_changed_is_reported() {
    let Some(there) = Place::postgres("") else { return };
    let here = filled(Place::sqlite(""), 1000);
    here.copy_to(&there, &[]).ok();
    here.sql("UPDATE users SET status = 'OFFBOARDED' WHERE number = 3");
    let refusal = here.copy_to(&there, &["--json"]);
    assert_eq!(refusal.out, "", "nothing that a script could take for a digest");
    let refusal = refusal.refusal();
    assert!(refusal.contains("users (1000 rows, 1000 in the copy)"), "{refusal}");
    assert!(refusal.contains("--from-start"), "{refusal}");
    here.copy_to(&there, &["--from-start"]).ok();
    let status = there.sql("SELECT status FROM users WHERE number = 3");
    assert_eq!(status, [[Some("OFFBOARDED".to_owned())]]);
}

/// The first run from a backup, say, and the second when nobody writes any more: it brings what has come since,
/// and what has been swept in between makes no difference that would need all to be copied anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_has_gone_on_is_copied_on() {
    let Some(there) = Place::postgres("") else { return };
    let here = Place::sqlite("");
    let create = async |numbers: std::ops::Range<u64>| {
        let server = here.home.serve();
        let client = here.home.caller(&server).await;
        for number in numbers {
            assert_eq!(client.creation(&person(number), &uuid()).ask().await.status, 200);
        }
        server.stop();
    };
    create(0..3).await;
    let first = digests(here.copy_to(&there, &["--json"]));
    // Somebody has a look at the copy meanwhile.
    let there = here.successor(there);
    let server = there.home.serve();
    let mut reader = here.home.stranger(&server);
    reader.renew().await;
    assert_eq!(reader.all_users().await.1, 3);
    server.stop();
    here.sql("DELETE FROM nonces");
    here.sql("DELETE FROM tokens");
    here.sql("DELETE FROM idempotent_responses WHERE created_at = (SELECT min(created_at) FROM idempotent_responses)");
    create(3..5).await;
    // A Pole of the first copy is activated.
    let server = here.home.serve();
    let client = here.home.caller(&server).await;
    let pole = client.get("/users?limit=1&offset=1").ask().await.json()["data"][0].clone();
    let list = format!("/users/{}/identifiers", pole["id"].as_str().unwrap());
    let pesel = br#"{"type":"NATIONAL_ID","issuing_country":"PL","identifier":"83053078917"}"#;
    let answer = client.request("POST", &list).body(pesel).ask().await;
    assert_eq!((answer.status, &pole["status"]), (200, &json!("INACTIVE")));
    server.stop();
    let second = digests(here.copy_to(&there, &["--json"]));
    assert_ne!(first, second);
    assert_eq!(
        ["users", "nonces", "tokens", "idempotent_responses"].map(|table| there.count(table)),
        [5, 5, 2, 4]
    );
}

/// A database that holds something else than a copy of this very register is left as it is.
#[test]
fn another_register_is_not_overwritten() {
    let here = filled(Place::sqlite(""), 1000);
    let others = [Some(Place::sqlite("")), Place::postgres("")];
    for other in others.into_iter().flatten() {
        let mut other = other.migrated();
        // The same name of a tenant, which is likely; then one of its own, too.
        for name in ["acme", "somebody"] {
            other.home.client = uuid();
            other.home.key = Key::new(Algorithm::Ed25519);
            other.home.write("tenants.toml", &other.home.tenants(name, ""));
            other.home.serve().stop();
            let before = other.rows();
            for words in [&[][..], &["--from-start"]] {
                let refusal = here.copy_to(&other, words).refusal();
                assert!(refusal.contains("another register") && refusal.contains("acme"), "{refusal}");
                assert_eq!(other.rows(), before, "{words:?}");
            }
        }
    }
}

/// The copy has been put into service; whoever copies once more by mistake would undo that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_has_gone_on_is_not_overwritten() {
    let here = tokio::task::block_in_place(|| filled(Place::sqlite(""), 500));
    let copies = [Some(Place::sqlite("")), Place::postgres("")];
    for copy in copies.into_iter().flatten() {
        let copy = here.successor(copy);
        here.copy_to(&copy, &[]).ok();
        let server = copy.home.serve();
        let mut client = here.home.stranger(&server);
        client.renew().await;
        assert_eq!(client.creation(&person(1), &uuid()).ask().await.status, 200);
        server.stop();
        let before = copy.rows();
        for words in [&[][..], &["--from-start"]] {
            let refusal = here.copy_to(&copy, words).refusal();
            assert!(refusal.contains("events of its own"), "{refusal}");
            assert_eq!(copy.rows(), before, "{words:?}");
        }
        // Nor when the source has gone on as well, and further.
        let server = here.home.serve();
        let client = here.home.caller(&server).await;
        for number in 0..3 {
            assert_eq!(client.creation(&person(number), &uuid()).ask().await.status, 200);
        }
        server.stop();
        let refusal = here.copy_to(&copy, &["--from-start"]).refusal();
        assert!(refusal.contains("events of its own"), "{refusal}");
        assert_eq!(copy.rows(), before);
    }
}

/// Under another name it would be emptied before it is read.
#[test]
fn a_database_is_not_copied_onto_itself() {
    let here = filled(Place::sqlite(""), 500);
    let path = here.home.database();
    let link = here.home.path("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let folder = path.parent().unwrap();
    let mut cases = vec![
        (here.url.clone(), here.url.clone()),
        (here.url.clone(), format!("sqlite:{}/../data/investord.db", folder.display())),
        (here.url.clone(), format!("sqlite:{}", link.display())),
    ];
    let there = Place::postgres("");
    if let Some(there) = &there {
        here.copy_to(there, &[]).ok();
        let url = &there.url;
        cases.push((url.clone(), url.clone()));
        if url.contains("127.0.0.1") {
            cases.push((url.clone(), url.replace("127.0.0.1", "127.1")));
        }
    }
    let before = (here.count("users"), there.as_ref().map(|there| there.count("users")));
    for (from, to) in cases {
        for words in [&[][..], &["--from-start"]] {
            let refusal = run(&mut copying(&from, &to, words)).refusal();
            assert!(refusal.contains("are the same database"), "{from} {to}: {refusal}");
        }
    }
    assert_eq!(before, (here.count("users"), there.as_ref().map(|there| there.count("users"))));
}

#[test]
fn a_register_that_is_served_is_neither_copied_nor_overwritten() {
    let Some(there) = Place::postgres("") else { return };
    let here = filled(Place::sqlite(""), 500);
    here.copy_to(&there, &[]).ok();
    let third = Place::sqlite("");
    let refused = |from: &Place, to: &Place, reason: &str| {
        let refusal = from.copy_to(to, &[]).refusal();
        assert!(refusal.contains(reason), "{refusal}");
    };
    let server = here.home.serve();
    refused(&here, &third, "a server is running on");
    refused(&there, &here, "a server is running on");
    server.stop();
    let there = here.successor(there);
    let server = there.home.serve();
    refused(&there, &third, "connections of other processes use");
    refused(&here, &there, "connections of other processes use");
    assert!(!third.home.database().exists());
    server.stop();
    here.copy_to(&there, &[]).ok();
}

#[test]
fn a_broken_chain_is_reported() {
    for damage in [
        "UPDATE events SET type = 'USER.DELETED' WHERE number = 700",
        "DELETE FROM events WHERE number = 700",
        "UPDATE tenant_sequences SET events = events - 1",
        "DELETE FROM events WHERE number = (SELECT max(number) FROM events)",
    ] {
        let Some(there) = Place::postgres("") else { return };
        let here = filled(Place::sqlite(""), 1000);
        here.sql(damage);
        let refusal = here.copy_to(&there, &["--json"]);
        assert_eq!(refusal.out, "");
        let refusal = refusal.refusal();
        assert!(refusal.contains("event chain") && refusal.contains("source"), "{damage}: {refusal}");
    }
}

#[test]
fn what_is_no_register_is_not_copied() {
    let to = Place::sqlite("");
    let refused = |from: &str, reason: &str| {
        let said = run(&mut copying(from, &to.url, &[]));
        assert_silent(&[&said.out, &said.err]);
        let refusal = said.refusal();
        assert!(refusal.contains("--from") && refusal.contains(reason), "{refusal}");
        assert!(!to.home.database().exists(), "{reason}");
    };
    let missing = to.home.path("missing/investord.db");
    refused(&format!("sqlite:{}", missing.display()), "there is no database");
    assert!(!missing.parent().unwrap().exists());
    // A database of somebody else stays as it is.
    let foreign = to.home.path("foreign.db");
    sqlite(&foreign, "CREATE TABLE notes (text TEXT)");
    refused(&format!("sqlite:{}", foreign.display()), "holds no register");
    assert_eq!(sqlite(&foreign, "SELECT count(*) FROM sqlite_schema"), [[Some("1".to_owned())]]);
    refused(
        "postgres://nobody:p%40ss@127.0.0.1:1/nothing",
        "cannot reach postgres://nobody@127.0.0.1:1/nothing",
    );
    refused("postgres://nobody:p@ss@127.0.0.1:1/nothing", "%40");
    refused("mysql://nobody", "sqlite:PATH or postgres://");
    if let Some(empty) = Place::postgres("") {
        refused(&empty.url, "investord migrate");
        assert_eq!(empty.tables(), Vec::<String>::new());
    }
}

/// What stands in a command line can be seen by others.
#[test]
fn the_urls_can_come_from_the_environment() {
    let (here, there) = (filled(Place::sqlite(""), 500), Place::sqlite(""));
    let with = |words: &[&str]| {
        let mut command = here.home.bare(words);
        command.env("INVESTORD_COPY_FROM", &here.url).env("INVESTORD_COPY_TO", &there.url);
        run(&mut command)
    };
    digests(with(&["copy", "--json"]));
    let help = with(&["copy", "--help"]).ok();
    assert!(help.contains("INVESTORD_COPY_TO") && !help.contains(&there.url), "{help}");
    // Other commands do not take them for configuration.
    with(&["tenant", "list", "--database", &there.url]).ok();
}

/// Progress is for people: on standard error, if that is a terminal.
#[test]
fn progress_and_results_do_not_mix() {
    let here = filled(Place::sqlite(""), 1000);
    let there = Place::sqlite("");
    let said = here.copy_to(&there, &["--json"]);
    assert!(said.success && said.err.is_empty(), "{said:?}");
    assert!(serde_json::from_str::<Value>(&said.out).is_ok_and(|shown| shown != json!([])), "{said:?}");
    // `script` is a terminal for its command; not every system has it, nor with these options.
    let mut script = Command::new("script");
    let copy = format!(
        "{} copy --from {} --to {} --from-start --json >result",
        env!("CARGO_BIN_EXE_investord"),
        here.url,
        there.url
    );
    script.args(["-qec", &copy, "/dev/null"]);
    let Ok(output) = script.current_dir(here.home.path("")).stdin(Stdio::null()).output() else { return };
    if output.status.success() {
        let progress = String::from_utf8_lossy(&output.stdout);
        for word in ["users", "rows copied", "rows verified"] {
            assert!(progress.contains(word), "{progress}");
        }
        let result = std::fs::read_to_string(here.home.path("result")).unwrap();
        assert!(serde_json::from_str::<Value>(&result).is_ok(), "{result}");
    }
}
