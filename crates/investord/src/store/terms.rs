//! The blind index: finds users by what is sealed of them. It knows equal values under a key of the tenant, and
//! nothing else of them.

use uuid::Uuid;

use super::seal::TenantKey;
use super::{Stmt, StoreError, Tx, Value, chores};
use crate::domain::identifier::Identifier;
use crate::domain::search::{self, Term, Terms};
use crate::domain::user::User;

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

/// The chore that migration V8 leaves: what users are found by is compared otherwise since then.
pub const RENEW: &str = "renew-terms";

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
    drop_all(tx, (tenant, user), before.difference(now), key)?;
    // Not only added: what an interrupted upgrade has left must not stand in the way for ever.
    complete(tx, (tenant, user), now.difference(before).cloned().collect(), key)
}

fn drop_all<'a>(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    terms: impl IntoIterator<Item = &'a Term>,
    key: &TenantKey,
) -> Result<(), StoreError> {
    terms.into_iter().try_for_each(|(field, value)| {
        let mac = key.term(field.as_str(), value);
        tx.execute(&DROP, &[Value::Int(tenant), Value::Bytes(&mac), Value::Id(user)]).map(drop)
    })
}

/// Lets a user of before migration V8 be found as others are: what was compared otherwise goes.
pub fn renew(
    tx: &Tx<'_>,
    (tenant, user): (i64, &User),
    identifiers: &[Identifier],
    key: &TenantKey,
) -> Result<(), StoreError> {
    let now = search::of_user(&user.person, identifiers);
    let before = search::of_user_before_v8(&user.person, identifiers);
    drop_all(tx, (tenant, user.id), before.difference(&now), key)?;
    complete(tx, (tenant, user.id), now, key)
}

/// The same before a user is changed, as long as the worker has not come to all: once they have changed, the chore can
/// no longer tell what they were found by.
pub fn renew_if_due(
    tx: &Tx<'_>,
    (tenant, user): (i64, &User),
    identifiers: &[Identifier],
    key: &TenantKey,
) -> Result<(), StoreError> {
    match chores::of_tenant(tx, tenant, RENEW)? {
        None => Ok(()),
        Some(_) => renew(tx, (tenant, user), identifiers, key),
    }
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

/// The users that are found by a term, at most so many.
pub fn find(
    tx: &Tx<'_>,
    tenant: i64,
    (field, value): &Term,
    key: &TenantKey,
    most: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let mac = key.term(field.as_str(), value);
    tx.all(&FIND, &[Value::Int(tenant), Value::Bytes(&mac), Value::Int(most)], |row| row.id(0))
}
