//! The reporting answer: the identifier that names a person in a transaction report, and why.

use jiff::civil::Date;
use mifir::{
    Auth016Person, Country, Decision, DecisionOutcome, Designation, HeldIdentifier, OtherIdentifiers, Regime,
    StandardKey,
};
use schemars::JsonSchema;
use serde::Serialize;
use strum::IntoStaticStr;
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

/// What a person would be reported with today, and why. Members that do not apply are `null`.
// It is never `READY` with an identifier that cannot be right (decision I10).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Reporting")]
pub struct Report {
    /// The day of the answer.
    pub as_of: Date,
    /// The copy of RTS 22.
    #[schemars(extend("enum" = ["EU", "UK"]))]
    pub regime: &'static str,
    /// The rule tables of the answer.
    pub rules: ReportRules,
    pub outcome: ReportOutcome,
    /// The leading nationality, whatever the outcome.
    #[serde(skip)]
    pub leading: Option<Country>,
    pub designation: Option<ReportedDesignation>,
    pub missing: Option<MissingIdentifier>,
    /// The reason for a review by a person.
    pub review: Option<String>,
    /// The chain that leads to the outcome.
    pub reasons: Vec<ReviewReason>,
    /// All that is known, of use here or not.
    pub identifiers: Vec<ExaminedIdentifier>,
    /// The element Prsn of ISO 20022 auth.016.
    pub auth016: Option<String>,
}

/// Whether a person can be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum ReportOutcome {
    /// There is a designation.
    Ready,
    /// An identifier has to be asked for.
    Missing,
    /// A person has to review the identification.
    NeedsReview,
}

/// The rule tables of an answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReportRules {
    /// The version of the rule tables, as in 2026-11-29.
    pub version: &'static str,
    /// SHA-256 of the rule tables, in hexadecimal.
    pub digest: &'static str,
}

/// How a person is named in a transaction report.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReportedDesignation {
    /// The nationality that counts, ISO 3166-1 alpha-2.
    pub country: String,
    /// The number of the priority in the country's row of Annex II, from 1.
    pub priority: usize,
    #[serde(flatten)]
    pub step: ReportedPriority,
    /// As it is reported: country code and identifier.
    pub identifier: String,
}

/// A priority of a row of Annex II.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReportedPriority {
    /// Abbreviation of the standard, as for identifiers.
    pub identifier_standard: String,
    /// The label in the report.
    #[schemars(extend("enum" = ["NIDN", "CCPT", "CONCAT"]))]
    pub scheme: &'static str,
    /// The name of the identifier in Annex II of RTS 22; empty for a CONCAT.
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
#[derive(Debug, Serialize, JsonSchema)]
pub struct MissingIdentifier {
    /// The nationality that counts, ISO 3166-1 alpha-2.
    pub country: String,
    #[serde(flatten)]
    pub wanted: ReportedPriority,
    /// The identifier to ask for next if the person has none.
    pub next: Option<ReportedPriority>,
}

/// A reason in the explanation of the outcome.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReviewReason {
    /// What was decided and why.
    pub text: String,
    /// The rules leave it open: it is a choice.
    pub open: bool,
}

/// An identifier and its findings.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExaminedIdentifier {
    /// Its id, if it is in the register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    pub r#type: IdentifierKind,
    /// Whose identifier it is.
    pub issuing_country: String,
    /// Abbreviation of the standard.
    pub identifier_standard: String,
    /// As it was sent.
    pub identifier: String,
    /// In the form that is reported.
    pub reported: String,
    /// What speaks against it today, beside the person as they are.
    pub faults: Vec<Finding>,
    /// Other users who have the same number; left out if none has.
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
            rules: ReportRules { version: rules.version, digest: rules.digest },
            outcome: ReportOutcome::Ready,
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
                    (self.outcome, self.review) = (ReportOutcome::NeedsReview, Some(why));
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
                self.outcome = ReportOutcome::Missing;
                let next = next.map(|next| ReportedPriority::of(country, next));
                let wanted = ReportedPriority::of(country, wanted);
                self.missing = Some(MissingIdentifier { country: country.to_string(), wanted, next });
            }
            DecisionOutcome::NeedsReview(review) => {
                self.outcome = ReportOutcome::NeedsReview;
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
