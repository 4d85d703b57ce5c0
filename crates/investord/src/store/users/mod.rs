//! Table `users`.

pub mod activation;
pub mod checks;
pub mod data_changes;
pub mod identifiers;
pub mod search_index;
pub mod simulated_outcomes;
pub mod tax_residencies;

use jiff::Timestamp;
use uuid::Uuid;

use super::accounts;
use super::encryption::{Aad, TenantKey, UserKey};
use super::log::events;
use super::paging::{self, ListPage, Page, PageStatements, pages};
use crate::clock::Ids;
use crate::domain::delivery::event::EventType;
use crate::domain::identification::identifier::Identifier;
use crate::domain::users::person::Person;
use crate::domain::users::search;
use crate::domain::users::{Registration, User, UserStatus, UserView};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Row, Stmt, Tx, Value};
use crate::store::tenants::sequence::{Sequence, count_users};

/// Prepared statements on the table of this module.
pub const STATEMENTS: &[&Stmt] = &[
    &INSERT,
    &BY_ID,
    &LOAD,
    &BY_NUMBER_RANGE,
    &STATUS,
    &SUSPEND,
    &UPDATE,
    &KEY,
    &PAGES.created,
    &PAGES.created_backwards,
    &PAGES.updated,
    &PAGES.updated_backwards,
];

const INSERT: Stmt = Stmt {
    name: "users.insert",
    text: "INSERT INTO users (tenant, number, id, status, version, created_at, updated_at,
                              postal_follows_address, data_key, person)
           VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9)",
};
const BY_ID: Stmt = Stmt {
    name: "users.by_id",
    text: "SELECT id, created_at, updated_at, status, data_key, person FROM users WHERE tenant = $1 AND id = $2",
};
const LOAD: Stmt = Stmt {
    name: "users.load",
    text: "SELECT id, created_at, updated_at, status, postal_follows_address, data_key, person, suspended FROM users
           WHERE tenant = $1 AND id = $2",
};
const BY_NUMBER_RANGE: Stmt = Stmt {
    name: "users.numbered",
    text: "SELECT id, created_at, updated_at, status, postal_follows_address, data_key, person, suspended FROM users
           WHERE tenant = $1 AND number BETWEEN $2 AND $3 ORDER BY number",
};
const STATUS: Stmt = Stmt {
    name: "users.status",
    text: "UPDATE users SET status = $1, version = version + 1, updated_at = $2 WHERE tenant = $3 AND id = $4",
};
const SUSPEND: Stmt = Stmt {
    name: "users.suspend",
    text: "UPDATE users SET suspended = $1, version = version + 1 WHERE tenant = $2 AND id = $3",
};
const UPDATE: Stmt = Stmt {
    name: "users.update",
    text: "UPDATE users SET status = $1, version = version + 1, updated_at = $2, postal_follows_address = $3, person = $4
           WHERE tenant = $5 AND id = $6",
};
const KEY: Stmt =
    Stmt { name: "users.key", text: "SELECT data_key FROM users WHERE tenant = $1 AND id = $2" };
const PAGES: PageStatements =
    pages!("users", 6, "t.id, t.created_at, t.updated_at, t.status, t.data_key, t.person", "");

/// Inserts a new user with its search terms and the CONCAT that the register has derived, and publishes the events.
/// Returns the view of the user for the response, and the key of the user.
///
/// # Errors
///
/// Fails if the database fails, or the row exists already.
pub fn register(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    registration: Registration,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<(String, UserKey), StoreError> {
    let Registration { user, concat, events } = registration;
    let view = UserView::from(&user).to_string();
    let user_key = insert(tx, sequence, &user, key, ids)?;
    search_index::add(tx, (sequence.tenant, user.id), &search::of_person(&user.person), key)?;
    if let Some(content) = concat {
        let concat = Identifier::new(ids.uuid(), user.id, sequence.now, content);
        identifiers::insert(tx, sequence.tenant, &concat, &user_key, ids)?;
    }
    for event in events {
        events::publish(tx, sequence, event, (user.id, &user_key), &view, ids)?;
    }
    Ok((view, user_key))
}

/// Inserts a user under the next number of its tenant, encrypted with a new key, and returns the key.
fn insert(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    user: &User,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<UserKey, StoreError> {
    let (user_key, wrapped) = key.new_user_key(&user.id, ids);
    let person = user_key.seal(Aad::person(&user.id), user.person.json.as_bytes(), ids);
    sequence.users += 1;
    tx.execute_one(
        &INSERT,
        &[
            Value::Int(sequence.tenant),
            Value::Int(sequence.users),
            Value::Id(user.id),
            Value::Text(user.status.as_str()),
            Value::At(user.created_at),
            Value::At(user.updated_at),
            Value::Int(user.person.postal_follows_address.into()),
            Value::Bytes(&wrapped),
            Value::Bytes(&person),
        ],
    )?;
    Ok(user_key)
}

/// Returns a user and the key that encrypts the data of the user, if the tenant has a user of this id.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn load(
    tx: &Tx<'_>,
    tenant: i64,
    id: Uuid,
    key: &TenantKey,
) -> Result<Option<(User, UserKey)>, StoreError> {
    tx.one(&LOAD, &[Value::Int(tenant), Value::Id(id)], |row| read_user(row, key))
}

/// Updates the status and the personal data of a user.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn update(tx: &Tx<'_>, tenant: i64, user: &User, key: &UserKey, ids: &dyn Ids) -> Result<(), StoreError> {
    let User { id, status, updated_at, person, .. } = user;
    let sealed = key.seal(Aad::person(id), person.json.as_bytes(), ids);
    tx.execute_one(
        &UPDATE,
        &[
            Value::Text(status.as_str()),
            Value::At(*updated_at),
            Value::Int(person.postal_follows_address.into()),
            Value::Bytes(&sealed),
            Value::Int(tenant),
            Value::Id(*id),
        ],
    )
}

