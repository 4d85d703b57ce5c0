//! `investord mifir`: who is reported with what, without a server and without a register.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use csv::{ByteRecord, Position, Reader, ReaderBuilder};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use serde_json::json;

use crate::clock::{Clock, SystemClock};
use crate::domain::identifier::{HARD, today};
use crate::domain::reporting::{DryRun, Examined, Report};
use crate::domain::schema::Fault;
use crate::domain::tenant::{RegimeSetting, Settings};
use crate::domain::tree::Tree;

#[derive(Subcommand)]
pub enum Mifir {
    /// Check the people of a CSV file: a line for each on standard output, with its row (the header is the first, empty
    /// lines do not count). Exit code 0: all are ready and no identifier is impossible; 1: not so; 2: the file cannot be
    /// read.
    Check(Check),
    /// Explain one person. Exit code 0: ready and no identifier is impossible; 1: not so; 2: not understood.
    Explain(Explain),
}

#[derive(Args)]
pub struct Check {
    /// With a header line and the columns `first_name`, `last_name`, `birth_date` (YYYY-MM-DD) and `nationalities`
    /// (codes with blanks between), and if you like `identifiers` (COUNTRY:VALUE or COUNTRY:STANDARD:VALUE, with |
    /// between) and `gender` (MALE or FEMALE). Other columns are ignored. `-` is standard input.
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// What stands between the columns.
    #[arg(long, default_value = ",", value_name = "CHARACTER")]
    delimiter: char,
    #[command(flatten)]
    rules: Rules,
}

#[derive(Args)]
pub struct Explain {
    #[arg(long, value_name = "NAMES")]
    first_name: String,
    #[arg(long, value_name = "NAME")]
    last_name: String,
    #[arg(long, value_name = "YYYY-MM-DD")]
    birth_date: String,
    /// ISO 3166-1 alpha-2; several with commas between.
    #[arg(long, required = true, value_delimiter = ',', value_name = "CODE")]
    nationality: Vec<String>,
    /// COUNTRY:VALUE or COUNTRY:STANDARD:VALUE; may be given several times.
    #[arg(long, value_name = "IDENTIFIER")]
    identifier: Vec<String>,
    /// MALE or FEMALE, to be compared with what a number says.
    #[arg(long)]
    gender: Option<String>,
    #[command(flatten)]
    rules: Rules,
}

/// What decides besides the person.
#[derive(Args)]
struct Rules {
    /// Under which copy of RTS 22 the report is made.
    #[arg(long, value_enum, ignore_case = true, default_value = "EU")]
    regime: Regime,
    /// The day to decide for, as in 2026-01-31; without it today.
    #[arg(long, value_name = "DATE")]
    as_of: Option<Date>,
    /// Answer in JSON: one object, or one per line.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Regime {
    Eu,
    Uk,
}

impl Rules {
    /// The answer for a person, or every fault of what was said about them.
    fn report(&self, person: &Tree) -> Result<Report, Vec<Fault>> {
        let regime = match self.regime {
            Regime::Eu => RegimeSetting::Eu,
            Regime::Uk => RegimeSetting::Uk,
        };
        let settings = Settings { regime, ..Settings::default() };
        let day = self.as_of.unwrap_or_else(|| today(SystemClock::default().now()));
        Ok(DryRun::read(person, &settings, day)?.report())
    }
}

impl Mifir {
    pub fn run(self) -> ExitCode {
        let good = match self {
            Mifir::Check(check) => check.run(),
            Mifir::Explain(explain) => explain.run(),
        };
        match good {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("investord: {error:#}");
                ExitCode::from(2)
            }
        }
    }
}

