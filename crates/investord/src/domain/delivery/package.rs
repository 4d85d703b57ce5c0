//! Packages of events, and the retry schedule of a webhook.
//!
//! The schedule is that of the vendor's pages about webhooks.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// Longest wait between two attempts, in seconds (decision H4).
const LONGEST_WAIT: i64 = 600;

/// Returns the wait after this many failures in a row, by the retry schedule: 1, 2, 3, 5, 8 … seconds, 600 at most.
pub fn wait_after(failures: i64) -> SignedDuration {
    let (mut wait, mut next) = (1, 2);
    for _ in 1..failures {
        (wait, next) = (next, wait + next);
        if wait >= LONGEST_WAIT {
            break;
        }
    }
    SignedDuration::from_secs(wait.min(LONGEST_WAIT))
}

/// Returns an event in the form of a delivery. Open packages are rebuilt from their events, so this form must stay as
/// it is.
pub fn render(id: Uuid, created_at: Timestamp, kind: &str, object: &str, webhook: Uuid) -> String {
    format!(
        r#"{{"id":"{id}","created_at":"{created_at}","type":"{kind}","object":{object},"webhook_id":"{webhook}"}}"#
    )
}

/// A package: events that are delivered in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Number of the first event.
    pub first: i64,
    /// Number of the last event.
    pub last: i64,
    /// Number of events.
    pub events: i64,
    /// The body of the request: `{"payload":[…]}`.
    pub body: String,
    /// The time of the first event, from which the delay counts.
    pub since: Timestamp,
}

/// A builder of packages from events in their order.
pub struct Packer {
    /// Maximum size of a body, in bytes.
    most_bytes: usize,
    /// The package that the next event may join.
    open: Option<Package>,
    /// The packages to which no event is added any more.
    full: Vec<Package>,
}

const HEAD: &str = r#"{"payload":["#;
const TAIL: &str = "]}";

impl Packer {
    /// Makes an empty packer for bodies of at most `most_bytes` bytes.
    pub fn new(most_bytes: i64) -> Self {
        Self { most_bytes: usize::try_from(most_bytes).unwrap_or(usize::MAX), open: None, full: Vec::new() }
    }

    /// Adds the next event to the open package, or to a new one if it does not fit.
    pub fn add(&mut self, number: i64, created_at: Timestamp, event: &str) {
        let fits = |open: &Package| open.body.len() + 1 + event.len() + TAIL.len() <= self.most_bytes;
        match &mut self.open {
            Some(open) if fits(open) => {
                open.body.extend([",", event]);
                (open.last, open.events) = (number, open.events + 1);
            }
            _ => {
                let body = [HEAD, event].concat();
                let new = Package { first: number, last: number, events: 1, body, since: created_at };
                self.full.extend(self.open.replace(new).map(close));
            }
        }
    }

    /// Returns the number of full packages and the sum of their sizes in bytes.
    pub fn full(&self) -> (i64, i64) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        (number(self.full.len()), self.full.iter().map(|package| number(package.body.len())).sum())
    }

    /// Returns the packages that can be sent, and the open one if it has to wait: until its delay has passed, or an
    /// event comes that does not fit. A package that has reached its size does not wait.
    pub fn finish(mut self, is_due: impl Fn(Timestamp) -> bool) -> (Vec<Package>, Option<Package>) {
        match self.open.take() {
            Some(open) if is_due(open.since) || open.body.len() + TAIL.len() >= self.most_bytes => {
                self.full.push(close(open));
                (self.full, None)
            }
            open => (self.full, open),
        }
    }

    /// Returns all events as packages that can be sent.
    pub fn all(self) -> Vec<Package> {
        self.finish(|_| true).0
    }
}

/// Completes the body of a package.
fn close(mut package: Package) -> Package {
    package.body.push_str(TAIL);
    package
}

/// Returns whether a package has waited for the delay since the time of its first event. A time in the future is from
/// before the clock was set back; such a package waits for one more delay at most.
pub fn has_waited_for(since: Timestamp, delay: SignedDuration, now: Timestamp) -> bool {
    let waited = now.duration_since(since);
    waited >= delay || waited < -delay
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn waits_are_fibonacci_numbers_up_to_ten_minutes() {
        let waits: Vec<i64> = (1..=17).map(|failures| wait_after(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 600, 600, 600, 600]);
        assert_eq!(wait_after(i64::MAX).as_secs(), 600);
    }

    /// Packs events of these sizes into packages of at most `most` bytes, and returns the number of events in each full
    /// package and in the open one.
    fn packed(most: i64, sizes: &[usize]) -> (Vec<i64>, i64) {
        let mut packer = Packer::new(most);
        for (number, size) in (1..).zip(sizes) {
            packer.add(number, at(number), &"x".repeat(*size));
        }
        let (full, open) = packer.finish(|_| false);
        for package in &full {
            let fits = package.body.len() <= usize::try_from(most).unwrap();
            assert!(fits || package.events == 1);
            assert!(package.body.starts_with(HEAD) && package.body.ends_with(TAIL));
        }
        (full.iter().map(|package| package.events).collect(), open.map_or(0, |package| package.events))
    }

    #[test]
    fn a_package_takes_what_fits_to_the_byte() {
        let frame = HEAD.len() + TAIL.len();
        // Two events and the comma between them: one byte less than fits, a perfect fit, and one byte too many.
        assert_eq!(packed(200, &[90, 200 - frame - 92]), (vec![], 2));
        assert_eq!(packed(200, &[90, 200 - frame - 91]), (vec![2], 0));
        assert_eq!(packed(200, &[90, 200 - frame - 90]), (vec![1], 1));
        // A single event that fills a package, or is larger than one, is sent alone, and does not delay the events
        // beside it.
        assert_eq!(packed(200, &[200 - frame]), (vec![1], 0));
        assert_eq!(packed(200, &[200 - frame - 1]), (vec![], 1));
        assert_eq!(packed(200, &[10, 5000, 10, 10]), (vec![1, 1], 2));
        assert_eq!(packed(200, &[5000]), (vec![1], 0));
    }

    #[test]
    fn a_package_waits_for_its_delay_to_the_microsecond() {
        let delay = SignedDuration::from_secs(5);
        let micro = SignedDuration::from_micros(1);
        assert!(!has_waited_for(at(100), delay, at(105) - micro));
        assert!(has_waited_for(at(100), delay, at(105)));
        // The clock has gone back, by less than a delay and by more.
        assert!(!has_waited_for(at(100), delay, at(95)));
        assert!(has_waited_for(at(100), delay, at(95) - micro));
    }
}
