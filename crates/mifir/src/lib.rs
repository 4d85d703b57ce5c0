//! How a natural person is identified in a `MiFIR` transaction report.
//!
//! The rules are Article 6 and Annex II of Commission Delegated Regulation (EU) 2017/590 ("RTS 22") and
//! the United Kingdom's onshored copy of it. They work in two steps, and the order matters:
//!
//! 1. [`leading`] fixes the **country** among the person's nationalities (Article 6(3)). Which
//!    identifiers are known plays no part in it: a Belgian and Bulgarian person with only a Bulgarian
//!    number is reported as a Belgian.
//! 2. [`steps`] gives that country's row of Annex II, to be walked from the first priority down. A
//!    passport counts only where the row says so.
//!
//! ```
//! use mifir::{Basis, Country, Regime, Scheme, leading, steps};
//!
//! let nationalities = ["US", "PL"].map(|code| Country::parse(code).unwrap());
//! let leading = leading(&nationalities, Regime::Eu).unwrap();
//! assert_eq!((leading.country.as_str(), leading.basis), ("PL", Basis::EeaFirst));
//!
//! let first = steps(leading.country, Regime::Eu)[0];
//! assert_eq!((first.standard, first.scheme), ("PESEL", Scheme::Nidn));
//! ```
//!
//! The law is data here: the EEA lists in [`country`] and the table in [`annex2`]. The crate does no
//! input or output and never asks for the time.

pub mod annex2;
pub mod country;

pub use annex2::{Scheme, Step, first_is_concat, steps};
pub use country::{Basis, Country, Leading, UnknownCountry, leading};

/// Whose rules a report follows.
///
/// It is an argument everywhere: a person dealing through an EU firm and a UK firm can need two
/// different designations in the same week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regime {
    /// Reports to an authority in the EU or EEA. ESMA reads references to the United Kingdom as
    /// references to a third country.
    Eu,
    /// Reports to the Financial Conduct Authority. The United Kingdom keeps its own row of Annex II and
    /// ranks inside the EEA group.
    Uk,
}
