//! The reading of a value under examination: templates, digits, dates and check characters, with the faults found.

use std::ops::{Add, Mul};

use jiff::civil::Date;

use crate::check::{CheckSymbols, Checked, EncodedFacts, Fault, FaultKind, NumberPart, Severity};
use crate::country::Country;

/// A value under examination. Its methods return parts that they have checked; at a fault from which a check cannot go
/// on they record it and return `None`.
pub(crate) struct ValueReader<'a> {
    pub value: &'a str,
    pub country: Country,
    /// The day of the check.
    pub today: Date,
    /// The birth date that its holder has stated.
    pub stated: Option<Date>,
    faults: Vec<Fault<'a>>,
}

/// Returns the test for a character of a template, and its description.
fn class(letter: u8) -> (fn(u8) -> bool, &'static str) {
    match letter {
        b'9' => (|c| c.is_ascii_digit(), "a digit"),
        b'A' => (|c| c.is_ascii_uppercase(), "a capital letter"),
        b'X' => (|c| c.is_ascii_digit() || c.is_ascii_uppercase(), "a capital letter or a digit"),
        b'B' => (|c| c.is_ascii_uppercase() && c != b'O', "a capital letter other than O"),
        b'Y' => (
            |c| (c.is_ascii_digit() || c.is_ascii_uppercase()) && c != b'O',
            "a digit or a capital letter other than O",
        ),
        b'#' => (|c| c.is_ascii_uppercase() || c == b'#', "a capital letter or #"),
        // Codice fiscale: a digit, or the letter that replaces one (omocodia).
        b'o' => (|c| c.is_ascii_digit() || b"LMNPQRSTUV".contains(&c), "a digit or one of LMNPQRSTUV"),
        b'm' => (|c| b"ABCDEHLMPRST".contains(&c), "one of ABCDEHLMPRST"),
        // Henkilötunnus.
        b'k' => (
            |c| b"0123456789ABCDEFHJKLMNPRSTUVWXY".contains(&c),
            "a digit or a capital letter but G, I, O, Q, Z",
        ),
        _ => (|_| true, "anything"),
    }
}

/// Returns whether the value has the form of the template: 9 is a digit, A a letter, X either, another capital itself.
pub(crate) fn looks_like(value: &str, template: &str) -> bool {
    value.len() == template.len()
        && value.bytes().zip(template.bytes()).all(|(c, letter)| match letter {
            b'9' | b'A' | b'X' => class(letter).0(c),
            itself => c == itself,
        })
}

impl<'a> ValueReader<'a> {
    pub fn new(value: &'a str, country: Country, today: Date, stated: Option<Date>) -> Self {
        Self { value, country, today, stated, faults: Vec::new() }
    }

    pub fn finish(self, encoded: Option<EncodedFacts>) -> Checked<'a> {
        Checked { faults: self.faults, encoded: encoded.unwrap_or_default() }
    }

    pub fn hard(&mut self, what: FaultKind<'a>) {
        self.faults.push(Fault { severity: Severity::Hard, what, hint: None });
    }

    pub fn soft(&mut self, what: FaultKind<'a>) {
        self.faults.push(Fault { severity: Severity::Soft, what, hint: None });
    }

    pub fn wrong_length(&mut self, expected: &'static str) {
        self.hard(FaultKind::Length { found: self.value.chars().count(), expected });
    }

    /// Compares every character with its place in a template and records the faults.
    pub fn fits(&mut self, template: &[u8], length: &'static str) -> Option<()> {
        if self.value.chars().count() != template.len() {
            self.wrong_length(length);
            return None;
        }
        let mut fits = true;
        for (at, (found, letter)) in self.value.chars().zip(template).enumerate() {
            let (is_one, expected) = class(*letter);
            if !u8::try_from(found).is_ok_and(|byte| byte.is_ascii() && is_one(byte)) {
                self.hard(FaultKind::Character { found, position: at + 1, expected });
                fits = false;
            }
        }
        fits.then_some(())
    }

    /// Returns the bytes of a value that has the form of the template.
    pub fn read<const N: usize>(&mut self, template: &[u8; N], length: &'static str) -> Option<[u8; N]> {
        self.fits(template, length)?;
        self.value.as_bytes().try_into().ok()
    }

    /// Returns the digits of a value that consists of digits.
    pub fn digits<const N: usize>(&mut self, length: &'static str) -> Option<[u8; N]> {
        Some(self.read(&[b'9'; N], length)?.map(|byte| byte - b'0'))
    }

    /// Returns a birth date, or records a fault if there is no such date or it is in the future.
    pub fn date(&mut self, year: u16, month: u8, day: u8) -> Option<Date> {
        let date = civil(year, month, day);
        match date {
            None => self.hard(FaultKind::Date { day, month, year }),
            Some(date) if date > self.today => {
                self.hard(FaultKind::Future { year });
                return None;
            }
            Some(_) => {}
        }
        date
    }

    /// Returns the characters of the value from one position to another, counted from 0.
    pub fn part(&self, from: usize, to: usize) -> &'a str {
        self.value.get(from..to).unwrap_or_default()
    }

    pub fn bad_part(&mut self, part: NumberPart, (from, to): (usize, usize), expected: &'static str) {
        let found = self.part(from, to);
        self.hard(FaultKind::Part { part, found, expected });
    }

    /// Compares the check characters at a position with the expected ones; a difference is a hard fault.
    pub fn check(&mut self, at: usize, expected: CheckSymbols) {
        self.check_as(Severity::Hard, at, expected);
    }

    pub fn check_as(&mut self, severity: Severity, at: usize, expected: CheckSymbols) {
        let found = self.part(at, at + expected.len());
        if !expected.are(found) {
            self.faults.push(Fault { severity, what: FaultKind::Check { found, expected }, hint: None });
        }
    }
}

pub(crate) fn civil(year: u16, month: u8, day: u8) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// Returns whether a date without century exists in the 1900s or in the 2000s, future dates included.
pub(crate) fn is_date_of_some_century(year: u8, month: u8, day: u8) -> bool {
    [1900, 2000].iter().any(|century| civil(century + u16::from(year), month, day).is_some())
}

/// Returns two digits as a number.
pub(crate) fn pair(digits: &[u8], at: usize) -> u8 {
    digits[at] * 10 + digits[at + 1]
}

/// Returns digits as a number.
pub(crate) fn number<T: From<u8> + Mul<Output = T> + Add<Output = T>>(digits: &[u8]) -> T {
    digits.iter().fold(T::from(0), |number, digit| number * T::from(10) + T::from(*digit))
}

/// Returns the sum of the digits times their weights, left to right.
pub(crate) fn weighted(digits: &[u8], weights: &[u8]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * u32::from(*weight)).sum()
}
