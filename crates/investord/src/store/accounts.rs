//! Tables `account_groups` and `accounts`, which have one form.

use uuid::Uuid;

use super::encryption::{Aad, UserKey};
use super::log::events;
use super::paging::{self, ListPage, Page, PageStatements, pages};
use super::unit::Unit;
use crate::domain::accounts;
use crate::domain::accounts::{AccountResource, GroupDetails, SingleAccountDetails};
use crate::domain::delivery::event::EventType;
use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::tenants::Tenant;
use crate::store::users::handle::UserHandle;

/// Prepared statements on the two tables.
pub static STATEMENTS: &[&dyn Statement] = &[
    &INSERT_GROUP,
    &INSERT_ACCOUNT,
    &LAST_IN_GROUP,
    &OPEN_IN_GROUP,
    &GROUPS.update,
    &GROUPS.last,
    &GROUPS.by_id,
    &GROUPS.of_user,
    &GROUPS.count,
    &GROUPS.pages.created,
    &GROUPS.pages.created_backwards,
    &GROUPS.pages.updated,
    &GROUPS.pages.updated_backwards,
    &ACCOUNTS.update,
    &ACCOUNTS.last,
    &ACCOUNTS.by_id,
    &ACCOUNTS.of_user,
    &ACCOUNTS.count,
    &ACCOUNTS.pages.created,
    &ACCOUNTS.pages.created_backwards,
    &ACCOUNTS.pages.updated,
    &ACCOUNTS.pages.updated_backwards,
];

static INSERT_GROUP: Insert = Insert::new(
    "account_groups.insert",
    "account_groups",
    &["tenant", "user_number", "number", "id", "created_at", "updated_at", "status", "sealed"],
);
static INSERT_ACCOUNT: Insert = Insert::new(
    "accounts.insert",
    "accounts",
    &[
        "tenant", "user_number", "number", "id", "created_at", "updated_at", "status", "sealed",
        "account_group", "number_in_group",
    ],
);
const LAST_IN_GROUP: Stmt = Stmt {
    name: "accounts.last_in_group",
    text: "SELECT number_in_group FROM accounts WHERE tenant = $1 AND account_group = $2
           ORDER BY number_in_group DESC LIMIT 1",
};
const OPEN_IN_GROUP: Stmt = Stmt {
    name: "accounts.open_in_group",
    text: "SELECT number FROM accounts WHERE tenant = $1 AND account_group = $2 AND status <> 'CLOSED' LIMIT 1",
};

/// The prepared statements that both tables have.
pub struct AccountStatements {
    update: Stmt,
    /// Reads the last number of a tenant. Numbers are dense, so it is also the number of rows.
    last: Stmt,
    by_id: Stmt,
    of_user: Stmt,
    count: Stmt,
    pages: PageStatements,
}

macro_rules! table {
    ($table:literal) => {
        AccountStatements {
            update: Stmt {
                name: concat!($table, ".update"),
                text: concat!(
                    "UPDATE ",
                    $table,
                    " SET updated_at = $1, status = $2, sealed = $3 WHERE tenant = $4 AND id = $5"
                ),
            },
            last: Stmt {
                name: concat!($table, ".last"),
                text: concat!(
                    "SELECT number FROM ",
                    $table,
                    " WHERE tenant = $1 ORDER BY number DESC LIMIT 1"
                ),
            },
            by_id: Stmt {
                name: concat!($table, ".by_id"),
                text: concat!(
                    "SELECT t.id, t.created_at, t.updated_at, t.status, t.sealed, u.id, u.data_key FROM ",
                    $table,
                    " AS t JOIN users AS u ON u.tenant = t.tenant AND u.number = t.user_number ",
                    "WHERE t.tenant = $1 AND t.id = $2"
                ),
            },
            of_user: Stmt {
                name: concat!($table, ".of_user"),
                text: concat!(
                    "SELECT id, created_at, updated_at, status, sealed FROM ",
                    $table,
                    " WHERE tenant = $1 AND user_number = $2 ORDER BY number"
                ),
            },
            count: Stmt {
                name: concat!($table, ".count_of_user"),
                text: concat!("SELECT count(*) FROM ", $table, " WHERE tenant = $1 AND user_number = $2"),
            },
            pages: pages!(
                $table,
                7,
                "t.id, t.created_at, t.updated_at, t.status, t.sealed, u.id, u.data_key",
                "JOIN users AS u ON u.tenant = t.tenant AND u.number = t.user_number"
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

    /// Inserts a row; `values` are those of the columns that both tables have.
    ///
    /// # Errors
    ///
    /// Fails if the database fails, or the row exists already.
    fn insert(&self, tx: &Tx<'_>, values: [Value<'_>; 8]) -> Result<(), StoreError>;
}

impl StoredAccountResource for GroupDetails {
    const TABLE: &'static AccountStatements = &GROUPS;

    fn aad(id: &Uuid) -> Aad<'_> {
        Aad::account_group(id)
    }

    fn insert(&self, tx: &Tx<'_>, values: [Value<'_>; 8]) -> Result<(), StoreError> {
        tx.insert(&INSERT_GROUP, &values)
    }
}

