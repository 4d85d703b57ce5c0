//! Table `users`.

pub mod activation;
pub mod checks;
pub mod data_changes;
pub mod handle;
pub mod identifiers;
pub mod search_index;
pub mod simulated_outcomes;
pub mod tax_residencies;

use std::ops::RangeInclusive;

use jiff::Timestamp;
use uuid::Uuid;

use self::handle::UserHandle;
use super::accounts;
use super::encryption::{Aad, TenantKey};
use super::log::events;
use super::paging::{self, ListPage, Page, PageStatements, pages};
use super::unit::Unit;
use crate::domain::delivery::event::EventType;
use crate::domain::identification::identifier::Identifier;
use crate::domain::users::person::Person;
use crate::domain::users::search;
use crate::domain::users::{Registration, User, UserStatus, UserView};
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::tenants::Tenant;
use crate::store::tenants::sequence::count_users;

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] = &[
    &INSERT, &BY_ID, &LOAD, &LOAD_RANGE, &STATUS, &SUSPEND, &UPDATE, &HANDLE, &HANDLE_BY_NUMBER,
    &PAGES.created, &PAGES.created_backwards, &PAGES.updated, &PAGES.updated_backwards,
];

static INSERT: Insert = Insert::new(
    "users.insert",
    "users",
    &[
        "tenant", "number", "id", "status", "created_at", "updated_at", "postal_follows_address", "data_key",
        "person", "version",
    ],
);
const BY_ID: Stmt = Stmt {
    name: "users.by_id",
    text: "SELECT id, created_at, updated_at, status, data_key, person FROM users WHERE tenant = $1 AND id = $2",
};
const LOAD: Stmt = Stmt {
    name: "users.load",
    text: "SELECT number, id, created_at, updated_at, status, postal_follows_address, data_key, person, suspended
           FROM users WHERE tenant = $1 AND id = $2",
};
const LOAD_RANGE: Stmt = Stmt {
    name: "users.load_range",
    text: "SELECT number, id, created_at, updated_at, status, postal_follows_address, data_key, person, suspended
           FROM users WHERE tenant = $1 AND number BETWEEN $2 AND $3 ORDER BY number",
};
const STATUS: Stmt = Stmt {
    name: "users.status",
    text: "UPDATE users SET status = $1, version = version + 1, updated_at = $2 WHERE tenant = $3 AND number = $4",
};
const SUSPEND: Stmt = Stmt {
    name: "users.suspend",
    text: "UPDATE users SET suspended = $1, version = version + 1 WHERE tenant = $2 AND number = $3",
};
const UPDATE: Stmt = Stmt {
    name: "users.update",
    text: "UPDATE users SET status = $1, version = version + 1, updated_at = $2, postal_follows_address = $3,
                            person = $4
           WHERE tenant = $5 AND number = $6",
};
const HANDLE: Stmt = Stmt {
    name: "users.handle",
    text: "SELECT number, id, data_key FROM users WHERE tenant = $1 AND id = $2",
};
const HANDLE_BY_NUMBER: Stmt = Stmt {
    name: "users.handle_by_number",
    text: "SELECT number, id, data_key FROM users WHERE tenant = $1 AND number = $2",
};
const PAGES: PageStatements =
    pages!("users", 6, "t.id, t.created_at, t.updated_at, t.status, t.data_key, t.person", "");

/// Inserts a new user with its search terms and the CONCAT that the register has derived, and publishes the events.
/// Returns the handle of the user, and the view of the user for the response.
///
/// # Errors
///
/// Fails if the database fails, or the row exists already.
pub fn register(unit: &mut Unit<'_>, registration: Registration) -> Result<(UserHandle, String), StoreError> {
    let Registration { user, concat, events } = registration;
    let view = UserView::from(&user).to_string();
    let handle = insert(unit, &user)?;
    search_index::add(unit, &handle, &search::of_person(&user.person))?;
    if let Some(content) = concat {
        let concat = Identifier::new(unit.ids.uuid(), user.id, unit.now(), content);
        identifiers::insert(unit, &handle, &concat)?;
    }
    events.into_iter().try_for_each(|event| events::publish(unit, &handle, event, &view))?;
    Ok((handle, view))
}

