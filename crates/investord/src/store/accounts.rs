//! Account groups and accounts: two tables of one form.

use uuid::Uuid;

use super::page::{self, Listed, Page, Pages, pages};
use super::seal::{Place, TenantKey, UserKey};
use super::tenants::Head;
use super::{Row, Stmt, StoreError, Tx, Value, outbox};
use crate::clock::Ids;
use crate::domain::account::{self, Custody, Group, Single};
use crate::domain::event::EventType;

pub const STATEMENTS: &[&Stmt] = &[
    &GROUPS.insert,
    &GROUPS.update,
    &GROUPS.last,
    &GROUPS.by_id,
    &GROUPS.of_user,
    &GROUPS.pages.created,
    &GROUPS.pages.created_backwards,
    &GROUPS.pages.updated,
    &GROUPS.pages.updated_backwards,
    &ACCOUNTS.insert,
    &ACCOUNTS.update,
    &ACCOUNTS.last,
    &ACCOUNTS.by_id,
    &ACCOUNTS.of_user,
    &ACCOUNTS.pages.created,
    &ACCOUNTS.pages.created_backwards,
    &ACCOUNTS.pages.updated,
    &ACCOUNTS.pages.updated_backwards,
];

/// The statements of a table.
pub struct Table {
    insert: Stmt,
    update: Stmt,
    /// The last number of a tenant: numbers are dense, so it is the count, too.
    last: Stmt,
    by_id: Stmt,
    of_user: Stmt,
    pages: Pages,
}

macro_rules! table {
    ($table:literal) => {
        Table {
            insert: Stmt {
                name: concat!($table, ".insert"),
                text: concat!(
                    "INSERT INTO ", $table, " (tenant, number, id, user_id, created_at, updated_at, status, sealed) ",
                    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
                ),
            },
            update: Stmt {
                name: concat!($table, ".update"),
                text: concat!(
                    "UPDATE ", $table, " SET updated_at = $1, status = $2, sealed = $3 WHERE tenant = $4 AND id = $5"
                ),
            },
            last: Stmt {
                name: concat!($table, ".last"),
                text: concat!("SELECT number FROM ", $table, " WHERE tenant = $1 ORDER BY number DESC LIMIT 1"),
            },
            by_id: Stmt {
                name: concat!($table, ".by_id"),
                text: concat!(
                    "SELECT t.id, t.user_id, t.created_at, t.updated_at, t.status, t.sealed, u.data_key FROM ", $table,
                    " AS t JOIN users AS u ON u.tenant = t.tenant AND u.id = t.user_id ",
                    "WHERE t.tenant = $1 AND t.id = $2"
                ),
            },
            of_user: Stmt {
                name: concat!($table, ".of_user"),
                text: concat!(
                    "SELECT id, user_id, created_at, updated_at, status, sealed FROM ", $table,
                    " WHERE tenant = $1 AND user_id = $2 ORDER BY number"
                ),
            },
            pages: pages!(
                $table,
                7,
                "t.id, t.user_id, t.created_at, t.updated_at, t.status, t.sealed, u.data_key",
                "JOIN users AS u ON u.tenant = t.tenant AND u.id = t.user_id"
            ),
        }
    };
}

const GROUPS: Table = table!("account_groups");
const ACCOUNTS: Table = table!("accounts");

/// Where something of this kind is kept.
pub trait Content: account::Content {
    const TABLE: &'static Table;

    fn place(id: &Uuid) -> Place<'_>;
}

impl Content for Group {
    const TABLE: &'static Table = &GROUPS;

    fn place(id: &Uuid) -> Place<'_> {
        Place::account_group(id)
    }
}

impl Content for Single {
    const TABLE: &'static Table = &ACCOUNTS;

    fn place(id: &Uuid) -> Place<'_> {
        Place::account(id)
    }
}

/// Writes a new one under the next number of its tenant, and tells.
pub fn enter<T: Content>(
    tx: &Tx<'_>,
    head: &mut Head,
    custody: &Custody<T>,
    events: &[EventType],
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let Custody { id, user_id, created_at, updated_at, status, content } = custody;
    let number = count(tx, T::TABLE, head.tenant)? + 1;
    let sealed = key.seal_data(T::place(id), content, ids);
    tx.execute_one(
        &T::TABLE.insert,
        &[
            Value::Int(head.tenant),
            Value::Int(number),
            Value::Id(*id),
            Value::Id(*user_id),
            Value::At(*created_at),
            Value::At(*updated_at),
            Value::Text(status.as_str()),
            Value::Bytes(&sealed),
        ],
    )?;
    let view = T::view(custody).to_string();
    events.iter().try_for_each(|event| outbox::publish(tx, head, *event, (*user_id, key), &view, ids))
}

