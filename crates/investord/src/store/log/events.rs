//! Table `events`: the event log, written in the commit of the change, with its hash chain.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::delivery::event::{Event, EventType, StoredObject};
use crate::domain::tenants::TenantNumber;
use crate::store::encryption::{Aad, UserKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::plaintext::Plaintext;
use crate::store::unit::{PublishedEvent, Unit};
use crate::store::users::handle::UserHandle;

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &OF_USER, &OF_WEBHOOK, &NUMBER, &TIME, &OBJECT];

static INSERT: Insert = Insert::new(
    "events.insert",
    "events",
    &[
        "tenant", "number", "id", "created_at", "type", "subject", "user_number", "same_as", "sealed",
        "chain_hash",
    ],
);
const OF_USER: Stmt = Stmt {
    name: "events.of_user",
    text: "SELECT e.number, e.id, e.created_at, e.type, coalesce(o.id, e.id), coalesce(o.sealed, e.sealed)
           FROM events AS e LEFT JOIN events AS o ON o.tenant = e.tenant AND o.number = e.same_as
           WHERE e.tenant = $1 AND e.user_number = $2 ORDER BY e.number",
};
const OF_WEBHOOK: Stmt = Stmt {
    name: "events.of_webhook",
    text: "SELECT e.number, e.id, e.created_at, e.type, coalesce(o.id, e.id), coalesce(o.sealed, e.sealed)
           FROM events AS e LEFT JOIN events AS o ON o.tenant = e.tenant AND o.number = e.same_as
           WHERE e.tenant = $1 AND e.user_number IS NULL AND e.subject = $2 ORDER BY e.number",
};
const NUMBER: Stmt =
    Stmt { name: "events.number", text: "SELECT number FROM events WHERE tenant = $1 AND id = $2" };
const TIME: Stmt =
    Stmt { name: "events.time", text: "SELECT created_at FROM events WHERE tenant = $1 AND number = $2" };
const OBJECT: Stmt =
    Stmt { name: "events.object", text: "SELECT id, sealed FROM events WHERE tenant = $1 AND number = $2" };

/// Appends an event about a user to the event log. `object` is the JSON of the resource after the change. The event
/// commits together with the change, so none is lost or sent for a change that was rolled back.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn publish(
    unit: &mut Unit<'_>,
    user: &UserHandle,
    kind: EventType,
    object: &str,
) -> Result<(), StoreError> {
    append(unit, kind, user.id, Value::Int(user.number), &user.key, object)
}

/// Appends an event about a webhook or a signing key to the event log, under the tenant's own key. It is recorded and
/// not delivered.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn record(unit: &mut Unit<'_>, subject: Uuid, kind: EventType, object: &str) -> Result<(), StoreError> {
    append(unit, kind, subject, Value::Null, unit.tenant.key.own(), object)
}

/// Appends an event. An object that equals that of the previous event is stored as a reference to it (decision S2).
fn append(
    unit: &mut Unit<'_>,
    kind: EventType,
    subject: Uuid,
    user_number: Value<'_>,
    key: &UserKey,
    object: &str,
) -> Result<(), StoreError> {
    let (id, now, number) = (unit.ids.uuid(), unit.now(), unit.sequence.events + 1);
    let same_as = unit.find_published(subject, object);
    let sealed = match same_as {
        None => key.seal(Aad::event(&id), object.as_bytes(), unit.ids),
        Some(_) => Vec::new(),
    };
    let object_part = same_as.map_or(StoredObject::Sealed(&sealed), StoredObject::SameAs);
    let event = Event { number, id, created_at: now, kind: kind.into_str(), subject, object: object_part };
    let chain_hash = event.next_chain_hash(&unit.sequence.chain_hash);
    unit.tx.insert(
        &INSERT,
        &[
            Value::Int(unit.tenant.number.0),
            Value::Int(number),
            Value::Id(id),
            Value::At(now),
            Value::Text(event.kind),
            Value::Id(subject),
            user_number,
            same_as.map_or(Value::Null, Value::Int),
            Value::bytes_or_null(same_as.is_none().then_some(&sealed)),
            Value::Bytes(&chain_hash),
        ],
    )?;
    (unit.sequence.events, unit.sequence.chain_hash) = (number, chain_hash);
    if same_as.is_none() {
        unit.last_event = Some(PublishedEvent { number, subject, object: object.to_owned().into() });
    }
    Ok(())
}

