//! Reads a person from a record.

use std::collections::BTreeSet;

use celes::Country;
use csv::StringRecord;
use encoding_rs::WINDOWS_1252;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::domain::json::Json;
use crate::domain::json::schema::FieldError;

use super::columns::Columns;
use super::dates::Dates;
use super::headers::fold;
use super::record::{Record, is_format, is_ignorable};
use super::{person, without_country};

/// The columns of a file and the formats of their cells.
pub struct CellReader {
    pub columns: Columns,
    pub dates: Dates,
    /// Whether `M` is ambiguous: beside `H` it stands for women in Spanish (hombre, mujer).
    pub m_is_open: bool,
}

/// A person as read from a record.
pub struct PersonRecord {
    /// The body of a dry run.
    pub person: Json,
    /// Fields from whose cells invisible characters, or the characters that mark a text, were removed.
    pub trimmed: BTreeSet<&'static str>,
}

impl CellReader {
    /// Reads a person from a record.
    ///
    /// # Errors
    ///
    /// Fails with all field errors of the record.
    pub fn person(&self, row: &Record<'_>) -> Result<PersonRecord, Vec<FieldError>> {
        let mut cells = Cells { record: row.cells, faults: Vec::new(), trimmed: BTreeSet::new() };
        cells.count(self.columns.count)?;
        let columns = &self.columns;
        let names = [("first_name", columns.first_name), ("last_name", columns.last_name)];
        let [first_name, last_name] = names.map(|(field, at)| (field, cells.name(field, at)));
        let birth_date = self.birth_date(&mut cells);
        let gender = columns.gender.map(|at| cells.value("gender", at).to_owned()).unwrap_or_default();
        let gender = self.gender(&gender, &mut cells);
        let nationalities = cells.nationalities(&columns.nationalities);
        let identifiers = cells.identifiers(&columns.identifiers);
        cells.faults.extend(without_country(identifiers.iter().map(String::as_str)));
        if !cells.faults.is_empty() {
            return Err(cells.faults);
        }
        let texts = [Some(first_name), Some(last_name)];
        let rest = [birth_date.map(|date| ("birth_date", date)), gender.map(|gender| ("gender", gender))];
        let texts: Vec<(&'static str, String)> = texts.into_iter().chain(rest).flatten().collect();
        let person = person(
            texts.iter().map(|(name, text)| (*name, text.as_str())),
            nationalities.iter().map(String::as_str),
            identifiers.iter().map(String::as_str),
        );
        Ok(PersonRecord { person, trimmed: cells.trimmed })
    }

    /// Returns the identifiers of a record whose other cells may be invalid.
    pub fn identifiers(&self, row: &Record<'_>) -> Vec<String> {
        let mut cells = Cells { record: row.cells, faults: Vec::new(), trimmed: BTreeSet::new() };
        cells.identifiers(&self.columns.identifiers)
    }

    /// Reads the birth date; an empty cell is none.
    fn birth_date(&self, cells: &mut Cells<'_>) -> Option<String> {
        let text = cells.value("birth_date", self.columns.birth_date);
        if text.is_empty() {
            return None;
        }
        match self.dates.read(text) {
            Ok(date) => Some(date.to_string()),
            Err(message) => cells.fault("birth_date", message),
        }
    }

    /// Translates a gender to its value in the API; an empty cell is none.
    fn gender(&self, text: &str, cells: &mut Cells<'_>) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        let word = fold(text);
        if word == "m" && self.m_is_open {
            return cells.fault("gender", "M beside H can be a man or a woman (mujer): write MALE or FEMALE");
        }
        let known = GENDERS.iter().find(|(_, words)| words.contains(&word.as_str()));
        // The schema of the body refuses an unknown word.
        Some(known.map_or_else(|| text.to_uppercase(), |(gender, _)| (*gender).to_owned()))
    }
}

/// Words for a gender in the languages of [`super::headers`], in the form that [`folded`] returns.
const GENDERS: &[(&str, &[&str])] = &[
    (
        "MALE",
        &[
            "m", "male", "man", "mr", "mannlich", "mann", "herr", "h", "homme", "masculin", "monsieur",
            "hombre", "varon", "masculino", "maschio", "maschile", "uomo", "mezczyzna", "meski", "mannelijk",
        ],
    ),
    (
        "FEMALE",
        &[
            "f", "female", "woman", "mrs", "ms", "w", "weiblich", "frau", "femme", "feminin", "madame",
            "mujer", "femenino", "femmina", "femminile", "donna", "k", "kobieta", "zenski", "v", "vrouw",
            "vrouwelijk",
        ],
    ),
    ("DIVERSE", &["d", "x", "divers", "diverse"]),
];

/// The cells of a record, the field errors found so far, and the trimmed fields.
struct Cells<'a> {
    record: &'a StringRecord,
    faults: Vec<FieldError>,
    trimmed: BTreeSet<&'static str>,
}

