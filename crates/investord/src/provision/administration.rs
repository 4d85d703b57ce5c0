//! Performs acts of administration, and records each in the commit of what it does.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::reach::is_in_use;
use super::{ProvisionError, Provisioner, client, refuse, tenant};
use crate::domain::administration::{Act, GivenRole};
use crate::domain::permissions::{self, Grant, Grants, Permission, Permissions, Reach};
use crate::domain::register_event::{RegisterActor, RegisterEvent};
use crate::domain::suggest::did_you_mean;
use crate::store::Tx;
use crate::store::encryption::sha256;
use crate::store::log::register_events;
use crate::store::tenants::operators::{Invited, Operator};
use crate::store::tenants::{self, TenantRow};
use crate::store::tenants::{
    clients, invitations, operator_sessions, operators, passkeys, register_settings, second_factors,
};

/// How long an invitation can be accepted.
const INVITATION_LIFETIME: SignedDuration = SignedDuration::from_hours(72);

/// What is on record of an act beside the act itself.
#[derive(Clone, Debug)]
pub struct Circumstances {
    pub actor: RegisterActor,
    /// The operator who asked for it; `None` for a command on the machine.
    pub actor_id: Option<Uuid>,
    pub confirmed_by: Option<RegisterActor>,
    /// The second person.
    pub confirmed_by_id: Option<Uuid>,
    /// The proposal that was confirmed, or done in an emergency.
    pub proposal: Option<Uuid>,
    pub reason: Option<String>,
}

impl Circumstances {
    /// Returns those of a command on the machine.
    pub fn of_machine() -> Self {
        Self {
            actor: RegisterActor::Machine,
            actor_id: None,
            confirmed_by: None,
            confirmed_by_id: None,
            proposal: None,
            reason: None,
        }
    }
}

/// An act that was performed.
#[derive(Clone, Debug)]
pub struct Performed {
    /// State of what it was about, afterwards.
    pub new: Value,
    /// What is shown once, to whoever has performed it: an invitation, or a client with its secret.
    pub shown_once: Option<Value>,
}

impl Provisioner {
    /// Performs an act in a transaction of its own.
    ///
    /// # Errors
    ///
    /// Fails if the act is invalid or does not fit the state of what it is about.
    pub async fn administer(&self, act: Act, by: Circumstances) -> Result<Performed, ProvisionError> {
        let this = self.clone();
        self.store.write_serializable("administration", move |tx| this.perform(tx, &act, &by)).await
    }

    /// Performs an act and records it in the same commit.
    ///
    /// # Errors
    ///
    /// Fails if the act is invalid or does not fit the state of what it is about.
    pub fn perform(&self, tx: &Tx<'_>, act: &Act, by: &Circumstances) -> Result<Performed, ProvisionError> {
        let old = self.state(tx, act)?;
        let before = administrators(tx)?;
        let shown_once = self.apply_act(tx, act, by)?;
        if before > 0 && administrators(tx)? == 0 {
            return refuse("nobody would be left who administers the register");
        }
        // What an act creates is found under the name that the act gives it.
        let new = self.state(tx, act)?;
        let Circumstances { actor, confirmed_by, proposal, reason, .. } = by.clone();
        let event = RegisterEvent {
            confirmed_by,
            proposal,
            reason,
            ..RegisterEvent::new(act.event_type(), actor, act.subject()).with_change(old, new.clone())
        };
        register_events::record(tx, &*self.ids, self.clock.now(), &event)?;
        Ok(Performed { new, shown_once })
    }

