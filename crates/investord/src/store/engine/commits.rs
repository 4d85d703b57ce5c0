//! Notifies those that wait for the next commit of a tenant.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Those who wait, by tenant.
#[derive(Default)]
pub struct CommitNotifier(Mutex<HashMap<i64, watch::Sender<()>>>);

/// Somebody who waits for the commits of a tenant.
pub struct CommitListener(watch::Receiver<()>);

impl CommitNotifier {
    pub fn listen(&self, tenant: i64) -> CommitListener {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        CommitListener(waiting.entry(tenant).or_insert_with(|| watch::Sender::new(())).subscribe())
    }

    /// Tells that a unit of this tenant was committed.
    pub fn notify(&self, tenant: i64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(&tenant).is_some_and(|sender| sender.send(()).is_err()) {
            // The last one has gone.
            waiting.remove(&tenant);
        }
    }
}

impl CommitListener {
    /// Waits for a commit of this process since the last time.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Only if nobody can write any more.
            std::future::pending::<()>().await;
        }
    }
}
