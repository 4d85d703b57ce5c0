//! Notifies those that wait for the next commit of an owner.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::unit::Owner;

/// The channels of the waiting listeners, by owner.
#[derive(Default)]
pub struct CommitNotifier(Mutex<HashMap<Owner, watch::Sender<()>>>);

/// A subscription to the commits of an owner.
pub struct CommitListener(watch::Receiver<()>);

impl CommitNotifier {
    /// Subscribes to the commits of an owner.
    pub fn listen(&self, owner: Owner) -> CommitListener {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        CommitListener(waiting.entry(owner).or_insert_with(|| watch::Sender::new(())).subscribe())
    }

    /// Notifies the listeners of the owner of a commit.
    pub fn notify(&self, owner: Owner) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.get(&owner).is_some_and(|sender| sender.send(()).is_err()) {
            // The last listener was dropped; without the removal the map would keep an entry per owner forever.
            waiting.remove(&owner);
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
