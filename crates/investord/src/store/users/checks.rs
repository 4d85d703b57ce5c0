//! Tables `checks` and `check_results`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::Ids;
use crate::domain::delivery::event::EventType;
use crate::domain::users::check::{Check, CheckKind};
use crate::store::encryption::{Aad, UserKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Row, Stmt, Tx, Value};
use crate::store::log::events;
use crate::store::paging::{UserListStatements, UserRecord, user_list};
use crate::store::tenants::sequence::Sequence;

/// Prepared statements on the two tables.
pub const STATEMENTS: &[&Stmt] =
    &[&INSERT, &UPDATE, &LIST.all, &LIST.part, &LIST.count, &BY_ID, &OPEN, &RESULTS, &SET_RESULTS];

const INSERT: Stmt = Stmt {
    name: "checks.insert",
    text: "INSERT INTO checks (tenant, user_id, id, created_at, updated_at, status, sealed)
           VALUES ($1, $2, $3, $4, $5, $6, $7)",
};
const UPDATE: Stmt = Stmt {
    name: "checks.update",
    text: "UPDATE checks SET updated_at = $1, status = $2, sealed = $3 WHERE tenant = $4 AND user_id = $5 AND id = $6",
};
const LIST: UserListStatements = user_list!("checks", "id, created_at, updated_at, status, sealed");
const BY_ID: Stmt = Stmt {
    name: "checks.by_id",
    text: "SELECT id, created_at, updated_at, status, sealed FROM checks
           WHERE tenant = $1 AND user_id = $2 AND id = $3",
};

const OPEN: Stmt = Stmt {
    name: "checks.open",
    text: "SELECT id, created_at, updated_at, status, sealed FROM checks
           WHERE tenant = $1 AND user_id = $2 AND status = 'IN_PROGRESS' ORDER BY created_at, id",
};
const RESULTS: Stmt = Stmt {
    name: "check_results.of_user",
    text: "SELECT sealed FROM check_results WHERE tenant = $1 AND user_id = $2",
};
const SET_RESULTS: Stmt = Stmt {
    name: "check_results.set",
    text: "INSERT INTO check_results (tenant, user_id, sealed) VALUES ($1, $2, $3)
           ON CONFLICT (tenant, user_id) DO UPDATE SET sealed = excluded.sealed",
};

/// The last decided check of each kind: its time of creation, which decides the order, and its id.
type Results = BTreeMap<CheckKind, (Timestamp, Uuid)>;

/// Inserts a new check and publishes the event of its creation.
///
/// # Errors
///
/// Fails if the database fails, or the row exists already.
pub fn insert_and_publish(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    check: &Check,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let Check { id, user_id, created_at, updated_at, status, content } = check;
    let sealed = key.seal_data(Aad::check(id), content, ids);
    tx.execute_one(
        &INSERT,
        &[
            Value::Int(sequence.tenant),
            Value::Id(*user_id),
            Value::Id(*id),
            Value::At(*created_at),
            Value::At(*updated_at),
            Value::Text(status.as_str()),
            Value::Bytes(&sealed),
        ],
    )?;
    let view = check.view().to_string();
    events::publish(tx, sequence, EventType::UserCheckCreated, (*user_id, key), &view, ids)
}

/// Updates a check and the results of its user, and publishes the event of the change.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist, or stored data cannot be decrypted.
pub fn update(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    check: &Check,
    event: EventType,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    save(tx, sequence.tenant, check, key, ids)?;
    keep_result(tx, sequence.tenant, check, key, ids)?;
    events::publish(tx, sequence, event, (check.user_id, key), &check.view().to_string(), ids)
}

/// Records a decided check as the result of its kind, unless a check of the same kind was created later.
///
/// Activation reads this record, so that its cost does not grow with the number of checks that a user has had.
fn keep_result(
    tx: &Tx<'_>,
    tenant: i64,
    check: &Check,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let user = check.user_id;
    let mut results = results(tx, tenant, user, key)?;
    keep_last(&mut results, check);
    let sealed = key.seal_data(Aad::check_results(&user), &results, ids);
    let values = [Value::Int(tenant), Value::Id(user), Value::Bytes(&sealed)];
    tx.execute_one(&SET_RESULTS, &values)
}

/// Returns the results of a user: the last decided check of each kind.
fn results(tx: &Tx<'_>, tenant: i64, user: Uuid, key: &UserKey) -> Result<Results, StoreError> {
    let found = tx.one(&RESULTS, &[Value::Int(tenant), Value::Id(user)], |row| {
        key.open_data(Aad::check_results(&user), row.bytes(0)?)
    })?;
    Ok(found.unwrap_or_default())
}

/// Replaces the result of a kind if this check was created later. Ids decide between checks of the same instant.
fn keep_last(results: &mut Results, check: &Check) {
    let own = (check.created_at, check.id);
    let last = results.entry(check.content.kind).or_insert(own);
    *last = own.max(*last);
}

/// Returns the checks that decide on the activation of a user: the open ones, and the last decided one of each kind;
/// the oldest first.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn list_deciding(tx: &Tx<'_>, tenant: i64, user: Uuid, key: &UserKey) -> Result<Vec<Check>, StoreError> {
    let results = results(tx, tenant, user, key)?;
    let mut all = tx.all(&OPEN, &[Value::Int(tenant), Value::Id(user)], |row| Check::open(row, user, key))?;
    for (_, id) in results.into_values() {
        all.extend(by_id(tx, tenant, user, id, key)?);
    }
    all.sort_by_key(|check| (check.created_at, check.id));
    Ok(all)
}

/// Updates a check without an event.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn save(tx: &Tx<'_>, tenant: i64, check: &Check, key: &UserKey, ids: &dyn Ids) -> Result<(), StoreError> {
    let Check { id, user_id, updated_at, status, content, .. } = check;
    let sealed = key.seal_data(Aad::check(id), content, ids);
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

/// Returns a check of a user, if it exists.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn by_id(
    tx: &Tx<'_>,
    tenant: i64,
    user: Uuid,
    id: Uuid,
    key: &UserKey,
) -> Result<Option<Check>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant), Value::Id(user), Value::Id(id)], |row| Check::open(row, user, key))
}

impl UserRecord for Check {
    const LIST: &'static UserListStatements = &LIST;

    fn open(row: &Row<'_>, user: Uuid, key: &UserKey) -> Result<Self, StoreError> {
        let id = row.id(0)?;
        let content = key.open_data(Aad::check(&id), row.bytes(4)?)?;
        let status = row.text(3)?.parse().map_err(StoreError::Corrupt)?;
        Ok(Self { id, user_id: user, created_at: row.at(1)?, updated_at: row.at(2)?, status, content })
    }
}
