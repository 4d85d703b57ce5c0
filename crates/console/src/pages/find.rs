//! The search for people: one box, what it has understood, and who was found.

use askama::Template;
use jiff::civil::Date;
use rphonetic::{Cologne, Encoder as _};
use serde_json::Value;

use crate::answers::{Found, Person};
use crate::frame::{Frame, Part, Theme};
use crate::text::Language;

/// The page of the search.
#[derive(Template)]
#[template(path = "find.html")]
pub struct Find {
    pub frame: Frame,
    pub query: String,
    pub understood: Vec<SearchTerm>,
    pub fault: String,
    /// None before the first search.
    pub found: Option<Found>,
    /// People whom all but the name fits, and the name nearly.
    pub near: Vec<Person>,
}

/// A term of a query: the search parameter and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchTerm {
    /// Parameter of the search, as in `birth_date`.
    pub field: &'static str,
    pub value: Value,
}

/// Returns the longest term at the beginning that is no name, and how many words it has.
fn first_term(words: &[&str]) -> Option<(usize, SearchTerm)> {
    let counts = [3, 2, 1].into_iter().filter(|count| *count <= words.len());
    counts.into_iter().find_map(|count| Some((count, parse_term(&words[..count])?)))
}

/// Returns whether the first word only introduces the birth date behind it.
fn introduces_birth_date(words: &[&str]) -> bool {
    let fillers = words.iter().take_while(|word| FILLERS.contains(word)).count();
    fillers > 0 && first_term(&words[fillers..]).is_some_and(|(_, term)| term.field == "birth_date")
}

/// Words between a name and a birth date, as callers say them. In capitals they may be names.
const FILLERS: [&str; 7] = ["born", "dob", "geboren", "geb", "geb.", "am", "*"];

/// Parses a query into search terms: ids, e-mail addresses, phone numbers, birth dates in any usual form and identifiers.
/// The remaining words are the name.
pub fn parse_query(query: &str) -> Vec<SearchTerm> {
    let mut found = Vec::new();
    let mut name: Vec<&str> = Vec::new();
    let words: Vec<&str> = query.split([' ', ',', ';', '\t']).filter(|word| !word.is_empty()).collect();
    let mut at = 0;
    while at < words.len() {
        let rest = &words[at..];
        let (taken, understood) = first_term(rest).map_or((1, None), |(count, one)| (count, Some(one)));
        match understood {
            Some(one) => found.push(one),
            None if introduces_birth_date(rest) => {}
            None => name.push(words[at]),
        }
        at += taken;
    }
    if !name.is_empty() {
        found.insert(0, SearchTerm { field: "name", value: name.join(" ").into() });
    }
    found
}

/// How similar a word is at least to be taken for a slip (Jaro and Winkler, from 0 to 1), as Mayr for Mayer.
const SLIP: f64 = 0.9;

/// Returns those whose name sounds like the one that was typed (Cologne phonetics), or differs by a slip, the nearest
/// first. Names are compared word by word, in any order.
pub fn near(typed: &str, people: Vec<Person>) -> Vec<Person> {
    let mut scored: Vec<(f64, Person)> =
        people.into_iter().filter_map(|person| Some((similarity(typed, &person)?, person))).collect();
    scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    scored.into_iter().map(|(_, person)| person).collect()
}

/// Returns how similar a name is to that of a person; none if a word of it is like none of theirs.
fn similarity(typed: &str, person: &Person) -> Option<f64> {
    let names = person.name() + " " + person.birth_name.as_deref().unwrap_or_default();
    let like = |word: &str| {
        let scores = names.split_whitespace().filter_map(|name| {
            let score = strsim::jaro_winkler(&word.to_lowercase(), &name.to_lowercase());
            (score >= SLIP || Cologne.is_encoded_equals(word, name)).then_some(score)
        });
        scores.reduce(f64::max)
    };
    typed.split_whitespace().map(like).try_fold(1.0, |least, score| Some(f64::min(least, score?)))
}

fn parse_term(words: &[&str]) -> Option<SearchTerm> {
    let whole = words.join(" ");
    if let Some(date) = birth_date(&whole) {
        return Some(SearchTerm { field: "birth_date", value: date.to_string().into() });
    }
    let [word] = words else {
        let is_phone = words[0].starts_with('+') && words[1..].iter().all(|word| is_number(word));
        return is_phone.then(|| SearchTerm { field: "phone_number", value: whole.into() });
    };
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let field = match () {
        () if is_uuid(word) => "id",
        () if word.contains('@') => "email",
        () if word.starts_with('+') && digits > 5 => "phone_number",
        // Names have no digits; numbers of accounts and people have at least six.
        () if digits >= 6 => "identifier",
        () => return None,
    };
    Some(SearchTerm { field, value: (*word).into() })
}

