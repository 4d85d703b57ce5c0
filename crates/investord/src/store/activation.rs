//! The judgement whether a user may trade, wherever something has changed that speaks for it.

use jiff::SignedDuration;

use super::outcomes::{self, Outcome};
use super::seal::UserKey;
use super::steps::{self, ACTIVATION};
use super::tenants::Head;
use super::{StoreError, Tx, checks, identifiers, tax_residencies, users};
use crate::clock::Ids;
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
    let (tenant, required) = (head.tenant, &settings.activation_requires);
    let (mut read, mut standing) = (Vec::new(), Standing::default());
    if required.has(Requirement::Identifiers) && own.is_none() {
        read = identifiers::of_user(tx, tenant, user.id, key)?;
    }
    if required.has(Requirement::Checks) {
        standing.checks = checks::of_user(tx, tenant, user.id, key)?;
    }
    if required.has(Requirement::TaxResidency) {
        standing.has_tax_residency = tax_residencies::of_user(tx, tenant, user.id, key)?.is_some();
    }
    standing.identifiers = own.unwrap_or(&read).iter().map(|one| &one.content).collect();
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
