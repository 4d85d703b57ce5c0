//! Says what an act of administration touches: who reaches it, who could confirm it, and whether it takes two persons.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{ProvisionError, Provisioner};
use crate::domain::administration::{Act, GivenRole};
use crate::domain::permissions::{Grants, Permission, Reach};
use crate::store::Tx;
use crate::store::tenants;
use crate::store::tenants::TenantRow;
use crate::store::tenants::operators::Operator;
use crate::store::tenants::{clients, operators, register_settings};

impl Provisioner {
    /// Returns whether an operator with these grants may ask for an act or confirm it: whether they reach everything
    /// that it is about.
    ///
    /// # Errors
    ///
    /// Fails if the database is unavailable. What does not exist is not reached.
    pub fn is_reached(&self, tx: &Tx<'_>, act: &Act, grants: &Grants) -> Result<bool, ProvisionError> {
        let reach = grants.reach(act.permission());
        // The operators of a suspended tenant read alone.
        let in_tenant = |row: Option<TenantRow>| {
            row.is_some_and(|row| {
                reach == Reach::All || reach.contains(row.number) && row.suspended_at.is_none()
            })
        };
        let of_client = |id: Uuid| {
            let found = clients::by_id(tx, id)?;
            let tenant = found.map(|client| tenants::by_number(tx, client.tenant)).transpose()?;
            Ok::<_, ProvisionError>(in_tenant(tenant.flatten()))
        };
        Ok(match act {
            Act::CreateOperator { grants, .. } => reaches_grants(tx, &reach, grants)?,
            Act::SetGrants { operator, grants } => {
                reaches_grants(tx, &reach, grants)? && reaches_operator(tx, &reach, operator)?
            }
            Act::DisableOperator { operator }
            | Act::EnableOperator { operator }
            | Act::ResetOperator { operator }
            | Act::ResetSecondFactor { operator } => reaches_operator(tx, &reach, operator)?,
            Act::SetRole { .. }
            | Act::CreateTenant { .. }
            | Act::ResumeTenant { .. }
            | Act::SetFourEyes { .. } => reach == Reach::All,
            Act::ChangeTenantSettings { tenant, .. }
            | Act::SuspendTenant { tenant }
            | Act::CreateClient { tenant, .. } => in_tenant(tenants::by_name(tx, tenant)?),
            Act::SetClientScopes { client, .. }
            | Act::DisableClient { client }
            | Act::EnableClient { client }
            | Act::RotateClientSecret { client, .. }
            | Act::AddClientKey { client, .. } => of_client(*client)?,
            Act::RevokeClientKey { key } => match clients::key_by_id(tx, *key)? {
                Some(found) => of_client(found.client)?,
                None => false,
            },
        })
    }

    /// Returns the operators who could confirm an act for somebody.
    ///
    /// # Errors
    ///
    /// Fails if the database is unavailable.
    pub fn seconds(&self, tx: &Tx<'_>, act: &Act, by: Uuid) -> Result<Vec<Operator>, ProvisionError> {
        let mut seconds = Vec::new();
        for one in operators::all(tx)?.into_iter().filter(|one| one.id != by && is_in_use(one)) {
            let is_about = act.subject_operator() == Some(&one.name);
            if !is_about && self.is_reached(tx, act, &one.grants)? {
                seconds.push(one);
            }
        }
        Ok(seconds)
    }

    /// Returns whether an act takes two persons: whether anybody else administers anything of what it touches
    /// (decision S4). It does not matter whether they could confirm it: otherwise whoever asks could make an act so
    /// wide that nobody can.
    ///
    /// # Errors
    ///
    /// Fails if the database is unavailable.
    pub fn takes_two(&self, tx: &Tx<'_>, act: &Act, by: Uuid) -> Result<bool, ProvisionError> {
        if !register_settings::four_eyes(tx)? {
            return Ok(false);
        }
        let touched = touched(tx, act)?;
        let administers =
            |one: &Operator| MANAGING.iter().any(|permission| one.grants.reach(*permission).meets(&touched));
        let mut others = operators::all(tx)?.into_iter().filter(|one| one.id != by && is_in_use(one));
        Ok(others.any(|one| administers(&one)))
    }
}

