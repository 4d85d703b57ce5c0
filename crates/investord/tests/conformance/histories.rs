//! What clients see over HTTP could have happened one request at a time, however many they are and whichever
//! server they ask.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use investord::app::{App, Mode};
use investord::clock::{Ids as _, SeededIds};
use investord::config::{Address, Config};
use investord::server::{self, Listeners};
use investord::store::Store;
use investord::store::engine::migrate;
use serde_json::Value;
use testing::app::{Register, SCOPES, TestApp};
use testing::bodies;
use testing::client::{Client, once_key};
use testing::http::Wire;
use testing::postgres;
use tokio::sync::oneshot;

use crate::linear::{Call, Step, is_linearizable};

const HISTORIES: u64 = 100;
const CLIENTS: usize = 16;
const CALLS: usize = 3;
/// Idempotency keys of one history, and the bodies that each is used with.
const KEYS: usize = 2;
const BODIES: usize = 2;

/// What a client asked, and what it was answered.
#[derive(Clone, Debug)]
enum What {
    /// The text of the user, or nothing if the key stood for another body.
    Create { key: usize, body: usize, user: Option<String> },
    /// A user that somebody has been told of before.
    Read { key: usize, user: Option<String> },
    /// The number of all users, and the newest of them.
    List { total: u64, newest: Vec<String> },
}

/// What there is: the users of this history in the order in which they came, and under which key and body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    before: u64,
    users: Vec<(usize, usize, String)>,
}

/// A user stays, so whoever was answered with one, or refused because of one, could have been so later, too.
fn step(state: &State, what: &What) -> Step<State> {
    let known = |key: usize| state.users.iter().find(|(own, ..)| *own == key);
    let possible = match what {
        What::Create { key, body, user } => match (known(*key), user) {
            (None, Some(user)) => {
                let mut next = state.clone();
                next.users.push((*key, *body, user.clone()));
                return Step::Makes(next);
            }
            (None, None) => false,
            (Some((_, first, kept)), Some(user)) => first == body && kept == user,
            (Some((_, first, _)), None) => first != body,
        },
        What::Read { key, user } => known(*key).map(|(.., text)| text) == user.as_ref(),
        What::List { total, newest } => {
            let users = state.users.iter().rev().map(|(.., text)| text);
            *total == state.before + state.users.len() as u64 && newest.iter().eq(users)
        }
    };
    if possible { Step::Looks } else { Step::Impossible }
}

/// One order for all moments of a history.
#[derive(Default)]
struct Moments(AtomicU64);

impl Moments {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// What the clients of one history share.
struct History {
    moments: Moments,
    keys: [String; KEYS],
    bodies: [Value; BODIES],
    /// The id of each key's user, once somebody has been told.
    ids: Mutex<[Option<String>; KEYS]>,
    before: u64,
}

impl History {
    async fn create(&self, client: &Client, key: usize, body: usize) -> What {
        let request = client.create(&self.bodies[body]).header("idempotency-key", &self.keys[key]);
        let answer = request.send().await;
        if answer.slug() == "unprocessable_entity" {
            return What::Create { key, body, user: None };
        }
        let user = answer.ok();
        self.ids.lock().unwrap()[key] = Some(user["id"].as_str().unwrap().to_owned());
        What::Create { key, body, user: Some(answer.text().to_owned()) }
    }

    async fn list(&self, client: &Client) -> What {
        let list = client.get("/users?order=DESC&limit=10").send().await.ok();
        let total = list["meta"]["total_count"].as_u64().unwrap();
        // What was there before this history is the same for all.
        let own = usize::try_from(total - self.before).unwrap();
        let newest = list["data"].as_array().unwrap().iter().take(own).map(Value::to_string);
        What::List { total, newest: newest.collect() }
    }

