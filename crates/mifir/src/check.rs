//! Checks of identifiers: their faults, and the facts about the holder that they encode.
//!
//! A check takes the stored form: compact, capital letters, as [`normalise`](crate::Standard::normalise) returns it.
//! Faults are **hard** where the state that issues the number still guarantees the rule (characters, length, dates,
//! check digits), and **soft** where a good number may break it: patterns of passports, numbers that are typical of
//! other holders, check digits that are no longer guaranteed.

use std::fmt;

use jiff::civil::Date;

use crate::Country;
use crate::text::{is_apostrophe, is_invisible};

/// The weight of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Severity {
    /// The identifier may be right, but deserves a review.
    Soft,
    /// No such identifier exists.
    Hard,
}

/// A fault of an identifier. Its text can be read out to the person: "check digit is 7, must be 2".
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FaultKind<'a> {
    /// A wrong number of characters (not bytes).
    Length {
        /// The number of characters.
        found: usize,
        /// The lengths that are issued.
        expected: &'static str,
    },
    /// A length that was issued only to people who were born before a year.
    OldLength {
        /// The number of characters.
        found: usize,
        /// The year.
        before: i16,
    },
    /// Invisible characters, which were dropped.
    Invisible,
    /// An apostrophe in front, by which spreadsheets mark text; it was dropped.
    TextMarker,
    /// A character that is not allowed at its position.
    Character {
        /// The character.
        found: char,
        /// Its position, counted from 1.
        position: usize,
        /// The characters that are allowed.
        expected: &'static str,
    },
    /// A birth date in the number that does not exist. Its parts are those that are written, so a month can be 33.
    Date {
        /// The day.
        day: u8,
        /// The month.
        month: u8,
        /// The year: four digits, or two where the century is not known.
        year: u16,
    },
    /// A date in the number that is after the day of the check.
    Future {
        /// The year, of four digits.
        year: u16,
    },
    /// A wrong check digit or check letter, or a wrong pair of them.
    Check {
        /// The characters in the value.
        found: &'a str,
        /// The characters that would be right.
        expected: CheckSymbols,
    },
    /// Digits that would need a check digit of 10; such numbers are not issued.
    Unissued,
    /// A part of the number with a value that the state does not issue.
    Part {
        /// The part.
        part: NumberPart,
        /// Its text in the value.
        found: &'a str,
        /// The values that are issued.
        expected: &'static str,
    },
    /// A good number of a kind that is issued to other people than expected: foreigners, the unregistered.
    Holder {
        /// The kind of number.
        kind: &'static str,
    },
    /// A form other than the issuing country's usual one, which may have changed since it was written down.
    Pattern {
        /// The usual forms.
        expected: &'static str,
    },
    /// A country in front of a CONCAT that is not the country of the identifier.
    Country {
        /// The letters in front.
        found: &'a str,
        /// The country of the identifier.
        expected: Country,
    },
}

/// A part of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
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
pub struct CheckSymbols([u8; 2]);

impl CheckSymbols {
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

    /// Returns the number of characters.
    pub(crate) fn len(self) -> usize {
        if self.0[0] == 0 { 1 } else { 2 }
    }

    /// Returns whether a text is these characters.
    pub(crate) fn are(self, text: &str) -> bool {
        let skip = usize::from(self.0[0] == 0);
        text.as_bytes() == &self.0[skip..]
    }
}

/// Returns the last digit of a number, as an ASCII character.
pub(crate) fn last_digit(value: u32) -> u8 {
    b"0123456789"[(value % 10) as usize]
}

impl fmt::Display for CheckSymbols {
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Birth {
    /// No date, or an incomplete one.
    #[default]
    Unknown,
    /// The complete date.
    On(Date),
    /// A date without the century: the year is the last two digits (Italy).
    InSomeCentury {
        /// Day of the month.
        day: u8,
        /// Month, from 1.
        month: u8,
        /// The last two digits of the year.
        year: u8,
    },
}

/// The facts about its holder that a number encodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
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
