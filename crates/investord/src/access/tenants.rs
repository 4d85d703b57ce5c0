//! Budgets of a tenant: requests, request bodies, unsent responses, scans and test calls in flight.

use std::sync::Arc;

use bytes::Bytes;

use super::counter::{Counter, Exhausted, Permit};
use super::turns::{FairPermit, FairSemaphore};
use crate::config::Limits;
use crate::domain::tenants::TenantNumber;
use crate::problem::Problem;

/// Seconds after which a refused client may retry (`retry-after`). The budgets free up as requests in flight end, which
/// is a matter of seconds at most.
const AGAIN: u64 = 1;
const MIB: usize = 1024 * 1024;

/// An amount acquired by a tenant, released when it is dropped.
pub type TenantPermit = Permit<TenantNumber>;

/// The budgets per tenant; `docs/limits.md` lists their limits.
pub struct Tenants {
    /// Requests in flight.
    requests: Arc<Counter<TenantNumber>>,
    /// Bytes of request bodies that are being received.
    received: Arc<Counter<TenantNumber>>,
    /// Bytes of responses that are not sent yet.
    unsent: Arc<Counter<TenantNumber>>,
    /// Test events on their way to a receiver.
    calls: Arc<Counter<TenantNumber>>,
    /// Lists and reports that read the store.
    scans: FairSemaphore<TenantNumber>,
}

impl Tenants {
    /// Creates the budgets from the configured limits, with room for `scans` concurrent scans.
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
            scans: FairSemaphore::new(scans, limits.scans_per_tenant),
        }
    }

    /// Acquires a place for a request.
    ///
    /// # Errors
    ///
    /// Fails if there are too many requests in flight, or too many bytes of responses that the clients have not read.
    pub fn request(&self, tenant: TenantNumber) -> Result<TenantPermit, Problem> {
        self.check_unread(tenant)?;
        self.requests.acquire(tenant, 1).map_err(|spent| refusal(spent, "requests at once"))
    }

    /// Returns an empty amount for a request body, which the caller increases as bytes arrive.
    pub fn received(&self, tenant: TenantNumber) -> TenantPermit {
        self.received.record(tenant, 0)
    }

    /// Acquires room for more bytes of a request body.
    ///
    /// # Errors
    ///
    /// Fails if the budget of the tenant or of all tenants is exhausted.
    pub fn receive(held: &mut TenantPermit, bytes: usize) -> Result<(), Problem> {
        held.acquire_more(bytes).map_err(|spent| refusal(spent, "bytes of bodies at once"))
    }

    /// Counts the bytes of a response without a limit: the work for it is done. The next request is refused instead.
    pub fn unsent(&self, tenant: TenantNumber, bytes: usize) -> TenantPermit {
        self.unsent.record(tenant, bytes)
    }

    /// Turns a response into bytes that are counted until they are sent or discarded.
    pub fn counted(answer: String, held: TenantPermit) -> Bytes {
        struct Counted(String, #[expect(dead_code, reason = "counts until it is dropped")] TenantPermit);
        impl AsRef<[u8]> for Counted {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }
        Bytes::from_owner(Counted(answer, held))
    }

    /// Publishes the use of the budgets as gauges.
    pub fn publish(&self) {
        for counter in [&self.requests, &self.received, &self.unsent, &self.calls] {
            counter.publish();
        }
    }

    /// Fails if the clients of the tenant have too many bytes of responses unread.
    fn check_unread(&self, tenant: TenantNumber) -> Result<(), Problem> {
        let unread = |spent| refusal(spent, "bytes of answers that are not read");
        self.unsent.has_room(tenant, 1).map_err(unread)
    }

    /// Acquires a place for a test event to a receiver.
    ///
    /// # Errors
    ///
    /// Fails if too many test events are in flight.
    pub fn acquire_test_call(&self, tenant: TenantNumber) -> Result<TenantPermit, Problem> {
        self.calls.acquire(tenant, 1).map_err(|spent| refusal(spent, "test events at once"))
    }

    /// Waits for a permit to scan the store. The tenants take turns, and none exceeds its share.
    ///
    /// # Errors
    ///
    /// Fails if there is no permit in time, or too many bytes of responses are unread: the response of a scan is large.
    pub async fn scan(&self, tenant: TenantNumber) -> Result<FairPermit, Problem> {
        let turn = self.scans.acquire_for_scan(tenant).await?;
        self.check_unread(tenant)?;
        Ok(turn)
    }
}

/// Returns 429 for the limit of the tenant and 503 for the limit of all tenants, which the client cannot influence.
fn refusal(spent: Exhausted, what: &'static str) -> Problem {
    match spent {
        Exhausted::Own => Problem::TooManyRequests { retry_after_seconds: AGAIN, what },
        Exhausted::Everybodys => Problem::Unavailable(format!("too many {what}, of all tenants")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_count_as_they_arrive() {
        let limits = Limits { received_mib: 1, received_mib_per_tenant: 1, ..Limits::default() };
        let tenants = Tenants::new(&limits, 1);
        let mut held = tenants.received(TenantNumber(1));
        assert!(Tenants::receive(&mut held, MIB).is_ok());
        assert!(matches!(Tenants::receive(&mut held, 1), Err(Problem::TooManyRequests { .. })));
        assert!(matches!(
            Tenants::receive(&mut tenants.received(TenantNumber(2)), 1),
            Err(Problem::Unavailable(_))
        ));
        drop(held);
        assert!(Tenants::receive(&mut tenants.received(TenantNumber(2)), MIB).is_ok());
    }
}
