//! Connections that are many, silent, slow or gone.

use std::sync::Arc;
use std::time::Duration;

use testing::client::uuid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::pour::{Pour, Step};
use crate::attacker::Stage;
use crate::scene::investor;

/// Bytes of a body that does not come to its end.
const LONG: usize = 60_000;
/// Between two bytes of somebody slow.
const SLOW: Duration = Duration::from_millis(150);

/// 1,100 connections from one address, which may have 1,024; each says nothing, and is opened again when it is closed.
/// Those that the server has closed after 10 s make room, so on a busy machine there may never be too many.
pub async fn silent(stage: Arc<Stage>) {
    const MANY: u64 = 1100;
    let mut all = JoinSet::new();
    for _ in 0..MANY {
        let stage = Arc::clone(&stage);
        all.spawn(async move {
            loop {
                let mut first = [0; 12];
                let connected = stage.connect_to(stage.server(), None).await;
                stage.in_force_after(MANY);
                let Ok(mut stream) = connected else {
                    stage.count("not connected");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                };
                match stream.read_exact(&mut first).await {
                    Ok(_) => {
                        stage.count(String::from_utf8_lossy(&first[9..]));
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                    // At once, so that there are as many as can be.
                    Err(_) => stage.count("closed"),
                }
            }
        });
    }
    stage.over().await;
}

/// As many silent connections as operators of one address may have, and some more.
pub async fn silent_operators(stage: Arc<Stage>) {
    let pour = Pour { to: stage.order.operators, connections: 80, enough: 80, ..Pour::new(&stage) };
    stage.pour(pour, |_, _| Step::Hold).await;
}

/// Heads that come a byte at a time and have no end.
pub async fn slow_heads(stage: Arc<Stage>) {
    let first = format!("GET /users HTTP/1.1\r\nhost: {}\r\n", stage.server()).into_bytes();
    let pour = Pour { connections: 500, enough: 1000, pause: SLOW, ..Pour::new(&stage) };
    stage
        .pour(pour, move |_, step| match step {
            0 => Step::Send(first.clone()),
            step => Step::Send(vec![b"x-very-slow: "[step % 13]]),
        })
        .await;
}

/// The head of a signed request, and the beginning of its body.
fn without_body(stage: &Stage, client: usize, body: &[u8]) -> Vec<u8> {
    let mut whole = stage.keyed(client, "/users", body, &uuid());
    whole.truncate(whole.len() - body.len());
    whole
}

/// Bodies of signed requests that come a byte at a time and have no end.
pub async fn slow_bodies(stage: Arc<Stage>) {
    let (own, body) = (Arc::clone(&stage), vec![b'x'; LONG]);
    let pour = Pour { connections: 400, enough: 800, pause: SLOW, ..Pour::new(&stage) };
    stage
        .pour(pour, move |connection, step| match step {
            0 => Step::Send(without_body(&own, connection % 3, &body)),
            _ => Step::Send(b"x".to_vec()),
        })
        .await;
}

/// Bodies of a legal size that come in chunks of one byte, as fast as they are taken.
pub async fn tiny_chunks(stage: Arc<Stage>) {
    const CHUNKS: usize = 4096;
    let own = Arc::clone(&stage);
    let pour = Pour { connections: 16, enough: 64, ..Pour::new(&stage) };
    stage
        .pour(pour, move |connection, step| match step {
            0 => {
                let head = String::from_utf8(without_body(&own, connection % 3, &investor(2))).unwrap();
                let length = head.lines().find(|line| line.starts_with("content-length")).unwrap().to_owned();
                Step::Send(head.replace(&length, "transfer-encoding: chunked").into_bytes())
            }
            1..=200 => Step::Send(b"1\r\n \r\n".repeat(CHUNKS)),
            _ => Step::Close,
        })
        .await;
}

/// Requests one behind the other on each connection, and not an answer is read.
pub async fn pipelined(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    let pour = Pour { connections: 50, enough: 500, reads: false, ..Pour::new(&stage) };
    stage
        .pour(pour, move |connection, step| match step {
            0..40 => Step::Send(own.signed(connection % 3, "GET", "/users?limit=100", b"")),
            _ => Step::Hold,
        })
        .await;
}

/// Connections that are opened and reset, some before they have said anything.
pub async fn churn(stage: Arc<Stage>) {
    let head = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", stage.server()).into_bytes();
    let pour = Pour { connections: 64, enough: 500, pause: Duration::from_millis(20), ..Pour::new(&stage) };
    stage
        .pour(pour, move |connection, step| match step {
            0 if connection % 2 == 0 => Step::Send(head.clone()),
            _ => Step::Reset,
        })
        .await;
}

fn fields(count: usize, make: impl Fn(usize) -> String) -> String {
    (0..count).map(make).collect::<Vec<_>>().concat()
}

/// Heads with more fields and bytes than are taken, and as many as are just taken.
pub async fn long_heads(stage: Arc<Stage>) {
    let address = stage.server();
    stage
        .flood(32, move |number| {
            let fields: String = match number % 3 {
                0 => fields(80, |field| format!("x-{field}: y\r\n")),
                1 => fields(60, |field| format!("x-{field}: {}\r\n", "y".repeat(700))),
                _ => fields(50, |field| format!("signature-input: s{field}=();{}\r\n", "a=1;".repeat(100))),
            };
            let client = format!("upvest-client-id: {}\r\nupvest-api-version: 1\r\n", uuid());
            format!("GET /users HTTP/1.1\r\nhost: {address}\r\n{client}{fields}\r\n").into_bytes()
        })
        .await;
}

/// Lists that are read a byte at a time, so that there is always somebody who reads.
pub async fn slow_readers(stage: Arc<Stage>) {
    const READERS: u64 = 200;
    let mut all = JoinSet::new();
    for number in 0..READERS {
        let stage = Arc::clone(&stage);
        all.spawn(async move {
            let client = usize::try_from(number).unwrap() % 3;
            loop {
                let request = stage.signed(client, "GET", "/users?limit=1000", b"");
                let Ok(mut stream) = stage.connect_to(stage.server(), Some(4096)).await else { continue };
                if stream.write_all(&request).await.is_err() {
                    continue;
                }
                stage.count("asked");
                stage.in_force_after(READERS);
                while stream.read_exact(&mut [0; 1]).await.is_ok() {
                    tokio::time::sleep(SLOW).await;
                }
            }
        });
    }
    stage.over().await;
}
