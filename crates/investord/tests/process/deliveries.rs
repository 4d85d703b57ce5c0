//! Webhooks, while receivers fail in every way, clients hang up and servers are killed: every event is told, in order,
//! and nothing twice without a reason. Who judges that is a process of its own ([`Receiver`]).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use socket2::SockRef;
use testing::chance::Chance;
use testing::client::{Client, uuid};
use testing::home::{Home, person};
use testing::http::Connection;
use testing::patience::{Patience, amount, until, until_count};
use testing::postgres;
use testing::server::Server;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::crash::spoil;
use crate::judge::{check_database, count};
use crate::load::pause;
use crate::receiver::Receiver;

const HOOKS: usize = 50;
/// At least, each with two events: in a long run 20,000 are delivered, and more.
fn users() -> u64 {
    amount(100, 200)
}

/// Milliseconds from one user to the next.
const APART: u64 = 150;
/// Bytes of a package: five or six events.
const SIZE: usize = 4000;
fn planned_kills() -> usize {
    if postgres::is_chosen() { amount(5, 8) } else { amount(8, 12) }
}

/// Milliseconds from one kill to the next, at least and at most. What a process holds on PostgreSQL is free 15 seconds
/// after its end.
fn between() -> (u64, u64) {
    if postgres::is_chosen() { (6000, 10_000) } else { (2000, 4000) }
}

/// So many times more it may take until everything has happened that is to be seen.
const MORE: usize = 10;

/// Requests that are cut, and how many at once.
fn cuts() -> u64 {
    amount(2_000, 10_000)
}

const CUTTERS: usize = 16;
const LARGE: usize = 100_000;

/// Several processes where an engine can have them.
fn processes() -> &'static [&'static str] {
    if postgres::is_chosen() { &["first", "second"] } else { &["server"] }
}

fn serve(home: &Home, receiver: &Receiver, log: &str) -> Server {
    let certificate = receiver.certificate();
    let variables = [
        ("INVESTORD_WEBHOOKS__ALLOW_INSECURE_TARGETS", "true"),
        ("INVESTORD_WEBHOOKS__CA_FILE", certificate.to_str().unwrap()),
    ];
    home.serve_as(log, &[], &variables)
}

async fn caller(home: &Home, server: &Server) -> Client {
    let scopes = "users:admin users:read webhooks:admin".into();
    let mut client = Client { scopes, ..home.stranger(server) };
    client.renew().await;
    client
}

/// A webhook for every address of the receiver: their ids.
async fn subscribe(client: &Client, receiver: &Receiver, hooks: usize, size: usize) -> Vec<Value> {
    let mut ids = Vec::new();
    for hook in 0..hooks {
        let body = json!({
            "title": format!("Number {hook}"),
            "url": receiver.url(hook),
            "enabled": true,
            "config": { "delay": "1s", "max_package_size": size },
        });
        let answer = client.request("POST", "/webhooks").json(&body).ask().await;
        assert_eq!(answer.status, 201, "{answer}");
        ids.push(answer.json()["id"].clone());
    }
    ids
}

/// All events of the register.
async fn events(client: &Client) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let answer = client.get(&format!("/investord/events?after={after}&limit=1000")).ask().await;
        assert_eq!(answer.status, 200, "{answer}");
        let mut page = answer.json();
        after = page["next"].as_u64().unwrap();
        all.append(page["data"].as_array_mut().unwrap());
        if page["more"] == false {
            return all;
        }
    }
}

/// Holds that no package came again without a reason: `leases` is how often a server has outlasted one.
fn assert_explained(verdict: &Value, leases: f64) {
    let unexplained = verdict["unexplained"].as_array().unwrap();
    let count = f64::from(u32::try_from(unexplained.len()).unwrap());
    assert!(count <= leases, "{leases} leases were lost, {unexplained:#?}");
}

/// How many events have been accepted.
fn delivered(receiver: &Receiver) -> i64 {
    receiver.ask("/state")["delivered"].as_i64().unwrap()
}

/// Returns when so many events have been accepted, or when there is no more to be hoped for.
async fn told(receiver: &Receiver, count: usize) {
    let mut patience = Patience::new(format!("{count} events to be told"));
    loop {
        let delivered = delivered(receiver);
        // More may have happened since they were counted.
        if delivered >= i64::try_from(count).unwrap() {
            return;
        }
        if let Some(why) = patience.is_exhausted(delivered) {
            // The verdict says more.
            println!("{why}");
            return;
        }
        pause(200).await;
    }
}

