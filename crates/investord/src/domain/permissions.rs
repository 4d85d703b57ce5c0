//! Permissions of operators, and the roles that name sets of them.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::domain::suggest::did_you_mean;
use crate::domain::tenants::TenantNumber;

/// What an operator may do, with its name in the API, in the configuration and in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(EnumString, IntoStaticStr, VariantArray, VariantNames)]
#[strum(const_into_str, parse_err_ty = String, parse_err_fn = unknown_permission)]
pub enum Permission {
    /// Finds people, and sees their data, status and history; contact data, numbers and documents masked.
    #[serde(rename = "people:read")]
    #[strum(serialize = "people:read")]
    PeopleRead,
    /// Reveals contact data, numbers and documents of people, for a purpose that is on record.
    #[serde(rename = "people:reveal")]
    #[strum(serialize = "people:reveal")]
    PeopleReveal,
    /// Deactivates and reactivates people, and holds, releases and finishes their offboardings.
    #[serde(rename = "people:act")]
    #[strum(serialize = "people:act")]
    PeopleAct,
    /// Orders outcomes of simulated reviews.
    #[serde(rename = "outcomes:order")]
    #[strum(serialize = "outcomes:order")]
    OutcomesOrder,
    /// Sees the data changes and checks that wait for a decision.
    #[serde(rename = "reviews:read")]
    #[strum(serialize = "reviews:read")]
    ReviewsRead,
    /// Decides about data changes and checks.
    #[serde(rename = "reviews:decide")]
    #[strum(serialize = "reviews:decide")]
    ReviewsDecide,
    /// Sees webhooks and what was sent to them.
    #[serde(rename = "webhooks:read")]
    #[strum(serialize = "webhooks:read")]
    WebhooksRead,
    /// Pauses webhooks, and sends events again.
    #[serde(rename = "webhooks:manage")]
    #[strum(serialize = "webhooks:manage")]
    WebhooksManage,
    /// Replaces the key that signs deliveries.
    #[serde(rename = "signing-keys:manage")]
    #[strum(serialize = "signing-keys:manage")]
    SigningKeysManage,
    /// Sees clients and their keys.
    #[serde(rename = "clients:read")]
    #[strum(serialize = "clients:read")]
    ClientsRead,
    /// Creates and disables clients, changes their scopes, secrets and keys.
    #[serde(rename = "clients:manage")]
    #[strum(serialize = "clients:manage")]
    ClientsManage,
    /// Creates and suspends tenants, and changes their settings.
    #[serde(rename = "tenants:manage")]
    #[strum(serialize = "tenants:manage")]
    TenantsManage,
    /// Sees operators, what they may do, and their sessions.
    #[serde(rename = "operators:read")]
    #[strum(serialize = "operators:read")]
    OperatorsRead,
    /// Invites and disables operators, and changes what they may do.
    #[serde(rename = "operators:manage")]
    #[strum(serialize = "operators:manage")]
    OperatorsManage,
    /// Reads the record of the register.
    #[serde(rename = "record:read")]
    #[strum(serialize = "record:read")]
    RecordRead,
}

use Permission::{
    ClientsManage, ClientsRead, OperatorsManage, OperatorsRead, OutcomesOrder, PeopleAct, PeopleRead,
    PeopleReveal, RecordRead, ReviewsDecide, ReviewsRead, SigningKeysManage, TenantsManage, WebhooksManage,
    WebhooksRead,
};

/// Returns the message about a name that is no permission.
fn unknown_permission(text: &str) -> String {
    let names = <Permission as VariantNames>::VARIANTS;
    let meant = did_you_mean(text, names.iter().copied());
    format!("'{text}' is no permission{meant}; there are {}", names.join(", "))
}

/// A set of permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(BTreeSet<Permission>);

