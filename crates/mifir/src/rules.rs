//! The version and digest of the rule tables.

use std::fmt::{self, Write};

use jiff::civil::Date;

use crate::numbers::travel;
use crate::{ANNEX_II, EEA_GROUPS, Regime, STANDARDS, concat, letters, titles};

/// The version of the rule tables: the day of their last change, and a count if there are several on one day.
pub const RULES_VERSION: &str = "2026-11-29";

/// The digest of the rule tables: SHA-256 of [`rules_text`], in hexadecimal.
pub const RULES_DIGEST: &str = "c0727f94a2c77965e5d904395204b188c868122fa8f7e07e673efcda0abc11d1";

/// The version and digest of the tables of this crate.
pub const RULES: RulesVersion = RulesVersion { version: RULES_VERSION, digest: RULES_DIGEST };

/// A version of the rule tables, for the record of a decision.
///
/// It covers what is data: regimes, Annex II, the EEA groups, the standards with their examples, usual forms of
/// passports, and the prefixes, titles and letters of CONCAT. How a check digit is computed is code, which the version
/// of the crate covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RulesVersion {
    /// [`RULES_VERSION`].
    pub version: &'static str,
    /// [`RULES_DIGEST`].
    pub digest: &'static str,
}

impl fmt::Display for RulesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (sha256 {})", self.version, self.digest)
    }
}

/// Returns the rule tables as text, a line for each row, over which [`RULES_DIGEST`] is computed: two versions can be
/// compared line by line.
pub fn rules_text() -> String {
    let mut text = String::new();
    write_tables(&mut text).expect("a String takes any text");
    text
}

/// Writes all tables in a fixed order.
fn write_tables(out: &mut String) -> fmt::Result {
    for regime in Regime::ALL {
        writeln!(out, "regime {regime} from {}", regime.first_day())?;
    }
    for group in EEA_GROUPS {
        write!(out, "eea {} {}", names(group.regimes), days(group.from, group.until))?;
        group.members.iter().try_for_each(|member| write!(out, " {member}"))?;
        group.joined_by.iter().try_for_each(|other| write!(out, " +{other}"))?;
        writeln!(out, " | {}", group.source)?;
    }
    for row in ANNEX_II {
        let country = row.country.as_ref().map_or("**", |country| country.as_str());
        write!(out, "row {country} {} {}", names(row.regimes), days(row.from, row.until))?;
        for one in row.priorities {
            write!(out, " | {} {} {}", one.standard, one.scheme.as_str(), one.national_name)?;
        }
        writeln!(out, " | {} | {}", row.name, row.source)?;
    }
    for standard in &STANDARDS {
        writeln!(out, "standard {standard:?} {} {}", standard.scheme.as_str(), standard.example)?;
    }
    for (country, forms, _) in travel::FORMS {
        writeln!(out, "passport {country} {}", forms.join(" "))?;
    }
    for (one, two) in concat::PREFIXES {
        writeln!(out, "prefix {}", format_args!("{one} {two}").to_string().trim_end())?;
    }
    for (list, words) in titles::ALL_LISTS {
        writeln!(out, "title {list:?} {}", words.join(" "))?;
    }
    for letter in '\u{80}'..=char::MAX {
        if let Some(to) = letters::table_letter(letter) {
            writeln!(out, "letter {letter} {to}")?;
        }
    }
    Ok(())
}

/// Joins the names of regimes.
fn names(regimes: &[Regime]) -> String {
    regimes.iter().map(|regime| regime.as_str()).collect::<Vec<_>>().join(",")
}

/// Formats the days on which a row applies.
fn days(from: Date, until: Option<Date>) -> String {
    until.map_or_else(|| format!("{from}.."), |until| format!("{from}..{until}"))
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// Every version of the tables with its digest: a table that changes needs a new line. Released lines never change.
    const VERSIONS: [(&str, &str); 1] =
        [("2026-11-29", "c0727f94a2c77965e5d904395204b188c868122fa8f7e07e673efcda0abc11d1")];

    #[test]
    fn a_changed_table_needs_a_new_version() {
        let digest = Sha256::digest(rules_text());
        let digest = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        assert_eq!(digest, RULES_DIGEST);
        assert_eq!(VERSIONS.last(), Some(&(RULES_VERSION, RULES_DIGEST)));
        assert!(VERSIONS.is_sorted_by(|one, other| one.0 < other.0), "a version stands for one digest");
    }

    #[test]
    fn every_table_is_in_the_text() {
        let text = rules_text();
        let lines = |kind: &str| text.lines().filter(|line| line.starts_with(kind)).count();
        let found =
            ["regime ", "eea ", "row ", "standard ", "passport ", "prefix ", "title ", "letter "].map(lines);
        assert_eq!(found, [3, 3, 33, 29, 11, 42, 8, 150]);
        assert_eq!(found.iter().sum::<usize>(), text.lines().count());
        for line in [
            "regime MICA from 2025-04-03",
            "row GB EU,UK,MICA 2018-01-03..2020-12-31 | NINO NIDN UK National Insurance number | CONCAT CONCAT ",
            "standard FI HETU NIDN 190944Y647R",
            "passport RO AA999999 99999999 999999999",
            "prefix van der",
            "letter ß S",
        ] {
            assert!(text.lines().any(|found| found.starts_with(line)), "{line}");
        }
    }
}
