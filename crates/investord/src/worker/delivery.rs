//! The delivery to one webhook: its packages in order, until all are sent or an attempt fails.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use uuid::Uuid;

use crate::app::App;
use crate::domain::tenants::TenantNumber;
use crate::outbound::{self, DeliveryKey, RESPONSE_TIMEOUT};
use crate::store::delivery::deliveries;
use crate::store::delivery::deliveries::{DeliveryCandidate, LEASE, Lease};
use crate::store::delivery::delivery_batch;
use crate::store::delivery::delivery_batch::{DeliveryBatch, PackageWithBody, Remainder};
use crate::store::delivery::packages::Attempt;
use crate::store::delivery::webhooks::WebhookKey;
use crate::store::{Prefetch, StoreError, Tx, tenants};

/// Bytes of a response that are stored with the attempt.
const STORED_BODY_BYTES: usize = 1024;
/// Time until the next check of a webhook whose data is corrupt: an operator has to repair it.
const RETRY_AFTER_CORRUPTION: Duration = Duration::from_mins(1);
/// Time until the next check of a webhook after an error of the database, which may be short.
const RETRY_AFTER_ERROR: Duration = Duration::from_secs(1);

/// The condition under which a webhook without work is checked again.
pub struct NextCheck {
    /// Version of the webhook at the last check; a change voids the condition. `None` after a failed check.
    pub version: Option<i64>,
    /// Uptime of the next check. The uptime is immune to changes of the wall clock.
    pub until: Duration,
    /// Number of the tenant's event at which the package is full and due earlier.
    pub full_at: i64,
}

impl NextCheck {
    /// Returns the condition after a check that has found nothing to send.
    pub fn at(app: &App, version: i64, rest: Remainder) -> Self {
        let wait = rest.due.map_or(Duration::MAX, |due| until(due, app.clock.now()));
        Self { version: Some(version), until: app.clock.uptime().saturating_add(wait), full_at: rest.full_at }
    }

    /// Returns the condition after a failed check.
    pub fn failed(app: &App, error: &StoreError) -> Self {
        let wait =
            if matches!(error, StoreError::Corrupt(_)) { RETRY_AFTER_CORRUPTION } else { RETRY_AFTER_ERROR };
        Self { version: None, until: app.clock.uptime() + wait, full_at: i64::MAX }
    }
}

/// Returns the duration until an instant, zero if it has passed.
pub fn until(instant: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(instant.duration_since(now)).unwrap_or_default()
}

/// The webhooks that wait for a running delivery to end, because a budget is exhausted.
#[derive(Default)]
pub struct WaitingWebhooks {
    /// Whether the budget of all tenants is exhausted.
    pub all: bool,
    /// Tenants with an exhausted budget of their own.
    pub tenants: HashSet<TenantNumber>,
}

impl WaitingWebhooks {
    /// Returns whether a webhook of that tenant waits for a budget.
    pub fn includes(&self, tenant: TenantNumber) -> bool {
        self.all || self.tenants.contains(&tenant)
    }
}

/// The result of a delivery task.
pub struct DeliveryResult {
    pub id: Uuid,
    /// Number of attempted packages.
    pub tried: usize,
    /// Condition of the next check; `None` if the webhook is to be checked at once.
    pub look: Option<NextCheck>,
}

/// Delivers to one webhook until its packages are sent, an attempt fails, or another process has its lease.
pub async fn deliver(
    app: App,
    one: DeliveryCandidate,
    waiting: Arc<Mutex<WaitingWebhooks>>,
) -> DeliveryResult {
    let lease = Lease { webhook: one.id, id: app.ids.uuid(), failures: 0 };
    let held_since = Mutex::new(app.clock.uptime());
    let mut delivery =
        Delivery { app: &app, tenant: one.tenant, lease, waiting: &waiting, held_since, tried: 0 };
    let look = delivery.run().await.unwrap_or_else(|error| {
        tracing::error!(%error, webhook = %one.id, "cannot deliver to a webhook; later again");
        Some(NextCheck::failed(&app, &error))
    });
    DeliveryResult { id: one.id, tried: delivery.tried, look }
}

/// The delivery to one webhook by this process, under one lease.
struct Delivery<'a> {
    app: &'a App,
    tenant: TenantNumber,
    /// The id of the lease is new for every delivery, so that a late result of an earlier one is recognised.
    lease: Lease,
    waiting: &'a Mutex<WaitingWebhooks>,
    /// Uptime from which the lease is counted: before the unit that renewed it, because that may wait in the queue.
    held_since: Mutex<Duration>,
    /// Number of attempted packages so far.
    tried: usize,
}

/// A batch of packages, and the key that signs them.
struct SignedBatch {
    batch: DeliveryBatch,
    key: DeliveryKey,
}