/// Calls `see` for the users of a tenant whose numbers are in the inclusive range. Each user is a result of its own, so
/// that corrupt data of one user does not end the iteration.
///
/// # Errors
///
/// Fails if the database fails.
pub fn each_numbered(
    tx: &Tx<'_>,
    tenant: i64,
    (from, to): (i64, i64),
    key: &TenantKey,
    mut see: impl FnMut(Result<(User, UserKey), StoreError>),
) -> Result<(), StoreError> {
    tx.each(&BY_NUMBER_RANGE, &[Value::Int(tenant), Value::Int(from), Value::Int(to)], |row| {
        see(read_user(row, key));
        Ok(())
    })
}

/// Decrypts a user from its row.
fn read_user(row: &Row<'_>, key: &TenantKey) -> Result<(User, UserKey), StoreError> {
    let id = row.id(0)?;
    let user_key = key.open_user_key(&id, row.bytes(5)?)?;
    let json = user_key.open(Aad::person(&id), row.bytes(6)?)?;
    let person = Person::from_stored(&json, row.int(4)? != 0);
    let person = person.ok_or_else(|| StoreError::Corrupt(format!("what is kept of user {id}")))?;
    let status: UserStatus = row.text(3)?.parse().map_err(StoreError::Corrupt)?;
    let (created_at, updated_at, suspended) = (row.at(1)?, row.at(2)?, row.int(7)? != 0);
    Ok((User { id, created_at, updated_at, status, suspended, person }, user_key))
}

/// Updates the status of a user and the time of its change, and publishes the event. Activation also opens the accounts
/// and account groups that have waited for it.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist, or stored data cannot be decrypted.
pub fn set_status(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    user: &User,
    key: &UserKey,
    event: EventType,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let User { id, status, updated_at, .. } = user;
    let values =
        [Value::Text(status.as_str()), Value::At(*updated_at), Value::Int(sequence.tenant), Value::Id(*id)];
    tx.execute_one(&STATUS, &values)?;
    events::publish(tx, sequence, event, (*id, key), &UserView::from(user).to_string(), ids)?;
    match status {
        UserStatus::Active => accounts::activate(tx, sequence, (*id, key), ids),
        UserStatus::Inactive | UserStatus::Offboarding | UserStatus::Offboarded => Ok(()),
    }
}

/// Updates whether a user is suspended, by an operator or by a simulated delay.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn set_suspended(tx: &Tx<'_>, tenant: i64, user: &User) -> Result<(), StoreError> {
    tx.execute_one(&SUSPEND, &[Value::Int(user.suspended.into()), Value::Int(tenant), Value::Id(user.id)])
}

/// Returns the key of a user, if the tenant has a user of this id.
///
/// # Errors
///
/// Fails if the database fails, or the key cannot be decrypted.
pub fn find_key(
    tx: &Tx<'_>,
    tenant: i64,
    user: &Uuid,
    key: &TenantKey,
) -> Result<Option<UserKey>, StoreError> {
    let wrapped = tx.one(&KEY, &[Value::Int(tenant), Value::Id(*user)], |row| Ok(row.bytes(0)?.to_vec()))?;
    wrapped.map(|wrapped| key.open_user_key(user, &wrapped)).transpose()
}

/// Returns the key of a user that must exist.
///
/// # Errors
///
/// Fails if the database fails, the user does not exist, or the key cannot be decrypted.
pub fn key(tx: &Tx<'_>, tenant: i64, user: &Uuid, key: &TenantKey) -> Result<UserKey, StoreError> {
    find_key(tx, tenant, user, key)?.ok_or_else(|| StoreError::Corrupt(format!("user {user} is gone")))
}

/// Returns the JSON view of a user, if the tenant has a user of this id.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn view(tx: &Tx<'_>, tenant: i64, id: Uuid, key: &TenantKey) -> Result<Option<String>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant), Value::Id(id)], |row| {
        let mut text = String::new();
        write_view(row, key, &mut text)?;
        Ok(text)
    })
}

/// Returns a page of the users of a tenant.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn list(tx: &Tx<'_>, tenant: i64, page: Page, key: &TenantKey) -> Result<ListPage, StoreError> {
    let total = count_users(tx, tenant)?;
    paging::list(tx, &PAGES, tenant, page, total, |row, out| write_view(row, key, out))
}

/// Appends the JSON view of a user to a page. The stored JSON of the person is copied as it is, without being parsed.
fn write_view(row: &Row<'_>, key: &TenantKey, out: &mut String) -> Result<(), StoreError> {
    use std::fmt::Write;
    let id = row.id(0)?;
    let person = key.open_user_key(&id, row.bytes(4)?)?.open(Aad::person(&id), row.bytes(5)?)?;
    let (created_at, updated_at): (Timestamp, Timestamp) = (row.at(1)?, row.at(2)?);
    let status: UserStatus = row.text(3)?.parse().map_err(StoreError::Corrupt)?;
    let view = UserView { id, created_at, updated_at, status, person: &person };
    write!(out, "{view}").map_err(|error| StoreError::Corrupt(error.to_string()))
}
