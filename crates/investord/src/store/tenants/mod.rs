//! Table `tenants`.

pub mod clients;
pub mod invitations;
pub mod operator_sessions;
pub mod operators;
pub mod passkeys;
pub mod proposals;
pub mod register_settings;
pub mod reveals;
pub mod second_factors;
pub mod sequence;
pub mod sign_in_failures;
pub mod signature_counts;
pub mod tokens;

use jiff::Timestamp;

use super::encryption::{MasterKey, TenantKey};
use crate::domain::tenants::{TenantNumber, TenantSettings};
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::engine::unit::Owner;

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[
    &INSERT_TENANT, &UPDATE_SETTINGS, &UPDATE_TENANT_KEY, &SUSPEND, &TENANT_BY_NAME, &TENANT_BY_NUMBER,
    &ALL_TENANTS,
];

/// Returns the statements of this folder.
pub(super) fn statements() -> [&'static [&'static dyn Statement]; 14] {
    [
        STATEMENTS,
        clients::STATEMENTS,
        invitations::STATEMENTS,
        operator_sessions::STATEMENTS,
        operators::STATEMENTS,
        passkeys::STATEMENTS,
        proposals::STATEMENTS,
        register_settings::STATEMENTS,
        reveals::STATEMENTS,
        second_factors::STATEMENTS,
        sequence::STATEMENTS,
        sign_in_failures::STATEMENTS,
        signature_counts::STATEMENTS,
        tokens::STATEMENTS,
    ]
}

static INSERT_TENANT: Insert = Insert::new(
    "tenants.insert",
    "tenants",
    &["number", "name", "settings", "sealed_key", "master_key", "created_at"],
);
const UPDATE_SETTINGS: Stmt =
    Stmt { name: "tenants.settings", text: "UPDATE tenants SET settings = $1 WHERE number = $2" };
const UPDATE_TENANT_KEY: Stmt = Stmt {
    name: "tenants.rewrap",
    text: "UPDATE tenants SET sealed_key = $1, master_key = $2 WHERE number = $3",
};
const SUSPEND: Stmt =
    Stmt { name: "tenants.suspend", text: "UPDATE tenants SET suspended_at = $1 WHERE number = $2" };
const TENANT_BY_NAME: Stmt = Stmt {
    name: "tenants.by_name",
    text: "SELECT number, name, settings, sealed_key, master_key, created_at, suspended_at
           FROM tenants WHERE name = $1",
};
const TENANT_BY_NUMBER: Stmt = Stmt {
    name: "tenants.by_number",
    text: "SELECT number, name, settings, sealed_key, master_key, created_at, suspended_at
           FROM tenants WHERE number = $1",
};
const ALL_TENANTS: Stmt = Stmt {
    name: "tenants.all",
    text: "SELECT number, name, settings, sealed_key, master_key, created_at, suspended_at
           FROM tenants ORDER BY number",
};
/// A row of the table `tenants`.
pub struct TenantRow {
    pub number: TenantNumber,
    pub name: String,
    pub settings: TenantSettings,
    /// The tenant key, wrapped by the master key.
    pub sealed_key: Vec<u8>,
    /// Fingerprint of the master key that wraps `sealed_key`.
    pub master_key: String,
    pub created_at: Timestamp,
    /// Since then its clients are refused, and its operators read alone.
    pub suspended_at: Option<Timestamp>,
}

/// A tenant with its opened key.
pub struct Tenant {
    /// Primary key of the tenant.
    pub number: TenantNumber,
    /// Name of the tenant, as it appears in the log.
    pub name: String,
    pub settings: TenantSettings,
    /// Key that encrypts the data of the tenant.
    pub key: TenantKey,
    /// Whether its clients are refused.
    pub is_suspended: bool,
}

impl From<TenantNumber> for Owner {
    fn from(TenantNumber(number): TenantNumber) -> Self {
        number.into()
    }
}

