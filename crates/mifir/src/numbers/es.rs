//! Spain: tax number of persons (NIF), 9 characters: a DNI of eight digits and a letter, `K`, `L` or `M` with seven
//! digits and a letter, or a foreigner's NIE, `X`, `Y` or `Z` with seven digits and a letter.
//!
//! The letter is the number modulo 23. X, Y and Z count as 0, 1 and 2 in front of the digits; K, L and M do not count.
//! Other first letters belong to companies and bodies. Leading zeros of a DNI belong to it.

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, NumberPart};
use crate::value_reader::{ValueReader, number};

/// The check letters for the remainders 0 to 22.
const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// Checks a NIF. The kinds that foreigners have pass with a soft fault.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let mut d = r.read(b"X9999999X", "9 characters")?;
    let first = d[0];
    d[0] = match first {
        b'0'..=b'9' => first,
        b'K' | b'L' | b'M' | b'X' => b'0',
        b'Y' | b'Z' => first - b'X' + b'0',
        _ => {
            r.bad_part(
                NumberPart::Kind,
                (0, 1),
                "a digit or one of K, L, M, X, Y, Z; others are companies and bodies",
            );
            return None;
        }
    };
    let digits: [u8; 8] = std::array::from_fn(|at| d[at] - b'0');
    r.check(8, CheckSymbols::one(LETTERS[number::<usize>(&digits) % 23]));
    match first {
        b'X'..=b'Z' => r.soft(FaultKind::Holder { kind: "an NIE, which foreigners have" }),
        b'M' => r.soft(FaultKind::Holder { kind: "an M number, which foreigners without NIE have" }),
        _ => {}
    }
    Some(EncodedFacts::NOTHING)
}
