//! Table `tax_residencies`: one record per user.

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::Ids;
use crate::domain::users::tax_residency::TaxResidencies;
use crate::store::encryption::{Aad, UserKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Stmt, Tx, Value};

/// Prepared statements on the table of this module.
pub const STATEMENTS: &[&Stmt] = &[&SET, &OF_USER];

const SET: Stmt = Stmt {
    name: "tax_residencies.set",
    text: "INSERT INTO tax_residencies (tenant, user_id, created_at, updated_at, sealed) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (tenant, user_id) DO UPDATE SET updated_at = excluded.updated_at, sealed = excluded.sealed",
};
const OF_USER: Stmt = Stmt {
    name: "tax_residencies.of_user",
    text: "SELECT created_at, updated_at, sealed FROM tax_residencies WHERE tenant = $1 AND user_id = $2",
};

/// Replaces the tax residencies of a user and returns the new record, which keeps the time of creation of the old one.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn set(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    all: serde_json::Value,
    now: Timestamp,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<TaxResidencies, StoreError> {
    let created_at = of_user(tx, tenant, user, key)?.map_or(now, |before| before.created_at);
    let sealed = key.seal_data(Aad::tax_residencies(&user), &all, ids);
    let values =
        [Value::Int(tenant), Value::Id(user), Value::At(created_at), Value::At(now), Value::Bytes(&sealed)];
    tx.execute_one(&SET, &values)?;
    Ok(TaxResidencies { created_at, updated_at: now, all })
}

/// Returns the tax residencies of a user, if they have been set.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn of_user(
    tx: &Tx<'_>,
    tenant: i64,
    user: Uuid,
    key: &UserKey,
) -> Result<Option<TaxResidencies>, StoreError> {
    tx.one(&OF_USER, &[Value::Int(tenant), Value::Id(user)], |row| {
        let all = key.open_data(Aad::tax_residencies(&user), row.bytes(2)?)?;
        Ok(TaxResidencies { created_at: row.at(0)?, updated_at: row.at(1)?, all })
    })
}
