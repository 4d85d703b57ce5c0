//! Rate limits: the quota of each client, and failed attempts per client and per address.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};
use moka::sync::Cache;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Config;
use crate::problem::Problem;

/// Addresses, and clients, that may be held back at once; beyond that the least recent is forgotten.
const MOST_HELD: u64 = 10_000;

/// What a client has sent too many of.
const REQUESTS: &str = "requests of this client";

const DAY: Duration = Duration::from_hours(24);
/// How often a body is kept: in the row, in the event, in the answer for repeats, and in what is indexed.
const COPIES: usize = 4;
const KIB: usize = 1024;

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

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, Passing, StateInformationMiddleware>;

/// Who fails with good credentials: an address speaking for a client. Neither alone: a stranger shall not lock a client
/// out, nor one client behind a shared address another.
pub type Suspect = (IpAddr, Uuid);

pub struct RateLimits {
    clock: Passing,
    requests: Option<Keyed<Uuid>>,
    failures: Option<Keyed<Suspect>>,
    strangers: Option<Keyed<IpAddr>>,
    /// KiB that a tenant may have the store keep.
    written: Keyed<i64>,
    held_until: Cache<Suspect, Duration>,
    spent_until: Cache<Uuid, Duration>,
}

impl RateLimits {
    pub fn new(config: &Config, clock: &Arc<dyn Clock>) -> Self {
        let clock = Passing(Arc::clone(clock));
        let per_second = |rate: u32, burst: u32| {
            let (rate, burst) = (NonZeroU32::new(rate)?, NonZeroU32::new(burst.max(1))?);
            Some(Quota::per_second(rate).allow_burst(burst))
        };
        let failed = config.failed_checks_per_second;
        let kib = NonZeroU32::MIN.saturating_add(config.limits.written_mib_per_day.saturating_mul(1024));
        let written = Quota::with_period(DAY / kib.get()).expect("more than none").allow_burst(kib);
        Self {
            requests: per_second(config.rate_limit_per_second, config.rate_limit_burst)
                .map(|quota| keyed(quota, &clock)),
            failures: per_second(failed, failed).map(|quota| keyed(quota, &clock)),
            strangers: per_second(failed, failed).map(|quota| keyed(quota, &clock)),
            written: keyed(written, &clock),
            held_until: Cache::new(MOST_HELD),
            spent_until: Cache::new(MOST_HELD),
            clock,
        }
    }

    /// Refuses a client that has used up its quota, before its signature costs anything (decision W20).
    pub fn check_quota(&self, client: Uuid) -> Result<(), Problem> {
        self.refuse_until(self.spent_until.get(&client), REQUESTS)
    }

    /// Counts a request whose signature held (decisions W6, W15).
    pub fn count_request(&self, client: Uuid) -> Result<(), Problem> {
        let Some(requests) = &self.requests else { return Ok(()) };
        // The next request waits so long.
        let spent = |wait: NotUntil<Nanos>| {
            let wait = wait.wait_time_from(self.clock.now());
            self.spent_until.insert(client, self.clock.0.uptime() + wait);
            too_many(wait.as_secs_f64(), REQUESTS)
        };
        let state = requests.check_key(&client).map_err(spent)?;
        if state.remaining_burst_capacity() == 0 {
            // After the last one this takes nothing.
            requests.check_key(&client).err().map(spent);
        }
        Ok(())
    }

