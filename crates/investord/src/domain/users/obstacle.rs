//! The obstacles to the status `ACTIVE`: unmet requirements, and decisions that hold a user back.

use std::fmt;

use jiff::Timestamp;
use mifir::{Country, Priority};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::check::CheckKind;
use crate::domain::identification::identifier_standard;

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
        kind: CheckKind,
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
    /// Returns the obstacle for a response of the operator API.
    pub fn view(&self) -> ObstacleView {
        let details = match self {
            Obstacle::IdentifierMissing { country, wanted, next } => ObstacleDetails::IdentifierMissing {
                country: country.to_string(),
                identifier_standard: abbreviation(*country, wanted),
                next: next.map(|next| abbreviation(*country, next)),
            },
            Obstacle::IdentificationOpen { .. } => ObstacleDetails::IdentificationOpen,
            Obstacle::Check { kind, state: CheckState::Missing } => {
                ObstacleDetails::CheckMissing { r#type: *kind }
            }
            Obstacle::Check { kind, state: CheckState::InProgress { id, created_at } } => {
                ObstacleDetails::CheckInProgress { r#type: *kind, id: *id, created_at: *created_at }
            }
            Obstacle::Check { kind, state: CheckState::Failed { id, reason } } => {
                ObstacleDetails::CheckFailed { r#type: *kind, id: *id, check_reason: reason.clone() }
            }
            Obstacle::TaxResidencyMissing => ObstacleDetails::TaxResidencyMissing,
            Obstacle::Deactivated { by } => {
                ObstacleDetails::Deactivated { by: DecisionView::of(by.as_ref()) }
            }
            Obstacle::ActivationDelayed { until } => ObstacleDetails::ActivationDelayed { until: *until },
            Obstacle::Offboarding(Offboarding { not_before, held, held_by, open }) => {
                ObstacleDetails::Offboarding {
                    held_by: DecisionView::of(held_by.as_ref()),
                    not_before: *not_before,
                    held: *held,
                    open_account_groups: open.account_groups.clone(),
                    open_data_changes: open.data_changes.clone(),
                    open_checks: open.checks.clone(),
                }
            }
            Obstacle::Offboarded => ObstacleDetails::Offboarded,
        };
        ObstacleView { details, says: self.to_string() }
    }
}

/// Why a user is not active.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Obstacle")]
pub struct ObstacleView {
    #[serde(flatten)]
    details: ObstacleDetails,
    /// The reason as a sentence.
    says: String,
}

/// The reason for machines, with its details.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
enum ObstacleDetails {
    /// Annex II of RTS 22 asks for this identifier, or for the next one if there is none.
    IdentifierMissing { country: String, identifier_standard: &'static str, next: Option<&'static str> },
    /// A person has to review the identification.
    IdentificationOpen,
    /// There is no such check.
    CheckMissing { r#type: CheckKind },
    /// The check is not decided.
    CheckInProgress { r#type: CheckKind, id: Uuid, created_at: Timestamp },
    /// The check has failed.
    CheckFailed { r#type: CheckKind, id: Uuid, check_reason: Option<String> },
    /// The tax residencies are not set.
    TaxResidencyMissing,
    /// An operator has taken the user out of trading.
    Deactivated {
        #[serde(flatten)]
        by: DecisionView,
    },
    /// An activation is simulated to take until then.
    ActivationDelayed { until: Option<Timestamp> },
    /// The user is leaving, and waits for this.
    Offboarding {
        #[serde(flatten)]
        held_by: DecisionView,
        not_before: Option<Timestamp>,
        held: bool,
        open_account_groups: Vec<Uuid>,
        open_data_changes: Vec<Uuid>,
        open_checks: Vec<Uuid>,
    },
    /// The user has left.
    Offboarded,
}

/// The action of an operator; its members are null if there was none.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OperatorDecision")]
struct DecisionView {
    operator: Option<String>,
    operator_reason: Option<String>,
    at: Option<Timestamp>,
}

impl DecisionView {
    fn of(by: Option<&OperatorDecision>) -> Self {
        Self {
            operator: by.map(|by| by.operator.clone()),
            operator_reason: by.map(|by| by.reason.clone()),
            at: by.map(|by| by.at),
        }
    }
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

#[cfg(test)]
mod tests {
    use jiff::civil::Date;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_reason_is_a_sentence() {
        let (id, at) = (Uuid::nil(), Timestamp::UNIX_EPOCH);
        let country = Country::parse("PL").unwrap();
        let steps = mifir::priorities(country, mifir::Regime::Eu, Date::constant(2026, 11, 21));
        let by =
            || Some(OperatorDecision { operator: "anna".into(), reason: "a court has said so".into(), at });
        let kyc = |state| Obstacle::Check { kind: CheckKind::Kyc, state };
        let open = OpenMatters { account_groups: vec![id], ..OpenMatters::default() };
        for (obstacle, reason, says) in [
            (
                Obstacle::IdentifierMissing { country, wanted: &steps[0], next: steps.get(1) },
                "identifier_missing",
                "an identifier of PL is missing: PESEL (National Identification Number (PESEL)), or PLTN if there is \
                 none",
            ),
            (kyc(CheckState::Missing), "check_missing", "the check KYC is missing"),
            (
                kyc(CheckState::Failed { id, reason: Some("blurred".into()) }),
                "check_failed",
                "the check KYC 00000000-0000-0000-0000-000000000000 has failed: blurred",
            ),
            (
                Obstacle::Deactivated { by: by() },
                "deactivated",
                "deactivated by anna on 1970-01-01T00:00:00Z: a court has said so",
            ),
            (
                Obstacle::Offboarding(Offboarding { held: true, held_by: by(), ..Offboarding::default() }),
                "offboarding",
                "the user is leaving; waits for an operator to release it (held by anna on 1970-01-01T00:00:00Z: a \
                 court has said so)",
            ),
            (
                Obstacle::Offboarding(Offboarding { open, not_before: Some(at), ..Offboarding::default() }),
                "offboarding",
                "the user is leaving; waits for 1970-01-01T00:00:00Z, the open account group \
                 00000000-0000-0000-0000-000000000000",
            ),
        ] {
            let view = json!(obstacle.view());
            assert_eq!((&view["says"], &view["reason"]), (&json!(says), &json!(reason)));
        }
    }
}
