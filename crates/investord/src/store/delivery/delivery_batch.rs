//! The next packages of a webhook: open ones, or events that are packed into new ones.

use jiff::{SignedDuration, Timestamp};

use super::event_ranges;
use super::event_ranges::EventRange;
use super::packages;
use super::packages::PackageRow;
use super::webhooks;
use super::webhooks::{Webhook, WebhookKey};
use crate::domain::delivery::package::{Packer, has_waited_for};
use crate::store::encryption::TenantKey;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::Tx;
use crate::store::log::events;
use crate::store::plaintext::Plaintext;
use crate::store::tenants;

/// Packages at which a batch is full. A killed process can have sent two batches without recording the results, so that
/// the receiver gets them twice: the bounds limit the number of duplicates.
const MAX_PACKAGES: i64 = 16;
/// Bytes of package bodies at which a batch is full.
const MAX_BYTES: i64 = 128 * 1024;
/// Events per query. The bounds of a batch are checked between queries.
const EVENTS_AT_ONCE: i64 = 64;
/// Maximum number of events scanned for one batch, so that a read ends even if the filter rejects all of them.
const MAX_EVENTS: i64 = 4096;
/// Age of the first rejected event at which the progress of a webhook is written, if no package is. Until then a
/// repeated scan is cheaper than a write.
const MAX_UNSAVED_AGE: SignedDuration = SignedDuration::from_secs(10);
/// Number of scanned events at which the progress is written, whatever their age.
const MAX_UNSAVED_EVENTS: i64 = 1000;

/// A package with its body.
pub struct PackageWithBody {
    pub row: PackageRow,
    pub body: Plaintext,
}

/// The packages that can be sent next to a webhook.
pub struct DeliveryBatch {
    pub webhook: Webhook,
    /// Number of the package before the first one.
    after: i64,
    pub packages: Vec<PackageWithBody>,
    /// Number of new packages, which are the last ones and not stored before the claim.
    pub(super) new: usize,
    /// The range of the new packages, and the number of the next event to scan.
    pub(super) moved: Option<(EventRange, i64)>,
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

    /// Returns the number of the last package in the batch, or of the one before if the batch has none.
    pub fn last(&self) -> i64 {
        self.packages.last().map_or(self.after, |package| package.row.number)
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
    of: WebhookKey,
    after: Option<i64>,
    key: &TenantKey,
    now: Timestamp,
) -> Result<Option<DeliveryBatch>, StoreError> {
    let Some(webhook) = webhooks::by_id(tx, of.tenant, of.id)? else { return Ok(None) };
    let after = after.unwrap_or(webhook.settled);
    let (packages, remainder) = (Vec::new(), Remainder::default());
    let mut batch = DeliveryBatch { webhook, after, packages, new: 0, moved: None, is_old: false, remainder };
    let mut bytes = 0;
    for row in packages::open(tx, of.id, after, MAX_PACKAGES)? {
        if bytes >= MAX_BYTES {
            break;
        }
        bytes += row.bytes;
        match row.body(tx, of, key) {
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
    let Some(range) = event_ranges::of_webhook(tx, *id)?.into_iter().next() else { return Ok(()) };
    let end = tenants::sequence::chain_end(tx, *tenant)?.map_or(0, |end| end.events);
    let end = range.last.map_or(end, |last| last.min(end));
    let mut packer = Packer::new(most);
    let mut next = scan_events(tx, &batch.webhook, &range, end, key, &mut packer)?;
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

/// Passes the events of a range to a packer until it has enough of them, and returns the number of the next event.
fn scan_events(
    tx: &Tx<'_>,
    webhook: &Webhook,
    range: &EventRange,
    end: i64,
    key: &TenantKey,
    packer: &mut Packer,
) -> Result<i64, StoreError> {
    let mut next = range.next;
    while next <= end {
        let (count, bytes) = packer.full();
        if count >= MAX_PACKAGES || bytes >= MAX_BYTES || next - range.next >= MAX_EVENTS {
            break;
        }
        let to = end.min(next + EVENTS_AT_ONCE - 1);
        let add = |number, at, event: &str| packer.add(number, at, event);
        packages::render_events(tx, webhook.key(), &(next..=to), &range.filter, key, add)?;
        next = to + 1;
    }
    Ok(next)
}
