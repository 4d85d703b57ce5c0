//! The data of a person that a transaction report needs.

use jiff::civil::Date;
use mifir::{Country, NoNationality, Sex};
use serde_json::{Map, Value};

/// The members of a person on which identification rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportablePerson {
    /// All first names.
    pub first_name: String,
    pub last_name: String,
    pub birth_date: Date,
    pub nationalities: Vec<Country>,
    /// The reason for which there is no nationality.
    pub no_nationality: Option<NoNationality>,
    /// The sex by the gender or, without one, by the salutation.
    pub sex: Option<Sex>,
}

/// Entries in place of a nationality: the codes of travel documents (ICAO Doc 9303-3, section 5: stateless, the two
/// kinds of refugees, unspecified), and the word in full.
pub const NO_NATIONALITY: [&str; 6] = ["XXA", "XXB", "XXC", "XXX", "XX", "STATELESS"];

impl ReportablePerson {
    /// Reads the data from a person's members, or returns `None` if those have not been validated.
    pub fn of(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let codes = members.get("nationalities")?.as_array()?.iter();
        Some(Self {
            first_name: text("first_name")?.to_owned(),
            last_name: text("last_name")?.to_owned(),
            birth_date: text("birth_date")?.parse().ok()?,
            nationalities: codes.map(|code| Country::parse(code.as_str()?)).collect::<Option<_>>()?,
            no_nationality: None,
            sex: sex(members),
        })
    }

    /// Reads the known data of a person whose names and nationalities may be missing, or returns `None` if the members
    /// have not been validated.
    pub fn as_known(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        let codes = members.get("nationalities").and_then(Value::as_array).into_iter().flatten();
        let codes: Vec<&str> = codes.filter_map(Value::as_str).collect();
        Some(Self {
            first_name: text("first_name").to_owned(),
            last_name: text("last_name").to_owned(),
            birth_date: text("birth_date").parse().ok()?,
            // An entry in place of a nationality is none.
            nationalities: codes.iter().filter_map(|code| Country::parse(code)).collect(),
            no_nationality: codes.iter().find_map(|code| no_nationality(code)),
            sex: sex(members),
        })
    }

    /// Returns the person in the form of the crate `mifir`.
    pub fn person(&self) -> mifir::Person<'_> {
        let person = self.person_of(&self.nationalities);
        self.no_nationality.map_or(person, |reason| person.with_no_nationality(reason))
    }

    /// Returns the person as a national of these countries.
    pub fn person_of<'a>(&'a self, nationalities: &'a [Country]) -> mifir::Person<'a> {
        mifir::Person::new(nationalities, &self.first_name, &self.last_name, self.birth_date)
    }
}

/// Returns the reason that an entry in place of a nationality gives, in any case; `XXX` is unspecified and gives none.
fn no_nationality(entry: &str) -> Option<NoNationality> {
    match entry.to_ascii_uppercase().as_str() {
        "XXA" | "XX" | "STATELESS" => Some(NoNationality::Stateless),
        "XXB" | "XXC" => Some(NoNationality::Refugee),
        _ => None,
    }
}

/// Returns the sex by the gender or, without one, by the salutation.
fn sex(members: &Map<String, Value>) -> Option<Sex> {
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    match (text("gender"), text("salutation")) {
        ("MALE", _) | ("", "SALUTATION_MALE") => Some(Sex::Male),
        ("FEMALE", _) | ("", "SALUTATION_FEMALE" | "SALUTATION_FEMALE_MARRIED") => Some(Sex::Female),
        _ => None,
    }
}
