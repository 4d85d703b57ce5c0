//! Table `passkeys`: the passkeys of operators.

use jiff::Timestamp;
use uuid::Uuid;

use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

/// Prepared statements on the table.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &OF_OPERATOR, &USED, &DELETE, &DELETE_ALL];

static INSERT: Insert = Insert::new(
    "passkeys.insert",
    "passkeys",
    &["operator", "id", "name", "credential", "created_at", "used_at"],
);
const OF_OPERATOR: Stmt = Stmt {
    name: "passkeys.of_operator",
    text: "SELECT id, name, credential, created_at, used_at FROM passkeys WHERE operator = $1 ORDER BY id",
};
const USED: Stmt = Stmt {
    name: "passkeys.used",
    text: "UPDATE passkeys SET credential = $1, used_at = $2 WHERE operator = $3 AND id = $4",
};
const DELETE: Stmt =
    Stmt { name: "passkeys.delete", text: "DELETE FROM passkeys WHERE operator = $1 AND id = $2" };
const DELETE_ALL: Stmt =
    Stmt { name: "passkeys.delete_all", text: "DELETE FROM passkeys WHERE operator = $1" };

/// A passkey of an operator.
#[derive(Clone)]
pub struct PasskeyRow {
    pub id: Uuid,
    /// What the operator calls it.
    pub name: String,
    /// Id, public key and counter of the credential in JSON; nothing in it is secret.
    pub credential: String,
    pub created_at: Timestamp,
    pub used_at: Option<Timestamp>,
}

/// Inserts a passkey.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn insert(tx: &Tx<'_>, operator: Uuid, new: &PasskeyRow) -> Result<(), StoreError> {
    let PasskeyRow { id, name, credential, created_at, used_at } = new;
    let values = [
        Value::Id(operator),
        Value::Id(*id),
        Value::Text(name),
        Value::Text(credential),
        Value::At(*created_at),
        used_at.map_or(Value::Null, Value::At),
    ];
    tx.insert(&INSERT, &values)
}

/// Returns the passkeys of an operator.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn of_operator(tx: &Tx<'_>, operator: Uuid) -> Result<Vec<PasskeyRow>, StoreError> {
    tx.all(&OF_OPERATOR, &[Value::Id(operator)], |row: &Row<'_>| {
        Ok(PasskeyRow {
            id: row.id(0)?,
            name: row.text(1)?.to_owned(),
            credential: row.text(2)?.to_owned(),
            created_at: row.at(3)?,
            used_at: row.at_or_null(4)?,
        })
    })
}

/// Records the use of a passkey with its new counter, and returns whether it still exists.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn record_use(
    tx: &Tx<'_>,
    operator: Uuid,
    id: Uuid,
    credential: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let values = [Value::Text(credential), Value::At(now), Value::Id(operator), Value::Id(id)];
    Ok(tx.execute(&USED, &values)? == 1)
}

/// Deletes a passkey, and returns whether there was one.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete(tx: &Tx<'_>, operator: Uuid, id: Uuid) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, &[Value::Id(operator), Value::Id(id)])? == 1)
}

/// Deletes all passkeys of an operator, and returns their number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_all(tx: &Tx<'_>, operator: Uuid) -> Result<usize, StoreError> {
    tx.execute(&DELETE_ALL, &[Value::Id(operator)])
}