    /// Returns the present state of what an act is about, without secrets; null if it does not exist yet.
    ///
    /// # Errors
    ///
    /// Fails if an act names what does not exist.
    pub fn state(&self, tx: &Tx<'_>, act: &Act) -> Result<Value, ProvisionError> {
        Ok(match act {
            // What the roles may do belongs to it: otherwise it could be changed before the confirmation.
            Act::CreateOperator { operator, grants } => {
                let found = operators::by_name(tx, operator)?;
                let state = found.map_or(Ok(Value::Null), |found| operator_state(tx, &found))?;
                json!({ "operator": state, "roles": state_of_roles(tx, grants)? })
            }
            Act::SetGrants { operator, grants } => {
                let state = operator_state(tx, &known_operator(tx, operator)?)?;
                json!({ "operator": state, "roles": state_of_roles(tx, grants)? })
            }
            Act::DisableOperator { operator }
            | Act::EnableOperator { operator }
            | Act::ResetOperator { operator }
            | Act::ResetSecondFactor { operator } => operator_state(tx, &known_operator(tx, operator)?)?,
            Act::SetRole { role, .. } => {
                let holds = |one: &Operator| one.grants.0.iter().any(|grant| grant.role == *role);
                let holders = operators::all(tx)?.into_iter().filter(holds).map(|one| one.name);
                let holders: Vec<String> = holders.collect();
                let permissions = role_permissions(tx, role)?.map(|all| all.text());
                json!({ "permissions": permissions, "held_by": holders })
            }
            Act::CreateTenant { tenant, .. } => {
                tenants::by_name(tx, tenant)?.as_ref().map_or(Value::Null, tenant_state)
            }
            Act::ChangeTenantSettings { tenant: name, .. }
            | Act::SuspendTenant { tenant: name }
            | Act::ResumeTenant { tenant: name } => tenant_state(&tenant(tx, name)?),
            Act::CreateClient { tenant: name, .. } => {
                let all = clients::of_tenant(tx, tenant(tx, name)?.number)?;
                json!({ "clients": all.iter().map(|one| one.id).collect::<Vec<_>>() })
            }
            Act::SetClientScopes { client: id, .. }
            | Act::DisableClient { client: id }
            | Act::EnableClient { client: id }
            | Act::RotateClientSecret { client: id, .. }
            | Act::AddClientKey { client: id, .. } => state_of_client(tx, *id)?,
            Act::RevokeClientKey { key } => {
                let found = clients::key_by_id(tx, *key)?;
                let Some(found) = found else { return refuse(format!("there is no key '{key}'")) };
                json!({ "client": found.client, "revoked_at": found.revoked_at })
            }
            Act::SetFourEyes { .. } => json!({ "four_eyes": register_settings::four_eyes(tx)? }),
        })
    }

    /// Applies an act. Returns what is shown once.
    fn apply_act(&self, tx: &Tx<'_>, act: &Act, by: &Circumstances) -> Result<Option<Value>, ProvisionError> {
        match act {
            Act::CreateOperator { operator, grants } => {
                let new = self.insert_operator(tx, operator, grants, by)?;
                self.invite(tx, &new, by).map(Some)
            }
            Act::SetGrants { operator, .. }
            | Act::DisableOperator { operator }
            | Act::EnableOperator { operator }
            | Act::ResetOperator { operator }
            | Act::ResetSecondFactor { operator } => {
                self.change_operator(tx, act, &known_operator(tx, operator)?, by)
            }
            Act::CreateClient { .. }
            | Act::SetClientScopes { .. }
            | Act::DisableClient { .. }
            | Act::EnableClient { .. }
            | Act::RotateClientSecret { .. }
            | Act::AddClientKey { .. }
            | Act::RevokeClientKey { .. } => self.change_client(tx, act),
            Act::SetRole { role, permissions } => {
                check_name(role, "a role")?;
                let all: Permissions = permissions.iter().copied().collect();
                operators::set_role(tx, role, &all)?;
                Ok(None)
            }
            Act::CreateTenant { tenant, .. }
            | Act::ChangeTenantSettings { tenant, .. }
            | Act::SuspendTenant { tenant }
            | Act::ResumeTenant { tenant } => self.change_tenant(tx, act, tenant).map(|()| None),
            Act::SetFourEyes { four_eyes } => {
                register_settings::set_four_eyes(tx, *four_eyes)?;
                Ok(None)
            }
        }
    }

