//! Portugal: tax number (NIF), 9 digits. Those of persons begin with 1, 2, 3 (since 2019) or 45 (non-residents); 8 was
//! for sole traders and is no longer issued.

use crate::check::{CheckSymbols, EncodedFacts, FaultKind, NumberPart};
use crate::value_reader::{ValueReader, weighted};

/// Checks a NIF.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<9>("9 digits")?;
    let rest = weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    r.check(8, CheckSymbols::digit(if rest < 2 { 0 } else { 11 - rest }));
    match (d[0], d[1]) {
        (1..=3, _) | (4, 5) => {}
        (8, _) => r.soft(FaultKind::Holder { kind: "a number of a sole trader, as it is no longer given" }),
        _ => r.bad_part(NumberPart::Kind, (0, 2), "1, 2, 3 or 45 in front; others are not persons"),
    }
    Some(EncodedFacts::NOTHING)
}
