//! Search terms: the values by which a user is found, as they are compared.
//!
//! The search index has few rows for a user. A search value is looked up in several forms instead, and where a row does
//! not decide by itself, the data of its user do.

use std::collections::BTreeSet;

use garde::rules::email::Email as _;
use jiff::civil::Date;
use mifir::{Country, StandardKey};
use serde::Deserialize;
use strum::{EnumString, IntoStaticStr, VariantNames};
use unicode_normalization::UnicodeNormalization as _;

use super::person::{EARLIEST_BIRTH, Person};
use super::spelling::{key, words};
use crate::domain::identification::identifier::{Identifier, IdentifierContent};
use crate::domain::json::validation::birth_date;

/// A field by which users can be searched. Its name is part of the hashed input of the blind index, so it must never
/// change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum SearchField {
    Name,
    BirthDate,
    Email,
    PhoneNumber,
    Identifier,
    SecuritiesAccountNumber,
}

/// A field with a value in the form that is compared.
pub type SearchTerm = (SearchField, String);
/// The search terms of a user or of a part of their data.
pub type SearchTerms = BTreeSet<SearchTerm>;

/// Maximum number of first names with a row of their own. A user with more is found by these and by all of them
/// together.
const MAX_FIRST_NAMES: usize = 8;

/// Maximum number of characters of a search value: no indexed value is longer.
const LONGEST: usize = 250;

/// Returns the search terms of a user.
pub fn of_user(person: &Person, identifiers: &[Identifier]) -> SearchTerms {
    let mut terms = of_person(person);
    terms.extend(of_identifiers(identifiers));
    terms
}

/// Returns the search terms of a person: last name, birth name, last name with each first name and with all of them,
/// birth date, e-mail address, telephone number.
pub fn of_person(person: &Person) -> SearchTerms {
    let members: SearchedMembers = serde_json::from_str(&person.json).unwrap_or_default();
    let text = |member: Option<String>| member.unwrap_or_default();
    let names =
        names(&text(members.first_name), &words(&text(members.last_name)), &words(&text(members.birth_name)));
    let mut terms: SearchTerms = names.into_iter().map(|name| (SearchField::Name, name)).collect();
    terms.insert((SearchField::BirthDate, text(members.birth_date)));
    terms.insert((SearchField::Email, email(&text(members.email))));
    terms.insert((SearchField::PhoneNumber, digits_of_phone(&text(members.phone_number))));
    terms.retain(|(_, value)| !value.is_empty());
    terms
}

/// The members of a person by which a user is found.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SearchedMembers {
    first_name: Option<String>,
    last_name: Option<String>,
    birth_name: Option<String>,
    birth_date: Option<String>,
    email: Option<String>,
    phone_number: Option<String>,
}

/// Returns the search terms of the names. Without a last name the first names are indexed alone, so that the user can
/// be found.
fn names(first: &str, last: &[String], birth: &[String]) -> Vec<String> {
    let (all, last) = (key(&words(first)), key(last));
    let mut names = vec![key(birth)];
    if last.is_empty() {
        names.push(all);
    } else if all.is_empty() {
        names.push(last);
    } else {
        let each = first_names(first).into_iter().take(MAX_FIRST_NAMES).chain([all]);
        names.extend(each.map(|one| whole_name(&one, &last)));
        names.push(last);
    }
    names
}

/// Splits first names into the forms that are compared: Karl-Heinz gives Karl, Heinz, and both together.
fn first_names(first: &str) -> Vec<String> {
    let mut names = Vec::new();
    for name in first.split_whitespace().map(words) {
        names.extend(name.iter().map(|word| key([word])));
        if name.len() > 1 {
            names.push(key(&name));
        }
    }
    names
}

/// Joins first names and a last name. The blank keeps them apart, because their roles count in the comparison.
fn whole_name(first: &str, last: &str) -> String {
    format!("{first} {last}")
}

/// Returns the search terms of identifiers. A CONCAT has none: it is found by the birth date in it.
pub fn of_identifiers(all: &[Identifier]) -> SearchTerms {
    let own = all.iter().flat_map(|one| numbers(&one.content));
    own.map(|number| (SearchField::Identifier, number)).collect()
}

