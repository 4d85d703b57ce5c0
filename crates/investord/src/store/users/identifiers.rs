//! Table `identifiers`, and who else has the same number.

use uuid::Uuid;

use super::handle::UserHandle;
use super::search_index;
use crate::domain::identification::identifier::{Identifier, IdentifierChange, IdentifierContent};
use crate::domain::users::search;
use crate::store::encryption::Aad;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::tenants::Tenant;
use crate::store::unit::Unit;
use crate::store::users;

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &UPDATE, &OF_USER, &BY_ID];

static INSERT: Insert = Insert::new(
    "identifiers.insert",
    "identifiers",
    &["tenant", "user_number", "id", "created_at", "updated_at", "sealed"],
);
const UPDATE: Stmt = Stmt {
    name: "identifiers.update",
    text: "UPDATE identifiers SET updated_at = $1, sealed = $2 WHERE tenant = $3 AND user_number = $4 AND id = $5",
};
const OF_USER: Stmt = Stmt {
    name: "identifiers.of_user",
    text: "SELECT id, created_at, updated_at, sealed FROM identifiers
           WHERE tenant = $1 AND user_number = $2 ORDER BY created_at, id",
};
const BY_ID: Stmt = Stmt {
    name: "identifiers.by_id",
    text: "SELECT id, created_at, updated_at, sealed FROM identifiers
           WHERE tenant = $1 AND user_number = $2 AND id = $3",
};

/// Maximum number of users with one number that are compared. Each comparison decrypts all identifiers of a user, so
/// the bound limits the cost of a number that many users share.
const MAX_HOLDERS: i64 = 100;

/// Writes the insertion or update of an identifier that the domain has decided; `None` writes nothing.
///
/// # Errors
///
/// Fails if the database fails, or the identifier to be updated does not exist.
pub fn apply(unit: &Unit<'_>, user: &UserHandle, change: &IdentifierChange) -> Result<(), StoreError> {
    match change {
        IdentifierChange::None(_) => Ok(()),
        IdentifierChange::Add(identifier) => insert(unit, user, identifier),
        IdentifierChange::Update(identifier) => update(unit, user, identifier),
    }
}

/// Inserts a new identifier, encrypted with the key of its user.
pub(in crate::store) fn insert(
    unit: &Unit<'_>,
    user: &UserHandle,
    identifier: &Identifier,
) -> Result<(), StoreError> {
    let Identifier { id, created_at, updated_at, content, .. } = identifier;
    let sealed = user.key.seal_data(Aad::identifier(id), content, unit.ids);
    let [tenant, number] = user.reference();
    let values = [
        tenant,
        number,
        Value::Id(*id),
        Value::At(*created_at),
        Value::At(*updated_at),
        Value::Bytes(&sealed),
    ];
    unit.tx.insert(&INSERT, &values)
}

/// Updates the content of an identifier.
fn update(unit: &Unit<'_>, user: &UserHandle, identifier: &Identifier) -> Result<(), StoreError> {
    let Identifier { id, updated_at, content, .. } = identifier;
    let sealed = user.key.seal_data(Aad::identifier(id), content, unit.ids);
    let [tenant, number] = user.reference();
    let values = [Value::At(*updated_at), Value::Bytes(&sealed), tenant, number, Value::Id(*id)];
    unit.tx.execute_one(&UPDATE, &values)
}

/// Returns the identifiers of a user in order of creation.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn of_user(tx: &Tx<'_>, user: &UserHandle) -> Result<Vec<Identifier>, StoreError> {
    tx.all(&OF_USER, &user.reference(), |row| open(row, user))
}

/// Returns an identifier of a user, if it exists.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn by_id(tx: &Tx<'_>, user: &UserHandle, id: Uuid) -> Result<Option<Identifier>, StoreError> {
    let [tenant, number] = user.reference();
    tx.one(&BY_ID, &[tenant, number, Value::Id(id)], |row| open(row, user))
}

/// Returns for each identifier the other users of the tenant with the same number. `user` is `None` in a dry run, for a
/// person who is not a user.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn list_sharing_users<'a>(
    tx: &Tx<'_>,
    tenant: &Tenant,
    user: Option<&UserHandle>,
    contents: impl IntoIterator<Item = &'a IdentifierContent>,
) -> Result<Vec<Vec<Uuid>>, StoreError> {
    contents.into_iter().map(|content| list_holders(tx, tenant, user, content)).collect()
}

/// Returns the other users with the number of an identifier. The blind index finds candidates, and the decrypted
/// identifiers confirm them.
fn list_holders(
    tx: &Tx<'_>,
    tenant: &Tenant,
    user: Option<&UserHandle>,
    content: &IdentifierContent,
) -> Result<Vec<Uuid>, StoreError> {
    let Some(term) = search::of_number(content) else { return Ok(Vec::new()) };
    let mut holders = search_index::find(tx, tenant, &term, MAX_HOLDERS)?;
    holders.retain(|other| user.is_none_or(|user| user.number != *other));
    let mut same = Vec::new();
    for other in holders {
        let other = users::find_numbered(tx, tenant, other)?;
        // A number of another country may be written alike, so that both have the same entry in the index.
        if of_user(tx, &other)?.iter().any(|one| one.content.is_same_number(content)) {
            same.push(other.id);
        }
    }
    same.sort_unstable();
    Ok(same)
}

/// Decrypts an identifier from its row.
fn open(row: &Row<'_>, user: &UserHandle) -> Result<Identifier, StoreError> {
    let id = row.id(0)?;
    let content = user.key.open_data(Aad::identifier(&id), row.bytes(3)?)?;
    Ok(Identifier { id, user_id: user.id, created_at: row.at(1)?, updated_at: row.at(2)?, content })
}
