//! Belgium: national number (Rijksregisternummer, Numéro de registre national), 11 digits `YYMMDD SSS CC`.
//!
//! `SSS` is odd for men and even for women. `CC` is 97 less the first nine digits modulo 97; for births from 2000 a 2
//! stands in front of the nine, so the check digits encode the century. A month or day of 00, or a day past the end of
//! the month, means that the date is not known, or that all serials of a day were used.
//!
//! A BIS number (royal decree of 8 February 1991) is issued to people who are not in the National Register: 40 is added
//! to the month, or 20 if the sex was not known.

use jiff::civil::Date;

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, NumberPart, Sex};
use crate::value_reader::{ValueReader, civil, number, pair};

/// Checks a national number. A BIS number passes with a soft fault.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    examine(r, false)
}

/// Checks a BIS number.
pub fn check_bis(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    examine(r, true)
}

/// Checks a number of either kind; with `only_bis` the month must be one of a BIS number.
fn examine(r: &mut ValueReader<'_>, only_bis: bool) -> Option<EncodedFacts> {
    let d = r.digits::<11>("11 digits")?;
    let (yy, written, day) = (pair(&d, 0), pair(&d, 2), pair(&d, 4));
    let (nine, found): (u32, u32) = (number(&d[..9]), number(&d[9..]));
    let (old, new) = (97 - nine % 97, 97 - (2_000_000_000 + nine) % 97);
    // A year that has not come yet cannot be one of the 2000s, so its number is checked as one of the 1900s.
    let recent = found == new && i16::from(yy) + 2000 <= r.today.year();
    r.check(9, CheckSymbols::pair(if recent { new } else { old }));
    if !(1..=998).contains(&number::<u16>(&d[6..9])) {
        r.bad_part(NumberPart::Serial, (6, 9), "001 to 998");
    }

    let year = u16::from(yy) + if recent { 2000 } else { 1900 };
    let added = match written {
        0..=12 if !only_bis => 0,
        20..=32 => 20,
        40..=52 => 40,
        _ => {
            r.hard(FaultKind::Date { day, month: written, year });
            return None;
        }
    };
    if added != 0 && !only_bis {
        r.soft(FaultKind::Holder { kind: "a BIS number, of somebody who is not in the National Register" });
    }
    let sex = (added != 20).then(|| Sex::odd_is_male(d[8].into()));
    // No date is no fault: it may not be known, as the header says.
    let birth = civil(year, written - added, day);
    let future = |date: Date| date > r.today;
    if birth.is_some_and(future) {
        r.hard(FaultKind::Future { year });
        return None;
    }
    Some(EncodedFacts::of(birth, sex))
}
