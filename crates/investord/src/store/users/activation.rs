//! Activates a user when the last requirement is met.

use jiff::SignedDuration;
use uuid::Uuid;

use super::simulated_outcomes;
use super::simulated_outcomes::SimulatedOutcome;
use super::{checks, identifiers, tax_residencies};
use crate::clock::Ids;
use crate::domain::accounts::GroupDetails;
use crate::domain::identification::identifier::Identifier;
use crate::domain::tenants::{Requirement, TenantSettings};
use crate::domain::users::activation::{Obstacle, OpenMatters};
use crate::domain::users::check::Check;
use crate::domain::users::{ActivationEvidence, User, UserStatus};
use crate::store::encryption::UserKey;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::Tx;
use crate::store::jobs;
use crate::store::jobs::{ACTIVATION, CHECK, DATA_CHANGE};
use crate::store::tenants::sequence::Sequence;
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
    tx: &Tx<'_>,
    sequence: &mut Sequence,
    user: &mut User,
    own: Option<&[Identifier]>,
    settings: &TenantSettings,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    if !user.awaits_activation() {
        return Ok(());
    }
    let tenant = sequence.tenant;
    let mut read = Vec::new();
    let standing = load_evidence(tx, (tenant, user.id), own, &mut read, settings, key)?;
    let Some(event) = user.activate_if_complete(&standing, settings, sequence.now) else { return Ok(()) };
    let delay = if settings.simulates() {
        simulated_outcomes::take(tx, (tenant, user.id), ACTIVATION, key)?
    } else {
        None
    };
    let Some(SimulatedOutcome { seconds, .. }) = delay else {
        return users::set_status(tx, sequence, user, key, event, ids);
    };
    // The user is suspended until the delay ends, as if an operator had deactivated the user.
    (user.status, user.suspended) = (UserStatus::Inactive, true);
    users::set_suspended(tx, tenant, user)?;
    let due = sequence.now.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(sequence.now);
    jobs::enqueue(tx, (tenant, user.id), ACTIVATION, user.id, Some(due))
}

/// Reads the activation evidence of a user: only the rows that the requirements of the tenant need. The buffer `read`
/// receives the identifiers, unless the caller passes those of the user as `own`.
fn load_evidence<'a>(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    own: Option<&'a [Identifier]>,
    read: &'a mut Vec<Identifier>,
    settings: &TenantSettings,
    key: &UserKey,
) -> Result<ActivationEvidence<'a>, StoreError> {
    let required = &settings.activation_requires;
    let mut standing = ActivationEvidence::default();
    if required.has(Requirement::Identifiers) && own.is_none() {
        *read = identifiers::of_user(tx, tenant, user, key)?;
    }
    if required.has(Requirement::Checks) {
        standing.checks = checks::list_deciding(tx, tenant, user, key)?;
    }
    if required.has(Requirement::TaxResidency) {
        standing.has_tax_residency = tax_residencies::of_user(tx, tenant, user, key)?.is_some();
    }
    standing.identifiers = own.unwrap_or(read).iter().map(|one| &one.content).collect();
    Ok(standing)
}

/// Returns the unmet requirements of a user, by the same rules as the activation ([`User::unmet_requirements`]). The
/// check `assumed` replaces the stored check with its id: an operator can thus see the effect of a decision in advance.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn unmet(
    tx: &Tx<'_>,
    tenant: i64,
    user: &User,
    assumed: Option<&Check>,
    settings: &TenantSettings,
    key: &UserKey,
) -> Result<Vec<Obstacle>, StoreError> {
    let mut read = Vec::new();
    let mut standing = load_evidence(tx, (tenant, user.id), None, &mut read, settings, key)?;
    if let Some(check) = assumed {
        standing.checks.retain(|one| one.id != check.id);
        standing.checks.push(check.clone());
    }
    Ok(user.unmet_requirements(&standing, settings))
}

/// Returns the matters that have to end before a user has left. Account groups stand for their accounts: a group is
/// open as long as one of its accounts is.
///
/// # Errors
///
/// Fails if the database fails, or stored data cannot be decrypted.
pub fn open_matters(tx: &Tx<'_>, tenant: i64, user: Uuid, key: &UserKey) -> Result<OpenMatters, StoreError> {
    let groups = accounts::open_of::<GroupDetails>(tx, tenant, user, key)?;
    let jobs = jobs::of_user(tx, tenant, user)?;
    let open = |kind: &str| jobs.iter().filter(|job| job.kind == kind).map(|job| job.subject).collect();
    Ok(OpenMatters {
        account_groups: groups.iter().map(|group| group.id).collect(),
        data_changes: open(DATA_CHANGE),
        checks: open(CHECK),
    })
}
