//! The trace of a request: its client, noted on the way for the line in the log.

use std::sync::{Arc, OnceLock};

use http::request::Parts;
use uuid::Uuid;

use super::client_cache::Client;

/// Slot for the client of a request, filled during authentication and read when the request is logged.
#[derive(Clone, Default)]
pub struct Trace(Arc<OnceLock<(Uuid, String)>>);

impl Trace {
    /// Stores the client that a request names. Its signature is verified later, so that failed requests are logged with
    /// their client, too.
    pub fn note_client(parts: &Parts, client: &Client) {
        if let Some(trace) = parts.extensions.get::<Trace>() {
            let _ = trace.0.set((client.id, client.tenant.name.clone()));
        }
    }

    /// Returns the id of the client and the name of its tenant, if they are known.
    pub fn client(&self) -> Option<(Uuid, &str)> {
        self.0.get().map(|(client, tenant)| (*client, tenant.as_str()))
    }
}
