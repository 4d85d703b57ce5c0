//! Acts of administration: they change who may do what, so that one person alone does not suffice for them.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strum::IntoStaticStr;
use uuid::Uuid;

use super::permissions::Permission;
use super::register_event::{RegisterEventType, RegisterSubject};

/// A role to be given, for a tenant or for all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct GivenRole {
    pub role: String,
    /// Name of the tenant; null for all tenants and the register itself.
    pub tenant: Option<String>,
}

/// An act of administration, in the form in which a proposal stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, IntoStaticStr)]
#[serde(tag = "act", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Act {
    /// Creates an operator, who is invited to choose a password.
    CreateOperator {
        operator: String,
        grants: Vec<GivenRole>,
    },
    /// Replaces the roles of an operator.
    SetGrants {
        operator: String,
        grants: Vec<GivenRole>,
    },
    /// Refuses an operator from now on.
    DisableOperator {
        operator: String,
    },
    /// Lets a disabled operator in again.
    EnableOperator {
        operator: String,
    },
    /// Ends the password and all sessions of an operator, who is invited to choose another password.
    ResetOperator {
        operator: String,
    },
    /// Deletes the second factor of an operator who has lost it, and ends their sessions.
    ResetSecondFactor {
        operator: String,
    },
    /// Sets what a role may do.
    SetRole {
        role: String,
        permissions: Vec<Permission>,
    },
    CreateTenant {
        tenant: String,
        settings: Map<String, Value>,
    },
    /// Refuses the clients of a tenant from now on, and lets its operators read alone.
    SuspendTenant {
        tenant: String,
    },
    ResumeTenant {
        tenant: String,
    },
    /// Changes settings of a tenant.
    ChangeTenantSettings {
        tenant: String,
        settings: Map<String, Value>,
    },
    CreateClient {
        tenant: String,
        scopes: Vec<String>,
    },
    SetClientScopes {
        client: Uuid,
        scopes: Vec<String>,
    },
    /// Refuses a client from now on.
    DisableClient {
        client: Uuid,
    },
    EnableClient {
        client: Uuid,
    },
    /// Replaces a secret; the old one is taken for some hours, too.
    RotateClientSecret {
        client: Uuid,
        end_tokens: bool,
        overlap_hours: i64,
    },
    /// Registers a public key, as SPKI PEM or JWK.
    AddClientKey {
        client: Uuid,
        public_key: String,
        expires_at: Option<Timestamp>,
    },
    RevokeClientKey {
        key: Uuid,
    },
    /// Switches on or off that acts of administration take two persons.
    SetFourEyes {
        four_eyes: bool,
    },
}

impl Act {
    /// Returns what the operator who asks, and the one who confirms, must be allowed to do.
    pub fn permission(&self) -> Permission {
        match self {
            Self::CreateOperator { .. }
            | Self::SetGrants { .. }
            | Self::DisableOperator { .. }
            | Self::EnableOperator { .. }
            | Self::ResetOperator { .. }
            | Self::ResetSecondFactor { .. }
            | Self::SetRole { .. }
            | Self::SetFourEyes { .. } => Permission::OperatorsManage,
            Self::CreateTenant { .. }
            | Self::SuspendTenant { .. }
            | Self::ResumeTenant { .. }
            | Self::ChangeTenantSettings { .. } => Permission::TenantsManage,
            Self::CreateClient { .. }
            | Self::SetClientScopes { .. }
            | Self::DisableClient { .. }
            | Self::EnableClient { .. }
            | Self::RotateClientSecret { .. }
            | Self::AddClientKey { .. }
            | Self::RevokeClientKey { .. } => Permission::ClientsManage,
        }
    }

    /// Returns what the act is about.
    pub fn subject(&self) -> RegisterSubject {
        match self {
            Self::CreateOperator { operator, .. }
            | Self::SetGrants { operator, .. }
            | Self::DisableOperator { operator }
            | Self::EnableOperator { operator }
            | Self::ResetOperator { operator }
            | Self::ResetSecondFactor { operator } => RegisterSubject::Operator(operator.clone()),
            Self::SetRole { role, .. } => RegisterSubject::Role(role.clone()),
            Self::CreateTenant { tenant, .. }
            | Self::SuspendTenant { tenant }
            | Self::ResumeTenant { tenant }
            | Self::ChangeTenantSettings { tenant, .. }
            | Self::CreateClient { tenant, .. } => RegisterSubject::Tenant(tenant.clone()),
            Self::SetClientScopes { client, .. }
            | Self::DisableClient { client }
            | Self::EnableClient { client }
            | Self::RotateClientSecret { client, .. }
            | Self::AddClientKey { client, .. } => RegisterSubject::Client(*client),
            Self::RevokeClientKey { key } => RegisterSubject::ClientKey(*key),
            Self::SetFourEyes { .. } => RegisterSubject::Register,
        }
    }