fn count(tx: &Tx<'_>, table: &Table, tenant: i64) -> Result<i64, StoreError> {
    Ok(tx.one(&table.last, &[Value::Int(tenant)], |row| row.int(0))?.unwrap_or(0))
}

/// Keeps what one has become, and tells.
pub fn update<T: Content>(
    tx: &Tx<'_>,
    head: &mut Head,
    custody: &Custody<T>,
    event: EventType,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let Custody { id, user_id, updated_at, status, content, .. } = custody;
    let sealed = key.seal_data(T::place(id), content, ids);
    let values = [
        Value::At(*updated_at),
        Value::Text(status.as_str()),
        Value::Bytes(&sealed),
        Value::Int(head.tenant),
        Value::Id(*id),
    ];
    tx.execute_one(&T::TABLE.update, &values)?;
    outbox::publish(tx, head, event, (*user_id, key), &T::view(custody).to_string(), ids)
}

/// Opens whatever of a user has waited for them to become active: groups before the accounts in them.
pub(super) fn activate(
    tx: &Tx<'_>,
    head: &mut Head,
    subject: (Uuid, &UserKey),
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    activate_each::<Group>(tx, head, subject, ids)?;
    activate_each::<Single>(tx, head, subject, ids)
}

fn activate_each<T: Content>(
    tx: &Tx<'_>,
    head: &mut Head,
    (user, key): (Uuid, &UserKey),
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    of_user::<T>(tx, head.tenant, user, key)?.into_iter().try_for_each(|mut one| {
        match one.activate(head.now) {
            Some(event) => update(tx, head, &one, event, key, ids),
            None => Ok(()),
        }
    })
}

/// One of a tenant.
pub fn by_id<T: Content>(
    tx: &Tx<'_>,
    tenant: i64,
    id: Uuid,
    key: &TenantKey,
) -> Result<Option<Custody<T>>, StoreError> {
    tx.one(&T::TABLE.by_id, &[Value::Int(tenant), Value::Id(id)], |row| open_by(row, key))
}

/// All of a user, the oldest first.
pub fn of_user<T: Content>(
    tx: &Tx<'_>,
    tenant: i64,
    user: Uuid,
    key: &UserKey,
) -> Result<Vec<Custody<T>>, StoreError> {
    tx.all(&T::TABLE.of_user, &[Value::Int(tenant), Value::Id(user)], |row| open(row, key))
}

/// What of a user is not closed.
pub fn open_of<T: Content>(
    tx: &Tx<'_>,
    tenant: i64,
    user: Uuid,
    key: &UserKey,
) -> Result<Vec<Custody<T>>, StoreError> {
    let mut all = of_user(tx, tenant, user, key)?;
    all.retain(Custody::is_open);
    Ok(all)
}

/// A page of all of a tenant.
pub fn list<T: Content>(tx: &Tx<'_>, tenant: i64, page: Page, key: &TenantKey) -> Result<Listed, StoreError> {
    let total = count(tx, T::TABLE, tenant)?;
    page::list(tx, &T::TABLE.pages, tenant, page, total, |row, out| {
        out.push_str(&T::view(&open_by(row, key)?).to_string());
        Ok(())
    })
}

fn open_by<T: Content>(row: &Row<'_>, key: &TenantKey) -> Result<Custody<T>, StoreError> {
    open(row, &key.open_user_key(&row.id(1)?, row.bytes(6)?)?)
}

fn open<T: Content>(row: &Row<'_>, key: &UserKey) -> Result<Custody<T>, StoreError> {
    let id = row.id(0)?;
    Ok(Custody {
        id,
        user_id: row.id(1)?,
        created_at: row.at(2)?,
        updated_at: row.at(3)?,
        status: row.text(4)?.parse().map_err(StoreError::Damaged)?,
        content: key.open_data(T::place(&id), row.bytes(5)?)?,
    })
}
