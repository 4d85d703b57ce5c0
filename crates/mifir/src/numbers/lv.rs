//! Latvia: personal code (personas kods), 11 digits `DDMMYY C NNN K`, `C` 0, 1 or 2 for the 1800s, 1900s and 2000s.
//!
//! Since 1 July 2017 codes are random and contain no date; the law says that they begin with 3 and a digit from 2 to 9.
//! Open: it is not known whether their last digit is a check digit, so a wrong one is soft in them. Where the check
//! would be 10 no code is issued; some sources say 0, which passes with a soft fault. An old code may be exchanged for
//! a new one once, so both belong to the same person.

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, NumberPart, Severity};
use crate::value_reader::{ValueReader, pair, weighted};

/// Checks a personal code, old or random.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<11>("11 digits")?;
    let random = d[0] == 3 && d[1] >= 2;
    let severity = if random { Severity::Soft } else { Severity::Hard };
    // 1101 is 1 modulo 11, and large enough to keep the difference positive.
    let check = (1101 - weighted(&d, &[1, 6, 3, 7, 9, 10, 5, 8, 4, 2])) % 11;
    if check == 10 {
        r.soft(FaultKind::Unissued);
    }
    r.check_as(severity, 10, CheckSymbols::digit(check));
    if random {
        return Some(EncodedFacts::NOTHING);
    }
    let century = match d[6] {
        0 => 1800,
        1 => 1900,
        2 => 2000,
        _ => {
            r.bad_part(NumberPart::Century, (6, 7), "0, 1 or 2");
            return None;
        }
    };
    let birth = r.date(century + u16::from(pair(&d, 4)), pair(&d, 2), pair(&d, 0))?;
    Some(EncodedFacts::of(Some(birth), None))
}
