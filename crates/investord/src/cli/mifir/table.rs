//! Reads a file of any format as records.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use anyhow::{Context, bail};
use csv::StringRecord;
use tempfile::SpooledTempFile;

use super::csv_file::CsvFile;
use super::record::{Record, RecordSource, TableForm, read_start};
use super::workbook::{self, Sheet};

/// Maximum size of a stream in memory, in bytes (16 MiB). A larger one goes to an unnamed temporary file.
const MAX_SPOOLED: usize = 16 << 20;

/// A text file, or a sheet of a workbook.
pub enum RecordFile {
    Csv(Box<CsvFile>),
    Sheet(Sheet),
}

impl RecordFile {
    /// Opens a file, `-` for standard input, and detects its form. `say` receives messages about the detected form.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or understood, or an option does not fit its kind.
    pub fn open(path: &Path, form: &TableForm<'_>, say: &mut dyn FnMut(String)) -> anyhow::Result<Self> {
        let mut source = open(path)?;
        let mut start = [0; 8];
        let length = read_start(&mut source, &mut start)?;
        match &start[..length] {
            [] => bail!("the file is empty"),
            // A ZIP archive: .xlsx or .xlsm.
            [b'P', b'K', 3 | 5, ..] => {}
            // A compound file: .xls, or a workbook with a password.
            [0xd0, 0xcf, 0x11, 0xe0, ..] => {}
            [b'%', b'P', b'D', b'F', ..] => bail!("is a PDF document; export a spreadsheet or CSV"),
            [0x1f, 0x8b, ..] => bail!("is compressed; unpack it first"),
            _ => {
                if form.sheet.is_some() {
                    bail!("--sheet is for workbooks, and this is a text file");
                }
                return Ok(Self::Csv(Box::new(CsvFile::open(source, form, say)?)));
            }
        }
        if form.delimiter.is_some() || form.encoding.is_some() {
            bail!("--delimiter and --encoding are for text files, and this is a workbook");
        }
        Ok(Self::Sheet(workbook::open(source, form, say)?))
    }

    /// Returns the header.
    pub fn header(&self) -> &StringRecord {
        match self {
            RecordFile::Csv(file) => file.header(),
            RecordFile::Sheet(sheet) => &sheet.header,
        }
    }

    /// Returns whether cells can contain dates and not only texts.
    pub fn is_workbook(&self) -> bool {
        matches!(self, RecordFile::Sheet(_))
    }

    /// Returns the delimiter of the file; a comma for a workbook.
    pub fn delimiter(&self) -> u8 {
        match self {
            RecordFile::Csv(file) => file.delimiter(),
            RecordFile::Sheet(_) => b',',
        }
    }

    /// Returns whether CSV output needs a byte order mark, because the input has one or is a workbook: then a
    /// spreadsheet opens the output, and expects one.
    pub fn has_byte_order_mark(&self) -> bool {
        match self {
            RecordFile::Csv(file) => file.has_byte_order_mark(),
            RecordFile::Sheet(_) => true,
        }
    }

    /// Calls `visit` for every row below the header that is not blank.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or `visit` fails.
    pub fn each(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        match self {
            RecordFile::Csv(file) => file.each(visit),
            RecordFile::Sheet(sheet) => sheet.rows.iter().zip(1..).try_for_each(|((line, cells), record)| {
                visit(&Record { line: *line, number: record, cells })
            }),
        }
    }
}

/// Opens a file. A stream is copied, because the file is read several times.
fn open(path: &Path) -> anyhow::Result<Box<dyn RecordSource>> {
    if path.as_os_str() == "-" {
        return spooled(io::stdin().lock());
    }
    let file = File::open(path)?;
    let kind = file.metadata()?;
    if kind.is_dir() {
        bail!("is a directory");
    }
    if kind.is_file() { Ok(Box::new(file)) } else { spooled(file) }
}

/// Copies a stream, which can be read only once, to memory or to a temporary file.
fn spooled(mut stream: impl Read) -> anyhow::Result<Box<dyn RecordSource>> {
    let mut spool = SpooledTempFile::new(MAX_SPOOLED);
    io::copy(&mut stream, &mut spool).context("cannot be kept in a temporary file")?;
    spool.rewind()?;
    Ok(Box::new(spool))
}