impl<'a> Cells<'a> {
    /// Records a field error, and returns `None` in the place of the value.
    fn fault<T>(&mut self, field: &str, message: impl Into<String>) -> Option<T> {
        self.faults.push(FieldError::new(field, message));
        None
    }

    /// Verifies the number of cells. Empty cells beyond the header are harmless; any other difference may be a part of
    /// another row.
    fn count(&self, expected: usize) -> Result<(), Vec<FieldError>> {
        let found = self.record.len();
        if found == expected || (found > expected && self.record.iter().skip(expected).all(str::is_empty)) {
            return Ok(());
        }
        let message = format!("has {found} columns, the header has {expected}");
        Err(vec![FieldError::new("(row)", message)])
    }

    /// Returns a cell without the invisible characters around it. Records a field error for a damaged cell.
    fn text(&mut self, field: &'static str, at: usize) -> &'a str {
        let cell = self.record.get(at).unwrap_or_default();
        let text = cell.trim_matches(is_ignorable);
        // Exports write the formula `="0123"` so that a spreadsheet keeps the leading zeros; it stands for its text.
        let text = text.strip_prefix("=\"").and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        if cell.trim() != text {
            self.trimmed.insert(field);
        }
        let message = if text.contains(['\n', '\r']) {
            "has a line break in it; a quote may be missing"
        } else if text.contains('\u{fffd}') {
            "has the sign \u{fffd} for a letter that was lost when the file was written"
        } else if text.starts_with('#') {
            "begins with #, as the errors of a spreadsheet do"
        } else {
            return text;
        };
        self.faults.push(FieldError::new(field, message));
        ""
    }

    /// Returns a cell with a name. Records a field error for characters that result from a wrong encoding.
    fn name(&mut self, field: &'static str, at: usize) -> String {
        let text = self.text(field, at);
        let text = if has_dutch_article(text) { text } else { self.without_apostrophe(field, text) };
        let message = if is_misread(text) {
            "looks like UTF-8 that was read in another encoding; leave out --encoding, or export again"
        } else if text.chars().any(is_in_no_name) {
            "has a sign that stands in no name; was the file written or read in the wrong encoding?"
        } else {
            return text.to_owned();
        };
        self.faults.push(FieldError::new(field, message));
        String::new()
    }

    /// Returns a cell other than a name.
    fn value(&mut self, field: &'static str, at: usize) -> &'a str {
        let text = self.text(field, at);
        self.without_apostrophe(field, text)
    }

    /// Removes the apostrophe in front, by which spreadsheets mark a cell as text.
    fn without_apostrophe<'b>(&mut self, field: &'static str, text: &'b str) -> &'b str {
        let bare = text.trim_matches(is_ignorable);
        let bare = bare.strip_prefix('\'').map_or(bare, |bare| bare.trim_start_matches(is_ignorable));
        if text.trim() != bare {
            self.trimmed.insert(field);
        }
        bare
    }

    /// Reads the country codes of all nationality columns, separated by white space or one of `,;|/+&`.
    fn nationalities(&mut self, columns: &[usize]) -> Vec<String> {
        let mut codes = Vec::new();
        for at in columns {
            let text = self.value("nationalities", *at);
            let parts = text.split(|letter: char| letter.is_whitespace() || ",;|/+&".contains(letter));
            for part in parts.map(|part| part.trim_matches(is_format)).filter(|part| !part.is_empty()) {
                match nationality(part) {
                    Ok(code) => codes.push(code),
                    Err(message) => {
                        self.faults.push(FieldError::new(format!("nationalities[{}]", codes.len()), message));
                        // An empty code in the place of the invalid one keeps the index in the next field error right.
                        codes.push(String::new());
                    }
                }
            }
        }
        codes
    }

    /// Reads the identifiers of all columns, separated by `|`, each with the prefix of its column.
    fn identifiers(&mut self, columns: &[(usize, Option<String>)]) -> Vec<String> {
        let mut identifiers = Vec::new();
        for (at, prefix) in columns {
            let text = self.text("identifiers", *at);
            for one in text.split('|') {
                let parts: Vec<&str> =
                    one.splitn(3, ':').map(|part| self.without_apostrophe("identifiers", part)).collect();
                let one = parts.join(":");
                if !one.is_empty() {
                    identifiers.push(match prefix {
                        Some(prefix) => format!("{prefix}:{one}"),
                        None => with_capitals(&one),
                    });
                }
            }
        }
        identifiers
    }
}

/// Converts the country code in front of an identifier to capitals.
fn with_capitals(identifier: &str) -> String {
    match identifier.split_once(':') {
        Some((country, rest)) => format!("{}:{rest}", country.to_ascii_uppercase()),
        None => identifier.to_owned(),
    }
}

/// Parses a country code of two or three letters (ISO 3166-1) and returns the code of two letters.
fn nationality(text: &str) -> Result<String, &'static str> {
    let code = text.to_ascii_uppercase();
    match (code.as_str(), code.len()) {
        ("UK", _) => Err("the code of the United Kingdom is GB"),
        ("EL", _) => Err("the code of Greece is GR"),
        (_, 2) | ("STATELESS", _) => Ok(code),
        // Codes of travel documents for people without a nationality (ICAO Doc 9303-3, section 5).
        _ if code.starts_with("XX") => Ok(code),
        (_, 3) => Country::from_alpha3(&code).map(|country| country.alpha2.to_owned()).map_err(|_| NO_CODE),
        _ => Err(NO_CODE),
    }
}

const NO_CODE: &str =
    "must be a code of ISO 3166-1, as in DE or DEU, not the name of a country or of its people";

/// Returns whether an apostrophe in front is part of the name, as in 't Hooft and 's-Gravesande.
fn has_dutch_article(name: &str) -> bool {
    let mut letters = name.chars();
    let start = [letters.next(), letters.next(), letters.next()];
    matches!(start, [Some('\''), Some('a'..='z' | 'A'..='Z'), Some(' ' | '-')])
}

/// Returns whether a character is of a kind that does not occur in names: currency and mathematical symbols,
/// superscript figures, inverted punctuation marks. Letters turn into such characters in the wrong encoding (`Łukasz`
/// gives `£ukasz`). Accents by themselves are accepted, because they are written for apostrophes.
fn is_in_no_name(sign: char) -> bool {
    use GeneralCategory::{CurrencySymbol, MathSymbol, OtherNumber, OtherSymbol};
    let kind = || sign.general_category();
    matches!(sign, '\u{bf}' | '\u{a1}')
        || (!sign.is_alphabetic()
            && matches!(kind(), CurrencySymbol | MathSymbol | OtherNumber | OtherSymbol))
}

/// Returns whether a text is UTF-8 whose bytes were decoded as Windows-1252, so that `ü` became `Ã¼`.
fn is_misread(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let (bytes, _, is_lossy) = WINDOWS_1252.encode(text);
    !is_lossy && std::str::from_utf8(&bytes).is_ok()
}
