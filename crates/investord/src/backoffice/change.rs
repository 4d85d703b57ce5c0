//! The frame of a change by an operator: lock, tenant, user, work, and the record of the action.
//!
//! Every action on a user is an event `OPERATOR.ACTION` of that user, in the commit of the action and in the same hash
//! chain, so that no action can miss its record.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::by_operator::{JsonAnswer, OperatorResult};
use crate::app::App;
use crate::domain::delivery::event::EventType;
use crate::domain::json::schema::FieldRule;
use crate::domain::tenants::TenantNumber;
use crate::domain::users::User;
use crate::problem::Problem;
use crate::store::log::events;
use crate::store::tenants::operators::Operator;
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;
use crate::store::{StoreError, Tx, tenants, users as stored_users};

/// Rule for the reason of an action. Only operators read it, so there is room for a sentence or two.
pub const REASON: FieldRule = FieldRule::Text { min: 1, max: 500 };

/// The context of a unit of work that changes a user.
pub struct UserChange<'a, 'u> {
    pub unit: &'a mut Unit<'u>,
    /// The user as loaded under the lock of the tenant.
    pub user: User,
    pub handle: &'a UserHandle,
    pub operator: &'a Operator,
}

/// The record of an action for the event log.
pub struct ActionRecord {
    pub action: &'static str,
    /// Id of the object of the action, if it is not the user or webhook itself.
    pub subject: Option<Uuid>,
    /// The operator's reason, if the action requires one.
    pub reason: Option<String>,
    /// State before the action.
    pub old: Value,
    /// State after it.
    pub new: Value,
}

impl ActionRecord {
    /// Publishes the record of an action on a user in the commit of the action, and returns it as the response.
    pub fn publish(
        self,
        unit: &mut Unit<'_>,
        operator: &Operator,
        user: &UserHandle,
    ) -> Result<JsonAnswer<RecordedAction>, StoreError> {
        let action = self.by(operator, ActionTarget::User(user.id));
        events::publish(unit, user, EventType::OperatorAction, &action.to_string())?;
        Ok(JsonAnswer(action))
    }

    /// Records an action on a webhook or signing key in the commit of the action, and returns the record as the
    /// response.
    pub fn record(
        self,
        unit: &mut Unit<'_>,
        operator: &Operator,
        target: ActionTarget,
    ) -> Result<JsonAnswer<RecordedAction>, StoreError> {
        let (ActionTarget::User(id) | ActionTarget::Webhook(id) | ActionTarget::Key(id)) = target;
        let action = self.by(operator, target);
        events::record(unit, id, EventType::OperatorAction, &action.to_string())?;
        Ok(JsonAnswer(action))
    }

    /// Completes the record with the operator and the target.
    fn by(self, operator: &Operator, target: ActionTarget) -> RecordedAction {
        let ActionRecord { action, subject, reason, old, new } = self;
        let actor = ActionActor { name: operator.name.clone(), roles: operator.grants.role_names() };
        RecordedAction { actor, action, target, subject, reason, old, new }
    }
}

/// The record of an action, as the response and as the object of its event.
#[derive(Serialize, JsonSchema)]
pub struct RecordedAction {
    actor: ActionActor,
    action: &'static str,
    #[serde(flatten)]
    target: ActionTarget,
    /// Id of what the action is about, if it is not the user, webhook or key itself.
    subject: Option<Uuid>,
    /// Why it was done.
    reason: Option<String>,
    /// State before the action.
    old: Value,
    /// State after it.
    new: Value,
}

impl fmt::Display for RecordedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).expect("a record is plain data"))
    }
}

/// Who has acted.
#[derive(Serialize, JsonSchema)]
struct ActionActor {
    name: String,
    /// What they had been given, in whatever tenant.
    roles: Vec<String>,
}

/// What was acted on.
#[derive(Clone, Copy, Serialize, JsonSchema)]
pub enum ActionTarget {
    #[serde(rename = "user_id")]
    User(Uuid),
    #[serde(rename = "webhook_id")]
    Webhook(Uuid),
    #[serde(rename = "key_id")]
    Key(Uuid),
}

/// Runs a longer read when it is the turn of the operators who look at this tenant.
pub async fn scan<T: Send + 'static>(
    app: &App,
    tenant: TenantNumber,
    name: &'static str,
    read: impl FnMut(&Tx<'_>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let permit = app.budgets.operator_scans.acquire_for_scan(Some(tenant)).await?;
    app.scan_with(permit, name, read).await
}

/// Changes a user and publishes the record of the action in one commit.
pub async fn change(
    app: &App,
    operator: Operator,
    number: TenantNumber,
    user: Uuid,
    work: impl Fn(&mut UserChange<'_, '_>) -> Result<ActionRecord, Problem> + Send + 'static,
) -> OperatorResult<RecordedAction> {
    let (now, own) = (app.clock.now(), app.clone());
    let unit = move |tx: &Tx<'_>| {
        let tenant = |tx: &Tx<'_>| Ok::<_, Problem>(tenants::open(tx, number, &own.master_key)?);
        Unit::run(tx, number, now, &*own.ids, tenant, |unit| {
            let found = stored_users::load(unit.tx, unit.tenant, user)?;
            let (user, handle) = found.ok_or(Problem::NotFound("user"))?;
            let done = work(&mut UserChange { unit, user, handle: &handle, operator: &operator })?;
            Ok::<_, Problem>(done.publish(unit, &operator, &handle)?)
        })
    };
    let answer = app.store.write("backoffice.change", number, unit).await?;
    // The action can have made a job due.
    app.work.notify_one();
    Ok(answer)
}

/// Returns the name of an operator as the actor of a decision.
pub fn actor_name(operator: &Operator) -> String {
    format!("operator:{}", operator.name)
}

/// Returns the problem of a job whose subject does not exist, which is damage of the database.
pub fn missing_record(what: &str, id: Uuid) -> Problem {
    StoreError::Corrupt(format!("{what} {id} is gone")).into()
}
