//! A database that goes away, and a network that breaks, between any two bytes.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use testing::chance::Chance;
use testing::client::{Client, uuid};
use testing::cutter::Cutter;
use testing::home::{Home, Register, person};
use testing::http::peek;
use testing::patience::{Patience, amount, in_time, until, until_async};
use testing::postgres::{self, Cluster, Database, or_skip};
use testing::program::run;
use testing::server::Server;

use crate::judge::count;
use crate::load::{Load, Write, pause};
use crate::siege::Siege;

const USERS: &str = "SELECT count(*) FROM users";

/// A server that reaches its database through a network that can be cut.
struct Far {
    server: Server,
    home: Home,
    cutter: Cutter,
    /// The database without the network between.
    register: Register,
    _database: Database,
}

impl Far {
    /// None where there is no PostgreSQL.
    fn new(config: &str) -> Option<Self> {
        let database = postgres::shared()?.migrated(testing::program::migrate);
        let near = database.url();
        let (before, rest) = near.rsplit_once('@').unwrap_or(("postgres://", near));
        let (host, name) = rest.split_once('/').unwrap();
        let target: SocketAddr = host.to_socket_addrs().unwrap().next().unwrap();
        let cutter = Cutter::start(target);
        // The network has to understand what it carries.
        let name = name.split('?').next().unwrap();
        let far = format!("{before}@{}/{name}?sslmode=disable", cutter.address());
        let home = Home::on(&far, config);
        let register = Register::Server(near.to_owned());
        Some(Self { server: home.serve(), home, cutter, register, _database: database })
    }

    async fn client(&self) -> Client {
        self.home.caller(&self.server).await
    }

    /// How often a batch was run again because its connection was lost before the commit.
    fn rerun(&self) -> f64 {
        self.server.metric("investord_store_batches_repeated_total{why=\"connection\"}")
    }

    fn users(&self) -> i64 {
        count(&self.register, USERS)
    }
}

