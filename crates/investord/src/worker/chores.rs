//! Does what migrations have left to the worker: gives users of before what new ones get when they come.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::clock::Ids;
use crate::domain::identifier;
use crate::domain::tenant::Settings;
use crate::domain::user::User;
use crate::store::seal::{TenantKey, UserKey};
use crate::store::tenants::{self, Head};
use crate::store::{StoreError, Tx, chores, identifiers, terms, users};

/// Users of one unit: writes of clients come in between.
const PORTION: i64 = 100;
const PAUSE_AFTER_FAILURE: Duration = Duration::from_mins(1);

/// What is done to each user of before.
type Chore =
    fn(&Tx<'_>, &Head, (&User, &UserKey), (&Settings, &TenantKey), &dyn Ids) -> Result<(), StoreError>;

/// As the migrations that need them call them, in the order in which they are done.
const CHORES: [(&str, Chore); 3] =
    [("make-concat", make_concat), ("index-terms", index_terms), (terms::RENEW, index_terms)];

/// Runs until nothing is left to do.
pub async fn run(app: App) {
    loop {
        match portion(&app).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "could not do what a migration has left; trying again");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// Sees to some users; false if there was nothing to do.
pub async fn portion(app: &App) -> Result<bool, StoreError> {
    let next = |tx: &Tx<'_>| {
        for (name, chore) in CHORES {
            if let Some(tenant) = chores::next(tx, name)? {
                return Ok(Some((tenant, name, chore)));
            }
        }
        Ok::<_, StoreError>(None)
    };
    let Some((tenant, name, chore)) = app.store.read("chores.next", next).await? else { return Ok(false) };
    let (ids, master_key, now) = (Arc::clone(&app.ids), Arc::clone(&app.master_key), app.clock.now());
    let unit = move |tx: &Tx<'_>| {
        let head = Head::take(tx, tenant, now)?;
        let Some((done, last)) = chores::of_tenant(tx, tenant, name)? else { return Ok(()) };
        let (row, key) = tenants::opened(tx, tenant, &master_key)?;
        let to = last.min(done + PORTION);
        let mut users = Vec::new();
        // Whoever cannot be read must not hold up the others; every read of that user tells it, too.
        users::numbered(tx, tenant, (done + 1, to), &key, |read| match read {
            Ok(user) => users.push(user),
            Err(error) => tracing::error!(tenant, chore = name, %error, "a user who cannot be seen to"),
        })?;
        for (user, user_key) in &users {
            chore(tx, &head, (user, user_key), (&row.settings, &key), &*ids)?;
        }
        chores::advance(tx, tenant, name, (to, last))?;
        head.put(tx);
        Ok::<_, StoreError>(())
    };
    app.store.write("chores.portion", tenant, unit).await?;
    Ok(true)
}

/// The CONCAT of users who came into the register before it kept identifiers.
fn make_concat(
    tx: &Tx<'_>,
    head: &Head,
    (user, key): (&User, &UserKey),
    (settings, _): (&Settings, &TenantKey),
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let own = identifiers::of_user(tx, head.tenant, user.id, key)?;
    let remade = identifier::remake(&own, user, settings, (ids.uuid(), head.now));
    remade.iter().try_for_each(|change| identifiers::apply(tx, head.tenant, change, key, ids))
}

/// What users are found by who came before there was a search, or before it compared as it does now.
fn index_terms(
    tx: &Tx<'_>,
    head: &Head,
    (user, key): (&User, &UserKey),
    (_, tenant_key): (&Settings, &TenantKey),
    _: &dyn Ids,
) -> Result<(), StoreError> {
    let own = identifiers::of_user(tx, head.tenant, user.id, key)?;
    terms::renew(tx, (head.tenant, user), &own, tenant_key)
}