/// Writes users one after the other, each until it is acknowledged, at whichever server answers, until it is over; how
/// many.
async fn write(client: Client, doors: Arc<Mutex<Vec<SocketAddr>>>, over: Arc<AtomicBool>) -> u64 {
    for number in 0.. {
        if number >= users() && over.load(Ordering::Relaxed) {
            return number;
        }
        let (body, once) = (person(2 * number), uuid());
        for attempt in number.. {
            let address = {
                let doors = doors.lock().unwrap();
                doors[usize::try_from(attempt).unwrap() % doors.len()]
            };
            let client = client.at(address);
            let Ok(mut open) = Connection::open(address).await else {
                pause(20).await;
                continue;
            };
            match open.send(&client.creation(&body, &once).into_bytes()).await {
                Ok(answer) if answer.status == 200 => break,
                Ok(answer) => assert!([409, 503].contains(&answer.status), "{answer}"),
                Err(_) => {}
            }
            pause(20).await;
        }
        pause(APART).await;
    }
    unreachable!("it ends in the loop")
}

/// Servers that are killed one after the other.
struct Targets<'a> {
    home: &'a Home,
    receiver: &'a Receiver,
    servers: Vec<Server>,
    doors: Arc<Mutex<Vec<SocketAddr>>>,
    /// Packages that each had delivered when it was killed.
    delivered: Vec<f64>,
    /// Leases that were lost.
    lost: f64,
}

impl<'a> Targets<'a> {
    fn new(home: &'a Home, receiver: &'a Receiver) -> Self {
        let servers: Vec<Server> = processes().iter().map(|log| serve(home, receiver, log)).collect();
        let doors = servers.iter().map(|server| server.address).collect();
        let delivered = vec![0.0; servers.len()];
        Self { home, receiver, servers, doors: Arc::new(Mutex::new(doors)), delivered, lost: 0.0 }
    }

    /// Takes down what a server has counted.
    fn count(&mut self, at: usize) {
        let server = &self.servers[at];
        self.delivered[at] += server.metric("investord_webhook_attempts_total{outcome=\"delivered\"}");
        self.lost += server.metric("investord_webhook_leases_lost_total");
    }

