//! A counter with a limit for one owner and one for all together.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counter of the amounts in use, in total and per owner, with a limit for both.
pub struct Counter<K: Hash + Eq + Copy> {
    /// Label of the counter in the metrics.
    name: &'static str,
    /// Limit of the total.
    all: usize,
    /// Limit of one owner.
    each: usize,
    used: Mutex<Used<K>>,
}

/// The amounts in use.
struct Used<K> {
    all: usize,
    /// Amount per owner, without entries for owners that use nothing: the map stays bounded by the limit of the total.
    by: HashMap<K, usize>,
}

/// The exhausted limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// The limit of the owner (responded to with 429).
    Own,
    /// The limit of all owners together (responded to with 503).
    Everybodys,
}

impl<K: Hash + Eq + Copy> Counter<K> {
    /// Creates a counter with a limit of the total and a limit per owner.
    pub fn new(name: &'static str, all: usize, each: usize) -> Arc<Self> {
        let used = Mutex::new(Used { all: 0, by: HashMap::new() });
        Arc::new(Self { name, all, each, used })
    }

    /// Acquires an amount, which is released when [`Taken`] is dropped.
    ///
    /// # Errors
    ///
    /// Fails with the exhausted limit.
    pub fn acquire(self: &Arc<Self>, by: K, amount: usize) -> Result<Permit<K>, Exhausted> {
        let mut taken = Permit { counter: Arc::clone(self), by, amount: 0 };
        taken.acquire_more(amount)?;
        Ok(taken)
    }

    /// Acquires an amount within the limit of the total, without regard to the limit of the owner.
    ///
    /// # Errors
    ///
    /// Fails if the limit of the total is exhausted.
    pub fn acquire_total(self: &Arc<Self>, by: K, amount: usize) -> Result<Permit<K>, Exhausted> {
        let mut used = self.used();
        if used.all.saturating_add(amount) > self.all {
            return Err(self.refused(Exhausted::Everybodys));
        }
        used.add(by, amount);
        Ok(Permit { counter: Arc::clone(self), by, amount })
    }

    /// Counts an amount that is already in use, without regard to the limits.
    pub fn record(self: &Arc<Self>, by: K, amount: usize) -> Permit<K> {
        self.used().add(by, amount);
        Permit { counter: Arc::clone(self), by, amount }
    }

    /// Checks whether an amount could be acquired now.
    ///
    /// # Errors
    ///
    /// Fails with the exhausted limit.
    pub fn has_room(&self, by: K, amount: usize) -> Result<(), Exhausted> {
        let spent = self.used().beyond(self, by, amount);
        spent.map_or(Ok(()), |spent| Err(self.refused(spent)))
    }

    /// Counts a refusal in the metrics and returns its limit.
    fn refused(&self, spent: Exhausted) -> Exhausted {
        let whose = if spent == Exhausted::Own { "own" } else { "all" };
        metrics::counter!("investord_budget_refusals_total", "budget" => self.name, "limit" => whose)
            .increment(1);
        spent
    }

    /// Publishes the amount in use as a gauge.
    pub fn publish(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("investord_budget_used", "budget" => self.name).set(self.used().all as f64);
    }

    /// Locks the amounts. A poisoned lock is used on, because every update leaves the amounts consistent.
    fn used(&self) -> MutexGuard<'_, Used<K>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Copy> Used<K> {
    /// Returns the limit that another amount of this owner would exceed. The owner's own limit takes precedence, so
    /// that the client learns that its own load is the cause.
    fn beyond(&self, limits: &Counter<K>, by: K, amount: usize) -> Option<Exhausted> {
        let own = self.by.get(&by).copied().unwrap_or(0);
        if own.saturating_add(amount) > limits.each {
            Some(Exhausted::Own)
        } else if self.all.saturating_add(amount) > limits.all {
            Some(Exhausted::Everybodys)
        } else {
            None
        }
    }

    fn add(&mut self, by: K, amount: usize) {
        self.all += amount;
        *self.by.entry(by).or_default() += amount;
    }
}

/// An acquired amount, released when it is dropped.
pub struct Permit<K: Hash + Eq + Copy> {
    counter: Arc<Counter<K>>,
    by: K,
    amount: usize,
}

impl<K: Hash + Eq + Copy> Permit<K> {
    /// Acquires an additional amount for the same owner.
    ///
    /// # Errors
    ///
    /// Fails with the exhausted limit; the earlier amount stays acquired.
    pub fn acquire_more(&mut self, amount: usize) -> Result<(), Exhausted> {
        let mut used = self.counter.used();
        if let Some(spent) = used.beyond(&self.counter, self.by, amount) {
            return Err(self.counter.refused(spent));
        }
        used.add(self.by, amount);
        drop(used);
        self.amount += amount;
        Ok(())
    }
}

impl<K: Hash + Eq + Copy> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut used = self.counter.used();
        used.all -= self.amount;
        if let Some(own) = used.by.get_mut(&self.by) {
            *own -= self.amount;
            if *own == 0 {
                used.by.remove(&self.by);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_one_nor_all_take_more_than_there_is() {
        let counter = Counter::new("test", 5, 3);
        let mut first = counter.acquire(1, 2).unwrap();
        assert_eq!(first.acquire_more(2), Err(Exhausted::Own));
        assert_eq!(first.acquire_more(1), Ok(()));
        let second = counter.acquire(2, 2).unwrap();
        assert_eq!(counter.acquire(3, 1).err(), Some(Exhausted::Everybodys));
        assert_eq!(counter.has_room(1, 1), Err(Exhausted::Own));
        drop(first);
        assert_eq!(counter.has_room(1, 3), Ok(()));
        let beyond = counter.record(3, 9);
        assert_eq!(counter.has_room(1, 1), Err(Exhausted::Everybodys));
        drop((second, beyond));
        let used = counter.used();
        assert!(used.all == 0 && used.by.is_empty(), "nothing is left of those who use nothing");
    }
}
