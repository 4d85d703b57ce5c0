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
use crate::store::delivery::deliveries::{DeliveryCandidate, LEASE, Lease, LeaseOutcome};
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
    let (tenant, id, lease) = (one.tenant, one.id, app.ids.uuid());
    let mut delivery = Delivery { app: &app, tenant, id, lease, waiting: &waiting, tried: 0 };
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
    id: Uuid,
    /// Id of the lease; new for every delivery, so that a late result of an earlier one is recognised.
    lease: Uuid,
    waiting: &'a Mutex<WaitingWebhooks>,
    /// Number of attempted packages so far.
    tried: usize,
}

/// A batch of packages, and the key that signs them.
struct SignedBatch {
    batch: DeliveryBatch,
    key: DeliveryKey,
}

impl Delivery<'_> {
    /// Sends batch after batch under the lease. Returns the condition of the next check, or `None` for a check at once.
    async fn run(&mut self) -> Result<Option<NextCheck>, StoreError> {
        let Some(batch) = self.read_batch(None).await? else { return Ok(None) };
        if !batch.batch.is_worth_claiming() {
            return Ok(Some(NextCheck::at(self.app, batch.batch.webhook.version, batch.batch.remainder)));
        }
        let mut batch = Arc::new(batch);
        // The lease is counted from before the unit that claims it, because that unit may wait in the queue.
        let mut held_since = self.app.clock.uptime();
        if !self.claim(&batch).await? {
            return Ok(None);
        }
        loop {
            // If other webhooks wait for a budget, this one ends after its batch.
            let goes_on = !self.is_waited_for();
            let ahead = async { if goes_on { self.read_batch(batch.batch.last()).await } else { Ok(None) } };
            // The next batch is read while receivers take their time to respond.
            let ((attempts, all), looked) = tokio::join!(biased; self.send(&batch, held_since), ahead);
            // The results of the sent packages are recorded, even if the next batch cannot be read.
            let (mut next, mut broken) = match looked {
                Ok(next) => (next.filter(|_| all), None),
                Err(error) => (None, Some(error)),
            };
            if let Some(next) = next.as_mut().filter(|_| !attempts.is_empty()) {
                // The batch was read before the success is recorded, which resets the failures in the same commit.
                next.batch.webhook.failures = 0;
            }
            let idle = next.as_ref().filter(|next| !next.batch.is_worth_claiming()).map(|next| {
                let DeliveryBatch { webhook, remainder: rest, .. } = &next.batch;
                NextCheck::at(self.app, webhook.version + 1, *rest)
            });
            let next = next.filter(|_| idle.is_none()).map(Arc::new);
            held_since = self.app.clock.uptime();
            self.tried += attempts.len();
            let attempts = Arc::new(attempts);
            let settled = match self.record_results(&batch, &attempts, next.clone()).await {
                // The next batch is damaged: the results are recorded without it, so that they are not lost.
                Err(error @ StoreError::Corrupt(_)) if next.is_some() => {
                    broken = Some(error);
                    self.record_results(&batch, &attempts, None).await?
                }
                settled => settled?,
            };
            match (settled, next, broken) {
                (_, _, Some(error)) => return Err(error),
                (LeaseOutcome::Continued, Some(next), None) => batch = next,
                _ => return Ok(idle),
            }
        }
    }

    /// Returns whether another webhook waits for the budget that this one uses.
    fn is_waited_for(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.all || waiting.tenants.contains(&self.tenant)
    }

    /// Reads the packages that can be sent now, after the package number `after` if a batch is in flight.
    async fn read_batch(&self, after: Option<i64>) -> Result<Option<SignedBatch>, StoreError> {
        let (app, tenant, now) = (self.app.clone(), self.tenant, self.app.clock.now());
        let of = WebhookKey { tenant, id: self.id };
        let look = move |tx: &Tx<'_>| {
            let key = tenants::open(tx, tenant, &app.master_key)?.key;
            let Some(batch) = delivery_batch::next_batch(tx, of, after, &key, now)? else {
                return Ok(None);
            };
            Ok(Some(SignedBatch { batch, key: app.outbound.signing_key(tx, tenant, &key)? }))
        };
        self.app.store.read("webhooks.read_batch", look).await
    }

    /// Returns the rows that the units of this delivery lock.
    fn prefetch(&self) -> Prefetch {
        Prefetch { webhook: Some(self.id), ..Prefetch::default() }
    }

    /// Claims the lease for a batch. Returns false if another process has the lease, or the webhook has changed.
    async fn claim(&self, batch: &Arc<SignedBatch>) -> Result<bool, StoreError> {
        let (batch, lease, now) = (Arc::clone(batch), self.lease, self.app.clock.now());
        let unit = move |tx: &Tx<'_>| deliveries::claim(tx, &batch.batch, lease, now);
        self.app.store.write_prefetched("webhooks.claim", self.tenant, self.prefetch(), unit).await
    }

    /// Sends the packages of a batch in order. Returns the attempts, and whether all packages were delivered and the
    /// server is not stopping.
    async fn send(&self, batch: &SignedBatch, held_since: Duration) -> (Vec<Attempt>, bool) {
        let packages = &batch.batch.packages;
        let (mut attempts, mut signed) = (Vec::new(), packages.first().map(|first| self.sign(batch, first)));
        for (package, next) in packages.iter().zip(packages.iter().skip(1).map(Some).chain([None])) {
            // A package is sent only if the lease lasts until its response or time-out, with 2 s in reserve for the
            // commit. Otherwise the attempts are recorded first, which renews the lease. When the server stops, the
            // remaining packages go back to the schedule.
            let held = self.app.clock.uptime().saturating_sub(held_since);
            let lasts = held + RESPONSE_TIMEOUT + Duration::from_secs(2) < LEASE.unsigned_abs();
            if !attempts.is_empty() && (!lasts || self.app.is_stopping()) {
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
                tracing::error!(%error, webhook = %self.id, "a delivery cannot be signed");
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

    /// Records the attempts, and keeps the lease for the next batch if there is one.
    async fn record_results(
        &self,
        batch: &Arc<SignedBatch>,
        attempts: &Arc<Vec<Attempt>>,
        next: Option<Arc<SignedBatch>>,
    ) -> Result<LeaseOutcome, StoreError> {
        let (app, batch, lease, now) =
            (self.app.clone(), Arc::clone(batch), self.lease, self.app.clock.now());
        let (tenant, attempts) = (self.tenant, Arc::clone(attempts));
        let unit = move |tx: &Tx<'_>| {
            let key = tenants::open(tx, tenant, &app.master_key)?.key;
            let next = next.as_deref().map(|next| &next.batch);
            let lease = Lease { webhook: &batch.batch.webhook, id: lease };
            deliveries::record_results(tx, lease, &attempts, next, &key, &*app.ids, now)
        };
        let settled = self
            .app
            .store
            .write_prefetched("webhooks.record_results", self.tenant, self.prefetch(), unit)
            .await;
        if matches!(settled, Ok(LeaseOutcome::Lost)) {
            tracing::warn!(webhook = %self.id, "a delivery outlasted its lease; its packages may be sent again");
            metrics::counter!("investord_webhook_leases_lost_total").increment(1);
        }
        settled
    }
}
