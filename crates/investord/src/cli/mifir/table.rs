//! Reads a file of any format as records.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, bail};
use csv::StringRecord;
use tempfile::SpooledTempFile;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::csv_file::CsvFile;
use super::workbook::{self, Sheet};

/// Maximum size of a stream in memory, in bytes (16 MiB). A larger one goes to an unnamed temporary file.
const MAX_SPOOLED: usize = 16 << 20;

/// Bytes that can be read again from the start.
pub trait RecordSource: Read + Seek {}
impl<T: Read + Seek> RecordSource for T {}

/// The options of the command line about the form of the file.
pub struct TableForm<'a> {
    /// The delimiter, detected if it is not given.
    pub delimiter: Option<u8>,
    /// The encoding, detected if it is not given.
    pub encoding: Option<&'static encoding_rs::Encoding>,
    /// The sheet of a workbook, the best one if it is not given.
    pub sheet: Option<&'a str>,
    /// A function that counts the columns of a header whose field is known.
    pub fits: &'a dyn Fn(&StringRecord) -> usize,
}

/// A record of the file.
pub struct Record<'a> {
    /// Line of the file, or row of the sheet, on which the record begins.
    pub line: u64,
    /// Number of the record among the people, from 1.
    pub number: u64,
    pub cells: &'a StringRecord,
}

/// A text file, or a sheet of a workbook.
pub enum Table {
    Csv(Box<CsvFile>),
    Sheet(Sheet),
}

impl Table {
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
            Table::Csv(file) => file.header(),
            Table::Sheet(sheet) => &sheet.header,
        }
    }

    /// Returns whether cells can contain dates and not only texts.
    pub fn is_workbook(&self) -> bool {
        matches!(self, Table::Sheet(_))
    }

    /// Returns the delimiter of the file; a comma for a workbook.
    pub fn delimiter(&self) -> u8 {
        match self {
            Table::Csv(file) => file.delimiter(),
            Table::Sheet(_) => b',',
        }
    }

    /// Returns whether CSV output needs a byte order mark, because the input has one or is a workbook: then a
    /// spreadsheet opens the output, and expects one.
    pub fn has_byte_order_mark(&self) -> bool {
        match self {
            Table::Csv(file) => file.has_byte_order_mark(),
            Table::Sheet(_) => true,
        }
    }

    /// Calls `visit` for every row below the header that is not blank.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or `visit` fails.
    pub fn each(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        match self {
            Table::Csv(file) => file.each(visit),
            Table::Sheet(sheet) => sheet.rows.iter().zip(1..).try_for_each(|((line, cells), record)| {
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

/// Reads bytes from the start until the buffer is full or the source ends, and returns to the start.
///
/// # Errors
///
/// Fails if the source cannot be read.
pub fn read_start(source: &mut dyn RecordSource, buffer: &mut [u8]) -> io::Result<usize> {
    source.seek(SeekFrom::Start(0))?;
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    source.seek(SeekFrom::Start(0))?;
    Ok(length)
}

/// Returns whether a row has no visible character.
pub fn is_blank(cells: &StringRecord) -> bool {
    cells.iter().all(|cell| cell.chars().all(is_ignorable))
}

/// Returns whether a character is white space or invisible (general category Cf).
pub fn is_ignorable(letter: char) -> bool {
    letter.is_whitespace() || is_format(letter)
}

/// Returns whether a character is of general category Cf: directional marks, joiners, soft hyphens, byte order marks.
pub fn is_format(letter: char) -> bool {
    // No ASCII character is in this category, and this test is faster than the lookup.
    !letter.is_ascii() && letter.general_category() == GeneralCategory::Format
}
