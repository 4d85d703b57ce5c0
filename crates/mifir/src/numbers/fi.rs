//! Finland: personal identity code (henkilötunnus), 11 characters `DDMMYY s ZZZ k`.
//!
//! The sign `s` encodes the century and is part of the code: two people may differ in nothing else. Since 19 December
//! 2023 five more letters stand beside each of `-` and `A`. `ZZZ` is 002 to 899 (from 900 the code is a temporary one
//! of a hospital), odd for men; `k` is `DDMMYYZZZ` modulo 31.

use crate::check::{CheckSymbols, EncodedFacts, NumberPart, Sex};
use crate::value_reader::{ValueReader, number, pair};

/// The check characters for the remainders 0 to 30.
const CHECKS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";

/// Checks a personal identity code.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let c = r.read(b"999999?999k", "11 characters")?;
    let at = [0, 1, 2, 3, 4, 5, 7, 8, 9];
    let d = at.map(|at| c[at] - b'0');
    r.check(10, CheckSymbols::one(CHECKS[number::<usize>(&d) % 31]));
    let serial: u16 = number(&d[6..]);
    if !(2..=899).contains(&serial) {
        r.bad_part(NumberPart::Serial, (7, 10), "002 to 899");
    }
    let century = match c[6] {
        b'+' => 1800,
        b'-' | b'U'..=b'Y' => 1900,
        b'A'..=b'F' => 2000,
        _ => {
            r.bad_part(NumberPart::Century, (6, 7), "one of + - Y X W V U A B C D E F");
            return None;
        }
    };
    let birth = r.date(century + u16::from(pair(&d, 4)), pair(&d, 2), pair(&d, 0))?;
    Some(EncodedFacts::of(Some(birth), Some(Sex::odd_is_male(d[8].into()))))
}
