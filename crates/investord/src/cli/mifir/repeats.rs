//! Finds numbers and people that occur in more than one record.
//!
//! Only hashes are kept, so that memory stays small for any file.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::identification::dry_run::DryRun;
use crate::domain::identification::identifier::{Finding, IdentifierContent, SOFT};

use super::headers::fold;

/// The hash of a number or of a person.
type Key = [u8; 16];

/// Returns the first half of a SHA-256: among a billion values, no two such halves are equal by chance.
fn key(parts: &[&str]) -> Key {
    let hash = digest(&SHA256, parts.join("\0").as_bytes());
    let mut key = Key::default();
    key.copy_from_slice(&hash.as_ref()[..16]);
    key
}

/// Returns the key of a number in its reported form.
fn number_key(content: &IdentifierContent) -> Key {
    key(&[content.country.as_str(), content.standard.as_str(), &content.reported])
}

/// Returns the key of a name and a birth date, independent of the spelling of the name.
fn person_key(person: &DryRun) -> Key {
    let identity = &person.identity;
    let birth_date = identity.birth_date.to_string();
    key(&[&fold(&identity.first_name), &fold(&identity.last_name), &birth_date])
}

/// Returns the identifiers except CONCAT, which is made of name and birth date and would only repeat the person.
fn numbers(contents: &[IdentifierContent]) -> impl Iterator<Item = &IdentifierContent> {
    contents.iter().filter(|content| !content.is_concat())
}

/// The row of a number or a person.
#[derive(Clone, Copy)]
struct RecordPosition {
    line: u64,
    /// The key of the person, or zeros if the person could not be read.
    person: Key,
    /// Whether the row has a number, which distinguishes people of the same name.
    has_number: bool,
}

/// The numbers and people of all rows, collected in the second pass.
#[derive(Default)]
pub struct RecordNumbers {
    numbers: Vec<(Key, RecordPosition)>,
    people: Vec<(Key, RecordPosition)>,
}

impl RecordNumbers {
    /// Adds the numbers and the person of a row.
    pub fn add(&mut self, line: u64, person: &DryRun) {
        let has_number = numbers(&person.contents).next().is_some();
        let place = RecordPosition { line, person: person_key(person), has_number };
        self.people.push((place.person, place));
        self.add_numbers(place, &person.contents);
    }

    /// Adds the numbers of a row whose person cannot be read.
    pub fn add_without_person(&mut self, line: u64, contents: &[IdentifierContent]) {
        let place = RecordPosition { line, person: Key::default(), has_number: true };
        self.add_numbers(place, contents);
    }

    /// Adds the numbers of a row.
    fn add_numbers(&mut self, place: RecordPosition, contents: &[IdentifierContent]) {
        self.numbers.extend(numbers(contents).map(|content| (number_key(content), place)));
    }

    /// Returns the numbers and people that occur on more than one row.
    pub fn repeats(self) -> Repeats {
        let numbers =
            groups(self.numbers).into_iter().map(|(key, places)| (key, SameNumber::new(&places))).collect();
        let people =
            groups(self.people).into_iter().map(|(key, places)| (key, SameName::new(&places))).collect();
        Repeats { numbers, people }
    }
}

/// Groups the keys that occur on more than one line, each with its positions in the order of the file.
fn groups(mut places: Vec<(Key, RecordPosition)>) -> Vec<(Key, Vec<RecordPosition>)> {
    places.sort_unstable_by_key(|(key, place)| (*key, place.line));
    places.dedup_by_key(|(key, place)| (*key, place.line));
    let groups = places.chunk_by(|(one, _), (other, _)| one == other).filter(|group| group.len() > 1);
    groups.map(|group| (group[0].0, group.iter().map(|(_, place)| *place).collect())).collect()
}

/// The lines of a group: the first of them, because a message names no more, and their total. So a row costs the same
/// in a group of two as in one of a million.
#[derive(Clone, Default)]
struct LineNumbers {
    first: Vec<u64>,
    count: usize,
}

impl LineNumbers {
    /// Adds a line, which is kept if a message could name it.
    fn add(&mut self, line: u64) {
        if self.first.len() <= MAX_LINES {
            self.first.push(line);
        }
        self.count += 1;
    }

    /// Returns the group without one of its lines.
    fn beside(&self, line: u64) -> Self {
        let first = self.first.iter().copied().filter(|other| *other != line).collect();
        Self { first, count: self.count.saturating_sub(1) }
    }
}

/// The rows with the same name and birth date.
struct SameName {
    all: LineNumbers,
    without_number: LineNumbers,
}

impl SameName {
    /// Collects the rows of a group.
    fn new(places: &[RecordPosition]) -> Self {
        let (mut all, mut without_number) = (LineNumbers::default(), LineNumbers::default());
        for place in places {
            all.add(place.line);
            if !place.has_number {
                without_number.add(place.line);
            }
        }
        Self { all, without_number }
    }
}

