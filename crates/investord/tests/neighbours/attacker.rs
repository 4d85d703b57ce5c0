//! Somebody who attacks: a process of its own, which gets the processor when nobody else wants it, so that what is
//! measured is the server and not its attacker.
//!
//! It is this test program once more, with [`main_of_the_attacker`] as its only test. It ends when its input does.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_message_signatures::SigningKey;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use testing::answer::Answer;
use testing::client::{Client, Key};
use testing::http::Connection;
use testing::patience::until;
use testing::program::clean;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::attacks::{self, Attack};
use crate::neighbour::Place;
use crate::scene::{ATTACKERS, Scene};

/// What an attacker has to know; only where it is set there is one.
const ORDER: &str = "INVESTORD_TEST_ATTACKER";

/// What became of the attacker's requests, by status or by what happened instead.
pub type Counts = BTreeMap<String, u64>;

#[derive(Serialize, Deserialize)]
pub struct Order {
    attack: String,
    server: SocketAddr,
    pub operators: SocketAddr,
    clients: Vec<Credentials>,
    /// Of the attacking tenant.
    pub users: Vec<String>,
    pub operator_token: String,
    /// The ids of the neighbour's client and key, which are no secrets.
    pub neighbour: String,
    pub neighbours_key: String,
    from: IpAddr,
    /// The folder of the server.
    pub folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Credentials {
    id: String,
    secret: String,
    token: String,
    key_id: String,
    key: String,
}

/// An attacker as the test sees it.
pub struct Attacker {
    process: Child,
    folder: PathBuf,
}

impl Attacker {
    /// Begins an attack, and returns when it is in force.
    pub fn start(scene: &Scene, attack: &Attack) -> Self {
        let folder = tempfile::tempdir_in(scene.home.path("")).unwrap().keep();
        let file = |name: &str| fs::File::create(folder.join(name)).unwrap();
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(std::env::current_exe().unwrap());
        let mut command = clean(command, &folder);
        command.args(["--exact", "attacker::main_of_the_attacker", "--ignored", "--nocapture"]);
        let order = serde_json::to_string(&order(scene, attack)).unwrap();
        command.env(ORDER, "order").stdin(Stdio::piped());
        fs::write(folder.join("order"), order).unwrap();
        let process = command.stdout(file("out")).stderr(file("err")).spawn().unwrap();
        let mut attacker = Self { process, folder };
        until(&format!("the attack {:?} to be in force", attack.name), || {
            attacker.lives();
            let counts = fs::read_to_string(attacker.folder.join("counts")).unwrap_or_default();
            if attacker.folder.join("in-force").exists() { Ok(()) } else { Err(counts) }
        });
        attacker
    }

    fn lives(&mut self) {
        if let Some(status) = self.process.try_wait().unwrap() {
            let said =
                ["out", "err"].map(|file| fs::read_to_string(self.folder.join(file)).unwrap_or_default());
            panic!("the attacker ended with {status}: {}", said.concat());
        }
    }

