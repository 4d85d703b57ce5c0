//! The reporting answer: the identifier that names a person in a transaction report, and why.

use jiff::civil::Date;
use mifir::{
    Auth016Person, Country, Decision, DecisionOutcome, Designation, HeldIdentifier, OtherIdentifiers, Regime,
    RulesVersion, StandardKey,
};
use serde::Serialize;
use uuid::Uuid;

use super::finding::{Finding, HARD};
use super::identifier::{Identifier, IdentifierContent};
use super::identifier_standard;
use super::identifier_standard::IdentifierKind;
use super::reportable_person::ReportablePerson;

/// Decides on the designation of a person by the rules of a day. Further identifiers of the person are unknown, so the
/// register asks for the first priority.
pub(in crate::domain) fn decide<'a>(
    identity: &'a ReportablePerson,
    held: &[HeldIdentifier<'a>],
    regime: Regime,
    today: Date,
) -> Decision<'a> {
    mifir::decide(identity.person(), held, OtherIdentifiers::Unknown, regime, today)
}

/// The reporting response. Members that do not apply are `null`.
///
/// It is never `READY` with an identifier that cannot be right (decision I10).
#[derive(Debug, Serialize)]
pub struct Report {
    /// The day of the response.
    pub as_of: Date,
    /// `EU` or `UK`: the copy of RTS 22.
    pub regime: &'static str,
    /// The version and digest of the rule tables.
    pub rules: RulesVersion,
    /// `READY`, `MISSING` or `NEEDS_REVIEW`.
    pub outcome: &'static str,
    /// The leading nationality, whatever the outcome.
    #[serde(skip)]
    pub leading: Option<Country>,
    pub designation: Option<ReportedDesignation>,
    pub missing: Option<MissingIdentifier>,
    /// The reason for a review by a person.
    pub review: Option<String>,
    /// The explanation of the outcome, in the order of the decision.
    pub reasons: Vec<ReviewReason>,
    /// All identifiers of the person, with their findings.
    pub identifiers: Vec<ExaminedIdentifier>,
    /// The element `Prsn` of ISO 20022 auth.016.
    pub auth016: Option<String>,
}

/// The designation of the person.
#[derive(Debug, Serialize)]
pub struct ReportedDesignation {
    pub country: String,
    /// The number of the priority in the row of Annex II, from 1.
    pub priority: usize,
    #[serde(flatten)]
    pub step: ReportedPriority,
    /// The reported form: country code and identifier.
    pub identifier: String,
}

/// A priority of a row of Annex II.
#[derive(Debug, Serialize)]
pub struct ReportedPriority {
    pub identifier_standard: String,
    /// The label in the report.
    pub scheme: &'static str,
    /// The name in Annex II; empty for CONCAT.
    pub name: &'static str,
}

impl ReportedPriority {
    /// Makes it from a priority, with the vendor's abbreviation of the standard.
    fn of(country: Country, step: &mifir::Priority) -> Self {
        let name =
            identifier_standard::of_key(country, step.standard).map(|standard| &standard.abbreviation[..]);
        let identifier_standard = name.unwrap_or(step.standard.as_str()).to_owned();
        Self { identifier_standard, scheme: step.scheme.as_str(), name: step.national_name }
    }
}

/// The identifier to ask the person for.
#[derive(Debug, Serialize)]
pub struct MissingIdentifier {
    pub country: String,
    #[serde(flatten)]
    pub wanted: ReportedPriority,
    /// The identifier to ask for next if the person has none.
    pub next: Option<ReportedPriority>,
}

/// A reason in the explanation of the outcome.
#[derive(Debug, Serialize)]
pub struct ReviewReason {
    pub text: String,
    /// Whether the rules leave the point open, so that this reason is a choice.
    pub open: bool,
}

/// An identifier and its findings.
#[derive(Debug, Serialize)]
pub struct ExaminedIdentifier {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    pub r#type: IdentifierKind,
    pub issuing_country: String,
    pub identifier_standard: String,
    pub identifier: String,
    pub reported: String,
    /// The findings on the day of the response.
    pub faults: Vec<Finding>,
    /// Other users who have the same number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared_with: Vec<Uuid>,
}

