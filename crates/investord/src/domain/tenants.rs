//! The number and the settings of a tenant.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use mifir::Regime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::suggest::did_you_mean;

/// The number of a tenant, by which each row of the tenant is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantNumber(pub i64);

impl fmt::Display for TenantNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The settings of one tenant, in the form of a tenants file, of `investord tenant set` and of the store.
///
/// An unknown key is refused everywhere; a missing one has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, and the form of a tenants file"
)]
pub struct TenantSettings {
    /// BYOL or TOL.
    pub model: OperatingModel,
    /// Whether signatures without nonce or with less than the documented components are refused.
    // Decision W21.
    pub strict_signatures: bool,
    /// Whether an access token counts only with signatures of the key that signed the request for it.
    pub key_bound_tokens: bool,
    /// The treatment of unknown members of a request.
    pub unknown_members: UnknownMembers,
    /// The requirements for activation.
    pub activation_requires: ActivationRequires,
    /// The extent of the checks of identifiers.
    // Decision I2.
    pub identifier_checks: IdentifierChecks,
    /// The copy of RTS 22 under which the tenant reports.
    pub regime: RegimeSetting,
    /// The way in which data changes and checks with proof are decided.
    pub review_policy: ReviewPolicy,
    /// The treatment of proofs that are too old or have expired.
    pub proof_validity: ProofValidity,
    /// Whether a decision counts only when a second operator confirms it.
    pub four_eyes: bool,
    /// Whether a deactivation counts only when a second operator confirms it.
    pub deactivation_takes_two: bool,
    /// Minimum duration of an offboarding, in seconds.
    pub offboarding_delay_seconds: u32,
    /// Further conditions for the end of an offboarding.
    pub offboarding_waits_for: Vec<OffboardingWaitsFor>,
}

/// The holder of the licence, who decides on the required members of a create request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum OperatingModel {
    /// The tenant is the regulated firm and does the know-your-customer work itself.
    #[default]
    Byol,
    /// The tenant works under the register's licence, which therefore keeps the evidence.
    Tol,
}

/// The treatment of members that a schema does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnknownMembers {
    #[default]
    Refuse,
    Ignore,
}

/// The requirements that a user has to meet before trading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ActivationRequires(Vec<Requirement>);

/// A requirement for activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// The identifier that Annex II of RTS 22 asks for.
    Identifiers,
    /// Passed checks of each kind.
    Checks,
    /// Tax residencies.
    TaxResidency,
}

impl Default for ActivationRequires {
    fn default() -> Self {
        Self(vec![Requirement::Identifiers])
    }
}

impl ActivationRequires {
    /// Returns whether a requirement is among them.
    pub fn has(&self, requirement: Requirement) -> bool {
        self.0.contains(&requirement)
    }

    /// Returns the requirements, in the order of the setting.
    pub fn iter(&self) -> impl Iterator<Item = Requirement> {
        self.0.iter().copied()
    }
}

/// The extent of the checks of an identifier before it is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdentifierChecks {
    /// Only a wrong form is refused; other faults become findings.
    #[default]
    Format,
    /// Hard faults and another birth date are refused as well.
    Strict,
}

/// The copy of RTS 22 under which the tenant reports: `EU` or `UK`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// The way in which a data change or a check with proof is decided (TOL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReviewPolicy {
    /// The register decides automatically.
    #[default]
    Auto,
    /// An operator reviews it.
    Review,
    /// The client orders simulated outcomes, for test tenants.
    Simulate,
}

/// The treatment of a check whose proof is too old or has expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProofValidity {
    /// The check can pass.
    #[default]
    Ignore,
    /// The check fails.
    Enforce,
}

/// A condition for the end of an offboarding, beside the closing of all accounts of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OffboardingWaitsFor {
    /// The end of the calendar year (UTC), whose tax statement is still to be made.
    YearEnd,
    /// An operator, who releases or finishes it.
    Operator,
}

impl TenantSettings {
    /// Returns whether an operator reviews data changes and checks with proof.
    pub fn requires_review(&self) -> bool {
        self.model == OperatingModel::Tol && self.review_policy == ReviewPolicy::Review
    }

    /// Returns whether a client can order simulated outcomes.
    pub fn simulates(&self) -> bool {
        self.review_policy == ReviewPolicy::Simulate
    }

    /// Returns whether a proof is bad by a simulated outcome: its address ends with `/fail.zip`.
    pub fn simulates_bad_proof(&self, data_download_link: Option<&str>) -> bool {
        self.simulates() && data_download_link.is_some_and(|link| link.ends_with("/fail.zip"))
    }

    /// Returns the first instant at which an offboarding that begins now may end.
    pub fn earliest_offboarding(&self, now: Timestamp) -> Timestamp {
        let delay = SignedDuration::from_secs(self.offboarding_delay_seconds.into());
        let delayed = now.saturating_add(delay).unwrap_or(Timestamp::MAX);
        let waits_for_year = self.offboarding_waits_for.contains(&OffboardingWaitsFor::YearEnd);
        let year_end = || {
            let next_year = TimeZone::UTC.to_datetime(now).year().checked_add(1)?;
            Date::new(next_year, 1, 1).ok()?.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp())
        };
        delayed.max(waits_for_year.then(year_end).flatten().unwrap_or(delayed))
    }

    /// Returns these settings with one of them changed; `value` has the form of a tenants file.
    ///
    /// # Errors
    /// Fails with a message that names the key or its possible values.
    pub fn with(&self, key: &str, value: Value) -> Result<Self, String> {
        let Some((_, form)) = FORMS.iter().find(|(known, _)| *known == key) else {
            let known = || FORMS.iter().map(|(known, _)| *known);
            let (meant, all) = (did_you_mean(key, known()), known().collect::<Vec<_>>().join(", "));
            return Err(format!("there is no setting '{key}'{meant}; there are {all}"));
        };
        form.check(&value).map_err(|reason| format!("{key}: {reason}"))?;
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        all[key] = value;
        serde_json::from_value(all).map_err(|error| format!("{key}: {error}"))
    }
}

