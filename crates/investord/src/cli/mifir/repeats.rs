//! Numbers and people that stand on more than one row.
//!
//! Only hashes are kept, so that memory stays small whatever the file holds.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::identifier::{Content, Finding, SOFT};
use crate::domain::reporting::DryRun;

use super::headers::folded;

type Key = [u8; 16];

/// Half of a SHA-256: no two of a billion values meet by chance.
fn key(parts: &[&str]) -> Key {
    let hash = digest(&SHA256, parts.join("\0").as_bytes());
    let mut key = Key::default();
    key.copy_from_slice(&hash.as_ref()[..16]);
    key
}

fn number_key(content: &Content) -> Key {
    key(&[content.country.as_str(), &content.standard, &content.reported])
}

/// The key of a name and a birth date, however the name is written.
fn person_key(person: &DryRun) -> Key {
    let identity = &person.identity;
    let birth_date = identity.birth_date.to_string();
    key(&[&folded(&identity.first_name), &folded(&identity.last_name), &birth_date])
}

fn numbers(contents: &[Content]) -> impl Iterator<Item = &Content> {
    contents.iter().filter(|content| !content.is_concat())
}

/// A row on which a number or a person stands.
#[derive(Clone, Copy)]
struct Place {
    line: u64,
    person: Key,
    has_number: bool,
}

/// All rows, as they are read.
#[derive(Default)]
pub struct Rows {
    numbers: Vec<(Key, Place)>,
    people: Vec<(Key, Place)>,
}

impl Rows {
    pub fn add(&mut self, line: u64, person: &DryRun) {
        let has_number = numbers(&person.contents).next().is_some();
        let place = Place { line, person: person_key(person), has_number };
        self.people.push((place.person, place));
        self.add_numbers(place, &person.contents);
    }

    /// Adds the numbers of a row that says nothing else.
    pub fn add_without_person(&mut self, line: u64, contents: &[Content]) {
        let place = Place { line, person: Key::default(), has_number: true };
        self.add_numbers(place, contents);
    }

    fn add_numbers(&mut self, place: Place, contents: &[Content]) {
        self.numbers.extend(numbers(contents).map(|content| (number_key(content), place)));
    }

    pub fn repeats(self) -> Repeats {
        Repeats { numbers: repeated(self.numbers), people: repeated(self.people) }
    }
}

fn repeated(mut places: Vec<(Key, Place)>) -> HashMap<Key, Vec<Place>> {
    places.sort_unstable_by_key(|(key, place)| (*key, place.line));
    places.dedup_by_key(|(key, place)| (*key, place.line));
    let groups = places.chunk_by(|(one, _), (other, _)| one == other).filter(|group| group.len() > 1);
    groups.map(|group| (group[0].0, group.iter().map(|(_, place)| *place).collect())).collect()
}

/// What stands on more than one row.
pub struct Repeats {
    numbers: HashMap<Key, Vec<Place>>,
    people: HashMap<Key, Vec<Place>>,
}

impl Repeats {
    /// Names the other rows of the numbers of a row, and of its person.
    pub fn findings(&self, line: u64, person: &DryRun) -> Vec<Finding> {
        let own = person_key(person);
        let has_number = numbers(&person.contents).next().is_some();
        let mut findings = self.of_numbers(line, &person.contents, Some(own));
        let said: Vec<u64> = findings.iter().flat_map(|(_, lines)| lines.clone()).collect();
        let others = self.people.get(&own).into_iter().flatten().filter(|place| {
            // Two numbers are two people, who happen to have one name.
            place.line != line && !said.contains(&place.line) && !(has_number && place.has_number)
        });
        let lines: Vec<u64> = others.map(|place| place.line).collect();
        if !lines.is_empty() {
            let message = format!("the same name and birth date stand on {}", listed(&lines));
            findings.push((finding("repeated_person", message), lines));
        }
        findings.into_iter().map(|(finding, _)| finding).collect()
    }

    /// The same for a row whose person cannot be read.
    pub fn findings_without_person(&self, line: u64, contents: &[Content]) -> Vec<Finding> {
        self.of_numbers(line, contents, None).into_iter().map(|(finding, _)| finding).collect()
    }

    fn of_numbers(&self, line: u64, contents: &[Content], own: Option<Key>) -> Vec<(Finding, Vec<u64>)> {
        let mut findings = Vec::new();
        for content in numbers(contents) {
            let places = self.numbers.get(&number_key(content)).into_iter().flatten();
            let others = places.filter(|place| place.line != line);
            let (same, different): (Vec<&Place>, Vec<&Place>) =
                others.partition(|place| Some(place.person) == own);
            let what = format!("{} {}", content.country, content.abbreviation());
            let mut add = |code: &str, places: Vec<&Place>, text: &str| {
                let lines: Vec<u64> = places.iter().map(|place| place.line).collect();
                if !lines.is_empty() {
                    let message = format!("{what}: {text} on {}", listed(&lines));
                    findings.push((finding(code, message), lines));
                }
            };
            add("repeated_person", same, "the same person with the same number stands");
            add("repeated_number", different, "the same number stands");
        }
        findings
    }
}

fn finding(code: &str, message: String) -> Finding {
    let (severity, code) = (SOFT.to_owned(), code.to_owned());
    Finding { severity, code, message }
}

/// Lines that a message names.
const MOST_LINES: usize = 5;

fn listed(lines: &[u64]) -> String {
    let named: Vec<String> = lines.iter().take(MOST_LINES).map(u64::to_string).collect();
    let more = lines.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let lines = if lines.len() == 1 { "line" } else { "lines" };
    format!("{lines} {}{more}", named.join(", "))
}
