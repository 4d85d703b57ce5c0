//! The delivery schedule: which webhook is due, and the lease of the process that delivers.
//!
//! Whoever delivers works in rounds: look ([`batch`]: a read), take ([`claim`]: one unit), send, and [`settle`] what came
//! of it while taking the next portion (one unit). Nothing is locked in between but by a lease, which ends by itself.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::packages;
use super::packages::{Attempt, PackageRow};
use super::webhooks;
use super::webhooks::{EventRange, Webhook, advance_range, ranges};
use crate::clock::Ids;
use crate::domain::delivery::webhook::{Packer, has_waited_for, wait_after};
use crate::store::encryption::{Plaintext, TenantKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::ColumnValue;
use crate::store::engine::sql::{Stmt, Tx, Value};
use crate::store::log::events;
use crate::store::tenants;

pub const STATEMENTS: &[&Stmt] = &[&PLAN, &CLAIM, &SETTLE, &RELEASE, &RELEASE_ALL];

const PLAN: Stmt = Stmt {
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
// An instant beyond the longest lease is from before the clock went back.
const CLAIM: Stmt = Stmt {
    name: "webhooks.claim",
    text: "UPDATE webhooks SET version = version + 1, packages = packages + $1, lease = $2, lease_until = $3
           WHERE id = $4 AND version = $5 AND enabled = 1 AND paused = 0
             AND (lease IS NULL OR lease = $2 OR lease_until <= $6 OR lease_until > $7)",
};
const SETTLE: Stmt = Stmt {
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

/// How long somebody may deliver before they have to say so again. What a process that is killed has held is waited for
/// as long.
pub const LEASE: SignedDuration = SignedDuration::from_secs(15);
/// What the clocks of processes may differ by.
const SKEW: SignedDuration = SignedDuration::from_mins(1);
/// Packages that are taken at once, and bytes of them: what a killed process can have sent without settling it.
const MAX_PACKAGES: i64 = 32;
const MAX_BYTES: i64 = 256 * 1024;
/// Events that are read at once.
const EVENTS_AT_ONCE: i64 = 64;
/// Events that are looked at in one go.
const MAX_EVENTS: i64 = 4096;
/// How far a webhook is is noted when the first event that nobody wants is as old, or so many others have followed it.
const NOTED: SignedDuration = SignedDuration::from_secs(10);
const UNWANTED: i64 = 1000;

/// A webhook and what it may have to send.
#[derive(Clone, Debug)]
pub struct DeliveryCandidate {
    pub id: Uuid,
    pub tenant: i64,
    pub version: i64,
    /// Open packages.
    pub open: i64,
    pub next_attempt: Option<Timestamp>,
    pub lease_until: Option<Timestamp>,
    /// Number of the tenant's last event.
    pub events: i64,
    /// The first range that is still to be told, from and to.
    pub range: Option<(i64, i64)>,
    /// The first event that has not been delivered, and when it was written; one that is not wanted counts until it is
    /// looked at.
    pub oldest: Option<(i64, Timestamp)>,
    /// Enabled, not held back by anybody, and not collected.
    pub is_sent_to: bool,
}

impl DeliveryCandidate {
    /// When it can be taken at the earliest; none if at once. What lies beyond the longest wait is from before the clock
    /// went back.
    pub fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        let in_force = |until: Option<Timestamp>, longest: SignedDuration| {
            until.filter(|at| *at > now && *at <= now + longest + SKEW)
        };
        let wait = in_force(self.next_attempt, wait_after(i64::MAX));
        wait.max(in_force(self.lease_until, LEASE))
    }

    /// Events since the first one that has not been delivered.
    pub fn backlog(&self) -> i64 {
        self.oldest.map_or(0, |(number, _)| self.events + 1 - number)
    }

    /// Events that have not been looked at.
    pub fn behind(&self) -> i64 {
        self.range.map_or(0, |(next, last)| (last + 1 - next).max(0))
    }
}

/// All webhooks, in the order of their ids.
pub fn schedule(tx: &Tx<'_>) -> Result<Vec<DeliveryCandidate>, StoreError> {
    tx.all(&PLAN, &[], |row| {
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

/// What can be sent next to a webhook.
pub struct DeliveryBatch {
    pub webhook: Webhook,
    pub packages: Vec<PackageWithBody>,
    /// How many of them are new.
    new: usize,
    /// The range that the new ones are from, and how far it has been looked at.
    moved: Option<(EventRange, i64)>,
    /// Whether what was looked at for nothing was written some time ago.
    is_old: bool,
    /// What is not sent yet.
    pub remainder: Remainder,
}

/// What a webhook waits for that has nothing to send.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remainder {
    /// When the package that waits for more has waited long enough.
    pub due: Option<Timestamp>,
    /// Number of the event with which it may be full.
    pub full_at: i64,
}

impl DeliveryBatch {
    /// Whether there is anything to write: a package, the end of a range, or how many events, or for how long one, have
    /// been looked at for nothing.
    pub fn is_worth_claiming(&self) -> bool {
        let far =
            |(range, next): &(EventRange, i64)| *next - range.next >= UNWANTED || range.ends_before(*next);
        !self.packages.is_empty() || self.is_old || self.moved.as_ref().is_some_and(far)
    }

    /// Events that were looked at for it.
    pub fn scanned_events(&self) -> i64 {
        self.moved.as_ref().map_or(0, |(range, next)| next - range.next)
    }

    /// Number of the last package in it.
    pub fn last(&self) -> Option<i64> {
        self.packages.last().map(|package| package.row.number)
    }
}

/// Looks what can be sent to a webhook, behind the package `after` if somebody has one in hand. A read, which changes
/// nothing.
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
            // Those before it are sent; then it is the first, which can be skipped.
            Err(_) if !batch.packages.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    // What is open goes first.
    if batch.packages.is_empty() {
        pack_events(tx, &mut batch, key, now)?;
    }
    Ok(Some(batch))
}

/// Puts events together that nobody has looked at.
fn pack_events(
    tx: &Tx<'_>,
    batch: &mut DeliveryBatch,
    key: &TenantKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Webhook { id, tenant, content, packages, .. } = &batch.webhook;
    let (delay, most) = (content.config.delay(), content.config.max_package_size);
    let Some(range) = ranges(tx, *id)?.into_iter().next() else { return Ok(()) };
    let end = tenants::chain_end(tx, *tenant)?.map_or(0, |(events, _)| events);
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
    // What a closed range has, and what so many follow that nobody wants, gets no company: it waits for none.
    let alone = closed || (!looked_at_all && packer.full().0 == 0);
    let (full, open) = packer.finish(|since| alone || (looked_at_all && has_waited_for(since, delay, now)));
    if let Some(open) = open {
        let bytes = i64::try_from(open.body.len()).unwrap_or(i64::MAX);
        let missing = open.events.saturating_mul(most - bytes).max(0) / bytes.max(1);
        // Whatever the clock has done since.
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
        batch.is_old = first.is_some_and(|at| has_waited_for(at, NOTED, now));
    }
    batch.moved = (next > range.next || closed).then_some((range, next));
    Ok(())
}

/// Takes a portion for delivery, if nothing has changed since it was looked at and nobody else delivers.
pub fn claim(tx: &Tx<'_>, batch: &DeliveryBatch, lease: Uuid, now: Timestamp) -> Result<bool, StoreError> {
    claim_at(tx, batch, batch.webhook.version, lease, now)
}

/// The same at a later version of the webhook.
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

/// Writes the new packages of a portion, and how far its range has been looked at.
fn save_new_packages(tx: &Tx<'_>, batch: &DeliveryBatch) -> Result<(), StoreError> {
    let DeliveryBatch { webhook, packages, new, moved, .. } = batch;
    let Some((range, next)) = moved else { return Ok(()) };
    for package in &packages[packages.len() - new..] {
        packages::insert(tx, webhook.id, &package.row)?;
    }
    advance_range(tx, webhook.id, range, *next)
}

/// What is left to whoever has settled.
#[derive(Debug, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// The next portion is theirs, until the lease ends.
    Continued,
    /// Nothing: the webhook is free.
    Released,
    /// Nothing, and what came of the attempts was not kept: the lease had ended, or somebody has stepped in.
    Lost,
}

/// Keeps what came of attempts, and takes the next portion if nothing has changed since it was looked at; without a next
/// one whoever delivers is done. After a failure it is time to wait.
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
    // Those before a failure have been good.
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
    let Some(version) = tx.one(&SETTLE, &values, |row| row.int(0))? else { return Ok(LeaseOutcome::Lost) };
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

/// Lets everything go that processes have held which are no more. Only for a process that is alone.
pub fn release_all(tx: &Tx<'_>) -> Result<usize, StoreError> {
    tx.execute(&RELEASE_ALL, &[])
}
