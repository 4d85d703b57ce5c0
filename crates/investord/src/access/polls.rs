//! Requests that wait for events: one for each endpoint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

/// The request that waits at each endpoint.
#[derive(Default)]
pub struct Polls(Arc<Mutex<HashMap<Uuid, watch::Sender<bool>>>>);

/// A request that waits, until another one does so at the same endpoint.
pub struct Poll {
    endpoint: Uuid,
    is_over: watch::Receiver<bool>,
    all: Arc<Mutex<HashMap<Uuid, watch::Sender<bool>>>>,
}

impl Polls {
    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Begins to wait; whoever has waited there is over.
    pub fn begin(&self, endpoint: Uuid) -> Poll {
        let (own, is_over) = watch::channel(false);
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint, own);
        if let Some(before) = before {
            before.send_replace(true);
        }
        Poll { endpoint, is_over, all: Arc::clone(&self.0) }
    }
}

impl Poll {
    pub fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    /// Waits until another request waits at the same endpoint.
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
