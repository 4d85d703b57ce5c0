//! Does what is due to users: each step in one unit with what follows from it, by any process, once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use uuid::Uuid;

use crate::app::App;
use crate::clock::Ids;
use crate::domain::data_change::State;
use crate::domain::event::EventType;
use crate::domain::identifier;
use crate::domain::tenant::Settings;
use crate::domain::user::UserView;
use crate::store::seal::TenantKey;
use crate::store::steps::{self, DATA_CHANGE, OFFBOARDING, Step};
use crate::store::tenants::{self, Head};
use crate::store::{StoreError, Tx, data_changes, identifiers, outbox, users};

/// What other processes have added is found at the latest after this.
const EVERY: Duration = Duration::from_secs(1);
/// Steps that are done at once; of one user there is one at most.
const PORTION: i64 = 100;

pub async fn run(app: App) {
    loop {
        if let Err(error) = run_due(&app).await {
            tracing::warn!(%error, "could not do what is due; trying again");
        }
        // Woken by a request of this process, or by the clock.
        let _ = tokio::time::timeout(EVERY, app.work.notified()).await;
    }
}

/// Does everything that is due; how many steps that were.
pub async fn run_due(app: &App) -> Result<usize, StoreError> {
    let mut count = 0;
    loop {
        let now = app.clock.now();
        let due = app.store.read("steps.due", move |tx| steps::due(tx, now, PORTION)).await?;
        if due.is_empty() {
            return Ok(count);
        }
        count += due.len();
        // One that fails does not keep the others from being done.
        let done = join_all(due.into_iter().map(|step| run_one(app, step))).await;
        done.into_iter().collect::<Result<(), _>>()?;
    }
}

async fn run_one(app: &App, step: Step) -> Result<(), StoreError> {
    let (ids, master_key, now) = (Arc::clone(&app.ids), Arc::clone(&app.master_key), app.clock.now());
    let tenant = step.tenant;
    let unit = move |tx: &Tx<'_>| {
        let mut head = Head::take(tx, tenant, now)?;
        // Another process may have been here first.
        if steps::first(tx, tenant, step.user)?.as_ref() != Some(&step) {
            return Ok(());
        }
        let (row, key) = tenants::opened(tx, tenant, &master_key)?;
        match step.kind.as_str() {
            DATA_CHANGE => data_change(tx, &mut head, &step, &row.settings, &key, &*ids)?,
            OFFBOARDING => offboarding(tx, &mut head, &step, &key, &*ids)?,
            other => return Err(StoreError::Damaged(format!("a step of the kind '{other}'"))),
        }
        steps::done(tx, &step)?;
        head.put(tx);
        Ok::<_, StoreError>(())
    };
    app.store.write("steps.run", tenant, unit).await
}

/// Ends an offboarding.
fn offboarding(
    tx: &Tx<'_>,
    head: &mut Head,
    step: &Step,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let (mut user, user_key) =
        users::load(tx, head.tenant, step.user, key)?.ok_or_else(|| gone("user", step.user))?;
    match user.finish_offboarding(head.now) {
        Some(event) => users::set_status(tx, head, &user, &user_key, event, ids),
        None => Ok(()),
    }
}

fn gone(what: &str, id: Uuid) -> StoreError {
    StoreError::Damaged(format!("{what} {id} is gone"))
}

/// Applies a data change, or notes why not, and tells; CONCATs and activation follow what has changed.
fn data_change(
    tx: &Tx<'_>,
    head: &mut Head,
    step: &Step,
    settings: &Settings,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    let tenant = head.tenant;
    let (mut user, user_key) =
        users::load(tx, tenant, step.user, key)?.ok_or_else(|| gone("user", step.user))?;
    let change = data_changes::by_id(tx, tenant, user.id, step.subject, &user_key)?;
    let mut change = change.ok_or_else(|| gone("data change", step.subject))?;
    change.apply(&mut user, settings, head.now);
    data_changes::update(tx, tenant, &change, &user_key, ids)?;
    let subject = (user.id, &user_key);
    if change.state == State::Failed {
        let object = change.failure().to_string();
        return outbox::publish(tx, head, EventType::UserDataChangeFailed, subject, &object, ids);
    }
    let mut own = identifiers::of_user(tx, tenant, user.id, &user_key)?;
    for change in identifier::remake(&own, &user, settings, (ids.uuid(), head.now)) {
        identifiers::apply(tx, tenant, &change, &user_key, ids)?;
        change.put_into(&mut own);
    }
    // The change first, as the user was left by it; then what follows.
    let view = UserView::from(&user).to_string();
    outbox::publish(tx, head, EventType::UserDataChanged, subject, &view, ids)?;
    if let Some(event) = user.judge(own.iter().map(|one| &one.content), settings, head.now) {
        let view = UserView::from(&user).to_string();
        outbox::publish(tx, head, event, subject, &view, ids)?;
    }
    users::update(tx, tenant, &user, &user_key, ids)
}
