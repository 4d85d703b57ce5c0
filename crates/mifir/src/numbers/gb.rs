//! United Kingdom: National Insurance number, `AA999999A` (HMRC manual NIM39110).
//!
//! D, F, I, Q, U and V are never in the prefix, O is never second, and some prefixes are not issued or are
//! administrative; the suffix is A to D. There is no check digit and no date.

use crate::check::{EncodedFacts, NumberPart};
use crate::value_reader::ValueReader;

/// Prefixes that are not issued.
const NEVER: [&[u8; 2]; 7] = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];
/// Prefixes of administrative numbers.
const ADMINISTRATIVE: [&[u8; 2]; 8] = [b"OO", b"CR", b"FY", b"MW", b"NC", b"PP", b"PY", b"PZ"];

/// Checks a National Insurance number.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let c = r.read(b"AA999999A", "9 characters")?;
    let prefix = &[c[0], c[1]];
    if prefix.iter().any(|letter| b"DFIQUV".contains(letter)) || c[1] == b'O' || NEVER.contains(&prefix) {
        r.bad_part(NumberPart::Prefix, (0, 2), "one that is given");
    } else if ADMINISTRATIVE.contains(&prefix) {
        r.bad_part(
            NumberPart::Prefix,
            (0, 2),
            "one of a National Insurance number; this one is administrative",
        );
    }
    if !(b'A'..=b'D').contains(&c[8]) {
        r.bad_part(NumberPart::Suffix, (8, 9), "A, B, C or D");
    }
    Some(EncodedFacts::NOTHING)
}
