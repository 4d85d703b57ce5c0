//! An identifier in a request: what it has to be, and its examination for its holder.

use jiff::Timestamp;
use jiff::civil::Date;
use mifir::{Country, Regime, StandardKey};
use serde_json::{Map, Value};

use super::finding::{BIRTH_DATE, Finding, HARD, findings};
use super::identifier::{CREATE, IdentifierContent, check_form, today};
use super::identifier_standard;
use super::identifier_standard::{IdentifierKind, IdentifierStandard};
use super::reportable_person::ReportablePerson;
use crate::domain::json::schema::FieldError;
use crate::domain::json::validation::{parse, read};
use crate::domain::tenants::{IdentifierChecks, TenantSettings};

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
        let kind = if text("type") == Some(IdentifierKind::Passport.into_str()) {
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

impl IdentifierContent {
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
}
