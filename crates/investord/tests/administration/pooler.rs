//! `PgBouncer` in transaction mode between Investord and PostgreSQL: a few connections of the server for many.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use testing::client::uuid;
use testing::home::person;
use testing::patience::{in_time, until};
use testing::postgres::{Cluster, number, or_skip};
use tokio::task::block_in_place;

use crate::place::{Place, Talk};

/// `pgbouncer`, ended when its input does, which is when the test process does, however that comes about.
const KEEPER: &str = r#""$1" "$2" </dev/null >>"$3" 2>&1 & pid=$!; cat >/dev/null; kill $pid; wait $pid"#;

/// A pooler with two connections to each database.
struct Pooler {
    keeper: Child,
    port: u16,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Pooler {
    /// `settings` are lines of its configuration.
    fn start(cluster: &Cluster, settings: &str) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (file, log) = (folder.path().join("pgbouncer.ini"), folder.path().join("log"));
        // Whoever is root has to say who to be instead.
        let user = if is_root() { "user = postgres" } else { "" };
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 2\n{user}\n{settings}\n",
            cluster.port()
        );
        std::fs::write(&file, text).unwrap();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .args([&program, &file, &log])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pooler = Self { keeper, port, log, _folder: folder };
        until("the pooler", || {
            let log = std::fs::read_to_string(&pooler.log).unwrap_or_default();
            assert!(!log.contains("FATAL"), "{log}");
            std::net::TcpStream::connect(("127.0.0.1", port)).map_err(|error| format!("{error}: {log}"))
        });
        Some(pooler)
    }

    fn place(&self, config: &str) -> Place {
        Place::at(&format!("postgres://postgres@127.0.0.1:{}/postgres", self.port), config)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|said| said.stdout == b"0\n")
}

