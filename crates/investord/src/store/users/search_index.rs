//! The blind index: finds users by HMACs of their encrypted values.
//!
//! An attacker who reads the table sees which entries of a tenant have equal values, and nothing else of the values:
//! the HMAC key belongs to the tenant.

use crate::domain::users::search::{SearchTerm, SearchTerms};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::tenants::Tenant;
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &DELETE, &CONTAINS, &FIND];

static INSERT: Insert = Insert::new("search_index.insert", "search_index", &["tenant", "mac", "user_number"]);
const DELETE: Stmt = Stmt {
    name: "search_index.delete",
    text: "DELETE FROM search_index WHERE tenant = $1 AND mac = $2 AND user_number = $3",
};
const CONTAINS: Stmt = Stmt {
    name: "search_index.contains",
    text: "SELECT user_number FROM search_index WHERE tenant = $1 AND mac = $2 AND user_number = $3",
};
const FIND: Stmt = Stmt {
    name: "search_index.find",
    text: "SELECT user_number FROM search_index WHERE tenant = $1 AND mac = $2 ORDER BY user_number LIMIT $3",
};

/// Adds search terms of a user that are not in the index yet, as for a new user.
///
/// # Errors
///
/// Fails if the database fails, or a term is in the index already.
pub fn add(unit: &Unit<'_>, user: &UserHandle, terms: &SearchTerms) -> Result<(), StoreError> {
    let [tenant, number] = user.reference();
    terms.iter().try_for_each(|(field, value)| {
        let mac = unit.tenant.key.term(field.into_str(), value);
        unit.tx.insert(&INSERT, &[tenant, Value::Bytes(&mac), number])
    })
}

/// Replaces the search terms of a user: deletes those that no longer apply, and adds the new ones.
///
/// # Errors
///
/// Fails if the database fails.
pub fn replace(
    unit: &Unit<'_>,
    user: &UserHandle,
    before: &SearchTerms,
    after: &SearchTerms,
) -> Result<(), StoreError> {
    delete_terms(unit, user, before.difference(after))?;
    // `add` would fail on terms that an interrupted upgrade has left in the index, and so block every later change.
    add_missing(unit, user, after.difference(before).cloned().collect())
}

/// Deletes search terms of a user. Terms that the index does not contain are ignored: a backfill may not have reached
/// the user yet.
fn delete_terms<'a>(
    unit: &Unit<'_>,
    user: &UserHandle,
    terms: impl IntoIterator<Item = &'a SearchTerm>,
) -> Result<(), StoreError> {
    let [tenant, number] = user.reference();
    terms.into_iter().try_for_each(|(field, value)| {
        let mac = unit.tenant.key.term(field.into_str(), value);
        unit.tx.execute(&DELETE, &[tenant, Value::Bytes(&mac), number]).map(drop)
    })
}

/// Adds those search terms of a user that the index does not contain yet.
///
/// # Errors
///
/// Fails if the database fails.
pub fn add_missing(unit: &Unit<'_>, user: &UserHandle, terms: SearchTerms) -> Result<(), StoreError> {
    let [tenant, number] = user.reference();
    for (field, value) in terms {
        let mac = unit.tenant.key.term(field.into_str(), &value);
        let values = [tenant, Value::Bytes(&mac), number];
        if unit.tx.one(&CONTAINS, &values, |_| Ok(()))?.is_none() {
            unit.tx.insert(&INSERT, &values)?;
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
    tenant: &Tenant,
    (field, value): &SearchTerm,
    most: i64,
) -> Result<Vec<i64>, StoreError> {
    let mac = tenant.key.term(field.into_str(), value);
    let values = [Value::Int(tenant.number.0), Value::Bytes(&mac), Value::Int(most)];
    tx.all(&FIND, &values, |row| row.int(0))
}