/// A row of the event log, with the encrypted object.
pub struct StoredEvent {
    /// Position in the log of the tenant, dense from 1.
    pub number: i64,
    pub id: Uuid,
    pub created_at: Timestamp,
    /// The event type, as on the wire.
    pub kind: String,
    /// Id of the event that stores the object: this one, or an earlier one with the same object.
    object_of: Uuid,
    /// The encrypted JSON of the resource after the change.
    sealed: Vec<u8>,
}

impl StoredEvent {
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            number: row.int(0)?,
            id: row.id(1)?,
            created_at: row.at(2)?,
            kind: row.text(3)?.to_owned(),
            object_of: row.id(4)?,
            sealed: row.bytes(5)?.to_vec(),
        })
    }

    /// Decrypts the object.
    ///
    /// # Errors
    ///
    /// Fails if the key belongs to another user or webhook.
    pub fn open(&self, key: &UserKey) -> Result<Plaintext, StoreError> {
        key.open(Aad::event(&self.object_of), &self.sealed)
    }
}

/// Decrypts the object of the event with this number, which must store it itself.
///
/// # Errors
///
/// Fails if the database is unavailable, or the event does not store an object that the key decrypts.
pub fn open_object(
    tx: &Tx<'_>,
    tenant: TenantNumber,
    number: i64,
    key: &UserKey,
) -> Result<Plaintext, StoreError> {
    let read = |row: &Row<'_>| key.open(Aad::event(&row.id(0)?), row.bytes(1)?);
    let object = tx.one(&OBJECT, &[Value::Int(tenant.0), Value::Int(number)], read)?;
    object.ok_or_else(|| StoreError::Corrupt(format!("event {number} is gone")))
}

/// Passes all events about a user to `see`, in order.
///
/// # Errors
///
/// Fails with the error of `see`, or if the database is unavailable.
pub fn each_of_user(
    tx: &Tx<'_>,
    user: &UserHandle,
    mut see: impl FnMut(StoredEvent) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    tx.each(&OF_USER, &user.reference(), |row| see(StoredEvent::read(row)?))
}

/// Passes all events about a webhook to `see`, in order.
///
/// # Errors
///
/// Fails with the error of `see`, or if the database is unavailable.
pub fn each_of_webhook(
    tx: &Tx<'_>,
    tenant: TenantNumber,
    webhook: Uuid,
    mut see: impl FnMut(StoredEvent) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    tx.each(&OF_WEBHOOK, &[Value::Int(tenant.0), Value::Id(webhook)], |row| see(StoredEvent::read(row)?))
}

/// Returns the number of an event. The query scans all events of the tenant, so it is for occasional manual use.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn number_of(tx: &Tx<'_>, tenant: TenantNumber, event: Uuid) -> Result<Option<i64>, StoreError> {
    tx.one(&NUMBER, &[Value::Int(tenant.0), Value::Id(event)], |row| row.int(0))
}

/// Returns the time of an event, or none if no event has this number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn time_of(tx: &Tx<'_>, tenant: TenantNumber, number: i64) -> Result<Option<Timestamp>, StoreError> {
    tx.one(&TIME, &[Value::Int(tenant.0), Value::Int(number)], |row| row.at(0))
}

/// Returns the number of the first of `events` that was written at this instant or later. A binary search suffices,
/// because events are in the order of time.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn first_since(
    tx: &Tx<'_>,
    tenant: TenantNumber,
    since: Timestamp,
    events: i64,
) -> Result<i64, StoreError> {
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
