//! Retention: deletes expired nonces, responses, tokens, sessions, packages and event endpoints.

use std::time::Duration;

use jiff::SignedDuration;

use crate::app::App;
use crate::store::delivery::{event_endpoints, packages, signing_keys};
use crate::store::engine::unit::Owner;
use crate::store::log::idempotency;
use crate::store::tenants::invitations;
use crate::store::tenants::operator_sessions;
use crate::store::tenants::reveals;
use crate::store::tenants::sequence::Sequence;
use crate::store::tenants::sign_in_failures;
use crate::store::tenants::tokens;
use crate::store::{StoreError, Tx};

/// Interval between two runs.
const INTERVAL: Duration = Duration::from_mins(1);
/// Maximum number of rows of each table that one unit deletes, so that the writes of clients run in between.
const ROWS_PER_UNIT: i64 = 1000;

/// Deletes expired rows once a minute, until the process ends.
pub async fn run(app: App) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = delete_expired(&app).await {
            tracing::warn!(%error, "cannot delete expired rows; trying again in {} s", INTERVAL.as_secs());
        }
    }
}

/// Deletes the expired rows of all tables and returns their number.
///
/// # Errors
///
/// Fails if the database cannot be read or written.
pub async fn delete_expired(app: &App) -> Result<usize, StoreError> {
    app.rate_limits.forget_idle();
    let now = app.clock.now();
    let kept_since = now - SignedDuration::from_hours(app.config.idempotency_window_hours.into());
    let log_since = now - SignedDuration::from_hours(24 * i64::from(app.config.webhooks.log_days));
    let log_packages = app.config.webhooks.log_packages.into();
    let mut gone = delete_stale_endpoints(app).await?;
    loop {
        let unit = move |tx: &Tx<'_>| {
            let nonces = idempotency::delete_expired_nonces(tx, now, ROWS_PER_UNIT)?;
            let replies = idempotency::delete_expired_responses(tx, kept_since, ROWS_PER_UNIT)?;
            let tokens = tokens::delete_expired(tx, now, ROWS_PER_UNIT)?;
            let [attempts, sent] = packages::delete_expired(tx, log_since, ROWS_PER_UNIT)?;
            let [old_attempts, old] = packages::delete_beyond(tx, log_packages, ROWS_PER_UNIT)?;
            let keys = signing_keys::delete_expired(tx, now, ROWS_PER_UNIT)?;
            let sessions = operator_sessions::delete_expired(tx, now, ROWS_PER_UNIT)?;
            let failures = sign_in_failures::delete_expired(tx, now, ROWS_PER_UNIT)?;
            // There are few, and all of them go at once.
            invitations::delete_expired(tx, now)?;
            reveals::delete_expired(tx, now)?;
            Ok::<_, StoreError>([
                nonces, replies, tokens, attempts, sent, old_attempts, old, keys, sessions, failures,
            ])
        };
        let counts = app.store.write("retention", Owner::REGISTER, unit).await?;
        gone += counts.iter().sum::<usize>();
        // A full unit of any table means that more rows may be left.
        if counts.iter().all(|count| i64::try_from(*count).is_ok_and(|count| count < ROWS_PER_UNIT)) {
            return Ok(gone);
        }
    }
}

/// Deletes the event endpoints, with their webhooks, that have not been polled for a day. Developers stop polling
/// without deleting their endpoint.
async fn delete_stale_endpoints(app: &App) -> Result<usize, StoreError> {
    let now = app.clock.now();
    let before = now - SignedDuration::from_hours(24);
    let stale = app
        .store
        .read("event_endpoints.stale", move |tx| event_endpoints::list_stale(tx, before, ROWS_PER_UNIT))
        .await?;
    for (tenant, id) in &stale {
        let (tenant, id) = (*tenant, *id);
        let unit = move |tx: &Tx<'_>| {
            let sequence = Sequence::lock(tx, tenant, now)?;
            // A client may have polled the endpoint meanwhile.
            if event_endpoints::by_id(tx, tenant, id)?.is_some_and(|one| one.seen_at < before) {
                event_endpoints::delete(tx, tenant, id, now)?;
                sequence.save(tx);
            }
            Ok::<_, StoreError>(())
        };
        app.store.write("event_endpoints.delete_stale", tenant, unit).await?;
    }
    Ok(stale.len())
}
