//! Somebody who receives webhooks, answers from a random script, and judges what came: a process of its own, which
//! knows nothing of the servers but what they send and when one was killed.
//!
//! It is this test program once more, with [`main_of_the_receiver`] as its only test. It is spoken to by HTTP.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use socket2::SockRef;
use testing::chance::Chance;
use testing::home::Home;
use testing::http::{Framing, peek};
use testing::patience::{PATIENCE, until};
use testing::program::clean;

use crate::verdict::{Entry, Expected, Log, events};

/// Names the folder of a receiver; only where it is set there is one.
const ORDER: &str = "INVESTORD_TEST_RECEIVER";
/// Every tenth webhook is one by https.
const SECURE: usize = 10;
/// Failures in a row at one webhook: each makes the next wait longer.
const MAX_FAILURES: u64 = 3;
/// Longer than a sender waits for an answer, and nothing that is waited for: it ends when the sender hangs up.
const GONE: Duration = PATIENCE;
const SECOND: Duration = Duration::from_secs(1);

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    Good,
    /// A good status, and less of a body than it announces.
    HalfBody,
    /// A good status, and a byte of its body every second.
    SlowBody,
    Redirect,
    Refusal,
    TooMany,
    Error,
    Reset,
    /// Hangs up in the middle of the head.
    HalfHead,
    Silence,
    /// A byte of the head every second.
    Crawl,
    /// Answers well when nobody waits any more.
    Late,
    /// Proves that it is somebody else.
    BadTls,
}

/// How many of a thousand requests are treated so; the others are answered well.
const SCRIPT: &[(u64, Act)] = &[
    (3, Act::Silence),
    (3, Act::Crawl),
    (3, Act::Late),
    (15, Act::SlowBody),
    (30, Act::HalfBody),
    (35, Act::Redirect),
    (35, Act::Refusal),
    (35, Act::TooMany),
    (35, Act::Error),
    (30, Act::Reset),
    (30, Act::HalfHead),
];
/// Of a thousand handshakes.
const BAD_TLS: u64 = 200;

impl Act {
    pub const ALL: [Self; 13] = [
        Self::Good,
        Self::HalfBody,
        Self::SlowBody,
        Self::Redirect,
        Self::Refusal,
        Self::TooMany,
        Self::Error,
        Self::Reset,
        Self::HalfHead,
        Self::Silence,
        Self::Crawl,
        Self::Late,
        Self::BadTls,
    ];

    /// Whether the sender learns that the request was taken.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Good | Self::HalfBody | Self::SlowBody)
    }
}

/// A receiver as the test sees it.
pub struct Receiver {
    process: Child,
    address: SocketAddr,
    folder: PathBuf,
    urls: Vec<String>,
}

impl Receiver {
    /// With so many webhooks. Without `moods` it answers everything well.
    pub fn start(home: &Home, hooks: usize, moods: bool, chance: &mut Chance) -> Self {
        let folder = home.path("receiver");
        fs::create_dir(&folder).unwrap();
        let file = |name: &str| fs::File::create(folder.join(name)).unwrap();
        let mut command = clean(Command::new(std::env::current_exe().unwrap()), &folder);
        let order = json!({ "hooks": hooks, "moods": moods, "seed": chance.below(u64::MAX) });
        command.args(["--exact", "receiver::main_of_the_receiver", "--ignored", "--nocapture"]);
        command.env(ORDER, order.to_string()).stdin(Stdio::piped());
        let process = command.stdout(file("out")).stderr(file("err")).spawn().unwrap();
        let known = until("the receiver", || fs::read(folder.join("addresses")).ok());
        let known: Value = serde_json::from_slice(&known).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let urls = known["urls"].as_array().unwrap().iter().map(text).collect();
        Self { process, address: text(&known["address"]).parse().unwrap(), folder, urls }
    }

    pub fn url(&self, hook: usize) -> &str {
        &self.urls[hook]
    }

    /// The certificate that its senders have to trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// Tells or asks it something.
    pub fn ask(&self, path: &str) -> Value {
        let answer = peek(self.address, path).filter(|(status, _)| *status == 200);
        let Some((_, answer)) = answer else {
            let said = fs::read_to_string(self.folder.join("err")).unwrap_or_default();
            panic!("the receiver does not answer {path}: {said}");
        };
        serde_json::from_str(&answer).unwrap()
    }

