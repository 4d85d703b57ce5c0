//! Actions on a user: deactivate, reactivate, hold or finish an offboarding, simulate an outcome.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ActionRecord, BodyResult, OperatorResult, UserChange, authorize, change, not_one_of, parse_id,
    read_fields, require_text,
};
use crate::app::App;
use crate::clock::Ids;
use crate::domain::accounts::GroupDetails;
use crate::domain::users::UserIsLeaving;
use crate::problem::Problem;
use crate::store::jobs::{self, ACTIVATION, CHECK, DATA_CHANGE, OFFBOARDING};
use crate::store::tenants::operators::Role;
use crate::store::users::activation;
use crate::store::users::simulated_outcomes;
use crate::store::users::simulated_outcomes::SimulatedOutcome;
use crate::store::{accounts, users};

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
    let (ids, now) = (Arc::clone(&app.ids), app.clock.now());
    let work = move |work: &mut UserChange<'_>| {
        let old = state_view(work)?;
        let action = match action.as_str() {
            "deactivate" => deactivate(work, &*ids)?,
            "reactivate" => reactivate(work, &*ids)?,
            "hold_offboarding" => change_offboarding(work, "hold_offboarding", |job| job.held = true)?,
            "release_offboarding" => change_offboarding(work, "release_offboarding", |job| {
                (job.held, job.due) = (false, Some(job.due.unwrap_or(now)));
            })?,
            "finish_offboarding" => finish_offboarding(work, now)?,
            other => return Err(not_one_of("action", other, ACTIONS)),
        };
        Ok(ActionRecord { action, subject: None, reason: Some(reason.clone()), old, new: state_view(work)? })
    };
    change(&app, operator, (tenant, parse_id(&user, "user")?), work).await
}

/// Returns the part of the user's state that an action can change, for the difference in the event log.
fn state_view(work: &UserChange<'_>) -> Result<Value, Problem> {
    let all = jobs::of_user(work.tx, work.sequence.tenant, work.user.id)?;
    let leaves = all.iter().find(|job| job.kind == OFFBOARDING);
    Ok(json!({
        "status": work.user.status.as_str(),
        "suspended": work.user.suspended,
        "offboarding": leaves.map(|job| json!({ "due": job.due, "held": job.held })),
    }))
}

/// Deactivates a user and publishes the event of the new status, if the status has changed.
fn deactivate(work: &mut UserChange<'_>, ids: &dyn Ids) -> Result<&'static str, Problem> {
    let event = work.user.deactivate(work.sequence.now)?;
    // A simulated activation that is still queued would undo the deactivation.
    jobs::delete_of_kind(work.tx, work.sequence.tenant, work.user.id, ACTIVATION)?;
    users::set_suspended(work.tx, work.sequence.tenant, &work.user)?;
    if let Some(event) = event {
        users::set_status(work.tx, work.sequence, &work.user, work.key, event, ids)?;
    }
    Ok("deactivate")
}

/// Ends the suspension of a user and activates the user if all requirements are met.
fn reactivate(work: &mut UserChange<'_>, ids: &dyn Ids) -> Result<&'static str, Problem> {
    work.user.reactivate()?;
    jobs::delete_of_kind(work.tx, work.sequence.tenant, work.user.id, ACTIVATION)?;
    users::set_suspended(work.tx, work.sequence.tenant, &work.user)?;
    activation::activate_if_complete(
        work.tx,
        work.sequence,
        &mut work.user,
        None,
        &work.tenant.settings,
        work.key,
        ids,
    )?;
    Ok("reactivate")
}

/// Changes the job that completes an offboarding.
fn change_offboarding(
    work: &mut UserChange<'_>,
    action: &'static str,
    change: impl Fn(&mut jobs::Job),
) -> Result<&'static str, Problem> {
    let all = jobs::of_user(work.tx, work.sequence.tenant, work.user.id)?;
    let job = all.into_iter().find(|job| job.kind == OFFBOARDING);
    let mut job = job.ok_or(Problem::State("the user is not leaving"))?;
    change(&mut job);
    jobs::save(work.tx, &job)?;
    Ok(action)
}

/// Makes an offboarding due now, before the waiting time of the tenant's settings is over.
fn finish_offboarding(work: &mut UserChange<'_>, now: Timestamp) -> Result<&'static str, Problem> {
    // An account group stays open while one of its accounts is open, so that this check covers the accounts.
    let groups = accounts::open_of::<GroupDetails>(work.tx, work.sequence.tenant, work.user.id, work.key)?;
    if !groups.is_empty() {
        return Err(Problem::State("the user has open account groups"));
    }
    change_offboarding(work, "finish_offboarding", |job| (job.held, job.due) = (false, Some(now)))
}

/// Parses a simulated outcome and the kind of job to which it applies.
///
/// # Errors
///
/// Fails if a member is missing, unknown or invalid.
pub fn parse_outcome(body: BodyResult) -> Result<(String, SimulatedOutcome), Problem> {
    let [next, refusal, seconds] = read_fields(body, ["next", "refusal", "seconds"])?;
    let next = require_text("next", next, 50)?;
    let known = [DATA_CHANGE, CHECK, OFFBOARDING, ACTIVATION];
    if !known.contains(&next.as_str()) {
        return Err(not_one_of("next", &next, &known));
    }
    let refusal = refusal.map(|text| require_text("refusal", Some(text), REFUSAL)).transpose()?;
    let seconds = match (next.as_str(), seconds) {
        (ACTIVATION, seconds) => require_text("seconds", seconds, 9)?
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
    let ids = Arc::clone(&app.ids);
    let work = move |work: &mut UserChange<'_>| {
        if !work.tenant.settings.simulates() {
            return Err(Problem::State("the tenant's review_policy is not simulate"));
        }
        simulated_outcomes::save(
            work.tx,
            (work.sequence.tenant, work.user.id),
            &next,
            &outcome,
            work.key,
            &*ids,
        )?;
        let new = json!({ "next": next, "refusal": outcome.refusal, "seconds": outcome.seconds });
        Ok(ActionRecord { action: "order_outcome", subject: None, reason: None, old: Value::Null, new })
    };
    change(&app, operator, (tenant, parse_id(&user, "user")?), work).await
}
