//! Writers, the record of what they were told, and the comparison of both with the register.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use investord::domain::event::{Event, Link};
use jiff::Timestamp;
use rusqlite::OpenFlags;
use uuid::Uuid;

use crate::harness::{Answer, Client, Connection, Failure, person, uuid};

pub const WRITERS: usize = 32;

#[derive(Clone)]
pub struct Write {
    pub once: String,
    pub body: Vec<u8>,
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

#[derive(Debug)]
pub struct Lost {
    /// It was the first on its connection: the server may never have taken that one.
    pub first: bool,
    /// What the connection said; read when a test fails.
    #[expect(dead_code, reason = "shown by Debug")]
    pub error: std::io::Error,
}

/// Everything the writers have learnt, appended only.
#[derive(Default)]
pub struct Record {
    pub acknowledged: Vec<Acknowledged>,
    pub refused: Vec<(Write, Answer)>,
    /// Sent in part or whole, and not answered.
    pub unknown: Vec<Write>,
    /// Requests that were sent whole and not answered.
    pub lost: Vec<Lost>,
    /// Repeats that were not answered like the first time.
    pub broken_repeats: Vec<String>,
}

#[derive(Clone, Default)]
pub struct Load {
    pub record: Arc<Mutex<Record>>,
    count: Arc<AtomicU64>,
}

impl Load {
    pub fn acknowledged(&self) -> usize {
        self.record.lock().unwrap().acknowledged.len()
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
        loop {
            let first = connection.is_none();
            let mut open = match connection.take() {
                Some(open) => open,
                None => match Connection::open(client.address).await {
                    Ok(open) => open,
                    Err(_) => return,
                },
            };
            let number = self.count.fetch_add(1, Ordering::Relaxed);
            // Every eighth request repeats one that was acknowledged.
            let repeated = last.take_if(|_| number % 8 == 7);
            let write = match &repeated {
                Some(known) => known.write.clone(),
                None => Write { once: uuid(), body: person(number) },
            };
            let request = client.creation(&write.body, &write.once);
            let outcome = open.send(&request).await;
            let mut record = self.record.lock().unwrap();
            match (outcome, repeated) {
                (Ok(answer), Some(known)) => {
                    if answer.status == 200 && answer.body != known.answer {
                        record.broken_repeats.push(format!("{} {}", known.id(), answer.text()));
                    }
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
                    record.lost.push(Lost { first, error });
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
        let request = client.creation(&write.body, &write.once);
        let answer = client.send(&request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let again = client.create(&write.body, &write.once).await;
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
            let read = client.get(&format!("/users/{}", known.id())).await;
            assert_eq!((read.status, &read.body), (200, &known.answer), "{}", read.text());
            let repeated = client.create(&known.write.body, &known.write.once).await;
            assert_eq!((repeated.status, &repeated.body), (200, &known.answer), "{}", repeated.text());
        }
    }
}

pub async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// The file itself: dense numbers, every user with its events and its reply and nothing without a user,
/// an unbroken chain. The number of users.
pub fn check_database(file: &Path) -> usize {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = rusqlite::Connection::open_with_flags(file, flags).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    let db = connection.transaction().unwrap();
    let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let (users, events, link): (i64, i64, Link) = db
        .query_row("SELECT users, events, link FROM heads WHERE tenant = 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();

    let mut expected: HashMap<Uuid, Vec<&str>> = HashMap::new();
    let mut count = 0;
    let mut statement =
        db.prepare("SELECT number, id, status FROM users WHERE tenant = 1 ORDER BY number").unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        count += 1;
        assert_eq!(row.get::<_, i64>(0).unwrap(), count, "users are numbered without gaps");
        let events = match row.get::<_, String>(2).unwrap().as_str() {
            "ACTIVE" => vec!["USER.CREATED", "USER.ACTIVATED"],
            _ => vec!["USER.CREATED"],
        };
        expected.insert(Uuid::from_bytes(row.get(1).unwrap()), events);
    }
    assert_eq!(count, users, "the head counts the users");

    let mut found: HashMap<Uuid, Vec<String>> = HashMap::new();
    let (mut number, mut last) = (0, Link::default());
    let mut statement = db
        .prepare(
            "SELECT number, id, created_at, type, subject, sealed, link FROM events
             WHERE tenant = 1 ORDER BY number",
        )
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        number += 1;
        assert_eq!(row.get::<_, i64>(0).unwrap(), number, "events are numbered without gaps");
        let (kind, sealed): (String, Vec<u8>) = (row.get(3).unwrap(), row.get(5).unwrap());
        let subject = Uuid::from_bytes(row.get(4).unwrap());
        let event = Event {
            number,
            id: Uuid::from_bytes(row.get(1).unwrap()),
            created_at: Timestamp::from_microsecond(row.get(2).unwrap()).unwrap(),
            kind: &kind,
            subject,
            sealed: &sealed,
        };
        last = event.link(&last);
        assert_eq!(row.get::<_, Link>(6).unwrap(), last, "the chain breaks at event {number}");
        found.entry(subject).or_default().push(kind);
    }
    assert_eq!((number, last), (events, link), "the head is the end of the chain");
    assert_eq!(found.len(), expected.len());
    for (user, events) in &expected {
        assert!(found.get(user).is_some_and(|found| found == events), "{user}: {:?}", found.get(user));
    }

    let mut replies: HashMap<Uuid, usize> = HashMap::new();
    let mut statement = db.prepare("SELECT subject FROM replies WHERE tenant = 1").unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        *replies.entry(Uuid::from_bytes(row.get(0).unwrap())).or_default() += 1;
    }
    assert_eq!(replies.len(), expected.len(), "a reply for every user and no other");
    assert!(replies.iter().all(|(user, count)| *count == 1 && expected.contains_key(user)));
    usize::try_from(count).unwrap()
}
