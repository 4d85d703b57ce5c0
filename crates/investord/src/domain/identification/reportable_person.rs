//! The data of a person that a transaction report needs.

use jiff::civil::Date;
use mifir::{Country, Sex};
use serde_json::{Map, Value};

/// The members of a person on which identification rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportablePerson {
    /// All first names.
    pub first_name: String,
    pub last_name: String,
    pub birth_date: Date,
    pub nationalities: Vec<Country>,
    /// As the gender says or, without one, the salutation.
    pub sex: Option<Sex>,
}

/// What stands in travel documents for a nationality where there is none (ICAO Doc 9303-3, section 5: stateless, the
/// two kinds of refugees, unspecified), and how it is written out.
pub const NO_NATIONALITY: [&str; 6] = ["XXA", "XXB", "XXC", "XXX", "XX", "STATELESS"];

impl ReportablePerson {
    /// Takes it out of a person's members; `None` if they have not been checked.
    pub fn of(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let codes = members.get("nationalities")?.as_array()?.iter();
        Some(Self {
            first_name: text("first_name")?.to_owned(),
            last_name: text("last_name")?.to_owned(),
            birth_date: text("birth_date")?.parse().ok()?,
            nationalities: codes.map(|code| Country::parse(code.as_str()?)).collect::<Option<_>>()?,
            sex: sex(members),
        })
    }

    /// Takes what is known of a person, of whom names and nationalities may be missing; `None` if the members have not
    /// been checked.
    pub fn as_known(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        let codes = members.get("nationalities").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            first_name: text("first_name").to_owned(),
            last_name: text("last_name").to_owned(),
            birth_date: text("birth_date").parse().ok()?,
            // What stands for no nationality is none.
            nationalities: codes.filter_map(|code| Country::parse(code.as_str()?)).collect(),
            sex: sex(members),
        })
    }

    pub fn person(&self) -> mifir::Person<'_> {
        mifir::Person {
            nationalities: &self.nationalities,
            first_name: &self.first_name,
            surname: &self.last_name,
            birth_date: self.birth_date,
        }
    }
}

/// As the gender says or, without one, the salutation.
fn sex(members: &Map<String, Value>) -> Option<Sex> {
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    match (text("gender"), text("salutation")) {
        ("MALE", _) | ("", "SALUTATION_MALE") => Some(Sex::Male),
        ("FEMALE", _) | ("", "SALUTATION_FEMALE" | "SALUTATION_FEMALE_MARRIED") => Some(Sex::Female),
        _ => None,
    }
}