/// Inserts a user under the next number of its tenant, encrypted with a new key, and returns the handle.
fn insert(unit: &mut Unit<'_>, user: &User) -> Result<UserHandle, StoreError> {
    let (key, wrapped) = unit.tenant.key.new_user_key(&user.id, unit.ids);
    let person = key.seal(Aad::person(&user.id), user.person.json.as_bytes(), unit.ids);
    let (tenant, number) = (unit.tenant.number, unit.next_user_number());
    unit.tx.insert(
        &INSERT,
        &[
            Value::Int(tenant.0),
            Value::Int(number),
            Value::Id(user.id),
            Value::Text(user.status.into_str()),
            Value::At(user.created_at),
            Value::At(user.updated_at),
            Value::Int(user.person.postal_follows_address.into()),
            Value::Bytes(&wrapped),
            Value::Bytes(&person),
            // The first version.
            Value::Int(1),
        ],
    )?;
    Ok(UserHandle { tenant, number, id: user.id, key })
}

/// Returns a user and the handle of the user, if the tenant has a user of this id.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn load(tx: &Tx<'_>, tenant: &Tenant, id: Uuid) -> Result<Option<(User, UserHandle)>, StoreError> {
    tx.one(&LOAD, &[Value::Int(tenant.number.0), Value::Id(id)], |row| read_user(row, tenant))
}

/// Returns the user with this number, who must exist.
///
/// # Errors
///
/// Fails if the database fails, the user does not exist, or stored data cannot be decrypted.
pub fn load_numbered(tx: &Tx<'_>, tenant: &Tenant, number: i64) -> Result<(User, UserHandle), StoreError> {
    let values = [Value::Int(tenant.number.0), Value::Int(number), Value::Int(number)];
    tx.one(&LOAD_RANGE, &values, |row| read_user(row, tenant))?.ok_or_else(|| missing(number))
}

/// Updates the status and the personal data of a user.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn update(unit: &Unit<'_>, handle: &UserHandle, user: &User) -> Result<(), StoreError> {
    let User { id, status, updated_at, person, .. } = user;
    let sealed = handle.key.seal(Aad::person(id), person.json.as_bytes(), unit.ids);
    let [tenant, number] = handle.reference();
    unit.tx.execute_one(
        &UPDATE,
        &[
            Value::Text(status.into_str()),
            Value::At(*updated_at),
            Value::Int(person.postal_follows_address.into()),
            Value::Bytes(&sealed),
            tenant,
            number,
        ],
    )
}

/// Calls `see` for the users of a tenant whose numbers are in the range. Each user is a result of its own, so that
/// corrupt data of one user does not end the iteration.
///
/// # Errors
///
/// Fails if the database fails.
pub fn each_numbered(
    tx: &Tx<'_>,
    tenant: &Tenant,
    numbers: RangeInclusive<i64>,
    mut see: impl FnMut(Result<(User, UserHandle), StoreError>),
) -> Result<(), StoreError> {
    let values = [Value::Int(tenant.number.0), Value::Int(*numbers.start()), Value::Int(*numbers.end())];
    tx.each(&LOAD_RANGE, &values, |row| {
        see(read_user(row, tenant));
        Ok(())
    })
}

/// Decrypts a user from its row.
fn read_user(row: &Row<'_>, tenant: &Tenant) -> Result<(User, UserHandle), StoreError> {
    let (number, id) = (row.int(0)?, row.id(1)?);
    let key = tenant.key.open_user_key(&id, row.bytes(6)?)?;
    let json = key.open(Aad::person(&id), row.bytes(7)?)?;
    let person = Person::from_stored(&json, row.int(5)? != 0);
    let person = person.ok_or_else(|| StoreError::Corrupt(format!("what is kept of user {id}")))?;
    let status: UserStatus = row.parsed(4)?;
    let (created_at, updated_at, suspended) = (row.at(2)?, row.at(3)?, row.int(8)? != 0);
    let handle = UserHandle { tenant: tenant.number, number, id, key };
    Ok((User { id, created_at, updated_at, status, suspended, person }, handle))
}

