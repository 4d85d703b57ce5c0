//! Malta: identity card number, 7 digits and a letter. The digits are number and year (two digits) of the registration
//! of the birth, the letter its place and century. There is no check digit. Leading zeros are kept.

use crate::check::{EncodedFacts, FaultKind, NumberPart};
use crate::value_reader::{ValueReader, number, pair};

/// Checks an identity card number.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let c = r.read(b"9999999A", "7 digits and a letter")?;
    let d: [u8; 7] = std::array::from_fn(|at| c[at] - b'0');
    if number::<u32>(&d[..5]) == 0 {
        r.bad_part(NumberPart::Serial, (0, 5), "00001 or more");
    }
    match c[7] {
        // Malta and Gozo, in the 1900s and the 1800s; Maltese born abroad.
        b'M' | b'G' | b'B' | b'Z' | b'P' => {}
        b'L' | b'H' => {
            let year = 2000 + u16::from(pair(&d, 5));
            if i16::try_from(year).is_ok_and(|year| year > r.today.year()) {
                r.hard(FaultKind::Future { year });
            }
        }
        b'A' => r.soft(FaultKind::Holder { kind: "a number of a foreigner with a residence permit" }),
        _ => r.bad_part(NumberPart::Suffix, (7, 8), "M, G, L, H, B, Z, P or A"),
    }
    Some(EncodedFacts::NOTHING)
}