impl TenantRow {
    /// Unwraps the key of the tenant.
    ///
    /// # Errors
    ///
    /// Fails if another master key wraps it.
    pub fn open(self, master_key: &MasterKey) -> Result<Tenant, StoreError> {
        let Self { number, name, settings, sealed_key, suspended_at, .. } = self;
        let key = master_key.open_tenant_key(number, &sealed_key)?;
        Ok(Tenant { number, name, settings, key, is_suspended: suspended_at.is_some() })
    }
}

fn tenant(row: &Row<'_>) -> Result<TenantRow, StoreError> {
    let settings =
        serde_json::from_str(row.text(2)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(TenantRow {
        number: TenantNumber(row.int(0)?),
        name: row.text(1)?.to_owned(),
        settings,
        sealed_key: row.bytes(3)?.to_vec(),
        master_key: row.text(4)?.to_owned(),
        created_at: row.at(5)?,
        suspended_at: row.at_or_null(6)?,
    })
}

fn json(settings: &TenantSettings) -> String {
    serde_json::to_string(settings).expect("settings are plain data")
}

/// Inserts a tenant together with its sequence row.
///
/// # Errors
///
/// Fails if the tenant exists or the database is unavailable.
pub fn insert(tx: &Tx<'_>, tenant: &TenantRow) -> Result<(), StoreError> {
    let TenantRow { number, name, settings, sealed_key, master_key, created_at, .. } = tenant;
    let settings = json(settings);
    tx.insert(
        &INSERT_TENANT,
        &[
            Value::Int(number.0),
            Value::Text(name),
            Value::Text(&settings),
            Value::Bytes(sealed_key),
            Value::Text(master_key),
            Value::At(*created_at),
        ],
    )?;
    sequence::insert(tx, *number)
}

/// Replaces the settings of a tenant.
///
/// # Errors
///
/// Fails if the tenant does not exist or the database is unavailable.
pub fn set_settings(tx: &Tx<'_>, number: TenantNumber, settings: &TenantSettings) -> Result<(), StoreError> {
    tx.execute_one(&UPDATE_SETTINGS, &[Value::Text(&json(settings)), Value::Int(number.0)])
}

/// Suspends a tenant since an instant, or resumes it.
///
/// # Errors
///
/// Fails if the tenant does not exist or the database is unavailable.
pub fn set_suspended(tx: &Tx<'_>, number: TenantNumber, since: Option<Timestamp>) -> Result<(), StoreError> {
    tx.execute_one(&SUSPEND, &[since.map_or(Value::Null, Value::At), Value::Int(number.0)])
}

/// Replaces the wrapped key of a tenant, after a rotation of the master key.
///
/// # Errors
///
/// Fails if the tenant does not exist or the database is unavailable.
pub fn set_key(
    tx: &Tx<'_>,
    number: TenantNumber,
    sealed_key: &[u8],
    master_key: &str,
) -> Result<(), StoreError> {
    tx.execute_one(
        &UPDATE_TENANT_KEY,
        &[Value::Bytes(sealed_key), Value::Text(master_key), Value::Int(number.0)],
    )
}

/// Reads a tenant, which must exist, and unwraps its key.
///
/// # Errors
///
/// Fails if there is no such tenant, another master key wraps its key, or the database is unavailable.
pub fn open(tx: &Tx<'_>, number: TenantNumber, master_key: &MasterKey) -> Result<Tenant, StoreError> {
    let row = by_number(tx, number)?;
    row.ok_or_else(|| StoreError::Corrupt(format!("tenant {number} is gone")))?.open(master_key)
}

/// Finds a tenant by name.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_name(tx: &Tx<'_>, name: &str) -> Result<Option<TenantRow>, StoreError> {
    tx.one(&TENANT_BY_NAME, &[Value::Text(name)], tenant)
}

/// Finds a tenant by number.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_number(tx: &Tx<'_>, number: TenantNumber) -> Result<Option<TenantRow>, StoreError> {
    tx.one(&TENANT_BY_NUMBER, &[Value::Int(number.0)], tenant)
}

/// Returns all tenants, ordered by number.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn all(tx: &Tx<'_>) -> Result<Vec<TenantRow>, StoreError> {
    tx.all(&ALL_TENANTS, &[], tenant)
}
