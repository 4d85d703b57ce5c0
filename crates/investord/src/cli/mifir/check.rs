//! `investord mifir check`: checks a file of people in three passes.
//!
//! The file is read three times. The first pass detects structure, encoding and date format without deciding about any
//! person, so that a file that is not understood gives no results at all. The second pass finds the numbers and people
//! that occur more than once. The third pass writes the results.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use csv::StringRecord;
use encoding_rs::Encoding;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;

use crate::domain::identification::dry_run::DryRun;
use crate::domain::identification::identifier::{Finding, IdentifierContent};
use crate::domain::json::schema::FieldError;

use super::cells::CellReader;
use super::columns::{Columns, Mapping, count_known};
use super::csv_file::{delimiter_named, encoding_named};
use super::dates::{DateFormat, DateSurvey};
use super::headers::fold;
use super::interrupt::Interrupt;
use super::output::{CsvDialect, Output, OutputFormat, RecordResult};
use super::record::{Record, TableForm};
use super::repeats::{RecordNumbers, Repeats};
use super::summary::Summary;
use super::table::RecordFile;
use super::{CheckOutcome, NOTE, Rules, needs_review, person};

#[derive(Args)]
pub struct CheckArgs {
    /// A CSV file, or a workbook (.xlsx, .xlsm, .xls); `-` is standard input. A header names the columns: `first_name`,
    /// `last_name`, `birth_date` and `nationalities` (codes with blanks between), and if you like `identifiers`
    /// (COUNTRY:VALUE or COUNTRY:STANDARD:VALUE, with | between) and `gender`. Usual names in English, German, French,
    /// Spanish, Italian, Polish and Dutch are understood, too. Other columns are not read.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The delimiter of the columns, one character or `tab`; detected from the header if it is not given.
    #[arg(long, value_parser = delimiter_named, value_name = "CHARACTER")]
    delimiter: Option<u8>,
    /// The encoding of a text that is neither UTF-8 nor UTF-16, as in `windows-1252`.
    #[arg(long, value_parser = encoding_named, value_name = "NAME")]
    encoding: Option<&'static Encoding>,
    /// The sheet of a workbook; without it the first one with a header that is understood.
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// The field of a column with another name, as in `Nachname=last_name`. Several columns can be `nationalities` or
    /// `identifiers`, the latter with a country in front of each value, as in `PESEL=identifiers:PL`.
    #[arg(long, value_name = "HEADER=FIELD")]
    map: Vec<Mapping>,
    /// The format of birth dates, as in `DD.MM.YYYY` or `%d.%m.%Y`; detected from all of them if it is not given. May
    /// be given several times.
    #[arg(long, value_name = "FORM")]
    date_format: Vec<DateFormat>,
    /// A column to pass through into the answers, or `*` for all. May be given several times.
    #[arg(long, value_name = "HEADER")]
    with: Vec<String>,
    /// Write the answers into this file, which appears when they are complete. `.csv` and `.json` choose the format.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The format of the answers.
    #[arg(long, value_enum, conflicts_with = "json")]
    format: Option<OutputFormat>,
    #[command(flatten)]
    rules: Rules,
}

impl CheckArgs {
    /// Checks the file and writes the results.
    ///
    /// # Errors
    ///
    /// Fails if the file is not understood or changes during the check, or the output cannot be written.
    pub fn run(&self) -> anyhow::Result<CheckOutcome> {
        let format = self.format()?;
        let at_file = || self.file.display().to_string();
        let mut say = |message: String| eprintln!("{message}");
        let fits = |header: &StringRecord| count_known(header, &self.map);
        let sheet = self.sheet.as_deref();
        let form = TableForm { delimiter: self.delimiter, encoding: self.encoding, sheet, fits: &fits };
        let mut table = RecordFile::open(&self.file, &form, &mut say).with_context(at_file)?;
        let columns = Columns::find(table.header(), &self.map, &self.with).with_context(at_file)?;
        columns.describe().into_iter().for_each(&mut say);
        let surveyed = self.survey(&mut table, columns, &mut say).with_context(at_file)?;
        let dialect =
            CsvDialect { delimiter: table.delimiter(), has_byte_order_mark: table.has_byte_order_mark() };
        let with = &surveyed.reading.columns.with;
        // The signal handlers are installed before the output file exists, so that no signal can leave it behind.
        let interrupt = if self.output.is_some() { Interrupt::watch()? } else { Interrupt::default() };
        let output = Output::open(self.output.as_deref(), &self.file, format, dialect, with)?;
        self.answer(&mut table, &surveyed, output, &interrupt)
    }

    /// Returns the output format: of an option, otherwise of the extension of the output file, otherwise text.
    fn format(&self) -> anyhow::Result<OutputFormat> {
        match (self.format, &self.output) {
            _ if self.rules.json => Ok(OutputFormat::Json),
            (Some(format), _) => Ok(format),
            (None, Some(path)) => OutputFormat::of_path(path),
            (None, None) => Ok(OutputFormat::Text),
        }
    }

