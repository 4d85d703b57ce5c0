//! The delivery schedule: which webhook is due, and the lease of the process that delivers.
//!
//! A process reads a batch ([`next_batch`](super::delivery_batch::next_batch)), claims it in one transaction
//! ([`claim`]), and sends it. Meanwhile it reads the next one, and claims that in the transaction in which it records
//! the results of the one before ([`record_results`]). Between the transactions there is no lock but the lease, which
//! expires.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::delivery_batch::DeliveryBatch;
use super::event_ranges;
use super::packages;
use super::packages::Attempt;
use crate::clock::Ids;
use crate::domain::delivery::package::wait_after;
use crate::domain::tenants::TenantNumber;
use crate::store::encryption::TenantKey;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::ColumnValue;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Statement, Stmt};

/// Prepared statements of the delivery schedule.
pub static STATEMENTS: &[&dyn Statement] = &[&SCHEDULE, &CLAIM, &RECORD_RESULTS, &RELEASE, &RELEASE_ALL];

const SCHEDULE: Stmt = Stmt {
    name: "webhooks.schedule",
    text: "SELECT w.id, w.tenant, w.version, w.packages - w.settled, w.next_attempt, w.lease_until, h.events, s.next,
                  s.last, o.number, o.created_at, w.enabled, w.paused, w.event_endpoint
           FROM webhooks AS w JOIN tenant_sequences AS h ON h.tenant = w.tenant
           LEFT JOIN webhook_event_ranges AS s ON s.webhook = w.id
             AND s.number = (SELECT min(number) FROM webhook_event_ranges WHERE webhook = w.id)
           LEFT JOIN webhook_packages AS p ON p.webhook = w.id AND p.number = w.settled + 1
           LEFT JOIN events AS o ON o.tenant = w.tenant AND o.number = coalesce(p.first, s.next)
           ORDER BY w.id",
};
// A lease that ends later than the longest lease allows is void: it was written before the clock was set back.
const CLAIM: Stmt = Stmt {
    name: "webhooks.claim",
    text: "UPDATE webhooks SET version = version + 1, packages = packages + $1, lease = $2, lease_until = $3
           WHERE id = $4 AND version = $5 AND enabled = 1 AND paused = 0
             AND (lease IS NULL OR lease = $2 OR lease_until <= $6 OR lease_until > $7)",
};
const RECORD_RESULTS: Stmt = Stmt {
    name: "webhooks.record_results",
    text:
        "UPDATE webhooks SET version = version + 1, settled = settled + $1, failures = $2, next_attempt = $3,
                               last_success_at = coalesce($4, last_success_at),
                               last_failure_at = coalesce($5, last_failure_at)
           WHERE id = $6 AND lease = $7 RETURNING version",
};
const RELEASE: Stmt = Stmt {
    name: "webhooks.release",
    text: "UPDATE webhooks SET lease = NULL, lease_until = NULL WHERE id = $1 AND lease = $2",
};
const RELEASE_ALL: Stmt = Stmt {
    name: "webhooks.release_all",
    text: "UPDATE webhooks SET lease = NULL, lease_until = NULL WHERE lease IS NOT NULL",
};

/// Time after which a process has to renew its lease. The webhooks of a killed process wait as long.
pub const LEASE: SignedDuration = SignedDuration::from_secs(15);
/// Maximum difference between the clocks of two processes.
const SKEW: SignedDuration = SignedDuration::from_mins(1);
/// A webhook in the delivery schedule.
#[derive(Clone, Debug)]
pub struct DeliveryCandidate {
    pub id: Uuid,
    pub tenant: TenantNumber,
    /// Version of the row, by which a claim detects changes since the read.
    pub version: i64,
    /// Number of open packages.
    pub open: i64,
    /// Earliest time of the next attempt after a failure.
    pub next_attempt: Option<Timestamp>,
    pub lease_until: Option<Timestamp>,
    /// Number of the tenant's last event.
    pub events: i64,
    /// First and last number of the first range that has not been scanned to its end.
    pub range: Option<(i64, i64)>,
    /// Number and time of the first event that is not delivered. A rejected event counts until it is scanned.
    pub oldest: Option<(i64, Timestamp)>,
    /// Whether the dispatcher sends to it: enabled, not paused, and not collected through an event endpoint.
    pub is_sent_to: bool,
}

impl DeliveryCandidate {
    /// Returns the earliest time of a claim; `None` if that is now. A time beyond the longest wait is ignored: it was
    /// written before the clock was set back.
    pub fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        let in_force = |until: Option<Timestamp>, longest: SignedDuration| {
            until.filter(|at| *at > now && *at <= now + longest + SKEW)
        };
        let wait = in_force(self.next_attempt, wait_after(i64::MAX));
        wait.max(in_force(self.lease_until, LEASE))
    }

    /// Returns the number of events since the first one that is not delivered.
    pub fn backlog(&self) -> i64 {
        self.oldest.map_or(0, |(number, _)| self.events + 1 - number)
    }

    /// Returns the number of events that have not been scanned.
    pub fn behind(&self) -> i64 {
        self.range.map_or(0, |(next, last)| (last + 1 - next).max(0))
    }
}

