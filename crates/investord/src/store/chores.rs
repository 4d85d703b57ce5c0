//! What migrations have left to the worker, because it takes the keys of the tenants.

use super::{Stmt, StoreError, Tx, Value};

pub const STATEMENTS: &[&Stmt] = &[&NEXT, &OF_TENANT, &ADVANCE, &DROP];

const NEXT: Stmt =
    Stmt { name: "chores.next", text: "SELECT tenant FROM chores WHERE name = $1 ORDER BY tenant LIMIT 1" };
const OF_TENANT: Stmt =
    Stmt { name: "chores.of_tenant", text: "SELECT done, last FROM chores WHERE tenant = $1 AND name = $2" };
const ADVANCE: Stmt =
    Stmt { name: "chores.advance", text: "UPDATE chores SET done = $1 WHERE tenant = $2 AND name = $3" };
const DROP: Stmt = Stmt { name: "chores.drop", text: "DELETE FROM chores WHERE tenant = $1 AND name = $2" };

/// The tenant whose turn it is.
pub fn next(tx: &Tx<'_>, name: &str) -> Result<Option<i64>, StoreError> {
    tx.one(&NEXT, &[Value::Text(name)], |row| row.int(0))
}

/// The numbers of the users of a tenant that have been seen to, and that are to be.
pub fn of_tenant(tx: &Tx<'_>, tenant: i64, name: &str) -> Result<Option<(i64, i64)>, StoreError> {
    tx.one(&OF_TENANT, &[Value::Int(tenant), Value::Text(name)], |row| Ok((row.int(0)?, row.int(1)?)))
}

/// Notes how far it is; forgets the chore when it is done.
pub fn advance(tx: &Tx<'_>, tenant: i64, name: &str, (done, last): (i64, i64)) -> Result<(), StoreError> {
    if done < last {
        return tx.execute_one(&ADVANCE, &[Value::Int(done), Value::Int(tenant), Value::Text(name)]);
    }
    tx.execute_one(&DROP, &[Value::Int(tenant), Value::Text(name)])
}
