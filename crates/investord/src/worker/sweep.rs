//! Forgets what nobody can need any more: nonces, kept replies, tokens, quiet clients.

use std::time::Duration;

use jiff::SignedDuration;

use crate::app::App;
use crate::store::{StoreError, once, tenants};

const EVERY: Duration = Duration::from_mins(1);

pub async fn run(app: App) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = sweep(&app).await {
            tracing::warn!(%error, "could not sweep; trying again in {} s", EVERY.as_secs());
        }
    }
}

/// One sweep; the number of rows that went.
pub async fn sweep(app: &App) -> Result<usize, StoreError> {
    app.limits.sweep();
    let now = app.clock.now();
    let kept_since = now - SignedDuration::from_hours(app.config.idempotency_window_hours.into());
    app.store
        .write("sweep", move |tx| Ok(once::sweep(tx, now, kept_since)? + tenants::sweep_tokens(tx, now)?))
        .await
}
