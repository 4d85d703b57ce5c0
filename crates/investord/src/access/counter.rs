//! A counter with a limit for one owner and one for all together.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts what is in use, in all and by each user of it; neither goes beyond its limit.
pub struct Counter<K: Hash + Eq + Copy> {
    /// The label of its metrics.
    name: &'static str,
    all: usize,
    each: usize,
    used: Mutex<Used<K>>,
}

struct Used<K> {
    all: usize,
    /// Who uses nothing is not in it.
    by: HashMap<K, usize>,
}

/// Whose limit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    Own,
    Everybodys,
}

impl<K: Hash + Eq + Copy> Counter<K> {
    pub fn new(name: &'static str, all: usize, each: usize) -> Arc<Self> {
        let used = Mutex::new(Used { all: 0, by: HashMap::new() });
        Arc::new(Self { name, all, each, used })
    }

    /// Takes an amount, which is given back when [`Taken`] is dropped.
    pub fn take(self: &Arc<Self>, by: K, amount: usize) -> Result<Taken<K>, Spent> {
        let mut taken = Taken { counter: Arc::clone(self), by, amount: 0 };
        taken.more(amount)?;
        Ok(taken)
    }

    /// Takes an amount within the limit of all, whatever that of one is.
    pub fn take_of_all(self: &Arc<Self>, by: K, amount: usize) -> Result<Taken<K>, Spent> {
        let mut used = self.used();
        if used.all.saturating_add(amount) > self.all {
            return Err(self.refused(Spent::Everybodys));
        }
        used.add(by, amount);
        Ok(Taken { counter: Arc::clone(self), by, amount })
    }

    /// Takes an amount of what is there already, whatever the limits say.
    pub fn note(self: &Arc<Self>, by: K, amount: usize) -> Taken<K> {
        self.used().add(by, amount);
        Taken { counter: Arc::clone(self), by, amount }
    }

    /// Whether so much could be taken.
    pub fn has_room(&self, by: K, amount: usize) -> Result<(), Spent> {
        let spent = self.used().beyond(self, by, amount);
        spent.map_or(Ok(()), |spent| Err(self.refused(spent)))
    }

    fn refused(&self, spent: Spent) -> Spent {
        let whose = if spent == Spent::Own { "own" } else { "all" };
        metrics::counter!("investord_budget_refusals_total", "budget" => self.name, "limit" => whose)
            .increment(1);
        spent
    }

    /// Publishes how much is in use.
    pub fn publish(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("investord_budget_used", "budget" => self.name).set(self.used().all as f64);
    }

    fn used(&self) -> MutexGuard<'_, Used<K>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Copy> Used<K> {
    fn beyond(&self, limits: &Counter<K>, by: K, amount: usize) -> Option<Spent> {
        let own = self.by.get(&by).copied().unwrap_or(0);
        if own.saturating_add(amount) > limits.each {
            Some(Spent::Own)
        } else if self.all.saturating_add(amount) > limits.all {
            Some(Spent::Everybodys)
        } else {
            None
        }
    }

    fn add(&mut self, by: K, amount: usize) {
        self.all += amount;
        *self.by.entry(by).or_default() += amount;
    }
}

/// An amount in use.
pub struct Taken<K: Hash + Eq + Copy> {
    counter: Arc<Counter<K>>,
    by: K,
    amount: usize,
}

impl<K: Hash + Eq + Copy> Taken<K> {
    pub fn more(&mut self, amount: usize) -> Result<(), Spent> {
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

impl<K: Hash + Eq + Copy> Drop for Taken<K> {
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
        let mut first = counter.take(1, 2).unwrap();
        assert_eq!(first.more(2), Err(Spent::Own));
        assert_eq!(first.more(1), Ok(()));
        let second = counter.take(2, 2).unwrap();
        assert_eq!(counter.take(3, 1).err(), Some(Spent::Everybodys));
        assert_eq!(counter.has_room(1, 1), Err(Spent::Own));
        drop(first);
        assert_eq!(counter.has_room(1, 3), Ok(()));
        let beyond = counter.note(3, 9);
        assert_eq!(counter.has_room(1, 1), Err(Spent::Everybodys));
        drop((second, beyond));
        let used = counter.used();
        assert!(used.all == 0 && used.by.is_empty(), "nothing is left of those who use nothing");
    }
}
