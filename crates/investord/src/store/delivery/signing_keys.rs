//! Table `signing_keys`: the keys that sign the deliveries of a tenant.

use http_message_signatures::{Algorithm, PublicKey, SigningKey};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::domain::tenants::TenantNumber;
use crate::store::encryption::{Aad, TenantKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::unit::Unit;

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &RETIRE, &CURRENT, &PUBLISHED, &DELETE_EXPIRED];

static INSERT: Insert =
    Insert::new("signing_keys.insert", "signing_keys", &["id", "tenant", "spki", "sealed", "created_at"]);
const RETIRE: Stmt = Stmt {
    name: "signing_keys.retire",
    text: "UPDATE signing_keys SET retired_at = $1 WHERE tenant = $2 AND retired_at IS NULL",
};
const CURRENT: Stmt = Stmt {
    name: "signing_keys.current",
    text: "SELECT id, sealed FROM signing_keys WHERE tenant = $1 AND retired_at IS NULL
           ORDER BY created_at DESC LIMIT 1",
};
const PUBLISHED: Stmt = Stmt {
    name: "signing_keys.published",
    text: "SELECT id, spki FROM signing_keys WHERE tenant = $1 AND (retired_at IS NULL OR retired_at > $2)
           ORDER BY created_at DESC",
};
const DELETE_EXPIRED: Stmt = Stmt {
    name: "signing_keys.delete_expired",
    text: "DELETE FROM signing_keys WHERE id IN (SELECT id FROM signing_keys WHERE retired_at < $1 LIMIT $2)",
};

/// Time for which a key stays published after its rotation (decision H5), so that receivers can verify deliveries in
/// flight and refresh their copy.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// Generates a new signing key, retires the current one and returns the id of the new one, under the lock of the
/// tenant.
///
/// # Errors
///
/// Fails if the database fails, or the key cannot be generated.
pub fn rotate(unit: &Unit<'_>) -> Result<Uuid, StoreError> {
    let failed = |error: http_message_signatures::KeyError| StoreError::Corrupt(error.to_string());
    let new = SigningKey::generate_from(Algorithm::P521, |bytes| unit.ids.secret(bytes)).map_err(failed)?;
    let pem = new.to_pkcs8_pem().map_err(failed)?;
    let (id, tenant, now) = (unit.ids.uuid(), unit.tenant.number, unit.now());
    let sealed = unit.tenant.key.own().seal(Aad::signing_key(&id), pem.as_bytes(), unit.ids);
    unit.tx.execute(&RETIRE, &[Value::At(now), Value::Int(tenant.0)])?;
    let public = new.public_key();
    let values = [
        Value::Id(id),
        Value::Int(tenant.0),
        Value::Bytes(public.spki_der()),
        Value::Bytes(&sealed),
        Value::At(now),
    ];
    unit.tx.insert(&INSERT, &values)?;
    Ok(id)
}

/// Generates a signing key if the tenant has none, under the lock of the tenant.
///
/// # Errors
///
/// Fails if the database fails, or the key cannot be generated.
pub fn ensure(unit: &Unit<'_>) -> Result<(), StoreError> {
    match current(unit.tx, unit.tenant.number)? {
        Some(_) => Ok(()),
        None => rotate(unit).map(drop),
    }
}

/// A stored signing key, encrypted with the key of the tenant.
pub struct EncryptedSigningKey {
    pub id: Uuid,
    sealed: Vec<u8>,
}

impl EncryptedSigningKey {
    /// Decrypts the key.
    ///
    /// # Errors
    ///
    /// Fails if the stored key cannot be decrypted or parsed.
    pub fn open(&self, key: &TenantKey) -> Result<SigningKey, StoreError> {
        let pem = key.own().open(Aad::signing_key(&self.id), &self.sealed)?;
        SigningKey::from_pem(&pem, None).map_err(|error| StoreError::Corrupt(error.to_string()))
    }
}

/// Returns the key that signs now; none if the tenant has never needed one.
///
/// # Errors
///
/// Fails if the database fails.
pub fn current(tx: &Tx<'_>, tenant: TenantNumber) -> Result<Option<EncryptedSigningKey>, StoreError> {
    tx.one(&CURRENT, &[Value::Int(tenant.0)], |row| {
        Ok(EncryptedSigningKey { id: row.id(0)?, sealed: row.bytes(1)?.to_vec() })
    })
}

/// Returns the published keys, with which receivers verify deliveries, the newest first. A retired key is among them
/// until its overlap ends.
///
/// # Errors
///
/// Fails if the database fails, or the row is corrupt.
pub fn published(
    tx: &Tx<'_>,
    tenant: TenantNumber,
    now: Timestamp,
) -> Result<Vec<(Uuid, PublicKey)>, StoreError> {
    tx.all(&PUBLISHED, &[Value::Int(tenant.0), Value::At(now - OVERLAP)], |row| {
        let key = PublicKey::from_spki_der(row.bytes(1)?);
        Ok((row.id(0)?, key.map_err(|error| StoreError::Corrupt(error.to_string()))?))
    })
}

/// Deletes at most `most` keys that are no longer published, and returns their number.
///
/// # Errors
///
/// Fails if the database fails.
pub fn delete_expired(tx: &Tx<'_>, now: Timestamp, most: i64) -> Result<usize, StoreError> {
    tx.execute(&DELETE_EXPIRED, &[Value::At(now - OVERLAP), Value::Int(most)])
}
