//! Changes of law that are announced and not in force: for readers who plan, never for a decision.

use jiff::civil::{Date, date};

use crate::Regime;

/// How far a change of law has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ChangeStatus {
    /// An authority has consulted on it; no text is adopted.
    Consulted,
    /// It is decided and applies from a later day.
    Adopted,
}

/// A change of law that is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AnnouncedChange {
    /// The regimes whose decisions may change.
    pub regimes: &'static [Regime],
    /// What is to change, in words.
    pub what: &'static str,
    /// How far it has come.
    pub status: ChangeStatus,
    /// The first day on which it applies, where one is known.
    pub expected: Option<Date>,
    /// Where it was read.
    pub source: &'static str,
}

/// What was known on 21 November 2026.
const HORIZON: &[AnnouncedChange] = &[
    AnnouncedChange {
        regimes: &[Regime::Eu],
        what: "Review of RTS 22. Whether Article 6 and Annex II change with it is not decided; ESMA is said to have \
               turned to a wider simplification of reporting since",
        status: ChangeStatus::Consulted,
        expected: None,
        source: "ESMA12-2121844265-3745, Consultation Paper, Review of RTS 22 on transaction data reporting, October \
                 2024 (title and date through public lists of sources; the turn to simplification has no source that \
                 could be read)",
    },
    AnnouncedChange {
        regimes: &[Regime::Uk],
        what: "A new regime of transaction reporting in the United Kingdom in place of the onshored RTS 22. A policy \
               statement was expected in the second half of 2026, with about 18 months to implement it",
        status: ChangeStatus::Consulted,
        expected: None,
        source: "FCA CP25/32, Improving the UK transaction reporting regime, 21 November 2025 (through public \
                 summaries; the paper itself could not be read)",
    },
    AnnouncedChange {
        regimes: &Regime::ALL,
        what: "Norwegian birth numbers that hold neither sex nor century and have a relaxed first check digit; \
               Standard::check follows them from that day on",
        status: ChangeStatus::Adopted,
        expected: Some(date(2032, 1, 1)),
        source: "Norsk helsenett on the birth number; Norwegian state budget for 2018",
    },
];

/// Returns the changes of law that are announced and not in force.
///
/// [`decide`](crate::decide()) never reads them: a change becomes a dated row of the tables when it is adopted.
pub const fn horizon() -> &'static [AnnouncedChange] {
    HORIZON
}
