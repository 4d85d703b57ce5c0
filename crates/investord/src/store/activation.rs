//! The judgement whether a user may trade, wherever something has changed that speaks for it.

use jiff::SignedDuration;
use uuid::Uuid;

use super::outcomes::{self, Outcome};
use super::seal::UserKey;
use super::steps::{self, ACTIVATION, CHECK, DATA_CHANGE};
use super::tenants::Head;
use super::{StoreError, Tx, accounts, checks, identifiers, tax_residencies, users};
use crate::clock::Ids;
use crate::domain::account::Group;
use crate::domain::activation::{Obstacle, OpenMatters};
use crate::domain::check::Check;
use crate::domain::identifier::Identifier;
use crate::domain::tenant::{Requirement, Settings};
use crate::domain::user::{Standing, Status, User};

/// Activates a user who waits for nothing any more, and tells. Reads no more than the tenant requires, and of the
/// user's `own` identifiers nothing if they are known.
pub fn judge(
    tx: &Tx<'_>,
    head: &mut Head,
    user: &mut User,
    own: Option<&[Identifier]>,
    settings: &Settings,
    key: &UserKey,
    ids: &dyn Ids,
) -> Result<(), StoreError> {
    if !user.waits() {
        return Ok(());
    }
    let tenant = head.tenant;
    let mut read = Vec::new();
    let standing = standing(tx, (tenant, user.id), own, &mut read, settings, key)?;
    let Some(event) = user.judge(&standing, settings, head.now) else { return Ok(()) };
    let delay =
        if settings.simulates() { outcomes::take(tx, (tenant, user.id), ACTIVATION, key)? } else { None };
    let Some(Outcome { seconds, .. }) = delay else {
        return users::set_status(tx, head, user, key, event, ids);
    };
    // Held back until then, as by somebody.
    (user.status, user.suspended) = (Status::Inactive, true);
    users::set_suspended(tx, tenant, user)?;
    let due = head.now.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(head.now);
    steps::add(tx, (tenant, user.id), ACTIVATION, user.id, Some(due))
}

/// Reads what speaks for the activation of a user, no more than the tenant requires. `read` takes the identifiers,
/// unless the caller knows the user's `own`.
fn standing<'a>(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    own: Option<&'a [Identifier]>,
    read: &'a mut Vec<Identifier>,
    settings: &Settings,
    key: &UserKey,
) -> Result<Standing<'a>, StoreError> {
    let required = &settings.activation_requires;
    let mut standing = Standing::default();
    if required.has(Requirement::Identifiers) && own.is_none() {
        *read = identifiers::of_user(tx, tenant, user, key)?;
    }
    if required.has(Requirement::Checks) {
        standing.checks = checks::that_count(tx, tenant, user, key)?;
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
    settings: &Settings,
    key: &UserKey,
) -> Result<Vec<Obstacle>, StoreError> {
    let mut read = Vec::new();
    let mut standing = standing(tx, (tenant, user.id), None, &mut read, settings, key)?;
    if let Some(check) = assumed {
        standing.checks.retain(|one| one.id != check.id);
        standing.checks.push(check.clone());
    }
    Ok(user.unmet(&standing, settings))
}

/// Lists what has to end before a user has left. A group is open for as long as an account in it is.
pub fn open_matters(tx: &Tx<'_>, tenant: i64, user: Uuid, key: &UserKey) -> Result<OpenMatters, StoreError> {
    let groups = accounts::open_of::<Group>(tx, tenant, user, key)?;
    let steps = steps::of_user(tx, tenant, user)?;
    let open = |kind: &str| steps.iter().filter(|step| step.kind == kind).map(|step| step.subject).collect();
    Ok(OpenMatters {
        account_groups: groups.iter().map(|group| group.id).collect(),
        data_changes: open(DATA_CHANGE),
        checks: open(CHECK),
    })
}
