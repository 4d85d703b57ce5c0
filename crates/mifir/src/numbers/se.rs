//! Sweden: personal identity number (personnummer), `YYYYMMDDNNNC` or `YYMMDD-NNNC`.
//!
//! The check (Luhn) is over ten digits; `NNN` is 001 to 999, odd for men. In the short form `-` stands for an age under
//! 100 and `+` from the year in which the person turns 100. In a coordination number 60 is added to the day; a Swedish
//! national abroad may have no other number. Organisation numbers have a third digit of 2 or more.
//!
//! Annex II does not say which form is reported. Twelve digits are recommended here, because the Swedish Tax Agency
//! stores those.

use jiff::civil::Date;

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, NumberPart, Sex};
use crate::value_reader::{ValueReader, pair};

/// Returns the Luhn sum modulo 10: of the digits, with every second one doubled and its digits added.
fn luhn(digits: &[u8]) -> u32 {
    let value = |(at, digit): (usize, &u8)| {
        let doubled = u32::from(*digit) * if at % 2 == 0 { 2 } else { 1 };
        doubled / 10 + doubled % 10
    };
    digits.iter().enumerate().map(value).sum::<u32>() % 10
}

/// Returns the year of a short number: the last year with these two digits that has begun, or with `hundred` the one a
/// hundred years before.
pub fn year_of_short(yy: u8, hundred: bool, today: Date) -> u16 {
    // Before the year 200 the subtractions would underflow; such a day is a mistake that must not cause a panic.
    let now = today.year().max(200).unsigned_abs();
    let recent = now - (now + 100 - u16::from(yy)) % 100;
    if hundred { recent - 100 } else { recent }
}

/// Checks a personnummer in the long or short form. A coordination number passes with a soft fault.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let lengths = "12 digits, or 10 with - or + before the last four";
    let (century, d): (Option<u16>, [u8; 10]) = match r.value.chars().count() {
        12 => {
            let d = r.digits::<12>(lengths)?;
            (Some(u16::from(pair(&d, 0)) * 100), std::array::from_fn(|at| d[at + 2]))
        }
        11 => {
            let c = r.read(b"999999?9999", lengths)?;
            if !matches!(c[6], b'-' | b'+') {
                r.hard(FaultKind::Character { found: c[6].into(), position: 7, expected: "- or +" });
                return None;
            }
            (None, std::array::from_fn(|at| c[if at < 6 { at } else { at + 1 }] - b'0'))
        }
        _ => (None, r.digits::<10>(lengths)?),
    };
    let end = r.value.len();
    r.check(end - 1, CheckSymbols::digit((10 - luhn(&d[..9])) % 10));
    if d[6..9] == [0, 0, 0] {
        let found = r.part(end - 4, end - 1);
        r.soft(FaultKind::Part { part: NumberPart::Serial, found, expected: "001 to 999" });
    }
    let (yy, written) = (pair(&d, 0), pair(&d, 4));
    let year = match century {
        Some(century @ (1800 | 1900 | 2000)) => century + u16::from(yy),
        Some(_) => {
            r.bad_part(NumberPart::Century, (0, 2), "18, 19 or 20");
            return None;
        }
        None => year_of_short(yy, r.value.contains('+'), r.today),
    };
    let day = if written > 60 { written - 60 } else { written };
    if day != written {
        r.soft(FaultKind::Holder { kind: "a coordination number, of somebody who was not registered" });
    }
    let birth = r.date(year, pair(&d, 2), day)?;
    Some(EncodedFacts::of(Some(birth), Some(Sex::odd_is_male(d[8].into()))))
}
