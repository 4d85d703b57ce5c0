//! Detects how a file writes its dates, and reads them.

use std::str::FromStr;
use std::sync::OnceLock;

use anyhow::bail;
use jiff::civil::{Date, date};
use regex::Regex;

use super::record::is_format;

/// A date format from the command line, as in `DD.MM.YYYY` or `%d.%m.%Y`.
#[derive(Clone, Debug)]
pub struct DateFormat {
    /// The format in the notation of `strftime`.
    pattern: String,
    /// The format as it was given, for messages.
    shown: String,
}

impl FromStr for DateFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = if text.contains('%') { text.to_owned() } else { pattern_of(text)? };
        if pattern.contains("%y") {
            return Err(TWO_DIGITS.to_owned());
        }
        // In this date no part can be mistaken for another, so reading it back proves that the format is complete.
        let sample = date(1972, 9, 30);
        let written = jiff::fmt::strtime::format(&pattern, sample).map_err(|error| error.to_string())?;
        match Date::strptime(&pattern, &written) {
            Ok(read) if read == sample => Ok(Self { pattern, shown: text.to_owned() }),
            _ => Err("must have day, month and year, as in DD.MM.YYYY or %d.%m.%Y".to_owned()),
        }
    }
}

const TWO_DIGITS: &str = "the year must have four digits: two leave the century open";

/// Translates the letters of spreadsheets in several languages to `strftime`: D, T, G or J for the day, M for the
/// month, Y, J, A or R for the year (DD.MM.YYYY, TT.MM.JJJJ, JJ/MM/AAAA, GG/MM/AAAA, DD-MM-JJJJ, DD.MM.RRRR).
fn pattern_of(text: &str) -> Result<String, String> {
    let mut pattern = String::new();
    let letters: Vec<char> = text.to_uppercase().chars().collect();
    for run in letters.chunk_by(|one, other| one == other) {
        match (run[0], run.len()) {
            ('D' | 'T' | 'G' | 'J', 1 | 2) => pattern.push_str("%d"),
            ('M', 1 | 2) => pattern.push_str("%m"),
            ('M', 3) => pattern.push_str("%b"),
            ('M', 4) => pattern.push_str("%B"),
            ('Y' | 'J' | 'A' | 'R', 4) => pattern.push_str("%Y"),
            ('Y' | 'A' | 'R', 2) => return Err(TWO_DIGITS.to_owned()),
            (letter, _) if letter.is_alphanumeric() => {
                return Err(format!("'{letter}' is no part of a date; as in DD.MM.YYYY or %d.%m.%Y"));
            }
            _ => pattern.extend(run),
        }
    }
    Ok(pattern)
}

/// The order and the separator of the parts of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DateShape {
    /// Four digits first, and the separator.
    YearFirst(char),
    /// Four digits last, and the separator.
    YearLast(char),
    /// Eight digits, of which the first four are the year.
    Compact,
    /// A year of two digits, which leaves the century open.
    TwoDigitYear,
}

/// The parts of a date in the order in which they are written.
struct WrittenDate {
    shape: DateShape,
    parts: [u16; 3],
}

impl WrittenDate {
    /// Splits a date into its parts, or returns `None` for any other text.
    fn of(text: &str) -> Option<Self> {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() == 8 && is_number(text) {
            let parts = [text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?];
            // Eight digits may be any other number, so they have to be a plausible date.
            let is_day = (1800..2200).contains(&parts[0]) && parts[1] <= 12 && parts[2] <= 31;
            return is_day.then_some(Self { shape: DateShape::Compact, parts });
        }
        let divider = ['-', '.', '/', ' '].into_iter().find(|divider| text.contains(*divider))?;
        // Hungarian dates end with a point.
        let text = if divider == '.' { text.strip_suffix('.').unwrap_or(text) } else { text };
        let parts: Vec<&str> = text.split(divider).map(str::trim).collect();
        let [first, second, third] = parts[..] else { return None };
        if ![first, second, third].into_iter().all(is_number) || second.len() > 2 {
            return None;
        }
        let shape = match (first.len(), third.len()) {
            (4, 1 | 2) => DateShape::YearFirst(divider),
            (1 | 2, 4) => DateShape::YearLast(divider),
            (1 | 2, 1 | 2) => DateShape::TwoDigitYear,
            _ => return None,
        };
        Some(Self { shape, parts: [first.parse().ok()?, second.parse().ok()?, third.parse().ok()?] })
    }
}

