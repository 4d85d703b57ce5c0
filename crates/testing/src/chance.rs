//! Chance that a seed repeats.

use investord::clock::{Ids as _, SystemIds};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::repeat;

/// Chance that can be repeated.
pub struct Chance(SmallRng);

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
        Self::seeded(seed)
    }

    pub fn seeded(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// One that goes its own way from here.
    pub fn another(&mut self) -> Self {
        Self::seeded(self.0.random())
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.0.random_range(..length)
    }

    pub fn in_ten(&mut self, times: u64) -> bool {
        self.below(10) < times
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.random_range(..bound)
    }
}
