//! Makes the CONCAT of users who came into the register before it kept identifiers.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::domain::identifier;
use crate::store::tenants::{self, Head};
use crate::store::{StoreError, Tx, chores, identifiers, users};

/// As the migration that needs it calls it.
const NAME: &str = "make-concat";
/// Users of one unit: writes of clients come in between.
const PORTION: i64 = 100;
const PAUSE_AFTER_FAILURE: Duration = Duration::from_mins(1);

/// Runs until nothing is left to do.
pub async fn run(app: App) {
    loop {
        match portion(&app).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "could not make CONCATs; trying again");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// Sees to some users; false if there was nothing to do.
pub async fn portion(app: &App) -> Result<bool, StoreError> {
    let Some(tenant) = app.store.read("chores.next", |tx| chores::next(tx, NAME)).await? else {
        return Ok(false);
    };
    let (ids, master_key, now) = (Arc::clone(&app.ids), Arc::clone(&app.master_key), app.clock.now());
    let unit = move |tx: &Tx<'_>| {
        let head = Head::take(tx, tenant, now)?;
        let Some((done, last)) = chores::of_tenant(tx, tenant, NAME)? else { return Ok(()) };
        let (row, key) = tenants::opened(tx, tenant, &master_key)?;
        let to = last.min(done + PORTION);
        let (mut users, mut changes) = (Vec::new(), Vec::new());
        // Whoever cannot be read must not hold up the others; every read of that user tells it, too.
        users::numbered(tx, tenant, (done + 1, to), &key, |read| match read {
            Ok(user) => users.push(user),
            Err(error) => tracing::error!(tenant, %error, "a user without CONCAT"),
        })?;
        for (user, user_key) in users {
            let own = identifiers::of_user(tx, tenant, user.id, &user_key)?;
            let remade = identifier::remake(&own, &user, &row.settings, (ids.uuid(), head.now));
            changes.push((remade, user_key));
        }
        for (remade, user_key) in &changes {
            for change in remade {
                identifiers::apply(tx, tenant, change, user_key, &*ids)?;
            }
        }
        chores::advance(tx, tenant, NAME, (to, last))?;
        head.put(tx);
        Ok::<_, StoreError>(())
    };
    app.store.write("chores.make_concat", tenant, unit).await?;
    Ok(true)
}
