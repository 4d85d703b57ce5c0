//! `kill -9` under load: nothing that was acknowledged is lost, nothing is there by half.

use testing::chance::Chance;
use testing::client::{Client, uuid};
use testing::home::{Home, Register, person};
use testing::patience::amount;
use testing::postgres;
use testing::server::Server;

use crate::judge::check_database;
use crate::load::{Load, pause};

/// Kills, and writes before each.
fn amounts() -> (usize, usize) {
    amount((10, 100), (20, 500))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_leave_nothing_half_written() {
    let (kills, per_round) = amounts();
    let (home, load) = (Home::new(""), Load::default());
    let mut chance = Chance::new("crash");
    let mut server = home.serve();
    // One token for all rounds: it has to outlive every kill.
    let mut client = home.caller(&server).await;
    let (mut unanswered, mut done_anyway) = (0, 0);
    for round in 1..=kills {
        let late = chance.below(60);
        load.storm(&client, async {
            load.more(per_round).await;
            pause(late).await;
            server.kill();
        })
        .await;
        home.register().quiet();
        server = home.serve();
        client = client.at(server.address);
        let extra = load.compare(&client).await;
        assert_eq!(check_database(&home.register()), load.acknowledged() + extra);
        let unknown = load.resolve(&client).await;
        assert!(extra <= unknown, "{extra} users too many, {unknown} unanswered");
        assert_eq!(load.compare(&client).await, 0, "round {round}: every unanswered write is one user");
        load.spot_check(&client, 20).await;
        refuses_replays(&load, &client).await;
        (unanswered, done_anyway) = (unanswered + unknown, done_anyway + extra);
    }
    assert_eq!(check_database(&home.register()), load.acknowledged());
    assert!(load.record.lock().unwrap().refused.is_empty(), "nothing was refused");
    let acknowledged = load.acknowledged();
    assert!(acknowledged >= kills * per_round);
    println!(
        "{kills} kills, {acknowledged} acknowledged, 0 lost; {unanswered} unanswered, of which {done_anyway} \
         were stored, each resolved to one user"
    );
    server.stop();
}

/// A write that was acknowledged before the kill, sent again to the byte, is a replay after it too.
async fn refuses_replays(load: &Load, client: &Client) {
    let host = format!("host: {}\r\n", client.address());
    let played = load.record.lock().unwrap().acknowledged.iter().rev().nth(100).map(|known| {
        // The port may be another after the restart; `host` is not signed.
        let text = String::from_utf8(known.request.clone()).unwrap();
        let (before, rest) = text.split_once("host: ").unwrap();
        format!("{before}{host}{}", rest.split_once("\r\n").unwrap().1)
    });
    let Some(played) = played else { return };
    let problem = client.send(played.as_bytes()).await.problem(401, "unauthorised");
    assert!(problem["detail"].as_str().unwrap().contains("received before"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_killed_again_and_again_leaves_a_register_that_starts() {
    let home = Home::new("");
    let mut chance = Chance::new("starts");
    for _ in 0..15 {
        let mut command = home.command(&["serve"]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        pause(chance.below(80)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let server: Server = home.serve();
    let client = home.caller(&server).await;
    assert_eq!(client.all_users().await.1, 0);
    server.stop();
}

/// The judge itself: whatever is missing or altered in the database, it notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_register_with_something_missing_does_not_pass() {
    let home = Home::new("");
    let server = home.serve();
    let client = home.caller(&server).await;
    for number in 0..6 {
        assert_eq!(client.creation(&person(number), &uuid()).ask().await.status, 200);
    }
    server.stop();
    assert_eq!(check_database(&home.register()), 6);
    for damage in [
        "DELETE FROM users WHERE number = 4",
        "DELETE FROM identifiers WHERE user_number = 3",
        "DELETE FROM users WHERE number = 6",
        "DELETE FROM events WHERE number = 4",
        "DELETE FROM events WHERE number = (SELECT max(number) FROM events)",
        "DELETE FROM idempotent_responses WHERE idempotency_key = (SELECT idempotency_key FROM idempotent_responses \
         ORDER BY idempotency_key LIMIT 1)",
        "UPDATE events SET sealed = {link} WHERE number = (SELECT min(number) FROM events WHERE sealed IS NOT NULL)",
        "UPDATE users SET status = 'ACTIVE' WHERE number = 2",
        "UPDATE users SET number = 9 WHERE number = 6",
        "UPDATE tenant_sequences SET users = users + 1",
        "UPDATE tenant_sequences SET chain_hash = {link}",
        "INSERT INTO idempotent_responses SELECT tenant, operation, {id}, fingerprint, status, user_number + 9, \
         event, sealed, created_at FROM idempotent_responses LIMIT 1",
    ] {
        let copy = copy(&home);
        assert_eq!(check_database(&copy), 6);
        spoil(&copy, damage);
        let judged = std::thread::spawn({
            let copy = copy.clone();
            move || check_database(&copy)
        });
        assert!(judged.join().is_err(), "{damage}");
        drop_copy(&copy);
    }
}

/// The same register again.
fn copy(home: &Home) -> Register {
    match home.register() {
        Register::File(original) => {
            let file = home.path("copy.db");
            rusqlite::Connection::open(original)
                .and_then(|db| db.execute("VACUUM INTO ?1", [file.to_str()]))
                .unwrap();
            Register::File(file)
        }
        Register::Server(url) => {
            let name = database_name(&url);
            let (admin, copy) = (url.replace(name, "postgres"), format!("{name}_copy"));
            postgres::sql(&admin, &format!("CREATE DATABASE {copy} TEMPLATE {name}"));
            Register::Server(url.replace(name, &copy))
        }
    }
}

fn drop_copy(register: &Register) {
    match register {
        Register::File(file) => std::fs::remove_file(file).unwrap(),
        Register::Server(url) => {
            let name = database_name(url);
            postgres::sql(&url.replace(name, "postgres"), &format!("DROP DATABASE {name}"));
        }
    }
}

fn database_name(url: &str) -> &str {
    url.rsplit('/').next().and_then(|name| name.split('?').next()).unwrap()
}

/// What only refers to users stands in the way of their loss.
const NOT_JUDGED: &str = "DELETE FROM search_index";

/// `{link}` and `{id}` stand for as many zero bytes as these have.
pub fn spoil(register: &Register, damage: &str) {
    match register {
        Register::File(file) => {
            let damage = damage.replace("{link}", "zeroblob(32)").replace("{id}", "zeroblob(16)");
            let db = rusqlite::Connection::open(file).unwrap();
            db.execute(NOT_JUDGED, []).unwrap();
            let done = db.execute(&damage, []);
            assert_eq!(done.unwrap(), 1, "{damage}");
        }
        Register::Server(url) => {
            let (link, id) = ("decode(repeat('00', 32), 'hex')", format!("'{}'::uuid", uuid::Uuid::nil()));
            let damage = damage.replace("{link}", link).replace("{id}", &id);
            postgres::sql(url, NOT_JUDGED);
            assert_eq!(postgres::sql(url, &format!("{damage} RETURNING 1")).len(), 1, "{damage}");
        }
    }
}
