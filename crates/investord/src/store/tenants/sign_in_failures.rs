//! Table `sign_in_failures`: failed sign-ins of operators, by account, device and address.

use jiff::Timestamp;

use crate::domain::lockout::Failures;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};

/// Prepared statements on the table.
pub static STATEMENTS: &[&dyn Statement] = &[&BY_SUBJECT, &SAVE, &DELETE, &DELETE_EXPIRED];

const BY_SUBJECT: Stmt = Stmt {
    name: "sign_in_failures.by_subject",
    text: "SELECT failures, last_at FROM sign_in_failures WHERE subject = $1",
};
const SAVE: Stmt = Stmt {
    name: "sign_in_failures.save",
    text: "INSERT INTO sign_in_failures (subject, failures, last_at, forgotten_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (subject) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at,
                                               forgotten_at = excluded.forgotten_at",
};
const DELETE: Stmt =
    Stmt { name: "sign_in_failures.delete", text: "DELETE FROM sign_in_failures WHERE subject = $1" };
const DELETE_EXPIRED: Stmt = Stmt {
    name: "sign_in_failures.delete_expired",
    text: "DELETE FROM sign_in_failures WHERE subject IN
           (SELECT subject FROM sign_in_failures WHERE forgotten_at <= $1 LIMIT $2)",
};

/// The MAC of what is counted. The name that was sent is not stored, because people type passwords into the wrong
/// field.
pub type Subject = [u8; 32];

/// Returns the failures of a subject.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn by_subject(tx: &Tx<'_>, subject: &Subject) -> Result<Option<Failures>, StoreError> {
    tx.one(&BY_SUBJECT, &[Value::Bytes(subject)], |row| {
        Ok(Failures { count: row.int(0)?, last_at: row.at(1)? })
    })
}

/// Saves the failures of a subject; a number of zero deletes them.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn save(tx: &Tx<'_>, subject: &Subject, failures: Failures) -> Result<(), StoreError> {
    if failures.count == 0 {
        return tx.execute(&DELETE, &[Value::Bytes(subject)]).map(drop);
    }
    let Failures { count, last_at } = failures;
    let values =
        [Value::Bytes(subject), Value::Int(count), Value::At(last_at), Value::At(failures.forgotten_at())];
    tx.execute_one(&SAVE, &values)
}

/// Deletes at most `most` rows whose failures are forgotten, and returns their number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_expired(tx: &Tx<'_>, now: Timestamp, most: i64) -> Result<usize, StoreError> {
    tx.execute(&DELETE_EXPIRED, &[Value::At(now), Value::Int(most)])
}
