//! The dispatcher of webhooks: sends each webhook's packages in order, different webhooks side by side.
//!
//! Any number of processes look at the same plan; whoever gets the lease of a webhook sends to it. Nothing is held in
//! memory but what is on its way: what waits, waits in the store.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use httpsig::SigningKey;
use jiff::Timestamp;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::access::counter::Spent;
use crate::app::App;
use crate::outbound::{self, LIMIT};
use crate::store::delivery::deliveries;
use crate::store::delivery::deliveries::{
    DeliveryBatch, DeliveryCandidate, LEASE, LeaseOutcome, PackageWithBody, Remainder,
};
use crate::store::delivery::packages::Attempt;
use crate::store::{Prefetch, StoreError, Tx, tenants};

/// How often the plan is looked at. Events wait for a second at least, so whoever wrote them need not say so.
const EVERY: Duration = Duration::from_millis(200);
/// Bytes that are kept of an answer.
const KEPT: usize = 1024;
/// When a webhook is tried again that cannot be read, and when the database could not be.
const LATER: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_secs(1);

/// Delivers until the server stops; then what is on its way is finished, and the rest handed back.
pub async fn run(app: App) {
    // What the last process has held, if there can be no other.
    if !app.store.is_shared() {
        let released = app.store.write("webhooks.release", 0, deliveries::release_all).await;
        if let Err(error) = released {
            tracing::warn!(%error, "cannot take over the webhooks of before; they are free in {LEASE:#}");
        }
    }
    let mut dispatcher = Dispatcher::new(app);
    while !dispatcher.app.stopping() {
        let wait = match dispatcher.start().await {
            Ok(wait) => wait.min(EVERY),
            Err(error) => {
                tracing::warn!(%error, "cannot look which events are to be delivered; trying again");
                EVERY
            }
        };
        dispatcher.wait_for_work(wait).await;
    }
    while dispatcher.finish_one().await {}
}

/// Delivers everything that can be delivered now; how many packages were tried.
pub async fn run_due(app: &App) -> Result<usize, StoreError> {
    let mut dispatcher = Dispatcher::new(app.clone());
    loop {
        dispatcher.start().await?;
        if dispatcher.busy.is_empty() {
            return Ok(dispatcher.tried);
        }
        while dispatcher.finish_one().await {}
    }
}

/// What a webhook waited for when it was looked at last.
struct NextCheck {
    /// At this version; none if looking has failed.
    version: Option<i64>,
    /// Until then, in uptime: whatever the wall clock does meanwhile.
    until: Duration,
    /// Or until the tenant has so many events.
    full_at: i64,
}

impl NextCheck {
    fn at(app: &App, version: i64, rest: Remainder) -> Self {
        let wait = rest.due.map_or(Duration::MAX, |due| until(due, app.clock.now()));
        Self { version: Some(version), until: app.clock.uptime().saturating_add(wait), full_at: rest.full_at }
    }

    fn failed(app: &App, error: &StoreError) -> Self {
        let wait = if matches!(error, StoreError::Corrupt(_)) { LATER } else { SOON };
        Self { version: None, until: app.clock.uptime() + wait, full_at: i64::MAX }
    }
}

/// How long it is to an instant; nothing if it has passed.
fn until(instant: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(instant.duration_since(now)).unwrap_or_default()
}

/// Sends to those webhooks that have something.
struct Dispatcher {
    app: App,
    looks: HashMap<Uuid, NextCheck>,
    busy: HashSet<Uuid>,
    tasks: JoinSet<DeliveryResult>,
    waiting: Arc<Mutex<WaitingWebhooks>>,
    /// Who was started last: whoever comes behind it is next.
    last: Uuid,
    /// Packages so far.
    tried: usize,
}

/// Whose webhooks wait for deliveries to end.
#[derive(Default)]
struct WaitingWebhooks {
    /// All places are taken.
    all: bool,
    /// Tenants that use as many as one may.
    tenants: HashSet<i64>,
}

/// What came of the delivery to a webhook.
struct DeliveryResult {
    id: Uuid,
    tried: usize,
    look: Option<NextCheck>,
}

impl Dispatcher {
    fn new(app: App) -> Self {
        Self {
            app,
            looks: HashMap::new(),
            busy: HashSet::new(),
            tasks: JoinSet::new(),
            waiting: Arc::default(),
            last: Uuid::nil(),
            tried: 0,
        }
    }

