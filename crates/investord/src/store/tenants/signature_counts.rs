//! Table `signature_counts`: signatures of each client that strict signatures would accept or refuse.

use jiff::Timestamp;
use uuid::Uuid;

use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[&ADD, &ADD_REFUSED, &BY_CLIENT];

const ADD: Stmt = Stmt {
    name: "signature_counts.add",
    text: "INSERT INTO signature_counts (client, since, last_at, taken, refused)
           VALUES ($1, $2, $3, $4, 0) ON CONFLICT (client) DO UPDATE
           SET taken = signature_counts.taken + excluded.taken,
               last_at = CASE WHEN excluded.last_at > signature_counts.last_at THEN excluded.last_at
                              ELSE signature_counts.last_at END",
};
const ADD_REFUSED: Stmt = Stmt {
    name: "signature_counts.add_refused",
    text: "UPDATE signature_counts SET refused = refused + $1, refused_at = $2, reason = $3 WHERE client = $4",
};
const BY_CLIENT: Stmt = Stmt {
    name: "signature_counts.by_client",
    text: "SELECT since, last_at, taken, refused, refused_at, reason FROM signature_counts WHERE client = $1",
};

/// The counts of a client's signatures, which show whether its tenant can switch to strict signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureCount {
    /// The start of the count.
    pub since: Timestamp,
    /// The time of the last counted signature.
    pub last_at: Timestamp,
    /// Number of signatures that a strict tenant would accept.
    pub taken: i64,
    /// Number of signatures that a strict tenant would refuse.
    pub refused: i64,
    /// The time of the last signature that a strict tenant would refuse, and the reason.
    pub last_refused: Option<(Timestamp, String)>,
}

/// Adds to the stored counts of a client.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn add(tx: &Tx<'_>, client: Uuid, more: &SignatureCount) -> Result<(), StoreError> {
    let SignatureCount { since, last_at, taken, refused, last_refused } = more;
    let values = [Value::Id(client), Value::At(*since), Value::At(*last_at), Value::Int(*taken)];
    tx.execute_one(&ADD, &values)?;
    match last_refused {
        Some((at, reason)) => tx.execute_one(
            &ADD_REFUSED,
            &[Value::Int(*refused), Value::At(*at), Value::Text(reason), Value::Id(client)],
        ),
        None => Ok(()),
    }
}

/// Returns the stored counts of a client.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn of_client(tx: &Tx<'_>, client: Uuid) -> Result<Option<SignatureCount>, StoreError> {
    tx.one(&BY_CLIENT, &[Value::Id(client)], |row: &Row<'_>| {
        let reason = row.text_or_null(5)?.map(str::to_owned);
        Ok(SignatureCount {
            since: row.at(0)?,
            last_at: row.at(1)?,
            taken: row.int(2)?,
            refused: row.int(3)?,
            last_refused: row.at_or_null(4)?.zip(reason),
        })
    })
}