/// What follows a batch.
enum Next {
    /// Another batch, which is claimed.
    Batch(Arc<SignedBatch>),
    /// Nothing before this condition is met.
    Wait(NextCheck),
    /// Unknown: the webhook is to be checked again.
    Check,
}

/// The result of a claim.
#[derive(PartialEq)]
enum Claim {
    /// The batch is claimed, and the results before it are recorded.
    Claimed,
    /// The results are recorded, but the webhook has changed, or another process has its lease.
    Changed,
    /// Nothing is recorded: the lease is lost.
    Lost,
}

impl Delivery<'_> {
    /// Sends batch after batch under the lease. Returns the condition of the next check, or `None` for a check at once.
    async fn run(&mut self) -> Result<Option<NextCheck>, StoreError> {
        let Some(first) = self.read_batch(None).await? else { return Ok(None) };
        if !first.batch.is_worth_claiming() {
            return Ok(Some(NextCheck::at(self.app, first.batch.webhook.version, first.batch.remainder)));
        }
        self.lease.failures = first.batch.webhook.failures;
        let mut results = Vec::new();
        let Next::Batch(mut batch) = self.claim(first, &mut results).await? else { return Ok(None) };
        loop {
            // While receivers take their time to respond, the results before are recorded and the next batch is read.
            let ahead = self.claim_next(&batch, &mut results);
            let ((attempts, all), next) = tokio::join!(biased; self.send(&batch), ahead);
            self.tried += attempts.len();
            if attempts.iter().any(|attempt| attempt.delivered) {
                self.lease.failures = 0;
            }
            results.extend(attempts);
            match next {
                Ok(Next::Batch(next)) if all && self.lasts() => batch = next,
                next => {
                    self.finish(results).await?;
                    return Ok(match next? {
                        Next::Wait(check) if all => Some(check),
                        _ => None,
                    });
                }
            }
        }
    }

    /// Returns whether the lease lasts until a package that is sent now has its response or time-out, with 2 s in
    /// reserve for the commit.
    fn lasts(&self) -> bool {
        let since = *self.held_since.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.app.clock.uptime().saturating_sub(since);
        held + RESPONSE_TIMEOUT + Duration::from_secs(2) < LEASE.unsigned_abs()
    }

    /// Returns whether another webhook waits for the budget that this one uses.
    fn is_waited_for(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).includes(self.tenant)
    }

    /// Reads the packages that can be sent now, after the package number `after` if a batch is in flight.
    async fn read_batch(&self, after: Option<i64>) -> Result<Option<SignedBatch>, StoreError> {
        let (app, tenant, now) = (self.app.clone(), self.tenant, self.app.clock.now());
        let of = WebhookKey { tenant, id: self.lease.webhook };
        let look = move |tx: &Tx<'_>| {
            let key = tenants::open(tx, tenant, &app.master_key)?.key;
            let Some(batch) = delivery_batch::next_batch(tx, of, after, &key, now)? else {
                return Ok(None);
            };
            Ok(Some(SignedBatch { batch, key: app.outbound.signing_key(tx, tenant, &key)? }))
        };
        self.app.store.read("webhooks.read_batch", look).await
    }

    /// Reads what follows a batch and claims it. Results that could not be recorded with it stay in `results`.
    async fn claim_next(&self, batch: &SignedBatch, results: &mut Vec<Attempt>) -> Result<Next, StoreError> {
        // If other webhooks wait for a budget, this one ends after its second batch.
        if self.is_waited_for() && self.tried > 0 {
            return Ok(Next::Check);
        }
        let Some(next) = self.read_batch(Some(batch.batch.last())).await? else { return Ok(Next::Check) };
        if next.batch.is_worth_claiming() {
            return self.claim(next, results).await;
        }
        let DeliveryBatch { webhook, remainder, .. } = &next.batch;
        // The results of what is being sent make another version.
        Ok(Next::Wait(NextCheck::at(self.app, webhook.version + 1, *remainder)))
    }

    /// Claims a batch, and records the results so far in the same commit. If another process has the lease, or if the
    /// webhook has changed since the read, it is to be checked again.
    async fn claim(&self, batch: SignedBatch, results: &mut Vec<Attempt>) -> Result<Next, StoreError> {
        let (app, tenant, lease, now) = (self.app.clone(), self.tenant, self.lease, self.app.clock.now());
        let (batch, unrecorded) = (Arc::new(batch), results.clone());
        let claimed = Arc::clone(&batch);
        let unit = move |tx: &Tx<'_>| {
            let mut version = claimed.batch.webhook.version;
            if !unrecorded.is_empty() {
                let key = tenants::open(tx, tenant, &app.master_key)?.key;
                let recorded = deliveries::record_results(tx, lease, &unrecorded, &key, &*app.ids, now)?;
                version += 1;
                if recorded != Some(version) {
                    return Ok(if recorded.is_some() { Claim::Changed } else { Claim::Lost });
                }
            }
            let claimed = deliveries::claim(tx, &claimed.batch, version, lease.id, now)?;
            Ok(if claimed { Claim::Claimed } else { Claim::Changed })
        };
        let began = self.app.clock.uptime();
        let claim = self.write("webhooks.claim", unit).await?;
        if claim != Claim::Lost {
            results.clear();
        }
        if claim != Claim::Claimed {
            return Ok(Next::Check);
        }
        *self.held_since.lock().unwrap_or_else(PoisonError::into_inner) = began;
        Ok(Next::Batch(batch))
    }

    /// Runs a unit that locks the webhook.
    async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        unit: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let lock = Prefetch { webhook: Some(self.lease.webhook), ..Prefetch::default() };
        self.app.store.write_prefetched(name, self.tenant, lock, unit).await
    }

    /// Sends the packages of a batch in order. Returns the attempts, and whether all packages were delivered and the
    /// server is not stopping.
    async fn send(&self, batch: &SignedBatch) -> (Vec<Attempt>, bool) {
        let packages = &batch.batch.packages;
        let (mut attempts, mut signed) = (Vec::new(), packages.first().map(|first| self.sign(batch, first)));
        for (package, next) in packages.iter().zip(packages.iter().skip(1).map(Some).chain([None])) {
            // If the lease does not last or the server stops, the rest goes back to the schedule.
            if !attempts.is_empty() && (!self.lasts() || self.app.is_stopping()) {
                return (attempts, false);
            }
            let Some(headers) = signed.take() else { break };
            // A P-521 signature can take as long as a response, so the next one is computed during the request.
            let ahead = async { next.map(|next| self.sign(batch, next)) };
            let (attempt, next) = tokio::join!(biased; self.attempt(batch, package, headers), ahead);
            let delivered = attempt.delivered;
            attempts.push(attempt);
            if !delivered {
                return (attempts, false);
            }
            signed = next;
        }
        (attempts, !self.app.is_stopping())
    }

    /// Returns the signed headers of a package.
    fn sign(&self, batch: &SignedBatch, package: &PackageWithBody) -> anyhow::Result<HeaderMap> {
        let (content, now) = (&batch.batch.webhook.content, self.app.clock.now());
        let (body, nonce) = (package.body.as_bytes(), self.app.ids.uuid());
        outbound::sign_request(&content.url, body, content.config.signature, &batch.key, now, nonce)
    }

    /// Sends one package and returns the record of the attempt.
    async fn attempt(
        &self,
        batch: &SignedBatch,
        package: &PackageWithBody,
        headers: anyhow::Result<HeaderMap>,
    ) -> Attempt {
        let (began, created_at) = (self.app.clock.uptime(), self.app.clock.now());
        let (outcome, delivered, status, mut answer) = match headers {
            Ok(headers) => {
                let body = Bytes::copy_from_slice(package.body.as_bytes());
                let answer = self.app.outbound.send(&batch.batch.webhook.content.url, headers, body).await;
                (answer.outcome, answer.is_delivered(), answer.status, answer.body)
            }
            Err(error) => {
                tracing::error!(%error, webhook = %self.lease.webhook, "a delivery cannot be signed");
                ("not_signed", false, None, Vec::new())
            }
        };
        let took = self.app.clock.uptime().saturating_sub(began);
        metrics::counter!("investord_webhook_attempts_total", "outcome" => outcome).increment(1);
        metrics::histogram!("investord_webhook_attempt_seconds").record(took);
        answer.truncate(STORED_BODY_BYTES);
        Attempt {
            package: package.row.number,
            number: package.row.attempts + 1,
            created_at,
            duration_us: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
            outcome,
            delivered,
            status: status.map(|status| status.as_u16()),
            // Operators see it as text, and the truncation can have split a character.
            answer: String::from_utf8_lossy(&answer).into_owned().into_bytes(),
        }
    }

    /// Records the results that are left, and releases the lease.
    async fn finish(&self, results: Vec<Attempt>) -> Result<(), StoreError> {
        let (app, tenant, lease, now) = (self.app.clone(), self.tenant, self.lease, self.app.clock.now());
        let unit = move |tx: &Tx<'_>| {
            let key = tenants::open(tx, tenant, &app.master_key)?.key;
            let recorded = deliveries::record_results(tx, lease, &results, &key, &*app.ids, now)?;
            deliveries::release(tx, lease)?;
            Ok(recorded.is_some())
        };
        if !self.write("webhooks.record_results", unit).await? {
            let webhook = lease.webhook;
            tracing::warn!(%webhook, "a delivery outlasted its lease; its packages may be sent again");
            metrics::counter!("investord_webhook_leases_lost_total").increment(1);
        }
        Ok(())
    }
}
