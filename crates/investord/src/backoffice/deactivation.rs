//! Deactivations that take two operators, if the tenant wants that: one asks, another one confirms.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::administration::check_second_person;
use super::change::UserChange;
use super::history::last_action;
use crate::problem::Problem;
use crate::store::jobs::{self, JobKind};
use crate::store::tenants::operator_sessions::Session;
use crate::store::tenants::operators;
use crate::store::users::handle::UserHandle;
use crate::store::{StoreError, Tx};

/// The name of the action of the first operator in the record.
pub const ASKED: &str = "ask_deactivation";
/// How long a deactivation waits for a second operator, as a proposal does.
const WAITS_FOR: SignedDuration = SignedDuration::from_hours(72);

/// A deactivation that waits for a second operator.
#[derive(Serialize, JsonSchema)]
pub struct WaitingDeactivation {
    /// Name of who asked for it.
    asked_by: String,
    #[serde(skip)]
    pub asked_at: Timestamp,
    reason: String,
}

impl WaitingDeactivation {
    /// Reads who has asked for the deactivation of a user, and why.
    ///
    /// # Errors
    ///
    /// Fails if the record is missing or cannot be read.
    pub fn of_user(tx: &Tx<'_>, user: &UserHandle) -> Result<Self, StoreError> {
        let asked = last_action(tx, user, ASKED)?;
        let asked = asked
            .ok_or_else(|| StoreError::Corrupt("a deactivation waits that nobody asked for".to_owned()))?;
        Ok(Self { asked_by: asked.operator, asked_at: asked.at, reason: asked.reason })
    }
}

/// Asks for a deactivation, or confirms what another operator has asked for. Returns whether it is confirmed.
///
/// # Errors
///
/// Fails if the operator has asked for it already, or may not be the second one.
pub fn ask_or_confirm(change: &UserChange<'_, '_>, session: &Session) -> Result<bool, Problem> {
    let UserChange { unit, handle, user, operator } = change;
    let (tx, now) = (unit.tx, unit.now());
    let waits = jobs::of_user(tx, handle)?.into_iter().any(|job| job.kind == JobKind::Deactivation);
    if !waits {
        jobs::enqueue(tx, handle, JobKind::Deactivation, user.id, Some(now + WAITS_FOR))?;
        return Ok(false);
    }
    let asked = WaitingDeactivation::of_user(tx, handle)?;
    let first = operators::by_name(tx, &asked.asked_by)?;
    let first = first.ok_or(Problem::State("whoever asked for it is gone"))?;
    check_second_person(&first, operator, session, now)?;
    jobs::delete_of_kind(tx, handle, JobKind::Deactivation)?;
    Ok(true)
}

/// Withdraws the deactivation that waits.
///
/// # Errors
///
/// Fails if none waits.
pub fn withdraw(change: &UserChange<'_, '_>) -> Result<(), Problem> {
    let UserChange { unit, handle, .. } = change;
    if !jobs::of_user(unit.tx, handle)?.iter().any(|job| job.kind == JobKind::Deactivation) {
        return Err(Problem::State("no deactivation waits for a second operator"));
    }
    Ok(jobs::delete_of_kind(unit.tx, handle, JobKind::Deactivation)?)
}
