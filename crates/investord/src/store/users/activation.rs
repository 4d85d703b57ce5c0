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
use crate::store::tenants::Sequence;
use crate::store::{accounts, users};

/// Activates a user who waits for nothing any more, and tells. Reads no more than the tenant requires, and of the
/// user's `own` identifiers nothing if they are known.
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
    // Held back until then, as by somebody.
    (user.status, user.suspended) = (UserStatus::Inactive, true);
    users::set_suspended(tx, tenant, user)?;
    let due = sequence.now.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(sequence.now);
    jobs::enqueue(tx, (tenant, user.id), ACTIVATION, user.id, Some(due))
}

/// Reads what speaks for the activation of a user, no more than the tenant requires. `read` takes the identifiers,
/// unless the caller knows the user's `own`.
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

/// Lists what activation requires and a user lacks, as [`judge`] judges it. `assumed` is a check that counts as it is
/// given, in the place of the stored one.
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

/// Lists what has to end before a user has left. A group is open for as long as an account in it is.
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
