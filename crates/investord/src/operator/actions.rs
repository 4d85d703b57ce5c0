//! What an operator does to a user.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answered, Done, Sent, Work, change, id_of, known, members, needed, one_of};
use crate::app::App;
use crate::clock::Ids;
use crate::domain::account::Group;
use crate::domain::user::Leaving;
use crate::problem::Problem;
use crate::store::operators::Role;
use crate::store::outcomes::{self, Outcome};
use crate::store::steps::{self, ACTIVATION, CHECK, DATA_CHANGE, OFFBOARDING};
use crate::store::{accounts, activation, users};

/// Letters of a reason.
const REASON: usize = 500;
/// The same where an event tells it.
const REFUSAL: usize = 100;

const ACTIONS: &[&str] =
    &["deactivate", "reactivate", "hold_offboarding", "release_offboarding", "finish_offboarding"];

impl From<Leaving> for Problem {
    fn from(_: Leaving) -> Self {
        Problem::State("the user is leaving or has left")
    }
}

/// Reads an action on a user, and its reason.
pub fn action(body: Sent) -> Result<(String, String), Problem> {
    let [action, reason] = members(body, ["action", "reason"])?;
    Ok((needed("action", action, 50)?, needed("reason", reason, REASON)?))
}

/// `POST /tenants/{tenant}/users/{user}/actions`: `action` and `reason`.
pub async fn act(
    State(app): State<App>,
    headers: HeaderMap,
    Path((tenant, user)): Path<(String, String)>,
    body: Sent,
) -> Answered {
    let operator = known(&app, &headers, Role::Operator).await?;
    let (action, reason) = action(body)?;
    let (ids, now) = (Arc::clone(&app.ids), app.clock.now());
    let work = move |work: &mut Work<'_>| {
        let old = shown(work)?;
        let action = match action.as_str() {
            "deactivate" => deactivate(work, &*ids)?,
            "reactivate" => reactivate(work, &*ids)?,
            "hold_offboarding" => offboarding(work, "hold_offboarding", |step| step.held = true)?,
            "release_offboarding" => offboarding(work, "release_offboarding", |step| {
                (step.held, step.due) = (false, Some(step.due.unwrap_or(now)));
            })?,
            "finish_offboarding" => finish_offboarding(work, now)?,
            other => return Err(one_of("action", other, ACTIONS)),
        };
        Ok(Done { action, subject: None, reason: Some(reason.clone()), old, new: shown(work)? })
    };
    change(&app, operator, (tenant, id_of(&user, "user")?), work).await
}

/// What an action can change.
fn shown(work: &Work<'_>) -> Result<Value, Problem> {
    let all = steps::of_user(work.tx, work.head.tenant, work.user.id)?;
    let leaves = all.iter().find(|step| step.kind == OFFBOARDING);
    Ok(json!({
        "status": work.user.status.as_str(),
        "suspended": work.user.suspended,
        "offboarding": leaves.map(|step| json!({ "due": step.due, "held": step.held })),
    }))
}

fn deactivate(work: &mut Work<'_>, ids: &dyn Ids) -> Result<&'static str, Problem> {
    let event = work.user.deactivate(work.head.now)?;
    // What somebody has ordered to activate the user does not any more.
    steps::forget(work.tx, work.head.tenant, work.user.id, ACTIVATION)?;
    users::set_suspended(work.tx, work.head.tenant, &work.user)?;
    if let Some(event) = event {
        users::set_status(work.tx, work.head, &work.user, work.key, event, ids)?;
    }
    Ok("deactivate")
}

fn reactivate(work: &mut Work<'_>, ids: &dyn Ids) -> Result<&'static str, Problem> {
    work.user.reactivate()?;
    steps::forget(work.tx, work.head.tenant, work.user.id, ACTIVATION)?;
    users::set_suspended(work.tx, work.head.tenant, &work.user)?;
    activation::judge(work.tx, work.head, &mut work.user, None, &work.tenant.settings, work.key, ids)?;
    Ok("reactivate")
}

/// Changes when an offboarding ends.
fn offboarding(
    work: &mut Work<'_>,
    action: &'static str,
    change: impl Fn(&mut steps::Step),
) -> Result<&'static str, Problem> {
    let all = steps::of_user(work.tx, work.head.tenant, work.user.id)?;
    let step = all.into_iter().find(|step| step.kind == OFFBOARDING);
    let mut step = step.ok_or(Problem::State("the user is not leaving"))?;
    change(&mut step);
    steps::put(work.tx, &step)?;
    Ok(action)
}

/// Lets an offboarding end now, whatever else the tenant's settings wait for.
fn finish_offboarding(work: &mut Work<'_>, now: Timestamp) -> Result<&'static str, Problem> {
    // A group is open for as long as an account in it is.
    let groups = accounts::open_of::<Group>(work.tx, work.head.tenant, work.user.id, work.key)?;
    if !groups.is_empty() {
        return Err(Problem::State("the user has open account groups"));
    }
    offboarding(work, "finish_offboarding", |step| (step.held, step.due) = (false, Some(now)))
}

/// Reads an order: the kind of step that it is for, and how that is to end.
pub fn ordered(body: Sent) -> Result<(String, Outcome), Problem> {
    let [next, refusal, seconds] = members(body, ["next", "refusal", "seconds"])?;
    let next = needed("next", next, 50)?;
    let known = [DATA_CHANGE, CHECK, OFFBOARDING, ACTIVATION];
    if !known.contains(&next.as_str()) {
        return Err(one_of("next", &next, &known));
    }
    let refusal = refusal.map(|text| needed("refusal", Some(text), REFUSAL)).transpose()?;
    let seconds = match (next.as_str(), seconds) {
        (ACTIVATION, seconds) => needed("seconds", seconds, 9)?
            .parse()
            .map_err(|_| Problem::invalid("seconds", "must be a whole number"))?,
        (_, None) => 0,
        (_, Some(_)) => return Err(Problem::invalid("seconds", "is for an activation alone")),
    };
    Ok((next, Outcome { refusal, seconds }))
}

/// `POST /tenants/{tenant}/users/{user}/outcomes`: what is to happen next, under the review policy `simulate` alone.
pub async fn order(
    State(app): State<App>,
    headers: HeaderMap,
    Path((tenant, user)): Path<(String, String)>,
    body: Sent,
) -> Answered {
    let operator = known(&app, &headers, Role::Operator).await?;
    let (next, outcome) = ordered(body)?;
    let ids = Arc::clone(&app.ids);
    let work = move |work: &mut Work<'_>| {
        if !work.tenant.settings.simulates() {
            return Err(Problem::State("the tenant's review_policy is not simulate"));
        }
        outcomes::put(work.tx, (work.head.tenant, work.user.id), &next, &outcome, work.key, &*ids)?;
        let new = json!({ "next": next, "refusal": outcome.refusal, "seconds": outcome.seconds });
        Ok(Done { action: "order_outcome", subject: None, reason: None, old: Value::Null, new })
    };
    change(&app, operator, (tenant, id_of(&user, "user")?), work).await
}
