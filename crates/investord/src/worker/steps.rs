//! Does what is due to users: each step in one unit with what follows from it, by any process, once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use uuid::Uuid;

use crate::app::App;
use crate::clock::Ids;
use crate::domain::account::{Custody, Group, Single};
use crate::domain::check::{self, Check};
use crate::domain::data_change::State;
use crate::domain::event::EventType;
use crate::domain::review::Verdict;
use crate::domain::tenant::Settings;
use crate::domain::user::{User, UserView};
use crate::domain::{identifier, search};
use crate::store::accounts::Content;
use crate::store::seal::{TenantKey, UserKey};
use crate::store::steps::{
    self, ACCOUNT_CLOSING, ACCOUNT_GROUP_CLOSING, ACTIVATION, CHECK, DATA_CHANGE, OFFBOARDING, Step,
};
use crate::store::tenants::{self, Head};
use crate::store::{
    StoreError, Tx, accounts, activation, checks, data_changes, identifiers, outbox, outcomes, terms, users,
};

/// What other processes have added is found at the latest after this.
const EVERY: Duration = Duration::from_secs(1);
/// When a step is tried again that has failed.
const LATER: SignedDuration = SignedDuration::from_mins(1);
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
        // One that fails does not keep the others from being done, now or the next time.
        let done = join_all(due.iter().map(|step| run_one(app, step.clone()))).await;
        for (step, outcome) in due.into_iter().zip(done) {
            match outcome {
                Err(error @ StoreError::Damaged(_)) => {
                    tracing::error!(%error, tenant = step.tenant, kind = step.kind, "a step fails; later again");
                    postpone(app, step).await?;
                }
                outcome => outcome?,
            }
        }
    }
}

/// Lets a step that cannot be done wait before it is tried again.
async fn postpone(app: &App, step: Step) -> Result<(), StoreError> {
    let (tenant, now) = (step.tenant, app.clock.now());
    let unit = move |tx: &Tx<'_>| {
        Head::take(tx, tenant, now)?;
        if steps::is_still_due(tx, &step)? {
            steps::put(tx, &Step { due: Some(now + LATER), ..step.clone() })?;
        }
        Ok::<_, StoreError>(())
    };
    app.store.write("steps.postpone", tenant, unit).await
}

async fn run_one(app: &App, step: Step) -> Result<(), StoreError> {
    let (ids, master_key, now) = (Arc::clone(&app.ids), Arc::clone(&app.master_key), app.clock.now());
    let tenant = step.tenant;
    let unit = move |tx: &Tx<'_>| {
        let mut head = Head::take(tx, tenant, now)?;
        // Another process may have been here first.
        if !steps::is_still_due(tx, &step)? {
            return Ok(());
        }
        let (row, key) = tenants::opened(tx, tenant, &master_key)?;
        let done = match step.kind.as_str() {
            DATA_CHANGE => data_change(tx, &mut head, &step, &row.settings, &key, &*ids)?,
            CHECK => check(tx, &mut head, &step, &row.settings, &key, &*ids)?,
            ACCOUNT_CLOSING => account_closing(tx, &mut head, &step, &key, &*ids)?,
            ACCOUNT_GROUP_CLOSING => account_group_closing(tx, &mut head, &step, &key, &*ids)?,
            OFFBOARDING => offboarding(tx, &mut head, &step, &row.settings, &key, &*ids)?,
            ACTIVATION => activation(tx, &mut head, &step, &row.settings, &key, &*ids)?,
            other => return Err(StoreError::Damaged(format!("a step of the kind '{other}'"))),
        };
        match done {
            // By the clock that the worker asks: the tenant's instants may run ahead of it.
            Outcome::Done => steps::done(tx, &step, now)?,
            Outcome::Waits => steps::wait(tx, &step)?,
        }
        head.put(tx);
        Ok::<_, StoreError>(())
    };
    app.store.write("steps.run", tenant, unit).await
}

/// What becomes of a step.
enum Outcome {
    Done,
    /// Something else of the user has to be done first.
    Waits,
}

