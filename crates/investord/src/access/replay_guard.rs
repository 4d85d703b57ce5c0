//! Replay protection in memory: nonces of signed messages that this process has received (decision W5).
//!
//! The nonces of writes are stored in the database as well, so that the protection spans processes and restarts. This
//! cache contains the nonces of all requests, so that a replay is refused before it costs a transaction.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::domain::tenants::TenantNumber;
use crate::store::log::idempotency::Nonce;

/// Upper bound of the validity of a signature (decision W4): a lifetime of 300 s, `created` up to 30 s in the future, 5
/// s of grace, rounded up.
const LONGEST: SignedDuration = SignedDuration::from_secs(340);
/// Maximum number of nonces of all tenants, about 64 MiB. Beyond it the tenant with the most nonces loses its older
/// ones.
const MAX_MESSAGES: usize = 1_000_000;

/// The nonces of each tenant. A tenant that exceeds the memory only evicts its own nonces.
pub struct ReplayGuard {
    /// Maximum number of nonces; a field, so that tests can lower it.
    most: usize,
    seen: Mutex<Seen>,
}

/// State under the lock.
struct Seen {
    /// Start of the process; earlier messages are unknown here.
    started: Timestamp,
    /// Upper bound of the number of nonces. Expired nonces still count until the next eviction.
    count: usize,
    tenants: HashMap<TenantNumber, Generations>,
}

/// Two generations of nonces. The older one is dropped when the younger one reaches the age [`LONGEST`], so that every
/// nonce is kept for at least that time and the memory is bounded without an expiry per entry.
struct Generations {
    /// Start of the younger generation.
    began: Timestamp,
    /// Nonces of messages that were signed earlier may have been evicted.
    known_since: Timestamp,
    /// Nonce hashes with the end of their validity.
    young: HashMap<[u8; 16], Timestamp>,
    old: HashMap<[u8; 16], Timestamp>,
}

impl ReplayGuard {
    /// Creates an empty cache at the start of the process.
    pub fn new(started: Timestamp) -> Self {
        Self { most: MAX_MESSAGES, seen: Mutex::new(Seen { started, count: 0, tenants: HashMap::new() }) }
    }

    /// Stores the nonce of a message. Returns false if it is already known and its message could still be valid.
    pub fn is_first_time(&self, tenant: TenantNumber, nonce: &Nonce) -> bool {
        let Nonce { hash, until, now } = *nonce;
        let Seen { started, count, tenants } = &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *count >= self.most {
            evict(tenants, self.most, now);
            *count = tenants.values().map(Generations::len).sum();
        }
        let seen = tenants.entry(tenant).or_insert_with(|| Generations::since(*started, now));
        if now < seen.began {
            // The clock has gone back. The generation starts anew and keeps its nonces, which become valid again.
            seen.began = now;
        } else if now.duration_since(seen.began) >= LONGEST {
            seen.age(now);
        }
        let known = seen.young.get(&hash).or_else(|| seen.old.get(&hash));
        let first = known.is_none_or(|until| *until < now);
        if first {
            seen.young.insert(hash, until);
            *count += 1;
        }
        first
    }

    /// Returns whether the cache would know a message with this signing time if it had been received. That is false for
    /// messages signed before the start of the process. A message signed up to 30 s in the future counts as received at
    /// its signing time.
    pub fn covers(&self, tenant: TenantNumber, signed: Timestamp, now: Timestamp) -> bool {
        let Seen { started, tenants, .. } = &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let since = tenants.get_mut(&tenant).map_or(started, |seen| &mut seen.known_since);
        // After the clock has gone back, requests must not be refused until it has caught up.
        *since = now.min(*since);
        // `created` has a resolution of seconds.
        signed.as_second() >= since.as_second()
    }
}

/// Evicts the expired nonces, and if that does not suffice the older nonces of the tenant with the most.
fn evict(tenants: &mut HashMap<TenantNumber, Generations>, most: usize, now: Timestamp) {
    tenants.retain(|_, seen| !seen.is_over(now));
    let count: usize = tenants.values().map(Generations::len).sum();
    if count >= most
        && let Some(largest) = tenants.values_mut().max_by_key(|seen| seen.len())
    {
        largest.evict_early(now);
    }
}

impl Generations {
    fn since(known_since: Timestamp, now: Timestamp) -> Self {
        Self { began: now, known_since, young: HashMap::new(), old: HashMap::new() }
    }

    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Returns whether all nonces of both generations have expired.
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.began) >= LONGEST + LONGEST
    }

    /// Turns the younger generation into the older one.
    fn age(&mut self, now: Timestamp) {
        self.old = std::mem::take(&mut self.young);
        self.began = now;
    }

    /// Evicts a generation early, and moves `known_since` so that [`ReplayGuard::covers`] reports the gap.
    fn evict_early(&mut self, now: Timestamp) {
        self.known_since = if self.old.is_empty() { now } else { self.began };
        self.old = HashMap::new();
        if self.known_since == now {
            self.young = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_as_long_as_a_signature_can_live() {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let replays = ReplayGuard::new(start);
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        let first = |byte, now, until| {
            replays
                .is_first_time(TenantNumber(1), &Nonce { hash: [byte; 16], until: at(until), now: at(now) })
        };
        assert!(first(1, 0, 60));
        assert!(!first(1, 0, 60));
        assert!(!first(1, 60, 120));
        assert!(first(1, 61, 120), "the first can no longer be valid");
        assert!(first(2, 339, 669));
        assert!(!first(2, 341, 669), "kept although its generation has ended");
        assert!(!first(2, 669, 700));
        assert!(!first(2, -3600, -3500), "kept when the clock goes back");
        assert!(first(3, -3600, -3500));
    }

    #[test]
    fn a_tenant_that_sends_much_loses_its_own_messages_and_they_are_known_to_be_lost() {
        let start = Timestamp::from_second(1_700_000_000).unwrap();
        let replays = ReplayGuard { most: 100, ..ReplayGuard::new(start) };
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        let first = |tenant, byte, now| {
            replays.is_first_time(tenant, &Nonce { hash: [byte; 16], until: at(300), now: at(now) })
        };
        assert!(!replays.covers(TenantNumber(2), at(-1), at(0)), "before the process was there");
        for byte in 0..9 {
            assert!(first(TenantNumber(1), byte, 0));
        }
        for byte in 0..250 {
            assert!(first(TenantNumber(2), byte, 1 + i64::from(byte) / 100));
        }
        for byte in 0..9 {
            assert!(!first(TenantNumber(1), byte, 4), "another tenant's messages stay");
        }
        assert!(replays.covers(TenantNumber(1), at(0), at(4)));
        assert!(!replays.covers(TenantNumber(2), at(0), at(4)), "some of them have been forgotten");
        assert!(replays.covers(TenantNumber(2), at(4), at(4)));
        assert!(replays.covers(TenantNumber(2), at(-3600), at(-3600)), "the clock has gone back");
        assert!(replays.covers(TenantNumber(2), at(-3599), at(-3500)), "and goes on from there");
        let kept: usize = replays.seen.lock().unwrap().tenants.values().map(Generations::len).sum();
        assert!(kept <= 100, "{kept}");
    }
}
