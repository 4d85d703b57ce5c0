//! Servers as processes, commands that cannot hang, and a signing client that knows what it has sent.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use httpsig::{Algorithm, Message, Parameters, SigningKey, Version};
use investord::clock::{Clock as _, Ids as _, SystemClock, SystemIds};
use serde_json::{Value, json};
use socket2::SockRef;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub use crate::patience::until;
use crate::patience::{Patience, patiently};
use crate::postgres;

/// How often a socket that gives nothing is asked again.
const POLL: Duration = Duration::from_millis(500);

pub fn uuid() -> String {
    SystemIds.uuid().to_string()
}

/// Makes the tables of a register, without a configuration: a test may want to see that one refused.
pub fn migrate(url: &str) {
    run(investord(&std::env::temp_dir()).args(["migrate", "--database", url])).ok();
}

/// The program of this build, with nothing of this process's own configuration.
pub fn investord(folder: &Path) -> Command {
    clean(Command::new(program()), folder)
}

/// The path of the program, which cargo builds for every integration test, one folder above the tests.
pub fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).expect("the folder of a profile").join("investord")
}

pub fn clean(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("INVESTORD_") {
            command.env_remove(name);
        }
    }
    command
}

/// What a command that ends has said.
#[derive(Debug)]
pub struct Said {
    pub success: bool,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn ok(self) -> String {
        assert!(self.success, "the command failed: {}{}", self.out, self.err);
        self.out
    }

    pub fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("not JSON ({error}): {out}"))
    }

    /// What a command that must fail has said on standard error.
    pub fn refusal(self) -> String {
        assert!(!self.success, "the command should have failed: {}{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }
}

/// Runs a command to its end, which must come: it is given up when it neither works nor says anything.
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let size = |file: &File| file.metadata().map_or(0, |known| known.len());
    let ended = wait(&mut child, &format!("the end of {command:?}"), || {
        format!("{} bytes of output and {} of errors", size(&out), size(&err))
    });
    let text = |file: &mut File| {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (out, err) = (text(&mut out), text(&mut err));
    match ended {
        Ok(status) => Said { success: status.success(), out, err },
        Err(why) => panic!("{why}output: {out}{err}"),
    }
}

/// Waits for the end of a process; one that shows no sign of life is killed. `seen` is what it has come to.
fn wait(child: &mut Child, what: &str, seen: impl Fn() -> String) -> Result<ExitStatus, String> {
    let mut patience = Patience::new(what);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Ok(status);
        }
        if let Some(why) = patience.is_exhausted(seen()) {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(why);
        }
        std::thread::sleep(patience.pause());
    }
}

/// A server that runs until it is stopped, killed or dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub url: String,
    /// The file of its output, and where that of this process begins.
    log: (PathBuf, u64),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Ready {
    /// When `/readyz` says so.
    Answers,
    /// When it takes connections.
    Listens,
}

impl Server {
    /// Starts the command; what it prints goes to the end of `LOG.out` and `LOG.err`.
    pub fn start(command: Command, log: &Path, ready: Ready) -> Self {
        Self::start_at(None, command, log, ready)
    }

    /// `known` is the address where it answers, if it does not print that first.
    pub fn start_at(known: Option<SocketAddr>, mut command: Command, log: &Path, ready: Ready) -> Self {
        let files = [log.with_extension("out"), log.with_extension("err")];
        let before = files.each_ref().map(|file| file.metadata().map_or(0, |known| known.len()));
        let open = |file: &PathBuf| OpenOptions::new().append(true).create(true).open(file).unwrap();
        command.stdout(open(&files[0])).stderr(open(&files[1]));
        let child = command.spawn().unwrap();
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let log = (files[0].clone(), before[0]);
        let mut server = Self { child, address: nowhere, url: String::new(), log };
        let said = |at: usize| {
            let mut file = File::open(&files[at]).unwrap();
            file.seek(SeekFrom::Start(before[at])).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let mut lives = || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}{}", said(0), said(1));
            }
        };
        let address = until("the address of the server", || {
            lives();
            // The log has addresses too: those of the database.
            known.or_else(|| address_in(&said(0))).ok_or_else(|| format!("{}{}", said(0), said(1)))
        });
        until("the server to be ready", || {
            lives();
            match ready {
                Ready::Answers => match peek(address, "/readyz") {
                    Some((200, _)) => Ok(()),
                    answer => Err(format!("{answer:?}")),
                },
                Ready::Listens => {
                    std::net::TcpStream::connect(address).map(|_| ()).map_err(|e| e.to_string())
                }
            }
        });
        (server.address, server.url) = (address, format!("http://{address}"));
        server
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `name` as in TERM, STOP, CONT.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// The letter that the system has for it, as in R (runs) and T (stopped by a signal).
    #[cfg(target_os = "linux")]
    pub fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    }

    /// How it has ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end, which must come.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        let what = format!("the end of the server on {}", self.address);
        match wait(&mut self.child, &what, || "it runs".to_owned()) {
            Ok(status) => status,
            Err(why) => panic!("{why}"),
        }
    }

    /// SIGTERM and a clean end.
    #[track_caller]
    pub fn stop(mut self) {
        self.terminate();
        let status = self.ends();
        assert!(status.success(), "{status}");
    }

    /// All metrics, from the listener that `serve` and `dev` have printed.
    pub fn metrics(&self) -> String {
        let mut file = File::open(&self.log.0).unwrap();
        file.seek(SeekFrom::Start(self.log.1)).unwrap();
        let mut printed = String::new();
        file.read_to_string(&mut printed).unwrap();
        let (_, behind) = printed.split_once("metrics ").expect("the address of the metrics");
        let (status, text) = peek(address_in(behind).expect("an address"), "/metrics").expect("metrics");
        assert_eq!(status, 200);
        text
    }

    /// One number of the metrics; 0 when there is no such line. `line` is its beginning.
    pub fn metric(&self, line: &str) -> f64 {
        let text = self.metrics();
        let found = text.lines().find_map(|known| known.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or(0.0)
    }

    /// Resident memory in KiB, where the system tells.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn address_in(text: &str) -> Option<SocketAddr> {
    let at = text.find("127.0.0.1:")?;
    let end = text[at + 10..].find(|letter: char| !letter.is_ascii_digit())?;
    text[at..at + 10 + end].parse().ok()
}

