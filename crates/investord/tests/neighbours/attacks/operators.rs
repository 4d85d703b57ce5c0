//! What is done at the listener for operators, by strangers and by the operator of another tenant.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::json;
use testing::client::uuid;
use tokio::task::JoinSet;

use super::webhooks;
use crate::attacker::Stage;
use crate::scene::OPERATORS;

/// Sends requests to the listener for operators, over so many connections, until the attack is over.
async fn flood(stage: &Arc<Stage>, connections: u64, make: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static) {
    flood_from(stage, connections, |_| None, make).await;
}

/// The same, with each connection from the address that `from` gives it, or from the attacker's own.
async fn flood_from(
    stage: &Arc<Stage>,
    connections: u64,
    from: fn(u64) -> Option<IpAddr>,
    make: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) {
    let (make, mut senders) = (Arc::new(make), JoinSet::new());
    for number in 0..connections {
        let (stage, make) = (Arc::clone(stage), Arc::clone(&make));
        senders.spawn(async move {
            let mut next = number;
            loop {
                let connected = stage.connect_to_operators(from(number)).await;
                stage
                    .send_all(connected, 2 * connections, || {
                        next += connections;
                        make(next)
                    })
                    .await;
            }
        });
    }
    stage.over().await;
}

fn request(stage: &Stage, method: &str, target: &str, body: &str) -> Vec<u8> {
    let (host, token, length) = (stage.order.operators, &stage.order.operator_token, body.len());
    format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Passwords that are guessed, for an operator that there is and for many that there are not.
pub async fn guesses(stage: Arc<Stage>) {
    let own = Arc::clone(&stage);
    let guess = move |number: u64| {
        let name = if number.is_multiple_of(2) { OPERATORS[1].to_owned() } else { uuid() };
        let body = json!({ "name": name, "password": format!("guess {number} of many") }).to_string();
        request(&own, "POST", "/sessions", &body)
    };
    flood(&stage, 40, guess).await;
}

/// Passwords that are guessed for the neighbour's account, from a hundred addresses with limits of their own.
pub async fn guesses_from_everywhere(stage: Arc<Stage>) {
    const ADDRESSES: u64 = 100;
    let own = Arc::clone(&stage);
    let guess = move |number: u64| {
        let body = json!({ "name": OPERATORS[0], "password": format!("guess {number} of many") }).to_string();
        request(&own, "POST", "/sessions", &body)
    };
    let from = |number: u64| {
        let last = u8::try_from(number % ADDRESSES).unwrap_or_default() + 1;
        Some(IpAddr::V4(Ipv4Addr::new(127, 0, 1, last)))
    };
    flood_from(&stage, ADDRESSES, from, guess).await;
}

/// Searches with as many values as one can have, which find everybody.
pub async fn searches(stage: Arc<Stage>) {
    let (own, tenant) = (Arc::clone(&stage), OPERATORS[1]);
    let find = move |number: u64| {
        let target = match number % 3 {
            0 => format!("/tenants/{tenant}/users?{}", ["name=Mueller"; 1000].join("&")),
            1 => format!("/tenants/{tenant}/users?name=M%C3%BCller&birth_date=1980-05-17"),
            _ => format!("/tenants/{tenant}/users/{}/history", own.order.users[0]),
        };
        request(&own, "GET", &target, "")
    };
    flood(&stage, 16, find).await;
}

/// Replays, resends, skips and retries for webhooks whose receiver is not there.
pub async fn mending(stage: Arc<Stage>) {
    let webhooks = webhooks::create(&stage, 10, |_| webhooks::webhook("http://127.0.0.1:9/", true)).await;
    let (own, tenant) = (Arc::clone(&stage), OPERATORS[1]);
    let act = move |number: u64| {
        let webhook = &webhooks[usize::try_from(number / 4).unwrap() % webhooks.len()];
        let (action, more) = match number % 4 {
            0 => ("replay", json!({ "from": "1" })),
            1 => ("resend", json!({ "package": "1" })),
            2 => ("skip", json!({})),
            _ => ("retry", json!({})),
        };
        let mut body = json!({ "action": action, "reason": "why not" });
        more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        let target = format!("/tenants/{tenant}/webhooks/{webhook}/actions");
        request(&own, "POST", &target, &body.to_string())
    };
    flood(&stage, 16, act).await;
}