/// Where it is, or on the real standard error that its tests are skipped.
fn program() -> Option<PathBuf> {
    static SAID: Once = Once::new();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"].map(PathBuf::from);
    let found = std::env::split_paths(&path)
        .chain(usual)
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| Path::is_file(program));
    if found.is_none() {
        SAID.call_once(|| {
            let text = "PgBouncer tests are skipped: it is not installed (apt install pgbouncer)";
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }
    found
}

/// A register on a server of its own, and a way to it through the pooler.
fn pooled(settings: &str, config: &str) -> Option<(Cluster, Pooler, Place, Place)> {
    program()?;
    let cluster = or_skip(Cluster::start(&[]))?;
    let pooler = Pooler::start(&cluster, settings)?;
    let direct = Place::at(&cluster.url("postgres"), "").migrated();
    let place = pooler.place(config);
    Some((cluster, pooler, direct, place))
}

const POOLER: &str = "[postgres]\npooler = true\nwriters = 2\nreaders = 6";

/// Two servers of eight connections each share two connections of the database, and nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_register_is_served_through_a_pooler() {
    const CLIENTS: u64 = 8;
    const EACH: u64 = 25;
    let Some((cluster, pooler, direct, place)) = pooled("", POOLER) else { return };
    let servers = [place.home.serve(), place.home.serve()];
    let client = place.home.caller(&servers[0]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..CLIENTS {
        let address = servers[usize::try_from(task).unwrap() % 2].address;
        let client = client.at(address);
        tasks.spawn(async move {
            for number in 0..EACH {
                let (body, once) = (person(task * EACH + number), uuid());
                let made = client.creation(&body, &once).ask().await;
                assert_eq!(made.status, 200, "{made}");
                let id = made.json()["id"].as_str().unwrap().to_owned();
                let read = client.get(&format!("/users/{id}")).ask().await;
                assert_eq!((read.status, &read.body), (200, &made.body), "{read}");
                let list = client.get("/users?limit=5&order=DESC").ask().await;
                assert_eq!(list.status, 200, "{list}");
                let again = client.creation(&body, &once).ask().await;
                assert_eq!((again.status, again.body), (200, made.body));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let (all, total) = client.all_users().await;
    assert_eq!((all.len() as u64, total as u64), (CLIENTS * EACH, CLIENTS * EACH));
    let connections = "SELECT count(*) FROM pg_stat_activity
                       WHERE application_name LIKE 'investord%' AND datname = 'postgres'";
    assert!(number(&direct.url, connections) <= 2, "the pool has two");
    // The other commands, while the servers are at work.
    let said = place.run(&["tenant", "create", "bank"]).ok();
    assert!(said.contains("bank"), "{said}");
    place.run(&["tenant", "list"]).ok();
    let doctor = place.run(&["doctor"]);
    assert!(doctor.success && !doctor.out.contains("bad"), "{doctor:?}");
    assert!(doctor.out.contains("can be prepared"), "{doctor:?}");
    assert!(place.run(&["migrate", "--dry-run"]).ok().contains("is up to date"));
    for server in servers {
        server.stop();
    }
    let chains = Place::sqlite("");
    // The pool keeps its connections, and the name that the last to use them had.
    drop(pooler);
    until("the connections of the pool to end", || match number(&cluster.url("postgres"), connections) {
        0 => Ok(()),
        count => Err(format!("{count} connections")),
    });
    let copied =
        testing::program::run(&mut direct.home.bare(&["copy", "--from", &direct.url, "--to", &chains.url]));
    assert!(copied.ok().contains("in unbroken chains"));
}

#[test]
fn a_migration_wants_the_server_itself() {
    let Some((_cluster, _pooler, _, place)) = pooled("", POOLER) else { return };
    let refusal = place.run(&["migrate"]).refusal();
    assert!(refusal.contains("INVESTORD_POSTGRES__POOLER=false"), "{refusal}");
}

/// The mistake of an operator: nothing is served, and the reason is told.
#[test]
fn a_pooler_that_is_not_mentioned_is_noticed() {
    let Some((_cluster, _pooler, _, place)) = pooled("", "") else { return };
    let refusal = place.run(&["serve"]).refusal();
    assert!(refusal.contains("set postgres.pooler = true"), "{refusal}");
    let doctor = place.run(&["doctor"]);
    assert!(!doctor.success && doctor.out.contains("set postgres.pooler = true"), "{doctor:?}");
}

/// A pooler forgets the settings of a session. What waits for a lock holds one of its few connections, so that
/// the limits have to come with each transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_on_waiting_hold_through_a_pooler() {
    // The limit of statements is far away: what ends a wait here is the limit of locks.
    let hasty = format!("{POOLER}\nstatement_timeout_seconds = 600\nlock_timeout_seconds = 1");
    let Some((_cluster, _pooler, direct, place)) = pooled("", &hasty) else { return };
    let server = place.home.serve();
    let client = place.home.caller(&server).await;
    let (body, once) = (person(1), uuid());
    let somebody = block_in_place(|| Talk::open(&direct.url));
    for lock in ["UPDATE tenant_sequences SET last_at = last_at", "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"]
    {
        block_in_place(|| somebody.say(&format!("BEGIN; {lock}")));
        let started = Instant::now();
        client.creation(&body, &once).ask().await.problem(409, "conflict");
        let read = client.get("/users").ask().await;
        assert_eq!(read.status, if lock.starts_with("LOCK") { 409 } else { 200 }, "{read}");
        in_time("a write and a read", started.elapsed(), Duration::from_secs(4));
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE application_name LIKE 'investord%' AND state <> 'idle'";
        // The pool may still be busy with putting the connection back in order.
        until("the connections to rest", || match number(&direct.url, waiting) {
            0 => Ok(()),
            count => Err(format!("{count} connections are busy")),
        });
        block_in_place(|| somebody.say("ROLLBACK"));
        assert_eq!(client.get("/users").ask().await.status, 200);
    }
    // Administration, which takes a lock of its own.
    block_in_place(|| somebody.say("BEGIN; LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE"));
    let started = Instant::now();
    let refusal = place.run(&["tenant", "create", "bank"]).refusal();
    assert!(refusal.contains("another process is at work"), "{refusal}");
    in_time("the command", started.elapsed(), Duration::from_secs(4));
    block_in_place(|| somebody.say("ROLLBACK"));
    assert_eq!(client.creation(&body, &once).ask().await.status, 200);
    block_in_place(|| drop(somebody));
    server.stop();
}