impl StoredAccountResource for SingleAccountDetails {
    const TABLE: &'static AccountStatements = &ACCOUNTS;

    fn aad(id: &Uuid) -> Aad<'_> {
        Aad::account(id)
    }

    fn insert(&self, tx: &Tx<'_>, values: [Value<'_>; 8]) -> Result<(), StoreError> {
        let [tenant, user, number, id, created_at, updated_at, status, sealed] = values;
        let (group, in_group) = (Value::Id(self.account_group_id), Value::Int(self.account_number));
        let values = [tenant, user, number, id, created_at, updated_at, status, sealed, group, in_group];
        tx.insert(&INSERT_ACCOUNT, &values)
    }
}

/// Inserts a new account resource under the next number of its tenant, and publishes its events.
///
/// # Errors
///
/// Fails if the database fails, or the row exists already.
pub fn insert_and_publish<T: StoredAccountResource>(
    unit: &mut Unit<'_>,
    user: &UserHandle,
    resource: &AccountResource<T>,
    events: &[EventType],
) -> Result<(), StoreError> {
    let AccountResource { id, created_at, updated_at, status, content, .. } = resource;
    let last = count(unit.tx, T::TABLE, unit.tenant.number)?;
    let sealed = user.key.seal_data(T::aad(id), content, unit.ids);
    let [tenant, user_number] = user.reference();
    let values = [
        tenant,
        user_number,
        Value::Int(last + 1),
        Value::Id(*id),
        Value::At(*created_at),
        Value::At(*updated_at),
        Value::Text(status.into_str()),
        Value::Bytes(&sealed),
    ];
    content.insert(unit.tx, values)?;
    let view = T::view(resource).to_string();
    events.iter().try_for_each(|event| events::publish(unit, user, *event, &view))
}

/// Returns the number of rows of a tenant.
fn count(tx: &Tx<'_>, table: &AccountStatements, tenant: TenantNumber) -> Result<i64, StoreError> {
    Ok(tx.one(&table.last, &[Value::Int(tenant.0)], |row| row.int(0))?.unwrap_or(0))
}

/// Returns the next serial number of an account in a group. Accounts are never removed.
///
/// # Errors
///
/// Fails if the database fails.
pub fn next_number_in(tx: &Tx<'_>, tenant: TenantNumber, group: Uuid) -> Result<i64, StoreError> {
    let last = tx.one(&LAST_IN_GROUP, &[Value::Int(tenant.0), Value::Id(group)], |row| row.int(0))?;
    Ok(last.unwrap_or(0) + 1)
}

/// Returns whether an account of a group is not closed.
///
/// # Errors
///
/// Fails if the database fails.
pub fn has_open_account(tx: &Tx<'_>, tenant: TenantNumber, group: Uuid) -> Result<bool, StoreError> {
    Ok(tx.one(&OPEN_IN_GROUP, &[Value::Int(tenant.0), Value::Id(group)], |_| Ok(()))?.is_some())
}

