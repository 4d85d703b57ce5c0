//! Table `webhook_attempts`, as operators read it; `packages.rs` writes it.

use jiff::Timestamp;
use uuid::Uuid;

use crate::store::encryption::{Aad, TenantKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};
use crate::store::plaintext::Plaintext;

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[&OF_PACKAGE];

const OF_PACKAGE: Stmt = Stmt {
    name: "webhook_attempts.of_package",
    text: "SELECT number, created_at, duration_us, outcome, status, answer FROM webhook_attempts
           WHERE webhook = $1 AND package = $2 ORDER BY number DESC LIMIT $3",
};

/// A stored attempt.
pub struct AttemptRow {
    pub number: i64,
    pub created_at: Timestamp,
    pub duration_us: i64,
    pub outcome: String,
    pub status: Option<i64>,
    /// The first bytes of the response body, as text.
    pub answer: Option<Plaintext>,
}

/// Returns at most `most` attempts to send a package, the newest first.
///
/// # Errors
///
/// Fails if the database is unavailable or the key belongs to another tenant.
pub fn of_package(
    tx: &Tx<'_>,
    webhook: Uuid,
    package: i64,
    most: i64,
    key: &TenantKey,
) -> Result<Vec<AttemptRow>, StoreError> {
    tx.all(&OF_PACKAGE, &[Value::Id(webhook), Value::Int(package), Value::Int(most)], |row| {
        let answer = row.bytes_or_null(5)?.map(|sealed| key.own().open(Aad::answer(&webhook), sealed));
        Ok(AttemptRow {
            number: row.int(0)?,
            created_at: row.at(1)?,
            duration_us: row.int(2)?,
            outcome: row.text(3)?.to_owned(),
            status: row.int_or_null(4)?,
            answer: answer.transpose()?,
        })
    })
}
