//! Obstacles to activation: unmet requirements, and decisions that hold a user back.
//!
//! [`User::unmet_requirements`](super::User::unmet_requirements) decides on activation by this list, so an operator
//! reads the same reasons by which the register decides.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use mifir::{Country, DecisionOutcome, HeldIdentifier, Priority, Regime};
use serde_json::{Value, json};
use strum::VariantArray as _;
use uuid::Uuid;

use super::check::{self, Check, CheckKind, CheckStatus};
use crate::domain::identification::identifier::IdentifierContent;
use crate::domain::identification::reportable_person::ReportablePerson;
use crate::domain::identification::{identifier_standard, reporting};

/// A reason for which a user is not active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Annex II requires this identifier; `next` is the next priority if the person has none.
    IdentifierMissing {
        country: Country,
        wanted: &'static Priority,
        next: Option<&'static Priority>,
    },
    /// A person has to review the identification of the user.
    IdentificationOpen {
        review: String,
    },
    /// A required check has not passed.
    Check {
        kind: check::CheckKind,
        state: CheckState,
    },
    /// The tax residencies are required and not set.
    TaxResidencyMissing,
    /// An operator has taken the user out of trading. `by` is `None` if the event of the action is not found.
    Deactivated {
        by: Option<OperatorDecision>,
    },
    /// A simulated delay, ordered under `review_policy = "simulate"`.
    ActivationDelayed {
        until: Option<Timestamp>,
    },
    Offboarding(Offboarding),
    Offboarded,
}

/// The state of a required check that has not passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckState {
    Missing,
    InProgress { id: Uuid, created_at: Timestamp },
    Failed { id: Uuid, reason: Option<String> },
}

/// An action of an operator, as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorDecision {
    pub operator: String,
    pub reason: String,
    pub at: Timestamp,
}

/// The conditions for which an offboarding still waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offboarding {
    /// The first instant at which it may end.
    pub not_before: Option<Timestamp>,
    /// Whether it continues only when an operator releases or finishes it.
    pub held: bool,
    /// The operator who keeps it waiting; `None` if the tenant's settings do.
    pub held_by: Option<OperatorDecision>,
    /// The open matters of the user.
    pub open: OpenMatters,
}

/// The matters that have to end before a user has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenMatters {
    pub account_groups: Vec<Uuid>,
    pub data_changes: Vec<Uuid>,
    pub checks: Vec<Uuid>,
}

impl OpenMatters {
    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.account_groups.is_empty() && self.data_changes.is_empty() && self.checks.is_empty()
    }
}

impl Obstacle {
    /// Returns the name of the reason, for machines.
    pub const fn name(&self) -> &'static str {
        match self {
            Obstacle::IdentifierMissing { .. } => "identifier_missing",
            Obstacle::IdentificationOpen { .. } => "identification_open",
            Obstacle::Check { state: CheckState::Missing, .. } => "check_missing",
            Obstacle::Check { state: CheckState::InProgress { .. }, .. } => "check_in_progress",
            Obstacle::Check { state: CheckState::Failed { .. }, .. } => "check_failed",
            Obstacle::TaxResidencyMissing => "tax_residency_missing",
            Obstacle::Deactivated { .. } => "deactivated",
            Obstacle::ActivationDelayed { .. } => "activation_delayed",
            Obstacle::Offboarding(_) => "offboarding",
            Obstacle::Offboarded => "offboarded",
        }
    }

    /// Returns the reason for a response of the operator API: its name, its details, and a sentence.
    pub fn view(&self) -> Value {
        let mut view = match self {
            Obstacle::IdentifierMissing { country, wanted, next } => json!({
                "country": country.as_str(),
                "identifier_standard": abbreviation(*country, wanted),
                "next": next.map(|next| abbreviation(*country, next)),
            }),
            Obstacle::Check { kind, state: CheckState::Missing } => json!({ "type": kind.into_str() }),
            Obstacle::Check { kind, state: CheckState::InProgress { id, created_at } } => {
                json!({ "type": kind.into_str(), "id": id, "created_at": created_at })
            }
            Obstacle::Check { kind, state: CheckState::Failed { id, reason } } => {
                json!({ "type": kind.into_str(), "id": id, "check_reason": reason })
            }
            Obstacle::Deactivated { by } => decision(by.as_ref()),
            Obstacle::ActivationDelayed { until } => json!({ "until": until }),
            Obstacle::Offboarding(Offboarding { not_before, held, held_by, open }) => {
                let mut view = decision(held_by.as_ref());
                (view["not_before"], view["held"]) = (json!(not_before), json!(held));
                view["open_account_groups"] = json!(open.account_groups);
                view["open_data_changes"] = json!(open.data_changes);
                view["open_checks"] = json!(open.checks);
                view
            }
            Obstacle::IdentificationOpen { .. } | Obstacle::TaxResidencyMissing | Obstacle::Offboarded => {
                json!({})
            }
        };
        view["reason"] = json!(self.name());
        view["says"] = json!(self.to_string());
        view
    }
}

