//! The job queue: work that a request has begun and the worker finishes.

pub mod assignment;
pub mod backfills;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::users::handle::UserHandle;

/// Prepared statements on the table of this module.
pub static STATEMENTS: &[&dyn Statement] = &[
    &LAST, &INSERT, &DUE, &IS_DUE, &REVIEWS_COUNT, &DUE_COUNT, &DELETE, &PARK, &WAKE, &REVIEWS,
    &DEACTIVATIONS, &OF_USER, &SAVE,
];

const LAST: Stmt = Stmt {
    name: "jobs.last",
    text: "SELECT number FROM jobs WHERE tenant = $1 AND user_number = $2 ORDER BY number DESC LIMIT 1",
};
static INSERT: Insert =
    Insert::new("jobs.insert", "jobs", &["tenant", "user_number", "number", "kind", "subject", "due"]);
// The data changes of a user run in the order of their numbers: a later one can overwrite an earlier one.
const DUE: Stmt = Stmt {
    name: "jobs.due",
    text: "SELECT tenant, user_number, number, kind, subject, due, held FROM jobs AS s WHERE due <= $1 AND held = 0
           AND NOT EXISTS (SELECT 1 FROM jobs AS earlier WHERE s.kind = 'data-change' AND earlier.kind = s.kind
                           AND earlier.tenant = s.tenant AND earlier.user_number = s.user_number
                            AND earlier.number < s.number)
           ORDER BY due LIMIT $2",
};
const IS_DUE: Stmt = Stmt {
    name: "jobs.is_due",
    text: "SELECT tenant, user_number, number, kind, subject, due, held FROM jobs AS s
           WHERE tenant = $1 AND user_number = $2 AND number = $3 AND held = 0
           AND NOT EXISTS (SELECT 1 FROM jobs AS earlier WHERE s.kind = 'data-change' AND earlier.kind = s.kind
                           AND earlier.tenant = s.tenant AND earlier.user_number = s.user_number
                            AND earlier.number < s.number)",
};
const REVIEWS_COUNT: Stmt = Stmt {
    name: "jobs.reviews_count",
    text: "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE due IS NULL AND kind IN ('data-change', 'check')
           LIMIT $1) AS waiting",
};
const DUE_COUNT: Stmt = Stmt {
    name: "jobs.due_count",
    text: "SELECT count(*) FROM (SELECT 1 FROM jobs AS s WHERE due <= $1 AND held = 0
           AND NOT EXISTS (SELECT 1 FROM jobs AS earlier WHERE s.kind = 'data-change' AND earlier.kind = s.kind
                           AND earlier.tenant = s.tenant AND earlier.user_number = s.user_number
                            AND earlier.number < s.number)
           LIMIT $2) AS waiting",
};
const DELETE: Stmt = Stmt {
    name: "jobs.delete",
    text: "DELETE FROM jobs WHERE tenant = $1 AND user_number = $2 AND number = $3",
};
const PARK: Stmt = Stmt {
    name: "jobs.park",
    text: "UPDATE jobs SET due = NULL WHERE tenant = $1 AND user_number = $2 AND number = $3",
};
const WAKE: Stmt = Stmt {
    name: "jobs.wake",
    text: "UPDATE jobs SET due = $1 WHERE tenant = $2 AND user_number = $3 AND due IS NULL
           AND kind IN ('account-group-closing', 'offboarding')",
};

// A job has no time of creation: its data change or check has.
const REVIEWS: Stmt = Stmt {
    name: "jobs.reviews",
    text: "SELECT s.tenant, s.user_number, s.number, s.kind, s.subject, s.due, s.held FROM jobs AS s
           LEFT JOIN data_changes AS d ON d.tenant = s.tenant AND d.user_number = s.user_number AND d.id = s.subject
           LEFT JOIN checks AS c ON c.tenant = s.tenant AND c.user_number = s.user_number AND c.id = s.subject
           WHERE s.tenant = $1 AND s.due IS NULL AND s.kind IN ('data-change', 'check')
           ORDER BY coalesce(d.created_at, c.created_at), s.user_number LIMIT $2",
};
const DEACTIVATIONS: Stmt = Stmt {
    name: "jobs.deactivations",
    text: "SELECT tenant, user_number, number, kind, subject, due, held FROM jobs
           WHERE tenant = $1 AND due > $2 AND kind = 'deactivation' ORDER BY due LIMIT $3",
};
const OF_USER: Stmt = Stmt {
    name: "jobs.of_user",
    text: "SELECT tenant, user_number, number, kind, subject, due, held FROM jobs
           WHERE tenant = $1 AND user_number = $2 ORDER BY number",
};
const SAVE: Stmt = Stmt {
    name: "jobs.save",
    text: "UPDATE jobs SET due = $1, held = $2 WHERE tenant = $3 AND user_number = $4 AND number = $5",
};