/// That a count has grown beyond what it was, or what it is.
fn beyond(now: usize, before: usize) -> Result<(), String> {
    if now > before { Ok(()) } else { Err(format!("{now}, where more than {before} are waited for")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_of_the_database_lose_nothing() {
    let restarts = amount(8, 20);
    // As it comes: what is committed is on the disk.
    let Some(cluster) = or_skip(Cluster::start(&[])) else { return };
    postgres::sql(&cluster.url("postgres"), "CREATE DATABASE register");
    let home = Home::on(&cluster.url("register"), "");
    let mut chance = Chance::new("restarts");
    let server = home.serve();
    let client = home.caller(&server).await;
    let siege = Siege::of(&[&server]);
    let mut longest = Duration::ZERO;
    siege
        .lay(&client, async {
            for restart in 0..restarts {
                siege.load.more(60).await;
                pause(chance.below(60)).await;
                cluster.stop_now();
                let before = siege.trouble().unavailable;
                until("writes to be refused", || beyond(siege.trouble().unavailable, before));
                if restart == 0 {
                    while_the_database_is_away(&server, &client).await;
                }
                let before = siege.load.acknowledged();
                cluster.start_again();
                let back = Instant::now();
                until("a write to succeed", || beyond(siege.load.acknowledged(), before));
                longest = longest.max(back.elapsed());
            }
        })
        .await;
    let (unknown, extra) = siege.judge(&home.register(), &client).await;
    println!(
        "{restarts} restarts, {} acknowledged, 0 lost, 0 doubled; {unknown} left open, of which {extra} were \
         stored; at most {longest:?} until the first write; {:?}",
        siege.load.acknowledged(),
        siege.trouble()
    );
    assert!(siege.load.acknowledged() >= restarts * 60);
    in_time("the first write after a restart", longest, Duration::from_secs(2));
    assert!(
        siege.trouble().unavailable >= restarts && siege.trouble().unanswered == 0,
        "every one is answered"
    );
    server.stop();
}

/// Everything that needs it is refused at once with a document, and the process says that it lives.
async fn while_the_database_is_away(server: &Server, client: &Client) {
    // What is kept in memory of clients and tokens is old by then.
    until("reads to be refused", || match peek(server.address, "/readyz") {
        Some((503, _)) => Ok(()),
        answer => Err(format!("{answer:?}")),
    });
    pause(600).await;
    let asked = Instant::now();
    client.get("/users").ask().await.problem(503, "unavailable");
    client.token_request().ask().await.problem(503, "unavailable");
    client.creation(&person(1), &uuid()).ask().await.problem(503, "unavailable");
    in_time("three refusals", asked.elapsed(), Duration::from_secs(2));
    assert_eq!(peek(server.address, "/healthz").unwrap().0, 200);
    server.metrics();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_under_load_cost_nothing() {
    let cuts = amount(15, 40);
    let Some(far) = Far::new("") else { return };
    let mut chance = Chance::new("cuts");
    let client = far.client().await;
    let siege = Siege::of(&[&far.server]);
    siege
        .lay(&client, async {
            for _ in 0..cuts {
                siege.load.more(30).await;
                pause(chance.below(20)).await;
                far.cutter.cut_all();
            }
            siege.load.more(30).await;
        })
        .await;
    let (unknown, extra) = siege.judge(&far.register, &client).await;
    println!(
        "{} connections cut, {} batches run again, {} acknowledged, 0 lost, 0 doubled; {unknown} left open, of \
         which {extra} were stored; {:?}",
        far.cutter.count(),
        far.rerun(),
        siege.load.acknowledged(),
        siege.trouble()
    );
    assert!(far.cutter.count() >= cuts && far.rerun() >= 1.0);
    assert_eq!(siege.trouble().unanswered, 0);
}

/// Whatever the client of the database had said by then: a write is done, or refused and done by the repeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_after_any_number_of_bytes_is_survived() {
    let Some(far) = Far::new("") else { return };
    let (client, load) = (far.client().await, Load::default());
    let (mut refused, mut done) = (0, 0);
    for bytes in (0..9_000).step_by(120) {
        // What is known of client and token now is not asked for by the write.
        assert_eq!(client.get("/users?limit=1").ask().await.status, 200);
        far.cutter.cut_after(bytes);
        far.cutter.cut_all();
        let write = Write::new(bytes);
        let answer = client.creation(&write.body, &write.once).ask().await;
        far.cutter.cut_after(u64::MAX);
        far.cutter.cut_all();
        if answer.status == 200 {
            done += 1;
        } else {
            answer.problem(503, "unavailable");
            refused += 1;
        }
        // A connection that was refused is not tried again for a moment.
        until_async("the write to be taken", async || {
            let answer = client.creation(&write.body, &write.once).ask().await;
            if answer.status == 503 { Err(answer.to_string()) } else { Ok(()) }
        })
        .await;
        load.settle(&client, &write).await;
        let known = load.record.lock().unwrap().acknowledged.last().unwrap().answer.clone();
        assert!(answer.status != 200 || answer.body == known, "the repeat is answered as the first was");
    }
    println!("{refused} refused, {done} done; {} connections cut", far.cutter.count());
    assert!(refused > 10 && done > 10, "both sides of the border: {refused} {done}");
    assert_eq!(load.compare(&client).await, 0);
    assert_eq!(crate::judge::check_database(&far.register), refused + done);
}

/// The commit is done and nobody hears of it: the repeat gets the answer that was kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_not_answered_is_found_by_the_repeat() {
    let rounds = amount(10, 20);
    let Some(far) = Far::new("") else { return };
    let (client, load) = (far.client().await, Load::default());
    for number in 0..rounds {
        let (write, before) = (Write::new(number), far.users());
        assert_eq!(client.get("/users?limit=1").ask().await.status, 200);
        far.cutter.swallow_answers("COMMIT");
        for _ in 0..2 {
            client.creation(&write.body, &write.once).ask().await.problem(503, "unavailable");
            assert_eq!(far.users(), before + 1, "it is done");
        }
        far.cutter.answers_again();
        load.settle(&client, &write).await;
        assert_eq!(far.users(), before + 1, "and done once");
    }
    // And when the network is well again at once: what may have been done is not tried again unasked.
    let mut lost = 0;
    for number in 0..4 * rounds {
        let (write, cuts) = (Write::new(number), far.cutter.count());
        far.cutter.swallow_answers("COMMIT");
        let asking = tokio::spawn({
            let (client, write) = (client.clone(), write.clone());
            async move { client.creation(&write.body, &write.once).ask().await }
        });
        let mut patience = Patience::new("a commit to be cut");
        while far.cutter.count() == cuts {
            patience.sees("no cut");
            std::thread::yield_now();
        }
        far.cutter.answers_again();
        // The commit that was cut may have been the one by which `/readyz` is known.
        let answer = asking.await.unwrap();
        if answer.status != 200 {
            answer.problem(503, "unavailable");
            lost += 1;
        }
        load.settle(&client, &write).await;
        if lost == rounds {
            break;
        }
    }
    assert_eq!(lost, rounds);
    assert_eq!(load.compare(&client).await, 0);

    // The same for many at once, whose units share commits.
    let siege = Siege::with(load, &[&far.server]);
    siege
        .lay(&client, async {
            for _ in 0..10 {
                siege.load.more(40).await;
                let before = siege.trouble().unavailable;
                far.cutter.swallow_answers("COMMIT");
                until("commits to be lost", || beyond(siege.trouble().unavailable, before + 9));
                far.cutter.answers_again();
            }
        })
        .await;
    let (unknown, extra) = siege.judge(&far.register, &client).await;
    println!(
        "{} acknowledged, 0 lost, 0 doubled; {unknown} left open, of which {extra} were stored; {:?}",
        siege.load.acknowledged(),
        siege.trouble()
    );
    assert!(extra > 0, "some were done and left open");
}

/// Nothing arrives and nothing is closed: only limits help.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_swallows_everything_is_given_up_in_time() {
    /// A statement is waited for on the old connection for its limit and 2 s, then a new connection for its
    /// own; and some for the work.
    const LIMIT: Duration = Duration::from_secs(3 + 2 + 3 + 2);
    // Far more than the short freeze, whatever a busy machine adds.
    let limits = "connect_timeout_seconds = 3\nstatement_timeout_seconds = 3\nlock_timeout_seconds = 3\n";
    let Some(far) = Far::new(&format!("[postgres]\n{limits}")) else { return };
    let client = far.client().await;
    let siege = Siege::of(&[&far.server]);
    siege
        .lay(&client, async {
            siege.load.more(60).await;
            // Too short to be noticed.
            far.cutter.freeze();
            pause(300).await;
            far.cutter.thaw();
            siege.load.more(60).await;
            assert_eq!(siege.trouble().unavailable, 0);
            far.cutter.freeze();
            until("writes to be refused", || beyond(siege.trouble().unavailable, 0));
            for target in ["/users", "/readyz"] {
                let asked = Instant::now();
                client.get(target).ask().await.problem(503, "unavailable");
                println!("{target} refused after {:?}", asked.elapsed());
            }
            let before = siege.load.acknowledged();
            far.cutter.thaw();
            let thawed = Instant::now();
            until("a write to succeed", || beyond(siege.load.acknowledged(), before));
            in_time("the first write after the thaw", thawed.elapsed(), Duration::from_secs(5));
            siege.load.more(60).await;
        })
        .await;
    let (unknown, extra) = siege.judge(&far.register, &client).await;
    println!("{unknown} left open, of which {extra} were stored; {:?}", siege.trouble());
    in_time("the longest request", siege.trouble().longest, LIMIT);
    assert_eq!(siege.trouble().unanswered, 0);
}

/// A start says what it cannot reach, soon.
#[test]
fn a_start_without_the_database_says_so() {
    let Some(far) = Far::new("") else { return };
    far.cutter.freeze();
    for command in ["serve", "worker"] {
        let asked = Instant::now();
        let mut command = far.home.command(&[command]);
        let refusal = run(command.env("INVESTORD_POSTGRES__CONNECT_TIMEOUT_SECONDS", "1")).refusal();
        assert!(refusal.contains("cannot reach postgres://"), "{refusal}");
        in_time("the refusal to start", asked.elapsed(), Duration::from_secs(5));
    }
}