impl Report {
    /// Makes the response for a user of the register.
    pub fn of_user(
        identity: &ReportablePerson,
        identifiers: &[Identifier],
        regime: Regime,
        today: Date,
    ) -> Self {
        let identifiers = identifiers.iter().map(|one| (Some(one.id), &one.content));
        Self::of(identity, &identifiers.collect::<Vec<_>>(), regime, today)
    }

    /// Makes the response for any person.
    pub fn of_person(
        identity: &ReportablePerson,
        contents: &[IdentifierContent],
        regime: Regime,
        today: Date,
    ) -> Self {
        let contents = contents.iter().map(|content| (None, content));
        Self::of(identity, &contents.collect::<Vec<_>>(), regime, today)
    }

    /// Makes the response; the id of an identifier is present if it is stored.
    fn of(
        identity: &ReportablePerson,
        held: &[(Option<Uuid>, &IdentifierContent)],
        regime: Regime,
        today: Date,
    ) -> Self {
        let values: Vec<HeldIdentifier<'_>> = held.iter().map(|(_, content)| content.as_held()).collect();
        let Decision { outcome, reasons, rules, .. } = decide(identity, &values, regime, today);
        let reason = |reason: mifir::DecisionReason<'_>| ReviewReason {
            text: reason.to_string(),
            open: reason.is_open(),
        };
        let examined = |(id, content): &(Option<Uuid>, &IdentifierContent)| ExaminedIdentifier {
            id: *id,
            r#type: content.kind,
            issuing_country: content.country.to_string(),
            identifier_standard: content.abbreviation().to_owned(),
            identifier: content.identifier.clone(),
            reported: content.reported.clone(),
            faults: content.current_findings(identity, regime, today),
            shared_with: Vec::new(),
        };
        let mut report = Self {
            as_of: today,
            regime: regime.as_str(),
            rules,
            outcome: "READY",
            leading: mifir::leading(&identity.nationalities, regime, today).map(|leading| leading.country),
            designation: None,
            missing: None,
            review: None,
            reasons: reasons.into_iter().map(reason).collect(),
            identifiers: held.iter().map(examined).collect(),
            auth016: None,
        };
        report.conclude(outcome, identity);
        report
    }

    /// Adds the outcome of the decision.
    fn conclude(&mut self, outcome: DecisionOutcome<'_>, identity: &ReportablePerson) {
        match outcome {
            DecisionOutcome::Ready(designation) => {
                if let Some(why) = self.refusal(&designation) {
                    (self.outcome, self.review) = ("NEEDS_REVIEW", Some(why));
                    return;
                }
                let fragment = Auth016Person { person: identity.person(), designation: &designation };
                self.auth016 = Some(fragment.to_string());
                let Designation { country, priority, step, .. } = designation;
                let (identifier, step) = (designation.to_string(), ReportedPriority::of(country, step));
                self.designation =
                    Some(ReportedDesignation { country: country.to_string(), priority, step, identifier });
            }
            DecisionOutcome::Missing { country, wanted, next } => {
                self.outcome = "MISSING";
                let next = next.map(|next| ReportedPriority::of(country, next));
                let wanted = ReportedPriority::of(country, wanted);
                self.missing = Some(MissingIdentifier { country: country.to_string(), wanted, next });
            }
            DecisionOutcome::NeedsReview(review) => {
                self.outcome = "NEEDS_REVIEW";
                self.review = Some(review.to_string());
            }
        }
    }

    /// Returns the reason for which an identifier cannot be reported: its hard fault.
    fn refusal(&self, designation: &Designation<'_>) -> Option<String> {
        let (country, step) =
            (designation.country.to_string(), ReportedPriority::of(designation.country, designation.step));
        let name = step.identifier_standard;
        let is_concat = designation.step.standard == StandardKey::Concat;
        let mut reported = self
            .identifiers
            .iter()
            .filter(|one| one.issuing_country == country && one.identifier_standard == name && !is_concat);
        let faults = &reported.next()?.faults;
        let fault = faults.iter().find(|fault| fault.severity == HARD)?;
        Some(format!("the {name} of {country} cannot be reported: {}", fault.message))
    }

    /// Adds to each identifier, in their order, the other users with the same number (decision I8).
    #[must_use]
    pub fn shared_with(mut self, others: Vec<Vec<Uuid>>) -> Self {
        for (identifier, others) in self.identifiers.iter_mut().zip(others) {
            identifier.faults.extend(Finding::duplicate(&others));
            identifier.shared_with = others;
        }
        self
    }
}
