//! Runs backfills, a hundred users to a unit.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::clock::Ids;
use crate::domain::tenants::TenantSettings;
use crate::domain::users::User;
use crate::domain::users::identifiers as domain_identifiers;
use crate::domain::users::search;
use crate::store::encryption::{TenantKey, UserKey};
use crate::store::jobs::backfills;
use crate::store::tenants;
use crate::store::tenants::sequence::Sequence;
use crate::store::users::{identifiers, search_index};
use crate::store::{StoreError, Tx, users};

/// Users per unit of work: small enough that the writes of clients run in between.
const USERS_PER_UNIT: i64 = 100;
/// Pause after a failure, so that a database that is down is not queried in a loop.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_mins(1);

/// A function that updates one existing user.
type Backfill = fn(
    &Tx<'_>,
    &Sequence,
    (&User, &UserKey),
    (&TenantSettings, &TenantKey),
    &dyn Ids,
) -> Result<(), StoreError>;

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
        let sequence = Sequence::lock(tx, tenant, now)?;
        // The progress is read under the lock: another process may have done this unit meanwhile.
        let Some((done, last)) = backfills::progress(tx, tenant, name)? else { return Ok(()) };
        let (row, key) = tenants::open(tx, tenant, &master_key)?;
        let to = last.min(done + USERS_PER_UNIT);
        let mut users = Vec::new();
        // An unreadable user must not stop the backfill of the others. Every read of that user reports the damage, too.
        users::each_numbered(tx, tenant, (done + 1, to), &key, |read| match read {
            Ok(user) => users.push(user),
            Err(error) => tracing::error!(tenant, backfill = name, %error, "a user who cannot be seen to"),
        })?;
        for (user, user_key) in &users {
            backfill(tx, &sequence, (user, user_key), (&row.settings, &key), &*ids)?;
        }
        backfills::advance(tx, tenant, name, (to, last))?;
        sequence.save(tx);
        Ok::<_, StoreError>(())
    };
    app.store.write("backfills.run_batch", tenant, unit).await?;
    Ok(true)
}

/// Computes the CONCATs and the reported forms of a user again, after a migration that changes a rule.
fn refresh_concats(
    tx: &Tx<'_>,
    sequence: &Sequence,
    (user, key): (&User, &UserKey),
    (settings, _): (&TenantSettings, &TenantKey),
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let own = identifiers::of_user(tx, sequence.tenant, user.id, key)?;
    let remade = domain_identifiers::refresh_concats(&own, user, settings, (ids.uuid(), sequence.now));
    remade.iter().try_for_each(|change| identifiers::apply(tx, sequence.tenant, change, key, ids))
}

/// Adds the missing entries of a user to the search index, after a migration that has emptied it because values are
/// compared in another way.
fn rebuild_search_index(
    tx: &Tx<'_>,
    sequence: &Sequence,
    (user, key): (&User, &UserKey),
    (_, tenant_key): (&TenantSettings, &TenantKey),
    _: &dyn Ids,
) -> Result<(), StoreError> {
    let own = identifiers::of_user(tx, sequence.tenant, user.id, key)?;
    let terms = search::of_user(&user.person, &own);
    search_index::add_missing(tx, (sequence.tenant, user.id), terms, tenant_key)
}
