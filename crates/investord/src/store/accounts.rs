//! Tables `account_groups` and `accounts`, which have one form.

use uuid::Uuid;

use super::encryption::{Aad, TenantKey, UserKey};
use super::log::events;
use super::paging::{self, ListPage, Page, PageStatements, pages};
use crate::clock::Ids;
use crate::domain::accounts;
use crate::domain::accounts::{AccountResource, GroupDetails, SingleAccountDetails};
use crate::domain::delivery::event::EventType;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Row, Stmt, Tx, Value};
use crate::store::tenants::sequence::Sequence;

/// Prepared statements on the two tables.
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

/// The prepared statements on one of the two tables.
pub struct AccountStatements {
    insert: Stmt,
    update: Stmt,
    /// Reads the last number of a tenant. Numbers are dense, so it is also the number of rows.
    last: Stmt,
    by_id: Stmt,
    of_user: Stmt,
    pages: PageStatements,
}

macro_rules! table {
    ($table:literal) => {
        AccountStatements {
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

const GROUPS: AccountStatements = table!("account_groups");
const ACCOUNTS: AccountStatements = table!("accounts");

/// A kind of account resource and its table.
pub trait StoredAccountResource: accounts::AccountDetails {
    /// The statements on the table of this kind.
    const TABLE: &'static AccountStatements;

    /// Returns the associated data that binds the ciphertext to its record.
    fn aad(id: &Uuid) -> Aad<'_>;
}

impl StoredAccountResource for GroupDetails {
    const TABLE: &'static AccountStatements = &GROUPS;

    fn aad(id: &Uuid) -> Aad<'_> {
        Aad::account_group(id)
    }
}

impl StoredAccountResource for SingleAccountDetails {
    const TABLE: &'static AccountStatements = &ACCOUNTS;

    fn aad(id: &Uuid) -> Aad<'_> {
        Aad::account(id)
    }
}

/// Inserts a new account resource under the next number of its tenant, and publishes its events.
///
/// # Errors
///
/// Fails if the database fails, or the row exists already.
pub fn insert_and_publish<T: StoredAccountResource>(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    resource: &AccountResource<T>,
    events: &[EventType],
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let AccountResource { id, user_id, created_at, updated_at, status, content } = resource;
    let number = count(tx, T::TABLE, sequence.tenant)? + 1;
    let sealed = key.seal_data(T::aad(id), content, ids);
    tx.execute_one(
        &T::TABLE.insert,
        &[
            Value::Int(sequence.tenant),
            Value::Int(number),
            Value::Id(*id),
            Value::Id(*user_id),
            Value::At(*created_at),
            Value::At(*updated_at),
            Value::Text(status.as_str()),
            Value::Bytes(&sealed),
        ],
    )?;
    let view = T::view(resource).to_string();
    events.iter().try_for_each(|event| events::publish(tx, sequence, *event, (*user_id, key), &view, ids))
}

/// Returns the number of rows of a tenant.
fn count(tx: &Tx<'_>, table: &AccountStatements, tenant: i64) -> Result<i64, StoreError> {
    Ok(tx.one(&table.last, &[Value::Int(tenant)], |row| row.int(0))?.unwrap_or(0))
}

/// Updates an account resource and publishes the event of the change.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn update<T: StoredAccountResource>(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    resource: &AccountResource<T>,
    event: EventType,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let AccountResource { id, user_id, updated_at, status, content, .. } = resource;
    let sealed = key.seal_data(T::aad(id), content, ids);
    let values = [
        Value::At(*updated_at),
        Value::Text(status.as_str()),
        Value::Bytes(&sealed),
        Value::Int(sequence.tenant),
        Value::Id(*id),
    ];
    tx.execute_one(&T::TABLE.update, &values)?;
    events::publish(tx, sequence, event, (*user_id, key), &T::view(resource).to_string(), ids)
}

/// Opens the account resources of a user that have waited for the activation of the user: groups before the accounts in
/// them.
pub(super) fn activate(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    subject: (Uuid, &UserKey),
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    activate_each::<GroupDetails>(tx, sequence, subject, ids)?;
    activate_each::<SingleAccountDetails>(tx, sequence, subject, ids)
}

fn activate_each<T: StoredAccountResource>(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    (user, key): (Uuid, &UserKey),
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    of_user::<T>(tx, sequence.tenant, user, key)?.into_iter().try_for_each(|mut one| {
        match one.activate(sequence.now) {
            Some(event) => update(tx, sequence, &one, event, key, ids),
            None => Ok(()),
        }
    })
}

/// Returns an account resource of a tenant, if it exists.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn by_id<T: StoredAccountResource>(
    tx: &Tx<'_>,
    tenant: i64,
    id: Uuid,
    key: &TenantKey,
) -> Result<Option<AccountResource<T>>, StoreError> {
    tx.one(&T::TABLE.by_id, &[Value::Int(tenant), Value::Id(id)], |row| open_by(row, key))
}

/// Returns all account resources of a user in order of creation.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn of_user<T: StoredAccountResource>(
    tx: &Tx<'_>,
    tenant: i64,
    user: Uuid,
    key: &UserKey,
) -> Result<Vec<AccountResource<T>>, StoreError> {
    tx.all(&T::TABLE.of_user, &[Value::Int(tenant), Value::Id(user)], |row| open(row, key))
}

/// Returns the account resources of a user that are not closed.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn open_of<T: StoredAccountResource>(
    tx: &Tx<'_>,
    tenant: i64,
    user: Uuid,
    key: &UserKey,
) -> Result<Vec<AccountResource<T>>, StoreError> {
    let mut all = of_user(tx, tenant, user, key)?;
    all.retain(AccountResource::is_open);
    Ok(all)
}

/// Returns a page of the account resources of a tenant.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn list<T: StoredAccountResource>(
    tx: &Tx<'_>,
    tenant: i64,
    page: Page,
    key: &TenantKey,
) -> Result<ListPage, StoreError> {
    let total = count(tx, T::TABLE, tenant)?;
    paging::list(tx, &T::TABLE.pages, tenant, page, total, |row, out| {
        out.push_str(&T::view(&open_by(row, key)?).to_string());
        Ok(())
    })
}

/// Decrypts an account resource from a row that includes the data key of its user.
fn open_by<T: StoredAccountResource>(
    row: &Row<'_>,
    key: &TenantKey,
) -> Result<AccountResource<T>, StoreError> {
    open(row, &key.open_user_key(&row.id(1)?, row.bytes(6)?)?)
}

/// Decrypts an account resource with the key of its user.
fn open<T: StoredAccountResource>(row: &Row<'_>, key: &UserKey) -> Result<AccountResource<T>, StoreError> {
    let id = row.id(0)?;
    Ok(AccountResource {
        id,
        user_id: row.id(1)?,
        created_at: row.at(2)?,
        updated_at: row.at(3)?,
        status: row.text(4)?.parse().map_err(StoreError::Corrupt)?,
        content: key.open_data(T::aad(&id), row.bytes(5)?)?,
    })
}
