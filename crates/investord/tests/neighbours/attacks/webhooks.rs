//! Webhooks whose receivers are slow, silent or nowhere, and those that are made for the work they cause.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testing::client::uuid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::attacker::Stage;
use crate::scene::investor;

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Silent,
    /// Answers shortly before it is given up.
    Late,
    /// Sends a body without an end, as fast as it is taken.
    Endless,
    /// Sends a head without an end.
    EndlessHead,
}

/// Receivers on a port of this process.
async fn receivers(stage: &Arc<Stage>, manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stage) = (listener.local_addr().unwrap(), Arc::clone(stage));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move {
                stage.count("delivery begun");
                let _ = receive(stream, manner).await;
            });
        }
    });
    address
}

async fn receive(mut stream: TcpStream, manner: Manner) -> std::io::Result<()> {
    let (mut head, mut line) = (&b"HTTP/1.1 200 OK\r\n"[..], b"x-more: and more\r\n".repeat(100));
    let mut chunk = vec![0; 64 * 1024];
    let _ = stream.read(&mut chunk).await?;
    match manner {
        Manner::Silent => while stream.read(&mut chunk).await? > 0 {},
        Manner::Late => {
            tokio::time::sleep(Duration::from_millis(9_900)).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
        }
        Manner::Endless => {
            (head, line) = (b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n", vec![b'x'; 64 * 1024]);
        }
        Manner::EndlessHead => {}
    }
    if [Manner::Endless, Manner::EndlessHead].contains(&manner) {
        stream.write_all(head).await?;
        loop {
            stream.write_all(&line).await?;
        }
    }
    Ok(())
}

pub fn webhook(url: &str, enabled: bool) -> Value {
    json!({ "title": "T", "url": url, "type": ["ALL"], "enabled": enabled })
}

/// Creates webhooks: their ids.
pub async fn create(stage: &Arc<Stage>, count: usize, make: impl Fn(usize) -> Value) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let answer = stage.prepare("POST", "/webhooks", make(number).to_string().as_bytes()).await;
        ids.push(answer.json()["id"].as_str().unwrap().to_owned());
    }
    ids
}

async fn delete(stage: &Stage, webhooks: &[String]) {
    for id in webhooks {
        stage.prepare("DELETE", &format!("/webhooks/{id}"), b"").await;
    }
}

/// Creates a user every now and then, so that there is something to send, until it is dropped.
async fn events(stage: Arc<Stage>) {
    loop {
        let request = stage.keyed(1, "/users", &investor(2), &uuid());
        if let Ok(mut line) = stage.connect().await {
            let _ = line.attempt(&request).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Tests webhooks in turn, as many at once, until the attack is over.
async fn test(stage: &Arc<Stage>, at_once: u64, webhooks: &[String]) {
    let (own, ids) = (Arc::clone(stage), webhooks.to_vec());
    let test = move |number| {
        let id = &ids[usize::try_from(number).unwrap() % ids.len()];
        own.signed(2, "GET", &format!("/webhooks/{id}/test"), b"")
    };
    stage.flood(at_once, test).await;
}

/// Has webhooks sent to and tested until the attack is over.
async fn attack_by(stage: Arc<Stage>, count: usize, make: impl Fn(usize) -> Value) {
    let webhooks = create(&stage, count, make).await;
    let happening = tokio::spawn(events(Arc::clone(&stage)));
    test(&stage, 16, &webhooks).await;
    happening.abort();
    delete(&stage, &webhooks).await;
}

/// Webhooks on names of which the name server says nothing, tests of them, and events for them.
pub async fn unresolved(stage: Arc<Stage>) {
    attack_by(stage, 90, |number| webhook(&format!("http://a{number}.silent.example/"), true)).await;
}

/// 100 webhooks whose receivers answer after 9.9 s.
pub async fn late(stage: Arc<Stage>) {
    let address = receivers(&stage, Manner::Late).await;
    attack_by(stage, 100, |number| webhook(&format!("http://{address}/{number}"), true)).await;
}

/// Receivers whose answers have no end.
pub async fn endless(stage: Arc<Stage>) {
    let bodies = receivers(&stage, Manner::Endless).await;
    let heads = receivers(&stage, Manner::EndlessHead).await;
    let address = |number| if number % 2 == 0 { bodies } else { heads };
    attack_by(stage, 60, |number| webhook(&format!("http://{}/{number}", address(number)), true)).await;
}

/// One webhook that is disabled, and tests of it in parallel.
pub async fn disabled(stage: Arc<Stage>) {
    let address = receivers(&stage, Manner::Silent).await;
    let webhooks = create(&stage, 1, |_| webhook(&format!("http://{address}/"), false)).await;
    test(&stage, 64, &webhooks).await;
    delete(&stage, &webhooks).await;
}

/// An endpoint to which 99 webhooks lead that match nothing, and 60 requests that wait there.
pub async fn long_polls(stage: Arc<Stage>) {
    let opened = stage.prepare("POST", "/events-acceptor-service/endpoints", b"\"\"").await.json();
    let url = opened["url"].as_str().unwrap().to_owned();
    let nothing = json!({ "title": "T", "url": url, "type": ["ACCOUNT"], "enabled": true });
    let webhooks = create(&stage, 99, |_| nothing.clone()).await;
    let happening = tokio::spawn(events(Arc::clone(&stage)));
    let (own, target) = (
        Arc::clone(&stage),
        format!("/events-acceptor-service/endpoints/{}", opened["id"].as_str().unwrap()),
    );
    let poll = target.clone();
    stage.flood(60, move |_| own.signed(0, "GET", &poll, b"")).await;
    happening.abort();
    delete(&stage, &webhooks).await;
    stage.prepare("DELETE", &target, b"").await;
}

/// Webhooks that are created, changed and deleted as fast as they are taken.
pub async fn storm(stage: Arc<Stage>) {
    let webhooks = create(&stage, 40, |_| webhook("http://127.0.0.1:9/", true)).await;
    let (own, ids) = (Arc::clone(&stage), webhooks.clone());
    stage
        .flood(16, move |number| {
            let client = usize::try_from(number % 3).unwrap();
            let id = &ids[usize::try_from(number).unwrap() % ids.len()];
            match number % 3 {
                0 => {
                    let body = webhook("http://127.0.0.1:9/", false).to_string();
                    own.signed(client, "POST", "/webhooks", body.as_bytes())
                }
                1 => {
                    let body = json!({ "enabled": number % 2 == 0, "title": number.to_string() }).to_string();
                    own.signed(client, "PATCH", &format!("/webhooks/{id}"), body.as_bytes())
                }
                _ => own.signed(client, "GET", "/webhooks?limit=100", b""),
            }
        })
        .await;
    let listed = stage.prepare("GET", "/webhooks?limit=100", b"").await.json();
    let all = listed["data"].as_array().unwrap().iter();
    let ids: Vec<String> = all.map(|webhook| webhook["id"].as_str().unwrap().to_owned()).collect();
    delete(&stage, &ids).await;
}
