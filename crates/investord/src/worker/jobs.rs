//! Runs due jobs, each in one unit with everything that follows from it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use uuid::Uuid;

use crate::app::App;
use crate::clock::Ids;
use crate::domain::accounts::{AccountResource, GroupDetails, SingleAccountDetails};
use crate::domain::delivery::event::EventType;
use crate::domain::tenants::TenantSettings;
use crate::domain::users::check;
use crate::domain::users::check::Check;
use crate::domain::users::data_change::DataChangeState;
use crate::domain::users::identifiers as domain_identifiers;
use crate::domain::users::review::Verdict;
use crate::domain::users::search;
use crate::domain::users::{User, UserView};
use crate::store::accounts::StoredAccountResource;
use crate::store::encryption::{TenantKey, UserKey};
use crate::store::jobs::{
    self, ACCOUNT_CLOSING, ACCOUNT_GROUP_CLOSING, ACTIVATION, CHECK, DATA_CHANGE, Job, OFFBOARDING,
};
use crate::store::log::events;
use crate::store::tenants;
use crate::store::tenants::sequence::Sequence;
use crate::store::users::{activation, checks, data_changes, identifiers, search_index, simulated_outcomes};
use crate::store::{StoreError, Tx, accounts, users};

/// Interval between two reads of the job queue: the maximum delay of a job that another process has added.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Delay before a failed job runs again.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(1);
/// Number of jobs that run at once. The queue returns at most one data change of each user, because these run in order
/// (decision U8).
const JOBS_AT_ONCE: i64 = 100;

/// Runs due jobs until the process ends.
pub async fn run(app: App) {
    loop {
        if let Err(error) = run_due(&app).await {
            tracing::warn!(%error, "could not do what is due; trying again");
        }
        // A request of this process, or the interval, ends the wait.
        let _ = tokio::time::timeout(POLL_INTERVAL, app.work.notified()).await;
    }
}

/// Runs all due jobs and returns their number.
///
/// # Errors
///
/// Fails if the database cannot be read or written. Corrupt data only postpones its own job.
pub async fn run_due(app: &App) -> Result<usize, StoreError> {
    let mut count = 0;
    loop {
        let now = app.clock.now();
        let due = app.store.read("jobs.due", move |tx| jobs::list_due(tx, now, JOBS_AT_ONCE)).await?;
        if due.is_empty() {
            return Ok(count);
        }
        count += due.len();
        // All jobs of the round finish, whatever the result of one of them is.
        let done = join_all(due.iter().map(|job| run_one(app, job.clone()))).await;
        for (job, outcome) in due.into_iter().zip(done) {
            match outcome {
                Err(error @ StoreError::Corrupt(_)) => {
                    tracing::error!(%error, tenant = job.tenant, kind = job.kind, "a job fails; it runs again later");
                    postpone(app, job).await?;
                }
                outcome => outcome?,
            }
        }
    }
}

/// Postpones a failed job, so that it does not run again in a loop.
async fn postpone(app: &App, job: Job) -> Result<(), StoreError> {
    let (tenant, now) = (job.tenant, app.clock.now());
    let unit = move |tx: &Tx<'_>| {
        Sequence::lock(tx, tenant, now)?;
        if jobs::is_still_due(tx, &job)? {
            jobs::save(tx, &Job { due: Some(now + RETRY_AFTER), ..job.clone() })?;
        }
        Ok::<_, StoreError>(())
    };
    app.store.write("jobs.postpone", tenant, unit).await
}