impl Permissions {
    /// Parses names that are separated by blanks, as the database has them.
    ///
    /// # Errors
    ///
    /// Fails with the first name that is no permission.
    pub fn parse(names: &str) -> Result<Self, String> {
        names.split_whitespace().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the names, separated by blanks.
    pub fn text(&self) -> String {
        self.0.iter().map(Permission::into_str).collect::<Vec<_>>().join(" ")
    }

    pub fn contains(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    pub fn iter(&self) -> impl Iterator<Item = Permission> {
        self.0.iter().copied()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

/// The roles of a new register. A register can change what each of them may do (table `roles`).
const ROLES: [(&str, &[Permission]); 6] = [
    ("viewer", &[PeopleRead, ReviewsRead, WebhooksRead]),
    ("support", &[PeopleRead, PeopleReveal, ReviewsRead, WebhooksRead, WebhooksManage, OutcomesOrder]),
    (
        "compliance",
        &[PeopleRead, PeopleReveal, PeopleAct, ReviewsRead, ReviewsDecide, WebhooksRead, OutcomesOrder],
    ),
    ("privacy", &[PeopleRead, PeopleReveal, ReviewsRead, RecordRead]),
    ("auditor", &[PeopleRead, ReviewsRead, WebhooksRead, ClientsRead, OperatorsRead, RecordRead]),
    (
        "administrator",
        &[
            PeopleRead, ReviewsRead, WebhooksRead, WebhooksManage, SigningKeysManage, ClientsRead,
            ClientsManage, TenantsManage, OperatorsRead, OperatorsManage, RecordRead,
        ],
    ),
];

/// The names of the roles of a new register.
pub const ROLE_NAMES: [&str; ROLES.len()] = {
    let mut names = [""; ROLES.len()];
    let mut at = 0;
    while at < ROLES.len() {
        names[at] = ROLES[at].0;
        at += 1;
    }
    names
};

/// Returns the permissions of a role of a new register; none if there is no such role.
pub fn of_new_register(role: &str) -> Option<Permissions> {
    let (_, permissions) = ROLES.iter().find(|(name, _)| *name == role)?;
    Some(permissions.iter().copied().collect())
}

/// A role that was given to an operator, for a tenant or for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub role: String,
    /// What the role may do at present.
    pub permissions: Permissions,
    /// `None` for all tenants.
    pub tenant: Option<TenantNumber>,
    /// Name of the tenant.
    pub tenant_name: Option<String>,
}

/// All grants of an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(pub Vec<Grant>);

/// The tenants in which an operator has a permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All of them, and the register itself.
    All,
    Tenants(BTreeSet<TenantNumber>),
}

impl Reach {
    pub fn contains(&self, tenant: TenantNumber) -> bool {
        match self {
            Self::All => true,
            Self::Tenants(all) => all.contains(&tenant),
        }
    }

    /// Returns whether something is within both.
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) => true,
            (Self::All, Self::Tenants(all)) | (Self::Tenants(all), Self::All) => !all.is_empty(),
            (Self::Tenants(own), Self::Tenants(theirs)) => !own.is_disjoint(theirs),
        }
    }

    /// Returns the reach of both together.
    #[must_use]
    pub fn joined_with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Tenants(own), Self::Tenants(theirs)) => Self::Tenants(&own | &theirs),
            _ => Self::All,
        }
    }

    /// Returns whether everything of `other` is within this reach.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Tenants(_), Self::All) => false,
            (Self::Tenants(own), Self::Tenants(theirs)) => own.is_superset(theirs),
        }
    }
}

impl Grants {
    /// Returns where the operator has a permission.
    pub fn reach(&self, permission: Permission) -> Reach {
        Self::joined(self.0.iter().filter(|grant| grant.permissions.contains(permission)))
    }

    /// Returns the same grants with these permissions alone.
    #[must_use]
    pub fn limited_to(self, own: &Permissions) -> Self {
        let limited = |grant: Grant| {
            let permissions = grant.permissions.iter().filter(|one| own.contains(*one)).collect();
            Grant { permissions, ..grant }
        };
        Self(self.0.into_iter().map(limited).collect())
    }

    /// Returns where the operator has any role.
    pub fn visible(&self) -> Reach {
        Self::joined(self.0.iter())
    }

    /// Returns whether the operator has a permission anywhere.
    pub fn have(&self, permission: Permission) -> bool {
        self.0.iter().any(|grant| grant.permissions.contains(permission))
    }

    fn joined<'a>(grants: impl Iterator<Item = &'a Grant>) -> Reach {
        grants.map(|grant| grant.tenant).collect::<Option<_>>().map_or(Reach::All, Reach::Tenants)
    }

    /// Returns the names of the roles, each once.
    pub fn role_names(&self) -> Vec<String> {
        let names: BTreeSet<&str> = self.0.iter().map(|grant| &*grant.role).collect();
        names.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: &str, tenant: Option<i64>) -> Grant {
        let permissions = of_new_register(role).unwrap();
        Grant { role: role.into(), permissions, tenant: tenant.map(TenantNumber), tenant_name: None }
    }

    #[test]
    fn names_are_parsed_and_written() {
        let all: Permissions = <Permission as VariantArray>::VARIANTS.iter().copied().collect();
        assert_eq!(Permissions::parse(&all.text()).unwrap(), all);
        let error = Permissions::parse("people:read people:reed").unwrap_err();
        assert!(error.contains("'people:reed' is no permission") && error.contains("people:read"), "{error}");
    }

    #[test]
    fn a_permission_reaches_the_tenants_of_its_grants() {
        let tenants = |all: &[i64]| Reach::Tenants(all.iter().copied().map(TenantNumber).collect());
        let grants = Grants(vec![grant("viewer", Some(1)), grant("compliance", Some(2))]);
        assert_eq!(grants.reach(PeopleRead), tenants(&[1, 2]));
        assert_eq!(grants.reach(ReviewsDecide), tenants(&[2]));
        assert_eq!(grants.reach(OperatorsManage), tenants(&[]));
        assert!(!grants.have(OperatorsManage));
        let all = Grants(vec![grant("viewer", None), grant("compliance", Some(2))]);
        assert_eq!((all.reach(PeopleRead), all.reach(ReviewsDecide)), (Reach::All, tenants(&[2])));
        assert!(Reach::All.covers(&tenants(&[1])) && !tenants(&[1]).covers(&Reach::All));
        assert!(tenants(&[1, 2]).covers(&tenants(&[2])) && !tenants(&[1]).covers(&tenants(&[1, 2])));
    }

    #[test]
    fn only_administrators_administer() {
        for (role, permissions) in &ROLES {
            let manages = permissions.contains(&OperatorsManage);
            assert_eq!(manages, *role == "administrator", "{role}");
        }
    }
}