/// Returns the members about the action of an operator.
fn decision(by: Option<&OperatorDecision>) -> Value {
    json!({
        "operator": by.map(|by| &by.operator),
        "operator_reason": by.map(|by| &by.reason),
        "at": by.map(|by| by.at),
    })
}

/// Returns the vendor's abbreviation of a priority.
fn abbreviation(country: Country, step: &Priority) -> &'static str {
    identifier_standard::of_key(country, step.standard)
        .map_or(step.standard.as_str(), |standard| &standard.abbreviation)
}

/// Writes the reason as a sentence, for an operator.
impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::IdentifierMissing { country, wanted, next } => {
                write!(f, "an identifier of {country} is missing: {}", abbreviation(*country, wanted))?;
                if !wanted.national_name.is_empty() {
                    write!(f, " ({})", wanted.national_name)?;
                }
                match next {
                    Some(next) => write!(f, ", or {} if there is none", abbreviation(*country, next)),
                    None => Ok(()),
                }
            }
            Obstacle::IdentificationOpen { review } => write!(f, "the identification is open: {review}"),
            Obstacle::Check { kind, state } => {
                write!(f, "the check {} ", kind.into_str())?;
                match state {
                    CheckState::Missing => f.write_str("is missing"),
                    CheckState::InProgress { id, created_at } => {
                        write!(f, "{id} of {created_at} is not decided")
                    }
                    CheckState::Failed { id, reason } => {
                        let reason = reason.as_deref().unwrap_or("no reason is kept");
                        write!(f, "{id} has failed: {reason}")
                    }
                }
            }
            Obstacle::TaxResidencyMissing => f.write_str("the tax residencies are missing"),
            Obstacle::Deactivated { by: Some(by) } => write!(f, "deactivated {by}"),
            Obstacle::Deactivated { by: None } => f.write_str("deactivated by an operator"),
            Obstacle::ActivationDelayed { until: Some(until) } => {
                write!(f, "a simulated activation takes until {until}")
            }
            Obstacle::ActivationDelayed { until: None } => f.write_str("a simulated activation is held back"),
            Obstacle::Offboarding(offboarding) => offboarding.fmt(f),
            Obstacle::Offboarded => f.write_str("the user has left"),
        }
    }
}

impl fmt::Display for OperatorDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by {} on {}: {}", self.operator, self.at, self.reason)
    }
}

impl fmt::Display for Offboarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut waits = Vec::new();
        match (&self.held_by, self.held) {
            (Some(by), true) => waits.push(format!("an operator to release it (held {by})")),
            (None, true) => waits.push("an operator to release it (offboarding_waits_for)".to_owned()),
            (_, false) => {}
        }
        waits.extend(self.not_before.map(|at| at.to_string()));
        for (what, ids) in [
            ("account group", &self.open.account_groups),
            ("data change", &self.open.data_changes),
            ("check", &self.open.checks),
        ] {
            waits.extend(ids.iter().map(|id| format!("the open {what} {id}")));
        }
        if waits.is_empty() {
            return f.write_str("the user is leaving; nothing is waited for");
        }
        write!(f, "the user is leaving; waits for {}", waits.join(", "))
    }
}