/// Ends the closing of an account. The register keeps no positions that could be left in it.
fn account_closing(
    tx: &Tx<'_>,
    head: &mut Head,
    step: &Step,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<Outcome, StoreError> {
    let account = accounts::by_id::<Single>(tx, head.tenant, step.subject, key)?;
    closed(tx, head, account.ok_or_else(|| gone("account", step.subject))?, key, ids)
}

/// Ends the closing of a group in which no account is open.
fn account_group_closing(
    tx: &Tx<'_>,
    head: &mut Head,
    step: &Step,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<Outcome, StoreError> {
    let user_key = users::key(tx, head.tenant, &step.user, key)?;
    let open = accounts::open_of::<Single>(tx, head.tenant, step.user, &user_key)?;
    if open.iter().any(|account| account.content.account_group_id == step.subject) {
        return Ok(Outcome::Waits);
    }
    let group = accounts::by_id::<Group>(tx, head.tenant, step.subject, key)?;
    closed(tx, head, group.ok_or_else(|| gone("account group", step.subject))?, key, ids)
}

fn closed<T: Content>(
    tx: &Tx<'_>,
    head: &mut Head,
    mut custody: Custody<T>,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<Outcome, StoreError> {
    if let Some(event) = custody.finish_closing(head.now) {
        let user_key = users::key(tx, head.tenant, &custody.user_id, key)?;
        accounts::update(tx, head, &custody, event, &user_key, ids)?;
    }
    Ok(Outcome::Done)
}

/// Activates a user for whom somebody has ordered a delay, unless something is missing meanwhile.
fn activation(
    tx: &Tx<'_>,
    head: &mut Head,
    step: &Step,
    settings: &Settings,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<Outcome, StoreError> {
    let (mut user, user_key) = user(tx, step, key)?;
    if user.reactivate().is_ok() {
        users::set_suspended(tx, head.tenant, &user)?;
        activation::judge(tx, head, &mut user, None, settings, &user_key, ids)?;
    }
    Ok(Outcome::Done)
}

/// What somebody who tries out the register wants to be said of this step.
fn ordered(
    tx: &Tx<'_>,
    step: &Step,
    settings: &Settings,
    key: &UserKey,
) -> Result<Option<Verdict>, StoreError> {
    if !settings.simulates() {
        return Ok(None);
    }
    let wanted = outcomes::take(tx, (step.tenant, step.user), &step.kind, key)?;
    Ok(wanted.map(|wanted| Verdict { refusal: wanted.refusal, by: "simulation".to_owned() }))
}

/// Ends the offboarding of a user of whom nothing is open and nothing is still to be changed.
fn offboarding(
    tx: &Tx<'_>,
    head: &mut Head,
    step: &Step,
    settings: &Settings,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<Outcome, StoreError> {
    let (mut user, user_key) = user(tx, step, key)?;
    if ordered(tx, step, settings, &user_key)?.is_some() {
        steps::hold(tx, step.tenant, step.user, OFFBOARDING)?;
        return Ok(Outcome::Waits);
    }
    if !activation::open_matters(tx, head.tenant, user.id, &user_key)?.is_empty() {
        return Ok(Outcome::Waits);
    }
    if let Some(event) = user.finish_offboarding(head.now) {
        users::set_status(tx, head, &user, &user_key, event, ids)?;
    }
    Ok(Outcome::Done)
}

/// The user of a step.
fn user(tx: &Tx<'_>, step: &Step, key: &TenantKey) -> Result<(User, UserKey), StoreError> {
    users::load(tx, step.tenant, step.user, key)?.ok_or_else(|| gone("user", step.user))
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
) -> Result<Outcome, StoreError> {
    let tenant = head.tenant;
    let (mut user, user_key) = user(tx, step, key)?;
    let change = data_changes::by_id(tx, tenant, user.id, step.subject, &user_key)?;
    let mut change = change.ok_or_else(|| gone("data change", step.subject))?;
    if change.content.review.decided.is_none() {
        change.content.review.decided = ordered(tx, step, settings, &user_key)?;
    }
    let mut own = identifiers::of_user(tx, tenant, user.id, &user_key)?;
    terms::renew_if_due(tx, (tenant, &user), &own, key)?;
    let before = search::of_user(&user.person, &own);
    change.apply(&mut user, settings, head.now);
    data_changes::update(tx, tenant, &change, &user_key, ids)?;
    let subject = (user.id, &user_key);
    if change.state == State::Failed {
        let object = change.failure().to_string();
        outbox::publish(tx, head, EventType::UserDataChangeFailed, subject, &object, ids)?;
        return Ok(Outcome::Done);
    }
    for change in identifier::remake(&own, &user, settings, (ids.uuid(), head.now)) {
        identifiers::apply(tx, tenant, &change, &user_key, ids)?;
        change.put_into(&mut own);
    }
    terms::replace(tx, (tenant, user.id), (&before, &search::of_user(&user.person, &own)), key)?;
    users::update(tx, tenant, &user, &user_key, ids)?;
    // The change first, as the user was left by it; then what follows.
    let view = UserView::from(&user).to_string();
    outbox::publish(tx, head, EventType::UserDataChanged, subject, &view, ids)?;
    activation::judge(tx, head, &mut user, Some(&own), settings, &user_key, ids)?;
    Ok(Outcome::Done)
}

/// Decides a check that nobody has to look at. Once somebody's identity is known, the register makes a check of its
/// own.
fn check(
    tx: &Tx<'_>,
    head: &mut Head,
    step: &Step,
    settings: &Settings,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<Outcome, StoreError> {
    let (mut user, user_key) = user(tx, step, key)?;
    let all = checks::that_count(tx, head.tenant, user.id, &user_key)?;
    let found = checks::by_id(tx, head.tenant, user.id, step.subject, &user_key)?;
    let mut check = found.ok_or_else(|| gone("check", step.subject))?;
    if check.content.review.decided.is_none() {
        check.content.review.decided = ordered(tx, step, settings, &user_key)?;
    }
    if let Some(event) = check.decide(check.verdict(settings, head.now), head.now) {
        checks::update(tx, head, &check, event, &user_key, ids)?;
    }
    if check.calls_for_compliance(&all) && !user.is_leaving() {
        let compliance = Check::new(ids.uuid(), user.id, head.now, check::Content::compliance(head.now));
        checks::enter(tx, head, &compliance, &user_key, ids)?;
        let due = step.due.filter(|_| !compliance.content.is_for_review(settings));
        steps::add(tx, (head.tenant, user.id), CHECK, compliance.id, due)?;
    }
    activation::judge(tx, head, &mut user, None, settings, &user_key, ids)?;
    Ok(Outcome::Done)
}