    /// Applies an act to an operator. Returns what is shown once.
    fn change_operator(
        &self,
        tx: &Tx<'_>,
        act: &Act,
        found: &Operator,
        by: &Circumstances,
    ) -> Result<Option<Value>, ProvisionError> {
        let now = self.clock.now();
        let is_of_provider = matches!(act, Act::SetGrants { .. } | Act::ResetOperator { .. });
        if is_of_provider && found.provider_subject.is_some() {
            let name = &found.name;
            return refuse(format!(
                "'{name}' signs in at the identity provider, whose claims give the roles"
            ));
        }
        match act {
            Act::SetGrants { grants, .. } => {
                operators::set_grants(tx, found.id, &read_grants(tx, grants)?, now, by.actor_id)?;
            }
            Act::DisableOperator { .. } => {
                operators::disable(tx, found.id, now)?;
                invitations::delete(tx, found.id)?;
                operator_sessions::end_all(tx, found.id)?;
            }
            Act::EnableOperator { .. } => operators::enable(tx, found.id)?,
            Act::ResetSecondFactor { .. } => {
                let passkeys = passkeys::delete_all(tx, found.id)?;
                second_factors::delete_recovery_codes(tx, found.id)?;
                if !second_factors::delete(tx, found.id)? && passkeys == 0 {
                    return refuse(format!("the operator '{}' has no second factor", found.name));
                }
                operator_sessions::end_sessions(tx, found.id)?;
            }
            _ if found.disabled_at.is_some() => {
                return refuse(format!("the operator '{}' is disabled", found.name));
            }
            _ => {
                operators::set_password(tx, found.id, None)?;
                operator_sessions::end_all(tx, found.id)?;
                return self.invite(tx, found, by).map(Some);
            }
        }
        Ok(None)
    }

    /// Inserts a new operator without a password.
    pub(super) fn insert_operator(
        &self,
        tx: &Tx<'_>,
        name: &str,
        grants: &[GivenRole],
        by: &Circumstances,
    ) -> Result<Operator, ProvisionError> {
        check_name(name, "an operator")?;
        if operators::by_name(tx, name)?.is_some() {
            return Err(ProvisionError::Field("name", format!("there is an operator '{name}' already")));
        }
        let grants = read_grants(tx, grants)?;
        let new = Operator {
            created_by: by.actor_id,
            ..Operator::new(self.ids.uuid(), name.to_owned(), grants, self.clock.now())
        };
        operators::insert(tx, &new)?;
        Ok(new)
    }

    /// Creates an invitation, which ends an earlier one.
    fn invite(&self, tx: &Tx<'_>, operator: &Operator, by: &Circumstances) -> Result<Value, ProvisionError> {
        let invitation = self.generate_secret();
        let now = self.clock.now();
        let expires_at = now + INVITATION_LIFETIME;
        let confirmed_by = by.confirmed_by_id;
        let invited = by.actor_id.map(|by| Invited { at: now, by, confirmed_by });
        operators::record_invitation(tx, operator.id, invited)?;
        invitations::set(tx, operator.id, &sha256(invitation.0.as_bytes()), now, expires_at)?;
        Ok(json!({ "operator": operator.name, "invitation": invitation.0, "expires_at": expires_at }))
    }
}

/// Returns the state of an operator that acts change.
fn operator_state(tx: &Tx<'_>, operator: &Operator) -> Result<Value, ProvisionError> {
    let given = |grant: &Grant| json!({ "role": grant.role, "tenant": grant.tenant_name });
    let second_factor = second_factors::by_operator(tx, operator.id)?.and_then(|factor| factor.confirmed_at);
    let passkeys = passkeys::of_operator(tx, operator.id)?;
    Ok(json!({
        "grants": operator.grants.0.iter().map(given).collect::<Vec<_>>(),
        "has_password": operator.password.is_some(),
        "second_factor_since": second_factor,
        "passkeys": passkeys.iter().map(|passkey| passkey.id).collect::<Vec<_>>(),
        "disabled_at": operator.disabled_at,
    }))
}

