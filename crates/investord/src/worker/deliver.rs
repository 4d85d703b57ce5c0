//! Delivers events: each webhook's packages one after the other, those of different webhooks side by side.
//!
//! Any number of processes look at the same plan; whoever gets the lease of a webhook sends to it. Nothing is held in
//! memory but what is on its way: what waits, waits in the store.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use httpsig::SigningKey;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::App;
use crate::outbound::{self, LIMIT};
use crate::store::deliveries::{self, Candidate, LEASE, Portion, Ready, Rest, Settled};
use crate::store::packages::Attempt;
use crate::store::{StoreError, Tx, signing_keys, tenants};

/// How often the plan is looked at. Events wait for a second at least, so whoever wrote them need not say so.
const EVERY: Duration = Duration::from_millis(200);
/// Webhooks that are sent to at once.
const MOST: usize = 256;
/// Bytes that are kept of an answer.
const KEPT: usize = 1024;
/// When a webhook is tried again that cannot be read.
const LATER: SignedDuration = SignedDuration::from_mins(1);

/// Delivers until the server stops; then what is on its way is finished, and the rest handed back.
pub async fn run(app: App) {
    // What the last process has held, if there can be no other.
    if !app.store.is_shared() {
        let released = app.store.write("webhooks.release", 0, deliveries::release_all).await;
        if let Err(error) = released {
            tracing::warn!(%error, "cannot take over the webhooks of before; they are free in {LEASE:#}");
        }
    }
    let mut courier = Courier::new(app);
    while !courier.app.stopping() {
        let wait = match courier.start().await {
            Ok(next) => courier.until(next),
            Err(error) => {
                tracing::warn!(%error, "cannot look which events are to be delivered; trying again");
                EVERY
            }
        };
        courier.rest(wait).await;
    }
    while courier.finish_one().await {}
}

/// Delivers everything that can be delivered now; how many packages were tried.
pub async fn run_due(app: &App) -> Result<usize, StoreError> {
    let mut courier = Courier::new(app.clone());
    loop {
        courier.start().await?;
        if courier.busy.is_empty() {
            return Ok(courier.tried);
        }
        while courier.finish_one().await {}
    }
}

/// What a webhook waited for when it was looked at last, at that version.
struct Look {
    version: i64,
    rest: Rest,
}

/// Sends to those webhooks that have something.
struct Courier {
    app: App,
    looks: HashMap<Uuid, Look>,
    busy: HashSet<Uuid>,
    tasks: JoinSet<Done>,
    /// Whether some wait for others to come to an end.
    crowded: Arc<AtomicBool>,
    /// Who was started last: whoever comes behind it is next.
    last: Uuid,
    /// Packages so far.
    tried: usize,
}

/// What came of the delivery to a webhook.
struct Done {
    id: Uuid,
    tried: usize,
    look: Option<Look>,
}

impl Courier {
    fn new(app: App) -> Self {
        Self {
            app,
            looks: HashMap::new(),
            busy: HashSet::new(),
            tasks: JoinSet::new(),
            crowded: Arc::default(),
            last: Uuid::nil(),
            tried: 0,
        }
    }

    /// Starts what can be started; when the next one can, as far as is known.
    async fn start(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let mut plan = self.app.store.read("webhooks.plan", deliveries::plan).await?;
        let now = self.app.clock.now();
        self.looks.retain(|id, _| plan.iter().any(|one| one.id == *id));
        gauge(&plan, now);
        let mut next: Option<Timestamp> = None;
        let mut crowded = false;
        let turn = plan.iter().position(|one| one.id > self.last).unwrap_or(0);
        plan.rotate_left(turn);
        for one in plan {
            if self.busy.contains(&one.id) {
                continue;
            }
            if let Some(at) = self.waits_until(&one, now) {
                next = Some(next.map_or(at, |next| next.min(at)));
            } else if self.busy.len() < MOST {
                self.busy.insert(one.id);
                self.last = one.id;
                self.tasks.spawn(deliver(self.app.clone(), one, Arc::clone(&self.crowded)));
            } else {
                crowded = true;
            }
        }
        self.crowded.store(crowded, Ordering::Relaxed);
        Ok(next)
    }

