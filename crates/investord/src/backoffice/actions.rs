//! Actions on a user: deactivate, reactivate, hold or finish an offboarding, simulate an outcome.

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strum::{IntoStaticStr, VariantNames};
use uuid::Uuid;

use super::by_operator::{ByOperator, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator};
use super::change::{ActionRecord, REASON, RecordedAction, UserChange, change};
use super::deactivation;
use super::history::last_action;
use crate::app::App;
use crate::domain::accounts::GroupDetails;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Pattern, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::users::UserIsLeaving;
use crate::problem::Problem;
use crate::store::jobs::{self, JobKind};
use crate::store::tenants::operator_sessions::Session;
use crate::store::users::activation;
use crate::store::users::simulated_outcomes;
use crate::store::users::simulated_outcomes::SimulatedOutcome;
use crate::store::{accounts, users as stored_users};

/// An action on a user, with its name in requests and in the record.
#[derive(Clone, Copy, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum UserAction {
    /// Makes the user inactive until reactivated. With `deactivation_takes_two` one operator asks for it, and another
    /// one confirms it in the same way.
    Deactivate,
    /// Ends a deactivation that waits for a second operator.
    WithdrawDeactivation,
    /// Ends a deactivation.
    Reactivate,
    /// Keeps an offboarding from ending.
    HoldOffboarding,
    /// Lets an offboarding go on.
    ReleaseOffboarding,
    /// Ends an offboarding before the waiting time of the tenant's settings is over.
    FinishOffboarding,
}

impl From<UserIsLeaving> for Problem {
    fn from(_: UserIsLeaving) -> Self {
        Problem::State("the user is leaving or has left")
    }
}

/// The body of an action on a user.
#[derive(Serialize, Deserialize)]
pub struct UserActionBody {
    pub action: UserAction,
    pub reason: String,
}

static ACT: ObjectSchema = ObjectSchema {
    name: "UserAction",
    fields: &[
        field("action", Presence::Always, FieldRule::OneOf(UserAction::VARIANTS), "What to do."),
        field("reason", Presence::Always, REASON, "Why, for the record."),
    ],
};

/// A request to act on a user.
pub struct ActOnUser {
    user: Uuid,
    body: UserActionBody,
}

impl OperatorOperation for ActOnUser {
    const OPERATION: &'static str = "POST /tenants/{tenant}/users/{user}/actions";
    const PERMISSION: Option<Permission> = Some(Permission::PeopleAct);
    type Answer = RecordedAction;
    const DOC: OperatorDoc = OperatorDoc {
        id: "act_on_user",
        summary: "Act on a user",
        description: "Deactivates or reactivates a user, or holds, releases or finishes an offboarding. Answers the \
            record of the action. Where a deactivation takes two operators, the first `deactivate` is recorded as \
            `ask_deactivation` and waits 72 hours for that of another one.",
        query: &[],
        request: Some(&ACT),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { body: received.body(&ACT)?, user: received.path_id("user", "user")? })
    }
}

/// Handles `POST /tenants/{tenant}/users/{user}/actions`: performs the action `action` for the given `reason`.
///
/// # Errors
///
/// Fails if the user does not exist, or the action does not fit the user's state.
pub async fn act(State(app): State<App>, req: ByOperator<ActOnUser>) -> OperatorResult<RecordedAction> {
    let (number, now) = (req.tenant(), req.now);
    let ByOperator { operator, session, operation, .. } = req;
    let ActOnUser { user, body: UserActionBody { action, reason } } = operation;
    let work = move |change: &mut UserChange<'_, '_>| {
        let old = state_view(change)?;
        let mut done = action.into_str();
        match action {
            UserAction::Deactivate => {
                if !deactivate(change, &session)? {
                    done = deactivation::ASKED;
                }
            }
            UserAction::WithdrawDeactivation => deactivation::withdraw(change)?,
            UserAction::Reactivate => reactivate(change)?,
            UserAction::HoldOffboarding => change_offboarding(change, |job| job.held = true)?,
            UserAction::ReleaseOffboarding => {
                check_other_than_holder(change)?;
                change_offboarding(change, |job| {
                    (job.held, job.due) = (false, Some(job.due.unwrap_or(now)));
                })?;
            }
            UserAction::FinishOffboarding => {
                check_other_than_holder(change)?;
                finish_offboarding(change, now)?;
            }
        }
        let new = state_view(change)?;
        let reason = Some(reason.clone());
        Ok(ActionRecord { action: done, subject: None, reason, old, new })
    };
    change(&app, operator, number, user, work).await
}

