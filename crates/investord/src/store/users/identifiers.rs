//! Table `identifiers`, and who else has the same number.

use uuid::Uuid;

use super::search_index;
use crate::clock::Ids;
use crate::domain::identification::identifier::{Identifier, IdentifierChange, IdentifierContent};
use crate::domain::users::search;
use crate::store::encryption::{Aad, TenantKey, UserKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Row, Stmt, Tx, Value};
use crate::store::users;

/// Prepared statements on the table of this module.
pub const STATEMENTS: &[&Stmt] = &[&INSERT, &UPDATE, &OF_USER, &BY_ID];

const INSERT: Stmt = Stmt {
    name: "identifiers.insert",
    text: "INSERT INTO identifiers (tenant, user_id, id, created_at, updated_at, sealed)
           VALUES ($1, $2, $3, $4, $5, $6)",
};
const UPDATE: Stmt = Stmt {
    name: "identifiers.update",
    text: "UPDATE identifiers SET updated_at = $1, sealed = $2 WHERE tenant = $3 AND user_id = $4 AND id = $5",
};
const OF_USER: Stmt = Stmt {
    name: "identifiers.of_user",
    text: "SELECT id, created_at, updated_at, sealed FROM identifiers
           WHERE tenant = $1 AND user_id = $2 ORDER BY created_at, id",
};
const BY_ID: Stmt = Stmt {
    name: "identifiers.by_id",
    text: "SELECT id, created_at, updated_at, sealed FROM identifiers
           WHERE tenant = $1 AND user_id = $2 AND id = $3",
};

/// Maximum number of users with one number that are compared. Each comparison decrypts all identifiers of a user, so
/// the bound limits the cost of a number that many users share.
const MAX_HOLDERS: i64 = 100;

/// Writes the insertion or update of an identifier that the domain has decided; `None` writes nothing.
///
/// # Errors
///
/// Fails if the database fails, or the identifier to be updated does not exist.
pub fn apply(
    tx: &Tx<'_>,
    tenant: i64,
    change: &IdentifierChange,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    match change {
        IdentifierChange::None(_) => Ok(()),
        IdentifierChange::Add(identifier) => insert(tx, tenant, identifier, key, ids),
        IdentifierChange::Update(identifier) => update(tx, tenant, identifier, key, ids),
    }
}

/// Inserts a new identifier, encrypted with the key of its user.
pub(in crate::store) fn insert(
    tx: &Tx<'_>,
    tenant: i64,
    identifier: &Identifier,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let Identifier { id, user_id, created_at, updated_at, .. } = identifier;
    tx.execute_one(
        &INSERT,
        &[
            Value::Int(tenant),
            Value::Id(*user_id),
            Value::Id(*id),
            Value::At(*created_at),
            Value::At(*updated_at),
            Value::Bytes(&key.seal_data(Aad::identifier(id), &identifier.content, ids)),
        ],
    )
}

/// Updates the content of an identifier.
fn update(
    tx: &Tx<'_>,
    tenant: i64,
    identifier: &Identifier,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let Identifier { id, user_id, updated_at, .. } = identifier;
    let sealed = key.seal_data(Aad::identifier(id), &identifier.content, ids);
    tx.execute_one(
        &UPDATE,
        &[
            Value::At(*updated_at),
            Value::Bytes(&sealed),
            Value::Int(tenant),
            Value::Id(*user_id),
            Value::Id(*id),
        ],
    )
}

/// Returns the identifiers of a user in order of creation.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn of_user(tx: &Tx<'_>, tenant: i64, user: Uuid, key: &UserKey) -> Result<Vec<Identifier>, StoreError> {
    tx.all(&OF_USER, &[Value::Int(tenant), Value::Id(user)], |row| open(row, user, key))
}

/// Returns an identifier of a user, if it exists.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn by_id(
    tx: &Tx<'_>,
    tenant: i64,
    user: Uuid,
    id: Uuid,
    key: &UserKey,
) -> Result<Option<Identifier>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant), Value::Id(user), Value::Id(id)], |row| open(row, user, key))
}

/// Returns for each identifier the other users of the tenant with the same number. The user is `None` in a dry run, for
/// a person who is not a user.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn list_sharing_users<'a>(
    tx: &Tx<'_>,
    (tenant, user): (i64, Option<Uuid>),
    contents: impl IntoIterator<Item = &'a IdentifierContent>,
    key: &TenantKey,
) -> Result<Vec<Vec<Uuid>>, StoreError> {
    contents.into_iter().map(|content| list_holders(tx, (tenant, user), content, key)).collect()
}

/// Returns the other users with the number of an identifier. The blind index finds candidates, and the decrypted
/// identifiers confirm them.
fn list_holders(
    tx: &Tx<'_>,
    (tenant, user): (i64, Option<Uuid>),
    content: &IdentifierContent,
    key: &TenantKey,
) -> Result<Vec<Uuid>, StoreError> {
    let Some(term) = search::of_number(content) else { return Ok(Vec::new()) };
    let mut holders = search_index::find(tx, tenant, &term, key, MAX_HOLDERS)?;
    holders.retain(|other| user != Some(*other));
    let mut same = Vec::new();
    for other in holders {
        // A number of another country may be written alike, so that both have the same entry in the index.
        let own = of_user(tx, tenant, other, &users::key(tx, tenant, &other, key)?)?;
        if own.iter().any(|one| one.content.is_same_number(content)) {
            same.push(other);
        }
    }
    Ok(same)
}

/// Decrypts an identifier from its row.
fn open(row: &Row<'_>, user_id: Uuid, key: &UserKey) -> Result<Identifier, StoreError> {
    let id = row.id(0)?;
    let content = key.open_data(Aad::identifier(&id), row.bytes(3)?)?;
    Ok(Identifier { id, user_id, created_at: row.at(1)?, updated_at: row.at(2)?, content })
}
