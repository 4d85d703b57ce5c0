//! Slovenia: personal identification number (EMŠO), 13 digits `DDMMYYY RR SSS K`.
//!
//! `YYY` are the last three digits of the year. `RR` is 50 for Slovenia; other values were registered elsewhere in
//! former Yugoslavia. `SSS` is below 500 for men. Where the check would be 10 no number is issued; some sources say 0,
//! which passes with a soft fault.

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, Sex};
use crate::value_reader::{ValueReader, number, pair, weighted};

/// Checks an EMŠO.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<13>("13 digits")?;
    let rest = weighted(&d, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    if rest == 1 {
        r.soft(FaultKind::Unissued);
    }
    r.check(12, CheckSymbols::digit(if rest < 2 { 0 } else { 11 - rest }));
    let yyy: u16 = number(&d[4..7]);
    let year = yyy + if yyy >= 800 { 1000 } else { 2000 };
    let sex = if d[9] < 5 { Sex::Male } else { Sex::Female };
    let birth = r.date(year, pair(&d, 2), pair(&d, 0))?;
    Some(EncodedFacts::of(Some(birth), Some(sex)))
}
