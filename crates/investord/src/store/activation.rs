//! The judgement whether a user may trade, wherever something has changed that speaks for it.

use super::seal::UserKey;
use super::tenants::Head;
use super::{StoreError, Tx, checks, identifiers, tax_residencies, users};
use crate::clock::Ids;
use crate::domain::identifier::Identifier;
use crate::domain::tenant::{Requirement, Settings};
use crate::domain::user::{Standing, User};

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
    match user.judge(&standing, settings, head.now) {
        Some(event) => users::set_status(tx, head, user, key, event, ids),
        None => Ok(()),
    }
}
