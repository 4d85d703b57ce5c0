//! Table `backfills`: work on existing rows that a migration leaves to the worker.

use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] = &[&NEXT, &OF_TENANT, &ADVANCE, &DELETE];

const NEXT: Stmt = Stmt {
    name: "backfills.next_tenant",
    text: "SELECT tenant FROM backfills WHERE name = $1 ORDER BY tenant LIMIT 1",
};
const OF_TENANT: Stmt = Stmt {
    name: "backfills.progress",
    text: "SELECT done, last FROM backfills WHERE tenant = $1 AND name = $2",
};
const ADVANCE: Stmt = Stmt {
    name: "backfills.advance",
    text: "UPDATE backfills SET done = $1 WHERE tenant = $2 AND name = $3",
};
const DELETE: Stmt =
    Stmt { name: "backfills.delete", text: "DELETE FROM backfills WHERE tenant = $1 AND name = $2" };

/// Returns the first tenant for which a backfill is not finished.
///
/// # Errors
///
/// Fails if the database fails.
pub fn next_tenant(tx: &Tx<'_>, name: &str) -> Result<Option<TenantNumber>, StoreError> {
    tx.one(&NEXT, &[Value::Text(name)], |row| row.int(0).map(TenantNumber))
}

/// Returns the progress of a backfill for a tenant: the number of the last processed user, and of the last user to
/// process. `None` if the backfill is finished.
///
/// # Errors
///
/// Fails if the database fails.
pub fn progress(tx: &Tx<'_>, tenant: TenantNumber, name: &str) -> Result<Option<(i64, i64)>, StoreError> {
    tx.one(&OF_TENANT, &[Value::Int(tenant.0), Value::Text(name)], |row| Ok((row.int(0)?, row.int(1)?)))
}

/// Records the progress of a backfill, and deletes a finished one.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn advance(
    tx: &Tx<'_>,
    tenant: TenantNumber,
    name: &str,
    done: i64,
    last: i64,
) -> Result<(), StoreError> {
    if done < last {
        return tx.execute_one(&ADVANCE, &[Value::Int(done), Value::Int(tenant.0), Value::Text(name)]);
    }
    tx.execute_one(&DELETE, &[Value::Int(tenant.0), Value::Text(name)])
}
