//! Accounts of operators who sign in at the identity provider: created, given their roles, and refused.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::administration::{check_name, read_grants};
use super::{ProvisionError, refuse};
use crate::clock::Ids;
use crate::config::{ClaimGrant, Oidc};
use crate::domain::administration::GivenRole;
use crate::domain::permissions::{Grant, Grants, Permission};
use crate::domain::register_event::{RegisterActor, RegisterEvent, RegisterEventType, RegisterSubject};
use crate::store::log::register_events;
use crate::store::tenants::operators::{Invited, Operator};
use crate::store::tenants::{self, operator_sessions, operators};
use crate::store::{StoreError, Tx};

/// A person whom the identity provider has proved.
#[derive(Clone)]
pub struct ProvenPerson {
    /// Issuer and subject.
    pub subject: String,
    pub claims: Map<String, Value>,
}

/// Checks that claims can give the roles of the configuration, and that somebody can administer the register by them.
///
/// # Errors
///
/// Fails if a role or tenant does not exist, or nobody could manage operators.
pub fn check_claim_grants(tx: &Tx<'_>, settings: &Oidc) -> Result<(), ProvisionError> {
    let roles: Vec<GivenRole> = settings.grants.iter().map(given_role).collect();
    let grants = read_grants(tx, &roles).map_err(|error| match error {
        ProvisionError::Field(_, message) | ProvisionError::Invalid(message) => {
            ProvisionError::Invalid(format!("oidc.grants: {message}"))
        }
        other => other,
    })?;
    let administers =
        |grant: &Grant| grant.tenant.is_none() && grant.permissions.contains(Permission::OperatorsManage);
    if grants.0.iter().any(administers) {
        return Ok(());
    }
    refuse("oidc.grants gives nobody a role that manages operators (operators:manage) of all tenants")
}

fn given_role(grant: &ClaimGrant) -> GivenRole {
    GivenRole { role: grant.role.clone(), tenant: grant.tenant.clone() }
}

/// Returns the account of a person with the roles that their claims give, and creates it at their first sign-in. The
/// outcome of a refusal is to be kept, too: who has lost all roles at the provider has lost them here.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn sign_in(
    tx: &Tx<'_>,
    ids: &dyn Ids,
    settings: &Oidc,
    person: &ProvenPerson,
    now: Timestamp,
) -> Result<SignInOutcome, ProvisionError> {
    let grants = grants_of(tx, settings, &person.claims)?;
    let known = operators::by_provider_subject(tx, &person.subject)?;
    let actor = RegisterActor::IdentityProvider { issuer: settings.issuer.clone() };
    let event = |kind, name: &str, old: Value, new: Value| {
        let subject = RegisterSubject::Operator(name.to_owned());
        RegisterEvent { old, ..RegisterEvent::new(kind, actor.clone(), subject).with_new(new) }
    };
    let Some(operator) = known else {
        if grants.0.is_empty() {
            return Ok(SignInOutcome::NoRole);
        }
        let Some(name) = name_of(settings, person) else { return Ok(SignInOutcome::NoName) };
        if operators::by_name(tx, &name)?.is_some() {
            return Ok(SignInOutcome::NameTaken);
        }
        let mut new = Operator::new(ids.uuid(), name, grants, now);
        new.provider_subject = Some(person.subject.clone());
        operators::insert(tx, &new)?;
        hold_back(tx, new.id, now)?;
        let roles = json!({ "grants": roles(&new.grants) });
        let created = event(RegisterEventType::OperatorCreated, &new.name, Value::Null, roles);
        register_events::record(tx, ids, now, &created)?;
        return account(tx, &new.name);
    };
    if operator.disabled_at.is_some() {
        return Ok(SignInOutcome::Disabled);
    }
    let [old, new] = [roles(&operator.grants), roles(&grants)];
    if old != new {
        operators::set_grants(tx, operator.id, &grants, now, None)?;
        if !new.is_subset(&old) {
            hold_back(tx, operator.id, now)?;
        }
        let [old, new] = [old, new].map(|roles| json!({ "grants": roles }));
        let changed = event(RegisterEventType::OperatorGrantsChanged, &operator.name, old, new);
        register_events::record(tx, ids, now, &changed)?;
    }
    if grants.0.is_empty() {
        operator_sessions::end_all(tx, operator.id)?;
        return Ok(SignInOutcome::NoRole);
    }
    account(tx, &operator.name)
}

/// Makes an account nobody's second for a day, as one that was invited (decision S4): whoever gives roles at the
/// provider must not be two persons here at once.
fn hold_back(tx: &Tx<'_>, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
    operators::record_invitation(tx, id, Some(Invited { at: now, by: id, confirmed_by: None }))
}

/// What comes of a person whom the provider has proved.
pub enum SignInOutcome {
    Account(Box<Operator>),
    /// Their claims give them no role.
    NoRole,
    Disabled,
    /// They have no claim that can name an account.
    NoName,
    /// Their name is that of another account.
    NameTaken,
}

fn account(tx: &Tx<'_>, name: &str) -> Result<SignInOutcome, ProvisionError> {
    let found = operators::by_name(tx, name)?;
    Ok(found.map_or(SignInOutcome::NoRole, |operator| SignInOutcome::Account(Box::new(operator))))
}

/// Returns the roles that claims give. One for a tenant that does not exist yet is left out.
fn grants_of(tx: &Tx<'_>, settings: &Oidc, claims: &Map<String, Value>) -> Result<Grants, ProvisionError> {
    let mut given = Vec::new();
    for grant in settings.grants_of(claims) {
        let exists = match &grant.tenant {
            Some(name) => tenants::by_name(tx, name)?.is_some(),
            None => true,
        };
        given.extend(exists.then(|| given_role(grant)));
    }
    read_grants(tx, &given)
}

fn roles(grants: &Grants) -> BTreeSet<GivenRole> {
    let given = grants.0.iter();
    given.map(|grant| GivenRole { role: grant.role.clone(), tenant: grant.tenant_name.clone() }).collect()
}

/// Returns the name of a new account: names are written small, so that no two look alike.
fn name_of(settings: &Oidc, person: &ProvenPerson) -> Option<String> {
    let name = person.claims.get(&settings.name_claim)?.as_str()?.to_lowercase();
    check_name(&name, "an operator").is_ok().then_some(name)
}
