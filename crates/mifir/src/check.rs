//! What is wrong with an identifier, and what it says about its holder.
//!
//! A check looks at the stored form: compact, capital letters, as [`normalise`](crate::Standard::normalise)
//! leaves it. Faults are **hard** where the state that issues the number still guarantees the rule
//! (characters, length, dates, check digits), and **soft** where a good number may break it: patterns of
//! passports, numbers that are typical of other holders, check digits that are no longer promised.

use std::fmt;
use std::ops::{Add, Mul};

use jiff::civil::Date;

use crate::Country;
use crate::text::{is_apostrophe, is_invisible};

/// How much a fault weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look; the identifier may be right all the same.
    Soft,
    /// No such identifier exists.
    Hard,
}

/// Something wrong with an identifier. Its text can be read out to the person: "check digit is 7, must be 2".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault<'a> {
    /// Whether the identifier is refused for it.
    pub severity: Severity,
    /// What it is.
    pub what: FaultKind<'a>,
    /// What may have happened to the number on its way.
    pub hint: Option<Hint>,
}

/// A guess at how a number came to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// With as many zeros in front it would be right, and of somebody with the stated birth date: programs that take
    /// it for a quantity leave them out.
    LeadingZeros(usize),
    /// It is written as a quantity, in powers of ten, and most of its digits are gone.
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

/// What is wrong. `found` is as it stands in the value, `expected` in plain English for the text of the fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind<'a> {
    /// The number of characters (not bytes).
    Length { found: usize, expected: &'static str },
    /// A number of a length that was given only to people who were born before a year.
    OldLength { found: usize, before: i16 },
    /// Characters that cannot be seen stood in it; they were dropped.
    Invisible,
    /// An apostrophe stood in front, by which spreadsheets mark text; it was dropped.
    TextMarker,
    /// A character that cannot stand at this position, counted from 1.
    Character { found: char, position: usize, expected: &'static str },
    /// The birth date in the number is no date. Numbers as they are written there, so that a month can be 33; the
    /// year has four digits, or two where the century is not known.
    Date { day: u8, month: u8, year: u16 },
    /// The date in the number has not come yet on the day of the check. The year has four digits.
    Future { year: u16 },
    /// The check digit or letter, or two of them.
    Check { found: &'a str, expected: Symbols },
    /// The other digits would need a check digit of 10, and such numbers are not issued.
    Unissued,
    /// A part of the number with a value that the state does not give.
    Part { part: NumberPart, found: &'a str, expected: &'static str },
    /// A good number, but of a kind that is given to other people than expected: foreigners, the unregistered.
    Holder { kind: &'static str },
    /// Not the issuing country's usual form, which may have changed since it was written down.
    Pattern { expected: &'static str },
    /// The country in front of a CONCAT is not the one whose identifier it is to be.
    Country { found: &'a str, expected: Country },
}

/// A part of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberPart {
    /// The digit or sign that tells the century.
    Century,
    /// The number of the person within a day, a district or a register.
    Serial,
    /// Letters in front.
    Prefix,
    /// A letter behind.
    Suffix,
    /// Where the number was given.
    County,
    /// Which kind of taxpayer.
    Kind,
    /// A name of a CONCAT, padded with `#`.
    Name,
}

/// One or two characters of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbols([u8; 2]);

impl Symbols {
    /// A digit or a letter.
    pub(crate) const fn one(symbol: u8) -> Self {
        Self([0, symbol])
    }

    /// The last digit of a number.
    pub(crate) fn digit(value: u32) -> Self {
        Self::one(figure(value))
    }

    /// The last two digits of a number.
    pub(crate) fn pair(value: u32) -> Self {
        Self([figure(value / 10), figure(value)])
    }

    fn are(self, text: &str) -> bool {
        let skip = usize::from(self.0[0] == 0);
        text.as_bytes() == &self.0[skip..]
    }
}

/// The last digit of a number, as it is written.
pub(crate) fn figure(value: u32) -> u8 {
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
    /// A stable name for machines, in `snake_case`: `length`, `character`, `date`, `future_date`, `check_digit`,
    /// `unissued`, `holder`, `pattern`, `country`, `invisible`, `text_marker`, or the name of the part, as `century`.
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
    /// Odd numbers are men's in most countries.
    pub(crate) fn odd_is_male(number: u32) -> Self {
        if number % 2 == 1 { Self::Male } else { Self::Female }
    }
}

/// The birth date that a number holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Birth {
    /// None, or not a whole one.
    #[default]
    Unknown,
    /// The whole date.
    On(Date),
    /// Without the century: the year is the last two digits (Italy).
    InSomeCentury { day: u8, month: u8, year: u8 },
}

/// What a number says about its holder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EncodedFacts {
    /// When they were born.
    pub birth: Birth,
    /// `None` if the number does not tell.
    pub sex: Option<Sex>,
}

impl EncodedFacts {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self { birth: Birth::Unknown, sex: None };

    pub(crate) fn of(birth: Option<Date>, sex: Option<Sex>) -> Self {
        Self { birth: birth.map_or(Birth::Unknown, Birth::On), sex }
    }
}

/// The result of a check. It holds parts of the value, so it lives as long as that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked<'a> {
    /// In the order in which they were found. None means that nothing speaks against the identifier.
    pub faults: Vec<Fault<'a>>,
    /// What the number says, as far as its faults allow to read it.
    pub encoded: EncodedFacts,
}

impl Checked<'_> {
    /// Whether no hard fault was found.
    pub fn is_possible(&self) -> bool {
        self.faults.iter().all(|fault| fault.severity == Severity::Soft)
    }
}