/// Returns the search term of a number in the form in which it is reported, which is the same for all users with the
/// number.
pub fn of_number(content: &IdentifierContent) -> Option<SearchTerm> {
    (!content.is_concat()).then(|| (SearchField::Identifier, content.reported.clone()))
}

/// Returns the forms in which a number is found: as it is reported, and as it was sent if that says less (a Swedish
/// number without its century, which would be another number on another day).
fn numbers(content: &IdentifierContent) -> Vec<String> {
    let (Some((_, reported)), written) = (of_number(content), with_signs(&content.identifier)) else {
        return Vec::new();
    };
    let short = (written.len() < reported.len()).then(|| mark_short(&written));
    std::iter::once(reported).chain(short).collect()
}

/// Marks a short form, so that it never equals another number in full.
fn mark_short(written: &str) -> String {
    format!("short {written}")
}

/// Returns a number as it is written, in capitals and without separators, but with its signs, which distinguish people
/// in Finland and Sweden.
fn with_signs(written: &str) -> String {
    in_form_of(StandardKey::Hetu, written, Date::MIN)
}

/// Returns a value in the form of the standard with this key.
fn in_form_of(standard: StandardKey, written: &str, today: Date) -> String {
    let rules = mifir::STANDARDS.iter().find(|one| one.key == standard);
    rules.map_or_else(|| written.to_owned(), |rules| rules.normalise(written, None, today).into_owned())
}

/// Returns an e-mail address in the form that is compared: composed and without case.
fn email(written: &str) -> String {
    caseless::default_case_fold_str(&written.trim().nfc().collect::<String>()).nfc().collect()
}

/// Returns the digits of a telephone number behind the international prefix, `+` or `00`.
fn digits_of_phone(written: &str) -> String {
    // "(0)" is dialled within the country alone, so it is no part of an international number.
    let written = if written.trim_start().starts_with(['+', '0']) {
        written.replace("(0)", "")
    } else {
        written.to_owned()
    };
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    digits.strip_prefix("00").map_or_else(|| digits.clone(), str::to_owned)
}

/// A lookup of one term. A user whom it finds matches the search if [`Probe::matches`] returns true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The term to look up in the index.
    pub term: SearchTerm,
    fits: MatchCondition,
}

/// The condition that a found user must fulfil beside the row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum MatchCondition {
    /// None: the row decides.
    Always,
    /// These names are among the first names.
    FirstNames(Vec<String>),
    /// The number was issued by this country.
    NumberOf(Country),
    /// The person has this CONCAT.
    Concat(String),
}

impl Probe {
    /// Makes a lookup whose row decides by itself.
    fn of(field: SearchField, value: String) -> Self {
        Self { term: (field, value), fits: MatchCondition::Always }
    }

    /// Returns whether a row is sufficient proof, so that the data of its user need not be read.
    pub fn is_proof(&self) -> bool {
        self.fits == MatchCondition::Always
    }

    /// Returns whether a user whom the term finds matches the search.
    pub fn matches(&self, person: &Person, identifiers: &[Identifier]) -> bool {
        let mut contents = identifiers.iter().map(|one| &one.content);
        match &self.fits {
            MatchCondition::Always => true,
            MatchCondition::FirstNames(wanted) => {
                let own = first_names(&person.identity.first_name);
                wanted.iter().all(|name| own.contains(&key([name])))
            }
            MatchCondition::NumberOf(country) => {
                contents.any(|one| one.country == *country && numbers(one).contains(&self.term.1))
            }
            MatchCondition::Concat(concat) => contents.any(|one| one.is_concat() && one.reported == *concat),
        }
    }
}

