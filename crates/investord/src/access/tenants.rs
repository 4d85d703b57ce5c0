//! Budgets of a tenant: requests, request bodies, unsent responses, scans and test calls in flight.

use std::sync::Arc;

use bytes::Bytes;

use super::counter::{Counter, Spent, Taken};
use super::turns::{Turn, Turns};
use crate::config::Limits;
use crate::problem::Problem;

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
    scans: Turns<i64>,
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
            scans: Turns::new(scans, limits.scans_per_tenant),
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
        let turn = self.scans.soon(tenant).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
