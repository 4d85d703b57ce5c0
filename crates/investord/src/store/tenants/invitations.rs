//! Table `invitations`: the secrets with which operators choose their password, each once.

use jiff::Timestamp;
use uuid::Uuid;

use super::operators;
use super::operators::Operator;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[&SET, &BY_HASH, &DELETE, &DELETE_EXPIRED];

const SET: Stmt = Stmt {
    name: "invitations.set",
    text: "INSERT INTO invitations (operator, hash, created_at, expires) VALUES ($1, $2, $3, $4)
           ON CONFLICT (operator) DO UPDATE
           SET hash = excluded.hash, created_at = excluded.created_at, expires = excluded.expires",
};
const BY_HASH: Stmt = Stmt {
    name: "invitations.by_hash",
    text: "SELECT o.id, o.name, o.password, o.created_at, o.created_by, o.used_at, o.disabled_at,
                  o.reviewed_at, o.invited_at, o.invited_by, o.invitation_confirmed_by,
                  o.provider_subject
           FROM invitations AS i JOIN operators AS o ON o.id = i.operator
           WHERE i.hash = $1 AND i.expires > $2 AND o.disabled_at IS NULL",
};
const DELETE: Stmt = Stmt { name: "invitations.delete", text: "DELETE FROM invitations WHERE operator = $1" };
const DELETE_EXPIRED: Stmt =
    Stmt { name: "invitations.delete_expired", text: "DELETE FROM invitations WHERE expires < $1" };

/// Invites an operator, by the SHA-256 of the secret. An earlier invitation of the operator ends.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn set(
    tx: &Tx<'_>,
    operator: Uuid,
    hash: &[u8; 32],
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), StoreError> {
    let values = [Value::Id(operator), Value::Bytes(hash), Value::At(now), Value::At(expires)];
    tx.execute(&SET, &values).map(drop)
}

/// Finds the enabled operator of an invitation that has not expired.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn by_hash(tx: &Tx<'_>, hash: &[u8; 32], now: Timestamp) -> Result<Option<Operator>, StoreError> {
    let found = tx.one(&BY_HASH, &[Value::Bytes(hash), Value::At(now)], operators::read)?;
    found.map(|found| operators::with_grants(tx, found)).transpose()
}

/// Ends the invitation of an operator.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete(tx: &Tx<'_>, operator: Uuid) -> Result<(), StoreError> {
    tx.execute(&DELETE, &[Value::Id(operator)]).map(drop)
}

/// Deletes expired invitations and returns the number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_expired(tx: &Tx<'_>, now: Timestamp) -> Result<usize, StoreError> {
    tx.execute(&DELETE_EXPIRED, &[Value::At(now)])
}
