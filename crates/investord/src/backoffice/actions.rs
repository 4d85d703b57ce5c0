//! Actions on a user: deactivate, reactivate, hold or finish an offboarding, simulate an outcome.

use axum::extract::{Path, State};
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ActionRecord, BodyResult, OperatorResult, UserChange, authorize, change, not_one_of, parse_id,
    read_fields, require_text,
};
use crate::app::App;
use crate::domain::accounts::GroupDetails;
use crate::domain::users::UserIsLeaving;
use crate::problem::Problem;
use crate::store::jobs::{self, JobKind};
use crate::store::tenants::operators::Role;
use crate::store::users::activation;
use crate::store::users::simulated_outcomes;
use crate::store::users::simulated_outcomes::SimulatedOutcome;
use crate::store::{accounts, users as stored_users};

/// Maximum length of a reason in characters. Only operators read it, so there is room for a sentence or two.
const MAX_REASON: usize = 500;
/// Maximum length of a refusal in characters. It becomes part of an event for the client, as in a review.
const REFUSAL: usize = 100;

/// The actions on a user, as they are named in requests and in the error for an unknown one.
const ACTIONS: &[&str] =
    &["deactivate", "reactivate", "hold_offboarding", "release_offboarding", "finish_offboarding"];

impl From<UserIsLeaving> for Problem {
    fn from(_: UserIsLeaving) -> Self {
        Problem::State("the user is leaving or has left")
    }
}

/// Parses an action on a user and its reason.
///
/// # Errors
///
/// Fails if a member is missing, unknown or invalid.
pub fn parse_action(body: BodyResult) -> Result<(String, String), Problem> {
    let [action, reason] = read_fields(body, ["action", "reason"])?;
    Ok((require_text("action", action, 50)?, require_text("reason", reason, MAX_REASON)?))
}

/// Handles `POST /tenants/{tenant}/users/{user}/actions`: performs the action `action` for the given `reason`.
///
/// # Errors
///
/// Fails if the caller does not have the role `Operator`, the user does not exist, or the action does not fit the
/// user's state.
pub async fn act(
    State(app): State<App>,
    headers: HeaderMap,
    Path((tenant, user)): Path<(String, String)>,
    body: BodyResult,
) -> OperatorResult {
    let operator = authorize(&app, &headers, Role::Operator).await?;
    let (action, reason) = parse_action(body)?;
    let now = app.clock.now();
    let work = move |change: &mut UserChange<'_, '_>| {
        let old = state_view(change)?;
        let action = match action.as_str() {
            "deactivate" => deactivate(change)?,
            "reactivate" => reactivate(change)?,
            "hold_offboarding" => change_offboarding(change, "hold_offboarding", |job| job.held = true)?,
            "release_offboarding" => change_offboarding(change, "release_offboarding", |job| {
                (job.held, job.due) = (false, Some(job.due.unwrap_or(now)));
            })?,
            "finish_offboarding" => finish_offboarding(change, now)?,
            other => return Err(not_one_of("action", other, ACTIONS)),
        };
        let new = state_view(change)?;
        Ok(ActionRecord { action, subject: None, reason: Some(reason.clone()), old, new })
    };
    change(&app, operator, tenant, parse_id(&user, "user")?, work).await
}

/// Returns the part of the user's state that an action can change, for the difference in the event log.
fn state_view(change: &UserChange<'_, '_>) -> Result<Value, Problem> {
    let all = jobs::of_user(change.unit.tx, change.handle)?;
    let leaves = all.iter().find(|job| job.kind == JobKind::Offboarding);
    Ok(json!({
        "status": change.user.status.as_str(),
        "suspended": change.user.suspended,
        "offboarding": leaves.map(|job| json!({ "due": job.due, "held": job.held })),
    }))
}

/// Deactivates a user and publishes the event of the new status, if the status has changed.
fn deactivate(change: &mut UserChange<'_, '_>) -> Result<&'static str, Problem> {
    let UserChange { unit, user, handle, .. } = change;
    let event = user.deactivate(unit.now())?;
    // A simulated activation that is still queued would undo the deactivation.
    jobs::delete_of_kind(unit.tx, handle, JobKind::Activation)?;
    stored_users::set_suspended(unit.tx, handle, user)?;
    if let Some(event) = event {
        stored_users::set_status(unit, handle, user, event)?;
    }
    Ok("deactivate")
}

