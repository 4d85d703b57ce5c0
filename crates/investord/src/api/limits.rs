//! How much a client may ask, and how often anybody may fail at being one.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::nanos::Nanos;
use governor::{Quota, RateLimiter};
use moka::sync::Cache;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::problem::Problem;

/// Addresses that may be held back at once; beyond that the least recent is forgotten.
const MOST_HELD: u64 = 10_000;

/// The injected clock, as the algorithm reads it: time that passes, so that a wall clock that goes back
/// holds nobody back.
#[derive(Clone)]
struct Passing(Arc<dyn Clock>);

impl GovernorClock for Passing {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.uptime())
    }
}

type Keyed<K> = RateLimiter<
    K,
    governor::state::keyed::DashMapStateStore<K>,
    Passing,
    governor::middleware::NoOpMiddleware<Nanos>,
>;

/// Who fails: an address speaking for a client. Neither alone: a stranger shall not lock a client out, nor
/// one client behind a shared address another.
pub type Suspect = (IpAddr, Uuid);

pub struct Limits {
    clock: Passing,
    requests: Option<Keyed<Uuid>>,
    failures: Option<Keyed<Suspect>>,
    held_until: Cache<Suspect, Duration>,
}

impl Limits {
    pub fn new(config: &Config, clock: &Arc<dyn Clock>) -> Self {
        let clock = Passing(Arc::clone(clock));
        let per_second = |rate: u32, burst: u32| {
            let (rate, burst) = (NonZeroU32::new(rate)?, NonZeroU32::new(burst.max(1))?);
            Some(Quota::per_second(rate).allow_burst(burst))
        };
        let failed = config.failed_checks_per_second;
        Self {
            requests: per_second(config.rate_limit_per_second, config.rate_limit_burst)
                .map(|quota| RateLimiter::dashmap_with_clock(quota, clock.clone())),
            failures: per_second(failed, failed)
                .map(|quota| RateLimiter::dashmap_with_clock(quota, clock.clone())),
            held_until: Cache::new(MOST_HELD),
            clock,
        }
    }

    /// Counts a request whose signature held (decisions W6, W15).
    pub fn request(&self, client: Uuid) -> Result<(), Problem> {
        let Some(requests) = &self.requests else { return Ok(()) };
        requests.check_key(&client).map_err(|wait| {
            too_many(wait.wait_time_from(self.clock.now()).as_secs_f64(), "requests of this client")
        })
    }

    /// Refuses to look at yet another attempt of somebody who keeps failing.
    pub fn attempt(&self, suspect: Suspect) -> Result<(), Problem> {
        let now = self.clock.0.uptime();
        match self.held_until.get(&suspect) {
            Some(until) if until > now => Err(too_many(
                until.saturating_sub(now).as_secs_f64(),
                "failed checks of this client's credentials or signatures",
            )),
            _ => Ok(()),
        }
    }

    /// Counts a failed attempt.
    pub fn failed(&self, suspect: Suspect) {
        let Some(failures) = &self.failures else { return };
        if let Err(wait) = failures.check_key(&suspect) {
            let until = self.clock.0.uptime() + wait.wait_time_from(self.clock.now());
            self.held_until.insert(suspect, until);
        }
    }

    /// Forgets those who have been quiet.
    pub fn sweep(&self) {
        self.requests.iter().for_each(RateLimiter::retain_recent);
        self.failures.iter().for_each(RateLimiter::retain_recent);
    }
}

fn too_many(wait_seconds: f64, what: &'static str) -> Problem {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds, rounded up")]
    Problem::TooManyRequests { retry_after_seconds: wait_seconds.ceil().max(1.0) as u64, what }
}
