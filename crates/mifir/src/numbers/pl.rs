//! Poland: PESEL, 11 digits `YYMMDD SSSS C`, and, for people without one, the tax number (NIP), 10 digits.
//!
//! In a PESEL 80 is added to the month in the 1800s, 20 in the 2000s, 40 and 60 in the centuries after; the tenth digit
//! is odd for men.

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, Sex};
use crate::value_reader::{ValueReader, pair, weighted};

/// Checks a PESEL.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<11>("11 digits")?;
    let sum = weighted(&d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
    r.check(10, CheckSymbols::digit((10 - sum % 10) % 10));
    let written = pair(&d, 2);
    let century = [1900, 2000, 2100, 2200, 1800][usize::from(written / 20)];
    let birth = r.date(century + u16::from(pair(&d, 0)), written % 20, pair(&d, 4))?;
    Some(EncodedFacts::of(Some(birth), Some(Sex::odd_is_male(d[9].into()))))
}

/// Checks a NIP.
pub fn check_nip(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<10>("10 digits")?;
    match weighted(&d, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 {
        10 => r.hard(FaultKind::Unissued),
        check => r.check(9, CheckSymbols::digit(check)),
    }
    Some(EncodedFacts::NOTHING)
}
