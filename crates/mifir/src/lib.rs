//! How a natural person is identified in a `MiFIR` transaction report.
//!
//! The rules are Article 6 and Annex II of Commission Delegated Regulation (EU) 2017/590 ("RTS 22") and
//! the United Kingdom's onshored copy of it. The order of the questions matters:
//!
//! 1. [`leading`] fixes the **country** among the person's nationalities (Article 6(3)). Which
//!    identifiers are known plays no part in it: a Belgian and Bulgarian person with only a Bulgarian
//!    number is reported as a Belgian.
//! 2. [`steps`] gives that country's row of Annex II, to be walked from the first priority down. A
//!    passport counts only where the row says so.
//! 3. [`concat`](concat::concat) makes what stands for an identifier where the row ends with CONCAT.
//!
//! [`decide`] does all three and tells the chain of reasons:
//!
//! ```
//! use jiff::civil::date;
//! use mifir::{Country, Held, Others, Outcome, Person, Regime, decide};
//!
//! let nationalities = ["PL", "DE"].map(|code| Country::parse(code).unwrap());
//! let person = Person {
//!     nationalities: &nationalities,
//!     first_name: "Dr. Günter Maria",
//!     surname: "von der Heide",
//!     birth_date: date(1980, 7, 15),
//! };
//! let decision = decide(person, &[], Others::Unknown, Regime::Eu);
//! let Outcome::Ready(designation) = decision.outcome else { panic!() };
//! assert_eq!(designation.to_string(), "DE19800715GUNTEHEIDE");
//! let reasons: Vec<String> = decision.reasons.iter().map(ToString::to_string).collect();
//! assert_eq!(reasons[0], "several nationalities, the EEA's first, then alphabetical: DE before PL");
//! assert_eq!(reasons[1], "DE: CONCAT is the only identifier");
//! ```
//!
//! An identifier itself is put in its stored form and checked by its [`Standard`], a file per country in the
//! source: characters, length, dates, check digits, and what the number says of its holder.
//!
//! ```
//! use jiff::civil::date;
//! use mifir::{Country, standard};
//!
//! let (poland, today) = (Country::parse("PL").unwrap(), date(2026, 11, 21));
//! let pesel = standard(poland, "PESEL").unwrap();
//! let value = pesel.normalise("830530 78917", None, today);
//! let checked = pesel.check(poland, &value, today);
//! assert_eq!(checked.faults[0].to_string(), "check digit is 7, must be 2");
//! ```
//!
//! The law is data here: the EEA lists in [`country`] and the table in [`annex2`]. The crate does no
//! input or output and never asks for the time.

pub mod annex2;
pub mod auth016;
pub mod check;
pub mod concat;
pub mod country;
pub mod decide;
mod numbers;
pub mod standard;

pub use annex2::{Scheme, Step, first_is_concat, steps};
pub use check::{Agreement, Birth, Checked, Crosscheck, Encoded, Fault, Severity, Sex, What, crosscheck};
pub use country::{Basis, Country, Leading, UnknownCountry, leading};
pub use decide::{Decision, Designation, Held, Others, Outcome, Person, Reason, Review, decide};
pub use standard::{STANDARDS, Standard, standard};

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

/// The example of the README is run like the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