/// Returns whether everything in which an operator has a role is within a reach.
fn reaches_operator(tx: &Tx<'_>, reach: &Reach, name: &str) -> Result<bool, ProvisionError> {
    Ok(operators::by_name(tx, name)?.is_some_and(|found| reach.covers(&found.grants.visible())))
}

/// Returns whether all tenants of roles to be given are within a reach.
fn reaches_grants(tx: &Tx<'_>, reach: &Reach, given: &[GivenRole]) -> Result<bool, ProvisionError> {
    for one in given {
        let is_reached = match &one.tenant {
            None => *reach == Reach::All,
            Some(name) => tenants::by_name(tx, name)?.is_some_and(|row| reach.contains(row.number)),
        };
        if !is_reached {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The permissions of whoever administers something.
const MANAGING: [Permission; 3] =
    [Permission::OperatorsManage, Permission::ClientsManage, Permission::TenantsManage];

/// Returns whether an account is enabled and has been used. What nobody has used does not count, because whoever
/// invites somebody would lock themselves out with an invitation that goes astray.
pub(super) fn is_in_use(operator: &Operator) -> bool {
    operator.disabled_at.is_none() && (operator.password.is_some() || operator.used_at.is_some())
}

/// Returns the tenants that an act touches.
fn touched(tx: &Tx<'_>, act: &Act) -> Result<Reach, ProvisionError> {
    let tenant = |name: &str| {
        let found = tenants::by_name(tx, name)?;
        Ok::<_, ProvisionError>(Reach::Tenants(found.into_iter().map(|row| row.number).collect()))
    };
    let given = |grants: &[GivenRole]| {
        let mut all = Reach::Tenants(BTreeSet::new());
        for one in grants {
            all = all.joined_with(one.tenant.as_deref().map_or(Ok(Reach::All), tenant)?);
        }
        Ok::<_, ProvisionError>(all)
    };
    let operator = |name: &str| {
        let found = operators::by_name(tx, name)?;
        let none = || Reach::Tenants(BTreeSet::new());
        Ok::<_, ProvisionError>(found.map_or_else(none, |found| found.grants.visible()))
    };
    let client = |id: Uuid| {
        let found = clients::by_id(tx, id)?;
        Ok::<_, ProvisionError>(Reach::Tenants(found.into_iter().map(|client| client.tenant).collect()))
    };
    match act {
        Act::CreateOperator { grants, .. } => given(grants),
        Act::SetGrants { operator: name, grants } => Ok(given(grants)?.joined_with(operator(name)?)),
        Act::DisableOperator { operator: name }
        | Act::EnableOperator { operator: name }
        | Act::ResetOperator { operator: name }
        | Act::ResetSecondFactor { operator: name } => operator(name),
        Act::SetRole { .. } | Act::CreateTenant { .. } | Act::SetFourEyes { .. } => Ok(Reach::All),
        Act::ChangeTenantSettings { tenant: name, .. }
        | Act::SuspendTenant { tenant: name }
        | Act::ResumeTenant { tenant: name }
        | Act::CreateClient { tenant: name, .. } => tenant(name),
        Act::SetClientScopes { client: id, .. }
        | Act::DisableClient { client: id }
        | Act::EnableClient { client: id }
        | Act::RotateClientSecret { client: id, .. }
        | Act::AddClientKey { client: id, .. } => client(*id),
        Act::RevokeClientKey { key } => {
            let found = clients::key_by_id(tx, *key)?;
            found.map_or_else(|| Ok(Reach::Tenants(BTreeSet::new())), |key| client(key.client))
        }
    }
}