fn is_number(word: &str) -> bool {
    word.chars().all(|letter| letter.is_ascii_digit() || "-/()".contains(letter))
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36 && word.chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit())
}

/// The names of the months in both languages, by their first three letters.
const MONTHS: [&[&str]; 12] = [
    &["jan", "jän"],
    &["feb"],
    &["mar", "mär", "mae"],
    &["apr"],
    &["may", "mai"],
    &["jun"],
    &["jul"],
    &["aug"],
    &["sep"],
    &["oct", "okt"],
    &["nov"],
    &["dec", "dez"],
];

/// Parses a date in a usual form: 1983-05-03, 3.5.1983, 03/05/1983, 3 May 1983, 3. Mai 1983, May 3 1983.
fn birth_date(text: &str) -> Option<Date> {
    if let Ok(date) = text.parse::<Date>()
        && text.len() == 10
    {
        return Some(date);
    }
    let parts: Vec<&str> = text.split(['.', '/', '-', ' ']).filter(|part| !part.is_empty()).collect();
    let [first, second, year] = parts[..] else { return None };
    let year: i16 = year.parse().ok().filter(|year| (1800..3000).contains(year))?;
    let month_of = |name: &str| {
        let start: String = name.to_lowercase().chars().take(3).collect();
        let at = MONTHS.iter().position(|names| names.contains(&start.as_str()))?;
        i8::try_from(at + 1).ok()
    };
    let (day, month) = match (first.parse::<i8>(), second.parse::<i8>()) {
        (Ok(day), Ok(month)) => (day, month),
        (Ok(day), Err(_)) => (day, month_of(second)?),
        (Err(_), Ok(day)) => (day, month_of(first)?),
        _ => return None,
    };
    Date::new(year, month, day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_near() {
        let person = |name: &str| {
            let (first, last) = name.split_once(' ').unwrap();
            serde_json::from_value(serde_json::json!({
                "id": name, "created_at": "2026-11-24T08:41:07Z", "status": "ACTIVE",
                "first_name": first, "last_name": last,
            }))
            .unwrap()
        };
        let people = || ["Anna Schmidt", "Johanna Mayer", "Jörg Maier", "Lea Müller"].map(person).to_vec();
        let names = |typed: &str| near(typed, people()).iter().map(Person::name).collect::<Vec<_>>();
        assert_eq!(names("Meier"), ["Jörg Maier", "Johanna Mayer"]);
        assert_eq!(names("Johana Mayr"), ["Johanna Mayer"]);
        assert_eq!(names("mueller"), ["Lea Müller"]);
        assert!(names("Kowalski").is_empty());
    }

    #[test]
    fn one_box_takes_everything() {
        for (query, expected) in [
            ("Meier, 3 May 1983", vec![("name", "Meier"), ("birth_date", "1983-05-03")]),
            ("Meier, born 3 May 1983", vec![("name", "Meier"), ("birth_date", "1983-05-03")]),
            ("Meier geb. am 3.5.1983", vec![("name", "Meier"), ("birth_date", "1983-05-03")]),
            ("Max Born 3.5.1983", vec![("name", "Max Born"), ("birth_date", "1983-05-03")]),
            ("Born, Max", vec![("name", "Born Max")]),
            ("Meier 3.5.1983", vec![("name", "Meier"), ("birth_date", "1983-05-03")]),
            ("Anna Maria Groß 03/05/1983", vec![("name", "Anna Maria Groß"), ("birth_date", "1983-05-03")]),
            ("3. Mai 1983 Jörg Maier", vec![("name", "Jörg Maier"), ("birth_date", "1983-05-03")]),
            ("Mai 1983-05-03", vec![("name", "Mai"), ("birth_date", "1983-05-03")]),
            ("a@example.com", vec![("email", "a@example.com")]),
            ("+49 30 123456", vec![("phone_number", "+49 30 123456")]),
            ("+4930123456 Meier", vec![("name", "Meier"), ("phone_number", "+4930123456")]),
            ("83050312345", vec![("identifier", "83050312345")]),
            ("4d0e6b57-57e1-47bc-b37d-0f21d6dff3bb", vec![("id", "4d0e6b57-57e1-47bc-b37d-0f21d6dff3bb")]),
            ("  ", vec![]),
        ] {
            let understood = parse_query(query);
            let shown: Vec<_> =
                understood.iter().map(|one| (one.field, one.value.as_str().unwrap())).collect();
            assert_eq!(shown, expected, "{query}");
        }
    }
}
