//! Clients that are slow, silent, or send rubbish.

use std::time::{Duration, Instant};

use testing::client::{Client, uuid};
use testing::home::{Home, person};
use testing::http::Connection;
use testing::patience::{Patience, in_time, patiently};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SLOW: usize = 200;
/// Bytes of a body that does not come to its end.
const LONG: usize = 60_000;
const TIMEOUTS: &str = "head_timeout_seconds = 1\nbody_timeout_seconds = 1\n";

/// A request that never comes to its end: `first` is sent at once and the rest a byte at a time, and again from its
/// beginning, until the server ends it. How long that took, and what came before.
async fn crawl(mut stream: TcpStream, rest: Vec<u8>) -> (Duration, String) {
    let (started, mut patience) = (Instant::now(), Patience::new("the server to cut a slow client"));
    let mut answer = Vec::new();
    for byte in rest.iter().cycle() {
        let mut chunk = [0; 1024];
        match tokio::time::timeout(Duration::from_millis(150), stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(count)) => answer.extend_from_slice(&chunk[..count]),
            Err(_) => {
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        }
        patience.sees(format!("{} bytes of an answer", answer.len()));
    }
    (started.elapsed(), String::from_utf8_lossy(&answer).into_owned())
}

/// What a slow client is sending.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sends {
    Head,
    /// The body of a request that is signed.
    Body,
    /// The body of a request that no client has signed: it can be refused before it has come.
    StrangersBody,
}

/// Connections on each of which a request has begun and does not go on: what comes next on them would be its rest, of
/// which there is no end.
async fn slow_clients(client: &Client) -> Vec<(Sends, TcpStream)> {
    let mut all = Vec::new();
    for number in 0..SLOW {
        let head = format!("GET /users HTTP/1.1\r\nhost: {}\r\n", client.address()).into_bytes();
        let body = if number % 2 == 0 {
            let mut whole = client.creation(&vec![b'x'; LONG], &uuid()).into_bytes();
            whole.truncate(whole.len() - LONG);
            (Sends::Body, whole)
        } else {
            let head =
                "POST /auth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n";
            (Sends::StrangersBody, format!("{head}content-length: {LONG}\r\n\r\n").into_bytes())
        };
        for (sends, first) in [(Sends::Head, head), body] {
            let mut stream = TcpStream::connect(client.address()).await.unwrap();
            stream.write_all(&first).await.unwrap();
            all.push((sends, stream));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_cut() {
    let home = Home::new(TIMEOUTS);
    let server = home.serve();
    let client = home.caller(&server).await;
    let crawlers: Vec<_> = slow_clients(&client)
        .await
        .into_iter()
        .map(|(sends, stream)| {
            let rest = if sends == Sends::Head { &b"x-very-slow: "[..] } else { b"x" };
            (sends, tokio::spawn(crawl(stream, rest.to_vec())))
        })
        .collect();
    let mut longest = [Duration::ZERO; 2];
    for (sends, crawler) in crawlers {
        let (lasted, answer) = crawler.await.unwrap();
        let longest = &mut longest[usize::from(sends != Sends::Head)];
        *longest = lasted.max(*longest);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["", "400", "408"].contains(&status), "{answer}");
    }
    in_time("the longest head", longest[0], Duration::from_secs(5));
    in_time("the longest body", longest[1], Duration::from_secs(5));
    server.stop();
}

/// While hundreds of slow clients are there, and none of them is cut, everybody else is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_stop_nobody() {
    let home =
        Home::new("head_timeout_seconds = 3600\nbody_timeout_seconds = 3600\nshutdown_timeout_seconds = 1\n");
    let server = home.serve();
    let client = home.caller(&server).await;
    let slow = slow_clients(&client).await;
    let mut took = Vec::new();
    let mut connection: Connection = client.connect().await;
    for _ in 0..50 {
        for request in [client.creation(&person(1), &uuid()), client.get("/users?limit=1")] {
            let request = request.into_bytes();
            let sent = Instant::now();
            let answer = connection.send(&request).await.expect("normal traffic goes on");
            assert_eq!(answer.status, 200, "{answer}");
            took.push(sent.elapsed());
        }
    }
    for (sends, stream) in &slow {
        let seen = stream.try_read(&mut [0; 64]);
        let waits = seen.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(waits || *sends == Sends::StrangersBody, "{sends:?}: {seen:?}");
    }
    took.sort_unstable();
    in_time("99 of 100 requests beside them", took[took.len() * 99 / 100], Duration::from_millis(500));
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
        let closed = patiently("the server to close a mute connection", stream.read(&mut chunk)).await;
        // Closed or reset; what counts is that the server does not keep it.
        assert!(matches!(closed, Ok(0) | Err(_)), "{first_words:?}: {closed:?}");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_stays_usable_or_is_closed_cleanly() {
    let home = Home::new(TIMEOUTS);
    let server = home.serve();
    let client = home.caller(&server).await;
    let mut stream = TcpStream::connect(client.address()).await.unwrap();
    let ask = |stream: TcpStream| async {
        let (mut stream, mut text) = (stream, Vec::new());
        stream.write_all(&client.get("/users").into_bytes()).await?;
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
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => match ask(stream).await {
            Ok((_, answer)) if !answer.is_empty() => {
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                println!("an idle connection outlives the time for a head");
            }
            // Just now, while the request was on its way.
            ended => println!("an idle connection is closed: {:?}", ended.map(|(_, answer)| answer)),
        },
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
        assert_eq!(client.creation(&person(1), &uuid()).ask().await.status, 200);
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
                let mut bytes = client.creation(&body, &once).into_bytes();
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
                    Ok(answer) => assert!([400, 401].contains(&answer.status), "{answer}"),
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
    assert_eq!(client.creation(&person(1), &uuid()).ask().await.status, 200);
    server.stop();
}
