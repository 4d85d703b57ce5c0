//! Somebody who receives webhooks: a small HTTP/1.1 server that answers as it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::http::{Framing, read_message};
use crate::patience::patiently;

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Status(u16),
    /// Redirects with this status to an address that must not be called.
    Redirect(u16, SocketAddr),
    /// Closes without a word.
    HangUp,
    /// Begins an answer and hangs up.
    Half,
    /// Says 200 and then less than it has announced.
    HalfBody,
    /// A good answer of so many bytes.
    Long(usize),
    /// A good answer that repeats what has come.
    Echo,
    /// A good answer, as soon as the test says so.
    Hold,
}

/// A request that was received.
#[derive(Clone, Debug)]
pub struct Request {
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map_or_else(|| panic!("no header {name}"), |(_, value)| value)
    }

    /// The events in it.
    pub fn events(&self) -> Vec<Value> {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1);
        body["payload"].as_array().unwrap().clone()
    }

    pub fn kinds(&self) -> Vec<String> {
        self.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

pub struct Receiver {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    script: Arc<Mutex<VecDeque<Act>>>,
    /// Told of every request.
    come: Arc<Notify>,
    pub release: Arc<Notify>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, script) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<Mutex<VecDeque<Act>>>::default());
        let (come, release) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let gate = [Arc::clone(&come), Arc::clone(&release)];
        let this = Self { address, seen: Arc::clone(&seen), script: Arc::clone(&script), come, release };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&script), gate.clone()));
            }
        });
        this
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// What it does next; when nothing is left it says 200.
    pub fn does(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.lock().unwrap().extend(acts);
    }

    /// Waits until so many requests have come since the last time.
    pub async fn until(&self, count: usize) {
        let seen = || self.seen.lock().unwrap().len();
        while seen() < count {
            let what = format!("request {} of {count} to the receiver", seen() + 1);
            patiently(&what, self.come.notified()).await;
        }
    }

    /// What has come since the last time.
    pub fn seen(&self) -> Vec<Request> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<Request>>>,
    script: Arc<Mutex<VecDeque<Act>>>,
    [come, release]: [Arc<Notify>; 2],
) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let Framing { head, end } = read_message(&mut stream, &mut bytes).await.ok()?;
        let mut lines = std::str::from_utf8(&bytes[..head]).unwrap().trim_end().split("\r\n");
        let first = lines.next()?;
        assert!(first.starts_with("POST ") && first.ends_with(" HTTP/1.1"), "{first}");
        let target = first.split(' ').nth(1)?.to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let body = bytes[head..end].to_vec();
        bytes.drain(..end);
        let echo = String::from_utf8(body.clone()).unwrap();
        seen.lock().unwrap().push(Request { target, headers, body });
        come.notify_one();
        let act = script.lock().unwrap().pop_front().unwrap_or(Act::Status(200));
        let answer = match act {
            Act::Status(204) => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            Act::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 4\r\n\r\noops"),
            Act::Redirect(status, to) => {
                format!("HTTP/1.1 {status} X\r\nlocation: http://{to}/\r\ncontent-length: 0\r\n\r\n")
            }
            Act::HangUp => return None,
            Act::Half => {
                stream.write_all(b"HTTP/1.1 20").await.ok()?;
                return None;
            }
            Act::HalfBody => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.ok()?;
                return None;
            }
            Act::Echo => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{echo}", echo.len()),
            Act::Hold => {
                release.notified().await;
                "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
            }
            Act::Long(bytes) => {
                format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
            }
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}
