//! Clients that are slow, silent, or send rubbish.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Client, Connection, Home, PATIENCE, Request, person, uuid};

const SLOW: usize = 200;
const TIMEOUTS: &str = "head_timeout_seconds = 1\nbody_timeout_seconds = 1\n";

/// Sends `first` at once and the rest a byte at a time, until the server ends it; how long that took and
/// what came before.
async fn crawl(client: Client, first: Vec<u8>, rest: Vec<u8>) -> (Duration, String) {
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    let started = Instant::now();
    let mut answer = Vec::new();
    stream.write_all(&first).await.unwrap();
    for byte in rest {
        let mut chunk = [0; 1024];
        match tokio::time::timeout(Duration::from_millis(150), stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(count)) => answer.extend_from_slice(&chunk[..count]),
            Err(_) => {
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
        }
        assert!(started.elapsed() < PATIENCE, "never cut");
    }
    (started.elapsed(), String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_cut_and_stop_nobody() {
    let home = Home::new(TIMEOUTS);
    let server = home.serve();
    let client = home.caller(&server).await;
    let mut crawlers = Vec::new();
    for number in 0..SLOW {
        let rest = b"x-very-slow: ".iter().copied().chain(std::iter::repeat_n(b'x', 300)).collect();
        let first = format!("GET /users HTTP/1.1\r\nhost: {}\r\n", client.address).into_bytes();
        crawlers.push((false, tokio::spawn(crawl(client.clone(), first, rest))));
        // Half of the slow bodies are from a client that signs, half from a stranger.
        let whole = if number % 2 == 0 {
            client.creation(&person(1), &uuid())
        } else {
            let head =
                "POST /auth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n";
            format!("{head}content-length: 400\r\n\r\n{}", "x".repeat(400)).into_bytes()
        };
        let head = whole.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let (first, rest) = (whole[..head].to_vec(), whole[head..].to_vec());
        crawlers.push((true, tokio::spawn(crawl(client.clone(), first, rest))));
    }
    let mut took = Vec::new();
    let started = Instant::now();
    let mut connection: Connection = client.connect().await;
    while started.elapsed() < Duration::from_millis(1500) {
        for request in [client.creation(&person(1), &uuid()), client.signed(&Request::get("/users?limit=1"))]
        {
            let sent = Instant::now();
            let answer = connection.send(&request).await.expect("normal traffic goes on");
            assert_eq!(answer.status, 200, "{}", answer.text());
            took.push(sent.elapsed());
        }
    }
    let mut longest = [Duration::ZERO; 2];
    for (body, crawler) in crawlers {
        let (lasted, answer) = crawler.await.unwrap();
        longest[usize::from(body)] = longest[usize::from(body)].max(lasted);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["", "400", "408"].contains(&status), "{answer}");
    }
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    println!(
        "{} normal requests beside them, p99 {p99:?}; heads cut after {longest:?} (head, body)",
        took.len()
    );
    assert!(longest.iter().all(|longest| *longest < Duration::from_secs(5)), "{longest:?}");
    assert!(p99 < Duration::from_millis(500), "{p99:?}");
    server.stop();
}

/// Neither a connection that says nothing nor one that begins to speak HTTP/2 and stops is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mute_connection_is_closed() {
    let home = Home::new(TIMEOUTS);
    let server = home.serve();
    for first_words in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(first_words).await.unwrap();
        let mut chunk = [0; 64];
        let closed = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut chunk)).await;
        // Closed or reset; what counts is that the server does not keep it.
        assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{first_words:?}: {closed:?}");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_stays_usable_or_is_closed_cleanly() {
    let home = Home::new(TIMEOUTS);
    let server = home.serve();
    let client = home.caller(&server).await;
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    let ask = |stream: TcpStream| async {
        let (mut stream, mut text) = (stream, Vec::new());
        stream.write_all(&client.signed(&Request::get("/users"))).await?;
        while !text.ends_with(b"]}") {
            if stream.read_buf(&mut text).await? == 0 {
                break;
            }
        }
        std::io::Result::Ok((stream, String::from_utf8_lossy(&text).into_owned()))
    };
    let answer;
    (stream, answer) = ask(stream).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.to_lowercase().contains("connection: close"), "{answer}");
    // The only wait: longer than the time for a head.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut chunk = [0; 1024];
    match stream.try_read(&mut chunk) {
        Ok(0) => println!("an idle connection is closed cleanly after the time for a head"),
        Ok(count) => panic!("unasked: {}", String::from_utf8_lossy(&chunk[..count])),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            let (_, answer) = ask(stream).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            println!("an idle connection outlives the time for a head");
        }
        Err(error) => panic!("not closed cleanly: {error}"),
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_does_not_stay_in_memory() {
    const SIZE: usize = 800 * 1024;
    let home = Home::new("");
    let server = home.serve();
    let client = home.caller(&server).await;
    // Warm: threads, connections and caches are there.
    for _ in 0..20 {
        assert_eq!(client.create(&person(1), &uuid()).await.status, 200);
    }
    let Some(before) = server.resident_kib() else {
        println!("skipped: this system does not tell how much memory a process has");
        return;
    };
    let mut sent = 0;
    for round in 0..8 {
        let mut senders = Vec::new();
        for number in 0..8 {
            let client = client.clone();
            senders.push(tokio::spawn(async move {
                let (kind, once) = ((round + number) % 4, uuid());
                let body = match kind {
                    0 => vec![b'['; SIZE],
                    1 => format!("{{\"first_name\":\"{}\"}}", "x".repeat(SIZE - 20)).into_bytes(),
                    _ => vec![b'x'; SIZE],
                };
                let mut bytes = client.creation(&body, &once);
                if kind == 2 {
                    // Not what was signed.
                    *bytes.last_mut().unwrap() = 0;
                }
                if kind == 3 {
                    let head =
                        format!("POST /auth/token HTTP/1.1\r\nhost: x\r\ncontent-length: {SIZE}\r\n\r\n");
                    bytes = [head.into_bytes(), body].concat();
                }
                let mut connection = client.connect().await;
                // The server may hang up before the last byte; then the answer may be lost with it.
                let written = connection.write(&bytes).await;
                match connection.answer().await {
                    Ok(answer) => assert!([400, 401].contains(&answer.status), "{}", answer.text()),
                    Err(error) => assert!(kind == 3, "{kind}: {error} {written:?}"),
                }
                SIZE
            }));
        }
        for sender in senders {
            sent += sender.await.unwrap();
        }
    }
    let after = server.resident_kib().unwrap();
    println!("{} MB of rubbish, {before} KiB before, {after} KiB after", sent / 1_000_000);
    assert!(sent >= 50_000_000);
    assert!(after < before + 32 * 1024, "{before} KiB before, {after} KiB after");
    assert_eq!(client.create(&person(1), &uuid()).await.status, 200);
    server.stop();
}
