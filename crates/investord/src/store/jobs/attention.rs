//! Who works on what waits for a decision: who is to decide it, and who looks at it.
//!
//! It is gone with the job.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Job;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};

/// Prepared statements on the columns of this module.
pub static STATEMENTS: &[&dyn Statement] = &[&OF_JOB, &ASSIGN, &VIEW];

const OF_JOB: Stmt = Stmt {
    name: "jobs.attention",
    text: "SELECT assignee, viewers FROM jobs WHERE tenant = $1 AND user_number = $2 AND number = $3",
};
const ASSIGN: Stmt = Stmt {
    name: "jobs.assign",
    text: "UPDATE jobs SET assignee = $1 WHERE tenant = $2 AND user_number = $3 AND number = $4",
};
const VIEW: Stmt = Stmt {
    name: "jobs.view",
    text: "UPDATE jobs SET viewers = $1 WHERE tenant = $2 AND user_number = $3 AND number = $4",
};

/// Maximum number of operators who are remembered to have opened a job.
const MAX_VIEWERS: usize = 10;

/// Who works on a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attention {
    /// Name of the operator who is to decide it.
    pub assignee: Option<String>,
    /// Who has opened it, the last one at the end.
    pub viewers: Vec<Viewer>,
}

/// An operator who has opened a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReviewViewer")]
pub struct Viewer {
    pub name: String,
    /// When they opened it.
    pub since: Timestamp,
}

/// Returns who works on a job.
///
/// # Errors
///
/// Fails if the database fails.
pub fn of_job(tx: &Tx<'_>, job: &Job) -> Result<Attention, StoreError> {
    let found = tx.one(&OF_JOB, &job.key_values(), |row| {
        let viewers = row.text_or_null(1)?.map(serde_json::from_str).transpose();
        let viewers = viewers.map_err(|error| StoreError::Corrupt(format!("viewers of a job: {error}")))?;
        let assignee = row.text_or_null(0)?.map(str::to_owned);
        Ok(Attention { assignee, viewers: viewers.unwrap_or_default() })
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
pub fn note_viewer(tx: &Tx<'_>, job: &Job, name: &str, now: Timestamp) -> Result<(), StoreError> {
    let mut viewers = of_job(tx, job)?.viewers;
    viewers.retain(|one| one.name != name);
    viewers.push(Viewer { name: name.to_owned(), since: now });
    let first = viewers.len().saturating_sub(MAX_VIEWERS);
    let text = serde_json::to_string(&viewers[first..]).expect("names and instants are plain data");
    let [tenant, user, number] = job.key_values();
    tx.execute_one(&VIEW, &[Value::Text(&text), tenant, user, number])
}
