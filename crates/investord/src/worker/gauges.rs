//! Gauges that only the database knows: reviews of data, jobs, and reviews of access that wait.

use std::time::Duration;

use crate::app::App;
use crate::store::tenants::operators;
use crate::store::{StoreError, Tx, jobs};

/// Interval between two counts, about that of a metrics collector: the counts scan rows.
const INTERVAL: Duration = Duration::from_secs(15);

/// Publishes the gauges until the process ends.
pub async fn run(app: App) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = publish(&app).await {
            tracing::warn!(%error, "could not count what waits; trying again in {} s", INTERVAL.as_secs());
        }
    }
}

/// Counts the waiting reviews, the due jobs and the due reviews of access, and publishes them.
///
/// # Errors
///
/// Fails if the database cannot be read.
pub async fn publish(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    let jobs::WaitingJobs { reviews, due } =
        app.store.read("jobs.count_waiting", move |tx| jobs::count_waiting(tx, now)).await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    let [reviews, due] = [reviews, due].map(|count| count as f64);
    metrics::gauge!("investord_reviews_pending").set(reviews);
    metrics::gauge!("investord_jobs_due").set(due);
    let since = now - app.config.operators.access_review_time();
    let count = move |tx: &Tx<'_>| operators::count_reviews_due(tx, since);
    let access = app.store.read("operators.reviews_due", count).await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    metrics::gauge!("investord_access_reviews_due").set(access as f64);
    Ok(())
}
