//! Passports and identity cards.
//!
//! A number has 5 to 9 letters and digits: the machine-readable zone has nine places (ICAO Doc 9303). No check digit is
//! printed with it. The form of a country's documents is checked softly, because series come and go.

use crate::check::{EncodedFacts, FaultKind};
use crate::country::Country;
use crate::value_reader::{ValueReader, looks_like};

/// The usual forms of passport numbers by country, with a description; 9 stands for a digit, A for a letter.
pub const FORMS: [(&str, &[&str], &str); 11] = [
    ("CY", &["E999999", "K99999999"], "E and 6 digits, or K and 8 digits"),
    ("CZ", &["99999999"], "8 digits"),
    ("GB", &["999999999"], "9 digits"),
    ("JP", &["AA9999999"], "2 letters and 7 digits"),
    ("LI", &["A99999"], "a letter and 5 digits"),
    ("LT", &["99999999"], "8 digits"),
    ("MT", &["9999999"], "7 digits"),
    ("PT", &["A999999", "AA999999"], "1 or 2 letters and 6 digits"),
    ("RO", &["AA999999", "99999999", "999999999"], "2 letters and 6 digits, or 8 or 9 digits"),
    ("SK", &["AA9999999"], "2 letters and 7 digits"),
    ("US", &["999999999", "A99999999"], "9 digits, or a letter and 8 digits"),
];

/// Checks a passport number, softly also the usual form of the country.
pub fn check_passport(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let encoded = check_document(r)?;
    let form = FORMS.iter().find(|(code, ..)| Country::of(code) == r.country);
    if let Some((_, forms, expected)) = form
        && !forms.iter().any(|form| looks_like(r.value, form))
    {
        r.soft(FaultKind::Pattern { expected });
    }
    Some(encoded)
}

/// Returns the numbers of digits in the passport numbers of a country, of those forms that consist of digits alone.
pub fn digits(country: Country) -> impl Iterator<Item = usize> {
    let forms =
        FORMS.iter().filter(move |(code, ..)| Country::of(code) == country).flat_map(|(_, forms, _)| *forms);
    forms.filter(|form| form.bytes().all(|c| c == b'9')).map(|form| form.len())
}

/// Checks the number of a passport or an identity card of any country.
pub fn check_document(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let length = r.value.chars().count();
    if !(5..=9).contains(&length) {
        r.wrong_length("5 to 9 characters");
        return None;
    }
    r.fits(&b"XXXXXXXXX"[..length], "5 to 9 characters").map(|()| EncodedFacts::NOTHING)
}
