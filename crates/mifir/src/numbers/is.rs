//! Iceland: identity code (kennitala), 10 digits `DDMMYY RR P C`.
//!
//! `C` encodes the century: 8, 9 or 0. `P` is a check digit, but since February 2026 codes may be issued that do not
//! fulfil it (one source), so a wrong one is soft. Organisations add 40 to the day. `RR` begins at 20.

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, NumberPart, Severity};
use crate::value_reader::{ValueReader, pair, weighted};

/// Checks a kennitala.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<10>("10 digits")?;
    match 11 - weighted(&d, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        10 => r.soft(FaultKind::Unissued),
        check => r.check_as(Severity::Soft, 8, CheckSymbols::digit(check % 11)),
    }
    let day = pair(&d, 0);
    if (41..=71).contains(&day) {
        r.bad_part(NumberPart::Kind, (0, 2), "01 to 31; organisations add 40 to the day");
        return None;
    }
    if d[6] < 2 {
        let found = r.part(6, 8);
        r.soft(FaultKind::Part { part: NumberPart::Serial, found, expected: "20 or more" });
    }
    let century = match d[9] {
        8 => 1800,
        9 => 1900,
        0 => 2000,
        _ => {
            r.bad_part(NumberPart::Century, (9, 10), "8, 9 or 0");
            return None;
        }
    };
    let birth = r.date(century + u16::from(pair(&d, 4)), pair(&d, 2), day)?;
    Some(EncodedFacts::of(Some(birth), None))
}