/// The kind of a job. The data changes of a user run in the order of their numbers, jobs of other kinds in any order.
///
/// The names are those in the database and in the operator API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[derive(EnumString, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case", const_into_str)]
pub enum JobKind {
    /// Decides on a data change, which is the subject.
    DataChange,
    /// Decides on a check, which is the subject.
    Check,
    /// Closes an account, which is the subject.
    AccountClosing,
    /// Closes an account group, which is the subject.
    AccountGroupClosing,
    /// Completes an offboarding. The subject is the user.
    Offboarding,
    /// Activates a user after a simulated delay. The subject is the user, who is suspended until then.
    Activation,
    /// Waits for the operator who confirms a deactivation, and is gone when it is due. The subject is the user.
    Deactivation,
}

/// A job of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub tenant: TenantNumber,
    /// Number of the user in the tenant.
    pub user_number: i64,
    /// Number of the job among those of the user.
    pub number: i64,
    pub kind: JobKind,
    /// Id of the record that the job is about; its table depends on the kind.
    pub subject: Uuid,
    /// Earliest time of the run; `None` while the job waits: a data change or check for the decision of an operator,
    /// any other job until another matter of the user is finished.
    pub due: Option<Timestamp>,
    /// Whether the job is on hold, by an operator or a simulated outcome: it does not run even if it is due.
    pub held: bool,
}

/// Appends a job to those of a user, under the tenant's lock: the lock makes the next number unique.
///
/// # Errors
///
/// Fails if the database fails.
pub fn enqueue(
    tx: &Tx<'_>,
    user: &UserHandle,
    kind: JobKind,
    subject: Uuid,
    due: Option<Timestamp>,
) -> Result<(), StoreError> {
    let last = tx.one(&LAST, &user.reference(), |row| row.int(0))?;
    let [tenant, user_number] = user.reference();
    let values = [
        tenant,
        user_number,
        Value::Int(last.unwrap_or(0) + 1),
        Value::Text(kind.into_str()),
        Value::Id(subject),
        due.map_or(Value::Null, Value::At),
    ];
    tx.insert(&INSERT, &values)
}

/// Returns at most `most` due jobs. Of the data changes of each user only the first is among them.
///
/// # Errors
///
/// Fails if the database fails.
pub fn list_due(tx: &Tx<'_>, now: Timestamp, most: i64) -> Result<Vec<Job>, StoreError> {
    tx.all(&DUE, &[Value::At(now), Value::Int(most)], job)
}

/// Returns whether a job is unchanged and may run. The tenant's lock keeps the result valid until the commit.
///
/// # Errors
///
/// Fails if the database fails.
pub fn is_still_due(tx: &Tx<'_>, one: &Job) -> Result<bool, StoreError> {
    Ok(tx.one(&IS_DUE, &one.key_values(), job)?.as_ref() == Some(one))
}

/// Numbers of waiting jobs of all tenants.
pub struct WaitingJobs {
    /// Number of jobs that wait for the decision of an operator.
    pub reviews: i64,
    /// Number of due jobs that wait for the worker.
    pub due: i64,
}

/// Maximum number of rows in a count, so that its cost is bounded however long the queue is.
const MAX_COUNTED: i64 = 10_000;

/// Counts the waiting jobs. Each count ends at 10,000.
///
/// # Errors
///
/// Fails if the database fails.
pub fn count_waiting(tx: &Tx<'_>, now: Timestamp) -> Result<WaitingJobs, StoreError> {
    let count = |row: &Row<'_>| row.int(0);
    let reviews = tx.one(&REVIEWS_COUNT, &[Value::Int(MAX_COUNTED)], count)?.unwrap_or_default();
    let due = tx.one(&DUE_COUNT, &[Value::At(now), Value::Int(MAX_COUNTED)], count)?.unwrap_or_default();
    Ok(WaitingJobs { reviews, due })
}