/// Returns the part of the user's state that an action can change, for the difference in the event log.
fn state_view(change: &UserChange<'_, '_>) -> Result<Value, Problem> {
    let all = jobs::of_user(change.unit.tx, change.handle)?;
    let leaves = all.iter().find(|job| job.kind == JobKind::Offboarding);
    let asked = all.iter().find(|job| job.kind == JobKind::Deactivation);
    Ok(json!({
        "status": change.user.status.into_str(),
        "suspended": change.user.suspended,
        "deactivation_waits_until": asked.map(|job| job.due),
        "offboarding": leaves.map(|job| json!({ "due": job.due, "held": job.held })),
    }))
}

/// Deactivates a user and publishes the event of the new status, if the status has changed. Where that takes two
/// operators, the first one only asks for it. Returns whether the user is deactivated.
fn deactivate(change: &mut UserChange<'_, '_>, session: &Session) -> Result<bool, Problem> {
    if change.unit.tenant.settings.deactivation_takes_two {
        if change.user.is_leaving() {
            return Err(UserIsLeaving.into());
        }
        if !deactivation::ask_or_confirm(change, session)? {
            return Ok(false);
        }
    }
    let UserChange { unit, user, handle, .. } = change;
    let event = user.deactivate(unit.now())?;
    // A simulated activation that is still queued would undo the deactivation.
    jobs::delete_of_kind(unit.tx, handle, JobKind::Activation)?;
    stored_users::set_suspended(unit.tx, handle, user)?;
    if let Some(event) = event {
        stored_users::set_status(unit, handle, user, event)?;
    }
    Ok(true)
}

/// Ends the suspension of a user and activates the user if all requirements are met.
fn reactivate(change: &mut UserChange<'_, '_>) -> Result<(), Problem> {
    let UserChange { unit, user, handle, .. } = change;
    user.reactivate()?;
    jobs::delete_of_kind(unit.tx, handle, JobKind::Activation)?;
    stored_users::set_suspended(unit.tx, handle, user)?;
    Ok(activation::activate_if_complete(unit, handle, user, None)?)
}

/// Changes the job that completes an offboarding.
fn change_offboarding(change: &UserChange<'_, '_>, set: impl Fn(&mut jobs::Job)) -> Result<(), Problem> {
    let all = jobs::of_user(change.unit.tx, change.handle)?;
    let job = all.into_iter().find(|job| job.kind == JobKind::Offboarding);
    let mut job = job.ok_or(Problem::State("the user is not leaving"))?;
    set(&mut job);
    Ok(jobs::save(change.unit.tx, &job)?)
}

/// Checks that another operator than the one who holds an offboarding ends the hold, if the tenant wants four eyes.
fn check_other_than_holder(change: &UserChange<'_, '_>) -> Result<(), Problem> {
    let UserChange { unit, handle, operator, .. } = change;
    if !unit.tenant.settings.four_eyes {
        return Ok(());
    }
    let all = jobs::of_user(unit.tx, handle)?;
    let is_held = all.iter().any(|job| job.kind == JobKind::Offboarding && job.held);
    let holder = last_action(unit.tx, handle, UserAction::HoldOffboarding.into_str())?;
    if is_held && holder.is_some_and(|holder| holder.operator == operator.name) {
        return Err(Problem::Closed("another operator than the one who holds the offboarding ends the hold"));
    }
    Ok(())
}

