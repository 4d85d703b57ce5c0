//! Croatia: personal identification number (OIB), 11 digits with the check of ISO 7064 MOD 11,10.

use crate::check::{CheckSymbols, EncodedFacts};
use crate::value_reader::ValueReader;

/// Checks an OIB.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let d = r.digits::<11>("11 digits")?;
    let product = d[..10].iter().fold(10, |product, digit| {
        let sum = (product + u32::from(*digit)) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    r.check(10, CheckSymbols::digit((11 - product) % 10));
    Some(EncodedFacts::NOTHING)
}