    /// What it says of all that has come, when it hears what should have come.
    pub fn verdict(&self, webhooks: &[Value], events: &[Value], size: usize) -> Value {
        let expected = json!({ "webhooks": webhooks, "events": events, "size": size });
        fs::write(self.folder.join("expected"), expected.to_string()).unwrap();
        self.ask("/verdict")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the threads of the receiver share.
struct Shared {
    began: Instant,
    address: SocketAddr,
    log: Mutex<Log>,
    moods: Mutex<Moods>,
    hooks: usize,
}

struct Moods {
    /// Whether there are any.
    any: bool,
    /// Of each webhook: its chance, and failures in a row.
    hooks: Vec<(Chance, u64)>,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    /// What to do next at a webhook, and in which variety.
    fn next(&self, hook: usize, handshake: bool) -> (Act, u64) {
        let mut moods = self.moods.lock().unwrap();
        let any = moods.any;
        let (chance, failures) = &mut moods.hooks[hook];
        let (mut drawn, variety) = (chance.below(1000), chance.below(1000));
        let mut act = Act::Good;
        if handshake {
            act = if drawn < BAD_TLS { Act::BadTls } else { Act::Good };
        } else {
            for (share, one) in SCRIPT {
                if drawn < *share {
                    act = *one;
                    break;
                }
                drawn -= share;
            }
        }
        if !any || !act.is_good() && *failures == MAX_FAILURES {
            act = Act::Good;
        }
        if !act.is_good() {
            *failures += 1;
        } else if !handshake {
            *failures = 0;
        }
        (act, variety)
    }

    fn note(&self, hook: usize, act: Act, body: Vec<u8>) -> usize {
        let events = events(&body).len();
        let mut log = self.log();
        log.entries.push(Entry { hook, at: self.began.elapsed(), act, body, events, accepted: false });
        log.entries.len() - 1
    }
}

/// Ends when its input does: with whoever has started it.
#[test]
#[ignore = "what another process runs; it tests nothing"]
fn main_of_the_receiver() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let order: Value = serde_json::from_str(&order).unwrap();
    let mut chance = Chance::seeded(order["seed"].as_u64().unwrap());
    let hooks = usize::try_from(order["hooks"].as_u64().unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let moods = Moods {
        any: order["moods"].as_bool().unwrap(),
        hooks: (0..hooks).map(|_| (chance.another(), 0)).collect(),
    };
    let shared = Arc::new(Shared {
        began: Instant::now(),
        address,
        log: Mutex::default(),
        moods: Mutex::new(moods),
        hooks,
    });
    let own = shared.clone();
    listen(listener, move |stream| drop(converse(&own, stream)));
    let (right, wrong) = (identity(Some(Path::new("certificate.pem"))), identity(None));
    let mut urls = Vec::new();
    for hook in 0..hooks {
        let mut base = format!("http://{address}");
        if hook % SECURE == SECURE - 1 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            base = format!("https://{}", listener.local_addr().unwrap());
            let (own, right, wrong) = (shared.clone(), right.clone(), wrong.clone());
            listen(listener, move |stream| drop(prove(&own, hook, stream, (&right, &wrong))));
        }
        urls.push(format!("{base}/hook/{hook}"));
    }
    fs::write("addresses.new", json!({ "address": address, "urls": urls }).to_string()).unwrap();
    fs::rename("addresses.new", "addresses").unwrap();
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A thread for every connection.
fn listen(listener: TcpListener, serve: impl Fn(TcpStream) + Clone + Send + 'static) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
}

/// A certificate that vouches for itself; whoever reads the file can trust it.
fn identity(file: Option<&Path>) -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    if let Some(file) = file {
        fs::write(file, made.cert.pem()).unwrap();
    }
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    Arc::new(builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap())
}

/// A connection, whatever it goes over.
trait Wire: Read + Write {
    fn socket(&self) -> &TcpStream;
    /// Whether another request may follow.
    fn stays(&self) -> bool;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }

    fn stays(&self) -> bool {
        true
    }
}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }

    /// So that there are many handshakes.
    fn stays(&self) -> bool {
        false
    }
}

/// Begins a connection by https, as itself or as somebody else.
fn prove(
    shared: &Shared,
    hook: usize,
    mut stream: TcpStream,
    (right, wrong): (&Arc<ServerConfig>, &Arc<ServerConfig>),
) -> io::Result<()> {
    let (act, _) = shared.next(hook, true);
    let config = if act == Act::BadTls { wrong } else { right };
    let mut tls = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
    let shaken = tls.complete_io(&mut stream);
    if act == Act::BadTls {
        assert!(shaken.is_err(), "somebody trusts a stranger");
        shared.note(hook, act, Vec::new());
        return Ok(());
    }
    shaken?;
    converse(shared, StreamOwned::new(tls, stream))
}

