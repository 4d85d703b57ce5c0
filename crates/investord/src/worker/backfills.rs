//! Runs backfills, a hundred users to a unit.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::users::User;
use crate::domain::users::identifiers as domain_identifiers;
use crate::domain::users::search;
use crate::store::jobs::backfills;
use crate::store::tenants;
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;
use crate::store::users::{identifiers, search_index};
use crate::store::{StoreError, Tx, users};

/// Users per unit of work: small enough that the writes of clients run in between.
const USERS_PER_UNIT: i64 = 100;
/// Pause after a failure, so that a database that is down is not queried in a loop.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_mins(1);

/// A function that updates one existing user.
type Backfill = fn(&Unit<'_>, &UserHandle, &User) -> Result<(), StoreError>;

/// The backfills that a migration can request, by name, in the order of their execution. The CONCATs come first,
/// because the search terms are computed from the identifiers.
const BACKFILLS: [(&str, Backfill); 2] =
    [("refresh-concats", refresh_concats), ("rebuild-search-index", rebuild_search_index)];

/// Runs the pending backfills and returns when none is left.
pub async fn run(app: App) {
    loop {
        match run_batch(&app).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "could not do what a migration has left; trying again");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// Runs the next unit of the next pending backfill. Returns false if no backfill is pending.
///
/// # Errors
///
/// Fails if the database cannot be read or written.
pub async fn run_batch(app: &App) -> Result<bool, StoreError> {
    let next = |tx: &Tx<'_>| {
        for (name, backfill) in BACKFILLS {
            if let Some(tenant) = backfills::next_tenant(tx, name)? {
                return Ok(Some((tenant, name, backfill)));
            }
        }
        Ok::<_, StoreError>(None)
    };
    let Some((tenant, name, backfill)) = app.store.read("backfills.next_tenant", next).await? else {
        return Ok(false);
    };
    let (ids, master_key, now) = (Arc::clone(&app.ids), Arc::clone(&app.master_key), app.clock.now());
    let unit = move |tx: &Tx<'_>| {
        Unit::run(
            tx,
            tenant,
            now,
            &*ids,
            |tx| tenants::open(tx, tenant, &master_key),
            |unit| {
                // The progress is read under the lock: another process may have done this unit meanwhile.
                let Some((done, last)) = backfills::progress(tx, tenant, name)? else { return Ok(()) };
                let to = last.min(done + USERS_PER_UNIT);
                let mut found = Vec::new();
                // An unreadable user must not stop the backfill of the others. Every read of that user reports the
                // damage, too.
                users::each_numbered(tx, unit.tenant, done + 1..=to, |read| match read {
                    Ok(user) => found.push(user),
                    Err(error) => {
                        tracing::error!(%tenant, backfill = name, %error, "a user who cannot be seen to");
                    }
                })?;
                found.iter().try_for_each(|(user, handle)| backfill(unit, handle, user))?;
                backfills::advance(tx, tenant, name, to, last)
            },
        )
    };
    app.store.write::<_, StoreError>("backfills.run_batch", tenant, unit).await?;
    Ok(true)
}

/// Computes the CONCATs and the reported forms of a user again, after a migration that changes a rule.
fn refresh_concats(unit: &Unit<'_>, handle: &UserHandle, user: &User) -> Result<(), StoreError> {
    let own = identifiers::of_user(unit.tx, handle)?;
    let (settings, id) = (&unit.tenant.settings, unit.ids.uuid());
    let changes = domain_identifiers::refresh_concats(&own, user, settings, id, unit.now());
    changes.iter().try_for_each(|change| identifiers::apply(unit, handle, change))
}

/// Adds the missing entries of a user to the search index, after a migration that has emptied it because values are
/// compared in another way.
fn rebuild_search_index(unit: &Unit<'_>, handle: &UserHandle, user: &User) -> Result<(), StoreError> {
    let own = identifiers::of_user(unit.tx, handle)?;
    search_index::add_missing(unit, handle, &search::of_user(&user.person, &own))
}
