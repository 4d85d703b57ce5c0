//! Italy: fiscal code (codice fiscale), 16 characters (ministerial decree of 23 December 1976).
//!
//! Three letters each of surname and first name, year, a letter for the month, the day (40 is added for women), the
//! place of birth, a control letter. People who would have the same code get letters in place of digits (*omocodia*);
//! the control letter is taken over the code as it is written. The century is not encoded. Eleven digits belong to
//! companies.

use crate::check::{Birth, CheckSymbols, EncodedFacts, FaultKind, Sex};
use crate::value_reader::{ValueReader, is_date_of_some_century};

/// The letters for January to December.
const MONTHS: &[u8; 12] = b"ABCDEHLMPRST";
/// Values of 0 to 9, which are also those of A to J, and of K to Z, in odd positions.
const ODD: [u32; 26] =
    [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

/// Returns the position of a symbol in a list of letters.
fn place(letters: &[u8], symbol: u8) -> Option<u8> {
    (0..).zip(letters).find(|(_, letter)| **letter == symbol).map(|(at, _)| at)
}

/// Returns the digit, or the one that a letter of an omocodia replaces.
fn digit(symbol: u8) -> u8 {
    place(b"LMNPQRSTUV", symbol).unwrap_or(symbol & 15)
}

/// Checks a fiscal code.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let c = r.read(b"AAAAAAoomooAoooA", "16 characters")?;
    let value = |symbol: u8| if symbol.is_ascii_digit() { symbol - b'0' } else { symbol - b'A' };
    let sum: u32 = c[..15]
        .iter()
        .enumerate()
        // Counted from 1, the first position is an odd one.
        .map(
            |(at, symbol)| if at % 2 == 0 { ODD[usize::from(value(*symbol))] } else { value(*symbol).into() },
        )
        .sum();
    r.check(15, CheckSymbols::one(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(sum % 26) as usize]));

    let year = digit(c[6]) * 10 + digit(c[7]);
    let month = 1 + place(MONTHS, c[8])?;
    let written = digit(c[9]) * 10 + digit(c[10]);
    let (day, sex) = if written > 40 { (written - 40, Sex::Female) } else { (written, Sex::Male) };
    if !is_date_of_some_century(year, month, day) {
        r.hard(FaultKind::Date { day: written, month, year: year.into() });
        return None;
    }
    Some(EncodedFacts { birth: Birth::InSomeCentury { day, month, year }, sex: Some(sex) })
}
