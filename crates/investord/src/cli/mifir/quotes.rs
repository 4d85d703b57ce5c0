//! Finds the start of CSV records, and quotes that are never closed.
//!
//! The crate `csv` is lenient: a quote that is never closed turns the rest of the file into one cell, and text behind a
//! closing quote is accepted. Either can swallow rows without an error, so the bytes are checked on their way to the
//! crate by the rules of RFC 4180 section 2.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

/// Maximum size of a record, in bytes (1 MiB). A longer one has a quote that swallows rows; the limit bounds the memory
/// as well.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// The state of the parser behind a byte.
#[derive(Clone, Copy, PartialEq)]
enum QuoteState {
    RecordStart,
    CellStart,
    Unquoted,
    Quoted,
    /// Behind a quote in a quoted cell: the end of the cell, or the first half of an escaped quote.
    Closing,
    /// Behind the end of a quoted cell.
    Closed,
}

/// A parser that follows the bytes of a CSV file.
pub struct QuoteParser {
    delimiter: u8,
    state: QuoteState,
    /// Line of the next byte, from 1.
    line: u64,
    /// Whether the last byte was a carriage return, behind which a line feed begins no further line.
    after_return: bool,
    /// Lines of the records that the reader has not yet requested.
    starts: VecDeque<u64>,
    /// Size of the current record so far.
    record_bytes: usize,
    /// Line of the last opening quote.
    opened: u64,
}

impl QuoteParser {
    /// Creates a parser at the start of a file.
    pub fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            state: QuoteState::RecordStart,
            line: 1,
            after_return: false,
            starts: VecDeque::new(),
            record_bytes: 0,
            opened: 0,
        }
    }

    /// Returns the line on which the next record begins, once per record.
    pub fn next_start(&mut self) -> Option<u64> {
        self.starts.pop_front()
    }

    /// Follows bytes up to the first violation.
    fn feed(&mut self, bytes: &[u8]) -> Result<(), String> {
        for byte in bytes {
            self.step(*byte)?;
            self.count_line(*byte);
        }
        Ok(())
    }

    /// Follows one byte.
    fn step(&mut self, byte: u8) -> Result<(), String> {
        let is_break = matches!(byte, b'\n' | b'\r');
        if self.state == QuoteState::RecordStart && !is_break {
            self.starts.push_back(self.line);
            self.record_bytes = 0;
            self.state = QuoteState::CellStart;
        }
        self.record_bytes += 1;
        if self.record_bytes > MAX_RECORD_BYTES {
            return Err(self.too_long());
        }
        self.state = match (self.state, byte) {
            (QuoteState::Quoted, b'"') => QuoteState::Closing,
            (QuoteState::Quoted, _) => QuoteState::Quoted,
            (QuoteState::Closing, b'"') => QuoteState::Quoted,
            (QuoteState::CellStart, b'"') => {
                self.opened = self.line;
                QuoteState::Quoted
            }
            _ if is_break => QuoteState::RecordStart,
            _ if byte == self.delimiter => QuoteState::CellStart,
            (QuoteState::Closing | QuoteState::Closed, b' ' | b'\t') => QuoteState::Closed,
            (QuoteState::Closing | QuoteState::Closed, _) => return Err(self.text_behind_quote()),
            _ => QuoteState::Unquoted,
        };
        Ok(())
    }

    /// Counts a line break once in each of its three forms (CR, LF, CR LF).
    fn count_line(&mut self, byte: u8) {
        if byte == b'\r' || (byte == b'\n' && !self.after_return) {
            self.line += 1;
        }
        self.after_return = byte == b'\r';
    }

    /// Fails if the file ends inside of a quoted cell.
    fn end(&self) -> Result<(), String> {
        if self.state != QuoteState::Quoted {
            return Ok(());
        }
        Err(format!("line {}: a quote opens here and is never closed", self.opened))
    }

    /// Formats the error for text behind a closing quote.
    fn text_behind_quote(&self) -> String {
        let Self { line, opened, .. } = self;
        format!(
            "line {line}: text follows a closing quote; the quote was opened on line {opened}, where one too many or \
             too few may stand (a quote inside of a quoted cell is written twice)"
        )
    }

    /// Formats the error for a record that exceeds the maximum size.
    fn too_long(&self) -> String {
        let opened = match self.state {
            QuoteState::Quoted => {
                format!(": a quote that opens on line {} seems never to be closed", self.opened)
            }
            _ => String::new(),
        };
        format!("line {}: the row is longer than {MAX_RECORD_BYTES} bytes{opened}", self.line)
    }
}

/// A reader that fails where the quotes are invalid.
pub struct CheckedReader<R> {
    pub bytes: R,
    pub quotes: Rc<RefCell<QuoteParser>>,
}

impl<R: Read> Read for CheckedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        let mut quotes = self.quotes.borrow_mut();
        let good = if count == 0 { quotes.end() } else { quotes.feed(&buffer[..count]) };
        good.map(|()| count).map_err(|message| io::Error::new(io::ErrorKind::InvalidData, message))
    }
}
