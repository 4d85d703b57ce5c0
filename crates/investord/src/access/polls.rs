//! Long polls: at most one per event endpoint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use crate::domain::tenants::TenantNumber;

/// Registry of the long poll that waits at each endpoint.
#[derive(Default)]
pub struct Polls(Arc<Waiting>);

/// Long polls by tenant and endpoint. The tenant is part of the key, so that no tenant can end a poll of another.
type Waiting = Mutex<HashMap<(TenantNumber, Uuid), watch::Sender<bool>>>;

/// A long poll that waits until a newer one replaces it at the same endpoint.
pub struct Poll {
    endpoint: (TenantNumber, Uuid),
    is_over: watch::Receiver<bool>,
    all: Arc<Waiting>,
}

impl Polls {
    /// Returns the number of waiting long polls.
    pub fn waiting(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Registers a long poll and ends the previous one at the same endpoint.
    pub fn begin(&self, tenant: TenantNumber, endpoint: Uuid) -> Poll {
        let endpoint = (tenant, endpoint);
        let (own, is_over) = watch::channel(false);
        // The previous poll ends under the lock. Otherwise its destructor could run before it knows of its replacement,
        // and would remove the new poll.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = all.insert(endpoint, own) {
            before.send_replace(true);
        }
        Poll { endpoint, is_over, all: Arc::clone(&self.0) }
    }
}

impl Poll {
    /// Returns whether a newer poll has replaced this one.
    pub fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    /// Waits until a newer poll replaces this one.
    pub async fn over(&self) {
        let _ = self.is_over.clone().wait_for(|over| *over).await;
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_over() {
            all.remove(&self.endpoint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_the_one_before_it_and_none_of_another_tenant() {
        let polls = Polls::default();
        let first = polls.begin(TenantNumber(1), Uuid::nil());
        let foreign = polls.begin(TenantNumber(2), Uuid::nil());
        let second = polls.begin(TenantNumber(1), Uuid::nil());
        assert!(first.is_over() && !foreign.is_over() && !second.is_over());
        drop(first);
        assert_eq!(polls.waiting(), 2, "one that is over removes nobody");
        drop((foreign, second));
        assert_eq!(polls.waiting(), 0);
    }
}
