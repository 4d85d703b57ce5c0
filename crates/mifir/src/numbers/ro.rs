//! Romania: personal numeric code (CNP), 13 digits `S YYMMDD JJ NNN C`.
//!
//! `S` is 1 or 2 for births in the 1900s, 3 or 4 in the 1800s, 5 or 6 in the 2000s, odd for men; 7 and 8 are for
//! foreign residents and do not encode the century. 9 begins a foreigner's tax number. `JJ` is the county.

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, NumberPart, Sex};
use crate::value_reader::{ValueReader, is_date_of_some_century, pair, weighted};

/// Checks a CNP.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<13>("13 digits")?;
    let rest = weighted(&d, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    r.check(12, CheckSymbols::digit(if rest == 10 { 1 } else { rest }));
    match pair(&d, 7) {
        1..=46 | 47 | 51 | 52 | 70 | 80..=83 => {}
        0 | 49 | 53 | 55 => r.bad_part(NumberPart::County, (7, 9), "a code that has been issued"),
        _ => {
            let found = r.part(7, 9);
            r.soft(FaultKind::Part {
                part: NumberPart::County,
                found,
                expected: "01 to 47, 51, 52, 70 or 80 to 83 as a rule",
            });
        }
    }
    let sex = Some(Sex::odd_is_male(d[0].into()));
    let (yy, month, day) = (pair(&d, 1), pair(&d, 3), pair(&d, 5));
    let century = match d[0] {
        1 | 2 => 1900,
        3 | 4 => 1800,
        5 | 6 => 2000,
        7 | 8 => {
            r.soft(FaultKind::Holder { kind: "a number of a foreign resident" });
            if !is_date_of_some_century(yy, month, day) {
                r.hard(FaultKind::Date { day, month, year: yy.into() });
            }
            return Some(EncodedFacts { sex, ..EncodedFacts::NOTHING });
        }
        _ => {
            r.bad_part(NumberPart::Century, (0, 1), "1 to 8; 9 is a tax number");
            return None;
        }
    };
    let birth = r.date(century + u16::from(yy), month, day)?;
    Some(EncodedFacts::of(Some(birth), sex))
}
