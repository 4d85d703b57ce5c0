//! Activates a user when the last requirement is met.

use jiff::SignedDuration;
use jiff::civil::Date;

use super::handle::UserHandle;
use super::simulated_outcomes;
use super::simulated_outcomes::SimulatedOutcome;
use super::{checks, identifiers, tax_residencies};
use crate::domain::accounts::GroupDetails;
use crate::domain::identification::identifier::Identifier;
use crate::domain::tenants::{Requirement, TenantSettings};
use crate::domain::users::check::Check;
use crate::domain::users::obstacle::{Obstacle, OpenMatters};
use crate::domain::users::{ActivationEvidence, User, UserStatus};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::Tx;
use crate::store::jobs;
use crate::store::jobs::JobKind;
use crate::store::unit::Unit;
use crate::store::{accounts, users};

/// Activates a user who meets all requirements of the tenant, and publishes the event. Under a simulated outcome the
/// user is suspended instead, and a job activates the user at the end of the delay.
///
/// Reads only the rows that the requirements of the tenant need, and no identifiers if the caller passes those of the
/// user as `own`.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn activate_if_complete(
    unit: &mut Unit<'_>,
    handle: &UserHandle,
    user: &mut User,
    own: Option<&[Identifier]>,
) -> Result<(), StoreError> {
    if !user.awaits_activation() {
        return Ok(());
    }
    let (now, settings) = (unit.now(), &unit.tenant.settings);
    let mut read = Vec::new();
    let evidence = load_evidence(unit.tx, handle, own, &mut read, settings)?;
    let Some(event) = user.activate_if_complete(&evidence, settings, now) else { return Ok(()) };
    let delay = if settings.simulates() {
        simulated_outcomes::take(unit, handle, JobKind::Activation)?
    } else {
        None
    };
    let Some(SimulatedOutcome { seconds, .. }) = delay else {
        return users::set_status(unit, handle, user, event);
    };
    // The user is suspended until the delay ends, as if an operator had deactivated the user.
    (user.status, user.suspended) = (UserStatus::Inactive, true);
    users::set_suspended(unit.tx, handle, user)?;
    let due = now.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(now);
    jobs::enqueue(unit.tx, handle, JobKind::Activation, user.id, Some(due))
}

/// Reads the activation evidence of a user: only the rows that the requirements of the tenant need. The buffer `read`
/// receives the identifiers, unless the caller passes those of the user as `own`.
fn load_evidence<'a>(
    tx: &Tx<'_>,
    handle: &UserHandle,
    own: Option<&'a [Identifier]>,
    read: &'a mut Vec<Identifier>,
    settings: &TenantSettings,
) -> Result<ActivationEvidence<'a>, StoreError> {
    let required = &settings.activation_requires;
    let mut evidence = ActivationEvidence::default();
    if required.has(Requirement::Identifiers) && own.is_none() {
        *read = identifiers::of_user(tx, handle)?;
    }
    if required.has(Requirement::Checks) {
        evidence.checks = checks::list_deciding(tx, handle)?;
    }
    if required.has(Requirement::TaxResidency) {
        evidence.has_tax_residency = tax_residencies::of_user(tx, handle)?.is_some();
    }
    evidence.identifiers = own.unwrap_or(read).iter().map(|one| &one.content).collect();
    Ok(evidence)
}

/// Returns the unmet requirements of a user on a day, by the same rules as the activation
/// ([`User::unmet_requirements`]). The check `assumed` replaces the stored check with its id: an operator can thus see
/// the effect of a decision in advance.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn unmet(
    tx: &Tx<'_>,
    handle: &UserHandle,
    user: &User,
    assumed: Option<&Check>,
    settings: &TenantSettings,
    today: Date,
) -> Result<Vec<Obstacle>, StoreError> {
    let mut read = Vec::new();
    let mut evidence = load_evidence(tx, handle, None, &mut read, settings)?;
    if let Some(check) = assumed {
        evidence.checks.retain(|one| one.id != check.id);
        evidence.checks.push(check.clone());
    }
    Ok(user.unmet_requirements(&evidence, settings, today))
}

/// Returns the matters that have to end before a user has left. Account groups stand for their accounts: a group is
/// open as long as one of its accounts is.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn open_matters(tx: &Tx<'_>, handle: &UserHandle) -> Result<OpenMatters, StoreError> {
    let groups = accounts::open_of::<GroupDetails>(tx, handle)?;
    let jobs = jobs::of_user(tx, handle)?;
    let open = |kind: JobKind| jobs.iter().filter(|job| job.kind == kind).map(|job| job.subject).collect();
    Ok(OpenMatters {
        account_groups: groups.iter().map(|group| group.id).collect(),
        data_changes: open(JobKind::DataChange),
        checks: open(JobKind::Check),
    })
}
