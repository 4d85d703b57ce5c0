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
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::finding;
use super::finding::{BIRTH_DATE, findings};
pub use super::finding::{Finding, HARD, SOFT};
use super::identifier_standard;
use super::identifier_standard::{IdentifierKind, IdentifierStandard};
use super::reportable_person::ReportablePerson;
use crate::domain::json::schema::{Field, FieldError, FieldRule, ObjectSchema, Presence, field};
use crate::domain::json::validation::{parse, read};
use crate::domain::tenants::{IdentifierChecks, TenantSettings};

const TYPE: Field = field(
    "type",
    Presence::Always,
    FieldRule::OneOf(&[IdentifierKind::NationalId.as_str(), IdentifierKind::Passport.as_str()]),
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

/// An identifier in a request.
pub struct NewIdentifier {
    kind: IdentifierKind,
    country: Country,
    standard: &'static IdentifierStandard,
    identifier: String,
}

impl NewIdentifier {
    /// Parses the body of a create request. Dates are compared with `now`.
    ///
    /// # Errors
    /// Fails with all field errors, also if the API does not accept the form of the value.
    pub fn parse(body: &[u8], settings: &TenantSettings, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let tree = parse(body)?;
        let today = today(now);
        let sent = Self::of(&read(&CREATE, &tree, settings, today)?, settings.regime.into(), today)?;
        check_form(sent.standard, sent.country, &sent.identifier, today).map_err(|fault| vec![fault])?;
        Ok(sent)
    }

    /// Builds an identifier from members that [`CREATE`] has validated, whatever the form of the value.
    ///
    /// # Errors
    /// Fails if country, standard, kind and value do not go together.
    pub fn of(members: &Map<String, Value>, regime: Regime, today: Date) -> Result<Self, Vec<FieldError>> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let fault = |field: &str, message: String| vec![FieldError::new(field, message)];
        let kind = if text("type") == Some(IdentifierKind::Passport.as_str()) {
            IdentifierKind::Passport
        } else {
            IdentifierKind::NationalId
        };
        let country = text("issuing_country").and_then(Country::parse);
        let country = country.ok_or_else(|| fault("issuing_country", "must be a country".into()))?;
        let standard = match text("identifier_standard") {
            None => identifier_standard::default_of(country, kind, regime, today),
            Some(name) => identifier_standard::of_country(country, regime, today)
                .find(|standard| standard.abbreviation == name),
        };
        let standard = standard.ok_or_else(|| {
            let names = identifier_standard::of_country(country, regime, today)
                .map(|standard| standard.abbreviation.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            fault("identifier_standard", format!("must be one of those of {country}: {names}"))
        })?;
        if !standard.allows_kind(kind) {
            let message = format!("{} is no passport: must be NATIONAL_ID", standard.abbreviation);
            return Err(fault("type", message));
        }
        let identifier = text("identifier").unwrap_or_default().to_owned();
        match (standard.is_concat(), identifier.is_empty()) {
            (true, true) | (false, false) => {}
            (false, true) => return Err(fault("identifier", "field 'identifier' was not filled".into())),
            (true, false) => {
                let message = "must be empty or left out: the register makes a CONCAT itself";
                return Err(fault("identifier", message.into()));
            }
        }
        Ok(Self { kind, country, standard, identifier })
    }

    /// Returns whether the identifier is of this country and this key of Annex II.
    pub fn is_of(&self, country: Country, key: StandardKey) -> bool {
        (self.country, self.standard.rules.key) == (country, key)
    }

    /// Returns the form in which the identifier is reported.
    pub(in crate::domain) fn reported(&self, identity: &ReportablePerson, today: Date) -> String {
        self.standard.rules.normalise(&self.identifier, Some(identity.birth_date), today).into_owned()
    }

    /// Examines the identifier for its holder and returns it with its findings.
    ///
    /// # Errors
    /// Fails for a tenant with strict checks if the identifier has a hard fault or another birth date (decision I2),
    /// and for every tenant if a CONCAT cannot be built.
    pub fn examine(
        &self,
        identity: &ReportablePerson,
        settings: &TenantSettings,
        today: Date,
    ) -> Result<IdentifierContent, Vec<FieldError>> {
        let Self { kind, country, standard, identifier } = self;
        let (kind, country) = (*kind, *country);
        if standard.is_concat() {
            let fault = |why: String| vec![FieldError::new_quoting("identifier_standard", why)];
            return IdentifierContent::concat(country, identity, settings.regime.into(), today)
                .map_err(fault);
        }
        let reported = self.reported(identity, today);
        let faults = findings(standard, country, &reported, identity, today);
        let refusable = faults.iter().filter(|found| found.severity == HARD || found.code == BIRTH_DATE);
        let read_out = |found: &Finding| {
            FieldError::new_quoting(
                "identifier",
                format!("{} {reported}: {}", standard.abbreviation, found.message),
            )
        };
        let refused: Vec<FieldError> = refusable.map(read_out).collect();
        if settings.identifier_checks == IdentifierChecks::Strict && !refused.is_empty() {
            return Err(refused);
        }
        let standard = standard.rules.key;
        Ok(IdentifierContent { kind, country, standard, identifier: identifier.clone(), reported, faults })
    }
}

/// Checks whether the API accepts the form of the value.
fn check_form(
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

    /// Returns the same identifier with another value, examined as in [`NewIdentifier::examine`].
    pub(in crate::domain) fn with_value(
        &self,
        value: &str,
        identity: &ReportablePerson,
        settings: &TenantSettings,
        today: Date,
    ) -> Result<Self, Vec<FieldError>> {
        let Some(standard) = self.standard().filter(|_| !self.is_concat()) else {
            let message = "the register makes a CONCAT itself, from the name and the birth date of the user";
            return Err(vec![FieldError::new("identifier", message)]);
        };
        check_form(standard, self.country, value, today).map_err(|fault| vec![fault])?;
        let sent =
            NewIdentifier { kind: self.kind, country: self.country, standard, identifier: value.to_owned() };
        sent.examine(identity, settings, today)
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
    fn standard(&self) -> Option<&'static IdentifierStandard> {
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
