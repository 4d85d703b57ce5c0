//! Forgets what nobody can need any more: nonces, kept replies, tokens, sessions, quiet clients, what was sent long ago,
//! acceptors that nobody asks.

use std::time::Duration;

use jiff::SignedDuration;

use crate::app::App;
use crate::store::tenants::{self, Head};
use crate::store::{StoreError, Tx, acceptors, once, operators, packages, signing_keys};

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
    let log_since = now - SignedDuration::from_hours(24 * i64::from(app.config.webhooks.log_days));
    let log_packages = app.config.webhooks.log_packages.into();
    let mut gone = sweep_acceptors(app).await?;
    loop {
        let unit = move |tx: &Tx<'_>| {
            let nonces = once::sweep_nonces(tx, now, PORTION)?;
            let replies = once::sweep_replies(tx, kept_since, PORTION)?;
            let tokens = tenants::sweep_tokens(tx, now, PORTION)?;
            let [attempts, sent] = packages::sweep(tx, log_since, PORTION)?;
            let [old_attempts, old] = packages::sweep_old(tx, log_packages, PORTION)?;
            let keys = signing_keys::sweep(tx, now, PORTION)?;
            let sessions = operators::sweep(tx, now, PORTION)?;
            Ok::<_, StoreError>([nonces, replies, tokens, attempts, sent, old_attempts, old, keys, sessions])
        };
        let counts = app.store.write("sweep", 0, unit).await?;
        gone += counts.iter().sum::<usize>();
        if counts.iter().all(|count| i64::try_from(*count).is_ok_and(|count| count < PORTION)) {
            return Ok(gone);
        }
    }
}

/// Forgets acceptors, with their webhooks, for which nobody has asked for a day.
async fn sweep_acceptors(app: &App) -> Result<usize, StoreError> {
    let now = app.clock.now();
    let before = now - SignedDuration::from_hours(24);
    let stale = app.store.read("acceptors.stale", move |tx| acceptors::stale(tx, before, PORTION)).await?;
    for (tenant, id) in &stale {
        let (tenant, id) = (*tenant, *id);
        let unit = move |tx: &Tx<'_>| {
            let head = Head::take(tx, tenant, now)?;
            // Somebody may have asked meanwhile.
            if acceptors::by_id(tx, tenant, id)?.is_some_and(|one| one.seen_at < before) {
                acceptors::drop(tx, tenant, id, now)?;
                head.put(tx);
            }
            Ok::<_, StoreError>(())
        };
        app.store.write("acceptors.sweep", tenant, unit).await?;
    }
    Ok(stale.len())
}
