//! Signed messages that this process has seen (decision W5).
//!
//! Writes are remembered in the store as well, so that they hold across processes and restarts; here all
//! are remembered, so that a repeat is refused before it costs a transaction.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::store::once::Nonce;

/// Longer than any signature can be valid: lifetime 300 s, 30 s ahead, 5 s of grace.
const LONGEST: SignedDuration = SignedDuration::from_secs(340);
/// Messages of one generation, some 64 MiB. Beyond that the oldest are forgotten early: reads could then be
/// played again, writes not.
const MOST: usize = 1_000_000;

/// Two generations: the older one is dropped when the younger is as old as [`LONGEST`], so every message is
/// kept for at least that long, and the memory is bounded.
#[derive(Default)]
pub struct Replays(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    began: Timestamp,
    young: HashMap<[u8; 16], Timestamp>,
    old: HashMap<[u8; 16], Timestamp>,
}

impl Replays {
    /// Remembers a message; false if it was there already and could still be valid.
    pub fn first_time(&self, nonce: &Nonce) -> bool {
        let Nonce { hash, until, now } = *nonce;
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now < seen.began {
            // The clock has gone back: count anew, and forget nothing that it may come back to.
            seen.began = now;
        } else if now.duration_since(seen.began) >= LONGEST || seen.young.len() >= MOST {
            seen.old = std::mem::take(&mut seen.young);
            seen.began = now;
        }
        let known = seen.young.get(&hash).or_else(|| seen.old.get(&hash));
        let first = known.is_none_or(|until| *until < now);
        if first {
            seen.young.insert(hash, until);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_as_long_as_a_signature_can_live() {
        let (replays, start) = (Replays::default(), Timestamp::from_second(1_700_000_000).unwrap());
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        let first = |byte, now, until| {
            replays.first_time(&Nonce { hash: [byte; 16], until: at(until), now: at(now) })
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
}
