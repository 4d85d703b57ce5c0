//! Tables `operators`, `operator_grants` and `roles`: who may do what.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::permissions::{Grant, Grants, Permissions, of_new_register};
use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

/// The statements of this file, which a test and `investord doctor` prepare.
pub static STATEMENTS: &[&dyn Statement] = &[
    &INSERT, &BY_NAME, &BY_PROVIDER_SUBJECT, &ALL, &DISABLE, &ENABLE, &SET_PASSWORD, &USED, &INVITED,
    &REVIEWED, &REVIEWS_DUE, &GIVEN_TO, &INSERT_GRANT, &DELETE_GRANTS, &GRANTS_OF, &ROLES, &SET_ROLE,
];

static INSERT: Insert = Insert::new(
    "operators.insert",
    "operators",
    &["id", "name", "password", "created_at", "created_by", "used_at", "disabled_at", "provider_subject"],
);
const BY_NAME: Stmt = Stmt {
    name: "operators.by_name",
    text: "SELECT id, name, password, created_at, created_by, used_at, disabled_at, reviewed_at,
                  invited_at, invited_by, invitation_confirmed_by, provider_subject
           FROM operators
           WHERE name = $1",
};
const BY_PROVIDER_SUBJECT: Stmt = Stmt {
    name: "operators.by_provider_subject",
    text: "SELECT id, name, password, created_at, created_by, used_at, disabled_at, reviewed_at,
                  invited_at, invited_by, invitation_confirmed_by, provider_subject
           FROM operators
           WHERE provider_subject = $1",
};
const ALL: Stmt = Stmt {
    name: "operators.all",
    text: "SELECT id, name, password, created_at, created_by, used_at, disabled_at, reviewed_at,
                  invited_at, invited_by, invitation_confirmed_by, provider_subject
           FROM operators
           ORDER BY name",
};
const DISABLE: Stmt = Stmt {
    name: "operators.disable",
    text: "UPDATE operators SET disabled_at = $1 WHERE id = $2 AND disabled_at IS NULL",
};
const ENABLE: Stmt =
    Stmt { name: "operators.enable", text: "UPDATE operators SET disabled_at = NULL WHERE id = $1" };
const SET_PASSWORD: Stmt =
    Stmt { name: "operators.set_password", text: "UPDATE operators SET password = $1 WHERE id = $2" };
const USED: Stmt = Stmt { name: "operators.used", text: "UPDATE operators SET used_at = $1 WHERE id = $2" };
const INVITED: Stmt = Stmt {
    name: "operators.invited",
    text: "UPDATE operators SET invited_at = $1, invited_by = $2, invitation_confirmed_by = $3 WHERE id = $4",
};
const REVIEWED: Stmt =
    Stmt { name: "operators.reviewed", text: "UPDATE operators SET reviewed_at = $1 WHERE id = $2" };
const REVIEWS_DUE: Stmt = Stmt {
    name: "operators.reviews_due",
    text: "SELECT count(*) FROM operators
           WHERE disabled_at IS NULL AND coalesce(reviewed_at, created_at) <= $1",
};
const GIVEN_TO: Stmt = Stmt {
    name: "operator_grants.given_to",
    text: "SELECT g.role, t.name, g.granted_at, o.name
           FROM operator_grants AS g LEFT JOIN tenants AS t ON t.number = g.tenant
           LEFT JOIN operators AS o ON o.id = g.granted_by
           WHERE g.operator = $1 ORDER BY g.role, g.tenant",
};
static INSERT_GRANT: Insert = Insert::new(
    "operator_grants.insert",
    "operator_grants",
    &["operator", "role", "tenant", "granted_at", "granted_by"],
);
const DELETE_GRANTS: Stmt =
    Stmt { name: "operator_grants.delete", text: "DELETE FROM operator_grants WHERE operator = $1" };
const GRANTS_OF: Stmt = Stmt {
    name: "operator_grants.of_operator",
    text: "SELECT g.role, g.tenant, t.name, r.permissions
           FROM operator_grants AS g LEFT JOIN tenants AS t ON t.number = g.tenant
           LEFT JOIN roles AS r ON r.name = g.role
           WHERE g.operator = $1 ORDER BY g.role, g.tenant",
};
const ROLES: Stmt = Stmt { name: "roles.all", text: "SELECT name, permissions FROM roles ORDER BY name" };
const SET_ROLE: Stmt = Stmt {
    name: "roles.set",
    text: "INSERT INTO roles (name, permissions) VALUES ($1, $2)
           ON CONFLICT (name) DO UPDATE SET permissions = excluded.permissions",
};

/// The number that stands for all tenants in a grant; no tenant has it.
const ALL_TENANTS: i64 = 0;