    /// Reads the whole file to detect the formats of its cells, without deciding about any person.
    fn survey(
        &self,
        table: &mut RecordFile,
        columns: Columns,
        say: &mut dyn FnMut(String),
    ) -> anyhow::Result<FirstPass> {
        let mut dates = DateSurvey::new(table.is_workbook());
        let (mut rows, mut has_h, mut has_m) = (0, false, false);
        let bar = ProgressBar::no_length()
            .with_style(ProgressStyle::with_template("{spinner} {pos} records read")?);
        table.each(&mut |row| {
            rows += 1;
            if row.number.is_multiple_of(BAR_STEP) {
                bar.set_position(row.number);
            }
            dates.add(row.line, row.cells.get(columns.birth_date).unwrap_or_default());
            let gender = columns.gender.and_then(|at| row.cells.get(at)).unwrap_or_default();
            match fold(gender).as_str() {
                "h" => has_h = true,
                "m" => has_m = true,
                _ => {}
            }
            Ok(())
        })?;
        bar.finish_and_clear();
        if rows == 0 {
            bail!("there is nobody in it: no row stands below the header");
        }
        if let RecordFile::Csv(file) = table
            && !file.ends_with_line_break()?
        {
            say("the last line does not end with a line break: was the file cut off?".to_owned());
        }
        let dates = dates.decide(&self.date_format)?;
        if let Some(form) = dates.found() {
            say(format!("birth dates are read as {form}"));
        }
        Ok(FirstPass { reading: CellReader { columns, dates, m_is_open: has_h && has_m }, rows })
    }

    /// Reads every person twice: once for the numbers and people that occur more than once, and once for the results.
    fn answer(
        &self,
        table: &mut RecordFile,
        surveyed: &FirstPass,
        mut output: Output,
        interrupt: &Interrupt,
    ) -> anyhow::Result<CheckOutcome> {
        let FirstPass { reading, rows } = surveyed;
        let bar = ProgressBar::new(2 * rows)
            .with_style(ProgressStyle::with_template("{bar:30} {percent} %, {eta} left")?);
        let judge = RecordChecker { rules: &self.rules, reading, day: self.rules.day() };
        let mut numbers = RecordNumbers::default();
        let read = table.each(&mut |row| {
            update_progress(&bar, row.number, interrupt)?;
            match judge.read(row) {
                Ok((person, _)) => numbers.add(row.line, &person),
                Err(_) => numbers.add_without_person(row.line, &judge.numbers(row)),
            }
            Ok(())
        });
        // An interrupt also ends the pass with an error, so it is checked before that error.
        if interrupt.is_set() {
            return Ok(CheckOutcome::Interrupted);
        }
        read?;
        let (repeats, mut summary) = (numbers.repeats(), Summary::default());
        let answered = table.each(&mut |row| {
            update_progress(&bar, rows + row.number, interrupt)?;
            let answer = judge.answer(row, &repeats);
            summary.count(&answer);
            Ok(output.write(&answer)?)
        });
        bar.finish_and_clear();
        if interrupt.is_set() {
            return Ok(CheckOutcome::Interrupted);
        }
        answered?;
        // The passes would have seen different files, and the findings about repetitions would be wrong.
        if summary.people() != *rows {
            bail!("{}: the file has been changed while it was read", self.file.display());
        }
        output.finish()?;
        eprintln!("{summary}");
        Ok(if summary.is_good() { CheckOutcome::Good } else { CheckOutcome::ToBeLookedAt })
    }
}

/// Number of records between two updates of the progress bar.
const BAR_STEP: u64 = 1000;

/// Updates the progress bar. Fails after an interrupt, which ends the pass.
fn update_progress(bar: &ProgressBar, position: u64, interrupt: &Interrupt) -> anyhow::Result<()> {
    if interrupt.is_set() {
        bail!("interrupted");
    }
    if position.is_multiple_of(BAR_STEP) {
        bar.set_position(position);
    }
    Ok(())
}

/// The results of the first pass.
struct FirstPass {
    reading: CellReader,
    /// Number of records below the header.
    rows: u64,
}

/// The rules, the formats and the day by which the program decides about a record.
struct RecordChecker<'a> {
    rules: &'a Rules,
    reading: &'a CellReader,
    day: Date,
}

impl RecordChecker<'_> {
    /// Reads a person, and returns a note if characters were removed from the cells.
    fn read(&self, row: &Record<'_>) -> Result<(DryRun, Option<Finding>), Vec<FieldError>> {
        let found = self.reading.person(row)?;
        let fields: Vec<&str> = found.trimmed.into_iter().collect();
        let note = (!fields.is_empty()).then(|| Finding {
            severity: NOTE.to_owned(),
            code: "trimmed".to_owned(),
            message: format!(
                "{}: characters were left out that are not seen or mark a text",
                fields.join(", ")
            ),
        });
        Ok((self.rules.read(&found.person, self.day)?, note))
    }

    /// Returns the numbers of a row whose person cannot be read, each parsed on its own.
    fn numbers(&self, row: &Record<'_>) -> Vec<IdentifierContent> {
        let identifiers = self.reading.identifiers(row);
        let alone = |identifier: &String| {
            // The rules read identifiers of a person only, so each is given to a person without errors.
            let texts = [("first_name", "Anna"), ("last_name", "Muster"), ("birth_date", "1970-01-01")];
            let person = person(texts, ["DE"], [identifier.as_str()]);
            self.rules.read(&person, self.day).map(|person| person.contents).unwrap_or_default()
        };
        identifiers.iter().flat_map(alone).collect()
    }

    /// Decides about a record, and adds the findings about repetitions.
    fn answer<'b>(&'b self, row: &Record<'b>, repeats: &Repeats) -> RecordResult<'b> {
        let (result, mut findings, note) = match self.read(row) {
            Ok((person, note)) => (Ok(person.report()), repeats.findings(row.line, &person), note),
            Err(faults) => {
                let findings = repeats.findings_without_person(row.line, &self.numbers(row));
                (Err(faults), findings, None)
            }
        };
        let needs_a_look = result.as_ref().map_or(true, needs_review) || !findings.is_empty();
        // A note requires no review, so it is added after the decision about one.
        findings.extend(note);
        let columns = self.reading.columns.with.iter();
        let with =
            columns.map(|(name, at)| (name.as_str(), row.cells.get(*at).unwrap_or_default())).collect();
        RecordResult { line: row.line, record: row.number, with, result, findings, needs_a_look }
    }
}