/// Takes request after request, until one of both hangs up.
fn converse(shared: &Shared, mut stream: impl Wire) -> io::Result<()> {
    stream.socket().set_nodelay(true)?;
    let mut bytes = Vec::new();
    loop {
        let (line, body) = request(&mut stream, &mut bytes)?;
        stream.socket().set_read_timeout(Some(GONE))?;
        if let Some(path) = line.strip_prefix("GET ") {
            let told = tell(shared, path.split(' ').next().unwrap_or_default()).to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", told.len());
            return stream.write_all([head, told].concat().as_bytes());
        }
        let hook = line.strip_prefix("POST /hook/").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let Some(hook) = hook.filter(|hook| *hook < shared.hooks) else {
            shared.log().strays.push(line);
            return Ok(());
        };
        let (act, variety) = shared.next(hook, false);
        let number = shared.note(hook, act, body);
        answer(shared, &mut stream, (act, variety), number)?;
        if act != Act::Good || !stream.stays() {
            return Ok(());
        }
        stream.socket().set_read_timeout(None)?;
    }
}

/// The first line of the next request, and its body.
fn request(stream: &mut impl Wire, bytes: &mut Vec<u8>) -> io::Result<(String, Vec<u8>)> {
    let Framing { head, end } = loop {
        if let Some(whole) = Framing::of_whole(bytes) {
            break whole;
        }
        let mut chunk = [0; 16 * 1024];
        let read = stream.read(&mut chunk)?;
        bytes.extend_from_slice(&chunk[..read]);
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let line = String::from_utf8_lossy(&bytes[..head]).lines().next().unwrap_or_default().to_owned();
    let body = bytes[head..end].to_vec();
    bytes.drain(..end);
    Ok((line, body))
}

/// Answers as the act demands.
fn answer(
    shared: &Shared,
    stream: &mut impl Wire,
    (act, variety): (Act, u64),
    number: usize,
) -> io::Result<()> {
    let one = |of: &[u16]| of[usize::try_from(variety).unwrap() % of.len()];
    let close = if stream.stays() { "" } else { "connection: close\r\n" };
    let status = |status: u16, more: &str| match status {
        204 => format!("HTTP/1.1 204 X\r\n{close}\r\n"),
        _ => format!("HTTP/1.1 {status} X\r\n{close}{more}content-length: 4\r\n\r\nbody"),
    };
    let elsewhere = format!("location: http://{}/elsewhere\r\n", shared.address);
    match act {
        Act::Good => stream.write_all(status(one(&[200, 201, 202, 204, 299]), "").as_bytes())?,
        Act::HalfBody => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf")?,
        Act::SlowBody => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n")?,
        Act::Redirect => {
            stream.write_all(status(one(&[301, 302, 303, 307, 308]), &elsewhere).as_bytes())?;
        }
        Act::Refusal => stream.write_all(status(one(&[400, 401, 404, 410, 422]), "").as_bytes())?,
        Act::TooMany => stream.write_all(status(429, "retry-after: 30\r\n").as_bytes())?,
        Act::Error => stream.write_all(status(one(&[500, 502, 503, 504]), "").as_bytes())?,
        Act::Reset => SockRef::from(stream.socket()).set_linger(Some(Duration::ZERO))?,
        Act::HalfHead if variety % 2 == 0 => stream.write_all(b"HTTP/1.1 20")?,
        Act::HalfHead => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le")?,
        Act::Silence => gone(stream),
        Act::Crawl => crawl(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        Act::Late => {
            gone(stream);
            let _ = stream.write_all(status(200, "").as_bytes());
        }
        Act::BadTls => unreachable!("there is no request"),
    }
    if act.is_good() {
        shared.log().entries[number].accepted = true;
    }
    if act == Act::SlowBody {
        crawl(stream, b"a byte every second.");
    }
    stream.flush()
}

/// Returns when the other side has hung up.
fn gone(stream: &mut impl Wire) {
    while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
}

/// A byte every second, until nobody listens.
fn crawl(stream: &mut impl Wire, bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        std::thread::sleep(SECOND);
    }
}

/// What whoever has started it wants to tell or to know.
fn tell(shared: &Shared, path: &str) -> Value {
    let mut log = shared.log();
    match path {
        "/kill" => log.kills.push((shared.began.elapsed(), None)),
        "/killed" => {
            let now = shared.began.elapsed();
            log.kills.last_mut().unwrap().1 = Some(now);
        }
        "/calm" => shared.moods.lock().unwrap().any = false,
        "/state" => return log.judge(shared.hooks, None),
        "/verdict" => return log.judge(shared.hooks, Some(&expected())),
        _ => {
            let hook = path.strip_prefix("/told/").and_then(|hook| hook.parse().ok());
            return log.told(hook.expect("a known word"));
        }
    }
    Value::Null
}

fn expected() -> Expected {
    let known: HashMap<String, Value> = serde_json::from_slice(&fs::read("expected").unwrap()).unwrap();
    let list = |name: &str| known[name].as_array().unwrap().clone();
    Expected {
        webhooks: list("webhooks"),
        events: list("events"),
        size: usize::try_from(known["size"].as_u64().unwrap()).unwrap(),
    }
}
