//! What a tenant or a stranger cannot take from others.

use std::net::Ipv4Addr;
use std::time::Duration;

use investord::config::{Limits, NameServer as Server};
use serde_json::{Value, json};
use testing::app::TestApp;
use testing::bodies;
use testing::client::Client;
use testing::patience::{patiently, until_async};
use testing::receiver::{Act, Receiver};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::name_server::{NameServer, SILENT};
use crate::webhooks::{enabled, id};

const SCOPES: &str = "users:admin users:read webhooks:admin";

/// A server with these limits, and a client of another tenant.
async fn two(limits: Limits) -> (TestApp, Client) {
    let app = TestApp::with(|options| {
        options.config.limits = limits;
        options.config.webhooks.allow_insecure_targets = true;
    })
    .await;
    app.new_tenant("other", &[]).await;
    let other = app.new_client("other", SCOPES).await;
    (app, other)
}

async fn is_served(client: &Client) {
    client.get("/users").send().await.ok();
}

/// Has been refused for now, and says for how long.
fn is_refused(answer: &testing::answer::Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("retry-after"), Some("1"));
}

/// An endpoint where a request waits for events that do not come.
async fn endpoint(client: &Client) -> String {
    let opened = client.request("POST", "/events-acceptor-service/endpoints").json(&json!("")).send().await;
    assert_eq!(opened.status, 201, "{}", opened.text());
    format!("/events-acceptor-service/endpoints/{}", id(&opened.json()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_tenant_are_bounded_and_those_of_others_served() {
    let limits = Limits { requests_per_tenant: 2, requests: 3, ..Limits::default() };
    let (app, other) = two(limits).await;
    let own = app.client().clone();
    let mut waiting = JoinSet::new();
    // An endpoint has one poll at most: a second would end the first.
    for endpoint in [endpoint(&own).await, endpoint(&own).await] {
        let own = own.clone();
        // A poll is refused itself while an answer before it is still counted.
        waiting.spawn(async move { while own.get(&endpoint).send().await.status == 429 {} });
    }
    until_async("both polls to wait", async || {
        let polls = app.app().budgets.polls.waiting();
        if polls == 2 { Ok(()) } else { Err(polls) }
    })
    .await;
    is_refused(&own.get("/users").send().await, 429);
    is_served(&other).await;
    // What nobody waits for any more does not count.
    waiting.shutdown().await;
    until_async("requests to be answered again", async || {
        let answer = own.get("/users").send().await;
        if answer.status == 200 { Ok(()) } else { Err(answer.status) }
    })
    .await;
}

/// A connection on which a list was asked for, and of the answer nothing is read.
async fn unread(client: &Client) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(client.wire.address()).await.unwrap();
    stream.write_all(&client.get("/users?limit=1000").sign().wire_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_tenant_has_so_many_users_and_no_more() {
    let (app, other) = two(Limits { users_per_tenant: 2, ..Limits::default() }).await;
    for expected in [200, 200, 429] {
        let answer = app.client().create(&bodies::karl()).send().await;
        assert_eq!(answer.status, expected, "{}", answer.text());
    }
    other.created(&bodies::karl()).await;
}

#[tokio::test]
async fn a_tenant_has_so_much_written_and_no_more() {
    let (app, other) = two(Limits { written_mib_per_day: 1, ..Limits::default() }).await;
    let client = app.client();
    let mut large = bodies::karl();
    large["nationalities"] = json!(vec!["DE"; 250]);
    let mut made = 0;
    let refused = loop {
        let answer = client.create(&large).send().await;
        if answer.status != 200 {
            break answer;
        }
        made += 1;
    };
    let kib = 1 + 4 * large.to_string().len() / 1024;
    assert_eq!((refused.status, made), (429, 1025 / kib), "{}", refused.text());
    assert!(refused.text().contains("bytes written for this tenant"), "{}", refused.text());
    client.get("/users").send().await.ok();
    other.created(&large).await;
    app.pass(600);
    client.created(&large).await;
}

#[tokio::test]
async fn a_user_has_so_many_accounts_and_no_more() {
    let (app, _) = two(Limits { accounts_per_user: 2, ..Limits::default() }).await;
    let client = app.client();
    let user = client.created(&bodies::karl()).await;
    let group = json!({ "user_id": user["id"], "type": "PERSONAL" });
    let groups = [(); 3].map(|()| client.post("/account_groups").json(&group));
    let mut made = Vec::new();
    for request in groups {
        made.push(request.send().await);
    }
    assert_eq!(made.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 429]);
    let account =
        json!({ "user_id": user["id"], "account_group_id": made[0].json()["id"], "type": "TRADING" });
    for expected in [200, 200, 429] {
        let answer = client.post("/accounts").json(&account).send().await;
        assert_eq!(answer.status, expected, "{}", answer.text());
    }
    let other = client.created(&bodies::karl()).await;
    let group = json!({ "user_id": other["id"], "type": "PERSONAL" });
    client.post("/account_groups").json(&group).send().await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_end_the_service_of_their_tenant_alone() {
    let limits = Limits { unsent_mib_per_tenant: 1, ..Limits::default() };
    let (app, other) = two(limits).await;
    let own = app.client().clone();
    let mut large = bodies::karl();
    large["nationalities"] = json!(vec!["DE"; 250]);
    for _ in 0..300 {
        own.create(&large).send().await;
    }
    let mut streams = Vec::new();
    until_async("a request to be refused", async || {
        if streams.len() < 64 {
            streams.push(unread(&own).await);
        }
        let answer = own.get("/users?limit=1").send().await;
        if answer.status == 429 {
            Ok(())
        } else {
            Err(format!("{} unread, {}", streams.len(), answer.status))
        }
    })
    .await;
    is_refused(&own.get("/users?limit=1").send().await, 429);
    is_served(&other).await;
    drop(streams);
    until_async("requests to be answered again", async || {
        let answer = own.get("/users?limit=1").send().await;
        if answer.status == 200 { Ok(()) } else { Err(answer.status) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_bounded_for_each_address_and_silent_ones_closed() {
    let limits = Limits { connections_per_address: 8, first_request_seconds: 2, ..Limits::default() };
    let (app, other) = two(limits).await;
    app.wire().rest();
    let address = app.wire().address();
    let mut silent = Vec::new();
    let refusal = until_async("a connection to be refused", async || {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut text = [0; 12];
        match tokio::time::timeout(Duration::from_millis(100), stream.read_exact(&mut text)).await {
            Ok(Ok(_)) => Ok(String::from_utf8_lossy(&text).into_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => {
                silent.push(stream);
                Err(format!("{} are open", silent.len()))
            }
        }
    })
    .await;
    assert_eq!(refusal, "HTTP/1.1 503");
    // From elsewhere, and on the listener for operators, everybody is answered.
    other.get("/users").sign().send_from([127, 0, 0, 9]).await.ok();
    let operators = app.app().config.operator_address().resolve().unwrap();
    let mut stream = TcpStream::connect(operators).await.unwrap();
    stream.write_all(b"GET /me HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    patiently("an operator's answer", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    // Whoever says nothing is not kept.
    for mut stream in silent {
        let mut rest = Vec::new();
        let read = patiently("a silent connection to be closed", stream.read_to_end(&mut rest)).await;
        assert!(read.is_err() || rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
    is_served(&other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_calls_of_one_tenant_leave_room_for_others() {
    let (app, other) = two(Limits { test_calls_per_tenant: 2, test_calls: 3, ..Limits::default() }).await;
    let receiver = Receiver::start().await;
    receiver.does([Act::Hold; 3]);
    let own = app.client().clone();
    let mut calls = JoinSet::new();
    for client in [&own, &other] {
        let webhook = enabled(client, &receiver, json!({})).await;
        let path = format!("/webhooks/{}/test", id(&webhook));
        let count = if client.id == own.id { 2 } else { 1 };
        for _ in 0..count {
            let request = client.get(&path);
            calls.spawn(request.send());
        }
        receiver.until(count).await;
        receiver.seen();
        // The tenant's own limit first, then that of all.
        let expected = if client.id == own.id { 429 } else { 503 };
        is_refused(&client.get(&path).sign().send_alone(false).await.unwrap(), expected);
    }
    for _ in 0..3 {
        receiver.release.notify_one();
        let answer = patiently("a test call to be answered", calls.join_next()).await.unwrap().unwrap();
        assert_eq!(answer.ok()["outcome"], "delivered");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_of_one_tenant_leave_room_for_others() {
    let limits = Limits { deliveries: 2, deliveries_per_tenant: 1, ..Limits::default() };
    let (app, other) = two(limits).await;
    let (slow, good) = (Receiver::start().await, Receiver::start().await);
    slow.does([Act::Hold; 3]);
    for _ in 0..3 {
        enabled(app.client(), &slow, json!({})).await;
    }
    enabled(&other, &good, json!({})).await;
    // As many as there are places would be on their way before the other tenant has anything to deliver.
    for (client, receiver) in [(app.client(), &slow), (&other, &good)] {
        client.created(&bodies::karl()).await;
        app.pass(5);
        receiver.until(1).await;
    }
    assert_eq!(slow.seen().len(), 1, "the second of the tenant takes its turn");
    slow.release.notify_one();
    slow.until(1).await;
    for _ in 0..2 {
        slow.release.notify_one();
    }
}

/// Runs a test where two threads alone may wait.
fn on_few_threads(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).max_blocking_threads(2).enable_all().build().unwrap().block_on(test);
}

/// The system's resolver holds a thread for each name whose servers are silent, and scans need threads.
#[test]
fn names_that_nobody_answers_for_keep_no_thread() {
    on_few_threads(async {
        let names = NameServer::start(Ipv4Addr::LOCALHOST).await;
        let app = TestApp::with(|options| {
            options.config.webhooks.allow_insecure_targets = true;
            options.config.webhooks.name_servers = vec![Server(names.address)];
        })
        .await;
        let client = app.client();
        let mut calls = JoinSet::new();
        for number in 0..4 {
            let body = json!({ "title": "T", "url": format!("http://a{number}.{SILENT}/hooks") });
            let webhook = client.request("POST", "/webhooks").json(&body).send().await;
            let path = format!("/webhooks/{}/test", id(&webhook.json()));
            let request = client.get(&path);
            calls.spawn(request.send());
            patiently("the name to be asked for", names.asked.notified()).await;
        }
        is_served(client).await;
        assert!(calls.try_join_next().is_none(), "the names are still asked for");
        while let Some(answer) = patiently("the end of a test call", calls.join_next()).await {
            assert_eq!(answer.unwrap().ok()["outcome"], "dns");
        }
    });
}

/// The addresses are those of the servers that are configured, and are judged as any other.
#[tokio::test]
async fn names_are_asked_for_where_the_configuration_says() {
    let names = NameServer::start(Ipv4Addr::LOCALHOST).await;
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    for (allowed, scheme, outcome) in [(true, "http", "delivered"), (false, "https", "forbidden_address")] {
        let app = TestApp::with(|options| {
            options.config.webhooks.allow_insecure_targets = allowed;
            options.config.webhooks.name_servers = vec![Server(names.address)];
        })
        .await;
        let body = json!({ "title": "T", "url": format!("{scheme}://receiver.example:{port}/hooks") });
        let webhook: Value = app.client().request("POST", "/webhooks").json(&body).send().await.json();
        let tested = app.client().get(&format!("/webhooks/{}/test", id(&webhook))).send().await.ok();
        assert_eq!(tested["outcome"], outcome);
    }
}

/// The clock stands still: nothing but the second request ends the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_waits_at_each_endpoint() {
    let app = TestApp::start().await;
    let client = app.new_client("main", SCOPES).await;
    let endpoint = endpoint(&client).await;
    let first = tokio::spawn(client.get(&endpoint).send());
    until_async("the first request to wait", async || {
        let waiting = app.app().budgets.polls.waiting();
        if waiting == 1 { Ok(()) } else { Err(waiting) }
    })
    .await;
    let second = tokio::spawn(client.get(&endpoint).send());
    assert_eq!(patiently("the first request to end", first).await.unwrap().ok(), json!([]));
    assert!(!second.is_finished());
    second.abort();
}

#[tokio::test]
async fn what_nobody_has_decided_is_bounded_for_each_user() {
    let app = TestApp::with(|options| {
        options.config.limits.open_checks_per_user = 2;
        options.config.limits.open_data_changes_per_user = 2;
        options.settings.extend([("model", json!("TOL")), ("review_policy", json!("review"))]);
    })
    .await;
    let client = app.client();
    let users = [client.created(&bodies::everything()).await, client.created(&bodies::everything()).await];
    let check: Value =
        serde_json::from_str(include_str!("../../../../api/examples/create-check-kyc.json")).unwrap();
    let change: Value =
        serde_json::from_str(include_str!("../../../../api/examples/change-name.json")).unwrap();
    for (what, body) in [("checks", &check), ("data_change_requests", &change)] {
        let begin = async |user: &Value| {
            let path = format!("/users/{}/{what}", id(user));
            client.request("POST", &path).json(body).send().await
        };
        for _ in 0..2 {
            let taken = begin(&users[0]).await;
            assert_eq!(taken.status, 202, "{}", taken.text());
        }
        let refused = begin(&users[0]).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")), "{}", refused.text());
        assert_eq!(begin(&users[1]).await.status, 202, "another user's");
    }
}
