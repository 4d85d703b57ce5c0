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
use crate::domain::tenants::TenantNumber;
use crate::problem::Problem;

/// Maximum number of suspects, and of clients with an exhausted quota, in memory; beyond it the least recent is
/// evicted.
const MAX_HELD: u64 = 10_000;

/// Description of the quota of requests in the problem document.
const REQUESTS: &str = "requests of this client";

/// Period of the limit of written bytes.
const DAY: Duration = Duration::from_hours(24);
/// Number of copies of a body in the store: the row, the event, the idempotent response and the search index.
const COPIES: usize = 4;
const KIB: usize = 1024;

/// The injected clock as a monotonic clock for the rate limiter: it reads the uptime, so that no client waits longer
/// after the wall clock has gone back.
#[derive(Clone)]
struct MonotonicClock(Arc<dyn Clock>);

impl GovernorClock for MonotonicClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.uptime())
    }
}

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, MonotonicClock, StateInformationMiddleware>;

/// The owner of a failure after a valid token or secret: an address with a client. The pair, so that an outsider cannot
/// lock a client out, and one client behind a shared address cannot lock out another.
pub type Suspect = (IpAddr, Uuid);

/// Rate limits of a process, as GCRA (decision W15). A limit is `None` if the configuration switches it off.
pub struct RateLimits {
    clock: MonotonicClock,
    /// Requests of a client with a valid signature.
    requests: Option<Keyed<Uuid>>,
    /// Failed signatures of an address for a client with a valid token.
    failures: Option<Keyed<Suspect>>,
    /// Failed authentications of an address before a token or a secret has proved the client.
    strangers: Option<Keyed<IpAddr>>,
    /// KiB that a tenant may write to the store.
    written: Keyed<TenantNumber>,
    /// Uptime until which the attempts of a suspect are refused without verification.
    held_until: Cache<Suspect, Duration>,
    /// Uptime until which the quota of a client is exhausted.
    spent_until: Cache<Uuid, Duration>,
}

impl RateLimits {
    /// Creates the rate limits of the configuration.
    pub fn new(config: &Config, clock: &Arc<dyn Clock>) -> Self {
        let clock = MonotonicClock(Arc::clone(clock));
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
            held_until: Cache::new(MAX_HELD),
            spent_until: Cache::new(MAX_HELD),
            clock,
        }
    }

    /// Refuses a client with an exhausted quota before the verification of its signature costs time (decision W20).
    ///
    /// # Errors
    ///
    /// Fails with 429 while the quota is exhausted.
    pub fn check_quota(&self, client: Uuid) -> Result<(), Problem> {
        self.refuse_until(self.spent_until.get(&client), REQUESTS)
    }

    /// Counts a request with a valid signature (decisions W6, W15).
    ///
    /// # Errors
    ///
    /// Fails with 429 if the quota is exhausted.
    pub fn count_request(&self, client: Uuid) -> Result<(), Problem> {
        let Some(requests) = &self.requests else { return Ok(()) };
        // Remembers the time of the next accepted request, so that `check_quota` can refuse without counting.
        let spent = |wait: NotUntil<Nanos>| {
            let wait = wait.wait_time_from(self.clock.now());
            self.spent_until.insert(client, self.clock.0.uptime() + wait);
            too_many(wait.as_secs_f64(), REQUESTS)
        };
        let state = requests.check_key(&client).map_err(spent)?;
        if state.remaining_burst_capacity() == 0 {
            // The request was the last one of the quota. This second check consumes nothing, and finds the waiting
            // time.
            requests.check_key(&client).err().map(spent);
        }
        Ok(())
    }

    /// Counts the bytes that a request with a body of this many bytes writes to the store. The daily limit keeps one
    /// tenant from filling the disk that all tenants share.
    ///
    /// # Errors
    ///
    /// Fails with 429 if the daily limit of the tenant is exhausted.
    pub fn check_written(&self, tenant: TenantNumber, body: usize) -> Result<(), Problem> {
        let kib = u32::try_from(1 + COPIES * body / KIB).ok().and_then(NonZeroU32::new);
        let wait = match self.written.check_key_n(&tenant, kib.unwrap_or(NonZeroU32::MAX)) {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(wait)) => wait.wait_time_from(self.clock.now()),
            // The body exceeds the limit of a whole day; the checks of the configuration exclude that.
            Err(_) => DAY,
        };
        Err(too_many(wait.as_secs_f64(), "bytes written for this tenant within a day"))
    }

    /// Counts a failed authentication of an unproved client by its address, and replaces the 401 by a 429 when there
    /// are too many. Only failures are counted, so that other clients at the address are not delayed, and the response
    /// does not disclose which clients exist.
    ///
    /// # Errors
    ///
    /// Fails with the given problem, or with 429 beyond the limit.
    pub fn count_unauthenticated<T>(
        &self,
        address: IpAddr,
        outcome: Result<T, Problem>,
    ) -> Result<T, Problem> {
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

    /// Refuses a further attempt of a suspect with too many failures, before it costs a verification.
    ///
    /// # Errors
    ///
    /// Fails with 429 while the suspect is held back.
    pub fn check_attempts(&self, suspect: Suspect) -> Result<(), Problem> {
        self.refuse_until(
            self.held_until.get(&suspect),
            "failed checks of this client's credentials or signatures",
        )
    }

    /// Refuses with 429 until the given uptime.
    fn refuse_until(&self, until: Option<Duration>, what: &'static str) -> Result<(), Problem> {
        let now = self.clock.0.uptime();
        match until {
            Some(until) if until > now => Err(too_many(until.saturating_sub(now).as_secs_f64(), what)),
            _ => Ok(()),
        }
    }

    /// Counts a failed attempt of a suspect.
    pub fn note_failure(&self, suspect: Suspect) {
        let Some(failures) = &self.failures else { return };
        if let Err(wait) = failures.check_key(&suspect) {
            let until = self.clock.0.uptime() + wait.wait_time_from(self.clock.now());
            self.held_until.insert(suspect, until);
        }
    }

    /// Removes the owners whose quota is full again, so that the memory does not grow with every owner ever seen.
    pub fn forget_idle(&self) {
        self.requests.iter().for_each(RateLimiter::retain_recent);
        self.failures.iter().for_each(RateLimiter::retain_recent);
        self.strangers.iter().for_each(RateLimiter::retain_recent);
        self.written.retain_recent();
    }
}

fn keyed<K: std::hash::Hash + Eq + Clone>(quota: Quota, clock: &MonotonicClock) -> Keyed<K> {
    RateLimiter::dashmap_with_clock(quota, clock.clone()).with_middleware()
}

/// Returns a 429 whose `retry-after` is the waiting time rounded up to whole seconds, at least one.
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
        let wait = |tenant, body| match limits.check_written(TenantNumber(tenant), body) {
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

    /// The cache of exhausted quotas is bounded, and the quota must not depend on it.
    #[test]
    fn a_quota_holds_for_clients_that_are_not_remembered() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_second(1_700_000_000).unwrap()));
        let config = Config { rate_limit_per_second: 1, rate_limit_burst: 2, ..Config::default() };
        for room in [0, MAX_HELD] {
            let limits = RateLimits { spent_until: Cache::new(room), ..RateLimits::new(&config, &clock) };
            let client = Uuid::nil();
            let counted: Vec<bool> = (0..4).map(|_| limits.count_request(client).is_ok()).collect();
            assert_eq!(counted, [true, true, false, false], "room for {room}");
            assert_eq!(limits.check_quota(client).is_err(), room > 0, "known without counting");
        }
    }
}
