//! Checks of identifiers: their faults, and the facts about the holder that they encode.
//!
//! A check takes the stored form: compact, capital letters, as [`normalise`](crate::Standard::normalise) returns it.
//! Faults are **hard** where the state that issues the number still guarantees the rule (characters, length, dates,
//! check digits), and **soft** where a good number may break it: patterns of passports, numbers that are typical of
//! other holders, check digits that are no longer guaranteed.

use std::fmt;
use std::ops::{Add, Mul};

use jiff::civil::Date;

use crate::Country;
use crate::text::{is_apostrophe, is_invisible};

/// The weight of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The identifier may be right, but deserves a review.
    Soft,
    /// No such identifier exists.
    Hard,
}

/// A fault of an identifier. Its text can be read out to the person: "check digit is 7, must be 2".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// The weight, which decides whether the identifier is refused.
    pub severity: Severity,
    /// The kind of fault, with its details.
    pub what: FaultKind<'a>,
    /// The likely cause.
    pub hint: Option<Hint>,
}

/// A guess at the cause of a wrong number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// The number of leading zeros that would make it right, for a holder with the stated birth date: programs that
    /// treat numbers as quantities drop them.
    LeadingZeros(usize),
    /// The value is written as a quantity, in powers of ten, and most of its digits are lost.
    PowerOfTen,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::LeadingZeros(1) => f.write_str("a leading zero is missing?"),
            Hint::LeadingZeros(count) => write!(f, "{count} leading zeros are missing?"),
            Hint::PowerOfTen => f.write_str("a spreadsheet has rounded it?"),
        }
    }
}

/// The kind of a fault. `found` is the text in the value, `expected` plain English for the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind<'a> {
    /// A wrong number of characters (not bytes).
    Length { found: usize, expected: &'static str },
    /// A length that was issued only to people who were born before a year.
    OldLength { found: usize, before: i16 },
    /// Invisible characters, which were dropped.
    Invisible,
    /// An apostrophe in front, by which spreadsheets mark text; it was dropped.
    TextMarker,
    /// A character that is not allowed at this position, counted from 1.
    Character { found: char, position: usize, expected: &'static str },
    /// A birth date in the number that does not exist. Its parts are those that are written, so a month can be 33; the
    /// year has four digits, or two where the century is not known.
    Date { day: u8, month: u8, year: u16 },
    /// A date in the number that is after the day of the check. The year has four digits.
    Future { year: u16 },
    /// A wrong check digit or check letter, or a wrong pair of them.
    Check { found: &'a str, expected: Symbols },
    /// Digits that would need a check digit of 10; such numbers are not issued.
    Unissued,
    /// A part of the number with a value that the state does not issue.
    Part { part: NumberPart, found: &'a str, expected: &'static str },
    /// A good number of a kind that is issued to other people than expected: foreigners, the unregistered.
    Holder { kind: &'static str },
    /// A form other than the issuing country's usual one, which may have changed since it was written down.
    Pattern { expected: &'static str },
    /// A country in front of a CONCAT that is not the country of the identifier.
    Country { found: &'a str, expected: Country },
}

/// A part of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberPart {
    /// The digit or sign that encodes the century.
    Century,
    /// The number of the person within a day, a district or a register.
    Serial,
    /// Letters in front.
    Prefix,
    /// A letter at the end.
    Suffix,
    /// The place where the number was issued.
    County,
    /// The kind of taxpayer.
    Kind,
    /// A name of a CONCAT, padded with `#`.
    Name,
}

/// One or two check characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbols([u8; 2]);

impl Symbols {
    /// Returns a single digit or letter.
    pub(crate) const fn one(symbol: u8) -> Self {
        Self([0, symbol])
    }

    /// Returns the last digit of a number.
    pub(crate) fn digit(value: u32) -> Self {
        Self::one(last_digit(value))
    }

    /// Returns the last two digits of a number.
    pub(crate) fn pair(value: u32) -> Self {
        Self([last_digit(value / 10), last_digit(value)])
    }

    fn are(self, text: &str) -> bool {
        let skip = usize::from(self.0[0] == 0);
        text.as_bytes() == &self.0[skip..]
    }
}

/// Returns the last digit of a number, as an ASCII character.
pub(crate) fn last_digit(value: u32) -> u8 {
    b"0123456789"[(value % 10) as usize]
}

impl fmt::Display for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .filter(|symbol| **symbol != 0)
            .try_for_each(|symbol| write!(f, "{}", char::from(*symbol)))
    }
}

impl FaultKind<'_> {
    /// Returns a stable name for machines, in `snake_case`: `length`, `character`, `date`, `future_date`,
    /// `check_digit`, `unissued`, `holder`, `pattern`, `country`, `invisible`, `text_marker`, or the name of the part,
    /// as `century`.
    pub const fn code(&self) -> &'static str {
        match self {
            FaultKind::Length { .. } | FaultKind::OldLength { .. } => "length",
            FaultKind::Invisible => "invisible",
            FaultKind::TextMarker => "text_marker",
            FaultKind::Character { .. } => "character",
            FaultKind::Date { .. } => "date",
            FaultKind::Future { .. } => "future_date",
            FaultKind::Check { .. } => "check_digit",
            FaultKind::Unissued => "unissued",
            FaultKind::Part { part, .. } => match part {
                NumberPart::Century => "century",
                NumberPart::Serial => "serial",
                NumberPart::Prefix => "prefix",
                NumberPart::Suffix => "suffix",
                NumberPart::County => "county",
                NumberPart::Kind => "kind",
                NumberPart::Name => "name",
            },
            FaultKind::Holder { .. } => "holder",
            FaultKind::Pattern { .. } => "pattern",
            FaultKind::Country { .. } => "country",
        }
    }
}

