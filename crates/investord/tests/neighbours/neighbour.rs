//! A tenant that does nothing wrong: what it asks is answered, and how long that takes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testing::answer::Answer;
use testing::client::{Client, uuid};
use testing::home::person;
use testing::http::BlockingConnection;

use crate::scene::{BEHIND_PROXY, NEIGHBOUR, OPERATORS, PASSWORD, PROXY, Scene, id};

/// What is measured.
pub const KINDS: [&str; 4] = ["read", "list", "create", "sign-in"];
/// A kept connection on which nothing was asked for longer may have been closed as idle.
const KEPT: Duration = Duration::from_secs(30);

/// How long the requests of each kind took.
#[derive(Clone, Default)]
pub struct Times([Vec<Duration>; 4]);

impl Times {
    pub fn quantile(&self, kind: usize, of_a_thousand: usize) -> Duration {
        let mut times = self.0[kind].clone();
        times.sort_unstable();
        let at = (times.len() * of_a_thousand).div_ceil(1000).saturating_sub(1);
        times.get(at).copied().unwrap_or_default()
    }
}

/// Where the neighbour asks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address of its own.
    Apart,
    /// A proxy by which the attacker asks, too, from the same address.
    BehindProxy,
}

impl Place {
    pub fn address(self) -> IpAddr {
        if self == Place::Apart { NEIGHBOUR } else { PROXY }
    }

    /// Headers that the proxy adds.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        if self == Place::Apart { &[] } else { &[("x-forwarded-for", BEHIND_PROXY)] }
    }
}

pub struct Neighbour {
    client: Client,
    operators: SocketAddr,
    place: Place,
    /// Everything that was created, as it was answered.
    users: Vec<Vec<u8>>,
    kept: Option<(BlockingConnection, Instant)>,
    /// What the last sign-in has answered: wrong passwords of others do not delay this device.
    device: Option<String>,
    /// Requests that were not answered as they have to be.
    faults: Vec<String>,
}

impl Neighbour {
    pub fn new(scene: &Scene) -> Self {
        Self {
            client: scene.neighbour.clone(),
            operators: scene.operators,
            place: Place::Apart,
            users: scene.users.clone(),
            kept: None,
            device: None,
            faults: Vec::new(),
        }
    }

    pub fn moves_to(&mut self, place: Place) {
        if self.place != place {
            (self.place, self.kept) = (place, None);
        }
    }

    pub fn faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }

    /// Asks for everything so many times, one request after the other.
    pub fn measure(&mut self, rounds: usize) -> Times {
        let mut times = Times::default();
        for round in 0..rounds {
            for (kind, name) in KINDS.iter().enumerate() {
                let request = self.request(kind, round);
                let (answer, took) = self.ask(kind, &request);
                times.0[kind].push(took);
                if let Err(fault) = answer.and_then(|answer| self.judge(kind, round, answer)) {
                    self.faults.push(format!("{name} after {took:.1?}: {fault}"));
                }
            }
        }
        times
    }

    fn request(&self, kind: usize, round: usize) -> Vec<u8> {
        let with = |method, target: &str, body: &[u8], more: &[(&'static str, &str)]| {
            let headers = [self.place.headers(), more].concat();
            self.client.request(method, target).headers(&headers).body(body).into_bytes()
        };
        match kind {
            0 => with("GET", &format!("/users/{}", id(self.user(round))), b"", &[]),
            1 => with("GET", "/users?limit=100", b"", &[]),
            2 => with("POST", "/users", &person(self.users.len() as u64), &[("idempotency-key", &uuid())]),
            _ => {
                let body =
                    json!({ "name": OPERATORS[0], "password": PASSWORD, "device": self.device }).to_string();
                let mut head = format!("POST /sessions HTTP/1.1\r\nhost: {}\r\n", self.operators);
                for (name, value) in self.place.headers() {
                    head.extend([*name, ": ", *value, "\r\n"]);
                }
                let length = body.len();
                format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
                    .into_bytes()
            }
        }
    }

    fn user(&self, round: usize) -> &[u8] {
        &self.users[round * 7 % self.users.len()]
    }

    /// Lists and creations go over one connection that is kept; the others begin with a connection.
    fn ask(&mut self, kind: usize, request: &[u8]) -> (Result<Answer, String>, Duration) {
        let is_kept = [1, 2].contains(&kind);
        let kept = self.kept.take().filter(|(_, used)| is_kept && used.elapsed() < KEPT);
        let began = Instant::now();
        let address = if kind == 3 { self.operators } else { self.client.address() };
        let open = || BlockingConnection::open(address, Some(self.place.address()));
        let line = kept.map_or_else(open, |(line, _)| Ok(line));
        let outcome = line.and_then(|mut line| Ok((line.send(request)?, line)));
        let took = began.elapsed();
        let answer = outcome.map(|(answer, line)| {
            if is_kept && answer.keeps_alive() {
                self.kept = Some((line, Instant::now()));
            }
            answer
        });
        (answer.map_err(|error| error.to_string()), took)
    }

    fn judge(&mut self, kind: usize, round: usize, answer: Answer) -> Result<(), String> {
        if answer.status != 200 {
            return Err(answer.to_string());
        }
        match kind {
            0 if answer.body != self.user(round) => return Err(format!("changed: {answer}")),
            1 if answer.json()["data"].as_array().is_none_or(|list| list.len() != 100) => {
                return Err(answer.to_string());
            }
            2 => self.users.push(answer.body),
            3 => self.device = answer.json()["device"].as_str().map(str::to_owned),
            _ => {}
        }
        Ok(())
    }

    /// Compares everything that was ever acknowledged with what is listed: nothing is lost, changed, or there besides.
    pub async fn compare(&self) {
        let (mut all, total) = self.client.all_users().await;
        let mut known = self.users.clone();
        all.sort_unstable();
        known.sort_unstable();
        assert_eq!((all.len(), total), (known.len(), known.len()), "users listed, counted and created");
        assert!(all == known, "a user is not as it was answered");
        let chosen = self.client.get(&format!("/users/{}", id(&known[0]))).ask().await;
        assert_eq!(chosen.json(), serde_json::from_slice::<Value>(&known[0]).unwrap());
    }
}
