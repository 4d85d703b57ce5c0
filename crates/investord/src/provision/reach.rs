//! Says whether an operator reaches what an act of administration is about, and who could confirm it.

use uuid::Uuid;

use super::{ProvisionError, Provisioner};
use crate::domain::administration::{Act, GivenRole};
use crate::domain::permissions::{Grants, Reach};
use crate::store::Tx;
use crate::store::tenants;
use crate::store::tenants::operators::Operator;
use crate::store::tenants::{clients, operators};

impl Provisioner {
    /// Returns whether an operator with these grants may ask for an act or confirm it: whether they reach everything
    /// that it is about.
    ///
    /// # Errors
    ///
    /// Fails if the database is unavailable. What does not exist is not reached.
    pub fn is_reached(&self, tx: &Tx<'_>, act: &Act, grants: &Grants) -> Result<bool, ProvisionError> {
        let reach = grants.reach(act.permission());
        let of_client = |id: Uuid| {
            let found = clients::by_id(tx, id)?;
            Ok::<_, ProvisionError>(found.is_some_and(|client| reach.contains(client.tenant)))
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
            Act::SetRole { .. } | Act::CreateTenant { .. } | Act::SetFourEyes { .. } => reach == Reach::All,
            Act::ChangeTenantSettings { tenant, .. }
            | Act::SuspendTenant { tenant }
            | Act::ResumeTenant { tenant }
            | Act::CreateClient { tenant, .. } => {
                tenants::by_name(tx, tenant)?.is_some_and(|row| reach.contains(row.number))
            }
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

    /// Returns the operators who could confirm an act for somebody (decision S4): the rule of two persons applies as
    /// soon as there is one. Accounts that nobody has ever signed in to do not count.
    ///
    /// # Errors
    ///
    /// Fails if the database is unavailable.
    pub fn seconds(&self, tx: &Tx<'_>, act: &Act, by: Uuid) -> Result<Vec<Operator>, ProvisionError> {
        let mut seconds = Vec::new();
        for one in operators::all(tx)? {
            let is_in_use = one.disabled_at.is_none() && (one.password.is_some() || one.used_at.is_some());
            if one.id != by && is_in_use && self.is_reached(tx, act, &one.grants)? {
                seconds.push(one);
            }
        }
        Ok(seconds)
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
