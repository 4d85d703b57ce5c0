//! Runs due jobs, each in one unit with everything that follows from it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use uuid::Uuid;

use crate::app::App;
use crate::domain::accounts::{AccountResource, GroupDetails, SingleAccountDetails};
use crate::domain::delivery::event::EventType;
use crate::domain::users::UserView;
use crate::domain::users::check;
use crate::domain::users::check::Check;
use crate::domain::users::data_change::DataChangeState;
use crate::domain::users::identifiers as domain_identifiers;
use crate::domain::users::review::Verdict;
use crate::domain::users::search;
use crate::store::accounts::StoredAccountResource;
use crate::store::jobs::{self, Job, JobKind};
use crate::store::log::events;
use crate::store::tenants;
use crate::store::tenants::sequence::Sequence;
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;
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
                    let kind = job.kind.into_str();
                    tracing::error!(%error, tenant = %job.tenant, kind, "a job fails; it runs again later");
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
        Unit::run(
            tx,
            tenant,
            now,
            &*ids,
            |tx| tenants::open(tx, tenant, &master_key),
            |unit| {
                // Another process may have run the job meanwhile.
                if !jobs::is_still_due(tx, &job)? {
                    return Ok(());
                }
                let done = match job.kind {
                    JobKind::DataChange => data_change(unit, &job)?,
                    JobKind::Check => check(unit, &job)?,
                    JobKind::AccountClosing => account_closing(unit, &job)?,
                    JobKind::AccountGroupClosing => account_group_closing(unit, &job)?,
                    JobKind::Offboarding => offboarding(unit, &job)?,
                    JobKind::Activation => activation(unit, &job)?,
                    // Nobody has confirmed it in time.
                    JobKind::Deactivation => JobOutcome::Done,
                };
                match done {
                    // `now` is the time of the worker's clock, by which it reads due jobs: the instant of the unit may
                    // be ahead of it.
                    JobOutcome::Done => jobs::finish(tx, &job, now),
                    JobOutcome::Waits => jobs::park(tx, &job),
                }
            },
        )
    };
    app.store.write::<_, StoreError>("jobs.run", tenant, unit).await
}

/// The state of a job after its run.
enum JobOutcome {
    /// The job leaves the queue.
    Done,
    /// The job waits until another matter of the user is finished.
    Waits,
}

/// Completes the closing of an account. The register has no positions that could prevent it.
fn account_closing(unit: &mut Unit<'_>, job: &Job) -> Result<JobOutcome, StoreError> {
    let account = accounts::by_id::<SingleAccountDetails>(unit.tx, unit.tenant, job.subject)?;
    finish_closing(unit, job, account.ok_or_else(|| missing("account", job.subject))?)
}

/// Completes the closing of an account group; the job waits while an account of the group is open.
fn account_group_closing(unit: &mut Unit<'_>, job: &Job) -> Result<JobOutcome, StoreError> {
    if accounts::has_open_account(unit.tx, job.tenant, job.subject)? {
        return Ok(JobOutcome::Waits);
    }
    let group = accounts::by_id::<GroupDetails>(unit.tx, unit.tenant, job.subject)?;
    finish_closing(unit, job, group.ok_or_else(|| missing("account group", job.subject))?)
}

/// Closes an account resource and publishes its event. A resource that is closed already stays as it is.
fn finish_closing<T: StoredAccountResource>(
    unit: &mut Unit<'_>,
    job: &Job,
    mut resource: AccountResource<T>,
) -> Result<JobOutcome, StoreError> {
    if let Some(event) = resource.finish_closing(unit.now()) {
        let user = users::find_numbered(unit.tx, unit.tenant, job.user_number)?;
        accounts::update(unit, &user, &resource, event)?;
    }
    Ok(JobOutcome::Done)
}

/// Activates a user at the end of a simulated delay, if all requirements are met at that time.
fn activation(unit: &mut Unit<'_>, job: &Job) -> Result<JobOutcome, StoreError> {
    let (mut user, handle) = users::load_numbered(unit.tx, unit.tenant, job.user_number)?;
    if user.reactivate().is_ok() {
        users::set_suspended(unit.tx, &handle, &user)?;
        activation::activate_if_complete(unit, &handle, &mut user, None)?;
    }
    Ok(JobOutcome::Done)
}

/// Takes the simulated outcome that a tester has ordered for this job; none for tenants that do not simulate.
fn simulated_verdict(
    unit: &Unit<'_>,
    user: &UserHandle,
    kind: JobKind,
) -> Result<Option<Verdict>, StoreError> {
    if !unit.tenant.settings.simulates() {
        return Ok(None);
    }
    let wanted = simulated_outcomes::take(unit, user, kind)?;
    Ok(wanted.map(|wanted| Verdict { refusal: wanted.refusal, by: "simulation".to_owned() }))
}