/// Removes a midnight behind a date, which exports of databases and spreadsheets append, and invisible characters.
fn strip_midnight(text: &str) -> String {
    static MIDNIGHT: OnceLock<Regex> = OnceLock::new();
    let midnight = MIDNIGHT.get_or_init(|| {
        Regex::new(r"(?:T|\s+)(?:00?:00(?::00(?:[.,]0+)?)?|12:00(?::00)? ?[Aa][Mm])(?:Z|[+]00:?00)?$")
            .expect("a pattern that is written here")
    });
    let seen: String = text.chars().filter(|letter| !is_format(*letter)).collect();
    midnight.replace(seen.trim(), "").into_owned()
}

/// The order of day and month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DateOrder {
    DayFirst,
    MonthFirst,
}

/// The date formats of a column.
pub struct Dates {
    formats: Vec<DateFormat>,
    /// The detected shape, if no format was given.
    shape: DateShape,
    order: DateOrder,
    /// Whether cells of the type date occur among texts.
    is_workbook: bool,
}

/// The dates of one shape.
struct SeenDates {
    shape: DateShape,
    rows: u64,
    /// Line of the first date, for messages.
    first: u64,
    /// Line of a date whose first part must be the day, because it exceeds 12.
    only_day_first: Option<u64>,
    /// Line of a date whose second part must be the day.
    only_month_first: Option<u64>,
}

/// The shapes of the dates of a column, collected in the first pass.
pub struct DateSurvey {
    seen: Vec<SeenDates>,
    is_workbook: bool,
}

impl DateSurvey {
    /// Creates a survey without dates.
    pub fn new(is_workbook: bool) -> Self {
        Self { seen: Vec::new(), is_workbook }
    }

    /// Counts the date of a line; ignores any other text, which is an error of its row later.
    pub fn add(&mut self, line: u64, text: &str) {
        let Some(WrittenDate { shape, parts: [first, second, _] }) = WrittenDate::of(&strip_midnight(text))
        else {
            return;
        };
        // The reader of workbooks formats cells of the type date like this, so they do not show how texts are written.
        if self.is_workbook && shape == ISO {
            return;
        }
        let at = self.seen.iter().position(|seen| seen.shape == shape).unwrap_or_else(|| {
            let new = SeenDates { shape, rows: 0, first: line, only_day_first: None, only_month_first: None };
            self.seen.push(new);
            self.seen.len() - 1
        });
        let seen = &mut self.seen[at];
        seen.rows += 1;
        match (first, second) {
            (13.., ..=12) => seen.only_day_first = seen.only_day_first.or(Some(line)),
            (..=12, 13..) => seen.only_month_first = seen.only_month_first.or(Some(line)),
            _ => {}
        }
    }

    /// Decides for the shape of most rows. A date of another shape is an error of its row, so that nothing is guessed.
    ///
    /// # Errors
    ///
    /// Fails if the years have two digits, or the order of day and month is contradictory or cannot be determined.
    pub fn decide(&self, formats: &[DateFormat]) -> anyhow::Result<Dates> {
        let (formats, is_workbook) = (formats.to_vec(), self.is_workbook);
        let found = |shape, order| Dates { formats: formats.clone(), shape, order, is_workbook };
        let most = self.seen.iter().reduce(|most, seen| if seen.rows > most.rows { seen } else { most });
        let Some(most) = most.filter(|_| formats.is_empty()) else {
            return Ok(found(ISO, DateOrder::DayFirst));
        };
        let SeenDates { shape, first, only_day_first, only_month_first, .. } = *most;
        let order = match (shape, only_day_first, only_month_first) {
            (DateShape::TwoDigitYear, ..) => bail!("birth dates, as on line {first}: {TWO_DIGITS}"),
            // With points as separators, the day is first in every country.
            (DateShape::YearFirst(_) | DateShape::Compact | DateShape::YearLast('.'), ..) => {
                DateOrder::DayFirst
            }
            (DateShape::YearLast(_), Some(_), None) => DateOrder::DayFirst,
            (DateShape::YearLast(_), None, Some(_)) => DateOrder::MonthFirst,
            (DateShape::YearLast(divider), Some(day), Some(month)) => bail!(
                "birth dates are written in two ways: on line {day} the day stands first, on line {month} the month; \
                 which is right? Say --date-format DD{divider}MM{divider}YYYY or MM{divider}DD{divider}YYYY"
            ),
            (DateShape::YearLast(divider), None, None) => bail!(
                "does the day or the month stand first in birth dates, as on line {first}? No date of the file tells; \
                 say --date-format DD{divider}MM{divider}YYYY or MM{divider}DD{divider}YYYY"
            ),
        };
        Ok(found(shape, order))
    }
}

