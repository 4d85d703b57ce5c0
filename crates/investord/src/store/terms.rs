//! The blind index: finds users by what is sealed of them. It knows equal values under a key of the tenant, and
//! nothing else of them.

use uuid::Uuid;

use super::seal::TenantKey;
use super::{Stmt, StoreError, Tx, Value};
use crate::domain::search::{Field, Terms};

pub const STATEMENTS: &[&Stmt] = &[&INSERT, &DROP, &KNOWN, &FIND];

const INSERT: Stmt =
    Stmt { name: "terms.insert", text: "INSERT INTO terms (tenant, mac, user_id) VALUES ($1, $2, $3)" };
const DROP: Stmt =
    Stmt { name: "terms.drop", text: "DELETE FROM terms WHERE tenant = $1 AND mac = $2 AND user_id = $3" };
const KNOWN: Stmt = Stmt {
    name: "terms.known",
    text: "SELECT user_id FROM terms WHERE tenant = $1 AND mac = $2 AND user_id = $3",
};
const FIND: Stmt = Stmt {
    name: "terms.find",
    text: "SELECT user_id FROM terms WHERE tenant = $1 AND mac = $2 ORDER BY user_id LIMIT $3",
};

/// Lets a user be found by what they have not been found by so far.
pub fn add(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    terms: &Terms,
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
    (before, now): (&Terms, &Terms),
    key: &TenantKey,
) -> Result<(), StoreError> {
    for (field, value) in before.difference(now) {
        let mac = key.term(field.as_str(), value);
        tx.execute(&DROP, &[Value::Int(tenant), Value::Bytes(&mac), Value::Id(user)])?;
    }
    // Not only added: what an interrupted upgrade has left must not stand in the way for ever.
    complete(tx, (tenant, user), now.difference(before).cloned().collect(), key)
}

/// Lets a user be found by what they may be found by already.
pub fn complete(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    terms: Terms,
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

/// The users that have a value, at most so many.
pub fn find(
    tx: &Tx<'_>,
    tenant: i64,
    (field, value): (Field, &str),
    key: &TenantKey,
    most: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let mac = key.term(field.as_str(), &field.normal(value));
    tx.all(&FIND, &[Value::Int(tenant), Value::Bytes(&mac), Value::Int(most)], |row| row.id(0))
}
