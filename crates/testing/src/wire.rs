//! A small HTTP/1.1 client that puts on the wire exactly what it is told, good or bad.

use std::net::SocketAddr;
use std::sync::{Mutex, RwLock};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use uuid::Uuid;

use crate::patience::patiently;

/// Where the server is, and connections to it that are at rest.
pub struct Wire {
    address: RwLock<SocketAddr>,
    resting: Mutex<Vec<TcpStream>>,
}

impl Wire {
    pub fn to(address: SocketAddr) -> Self {
        Self { address: RwLock::new(address), resting: Mutex::default() }
    }

    pub fn address(&self) -> SocketAddr {
        *self.address.read().unwrap()
    }

    /// The server has moved: what is open leads nowhere.
    pub fn moved(&self, address: SocketAddr) {
        *self.address.write().unwrap() = address;
        self.rest();
    }

    /// Closes the connections at rest.
    pub fn rest(&self) {
        self.resting.lock().unwrap().clear();
    }

    /// Sends one well-framed request, over a connection at rest if there is one.
    pub async fn exchange(&self, request: &[u8]) -> Answer {
        let resting = self.resting.lock().unwrap().pop();
        if let Some(mut stream) = resting
            && stream.write_all(request).await.is_ok()
            && let Some(answer) = read(&mut stream, is_head(request)).await
        {
            return self.done(stream, answer);
        }
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(request).await.unwrap();
        let answer = read(&mut stream, is_head(request)).await;
        let answer = answer.expect("an answer before the end of the connection");
        self.done(stream, answer)
    }

    fn done(&self, stream: TcpStream, answer: Answer) -> Answer {
        if answer.header("connection") != Some("close") {
            self.resting.lock().unwrap().push(stream);
        }
        answer
    }

    /// Sends any bytes over a connection of its own; the first answer, or `None` if the server hung up.
    /// With `then_close` our half of the connection ends after the last byte.
    pub async fn raw(&self, bytes: &[u8], then_close: bool) -> Option<Answer> {
        let stream = TcpStream::connect(self.address()).await.unwrap();
        raw(stream, bytes, then_close).await
    }

    /// The same from another address of this machine.
    pub async fn raw_from(&self, source: [u8; 4], bytes: &[u8]) -> Option<Answer> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((source, 0))).unwrap();
        raw(socket.connect(self.address()).await.unwrap(), bytes, false).await
    }
}

async fn raw(stream: TcpStream, bytes: &[u8], then_close: bool) -> Option<Answer> {
    let (mut from, mut to) = stream.into_split();
    let write = async {
        // The server may refuse before it has read all.
        let _ = to.write_all(bytes).await;
        if then_close {
            let _ = to.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = read(&mut from, is_head(bytes)) => answer,
        () = write => None,
    }
}

/// The answer to HEAD announces a body and has none.
fn is_head(request: &[u8]) -> bool {
    request.starts_with(b"HEAD ")
}

async fn read(stream: &mut (impl AsyncRead + Unpin), is_head: bool) -> Option<Answer> {
    patiently("the answer of the server", read_answer(stream, is_head)).await
}

async fn read_answer(stream: &mut (impl AsyncRead + Unpin), is_head: bool) -> Option<Answer> {
    let mut bytes = Vec::with_capacity(4096);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head in ASCII");
    let mut body = bytes.split_off(end + 4);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    assert_eq!(answer.header("transfer-encoding"), None, "the server knows the length of every answer");
    let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    while !is_head && body.len() < length {
        if !matches!(stream.read_buf(&mut body).await, Ok(1..)) {
            return None;
        }
    }
    answer.body = body;
    Some(answer)
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Status, slug and title of every problem (API reference, "Errors"; 415 is ours).
const KINDS: [(&str, u16, &str); 13] = [
    ("invalid_request", 400, "Invalid request"),
    ("missing_client_id", 400, "Missing client ID"),
    ("missing_idempotency_key", 400, "Missing idempotency key"),
    ("unauthorised", 401, "Unauthorised"),
    ("forbidden", 403, "Forbidden"),
    ("not_found", 404, "Not found"),
    ("method_not_allowed", 405, "Method not allowed"),
    ("not_acceptable", 406, "Not acceptable"),
    ("conflict", 409, "Conflict"),
    ("unsupported_media_type", 415, "Unsupported media type"),
    ("unprocessable_entity", 422, "Unprocessable entity"),
    ("upgrade_required", 426, "Upgrade required"),
    ("too_many_requests", 429, "Too many requests"),
];

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Renders all that an answer tells: not what is new in every one, and not the id that was asked for.
    pub fn about(&self, asked: &str) -> String {
        let own = self.header("upvest-request-id").unwrap_or_default();
        let headers =
            self.headers.iter().filter(|(name, _)| !["upvest-request-id", "date"].contains(&&**name));
        let headers = headers.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n");
        let body = self.text().replace(own, "(request)");
        let body = if asked.is_empty() { body } else { body.replace(asked, "(asked)") };
        format!("{}\n{headers}\n\n{body}", self.status)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What holds of every answer, whatever was asked.
    pub fn sound(self, method: &str) -> Self {
        assert!(self.status < 500, "{self:?}");
        let ids: Vec<_> = self.headers.iter().filter(|(name, _)| name == "upvest-request-id").collect();
        assert_eq!(ids.len(), 1, "one request id: {self:?}");
        let id = &ids[0].1;
        assert_eq!(Uuid::try_parse(id).unwrap().to_string(), *id, "lower case with hyphens");
        if self.status >= 400 && method != "HEAD" {
            assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
            let problem = self.json();
            assert_eq!(problem["request_id"], id.as_str());
            assert_eq!(problem["status"], self.status);
            let slug = problem["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let kind = KINDS.iter().find(|(known, ..)| *known == slug).expect("a slug of the reference");
            assert_eq!((kind.1, kind.2), (self.status, problem["title"].as_str().unwrap()));
            assert!(!problem["detail"].as_str().unwrap().is_empty(), "says what is wrong");
        }
        self
    }

    /// The JSON of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    /// The problem document of a refusal of this kind.
    #[track_caller]
    pub fn refused(&self, slug: &str) -> Value {
        let got = self.slug();
        assert_eq!(got, slug, "{}: {}", self.status, self.text());
        self.json()
    }

    /// The last segment of the problem's type, `ok` for a success.
    pub fn slug(&self) -> String {
        if self.status < 300 {
            return "ok".into();
        }
        self.json()["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    /// Paths of the faults of an `invalid_request`; each also stands in `detail`.
    #[track_caller]
    pub fn faults(&self) -> Vec<String> {
        let problem = self.refused("invalid_request");
        let detail = problem["detail"].as_str().unwrap();
        let errors = problem["errors"].as_array().expect("`errors` lists the faults").iter();
        errors
            .map(|error| {
                let field = error["field"].as_str().unwrap().to_owned();
                assert!(!error["message"].as_str().unwrap().is_empty());
                assert!(detail.contains(&field), "detail names {field}: {detail}");
                field
            })
            .collect()
    }
}