/// A GET without any ceremony, on a connection of its own: status and body.
pub fn peek(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(POLL)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").ok()?;
    let text = read_all(&mut stream, &format!("the answer to GET {path}")).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Everything until the other side closes.
fn read_all(stream: &mut std::net::TcpStream, what: &str) -> io::Result<Vec<u8>> {
    let (mut text, mut chunk, mut patience) = (Vec::new(), [0; 16 * 1024], Patience::new(what));
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(text),
            Ok(count) => text.extend_from_slice(&chunk[..count]),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    patience.sees(format!("{} bytes", text.len()));
                }
                io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
}

/// A key pair with the id under which the register knows it.
#[derive(Clone)]
pub struct Key {
    pub id: String,
    pub pair: Arc<SigningKey>,
}

impl Key {
    pub fn new(kind: Algorithm) -> Self {
        Self { id: uuid(), pair: Arc::new(SigningKey::generate(kind).unwrap()) }
    }
}

/// Where the users are, for those who look past the server.
#[derive(Clone, Debug)]
pub enum Register {
    File(PathBuf),
    /// The URL of a PostgreSQL database.
    Server(String),
}

impl Register {
    /// Returns when the database does nothing for a process that has been killed any more: what that one
    /// had sent may still be on its way to a commit.
    pub fn quiet(&self) {
        let Self::Server(url) = self else { return };
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'";
        until("the database to be quiet", || match postgres::number(url, busy) {
            0 => Ok(()),
            count => Err(format!("{count} connections at work")),
        });
    }
}

/// A folder with a configuration, a master key and a tenants file for `serve`.
pub struct Home {
    folder: TempDir,
    /// The URL in the configuration; without one the register is a file.
    url: Option<String>,
    /// Dropped with the home.
    _database: Option<postgres::Database>,
    pub client: String,
    pub secret: String,
    pub key: Key,
}

impl Home {
    /// `config` is added to a configuration without limits on a free port, and with a migrated database on
    /// the engine of this program unless it names one.
    pub fn new(config: &str) -> Self {
        let named = config.lines().any(|line| line.starts_with("database"));
        let server = if postgres::is_chosen() && !named { postgres::shared() } else { None };
        let database = server.map(|server| server.migrated(migrate));
        let home = Self::make(config, database.as_ref().map(|database| database.url().to_owned()));
        Self { _database: database, ..home }
    }

    /// On a PostgreSQL database of the test's own, which is migrated unless it is already.
    pub fn on(url: &str, config: &str) -> Self {
        migrate(url);
        Self::make(config, Some(url.to_owned()))
    }

