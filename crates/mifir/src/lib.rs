#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod annex2;
mod auth016;
mod check;
mod concat;
mod concat_note;
mod country;
mod decide;
mod decision;
mod horizon;
mod letters;
mod numbers;
mod regime;
mod rules;
#[cfg(feature = "serde")]
mod serde_text;
mod standard;
mod standard_key;
mod text;
mod titles;
mod value_reader;

pub use annex2::{ANNEX_II, Annex2Row, Priority, Scheme, first_is_concat, priorities};
pub use auth016::Auth016Person;
pub use check::{
    Agreement, Birth, CheckSymbols, Checked, Crosscheck, EncodedFacts, Fault, FaultKind, Hint, NumberPart,
    Severity, Sex, crosscheck, spelling_faults,
};
pub use concat::concat;
pub use concat_note::{Concat, ConcatNote, ConcatText, NotLatin};
pub use country::{Basis, Country, EEA_GROUPS, EeaGroup, Leading, UnknownCountry, eea_group, leading};
pub use decide::decide;
pub use decision::{
    Decision, DecisionOutcome, DecisionReason, Designation, HeldIdentifier, IdentifierValue, NoNationality,
    OpenQuestion, OtherIdentifiers, Person, ResidenceOutcome,
};
pub use horizon::{AnnouncedChange, ChangeStatus, horizon};
pub use letters::table_letter;
pub use regime::Regime;
pub use rules::{RULES, RULES_DIGEST, RULES_VERSION, RulesVersion, rules_text};
pub use standard::{STANDARDS, Standard, standard};
pub use standard_key::{StandardKey, UnknownStandard};
pub use text::is_invisible;
