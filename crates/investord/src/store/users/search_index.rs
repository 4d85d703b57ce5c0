//! The blind index: finds users by HMACs of their encrypted values.
//!
//! An attacker who reads the table sees which entries of a tenant have equal values, and nothing else of the values:
//! the HMAC key belongs to the tenant.
//!
//! The index has parts, because HMACs are random: in one index each entry of a new user would change a page of its own.
//! A part of neighbouring users is a few pages. A search looks into every part, so the values that requests of clients
//! look up are in a part of their own (decision S6).

use crate::domain::users::search::{SearchField, SearchTerm, SearchTerms};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::tenants::Tenant;
use crate::store::tenants::sequence::count_users;
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &DELETE, &CONTAINS, &FIND];

static INSERT: Insert =
    Insert::new("search_index.insert", "search_index", &["tenant", "part", "mac", "user_number"]);
const DELETE: Stmt = Stmt {
    name: "search_index.delete",
    text: "DELETE FROM search_index WHERE tenant = $1 AND part = $2 AND mac = $3 AND user_number = $4",
};
const CONTAINS: Stmt = Stmt {
    name: "search_index.contains",
    text: "SELECT user_number FROM search_index
           WHERE tenant = $1 AND part = $2 AND mac = $3 AND user_number = $4",
};
// One lookup per part. The join is CROSS so that SQLite keeps the order of the tables.
const FIND: Stmt = Stmt {
    name: "search_index.find",
    text: "WITH RECURSIVE parts (part) AS
               (SELECT CAST($1 AS BIGINT) UNION ALL SELECT part + 1 FROM parts WHERE part < $2)
           SELECT i.user_number FROM parts CROSS JOIN search_index AS i
           WHERE i.tenant = $3 AND i.part = parts.part AND i.mac = $4 ORDER BY i.user_number LIMIT $5",
};

/// The part with the values that requests of clients look up, for all users.
const OF_ALL_USERS: i64 = 0;
/// The number of users whose values share a part: their entries take some 40 pages of 4 KiB, which a commit of thirty
/// new users changes anyway.
const USERS_PER_PART: i64 = 1_024;

/// Returns the part with the values of a field of a user.
fn part(field: SearchField, user_number: i64) -> i64 {
    match field {
        SearchField::Identifier | SearchField::SecuritiesAccountNumber => OF_ALL_USERS,
        SearchField::Name | SearchField::BirthDate | SearchField::Email | SearchField::PhoneNumber => {
            1 + user_number / USERS_PER_PART
        }
    }
}

/// Passes the key of a term of a user, as parameters of a statement, to `run`.
fn with_key<T>(
    unit: &Unit<'_>,
    user: &UserHandle,
    (field, value): &SearchTerm,
    run: impl FnOnce(&[Value<'_>]) -> T,
) -> T {
    let [tenant, number] = user.reference();
    let mac = unit.tenant.key.term(field.into_str(), value);
    run(&[tenant, Value::Int(part(*field, user.number)), Value::Bytes(&mac), number])
}

/// Adds search terms of a user that are not in the index yet, as for a new user.
///
/// # Errors
///
/// Fails if the database fails, or a term is in the index already.
pub fn add(unit: &Unit<'_>, user: &UserHandle, terms: &SearchTerms) -> Result<(), StoreError> {
    terms.iter().try_for_each(|term| with_key(unit, user, term, |key| unit.tx.insert(&INSERT, key)))
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
    add_missing(unit, user, &after.difference(before).cloned().collect())
}

/// Deletes search terms of a user. Terms that the index does not contain are ignored: a backfill may not have reached
/// the user yet.
fn delete_terms<'a>(
    unit: &Unit<'_>,
    user: &UserHandle,
    terms: impl IntoIterator<Item = &'a SearchTerm>,
) -> Result<(), StoreError> {
    let mut terms = terms.into_iter();
    terms.try_for_each(|term| with_key(unit, user, term, |key| unit.tx.execute(&DELETE, key).map(drop)))
}

/// Adds those search terms of a user that the index does not contain yet.
///
/// # Errors
///
/// Fails if the database fails.
pub fn add_missing(unit: &Unit<'_>, user: &UserHandle, terms: &SearchTerms) -> Result<(), StoreError> {
    terms.iter().try_for_each(|term| {
        with_key(unit, user, term, |key| match unit.tx.one(&CONTAINS, key, |_| Ok(()))? {
            None => unit.tx.insert(&INSERT, key),
            Some(()) => Ok(()),
        })
    })
}

/// Returns at most `most` users with this search term, those who came first at the beginning.
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
    let first = part(*field, 0);
    let last = match first {
        OF_ALL_USERS => OF_ALL_USERS,
        _ => part(*field, count_users(tx, tenant.number)?),
    };
    let mac = tenant.key.term(field.into_str(), value);
    let [first, last, tenant] = [first, last, tenant.number.0].map(Value::Int);
    let values = [first, last, tenant, Value::Bytes(&mac), Value::Int(most)];
    tx.all(&FIND, &values, |row| row.int(0))
}
