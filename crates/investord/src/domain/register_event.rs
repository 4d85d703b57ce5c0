//! Events of the register itself: who has signed in, and what was done to operators, tenants, clients and keys.

use serde::Serialize;
use serde_json::Value;
use strum::{IntoStaticStr, VariantArray};
use uuid::Uuid;

/// The type of an event of the register, with its name in the record. The name is part of the chain hash, so it must
/// never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(const_into_str)]
pub enum RegisterEventType {
    #[strum(serialize = "OPERATOR.CREATED")]
    OperatorCreated,
    #[strum(serialize = "OPERATOR.GRANTS_CHANGED")]
    OperatorGrantsChanged,
    #[strum(serialize = "OPERATOR.DISABLED")]
    OperatorDisabled,
    #[strum(serialize = "OPERATOR.ENABLED")]
    OperatorEnabled,
    #[strum(serialize = "OPERATOR.ACCESS_REVIEWED")]
    OperatorAccessReviewed,
    #[strum(serialize = "OPERATOR.RESET")]
    OperatorReset,
    #[strum(serialize = "OPERATOR.SECOND_FACTOR_ADDED")]
    OperatorSecondFactorAdded,
    #[strum(serialize = "OPERATOR.SECOND_FACTOR_DELETED")]
    OperatorSecondFactorDeleted,
    #[strum(serialize = "OPERATOR.SECOND_FACTOR_RESET")]
    OperatorSecondFactorReset,
    #[strum(serialize = "OPERATOR.PASSKEY_ADDED")]
    OperatorPasskeyAdded,
    #[strum(serialize = "OPERATOR.PASSKEY_DELETED")]
    OperatorPasskeyDeleted,
    #[strum(serialize = "OPERATOR.RECOVERY_CODES_REPLACED")]
    OperatorRecoveryCodesReplaced,
    #[strum(serialize = "OPERATOR.INVITATION_ACCEPTED")]
    OperatorInvitationAccepted,
    #[strum(serialize = "OPERATOR.SIGNED_IN")]
    OperatorSignedIn,
    #[strum(serialize = "OPERATOR.SESSIONS_ENDED")]
    OperatorSessionsEnded,
    #[strum(serialize = "OPERATOR.PASSWORD_CHANGED")]
    OperatorPasswordChanged,
    #[strum(serialize = "OPERATOR.TOKEN_CREATED")]
    OperatorTokenCreated,
    #[strum(serialize = "ADMINISTRATION.TENANT_CREATED")]
    TenantCreated,
    #[strum(serialize = "ADMINISTRATION.TENANT_SETTINGS_CHANGED")]
    TenantSettingsChanged,
    #[strum(serialize = "ADMINISTRATION.TENANT_SUSPENDED")]
    TenantSuspended,
    #[strum(serialize = "ADMINISTRATION.TENANT_RESUMED")]
    TenantResumed,
    #[strum(serialize = "ADMINISTRATION.CLIENT_DISABLED")]
    ClientDisabled,
    #[strum(serialize = "ADMINISTRATION.CLIENT_ENABLED")]
    ClientEnabled,
    #[strum(serialize = "ADMINISTRATION.CLIENT_CREATED")]
    ClientCreated,
    #[strum(serialize = "ADMINISTRATION.CLIENT_SCOPES_CHANGED")]
    ClientScopesChanged,
    #[strum(serialize = "ADMINISTRATION.CLIENT_SECRET_ROTATED")]
    ClientSecretRotated,
    #[strum(serialize = "ADMINISTRATION.CLIENT_KEY_ADDED")]
    ClientKeyAdded,
    #[strum(serialize = "ADMINISTRATION.CLIENT_KEY_REVOKED")]
    ClientKeyRevoked,
    #[strum(serialize = "ADMINISTRATION.MASTER_KEY_ROTATED")]
    MasterKeyRotated,
    #[strum(serialize = "ADMINISTRATION.ROLE_CHANGED")]
    RoleChanged,
    #[strum(serialize = "ADMINISTRATION.FOUR_EYES_CHANGED")]
    FourEyesChanged,
    #[strum(serialize = "ADMINISTRATION.PROPOSED")]
    Proposed,
    #[strum(serialize = "ADMINISTRATION.WITHDRAWN")]
    Withdrawn,
    #[strum(serialize = "ADMINISTRATION.BREAK_GLASS")]
    BreakGlass,
    #[strum(serialize = "ADMINISTRATION.BREAK_GLASS_REVIEWED")]
    BreakGlassReviewed,
}

/// Who has acted.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RegisterActor {
    /// An operator, through the operator API.
    Operator { name: String, session: Uuid },
    /// The identity provider, whose claims give roles.
    IdentityProvider { issuer: String },
    /// Whoever had an invitation of this operator.
    Invited { name: String },
    /// Whoever may read the database and its keys: by a command on the machine, or by the tenants file.
    Machine,
}

/// What an event is about, by the name under which people know it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterSubject {
    Operator(String),
    Role(String),
    Tenant(String),
    Client(Uuid),
    ClientKey(Uuid),
    /// A master key, by its fingerprint.
    MasterKey(String),
    Proposal(Uuid),
    /// The register itself.
    Register,
}

/// An event to record.
#[derive(Clone, Debug, Serialize)]
pub struct RegisterEvent {
    #[serde(skip)]
    pub kind: RegisterEventType,
    pub actor: RegisterActor,
    /// The second person, if it took two.
    pub confirmed_by: Option<RegisterActor>,
    /// The proposal that was confirmed, or done in an emergency.
    pub proposal: Option<Uuid>,
    pub subject: RegisterSubject,
    /// Why it was done, if a reason is asked for.
    pub reason: Option<String>,
    /// State before; null if there was none. Secrets are left out.
    pub old: Value,
    /// State after.
    pub new: Value,
}

impl RegisterEvent {
    /// Creates an event without reason and states.
    pub fn new(kind: RegisterEventType, actor: RegisterActor, subject: RegisterSubject) -> Self {
        let (confirmed_by, proposal, reason) = (None, None, None);
        Self { kind, actor, confirmed_by, proposal, subject, reason, old: Value::Null, new: Value::Null }
    }

    /// Returns the same event with the state after it.
    #[must_use]
    pub fn with_new(self, new: Value) -> Self {
        Self { new, ..self }
    }

    /// Returns the same event with the states before and after it.
    #[must_use]
    pub fn with_change(self, old: Value, new: Value) -> Self {
        Self { old, new, ..self }
    }

    /// Returns the same event with a reason.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..self }
    }

    /// Returns the content as it is stored and chained.
    pub fn content(&self) -> String {
        serde_json::to_string(self).expect("an event is plain data")
    }
}