    fn make(config: &str, url: Option<String>) -> Self {
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
            url,
            _database: None,
            client: uuid(),
            secret: format!("secret-{}", uuid()),
            key: Key::new(Algorithm::Ed25519),
        };
        let database = home.url.as_ref().map_or(String::new(), |url| format!("database = \"{url}\"\n"));
        home.write("master.key", &master_key());
        home.write(
            "investord.toml",
            &format!(
                "listen = \"127.0.0.1:0\"\ndata = \"data\"\nmaster_key_file = \"master.key\"\n\
                 tenants = \"tenants.toml\"\nrate_limit_per_second = 0\nfailed_checks_per_second = 0\n\
                 {database}{config}"
            ),
        );
        home.write("tenants.toml", &home.tenants("acme", ""));
        home
    }

    pub fn register(&self) -> Register {
        self.url.clone().map_or_else(|| Register::File(self.database()), Register::Server)
    }

    /// A tenants file with one client and its key; `settings` are lines of the tenant.
    pub fn tenants(&self, name: &str, settings: &str) -> String {
        let (client, secret, key) = (&self.client, &self.secret, &self.key.id);
        format!(
            "[[tenant]]\nname = \"{name}\"\n{settings}\n[[tenant.client]]\nid = \"{client}\"\n\
             secret = \"{secret}\"\nscopes = [\"users:admin\", \"users:read\", \"accounts:admin\", \"checks:admin\", \"taxes:admin\", \"webhooks:admin\"]\n[[tenant.client.key]]\n\
             id = \"{key}\"\npublic_key = '''\n{}'''\n",
            self.key.pair.public().spki_pem()
        )
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The file of a register on SQLite.
    pub fn database(&self) -> PathBuf {
        self.path("data/investord.db")
    }

    /// A command in this folder; configuration is not named.
    pub fn bare(&self, words: &[&str]) -> Command {
        let mut command = investord(self.folder.path());
        command.args(words);
        command
    }

    /// A command on this folder's register.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.bare(words);
        command.args(["--config", "investord.toml"]);
        command
    }

    pub fn serve(&self) -> Server {
        self.serve_as("server", &[], &[])
    }

    /// A server with a log and perhaps words and variables of its own, for several beside one another.
    pub fn serve_as(&self, log: &str, words: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["serve"]);
        command.args(words).envs(variables.iter().copied());
        Server::start(command, &self.path(log), Ready::Answers)
    }

    /// Everything that `serve` has printed in this folder.
    pub fn log(&self) -> String {
        ["server.out", "server.err"]
            .map(|name| String::from_utf8_lossy(&std::fs::read(self.path(name)).unwrap()).into_owned())
            .concat()
    }

    /// The tenants file's client, without a token.
    pub fn stranger(&self, server: &Server) -> Client {
        Client {
            address: server.address,
            id: self.client.clone(),
            secret: self.secret.clone(),
            key: self.key.clone(),
            version: Version::Draft15,
            token: String::new(),
            scopes: "users:admin users:read",
        }
    }

    pub async fn caller(&self, server: &Server) -> Client {
        let mut client = self.stranger(server);
        client.take_token().await;
        client
    }
}

pub fn master_key() -> String {
    let mut bytes = [0; 32];
    SystemIds.fill(&mut bytes);
    BASE64_STANDARD.encode(bytes)
}

/// What became of a request.
#[derive(Debug)]
pub enum Failure {
    /// There was no connection: nothing has been sent.
    Refused,
    /// The connection had been closed before the request, or broke while it was being sent.
    Unsent,
    /// The request was sent to its last byte, and no whole answer came.
    Lost(io::Error),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Whether the connection may carry another request.
    pub fn keeps_alive(&self) -> bool {
        self.header("connection") != Some("close")
    }

    /// The answer as a problem document of this status and slug.
    #[track_caller]
    pub fn problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.head);
        let problem = self.json();
        let kind = problem["type"].as_str().unwrap_or_default();
        assert!(kind.ends_with(&format!("/{slug}")), "{problem}");
        problem
    }
}

/// A keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(|_| Failure::Refused)?;
        stream.set_nodelay(true).map_err(|_| Failure::Refused)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    pub async fn send(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        // The system is asked, and not the runtime, which may not have heard yet that the other side has closed.
        match SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return Err(Failure::Unsent),
        }
        self.write(request).await.map_err(|_| Failure::Unsent)?;
        self.answer().await.map_err(Failure::Lost)
    }

    /// Reads one answer, or says why there is none.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(answer) = take_answer(&mut self.buffer) {
                return Ok(answer);
            }
            if patiently("an answer", self.stream.read_buf(&mut self.buffer)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Takes a whole answer from the beginning of what has been read, if there is one.
pub fn take_answer(buffer: &mut Vec<u8>) -> Option<Answer> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let whole = end + length.unwrap_or(0usize);
    if buffer.len() < whole {
        return None;
    }
    let body = buffer[end..whole].to_vec();
    buffer.drain(..whole);
    Some(Answer { status, head, body })
}

/// A request before it is signed.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub body: &'a [u8],
    pub headers: &'a [(&'static str, &'a str)],
}

impl<'a> Request<'a> {
    pub fn get(target: &'a str) -> Self {
        Self { method: "GET", target, body: b"", headers: &[] }
    }
}

/// Somebody who signs.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub id: String,
    pub secret: String,
    pub key: Key,
    pub version: Version,
    pub token: String,
    /// What the next token is asked for.
    pub scopes: &'static str,
}