/// Ends the suspension of a user and activates the user if all requirements are met.
fn reactivate(change: &mut UserChange<'_, '_>) -> Result<&'static str, Problem> {
    let UserChange { unit, user, handle, .. } = change;
    user.reactivate()?;
    jobs::delete_of_kind(unit.tx, handle, JobKind::Activation)?;
    stored_users::set_suspended(unit.tx, handle, user)?;
    activation::activate_if_complete(unit, handle, user, None)?;
    Ok("reactivate")
}

/// Changes the job that completes an offboarding.
fn change_offboarding(
    change: &UserChange<'_, '_>,
    action: &'static str,
    set: impl Fn(&mut jobs::Job),
) -> Result<&'static str, Problem> {
    let all = jobs::of_user(change.unit.tx, change.handle)?;
    let job = all.into_iter().find(|job| job.kind == JobKind::Offboarding);
    let mut job = job.ok_or(Problem::State("the user is not leaving"))?;
    set(&mut job);
    jobs::save(change.unit.tx, &job)?;
    Ok(action)
}

/// Makes an offboarding due now, before the waiting time of the tenant's settings is over.
fn finish_offboarding(change: &UserChange<'_, '_>, now: Timestamp) -> Result<&'static str, Problem> {
    // An account group stays open while one of its accounts is open, so that this check covers the accounts.
    if !accounts::open_of::<GroupDetails>(change.unit.tx, change.handle)?.is_empty() {
        return Err(Problem::State("the user has open account groups"));
    }
    change_offboarding(change, "finish_offboarding", |job| (job.held, job.due) = (false, Some(now)))
}

/// Parses a simulated outcome and the kind of job to which it applies.
///
/// # Errors
///
/// Fails if a member is missing, unknown or invalid.
pub fn parse_outcome(body: BodyResult) -> Result<(JobKind, SimulatedOutcome), Problem> {
    let [next, refusal, seconds] = read_fields(body, ["next", "refusal", "seconds"])?;
    let next = require_text("next", next, 50)?;
    let known = [JobKind::DataChange, JobKind::Check, JobKind::Offboarding, JobKind::Activation];
    let Some(next) = known.into_iter().find(|kind| kind.as_str() == next) else {
        return Err(not_one_of("next", &next, &known.map(JobKind::as_str)));
    };
    let refusal = refusal.map(|text| require_text("refusal", Some(text), REFUSAL)).transpose()?;
    let seconds = match (next, seconds) {
        (JobKind::Activation, seconds) => require_text("seconds", seconds, 9)?
            .parse()
            .map_err(|_| Problem::invalid("seconds", "must be a whole number"))?,
        (_, None) => 0,
        (_, Some(_)) => return Err(Problem::invalid("seconds", "is for an activation alone")),
    };
    Ok((next, SimulatedOutcome { refusal, seconds }))
}

/// Handles `POST /tenants/{tenant}/users/{user}/outcomes`: sets the simulated outcome of the next job of a kind.
///
/// # Errors
///
/// Fails unless the review policy of the tenant is `simulate`: in production a test must not decide about a user.
pub async fn set_outcome(
    State(app): State<App>,
    headers: HeaderMap,
    Path((tenant, user)): Path<(String, String)>,
    body: BodyResult,
) -> OperatorResult {
    let operator = authorize(&app, &headers, Role::Operator).await?;
    let (next, outcome) = parse_outcome(body)?;
    let work = move |change: &mut UserChange<'_, '_>| {
        if !change.unit.tenant.settings.simulates() {
            return Err(Problem::State("the tenant's review_policy is not simulate"));
        }
        simulated_outcomes::save(change.unit, change.handle, next, &outcome)?;
        let new = json!({ "next": next.as_str(), "refusal": outcome.refusal, "seconds": outcome.seconds });
        Ok(ActionRecord { action: "order_outcome", subject: None, reason: None, old: Value::Null, new })
    };
    change(&app, operator, tenant, parse_id(&user, "user")?, work).await
}