/// The form of the value of a setting.
enum Form {
    Flag,
    Seconds,
    Word(&'static [&'static str]),
    Words(&'static [&'static str]),
}

/// The form of every setting, so that a wrong value gets a better message than that of the deserializer.
const FORMS: &[(&str, Form)] = &[
    ("model", Form::Word(&["BYOL", "TOL"])),
    ("strict_signatures", Form::Flag),
    ("key_bound_tokens", Form::Flag),
    ("unknown_members", Form::Word(&["refuse", "ignore"])),
    ("activation_requires", Form::Words(&["identifiers", "checks", "tax_residency"])),
    ("identifier_checks", Form::Word(&["format", "strict"])),
    ("regime", Form::Word(&["EU", "UK"])),
    ("review_policy", Form::Word(&["auto", "review", "simulate"])),
    ("proof_validity", Form::Word(&["ignore", "enforce"])),
    ("four_eyes", Form::Flag),
    ("deactivation_takes_two", Form::Flag),
    ("offboarding_delay_seconds", Form::Seconds),
    ("offboarding_waits_for", Form::Words(&["year_end", "operator"])),
];

impl Form {
    /// Checks the form of a value. Fails with the defect, in words.
    fn check(&self, value: &Value) -> Result<(), String> {
        match (self, value) {
            (Form::Flag, Value::Bool(_)) => Ok(()),
            (Form::Flag, _) => Err(format!("must be true or false, not {value}")),
            (Form::Seconds, value)
                if value.as_u64().is_some_and(|seconds| u32::try_from(seconds).is_ok()) =>
            {
                Ok(())
            }
            (Form::Seconds, _) => {
                Err(format!("must be a whole number of seconds, from 0 to {}, not {value}", u32::MAX))
            }
            (Form::Word(known), value) => one_of(known, value),
            (Form::Words(known), Value::Array(words)) => words
                .iter()
                .try_for_each(|word| one_of(known, word))
                .map_err(|reason| format!("each {reason}")),
            (Form::Words(known), _) => {
                Err(format!("must be a list, as in [\"{}\"]; there are {}", known[0], known.join(", ")))
            }
        }
    }
}

/// Checks that a value is one of the known words.
fn one_of(known: &[&str], value: &Value) -> Result<(), String> {
    let word = value.as_str();
    if word.is_some_and(|word| known.contains(&word)) {
        return Ok(());
    }
    let told = word.map(|word| format!(", not '{word}'{}", did_you_mean(word, known.iter().copied())));
    Err(format!("must be one of {}{}", known.join(", "), told.unwrap_or_default()))
}

/// The scopes that a client can have: the union of all described versions of the API.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_forms_are_those_of_the_settings() {
        let settings = serde_json::to_value(TenantSettings::default()).unwrap();
        let names: Vec<&str> = settings.as_object().unwrap().keys().map(String::as_str).collect();
        let known: Vec<&str> = FORMS.iter().map(|(name, _)| *name).collect();
        assert_eq!(known, names);
        for (name, form) in FORMS {
            let good = match form {
                Form::Flag => vec![json!(true), json!(false)],
                Form::Seconds => vec![json!(0), json!(u32::MAX)],
                Form::Word(words) => words.iter().map(|word| json!(word)).collect(),
                Form::Words(words) => vec![json!([]), json!(words)],
            };
            for value in good {
                let set = TenantSettings::default().with(name, value.clone()).unwrap();
                assert_eq!(serde_json::to_value(set).unwrap()[*name], value, "{name}");
            }
        }
    }

    #[test]
    fn refusals_are_in_words_and_name_what_was_meant() {
        for (key, value, says) in [
            ("modle", json!("TOL"), "there is no setting 'modle'; did you mean 'model'?; there are model, "),
            ("model", json!("BYO"), "model: must be one of BYOL, TOL, not 'BYO'; did you mean 'BYOL'?"),
            ("model", json!(1), "model: must be one of BYOL, TOL"),
            ("four_eyes", json!("yes"), "four_eyes: must be true or false"),
            (
                "offboarding_delay_seconds",
                json!(-1),
                "offboarding_delay_seconds: must be a whole number of seconds",
            ),
            (
                "offboarding_delay_seconds",
                json!(1.5),
                "offboarding_delay_seconds: must be a whole number of seconds",
            ),
            (
                "activation_requires",
                json!("checks"),
                "activation_requires: must be a list, as in [\"identifiers\"]",
            ),
            (
                "activation_requires",
                json!(["check"]),
                "activation_requires: each must be one of identifiers, checks, \
             tax_residency, not 'check'; did you mean 'checks'?",
            ),
        ] {
            let refusal = TenantSettings::default().with(key, value).unwrap_err();
            assert!(refusal.starts_with(says), "{refusal}");
        }
    }
}
