//! The blind index: finds users by HMACs of their encrypted values.
//!
//! An attacker who reads the table sees which entries of a tenant have equal values, and nothing else of the values:
//! the HMAC key belongs to the tenant.

use uuid::Uuid;

use crate::domain::users::search::{SearchTerm, SearchTerms};
use crate::store::encryption::TenantKey;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Stmt, Tx, Value};

/// Prepared statements on the table of this module.
pub const STATEMENTS: &[&Stmt] = &[&INSERT, &DELETE, &CONTAINS, &FIND];

const INSERT: Stmt = Stmt {
    name: "search_index.insert",
    text: "INSERT INTO search_index (tenant, mac, user_id) VALUES ($1, $2, $3)",
};
const DELETE: Stmt = Stmt {
    name: "search_index.delete",
    text: "DELETE FROM search_index WHERE tenant = $1 AND mac = $2 AND user_id = $3",
};
const CONTAINS: Stmt = Stmt {
    name: "search_index.contains",
    text: "SELECT user_id FROM search_index WHERE tenant = $1 AND mac = $2 AND user_id = $3",
};
const FIND: Stmt = Stmt {
    name: "search_index.find",
    text: "SELECT user_id FROM search_index WHERE tenant = $1 AND mac = $2 ORDER BY user_id LIMIT $3",
};

/// Adds search terms of a user that are not in the index yet, as for a new user.
///
/// # Errors
///
/// Fails if the database fails, or a term is in the index already.
pub fn add(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    terms: &SearchTerms,
    key: &TenantKey,
) -> Result<(), StoreError> {
    terms.iter().try_for_each(|(field, value)| {
        let mac = key.term(field.as_str(), value);
        tx.execute_one(&INSERT, &[Value::Int(tenant), Value::Bytes(&mac), Value::Id(user)])
    })
}

/// Replaces the search terms of a user: deletes those that no longer apply, and adds the new ones.
///
/// # Errors
///
/// Fails if the database fails.
pub fn replace(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    (before, now): (&SearchTerms, &SearchTerms),
    key: &TenantKey,
) -> Result<(), StoreError> {
    delete_terms(tx, (tenant, user), before.difference(now), key)?;
    // `add` would fail on terms that an interrupted upgrade has left in the index, and so block every later change.
    add_missing(tx, (tenant, user), now.difference(before).cloned().collect(), key)
}

/// Deletes search terms of a user. Terms that the index does not contain are ignored: a backfill may not have reached
/// the user yet.
fn delete_terms<'a>(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    terms: impl IntoIterator<Item = &'a SearchTerm>,
    key: &TenantKey,
) -> Result<(), StoreError> {
    terms.into_iter().try_for_each(|(field, value)| {
        let mac = key.term(field.as_str(), value);
        tx.execute(&DELETE, &[Value::Int(tenant), Value::Bytes(&mac), Value::Id(user)]).map(drop)
    })
}

/// Adds those search terms of a user that the index does not contain yet.
///
/// # Errors
///
/// Fails if the database fails.
pub fn add_missing(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    terms: SearchTerms,
    key: &TenantKey,
) -> Result<(), StoreError> {
    for term in terms {
        let mac = key.term(term.0.as_str(), &term.1);
        let values = [Value::Int(tenant), Value::Bytes(&mac), Value::Id(user)];
        if tx.one(&CONTAINS, &values, |_| Ok(()))?.is_none() {
            tx.execute_one(&INSERT, &values)?;
        }
    }
    Ok(())
}

/// Returns at most `most` users with this search term, in the order of their ids.
///
/// # Errors
///
/// Fails if the database fails.
pub fn find(
    tx: &Tx<'_>,
    tenant: i64,
    (field, value): &SearchTerm,
    key: &TenantKey,
    most: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let mac = key.term(field.as_str(), value);
    tx.all(&FIND, &[Value::Int(tenant), Value::Bytes(&mac), Value::Int(most)], |row| row.id(0))
}