    /// Starts what can be started; how long it is until the next one can, as far as is known.
    async fn start(&mut self) -> Result<Duration, StoreError> {
        let mut plan = self.app.store.read("webhooks.schedule", deliveries::schedule).await?;
        let now = self.app.clock.now();
        self.looks.retain(|id, _| plan.binary_search_by_key(id, |one| one.id).is_ok());
        gauge(&plan, now);
        let (mut wait, mut waiting) = (Duration::MAX, WaitingWebhooks::default());
        let turn = plan.iter().position(|one| one.id > self.last).unwrap_or(0);
        plan.rotate_left(turn);
        for one in plan {
            if !one.is_sent_to || self.busy.contains(&one.id) {
                continue;
            }
            if let Some(own) = self.wait(&one, now) {
                wait = wait.min(own);
                continue;
            }
            match self.app.budgets.deliveries.take(one.tenant, 1) {
                Ok(taken) => {
                    self.busy.insert(one.id);
                    self.last = one.id;
                    let delivery = deliver(self.app.clone(), one, Arc::clone(&self.waiting));
                    self.tasks.spawn(async move {
                        let _taken = taken;
                        delivery.await
                    });
                }
                Err(Spent::Own) => drop(waiting.tenants.insert(one.tenant)),
                Err(Spent::Everybodys) => waiting.all = true,
            }
        }
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
        Ok(wait)
    }

    /// How long there is nothing to do for a webhook; none if there is.
    fn wait(&self, one: &DeliveryCandidate, now: Timestamp) -> Option<Duration> {
        let left = |look: &&NextCheck| look.until.saturating_sub(self.app.clock.uptime());
        let look = self.looks.get(&one.id).filter(|look| !left(look).is_zero());
        if let Some(failed) = look.filter(|look| look.version.is_none()) {
            return Some(left(&failed));
        }
        if let Some(at) = one.not_before(now) {
            return Some(until(at, now));
        }
        if one.open > 0 {
            return None;
        }
        if one.behind() == 0 {
            return Some(Duration::MAX);
        }
        look.filter(|look| look.version == Some(one.version) && one.events < look.full_at).as_ref().map(left)
    }

    /// Waits, and takes note of what is done meanwhile.
    async fn wait_for_work(&mut self, wait: Duration) {
        let end = tokio::time::sleep(wait);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                true = self.finish_one() => {}
            }
        }
    }

    /// Waits for one that is done; false if nothing is on its way.
    async fn finish_one(&mut self) -> bool {
        match self.tasks.join_next().await {
            None => return false,
            Some(Ok(DeliveryResult { id, tried, look })) => {
                self.busy.remove(&id);
                self.tried += tried;
                match look {
                    Some(look) => drop(self.looks.insert(id, look)),
                    None => drop(self.looks.remove(&id)),
                }
            }
            Some(Err(error)) => {
                tracing::error!(%error, "a delivery broke down");
                // Whose it was is not known; those that are still on their way hold their leases.
                self.busy.clear();
            }
        }
        true
    }
}

/// What waits, for those who watch: events, and the age of the oldest in seconds.
fn gauge(plan: &[DeliveryCandidate], now: Timestamp) {
    let waiting: i64 = plan.iter().map(DeliveryCandidate::backlog).sum();
    let oldest = plan.iter().filter_map(|one| one.oldest).map(|(_, at)| at).min();
    let age = oldest.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    metrics::gauge!("investord_webhook_backlog_events").set(waiting as f64);
    metrics::gauge!("investord_webhook_oldest_event_seconds").set(age);
}

/// Delivers to one webhook until it has nothing, fails, or is somebody else's.
async fn deliver(app: App, one: DeliveryCandidate, waiting: Arc<Mutex<WaitingWebhooks>>) -> DeliveryResult {
    let (tenant, id, lease) = (one.tenant, one.id, app.ids.uuid());
    let mut delivery = Delivery { app: &app, tenant, id, lease, waiting: &waiting, tried: 0 };
    let look = delivery.run().await.unwrap_or_else(|error| {
        tracing::error!(%error, webhook = %one.id, "cannot deliver to a webhook; later again");
        Some(NextCheck::failed(&app, &error))
    });
    DeliveryResult { id: one.id, tried: delivery.tried, look }
}

/// One webhook in the hands of this process.
struct Delivery<'a> {
    app: &'a App,
    tenant: i64,
    id: Uuid,
    lease: Uuid,
    waiting: &'a Mutex<WaitingWebhooks>,
    /// Packages so far.
    tried: usize,
}

/// A portion, and the key that signs it.
struct SignedBatch {
    batch: DeliveryBatch,
    key: (Uuid, Arc<SigningKey>),
}

