//! Several processes on one database: what one has done the other knows, and whoever dies leaves nothing behind.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use testing::chance::Chance;
use testing::client::{Client, uuid};
use testing::home::{Home, Register, person};
use testing::http::peek;
use testing::patience::{Patience, amount, in_time, until};
use testing::postgres;
use testing::program::run;
use testing::server::{Ready, Server};

use crate::judge::{check_database, count};
use crate::load::{Acknowledged, Write, pause};
use crate::provision::{SECOND, until_refused};
use crate::siege::Siege;

/// None where there is no PostgreSQL.
fn home(config: &str) -> Option<Home> {
    postgres::shared().map(|_| Home::new(config))
}

/// That there are no such rows, or how many.
fn none(count: i64) -> Result<(), String> {
    if count == 0 { Ok(()) } else { Err(format!("{count} rows")) }
}

fn start(home: &Home, at: usize) -> Server {
    home.serve_as(["first", "second"][at], &[], &[])
}

fn at(server: &Server, client: &Client) -> Client {
    client.at(server.address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_has_done_the_other_knows() {
    let Some(home) = home("") else { return };
    let servers = [0, 1].map(|at| start(&home, at));
    let first = home.caller(&servers[0]).await;
    // The token is the first one's.
    let second = at(&servers[1], &first);
    for number in 0..40 {
        let (here, there) = if number % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let (once, body) = (uuid(), person(number));
        let request = here.creation(&body, &once).into_bytes();
        let created = here.send(&request).await;
        assert_eq!(created.status, 200, "{created}");
        let read = there.get(&format!("/users/{}", created.json()["id"].as_str().unwrap())).ask().await;
        assert_eq!((read.status, &read.body), (200, &created.body), "read at once");
        let repeated = there.creation(&body, &once).ask().await;
        assert_eq!((repeated.status, &repeated.body), (200, &created.body), "the kept answer");
        there.creation(&person(number + 1), &once).ask().await.problem(422, "unprocessable_entity");
        let problem = there.send(&request).await.problem(401, "unauthorised");
        assert!(problem["detail"].as_str().unwrap().contains("received before"), "{problem}");
        let (all, total) = there.all_users().await;
        assert_eq!((all.last(), total), (Some(&created.body), usize::try_from(number).unwrap() + 1));
    }
    let request = first.token_request().into_bytes();
    assert_eq!(first.send(&request).await.status, 200);
    second.send(&request).await.problem(401, "unauthorised");
    assert_eq!(check_database(&home.register()), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_refused_by_both_within_a_second() {
    let Some(home) = home("") else { return };
    let servers = [0, 1].map(|at| start(&home, at));
    let first = home.caller(&servers[0]).await;
    let second = at(&servers[1], &first);
    for client in [&first, &second] {
        assert_eq!(client.get("/users").ask().await.status, 200);
    }
    run(&mut home.command(&["key", "revoke", &first.key.id])).ok();
    let took = until_refused(async || {
        let answers = [first.get("/users").ask().await, second.creation(&person(1), &uuid()).ask().await];
        answers.iter().all(|answer| answer.status == 401)
    })
    .await;
    println!("a revoked key is refused by both {took:?} after the command");
    assert!(took <= SECOND, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sent_to_both_at_once_makes_one_user() {
    let rounds: u64 = amount(80, 200);
    let Some(home) = home("") else { return };
    let mut chance = Chance::new("at once");
    let servers = [0, 1].map(|at| start(&home, at));
    let first = home.caller(&servers[0]).await;
    let clients = [first.clone(), at(&servers[1], &first)];
    let mut connections = Vec::new();
    for number in 0..8 {
        connections.push(clients[number % 2].connect().await);
    }
    let (mut conflicts, mut others) = (0, 0);
    for round in 0..rounds {
        let (once, count) = (uuid(), 2 + usize::try_from(chance.below(7)).unwrap());
        // In every fourth round one of them is for somebody else.
        let odd = (round % 4 == 0).then(|| usize::try_from(chance.below(8)).unwrap() % count);
        let bodies: Vec<Vec<u8>> =
            (0..count).map(|number| person(2 * round + u64::from(odd == Some(number)))).collect();
        let requests: Vec<Vec<u8>> = bodies
            .iter()
            .zip(0..)
            .map(|(body, at)| clients[at % 2].creation(body, &once).into_bytes())
            .collect();
        let sent = connections.iter_mut().zip(&requests).map(|(open, request)| open.send(request));
        let answers = join_all(sent).await;
        let mut done: Vec<(&[u8], Vec<u8>)> = Vec::new();
        for ((number, body), answer) in bodies.iter().enumerate().zip(answers) {
            let mut answer = answer.unwrap();
            if answer.status == 409 {
                answer.problem(409, "conflict");
                conflicts += 1;
                answer = clients[number % 2].creation(body, &once).ask().await;
            }
            match answer.status {
                200 => done.push((body, answer.body)),
                _ => {
                    answer.problem(422, "unprocessable_entity");
                    others += 1;
                }
            }
        }
        let distinct: HashSet<_> = done.iter().collect();
        assert_eq!(distinct.len(), 1, "one body was taken, and has one answer: {done:?}");
        // All that asked for the same were answered the same.
        let taken = bodies.iter().filter(|body| **body == done[0].0).count();
        assert_eq!(done.len(), taken);
        for client in &clients {
            assert_eq!(client.creation(done[0].0, &once).ask().await.body, done[0].1);
        }
    }
    println!("{rounds} keys, {conflicts} conflicts, {others} for another body");
    assert!(others >= rounds / 4, "in every fourth round somebody is refused");
    let users = usize::try_from(rounds).unwrap();
    assert_eq!(clients[1].all_users().await.1, users);
    assert_eq!(check_database(&home.register()), users);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_make_each_tenant_once() {
    for _ in 0..4 {
        let Some(home) = home("") else { return };
        let servers: Vec<Server> = std::thread::scope(|scope| {
            let home = &home;
            let starting =
                ["first", "second", "third"].map(|log| scope.spawn(move || home.serve_as(log, &[], &[])));
            starting.into_iter().map(|server| server.join().unwrap()).collect()
        });
        for server in &servers {
            home.caller(server).await;
        }
        for (table, rows) in
            [("tenants", 1), ("tenant_sequences", 1), ("clients", 1), ("client_keys", 1), ("tokens", 3)]
        {
            assert_eq!(count(&home.register(), &format!("SELECT count(*) FROM {table}")), rows, "{table}");
        }
    }
}

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A worker that tells how it is at an address.
fn worker(home: &Home, log: &str) -> Server {
    let address = free();
    let mut command = home.command(&["worker"]);
    command.env("INVESTORD_METRICS_LISTEN", address.to_string());
    Server::start_at(Some(address), command, &home.path(log), Ready::Answers)
}

/// Rows of nonces, tokens and replies whose time has passed, by [`age`].
const AGED: &str =
    "SELECT (SELECT count(*) FROM nonces WHERE until = 1) + (SELECT count(*) FROM tokens WHERE expires = 1)
    + (SELECT count(*) FROM idempotent_responses WHERE created_at = 1)";
const YOUNG: &str =
    "SELECT (SELECT count(*) FROM nonces WHERE until > 1) + (SELECT count(*) FROM tokens WHERE expires > 1)
    + (SELECT count(*) FROM idempotent_responses WHERE created_at > 1)";

fn age(home: &Home) {
    let Register::Server(url) = home.register() else { unreachable!("it is on PostgreSQL") };
    postgres::sql(
        &url,
        "UPDATE nonces SET until = 1; UPDATE tokens SET expires = 1; UPDATE idempotent_responses SET created_at = 1",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_forgets_and_a_server_without_one_does_not() {
    let Some(home) = home("") else { return };
    let rows = |question| count(&home.register(), question);
    let lone = || home.serve_as("server", &["--no-worker"], &[]);
    let server = lone();
    let client = home.caller(&server).await;
    for number in 0..3 {
        assert_eq!(client.creation(&person(number), &uuid()).ask().await.status, 200);
    }
    age(&home);
    server.stop();
    // A start is when the first sweep would come.
    let server = lone();
    let client = home.caller(&server).await;
    for number in 0..3 {
        assert_eq!(client.creation(&person(number), &uuid()).ask().await.status, 200);
    }
    assert_eq!((rows(AGED), rows(YOUNG)), (4 + 1 + 3, 4 + 1 + 3), "nobody has swept");

    let mut worker = worker(&home, "worker");
    until("the worker to have swept", || none(rows(AGED)));
    assert_eq!(rows(YOUNG), 4 + 1 + 3, "what counts is still there");
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/users", 404)] {
        let (answered, text) = peek(worker.address, path).unwrap();
        assert_eq!(answered, status, "{path}");
        assert!(path != "/metrics" || text.contains("investord_store_write_seconds"), "{text}");
    }
    worker.terminate();
    let status = worker.ends();
    assert!(status.success(), "{status}");
    assert_eq!(client.get("/users").ask().await.json()["meta"]["total_count"], 6);

    // A server without a word about it is its own worker.
    age(&home);
    server.stop();
    let server = home.serve();
    until("the server to have swept", || none(rows(AGED)));
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_sweep_the_same_rows_without_harm() {
    let Some(home) = home("") else { return };
    let Register::Server(url) = home.register() else { return };
    postgres::sql(
        &url,
        "INSERT INTO nonces SELECT 1, decode(md5(n::text), 'hex') FROM generate_series(1, 20000) AS n",
    );
    let workers = std::thread::scope(|scope| {
        let home = &home;
        ["first", "second", "third"]
            .map(|log| scope.spawn(move || worker(home, log)))
            .map(|worker| worker.join().unwrap())
    });
    until("the rows to be gone", || none(count(&home.register(), AGED)));
    for (worker, log) in workers.into_iter().zip(["first", "second", "third"]) {
        worker.stop();
        let log = std::fs::read_to_string(home.path(&format!("{log}.err"))).unwrap();
        assert!(!log.contains("could not sweep"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_one_of_two_lose_nothing() {
    let (kills, per_round) = amount((5, 100), (10, 320));
    let Some(home) = home("") else { return };
    let mut chance = Chance::new("kills");
    let mut servers = vec![start(&home, 0), start(&home, 1)];
    let siege = Siege::of(&[&servers[0], &servers[1]]);
    let client = home.caller(&servers[0]).await;
    siege
        .lay(&client, async {
            for _ in 0..kills {
                siege.load.more(per_round).await;
                pause(chance.below(60)).await;
                let at = usize::try_from(chance.below(2)).unwrap();
                servers.remove(at).kill();
                // The other one goes on.
                siege.load.more(20).await;
                servers.insert(at, start(&home, at));
                siege.moved(at, &servers[at]);
            }
            siege.load.more(per_round).await;
        })
        .await;
    let client = at(&servers[0], &client);
    let (unknown, extra) = siege.judge(&home.register(), &client).await;
    let (acknowledged, trouble) = (siege.load.acknowledged(), siege.trouble());
    println!(
        "{kills} kills, {acknowledged} acknowledged, 0 lost, 0 doubled; {unknown} left open, of which {extra} \
         were stored; {trouble:?}"
    );
    assert!(acknowledged >= kills * per_round);
    assert!(trouble.unanswered > 0 && trouble.sent_again > 0, "{trouble:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_of_one_of_two_answers_what_was_sent() {
    const STOPS: usize = 6;
    let Some(home) = home("") else { return };
    let mut chance = Chance::new("stops");
    let mut servers = [start(&home, 0), start(&home, 1)];
    let siege = Siege::of(&[&servers[0], &servers[1]]);
    let client = home.caller(&servers[0]).await;
    siege
        .lay(&client, async {
            for stop in 0..STOPS {
                siege.load.more(150).await;
                pause(chance.below(40)).await;
                let at = stop % 2;
                servers[at].terminate();
                let status = servers[at].ends();
                assert!(status.success(), "{status}");
                servers[at] = start(&home, at);
                siege.moved(at, &servers[at]);
            }
            siege.load.more(150).await;
        })
        .await;
    siege.judge(&home.register(), &at(&servers[0], &client)).await;
    let trouble = siege.trouble();
    println!("{STOPS} stops, {} acknowledged, {trouble:?}", siege.load.acknowledged());
    assert_eq!(trouble.unavailable, 0, "what was taken was done");
    siege.load.record.lock().unwrap().check_stops(STOPS);
}

/// A process that hangs holds a tenant's row until the database takes it away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_hangs_keeps_the_others_waiting_for_so_long_only() {
    const HELD: &str = "SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid)
        WHERE datname = current_database() AND state = 'idle in transaction'
        AND relation = 'tenant_sequences'::regclass AND mode = 'RowExclusiveLock' AND granted";
    const BUSY: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state = 'active'";
    let Some(home) = home("[postgres]\nlock_timeout_seconds = 1\n") else { return };
    // Longer than the other waits, so that this one is seen to wait in vain.
    let hangs = home.serve_as("first", &[], &[("INVESTORD_POSTGRES__LOCK_TIMEOUT_SECONDS", "6")]);
    let waits = start(&home, 1);
    let siege = Siege::of(&[&hangs]);
    let client = home.caller(&hangs).await;
    let other = at(&waits, &client);
    let register = home.register();
    let (mut caught, mut refusals, mut longest) = (0, 0, Duration::ZERO);
    siege
        .lay(&client, async {
            loop {
                siege.load.more(30).await;
                hangs.signal("STOP");
                until("what it has sent to be done", || none(count(&register, BUSY)));
                caught += 1;
                assert!(caught < 1000, "it never holds the row");
                if count(&register, HELD) > 0 {
                    break;
                }
                hangs.signal("CONT");
            }
            let (held, mut patience) = (Instant::now(), Patience::new("the row to be free"));
            let write = Write::new(1);
            loop {
                let (request, asked) =
                    (other.creation(&write.body, &write.once).into_bytes(), Instant::now());
                let answer = other.send(&request).await;
                longest = longest.max(asked.elapsed());
                if answer.status == 200 {
                    let done = Acknowledged { write, request, answer: answer.body };
                    siege.load.record.lock().unwrap().acknowledged.push(done);
                    break;
                }
                match answer.status {
                    409 => answer.problem(409, "conflict"),
                    _ => answer.problem(503, "unavailable"),
                };
                refusals += 1;
                patience.sees("a refusal");
                assert_eq!(other.get("/users?limit=1").ask().await.status, 200, "reads go on");
            }
            let took = held.elapsed();
            println!(
                "caught at the {caught}. attempt; {refusals} refusals, the longest after {longest:?}; \
                 done after {took:?}"
            );
            assert!(refusals > 0, "it has waited in vain");
            in_time("the longest wait for the row", longest, Duration::from_secs(3));
            in_time("until the row was free", took, Duration::from_secs(9));
            hangs.signal("CONT");
            let again = Instant::now();
            siege.load.more(100).await;
            println!("100 more {:?} after it went on", again.elapsed());
        })
        .await;
    let (unknown, extra) = siege.judge(&register, &other).await;
    println!("{unknown} left open, of which {extra} were stored; {:?}", siege.trouble());
}