/// Returns the delivery schedule: all webhooks in the order of their ids.
///
/// # Errors
///
/// Fails if the database fails.
pub fn schedule(tx: &Tx<'_>) -> Result<Vec<DeliveryCandidate>, StoreError> {
    tx.all(&SCHEDULE, &[], |row| {
        let events = row.int(6)?;
        let range = row.int_or_null(7)?.zip(Some(row.int_or_null(8)?.unwrap_or(events)));
        Ok(DeliveryCandidate {
            id: row.id(0)?,
            tenant: TenantNumber(row.int(1)?),
            version: row.int(2)?,
            open: row.int(3)?,
            next_attempt: row.at_or_null(4)?,
            lease_until: row.at_or_null(5)?,
            events,
            range,
            oldest: row.int_or_null(9)?.zip(row.at_or_null(10)?),
            is_sent_to: row.int(11)? != 0 && row.int(12)? == 0 && row.raw(13)? == ColumnValue::Null,
        })
    })
}

/// Claims a batch under the lease, or renews the lease for it, unless the webhook has another version than `version` or
/// another process has the lease. Returns whether the claim succeeded.
///
/// # Errors
///
/// Fails if the database fails.
pub fn claim(
    tx: &Tx<'_>,
    batch: &DeliveryBatch,
    version: i64,
    lease: Uuid,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let webhook = &batch.webhook;
    let values = [
        Value::Int(i64::try_from(batch.new).unwrap_or(i64::MAX)),
        Value::Id(lease),
        Value::At(now + LEASE),
        Value::Id(webhook.id),
        Value::Int(version),
        Value::At(now),
        Value::At(now + LEASE + SKEW),
    ];
    if tx.execute(&CLAIM, &values)? == 0 {
        return Ok(false);
    }
    save_new_packages(tx, batch)?;
    Ok(true)
}

/// Inserts the new packages of a batch, and writes the progress in their range.
fn save_new_packages(tx: &Tx<'_>, batch: &DeliveryBatch) -> Result<(), StoreError> {
    let DeliveryBatch { webhook, packages, new, moved, .. } = batch;
    let Some((range, next)) = moved else { return Ok(()) };
    for package in &packages[packages.len() - new..] {
        packages::insert(tx, webhook.id, &package.row)?;
    }
    event_ranges::advance(tx, webhook.id, range, *next)
}

/// The lease under which a process delivers to a webhook.
#[derive(Clone, Copy)]
pub struct Lease {
    pub webhook: Uuid,
    pub id: Uuid,
    /// Number of consecutive failed attempts before those to be recorded.
    pub failures: i64,
}

/// Records the results of attempts. After a failure the retry schedule sets the time of the next attempt. Returns the
/// new version of the webhook, or `None` if nothing was recorded: the lease had ended, or an operator has intervened.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn record_results(
    tx: &Tx<'_>,
    lease: Lease,
    attempts: &[Attempt],
    key: &TenantKey,
    ids: &dyn Ids,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let delivered = attempts.iter().filter(|attempt| attempt.delivered).count();
    let failed = attempts.iter().any(|attempt| !attempt.delivered);
    // Packages are sent in order, so those before a failed one were delivered.
    let before = if delivered > 0 { 0 } else { lease.failures };
    let failures = if failed { before + 1 } else { before };
    let values = [
        Value::Int(i64::try_from(delivered).unwrap_or(i64::MAX)),
        Value::Int(failures),
        if failed { Value::At(now + wait_after(failures)) } else { Value::Null },
        if delivered > 0 { Value::At(now) } else { Value::Null },
        if failed { Value::At(now) } else { Value::Null },
        Value::Id(lease.webhook),
        Value::Id(lease.id),
    ];
    let version = tx.one(&RECORD_RESULTS, &values, |row| row.int(0))?;
    if version.is_some() {
        packages::save_attempts(tx, lease.webhook, attempts, key, ids, now)?;
    }
    Ok(version)
}

/// Ends a lease, so that any process can claim the webhook.
///
/// # Errors
///
/// Fails if the database fails.
pub fn release(tx: &Tx<'_>, lease: Lease) -> Result<(), StoreError> {
    tx.execute(&RELEASE, &[Value::Id(lease.webhook), Value::Id(lease.id)]).map(drop)
}

/// Releases the leases of all processes and returns their number. Only for a database of a single process: the leases
/// are then from killed processes.
///
/// # Errors
///
/// Fails if the database fails.
pub fn release_all(tx: &Tx<'_>) -> Result<usize, StoreError> {
    tx.execute(&RELEASE_ALL, &[])
}