    /// Ends the attack: what became of its requests.
    pub fn stop(mut self) -> Counts {
        drop(self.process.stdin.take());
        let status = self.process.wait().unwrap();
        let said = ["out", "err"].map(|file| fs::read_to_string(self.folder.join(file)).unwrap_or_default());
        assert!(status.success(), "the attacker ended with {status}: {}", said.concat());
        serde_json::from_slice(&fs::read(self.folder.join("report")).unwrap()).unwrap()
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn order(scene: &Scene, attack: &Attack) -> Order {
    let credentials = |client: &Client| Credentials {
        id: client.id.clone(),
        secret: client.secret.clone(),
        token: client.token.clone(),
        key_id: client.key.id.clone(),
        key: client.key.pair.to_pkcs8_pem().unwrap().to_string(),
    };
    Order {
        attack: attack.name.to_owned(),
        server: scene.server.address,
        operators: scene.operators,
        clients: scene.attackers.iter().map(credentials).collect(),
        users: scene.attackers_users.clone(),
        operator_token: scene.operator_token.clone(),
        neighbour: scene.neighbour.id.clone(),
        neighbours_key: scene.neighbour.key.id.clone(),
        from: if attack.beside == Place::Apart { ATTACKERS } else { attack.beside.address() },
        folder: scene.home.path(""),
    }
}

/// What an attack works with.
pub struct Stage {
    pub order: Order,
    /// Of the attacking tenant; the last one has the dearest key.
    pub clients: Vec<Client>,
    pub beside: Place,
    counts: Mutex<Counts>,
    answers: AtomicU64,
    in_force: AtomicBool,
    over: watch::Receiver<bool>,
}

impl Stage {
    fn new(order: Order, beside: Place, over: watch::Receiver<bool>) -> Arc<Self> {
        let client = |known: &Credentials| {
            let pair = Arc::new(SigningKey::from_pem(&known.key, None).unwrap());
            let key = Key { id: known.key_id.clone(), pair };
            let token = known.token.clone();
            Client { token, ..Client::new(order.server, &known.id, &known.secret, &key) }
        };
        let clients = order.clients.iter().map(client).collect();
        let (counts, answers, in_force) = (Mutex::default(), AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { order, clients, beside, counts, answers, in_force, over })
    }

    pub fn server(&self) -> SocketAddr {
        self.order.server
    }

    /// Counts what became of a request.
    pub fn count(&self, what: impl std::fmt::Display) {
        *self.counts.lock().unwrap().entry(what.to_string()).or_default() += 1;
    }

    /// Says that the attack is in force: the neighbour may measure.
    pub fn in_force(&self) {
        if !self.in_force.swap(true, Ordering::Relaxed) {
            fs::write("in-force", "").unwrap();
        }
    }

    /// Says so when so many requests have been answered or refused.
    pub fn in_force_after(&self, answers: u64) {
        if self.answers.fetch_add(1, Ordering::Relaxed) + 1 >= answers {
            self.in_force();
        }
    }

    /// Waits for the end of the attack.
    pub async fn over(&self) {
        let _ = self.over.clone().wait_for(|over| *over).await;
    }

    /// A signed request of one of the clients, as the bytes that go out.
    pub fn signed(&self, client: usize, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
        let headers = self.beside.headers();
        self.clients[client].request(method, target).headers(headers).body(body).into_bytes()
    }

    /// A signed POST with an idempotency key.
    pub fn keyed(&self, client: usize, target: &str, body: &[u8], key: &str) -> Vec<u8> {
        let headers = [self.beside.headers(), &[("idempotency-key", key)]].concat();
        self.clients[client].request("POST", target).headers(&headers).body(body).into_bytes()
    }

    /// A connection from the attacker's address. `buffer`: bytes that the system keeps of what is not read.
    pub async fn connect_to(&self, address: SocketAddr, buffer: Option<u32>) -> io::Result<TcpStream> {
        Self::connect_from(self.order.from, address, buffer).await
    }

    async fn connect_from(from: IpAddr, address: SocketAddr, buffer: Option<u32>) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(SocketAddr::new(from, 0))?;
        socket.connect(address).await
    }

    pub async fn connect(&self) -> io::Result<Connection> {
        Ok(self.connect_to(self.order.server, None).await?.into())
    }

    /// A connection to the listener for operators, from the attacker's address or another one.
    pub async fn connect_to_operators(&self, from: Option<IpAddr>) -> io::Result<Connection> {
        let from = from.unwrap_or(self.order.from);
        Ok(Self::connect_from(from, self.order.operators, None).await?.into())
    }

    /// Sends a request that has to succeed, for what an attack needs before it begins.
    pub async fn prepare(&self, method: &str, target: &str, body: &[u8]) -> Answer {
        loop {
            let sent = self.connect().await.unwrap().attempt(&self.signed(0, method, target, body)).await;
            match sent.unwrap() {
                answer if answer.status < 300 => return answer,
                answer if answer.status == 429 => tokio::time::sleep(Duration::from_millis(200)).await,
                answer => panic!("{method} {target}: {answer}"),
            }
        }
    }

    /// Sends requests over so many connections, on each one after the other, until the attack is over. It is in force
    /// when each connection has two answers.
    pub async fn flood(
        self: &Arc<Self>,
        connections: u64,
        make: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
    ) {
        self.flood_of(connections, 2 * connections, make).await;
    }

    /// The same, in force when `enough` requests are answered.
    pub async fn flood_of(
        self: &Arc<Self>,
        connections: u64,
        enough: u64,
        make: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
    ) {
        let (make, number) = (Arc::new(make), Arc::new(AtomicU64::new(0)));
        let mut senders = JoinSet::new();
        for _ in 0..connections {
            let (stage, make, number) = (Arc::clone(self), Arc::clone(&make), Arc::clone(&number));
            senders.spawn(async move {
                loop {
                    let connected = stage.connect().await;
                    stage.send_all(connected, enough, || make(number.fetch_add(1, Ordering::Relaxed))).await;
                }
            });
        }
        self.over().await;
    }

    /// Sends requests over a connection for as long as it lasts, and counts what becomes of them. The attack is in
    /// force when `enough` have an answer.
    pub async fn send_all(
        &self,
        connected: io::Result<Connection>,
        enough: u64,
        mut make: impl FnMut() -> Vec<u8>,
    ) {
        let Ok(mut line) = connected else {
            self.count("not connected");
            return tokio::time::sleep(Duration::from_millis(100)).await;
        };
        loop {
            match line.attempt(&make()).await {
                Ok(answer) => {
                    self.count(answer.status);
                    self.in_force_after(enough);
                    if !answer.keeps_alive() {
                        return;
                    }
                }
                Err(_) => return self.count("closed"),
            }
        }
    }
}

/// Opens as many files as the system allows.
fn raise_open_files() {
    let files = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum });
}

/// Ends when its input does: with whoever has started it.
#[test]
#[ignore = "what another process runs; it tests nothing"]
fn main_of_the_attacker() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let order: Order = serde_json::from_slice(&fs::read(Path::new(&order)).unwrap()).unwrap();
    raise_open_files();
    let (end, over) = watch::channel(false);
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        end.send_replace(true);
    });
    let attack = attacks::all().into_iter().find(|attack| attack.name == order.attack).unwrap();
    let stage = Stage::new(order, attack.beside, over);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let noted = Arc::clone(&stage);
    runtime.spawn(async move {
        loop {
            // What is waited for, where the attack does not come into force.
            fs::write("counts", serde_json::to_vec(&*noted.counts.lock().unwrap()).unwrap()).unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    runtime.block_on((attack.run)(Arc::clone(&stage)));
    runtime.shutdown_background();
    fs::write("report", serde_json::to_vec(&*stage.counts.lock().unwrap()).unwrap()).unwrap();
}