    /// Counts what a request with a body of so many bytes has the store keep, and refuses what is too much for a day: a
    /// tenant shall not fill the disk of all.
    pub fn check_written(&self, tenant: i64, body: usize) -> Result<(), Problem> {
        let kib = u32::try_from(1 + COPIES * body / KIB).ok().and_then(NonZeroU32::new);
        let wait = match self.written.check_key_n(&tenant, kib.unwrap_or(NonZeroU32::MAX)) {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(wait)) => wait.wait_time_from(self.clock.now()),
            // More than a whole day's, which the configuration leaves no body to be.
            Err(_) => DAY,
        };
        Err(too_many(wait.as_secs_f64(), "bytes written for this tenant within a day"))
    }

    /// Counts the refusal of somebody who has proved nothing, by their address, and says so in its place when there are
    /// too many. Others at the address are not held up by it; and which clients there are it does not tell.
    pub fn count_stranger<T>(&self, address: IpAddr, outcome: Result<T, Problem>) -> Result<T, Problem> {
        let (Err(Problem::Unauthorised(_)), Some(strangers)) = (&outcome, &self.strangers) else {
            return outcome;
        };
        match strangers.check_key(&address) {
            Ok(_) => outcome,
            Err(wait) => {
                let wait = wait.wait_time_from(self.clock.now());
                Err(too_many(wait.as_secs_f64(), "failed checks from this address"))
            }
        }
    }

    /// Refuses to look at yet another attempt of somebody who keeps failing.
    pub fn check_attempts(&self, suspect: Suspect) -> Result<(), Problem> {
        self.refuse_until(
            self.held_until.get(&suspect),
            "failed checks of this client's credentials or signatures",
        )
    }

    fn refuse_until(&self, until: Option<Duration>, what: &'static str) -> Result<(), Problem> {
        let now = self.clock.0.uptime();
        match until {
            Some(until) if until > now => Err(too_many(until.saturating_sub(now).as_secs_f64(), what)),
            _ => Ok(()),
        }
    }

    /// Counts a failed attempt.
    pub fn note_failure(&self, suspect: Suspect) {
        let Some(failures) = &self.failures else { return };
        if let Err(wait) = failures.check_key(&suspect) {
            let until = self.clock.0.uptime() + wait.wait_time_from(self.clock.now());
            self.held_until.insert(suspect, until);
        }
    }

    /// Forgets those who have been quiet.
    pub fn forget_idle(&self) {
        self.requests.iter().for_each(RateLimiter::retain_recent);
        self.failures.iter().for_each(RateLimiter::retain_recent);
        self.strangers.iter().for_each(RateLimiter::retain_recent);
        self.written.retain_recent();
    }
}

fn keyed<K: std::hash::Hash + Eq + Clone>(quota: Quota, clock: &Passing) -> Keyed<K> {
    RateLimiter::dashmap_with_clock(quota, clock.clone()).with_middleware()
}

fn too_many(wait_seconds: f64, what: &'static str) -> Problem {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds, rounded up")]
    Problem::TooManyRequests { retry_after_seconds: wait_seconds.ceil().max(1.0) as u64, what }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_tenant_writes_so_much_a_day() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_700_000_000).unwrap()));
        let mut config = Config::default();
        config.limits.written_mib_per_day = 8;
        let limits = RateLimits::new(&config, &(Arc::clone(&clock) as Arc<dyn Clock>));
        let wait = |tenant, body| match limits.check_written(tenant, body) {
            Err(Problem::TooManyRequests { retry_after_seconds, .. }) => retry_after_seconds,
            outcome => outcome.map(|()| 0).unwrap(),
        };
        assert_eq!(wait(1, 1024 * KIB), 0, "half a day's");
        assert_eq!(wait(1, 1023 * KIB), 0);
        assert_eq!(wait(1, 0), 0);
        let seconds = wait(1, 512 * KIB);
        assert!((21_000..22_000).contains(&seconds), "a quarter of a day: {seconds}");
        assert_eq!(wait(2, 1024 * KIB), 0, "another tenant");
        clock.advance_seconds(seconds.try_into().unwrap());
        assert_eq!(wait(1, 512 * KIB), 0);
    }

    /// The memory of those who have used up their quota is bounded; the quota is not to depend on it.
    #[test]
    fn a_quota_holds_for_clients_that_are_not_remembered() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_second(1_700_000_000).unwrap()));
        let config = Config { rate_limit_per_second: 1, rate_limit_burst: 2, ..Config::default() };
        for room in [0, MOST_HELD] {
            let limits = RateLimits { spent_until: Cache::new(room), ..RateLimits::new(&config, &clock) };
            let client = Uuid::nil();
            let counted: Vec<bool> = (0..4).map(|_| limits.count_request(client).is_ok()).collect();
            assert_eq!(counted, [true, true, false, false], "room for {room}");
            assert_eq!(limits.check_quota(client).is_err(), room > 0, "known without counting");
        }
    }
}
