//! Readiness: probes the store once a second, so that `/readyz` costs nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::engine::Store;
use super::tenants;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::Tx;

/// How long it is from one look to the next, and how long one may take.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// When the store was looked at last, and what came of it.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, Result<(), StoreError>)>>);

impl Readiness {
    /// Looks at the store for as long as somebody may ask.
    pub async fn watch(&self, store: &Store) {
        loop {
            let outcome = probe(store).await;
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), outcome));
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    /// Whether a read, a scan and a write have been done in time.
    pub async fn state(&self, store: &Store) -> Result<(), StoreError> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last {
            None => probe(store).await,
            Some((at, outcome)) if at.elapsed() < PROBE_INTERVAL + PROBE_TIMEOUT => outcome,
            Some(_) => Err(StoreError::Unavailable("reads, scans or writes wait for too long".into())),
        }
    }
}

async fn probe(store: &Store) -> Result<(), StoreError> {
    let read = |tx: &Tx<'_>| tenants::count_users(tx, 0).map(|_| ());
    store.read("ready", read).await?;
    store.scan("ready", read).await?;
    store.write("ready", 0, |_| Ok(())).await
}
