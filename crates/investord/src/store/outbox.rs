//! Events, written in the commit of what they tell.

use jiff::Timestamp;
use uuid::Uuid;

use super::seal::{Place, UserKey};
use super::tenants::Head;
use super::{Row, Stmt, StoreError, Tx, Value};
use crate::clock::Ids;
use crate::domain::event::{Event, EventType, Link};

pub const STATEMENTS: &[&Stmt] = &[&INSERT, &CHAIN, &OF_SUBJECT, &NUMBER, &TIME];

const INSERT: Stmt = Stmt {
    name: "events.insert",
    text: "INSERT INTO events (tenant, number, id, created_at, type, subject, sealed, link)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
};
const CHAIN: Stmt = Stmt {
    name: "events.chain",
    text: "SELECT number, id, created_at, type, subject, sealed, link FROM events WHERE tenant = $1 ORDER BY number",
};

const OF_SUBJECT: Stmt = Stmt {
    name: "events.of_subject",
    text: "SELECT number, id, created_at, type, subject, sealed, link FROM events
           WHERE tenant = $1 AND subject = $2 ORDER BY number",
};

const NUMBER: Stmt =
    Stmt { name: "events.number", text: "SELECT number FROM events WHERE tenant = $1 AND id = $2" };
const TIME: Stmt =
    Stmt { name: "events.time", text: "SELECT created_at FROM events WHERE tenant = $1 AND number = $2" };

/// Writes one event about a user, or about a webhook under the tenant's own key; `object` is the resource as the wire shows it after the change.
pub fn publish(
    tx: &Tx<'_>,
    head: &mut Head,
    kind: EventType,
    subject: (Uuid, &UserKey),
    object: &str,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let id = ids.uuid();
    let sealed = subject.1.seal(Place::event(&id), object.as_bytes(), ids);
    let number = head.events + 1;
    let event =
        Event { number, id, created_at: head.now, kind: kind.as_str(), subject: subject.0, sealed: &sealed };
    let link = event.link(&head.link);
    tx.execute_one(
        &INSERT,
        &[
            Value::Int(head.tenant),
            Value::Int(number),
            Value::Id(id),
            Value::At(head.now),
            Value::Text(event.kind),
            Value::Id(event.subject),
            Value::Bytes(&sealed),
            Value::Bytes(&link),
        ],
    )?;
    (head.events, head.link) = (number, link);
    Ok(())
}

/// An event as it is kept.
pub struct Kept {
    pub number: i64,
    pub id: Uuid,
    pub created_at: Timestamp,
    pub kind: String,
    pub subject: Uuid,
    pub sealed: Vec<u8>,
    pub link: Link,
}

fn kept(row: &Row<'_>) -> Result<Kept, StoreError> {
    Ok(Kept {
        number: row.int(0)?,
        id: row.id(1)?,
        created_at: row.at(2)?,
        kind: row.text(3)?.to_owned(),
        subject: row.id(4)?,
        sealed: row.bytes(5)?.to_vec(),
        link: row.array(6)?,
    })
}

/// Shows all events about a user or a webhook one by one, in order.
pub fn each_of_subject(
    tx: &Tx<'_>,
    tenant: i64,
    subject: Uuid,
    mut see: impl FnMut(Kept) -> Result<(), StoreError>,
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
    mut see: impl FnMut(Kept) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (mut number, mut link) = (0, Link::default());
    tx.each(&CHAIN, &[Value::Int(tenant)], |row| {
        let kept = kept(row)?;
        number += 1;
        let Kept { id, created_at, subject, .. } = kept;
        link = Event { number, id, created_at, kind: &kept.kind, subject, sealed: &kept.sealed }.link(&link);
        if (kept.number, kept.link) != (number, link) {
            return Err(StoreError::Damaged(format!(
                "the event chain of tenant {tenant} breaks at {number}"
            )));
        }
        see(kept)
    })
}
