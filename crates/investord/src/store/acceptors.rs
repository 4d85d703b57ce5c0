//! Where events are collected for somebody who has no public address.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Stmt, StoreError, Tx, Value, webhooks};

pub const STATEMENTS: &[&Stmt] = &[&INSERT, &BY_ID, &SEEN, &DROP, &WEBHOOKS, &STALE, &COUNT];

const INSERT: Stmt = Stmt {
    name: "acceptors.insert",
    text: "INSERT INTO acceptors (id, tenant, target, created_at, seen_at) VALUES ($1, $2, $3, $4, $5)",
};
const BY_ID: Stmt = Stmt {
    name: "acceptors.by_id",
    text: "SELECT target, seen_at FROM acceptors WHERE tenant = $1 AND id = $2",
};
const SEEN: Stmt = Stmt { name: "acceptors.seen", text: "UPDATE acceptors SET seen_at = $1 WHERE id = $2" };
const DROP: Stmt = Stmt { name: "acceptors.drop", text: "DELETE FROM acceptors WHERE id = $1" };
const WEBHOOKS: Stmt = Stmt {
    name: "webhooks.of_acceptor",
    text: "SELECT id FROM webhooks WHERE tenant = $1 AND acceptor = $2 ORDER BY created_at, id",
};
const STALE: Stmt = Stmt {
    name: "acceptors.stale",
    text: "SELECT tenant, id FROM acceptors WHERE seen_at < $1 ORDER BY seen_at LIMIT $2",
};

const COUNT: Stmt =
    Stmt { name: "acceptors.count", text: "SELECT count(*) FROM acceptors WHERE tenant = $1" };

pub fn insert(
    tx: &Tx<'_>,
    tenant: i64,
    id: Uuid,
    target: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let target = target.map_or(Value::Null, Value::Text);
    tx.execute_one(&INSERT, &[Value::Id(id), Value::Int(tenant), target, Value::At(now), Value::At(now)])
}

/// Somebody who collects packages.
pub struct Acceptor {
    pub id: Uuid,
    /// The address that deliveries are signed for, if it is not the acceptor's own.
    pub target: Option<String>,
    /// When somebody has asked, as far as it was noted.
    pub seen_at: Timestamp,
}

pub fn by_id(tx: &Tx<'_>, tenant: i64, id: Uuid) -> Result<Option<Acceptor>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant), Value::Id(id)], |row| {
        Ok(Acceptor { id, target: row.text_or_null(0)?.map(str::to_owned), seen_at: row.at(1)? })
    })
}

/// Notes that somebody still asks.
pub fn seen(tx: &Tx<'_>, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(&SEEN, &[Value::At(now), Value::Id(id)])
}

/// The webhooks whose packages are collected there, in order of creation.
pub fn webhooks_of(tx: &Tx<'_>, tenant: i64, id: Uuid) -> Result<Vec<Uuid>, StoreError> {
    tx.all(&WEBHOOKS, &[Value::Int(tenant), Value::Id(id)], |row| row.id(0))
}

/// Forgets an acceptor and its webhooks; under the tenant's lock.
pub fn drop(tx: &Tx<'_>, tenant: i64, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
    for webhook in webhooks_of(tx, tenant, id)? {
        if let Some(webhook) = webhooks::by_id(tx, tenant, webhook)? {
            webhooks::drop(tx, &webhook, now)?;
        }
    }
    tx.execute_one(&DROP, &[Value::Id(id)])
}

/// Acceptors, with their tenants, for which nobody has asked since then, at most so many.
pub fn stale(tx: &Tx<'_>, before: Timestamp, most: i64) -> Result<Vec<(i64, Uuid)>, StoreError> {
    tx.all(&STALE, &[Value::At(before), Value::Int(most)], |row| Ok((row.int(0)?, row.id(1)?)))
}

/// How many a tenant has.
pub fn count(tx: &Tx<'_>, tenant: i64) -> Result<i64, StoreError> {
    Ok(tx.one(&COUNT, &[Value::Int(tenant)], |row| row.int(0))?.unwrap_or(0))
}
