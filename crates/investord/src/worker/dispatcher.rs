//! The dispatcher of webhooks: which of them are delivered to now, different ones side by side, within the budgets.
//!
//! Any number of processes read the same delivery schedule, and the lease of a webhook decides which of them sends to
//! it. Memory contains only the packages in flight; the pending ones stay in the store.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::delivery::{DeliveryResult, NextCheck, WaitingWebhooks, deliver, until};
use crate::access::counter::Exhausted;
use crate::app::App;
use crate::store::StoreError;
use crate::store::delivery::deliveries;
use crate::store::delivery::deliveries::{DeliveryCandidate, LEASE};
use crate::store::engine::unit::Owner;

/// Interval between two reads of the schedule. Every webhook delays its events by a second or more, so that a
/// notification by the writer would gain nothing.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Interval between two reads while there is more to deliver than the budgets allow.
const BUSY_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Delivers until the server stops, then finishes the packages in flight and gives the leases back.
pub async fn run(app: App) {
    // A database of one process: leases that are still in it belong to a process that was killed.
    if !app.store.is_shared() {
        let released = app.store.write("webhooks.release", Owner::REGISTER, deliveries::release_all).await;
        if let Err(error) = released {
            tracing::warn!(%error, "cannot take over the webhooks of before; they are free in {LEASE:#}");
        }
    }
    let mut dispatcher = Dispatcher::new(app);
    while !dispatcher.app.is_stopping() {
        let wait = match dispatcher.start().await {
            Ok(wait) => wait.min(POLL_INTERVAL),
            Err(error) => {
                tracing::warn!(%error, "cannot look which events are to be delivered; trying again");
                POLL_INTERVAL
            }
        };
        dispatcher.wait_for_work(wait).await;
    }
    while dispatcher.finish_one().await {}
}

/// Delivers everything that is due now and returns the number of attempted packages. Tests drive the dispatcher by it.
///
/// # Errors
///
/// Fails if the schedule cannot be read.
pub async fn run_due(app: &App) -> Result<usize, StoreError> {
    let mut dispatcher = Dispatcher::new(app.clone());
    loop {
        dispatcher.start().await?;
        if dispatcher.busy.is_empty() {
            return Ok(dispatcher.tried);
        }
        while dispatcher.finish_one().await {
            dispatcher.start_queued();
        }
    }
}

/// The state of the dispatcher: the webhooks in delivery, and the conditions of the others.
struct Dispatcher {
    app: App,
    /// Condition of the next check per webhook; webhooks without one are checked at once.
    looks: HashMap<Uuid, NextCheck>,
    /// Webhooks with work that wait for a budget, in the order of their turns.
    queue: Vec<DeliveryCandidate>,
    /// Webhooks in delivery by this process.
    busy: HashSet<Uuid>,
    tasks: JoinSet<DeliveryResult>,
    /// Shared with the deliveries, which give up their turn for a waiting webhook.
    waiting: Arc<Mutex<WaitingWebhooks>>,
    /// The webhook started last. The next round begins behind it, so that every webhook gets its turn.
    last: Uuid,
    /// Number of attempted packages so far.
    tried: usize,
}

impl Dispatcher {
    fn new(app: App) -> Self {
        Self {
            app,
            looks: HashMap::new(),
            queue: Vec::new(),
            busy: HashSet::new(),
            tasks: JoinSet::new(),
            waiting: Arc::default(),
            last: Uuid::nil(),
            tried: 0,
        }
    }

    /// Starts the deliveries that are due, within the budgets, and returns the time until the next one as far as it is
    /// known.
    async fn start(&mut self) -> Result<Duration, StoreError> {
        let mut plan = self.app.store.read("webhooks.schedule", deliveries::schedule).await?;
        let now = self.app.clock.now();
        self.looks.retain(|id, _| plan.binary_search_by_key(id, |one| one.id).is_ok());
        gauge(&plan, now);
        // Behind the webhook that was started last.
        let turn = plan.iter().position(|one| one.id > self.last).unwrap_or(0);
        plan.rotate_left(turn);
        let mut wait = Duration::MAX;
        self.queue.clear();
        for one in plan {
            if !one.is_sent_to || self.busy.contains(&one.id) {
                continue;
            }
            match self.wait(&one, now) {
                Some(own) => wait = wait.min(own),
                None => self.queue.push(one),
            }
        }
        self.start_queued();
        Ok(wait)
    }

    /// Starts the deliveries in the queue for which there is a budget.
    fn start_queued(&mut self) {
        let mut waiting = WaitingWebhooks::default();
        for one in std::mem::take(&mut self.queue) {
            if waiting.includes(one.tenant) {
                self.queue.push(one);
                continue;
            }
            match self.app.budgets.deliveries.acquire(one.tenant, 1) {
                Ok(taken) => {
                    self.busy.insert(one.id);
                    self.last = one.id;
                    let delivery = deliver(self.app.clone(), one, Arc::clone(&self.waiting));
                    self.tasks.spawn(async move {
                        let _taken = taken;
                        delivery.await
                    });
                }
                Err(exhausted) => {
                    match exhausted {
                        Exhausted::Own => drop(waiting.tenants.insert(one.tenant)),
                        Exhausted::Everybodys => waiting.all = true,
                    }
                    self.queue.push(one);
                }
            }
        }
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }

    /// Returns the time until a webhook may have work, or `None` if it has work now.
    fn wait(&self, one: &DeliveryCandidate, now: Timestamp) -> Option<Duration> {
        let left = |look: &&NextCheck| look.until.saturating_sub(self.app.clock.uptime());
        let look = self.looks.get(&one.id).filter(|look| !left(look).is_zero());
        // A failure blocks the webhook whatever its version is.
        if let Some(failed) = look.filter(|look| look.version.is_none()) {
            return Some(left(&failed));
        }
        if let Some(at) = one.not_before(now) {
            return Some(until(at, now));
        }
        // Packages of an earlier round are open, so that there is work without a look at the events.
        if one.open > 0 {
            return None;
        }
        if one.behind() == 0 {
            return Some(Duration::MAX);
        }
        look.filter(|look| look.version == Some(one.version) && one.events < look.full_at).as_ref().map(left)
    }

    /// Waits for the given time, and meanwhile starts the deliveries in the queue as others end. Ends earlier when none
    /// is left in the queue, because those that have ended may have more to deliver.
    async fn wait_for_work(&mut self, wait: Duration) {
        let end = tokio::time::sleep(wait);
        let earliest = Instant::now() + BUSY_POLL_INTERVAL.min(wait);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                true = self.finish_one() => {
                    let had_queue = !self.queue.is_empty();
                    self.start_queued();
                    if had_queue && self.queue.is_empty() {
                        end.as_mut().reset(earliest);
                    }
                }
            }
        }
    }

    /// Waits for the next delivery to end and records its result. Returns false if there is none in flight.
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
                // The panicked task does not reveal its webhook. All webhooks are checked again; those in flight are
                // protected by their leases.
                self.busy.clear();
            }
        }
        true
    }
}

/// Publishes the backlog: the number of undelivered events, and the age of the oldest one in seconds.
fn gauge(plan: &[DeliveryCandidate], now: Timestamp) {
    let waiting: i64 = plan.iter().map(DeliveryCandidate::backlog).sum();
    let oldest = plan.iter().filter_map(|one| one.oldest).map(|(_, at)| at).min();
    let age = oldest.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    metrics::gauge!("investord_webhook_backlog_events").set(waiting as f64);
    metrics::gauge!("investord_webhook_oldest_event_seconds").set(age);
}