impl Delivery<'_> {
    async fn run(&mut self) -> Result<Option<NextCheck>, StoreError> {
        let Some(batch) = self.read_batch(None).await? else { return Ok(None) };
        if !batch.batch.is_worth_claiming() {
            return Ok(Some(NextCheck::at(self.app, batch.batch.webhook.version, batch.batch.remainder)));
        }
        let mut batch = Arc::new(batch);
        // The lease counts from before the unit that takes it, which may have to wait.
        let mut held_since = self.app.clock.uptime();
        if !self.claim(&batch).await? {
            return Ok(None);
        }
        loop {
            // Where others wait for a turn, a portion is one.
            let goes_on = !self.is_waited_for();
            let ahead = async { if goes_on { self.read_batch(batch.batch.last()).await } else { Ok(None) } };
            // While receivers take their time, the next portion is looked up.
            let ((attempts, all), looked) = tokio::join!(biased; self.send(&batch, held_since), ahead);
            // What was sent is settled, whatever comes behind it.
            let (mut next, mut broken) = match looked {
                Ok(next) => (next.filter(|_| all), None),
                Err(error) => (None, Some(error)),
            };
            if let Some(next) = next.as_mut().filter(|_| !attempts.is_empty()) {
                // It was read before it is written that all went well.
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

    /// Whether another webhook could be sent to in the place of this one.
    fn is_waited_for(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.all || waiting.tenants.contains(&self.tenant)
    }

    /// What can be sent now, behind the package that is in hand.
    async fn read_batch(&self, after: Option<i64>) -> Result<Option<SignedBatch>, StoreError> {
        let (app, tenant, id, now) = (self.app.clone(), self.tenant, self.id, self.app.clock.now());
        let look = move |tx: &Tx<'_>| {
            let (_, key) = tenants::open(tx, tenant, &app.master_key)?;
            let Some(batch) = deliveries::next_batch(tx, (tenant, id), after, &key, now)? else {
                return Ok(None);
            };
            Ok(Some(SignedBatch { batch, key: app.outbound.signing_key(tx, tenant, &key)? }))
        };
        self.app.store.read("webhooks.read_batch", look).await
    }

    /// What its units lock.
    fn prefetch(&self) -> Prefetch {
        Prefetch { webhook: Some(self.id), ..Prefetch::default() }
    }

    async fn claim(&self, batch: &Arc<SignedBatch>) -> Result<bool, StoreError> {
        let (batch, lease, now) = (Arc::clone(batch), self.lease, self.app.clock.now());
        let unit = move |tx: &Tx<'_>| deliveries::claim(tx, &batch.batch, lease, now);
        self.app.store.write_prefetched("webhooks.claim", self.tenant, self.prefetch(), unit).await
    }

    /// Sends package by package; what came of it, and whether that was all of them and all went well.
    async fn send(&self, batch: &SignedBatch, held_since: Duration) -> (Vec<Attempt>, bool) {
        let packages = &batch.batch.packages;
        let (mut attempts, mut signed) = (Vec::new(), packages.first().map(|first| self.sign(batch, first)));
        for (package, next) in packages.iter().zip(packages.iter().skip(1).map(Some).chain([None])) {
            // A lease that could end before the answer is renewed first; whoever stops hands back what is left.
            let held = self.app.clock.uptime().saturating_sub(held_since);
            let lasts = held + LIMIT + Duration::from_secs(2) < LEASE.unsigned_abs();
            if !attempts.is_empty() && (!lasts || self.app.stopping()) {
                return (attempts, false);
            }
            let Some(headers) = signed.take() else { break };
            // A signature takes as long as many a receiver: the next one is made meanwhile.
            let ahead = async { next.map(|next| self.sign(batch, next)) };
            let (attempt, next) = tokio::join!(biased; self.attempt(batch, package, headers), ahead);
            let delivered = attempt.delivered;
            attempts.push(attempt);
            if !delivered {
                return (attempts, false);
            }
            signed = next;
        }
        (attempts, !self.app.stopping())
    }

    fn sign(&self, batch: &SignedBatch, package: &PackageWithBody) -> anyhow::Result<HeaderMap> {
        let (content, now) = (&batch.batch.webhook.content, self.app.clock.now());
        let key = (batch.key.0, &*batch.key.1);
        let body = package.body.as_bytes();
        outbound::sign_request(&content.url, body, content.config.signature, key, now, self.app.ids.uuid())
    }

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
        answer.truncate(KEPT);
        Attempt {
            package: package.row.number,
            number: package.row.attempts + 1,
            created_at,
            duration_us: i64::try_from(took.as_micros()).unwrap_or(i64::MAX),
            outcome,
            delivered,
            status: status.map(|status| status.as_u16()),
            answer: String::from_utf8_lossy(&answer).into_owned().into_bytes(),
        }
    }

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
            let (_, key) = tenants::open(tx, tenant, &app.master_key)?;
            let next = next.as_deref().map(|next| &next.batch);
            let webhook = &batch.batch.webhook;
            deliveries::record_results(tx, (webhook, lease), &attempts, next, (&key, &*app.ids), now)
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
