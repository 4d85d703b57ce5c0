//! Writers that do not give up, while servers and databases come and go.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use testing::answer::Answer;
use testing::client::Client;
use testing::home::Register;
use testing::http::{Connection, Failure};
use testing::server::Server;

use crate::judge::check_database;
use crate::load::{Acknowledged, Load, Lost, WRITERS, Write, pause};

/// A load, the servers it goes to, and what it has been through.
#[derive(Clone, Default)]
pub struct Siege {
    pub load: Load,
    doors: Arc<Mutex<Vec<SocketAddr>>>,
    trouble: Arc<Mutex<Trouble>>,
    over: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    /// Requests answered 503.
    pub unavailable: usize,
    /// Requests answered 409.
    pub conflicts: usize,
    /// Requests that were not answered.
    pub unanswered: usize,
    /// Writes sent again at once, as nobody knew what had become of them.
    pub sent_again: usize,
    /// What the slowest request took, answered or not.
    pub longest: Duration,
}

impl Siege {
    pub fn of(servers: &[&Server]) -> Self {
        Self::with(Load::default(), servers)
    }

    /// Goes on with what is known already.
    pub fn with(load: Load, servers: &[&Server]) -> Self {
        let doors = servers.iter().map(|server| server.address).collect();
        Self { load, doors: Arc::new(Mutex::new(doors)), ..Self::default() }
    }

    /// Another server stands where that one did.
    pub fn moved(&self, at: usize, server: &Server) {
        self.doors.lock().unwrap()[at] = server.address;
    }

    fn door(&self, number: usize) -> SocketAddr {
        let doors = self.doors.lock().unwrap();
        doors[number % doors.len()]
    }

    pub fn trouble(&self) -> Trouble {
        *self.trouble.lock().unwrap()
    }

    /// Lets all writers write until `meanwhile` is done. They go on to the next server when one fails them,
    /// and send again under the same key what became of nobody knows. Of those that fail first after a
    /// success, half are left to [`Load::resolve`].
    pub async fn lay(&self, client: &Client, meanwhile: impl Future<Output = ()>) {
        self.over.store(false, Ordering::Relaxed);
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let writer = Writer {
                    siege: self.clone(),
                    client: client.clone(),
                    patient: number % 2 == 0,
                    well: true,
                    door: number / 2,
                    again: None,
                    last: None,
                };
                tokio::spawn(writer.write())
            })
            .collect();
        meanwhile.await;
        self.over.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
    }

    /// When all is over: nothing that was acknowledged is lost, and what was not is there once or not at all,
    /// and once when it is sent again. How many writes had no clear answer, and how many of them were there.
    pub async fn judge(&self, register: &Register, client: &Client) -> (usize, usize) {
        register.quiet();
        let extra = self.load.compare(client).await;
        let unknown = self.load.resolve(client).await;
        assert!(extra <= unknown, "{extra} users too many, {unknown} writes without a clear answer");
        assert_eq!(self.load.compare(client).await, 0, "each of them is one user");
        self.load.spot_check(client, 10).await;
        assert_eq!(check_database(register), self.load.acknowledged());
        let record = self.load.record.lock().unwrap();
        assert!(record.refused.is_empty(), "{}", record.refused[0].1);
        (unknown, extra)
    }
}

struct Writer {
    siege: Siege,
    client: Client,
    /// Leaves for later what fails first.
    patient: bool,
    /// Whether the last request was answered with a user.
    well: bool,
    /// Where it goes next.
    door: usize,
    /// What it sends next.
    again: Option<Write>,
    /// What it was told last.
    last: Option<Acknowledged>,
}

impl Writer {
    async fn write(mut self) {
        let mut connection: Option<Connection> = None;
        let mut before: Option<Instant> = None;
        while !self.siege.over.load(Ordering::Relaxed) {
            before = before.filter(|_| connection.is_some());
            let opened = match connection.take() {
                Some(open) => Ok(open),
                None => Connection::open(self.siege.door(self.door)).await,
            };
            let Ok(mut open) = opened else {
                self.door += 1;
                pause(5).await;
                continue;
            };
            let number = self.siege.load.count.fetch_add(1, Ordering::Relaxed);
            let known = self.last.take_if(|_| number % 8 == 7 && self.again.is_none());
            let write = match (&known, self.again.take()) {
                (Some(known), _) => known.write.clone(),
                (None, Some(again)) => again,
                (None, None) => Write::new(number),
            };
            let request = self.client.creation(&write.body, &write.once).into_bytes();
            let sent = Instant::now();
            let since = before.replace(sent).map(|before| sent - before);
            let outcome = open.send(&request).await;
            self.took(sent.elapsed());
            match outcome {
                Ok(answer) if answer.status == 200 => {
                    connection = answer.keeps_alive().then_some(open);
                    self.well = true;
                    self.done(write, request, &answer, known.as_ref());
                }
                outcome => {
                    // At once to the next server; if that fails too, there may be none for a while.
                    let wait = if self.well { 1 } else { 50 };
                    self.troubled(outcome, write, known.is_some(), since);
                    self.door += 1;
                    pause(wait).await;
                }
            }
        }
        self.siege.load.record.lock().unwrap().unknown.extend(self.again);
    }

    fn took(&self, time: Duration) {
        let mut trouble = self.siege.trouble.lock().unwrap();
        trouble.longest = trouble.longest.max(time);
    }

    fn done(&mut self, write: Write, request: Vec<u8>, answer: &Answer, known: Option<&Acknowledged>) {
        let mut record = self.siege.load.record.lock().unwrap();
        if let Some(known) = known {
            return record.repeated(known, answer);
        }
        let done = Acknowledged { write, request, answer: answer.body.clone() };
        self.last = Some(done.clone());
        record.acknowledged.push(done);
    }

    /// Notes what was not answered with a user.
    fn troubled(
        &mut self,
        outcome: Result<Answer, Failure>,
        write: Write,
        repeated: bool,
        since: Option<Duration>,
    ) {
        let mut record = self.siege.load.record.lock().unwrap();
        let mut trouble = self.siege.trouble.lock().unwrap();
        match outcome {
            Ok(answer) if answer.status == 503 => {
                answer.problem(503, "unavailable");
                trouble.unavailable += 1;
            }
            Ok(answer) if answer.status == 409 => {
                answer.problem(409, "conflict");
                trouble.conflicts += 1;
            }
            Ok(answer) => return record.refused.push((write, answer)),
            Err(Failure::Lost(error)) => {
                trouble.unanswered += 1;
                record.lost.push(Lost { since, error });
            }
            Err(_) => trouble.unanswered += 1,
        }
        let first = std::mem::take(&mut self.well);
        if repeated {
            // It had its answer.
        } else if first && self.patient {
            record.unknown.push(write);
        } else {
            trouble.sent_again += 1;
            self.again = Some(write);
        }
    }
}
