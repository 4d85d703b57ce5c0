//! The legal regimes, and the first day of each.

use std::fmt;

use jiff::civil::{Date, date};

/// The legal regime whose rules a report or record follows.
///
/// Every function that depends on it takes it as an argument, because a person who deals through several firms can need
/// several designations in the same week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "UPPERCASE"))]
#[non_exhaustive]
pub enum Regime {
    /// Transaction reports to an authority in the EU or EEA: Commission Delegated Regulation (EU) 2017/590. Since 2021
    /// ESMA reads references to the United Kingdom as references to a third country.
    Eu,
    /// Transaction reports to the Financial Conduct Authority: until the end of 2020 the regulation itself, since then
    /// its onshored copy. The United Kingdom keeps its own row of Annex II and ranks inside the EEA group.
    Uk,
    /// Order book records of trading platforms for crypto-assets: Commission Delegated Regulation (EU) 2025/416,
    /// Article 3. It repeats the rules of the EU regime and adds an identification by the country of residence
    /// ([`Decision::residence`](crate::Decision::residence)).
    Mica,
}

impl Regime {
    /// All regimes of this version.
    pub const ALL: [Self; 3] = [Self::Eu, Self::Uk, Self::Mica];

    /// Returns the name: `EU`, `UK` or `MICA`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eu => "EU",
            Self::Uk => "UK",
            Self::Mica => "MICA",
        }
    }

    /// Returns the first day on which the rules apply: 3 January 2018 for transaction reports (Regulation (EU) No
    /// 600/2014, Article 55, as amended), 3 April 2025 for order book records, the twentieth day after the publication
    /// of 14 March 2025 (Delegated Regulation (EU) 2025/416, Article 16).
    pub const fn first_day(self) -> Date {
        match self {
            Self::Eu | Self::Uk => date(2018, 1, 3),
            Self::Mica => date(2025, 4, 3),
        }
    }

    /// Returns whether a day is one of the regime, and one of a rule that applies from one day to another.
    pub(crate) fn is_in_force(self, as_of: Date, from: Date, until: Option<Date>) -> bool {
        self.first_day() <= as_of && from <= as_of && until.is_none_or(|last_day| as_of <= last_day)
    }
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
