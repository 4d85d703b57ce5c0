//! Table `events`: the event log, written in the commit of the change, with its hash chain.

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::Ids;
use crate::domain::delivery::event::{ChainHash, Event, EventType};
use crate::store::encryption::{Aad, UserKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Row, Stmt, Tx, Value};
use crate::store::tenants::Sequence;

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

/// Writes one event about a user, or about a webhook under the tenant's own key; `object` is the resource as the wire shows it after the change.
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

/// An event as it is kept.
pub struct StoredEvent {
    pub number: i64,
    pub id: Uuid,
    pub created_at: Timestamp,
    pub kind: String,
    pub subject: Uuid,
    pub sealed: Vec<u8>,
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

/// Shows all events about a user or a webhook one by one, in order.
pub fn each_of_subject(
    tx: &Tx<'_>,
    tenant: i64,
    subject: Uuid,
    mut see: impl FnMut(StoredEvent) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    tx.each(&OF_SUBJECT, &[Value::Int(tenant), Value::Id(subject)], |row| see(kept(row)?))
}

/// The number of an event. Looks at all of the tenant's: for people who ask now and then.
pub fn number_of(tx: &Tx<'_>, tenant: i64, event: Uuid) -> Result<Option<i64>, StoreError> {
    tx.one(&NUMBER, &[Value::Int(tenant), Value::Id(event)], |row| row.int(0))
}

/// When an event was written; none if there is none of this number.
pub fn time_of(tx: &Tx<'_>, tenant: i64, number: i64) -> Result<Option<Timestamp>, StoreError> {
    tx.one(&TIME, &[Value::Int(tenant), Value::Int(number)], |row| row.at(0))
}

/// The number of the first of `events` that was not written before this instant. They are in the order of time.
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

/// Hands over a tenant's events in order; what is handed over follows on its predecessor, or it is an error.
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
