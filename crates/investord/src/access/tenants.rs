//! What a tenant's clients use at the moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::counter::{Counter, Spent, Taken};
use crate::config::Limits;
use crate::problem::Problem;

/// How long a scan may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds after which a refused client may try again (`retry-after`).
const AGAIN: u64 = 1;
const MIB: usize = 1024 * 1024;

/// An amount that a tenant uses.
pub type Held = Taken<i64>;

pub struct Tenants {
    requests: Arc<Counter<i64>>,
    received: Arc<Counter<i64>>,
    unsent: Arc<Counter<i64>>,
    calls: Arc<Counter<i64>>,
    scans: Scans,
}

impl Tenants {
    pub fn new(limits: &Limits, scans: usize) -> Self {
        Self {
            requests: Counter::new("requests", limits.requests, limits.requests_per_tenant),
            received: Counter::new(
                "received_bytes",
                limits.received_mib * MIB,
                limits.received_mib_per_tenant * MIB,
            ),
            unsent: Counter::new("unsent_bytes", limits.unsent_mib * MIB, limits.unsent_mib_per_tenant * MIB),
            calls: Counter::new("test_calls", limits.test_calls, limits.test_calls_per_tenant),
            scans: Scans::new(scans, limits.scans_per_tenant),
        }
    }

    /// Begins a request, unless there are too many, or too much that was answered has not been read.
    pub fn request(&self, tenant: i64) -> Result<Held, Problem> {
        self.has_been_read(tenant)?;
        self.requests.take(tenant, 1).map_err(|spent| refusal(spent, "requests at once"))
    }

    /// Room for bytes of a body, which the caller takes as they arrive.
    pub fn received(&self, tenant: i64) -> Held {
        self.received.note(tenant, 0)
    }

    /// Takes room for more bytes of a body.
    pub fn receive(held: &mut Held, bytes: usize) -> Result<(), Problem> {
        held.more(bytes).map_err(|spent| refusal(spent, "bytes of bodies at once"))
    }

    /// Counts bytes of an answer.
    pub fn unsent(&self, tenant: i64, bytes: usize) -> Held {
        self.unsent.note(tenant, bytes)
    }

    /// Gives the bytes of an answer that counts until they are sent or thrown away.
    pub fn counted(answer: String, held: Held) -> Bytes {
        struct Counted(String, #[expect(dead_code, reason = "counts until it is dropped")] Held);
        impl AsRef<[u8]> for Counted {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }
        Bytes::from_owner(Counted(answer, held))
    }

    /// Publishes how much is in use.
    pub fn publish(&self) {
        for counter in [&self.requests, &self.received, &self.unsent, &self.calls] {
            counter.publish();
        }
    }

    fn has_been_read(&self, tenant: i64) -> Result<(), Problem> {
        let unread = |spent| refusal(spent, "bytes of answers that are not read");
        self.unsent.has_room(tenant, 1).map_err(unread)
    }

    /// Leave to call a receiver for a test.
    pub fn call(&self, tenant: i64) -> Result<Held, Problem> {
        self.calls.take(tenant, 1).map_err(|spent| refusal(spent, "test events at once"))
    }

    /// Waits for the tenant's turn to scan the store: the tenants in turn, and none with more than its share.
    pub async fn scan(&self, tenant: i64) -> Result<Turn, Problem> {
        let turn = tokio::time::timeout(PATIENCE, self.scans.turn(tenant)).await;
        let turn = turn.ok().flatten();
        let turn = turn.ok_or_else(|| Problem::Unavailable("no turn for a scan of the store".into()))?;
        self.has_been_read(tenant)?;
        Ok(turn)
    }
}

fn refusal(spent: Spent, what: &'static str) -> Problem {
    match spent {
        Spent::Own => Problem::TooManyRequests { retry_after_seconds: AGAIN, what },
        Spent::Everybodys => Problem::Unavailable(format!("too many {what}, of all tenants")),
    }
}

/// Scans of the store, which wait for one another.
struct Scans {
    each: usize,
    all: Arc<Semaphore>,
    by: Mutex<HashMap<i64, Arc<Semaphore>>>,
}

/// Leave to scan.
pub struct Turn {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Scans {
    fn new(all: usize, each: usize) -> Self {
        Self { each, all: Arc::new(Semaphore::new(all)), by: Mutex::default() }
    }

    /// A tenant's scans wait for one another first, so that the queue of all has no more of it than its share.
    async fn turn(&self, tenant: i64) -> Option<Turn> {
        let own = {
            let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(by.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
        };
        let own = own.acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn { _own: own, _all: all })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// However many scans a tenant asks for, another one's are next.
    #[test]
    fn scans_of_one_tenant_wait_for_one_another() {
        let scans = Scans::new(2, 1);
        let first = scans.turn(1).now_or_never().flatten();
        assert!(first.is_some());
        assert!(scans.turn(1).now_or_never().is_none(), "its own share is used up");
        let other = scans.turn(2).now_or_never().flatten();
        assert!(other.is_some());
        assert!(scans.turn(3).now_or_never().is_none(), "that of all, too");
        drop(first);
        assert!(scans.turn(3).now_or_never().flatten().is_some());
    }

    #[test]
    fn bodies_count_as_they_arrive() {
        let limits = Limits { received_mib: 1, received_mib_per_tenant: 1, ..Limits::default() };
        let tenants = Tenants::new(&limits, 1);
        let mut held = tenants.received(1);
        assert!(Tenants::receive(&mut held, MIB).is_ok());
        assert!(matches!(Tenants::receive(&mut held, 1), Err(Problem::TooManyRequests { .. })));
        assert!(matches!(Tenants::receive(&mut tenants.received(2), 1), Err(Problem::Unavailable(_))));
        drop(held);
        assert!(Tenants::receive(&mut tenants.received(2), MIB).is_ok());
    }
}
