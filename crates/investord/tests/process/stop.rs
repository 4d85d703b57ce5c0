//! SIGTERM, and starts that must not succeed.

use std::time::{Duration, Instant};

use crate::harness::{Chance, Client, Home, run};
use crate::judge::check_database;
use crate::load::{Load, pause};

const STOPS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_answers_what_was_sent() {
    let (home, load) = (Home::new(""), Load::default());
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
            let status = server.ended(Duration::from_secs(15)).expect("it ends");
            assert!(status.success(), "{status}");
            longest = longest.max(asked.elapsed());
        })
        .await;
        server = home.serve();
        client = Client { address: server.address, ..client };
        load.compare(&client).await;
    }
    assert!(longest <= Duration::from_secs(10), "{longest:?}");
    let extra = load.compare(&client).await;
    let unknown = load.resolve(&client).await;
    assert_eq!(load.compare(&client).await, 0);
    assert_eq!(check_database(&home.register()), load.acknowledged());
    let record = load.record.lock().unwrap();
    println!(
        "{STOPS} stops, {} acknowledged, {unknown} unanswered ({extra} of them stored), longest stop {longest:?}",
        record.acknowledged.len()
    );
    assert!(record.refused.is_empty(), "{}", record.refused[0].1.text());
    // What the server could have seen it must answer: it says `connection: close` before it closes.
    let (fresh, used): (Vec<_>, Vec<_>) = record.lost.iter().partition(|lost| lost.first);
    assert!(
        used.is_empty(),
        "{} requests were sent whole on a connection in use and not answered: {:?}",
        used.len(),
        used[0]
    );
    // A connection can arrive between the last that the server takes and the end of its listener, and the
    // system resets that one; a queue of them must not.
    assert!(
        fresh.len() <= STOPS,
        "{} requests were the first on their connection and not answered: {:?}",
        fresh.len(),
        fresh[0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_answered_after_sigterm() {
    let home = Home::new("");
    let mut server = home.serve();
    let client = home.caller(&server).await;
    let bytes = client.creation(&crate::harness::person(1), &crate::harness::uuid());
    let (first, rest) = bytes.split_at(bytes.len() - 10);
    let mut slow = client.connect().await;
    slow.write(first).await.unwrap();
    pause(200).await;
    server.terminate();
    pause(200).await;
    assert!(server.ended(Duration::ZERO).is_none(), "it waits for the request in flight");
    slow.write(rest).await.unwrap();
    let answer = slow.answer().await.expect("the request in flight is answered");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let status = server.ended(Duration::from_secs(5)).expect("it ends when all is answered");
    assert!(status.success(), "{status}");
    let server = home.serve();
    let client = Client { address: server.address, ..client };
    assert_eq!(client.all_users().await.0, vec![answer.body]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_ends_does_not_keep_the_server() {
    let home =
        Home::new("shutdown_timeout_seconds = 1\nbody_timeout_seconds = 60\nhead_timeout_seconds = 60\n");
    let mut server = home.serve();
    let client = home.caller(&server).await;
    let bytes = client.creation(&crate::harness::person(1), &crate::harness::uuid());
    let mut slow = client.connect().await;
    slow.write(&bytes[..bytes.len() - 1]).await.unwrap();
    pause(100).await;
    server.terminate();
    let asked = Instant::now();
    let status = server.ended(Duration::from_secs(15)).expect("it ends");
    assert!(status.success(), "{status}");
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
}

#[test]
fn a_port_in_use_is_named() {
    let (home, other) = (Home::new(""), Home::new(""));
    let server = home.serve();
    let address = server.address.to_string();
    let refusal = run(&mut other.command(&["serve", "--listen", &address])).refusal();
    assert!(refusal.contains(&address) && refusal.contains("in use"), "{refusal}");
    assert!(!other.database().exists(), "nothing is made for a server that does not start");
}
