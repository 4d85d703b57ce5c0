//! The delivery schedule: which webhook is due, and the lease of the process that delivers.
//!
//! A process delivers in rounds: it reads a batch ([`next_batch`]), claims it in one transaction ([`claim`]), sends it,
//! and records the results while it claims the next batch in one transaction ([`record_results`]). Between the
//! transactions there is no lock but the lease, which expires.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::packages;
use super::packages::{Attempt, PackageRow};
use super::webhooks;
use super::webhooks::{EventRange, Webhook, advance_range, ranges};
use crate::clock::Ids;
use crate::domain::delivery::package::{Packer, has_waited_for, wait_after};
use crate::store::encryption::{Plaintext, TenantKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::ColumnValue;
use crate::store::engine::sql::{Stmt, Tx, Value};
use crate::store::log::events;
use crate::store::tenants;

/// Prepared statements of the delivery schedule.
pub const STATEMENTS: &[&Stmt] = &[&SCHEDULE, &CLAIM, &RECORD_RESULTS, &RELEASE, &RELEASE_ALL];

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
/// Packages at which a batch is full. A killed process can have sent a batch without recording the results, so that the
/// receiver gets it twice: the bounds limit the number of duplicates.
const MAX_PACKAGES: i64 = 32;
/// Bytes of package bodies at which a batch is full.
const MAX_BYTES: i64 = 256 * 1024;
/// Events per query. The bounds of a batch are checked between queries.
const EVENTS_AT_ONCE: i64 = 64;
/// Maximum number of events scanned for one batch, so that a read ends even if the filter rejects all of them.
const MAX_EVENTS: i64 = 4096;
/// Age of the first rejected event at which the progress of a webhook is written, if no package is. Until then a
/// repeated scan is cheaper than a write.
const MAX_UNSAVED_AGE: SignedDuration = SignedDuration::from_secs(10);
/// Number of scanned events at which the progress is written, whatever their age.
const MAX_UNSAVED_EVENTS: i64 = 1000;

/// A webhook in the delivery schedule.
#[derive(Clone, Debug)]
pub struct DeliveryCandidate {
    pub id: Uuid,
    pub tenant: i64,
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
            tenant: row.int(1)?,
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

/// A package with its body.
pub struct PackageWithBody {
    pub row: PackageRow,
    pub body: Plaintext,
}

/// The packages that can be sent next to a webhook.
pub struct DeliveryBatch {
    pub webhook: Webhook,
    pub packages: Vec<PackageWithBody>,
    /// Number of new packages, which are the last ones and not stored before the claim.
    new: usize,
    /// The range of the new packages, and the number of the next event to scan.
    moved: Option<(EventRange, i64)>,
    /// Whether the scan has found no package, and its first event is so old that the progress is worth a write.
    is_old: bool,
    /// The events that are not in a package yet.
    pub remainder: Remainder,
}

/// The condition under which a webhook without a package to send has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remainder {
    /// Time at which the incomplete package has waited for its delay.
    pub due: Option<Timestamp>,
    /// Estimated number of the event with which the package is full.
    pub full_at: i64,
}

impl DeliveryBatch {
    /// Returns whether there is anything to write: a package, the end of a range, or progress over many or old events
    /// that the filter rejects.
    pub fn is_worth_claiming(&self) -> bool {
        let far = |(range, next): &(EventRange, i64)| {
            *next - range.next >= MAX_UNSAVED_EVENTS || range.ends_before(*next)
        };
        !self.packages.is_empty() || self.is_old || self.moved.as_ref().is_some_and(far)
    }

    /// Returns the number of events that were scanned for the batch.
    pub fn scanned_events(&self) -> i64 {
        self.moved.as_ref().map_or(0, |(range, next)| next - range.next)
    }

    /// Returns the number of the last package in the batch.
    pub fn last(&self) -> Option<i64> {
        self.packages.last().map(|package| package.row.number)
    }
}

/// Reads the next batch of a webhook, and changes nothing. The batch begins behind the package `after`, if the caller
/// has the packages up to it in flight.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn next_batch(
    tx: &Tx<'_>,
    (tenant, id): (i64, Uuid),
    after: Option<i64>,
    key: &TenantKey,
    now: Timestamp,
) -> Result<Option<DeliveryBatch>, StoreError> {
    let Some(webhook) = webhooks::by_id(tx, tenant, id)? else { return Ok(None) };
    let (packages, rest) = (Vec::new(), Remainder::default());
    let mut batch = DeliveryBatch { packages, new: 0, moved: None, is_old: false, remainder: rest, webhook };
    let after = after.unwrap_or(batch.webhook.settled);
    let mut bytes = 0;
    for row in packages::open(tx, id, after, MAX_PACKAGES)? {
        if bytes >= MAX_BYTES {
            break;
        }
        bytes += row.bytes;
        match row.body(tx, (tenant, id), key) {
            Ok(body) => batch.packages.push(PackageWithBody { row, body }),
            // The packages before a corrupt one are sent. Then it is the first one, which an operator can skip.
            Err(_) if !batch.packages.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    // Open packages go before new events: a receiver gets the events in order.
    if batch.packages.is_empty() {
        pack_events(tx, &mut batch, key, now)?;
    }
    Ok(Some(batch))
}

/// Packs events that have not been scanned into new packages.
fn pack_events(
    tx: &Tx<'_>,
    batch: &mut DeliveryBatch,
    key: &TenantKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Webhook { id, tenant, content, packages, .. } = &batch.webhook;
    let (delay, most) = (content.config.delay(), content.config.max_package_size);
    let Some(range) = ranges(tx, *id)?.into_iter().next() else { return Ok(()) };
    let end = tenants::sequence::chain_end(tx, *tenant)?.map_or(0, |(events, _)| events);
    let end = range.last.map_or(end, |last| last.min(end));
    let (mut packer, mut next) = (Packer::new(most), range.next);
    while next <= end {
        let (count, bytes) = packer.full();
        if count >= MAX_PACKAGES || bytes >= MAX_BYTES || next - range.next >= MAX_EVENTS {
            break;
        }
        let to = end.min(next + EVENTS_AT_ONCE - 1);
        packages::render_events(tx, (*tenant, *id), (next, to), &range.filter, key, |at, event| {
            packer.add(at, event);
        })?;
        next = to + 1;
    }
    let (looked_at_all, closed) = (next > end, range.ends_before(next));
    // A package waits for no further events if the range is closed, or if the filter rejects so many that the scan has
    // reached its limit.
    let alone = closed || (!looked_at_all && packer.full().0 == 0);
    let (full, open) = packer.finish(|since| alone || (looked_at_all && has_waited_for(since, delay, now)));
    if let Some(open) = open {
        let bytes = i64::try_from(open.body.len()).unwrap_or(i64::MAX);
        let missing = open.events.saturating_mul(most - bytes).max(0) / bytes.max(1);
        // The second bound covers a clock that was set back since the first event.
        let due = (open.since + delay).min(now + delay + delay);
        batch.remainder = Remainder { due: Some(due), full_at: end + 1 + missing };
        next = open.first;
    } else {
        batch.remainder = Remainder { due: None, full_at: end + 1 };
    }
    batch.new = full.len();
    batch.packages = (packages + 1..)
        .zip(full)
        .map(|(number, package)| PackageWithBody {
            row: PackageRow::new(number, &package, &range.filter, key, now),
            body: package.body.into(),
        })
        .collect();
    if next > range.next && batch.packages.is_empty() {
        let first = events::time_of(tx, *tenant, range.next)?;
        batch.is_old = first.is_some_and(|at| has_waited_for(at, MAX_UNSAVED_AGE, now));
    }
    batch.moved = (next > range.next || closed).then_some((range, next));
    Ok(())
}

/// Claims a batch under the lease, unless the webhook has changed since the read or another process has the lease.
/// Returns whether the claim succeeded.
///
/// # Errors
///
/// Fails if the database fails.
pub fn claim(tx: &Tx<'_>, batch: &DeliveryBatch, lease: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    claim_at(tx, batch, batch.webhook.version, lease, now)
}

/// Claims a batch at a later version of the webhook.
fn claim_at(
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
    advance_range(tx, webhook.id, range, *next)
}

/// The state of the lease after the results were recorded.
#[derive(Debug, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// The process has the lease and the next batch.
    Continued,
    /// The webhook is free.
    Released,
    /// The process has no lease, and the results were not recorded: the lease had ended, or an operator has intervened.
    Lost,
}

/// Records the results of attempts, and claims the next batch unless the webhook has changed since the read. Without a
/// next batch the lease is released. After a failure the retry schedule sets the time of the next attempt.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn record_results(
    tx: &Tx<'_>,
    (webhook, lease): (&Webhook, Uuid),
    attempts: &[Attempt],
    next: Option<&DeliveryBatch>,
    (key, ids): (&TenantKey, &dyn Ids),
    now: Timestamp,
) -> Result<LeaseOutcome, StoreError> {
    let delivered = attempts.iter().filter(|attempt| attempt.delivered).count();
    let failed = attempts.iter().any(|attempt| !attempt.delivered);
    // Packages are sent in order, so those before a failed one were delivered.
    let before = if delivered > 0 { 0 } else { webhook.failures };
    let failures = if failed { before + 1 } else { before };
    let values = [
        Value::Int(i64::try_from(delivered).unwrap_or(i64::MAX)),
        Value::Int(failures),
        if failed { Value::At(now + wait_after(failures)) } else { Value::Null },
        if delivered > 0 { Value::At(now) } else { Value::Null },
        if failed { Value::At(now) } else { Value::Null },
        Value::Id(webhook.id),
        Value::Id(lease),
    ];
    let Some(version) = tx.one(&RECORD_RESULTS, &values, |row| row.int(0))? else {
        return Ok(LeaseOutcome::Lost);
    };
    for attempt in attempts {
        packages::save_attempt(tx, webhook.id, attempt, (key, ids), now)?;
    }
    if let Some(next) = next.filter(|next| version == next.webhook.version + 1)
        && claim_at(tx, next, version, lease, now)?
    {
        return Ok(LeaseOutcome::Continued);
    }
    tx.execute(&RELEASE, &[Value::Id(webhook.id), Value::Id(lease)])?;
    Ok(LeaseOutcome::Released)
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
