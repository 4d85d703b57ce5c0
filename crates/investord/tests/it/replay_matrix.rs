//! Replays: the same signed message once more × with or without a nonce × by every way × what it asks for × how strict
//! the tenant is. Whatever is answered, nothing happens twice.
//!
//! What is expected follows from decisions W5 and W19 to W21 as `docs/choices.md` and `docs/operating.md` tell them.

use serde_json::{Value, json};
use testing::answer::Answer;
use testing::app::{ED25519, P521, Register, Second, TestApp};
use testing::bodies;
use testing::client::{Client, once_key};
use testing::http::Wire;
use testing::receiver::Receiver;
use testing::signing::{Request, Sent};

use crate::isolation_matrix::Matrix;
use crate::webhooks::{enabled, id, pass};

// What a message comes to when it is sent once more.
/// 401: it was received before.
const KNOWN: &str = "known";
/// 401: what was changed is not what was signed.
const FORGED: &str = "forged";
/// 401: it was signed before this process could remember what it receives.
const EARLY: &str = "early";
/// Answered again; nothing remembers it, and it changes nothing.
const AGAIN: &str = "again";
/// Answered by another process, once; then it is known there, too.
const ONCE: &str = "once";
/// 401 even for the first time: the tenant is strict.
const NEVER: &str = "never";
/// The kept answer of the first time, which says so.
const KEPT: &str = "kept";
/// A request of its own.
const ANEW: &str = "anew";

/// How a message comes once more.
const WAYS: [&str; 8] = [
    "over the same connection",
    "over another connection",
    "under another key id of the client",
    "with another host",
    "with another signature of the same base",
    "after a restart",
    "to a second process",
    "signed afresh",
];

type Row = (&'static str, bool, bool, [&'static str; 8]);

