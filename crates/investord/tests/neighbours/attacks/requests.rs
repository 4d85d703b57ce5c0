//! Requests that are many, dear, or whose answers nobody reads.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use testing::client::{Client, uuid};
use testing::program::investord;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::attacker::Stage;
use crate::scene::investor;

/// Bytes that the system keeps of what is not read.
const NEXT_TO_NOTHING: u32 = 4096;
/// A little less than the longest body.
const LONGEST: usize = 1024 * 1024 - 1024;

/// One of the clients with a usual key, in turn.
fn client(number: u64) -> usize {
    usize::try_from(number % 3).unwrap()
}

/// 300 connections on each of which the longest list is asked for and no byte of it is read.
pub async fn unread_lists(stage: Arc<Stage>) {
    const LISTS: u64 = 300;
    let mut all = JoinSet::new();
    for number in 0..LISTS {
        let stage = Arc::clone(&stage);
        all.spawn(async move {
            loop {
                let stream = stage.connect_to(stage.server(), Some(NEXT_TO_NOTHING)).await;
                let request = stage.signed(client(number), "GET", "/users?limit=1000", b"");
                if let Ok(mut stream) = stream
                    && stream.write_all(&request).await.is_ok()
                {
                    stage.count("asked");
                    // Longer than the server waits for a reader.
                    tokio::time::sleep(Duration::from_secs(20)).await;
                }
            }
        });
    }
    refused(&stage).await;
    stage.over().await;
}

