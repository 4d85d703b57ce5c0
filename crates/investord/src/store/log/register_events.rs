//! Tables `register_events` and `register_sequence`: the record of the register itself, in a hash chain of its own.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::clock::Ids;
use crate::domain::delivery::event::{ChainHash, Event, StoredObject};
use crate::domain::register_event::RegisterEvent;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::tenants::sequence::ChainEnd;

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &PAGE, &BEGIN, &LOCK, &SAVE, &CHAIN_END];

static INSERT: Insert = Insert::new(
    "register_events.insert",
    "register_events",
    &["number", "id", "created_at", "type", "content", "chain_hash"],
);
const PAGE: Stmt = Stmt {
    name: "register_events.page",
    text: "SELECT number, id, created_at, type, content, chain_hash FROM register_events
           WHERE number > $1 ORDER BY number LIMIT $2",
};
const BEGIN: Stmt = Stmt {
    name: "register_sequence.begin",
    text: "INSERT INTO register_sequence (id, events, last_at, chain_hash) VALUES (1, 0, 0, $1)
           ON CONFLICT (id) DO NOTHING",
};
const LOCK: Stmt = Stmt {
    name: "register_sequence.lock",
    text: "UPDATE register_sequence SET last_at = last_at WHERE id = 1 RETURNING events, last_at, chain_hash",
};
const SAVE: Stmt = Stmt {
    name: "register_sequence.save",
    text: "UPDATE register_sequence SET events = $1, last_at = $2, chain_hash = $3 WHERE id = 1",
};
const CHAIN_END: Stmt = Stmt {
    name: "register_sequence.chain_end",
    text: "SELECT events, chain_hash FROM register_sequence WHERE id = 1",
};

/// A row of the record of the register.
pub struct StoredRegisterEvent {
    /// Position in the record, dense from 1.
    pub number: i64,
    pub id: Uuid,
    pub created_at: Timestamp,
    /// The name of its [`RegisterEventType`](crate::domain::register_event::RegisterEventType).
    pub kind: String,
    /// Actor, subject, reason and states, as JSON.
    pub content: String,
    pub chain_hash: ChainHash,
}

impl StoredRegisterEvent {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            number: row.int(0)?,
            id: row.id(1)?,
            created_at: row.at(2)?,
            kind: row.text(3)?.to_owned(),
            content: row.text(4)?.to_owned(),
            chain_hash: row.array(5)?,
        })
    }

    /// Returns the chain hash that follows on `previous`.
    pub fn next_chain_hash(&self, previous: &ChainHash) -> ChainHash {
        chained(self.number, self.id, self.created_at, &self.kind, &self.content, previous)
    }
}

/// Returns the chain hash of an event of the register. Its content names the subject, which therefore is nil.
fn chained(
    number: i64,
    id: Uuid,
    created_at: Timestamp,
    kind: &str,
    content: &str,
    previous: &ChainHash,
) -> ChainHash {
    let object = StoredObject::Sealed(content.as_bytes());
    Event { number, id, created_at, kind, subject: Uuid::nil(), object }.next_chain_hash(previous)
}

/// Appends an event to the record of the register, in the commit of what it tells.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn record(tx: &Tx<'_>, ids: &dyn Ids, now: Timestamp, event: &RegisterEvent) -> Result<(), StoreError> {
    let (events, last_at, previous) = lock(tx)?;
    // Events never share an instant, so that their order by time is that of the record, whatever the clock does.
    let (number, now) = (events + 1, now.max(last_at + SignedDuration::from_micros(1)));
    let (id, kind, content) = (ids.uuid(), event.kind.into_str(), event.content());
    let chain_hash = chained(number, id, now, kind, &content, &previous);
    let values = [
        Value::Int(number),
        Value::Id(id),
        Value::At(now),
        Value::Text(kind),
        Value::Text(&content),
        Value::Bytes(&chain_hash),
    ];
    tx.insert(&INSERT, &values)?;
    tx.execute_one(&SAVE, &[Value::Int(number), Value::At(now), Value::Bytes(&chain_hash)])
}

/// Locks the end of the record, and begins the record with its first event.
fn lock(tx: &Tx<'_>) -> Result<(i64, Timestamp, ChainHash), StoreError> {
    let end = |tx: &Tx<'_>| tx.one(&LOCK, &[], |row| Ok((row.int(0)?, row.at(1)?, row.array(2)?)));
    if let Some(found) = end(tx)? {
        return Ok(found);
    }
    tx.execute(&BEGIN, &[Value::Bytes(&ChainHash::default())])?;
    end(tx)?.ok_or_else(|| StoreError::Corrupt("the record of the register has no sequence".into()))
}

/// Returns at most `most` events after a number, in order.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn page(tx: &Tx<'_>, after: i64, most: i64) -> Result<Vec<StoredRegisterEvent>, StoreError> {
    tx.all(&PAGE, &[Value::Int(after), Value::Int(most)], StoredRegisterEvent::read)
}

/// Returns the end of the record, as its sequence says.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn chain_end(tx: &Tx<'_>) -> Result<ChainEnd, StoreError> {
    let end =
        tx.one(&CHAIN_END, &[], |row| Ok(ChainEnd { events: row.int(0)?, chain_hash: row.array(1)? }))?;
    Ok(end.unwrap_or_default())
}
