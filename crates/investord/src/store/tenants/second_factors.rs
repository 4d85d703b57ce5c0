//! Second factors of operators: columns of `operators`, and table `recovery_codes`.

use jiff::Timestamp;
use uuid::Uuid;

use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

/// Prepared statements on second factors.
pub static STATEMENTS: &[&dyn Statement] = &[
    &BY_OPERATOR, &ALL, &BEGIN, &CONFIRM, &ACCEPT, &RESEAL, &DELETE, &INSERT_CODE, &USE_CODE, &COUNT_CODES,
    &DELETE_CODES,
];

const BY_OPERATOR: Stmt = Stmt {
    name: "second_factors.by_operator",
    text: "SELECT totp_secret, totp_confirmed_at, totp_last_step FROM operators
           WHERE id = $1 AND totp_secret IS NOT NULL",
};
const ALL: Stmt = Stmt {
    name: "second_factors.all",
    text: "SELECT id, totp_secret FROM operators WHERE totp_secret IS NOT NULL",
};
const BEGIN: Stmt = Stmt {
    name: "second_factors.begin",
    text: "UPDATE operators SET totp_secret = $1, totp_last_step = NULL
           WHERE id = $2 AND totp_confirmed_at IS NULL",
};
const CONFIRM: Stmt = Stmt {
    name: "second_factors.confirm",
    text: "UPDATE operators SET totp_confirmed_at = $1, totp_last_step = $2
           WHERE id = $3 AND totp_confirmed_at IS NULL AND totp_secret IS NOT NULL",
};
const ACCEPT: Stmt = Stmt {
    name: "second_factors.accept",
    text: "UPDATE operators SET totp_last_step = $1
           WHERE id = $2 AND totp_confirmed_at IS NOT NULL AND totp_last_step < $1",
};
const RESEAL: Stmt =
    Stmt { name: "second_factors.reseal", text: "UPDATE operators SET totp_secret = $1 WHERE id = $2" };
const DELETE: Stmt = Stmt {
    name: "second_factors.delete",
    text: "UPDATE operators SET totp_secret = NULL, totp_confirmed_at = NULL, totp_last_step = NULL
           WHERE id = $1 AND totp_secret IS NOT NULL",
};
static INSERT_CODE: Insert = Insert::new("recovery_codes.insert", "recovery_codes", &["operator", "hash"]);
const USE_CODE: Stmt =
    Stmt { name: "recovery_codes.use", text: "DELETE FROM recovery_codes WHERE operator = $1 AND hash = $2" };
const COUNT_CODES: Stmt =
    Stmt { name: "recovery_codes.count", text: "SELECT count(*) FROM recovery_codes WHERE operator = $1" };
const DELETE_CODES: Stmt =
    Stmt { name: "recovery_codes.delete", text: "DELETE FROM recovery_codes WHERE operator = $1" };

/// The TOTP of an operator.
pub struct SecondFactor {
    /// The sealed secret.
    pub sealed: Vec<u8>,
    /// `None` as long as no code has confirmed it; then it does not count.
    pub confirmed_at: Option<Timestamp>,
    /// Time step of the last code that was accepted.
    pub last_step: Option<i64>,
}

/// Returns the second factor of an operator, confirmed or not.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_operator(tx: &Tx<'_>, operator: Uuid) -> Result<Option<SecondFactor>, StoreError> {
    tx.one(&BY_OPERATOR, &[Value::Id(operator)], |row| {
        Ok(SecondFactor {
            sealed: row.bytes(0)?.to_vec(),
            confirmed_at: row.at_or_null(1)?,
            last_step: row.int_or_null(2)?,
        })
    })
}

/// Returns the sealed secrets of all operators.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn all(tx: &Tx<'_>) -> Result<Vec<(Uuid, Vec<u8>)>, StoreError> {
    tx.all(&ALL, &[], |row| Ok((row.id(0)?, row.bytes(1)?.to_vec())))
}

/// Stores a secret that has yet to be confirmed, in the place of another such, and returns whether it did; it does not
/// if the operator has a confirmed second factor.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn begin(tx: &Tx<'_>, operator: Uuid, sealed: &[u8]) -> Result<bool, StoreError> {
    Ok(tx.execute(&BEGIN, &[Value::Bytes(sealed), Value::Id(operator)])? == 1)
}

/// Confirms a second factor by a code of the time step `step`, and returns whether one waited for it.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn confirm(tx: &Tx<'_>, operator: Uuid, now: Timestamp, step: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(&CONFIRM, &[Value::At(now), Value::Int(step), Value::Id(operator)])? == 1)
}

/// Records that a code of the time step `step` is accepted, and returns false if one of this or a later step was
/// before.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn accept_step(tx: &Tx<'_>, operator: Uuid, step: i64) -> Result<bool, StoreError> {
    Ok(tx.execute(&ACCEPT, &[Value::Int(step), Value::Id(operator)])? == 1)
}

/// Replaces a secret by the same one, sealed with another key.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn reseal(tx: &Tx<'_>, operator: Uuid, sealed: &[u8]) -> Result<(), StoreError> {
    tx.execute_one(&RESEAL, &[Value::Bytes(sealed), Value::Id(operator)])
}

/// Deletes the TOTP of an operator, and returns whether there was one.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete(tx: &Tx<'_>, operator: Uuid) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, &[Value::Id(operator)])? == 1)
}

/// Deletes all recovery codes of an operator.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_recovery_codes(tx: &Tx<'_>, operator: Uuid) -> Result<(), StoreError> {
    tx.execute(&DELETE_CODES, &[Value::Id(operator)]).map(drop)
}

/// Replaces all recovery codes of an operator, by their hashes.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn replace_recovery_codes(tx: &Tx<'_>, operator: Uuid, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
    tx.execute(&DELETE_CODES, &[Value::Id(operator)])?;
    hashes.iter().try_for_each(|hash| tx.insert(&INSERT_CODE, &[Value::Id(operator), Value::Bytes(hash)]))
}

/// Uses up a recovery code, by its hash, and returns whether there was one.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn use_recovery_code(tx: &Tx<'_>, operator: Uuid, hash: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(tx.execute(&USE_CODE, &[Value::Id(operator), Value::Bytes(hash)])? == 1)
}

/// Returns the number of recovery codes that an operator has left.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn count_recovery_codes(tx: &Tx<'_>, operator: Uuid) -> Result<i64, StoreError> {
    Ok(tx.one(&COUNT_CODES, &[Value::Id(operator)], |row| row.int(0))?.unwrap_or_default())
}
