//! Tables `checks` and `check_results`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::delivery::event::EventType;
use crate::domain::users::check::{Check, CheckKind};
use crate::store::encryption::Aad;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::log::events;
use crate::store::paging::{UserListStatements, UserRecord, user_list};
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;

/// Prepared statements on the two tables.
pub static STATEMENTS: &[&dyn Statement] =
    &[&INSERT, &UPDATE, &LIST.all, &LIST.part, &LIST.count, &BY_ID, &OPEN, &RESULTS, &SET_RESULTS];

static INSERT: Insert = Insert::new(
    "checks.insert",
    "checks",
    &["tenant", "user_number", "id", "created_at", "updated_at", "status", "sealed"],
);
const UPDATE: Stmt = Stmt {
    name: "checks.update",
    text: "UPDATE checks SET updated_at = $1, status = $2, sealed = $3
           WHERE tenant = $4 AND user_number = $5 AND id = $6",
};
const LIST: UserListStatements = user_list!("checks", "id, created_at, updated_at, status, sealed");
const BY_ID: Stmt = Stmt {
    name: "checks.by_id",
    text: "SELECT id, created_at, updated_at, status, sealed FROM checks
           WHERE tenant = $1 AND user_number = $2 AND id = $3",
};

const OPEN: Stmt = Stmt {
    name: "checks.open",
    text: "SELECT id, created_at, updated_at, status, sealed FROM checks
           WHERE tenant = $1 AND user_number = $2 AND status = 'IN_PROGRESS' ORDER BY created_at, id",
};
const RESULTS: Stmt = Stmt {
    name: "check_results.of_user",
    text: "SELECT sealed FROM check_results WHERE tenant = $1 AND user_number = $2",
};
const SET_RESULTS: Stmt = Stmt {
    name: "check_results.set",
    text: "INSERT INTO check_results (tenant, user_number, sealed) VALUES ($1, $2, $3)
           ON CONFLICT (tenant, user_number) DO UPDATE SET sealed = excluded.sealed",
};

/// The last decided check of each kind: its time of creation, which decides the order, and its id.
type Results = BTreeMap<CheckKind, (Timestamp, Uuid)>;

/// Inserts a new check and publishes the event of its creation.
///
/// # Errors
///
/// Fails if the database fails, or the row exists already.
pub fn insert_and_publish(unit: &mut Unit<'_>, user: &UserHandle, check: &Check) -> Result<(), StoreError> {
    let Check { id, created_at, updated_at, status, content, .. } = check;
    let sealed = user.key.seal_data(Aad::check(id), content, unit.ids);
    let [tenant, number] = user.reference();
    let values = [
        tenant,
        number,
        Value::Id(*id),
        Value::At(*created_at),
        Value::At(*updated_at),
        Value::Text(status.into_str()),
        Value::Bytes(&sealed),
    ];
    unit.tx.insert(&INSERT, &values)?;
    events::publish(unit, user, EventType::UserCheckCreated, &check.view().to_string())
}

/// Updates a check and the results of its user, and publishes the event of the change.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist, or stored data cannot be decrypted.
pub fn update(
    unit: &mut Unit<'_>,
    user: &UserHandle,
    check: &Check,
    event: EventType,
) -> Result<(), StoreError> {
    save(unit, user, check)?;
    keep_result(unit, user, check)?;
    events::publish(unit, user, event, &check.view().to_string())
}

/// Records a decided check as the result of its kind, unless a check of the same kind was created later.
///
/// Activation reads this record, so that its cost does not grow with the number of checks that a user has had.
fn keep_result(unit: &Unit<'_>, user: &UserHandle, check: &Check) -> Result<(), StoreError> {
    let mut results = results(unit.tx, user)?;
    keep_last(&mut results, check);
    let sealed = user.key.seal_data(Aad::check_results(&user.id), &results, unit.ids);
    let [tenant, number] = user.reference();
    unit.tx.execute_one(&SET_RESULTS, &[tenant, number, Value::Bytes(&sealed)])
}

/// Returns the results of a user: the last decided check of each kind.
fn results(tx: &Tx<'_>, user: &UserHandle) -> Result<Results, StoreError> {
    let open = |row: &Row<'_>| user.key.open_data(Aad::check_results(&user.id), row.bytes(0)?);
    let found = tx.one(&RESULTS, &user.reference(), open)?;
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
pub fn list_deciding(tx: &Tx<'_>, user: &UserHandle) -> Result<Vec<Check>, StoreError> {
    let results = results(tx, user)?;
    let mut all = tx.all(&OPEN, &user.reference(), |row| Check::open(row, user))?;
    for (_, id) in results.into_values() {
        all.extend(by_id(tx, user, id)?);
    }
    all.sort_by_key(|check| (check.created_at, check.id));
    Ok(all)
}

/// Updates a check without an event.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn save(unit: &Unit<'_>, user: &UserHandle, check: &Check) -> Result<(), StoreError> {
    let Check { id, updated_at, status, content, .. } = check;
    let sealed = user.key.seal_data(Aad::check(id), content, unit.ids);
    let [tenant, number] = user.reference();
    let values = [
        Value::At(*updated_at),
        Value::Text(status.into_str()),
        Value::Bytes(&sealed),
        tenant,
        number,
        Value::Id(*id),
    ];
    unit.tx.execute_one(&UPDATE, &values)
}

/// Returns a check of a user, if it exists.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn by_id(tx: &Tx<'_>, user: &UserHandle, id: Uuid) -> Result<Option<Check>, StoreError> {
    let [tenant, number] = user.reference();
    tx.one(&BY_ID, &[tenant, number, Value::Id(id)], |row| Check::open(row, user))
}

impl UserRecord for Check {
    const LIST: &'static UserListStatements = &LIST;

    fn open(row: &Row<'_>, user: &UserHandle) -> Result<Self, StoreError> {
        let id = row.id(0)?;
        let content = user.key.open_data(Aad::check(&id), row.bytes(4)?)?;
        let status = row.parsed(3)?;
        Ok(Self { id, user_id: user.id, created_at: row.at(1)?, updated_at: row.at(2)?, status, content })
    }
}
