//! Netherlands: passport and identity card, 9 characters: two letters, six letters or digits, a digit, never an O.
//! The number changes with every document. A citizen service number (BSN, 9 digits) is not an identifier here.

use crate::check::EncodedFacts;
use crate::value_reader::ValueReader;

/// Checks the form of a passport or identity card number.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    r.read(b"BBYYYYYY9", "9 characters").map(|_| EncodedFacts::NOTHING)
}
