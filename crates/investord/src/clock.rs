//! The clock and the source of random ids, the only file that asks the operating system for them.
//!
//! Everything else receives them as arguments, so that a test can set the clock and repeat a run.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::Rng;
use uuid::Uuid;

/// The wall clock, in microseconds, the resolution of stored and returned instants, and a monotonic clock beside it.
pub trait Clock: Send + Sync {
    /// Returns the current instant.
    fn now(&self) -> Timestamp;

    /// Returns the time since an arbitrary moment in the past. It never decreases, even if the wall clock is set back.
    fn uptime(&self) -> Duration;
}

/// A source of random identifiers and key material.
pub trait Ids: Send + Sync {
    /// Fills the bytes at random.
    fn fill(&self, bytes: &mut [u8]);

    /// Fills the bytes of a key, a token or another secret. Only the generator of the operating system may make them.
    fn secret(&self, bytes: &mut [u8]) {
        self.fill(bytes);
    }

    /// Returns a version 4 UUID, because clients of the vendor check ids against patterns that know versions 1 to 5
    /// only.
    fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// The clocks of the machine.
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        // The instant is truncated, so that it is equal to its stored form.
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The random generators of the machine.
pub struct SystemIds;

impl Ids for SystemIds {
    /// Uses the generator of `rand`, which the operating system seeds. The generator of the cryptographic library
    /// gathers entropy from processor jitter first, which would take most of a cold start.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for chance")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }

    /// Uses the generator of the operating system.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no generator: no key is better than one that can be guessed.
    fn secret(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system's generator of random numbers");
    }
}

/// A clock for tests, which stands still until it is moved.
pub struct ManualClock {
    now_us: AtomicI64,
    uptime_us: AtomicU64,
}

impl ManualClock {
    /// Creates a clock that stands at an instant.
    pub fn at(start: Timestamp) -> Self {
        Self { now_us: AtomicI64::new(start.as_microsecond()), uptime_us: AtomicU64::new(0) }
    }

    /// Moves the wall clock, also back. The uptime increases only if the clock moves forward.
    pub fn advance_seconds(&self, seconds: i64) {
        self.now_us.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
        let passed = u64::try_from(seconds).unwrap_or(0) * 1_000_000;
        self.uptime_us.fetch_add(passed, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.now_us.load(Ordering::Relaxed))
            .expect("a test moves the clock within range")
    }

    fn uptime(&self) -> Duration {
        Duration::from_micros(self.uptime_us.load(Ordering::Relaxed))
    }
}

/// A source of ids that repeat from run to run (`splitmix64` over a counter). It is for tests only, because the ids can
/// be guessed.
pub struct SeededIds(AtomicU64);

impl SeededIds {
    /// Creates a source. Equal seeds give equal ids.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Ids for SeededIds {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}