/// Runs one job in one unit of work.
async fn run_one(app: &App, job: Job) -> Result<(), StoreError> {
    let (ids, master_key, now) = (Arc::clone(&app.ids), Arc::clone(&app.master_key), app.clock.now());
    let tenant = job.tenant;
    let unit = move |tx: &Tx<'_>| {
        let mut sequence = Sequence::lock(tx, tenant, now)?;
        // Another process may have run the job meanwhile.
        if !jobs::is_still_due(tx, &job)? {
            return Ok(());
        }
        let (row, key) = tenants::open(tx, tenant, &master_key)?;
        let done = match job.kind.as_str() {
            DATA_CHANGE => data_change(tx, &mut sequence, &job, &row.settings, &key, &*ids)?,
            CHECK => check(tx, &mut sequence, &job, &row.settings, &key, &*ids)?,
            ACCOUNT_CLOSING => account_closing(tx, &mut sequence, &job, &key, &*ids)?,
            ACCOUNT_GROUP_CLOSING => account_group_closing(tx, &mut sequence, &job, &key, &*ids)?,
            OFFBOARDING => offboarding(tx, &mut sequence, &job, &row.settings, &key, &*ids)?,
            ACTIVATION => activation(tx, &mut sequence, &job, &row.settings, &key, &*ids)?,
            other => return Err(StoreError::Corrupt(format!("a job of the kind '{other}'"))),
        };
        match done {
            // `now` is the time of the worker's clock, by which it reads due jobs: the instants of the tenant's
            // sequence may be ahead of it.
            JobOutcome::Done => jobs::finish(tx, &job, now)?,
            JobOutcome::Waits => jobs::park(tx, &job)?,
        }
        sequence.save(tx);
        Ok::<_, StoreError>(())
    };
    app.store.write("jobs.run", tenant, unit).await
}

/// The state of a job after its run.
enum JobOutcome {
    /// The job leaves the queue.
    Done,
    /// The job waits until another matter of the user is finished.
    Waits,
}

