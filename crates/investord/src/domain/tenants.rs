//! The settings of a tenant.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use mifir::Regime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::suggest::did_you_mean;

/// Settings of one tenant, as they stand in a tenants file, in `investord tenant set` and in the store.
///
/// An unknown key is refused everywhere; a missing one has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantSettings {
    pub model: OperatingModel,
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
pub enum OperatingModel {
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

    /// Returns what is required, in the order of the setting.
    pub fn iter(&self) -> impl Iterator<Item = Requirement> {
        self.0.iter().copied()
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

impl TenantSettings {
    /// Whether somebody looks at what comes with proof.
    pub fn somebody_reviews(&self) -> bool {
        self.model == OperatingModel::Tol && self.review_policy == ReviewPolicy::Review
    }

    /// Whether what happens can be ordered beforehand.
    pub fn simulates(&self) -> bool {
        self.review_policy == ReviewPolicy::Simulate
    }

    /// Whether a proof is bad because a tenant for tests has asked for that: its address ends with `/fail.zip`.
    pub fn simulates_bad_proof(&self, data_download_link: Option<&str>) -> bool {
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

/// What the value of a setting looks like.
enum Form {
    Flag,
    Seconds,
    Word(&'static [&'static str]),
    Words(&'static [&'static str]),
}

/// The form of every setting.
const FORMS: &[(&str, Form)] = &[
    ("model", Form::Word(&["BYOL", "TOL"])),
    ("strict_signatures", Form::Flag),
    ("unknown_members", Form::Word(&["refuse", "ignore"])),
    ("activation_requires", Form::Words(&["identifiers", "checks", "tax_residency"])),
    ("identifier_checks", Form::Word(&["format", "strict"])),
    ("regime", Form::Word(&["EU", "UK"])),
    ("review_policy", Form::Word(&["auto", "review", "simulate"])),
    ("proof_validity", Form::Word(&["ignore", "enforce"])),
    ("four_eyes", Form::Flag),
    ("offboarding_delay_seconds", Form::Seconds),
    ("offboarding_waits_for", Form::Words(&["year_end", "operator"])),
];

impl Form {
    /// Says what is wrong with a value, in words.
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

fn one_of(known: &[&str], value: &Value) -> Result<(), String> {
    let word = value.as_str();
    if word.is_some_and(|word| known.contains(&word)) {
        return Ok(());
    }
    let told = word.map(|word| format!(", not '{word}'{}", did_you_mean(word, known.iter().copied())));
    Err(format!("must be one of {}{}", known.join(", "), told.unwrap_or_default()))
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
