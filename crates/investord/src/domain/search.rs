//! What users are found by: values as they are compared, not as they are answered.

use std::collections::BTreeSet;

use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use super::identifier::Identifier;
use super::user::Person;

/// What can be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Name,
    BirthDate,
    Email,
    Identifier,
    SecuritiesAccountNumber,
}

impl Field {
    pub const ALL: [Field; 5] =
        [Field::Name, Field::BirthDate, Field::Email, Field::Identifier, Field::SecuritiesAccountNumber];

    /// Also part of what is hashed: stays for ever.
    pub const fn as_str(self) -> &'static str {
        match self {
            Field::Name => "name",
            Field::BirthDate => "birth_date",
            Field::Email => "email",
            Field::Identifier => "identifier",
            Field::SecuritiesAccountNumber => "securities_account_number",
        }
    }

    /// The value as it is compared: composed and in small letters (decision U6), a space between words; of a number its
    /// letters and digits.
    pub fn normal(self, value: &str) -> String {
        let small = value.nfc().flat_map(char::to_lowercase);
        match self {
            Field::Name | Field::BirthDate | Field::Email => {
                small.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
            }
            Field::Identifier | Field::SecuritiesAccountNumber => {
                small.filter(|letter| letter.is_alphanumeric()).collect()
            }
        }
    }
}

/// Values by which somebody is found, as they are compared.
pub type Terms = BTreeSet<(Field, String)>;

/// What a person is found by: whole name, last name, birth name, birth date, e-mail address.
pub fn of_person(person: &Person) -> Terms {
    let members: Value = serde_json::from_str(&person.json).unwrap_or_default();
    let text = |name: &str| members[name].as_str().unwrap_or_default();
    let (first, last) = (text("first_name"), text("last_name"));
    let all = [
        (Field::Name, format!("{first} {last}")),
        (Field::Name, last.to_owned()),
        (Field::Name, text("birth_name").to_owned()),
        (Field::BirthDate, text("birth_date").to_owned()),
        (Field::Email, text("email").to_owned()),
    ];
    terms(all)
}

/// What somebody is found by of whom these identifiers are. A CONCAT says nothing that name and birth date do not.
pub fn of_identifiers<'a>(all: impl IntoIterator<Item = &'a Identifier>) -> Terms {
    let own = all.into_iter().filter(|one| !one.content.is_concat());
    terms(own.map(|one| (Field::Identifier, one.content.identifier.clone())))
}

fn terms(all: impl IntoIterator<Item = (Field, String)>) -> Terms {
    let normal = all.into_iter().map(|(field, value)| (field, field.normal(&value)));
    normal.filter(|(_, value)| !value.is_empty()).collect()
}
