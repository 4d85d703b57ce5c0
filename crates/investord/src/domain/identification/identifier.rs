//! Identifiers of a user: the forms of the wire, the reported form, and their changes.
//!
//! The rules are those of the reference page "User Identifiers" in its versions up to 1.75 and of `docs/choices.md`;
//! the meaning of an identifier is the matter of the crate `mifir`.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mifir::{Country, DecisionOutcome, HeldIdentifier, OtherIdentifiers, Regime, StandardKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::finding;
use super::finding::findings;
pub use super::finding::{Finding, HARD, SOFT};
use super::identifier_standard;
use super::identifier_standard::{IdentifierKind, IdentifierStandard};
use super::reportable_person::ReportablePerson;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Presence, field};
use crate::domain::json::validation::{parse, read};
use crate::domain::tenants::TenantSettings;

const TYPE: Field = field(
    "type",
    Presence::Always,
    FieldRule::OneOf(&[IdentifierKind::NationalId.into_str(), IdentifierKind::Passport.into_str()]),
    "Type of the identifier.",
);
const ISSUING_COUNTRY: Field = field(
    "issuing_country",
    Presence::Always,
    FieldRule::Country,
    "Whose identifier it is, ISO 3166-1 alpha-2.",
);
const STANDARD: FieldRule = FieldRule::Text { min: 2, max: 10 };
const VALUE: FieldRule = FieldRule::Text { min: 0, max: 30 };

/// The body of `POST /users/{user_id}/identifiers`.
pub static CREATE: ObjectSchema = ObjectSchema {
    name: "CreateIdentifier",
    fields: &[
        TYPE,
        ISSUING_COUNTRY,
        field("identifier", Presence::No, VALUE, "The identifier; left out or empty for a CONCAT."),
        field(
            "identifier_standard",
            Presence::No,
            STANDARD,
            "Abbreviation of the standard; without it the first priority of the issuing country that can be of this \
             type.",
        ),
    ],
};

/// The body of `PATCH /users/{user_id}/identifiers/{identifier_id}`.
pub static UPDATE: ObjectSchema = ObjectSchema {
    name: "UpdateIdentifier",
    fields: &[field("identifier", Presence::Always, VALUE, "The identifier.")],
};

/// An identifier in responses.
pub static RESPONSE: [Field; 8] = [
    field("id", Presence::Always, FieldRule::Uuid, "Id of the identifier."),
    field("created_at", Presence::Always, FieldRule::Instant, "When it was created."),
    field("updated_at", Presence::Always, FieldRule::Instant, "When it was last changed."),
    field("user_id", Presence::Always, FieldRule::Uuid, "Id of the user."),
    TYPE,
    ISSUING_COUNTRY,
    field("identifier_standard", Presence::Always, STANDARD, "Abbreviation of the standard."),
    field("identifier", Presence::Always, VALUE, "The identifier as it was sent; empty for a CONCAT."),
];

/// Checks whether the API accepts the form of the value.
pub(super) fn check_form(
    standard: &IdentifierStandard,
    country: Country,
    value: &str,
    today: Date,
) -> Result<(), FieldError> {
    let fault = finding::form_fault(standard, country, value, today);
    fault.map_or(Ok(()), |message| Err(FieldError::new("identifier", message)))
}

/// The content of an identifier: all stored data of it, encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentifierContent {
    #[serde(rename = "type")]
    pub kind: IdentifierKind,
    pub country: Country,
    /// A key of Annex II. The vendor's abbreviation is looked up, so that a guessed one can be corrected.
    pub standard: StandardKey,
    /// The value as it was sent; empty for a CONCAT.
    pub identifier: String,
    /// The value in the form in which it is reported; of a CONCAT with the country in front.
    pub reported: String,
    /// The findings of the day on which it was filed. For those of today see [`IdentifierContent::current_findings`].
    pub faults: Vec<Finding>,
}

impl IdentifierContent {
    /// Builds the CONCAT of a person as a national of a country.
    ///
    /// # Errors
    /// Fails with the reason if the names allow none, or the country does not know CONCAT.
    pub fn concat(
        country: Country,
        identity: &ReportablePerson,
        regime: Regime,
        today: Date,
    ) -> Result<Self, String> {
        let nationalities = [country];
        let person = identity.person_of(&nationalities);
        let held = [HeldIdentifier::new(country, StandardKey::Concat, "")];
        match mifir::decide(person, &held, OtherIdentifiers::None, regime, today).outcome {
            DecisionOutcome::Ready(designation) if designation.step.scheme == mifir::Scheme::Concat => {
                Ok(Self {
                    kind: IdentifierKind::NationalId,
                    country,
                    standard: StandardKey::Concat,
                    identifier: String::new(),
                    reported: designation.to_string(),
                    faults: Vec::new(),
                })
            }
            DecisionOutcome::NeedsReview(review) => Err(review.to_string()),
            DecisionOutcome::Ready(_) | DecisionOutcome::Missing { .. } => {
                Err(format!("{country} does not know CONCAT"))
            }
        }
    }

