//! Counts the signatures that strict signatures would refuse (decision W21), notes the last use of each key, and saves
//! both once a minute.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_message_signatures::VerifyError;
use jiff::Timestamp;
use uuid::Uuid;

use crate::store::engine::unit::Owner;
use crate::store::tenants::clients;
use crate::store::tenants::signature_counts;
use crate::store::tenants::signature_counts::SignatureCount;
use crate::store::{Store, StoreError, Tx};

/// Interval between two writes.
const SAVE_INTERVAL: Duration = Duration::from_mins(1);

/// What was counted since the last write to the store. The memory is bounded by the numbers of clients and keys; an
/// unclean end of the process loses what was counted in at most a minute.
#[derive(Default)]
pub struct SignatureCounts(Mutex<Unsaved>);

#[derive(Clone, Default)]
struct Unsaved {
    /// By the id of the client.
    counts: BTreeMap<Uuid, SignatureCount>,
    /// The last use of each key.
    uses: BTreeMap<Uuid, Timestamp>,
}

impl Unsaved {
    fn count(&mut self, client: Uuid, more: SignatureCount) {
        let Some(count) = self.counts.get_mut(&client) else {
            self.counts.insert(client, more);
            return;
        };
        count.since = count.since.min(more.since);
        count.last_at = count.last_at.max(more.last_at);
        count.taken += more.taken;
        count.refused += more.refused;
        count.last_refused = count.last_refused.take().max(more.last_refused);
    }

    fn record_use(&mut self, key: Uuid, now: Timestamp) {
        let last = self.uses.entry(key).or_insert(now);
        *last = now.max(*last);
    }
}

impl SignatureCounts {
    fn unsaved(&self) -> MutexGuard<'_, Unsaved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an accepted signature of a client's key, by the result of its strict verification; none for a strict
    /// tenant, whose signatures need no count.
    pub fn count(&self, client: Uuid, key: Uuid, now: Timestamp, strictly: Option<Result<(), VerifyError>>) {
        let mut unsaved = self.unsaved();
        unsaved.record_use(key, now);
        if let Some(strictly) = strictly {
            let (taken, refused) = if strictly.is_ok() { (1, 0) } else { (0, 1) };
            let last_refused = strictly.err().map(|refusal| (now, refusal.to_string()));
            unsaved.count(client, SignatureCount { since: now, last_at: now, taken, refused, last_refused });
        }
    }

    /// Writes everything to the store, and keeps it in memory if that fails.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be written.
    pub async fn save(&self, store: &Store) -> Result<(), StoreError> {
        let Unsaved { counts, uses } = std::mem::take(&mut *self.unsaved());
        if counts.is_empty() && uses.is_empty() {
            return Ok(());
        }
        let saved = (counts.clone(), uses.clone());
        // In the order of the ids in every process, so that concurrent transactions cannot deadlock on the rows.
        let unit = move |tx: &Tx<'_>| {
            let (counts, uses) = &saved;
            counts.iter().try_for_each(|(client, count)| signature_counts::add(tx, *client, count))?;
            uses.iter().try_for_each(|(key, at)| clients::record_key_use(tx, *key, *at))
        };
        let outcome = store.write("signature_counts.add", Owner::REGISTER, unit).await;
        if outcome.is_err() {
            let mut unsaved = self.unsaved();
            for (client, count) in counts {
                unsaved.count(client, count);
            }
            for (key, at) in uses {
                unsaved.record_use(key, at);
            }
        }
        outcome
    }
}

/// Saves what was counted once a minute, for ever.
pub async fn run(counts: Arc<SignatureCounts>, store: Store) {
    let mut ticks = tokio::time::interval(SAVE_INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = counts.save(&store).await {
            let seconds = SAVE_INTERVAL.as_secs();
            tracing::warn!(%error, "could not save the counts of signatures; trying again in {seconds} s");
        }
    }
}
