//! Checks of users.

use uuid::Uuid;

use super::seal::{Place, UserKey};
use super::tenants::Head;
use super::{Row, Stmt, StoreError, Tx, Value, outbox};
use crate::clock::Ids;
use crate::domain::check::Check;
use crate::domain::event::EventType;

pub const STATEMENTS: &[&Stmt] = &[&INSERT, &UPDATE, &OF_USER, &BY_ID];

const INSERT: Stmt = Stmt {
    name: "checks.insert",
    text: "INSERT INTO checks (tenant, user_id, id, created_at, updated_at, status, sealed)
           VALUES ($1, $2, $3, $4, $5, $6, $7)",
};
const UPDATE: Stmt = Stmt {
    name: "checks.update",
    text: "UPDATE checks SET updated_at = $1, status = $2, sealed = $3 WHERE tenant = $4 AND user_id = $5 AND id = $6",
};
const OF_USER: Stmt = Stmt {
    name: "checks.of_user",
    text: "SELECT id, created_at, updated_at, status, sealed FROM checks
           WHERE tenant = $1 AND user_id = $2 ORDER BY created_at, id",
};
const BY_ID: Stmt = Stmt {
    name: "checks.by_id",
    text: "SELECT id, created_at, updated_at, status, sealed FROM checks
           WHERE tenant = $1 AND user_id = $2 AND id = $3",
};

/// Writes a new one, and tells.
pub fn enter(
    tx: &Tx<'_>,
    head: &mut Head,
    check: &Check,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let Check { id, user_id, created_at, updated_at, status, content } = check;
    let sealed = key.seal_data(Place::check(id), content, ids);
    tx.execute_one(
        &INSERT,
        &[
            Value::Int(head.tenant),
            Value::Id(*user_id),
            Value::Id(*id),
            Value::At(*created_at),
            Value::At(*updated_at),
            Value::Text(status.as_str()),
            Value::Bytes(&sealed),
        ],
    )?;
    let view = check.view().to_string();
    outbox::publish(tx, head, EventType::UserCheckCreated, (*user_id, key), &view, ids)
}

/// Keeps what has become of one, and tells.
pub fn update(
    tx: &Tx<'_>,
    head: &mut Head,
    check: &Check,
    event: EventType,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    put(tx, head.tenant, check, key, ids)?;
    outbox::publish(tx, head, event, (check.user_id, key), &check.view().to_string(), ids)
}

/// Keeps what has become of one.
pub fn put(tx: &Tx<'_>, tenant: i64, check: &Check, key: &UserKey, ids: &dyn Ids) -> Result<(), StoreError> {
    let Check { id, user_id, updated_at, status, content, .. } = check;
    let sealed = key.seal_data(Place::check(id), content, ids);
    let values = [
        Value::At(*updated_at),
        Value::Text(status.as_str()),
        Value::Bytes(&sealed),
        Value::Int(tenant),
        Value::Id(*user_id),
        Value::Id(*id),
    ];
    tx.execute_one(&UPDATE, &values)
}

/// All of a user, the oldest first.
pub fn of_user(tx: &Tx<'_>, tenant: i64, user: Uuid, key: &UserKey) -> Result<Vec<Check>, StoreError> {
    tx.all(&OF_USER, &[Value::Int(tenant), Value::Id(user)], |row| open(row, user, key))
}

/// One of a user.
pub fn by_id(
    tx: &Tx<'_>,
    tenant: i64,
    user: Uuid,
    id: Uuid,
    key: &UserKey,
) -> Result<Option<Check>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant), Value::Id(user), Value::Id(id)], |row| open(row, user, key))
}

fn open(row: &Row<'_>, user_id: Uuid, key: &UserKey) -> Result<Check, StoreError> {
    let id = row.id(0)?;
    let content = key.open_data(Place::check(&id), row.bytes(4)?)?;
    let status = row.text(3)?.parse().map_err(StoreError::Damaged)?;
    Ok(Check { id, user_id, created_at: row.at(1)?, updated_at: row.at(2)?, status, content })
}
