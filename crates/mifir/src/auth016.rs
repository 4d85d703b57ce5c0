//! A person in the report: ISO 20022 auth.016.001, `PersonIdentification10`.

use std::fmt;

use quick_xml::escape::partial_escape;

use crate::{Designation, Person, Scheme, concat};

/// Maximum length of a name in the schema (`Max140Text`), in characters.
const LONGEST: usize = 140;

/// The element `Prsn` of a buyer or seller (`Buyr|Sellr/AcctOwnr/Id/Prsn`), as XML text.
///
/// All of its members are mandatory: first names and surname in capital letters, several first names separated by
/// commas (RTS 22, Annex I, fields 9 and 10), birth date, and the designation. CONCAT is not in the code list of the
/// schema, so it is written as a proprietary scheme.
#[derive(Clone, Debug)]
pub struct Auth016Person<'a> {
    /// The person with the names and the birth date. A name without any letter gives an empty element, which the schema
    /// refuses.
    pub person: Person<'a>,
    /// The designation, as returned by [`decide`](crate::decide()). The schema allows 35 characters; it is written in
    /// full.
    pub designation: &'a Designation<'a>,
}

impl fmt::Display for Auth016Person<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { person, designation } = self;
        let first_names = first_names(person.first_name);
        let surname = concat::strip_titles_and_degrees(person.surname);
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

/// Returns first names in the form of the report: capital letters, separated by commas, without titles, at most 140
/// characters.
fn first_names(names: &str) -> String {
    let names = concat::strip_titles(names);
    capitals(names.split(|c: char| c.is_whitespace() || c == ',').filter(|name| !name.is_empty()), ",")
}

/// Returns whether XML 1.0 allows a character: control characters other than tab and line ends are forbidden, even
/// escaped.
fn is_in_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Converts words to capital letters, joins them, and cuts the text at the maximum length of the schema.
fn capitals<'a>(words: impl Iterator<Item = &'a str>, between: &str) -> String {
    let text = words.map(str::to_uppercase).collect::<Vec<_>>().join(between);
    text.chars().filter(|c| is_in_xml(*c)).take(LONGEST).collect()
}
