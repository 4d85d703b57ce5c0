//! The requirements for activation that a user does not meet.
//!
//! [`User::unmet_requirements`](super::User::unmet_requirements) decides on activation by this list, so an operator
//! reads the same reasons by which the register decides.

use jiff::civil::Date;
use mifir::{DecisionOutcome, HeldIdentifier, Regime};
use strum::VariantArray as _;

use super::check::{Check, CheckKind, CheckStatus};
use super::obstacle::{CheckState, Obstacle};
use crate::domain::identification::identifier::IdentifierContent;
use crate::domain::identification::reportable_person::ReportablePerson;
use crate::domain::identification::reporting;

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