/// A person as the body of a dry run has it.
fn person<'a>(
    texts: impl IntoIterator<Item = (&'static str, &'a str)>,
    nationalities: impl IntoIterator<Item = &'a str>,
    identifiers: impl IntoIterator<Item = &'a str>,
) -> Tree {
    let text = |text: &str| Tree::Text(text.to_owned());
    let mut members: Vec<(String, Tree)> =
        texts.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
    members.push(("nationalities".to_owned(), Tree::List(nationalities.into_iter().map(text).collect())));
    let identifier = |written: &str| {
        let parts: Vec<&str> = written.splitn(3, ':').map(str::trim).collect();
        // What accepts everything: whether it is a passport follows from the standard.
        let mut members = vec![("type".to_owned(), text("NATIONAL_ID"))];
        let names: &[&str] = match parts.len() {
            1 | 2 => &["issuing_country", "identifier"],
            _ => &["issuing_country", "identifier_standard", "identifier"],
        };
        members.extend(names.iter().zip(&parts).map(|(name, part)| ((*name).to_owned(), text(part))));
        Tree::Object(members)
    };
    members.push(("identifiers".to_owned(), Tree::List(identifiers.into_iter().map(identifier).collect())));
    Tree::Object(members)
}

/// Whether there is nothing to do about it.
fn is_good(report: &Report) -> bool {
    let impossible = |one: &Examined| one.faults.iter().any(|fault| fault.severity == HARD);
    report.designation.is_some() && !report.identifiers.iter().any(impossible)
}

impl Explain {
    fn run(self) -> anyhow::Result<bool> {
        let Self { first_name, last_name, birth_date, nationality, identifier, gender, rules } = self;
        let mut texts =
            vec![("first_name", &*first_name), ("last_name", &*last_name), ("birth_date", &*birth_date)];
        texts.extend(gender.as_deref().map(|gender| ("gender", gender)));
        let nationalities = nationality.iter().map(|code| code.trim());
        let person = person(texts, nationalities, identifier.iter().map(String::as_str));
        let report = match rules.report(&person) {
            Ok(report) => report,
            Err(faults) => {
                bail!(joined(faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message))))
            }
        };
        if rules.json {
            println!("{:#}", json!(report));
        } else {
            explain(&report, &mut io::stdout().lock())?;
        }
        Ok(is_good(&report))
    }
}

fn explain(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut row = |name: &str, text: &str| writeln!(out, "{name:<12} {text}");
    row("as of", &format!("{}, {} rules", report.as_of, report.regime))?;
    row("outcome", &verdict(report))?;
    for (at, reason) in report.reasons.iter().enumerate() {
        let open = if reason.open { " (the rules leave this open)" } else { "" };
        row(if at == 0 { "because" } else { "" }, &format!("{}{open}", reason.text))?;
    }
    for one in &report.identifiers {
        row("identifier", &format!("{} {} {}", one.issuing_country, one.identifier_standard, one.reported))?;
        for fault in &one.faults {
            row("", &format!("{}: {}", fault.severity, fault.message))?;
        }
    }
    report.auth016.iter().try_for_each(|fragment| row("auth.016", fragment))
}

/// Outcome and what it is, in a few words.
fn verdict(report: &Report) -> String {
    let Report { outcome, designation, missing, review, .. } = report;
    let named = designation.iter().map(|named| format!(" {} ({})", named.identifier, named.step.scheme));
    let missing = missing.iter().map(|missing| {
        let next =
            missing.next.iter().map(|next| format!(", or if there is none {}", next.identifier_standard));
        format!(" {} {}{}", missing.country, missing.wanted.identifier_standard, next.collect::<String>())
    });
    let review = review.iter().map(|review| format!(" {review}"));
    named.chain(missing).chain(review).fold((*outcome).to_owned(), |text, more| text + &more)
}

