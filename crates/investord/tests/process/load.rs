//! Writers, the record of what they were told, and the comparison of both with the register.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use testing::answer::Answer;
use testing::client::{Client, uuid};
use testing::home::person;
use testing::http::{Connection, Failure};
use testing::patience::{long, until_async};

pub const WRITERS: usize = 32;

#[derive(Clone)]
pub struct Write {
    pub once: String,
    pub body: Vec<u8>,
}

impl Write {
    pub fn new(number: u64) -> Self {
        Self { once: uuid(), body: person(number) }
    }
}

#[derive(Clone)]
pub struct Acknowledged {
    pub write: Write,
    /// The request as it went out.
    pub request: Vec<u8>,
    pub answer: Vec<u8>,
}

impl Acknowledged {
    pub fn id(&self) -> String {
        let user: serde_json::Value = serde_json::from_slice(&self.answer).unwrap();
        user["id"].as_str().unwrap().to_owned()
    }
}

/// So soon after the request before it on its connection, a server that stops still takes a request.
const SOON: Duration = Duration::from_millis(150);

#[derive(Debug)]
pub struct Lost {
    /// How long before it the last request was sent on this connection. None if it was the first: the server may never
    /// have taken the connection.
    pub since: Option<Duration>,
    /// What the connection said; read when a test fails.
    #[expect(dead_code, reason = "shown by Debug")]
    pub error: std::io::Error,
}

/// Everything the writers have learnt, appended only.
#[derive(Default)]
pub struct Record {
    pub acknowledged: Vec<Acknowledged>,
    pub refused: Vec<(Write, Answer)>,
    /// Sent in part or whole, and not answered; or answered that the register could not.
    pub unknown: Vec<Write>,
    /// Requests that were sent whole and not answered.
    pub lost: Vec<Lost>,
    /// Repeats that were not answered like the first time.
    pub broken_repeats: Vec<String>,
}

impl Lost {
    /// Whether a server that stops in order would have answered it: not what comes late, on a machine that lets a
    /// writer wait, on a connection that the server has closed as idle.
    pub fn is_fault(&self) -> bool {
        self.since.is_some_and(|since| since < SOON || long())
    }
}

#[derive(Clone, Default)]
pub struct Load {
    pub record: Arc<Mutex<Record>>,
    pub count: Arc<AtomicU64>,
}

impl Load {
    pub fn acknowledged(&self) -> usize {
        self.record.lock().unwrap().acknowledged.len()
    }

    /// Returns when so many more are acknowledged, or when the writers have given up.
    pub async fn more(&self, count: usize) {
        let goal = self.acknowledged() + count;
        until_async(&format!("{count} more acknowledged writes"), async || {
            let (now, refused) = (self.acknowledged(), !self.record.lock().unwrap().refused.is_empty());
            if now >= goal || refused { Ok(()) } else { Err(format!("{now} of {goal}")) }
        })
        .await;
    }

    /// Lets all writers write until they are refused or find no server; `meanwhile` runs beside
    /// them.
    pub async fn storm(&self, client: &Client, meanwhile: impl Future<Output = ()>) {
        let writers: Vec<_> =
            (0..WRITERS).map(|_| tokio::spawn(self.clone().writer(client.clone()))).collect();
        meanwhile.await;
        for writer in writers {
            writer.await.unwrap();
        }
    }

    async fn writer(self, client: Client) {
        let mut connection: Option<Connection> = None;
        let mut last: Option<Acknowledged> = None;
        let mut before: Option<Instant> = None;
        loop {
            before = before.filter(|_| connection.is_some());
            let mut open = match connection.take() {
                Some(open) => open,
                None => match Connection::open(client.address()).await {
                    Ok(open) => open,
                    Err(_) => return,
                },
            };
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            // Every eighth request repeats one that was acknowledged.
            let repeated = last.take_if(|_| number % 8 == 7);
            let write = repeated.as_ref().map_or_else(|| Write::new(number), |known| known.write.clone());
            let request = client.creation(&write.body, &write.once).into_bytes();
            let since = before.replace(Instant::now()).map(|before| before.elapsed());
            let outcome = open.send(&request).await;
            let mut record = self.record.lock().unwrap();
            match (outcome, repeated) {
                (Ok(answer), Some(known)) => {
                    record.repeated(&known, &answer);
                    connection = answer.keeps_alive().then_some(open);
                }
                (Ok(answer), None) if answer.status == 200 => {
                    connection = answer.keeps_alive().then_some(open);
                    let done = Acknowledged { write, request, answer: answer.body };
                    record.acknowledged.push(done.clone());
                    last = Some(done);
                }
                (Ok(answer), None) => {
                    record.refused.push((write, answer));
                    return;
                }
                (Err(Failure::Lost(error)), repeated) => {
                    record.lost.push(Lost { since, error });
                    if repeated.is_none() {
                        record.unknown.push(write);
                    }
                }
                (Err(Failure::Unsent), None) => record.unknown.push(write),
                (Err(_), _) => {}
            }
        }
    }

