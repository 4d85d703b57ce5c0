//! A person in the report: ISO 20022 auth.016.001, `PersonIdentification10`.

use std::fmt;

use quick_xml::escape::partial_escape;

use crate::decide::{Designation, Person};
use crate::{Scheme, concat};

/// The longest name of the schema (`Max140Text`), in characters.
const LONGEST: usize = 140;

/// The element `Prsn` of a buyer or seller (`Buyr|Sellr/AcctOwnr/Id/Prsn`), in which all is mandatory: first names and
/// surname in capital letters, several first names separated by commas (RTS 22, Annex I, fields 9 and 10), birth
/// date, and the designation. CONCAT is no code of the schema's list but a proprietary scheme.
#[derive(Clone, Debug)]
pub struct Fragment<'a> {
    /// Whose names and birth date are written. A name without any letter leaves its element empty, which the schema
    /// refuses.
    pub person: Person<'a>,
    /// As [`decide`](crate::decide()) made it. The schema allows 35 characters; it is written whole.
    pub designation: &'a Designation<'a>,
}

impl fmt::Display for Fragment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { person, designation } = self;
        let first_names = first_names(person.first_name);
        let surname = concat::untitled_surname(person.surname);
        let surname = capitals(surname.split_whitespace(), " ");
        let (first_names, surname) = (partial_escape(&first_names), partial_escape(&surname));
        let birth_date = person.birth_date;
        let id: String = designation.to_string().chars().filter(|c| is_in_xml(*c)).collect();
        let id = partial_escape(&id);
        let scheme = match designation.step.scheme {
            scheme @ Scheme::Concat => format!("<Prtry>{}</Prtry>", scheme.as_str()),
            scheme => format!("<Cd>{}</Cd>", scheme.as_str()),
        };
        write!(
            f,
            "<Prsn><FrstNm>{first_names}</FrstNm><Nm>{surname}</Nm><BirthDt>{birth_date}</BirthDt>\
             <Othr><Id>{id}</Id><SchmeNm>{scheme}</SchmeNm></Othr></Prsn>"
        )
    }
}

/// First names as the report wants them: capital letters, a comma between two, no titles, at most 140 characters.
pub fn first_names(names: &str) -> String {
    let names = concat::untitled(names);
    capitals(names.split(|c: char| c.is_whitespace() || c == ',').filter(|name| !name.is_empty()), ",")
}

/// XML 1.0 has no control characters but tab and line ends, not even escaped ones.
fn is_in_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn capitals<'a>(words: impl Iterator<Item = &'a str>, between: &str) -> String {
    let text = words.map(str::to_uppercase).collect::<Vec<_>>().join(between);
    text.chars().filter(|c| is_in_xml(*c)).take(LONGEST).collect()
}