/// Completes the closing of an account. The register has no positions that could prevent it.
fn account_closing(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    job: &Job,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<JobOutcome, StoreError> {
    let account = accounts::by_id::<SingleAccountDetails>(tx, sequence.tenant, job.subject, key)?;
    finish_closing(tx, sequence, account.ok_or_else(|| missing("account", job.subject))?, key, ids)
}

/// Completes the closing of an account group; the job waits while an account of the group is open.
fn account_group_closing(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    job: &Job,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<JobOutcome, StoreError> {
    let user_key = users::key(tx, sequence.tenant, &job.user, key)?;
    let open = accounts::open_of::<SingleAccountDetails>(tx, sequence.tenant, job.user, &user_key)?;
    if open.iter().any(|account| account.content.account_group_id == job.subject) {
        return Ok(JobOutcome::Waits);
    }
    let group = accounts::by_id::<GroupDetails>(tx, sequence.tenant, job.subject, key)?;
    finish_closing(tx, sequence, group.ok_or_else(|| missing("account group", job.subject))?, key, ids)
}

/// Closes an account resource and publishes its event. A resource that is closed already stays as it is.
fn finish_closing<T: StoredAccountResource>(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    mut resource: AccountResource<T>,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<JobOutcome, StoreError> {
    if let Some(event) = resource.finish_closing(sequence.now) {
        let user_key = users::key(tx, sequence.tenant, &resource.user_id, key)?;
        accounts::update(tx, sequence, &resource, event, &user_key, ids)?;
    }
    Ok(JobOutcome::Done)
}

/// Activates a user at the end of a simulated delay, if all requirements are met at that time.
fn activation(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    job: &Job,
    settings: &TenantSettings,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<JobOutcome, StoreError> {
    let (mut user, user_key) = user(tx, job, key)?;
    if user.reactivate().is_ok() {
        users::set_suspended(tx, sequence.tenant, &user)?;
        activation::activate_if_complete(tx, sequence, &mut user, None, settings, &user_key, ids)?;
    }
    Ok(JobOutcome::Done)
}

/// Takes the simulated outcome that a tester has ordered for this job; none for tenants that do not simulate.
fn simulated_verdict(
    tx: &Tx<'_>,
    job: &Job,
    settings: &TenantSettings,
    key: &UserKey,
) -> Result<Option<Verdict>, StoreError> {
    if !settings.simulates() {
        return Ok(None);
    }
    let wanted = simulated_outcomes::take(tx, (job.tenant, job.user), &job.kind, key)?;
    Ok(wanted.map(|wanted| Verdict { refusal: wanted.refusal, by: "simulation".to_owned() }))
}

/// Completes the offboarding of a user without open account groups, accounts and data changes (decision U9).
fn offboarding(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    job: &Job,
    settings: &TenantSettings,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<JobOutcome, StoreError> {
    let (mut user, user_key) = user(tx, job, key)?;
    // For an offboarding a simulated outcome is a hold, like that of an operator.
    if simulated_verdict(tx, job, settings, &user_key)?.is_some() {
        jobs::hold_of_kind(tx, job.tenant, job.user, OFFBOARDING)?;
        return Ok(JobOutcome::Waits);
    }
    if !activation::open_matters(tx, sequence.tenant, user.id, &user_key)?.is_empty() {
        return Ok(JobOutcome::Waits);
    }
    if let Some(event) = user.finish_offboarding(sequence.now) {
        users::set_status(tx, sequence, &user, &user_key, event, ids)?;
    }
    Ok(JobOutcome::Done)
}

/// Loads the user of a job.
fn user(tx: &Tx<'_>, job: &Job, key: &TenantKey) -> Result<(User, UserKey), StoreError> {
    users::load(tx, job.tenant, job.user, key)?.ok_or_else(|| missing("user", job.user))
}

/// Returns the error of a job whose subject does not exist. That is damage, because nothing is deleted (decision U10).
fn missing(what: &str, id: Uuid) -> StoreError {
    StoreError::Corrupt(format!("{what} {id} is gone"))
}

/// Applies a data change or records its failure, and publishes the event. The CONCATs and the activation follow from
/// the changed data.
fn data_change(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    job: &Job,
    settings: &TenantSettings,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<JobOutcome, StoreError> {
    let tenant = sequence.tenant;
    let (mut user, user_key) = user(tx, job, key)?;
    let change = data_changes::by_id(tx, tenant, user.id, job.subject, &user_key)?;
    let mut change = change.ok_or_else(|| missing("data change", job.subject))?;
    if change.content.review.decided.is_none() {
        change.content.review.decided = simulated_verdict(tx, job, settings, &user_key)?;
    }
    let mut own = identifiers::of_user(tx, tenant, user.id, &user_key)?;
    let before = search::of_user(&user.person, &own);
    change.apply(&mut user, settings, sequence.now);
    data_changes::update(tx, tenant, &change, &user_key, ids)?;
    let subject = (user.id, &user_key);
    if change.state == DataChangeState::Failed {
        let object = change.failure().to_string();
        events::publish(tx, sequence, EventType::UserDataChangeFailed, subject, &object, ids)?;
        return Ok(JobOutcome::Done);
    }
    for change in domain_identifiers::refresh_concats(&own, &user, settings, (ids.uuid(), sequence.now)) {
        identifiers::apply(tx, tenant, &change, &user_key, ids)?;
        change.apply_to(&mut own);
    }
    search_index::replace(tx, (tenant, user.id), (&before, &search::of_user(&user.person, &own)), key)?;
    users::update(tx, tenant, &user, &user_key, ids)?;
    // The event of the change comes first, with the user as the change has left it; the activation follows.
    let view = UserView::from(&user).to_string();
    events::publish(tx, sequence, EventType::UserDataChanged, subject, &view, ids)?;
    activation::activate_if_complete(tx, sequence, &mut user, Some(&own), settings, &user_key, ids)?;
    Ok(JobOutcome::Done)
}

/// Decides a check without a review by an operator. After a passed identity check (KYC) the register adds a compliance
/// check of its own, unless there is one.
fn check(
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    job: &Job,
    settings: &TenantSettings,
    key: &TenantKey,
    ids: &dyn Ids,
) -> Result<JobOutcome, StoreError> {
    let (mut user, user_key) = user(tx, job, key)?;
    let all = checks::list_deciding(tx, sequence.tenant, user.id, &user_key)?;
    let found = checks::by_id(tx, sequence.tenant, user.id, job.subject, &user_key)?;
    let mut check = found.ok_or_else(|| missing("check", job.subject))?;
    if check.content.review.decided.is_none() {
        check.content.review.decided = simulated_verdict(tx, job, settings, &user_key)?;
    }
    if let Some(event) = check.decide(check.verdict(settings, sequence.now), sequence.now) {
        checks::update(tx, sequence, &check, event, &user_key, ids)?;
    }
    if check.needs_compliance_check(&all) && !user.is_leaving() {
        let compliance =
            Check::new(ids.uuid(), user.id, sequence.now, check::CheckContent::compliance(sequence.now));
        checks::insert_and_publish(tx, sequence, &compliance, &user_key, ids)?;
        let due = job.due.filter(|_| !compliance.content.is_for_review(settings));
        jobs::enqueue(tx, (sequence.tenant, user.id), CHECK, compliance.id, due)?;
    }
    activation::activate_if_complete(tx, sequence, &mut user, None, settings, &user_key, ids)?;
    Ok(JobOutcome::Done)
}
