//! The blind index: finds users by what is sealed of them. It knows equal values under a key of the tenant, and
//! nothing else of them.

use uuid::Uuid;

use super::seal::TenantKey;
use super::{Stmt, StoreError, Tx, Value};

pub const STATEMENTS: &[&Stmt] = &[&INSERT, &FIND];

const INSERT: Stmt = Stmt {
    name: "terms.insert",
    text: "INSERT INTO terms (tenant, mac, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
};
const FIND: Stmt = Stmt {
    name: "terms.find",
    text: "SELECT user_id FROM terms WHERE tenant = $1 AND mac = $2 ORDER BY user_id LIMIT $3",
};

/// What can be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    SecuritiesAccountNumber,
}

impl Field {
    /// Part of what is hashed: stays for ever.
    pub const fn as_str(self) -> &'static str {
        match self {
            Field::SecuritiesAccountNumber => "securities_account_number",
        }
    }
}

/// Lets a user be found by a value.
pub fn add(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    (field, value): (Field, &str),
    key: &TenantKey,
) -> Result<(), StoreError> {
    let mac = key.term(field.as_str(), value);
    tx.execute(&INSERT, &[Value::Int(tenant), Value::Bytes(&mac), Value::Id(user)]).map(drop)
}

/// The users that have a value, at most so many.
pub fn find(
    tx: &Tx<'_>,
    tenant: i64,
    (field, value): (Field, &str),
    key: &TenantKey,
    most: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let (mac, mut found) = (key.term(field.as_str(), value), Vec::new());
    tx.each(&FIND, &[Value::Int(tenant), Value::Bytes(&mac), Value::Int(most)], |row| {
        found.push(row.id(0)?);
        Ok(())
    })?;
    Ok(found)
}