/// An operator: the account of a person, or of a script that has tokens alone.
#[derive(Clone, Debug)]
pub struct Operator {
    pub id: Uuid,
    pub name: String,
    pub grants: Grants,
    /// Argon2id hash of the password (RFC 9106), as a PHC string; none until an invitation is accepted.
    pub password: Option<String>,
    pub created_at: Timestamp,
    /// The operator who created this one; `None` for a command on the machine.
    pub created_by: Option<Uuid>,
    /// The last use of a session or token, to the minute.
    pub used_at: Option<Timestamp>,
    pub disabled_at: Option<Timestamp>,
    /// The last review of what the operator may do.
    pub reviewed_at: Option<Timestamp>,
    /// The last invitation by operators; `None` if a command on the machine has invited the operator.
    pub invited: Option<Invited>,
    /// Issuer and subject of who signs in at the identity provider, separated by a blank.
    pub provider_subject: Option<String>,
}

/// How operators have invited another one.
#[derive(Clone, Copy, Debug)]
pub struct Invited {
    pub at: Timestamp,
    /// Who asked for it.
    pub by: Uuid,
    /// The second person, if it took two.
    pub confirmed_by: Option<Uuid>,
}

impl Operator {
    /// Returns an operator who has not been signed in.
    pub fn new(id: Uuid, name: String, grants: Grants, now: Timestamp) -> Self {
        Self {
            id,
            name,
            grants,
            password: None,
            created_at: now,
            created_by: None,
            used_at: None,
            disabled_at: None,
            reviewed_at: None,
            invited: None,
            provider_subject: None,
        }
    }
}

/// Number of the columns that [`read`] reads.
pub(super) const COLUMNS: usize = 12;

/// Reads an operator without grants from the first columns of a row.
pub(super) fn read(row: &Row<'_>) -> Result<Operator, StoreError> {
    let confirmed_by = row.id_or_null(10)?;
    let invited = row.at_or_null(8)?.zip(row.id_or_null(9)?);
    Ok(Operator {
        id: row.id(0)?,
        name: row.text(1)?.to_owned(),
        grants: Grants::default(),
        password: row.text_or_null(2)?.map(str::to_owned),
        created_at: row.at(3)?,
        created_by: row.id_or_null(4)?,
        used_at: row.at_or_null(5)?,
        disabled_at: row.at_or_null(6)?,
        reviewed_at: row.at_or_null(7)?,
        invited: invited.map(|(at, by)| Invited { at, by, confirmed_by }),
        provider_subject: row.text_or_null(11)?.map(str::to_owned),
    })
}

/// Inserts an operator with grants.
///
/// # Errors
///
/// Fails if the name is taken or the database is unavailable.
pub fn insert(tx: &Tx<'_>, new: &Operator) -> Result<(), StoreError> {
    let Operator {
        id, name, password, created_at, created_by, used_at, disabled_at, provider_subject, ..
    } = new;
    tx.insert(
        &INSERT,
        &[
            Value::Id(*id),
            Value::Text(name),
            password.as_deref().map_or(Value::Null, Value::Text),
            Value::At(*created_at),
            created_by.map_or(Value::Null, Value::Id),
            used_at.map_or(Value::Null, Value::At),
            disabled_at.map_or(Value::Null, Value::At),
            provider_subject.as_deref().map_or(Value::Null, Value::Text),
        ],
    )?;
    insert_grants(tx, *id, &new.grants, *created_at, *created_by)
}

/// Replaces all grants of an operator.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn set_grants(
    tx: &Tx<'_>,
    operator: Uuid,
    grants: &Grants,
    now: Timestamp,
    by: Option<Uuid>,
) -> Result<(), StoreError> {
    tx.execute(&DELETE_GRANTS, &[Value::Id(operator)])?;
    insert_grants(tx, operator, grants, now, by)
}

fn insert_grants(
    tx: &Tx<'_>,
    operator: Uuid,
    grants: &Grants,
    now: Timestamp,
    by: Option<Uuid>,
) -> Result<(), StoreError> {
    for Grant { role, tenant, .. } in &grants.0 {
        let values = [
            Value::Id(operator),
            Value::Text(role),
            Value::Int(tenant.map_or(ALL_TENANTS, |tenant| tenant.0)),
            Value::At(now),
            by.map_or(Value::Null, Value::Id),
        ];
        tx.insert(&INSERT_GRANT, &values)?;
    }
    Ok(())
}

/// Returns the grants of an operator, with what their roles may do at present.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub(super) fn grants_of(tx: &Tx<'_>, operator: Uuid) -> Result<Grants, StoreError> {
    let read = |row: &Row<'_>| {
        let role = row.text(0)?.to_owned();
        let permissions = match row.text_or_null(3)? {
            Some(names) => Permissions::parse(names).map_err(StoreError::Corrupt)?,
            None => of_new_register(&role).unwrap_or_default(),
        };
        let tenant = Some(row.int(1)?).filter(|number| *number != ALL_TENANTS).map(TenantNumber);
        Ok(Grant { role, permissions, tenant, tenant_name: row.text_or_null(2)?.map(str::to_owned) })
    };
    Ok(Grants(tx.all(&GRANTS_OF, &[Value::Id(operator)], read)?))
}