    /// Returns the name of the operator that the act is about.
    pub fn subject_operator(&self) -> Option<&str> {
        match self {
            Self::SetGrants { operator, .. }
            | Self::DisableOperator { operator }
            | Self::EnableOperator { operator }
            | Self::ResetOperator { operator }
            | Self::ResetSecondFactor { operator } => Some(operator),
            _ => None,
        }
    }

    /// Returns the type of the event that records it.
    pub fn event_type(&self) -> RegisterEventType {
        match self {
            Self::CreateOperator { .. } => RegisterEventType::OperatorCreated,
            Self::SetGrants { .. } => RegisterEventType::OperatorGrantsChanged,
            Self::DisableOperator { .. } => RegisterEventType::OperatorDisabled,
            Self::EnableOperator { .. } => RegisterEventType::OperatorEnabled,
            Self::ResetOperator { .. } => RegisterEventType::OperatorReset,
            Self::ResetSecondFactor { .. } => RegisterEventType::OperatorSecondFactorReset,
            Self::SetRole { .. } => RegisterEventType::RoleChanged,
            Self::CreateTenant { .. } => RegisterEventType::TenantCreated,
            Self::SuspendTenant { .. } => RegisterEventType::TenantSuspended,
            Self::ResumeTenant { .. } => RegisterEventType::TenantResumed,
            Self::ChangeTenantSettings { .. } => RegisterEventType::TenantSettingsChanged,
            Self::CreateClient { .. } => RegisterEventType::ClientCreated,
            Self::SetClientScopes { .. } => RegisterEventType::ClientScopesChanged,
            Self::DisableClient { .. } => RegisterEventType::ClientDisabled,
            Self::EnableClient { .. } => RegisterEventType::ClientEnabled,
            Self::RotateClientSecret { .. } => RegisterEventType::ClientSecretRotated,
            Self::AddClientKey { .. } => RegisterEventType::ClientKeyAdded,
            Self::RevokeClientKey { .. } => RegisterEventType::ClientKeyRevoked,
            Self::SetFourEyes { .. } => RegisterEventType::FourEyesChanged,
        }
    }
}

/// Time after an invitation in which the invited account is nobody's second, and in which those who made it confirm
/// nothing that it asks for: whoever had the invitation may be one of them.
pub const ACQUAINTANCE: SignedDuration = SignedDuration::from_hours(24);

/// An account, as far as the rule of two persons looks at it.
#[derive(Clone, Copy, Debug)]
pub struct OperatorAccount {
    pub id: Uuid,
    /// The last invitation by operators, and who asked for it and confirmed it.
    pub invited: Option<(Timestamp, [Option<Uuid>; 2])>,
}

impl OperatorAccount {
    /// Checks that somebody else may confirm what the operator asks for (decision S4).
    ///
    /// # Errors
    ///
    /// Fails with the reason if they are the same person, or may be, because one of the accounts is new.
    pub fn confirmed_by(self, second: Self, now: Timestamp) -> Result<(), &'static str> {
        if self.id == second.id {
            return Err("whoever asks for something does not confirm it");
        }
        let makers = |one: Self| one.invited.filter(|(at, _)| now.duration_since(*at) < ACQUAINTANCE);
        if makers(second).is_some() {
            return Err("an account confirms nothing within 24 hours after its invitation");
        }
        if makers(self).is_some_and(|(_, makers)| makers.contains(&Some(second.id))) {
            return Err("whoever has made an account confirms nothing that it asks for within 24 hours");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_another_person_whom_the_first_has_not_just_made() {
        let start = Timestamp::UNIX_EPOCH;
        let id = Uuid::from_u128;
        let old = |number| OperatorAccount { id: id(number), invited: None };
        let made = |number, makers| OperatorAccount { id: id(number), invited: Some((start, makers)) };
        let (anna, berta, carla) = (old(1), old(2), old(3));
        let puppet = made(4, [Some(id(1)), Some(id(2))]);
        let sibling = made(5, [Some(id(1)), None]);
        let day = start + ACQUAINTANCE;
        assert!(anna.confirmed_by(berta, start).is_ok());
        assert!(anna.confirmed_by(anna, day).is_err());
        for (first, second) in
            [(anna, puppet), (carla, puppet), (sibling, puppet), (puppet, anna), (puppet, berta)]
        {
            assert!(first.confirmed_by(second, start).is_err());
            assert!(first.confirmed_by(second, day - SignedDuration::from_secs(1)).is_err());
            assert!(first.confirmed_by(second, day).is_ok());
        }
        assert!(puppet.confirmed_by(carla, start).is_ok());
    }
}
