//! Records of a file of people, the options about its form, and characters that do not count in a cell.

use std::io::{self, Read, Seek, SeekFrom};

use csv::StringRecord;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

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