/// The rows with the same number.
struct SameNumber {
    by_person: HashMap<Key, LineNumbers>,
    /// The first rows: so many of each person that enough are left without those of any one person.
    first: Vec<RecordPosition>,
    count: usize,
}

impl SameNumber {
    /// Collects the rows of a group.
    fn new(places: &[RecordPosition]) -> Self {
        let mut number = Self { by_person: HashMap::new(), first: Vec::new(), count: places.len() };
        for place in places {
            let lines = number.by_person.entry(place.person).or_default();
            if lines.count <= MAX_LINES && number.first.len() <= 2 * MAX_LINES {
                number.first.push(*place);
            }
            lines.add(place.line);
        }
        number
    }

    /// Returns the other rows of the same person, and the rows of other people.
    fn beside(&self, line: u64, own: Option<Key>) -> (LineNumbers, LineNumbers) {
        let Some(same) = own.and_then(|own| self.by_person.get(&own)) else {
            let first = self.first.iter().map(|place| place.line).filter(|other| *other != line).collect();
            return (LineNumbers::default(), LineNumbers { first, count: self.count.saturating_sub(1) });
        };
        let others = self.first.iter().filter(|place| Some(place.person) != own);
        let others =
            LineNumbers { first: others.map(|place| place.line).collect(), count: self.count - same.count };
        (same.beside(line), others)
    }
}

/// The numbers and people that occur on more than one row.
pub struct Repeats {
    numbers: HashMap<Key, SameNumber>,
    people: HashMap<Key, SameName>,
}

impl Repeats {
    /// Returns findings that name the other rows of the numbers and of the person of a row.
    pub fn findings(&self, line: u64, person: &DryRun) -> Vec<Finding> {
        let own = person_key(person);
        let mut findings = self.of_numbers(line, &person.contents, Some(own));
        let has_number = numbers(&person.contents).next().is_some();
        let others = match self.people.get(&own) {
            // Rows of the same name with different numbers are different people, so only rows without a number are
            // named.
            Some(same) if has_number => same.without_number.clone(),
            Some(same) => same.all.beside(line),
            None => LineNumbers::default(),
        };
        findings.extend(finding("repeated_person", "the same name and birth date stand", &others));
        findings
    }

    /// Returns the same findings for a row whose person cannot be read.
    pub fn findings_without_person(&self, line: u64, contents: &[IdentifierContent]) -> Vec<Finding> {
        self.of_numbers(line, contents, None)
    }

    /// Returns the findings about the numbers of a row. `own` is the key of its person.
    fn of_numbers(&self, line: u64, contents: &[IdentifierContent], own: Option<Key>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for content in numbers(contents) {
            let Some(number) = self.numbers.get(&number_key(content)) else { continue };
            let (same, different) = number.beside(line, own);
            let what = format!("{} {}", content.country, content.abbreviation());
            let text = format!("{what}: the same person with the same number stands");
            findings.extend(finding("repeated_person", &text, &same));
            findings.extend(finding(
                "repeated_number",
                &format!("{what}: the same number stands"),
                &different,
            ));
        }
        findings
    }
}

/// Maximum number of lines that a message names.
const MAX_LINES: usize = 5;

/// Returns a finding that names the other lines, or `None` if there are none.
fn finding(code: &str, what: &str, others: &LineNumbers) -> Option<Finding> {
    if others.count == 0 {
        return None;
    }
    let named: Vec<String> = others.first.iter().take(MAX_LINES).map(u64::to_string).collect();
    let more = others.count.saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let lines = if others.count == 1 { "line" } else { "lines" };
    let message = format!("{what} on {lines} {}{more}", named.join(", "));
    Some(Finding { severity: SOFT.to_owned(), code: code.to_owned(), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Assigns up to five blocks of rows with one number to three people in every way, and compares the messages with
    /// those of complete lists.
    #[test]
    fn a_short_list_names_what_a_whole_one_would() {
        for blocks in 2..=5_u32 {
            for assignment in 0..3_u64.pow(blocks) {
                let person = |block: u32| [u8::try_from(assignment / 3_u64.pow(block) % 3).unwrap(); 16];
                // Six rows per block exceed the lines of a message, so that lists are shortened.
                let place =
                    |at: u32| RecordPosition { line: at.into(), person: person(at / 6), has_number: true };
                let places: Vec<RecordPosition> = (0..6 * blocks).map(place).collect();
                let number = SameNumber::new(&places);
                for own in &places {
                    let told = |lines: LineNumbers| {
                        finding("code", "it stands", &lines).map(|finding| finding.message)
                    };
                    let all = |same: bool| {
                        let mut lines = LineNumbers::default();
                        let of = |place: &&RecordPosition| {
                            (place.person == own.person) == same && place.line != own.line
                        };
                        places.iter().filter(of).for_each(|place| lines.add(place.line));
                        told(lines)
                    };
                    let (same, different) = number.beside(own.line, Some(own.person));
                    assert_eq!((told(same), told(different)), (all(true), all(false)), "{assignment}");
                }
            }
        }
    }
}