/// What is asked for; whether with a nonce; whether the tenant is strict; what it comes to by each of [`WAYS`].
#[rustfmt::skip]
const ROWS: [Row; 28] = [
    // request           nonce  strict  same   other  other   other  other      after    second   signed
    //                                  conn.  conn.  key id  host   signature  restart  process  afresh
    ("create user",      true,  false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   KEPT]),
    ("create user",      false, false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   KEPT]),
    ("create user",      true,  true,  [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   KEPT]),
    ("create user",      false, true,  [NEVER, NEVER, NEVER,  NEVER, NEVER,     NEVER,   NEVER,   NEVER]),
    ("create webhook",   true,  false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("create webhook",   false, false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("create webhook",   true,  true,  [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("create webhook",   false, true,  [NEVER, NEVER, NEVER,  NEVER, NEVER,     NEVER,   NEVER,   NEVER]),
    ("list users",       true,  false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     EARLY,   ONCE,    ANEW]),
    ("list users",       false, false, [AGAIN, AGAIN, FORGED, AGAIN, AGAIN,     AGAIN,   AGAIN,   ANEW]),
    ("list users",       true,  true,  [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     EARLY,   ONCE,    ANEW]),
    ("list users",       false, true,  [NEVER, NEVER, NEVER,  NEVER, NEVER,     NEVER,   NEVER,   NEVER]),
    ("preview a change", true,  false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     EARLY,   ONCE,    ANEW]),
    ("preview a change", false, false, [AGAIN, AGAIN, FORGED, AGAIN, AGAIN,     AGAIN,   AGAIN,   ANEW]),
    ("preview a change", true,  true,  [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     EARLY,   ONCE,    ANEW]),
    ("preview a change", false, true,  [NEVER, NEVER, NEVER,  NEVER, NEVER,     NEVER,   NEVER,   NEVER]),
    ("collect events",   true,  false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("collect events",   false, false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("collect events",   true,  true,  [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("collect events",   false, true,  [NEVER, NEVER, NEVER,  NEVER, NEVER,     NEVER,   NEVER,   NEVER]),
    ("call for a test",  true,  false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("call for a test",  false, false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("call for a test",  true,  true,  [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("call for a test",  false, true,  [NEVER, NEVER, NEVER,  NEVER, NEVER,     NEVER,   NEVER,   NEVER]),
    ("take a token",     true,  false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("take a token",     false, false, [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("take a token",     true,  true,  [KNOWN, KNOWN, FORGED, KNOWN, KNOWN,     KNOWN,   KNOWN,   ANEW]),
    ("take a token",     false, true,  [NEVER, NEVER, NEVER,  NEVER, NEVER,     NEVER,   NEVER,   NEVER]),
];

/// The host to which messages are bound.
const HOST: &str = "register.example";

struct Scene {
    app: TestApp,
    client: Client,
    receiver: Receiver,
    second: Option<Second>,
    user: Value,
    webhook: Value,
    endpoint: Value,
}

impl Scene {
    async fn new(strict: bool) -> Self {
        let app = TestApp::with(|options| {
            options.config.webhooks.allow_insecure_targets = true;
            options.config.public_url = Some(format!("https://{HOST}"));
            options.worker = false;
        })
        .await;
        let client = app.new_client("main", testing::app::SCOPES).await;
        let receiver = Receiver::start().await;
        let user = client.created(&bodies::karl()).await;
        let webhook = enabled(&client, &receiver, json!({ "type": ["ACCOUNT"] })).await;
        let endpoint = client.request("POST", "/events-acceptor-service/endpoints").json(&json!(""));
        let endpoint = endpoint.send().await.json();
        let collected = json!({ "title": "Collected", "url": endpoint["url"], "enabled": true });
        assert_eq!(client.request("POST", "/webhooks").json(&collected).send().await.status, 201);
        app.set("strict_signatures", strict).await;
        let mut this = Self { app, client, receiver, second: None, user, webhook, endpoint };
        this.begin();
        this
    }

    /// Starts the second process, where the database takes one.
    fn begin(&mut self) {
        self.second = matches!(self.app.register, Register::Server(_)).then(|| self.app.second());
        self.app.pass(1);
    }

    /// A request that the strictest tenant takes, but for its nonce.
    fn request(&self, what: &str) -> Request {
        let client = &self.client;
        let request = match what {
            "create user" => client.create(&bodies::smallest()),
            "create webhook" => {
                let body =
                    json!({ "title": "Another", "url": "https://receiver.example/", "enabled": false });
                client.request("POST", "/webhooks").json(&body)
            }
            "list users" => client.get("/users?limit=1"),
            "preview a change" => {
                let target = format!("/investord/users/{}/data_change_requests/preview", id(&self.user));
                client.request("POST", &target).json(&json!({ "first_name": "Carl" }))
            }
            "collect events" => {
                client.get(&format!("/events-acceptor-service/endpoints/{}?wait=0", id(&self.endpoint)))
            }
            "call for a test" => client.get(&format!("/webhooks/{}/test", id(&self.webhook))),
            "take a token" => client.token_request(),
            _ => unreachable!("no row asks for {what}"),
        };
        request.key(&client.keys[P521]).signed_as("@authority", HOST)
    }

    /// What there is to be done before `what` has an effect.
    async fn prepare(&self, what: &str) {
        if what == "collect events" {
            self.client.create(&bodies::smallest()).signed_as("@authority", HOST).send().await.ok();
            pass(&self.app);
        }
    }

    /// All that a request can have changed: rows of the tenant, but nonces, and what its receivers have got.
    fn effects(&self, called: &mut usize) -> String {
        *called += self.receiver.seen().len();
        format!("{} calls\n{}", *called, self.app.register.of_tenant(1))
    }

    /// Sends a message once more by one of the [`WAYS`]; None where there is no such way.
    async fn again(&mut self, way: &str, (request, sent): (&Request, &Sent)) -> Option<Answer> {
        Some(match way {
            "over the same connection" => sent.send().await,
            "over another connection" => sent.send_alone(false).await.unwrap().sound(&sent.method),
            "under another key id of the client" => {
                let [own, other] = [P521, ED25519].map(|key| &self.client.keys[key].id);
                let input = sent.get("signature-input").replace(own, other);
                sent.clone().set("signature-input", &input).send().await
            }
            "with another host" => {
                let bytes = String::from_utf8(sent.wire_bytes()).unwrap();
                let host = format!("host: {}\r\n", sent.wire.address());
                assert!(bytes.contains(&host));
                let bytes = bytes.replace(&host, "host: another.example\r\n");
                sent.wire.exchange(bytes.as_bytes()).await.sound(&sent.method)
            }
            "with another signature of the same base" => {
                let other = request.clone().sign();
                assert!(other.base == sent.base && other.get("signature") != sent.get("signature"));
                other.send().await
            }
            "after a restart" => {
                self.app.pass(1);
                self.second = None;
                self.app.restart().await;
                let answer = sent.send().await;
                self.begin();
                answer
            }
            "to a second process" => at(&self.second.as_ref()?.wire, sent).await,
            "signed afresh" => {
                self.app.pass(1);
                let now = self.app.client().get("/").sign();
                let created = now.get("signature-input").split("created=").nth(1).unwrap();
                let created: i64 = created.split(';').next().unwrap().parse().unwrap();
                let nonce = sent.get("signature-input").contains(";nonce=").then(once_key);
                let afresh = request.clone().times(Some(created), Some(created + 10));
                afresh.nonce(nonce.as_deref()).send().await
            }
            _ => unreachable!("there is no way {way}"),
        })
    }

    /// Sends one message twice, and judges what came of it.
    async fn cell(&mut self, (what, nonce, strict, outcomes): &Row, at_way: usize) -> bool {
        let (way, expected) = (WAYS[at_way], outcomes[at_way]);
        let cell = format!("{what}, nonce {nonce}, strict {strict}, {way}");
        // So that the message is another than that of the last cell, also without a nonce.
        self.app.pass(1);
        self.prepare(what).await;
        let mut request = self.request(what);
        if !nonce {
            request = request.nonce(None);
        }
        let sent = request.clone().sign();
        let first = sent.send().await;
        let mut called = 0;
        if expected == NEVER {
            first.refused("unauthorised");
        } else {
            assert!(first.status < 300, "{cell}, for the first time: {}", first.text());
        }
        let before = self.effects(&mut called);
        let Some(second) = self.again(way, (&request, &sent)).await else { return false };
        judge(&cell, expected, &first, &second);
        if expected == ONCE {
            let second = at(&self.second.as_ref().unwrap().wire, &sent).await;
            judge(&cell, KNOWN, &first, &second);
        }
        if expected != ANEW {
            let after = self.effects(&mut called);
            if after != before {
                let new: Vec<&str> = after.lines().filter(|line| !before.contains(line)).collect();
                panic!("{cell}: something has happened twice: {new:#?}");
            }
        }
        true
    }
}

/// Sends a message to another process.
async fn at(wire: &Wire, sent: &Sent) -> Answer {
    wire.exchange(&sent.wire_bytes()).await.sound(&sent.method)
}

fn judge(cell: &str, expected: &str, first: &Answer, second: &Answer) {
    let refused = |because: &str| {
        assert_eq!(second.slug(), "unauthorised", "{cell}, {expected}: {} {}", second.status, second.text());
        let problem = second.json();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(because), "{cell}, {expected}: {detail}");
    };
    match expected {
        KNOWN => refused("received before"),
        EARLY => refused("before the server could remember"),
        // Production tells strangers no reasons.
        FORGED | NEVER => assert_eq!(second.slug(), "unauthorised", "{cell}: {}", second.text()),
        AGAIN | ONCE | KEPT => {
            assert_eq!((second.status, second.text()), (first.status, first.text()), "{cell}");
        }
        _ => assert_eq!((expected, second.status), (ANEW, first.status), "{cell}: {}", second.text()),
    }
    let says = second.header("idempotent-replayed");
    assert_eq!(says, (expected == KEPT).then_some("true"), "{cell}");
}

async fn replay(strict: bool) {
    let mut scene = Scene::new(strict).await;
    let mut cells = 0;
    for row in ROWS.iter().filter(|row| row.2 == strict) {
        for way in 0..WAYS.len() {
            cells += usize::from(scene.cell(row, way).await);
        }
    }
    println!("{cells} cells");
    let ways = WAYS.len() - usize::from(scene.second.is_none());
    assert_eq!(cells, ROWS.len() / 2 * ways);
}

#[tokio::test]
async fn no_message_counts_twice() {
    replay(false).await;
}

#[tokio::test]
async fn no_message_of_a_strict_tenant_counts_twice() {
    replay(true).await;
}

/// Operations that do something although they are asked by GET, and those that do nothing although by POST.
const ACTING: [&str; 2] =
    ["GET /events-acceptor-service/endpoints/{endpoint_id}", "GET /webhooks/{webhook_id}/test"];
const READING: [&str; 2] =
    ["POST /investord/users/{user_id}/data_change_requests/preview", "POST /investord/reporting"];

/// Of every operation of the OpenAPI document, by a process that remembers nothing: it has to ask the store.
#[tokio::test]
async fn no_operation_does_anything_again_after_a_restart() {
    for nonce in [true, false] {
        let mut matrix = Matrix::new().await;
        let mut sent = Vec::new();
        for (operation, request, success) in matrix.everything().await {
            let request = if nonce { request } else { request.nonce(None) };
            let message = request.sign();
            let answer = message.send().await;
            assert_eq!(answer.status, success, "{operation}: {}", answer.text());
            sent.push((operation, message, success));
        }
        let before = matrix.app.register.of_tenant(1);
        // Within the second: a read that was signed in the second of the start is not refused as an early one.
        matrix.app.restart().await;
        let mut refused = 0;
        for (operation, message, success) in &sent {
            let answer = message.send().await;
            let name = operation.as_str();
            let reads = (name.starts_with("GET") && !ACTING.contains(&name)) || READING.contains(&name);
            if reads {
                assert_eq!(answer.status, *success, "{operation}: {}", answer.text());
            } else {
                judge(operation, KNOWN, &answer, &answer);
                refused += 1;
            }
        }
        println!("{} operations, of which {refused} are refused", sent.len());
        assert!(refused >= 20, "only {refused} operations do anything");
        assert!(matrix.app.register.of_tenant(1) == before, "nonce {nonce}: something has happened twice");
    }
}

#[test]
fn the_table_has_every_cell_once() {
    let mut rows: Vec<_> = ROWS.iter().map(|(what, nonce, strict, _)| (what, nonce, strict)).collect();
    rows.sort();
    rows.dedup();
    assert_eq!(rows.len(), ROWS.len());
    let mut kinds: Vec<_> = ROWS.iter().map(|row| row.0).collect();
    kinds.dedup();
    assert_eq!(rows.len(), kinds.len() * 4);
}