/// Finds an operator by name, disabled or not.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_name(tx: &Tx<'_>, name: &str) -> Result<Option<Operator>, StoreError> {
    let found = tx.one(&BY_NAME, &[Value::Text(name)], read)?;
    found.map(|found| with_grants(tx, found)).transpose()
}

/// Finds an operator by issuer and subject of the identity provider, disabled or not.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn by_provider_subject(tx: &Tx<'_>, subject: &str) -> Result<Option<Operator>, StoreError> {
    let found = tx.one(&BY_PROVIDER_SUBJECT, &[Value::Text(subject)], read)?;
    found.map(|found| with_grants(tx, found)).transpose()
}

/// Returns all operators, ordered by name.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn all(tx: &Tx<'_>) -> Result<Vec<Operator>, StoreError> {
    tx.all(&ALL, &[], read)?.into_iter().map(|one| with_grants(tx, one)).collect()
}

/// Returns the same operator with the grants that are stored.
pub(super) fn with_grants(tx: &Tx<'_>, operator: Operator) -> Result<Operator, StoreError> {
    Ok(Operator { grants: grants_of(tx, operator.id)?, ..operator })
}

/// Disables an operator and returns whether the operator was enabled. From then on no session or token counts.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn disable(tx: &Tx<'_>, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&DISABLE, &[Value::At(now), Value::Id(id)])? == 1)
}

/// Enables an operator.
///
/// # Errors
///
/// Fails if the operator does not exist or the database is unavailable.
pub fn enable(tx: &Tx<'_>, id: Uuid) -> Result<(), StoreError> {
    tx.execute_one(&ENABLE, &[Value::Id(id)])
}

/// Sets the password of an operator by its hash, or removes it.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn set_password(tx: &Tx<'_>, id: Uuid, hash: Option<&str>) -> Result<(), StoreError> {
    tx.execute_one(&SET_PASSWORD, &[hash.map_or(Value::Null, Value::Text), Value::Id(id)])
}

/// Records the last use of an account.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn record_use(tx: &Tx<'_>, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(&USED, &[Value::At(now), Value::Id(id)])
}

/// Records the invitation of an operator by others, or by a command on the machine.
///
/// # Errors
///
/// Fails if the operator does not exist or the database is unavailable.
pub fn record_invitation(tx: &Tx<'_>, id: Uuid, invited: Option<Invited>) -> Result<(), StoreError> {
    let values = [
        invited.map_or(Value::Null, |invited| Value::At(invited.at)),
        invited.map_or(Value::Null, |invited| Value::Id(invited.by)),
        invited.and_then(|invited| invited.confirmed_by).map_or(Value::Null, Value::Id),
        Value::Id(id),
    ];
    tx.execute_one(&INVITED, &values)
}

/// Records the review of what an operator may do.
///
/// # Errors
///
/// Fails if the operator does not exist or the database is unavailable.
pub fn record_review(tx: &Tx<'_>, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(&REVIEWED, &[Value::At(now), Value::Id(id)])
}

/// Returns the number of enabled operators who were neither created nor reviewed after an instant.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn count_reviews_due(tx: &Tx<'_>, since: Timestamp) -> Result<i64, StoreError> {
    Ok(tx.one(&REVIEWS_DUE, &[Value::At(since)], |row| row.int(0))?.unwrap_or_default())
}

/// A role of an operator, and how it was given.
pub struct GivenGrant {
    pub role: String,
    /// Name of the tenant; `None` for all.
    pub tenant: Option<String>,
    pub granted_at: Timestamp,
    /// Name of the operator who asked for it; `None` for a command on the machine.
    pub granted_by: Option<String>,
}

/// Returns the roles of an operator, and how they were given.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn given_to(tx: &Tx<'_>, operator: Uuid) -> Result<Vec<GivenGrant>, StoreError> {
    tx.all(&GIVEN_TO, &[Value::Id(operator)], |row| {
        Ok(GivenGrant {
            role: row.text(0)?.to_owned(),
            tenant: row.text_or_null(1)?.map(str::to_owned),
            granted_at: row.at(2)?,
            granted_by: row.text_or_null(3)?.map(str::to_owned),
        })
    })
}

/// Returns the roles that this register has changed or added, with their permissions.
///
/// # Errors
///
/// Fails if the database is unavailable or a row is corrupt.
pub fn changed_roles(tx: &Tx<'_>) -> Result<Vec<(String, Permissions)>, StoreError> {
    tx.all(&ROLES, &[], |row| {
        Ok((row.text(0)?.to_owned(), Permissions::parse(row.text(1)?).map_err(StoreError::Corrupt)?))
    })
}

/// Sets what a role may do.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn set_role(tx: &Tx<'_>, name: &str, permissions: &Permissions) -> Result<(), StoreError> {
    tx.execute(&SET_ROLE, &[Value::Text(name), Value::Text(&permissions.text())]).map(drop)
}
