//! Notifies those that wait for the next commit of a tenant.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// The channels of the waiting listeners, by tenant.
#[derive(Default)]
pub struct CommitNotifier(Mutex<HashMap<i64, watch::Sender<()>>>);

/// A subscription to the commits of a tenant.
pub struct CommitListener(watch::Receiver<()>);

impl CommitNotifier {
    /// Subscribes to the commits of a tenant.
    pub fn listen(&self, tenant: i64) -> CommitListener {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        CommitListener(waiting.entry(tenant).or_insert_with(|| watch::Sender::new(())).subscribe())
    }

    /// Notifies the listeners of the tenant of a commit.
    pub fn notify(&self, tenant: i64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(&tenant).is_some_and(|sender| sender.send(()).is_err()) {
            // The last listener was dropped; without the removal the map would keep an entry per tenant forever.
            waiting.remove(&tenant);
        }
    }
}

impl CommitListener {
    /// Waits for a commit of this process since the previous call.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // The sender is dropped only with the store, so there are no further commits.
            std::future::pending::<()>().await;
        }
    }
}
