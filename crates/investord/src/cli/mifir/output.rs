//! Writes results as text, JSON lines or CSV, to standard output or a file.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use csv::{Writer, WriterBuilder};
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::domain::identification::identifier::Finding;
use crate::domain::identification::reporting::Report;
use crate::domain::json::schema::FieldError;

use super::record::is_format;
use super::{format_identifier, join, verdict};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Line, record, columns passed through, verdict and findings, with tabs between.
    Text,
    /// An object on each line.
    Json,
    /// For spreadsheets, with a header.
    Csv,
}

impl OutputFormat {
    /// Returns the format for the extension of a file name.
    ///
    /// # Errors
    ///
    /// Fails for the extension of a workbook, because only text formats can be written.
    pub fn of_path(path: &Path) -> anyhow::Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("csv") => Ok(OutputFormat::Csv),
            Some("json" | "jsonl" | "ndjson") => Ok(OutputFormat::Json),
            Some("xlsx" | "xlsm" | "xls" | "ods") => {
                bail!("--output: workbooks are not written; a .csv file opens in a spreadsheet")
            }
            _ => Ok(OutputFormat::Text),
        }
    }
}

/// The result for a record.
pub struct RecordResult<'a> {
    /// Line of the file, or row of the sheet, on which the record begins.
    pub line: u64,
    /// Number of the record, from 1.
    pub record: u64,
    /// Columns that are passed through: name and cell.
    pub with: Vec<(&'a str, &'a str)>,
    /// The report, or all field errors of the record.
    pub result: Result<Report, Vec<FieldError>>,
    /// Findings about the record as a whole, such as repetitions.
    pub findings: Vec<Finding>,
    /// Whether a person has to review the record.
    pub needs_a_look: bool,
}

impl RecordResult<'_> {
    /// Formats all findings as one text.
    fn findings(&self) -> String {
        let of_identifiers = self.result.iter().flat_map(|report| &report.identifiers).flat_map(|one| {
            let of_one = move |fault: &Finding| {
                format!("{}: {} ({})", format_identifier(one), fault.message, fault.severity)
            };
            one.faults.iter().map(of_one)
        });
        let faults = self.result.as_ref().err().into_iter().flatten();
        let faults = faults.map(|fault| format!("{}: {}", fault.field, fault.message));
        let others = self.findings.iter().map(|found| format!("{} ({})", found.message, found.severity));
        join(faults.chain(of_identifiers).chain(others))
    }

    /// Formats the points that the rules leave open as one text.
    fn open_points(&self) -> String {
        let reasons = self.result.iter().flat_map(|report| &report.reasons);
        join(reasons.filter(|reason| reason.open).map(|reason| reason.text.clone()))
    }
}

/// The destination of the results.
pub struct Output {
    writer: OutputKind,
    /// The temporary file and its final path, if the destination is a file.
    file: Option<(NamedTempFile, PathBuf)>,
}

/// The writer of a format.
enum OutputKind {
    Text(Box<dyn Write>),
    Json(Box<dyn Write>),
    Csv(Box<Writer<Box<dyn Write>>>),
}

/// The dialect of CSV output, which is that of the input.
#[derive(Clone, Copy)]
pub struct CsvDialect {
    pub delimiter: u8,
    pub has_byte_order_mark: bool,
}

/// Names of the columns of CSV output, behind line, record and the columns that are passed through.
const CSV_HEADER: &[&str] =
    &["outcome", "to_be_looked_at", "identifier", "scheme", "missing", "review", "findings", "open_points"];

impl Output {
    /// Opens the output. A file appears under its name only when it is complete.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be created, is a directory, or is the input.
    pub fn open(
        path: Option<&Path>,
        input: &Path,
        format: OutputFormat,
        dialect: CsvDialect,
        with: &[(String, usize)],
    ) -> anyhow::Result<Self> {
        let (mut out, file): (Box<dyn Write>, _) =
            match path.filter(|path| !STDOUT.iter().any(|name| path.as_os_str() == *name)) {
                None => (Box::new(BufWriter::new(io::stdout().lock())), None),
                Some(path) => open(path, input).with_context(|| format!("--output {}", path.display()))?,
            };
        let writer = match format {
            OutputFormat::Text => OutputKind::Text(out),
            OutputFormat::Json => OutputKind::Json(out),
            OutputFormat::Csv => {
                if dialect.has_byte_order_mark {
                    out.write_all("\u{feff}".as_bytes())?;
                }
                let mut writer = WriterBuilder::new().delimiter(dialect.delimiter).from_writer(out);
                let names = with.iter().map(|(name, _)| unique_name(name));
                let header = ["line", "record"].map(str::to_owned).into_iter().chain(names);
                writer
                    .write_record(header.chain(CSV_HEADER.iter().map(|name| (*name).to_owned())))
                    .map_err(io::Error::from)?;
                OutputKind::Csv(Box::new(writer))
            }
        };
        Ok(Self { writer, file })
    }

    /// Writes the result for a record.
    ///
    /// # Errors
    ///
    /// Fails if the output cannot be written.
    pub fn write(&mut self, answer: &RecordResult<'_>) -> io::Result<()> {
        match &mut self.writer {
            OutputKind::Text(out) => write_text(answer, out),
            OutputKind::Json(out) => write_json(answer, out),
            OutputKind::Csv(writer) => writer.write_record(csv_record(answer)).map_err(io::Error::from),
        }
    }

