//! `investord mifir`: decides who is reported with what, without a server and without a register.

mod cells;
mod check;
mod columns;
mod csv_file;
mod dates;
mod explain;
mod headers;
mod interrupt;
mod output;
mod quotes;
mod record;
mod repeats;
mod summary;
mod table;
mod workbook;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;

use crate::clock::{Clock, SystemClock};
use crate::domain::identification::dry_run::DryRun;
use crate::domain::identification::identifier::today;
use crate::domain::identification::reporting::{ExaminedIdentifier, Report};
use crate::domain::json::Json;
use crate::domain::json::schema::FieldError;
use crate::domain::tenants::{RegimeSetting, TenantSettings};

use super::output::{READER_GONE, is_reader_gone};

#[derive(Subcommand)]
pub enum Mifir {
    /// Check the people of a spreadsheet or CSV file: an answer for each on standard output or in a file, with its line
    /// in the input and the number of its record; counts on standard error. Exit code 0: all are ready and nothing was
    /// found; 1: at least one person has to be looked at; 2: the file was not understood, and nothing of it counts as
    /// checked.
    Check(check::CheckArgs),
    /// Explain one person. Exit code 0: ready and nothing was found; 1: to be looked at; 2: not understood.
    Explain(explain::Explain),
}

/// The regime, the day and the format of the answer.
#[derive(Args)]
struct Rules {
    /// Under which copy of RTS 22 the report is made.
    #[arg(long, value_enum, ignore_case = true, default_value = "EU")]
    regime: RegimeArg,
    /// The day to decide for, as in 2026-01-31; without it today.
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// Answer in JSON: one object, or one per line.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "UPPER")]
enum RegimeArg {
    Eu,
    Uk,
}

impl Rules {
    /// Returns the day for which to decide.
    fn day(&self) -> Date {
        self.as_of.unwrap_or_else(|| today(SystemClock::default().now()))
    }

    /// Reads a person for a dry run. Fails with all field errors.
    fn read(&self, person: &Json, day: Date) -> Result<DryRun, Vec<FieldError>> {
        let regime = match self.regime {
            RegimeArg::Eu => RegimeSetting::Eu,
            RegimeArg::Uk => RegimeSetting::Uk,
        };
        let settings = TenantSettings { regime, ..TenantSettings::default() };
        DryRun::read(person, &settings, day)
    }
}

/// The severity of a finding that requires no review.
const NOTE: &str = "note";

/// The end of a run, from which the exit code follows.
pub enum CheckOutcome {
    /// All people are ready, and nothing was found.
    Good,
    /// At least one person needs a review.
    ToBeLookedAt,
    /// Stopped by a signal before anything was written.
    Interrupted,
}

impl Mifir {
    /// Runs the command and returns its exit code.
    pub fn run(self) -> ExitCode {
        let ending = match self {
            Mifir::Check(check) => check.run(),
            Mifir::Explain(explain) => explain.run(),
        };
        match ending {
            Ok(CheckOutcome::Good) => ExitCode::SUCCESS,
            Ok(CheckOutcome::ToBeLookedAt) => ExitCode::FAILURE,
            // The exit code that a shell reports for a command ended by SIGINT (128 and 2).
            Ok(CheckOutcome::Interrupted) => ExitCode::from(130),
            Err(error) if is_reader_gone(&error) => ExitCode::from(READER_GONE),
            Err(error) => {
                eprintln!("investord: {error:#}");
                ExitCode::from(2)
            }
        }
    }
}

/// Builds the body of a dry run from texts.
fn person<'a>(
    texts: impl IntoIterator<Item = (&'static str, &'a str)>,
    nationalities: impl IntoIterator<Item = &'a str>,
    identifiers: impl IntoIterator<Item = &'a str>,
) -> Json {
    let text = |text: &str| Json::Text(text.to_owned());
    let mut members: Vec<(String, Json)> =
        texts.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
    members.push(("nationalities".to_owned(), Json::List(nationalities.into_iter().map(text).collect())));
    let identifier = |written: &str| {
        let parts: Vec<&str> = written.splitn(3, ':').map(str::trim).collect();
        // This type accepts every standard; the standard determines whether the identifier is a passport.
        let mut members = vec![("type".to_owned(), text("NATIONAL_ID"))];
        let names: &[&str] = match parts.len() {
            1 | 2 => &["issuing_country", "identifier"],
            _ => &["issuing_country", "identifier_standard", "identifier"],
        };
        members.extend(names.iter().zip(&parts).map(|(name, part)| ((*name).to_owned(), text(part))));
        Json::Object(members)
    };
    members.push(("identifiers".to_owned(), Json::List(identifiers.into_iter().map(identifier).collect())));
    Json::Object(members)
}

/// Returns a field error for every identifier without a country in front.
fn without_country<'a>(identifiers: impl Iterator<Item = &'a str>) -> Vec<FieldError> {
    let message = "must be COUNTRY:VALUE or COUNTRY:STANDARD:VALUE, as in PL:PESEL:54010150464";
    let unnamed = identifiers.enumerate().filter(|(_, written)| !written.contains(':'));
    unnamed.map(|(at, _)| FieldError::new(format!("identifiers[{at}]"), message)).collect()
}

/// Returns whether a person needs a review: nothing can be reported yet, or an identifier has a finding, even one that
/// proves nothing (another birth date or sex than stated).
fn needs_review(report: &Report) -> bool {
    report.designation.is_none() || report.identifiers.iter().any(|one| !one.faults.is_empty())
}

/// Formats outcome and designation in a few words.
fn verdict(report: &Report) -> String {
    let Report { outcome, designation, missing, review, .. } = report;
    let named = designation.iter().map(|named| format!(" {} ({})", named.identifier, named.step.scheme));
    let missing = missing.iter().map(|missing| {
        let next =
            missing.next.iter().map(|next| format!(", or if there is none {}", next.identifier_standard));
        format!(" {} {}{}", missing.country, missing.wanted.identifier_standard, next.collect::<String>())
    });
    let review = review.iter().map(|review| format!(" {review}"));
    named.chain(missing).chain(review).fold(outcome.into_str().to_owned(), |text, more| text + &more)
}

/// Formats an identifier as it is reported.
fn format_identifier(one: &ExaminedIdentifier) -> String {
    format!("{} {} {}", one.issuing_country, one.identifier_standard, one.reported)
}

/// Joins texts with semicolons.
fn join(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join("; ")
}
