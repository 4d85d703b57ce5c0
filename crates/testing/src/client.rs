//! A client of the register: its credentials, and requests that it signs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http_message_signatures::{Algorithm, SigningKey};
use investord::clock::{Clock, Ids as _, SystemClock, SystemIds};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::answer::Answer;
use crate::http::{Connection, Wire};
use crate::signing::Request;

/// A key pair with the id under which the register knows it.
#[derive(Clone)]
pub struct Key {
    pub id: String,
    pub pair: Arc<SigningKey>,
}

impl Key {
    /// A new key, which nobody knows yet.
    pub fn new(kind: Algorithm) -> Self {
        Self { id: uuid(), pair: Arc::new(SigningKey::generate(kind).unwrap()) }
    }
}

pub fn uuid() -> String {
    SystemIds.uuid().to_string()
}

static SERIAL: AtomicU64 = AtomicU64::new(1);

fn serial() -> u64 {
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

/// A new idempotency key.
pub fn once_key() -> String {
    format!("a3a780b6-a012-4fa8-905c-{:012x}", serial())
}

/// Somebody who may call.
#[derive(Clone)]
pub struct Client {
    pub wire: Arc<Wire>,
    pub clock: Arc<dyn Clock>,
    /// Seconds that a signature is good for.
    pub lifetime: i64,
    pub id: String,
    pub secret: String,
    /// What the next token is asked for.
    pub scopes: String,
    /// What requests are signed with unless they say otherwise.
    pub key: Key,
    /// Keys of every kind that a test has asked for.
    pub keys: Vec<Key>,
    /// Empty for a stranger.
    pub token: String,
}

impl Client {
    /// A client of a server that runs as a process, by the clock of this machine; it has no token yet.
    pub fn new(server: SocketAddr, id: &str, secret: &str, key: &Key) -> Self {
        Self {
            wire: Arc::new(Wire::to(server)),
            clock: Arc::new(SystemClock::default()),
            lifetime: 60,
            id: id.into(),
            secret: secret.into(),
            scopes: "users:admin users:read".into(),
            key: key.clone(),
            keys: Vec::new(),
            token: String::new(),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.wire.address()
    }

    /// The same client of another process.
    pub fn at(&self, server: SocketAddr) -> Self {
        Self { wire: Arc::new(Wire::to(server)), ..self.clone() }
    }

    pub fn request(&self, method: &str, target: &str) -> Request {
        // Of this process alone: an attacker signs with the same keys.
        let nonce = format!("{:08x}{:08x}", std::process::id(), serial());
        let request = Request::new(&self.wire, method, target, &self.key)
            .times(Some(self.now()), Some(self.now() + self.lifetime))
            .nonce(Some(&nonce))
            .header("accept", "application/json");
        let request = match &self.token[..] {
            "" => request,
            token => request.header("authorization", &format!("Bearer {token}")),
        };
        request.header("upvest-client-id", &self.id)
    }

    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// A write: with an idempotency key of its own.
    pub fn post(&self, target: &str) -> Request {
        self.request("POST", target).header("idempotency-key", &once_key())
    }

    /// `POST /users` with this body.
    pub fn create(&self, body: &Value) -> Request {
        self.post("/users").json(body)
    }

    /// `POST /users` with these bytes under this idempotency key.
    pub fn creation(&self, body: &[u8], once: &str) -> Request {
        self.request("POST", "/users").header("idempotency-key", once).body(body)
    }

    /// `POST /users` that must succeed.
    pub async fn created(&self, body: &Value) -> Value {
        self.create(body).send().await.ok()
    }

    /// The token request, signed, with everything in it.
    pub fn token_request(&self) -> Request {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &self.id)
            .append_pair("client_secret", &self.secret)
            .append_pair("grant_type", "client_credentials")
            .append_pair("scope", &self.scopes)
            .finish();
        self.token_form(&form)
    }

    pub fn token_form(&self, form: &str) -> Request {
        let request = self.request("POST", "/auth/token").without("authorization");
        request.header("content-type", "application/x-www-form-urlencoded").bytes(form)
    }

    /// The same client with a token for these scopes alone.
    pub async fn limited_to(&self, scopes: &str) -> Self {
        let mut limited = Self { scopes: scopes.into(), ..self.clone() };
        limited.renew().await;
        limited
    }

    /// Takes a new token.
    pub async fn renew(&mut self) {
        let answer = self.token_request().ask().await.ok();
        answer["access_token"].as_str().unwrap().clone_into(&mut self.token);
    }

    pub async fn connect(&self) -> Connection {
        self.wire.connect().await
    }

    /// Sends bytes over a connection of their own.
    pub async fn send(&self, bytes: &[u8]) -> Answer {
        self.wire.ask(bytes).await
    }

    /// All users in order of creation, byte for byte, and how many the register says there are.
    pub async fn all_users(&self) -> (Vec<Vec<u8>>, usize) {
        #[derive(serde::Deserialize)]
        struct Meta {
            total_count: usize,
        }
        #[derive(serde::Deserialize)]
        struct Page<'a> {
            meta: Meta,
            #[serde(borrow)]
            data: Vec<&'a RawValue>,
        }
        let mut all: Vec<Vec<u8>> = Vec::new();
        loop {
            let answer = self.get(&format!("/users?limit=1000&offset={}", all.len())).ask().await;
            assert_eq!(answer.status, 200, "{answer}");
            let page: Page<'_> = serde_json::from_slice(&answer.body).unwrap();
            all.extend(page.data.iter().map(|user| user.get().as_bytes().to_vec()));
            if page.data.is_empty() || all.len() >= page.meta.total_count {
                return (all, page.meta.total_count);
            }
        }
    }
}