    /// Writes the buffered rest, and moves a temporary file to its final path.
    ///
    /// # Errors
    ///
    /// Fails if the output cannot be written, or the file cannot be renamed.
    pub fn finish(self) -> anyhow::Result<()> {
        match self.writer {
            OutputKind::Text(mut out) | OutputKind::Json(mut out) => out.flush()?,
            OutputKind::Csv(mut writer) => writer.flush()?,
        }
        if let Some((file, path)) = self.file {
            // The contents are synced before the rename, so that a crash leaves no incomplete file under the final
            // name.
            file.as_file().sync_all()?;
            file.persist(&path).with_context(|| format!("--output {}", path.display()))?;
        }
        Ok(())
    }
}

/// Names of standard output, which may be redirected to a file that must not be replaced.
const STDOUT: &[&str] = &["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// A writer, and the temporary file behind it with its final path.
type Opened = (Box<dyn Write>, Option<(NamedTempFile, PathBuf)>);

/// Creates a temporary file beside the output file, or opens a device.
fn open(path: &Path, input: &Path) -> anyhow::Result<Opened> {
    // Links are resolved, so that neither the input nor a link is replaced.
    let path = match fs::canonicalize(path) {
        Ok(there) if fs::canonicalize(input).is_ok_and(|input| input == there) => {
            bail!("is the file that is checked")
        }
        Ok(there) if there.is_dir() => bail!("is a directory"),
        Ok(there) if !there.is_file() || path.starts_with("/dev") || path.starts_with("/proc") => {
            // A device, a pipe or an open descriptor cannot be replaced by a file.
            let device = fs::OpenOptions::new().write(true).open(there)?;
            return Ok((Box::new(BufWriter::new(device)), None));
        }
        Ok(there) => there,
        Err(_) => path.to_owned(),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = NamedTempFile::with_prefix_in(".investord-check-", folder.unwrap_or(Path::new(".")))?;
    let out = BufWriter::new(file.as_file().try_clone()?);
    Ok((Box::new(out), Some((file, path))))
}

/// Writes a result as one line with tabs.
fn write_text(answer: &RecordResult<'_>, out: &mut impl Write) -> io::Result<()> {
    write!(out, "{}\t{}", answer.line, answer.record)?;
    for (_, cell) in &answer.with {
        write!(out, "\t{}", escape(cell))?;
    }
    let verdict = answer.result.as_ref().map_or("ERROR".to_owned(), verdict);
    let open = answer.open_points();
    let open = if open.is_empty() { open } else { format!("\topen: {open}") };
    writeln!(out, "\t{verdict}\t{}{open}", answer.findings())
}

/// Escapes the control and format characters of a cell, so that it stays in one column of a terminal.
fn escape(cell: &str) -> String {
    let escaped = |letter: char| -> Vec<char> {
        if letter.is_control() || is_format(letter) {
            letter.escape_default().collect()
        } else {
            vec![letter]
        }
    };
    cell.chars().flat_map(escaped).collect()
}

/// Writes a result as one JSON object on a line.
fn write_json(answer: &RecordResult<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut object = Map::new();
    object.insert("line".to_owned(), json!(answer.line));
    object.insert("record".to_owned(), json!(answer.record));
    if !answer.with.is_empty() {
        let with = answer.with.iter().map(|(name, cell)| ((*name).to_owned(), json!(cell)));
        object.insert("with".to_owned(), Value::Object(with.collect()));
    }
    match &answer.result {
        Ok(report) => {
            if let Value::Object(members) = json!(report) {
                object.extend(members);
            }
        }
        Err(faults) => {
            object.insert("outcome".to_owned(), json!("ERROR"));
            object.insert("errors".to_owned(), json!(faults));
        }
    }
    object.insert("findings".to_owned(), json!(answer.findings));
    object.insert("to_be_looked_at".to_owned(), json!(answer.needs_a_look));
    writeln!(out, "{}", Value::Object(object))
}

/// Returns the cells of a CSV record.
fn csv_record(answer: &RecordResult<'_>) -> Vec<String> {
    let mut record = vec![answer.line.to_string(), answer.record.to_string()];
    record.extend(answer.with.iter().map(|(_, cell)| escape_formula(cell)));
    let report = answer.result.as_ref().ok();
    let designation = report.and_then(|report| report.designation.as_ref());
    let missing = report.and_then(|report| report.missing.as_ref());
    let missing =
        missing.map(|missing| format!("{} {}", missing.country, missing.wanted.identifier_standard));
    record.extend([
        report.map_or("ERROR", |report| report.outcome.into_str()).to_owned(),
        if answer.needs_a_look { "yes" } else { "no" }.to_owned(),
        designation.map(|named| named.identifier.clone()).unwrap_or_default(),
        designation.map(|named| named.step.scheme.to_owned()).unwrap_or_default(),
        missing.unwrap_or_default(),
        report.and_then(|report| report.review.clone()).unwrap_or_default(),
        escape_formula(&answer.findings()),
        escape_formula(&answer.open_points()),
    ]);
    record
}

/// Puts an apostrophe in front of a cell that a spreadsheet would execute as a formula (CSV injection). Signed numbers
/// and telephone numbers stay as they are.
fn escape_formula(cell: &str) -> String {
    let is_number = |rest: &str| rest.chars().all(|letter| letter.is_ascii_digit() || " .,".contains(letter));
    let is_formula = match cell.chars().next() {
        Some('=' | '@' | '\t' | '\r' | '\n') => true,
        Some('+' | '-') => !is_number(&cell[1..]),
        _ => false,
    };
    if is_formula { format!("'{cell}") } else { cell.to_owned() }
}

/// Renames a column that is passed through if the results have a column of that name.
fn unique_name(name: &str) -> String {
    let clashes = ["line", "record"].contains(&name) || CSV_HEADER.contains(&name);
    if clashes { format!("input {name}") } else { escape_formula(name) }
}