    /// Builds the CONCAT that the register adds by itself: where it is the first priority of the leading nationality.
    pub fn own_concat(identity: &ReportablePerson, regime: Regime, today: Date) -> Option<Self> {
        let leading = mifir::leading(&identity.nationalities, regime, today)?.country;
        let first = mifir::first_is_concat(leading, regime, today);
        first.then(|| Self::concat(leading, identity, regime, today).ok()).flatten()
    }

    /// Returns whether this is a CONCAT.
    pub fn is_concat(&self) -> bool {
        self.standard == StandardKey::Concat
    }

    /// Returns the findings on a day, for a person as they are or would be then (decision I7). Every response that
    /// shows findings shows these.
    pub fn current_findings(&self, identity: &ReportablePerson, regime: Regime, today: Date) -> Vec<Finding> {
        if self.is_concat() {
            let now = Self::concat(self.country, identity, regime, today);
            let is_current = now.is_ok_and(|now| now.reported == self.reported);
            return if is_current { Vec::new() } else { vec![Finding::outdated()] };
        }
        let own = self.standard().map(|own| findings(own, self.country, &self.reported, identity, today));
        let mut found = own.unwrap_or_else(|| self.faults.clone());
        found.extend(Finding::of_writing(&self.identifier));
        found
    }

    /// Returns whether both are one number: of one country and standard, reported in one form.
    pub fn is_same_number(&self, other: &Self) -> bool {
        let number = (self.country, self.standard, &self.reported);
        !self.is_concat() && number == (other.country, other.standard, &other.reported)
    }

    /// Returns the identifier as it is reported of a person whose data have changed: the birth date decides on the
    /// century of a short Swedish number. `filed` is the day on which it was sent. Returns `None` if the reported form
    /// stays.
    pub(in crate::domain) fn with_current_form(
        &self,
        identity: &ReportablePerson,
        filed: Date,
    ) -> Option<Self> {
        let standard = self.standard().filter(|_| !self.is_concat())?;
        let reported = standard.rules.normalise(&self.identifier, Some(identity.birth_date), filed);
        (reported != self.reported).then(|| Self { reported: reported.into_owned(), ..self.clone() })
    }

    /// Returns the standard, by country and key.
    pub(super) fn standard(&self) -> Option<&'static IdentifierStandard> {
        identifier_standard::of_key(self.country, self.standard)
    }

    /// Returns the vendor's abbreviation of the standard.
    pub fn abbreviation(&self) -> &str {
        self.standard().map_or(self.standard.as_str(), |standard| &standard.abbreviation)
    }

    /// Returns the identifier in the form of the crate `mifir`.
    pub fn as_held(&self) -> HeldIdentifier<'_> {
        HeldIdentifier::new(self.country, self.standard, &self.reported)
    }
}

/// An identifier of a user.
#[derive(Clone, Debug)]
pub struct Identifier {
    pub id: Uuid,
    pub user_id: Uuid,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub content: IdentifierContent,
}

impl Identifier {
    pub fn new(id: Uuid, user_id: Uuid, now: Timestamp, content: IdentifierContent) -> Self {
        Self { id, user_id, created_at: now, updated_at: now, content }
    }
}

/// Writes the identifier as JSON for a response.
impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, user_id, created_at, updated_at, content } = self;
        write!(
            f,
            "{}",
            json!({
                "id": id,
                "created_at": created_at,
                "updated_at": updated_at,
                "user_id": user_id,
                "type": content.kind,
                "issuing_country": content.country.as_str(),
                "identifier_standard": content.abbreviation(),
                "identifier": content.identifier,
            })
        )
    }
}

/// The effect of a request on the identifiers of a user. Each variant contains the identifier as it is afterwards.
pub enum IdentifierChange {
    /// No effect: the identifier was there already.
    None(Identifier),
    Add(Identifier),
    Update(Identifier),
}

impl IdentifierChange {
    /// Returns the identifier as it is afterwards.
    pub fn identifier(&self) -> &Identifier {
        let (IdentifierChange::None(identifier)
        | IdentifierChange::Add(identifier)
        | IdentifierChange::Update(identifier)) = self;
        identifier
    }

    /// Applies the change to a list of the user's identifiers.
    pub fn apply_to(self, held: &mut Vec<Identifier>) {
        let (IdentifierChange::None(new) | IdentifierChange::Add(new) | IdentifierChange::Update(new)) = self;
        match held.iter_mut().find(|one| one.id == new.id) {
            Some(one) => *one = new,
            None => held.push(new),
        }
    }
}

/// Parses the body of an update and returns the new value.
///
/// # Errors
/// Fails with all field errors.
pub fn parse_update(
    body: &[u8],
    settings: &TenantSettings,
    now: Timestamp,
) -> Result<String, Vec<FieldError>> {
    let tree = parse(body)?;
    let members = read(&UPDATE, &tree, settings, today(now))?;
    Ok(members.get("identifier").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Returns the day of an instant in UTC, which is the register's time zone.
pub fn today(now: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(now).date()
}
