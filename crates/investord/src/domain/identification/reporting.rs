//! The reporting answer: the identifier that names a person in a transaction report, and why.

use jiff::Timestamp;
use jiff::civil::Date;
use mifir::{
    Auth016Person, Country, Decision, DecisionOutcome, Designation, HeldIdentifier, OtherIdentifiers, Regime,
    RulesVersion, StandardKey,
};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::identifier;
use super::identifier::{Finding, HARD, Identifier, IdentifierContent, NewIdentifier};
use super::identifier_standard;
use super::identifier_standard::IdentifierKind;
use super::reportable_person::{NO_NATIONALITY, ReportablePerson};
use crate::domain::json::Json;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Presence, field};
use crate::domain::json::validation::{parse, read};
use crate::domain::tenants::{IdentifierChecks, RegimeSetting, TenantSettings};
use crate::domain::users::person;

/// Decides on the designation of a person by the rules of a day. Further identifiers of the person are unknown, so the register asks for the
/// first priority.
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
        match outcome {
            DecisionOutcome::Ready(designation) => {
                if let Some(why) = report.refusal(&designation) {
                    (report.outcome, report.review) = ("NEEDS_REVIEW", Some(why));
                    return report;
                }
                let fragment = Auth016Person { person: identity.person(), designation: &designation };
                report.auth016 = Some(fragment.to_string());
                let Designation { country, priority, step, .. } = designation;
                let (identifier, step) = (designation.to_string(), ReportedPriority::of(country, step));
                report.designation =
                    Some(ReportedDesignation { country: country.to_string(), priority, step, identifier });
            }
            DecisionOutcome::Missing { country, wanted, next } => {
                report.outcome = "MISSING";
                let next = next.map(|next| ReportedPriority::of(country, next));
                let wanted = ReportedPriority::of(country, wanted);
                report.missing = Some(MissingIdentifier { country: country.to_string(), wanted, next });
            }
            DecisionOutcome::NeedsReview(review) => {
                report.outcome = "NEEDS_REVIEW";
                report.review = Some(review.to_string());
            }
        }
        report
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

/// A dry run: a report about a person of whom no data are stored.
pub struct DryRun {
    pub identity: ReportablePerson,
    pub contents: Vec<IdentifierContent>,
    pub settings: TenantSettings,
    pub today: Date,
}

/// Maximum number of characters of a name or identifier. It is higher than in other requests, so that the response can
/// describe the faults of longer values.
const LONGEST: usize = 1000;

static NAME: FieldRule = FieldRule::Text { min: 0, max: LONGEST };
static NATIONALITY: FieldRule = FieldRule::CountryOr(&NO_NATIONALITY);
static NATIONALITIES: FieldRule =
    FieldRule::List { item: &NATIONALITY, min: 0, max: person::MAX_NATIONALITIES, unique: false };
static IDENTIFIER: FieldRule = FieldRule::Object(&DRY_RUN_IDENTIFIER);

static DRY_RUN_IDENTIFIER: ObjectSchema = ObjectSchema {
    name: "ReportingDryRunIdentifier",
    fields: &[
        field(
            "type",
            Presence::No,
            FieldRule::OneOf(&[IdentifierKind::NationalId.as_str(), IdentifierKind::Passport.as_str()]),
            "Type of the identifier; without it NATIONAL_ID, which can be of every standard.",
        ),
        field(
            "issuing_country",
            Presence::Always,
            FieldRule::Country,
            "Whose identifier it is, ISO 3166-1 alpha-2.",
        ),
        field(
            "identifier",
            Presence::No,
            FieldRule::Text { min: 0, max: LONGEST },
            "The identifier, in any spelling; left out or empty for a CONCAT.",
        ),
        field(
            STANDARD,
            Presence::No,
            FieldRule::Text { min: 0, max: 100 },
            "The standard: its abbreviation, or a name that people use, as in CPR, codice fiscale or passport. Without it \
             the first priority of the issuing country that can be of this type.",
        ),
    ],
};

const STANDARD: &str = "identifier_standard";

/// The body of a dry run: the known data on which identification rests, and identifiers. Its rules are its own, because
/// it also serves for persons who cannot become users.
pub static DRY_RUN: ObjectSchema = ObjectSchema { name: "ReportingDryRun", fields: DRY_RUN_MEMBERS };

/// Maximum number of identifiers: far more than a person has.
const MAX_IDENTIFIERS: usize = 100;

