//! Who works on what waits for a decision: who is to decide it, and who looks at it.
//!
//! It is gone with the job.

use jiff::Timestamp;

use super::Job;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};

/// Prepared statements on the columns of this module.
pub static STATEMENTS: &[&dyn Statement] = &[&OF_JOB, &ASSIGN, &VIEW];

const OF_JOB: Stmt = Stmt {
    name: "jobs.attention",
    text: "SELECT assignee, viewer, viewed_at FROM jobs WHERE tenant = $1 AND user_number = $2 AND number = $3",
};
const ASSIGN: Stmt = Stmt {
    name: "jobs.assign",
    text: "UPDATE jobs SET assignee = $1 WHERE tenant = $2 AND user_number = $3 AND number = $4",
};
const VIEW: Stmt = Stmt {
    name: "jobs.view",
    text: "UPDATE jobs SET viewer = $1, viewed_at = $2 WHERE tenant = $3 AND user_number = $4 AND number = $5",
};

/// Who works on a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attention {
    /// Name of the operator who is to decide it.
    pub assignee: Option<String>,
    /// Name of the operator who has opened it last, and when.
    pub viewed: Option<(String, Timestamp)>,
}

/// Returns who works on a job.
///
/// # Errors
///
/// Fails if the database fails.
pub fn of_job(tx: &Tx<'_>, job: &Job) -> Result<Attention, StoreError> {
    let found = tx.one(&OF_JOB, &job.key_values(), |row| {
        let name = row.text_or_null(1)?.map(str::to_owned);
        let viewed = name.zip(row.at_or_null(2)?);
        Ok(Attention { assignee: row.text_or_null(0)?.map(str::to_owned), viewed })
    })?;
    Ok(found.unwrap_or_default())
}

/// Sets who is to decide a job, or nobody.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn assign(tx: &Tx<'_>, job: &Job, assignee: Option<&str>) -> Result<(), StoreError> {
    let [tenant, user, number] = job.key_values();
    tx.execute_one(&ASSIGN, &[assignee.map_or(Value::Null, Value::Text), tenant, user, number])
}

/// Notes that an operator has opened a job.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn note_viewer(tx: &Tx<'_>, job: &Job, viewer: &str, now: Timestamp) -> Result<(), StoreError> {
    let [tenant, user, number] = job.key_values();
    tx.execute_one(&VIEW, &[Value::Text(viewer), Value::At(now), tenant, user, number])
}
