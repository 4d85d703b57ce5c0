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

/// Bytes of a stream that are kept in memory; more go to an unnamed temporary file.
const MOST_SPOOLED: usize = 16 << 20;

/// Bytes that can be read again from the start.
pub trait RecordSource: Read + Seek {}
impl<T: Read + Seek> RecordSource for T {}

/// What was said on the command line about the form of the file.
pub struct TableForm<'a> {
    pub delimiter: Option<u8>,
    pub encoding: Option<&'static encoding_rs::Encoding>,
    pub sheet: Option<&'a str>,
    /// Counts the columns of a header that are understood.
    pub fits: &'a dyn Fn(&StringRecord) -> usize,
}

/// A record of the file.
pub struct Record<'a> {
    /// Where it begins in the file: the line, or the row of the sheet.
    pub line: u64,
    /// Its number among the people, from 1.
    pub record: u64,
    pub cells: &'a StringRecord,
}

pub enum Table {
    Csv(Box<CsvFile>),
    Sheet(Sheet),
}

impl Table {
    /// Opens a file, `-` for standard input. `say` hears what was found out about its form.
    pub fn open(path: &Path, form: &TableForm<'_>, say: &mut dyn FnMut(String)) -> anyhow::Result<Self> {
        let mut source = open(path)?;
        let mut start = [0; 8];
        let length = read_start(&mut source, &mut start)?;
        match &start[..length] {
            [] => bail!("the file is empty"),
            [b'P', b'K', 3 | 5, ..] => {}
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

    pub fn header(&self) -> &StringRecord {
        match self {
            Table::Csv(file) => file.header(),
            Table::Sheet(sheet) => &sheet.header,
        }
    }

    /// Whether cells can hold dates and not only texts.
    pub fn is_workbook(&self) -> bool {
        matches!(self, Table::Sheet(_))
    }

    /// The delimiter of the file; a comma for a workbook.
    pub fn delimiter(&self) -> u8 {
        match self {
            Table::Csv(file) => file.delimiter(),
            Table::Sheet(_) => b',',
        }
    }

    /// Whether spreadsheets write such files for themselves, so that they expect a byte order mark in an answer, too.
    pub fn has_byte_order_mark(&self) -> bool {
        match self {
            Table::Csv(file) => file.has_byte_order_mark(),
            Table::Sheet(_) => true,
        }
    }

    /// Visits every row behind the header that is not blank.
    pub fn each(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        match self {
            Table::Csv(file) => file.each(visit),
            Table::Sheet(sheet) => sheet
                .rows
                .iter()
                .zip(1..)
                .try_for_each(|((line, cells), record)| visit(&Record { line: *line, record, cells })),
        }
    }
}

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

/// Keeps a stream, which can be read only once.
fn spooled(mut stream: impl Read) -> anyhow::Result<Box<dyn RecordSource>> {
    let mut spool = SpooledTempFile::new(MOST_SPOOLED);
    io::copy(&mut stream, &mut spool).context("cannot be kept in a temporary file")?;
    spool.rewind()?;
    Ok(Box::new(spool))
}

/// Reads as many bytes from the start as there are, and goes back.
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

/// Whether a row has nothing in it.
pub fn is_blank(cells: &StringRecord) -> bool {
    cells.iter().all(|cell| cell.chars().all(is_ignorable))
}

/// White space, and characters that are not seen at all (general category Cf).
pub fn is_ignorable(letter: char) -> bool {
    letter.is_whitespace() || is_format(letter)
}

/// Whether a character is one of general category Cf: marks of direction, joiners, soft hyphens, byte order marks.
pub fn is_format(letter: char) -> bool {
    // Of ASCII there is none, which is quicker known than looked up.
    !letter.is_ascii() && letter.general_category() == GeneralCategory::Format
}