/// Updates an account resource and publishes the event of the change.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn update<T: StoredAccountResource>(
    unit: &mut Unit<'_>,
    user: &UserHandle,
    resource: &AccountResource<T>,
    event: EventType,
) -> Result<(), StoreError> {
    let AccountResource { id, updated_at, status, content, .. } = resource;
    let sealed = user.key.seal_data(T::aad(id), content, unit.ids);
    let values = [
        Value::At(*updated_at),
        Value::Text(status.into_str()),
        Value::Bytes(&sealed),
        Value::Int(unit.tenant.number.0),
        Value::Id(*id),
    ];
    unit.tx.execute_one(&T::TABLE.update, &values)?;
    events::publish(unit, user, event, &T::view(resource).to_string())
}

/// Opens the account resources of a user that have waited for the activation of the user: groups before the accounts in
/// them.
pub(super) fn activate(unit: &mut Unit<'_>, user: &UserHandle) -> Result<(), StoreError> {
    activate_each::<GroupDetails>(unit, user)?;
    activate_each::<SingleAccountDetails>(unit, user)
}

fn activate_each<T: StoredAccountResource>(unit: &mut Unit<'_>, user: &UserHandle) -> Result<(), StoreError> {
    of_user::<T>(unit.tx, user)?.into_iter().try_for_each(|mut one| match one.activate(unit.now()) {
        Some(event) => update(unit, user, &one, event),
        None => Ok(()),
    })
}

/// Returns an account resource of a tenant, if it exists.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn by_id<T: StoredAccountResource>(
    tx: &Tx<'_>,
    tenant: &Tenant,
    id: Uuid,
) -> Result<Option<AccountResource<T>>, StoreError> {
    tx.one(&T::TABLE.by_id, &[Value::Int(tenant.number.0), Value::Id(id)], |row| open_joined(row, tenant))
}

/// Returns all account resources of a user in order of creation.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn of_user<T: StoredAccountResource>(
    tx: &Tx<'_>,
    user: &UserHandle,
) -> Result<Vec<AccountResource<T>>, StoreError> {
    tx.all(&T::TABLE.of_user, &user.reference(), |row| open(row, user.id, &user.key))
}

/// Returns the number of account resources of a user, closed ones among them.
///
/// # Errors
///
/// Fails if the database fails.
pub fn count_of_user<T: StoredAccountResource>(tx: &Tx<'_>, user: &UserHandle) -> Result<usize, StoreError> {
    let count = tx.one(&T::TABLE.count, &user.reference(), |row| row.int(0))?;
    Ok(usize::try_from(count.unwrap_or_default()).unwrap_or(usize::MAX))
}

/// Returns the account resources of a user that are not closed.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn open_of<T: StoredAccountResource>(
    tx: &Tx<'_>,
    user: &UserHandle,
) -> Result<Vec<AccountResource<T>>, StoreError> {
    let mut all = of_user(tx, user)?;
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
    tenant: &Tenant,
    page: Page,
) -> Result<ListPage, StoreError> {
    let total = count(tx, T::TABLE, tenant.number)?;
    paging::list(tx, &T::TABLE.pages, tenant.number, page, total, |row, out| {
        out.push_str(&T::view(&open_joined(row, tenant)?).to_string());
        Ok(())
    })
}

/// Decrypts an account resource from a row that includes the id and the data key of its user.
fn open_joined<T: StoredAccountResource>(
    row: &Row<'_>,
    tenant: &Tenant,
) -> Result<AccountResource<T>, StoreError> {
    let user = row.id(5)?;
    open(row, user, &tenant.key.open_user_key(&user, row.bytes(6)?)?)
}

/// Decrypts an account resource with the key of its user.
fn open<T: StoredAccountResource>(
    row: &Row<'_>,
    user_id: Uuid,
    key: &UserKey,
) -> Result<AccountResource<T>, StoreError> {
    let id = row.id(0)?;
    Ok(AccountResource {
        id,
        user_id,
        created_at: row.at(1)?,
        updated_at: row.at(2)?,
        status: row.parsed(3)?,
        content: key.open_data(T::aad(&id), row.bytes(4)?)?,
    })
}
