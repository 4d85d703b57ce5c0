//! Reads CSV: detects encoding and delimiter, and knows the line of each record.

use std::cell::RefCell;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use anyhow::{Context, bail};
use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, StringRecord};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

use super::quotes::{CheckedReader, QuoteParser};
use super::record::{Record, RecordSource, TableForm, is_blank, read_start};

/// Delimiters that are detected, the most usual first.
const DELIMITERS: &[u8] = b",;\t|";
/// Maximum size of the header, in bytes (1 MiB).
const MAX_HEADER_BYTES: usize = 1 << 20;
/// Number of bytes from which UTF-16 without a byte order mark is detected (1 KiB).
const SAMPLE_BYTES: usize = 1 << 10;

/// A CSV file whose form is known.
pub struct CsvFile {
    source: Box<dyn RecordSource>,
    encoding: &'static Encoding,
    has_byte_order_mark: bool,
    delimiter: u8,
    /// Whether the first record is `sep=`, which Excel writes and reads.
    names_delimiter: bool,
    header: StringRecord,
}

impl CsvFile {
    /// Opens a CSV file, detects its encoding and delimiter, and reads the header. `say` receives messages about the
    /// detected form.
    ///
    /// # Errors
    ///
    /// Fails if the file is empty, is no text, or is not of the encoding.
    pub fn open(
        mut source: Box<dyn RecordSource>,
        form: &TableForm<'_>,
        say: &mut dyn FnMut(String),
    ) -> anyhow::Result<Self> {
        let (encoding, has_byte_order_mark) = encoding_of(&mut *source, form.encoding, say)?;
        let mut start = Vec::new();
        decode(&mut *source, encoding)?.take(MAX_HEADER_BYTES as u64).read_to_end(&mut start)?;
        if start.contains(&0) {
            bail!(
                "holds zero bytes, so it is no text in {}; save it as 'CSV UTF-8' or as a workbook",
                encoding.name()
            );
        }
        let named = named_delimiter(&start);
        let delimiter = form.delimiter.or(named).unwrap_or_else(|| best_delimiter(&start, form.fits));
        let mut file = Self {
            source,
            encoding,
            has_byte_order_mark,
            delimiter,
            names_delimiter: named.is_some(),
            header: StringRecord::new(),
        };
        if form.delimiter.is_none() && delimiter != b',' {
            say(format!("columns are divided by {}", format_delimiter(delimiter)));
        }
        let mut header = StringRecord::new();
        if file.records()?.next(&mut header)?.is_none() {
            bail!("the file is empty");
        }
        file.header = header;
        Ok(file)
    }

    /// Returns the first record.
    pub fn header(&self) -> &StringRecord {
        &self.header
    }

    /// Returns the delimiter, given or detected.
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Returns whether the file begins with a byte order mark.
    pub fn has_byte_order_mark(&self) -> bool {
        self.has_byte_order_mark
    }

    /// Calls `visit` for each record below the header.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or decoded, or `visit` fails.
    pub fn each(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut records = self.records()?;
        let (mut cells, mut record) = (StringRecord::new(), 0);
        records.next(&mut cells)?;
        while let Some(line) = records.next(&mut cells)? {
            record += 1;
            visit(&Record { line, number: record, cells: &cells })?;
        }
        Ok(())
    }

    /// Returns whether the last line ends with a line break. It is called between two passes, because it moves the
    /// position in the file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn ends_with_line_break(&mut self) -> anyhow::Result<bool> {
        let mut last = [0; 4];
        let length = self.source.seek(SeekFrom::End(0))?;
        self.source.seek(SeekFrom::Start(length.saturating_sub(4)))?;
        let mut count = 0;
        while count < last.len() {
            match self.source.read(&mut last[count..])? {
                0 => break,
                more => count += more,
            }
        }
        // In UTF-16 a zero byte precedes or follows the line break, so the last two bytes are examined.
        Ok(last[..count].iter().rev().take(2).any(|byte| matches!(byte, b'\n' | b'\r')))
    }

    /// Reads the records from the start of the file, without the line `sep=`.
    fn records(&mut self) -> anyhow::Result<Records<'_>> {
        let quotes = Rc::new(RefCell::new(QuoteParser::new(self.delimiter)));
        let bytes = decode(&mut *self.source, self.encoding)?;
        let watched = CheckedReader { bytes, quotes: Rc::clone(&quotes) };
        let reader = csv_reader(self.delimiter).from_reader(watched);
        let mut records = Records { reader, quotes, encoding: self.encoding };
        if self.names_delimiter {
            records.next(&mut StringRecord::new())?;
        }
        Ok(records)
    }
}

type Decoded<'a> = DecodeReaderBytes<BufReader<&'a mut dyn RecordSource>, Vec<u8>>;

/// The records of a file, without the blank ones.
struct Records<'a> {
    reader: Reader<CheckedReader<Decoded<'a>>>,
    quotes: Rc<RefCell<QuoteParser>>,
    encoding: &'static Encoding,
}

