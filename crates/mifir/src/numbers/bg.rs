//! Bulgaria: personal number (EGN), 10 digits `YYMMDD SSS C`.
//!
//! For births in the 1800s 20 is added to the month, for those from 2000 it is 40. The ninth digit is even for men.
//! Foreigners have another number (`LNCh`), which is not accepted.

use crate::check::{CheckSymbols, EncodedFacts, Sex};
use crate::value_reader::{ValueReader, pair, weighted};

/// Checks an EGN.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<10>("10 digits")?;
    let sum = weighted(&d, &[2, 4, 8, 5, 10, 9, 7, 3, 6]);
    r.check(9, CheckSymbols::digit(sum % 11 % 10));
    let (century, month) = match pair(&d, 2) {
        month @ 21..=32 => (1800, month - 20),
        month @ 41..=52 => (2000, month - 40),
        month => (1900, month),
    };
    let sex = if d[8] % 2 == 0 { Sex::Male } else { Sex::Female };
    let birth = r.date(century + u16::from(pair(&d, 0)), month, pair(&d, 4))?;
    Some(EncodedFacts::of(Some(birth), Some(sex)))
}
