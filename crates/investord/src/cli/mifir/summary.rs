//! Counts results for the last lines of a check.

use std::collections::BTreeMap;
use std::fmt;

use super::NOTE;
use super::output::RecordResult;

/// The counts that a check prints at its end.
#[derive(Default)]
pub struct Summary {
    /// Number of records.
    people: u64,
    /// Number of records that need a review.
    to_be_looked_at: u64,
    outcomes: BTreeMap<&'static str, u64>,
    /// Number of findings by code, and of unreadable cells by field.
    findings: BTreeMap<String, u64>,
    /// Number of points that the rules leave open.
    open_points: u64,
    /// Number of records from whose cells characters were removed.
    trimmed: u64,
}

impl Summary {
    /// Adds the result for a record.
    pub fn count(&mut self, answer: &RecordResult<'_>) {
        self.people += 1;
        self.to_be_looked_at += u64::from(answer.needs_a_look);
        let outcome = answer.result.as_ref().map_or("ERROR", |report| report.outcome.into_str());
        *self.outcomes.entry(outcome).or_default() += 1;
        let mut find = |kind: String| *self.findings.entry(kind).or_default() += 1;
        match &answer.result {
            Ok(report) => {
                for fault in report.identifiers.iter().flat_map(|one| &one.faults) {
                    find(fault.code.clone());
                }
                self.open_points += report.reasons.iter().filter(|reason| reason.open).count() as u64;
            }
            Err(faults) => {
                for fault in faults {
                    // The index is cut off, so that all members of a list count as one kind.
                    let field = fault.field.split(['[', '.']).next().unwrap_or_default();
                    find(format!("{field} not understood"));
                }
            }
        }
        for finding in answer.findings.iter().filter(|finding| finding.severity != NOTE) {
            find(finding.code.clone());
        }
        self.trimmed += answer.findings.iter().filter(|finding| finding.severity == NOTE).count() as u64;
    }

    /// Returns the number of records.
    pub fn people(&self) -> u64 {
        self.people
    }

    /// Returns whether no record needs a review.
    pub fn is_good(&self) -> bool {
        self.to_be_looked_at == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { people, to_be_looked_at, .. } = self;
        let good = people - to_be_looked_at;
        write!(f, "{people} people: {good} without anything to do, {to_be_looked_at} to be looked at")?;
        write!(f, "\noutcomes: {}", listed(&self.outcomes))?;
        if !self.findings.is_empty() {
            write!(f, "\nfindings: {}", listed(&self.findings))?;
        }
        if self.open_points > 0 {
            write!(f, "\nopen points, where the rules leave a choice: {}", self.open_points)?;
        }
        if self.trimmed > 0 {
            write!(
                f,
                "\ncharacters that are not seen, or an apostrophe in front, were left out of cells in {} records",
                self.trimmed
            )?;
        }
        Ok(())
    }
}

/// Lists counts with their names.
fn listed<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
}