impl Records<'_> {
    /// Reads the next record into `cells` and returns the line on which it begins.
    fn next(&mut self, cells: &mut StringRecord) -> anyhow::Result<Option<u64>> {
        loop {
            let read = self.reader.read_record(cells);
            if matches!(read, Ok(false)) {
                return Ok(None);
            }
            let read = match read {
                Err(error) if matches!(error.kind(), ErrorKind::Io(_)) => return Err(error.into()),
                read => read.is_ok(),
            };
            let line = self.quotes.borrow_mut().next_start().context("a record without a beginning")?;
            // The decoder writes the replacement character for bytes that it cannot decode.
            let is_foreign = self.encoding != UTF_8 && cells.iter().any(|cell| cell.contains('\u{fffd}'));
            if !read || is_foreign {
                bail!("line {line} is not {}; {ENCODING_HINT}", self.encoding.name());
            }
            if !is_blank(cells) {
                return Ok(Some(line));
            }
        }
    }
}

const ENCODING_HINT: &str = "Excel's plain CSV is likely --encoding windows-1252 (Western Europe), windows-1250 \
                             (Central Europe), windows-1257 (the Baltic states) or windows-1253 (Greece); or save it \
                             as 'CSV UTF-8' or as a workbook";

/// Parses the name of an encoding as used in the web and in Windows (<https://encoding.spec.whatwg.org>).
///
/// # Errors
///
/// Fails if the encoding is unknown.
pub fn encoding_named(name: &str) -> Result<&'static Encoding, String> {
    let known = Encoding::for_label_no_replacement(name.trim().as_bytes());
    known.ok_or_else(|| {
        "is not known; known are utf-8, utf-16le, utf-16be, windows-1250 to windows-1258, iso-8859-1 to \
         iso-8859-16, macintosh, koi8-r and the others of https://encoding.spec.whatwg.org"
            .to_owned()
    })
}

/// Detects the encoding, and returns it with whether there is a byte order mark.
fn encoding_of(
    source: &mut dyn RecordSource,
    asked: Option<&'static Encoding>,
    say: &mut dyn FnMut(String),
) -> anyhow::Result<(&'static Encoding, bool)> {
    let mut sample = [0; SAMPLE_BYTES];
    let length = read_start(source, &mut sample)?;
    let sample = &sample[..length];
    if let Some((marked, _)) = Encoding::for_bom(sample) {
        match asked {
            Some(asked) if asked != marked => {
                bail!("begins with the byte order mark of {}: leave out --encoding", marked.name())
            }
            _ if marked != UTF_8 => say(format!("the text is {}", marked.name())),
            _ => {}
        }
        return Ok((marked, true));
    }
    if let Some(asked) = asked {
        return Ok((asked, false));
    }
    // Each ASCII letter in UTF-16 has one zero byte: the first of two in big-endian, the second in little-endian.
    let zeros = |first: usize| sample.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let found = match (even > length / 4, odd > length / 4) {
        (true, false) => UTF_16BE,
        (false, true) => UTF_16LE,
        _ => return Ok((UTF_8, false)),
    };
    say(format!("the text is {} without a byte order mark", found.name()));
    Ok((found, false))
}

/// Decodes the file from its start to UTF-8 without a byte order mark.
fn decode<'a>(source: &'a mut dyn RecordSource, encoding: &'static Encoding) -> anyhow::Result<Decoded<'a>> {
    source.seek(SeekFrom::Start(0))?;
    let foreign = (encoding != UTF_8).then_some(encoding);
    let mut decoder = DecodeReaderBytesBuilder::new();
    // UTF-8 passes undecoded, so that the CSV reader detects invalid bytes.
    decoder.encoding(foreign).bom_sniffing(false).strip_bom(true);
    Ok(decoder.build(BufReader::with_capacity(1 << 16, source)))
}

/// Configures a CSV reader that accepts records of different lengths, which are errors of their rows only.
fn csv_reader(delimiter: u8) -> ReaderBuilder {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).has_headers(false).flexible(true);
    builder
}

/// Parses a first line such as `sep=;`.
fn named_delimiter(start: &[u8]) -> Option<u8> {
    let line = start.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [s, e, p, b'=', delimiter] if [s, e, p].map(u8::to_ascii_lowercase) == *b"sep" => {
            delimiter.is_ascii().then_some(*delimiter)
        }
        _ => None,
    }
}

/// Returns the delimiter with which most columns of the header are known; among equals, the one that gives more
/// columns.
fn best_delimiter(start: &[u8], fits: &dyn Fn(&StringRecord) -> usize) -> u8 {
    let marks = |delimiter: u8| {
        let mut records = csv_reader(delimiter).from_reader(start).into_byte_records();
        let header = records.find_map(|record| {
            let header = StringRecord::from_byte_record_lossy(record.unwrap_or_else(|_| ByteRecord::new()));
            (!is_blank(&header)).then_some(header)
        });
        header.map_or((0, 0), |header| (fits(&header), header.len()))
    };
    // `max_by_key` returns the last of equals, so the most usual delimiter is compared last.
    DELIMITERS.iter().rev().copied().max_by_key(|delimiter| marks(*delimiter)).unwrap_or(b',')
}

/// Parses a delimiter from the command line.
///
/// # Errors
///
/// Fails if the text is not one ASCII character, or is a quote, a line break or a zero byte.
pub fn delimiter_named(text: &str) -> Result<u8, String> {
    match text {
        "\\t" | "tab" | "TAB" => return Ok(b'\t'),
        _ => {}
    }
    match text.as_bytes() {
        [b'"' | b'\n' | b'\r' | 0] => Err("cannot stand between columns".to_owned()),
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err("must be one ASCII character, or tab".to_owned()),
    }
}

/// Formats a delimiter for a message.
fn format_delimiter(delimiter: u8) -> String {
    if delimiter == b'\t' { "tabs".to_owned() } else { format!("'{}'", char::from(delimiter)) }
}
