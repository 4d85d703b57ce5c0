//! Counts the signatures that strict signatures would refuse (decision W21), and saves the counts once a minute.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_message_signatures::VerifyError;
use jiff::Timestamp;
use uuid::Uuid;

use crate::store::engine::unit::Owner;
use crate::store::tenants::signature_counts;
use crate::store::tenants::signature_counts::SignatureCount;
use crate::store::{Store, StoreError, Tx};

/// Interval between two writes of the counts.
const SAVE_INTERVAL: Duration = Duration::from_mins(1);

/// Counts since the last write to the store. The memory is bounded by the number of clients; an unclean end of the
/// process loses the counts of at most a minute.
#[derive(Default)]
pub struct SignatureCounts(Mutex<BTreeMap<Uuid, SignatureCount>>);

impl SignatureCounts {
    /// Counts an accepted signature, by the result of its strict verification.
    pub fn count(&self, client: Uuid, now: Timestamp, strictly: Result<(), VerifyError>) {
        let (taken, refused) = if strictly.is_ok() { (1, 0) } else { (0, 1) };
        let last_refused = strictly.err().map(|refusal| (now, refusal.to_string()));
        self.add(client, SignatureCount { since: now, last_at: now, taken, refused, last_refused });
    }

    /// Adds a count to the count of the client in memory.
    fn add(&self, client: Uuid, more: SignatureCount) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = counts.get_mut(&client) else {
            counts.insert(client, more);
            return;
        };
        count.since = count.since.min(more.since);
        count.last_at = count.last_at.max(more.last_at);
        count.taken += more.taken;
        count.refused += more.refused;
        count.last_refused = count.last_refused.take().max(more.last_refused);
    }

    /// Writes the counts to the store, and keeps them in memory if that fails.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be written.
    pub async fn save(&self, store: &Store) -> Result<(), StoreError> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if counts.is_empty() {
            return Ok(());
        }
        let added = counts.clone();
        // In the order of the client ids in every process, so that concurrent transactions cannot deadlock on the rows.
        let unit = move |tx: &Tx<'_>| {
            added.iter().try_for_each(|(client, count)| signature_counts::add(tx, *client, count))
        };
        let outcome = store.write("signature_counts.add", Owner::REGISTER, unit).await;
        if outcome.is_err() {
            for (client, count) in counts {
                self.add(client, count);
            }
        }
        outcome
    }
}

/// Saves the counts once a minute, for ever.
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
