//! A tenant's settings: the switches that `decisions` leave to each broker.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use mifir::Regime;
use serde::{Deserialize, Serialize};

/// Settings of one tenant, as they stand in a tenants file, in `investord tenant set` and in the store.
///
/// An unknown key is refused everywhere; a missing one has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub model: Model,
    /// Refuse signatures without nonce or with less than the documented components.
    pub strict_signatures: bool,
    pub unknown_members: UnknownMembers,
    pub activation_requires: ActivationRequires,
    pub identifier_checks: IdentifierChecks,
    pub regime: RegimeSetting,
    pub review_policy: ReviewPolicy,
    pub proof_validity: ProofValidity,
    /// Whether a decision counts when a second operator confirms it.
    pub four_eyes: bool,
    /// How long an offboarding takes at least.
    pub offboarding_delay_seconds: u32,
    pub offboarding_waits_for: Vec<OffboardingWaitsFor>,
}

/// Who holds the licence: decides which members a create request must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Model {
    /// The tenant is the regulated firm and does the know-your-customer work itself.
    #[default]
    Byol,
    /// The tenant works under the register's licence, which therefore keeps the evidence.
    Tol,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownMembers {
    #[default]
    Refuse,
    Ignore,
}

/// What has to be there before a user may trade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActivationRequires(Vec<Requirement>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    Identifiers,
    Checks,
    TaxResidency,
}

impl Default for ActivationRequires {
    fn default() -> Self {
        Self(vec![Requirement::Identifiers])
    }
}

impl ActivationRequires {
    /// Whether this is among what is required.
    pub fn has(&self, requirement: Requirement) -> bool {
        self.0.contains(&requirement)
    }

    /// Whether all that is required is fulfilled.
    pub fn are_met(&self, is_fulfilled: impl Fn(Requirement) -> bool) -> bool {
        self.0.iter().all(|requirement| is_fulfilled(*requirement))
    }
}

/// How much of an identifier is checked before it is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentifierChecks {
    #[default]
    Format,
    Strict,
}

/// `EU` or `UK`: under which copy of RTS 22 the tenant reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RegimeSetting {
    #[default]
    Eu,
    Uk,
}

impl From<RegimeSetting> for Regime {
    fn from(setting: RegimeSetting) -> Self {
        match setting {
            RegimeSetting::Eu => Regime::Eu,
            RegimeSetting::Uk => Regime::Uk,
        }
    }
}

/// Who decides a data change or a check that comes with proof (TOL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReviewPolicy {
    #[default]
    Auto,
    Review,
    Simulate,
}

/// Whether a check fails whose proof is too old or has expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProofValidity {
    #[default]
    Ignore,
    Enforce,
}

/// What has to come before a user has left, beside the closing of all that is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffboardingWaitsFor {
    /// The end of the calendar year (UTC), whose tax statement is still to be made.
    YearEnd,
    /// An operator, who releases or finishes it.
    Operator,
}

impl Settings {
    /// Whether somebody looks at what comes with proof.
    pub fn somebody_reviews(&self) -> bool {
        self.model == Model::Tol && self.review_policy == ReviewPolicy::Review
    }

    /// Whether what happens can be ordered beforehand.
    pub fn simulates(&self) -> bool {
        self.review_policy == ReviewPolicy::Simulate
    }

    /// Whether a proof is bad because a tenant for tests has asked for that: its address ends with `/fail.zip`.
    pub fn takes_for_bad(&self, data_download_link: Option<&str>) -> bool {
        self.simulates() && data_download_link.is_some_and(|link| link.ends_with("/fail.zip"))
    }

    /// The first instant at which an offboarding that begins now may end.
    pub fn offboarded_not_before(&self, now: Timestamp) -> Timestamp {
        let delay = SignedDuration::from_secs(self.offboarding_delay_seconds.into());
        let delayed = now.saturating_add(delay).unwrap_or(Timestamp::MAX);
        let waits_for_year = self.offboarding_waits_for.contains(&OffboardingWaitsFor::YearEnd);
        let year_end = || {
            let next_year = TimeZone::UTC.to_datetime(now).year().checked_add(1)?;
            Date::new(next_year, 1, 1).ok()?.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp())
        };
        delayed.max(waits_for_year.then(year_end).flatten().unwrap_or(delayed))
    }

    /// These settings with one of them changed; `value` as it would stand in a tenants file.
    ///
    /// The error names the key or the values it can have.
    pub fn with(&self, key: &str, value: serde_json::Value) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        match all.get_mut(key) {
            Some(slot) => *slot = value,
            None => {
                let known: Vec<&str> =
                    all.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
                return Err(format!("there is no setting '{key}'; there are {}", known.join(", ")));
            }
        }
        serde_json::from_value(all).map_err(|error| format!("{key}: {error}"))
    }
}

/// Scopes that a client can be given: the union of all described versions of the API.
pub const SCOPES: &[&str] = &[
    "account_liquidations:admin",
    "account_liquidations:read",
    "account_returns:read",
    "account_transfers:admin",
    "account_transfers:read",
    "accounts:admin",
    "accounts:read",
    "businesses:admin",
    "businesses:read",
    "cash_balance_transfers:admin",
    "cash_balance_transfers:read",
    "cash_credits:admin",
    "cash_credits:read",
    "checks:admin",
    "checks:read",
    "corporate_actions:admin",
    "credit_fundings:read",
    "fees:admin",
    "fees:read",
    "files:read",
    "instruments:read",
    "isa_transfers:admin",
    "mandates:admin",
    "mandates:read",
    "orders:admin",
    "orders:read",
    "payments:admin",
    "payments:read",
    "portfolios:admin",
    "portfolios:read",
    "positions:read",
    "positions_performance:read",
    "prices:read",
    "reference_accounts:admin",
    "reference_accounts:read",
    "reports:admin",
    "reports:read",
    "roles:admin",
    "roles:read",
    "savings_plans:admin",
    "savings_plans:read",
    "securities_transfers:admin",
    "securities_transfers:read",
    "taxes:admin",
    "taxes:read",
    "tests:admin",
    "topups:admin",
    "topups:read",
    "transaction_fees:admin",
    "transaction_fees:read",
    "transactions:read",
    "users:admin",
    "users:read",
    "valuations:read",
    "virtual_cash_balances:admin",
    "webhooks:admin",
    "webhooks:read",
];
