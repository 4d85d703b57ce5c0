//! Table `tokens`: the access tokens of clients.

use jiff::Timestamp;
use uuid::Uuid;

use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &BY_HASH, &DELETE_OF_CLIENT, &DELETE_EXPIRED];

static INSERT: Insert =
    Insert::new("tokens.insert", "tokens", &["hash", "client", "key", "scopes", "expires"]);
const BY_HASH: Stmt =
    Stmt { name: "tokens.by_hash", text: "SELECT client, key, scopes, expires FROM tokens WHERE hash = $1" };
const DELETE_OF_CLIENT: Stmt = Stmt { name: "tokens.delete", text: "DELETE FROM tokens WHERE client = $1" };
// Deletes through a subquery, because PostgreSQL has no LIMIT for DELETE; small batches keep the locks short.
const DELETE_EXPIRED: Stmt = Stmt {
    name: "tokens.delete_expired",
    text: "DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens WHERE expires < $1 LIMIT $2)",
};

/// A row of the table `tokens`: an access token of a client.
pub struct TokenRow {
    pub client: Uuid,
    /// The key that signed the request for it.
    pub key: Uuid,
    pub scopes: String,
    pub expires: Timestamp,
}

/// Inserts a token under `hash`, the SHA-256 of the token, which itself is never stored.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn insert(tx: &Tx<'_>, hash: &[u8; 32], token: &TokenRow) -> Result<(), StoreError> {
    let TokenRow { client, key, scopes, expires } = token;
    let values =
        [Value::Bytes(hash), Value::Id(*client), Value::Id(*key), Value::Text(scopes), Value::At(*expires)];
    tx.insert(&INSERT, &values)
}

/// Finds a token by its SHA-256, expired or not.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_hash(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<Option<TokenRow>, StoreError> {
    tx.one(&BY_HASH, &[Value::Bytes(hash)], |row| {
        let scopes = row.text(2)?.to_owned();
        Ok(TokenRow { client: row.id(0)?, key: row.id(1)?, scopes, expires: row.at(3)? })
    })
}

/// Deletes all tokens of a client and returns the number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_of_client(tx: &Tx<'_>, client: Uuid) -> Result<usize, StoreError> {
    tx.execute(&DELETE_OF_CLIENT, &[Value::Id(client)])
}

/// Deletes at most `most` expired tokens and returns the number.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_expired(tx: &Tx<'_>, now: Timestamp, most: i64) -> Result<usize, StoreError> {
    tx.execute(&DELETE_EXPIRED, &[Value::At(now), Value::Int(most)])
}