/// The shape of ISO 8601, which is unambiguous.
const ISO: DateShape = DateShape::YearFirst('-');

impl Dates {
    /// Returns the detected format for a message, unless it is that of ISO 8601 or was given.
    pub fn found(&self) -> Option<String> {
        (self.formats.is_empty() && self.shape != ISO).then(|| self.shown())
    }

    /// Formats the expected date format for a message.
    fn shown(&self) -> String {
        if !self.formats.is_empty() {
            return self.formats.iter().map(|format| format.shown.as_str()).collect::<Vec<_>>().join(" or ");
        }
        match (self.shape, self.order) {
            (DateShape::YearLast(divider), DateOrder::DayFirst) => format!("DD{divider}MM{divider}YYYY"),
            (DateShape::YearLast(divider), DateOrder::MonthFirst) => format!("MM{divider}DD{divider}YYYY"),
            (DateShape::YearFirst(divider), _) => format!("YYYY{divider}MM{divider}DD"),
            (DateShape::Compact | DateShape::TwoDigitYear, _) => "YYYYMMDD".to_owned(),
        }
    }

    /// Parses a date in the format of the column.
    ///
    /// # Errors
    ///
    /// Fails with the rule that the text breaks.
    pub fn read(&self, text: &str) -> Result<Date, String> {
        let text = strip_midnight(text);
        let written = WrittenDate::of(&text);
        let day = |year: u16, month: u16, day: u16| {
            let parts = (i16::try_from(year), i8::try_from(month), i8::try_from(day));
            let (Ok(year), Ok(month), Ok(day)) = parts else { return Err(NO_DAY.to_owned()) };
            Date::new(year, month, day).map_err(|_| NO_DAY.to_owned())
        };
        if let Some(WrittenDate { shape: ISO, parts }) = written
            && self.is_workbook
        {
            return day(parts[0], parts[1], parts[2]);
        }
        if !self.formats.is_empty() {
            return self.read_given(&text);
        }
        match written {
            Some(WrittenDate { shape, parts: [first, second, third] }) if shape == self.shape => {
                match (shape, self.order) {
                    (DateShape::YearLast(_), DateOrder::DayFirst) => day(third, second, first),
                    (DateShape::YearLast(_), DateOrder::MonthFirst) => day(third, first, second),
                    _ => day(first, second, third),
                }
            }
            Some(WrittenDate { shape: DateShape::TwoDigitYear, .. }) => Err(TWO_DIGITS.to_owned()),
            _ => Err(self.other_form(&text)),
        }
    }

    /// Parses a date in the formats of the command line. Fails if two of them give different days.
    fn read_given(&self, text: &str) -> Result<Date, String> {
        let mut read: Vec<Date> =
            self.formats.iter().filter_map(|format| Date::strptime(&format.pattern, text).ok()).collect();
        read.dedup();
        match read[..] {
            [day] => Ok(day),
            [] => Err(format!("must be a day of the calendar, written as {}", self.shown())),
            _ => Err(format!("is another day in each of {}", self.shown())),
        }
    }

    /// Formats the error for a date of another shape.
    fn other_form(&self, text: &str) -> String {
        // Spreadsheets store a date as the number of days since 1900, which has four or five digits for birth dates.
        let is_count = (4..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let hint = if is_count {
            "; a number such as this is how spreadsheets count days: format the column as a date"
        } else {
            ""
        };
        format!("must be a date of the form {}{hint}", self.shown())
    }
}

const NO_DAY: &str = "is not a day of the calendar";
