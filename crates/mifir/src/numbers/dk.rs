//! Denmark: CPR number, 10 digits `DDMMYY CSSS`.
//!
//! The seventh digit and the year encode the century; the last digit is odd for men. The old check modulo 11 has not
//! been guaranteed since October 2007, so no number is refused by it. Days from 61 are replacement numbers of
//! hospitals, which are no CPR numbers.

use crate::check::{EncodedFacts, Sex};
use crate::value_reader::{ValueReader, pair};

/// Checks a CPR number.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<10>("10 digits")?;
    let yy = pair(&d, 4);
    let century = match (d[6], yy) {
        (0..=3, _) => 1900,
        (4 | 9, 0..=36) => 2000,
        (4 | 9, _) => 1900,
        (_, 0..=57) => 2000,
        _ => 1800,
    };
    let birth = r.date(century + u16::from(yy), pair(&d, 2), pair(&d, 0))?;
    Some(EncodedFacts::of(Some(birth), Some(Sex::odd_is_male(d[9].into()))))
}