impl Client {
    /// The bytes of a signed request.
    pub fn signed(&self, request: &Request<'_>) -> Vec<u8> {
        let authority = self.address.to_string();
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        };
        set("host", &authority);
        set("accept", "application/json");
        set("upvest-client-id", &self.id);
        if !self.token.is_empty() {
            set("authorization", &format!("Bearer {}", self.token));
        }
        if !request.body.is_empty() {
            set("content-type", "application/json");
            set("content-length", &request.body.len().to_string());
        }
        for (name, value) in request.headers {
            set(name, value);
        }
        if !request.body.is_empty() {
            let (name, value) = httpsig::body_digest(self.version, request.body);
            headers.insert(name, value);
        }
        let (path, query) = request
            .target
            .split_once('?')
            .map_or((request.target, None), |(path, query)| (path, Some(query)));
        let message = Message {
            method: request.method,
            scheme: "http",
            authority: &authority,
            path,
            query,
            headers: &headers,
            body: request.body,
            status: None,
        };
        let (created, nonce) = (SystemClock::default().now().as_second(), uuid());
        let parameters = Parameters {
            key_id: &self.key.id,
            created,
            expires: Some(created + 60),
            nonce: Some(&nonce),
            alg: None,
            tag: None,
        };
        let components = httpsig::usual_components(&message, self.version);
        let signed = httpsig::sign(&message, &components, &parameters, &self.key.pair, self.version).unwrap();
        let selector = if self.version == Version::Draft6 { "6" } else { "15" };
        let mut text = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
        for (name, value) in &headers {
            write!(text, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
        }
        write!(
            text,
            "upvest-signature-version: {selector}\r\nsignature-input: {}\r\nsignature: {}\r\n\r\n",
            signed.signature_input, signed.signature
        )
        .unwrap();
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(request.body);
        bytes
    }

    pub fn creation(&self, body: &[u8], once: &str) -> Vec<u8> {
        let headers = [("idempotency-key", once)];
        self.signed(&Request { method: "POST", target: "/users", body, headers: &headers })
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of their own.
    pub async fn send(&self, bytes: &[u8]) -> Answer {
        self.connect().await.send(bytes).await.unwrap()
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.send(&self.signed(&Request::get(target))).await
    }

    pub async fn create(&self, body: &[u8], once: &str) -> Answer {
        self.send(&self.creation(body, once)).await
    }

    pub fn token_request(&self) -> Vec<u8> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &self.id)
            .append_pair("client_secret", &self.secret)
            .append_pair("grant_type", "client_credentials")
            .append_pair("scope", self.scopes)
            .finish();
        let stranger = Self { token: String::new(), ..self.clone() };
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let request =
            Request { method: "POST", target: "/auth/token", body: form.as_bytes(), headers: &headers };
        stranger.signed(&request)
    }

    pub async fn ask_token(&self) -> Answer {
        self.send(&self.token_request()).await
    }

    pub async fn take_token(&mut self) {
        let answer = self.ask_token().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().clone_into(&mut self.token);
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
            data: Vec<&'a serde_json::value::RawValue>,
        }
        let mut all: Vec<Vec<u8>> = Vec::new();
        loop {
            let answer = self.get(&format!("/users?limit=1000&offset={}", all.len())).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let page: Page<'_> = serde_json::from_slice(&answer.body).unwrap();
            all.extend(page.data.iter().map(|user| user.get().as_bytes().to_vec()));
            if page.data.is_empty() || all.len() >= page.meta.total_count {
                return (all, page.meta.total_count);
            }
        }
    }
}

/// The body of a valid create request. A German is active at once; a Pole needs an identifier first.
pub fn person(number: u64) -> Vec<u8> {
    let nationality = if number.is_multiple_of(2) { "DE" } else { "PL" };
    let body = json!({
        "first_name": format!("Anna {number}"),
        "last_name": "Müller",
        "birth_date": "1980-05-17",
        "nationalities": [nationality],
        "address": {
            "address_line1": format!("Unter den Linden {number}"),
            "postcode": "10117",
            "city": "Berlin",
            "country": "DE"
        }
    });
    body.to_string().into_bytes()
}

/// Chance that can be repeated (splitmix64).
pub struct Chance(u64);

impl Chance {
    /// Seeded by `INVESTORD_TEST_SEED`, or anew. What a test prints is shown when it fails: the command that repeats it
    /// is.
    pub fn new(test: &str) -> Self {
        let given = std::env::var("INVESTORD_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            SystemIds.fill(&mut bytes);
            u64::from_ne_bytes(bytes)
        });
        println!("{test}: {}", crate::repeat::command("INVESTORD_TEST_SEED", seed));
        Self(seed)
    }

    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// One that goes its own way from here.
    pub fn another(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