    /// Until when there is nothing to do for a webhook, or for ever; none if there is.
    fn waits_until(&self, one: &Candidate, now: Timestamp) -> Option<Timestamp> {
        if let Some(at) = one.not_before(now) {
            return Some(at);
        }
        if one.open > 0 {
            return None;
        }
        if one.behind() == 0 {
            return Some(Timestamp::MAX);
        }
        let look = self.looks.get(&one.id).filter(|look| look.version == one.version)?;
        let due = look.rest.due.unwrap_or(Timestamp::MAX);
        (one.events < look.rest.full_at && due > now).then_some(due)
    }

    fn until(&self, next: Option<Timestamp>) -> Duration {
        let wait = next.map(|at| at.duration_since(self.app.clock.now()));
        wait.map_or(EVERY, |wait| Duration::try_from(wait).unwrap_or_default().min(EVERY))
    }

    /// Waits, and takes note of what is done meanwhile.
    async fn rest(&mut self, wait: Duration) {
        let end = tokio::time::sleep(wait);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                true = self.finish_one() => {}
                else => return end.await,
            }
        }
    }

    /// Waits for one that is done; false if nothing is on its way.
    async fn finish_one(&mut self) -> bool {
        match self.tasks.join_next().await {
            None => return false,
            Some(Ok(Done { id, tried, look })) => {
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
fn gauge(plan: &[Candidate], now: Timestamp) {
    let waiting: i64 = plan.iter().map(Candidate::backlog).sum();
    let oldest = plan.iter().filter_map(|one| one.oldest).map(|(_, at)| at).min();
    let age = oldest.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    metrics::gauge!("investord_webhook_backlog_events").set(waiting as f64);
    metrics::gauge!("investord_webhook_oldest_event_seconds").set(age);
}

/// Delivers to one webhook until it has nothing, fails, or is somebody else's.
async fn deliver(app: App, one: Candidate, crowded: Arc<AtomicBool>) -> Done {
    let (tenant, id, lease) = (one.tenant, one.id, app.ids.uuid());
    let mut delivery = Delivery { app: &app, tenant, id, lease, crowded: &crowded, tried: 0 };
    let look = delivery.run().await.unwrap_or_else(|error| {
        tracing::error!(%error, webhook = %one.id, "cannot deliver to a webhook; later again");
        let rest = Rest { due: Some(app.clock.now() + LATER), full_at: i64::MAX };
        Some(Look { version: one.version, rest })
    });
    Done { id: one.id, tried: delivery.tried, look }
}

/// One webhook in the hands of this process.
struct Delivery<'a> {
    app: &'a App,
    tenant: i64,
    id: Uuid,
    lease: Uuid,
    crowded: &'a AtomicBool,
    /// Packages so far.
    tried: usize,
}

/// A portion, and the key that signs it.
struct Load {
    portion: Portion,
    key: (Uuid, Arc<SigningKey>),
}

impl Delivery<'_> {
    async fn run(&mut self) -> Result<Option<Look>, StoreError> {
        let Some(load) = self.look(None).await? else { return Ok(None) };
        if !load.portion.is_worth_it() {
            return Ok(Some(Look { version: load.portion.webhook.version, rest: load.portion.rest }));
        }
        let mut load = Arc::new(load);
        if !self.claim(&load).await? {
            return Ok(None);
        }
        loop {
            let (attempts, all) = self.send(&load).await;
            self.tried += attempts.len();
            // Where others wait for a turn, a portion is one.
            let goes_on = all && !self.crowded.load(Ordering::Relaxed);
            let mut next = if goes_on { self.look(load.portion.last()).await? } else { None };
            if let Some(next) = next.as_mut().filter(|_| !attempts.is_empty()) {
                // It was read before it is written that all went well.
                next.portion.webhook.failures = 0;
            }
            let idle = next.as_ref().filter(|next| !next.portion.is_worth_it()).map(|next| {
                let Portion { webhook, rest, .. } = &next.portion;
                Look { version: webhook.version + 1, rest: *rest }
            });
            let next = next.filter(|_| idle.is_none()).map(Arc::new);
            match (self.settle(&load, attempts, next.clone()).await?, next) {
                (Settled::Goes, Some(next)) => load = next,
                _ => return Ok(idle),
            }
        }
    }

    /// What can be sent now, behind the package that is in hand.
    async fn look(&self, after: Option<i64>) -> Result<Option<Load>, StoreError> {
        let (app, tenant, id, now) = (self.app.clone(), self.tenant, self.id, self.app.clock.now());
        let look = move |tx: &Tx<'_>| {
            let (_, key) = tenants::opened(tx, tenant, &app.master_key)?;
            let Some(portion) = deliveries::portion(tx, (tenant, id), after, &key, now)? else {
                return Ok(None);
            };
            let sealed = signing_keys::current(tx, tenant)?;
            let sealed =
                sealed.ok_or_else(|| StoreError::Damaged(format!("tenant {tenant} has no signing key")))?;
            Ok(Some(Load { portion, key: (sealed.id, app.outbound.key(&sealed, &key)?) }))
        };
        self.app.store.read("webhooks.look", look).await
    }

    async fn claim(&self, load: &Arc<Load>) -> Result<bool, StoreError> {
        let (load, lease, now) = (Arc::clone(load), self.lease, self.app.clock.now());
        let unit = move |tx: &Tx<'_>| deliveries::claim(tx, &load.portion, lease, now);
        self.app.store.write("webhooks.claim", self.tenant, unit).await
    }

    /// Sends package by package; what came of it, and whether that was all of them and all went well.
    async fn send(&self, load: &Load) -> (Vec<Attempt>, bool) {
        let began = self.app.clock.uptime();
        let mut attempts = Vec::new();
        for package in &load.portion.packages {
            // A lease that could end before the answer is renewed first; whoever stops hands back what is left.
            let held = self.app.clock.uptime().saturating_sub(began);
            let lasts = held + LIMIT + Duration::from_secs(2) < LEASE.unsigned_abs();
            if !attempts.is_empty() && (!lasts || self.app.stopping()) {
                return (attempts, false);
            }
            let attempt = self.attempt(load, package).await;
            let delivered = attempt.delivered;
            attempts.push(attempt);
            if !delivered {
                return (attempts, false);
            }
        }
        (attempts, !self.app.stopping())
    }

    async fn attempt(&self, load: &Load, package: &Ready) -> Attempt {
        let (began, created_at) = (self.app.clock.uptime(), self.app.clock.now());
        let content = &load.portion.webhook.content;
        let body = Bytes::copy_from_slice(package.body.as_bytes());
        let (key_id, key) = (load.key.0, &*load.key.1);
        let nonce = self.app.ids.uuid();
        let signature = content.config.signature;
        let headers = outbound::signed(&content.url, &body, signature, (key_id, key), created_at, nonce);
        let (outcome, delivered, status, mut answer) = match headers {
            Ok(headers) => {
                let answer = self.app.outbound.send(&content.url, headers, body).await;
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

    async fn settle(
        &self,
        load: &Arc<Load>,
        attempts: Vec<Attempt>,
        next: Option<Arc<Load>>,
    ) -> Result<Settled, StoreError> {
        let (app, load, lease, now) = (self.app.clone(), Arc::clone(load), self.lease, self.app.clock.now());
        let tenant = self.tenant;
        let unit = move |tx: &Tx<'_>| {
            let (_, key) = tenants::opened(tx, tenant, &app.master_key)?;
            let next = next.as_deref().map(|next| &next.portion);
            let webhook = &load.portion.webhook;
            deliveries::settle(tx, (webhook, lease), &attempts, next, (&key, &*app.ids), now)
        };
        self.app.store.write("webhooks.settle", self.tenant, unit).await
    }
}