impl fmt::Display for NumberPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NumberPart::Century => "the sign of the century",
            NumberPart::Serial => "the serial number",
            NumberPart::Prefix => "the prefix",
            NumberPart::Suffix => "the suffix",
            NumberPart::County => "the county",
            NumberPart::Kind => "the beginning",
            NumberPart::Name => "the name",
        })
    }
}

impl fmt::Display for FaultKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::Length { found: 1, expected } => write!(f, "has 1 character, must have {expected}"),
            FaultKind::Length { found, expected } => {
                write!(f, "has {found} characters, must have {expected}")
            }
            FaultKind::OldLength { found, before } => {
                write!(f, "has {found} characters, which only people born before {before} have")
            }
            FaultKind::Invisible => f.write_str("had characters that cannot be seen, which are dropped"),
            FaultKind::TextMarker => f.write_str("had an apostrophe in front, which is dropped"),
            FaultKind::Character { found, position, expected } => {
                write!(f, "character {position} is '{found}', must be {expected}")
            }
            FaultKind::Date { day, month, year } => {
                write!(f, "there is no birth date of day {day:02}, month {month:02}, year {year:02}")
            }
            FaultKind::Future { year } => write!(f, "its date is in the future, in {year}"),
            FaultKind::Check { found, expected } => {
                let name = if found.len() > 1 { "check digits are" } else { "check digit is" };
                write!(f, "{name} {found}, must be {expected}")
            }
            FaultKind::Unissued => f.write_str("no number with these digits is issued"),
            FaultKind::Part { part, found, expected } => write!(f, "{part} is {found}, must be {expected}"),
            FaultKind::Holder { kind } => write!(f, "is {kind}"),
            FaultKind::Pattern { expected } => write!(f, "does not look as usual: {expected}"),
            FaultKind::Country { found, expected } => {
                write!(f, "begins with {found}, must begin with {expected}")
            }
        }
    }
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)?;
        self.hint.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// The sex as it stands in a register of persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sex {
    Female,
    Male,
}

impl Sex {
    /// Returns the sex for a number that is odd for men, as in most countries.
    pub(crate) fn odd_is_male(number: u32) -> Self {
        if number % 2 == 1 { Self::Male } else { Self::Female }
    }
}

