#![doc = include_str!("../README.md")]

pub mod annex2;
pub mod auth016;
pub mod check;
pub mod concat;
pub mod country;
pub mod decide;
mod letters;
mod numbers;
pub mod standard;
mod text;
mod titles;

pub use annex2::{Priority, Scheme, first_is_concat, priorities};
pub use check::{
    Agreement, Birth, Checked, Crosscheck, EncodedFacts, Fault, FaultKind, Hint, Severity, Sex, crosscheck,
};
pub use country::{Basis, Country, Leading, UnknownCountry, leading};
pub use decide::{
    Decision, DecisionOutcome, DecisionReason, Designation, HeldIdentifier, OpenQuestion, OtherIdentifiers,
    Person, decide,
};
pub use standard::{STANDARDS, Standard, standard};
pub use text::is_invisible;

/// The legal regime whose rules a report follows.
///
/// Every function that depends on it takes it as an argument, because a person who deals through an EU firm and a UK
/// firm can need two different designations in the same week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regime {
    /// Reports to an authority in the EU or EEA. ESMA reads references to the United Kingdom as references to a third
    /// country.
    Eu,
    /// Reports to the Financial Conduct Authority. The United Kingdom keeps its own row of Annex II and ranks inside
    /// the EEA group.
    Uk,
}
