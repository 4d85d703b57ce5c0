//! The dry run: a reporting answer about a person of whom no data are stored.

use jiff::Timestamp;
use jiff::civil::Date;
use mifir::{Country, Regime, StandardKey};
use serde_json::{Map, Value};

use super::identifier::{IdentifierContent, today};
use super::identifier_standard;
use super::identifier_standard::IdentifierKind;
use super::new_identifier::NewIdentifier;
use super::reportable_person::{NO_NATIONALITY, ReportablePerson};
use super::reporting::Report;
use crate::domain::json::Json;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Presence, field};
use crate::domain::json::validation::{parse, read};
use crate::domain::tenants::{IdentifierChecks, RegimeSetting, TenantSettings};
use crate::domain::users::person;

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
            FieldRule::OneOf(&[IdentifierKind::NationalId.into_str(), IdentifierKind::Passport.into_str()]),
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
            "The standard: its abbreviation, or a name that people use, as in CPR, codice fiscale or passport. Without \
             it the first priority of the issuing country that can be of this type.",
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
        Self::read(&tree, settings, today(now))
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