/// The birth date that a number encodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Birth {
    /// No date, or an incomplete one.
    #[default]
    Unknown,
    /// The complete date.
    On(Date),
    /// A date without the century: the year is the last two digits (Italy).
    InSomeCentury { day: u8, month: u8, year: u8 },
}

/// The facts about its holder that a number encodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodedFacts {
    /// The birth date.
    pub birth: Birth,
    /// The sex; `None` if the number does not encode it.
    pub sex: Option<Sex>,
}

impl EncodedFacts {
    /// The facts of a number that encodes none.
    pub(crate) const NOTHING: Self = Self { birth: Birth::Unknown, sex: None };

    pub(crate) fn of(birth: Option<Date>, sex: Option<Sex>) -> Self {
        Self { birth: birth.map_or(Birth::Unknown, Birth::On), sex }
    }
}

/// The result of a check. It borrows parts of the value, so it lives as long as that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked<'a> {
    /// The faults in the order in which they were found. Without any the identifier is possible.
    pub faults: Vec<Fault<'a>>,
    /// The facts, as far as the faults allow them to be read.
    pub encoded: EncodedFacts,
}

impl Checked<'_> {
    /// Returns whether there is no hard fault.
    pub fn is_possible(&self) -> bool {
        self.faults.iter().all(|fault| fault.severity == Severity::Soft)
    }
}

/// Returns soft faults for characters that were written with a number and are no part of it, which
/// [`normalise`](crate::Standard::normalise) drops silently. Blanks, dots, dashes, slashes and brackets are usual in
/// numbers, so they are no faults.
pub fn spelling_faults(written: &str) -> impl Iterator<Item = Fault<'static>> {
    let fault = |what| Fault { severity: Severity::Soft, what, hint: None };
    let invisible = written.contains(is_invisible).then_some(FaultKind::Invisible);
    let blank = |c: char| c.is_whitespace() || is_invisible(c);
    let marked =
        written.trim_start_matches(blank).starts_with(is_apostrophe).then_some(FaultKind::TextMarker);
    invisible.into_iter().chain(marked).map(fault)
}

/// The agreement between a number and the data of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agreement {
    /// The number or the person gives no value.
    Unknown,
    /// Both have the same value.
    Agrees,
    /// Both differ, which is a warning and no proof: some states issue a number of a neighbouring day when a date is
    /// full, and corrections do not always change a number.
    Differs,
}

/// The comparison of a number with the stated data of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crosscheck {
    /// The birth date, without the century where the number has none.
    pub birth_date: Agreement,
    /// The sex, as in the register when the number was issued: it may have been corrected since.
    pub sex: Agreement,
}

/// Compares the facts in a number with the stated data. Neither may ever overwrite the other.
pub fn crosscheck(encoded: EncodedFacts, birth_date: Option<Date>, sex: Option<Sex>) -> Crosscheck {
    let agreement = |agrees: Option<bool>| match agrees {
        None => Agreement::Unknown,
        Some(true) => Agreement::Agrees,
        Some(false) => Agreement::Differs,
    };
    let birth_date = birth_date.and_then(|stated| match encoded.birth {
        Birth::Unknown => None,
        Birth::On(date) => Some(date == stated),
        Birth::InSomeCentury { day, month, year } => {
            let own = (i16::from(year), i16::from(month), i16::from(day));
            Some((stated.year() % 100, i16::from(stated.month()), i16::from(stated.day())) == own)
        }
    });
    let sex = encoded.sex.zip(sex).map(|(own, stated)| own == stated);
    Crosscheck { birth_date: agreement(birth_date), sex: agreement(sex) }
}

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
    pub fn check(&mut self, at: usize, expected: Symbols) {
        self.check_as(Severity::Hard, at, expected);
    }

    pub fn check_as(&mut self, severity: Severity, at: usize, expected: Symbols) {
        let length = if expected.0[0] == 0 { 1 } else { 2 };
        let found = self.part(at, at + length);
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
