//! Greece: investor share of the Dematerialised Securities System (DSS), 10 digits. No check digit is public. It is
//! neither the tax number (AFM, 9 digits) nor the social security number (AMKA, 11 digits).

use crate::check::EncodedFacts;
use crate::value_reader::ValueReader;

/// Checks the form of a DSS investor share.
pub fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    r.digits::<10>("10 digits").map(|_| EncodedFacts::NOTHING)
}
