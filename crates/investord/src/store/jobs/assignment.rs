//! The assignment of a job that waits for a decision: its assignee, and the operators who have it open.
//!
//! These are columns of the job, so that they end with it.

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
    name: "jobs.assignment",
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

/// Maximum number of viewers that a job keeps: the last ones.
const MAX_VIEWERS: usize = 10;

/// The assignee and the viewers of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Name of the operator to whom the job is assigned.
    pub assignee: Option<String>,
    /// The operators who have opened the job, in the order in which they did.
    pub viewers: Vec<Viewer>,
}

/// An operator who has opened a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReviewViewer")]
pub struct Viewer {
    pub name: String,
    /// When the operator opened it.
    pub since: Timestamp,
}

/// Returns the assignment of a job.
///
/// # Errors
///
/// Fails if the database fails.
pub fn of_job(tx: &Tx<'_>, job: &Job) -> Result<Assignment, StoreError> {
    let found = tx.one(&OF_JOB, &job.key_values(), |row| {
        let viewers = row.text_or_null(1)?.map(serde_json::from_str).transpose();
        let viewers = viewers.map_err(|error| StoreError::Corrupt(format!("viewers of a job: {error}")))?;
        let assignee = row.text_or_null(0)?.map(str::to_owned);
        Ok(Assignment { assignee, viewers: viewers.unwrap_or_default() })
    })?;
    Ok(found.unwrap_or_default())
}

/// Assigns a job to an operator, or removes its assignment.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn assign(tx: &Tx<'_>, job: &Job, assignee: Option<&str>) -> Result<(), StoreError> {
    let [tenant, user, number] = job.key_values();
    tx.execute_one(&ASSIGN, &[assignee.map_or(Value::Null, Value::Text), tenant, user, number])
}

/// Adds an operator to the viewers of a job, under the tenant's lock: it changes what it has read.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn add_viewer(tx: &Tx<'_>, job: &Job, name: &str, now: Timestamp) -> Result<(), StoreError> {
    let mut viewers = of_job(tx, job)?.viewers;
    viewers.retain(|one| one.name != name);
    viewers.push(Viewer { name: name.to_owned(), since: now });
    let first = viewers.len().saturating_sub(MAX_VIEWERS);
    let text = serde_json::to_string(&viewers[first..]).expect("names and instants are plain data");
    let [tenant, user, number] = job.key_values();
    tx.execute_one(&VIEW, &[Value::Text(&text), tenant, user, number])
}
