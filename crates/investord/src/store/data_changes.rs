//! Requests that a user's data be changed.

use uuid::Uuid;

use super::seal::{Place, UserKey};
use super::{Row, Stmt, StoreError, Tx, Value};
use crate::clock::Ids;
use crate::domain::data_change::DataChange;

pub const STATEMENTS: &[&Stmt] = &[&INSERT, &UPDATE, &OF_USER, &PART, &COUNT, &BY_ID];

const INSERT: Stmt = Stmt {
    name: "data_changes.insert",
    text: "INSERT INTO data_changes (tenant, user_id, id, created_at, updated_at, state, sealed)
           VALUES ($1, $2, $3, $4, $5, $6, $7)",
};
const UPDATE: Stmt = Stmt {
    name: "data_changes.update",
    text: "UPDATE data_changes SET updated_at = $1, state = $2, sealed = $3
           WHERE tenant = $4 AND user_id = $5 AND id = $6",
};
const OF_USER: Stmt = Stmt {
    name: "data_changes.of_user",
    text: "SELECT id, created_at, updated_at, state, sealed FROM data_changes
           WHERE tenant = $1 AND user_id = $2 ORDER BY created_at, id",
};
const PART: Stmt = Stmt {
    name: "data_changes.part",
    text: "SELECT id, created_at, updated_at, state, sealed FROM data_changes
           WHERE tenant = $1 AND user_id = $2 ORDER BY created_at, id LIMIT $3 OFFSET $4",
};
const COUNT: Stmt = Stmt {
    name: "data_changes.count",
    text: "SELECT count(*) FROM data_changes WHERE tenant = $1 AND user_id = $2",
};
const BY_ID: Stmt = Stmt {
    name: "data_changes.by_id",
    text: "SELECT id, created_at, updated_at, state, sealed FROM data_changes
           WHERE tenant = $1 AND user_id = $2 AND id = $3",
};

/// Writes a new one, sealed with its user's key.
pub fn insert(
    tx: &Tx<'_>,
    tenant: i64,
    change: &DataChange,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let DataChange { id, user_id, created_at, updated_at, state, .. } = change;
    let sealed = key.seal_data(Place::data_change(id), &change.content, ids);
    tx.execute_one(
        &INSERT,
        &[
            Value::Int(tenant),
            Value::Id(*user_id),
            Value::Id(*id),
            Value::At(*created_at),
            Value::At(*updated_at),
            Value::Text(state.as_str()),
            Value::Bytes(&sealed),
        ],
    )
}

/// Keeps what has become of one.
pub fn update(
    tx: &Tx<'_>,
    tenant: i64,
    change: &DataChange,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let DataChange { id, user_id, updated_at, state, .. } = change;
    let sealed = key.seal_data(Place::data_change(id), &change.content, ids);
    tx.execute_one(
        &UPDATE,
        &[
            Value::At(*updated_at),
            Value::Text(state.as_str()),
            Value::Bytes(&sealed),
            Value::Int(tenant),
            Value::Id(*user_id),
            Value::Id(*id),
        ],
    )
}

/// Shows all of a user one by one, in the order in which they were accepted.
pub fn each_of_user(
    tx: &Tx<'_>,
    tenant: i64,
    user: Uuid,
    key: &UserKey,
    mut see: impl FnMut(DataChange),
) -> Result<(), StoreError> {
    tx.each(&OF_USER, &[Value::Int(tenant), Value::Id(user)], |row| {
        see(open(row, user, key)?);
        Ok(())
    })
}

/// Returns a part of the same list.
pub fn part_of_user(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    key: &UserKey,
    (offset, limit): (i64, i64),
) -> Result<Vec<DataChange>, StoreError> {
    let values = [Value::Int(tenant), Value::Id(user), Value::Int(limit), Value::Int(offset)];
    tx.all(&PART, &values, |row| open(row, user, key))
}

/// Counts those of a user.
pub fn count_of_user(tx: &Tx<'_>, tenant: i64, user: Uuid) -> Result<i64, StoreError> {
    let count = tx.one(&COUNT, &[Value::Int(tenant), Value::Id(user)], |row| row.int(0))?;
    Ok(count.unwrap_or_default())
}

/// One of a user.
pub fn by_id(
    tx: &Tx<'_>,
    tenant: i64,
    user: Uuid,
    id: Uuid,
    key: &UserKey,
) -> Result<Option<DataChange>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant), Value::Id(user), Value::Id(id)], |row| open(row, user, key))
}

fn open(row: &Row<'_>, user_id: Uuid, key: &UserKey) -> Result<DataChange, StoreError> {
    let id = row.id(0)?;
    let content = key.open_data(Place::data_change(&id), row.bytes(4)?)?;
    let state = row.text(3)?.parse().map_err(StoreError::Damaged)?;
    Ok(DataChange { id, user_id, created_at: row.at(1)?, updated_at: row.at(2)?, state, content })
}
