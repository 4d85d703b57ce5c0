//! SIGTERM, and starts that must not succeed.

use std::time::{Duration, Instant};

use testing::chance::Chance;
use testing::client::{Client, uuid};
use testing::home::{Home, person};
use testing::http::Connection;
use testing::patience::{in_time, until};
use testing::program::run;

use crate::judge::check_database;
use crate::load::{Load, pause};

const STOPS: usize = 10;
/// Connections that have been used, and as many that have not.
const EACH: u64 = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_answers_what_was_sent() {
    // The time for requests in flight is not what is tested here.
    let (home, load) = (Home::new("shutdown_timeout_seconds = 600\n"), Load::default());
    let mut chance = Chance::new("stop");
    let mut server = home.serve();
    let mut client = home.caller(&server).await;
    let mut longest = Duration::ZERO;
    for _ in 0..STOPS {
        let late = chance.below(40);
        load.storm(&client, async {
            load.more(100).await;
            pause(late).await;
            let asked = Instant::now();
            server.terminate();
            let status = server.ends();
            assert!(status.success(), "{status}");
            longest = longest.max(asked.elapsed());
        })
        .await;
        server = home.serve();
        client = client.at(server.address);
        load.compare(&client).await;
    }
    in_time("the longest stop", longest, Duration::from_secs(10));
    let extra = load.compare(&client).await;
    let unknown = load.resolve(&client).await;
    assert_eq!(load.compare(&client).await, 0);
    assert_eq!(check_database(&home.register()), load.acknowledged());
    let record = load.record.lock().unwrap();
    println!(
        "{STOPS} stops, {} acknowledged, {unknown} unanswered ({extra} of them stored), longest stop {longest:?}",
        record.acknowledged.len()
    );
    assert!(record.refused.is_empty(), "{}", record.refused[0].1);
    record.check_stops(STOPS);
}

/// A request of which the server has read the head and waits for the end of the body, which is returned.
async fn begun(client: &Client) -> (Connection, Vec<u8>) {
    let (body, once) = (person(1), uuid());
    let headers = [("idempotency-key", once.as_str()), ("expect", "100-continue")];
    let mut bytes = client.request("POST", "/users").headers(&headers).body(body).into_bytes();
    let rest = bytes.split_off(bytes.len() - 10);
    let mut connection = client.connect().await;
    connection.write(&bytes).await.unwrap();
    assert_eq!(connection.answer().await.unwrap().status, 100);
    (connection, rest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_answered_after_sigterm() {
    let home = Home::new("");
    let mut server = home.serve();
    let client = home.caller(&server).await;
    let (mut slow, rest) = begun(&client).await;
    server.terminate();
    until("the listener to be closed", || match std::net::TcpStream::connect(client.address()) {
        Ok(_) => Err("it takes connections"),
        Err(_) => Ok(()),
    });
    assert_eq!(server.has_ended(), None, "it waits for the request in flight");
    slow.write(&rest).await.unwrap();
    let answer = slow.answer().await.expect("the request in flight is answered");
    assert_eq!(answer.status, 200, "{answer}");
    let status = server.ends();
    assert!(status.success(), "{status}");
    let server = home.serve();
    let client = client.at(server.address);
    assert_eq!(client.all_users().await.0, vec![answer.body]);
}

/// The system takes connections and requests for a server that does not get to run.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_before_sigterm_is_answered() {
    let home = Home::new("");
    let mut server = home.serve();
    let client = home.caller(&server).await;
    let mut connections = Vec::new();
    for number in 0..EACH {
        let mut used = client.connect().await;
        let answer = used.send(&client.creation(&person(number), &uuid()).into_bytes()).await.unwrap();
        assert!(answer.keeps_alive(), "{answer}");
        connections.push(used);
    }
    server.signal("STOP");
    until("the server to stand still", || match server.state() {
        'T' => Ok(()),
        state => Err(format!("its state is {state}")),
    });
    for _ in 0..EACH {
        connections.push(client.connect().await);
    }
    for (connection, number) in connections.iter_mut().zip(EACH..) {
        connection.write(&client.creation(&person(number), &uuid()).into_bytes()).await.unwrap();
    }
    server.terminate();
    server.signal("CONT");
    for (number, mut connection) in connections.into_iter().enumerate() {
        let answer = connection.answer().await.unwrap_or_else(|error| panic!("connection {number}: {error}"));
        assert_eq!(answer.status, 200, "{answer}");
    }
    assert!(server.ends().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_ends_does_not_keep_the_server() {
    // Nothing else ends it as long as anybody waits here.
    let limits = "shutdown_timeout_seconds = 1\nbody_timeout_seconds = 3600\nhead_timeout_seconds = 3600\n";
    let home = Home::new(limits);
    let mut server = home.serve();
    let client = home.caller(&server).await;
    let (slow, _) = begun(&client).await;
    server.terminate();
    let asked = Instant::now();
    let status = server.ends();
    assert!(status.success(), "{status}");
    in_time("the stop", asked.elapsed(), Duration::from_secs(4));
    drop(slow);
}

#[test]
fn a_port_in_use_is_named() {
    let (home, other) = (Home::new(""), Home::new(""));
    let server = home.serve();
    let address = server.address.to_string();
    let refusal = run(&mut other.command(&["serve", "--listen", &address])).refusal();
    assert!(refusal.contains(&address) && refusal.contains("name another port"), "{refusal}");
    assert!(!other.database().exists(), "nothing is made for a server that does not start");
}