/// Returns the lookups for a search value. A user whom one of them finds has the value.
///
/// # Errors
/// Fails with the reason if the text is no value of the field.
pub fn to_probes(field: SearchField, value: &str, today: Date) -> Result<Vec<Probe>, String> {
    let value = value.trim();
    if value.chars().count() > LONGEST {
        return Err(format!("must have at most {LONGEST} characters"));
    }
    let has_letters = value.chars().any(char::is_alphanumeric);
    let digits = value.chars().filter(char::is_ascii_digit).count();
    match field {
        SearchField::Name | SearchField::Identifier if !has_letters => {
            Err("must have a letter or a digit".to_owned())
        }
        SearchField::Name => Ok(of_name(value)),
        SearchField::Identifier => Ok(of_number_as_written(value, today)),
        SearchField::BirthDate => {
            Ok(vec![Probe::of(field, birth_date(value, EARLIEST_BIRTH, today)?.to_string())])
        }
        SearchField::Email if value.validate_email().is_err() => Err("must be an e-mail address".to_owned()),
        SearchField::Email => Ok(vec![Probe::of(field, email(value))]),
        SearchField::PhoneNumber => {
            let is_part =
                |sign: char| sign.is_ascii_digit() || " +-./()\u{a0}\u{2010}\u{2011}\u{2013}".contains(sign);
            // Numbers of the register have 8 to 15 digits, which may include the prefix 00; a search may leave it out
            // or add it.
            if !value.chars().all(is_part) || !(6..=17).contains(&digits) {
                return Err("must be a telephone number of 8 to 15 digits".to_owned());
            }
            Ok(vec![Probe::of(field, digits_of_phone(value))])
        }
        SearchField::SecuritiesAccountNumber => {
            let number: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
            if number.len() != digits || !(7..=12).contains(&digits) {
                return Err("must have 7 to 12 digits".to_owned());
            }
            Ok(vec![Probe::of(field, number)])
        }
    }
}

/// Returns the lookups for a name. It may be a last or birth name, or begin with first names, of which some may be left
/// out. With a comma the last name comes first.
fn of_name(value: &str) -> Vec<Probe> {
    let mut probes = in_this_order(&words(value));
    if let Some((last, first)) = value.split_once(',') {
        let mut turned = words(first);
        turned.extend(words(last));
        probes.extend(in_this_order(&turned));
    }
    probes
}

/// Returns the lookups for words in this order, for each split into first names and last name.
fn in_this_order(words: &[String]) -> Vec<Probe> {
    let mut probes = vec![Probe::of(SearchField::Name, key(words))];
    for at in 1..words.len() {
        let (first, last) = words.split_at(at);
        let surname = key(last);
        probes.push(Probe::of(SearchField::Name, whole_name(&key(first), &surname)));
        if let [leading, _, ..] = first {
            let term = (SearchField::Name, whole_name(&key([leading]), &surname));
            probes.push(Probe { term, fits: MatchCondition::FirstNames(first.to_vec()) });
        }
    }
    probes
}

/// Returns the lookups for a number in every form in which it may be stored, because a search does not name the
/// standard. The number may also be written as in a report, with the country in front, and may be a CONCAT.
fn of_number_as_written(value: &str, today: Date) -> Vec<Probe> {
    let mut probes: Vec<Probe> =
        forms(value, today).into_iter().map(|form| Probe::of(SearchField::Identifier, form)).collect();
    let Some((country, rest)) = value.split_at_checked(2) else { return probes };
    let Some(country) = Country::parse(&country.to_ascii_uppercase()) else { return probes };
    let rest = rest.trim_start_matches([':', ' ']);
    if rest.chars().any(char::is_alphanumeric) {
        let of_country =
            |form| Probe { term: (SearchField::Identifier, form), fits: MatchCondition::NumberOf(country) };
        probes.extend(forms(rest, today).into_iter().map(of_country));
    }
    let concat = in_form_of(StandardKey::Concat, value, today);
    let born = concat.get(2..10).and_then(|digits| Date::strptime("%Y%m%d", digits).ok());
    if let Some(born) = born.filter(|_| concat.len() == 20) {
        let term = (SearchField::BirthDate, born.to_string());
        probes.push(Probe { term, fits: MatchCondition::Concat(concat) });
    }
    probes
}

/// Returns the forms of a number under each of the standards, and its short form.
fn forms(written: &str, today: Date) -> BTreeSet<String> {
    let by_standard = mifir::STANDARDS.iter().map(|one| one.normalise(written, None, today).into_owned());
    let (mut forms, signed) = (by_standard.collect::<BTreeSet<String>>(), with_signs(written));
    // A Swedish number without a sign does not encode the century, so both centuries are tried.
    if signed.len() == 10 && signed.bytes().all(|one| one.is_ascii_digit()) {
        let (day, rest) = signed.split_at(6);
        let in_century = |sign: &str| in_form_of(StandardKey::Pnr, &format!("{day}{sign}{rest}"), today);
        forms.extend(["-", "+"].map(in_century));
    }
    forms.insert(mark_short(&signed));
    forms
}