/// Deletes a finished job, and makes the jobs due that wait for another matter of the user.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn finish(tx: &Tx<'_>, job: &Job, now: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(&DELETE, &job.key_values())?;
    tx.execute(&WAKE, &[Value::At(now), Value::Int(job.tenant.0), Value::Int(job.user_number)]).map(drop)
}

/// Sets a job to wait until another matter of the user is finished.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn park(tx: &Tx<'_>, job: &Job) -> Result<(), StoreError> {
    tx.execute_one(&PARK, &job.key_values())
}

/// Returns at most `most` jobs of a tenant that wait for the decision of an operator. The jobs about the oldest data
/// changes and checks come first.
///
/// # Errors
///
/// Fails if the database fails.
pub fn list_reviews(tx: &Tx<'_>, tenant: TenantNumber, most: i64) -> Result<Vec<Job>, StoreError> {
    tx.all(&REVIEWS, &[Value::Int(tenant.0), Value::Int(most)], job)
}

/// Returns at most `most` deactivations of a tenant that wait for a second operator, the oldest first.
///
/// # Errors
///
/// Fails if the database fails.
pub fn list_deactivations(
    tx: &Tx<'_>,
    tenant: TenantNumber,
    now: Timestamp,
    most: i64,
) -> Result<Vec<Job>, StoreError> {
    tx.all(&DEACTIVATIONS, &[Value::Int(tenant.0), Value::At(now), Value::Int(most)], job)
}

/// Puts the jobs of a user of this kind on hold.
///
/// # Errors
///
/// Fails if the database fails.
pub fn hold_of_kind(tx: &Tx<'_>, user: &UserHandle, kind: JobKind) -> Result<(), StoreError> {
    let all = of_user(tx, user)?;
    let mut own = all.into_iter().filter(|job| job.kind == kind);
    own.try_for_each(|job| save(tx, &Job { held: true, ..job }))
}

/// Deletes the jobs of a user of this kind.
///
/// # Errors
///
/// Fails if the database fails.
pub fn delete_of_kind(tx: &Tx<'_>, user: &UserHandle, kind: JobKind) -> Result<(), StoreError> {
    let all = of_user(tx, user)?;
    let mut own = all.into_iter().filter(|job| job.kind == kind);
    own.try_for_each(|job| tx.execute_one(&DELETE, &job.key_values()))
}

/// Returns all unfinished jobs of a user in the order of their numbers.
///
/// # Errors
///
/// Fails if the database fails.
pub fn of_user(tx: &Tx<'_>, user: &UserHandle) -> Result<Vec<Job>, StoreError> {
    tx.all(&OF_USER, &user.reference(), job)
}

/// Counts the unfinished jobs of a user of this kind.
///
/// # Errors
///
/// Fails if the database fails.
pub fn count_open(tx: &Tx<'_>, user: &UserHandle, kind: JobKind) -> Result<usize, StoreError> {
    Ok(of_user(tx, user)?.iter().filter(|job| job.kind == kind).count())
}

/// Updates the due time of a job and its hold.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn save(tx: &Tx<'_>, job: &Job) -> Result<(), StoreError> {
    let due = job.due.map_or(Value::Null, Value::At);
    let [tenant, user, number] = job.key_values();
    tx.execute_one(&SAVE, &[due, Value::Int(job.held.into()), tenant, user, number])
}

impl Job {
    /// Returns the primary key of the job as parameters of a statement.
    fn key_values(&self) -> [Value<'static>; 3] {
        [Value::Int(self.tenant.0), Value::Int(self.user_number), Value::Int(self.number)]
    }
}

/// Reads a job from its row.
fn job(row: &Row<'_>) -> Result<Job, StoreError> {
    Ok(Job {
        tenant: TenantNumber(row.int(0)?),
        user_number: row.int(1)?,
        number: row.int(2)?,
        kind: row.parsed(3)?,
        subject: row.id(4)?,
        due: row.at_or_null(5)?,
        held: row.int(6)? != 0,
    })
}
