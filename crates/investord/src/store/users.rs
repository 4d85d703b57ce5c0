//! Users.

use jiff::Timestamp;
use uuid::Uuid;

use super::page::{self, Listed, Page, Pages, pages};
use super::seal::{Place, TenantKey, UserKey};
use super::tenants::{Head, count_users};
use super::{Row, Stmt, StoreError, Tx, Value, accounts, identifiers, outbox, terms};
use crate::clock::Ids;
use crate::domain::event::EventType;
use crate::domain::identifier::Identifier;
use crate::domain::search;
use crate::domain::user::{Person, Registration, Status, User, UserView};

pub const STATEMENTS: &[&Stmt] = &[
    &INSERT,
    &BY_ID,
    &WHOLE,
    &NUMBERED,
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
const WHOLE: Stmt = Stmt {
    name: "users.whole",
    text: "SELECT id, created_at, updated_at, status, postal_follows_address, data_key, person, suspended FROM users
           WHERE tenant = $1 AND id = $2",
};
const NUMBERED: Stmt = Stmt {
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
const PAGES: Pages =
    pages!("users", 6, "t.id, t.created_at, t.updated_at, t.status, t.data_key, t.person", "");

/// Writes a new user with what comes with it: the CONCAT that the register has made, and the events. The user as the
/// wire shows it, and its key.
pub fn enter(
    tx: &Tx<'_>,
    head: &mut Head,
    registration: Registration,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<(String, UserKey), StoreError> {
    let Registration { user, concat, events } = registration;
    let view = UserView::from(&user).to_string();
    let user_key = insert(tx, head, &user, key, ids)?;
    terms::add(tx, (head.tenant, user.id), &search::of_person(&user.person), key)?;
    if let Some(content) = concat {
        let concat = Identifier::new(ids.uuid(), user.id, head.now, content);
        identifiers::insert(tx, head.tenant, &concat, &user_key, ids)?;
    }
    for event in events {
        outbox::publish(tx, head, event, (user.id, &user_key), &view, ids)?;
    }
    Ok((view, user_key))
}

/// Inserts a user under the next number of its tenant, sealed with a new key, which is returned.
fn insert(
    tx: &Tx<'_>,
    head: &mut Head,
    user: &User,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<UserKey, StoreError> {
    let (user_key, wrapped) = key.new_user_key(&user.id, ids);
    let person = user_key.seal(Place::person(&user.id), user.person.json.as_bytes(), ids);
    head.users += 1;
    tx.execute_one(
        &INSERT,
        &[
            Value::Int(head.tenant),
            Value::Int(head.users),
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

/// A user to be worked with, and the key of what is theirs.
pub fn load(
    tx: &Tx<'_>,
    tenant: i64,
    id: Uuid,
    key: &TenantKey,
) -> Result<Option<(User, UserKey)>, StoreError> {
    tx.one(&WHOLE, &[Value::Int(tenant), Value::Id(id)], |row| whole(row, key))
}

/// Keeps what a user has become.
pub fn update(tx: &Tx<'_>, tenant: i64, user: &User, key: &UserKey, ids: &dyn Ids) -> Result<(), StoreError> {
    let User { id, status, updated_at, person, .. } = user;
    let sealed = key.seal(Place::person(id), person.json.as_bytes(), ids);
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

/// Hands over the users of a tenant whose numbers are from one to another; each by itself, so that one who cannot be
/// read does not stand for all.
pub fn numbered(
    tx: &Tx<'_>,
    tenant: i64,
    (from, to): (i64, i64),
    key: &TenantKey,
    mut see: impl FnMut(Result<(User, UserKey), StoreError>),
) -> Result<(), StoreError> {
    tx.each(&NUMBERED, &[Value::Int(tenant), Value::Int(from), Value::Int(to)], |row| {
        see(whole(row, key));
        Ok(())
    })
}

fn whole(row: &Row<'_>, key: &TenantKey) -> Result<(User, UserKey), StoreError> {
    let id = row.id(0)?;
    let user_key = key.open_user_key(&id, row.bytes(5)?)?;
    let json = user_key.open(Place::person(&id), row.bytes(6)?)?;
    let person = Person::kept(&json, row.int(4)? != 0);
    let person = person.ok_or_else(|| StoreError::Damaged(format!("what is kept of user {id}")))?;
    let status: Status = row.text(3)?.parse().map_err(StoreError::Damaged)?;
    let (created_at, updated_at, suspended) = (row.at(1)?, row.at(2)?, row.int(7)? != 0);
    Ok((User { id, created_at, updated_at, status, suspended, person }, user_key))
}

/// Keeps a new status and the instant of its change, and tells it; what has waited for an active user is opened.
pub fn set_status(
    tx: &Tx<'_>,
    head: &mut Head,
    user: &User,
    key: &UserKey,
    event: EventType,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let User { id, status, updated_at, .. } = user;
    let values =
        [Value::Text(status.as_str()), Value::At(*updated_at), Value::Int(head.tenant), Value::Id(*id)];
    tx.execute_one(&STATUS, &values)?;
    outbox::publish(tx, head, event, (*id, key), &UserView::from(user).to_string(), ids)?;
    match status {
        Status::Active => accounts::activate(tx, head, (*id, key), ids),
        Status::Inactive | Status::Offboarding | Status::Offboarded => Ok(()),
    }
}

/// Keeps whether a user is held back by somebody.
pub fn set_suspended(tx: &Tx<'_>, tenant: i64, user: &User) -> Result<(), StoreError> {
    tx.execute_one(&SUSPEND, &[Value::Int(user.suspended.into()), Value::Int(tenant), Value::Id(user.id)])
}

/// The key of a user, if the tenant has one of this id.
pub fn find_key(
    tx: &Tx<'_>,
    tenant: i64,
    user: &Uuid,
    key: &TenantKey,
) -> Result<Option<UserKey>, StoreError> {
    let wrapped = tx.one(&KEY, &[Value::Int(tenant), Value::Id(*user)], |row| Ok(row.bytes(0)?.to_vec()))?;
    wrapped.map(|wrapped| key.open_user_key(user, &wrapped)).transpose()
}

/// The key of a user that must exist.
pub fn key(tx: &Tx<'_>, tenant: i64, user: &Uuid, key: &TenantKey) -> Result<UserKey, StoreError> {
    find_key(tx, tenant, user, key)?.ok_or_else(|| StoreError::Damaged(format!("user {user} is gone")))
}

/// A user as the wire shows it, if the tenant has one of this id.
pub fn view(tx: &Tx<'_>, tenant: i64, id: Uuid, key: &TenantKey) -> Result<Option<String>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant), Value::Id(id)], |row| {
        let mut text = String::new();
        write_view(row, key, &mut text)?;
        Ok(text)
    })
}

/// A page of a tenant's users.
pub fn list(tx: &Tx<'_>, tenant: i64, page: Page, key: &TenantKey) -> Result<Listed, StoreError> {
    let total = count_users(tx, tenant)?;
    page::list(tx, &PAGES, tenant, page, total, |row, out| write_view(row, key, out))
}

fn write_view(row: &Row<'_>, key: &TenantKey, out: &mut String) -> Result<(), StoreError> {
    use std::fmt::Write;
    let id = row.id(0)?;
    let person = key.open_user_key(&id, row.bytes(4)?)?.open(Place::person(&id), row.bytes(5)?)?;
    let (created_at, updated_at): (Timestamp, Timestamp) = (row.at(1)?, row.at(2)?);
    let status: Status = row.text(3)?.parse().map_err(StoreError::Damaged)?;
    let view = UserView { id, created_at, updated_at, status, person: &person };
    write!(out, "{view}").map_err(|error| StoreError::Damaged(error.to_string()))
}