/// Finds what stood in a number as it was written and is no part of it, which
/// [`normalise`](crate::Standard::normalise) drops without a word: soft faults. Blanks, dots, dashes, slashes and
/// brackets are how people write numbers, and no faults.
pub fn writing(written: &str) -> impl Iterator<Item = Fault<'static>> {
    let fault = |what| Fault { severity: Severity::Soft, what, hint: None };
    let invisible = written.contains(is_invisible).then_some(FaultKind::Invisible);
    let blank = |c: char| c.is_whitespace() || is_invisible(c);
    let marked =
        written.trim_start_matches(blank).starts_with(is_apostrophe).then_some(FaultKind::TextMarker);
    invisible.into_iter().chain(marked).map(fault)
}

/// Whether a number agrees with what is known of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agreement {
    /// One of the two does not say.
    Unknown,
    /// Both say the same.
    Agrees,
    /// A warning, not a proof: some states give a number of a neighbouring day when a date is full, and
    /// corrections do not always change a number.
    Differs,
}

/// A number beside what the person has stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crosscheck {
    /// Without the century where the number has none.
    pub birth_date: Agreement,
    /// As in the register when the number was given: a sex may have been corrected since.
    pub sex: Agreement,
}

/// Compares what a number says with what the person has stated. Neither is ever to be overwritten by the other.
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

/// A value under examination. What it reads it has checked: methods note a fault and give `None` where nobody can
/// go on from.
pub(crate) struct DigitReader<'a> {
    pub value: &'a str,
    pub country: Country,
    /// The day of the check.
    pub today: Date,
    /// The birth date that its holder has stated.
    pub stated: Option<Date>,
    faults: Vec<Fault<'a>>,
}

/// What a character of a template stands for.
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
        // Codice fiscale: a digit, or the letter that stands for one.
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

/// Whether the value has the form of the template: 9 is a digit, A a letter, X one of both, other capitals themselves.
pub(crate) fn looks_like(value: &str, template: &str) -> bool {
    value.len() == template.len()
        && value.bytes().zip(template.bytes()).all(|(c, letter)| match letter {
            b'9' | b'A' | b'X' => class(letter).0(c),
            itself => c == itself,
        })
}

impl<'a> DigitReader<'a> {
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

    /// Holds every character against its place in a template.
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

    /// The bytes of a value that has the form of the template.
    pub fn read<const N: usize>(&mut self, template: &[u8; N], length: &'static str) -> Option<[u8; N]> {
        self.fits(template, length)?;
        self.value.as_bytes().try_into().ok()
    }

    /// The values of a number of digits.
    pub fn digits<const N: usize>(&mut self, length: &'static str) -> Option<[u8; N]> {
        Some(self.read(&[b'9'; N], length)?.map(|byte| byte - b'0'))
    }

    /// A birth date, unless it is none or has not come yet.
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

    /// The characters of the value from one position to another, counted from 0.
    pub fn part(&self, from: usize, to: usize) -> &'a str {
        self.value.get(from..to).unwrap_or_default()
    }

    pub fn bad_part(&mut self, part: NumberPart, (from, to): (usize, usize), expected: &'static str) {
        let found = self.part(from, to);
        self.hard(FaultKind::Part { part, found, expected });
    }

    /// Holds the last characters against what they must be.
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

/// Whether a date without century was one in the 1900s or will have been one in the 2000s.
pub(crate) fn is_date_of_some_century(year: u8, month: u8, day: u8) -> bool {
    [1900, 2000].iter().any(|century| civil(century + u16::from(year), month, day).is_some())
}

/// Two digits as a number.
pub(crate) fn pair(digits: &[u8], at: usize) -> u8 {
    digits[at] * 10 + digits[at + 1]
}

/// Digits as a number.
pub(crate) fn number<T: From<u8> + Mul<Output = T> + Add<Output = T>>(digits: &[u8]) -> T {
    digits.iter().fold(T::from(0), |number, digit| number * T::from(10) + T::from(*digit))
}

/// The sum of the digits times their weights, left to right.
pub(crate) fn weighted(digits: &[u8], weights: &[u8]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * u32::from(*weight)).sum()
}