/// Completes the offboarding of a user without open account groups, accounts and data changes (decision U9).
fn offboarding(unit: &mut Unit<'_>, job: &Job) -> Result<JobOutcome, StoreError> {
    let (mut user, handle) = users::load_numbered(unit.tx, unit.tenant, job.user_number)?;
    // For an offboarding a simulated outcome is a hold, like that of an operator.
    if simulated_verdict(unit, &handle, job.kind)?.is_some() {
        jobs::hold_of_kind(unit.tx, &handle, JobKind::Offboarding)?;
        return Ok(JobOutcome::Waits);
    }
    if !activation::open_matters(unit.tx, &handle)?.is_empty() {
        return Ok(JobOutcome::Waits);
    }
    if let Some(event) = user.finish_offboarding(unit.now()) {
        users::set_status(unit, &handle, &user, event)?;
    }
    Ok(JobOutcome::Done)
}

/// Returns the error of a job whose subject does not exist. That is damage, because nothing is deleted (decision U10).
fn missing(what: &str, id: Uuid) -> StoreError {
    StoreError::Corrupt(format!("{what} {id} is gone"))
}

/// Applies a data change or records its failure, and publishes the event. The CONCATs and the activation follow from
/// the changed data.
fn data_change(unit: &mut Unit<'_>, job: &Job) -> Result<JobOutcome, StoreError> {
    let (mut user, handle) = users::load_numbered(unit.tx, unit.tenant, job.user_number)?;
    let (now, settings) = (unit.now(), &unit.tenant.settings);
    let change = data_changes::by_id(unit.tx, &handle, job.subject)?;
    let mut change = change.ok_or_else(|| missing("data change", job.subject))?;
    if change.content.review.decided.is_none() {
        change.content.review.decided = simulated_verdict(unit, &handle, job.kind)?;
    }
    let mut own = identifiers::of_user(unit.tx, &handle)?;
    let before = search::of_user(&user.person, &own);
    change.apply(&mut user, settings, now);
    data_changes::update(unit, &handle, &change)?;
    if change.state == DataChangeState::Failed {
        let object = change.failure().to_string();
        events::publish(unit, &handle, EventType::UserDataChangeFailed, &object)?;
        return Ok(JobOutcome::Done);
    }
    for change in domain_identifiers::refresh_concats(&own, &user, settings, unit.ids.uuid(), now) {
        identifiers::apply(unit, &handle, &change)?;
        change.apply_to(&mut own);
    }
    search_index::replace(unit, &handle, &before, &search::of_user(&user.person, &own))?;
    users::update(unit, &handle, &user)?;
    // The event of the change comes first, with the user as the change has left it; the activation follows.
    events::publish(unit, &handle, EventType::UserDataChanged, &UserView::from(&user).to_string())?;
    activation::activate_if_complete(unit, &handle, &mut user, Some(&own))?;
    Ok(JobOutcome::Done)
}

/// Decides a check without a review by an operator. After a passed identity check (KYC) the register adds a compliance
/// check of its own, unless there is one.
fn check(unit: &mut Unit<'_>, job: &Job) -> Result<JobOutcome, StoreError> {
    let (mut user, handle) = users::load_numbered(unit.tx, unit.tenant, job.user_number)?;
    let (now, settings) = (unit.now(), &unit.tenant.settings);
    let all = checks::list_deciding(unit.tx, &handle)?;
    let check = checks::by_id(unit.tx, &handle, job.subject)?;
    let mut check = check.ok_or_else(|| missing("check", job.subject))?;
    if check.content.review.decided.is_none() {
        check.content.review.decided = simulated_verdict(unit, &handle, job.kind)?;
    }
    if let Some(event) = check.decide(check.verdict(settings, now), now) {
        checks::update(unit, &handle, &check, event)?;
    }
    if check.needs_compliance_check(&all) && !user.is_leaving() {
        let compliance = Check::new(unit.ids.uuid(), user.id, now, check::CheckContent::compliance(now));
        checks::insert_and_publish(unit, &handle, &compliance)?;
        let due = job.due.filter(|_| !compliance.content.is_for_review(settings));
        jobs::enqueue(unit.tx, &handle, JobKind::Check, compliance.id, due)?;
    }
    activation::activate_if_complete(unit, &handle, &mut user, None)?;
    Ok(JobOutcome::Done)
}
