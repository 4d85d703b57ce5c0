//! Table `register_settings`: settings of the register itself.

use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[&GET, &SET];

const GET: Stmt =
    Stmt { name: "register_settings.get", text: "SELECT value FROM register_settings WHERE name = $1" };
const SET: Stmt = Stmt {
    name: "register_settings.set",
    text: "INSERT INTO register_settings (name, value) VALUES ($1, $2)
           ON CONFLICT (name) DO UPDATE SET value = excluded.value",
};

/// Name of the setting whether acts of administration take two persons.
const FOUR_EYES: Value<'_> = Value::Text("four_eyes");

/// Returns whether acts of administration take two persons, which is the default.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn four_eyes(tx: &Tx<'_>) -> Result<bool, StoreError> {
    Ok(tx.one(&GET, &[FOUR_EYES], |row| Ok(row.text(0)? != "false"))?.unwrap_or(true))
}

/// Sets whether acts of administration take two persons.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn set_four_eyes(tx: &Tx<'_>, four_eyes: bool) -> Result<(), StoreError> {
    let value = if four_eyes { "true" } else { "false" };
    tx.execute(&SET, &[FOUR_EYES, Value::Text(value)]).map(drop)
}
