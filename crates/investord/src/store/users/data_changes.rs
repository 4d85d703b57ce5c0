//! Table `data_changes`.

use uuid::Uuid;

use crate::domain::users::data_change::DataChange;
use crate::store::encryption::Aad;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::paging::{UserListStatements, UserRecord, user_list};
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &UPDATE, &LIST.all, &LIST.part, &LIST.count, &BY_ID];

static INSERT: Insert = Insert::new(
    "data_changes.insert",
    "data_changes",
    &["tenant", "user_number", "id", "created_at", "updated_at", "state", "sealed"],
);
const UPDATE: Stmt = Stmt {
    name: "data_changes.update",
    text: "UPDATE data_changes SET updated_at = $1, state = $2, sealed = $3
           WHERE tenant = $4 AND user_number = $5 AND id = $6",
};
const LIST: UserListStatements = user_list!("data_changes", "id, created_at, updated_at, state, sealed");
const BY_ID: Stmt = Stmt {
    name: "data_changes.by_id",
    text: "SELECT id, created_at, updated_at, state, sealed FROM data_changes
           WHERE tenant = $1 AND user_number = $2 AND id = $3",
};

/// Inserts a new data change, encrypted with the key of its user.
///
/// # Errors
///
/// Fails if the database fails, or the row exists already.
pub fn insert(unit: &Unit<'_>, user: &UserHandle, change: &DataChange) -> Result<(), StoreError> {
    let DataChange { id, created_at, updated_at, state, content, .. } = change;
    let sealed = user.key.seal_data(Aad::data_change(id), content, unit.ids);
    let [tenant, number] = user.reference();
    let values = [
        tenant,
        number,
        Value::Id(*id),
        Value::At(*created_at),
        Value::At(*updated_at),
        Value::Text(state.into_str()),
        Value::Bytes(&sealed),
    ];
    unit.tx.insert(&INSERT, &values)
}

/// Updates the state and the content of a data change.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn update(unit: &Unit<'_>, user: &UserHandle, change: &DataChange) -> Result<(), StoreError> {
    let DataChange { id, updated_at, state, content, .. } = change;
    let sealed = user.key.seal_data(Aad::data_change(id), content, unit.ids);
    let [tenant, number] = user.reference();
    let values = [
        Value::At(*updated_at),
        Value::Text(state.into_str()),
        Value::Bytes(&sealed),
        tenant,
        number,
        Value::Id(*id),
    ];
    unit.tx.execute_one(&UPDATE, &values)
}

/// Returns a data change of a user, if it exists.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn by_id(tx: &Tx<'_>, user: &UserHandle, id: Uuid) -> Result<Option<DataChange>, StoreError> {
    let [tenant, number] = user.reference();
    tx.one(&BY_ID, &[tenant, number, Value::Id(id)], |row| DataChange::open(row, user))
}

impl UserRecord for DataChange {
    const LIST: &'static UserListStatements = &LIST;

    fn open(row: &Row<'_>, user: &UserHandle) -> Result<Self, StoreError> {
        let id = row.id(0)?;
        let content = user.key.open_data(Aad::data_change(&id), row.bytes(4)?)?;
        let state = row.parsed(3)?;
        Ok(Self { id, user_id: user.id, created_at: row.at(1)?, updated_at: row.at(2)?, state, content })
    }
}