/// Where each column stands in the file.
struct Columns {
    /// Of `first_name`, `last_name` and `birth_date`.
    texts: [(&'static str, usize); 3],
    nationalities: usize,
    identifiers: Option<usize>,
    gender: Option<usize>,
    count: usize,
}

impl Columns {
    fn of(header: &ByteRecord) -> anyhow::Result<Self> {
        let find = |name: &str| header.iter().position(|column| column.trim_ascii() == name.as_bytes());
        let need = |name: &'static str| {
            find(name).with_context(|| {
                let found = header.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(", ");
                format!("there is no column '{name}' in the header, which has: {found}")
            })
        };
        let text = |name: &'static str| Ok::<_, anyhow::Error>((name, need(name)?));
        Ok(Self {
            texts: [text("first_name")?, text("last_name")?, text("birth_date")?],
            nationalities: need("nationalities")?,
            identifiers: find("identifiers"),
            gender: find("gender"),
            count: header.len(),
        })
    }

    fn person(&self, record: &ByteRecord) -> Result<Tree, Fault> {
        if record.len() != self.count {
            let message = format!("has {} columns, the header has {}", record.len(), self.count);
            return Err(Fault::new("(row)", message));
        }
        let cell = |at: usize| {
            let text = str::from_utf8(&record[at]).map_err(|_| Fault::new("(row)", "is not UTF-8"));
            text.map(str::trim)
        };
        let mut texts = Vec::with_capacity(4);
        for (name, at) in self.texts {
            texts.push((name, cell(at)?));
        }
        let gender = self.gender.map_or(Ok(""), cell)?;
        texts.extend((!gender.is_empty()).then_some(("gender", gender)));
        let nationalities = cell(self.nationalities)?;
        let nationalities = nationalities.split(|c: char| c.is_whitespace() || ",;|/".contains(c));
        let identifiers = self.identifiers.map_or(Ok(""), cell)?.split('|').map(str::trim);
        let there = |text: &&str| !text.is_empty();
        Ok(person(texts, nationalities.filter(there), identifiers.filter(there)))
    }
}

impl Check {
    fn run(self) -> anyhow::Result<bool> {
        anyhow::ensure!(self.delimiter.is_ascii(), "--delimiter must be an ASCII character");
        let delimiter = u8::try_from(self.delimiter)?;
        let (input, bytes): (Box<dyn Read>, _) = if self.file.as_os_str() == "-" {
            (Box::new(io::stdin()), 0)
        } else {
            let file = File::open(&self.file).with_context(|| self.file.display().to_string())?;
            let length = file.metadata().map_or(0, |file| file.len());
            (Box::new(file), length)
        };
        let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(input);
        let good = self.check(&mut reader, bytes, BufWriter::new(io::stdout().lock()));
        match good {
            // Whoever reads has seen enough.
            Err(error) if is_broken_pipe(&error) => Ok(false),
            good => good.with_context(|| self.file.display().to_string()),
        }
    }

    fn check(&self, reader: &mut Reader<impl Read>, bytes: u64, mut out: impl Write) -> anyhow::Result<bool> {
        let columns = Columns::of(reader.byte_headers()?)?;
        let style = "{bar:30} {bytes} of {total_bytes}, {eta} left";
        let bar = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(style)?);
        let (mut record, mut people, mut good) = (ByteRecord::new(), 0_u64, 0_u64);
        while reader.read_byte_record(&mut record)? {
            let report = columns.person(&record).map_err(|fault| vec![fault]);
            let report = report.and_then(|person| self.rules.report(&person));
            good += u64::from(report.as_ref().is_ok_and(is_good));
            people += 1;
            // As a spreadsheet counts: the header is in the first row, and there are no empty ones.
            self.write(people + 1, &report, &mut out)?;
            if people.is_multiple_of(1000) {
                bar.set_position(record.position().map_or(0, Position::byte));
            }
        }
        bar.finish_and_clear();
        out.flush()?;
        eprintln!("{people} people: {good} without anything to do, {} to be looked at", people - good);
        Ok(people == good)
    }

    fn write(&self, row: u64, report: &Result<Report, Vec<Fault>>, out: &mut impl Write) -> io::Result<()> {
        match (report, self.rules.json) {
            (Ok(report), true) => {
                let mut object = json!({ "row": row });
                if let (Some(object), serde_json::Value::Object(members)) =
                    (object.as_object_mut(), json!(report))
                {
                    object.extend(members);
                }
                writeln!(out, "{object}")
            }
            (Err(faults), true) => {
                writeln!(out, "{}", json!({ "row": row, "outcome": "ERROR", "errors": faults }))
            }
            (Ok(report), false) => {
                let faults = report.identifiers.iter().flat_map(|one| {
                    let name =
                        format!("{} {} {}", one.issuing_country, one.identifier_standard, one.reported);
                    one.faults
                        .iter()
                        .map(move |fault| format!("{name}: {} ({})", fault.message, fault.severity))
                });
                writeln!(out, "{row}\t{}\t{}", verdict(report), joined(faults))
            }
            (Err(faults), false) => {
                let faults = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message));
                writeln!(out, "{row}\tERROR\t{}", joined(faults))
            }
        }
    }
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join("; ")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}