/// Returns the obstacle to a report on a day, if there is one. Findings about the identifiers do not count here: under
/// `identifier_checks = "format"` an impossible number activates a user, because the vendor's own examples need it
/// (decision I2), but it is not reported for any user ([`Report`], decision I10).
pub fn unmet_identification<'a>(
    identity: &ReportablePerson,
    identifiers: impl IntoIterator<Item = &'a IdentifierContent>,
    regime: Regime,
    today: Date,
) -> Option<Obstacle> {
    let held: Vec<HeldIdentifier<'_>> = identifiers.into_iter().map(IdentifierContent::as_held).collect();
    match reporting::decide(identity, &held, regime, today).outcome {
        DecisionOutcome::Ready(_) => None,
        DecisionOutcome::Missing { country, wanted, next } => {
            Some(Obstacle::IdentifierMissing { country, wanted, next })
        }
        DecisionOutcome::NeedsReview(review) => {
            Some(Obstacle::IdentificationOpen { review: review.to_string() })
        }
    }
}

/// Lists the checks required for activation that have not passed; of each kind the last decided one counts. A check of
/// identity that confirms the address replaces one of residence.
pub fn unmet_checks(all: &[Check]) -> Vec<Obstacle> {
    let last = |kind: CheckKind| {
        let decided =
            all.iter().filter(|one| one.content.kind == kind && one.status != CheckStatus::InProgress);
        decided.max_by_key(|one| one.created_at)
    };
    let passed = |kind: CheckKind| last(kind).filter(|one| one.status == CheckStatus::Passed);
    let confirms = |kyc: &Check| kyc.content.members.contains_key("confirmed_address");
    let confirmed = passed(CheckKind::Kyc).is_some_and(confirms);
    let lacking = CheckKind::VARIANTS.iter().copied().filter(|kind| passed(*kind).is_none());
    let lacking = lacking.filter(|kind| *kind != CheckKind::Por || !confirmed);
    // An open check comes before a failed one, because it is the one that can still pass.
    let state = |kind: CheckKind| {
        let mut open =
            all.iter().filter(|one| one.content.kind == kind && one.status == CheckStatus::InProgress);
        match (open.next(), last(kind)) {
            (Some(Check { id, created_at, .. }), _) => {
                CheckState::InProgress { id: *id, created_at: *created_at }
            }
            (None, Some(Check { id, content, .. })) => {
                CheckState::Failed { id: *id, reason: content.reason.clone() }
            }
            (None, None) => CheckState::Missing,
        }
    };
    lacking.map(|kind| Obstacle::Check { kind, state: state(kind) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_a_sentence() {
        let (id, at) = (Uuid::nil(), Timestamp::UNIX_EPOCH);
        let country = Country::parse("PL").unwrap();
        let steps = mifir::priorities(country, mifir::Regime::Eu, Date::constant(2026, 11, 21));
        let by =
            || Some(OperatorDecision { operator: "anna".into(), reason: "a court has said so".into(), at });
        let kyc = |state| Obstacle::Check { kind: check::CheckKind::Kyc, state };
        let open = OpenMatters { account_groups: vec![id], ..OpenMatters::default() };
        for (obstacle, says) in [
            (
                Obstacle::IdentifierMissing { country, wanted: &steps[0], next: steps.get(1) },
                "an identifier of PL is missing: PESEL (National Identification Number (PESEL)), or PLTN if there is \
                 none",
            ),
            (kyc(CheckState::Missing), "the check KYC is missing"),
            (
                kyc(CheckState::Failed { id, reason: Some("blurred".into()) }),
                "the check KYC 00000000-0000-0000-0000-000000000000 has failed: blurred",
            ),
            (
                Obstacle::Deactivated { by: by() },
                "deactivated by anna on 1970-01-01T00:00:00Z: a court has said so",
            ),
            (
                Obstacle::Offboarding(Offboarding { held: true, held_by: by(), ..Offboarding::default() }),
                "the user is leaving; waits for an operator to release it (held by anna on 1970-01-01T00:00:00Z: a \
                 court has said so)",
            ),
            (
                Obstacle::Offboarding(Offboarding { open, not_before: Some(at), ..Offboarding::default() }),
                "the user is leaving; waits for 1970-01-01T00:00:00Z, the open account group \
                 00000000-0000-0000-0000-000000000000",
            ),
        ] {
            let view = obstacle.view();
            assert_eq!((&view["says"], &view["reason"]), (&json!(says), &json!(obstacle.name())));
        }
    }
}
