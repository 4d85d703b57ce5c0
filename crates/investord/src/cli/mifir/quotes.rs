//! Finds the start of CSV records, and quotes that are never closed.
//!
//! The crate `csv` reads leniently: a quote that is never closed makes one cell of the rest of the file, and text behind
//! a closing quote is taken as it is. Either can swallow rows without a trace, so the bytes are watched on their way to
//! it, with the rules of RFC 4180 section 2.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes of a record. More is a quote that swallows rows; keeps memory flat, too.
const MOST_RECORD_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, PartialEq)]
enum QuoteState {
    RecordStart,
    CellStart,
    Unquoted,
    Quoted,
    /// Behind a quote in a quoted cell: its end, or the first half of a quote in it.
    Closing,
    /// Behind the end of a quoted cell.
    Closed,
}

/// Follows the bytes of a CSV file.
pub struct Quotes {
    delimiter: u8,
    state: QuoteState,
    /// Line of the byte that comes next, from 1.
    line: u64,
    after_return: bool,
    /// Lines on which the records begin that have not been asked for.
    starts: VecDeque<u64>,
    record_bytes: usize,
    /// Line on which the last quote opened.
    opened: u64,
}

impl Quotes {
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

    /// Takes the line on which the next record begins.
    pub fn next_start(&mut self) -> Option<u64> {
        self.starts.pop_front()
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), String> {
        for byte in bytes {
            self.step(*byte)?;
            self.count_line(*byte);
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), String> {
        let is_break = matches!(byte, b'\n' | b'\r');
        if self.state == QuoteState::RecordStart && !is_break {
            self.starts.push_back(self.line);
            self.record_bytes = 0;
            self.state = QuoteState::CellStart;
        }
        self.record_bytes += 1;
        if self.record_bytes > MOST_RECORD_BYTES {
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

    /// Counts a line break in each of its three spellings once.
    fn count_line(&mut self, byte: u8) {
        if byte == b'\r' || (byte == b'\n' && !self.after_return) {
            self.line += 1;
        }
        self.after_return = byte == b'\r';
    }

    fn end(&self) -> Result<(), String> {
        if self.state != QuoteState::Quoted {
            return Ok(());
        }
        Err(format!("line {}: a quote opens here and is never closed", self.opened))
    }

    fn text_behind_quote(&self) -> String {
        let Self { line, opened, .. } = self;
        format!(
            "line {line}: text follows a closing quote; the quote was opened on line {opened}, where one too many or \
             too few may stand (a quote inside of a quoted cell is written twice)"
        )
    }

    fn too_long(&self) -> String {
        let opened = match self.state {
            QuoteState::Quoted => {
                format!(": a quote that opens on line {} seems never to be closed", self.opened)
            }
            _ => String::new(),
        };
        format!("line {}: the row is longer than {MOST_RECORD_BYTES} bytes{opened}", self.line)
    }
}

/// Reads on, and fails where the quotes do.
pub struct Watched<R> {
    pub bytes: R,
    pub quotes: Rc<RefCell<Quotes>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        let mut quotes = self.quotes.borrow_mut();
        let good = if count == 0 { quotes.end() } else { quotes.feed(&buffer[..count]) };
        good.map(|()| count).map_err(|message| io::Error::new(io::ErrorKind::InvalidData, message))
    }
}
