//! Chance that a seed repeats.

use investord::clock::{Ids as _, SystemIds};

use crate::repeat;

/// Chance that can be repeated (splitmix64).
pub struct Chance(u64);

impl Chance {
    /// Seeded by `INVESTORD_TEST_SEED`, or anew. What a test prints is shown when it fails: the command that repeats it
    /// is.
    pub fn new(test: &str) -> Self {
        let given = std::env::var("INVESTORD_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            SystemIds.fill(&mut bytes);
            u64::from_ne_bytes(bytes)
        });
        println!("{test}: {}", repeat::command("INVESTORD_TEST_SEED", seed));
        Self(seed)
    }

    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// One that goes its own way from here.
    pub fn another(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub fn in_ten(&mut self, times: u64) -> bool {
        self.below(10) < times
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
