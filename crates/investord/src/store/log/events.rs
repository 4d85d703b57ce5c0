//! Table `events`: the event log, written in the commit of the change, with its hash chain.

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::Ids;
use crate::domain::delivery::event::{ChainHash, Event, EventType};
use crate::store::encryption::{Aad, UserKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Row, Stmt, Tx, Value};
use crate::store::tenants::sequence::Sequence;

/// The statements of this file, which a test and `investord doctor` prepare.
pub const STATEMENTS: &[&Stmt] = &[&INSERT, &CHAIN, &OF_SUBJECT, &NUMBER, &TIME];

const INSERT: Stmt = Stmt {
    name: "events.insert",
    text: "INSERT INTO events (tenant, number, id, created_at, type, subject, sealed, chain_hash)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
};
const CHAIN: Stmt = Stmt {
    name: "events.chain",
    text: "SELECT number, id, created_at, type, subject, sealed, chain_hash FROM events WHERE tenant = $1 ORDER BY number",
};

const OF_SUBJECT: Stmt = Stmt {
    name: "events.of_subject",
    text: "SELECT number, id, created_at, type, subject, sealed, chain_hash FROM events
           WHERE tenant = $1 AND subject = $2 ORDER BY number",
};

const NUMBER: Stmt =
    Stmt { name: "events.number", text: "SELECT number FROM events WHERE tenant = $1 AND id = $2" };
const TIME: Stmt =
    Stmt { name: "events.time", text: "SELECT created_at FROM events WHERE tenant = $1 AND number = $2" };

/// Appends an event about a user to the event log, or an event about a webhook under the tenant's own key. `object` is
/// the JSON of the resource after the change. The event commits together with the change, so none is lost or sent for a
/// change that was rolled back.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn publish(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    kind: EventType,
    subject: (Uuid, &UserKey),
    object: &str,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let id = ids.uuid();
    let sealed = subject.1.seal(Aad::event(&id), object.as_bytes(), ids);
    let number = sequence.events + 1;
    let event = Event {
        number,
        id,
        created_at: sequence.now,
        kind: kind.as_str(),
        subject: subject.0,
        sealed: &sealed,
    };
    let chain_hash = event.next_chain_hash(&sequence.chain_hash);
    tx.execute_one(
        &INSERT,
        &[
            Value::Int(sequence.tenant),
            Value::Int(number),
            Value::Id(id),
            Value::At(sequence.now),
            Value::Text(event.kind),
            Value::Id(event.subject),
            Value::Bytes(&sealed),
            Value::Bytes(&chain_hash),
        ],
    )?;
    (sequence.events, sequence.chain_hash) = (number, chain_hash);
    Ok(())
}

/// A row of the event log.
pub struct StoredEvent {
    /// Position in the log of the tenant, dense from 1.
    pub number: i64,
    pub id: Uuid,
    pub created_at: Timestamp,
    /// The event type, as on the wire.
    pub kind: String,
    /// The user or the webhook.
    pub subject: Uuid,
    /// The encrypted JSON of the resource after the change.
    pub sealed: Vec<u8>,
    /// Hash over this event and the chain hash of the previous one.
    pub chain_hash: ChainHash,
}

fn kept(row: &Row<'_>) -> Result<StoredEvent, StoreError> {
    Ok(StoredEvent {
        number: row.int(0)?,
        id: row.id(1)?,
        created_at: row.at(2)?,
        kind: row.text(3)?.to_owned(),
        subject: row.id(4)?,
        sealed: row.bytes(5)?.to_vec(),
        chain_hash: row.array(6)?,
    })
}

/// Passes all events about a user or a webhook to `see`, in order.
///
/// # Errors
///
/// Fails with the error of `see`, or if the database is unavailable.
pub fn each_of_subject(
    tx: &Tx<'_>,
    tenant: i64,
    subject: Uuid,
    mut see: impl FnMut(StoredEvent) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    tx.each(&OF_SUBJECT, &[Value::Int(tenant), Value::Id(subject)], |row| see(kept(row)?))
}

/// Returns the number of an event. The query scans all events of the tenant, so it is for occasional manual use.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn number_of(tx: &Tx<'_>, tenant: i64, event: Uuid) -> Result<Option<i64>, StoreError> {
    tx.one(&NUMBER, &[Value::Int(tenant), Value::Id(event)], |row| row.int(0))
}

/// Returns the time of an event, or none if no event has this number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn time_of(tx: &Tx<'_>, tenant: i64, number: i64) -> Result<Option<Timestamp>, StoreError> {
    tx.one(&TIME, &[Value::Int(tenant), Value::Int(number)], |row| row.at(0))
}

/// Returns the number of the first of `events` that was written at this instant or later. A binary search suffices,
/// because events are in the order of time.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn first_since(tx: &Tx<'_>, tenant: i64, since: Timestamp, events: i64) -> Result<i64, StoreError> {
    let (mut from, mut to) = (1, events + 1);
    while from < to {
        let middle = i64::midpoint(from, to);
        match time_of(tx, tenant, middle)? {
            Some(at) if at < since => from = middle + 1,
            _ => to = middle,
        }
    }
    Ok(from)
}

/// Passes the events of a tenant to `see` in order and verifies the hash chain on the way.
///
/// # Errors
///
/// Fails if an event does not follow on its predecessor, with the error of `see`, or if the database is unavailable.
pub fn each(
    tx: &Tx<'_>,
    tenant: i64,
    mut see: impl FnMut(StoredEvent) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (mut number, mut chain_hash) = (0, ChainHash::default());
    tx.each(&CHAIN, &[Value::Int(tenant)], |row| {
        let kept = kept(row)?;
        number += 1;
        let StoredEvent { id, created_at, subject, .. } = kept;
        chain_hash = Event { number, id, created_at, kind: &kept.kind, subject, sealed: &kept.sealed }
            .next_chain_hash(&chain_hash);
        if (kept.number, kept.chain_hash) != (number, chain_hash) {
            return Err(StoreError::Corrupt(format!(
                "the event chain of tenant {tenant} breaks at {number}"
            )));
        }
        see(kept)
    })
}
