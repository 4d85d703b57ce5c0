//! Forgets what nobody can need any more: nonces, kept replies, tokens, sessions, quiet clients.

use std::time::Duration;

use jiff::SignedDuration;

use crate::app::App;
use crate::store::{StoreError, Tx, once, operators, tenants};

const EVERY: Duration = Duration::from_mins(1);
/// Rows of each kind that one unit deletes: writes of clients come in between.
const PORTION: i64 = 1000;

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
    let mut gone = 0;
    loop {
        let unit = move |tx: &Tx<'_>| {
            let nonces = once::sweep_nonces(tx, now, PORTION)?;
            let replies = once::sweep_replies(tx, kept_since, PORTION)?;
            let tokens = tenants::sweep_tokens(tx, now, PORTION)?;
            Ok::<_, StoreError>([nonces, replies, tokens, operators::sweep(tx, now, PORTION)?])
        };
        let counts = app.store.write("sweep", 0, unit).await?;
        gone += counts.iter().sum::<usize>();
        if counts.iter().all(|count| i64::try_from(*count).is_ok_and(|count| count < PORTION)) {
            return Ok(gone);
        }
    }
}