    fn kill(&mut self, at: usize) {
        self.count(at);
        self.receiver.ask("/kill");
        self.servers.remove(at).kill();
        self.receiver.ask("/killed");
        let server = serve(self.home, self.receiver, processes()[at]);
        self.doors.lock().unwrap()[at] = server.address;
        self.servers.insert(at, server);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_told_in_order_however_receivers_fail_and_servers_are_killed() {
    let (home, mut chance) = (Home::new(""), Chance::new("webhooks"));
    let receiver = Receiver::start(&home, HOOKS, true, &mut chance);
    let mut targets = Targets::new(&home, &receiver);
    let client = caller(&home, &targets.servers[0]).await;
    let webhooks = subscribe(&client, &receiver, HOOKS, SIZE).await;
    let began = Instant::now();
    let over = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(client.clone(), targets.doors.clone(), Arc::clone(&over)));
    let mut kills = 0;
    // Until everything has happened that is to be seen.
    loop {
        let (least, most) = between();
        pause(least + chance.below(most - least)).await;
        targets.kill(usize::try_from(chance.below(processes().len() as u64)).unwrap());
        kills += 1;
        let state = receiver.ask("/state");
        let enough = state["all_acts"] == true && state["duplicates"].as_u64() > Some(0);
        if kills >= planned_kills() && enough {
            break;
        }
        assert!(kills < MORE * planned_kills(), "not everything has happened that is to be seen: {state}");
    }
    over.store(true, Ordering::Relaxed);
    let users = writer.await.unwrap();
    receiver.ask("/calm");
    let client = client.at(targets.servers[0].address);
    let events = events(&client).await;
    assert_eq!(events.len() as u64, 2 * users);
    told(&receiver, events.len() * HOOKS).await;
    let register = home.register();
    let open = || count(&register, "SELECT count(*) FROM webhook_packages WHERE state = 'open'");
    // What the last kill has left unsettled comes once more.
    until("everything to be settled", || match open() {
        0 => Ok(()),
        count => Err(format!("{count} open packages")),
    });
    for at in 0..targets.servers.len() {
        targets.count(at);
    }
    targets.servers.into_iter().for_each(Server::stop);
    let verdict = receiver.verdict(&webhooks, &events, SIZE);
    println!("{verdict} {:?} {:?}", targets.delivered, began.elapsed());
    assert_eq!(verdict["fault_count"], 0);
    assert_explained(&verdict, targets.lost);
    assert_eq!(verdict["delivered"], events.len() * HOOKS);
    assert_eq!((&verdict["all_acts"], &verdict["kills"]), (&json!(true), &json!(kills)));
    assert!(
        verdict["duplicates"].as_u64() > Some(0),
        "a kill was to come in between a package and its record"
    );
    assert!(targets.delivered.iter().all(|delivered| *delivered > 0.0), "every process delivers");
    assert_eq!(count(&register, "SELECT count(*) FROM webhook_packages WHERE state <> 'delivered'"), 0);
    assert_eq!(
        count(&register, "SELECT count(*) FROM webhooks WHERE packages <> settled OR failures <> 0"),
        0
    );
    assert_eq!(check_database(&register) as u64, users);
}

/// Creates users, each on a connection of its own that is closed somewhere in the request, or some time after it.
/// `usual` is how long such a request takes in milliseconds.
async fn cut(client: Client, number: Arc<AtomicU64>, usual: u64, mut chance: Chance) {
    loop {
        let number = number.fetch_add(1, Ordering::Relaxed);
        if number >= cuts() {
            return;
        }
        let request = client.creation(&person(2 * number), &uuid()).into_bytes();
        let length = request.len() as u64;
        let whole = chance.below(2) == 0;
        let bytes = if whole { length } else { chance.below(length) };
        let mut stream = TcpStream::connect(client.address()).await.unwrap();
        stream.write_all(&request[..usize::try_from(bytes).unwrap()]).await.unwrap();
        if whole && chance.below(4) > 0 {
            // Into what the server does with it.
            pause(chance.below(2 * usual + 10)).await;
        }
        if chance.below(2) == 0 {
            // What is still under way is thrown away by the system.
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_has_begun_that_hangs_up_is_told_or_has_not_happened() {
    let (home, mut chance) = (Home::new(""), Chance::new("hanging up"));
    let receiver = Receiver::start(&home, 1, false, &mut chance);
    let server = serve(&home, &receiver, "server");
    let client = caller(&home, &server).await;
    let webhooks = subscribe(&client, &receiver, 1, LARGE).await;
    let (began, number) = (Instant::now(), Arc::default());
    let usual = {
        let connections = (0..CUTTERS).map(async |_| client.creation(&person(0), &uuid()).ask().await.status);
        assert!(join_all(connections).await.iter().all(|status| *status == 200));
        u64::try_from(began.elapsed().as_millis()).unwrap()
    };
    let cutters: Vec<_> = (0..CUTTERS)
        .map(|_| tokio::spawn(cut(client.clone(), Arc::clone(&number), usual, chance.another())))
        .collect();
    for cutter in cutters {
        cutter.await.unwrap();
    }
    // Until nothing follows. By the same process: one that starts would find what this one has forgotten.
    let mut known = Vec::new();
    loop {
        let now = events(&client).await;
        told(&receiver, now.len()).await;
        if std::mem::replace(&mut known, now).len() == known.len() {
            break;
        }
    }
    let (users, total) = client.all_users().await;
    let verdict = receiver.verdict(&webhooks, &known, LARGE);
    println!("{} cuts, {total} users, {verdict} {:?}", cuts(), began.elapsed());
    assert_eq!(verdict["fault_count"], 0);
    assert_explained(&verdict, server.metric("investord_webhook_leases_lost_total"));
    let (least, most) = (usize::try_from(cuts() / 50).unwrap(), usize::try_from(cuts() * 9 / 10).unwrap());
    assert!((least..=most).contains(&total), "{total} users: neither all nor none came through");
    let mut expected: Vec<Value> = Vec::new();
    for user in &users {
        let user: Value = serde_json::from_slice(user).unwrap();
        expected.extend(["USER.CREATED", "USER.ACTIVATED"].map(|kind| json!([kind, user["id"]])));
    }
    let told = receiver.ask("/told/0");
    let differs = expected.iter().zip(told.as_array().unwrap()).find(|(expected, told)| expected != told);
    assert_eq!((differs, told.as_array().unwrap().len()), (None, expected.len()), "of the users there are");
    server.stop();
    assert_eq!(check_database(&home.register()), total);
}

/// A package that is not what it was stops its own webhook, and does not fill the log with that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_that_cannot_be_read_is_tried_now_and_then() {
    let (home, mut chance) = (Home::new(""), Chance::new("damage"));
    let receiver = Receiver::start(&home, 1, false, &mut chance);
    let server = serve(&home, &receiver, "server");
    let client = caller(&home, &server).await;
    let body = json!({ "title": "deaf", "url": "http://127.0.0.1:1/", "enabled": true });
    assert_eq!(client.request("POST", "/webhooks").json(&body).ask().await.status, 201);
    assert_eq!(client.creation(&person(0), &uuid()).ask().await.status, 200);
    let register = home.register();
    until_count("an attempt", 1, || count(&register, "SELECT count(*) FROM webhook_attempts"));
    subscribe(&client, &receiver, 1, LARGE).await;
    server.kill();
    spoil(&register, "UPDATE webhook_packages SET digest = {link}");
    let server = serve(&home, &receiver, "server");
    let client = client.at(server.address);
    assert_eq!(client.creation(&person(2), &uuid()).ask().await.status, 200);
    // After a second, in which the worker has looked for work again and again; and once more.
    for _ in 0..2 {
        let known = delivered(&receiver);
        assert_eq!(client.creation(&person(2), &uuid()).ask().await.status, 200);
        until_count("another event", known + 1, || delivered(&receiver));
    }
    server.stop();
    let lines = home.log().matches("cannot deliver to a webhook").count();
    println!("{lines} lines");
    assert!((1..=2).contains(&lines), "{lines} lines");
}
