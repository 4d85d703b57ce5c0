//! Lock-out: how long sign-ins wait after wrong passwords.
//!
//! The delay grows with each failure and ends by itself, so that no administrator has to unlock an account. Failures
//! are counted per account and per address. A device from which the operator has signed in before has its own count,
//! so that an attacker cannot lock the operator out.

use jiff::{SignedDuration, Timestamp};

/// Delay after the first failure that is not free; each further failure doubles it.
const FIRST_DELAY: SignedDuration = SignedDuration::from_secs(1);
/// Maximum delay.
const MAX_DELAY: SignedDuration = SignedDuration::from_mins(15);
/// Hours without an attempt after which one failure is forgotten.
const FORGOTTEN_AFTER_HOURS: i64 = 1;
/// How far the clocks of the processes of one register may differ.
const CLOCK_LEEWAY: SignedDuration = SignedDuration::from_mins(1);
/// Maximum number of failures that are remembered: more make no delay longer.
const MAX_REMEMBERED: i64 = 100;

/// What failures are counted of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// An account, by the name that was sent, whether or not it exists.
    Account,
    /// A device from which the account has been signed in to.
    Device,
    /// The network of an address, which many people may share.
    Address,
}

impl Counted {
    /// Returns the number of failures without a delay.
    const fn free(self) -> i64 {
        match self {
            Self::Account | Self::Device => 5,
            Self::Address => 20,
        }
    }
}

/// The failures of an account, a device or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    pub count: i64,
    /// The last attempt that was verified.
    pub last_at: Timestamp,
}

impl Failures {
    /// Returns the failures after another one.
    #[must_use]
    pub fn and_another(this: Option<Self>, now: Timestamp) -> Self {
        let before = this.map_or(0, |this| this.remembered(now));
        Self { count: (before + 1).min(MAX_REMEMBERED), last_at: now }
    }

    /// Returns the instant before which an attempt is refused; `None` if it is allowed now.
    pub fn not_before(self, counted: Counted, now: Timestamp) -> Option<Timestamp> {
        // The clock was set back since: without this, the account would wait until it has caught up.
        if self.last_at > now + CLOCK_LEEWAY {
            return None;
        }
        let beyond = u32::try_from(self.remembered(now) - counted.free()).ok()?;
        let delay = FIRST_DELAY.checked_mul(2_i32.saturating_pow(beyond)).unwrap_or(MAX_DELAY);
        let until = self.last_at + delay.min(MAX_DELAY);
        (until > now).then_some(until)
    }

    /// Returns the instant from which all of them are forgotten.
    pub fn forgotten_at(self) -> Timestamp {
        self.last_at + SignedDuration::from_hours(self.count * FORGOTTEN_AFTER_HOURS)
    }

    /// Returns the number of failures that are not forgotten.
    fn remembered(self, now: Timestamp) -> i64 {
        let idle = now.duration_since(self.last_at).max(SignedDuration::ZERO);
        (self.count - idle.as_hours() / FORGOTTEN_AFTER_HOURS).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guesses at the earliest instants at which they are allowed.
    fn guesses(counted: Counted, hours: i64) -> i64 {
        let (start, mut failures, mut guesses) = (Timestamp::UNIX_EPOCH, None::<Failures>, 0);
        let mut now = start;
        loop {
            if let Some(until) = failures.and_then(|failures| failures.not_before(counted, now)) {
                now = until;
            }
            if now >= start + SignedDuration::from_hours(hours) {
                return guesses;
            }
            failures = Some(Failures::and_another(failures, now));
            guesses += 1;
        }
    }

    /// The table of docs/operators.md.
    #[test]
    fn an_account_gets_few_guesses() {
        assert_eq!((guesses(Counted::Account, 1), guesses(Counted::Account, 24)), (17, 109));
        assert_eq!((guesses(Counted::Address, 1), guesses(Counted::Address, 24)), (32, 124));
    }

    #[test]
    fn the_first_failures_are_free_and_the_delay_has_an_end() {
        let now = Timestamp::UNIX_EPOCH;
        let delay = |count| {
            let until = Failures { count, last_at: now }.not_before(Counted::Account, now)?;
            Some(until.duration_since(now).as_secs())
        };
        assert_eq!(
            [4, 5, 6, 14, 15, 1000].map(delay),
            [None, Some(1), Some(2), Some(512), Some(900), Some(900)]
        );
    }

    #[test]
    fn failures_are_forgotten_one_by_one() {
        let (start, failures) =
            (Timestamp::UNIX_EPOCH, Failures { count: 9, last_at: Timestamp::UNIX_EPOCH });
        let after =
            |hours| Failures::and_another(Some(failures), start + SignedDuration::from_hours(hours)).count;
        assert_eq!([0, 1, 8, 9, 1000].map(after), [10, 9, 2, 1, 1]);
        assert_eq!(failures.forgotten_at(), start + SignedDuration::from_hours(9));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_longer() {
        let now = Timestamp::UNIX_EPOCH;
        let until = |ahead| Failures { count: 20, last_at: now + ahead }.not_before(Counted::Account, now);
        assert_eq!(until(SignedDuration::from_hours(24)), None);
        // Another process, whose clock is ahead, has recorded the last attempt.
        let ahead = SignedDuration::from_secs(50);
        assert_eq!(until(ahead), Some(now + ahead + MAX_DELAY));
        // The next wrong password is delayed by the clock as it is now.
        let failures = Failures { count: 20, last_at: now + SignedDuration::from_hours(24) };
        let next = Failures::and_another(Some(failures), now);
        let told = next.not_before(Counted::Account, now).unwrap();
        assert_eq!((next.count, told), (21, now + MAX_DELAY));
        assert_eq!(next.not_before(Counted::Account, told), None);
    }
}
