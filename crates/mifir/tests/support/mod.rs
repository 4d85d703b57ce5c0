//! What tests and the benchmark have in common.
#![allow(dead_code, reason = "each of them uses a part")]

use mifir::{Country, STANDARDS, Standard, StandardKey};

pub fn country(code: &str) -> Country {
    Country::parse(code).unwrap_or_else(|| panic!("{code} is no country"))
}

/// The standard of a country with this name.
pub fn standard(country: Country, key: &str) -> &'static Standard {
    let key = StandardKey::parse(key).unwrap_or_else(|| panic!("{key} is no standard"));
    mifir::standard(country, key).unwrap_or_else(|| panic!("{country} has no {key}"))
}

/// Every standard with a country whose it is.
pub fn standards() -> impl Iterator<Item = (Country, &'static Standard)> {
    STANDARDS.iter().map(|standard| match standard.key {
        // The example is a German's.
        StandardKey::Concat => (country("DE"), standard),
        _ => (standard.country.unwrap_or_else(|| country("US")), standard),
    })
}
