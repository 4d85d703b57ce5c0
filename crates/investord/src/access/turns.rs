//! A semaphore that is fair between owners: limits work of a kind in all and per owner.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// Maximum time that a scan waits for a permit.
const PATIENCE: Duration = Duration::from_secs(10);
/// Number of owners in memory above which idle owners are removed.
const REMEMBERED: usize = 1024;

/// Permits for work: at most `all` at once in total, and at most `each` per owner.
pub struct FairSemaphore<K: Hash + Eq + Copy> {
    each: usize,
    all: Arc<Semaphore>,
    by: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// A permit, released when it is dropped.
pub struct FairPermit {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl<K: Hash + Eq + Copy> FairSemaphore<K> {
    /// Creates the permits.
    pub fn new(all: usize, each: usize) -> Self {
        Self { each, all: Arc::new(Semaphore::new(all)), by: Mutex::default() }
    }

    /// Waits for a permit. The owner's own permit comes first, so that no owner occupies more than its share of the
    /// common queue. Returns `None` only if the semaphore is closed.
    pub async fn acquire(&self, by: K) -> Option<FairPermit> {
        let own = {
            let mut askers = self.by.lock().unwrap_or_else(PoisonError::into_inner);
            if askers.len() >= REMEMBERED {
                // A permit and a waiting task share the semaphore, so a count of one means an idle owner.
                askers.retain(|_, own| Arc::strong_count(own) > 1);
            }
            Arc::clone(askers.entry(by).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
        };
        let own = own.acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(FairPermit { _own: own, _all: all })
    }

    /// Waits for a permit to scan the store, for 10 s at most.
    ///
    /// # Errors
    ///
    /// Fails with 503 if there is no permit in time.
    pub async fn acquire_for_scan(&self, by: K) -> Result<FairPermit, Problem> {
        let turn = tokio::time::timeout(PATIENCE, self.acquire(by)).await.ok().flatten();
        turn.ok_or_else(|| Problem::Unavailable("no turn for a scan of the store".into()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Another owner is next, even if one owner requests many permits.
    #[test]
    fn what_one_asks_for_waits_for_one_another() {
        let turns = FairSemaphore::new(2, 1);
        let first = turns.acquire(1).now_or_never().flatten();
        assert!(first.is_some());
        assert!(turns.acquire(1).now_or_never().is_none(), "its own share is used up");
        let other = turns.acquire(2).now_or_never().flatten();
        assert!(other.is_some());
        assert!(turns.acquire(3).now_or_never().is_none(), "that of all, too");
        drop(first);
        assert!(turns.acquire(3).now_or_never().flatten().is_some());
    }

    /// An owner that may use all permits uses them alone, and queues behind other owners as soon as there are any.
    #[test]
    fn another_is_next_where_one_may_use_all() {
        let turns = FairSemaphore::new(2, 2);
        let mut held: Vec<_> = (0..2).map(|_| turns.acquire(1).now_or_never().flatten()).collect();
        assert!(held.iter().all(Option::is_some));
        let (mut own, mut other) = (Box::pin(turns.acquire(1)), Box::pin(turns.acquire(2)));
        assert!((&mut own).now_or_never().is_none() && (&mut other).now_or_never().is_none());
        held.pop();
        assert!((&mut own).now_or_never().is_none(), "it came first, and is not next");
        assert!((&mut other).now_or_never().flatten().is_some());
    }

    #[test]
    fn those_who_ask_for_nothing_are_forgotten() {
        let turns = FairSemaphore::new(1, 1);
        let held = turns.acquire(0).now_or_never().flatten();
        for asker in 1..=2 * REMEMBERED {
            assert!(turns.acquire(asker).now_or_never().is_none(), "all is in use");
        }
        assert!(turns.by.lock().unwrap().len() <= REMEMBERED);
        assert!(held.is_some() && turns.acquire(0).now_or_never().is_none(), "who works is remembered");
    }
}
