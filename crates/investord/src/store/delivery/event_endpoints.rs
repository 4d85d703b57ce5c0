//! Table `event_endpoints`: where events are collected by clients without a public address.

use jiff::Timestamp;
use uuid::Uuid;

use super::webhooks;
use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] =
    &[&INSERT, &BY_ID, &TOUCH, &DELETE, &WEBHOOKS, &LIST_STALE, &COUNT];

static INSERT: Insert = Insert::new(
    "event_endpoints.insert",
    "event_endpoints",
    &["id", "tenant", "target", "created_at", "seen_at"],
);
const BY_ID: Stmt = Stmt {
    name: "event_endpoints.by_id",
    text: "SELECT target, seen_at FROM event_endpoints WHERE tenant = $1 AND id = $2",
};
const TOUCH: Stmt =
    Stmt { name: "event_endpoints.touch", text: "UPDATE event_endpoints SET seen_at = $1 WHERE id = $2" };
const DELETE: Stmt =
    Stmt { name: "event_endpoints.delete", text: "DELETE FROM event_endpoints WHERE id = $1" };
const WEBHOOKS: Stmt = Stmt {
    name: "webhooks.of_event_endpoint",
    text: "SELECT id FROM webhooks WHERE tenant = $1 AND event_endpoint = $2 ORDER BY created_at, id",
};
const LIST_STALE: Stmt = Stmt {
    name: "event_endpoints.stale",
    text: "SELECT tenant, id FROM event_endpoints WHERE seen_at < $1 ORDER BY seen_at LIMIT $2",
};

const COUNT: Stmt =
    Stmt { name: "event_endpoints.count", text: "SELECT count(*) FROM event_endpoints WHERE tenant = $1" };

/// Inserts an event endpoint; its first poll counts as done now, so that retention leaves it time.
///
/// # Errors
///
/// Fails if the database fails, or the row exists already.
pub fn insert(
    tx: &Tx<'_>,
    tenant: TenantNumber,
    id: Uuid,
    target: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let target = target.map_or(Value::Null, Value::Text);
    tx.insert(&INSERT, &[Value::Id(id), Value::Int(tenant.0), target, Value::At(now), Value::At(now)])
}

/// An endpoint at which a client collects packages.
pub struct EventEndpoint {
    pub id: Uuid,
    /// Target URI in the signature base of deliveries, if it is not the URL of the endpoint.
    pub target: Option<String>,
    /// Time of the last recorded poll. Not every poll is recorded.
    pub seen_at: Timestamp,
}

/// Returns an event endpoint of a tenant, if it exists.
///
/// # Errors
///
/// Fails if the database fails, or the row is corrupt.
pub fn by_id(tx: &Tx<'_>, tenant: TenantNumber, id: Uuid) -> Result<Option<EventEndpoint>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant.0), Value::Id(id)], |row| {
        Ok(EventEndpoint { id, target: row.text_or_null(0)?.map(str::to_owned), seen_at: row.at(1)? })
    })
}

/// Records a poll.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn touch(tx: &Tx<'_>, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(&TOUCH, &[Value::At(now), Value::Id(id)])
}

/// Returns the webhooks whose packages are collected at an endpoint, in order of creation.
///
/// # Errors
///
/// Fails if the database fails.
pub fn webhooks_of(tx: &Tx<'_>, tenant: TenantNumber, id: Uuid) -> Result<Vec<Uuid>, StoreError> {
    tx.all(&WEBHOOKS, &[Value::Int(tenant.0), Value::Id(id)], |row| row.id(0))
}

/// Deletes an event endpoint and its webhooks, under the lock of the tenant.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn delete(tx: &Tx<'_>, tenant: TenantNumber, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
    for webhook in webhooks_of(tx, tenant, id)? {
        if let Some(webhook) = webhooks::by_id(tx, tenant, webhook)? {
            webhooks::delete(tx, &webhook, now)?;
        }
    }
    tx.execute_one(&DELETE, &[Value::Id(id)])
}

/// Returns at most `most` endpoints, with their tenants, without a recorded poll since `before`.
///
/// # Errors
///
/// Fails if the database fails.
pub fn list_stale(
    tx: &Tx<'_>,
    before: Timestamp,
    most: i64,
) -> Result<Vec<(TenantNumber, Uuid)>, StoreError> {
    tx.all(&LIST_STALE, &[Value::At(before), Value::Int(most)], |row| {
        Ok((TenantNumber(row.int(0)?), row.id(1)?))
    })
}

/// Returns the number of event endpoints of a tenant.
///
/// # Errors
///
/// Fails if the database fails.
pub fn count(tx: &Tx<'_>, tenant: TenantNumber) -> Result<i64, StoreError> {
    Ok(tx.one(&COUNT, &[Value::Int(tenant.0)], |row| row.int(0))?.unwrap_or(0))
}
