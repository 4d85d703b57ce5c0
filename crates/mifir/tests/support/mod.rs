//! What tests and the benchmark have in common.

use mifir::{Country, STANDARDS, Standard};

pub fn country(code: &str) -> Country {
    Country::parse(code).expect("a country")
}

/// Every standard with a country whose it is.
pub fn standards() -> impl Iterator<Item = (Country, &'static Standard)> {
    STANDARDS.iter().map(|standard| match standard.key {
        // The example is a German's.
        "CONCAT" => (country("DE"), standard),
        _ => (standard.country.unwrap_or_else(|| country("US")), standard),
    })
}