    /// One of the calls, drawn by lot; reading needs an id that somebody knows.
    async fn call(&self, client: &Client, lot: u8) -> What {
        let (key, body) = (usize::from(lot & 1), usize::from(lot >> 1 & 1));
        let id = self.ids.lock().unwrap()[key].clone();
        match (lot >> 2 & 3, id) {
            (0 | 1, _) => self.create(client, key, body).await,
            (2, Some(id)) => {
                let answer = client.get(&format!("/users/{id}")).send().await;
                let user = (answer.slug() != "not_found").then(|| answer.text().to_owned());
                What::Read { key, user }
            }
            _ => self.list(client).await,
        }
    }
}

/// Has clients call at once; each asks one of the servers and then another.
async fn history(clients: &[Client], number: u64, before: u64) -> Vec<Call<What>> {
    let history = Arc::new(History {
        moments: Moments::default(),
        keys: [once_key(), once_key()],
        bodies: [bodies::smallest(), bodies::karl()],
        ids: Mutex::default(),
        before,
    });
    let tasks = (0..CLIENTS).map(|at| {
        let (history, clients) = (Arc::clone(&history), clients.to_vec());
        let mut lots = [0; CALLS];
        SeededIds::new(number << 8 | at as u64).fill(&mut lots);
        tokio::spawn(async move {
            let mut calls = Vec::new();
            for (turn, lot) in lots.into_iter().enumerate() {
                let client = &clients[(at + turn) % clients.len()];
                let began = history.moments.next();
                let what = history.call(client, lot).await;
                calls.push(Call { what, began, ended: history.moments.next() });
            }
            calls
        })
    });
    join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect()
}

fn state(before: u64) -> State {
    State { before, users: Vec::new() }
}

async fn histories(clients: &[Client]) {
    let (mut before, mut overlapping) = (0, 0);
    for number in 0..HISTORIES {
        let mut calls = history(clients, number, before).await;
        calls.sort_by_key(|call| call.began);
        assert!(is_linearizable(&state(before), &calls, step), "history {number}: {calls:#?}");
        let made = |call: &Call<What>| match &call.what {
            What::Create { key, user: Some(_), .. } => Some(*key),
            _ => None,
        };
        let mut keys: Vec<usize> = calls.iter().filter_map(made).collect();
        keys.sort_unstable();
        keys.dedup();
        before += keys.len() as u64;
        overlapping += calls.windows(2).filter(|pair| pair[1].began < pair[0].ended).count();
    }
    let calls = usize::try_from(HISTORIES).unwrap() * CLIENTS * CALLS;
    assert!(before > HISTORIES && overlapping > calls / 2, "the clients were at it at once");
}

/// The texts of users are compared as the server has written them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_on_sqlite_could_have_done_one_thing_at_a_time() {
    let app = TestApp::start().await;
    histories(&[app.client().clone()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_postgres_could_have_done_one_thing_at_a_time() {
    let Some(server) = postgres::shared() else { return };
    let mut app = TestApp::start().await;
    let folder = std::mem::replace(&mut app.register, Register::Server(server.database()));
    migrate::run(&app.register.database(), &investord::store::CATALOGUE).unwrap();
    app.restart().await;
    drop(folder);
    app.new_tenant("main", &[]).await;
    let client = app.new_client("main", SCOPES).await;
    *app.client_mut() = client.clone();

    let free: Address = ([127, 0, 0, 1], 0).into();
    let (operator_listen, metrics_listen) = (Some(free.clone().into()), Some(free.clone()));
    let mut config = Config { listen: free, operator_listen, metrics_listen, ..app.app().config.clone() };
    let listeners = Listeners::bind(&mut config).unwrap();
    let mut other = client.clone();
    other.wire = Arc::new(Wire::to(listeners.clients.local_addr().unwrap()));
    let store = Store::open(&app.register.database()).unwrap();
    let (clock, ids, key) =
        (Arc::clone(&app.clock), Arc::clone(&app.app().ids), Arc::clone(&app.app().master_key));
    let second = App::new(config, Mode::Production, clock, ids, store, key).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server::run(second, listeners, true, async {
        let _ = stopped.await;
    }));
    histories(&[client, other.clone()]).await;
    other.wire.rest();
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

/// Histories that no register may produce, beside one that it may.
#[test]
fn the_judge_knows_a_bad_history() {
    let create = |key, body, user: Option<&str>| What::Create { key, body, user: user.map(str::to_owned) };
    let list = |total, newest: &[&str]| What::List {
        total,
        newest: newest.iter().map(|&text| text.to_owned()).collect(),
    };
    let read = |key, user: Option<&str>| What::Read { key, user: user.map(str::to_owned) };
    let judged = |calls: &[(u64, u64, What)]| {
        let calls = calls.iter().map(|(began, ended, what)| Call {
            what: what.clone(),
            began: *began,
            ended: *ended,
        });
        is_linearizable(&state(7), &calls.collect::<Vec<_>>(), step)
    };
    assert!(judged(&[
        (0, 9, create(0, 0, Some("anna"))),
        (1, 8, create(0, 1, None)),
        (2, 3, list(7, &[])),
        (4, 5, list(8, &["anna"])),
        (6, 7, read(0, Some("anna"))),
        (10, 13, create(0, 0, Some("anna"))),
        (11, 14, create(1, 1, Some("berta"))),
        (15, 16, list(9, &["berta", "anna"])),
    ]));
    for (what, calls) in [
        (
            "one key has made two users",
            vec![(0, 3, create(0, 0, Some("anna"))), (1, 2, create(0, 0, Some("berta")))],
        ),
        (
            "two bodies have come through under one key",
            vec![(0, 3, create(0, 0, Some("anna"))), (1, 2, create(0, 1, Some("anna")))],
        ),
        (
            "a key was refused before it was used",
            vec![(0, 1, create(0, 1, None)), (2, 3, create(0, 0, Some("anna")))],
        ),
        (
            "a user who was told of is not found",
            vec![(0, 1, create(0, 0, Some("anna"))), (2, 3, read(0, None))],
        ),
        (
            "a list forgets",
            vec![(0, 9, create(0, 0, Some("anna"))), (1, 2, list(8, &["anna"])), (3, 4, list(7, &[]))],
        ),
        ("a list counts who is not in it", vec![(0, 9, create(0, 0, Some("anna"))), (1, 2, list(8, &[]))]),
        (
            "two lists disagree about who came first",
            vec![
                (0, 9, create(0, 0, Some("anna"))),
                (0, 9, create(1, 0, Some("berta"))),
                (1, 2, list(9, &["berta", "anna"])),
                (3, 4, list(9, &["anna", "berta"])),
            ],
        ),
    ] {
        assert!(!judged(&calls), "{what}");
    }
}
