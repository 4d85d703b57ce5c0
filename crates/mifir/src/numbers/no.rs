//! Norway: birth number (fødselsnummer), 11 digits `DDMMYY III K1 K2`.
//!
//! `III` and the year encode the century; the third digit of `III` is odd for men. In a D-number, for people without a
//! birth number, 40 is added to the day. Numbers with 40, 65 or 80 added to the month are help numbers and numbers of
//! synthetic persons.
//!
//! From 1 January 2032 numbers are issued that contain neither sex nor century, and `K1` is relaxed.

use jiff::civil::{Date, date};

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, NumberPart, Severity, Sex};
use crate::value_reader::{ValueReader, is_date_of_some_century, number, pair, weighted};

/// The first day on which a number may have a different `K1`, and no sex or century.
const RELAXED_FROM: Date = date(2032, 1, 1);

/// Checks a birth number. A D-number passes with a soft fault.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<11>("11 digits")?;
    let relaxed = r.today >= RELAXED_FROM;
    let severity = if relaxed { Severity::Soft } else { Severity::Hard };
    match 11 - weighted(&d, &[3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11 {
        10 if relaxed => r.soft(FaultKind::Unissued),
        10 => r.hard(FaultKind::Unissued),
        check => r.check_as(severity, 9, CheckSymbols::digit(check % 11)),
    }
    match 11 - weighted(&d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        10 => r.hard(FaultKind::Unissued),
        check => r.check(10, CheckSymbols::digit(check % 11)),
    }
    let (written, yy) = (pair(&d, 0), pair(&d, 4));
    let day = if written > 40 { written - 40 } else { written };
    if day != written {
        r.soft(FaultKind::Holder { kind: "a D-number, of somebody without a birth number" });
    }
    if relaxed {
        // The number may be an old or a new one, so neither century nor sex is certain.
        if !is_date_of_some_century(yy, pair(&d, 2), day) {
            r.hard(FaultKind::Date { day, month: pair(&d, 2), year: yy.into() });
        }
        return Some(EncodedFacts::NOTHING);
    }
    let century = match (number::<u16>(&d[6..9]), yy) {
        (0..=499, _) => 1900,
        (500..=749, 54..) => 1800,
        (500.., 0..=39) => 2000,
        (900.., 40..) => 1900,
        _ => {
            r.bad_part(NumberPart::Century, (6, 9), "000 to 499, or one of the others for this year");
            return None;
        }
    };
    let birth = r.date(century + u16::from(yy), pair(&d, 2), day)?;
    Some(EncodedFacts::of(Some(birth), Some(Sex::odd_is_male(d[8].into()))))
}