/// Makes an offboarding due now, before the waiting time of the tenant's settings is over.
fn finish_offboarding(change: &UserChange<'_, '_>, now: Timestamp) -> Result<(), Problem> {
    // An account group stays open while one of its accounts is open, so that this check covers the accounts.
    if !accounts::open_of::<GroupDetails>(change.unit.tx, change.handle)?.is_empty() {
        return Err(Problem::State("the user has open account groups"));
    }
    change_offboarding(change, |job| (job.held, job.due) = (false, Some(now)))
}

/// The names of the kinds of jobs whose outcome can be ordered.
const SIMULATED: [&str; 4] = [
    JobKind::DataChange.into_str(),
    JobKind::Check.into_str(),
    JobKind::Offboarding.into_str(),
    JobKind::Activation.into_str(),
];
/// Rule for a refusal. It becomes part of an event for the client, as in a review.
const REFUSAL: FieldRule = FieldRule::Text { min: 1, max: 100 };
static WHOLE_NUMBER: Pattern = Pattern::new("^[0-9]{1,9}$", "a whole number");
const SECONDS: FieldRule = FieldRule::Pattern(&WHOLE_NUMBER);

/// The body of an order of an outcome.
#[derive(Serialize, Deserialize)]
pub struct OutcomeOrder {
    pub next: JobKind,
    pub refusal: Option<String>,
    pub seconds: Option<String>,
}

static ORDER: ObjectSchema = ObjectSchema {
    name: "OutcomeOrder",
    fields: &[
        field("next", Presence::Always, FieldRule::OneOf(&SIMULATED), "Kind of the job."),
        field("refusal", Presence::No, FieldRule::OrNull(&REFUSAL), "Why it fails; without one it succeeds."),
        field("seconds", Presence::No, FieldRule::OrNull(&SECONDS), "Delay of an activation."),
    ],
};

/// A request to order the outcome of the next job of a kind.
pub struct OrderOutcome {
    user: Uuid,
    next: JobKind,
    outcome: SimulatedOutcome,
}

impl OperatorOperation for OrderOutcome {
    const OPERATION: &'static str = "POST /tenants/{tenant}/users/{user}/outcomes";
    const PERMISSION: Option<Permission> = Some(Permission::OutcomesOrder);
    type Answer = RecordedAction;
    const DOC: OperatorDoc = OperatorDoc {
        id: "order_outcome",
        summary: "Order an outcome",
        description: "Orders the outcome of the next job of a kind, under the review policy `simulate` alone.",
        query: &[],
        request: Some(&ORDER),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let OutcomeOrder { next, refusal, seconds } = received.body(&ORDER)?;
        let seconds = match (next, seconds) {
            (JobKind::Activation, Some(seconds)) => seconds.parse().unwrap_or_default(),
            (JobKind::Activation, None) => {
                return Err(Problem::invalid("seconds", "field 'seconds' was not filled"));
            }
            (_, None) => 0,
            (_, Some(_)) => return Err(Problem::invalid("seconds", "is for an activation alone")),
        };
        Ok(Self {
            user: received.path_id("user", "user")?,
            next,
            outcome: SimulatedOutcome { refusal, seconds },
        })
    }
}

/// Handles `POST /tenants/{tenant}/users/{user}/outcomes`: sets the simulated outcome of the next job of a kind.
///
/// # Errors
///
/// Fails unless the review policy of the tenant is `simulate`: in production a test must not decide about a user.
pub async fn set_outcome(
    State(app): State<App>,
    req: ByOperator<OrderOutcome>,
) -> OperatorResult<RecordedAction> {
    let number = req.tenant();
    let ByOperator { operator, operation: OrderOutcome { user, next, outcome }, .. } = req;
    let work = move |change: &mut UserChange<'_, '_>| {
        if !change.unit.tenant.settings.simulates() {
            return Err(Problem::State("the tenant's review_policy is not simulate"));
        }
        simulated_outcomes::save(change.unit, change.handle, next, &outcome)?;
        let new = json!({ "next": next.into_str(), "refusal": outcome.refusal, "seconds": outcome.seconds });
        Ok(ActionRecord { action: "order_outcome", subject: None, reason: None, old: Value::Null, new })
    };
    change(&app, operator, number, user, work).await
}