    /// Sends again, with the same key, what was not answered; each must now be answered.
    pub async fn resolve(&self, client: &Client) -> usize {
        let unknown = std::mem::take(&mut self.record.lock().unwrap().unknown);
        for write in &unknown {
            self.settle(client, write).await;
        }
        unknown.len()
    }

    pub async fn settle(&self, client: &Client, write: &Write) {
        let request = client.creation(&write.body, &write.once).into_bytes();
        let answer = client.send(&request).await;
        assert_eq!(answer.status, 200, "{answer}");
        let again = client.creation(&write.body, &write.once).ask().await;
        assert_eq!(again.body, answer.body, "a repeat has the same answer");
        let done = Acknowledged { write: write.clone(), request, answer: answer.body };
        self.record.lock().unwrap().acknowledged.push(done);
    }

    /// Every acknowledged user is there as it was answered, and how many there are besides.
    pub async fn compare(&self, client: &Client) -> usize {
        let (all, total) = client.all_users().await;
        assert_eq!(all.len(), total, "the list has as many users as it says");
        let listed: HashSet<&[u8]> = all.iter().map(Vec::as_slice).collect();
        assert_eq!(listed.len(), total, "no user is listed twice");
        let record = self.record.lock().unwrap();
        for known in &record.acknowledged {
            let shown = String::from_utf8_lossy(&known.answer);
            assert!(listed.contains(known.answer.as_slice()), "acknowledged and lost or changed: {shown}");
        }
        assert!(record.broken_repeats.is_empty(), "{:?}", record.broken_repeats);
        let ids: HashSet<String> = record.acknowledged.iter().map(Acknowledged::id).collect();
        assert_eq!(ids.len(), record.acknowledged.len(), "two keys never share a user");
        total - ids.len()
    }

    /// The last acknowledged ones, one by one: read, and repeated with the same key.
    pub async fn spot_check(&self, client: &Client, count: usize) {
        let some: Vec<Acknowledged> =
            self.record.lock().unwrap().acknowledged.iter().rev().take(count).cloned().collect();
        for known in some {
            let read = client.get(&format!("/users/{}", known.id())).ask().await;
            assert_eq!((read.status, &read.body), (200, &known.answer), "{read}");
            let repeated = client.creation(&known.write.body, &known.write.once).ask().await;
            assert_eq!((repeated.status, &repeated.body), (200, &known.answer), "{repeated}");
        }
    }
}

impl Record {
    /// Of requests that were not answered although servers stopped in order, `stops` times.
    pub fn check_stops(&self, stops: usize) {
        // What the server could have seen it must answer: it says `connection: close` before it closes.
        let faults: Vec<_> = self.lost.iter().filter(|lost| lost.is_fault()).collect();
        assert!(
            faults.is_empty(),
            "{} requests were sent whole on a connection in use and not answered: {:?}",
            faults.len(),
            faults[0]
        );
        // Connections can arrive between the last that the server takes and the end of its listener, and the
        // system resets those; a queue of them must not.
        let fresh: Vec<_> = self.lost.iter().filter(|lost| lost.since.is_none()).collect();
        assert!(
            fresh.len() <= stops,
            "{} requests were the first on their connection and not answered: {:?}",
            fresh.len(),
            fresh[0]
        );
    }

    pub fn repeated(&mut self, known: &Acknowledged, answer: &Answer) {
        if answer.status == 200 && answer.body != known.answer {
            self.broken_repeats.push(format!("{} {}", known.id(), answer.text()));
        }
    }
}

pub async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