static DRY_RUN_MEMBERS: &[Field] = &[
    field(
        "first_name",
        Presence::No,
        FieldRule::OrNull(&NAME),
        "All first and middle names; none if there is none.",
    ),
    field("last_name", Presence::No, FieldRule::OrNull(&NAME), "Last name; none if there is none."),
    field(
        "birth_date",
        Presence::Always,
        FieldRule::BirthDate { earliest: Date::MIN },
        "Birth date, YYYY-MM-DD, not in the future.",
    ),
    field(
        "nationalities",
        Presence::No,
        FieldRule::OrNull(&NATIONALITIES),
        "Nationalities, ISO 3166-1 alpha-2; none, or XXA, for the stateless.",
    ),
    person::GENDER,
    person::SALUTATION,
    field(
        "identifiers",
        Presence::No,
        FieldRule::List { item: &IDENTIFIER, min: 0, max: MAX_IDENTIFIERS, unique: true },
        "Identifiers that the person has.",
    ),
    field(
        "regime",
        Presence::No,
        FieldRule::OneOf(&["EU", "UK"]),
        "Under which copy of RTS 22 the report is made; without it the tenant's.",
    ),
];

/// Replaces the name of the standard by the vendor's abbreviation, if it is a name in use.
fn with_abbreviation(mut members: Map<String, Value>, regime: Regime, today: Date) -> Map<String, Value> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let name = text(STANDARD).map(str::trim).unwrap_or_default();
    if name.is_empty() {
        members.remove(STANDARD);
        return members;
    }
    let country = text("issuing_country").and_then(Country::parse);
    let standard = country.and_then(|country| identifier_standard::of_name(country, name, regime, today));
    if let Some(standard) = standard {
        members.insert(STANDARD.to_owned(), Value::String(standard.abbreviation.clone()));
    }
    members
}

/// Examines an identifier. A CONCAT states that the person has nothing of a higher priority, also where none can be
/// built from the names; the outcome contains the reason.
fn examine(
    sent: &NewIdentifier,
    identity: &ReportablePerson,
    settings: &TenantSettings,
    today: Date,
) -> Result<IdentifierContent, Vec<FieldError>> {
    let content = sent.examine(identity, settings, today);
    let leading =
        mifir::leading(&identity.nationalities, settings.regime.into(), today).map(|leading| leading.country);
    match (content, leading) {
        (Err(_), Some(country)) if sent.is_of(country, StandardKey::Concat) => Ok(IdentifierContent {
            kind: IdentifierKind::NationalId,
            country,
            standard: StandardKey::Concat,
            identifier: String::new(),
            reported: String::new(),
            faults: Vec::new(),
        }),
        (content, _) => content,
    }
}

impl DryRun {
    /// Parses the body of a dry run.
    ///
    /// # Errors
    /// Fails with all field errors.
    pub fn parse(body: &[u8], settings: &TenantSettings, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let tree = parse(body)?;
        Self::read(&tree, settings, identifier::today(now))
    }

    /// Reads a person from a parsed body. Identifiers are accepted whatever their values, because the purpose is to
    /// describe their faults.
    ///
    /// # Errors
    /// Fails with all field errors, also for two identifiers of one country and standard.
    pub fn read(tree: &Json, settings: &TenantSettings, today: Date) -> Result<Self, Vec<FieldError>> {
        let members = read(&DRY_RUN, tree, settings, today)?;
        let regime = match members.get("regime").and_then(Value::as_str) {
            Some("UK") => RegimeSetting::Uk,
            Some(_) => RegimeSetting::Eu,
            None => settings.regime,
        };
        let settings =
            TenantSettings { regime, identifier_checks: IdentifierChecks::Format, ..settings.clone() };
        let identity = ReportablePerson::as_known(&members).expect("the table has checked them");
        let (mut contents, mut faults) = (Vec::new(), Vec::new());
        let sent = members.get("identifiers").and_then(Value::as_array).into_iter().flatten();
        for (at, members) in sent.filter_map(Value::as_object).enumerate() {
            let members = with_abbreviation(members.clone(), settings.regime.into(), today);
            let sent = NewIdentifier::of(&members, settings.regime.into(), today).and_then(|sent| {
                let twin =
                    contents.iter().find(|one: &&IdentifierContent| sent.is_of(one.country, one.standard));
                let message =
                    |twin: &IdentifierContent| format!("there is another {} already", twin.abbreviation());
                twin.map_or(Ok(sent), |twin| Err(vec![FieldError::new("identifier", message(twin))]))
            });
            match sent.and_then(|sent| examine(&sent, &identity, &settings, today)) {
                Ok(content) => contents.push(content),
                Err(found) => {
                    let path = format!("identifiers[{at}]");
                    faults.extend(found.into_iter().map(|fault| fault.with_parent_path(&path)));
                }
            }
        }
        if faults.is_empty() { Ok(Self { identity, contents, settings, today }) } else { Err(faults) }
    }

    /// Makes the reporting response.
    pub fn report(&self) -> Report {
        Report::of_person(&self.identity, &self.contents, self.settings.regime.into(), self.today)
    }
}
