//! Readiness: probes the store once a second, so that `/readyz` costs nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::engine::Store;
use super::tenants;
use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::Tx;
use crate::store::engine::unit::Owner;

/// Time between two probes. A request of `/readyz` reads the last result, so a load balancer may ask as often as it
/// likes.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum duration of a probe; a probe that takes longer counts as failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// The time and the result of the last probe.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, Result<(), StoreError>)>>);

impl Readiness {
    /// Probes the store once per interval, for the lifetime of the server.
    pub async fn watch(&self, store: &Store) {
        loop {
            let outcome = probe(store).await;
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), outcome));
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    /// Returns the result of the last probe, or probes if there is none yet.
    ///
    /// # Errors
    ///
    /// Fails if a read, a scan or a write failed in the last probe or did not finish in time.
    pub async fn state(&self, store: &Store) -> Result<(), StoreError> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last {
            None => probe(store).await,
            Some((at, outcome)) if at.elapsed() < PROBE_INTERVAL + PROBE_TIMEOUT => outcome,
            Some(_) => Err(StoreError::Unavailable("reads, scans or writes wait for too long".into())),
        }
    }
}

/// Runs a read, a scan and an empty write, which together use every queue. Tenant 0 does not exist.
async fn probe(store: &Store) -> Result<(), StoreError> {
    let read = |tx: &Tx<'_>| tenants::sequence::count_users(tx, TenantNumber(0)).map(|_| ());
    store.read("ready", read).await?;
    store.scan("ready", read).await?;
    store.write("ready", Owner::REGISTER, |_| Ok(())).await
}
