//! What happens to users later, in the order in which it was asked for.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Row, Stmt, StoreError, Tx, Value};

pub const STATEMENTS: &[&Stmt] = &[&LAST, &INSERT, &DUE, &FIRST, &DROP];

const LAST: Stmt = Stmt {
    name: "steps.last",
    text: "SELECT number FROM steps WHERE tenant = $1 AND user_id = $2 ORDER BY number DESC LIMIT 1",
};
const INSERT: Stmt = Stmt {
    name: "steps.insert",
    text: "INSERT INTO steps (tenant, user_id, number, kind, subject, due) VALUES ($1, $2, $3, $4, $5, $6)",
};
const DUE: Stmt = Stmt {
    name: "steps.due",
    text: "SELECT tenant, user_id, number, kind, subject, due FROM steps AS s WHERE due <= $1
           AND NOT EXISTS (SELECT 1 FROM steps AS earlier WHERE earlier.tenant = s.tenant
                           AND earlier.user_id = s.user_id AND earlier.number < s.number)
           ORDER BY due LIMIT $2",
};
const FIRST: Stmt = Stmt {
    name: "steps.first",
    text: "SELECT tenant, user_id, number, kind, subject, due FROM steps
           WHERE tenant = $1 AND user_id = $2 ORDER BY number LIMIT 1",
};
const DROP: Stmt =
    Stmt { name: "steps.drop", text: "DELETE FROM steps WHERE tenant = $1 AND user_id = $2 AND number = $3" };

/// What is to be done to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub tenant: i64,
    pub user: Uuid,
    /// Steps of a user are done in this order.
    pub number: i64,
    pub kind: String,
    /// What it is about, by the kind.
    pub subject: Uuid,
    /// Not before; none while it waits for somebody.
    pub due: Option<Timestamp>,
}

/// The subject is the data change.
pub const DATA_CHANGE: &str = "data-change";
/// The subject is the user.
pub const OFFBOARDING: &str = "offboarding";

/// Adds a step behind those that the user has; under the tenant's lock.
pub fn add(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    kind: &str,
    subject: Uuid,
    due: Option<Timestamp>,
) -> Result<(), StoreError> {
    let last = tx.one(&LAST, &[Value::Int(tenant), Value::Id(user)], |row| row.int(0))?;
    tx.execute_one(
        &INSERT,
        &[
            Value::Int(tenant),
            Value::Id(user),
            Value::Int(last.unwrap_or(0) + 1),
            Value::Text(kind),
            Value::Id(subject),
            due.map_or(Value::Null, Value::At),
        ],
    )
}

/// Steps that are due, the first of each user alone, at most so many.
pub fn due(tx: &Tx<'_>, now: Timestamp, most: i64) -> Result<Vec<Step>, StoreError> {
    let mut found = Vec::new();
    tx.each(&DUE, &[Value::At(now), Value::Int(most)], |row| {
        found.push(step(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// The step of a user that comes first; under the tenant's lock it stays so.
pub fn first(tx: &Tx<'_>, tenant: i64, user: Uuid) -> Result<Option<Step>, StoreError> {
    tx.one(&FIRST, &[Value::Int(tenant), Value::Id(user)], step)
}

/// Forgets a step that is done.
pub fn done(tx: &Tx<'_>, step: &Step) -> Result<(), StoreError> {
    tx.execute_one(&DROP, &[Value::Int(step.tenant), Value::Id(step.user), Value::Int(step.number)])
}

fn step(row: &Row<'_>) -> Result<Step, StoreError> {
    Ok(Step {
        tenant: row.int(0)?,
        user: row.id(1)?,
        number: row.int(2)?,
        kind: row.text(3)?.to_owned(),
        subject: row.id(4)?,
        due: row.at_or_null(5)?,
    })
}
