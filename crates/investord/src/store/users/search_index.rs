//! The blind index: finds users by HMACs of their encrypted values.
//!
//! It shows equal values under a key of the tenant, and nothing else of them.

use uuid::Uuid;

use crate::domain::users::search::{SearchTerm, SearchTerms};
use crate::store::encryption::TenantKey;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Stmt, Tx, Value};

pub const STATEMENTS: &[&Stmt] = &[&INSERT, &DROP, &KNOWN, &FIND];

const INSERT: Stmt = Stmt {
    name: "search_index.insert",
    text: "INSERT INTO search_index (tenant, mac, user_id) VALUES ($1, $2, $3)",
};
const DROP: Stmt = Stmt {
    name: "search_index.delete",
    text: "DELETE FROM search_index WHERE tenant = $1 AND mac = $2 AND user_id = $3",
};
const KNOWN: Stmt = Stmt {
    name: "search_index.contains",
    text: "SELECT user_id FROM search_index WHERE tenant = $1 AND mac = $2 AND user_id = $3",
};
const FIND: Stmt = Stmt {
    name: "search_index.find",
    text: "SELECT user_id FROM search_index WHERE tenant = $1 AND mac = $2 ORDER BY user_id LIMIT $3",
};

/// Lets a user be found by what they have not been found by so far.
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

/// Lets a user be found by what is said of them now, and no longer by what was said before.
pub fn replace(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    (before, now): (&SearchTerms, &SearchTerms),
    key: &TenantKey,
) -> Result<(), StoreError> {
    delete_terms(tx, (tenant, user), before.difference(now), key)?;
    // Not only added: what an interrupted upgrade has left must not stand in the way for ever.
    add_missing(tx, (tenant, user), now.difference(before).cloned().collect(), key)
}

fn delete_terms<'a>(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    terms: impl IntoIterator<Item = &'a SearchTerm>,
    key: &TenantKey,
) -> Result<(), StoreError> {
    terms.into_iter().try_for_each(|(field, value)| {
        let mac = key.term(field.as_str(), value);
        tx.execute(&DROP, &[Value::Int(tenant), Value::Bytes(&mac), Value::Id(user)]).map(drop)
    })
}

/// Lets a user be found by what they may be found by already.
pub fn add_missing(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    terms: SearchTerms,
    key: &TenantKey,
) -> Result<(), StoreError> {
    for term in terms {
        let mac = key.term(term.0.as_str(), &term.1);
        let values = [Value::Int(tenant), Value::Bytes(&mac), Value::Id(user)];
        if tx.one(&KNOWN, &values, |_| Ok(()))?.is_none() {
            tx.execute_one(&INSERT, &values)?;
        }
    }
    Ok(())
}

/// The users that are found by a term, at most so many.
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
