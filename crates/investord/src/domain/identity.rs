//! What a transaction report needs to know of a person.

use jiff::civil::Date;
use mifir::{Country, Sex};
use serde_json::{Map, Value};

/// The members of a person on which identification rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// All first names.
    pub first_name: String,
    pub last_name: String,
    pub birth_date: Date,
    pub nationalities: Vec<Country>,
    /// As the gender says or, without one, the salutation.
    pub sex: Option<Sex>,
}

impl Identity {
    /// Takes it out of a person's members; `None` if they have not been checked.
    pub fn of(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let sex = match (text("gender").unwrap_or_default(), text("salutation").unwrap_or_default()) {
            ("MALE", _) | ("", "SALUTATION_MALE") => Some(Sex::Male),
            ("FEMALE", _) | ("", "SALUTATION_FEMALE" | "SALUTATION_FEMALE_MARRIED") => Some(Sex::Female),
            _ => None,
        };
        let codes = members.get("nationalities")?.as_array()?.iter();
        Some(Self {
            first_name: text("first_name")?.to_owned(),
            last_name: text("last_name")?.to_owned(),
            birth_date: text("birth_date")?.parse().ok()?,
            nationalities: codes.map(|code| Country::parse(code.as_str()?)).collect::<Option<_>>()?,
            sex,
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
