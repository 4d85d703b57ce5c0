//! Table `reveals`: the users whom sessions see unmasked for a while.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};

/// Prepared statements on the table.
pub static STATEMENTS: &[&dyn Statement] = &[&SAVE, &OF_SESSION, &DELETE_EXPIRED];

const SAVE: Stmt = Stmt {
    name: "reveals.save",
    text: "INSERT INTO reveals (session, user_id, until) VALUES ($1, $2, $3)
           ON CONFLICT (session, user_id) DO UPDATE SET until = excluded.until",
};
const OF_SESSION: Stmt = Stmt {
    name: "reveals.of_session",
    text: "SELECT user_id FROM reveals WHERE session = $1 AND until > $2",
};
const DELETE_EXPIRED: Stmt =
    Stmt { name: "reveals.delete_expired", text: "DELETE FROM reveals WHERE until <= $1" };

/// Reveals a user to a session until an instant.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn save(tx: &Tx<'_>, session: Uuid, user: Uuid, until: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(&SAVE, &[Value::Id(session), Value::Id(user), Value::At(until)])
}

/// Returns the ids of the users who are revealed to a session now.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn of_session(tx: &Tx<'_>, session: Uuid, now: Timestamp) -> Result<BTreeSet<Uuid>, StoreError> {
    let found = tx.all(&OF_SESSION, &[Value::Id(session), Value::At(now)], |row| row.id(0))?;
    Ok(found.into_iter().collect())
}

/// Deletes what is over.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn delete_expired(tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&DELETE_EXPIRED, &[Value::At(now)]).map(drop)
}
