//! Table `operators`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};
use uuid::Uuid;

use crate::domain::suggest::did_you_mean;
use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &BY_NAME, &ALL, &DISABLE, &SET_PASSWORD];

static INSERT: Insert =
    Insert::new("operators.insert", "operators", &["id", "name", "role", "tenant", "password", "created_at"]);
const BY_NAME: Stmt = Stmt {
    name: "operators.by_name",
    text: "SELECT o.id, o.name, o.role, o.tenant, t.name, o.password, o.created_at, o.disabled_at
           FROM operators AS o LEFT JOIN tenants AS t ON t.number = o.tenant WHERE o.name = $1",
};
const ALL: Stmt = Stmt {
    name: "operators.all",
    text: "SELECT o.id, o.name, o.role, o.tenant, t.name, o.password, o.created_at, o.disabled_at
           FROM operators AS o LEFT JOIN tenants AS t ON t.number = o.tenant ORDER BY o.name",
};
const DISABLE: Stmt = Stmt {
    name: "operators.disable",
    text: "UPDATE operators SET disabled_at = $1 WHERE id = $2 AND disabled_at IS NULL",
};
const SET_PASSWORD: Stmt =
    Stmt { name: "operators.set_password", text: "UPDATE operators SET password = $1 WHERE id = $2" };

/// The role of an operator. Each role includes the rights of the roles before it, as its order expresses.
///
/// The names are those in the database and on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(EnumString, IntoStaticStr, VariantNames)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", const_into_str, parse_err_ty = String, parse_err_fn = unknown_role)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Acts in the back office: on users, simulated outcomes and webhooks.
    Operator,
    /// Creates and disables operators.
    Administrator,
}

/// Returns the message about a name that is no role.
fn unknown_role(text: &str) -> String {
    let names = Role::VARIANTS;
    format!("must be one of {}{}", names.join(", "), did_you_mean(text, names.iter().copied()))
}

/// An operator of the back office, and the tenant to which they are restricted.
#[derive(Clone)]
pub struct Operator {
    pub id: Uuid,
    pub name: String,
    pub role: Role,
    /// The only tenant whose users the operator sees; without one the operator sees all tenants.
    pub tenant: Option<TenantNumber>,
    /// Name of that tenant.
    pub tenant_name: Option<String>,
    /// Argon2id hash of the password (RFC 9106), as a PHC string.
    pub password: Option<String>,
    pub created_at: Timestamp,
    pub disabled_at: Option<Timestamp>,
}

/// Number of the columns that [`read`] reads.
pub(super) const COLUMNS: usize = 8;

/// Reads an operator from the first columns of a row.
pub(super) fn read(row: &Row<'_>) -> Result<Operator, StoreError> {
    Ok(Operator {
        id: row.id(0)?,
        name: row.text(1)?.to_owned(),
        role: row.parsed(2)?,
        tenant: row.int_or_null(3)?.map(TenantNumber),
        tenant_name: row.text_or_null(4)?.map(str::to_owned),
        password: row.text_or_null(5)?.map(str::to_owned),
        created_at: row.at(6)?,
        disabled_at: row.at_or_null(7)?,
    })
}

/// Inserts an operator.
///
/// # Errors
///
/// Fails if the name is taken or the database is unavailable.
pub fn insert(tx: &Tx<'_>, new: &Operator) -> Result<(), StoreError> {
    let Operator { id, name, role, tenant, password, created_at, .. } = new;
    tx.insert(
        &INSERT,
        &[
            Value::Id(*id),
            Value::Text(name),
            Value::Text(role.into_str()),
            tenant.map_or(Value::Null, |tenant| Value::Int(tenant.0)),
            password.as_deref().map_or(Value::Null, Value::Text),
            Value::At(*created_at),
        ],
    )
}

/// Finds an operator by name, disabled or not.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_name(tx: &Tx<'_>, name: &str) -> Result<Option<Operator>, StoreError> {
    tx.one(&BY_NAME, &[Value::Text(name)], read)
}

/// Returns all operators, ordered by name.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn all(tx: &Tx<'_>) -> Result<Vec<Operator>, StoreError> {
    tx.all(&ALL, &[], read)
}

/// Disables an operator and returns whether the operator was enabled. From then on no session or token counts.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn disable(tx: &Tx<'_>, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&DISABLE, &[Value::At(now), Value::Id(id)])? == 1)
}

/// Sets the password of an operator, by its hash.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn set_password(tx: &Tx<'_>, id: Uuid, hash: &str) -> Result<(), StoreError> {
    tx.execute_one(&SET_PASSWORD, &[Value::Text(hash), Value::Id(id)])
}
