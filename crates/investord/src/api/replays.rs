//! Signed messages that this process has seen (decision W5).
//!
//! Writes are remembered in the store as well, so that they hold across processes and restarts; here all
//! are remembered, so that a repeat is refused before it costs a transaction.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Longer than any signature can be valid: lifetime 300 s, 30 s ahead, 5 s of grace.
const LONGEST: SignedDuration = SignedDuration::from_secs(340);

/// Two generations of hashes: the older one is dropped when the younger is as old as [`LONGEST`], so every
/// hash is kept for at least that long and the memory is bounded by two windows of traffic.
#[derive(Default)]
pub struct Replays(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    began: Timestamp,
    young: HashSet<[u8; 16]>,
    old: HashSet<[u8; 16]>,
}

impl Replays {
    /// Remembers a message; false if it was there already.
    pub fn first_time(&self, hash: [u8; 16], now: Timestamp) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now < seen.began {
            // The clock has gone back: count anew, and forget nothing that it may come back to.
            seen.began = now;
        } else if now.duration_since(seen.began) >= LONGEST {
            seen.old = std::mem::take(&mut seen.young);
            seen.began = now;
        }
        !seen.old.contains(&hash) && seen.young.insert(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_as_long_as_a_signature_can_live() {
        let (replays, start) = (Replays::default(), Timestamp::from_second(1_700_000_000).unwrap());
        let at = |seconds| start + SignedDuration::from_secs(seconds);
        assert!(replays.first_time([1; 16], at(0)));
        assert!(!replays.first_time([1; 16], at(0)));
        assert!(replays.first_time([2; 16], at(339)));
        assert!(!replays.first_time([1; 16], at(339)));
        assert!(!replays.first_time([2; 16], at(678)), "kept although its generation has ended");
        assert!(!replays.first_time([2; 16], at(-3600)), "kept when the clock goes back");
        assert!(replays.first_time([3; 16], at(-3600)));
        assert!(replays.first_time([2; 16], at(-2000)), "two generations later it is forgotten");
    }
}
