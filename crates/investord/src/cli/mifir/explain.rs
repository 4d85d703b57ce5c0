//! `investord mifir explain`: explains the decision for one person.

use std::io::{self, Write};

use anyhow::bail;
use clap::Args;
use serde_json::json;

use crate::domain::identification::reporting::Report;

use super::{CheckOutcome, Rules, format_identifier, join, needs_review, person, verdict, without_country};

#[derive(Args)]
pub struct Explain {
    /// Left out for people who have none.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMES")]
    first_name: String,
    /// Left out for people who have none.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    last_name: String,
    #[arg(long, value_name = "YYYY-MM-DD")]
    birth_date: String,
    /// ISO 3166-1 alpha-2; several with commas between; left out for people who have none.
    #[arg(long, value_delimiter = ',', value_name = "CODE")]
    nationality: Vec<String>,
    /// COUNTRY:VALUE or COUNTRY:STANDARD:VALUE; may be given several times.
    #[arg(long, value_name = "IDENTIFIER")]
    identifier: Vec<String>,
    /// MALE or FEMALE, to be compared with the sex in a number.
    #[arg(long)]
    gender: Option<String>,
    #[command(flatten)]
    rules: Rules,
}

impl Explain {
    /// Explains the decision for one person on standard output.
    ///
    /// # Errors
    ///
    /// Fails if a field is invalid, or standard output cannot be written.
    pub fn run(self) -> anyhow::Result<CheckOutcome> {
        let Self { first_name, last_name, birth_date, nationality, identifier, gender, rules } = self;
        let mut texts =
            vec![("first_name", &*first_name), ("last_name", &*last_name), ("birth_date", &*birth_date)];
        texts.extend(gender.as_deref().map(|gender| ("gender", gender)));
        let nationalities = nationality.iter().map(|code| code.trim());
        let identifiers = || identifier.iter().map(String::as_str);
        let faults = without_country(identifiers());
        let read = if faults.is_empty() {
            rules.read(&person(texts, nationalities, identifiers()), rules.day())
        } else {
            Err(faults)
        };
        let person = match read {
            Ok(person) => person,
            Err(faults) => {
                bail!(join(faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message))))
            }
        };
        let report = person.report();
        let mut out = io::stdout().lock();
        if rules.json { writeln!(out, "{:#}", json!(report)) } else { explain(&report, &mut out) }?;
        Ok(if needs_review(&report) { CheckOutcome::ToBeLookedAt } else { CheckOutcome::Good })
    }
}

/// Writes a report as lines of name and text.
fn explain(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut row = |name: &str, text: &str| writeln!(out, "{name:<12} {text}");
    row("as of", &format!("{}, {} rules", report.as_of, report.regime))?;
    row("rules", &format!("{} (sha256 {})", report.rules.version, report.rules.digest))?;
    row("outcome", &verdict(report))?;
    for (at, reason) in report.reasons.iter().enumerate() {
        let open = if reason.open { " (the rules leave this open)" } else { "" };
        row(if at == 0 { "because" } else { "" }, &format!("{}{open}", reason.text))?;
    }
    for one in &report.identifiers {
        row("identifier", &format_identifier(one))?;
        for fault in &one.faults {
            row("", &format!("{}: {}", fault.severity, fault.message))?;
        }
    }
    report.auth016.iter().try_for_each(|fragment| row("auth.016", fragment))
}