/// Updates the status of a user and the time of its change, and publishes the event. Activation also opens the accounts
/// and account groups that have waited for it.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist, or stored data cannot be decrypted.
pub fn set_status(
    unit: &mut Unit<'_>,
    handle: &UserHandle,
    user: &User,
    event: EventType,
) -> Result<(), StoreError> {
    let [tenant, number] = handle.reference();
    let values = [Value::Text(user.status.into_str()), Value::At(user.updated_at), tenant, number];
    unit.tx.execute_one(&STATUS, &values)?;
    events::publish(unit, handle, event, &UserView::from(user).to_string())?;
    match user.status {
        UserStatus::Active => accounts::activate(unit, handle),
        UserStatus::Inactive | UserStatus::Offboarding | UserStatus::Offboarded => Ok(()),
    }
}

/// Updates whether a user is suspended, by an operator or by a simulated delay.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn set_suspended(tx: &Tx<'_>, handle: &UserHandle, user: &User) -> Result<(), StoreError> {
    let [tenant, number] = handle.reference();
    tx.execute_one(&SUSPEND, &[Value::Int(user.suspended.into()), tenant, number])
}

/// Returns the handle of a user, if the tenant has a user of this id.
///
/// # Errors
///
/// Fails if the database fails, or the key of the user cannot be decrypted.
pub fn find(tx: &Tx<'_>, tenant: &Tenant, id: Uuid) -> Result<Option<UserHandle>, StoreError> {
    tx.one(&HANDLE, &[Value::Int(tenant.number.0), Value::Id(id)], |row| read_handle(row, tenant))
}

/// Returns the handle of the user with this number, who must exist.
///
/// # Errors
///
/// Fails if the database fails, the user does not exist, or the key of the user cannot be decrypted.
pub fn find_numbered(tx: &Tx<'_>, tenant: &Tenant, number: i64) -> Result<UserHandle, StoreError> {
    let values = [Value::Int(tenant.number.0), Value::Int(number)];
    tx.one(&HANDLE_BY_NUMBER, &values, |row| read_handle(row, tenant))?.ok_or_else(|| missing(number))
}

fn read_handle(row: &Row<'_>, tenant: &Tenant) -> Result<UserHandle, StoreError> {
    let (number, id) = (row.int(0)?, row.id(1)?);
    let key = tenant.key.open_user_key(&id, row.bytes(2)?)?;
    Ok(UserHandle { tenant: tenant.number, number, id, key })
}

/// Returns the error of a reference to a user who does not exist. That is damage, because no user is deleted (decision
/// U10).
fn missing(number: i64) -> StoreError {
    StoreError::Corrupt(format!("user number {number} is gone"))
}

/// Returns the JSON view of a user, if the tenant has a user of this id.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn view(tx: &Tx<'_>, tenant: &Tenant, id: Uuid) -> Result<Option<String>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant.number.0), Value::Id(id)], |row| {
        let mut text = String::new();
        write_view(row, &tenant.key, &mut text)?;
        Ok(text)
    })
}

/// Returns a page of the users of a tenant.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn list(tx: &Tx<'_>, tenant: &Tenant, page: Page) -> Result<ListPage, StoreError> {
    let total = count_users(tx, tenant.number)?;
    paging::list(tx, &PAGES, tenant.number, page, total, |row, out| write_view(row, &tenant.key, out))
}

/// Appends the JSON view of a user to a page. The stored JSON of the person is copied as it is, without being parsed.
fn write_view(row: &Row<'_>, key: &TenantKey, out: &mut String) -> Result<(), StoreError> {
    use std::fmt::Write;
    let id = row.id(0)?;
    let person = key.open_user_key(&id, row.bytes(4)?)?.open(Aad::person(&id), row.bytes(5)?)?;
    let (created_at, updated_at): (Timestamp, Timestamp) = (row.at(1)?, row.at(2)?);
    let status: UserStatus = row.parsed(3)?;
    let view = UserView { id, created_at, updated_at, status, person: &person };
    write!(out, "{view}").map_err(|error| StoreError::Corrupt(error.to_string()))
}
