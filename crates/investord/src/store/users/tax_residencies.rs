//! Table `tax_residencies`: one record per user.

use crate::domain::users::tax_residency::TaxResidencies;
use crate::store::encryption::Aad;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] = &[&SET, &OF_USER];

const SET: Stmt = Stmt {
    name: "tax_residencies.set",
    text: "INSERT INTO tax_residencies (tenant, user_number, created_at, updated_at, sealed) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (tenant, user_number) DO UPDATE SET updated_at = excluded.updated_at, sealed = excluded.sealed",
};
const OF_USER: Stmt = Stmt {
    name: "tax_residencies.of_user",
    text: "SELECT created_at, updated_at, sealed FROM tax_residencies WHERE tenant = $1 AND user_number = $2",
};

/// Replaces the tax residencies of a user and returns the new record, which keeps the time of creation of the old one.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn set(unit: &Unit<'_>, user: &UserHandle, all: serde_json::Value) -> Result<TaxResidencies, StoreError> {
    let now = unit.now();
    let created_at = of_user(unit.tx, user)?.map_or(now, |before| before.created_at);
    let sealed = user.key.seal_data(Aad::tax_residencies(&user.id), &all, unit.ids);
    let [tenant, number] = user.reference();
    let values = [tenant, number, Value::At(created_at), Value::At(now), Value::Bytes(&sealed)];
    unit.tx.execute_one(&SET, &values)?;
    Ok(TaxResidencies { created_at, updated_at: now, all })
}

/// Returns the tax residencies of a user, if they have been set.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn of_user(tx: &Tx<'_>, user: &UserHandle) -> Result<Option<TaxResidencies>, StoreError> {
    tx.one(&OF_USER, &user.reference(), |row| {
        let all = user.key.open_data(Aad::tax_residencies(&user.id), row.bytes(2)?)?;
        Ok(TaxResidencies { created_at: row.at(0)?, updated_at: row.at(1)?, all })
    })
}