/// Returns the state of a client that acts change.
fn state_of_client(tx: &Tx<'_>, id: Uuid) -> Result<Value, ProvisionError> {
    let found = client(tx, id)?;
    let keys = clients::keys_of(tx, id)?;
    let in_force = keys.iter().filter(|key| key.revoked_at.is_none()).map(|key| key.id);
    let in_force = in_force.collect::<Vec<_>>();
    Ok(json!({ "scopes": found.scopes, "keys": in_force, "disabled_at": found.disabled_at }))
}

/// Returns what roles that are to be given may do.
fn state_of_roles(tx: &Tx<'_>, given: &[GivenRole]) -> Result<Value, ProvisionError> {
    let mut roles = serde_json::Map::new();
    for one in given {
        let permissions = role_permissions(tx, &one.role)?.map(|all| all.text());
        roles.insert(one.role.clone(), json!(permissions));
    }
    Ok(roles.into())
}

/// Returns the state of a tenant that acts change.
fn tenant_state(tenant: &TenantRow) -> Value {
    json!({ "settings": tenant.settings, "suspended_at": tenant.suspended_at })
}

/// Returns the number of accounts in use that administer the register itself.
fn administrators(tx: &Tx<'_>) -> Result<usize, ProvisionError> {
    let administers =
        |one: &Operator| is_in_use(one) && one.grants.reach(Permission::OperatorsManage) == Reach::All;
    Ok(operators::all(tx)?.into_iter().filter(administers).count())
}

/// Returns the operator of this name, or refuses it with the name that was probably meant.
pub(super) fn known_operator(tx: &Tx<'_>, name: &str) -> Result<Operator, ProvisionError> {
    match operators::by_name(tx, name)? {
        Some(operator) => Ok(operator),
        None => {
            let all = operators::all(tx)?;
            let meant = did_you_mean(name, all.iter().map(|one| &*one.name));
            refuse(format!("there is no operator '{name}'{meant}"))
        }
    }
}

/// Returns what a role may do at present; none if there is no such role.
fn role_permissions(tx: &Tx<'_>, role: &str) -> Result<Option<Permissions>, ProvisionError> {
    let changed = operators::changed_roles(tx)?.into_iter().find(|(name, _)| name == role);
    Ok(changed.map(|(_, permissions)| permissions).or_else(|| permissions::of_new_register(role)))
}

/// Reads roles to be given: each role and tenant must exist.
pub(super) fn read_grants(tx: &Tx<'_>, given: &[GivenRole]) -> Result<Grants, ProvisionError> {
    let mut grants = Vec::new();
    // A role that stands twice is given once.
    for GivenRole { role, tenant: name } in given.iter().collect::<BTreeSet<_>>() {
        let Some(permissions) = role_permissions(tx, role)? else {
            let changed = operators::changed_roles(tx)?;
            let names = permissions::ROLE_NAMES.into_iter().chain(changed.iter().map(|(name, _)| &**name));
            let names: Vec<&str> = names.collect();
            let meant = did_you_mean(role, names.iter().copied());
            let message = format!("there is no role '{role}'{meant}; there are {}", names.join(", "));
            return Err(ProvisionError::Field("grants", message));
        };
        let found = name.as_deref().map(|name| tenant(tx, name)).transpose()?;
        let (tenant, tenant_name) = found.map(|row| (row.number, row.name)).unzip();
        grants.push(Grant { role: role.clone(), permissions, tenant, tenant_name });
    }
    Ok(Grants(grants))
}

/// Checks a name that stands in the record for ever: letters, digits and a few signs, so that no two look alike.
pub(super) fn check_name(name: &str, what: &str) -> Result<(), ProvisionError> {
    let is_plain = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '.' | '-' | '_' | '@')
    };
    let begins_plain = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if begins_plain && name.len() <= 64 && name.chars().all(is_plain) {
        return Ok(());
    }
    let message = format!(
        "the name of {what} has 1 to 64 lower-case letters of a to z, digits, and . - _ @ behind the first of them"
    );
    Err(ProvisionError::Field("name", message))
}