/// Asks for little until the tenant is refused even that: the attack is in force.
async fn refused(stage: &Stage) {
    loop {
        let request = stage.signed(3, "GET", "/users?limit=1", b"");
        if let Ok(mut line) = stage.connect().await
            && let Ok(answer) = line.attempt(&request).await
        {
            stage.count(answer.status);
            if answer.status == 429 {
                return stage.in_force();
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// As many requests as there can be of a client whose signatures are the dearest to verify.
pub async fn dear_key(stage: Arc<Stage>) {
    let (own, last) = (Arc::clone(&stage), stage.clients.len() - 1);
    stage.flood(32, move |_| own.signed(last, "GET", "/users?limit=1", b"")).await;
}

/// Requests in the neighbour's name with tokens that are none, from the neighbour's address.
pub async fn nonsense_tokens(stage: Arc<Stage>) {
    let mut stranger = stage.clients[0].clone();
    (stranger.id, stranger.key.id) = (stage.order.neighbour.clone(), stage.order.neighbours_key.clone());
    let headers = stage.beside.headers();
    stage
        .flood(32, move |_| {
            let stranger = Client { token: uuid(), ..stranger.clone() };
            stranger.get("/users?limit=1").headers(headers).into_bytes()
        })
        .await;
}

/// Requests of a client with a good token whose signatures are false.
pub async fn false_signatures(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    stage
        .flood(32, move |_| {
            let request = own.signed(3, "GET", "/users?limit=1", b"");
            String::from_utf8(request).unwrap().replace("/users?limit=1", "/users?limit=2").into_bytes()
        })
        .await;
}

/// Thousands of checks of one user.
pub async fn checks(stage: Arc<Stage>) {
    let check = include_str!("../../../../../api/examples/create-check-kyc.json");
    let (own, target) = (Arc::clone(&stage), format!("/users/{}/checks", stage.order.users[0]));
    // More than may be open.
    stage
        .flood_of(16, 150, move |number| own.keyed(client(number), &target, check.as_bytes(), &uuid()))
        .await;
}

/// Data changes of one user.
pub async fn data_changes(stage: Arc<Stage>) {
    let target = format!("/users/{}/data_change_requests", stage.order.users[1]);
    let own = Arc::clone(&stage);
    stage
        .flood(16, move |number| {
            let body = json!({ "email": format!("karl.{number}@example.com") }).to_string();
            own.keyed(client(number), &target, body.as_bytes(), &uuid())
        })
        .await;
}

/// Account groups, accounts and changes of one account, all of one user.
pub async fn accounts(stage: Arc<Stage>) {
    let user = stage.order.users[2].clone();
    let group = json!({ "user_id": user, "type": "PERSONAL" }).to_string();
    let created = stage.keyed(0, "/account_groups", group.as_bytes(), &uuid());
    let created = stage.connect().await.unwrap().attempt(&created).await.unwrap().json();
    let account =
        json!({ "user_id": user, "account_group_id": created["id"], "type": "TRADING", "name": "A" });
    let first = stage.keyed(0, "/accounts", account.to_string().as_bytes(), &uuid());
    let first = stage.connect().await.unwrap().attempt(&first).await.unwrap();
    let target = format!("/accounts/{}", first.json()["id"].as_str().unwrap());
    let own = Arc::clone(&stage);
    stage
        .flood(16, move |number| match number % 2 {
            0 => own.keyed(client(number), "/accounts", account.to_string().as_bytes(), &uuid()),
            _ => {
                let name = json!({ "name": format!("Number {number}") }).to_string();
                own.signed(client(number), "PATCH", &target, name.as_bytes())
            }
        })
        .await;
}

/// Bodies as long as they may be, most of which is space.
pub async fn long_bodies(stage: Arc<Stage>) {
    let body = [&investor(2)[..], &vec![b' '; LONGEST]].concat();
    let body = body[..LONGEST].to_vec();
    let own = Arc::clone(&stage);
    stage.flood(24, move |number| own.keyed(client(number), "/users", &body, &uuid())).await;
}

/// Bodies that are deep, wide, or one long text.
pub async fn intricate_bodies(stage: Arc<Stage>) {
    let deep = vec![b'['; LONGEST];
    let members: Vec<_> = (0..60_000).map(|number| format!("\"a{number}\":[]")).collect();
    let wide = format!("{{{}}}", members.join(","));
    let text = format!("{{\"first_name\":\"{}\"}}", "\\u00e4".repeat(LONGEST / 7));
    let bodies = [deep, wide.into_bytes(), text.into_bytes()];
    let own = Arc::clone(&stage);
    stage
        .flood(12, move |number| {
            let body = &bodies[usize::try_from(number % 3).unwrap()];
            own.keyed(client(number), "/users", body, &uuid())
        })
        .await;
}

/// One creation, sent again and again with its idempotency key, each time signed anew.
pub async fn replayed_key(stage: Arc<Stage>) {
    let (own, key, body) = (Arc::clone(&stage), uuid(), investor(2));
    stage.flood(32, move |number| own.keyed(client(number), "/users", &body, &key)).await;
}

/// The very same bytes again and again.
pub async fn replayed_bytes(stage: Arc<Stage>) {
    let request = stage.keyed(0, "/users", &investor(2), &uuid());
    stage.flood(32, move |_| request.clone()).await;
}

pub async fn verify_keys(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    stage.flood(32, move |number| own.signed(client(number), "GET", "/auth/verify_keys", b"")).await;
}

/// Dry runs for people with as many nationalities and identifiers as there can be.
pub async fn dry_runs(stage: Arc<Stage>) {
    let mut person: Value =
        serde_json::from_str(include_str!("../../../../../api/examples/reporting-dry-run.json")).unwrap();
    person["nationalities"] = json!(vec!["PL"; 250]);
    let (own, body) = (Arc::clone(&stage), person.to_string());
    stage
        .flood(16, move |number| own.signed(client(number), "POST", "/investord/reporting", body.as_bytes()))
        .await;
}

/// Everything that has happened, from its beginning, a thousand events at a time and with the longest choice.
pub async fn exports(stage: Arc<Stage>) {
    let target = format!("/investord/events?after=0&limit=1000&type={}", vec!["USER"; 1000].join(","));
    let own = Arc::clone(&stage);
    stage.flood(16, move |number| own.signed(client(number), "GET", &target, b"")).await;
}

/// Lists in the dearest order that begin far behind.
pub async fn deep_offsets(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    stage
        .flood(16, move |number| {
            let offset = if number % 2 == 0 { i64::from(i32::MAX) } else { 250 };
            let target = format!("/users?sort=updated_at&order=DESC&limit=1000&offset={offset}");
            own.signed(client(number), "GET", &target, b"")
        })
        .await;
}

/// Creations as fast as they are taken.
pub async fn creations(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    stage.flood(64, move |number| own.keyed(client(number), "/users", &investor(number), &uuid())).await;
}

/// Users who leave as soon as they are there.
pub async fn offboardings(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    stage
        .flood(16, move |number| {
            let user = &own.order.users[3 + usize::try_from(number).unwrap() % 200];
            own.signed(client(number), "DELETE", &format!("/users/{user}"), b"")
        })
        .await;
}

/// The chain of every tenant checked from end to end, again and again, by two processes beside the server.
pub async fn audits(stage: Arc<Stage>) {
    let mut all = JoinSet::new();
    for _ in 0..2 {
        let stage = Arc::clone(&stage);
        all.spawn(async move {
            loop {
                let mut command = investord(&stage.order.folder);
                command.args(["audit", "verify", "--json", "--config", "investord.toml"]);
                let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
                stage.count(if ended.status.success() { "verified" } else { "failed" });
                if !ended.status.success() {
                    eprintln!("{}", String::from_utf8_lossy(&ended.stderr));
                }
                stage.in_force();
            }
        });
    }
    stage.over().await;
}

/// What anybody may ask for, and what there is not.
pub async fn strangers(stage: Arc<Stage>) {
    const TARGETS: [(&str, &str); 8] = [
        ("GET", "/openapi.json"),
        ("OPTIONS", "/users"),
        ("GET", "/nowhere"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("TRACE", "/"),
        ("GET", "/errors"),
        ("POST", "/users"),
    ];
    let address = stage.server();
    stage
        .flood(32, move |number| {
            let (method, target) = TARGETS[usize::try_from(number).unwrap() % TARGETS.len()];
            format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n").into_bytes()
        })
        .await;
}

/// Tokens, asked for with a good secret and with a wrong one.
pub async fn tokens(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    stage
        .flood(32, move |number| {
            let mut client = own.clients[client(number)].clone();
            client.scopes = "users:admin".into();
            if number % 2 == 0 {
                "wrong".clone_into(&mut client.secret);
            }
            client.token_request().into_bytes()
        })
        .await;
}
