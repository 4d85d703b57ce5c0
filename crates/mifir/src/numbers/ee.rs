//! Estonia (isikukood) and Lithuania (asmens kodas): personal code, 11 digits `G YYMMDD SSS C`.
//!
//! `G` is 1 or 2 for births in the 1800s, 3 or 4 in the 1900s, 5 or 6 in the 2000s, odd for men. The check is taken
//! modulo 11 with one row of weights, and with a second row where the first leaves 10; if that leaves 10 as well, it is
//! 0. Estonia mixed the century digits of some births in 2000. Open: one source knows Lithuanian codes that begin with
//! 9 and contain no date; they pass with a soft fault.

use crate::Country;
use crate::check::{CheckSymbols, EncodedFacts, FaultKind, NumberPart, Sex};
use crate::value_reader::{ValueReader, pair, weighted};

const LITHUANIA: Country = Country::of("LT");

/// Checks a personal code of either country.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<11>("11 digits")?;
    let first = weighted(&d, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let check = if first < 10 { first } else { weighted(&d, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10 };
    r.check(10, CheckSymbols::digit(check));
    let century = match d[0] {
        1 | 2 => 1800,
        3 | 4 => 1900,
        5 | 6 => 2000,
        9 if r.country == LITHUANIA => {
            r.soft(FaultKind::Holder { kind: "a code that begins with 9, which holds no date and is rare" });
            return Some(EncodedFacts::NOTHING);
        }
        _ => {
            r.bad_part(NumberPart::Century, (0, 1), "1 to 6");
            return None;
        }
    };
    let birth = r.date(century + u16::from(pair(&d, 1)), pair(&d, 3), pair(&d, 5))?;
    Some(EncodedFacts::of(Some(birth), Some(Sex::odd_is_male(d[0].into()))))
}
