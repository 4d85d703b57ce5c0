//! Reads CSV: detects encoding and delimiter, and knows the line of each record.

use std::cell::RefCell;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use anyhow::{Context, bail};
use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, StringRecord};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

use super::quotes::{Quotes, Watched};
use super::table::{Record, RecordSource, TableForm, is_blank, read_start};

/// What stands between columns, the most usual first.
const DELIMITERS: &[u8] = b",;\t|";
/// Bytes in which the header has to end.
const MOST_HEADER_BYTES: usize = 1 << 20;
/// Bytes in which UTF-16 without a byte order mark shows.
const SAMPLE_BYTES: usize = 1 << 10;

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
    pub fn open(
        mut source: Box<dyn RecordSource>,
        form: &TableForm<'_>,
        say: &mut dyn FnMut(String),
    ) -> anyhow::Result<Self> {
        let (encoding, has_byte_order_mark) = encoding_of(&mut *source, form.encoding, say)?;
        let mut start = Vec::new();
        decoded(&mut *source, encoding)?.take(MOST_HEADER_BYTES as u64).read_to_end(&mut start)?;
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
            say(format!("columns are divided by {}", shown(delimiter)));
        }
        let mut header = StringRecord::new();
        if file.records()?.next(&mut header)?.is_none() {
            bail!("the file is empty");
        }
        file.header = header;
        Ok(file)
    }

    pub fn header(&self) -> &StringRecord {
        &self.header
    }

    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    pub fn has_byte_order_mark(&self) -> bool {
        self.has_byte_order_mark
    }

    pub fn each(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut records = self.records()?;
        let (mut cells, mut record) = (StringRecord::new(), 0);
        records.next(&mut cells)?;
        while let Some(line) = records.next(&mut cells)? {
            record += 1;
            visit(&Record { line, record, cells: &cells })?;
        }
        Ok(())
    }

    /// Whether the last line ends with a line break; known when all has been read.
    pub fn ends_whole(&mut self) -> anyhow::Result<bool> {
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
        Ok(last[..count].iter().rev().take(2).any(|byte| matches!(byte, b'\n' | b'\r')))
    }

    fn records(&mut self) -> anyhow::Result<Records<'_>> {
        let quotes = Rc::new(RefCell::new(Quotes::new(self.delimiter)));
        let bytes = decoded(&mut *self.source, self.encoding)?;
        let watched = Watched { bytes, quotes: Rc::clone(&quotes) };
        let reader = csv_reader(self.delimiter).from_reader(watched);
        let mut records = Records { reader, quotes, encoding: self.encoding };
        if self.names_delimiter {
            records.next(&mut StringRecord::new())?;
        }
        Ok(records)
    }
}

type Decoded<'a> = DecodeReaderBytes<BufReader<&'a mut dyn RecordSource>, Vec<u8>>;

/// The records of a file, blank ones left out.
struct Records<'a> {
    reader: Reader<Watched<Decoded<'a>>>,
    quotes: Rc<RefCell<Quotes>>,
    encoding: &'static Encoding,
}

impl Records<'_> {
    /// Reads the next record and gives the line on which it begins.
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
            // What cannot be decoded has become the replacement character.
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

const ENCODING_HINT: &str = "Excel's plain CSV is likely --encoding windows-1252 (Western Europe), windows-1250 (Central \
                             Europe), windows-1257 (the Baltic states) or windows-1253 (Greece); or save it as 'CSV \
                             UTF-8' or as a workbook";

/// Reads an encoding's name as it is used in the web and in Windows.
pub fn encoding_named(name: &str) -> Result<&'static Encoding, String> {
    let known = Encoding::for_label_no_replacement(name.trim().as_bytes());
    known.ok_or_else(|| {
        "is not known; known are utf-8, utf-16le, utf-16be, windows-1250 to windows-1258, iso-8859-1 to \
         iso-8859-16, macintosh, koi8-r and the others of https://encoding.spec.whatwg.org"
            .to_owned()
    })
}

/// Finds the encoding, and whether a byte order mark says it.
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

/// Reads the file from its start as UTF-8 without a byte order mark.
fn decoded<'a>(source: &'a mut dyn RecordSource, encoding: &'static Encoding) -> anyhow::Result<Decoded<'a>> {
    source.seek(SeekFrom::Start(0))?;
    let foreign = (encoding != UTF_8).then_some(encoding);
    let mut decoder = DecodeReaderBytesBuilder::new();
    // Bytes that should be UTF-8 pass as they are, so that a fault in them is found.
    decoder.encoding(foreign).bom_sniffing(false).strip_bom(true);
    Ok(decoder.build(BufReader::with_capacity(1 << 16, source)))
}

fn csv_reader(delimiter: u8) -> ReaderBuilder {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).has_headers(false).flexible(true);
    builder
}

/// Reads a first line such as `sep=;`.
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

/// Finds the delimiter with which most columns of the header are understood; of equal ones that which gives more.
fn best_delimiter(start: &[u8], fits: &dyn Fn(&StringRecord) -> usize) -> u8 {
    let marks = |delimiter: u8| {
        let mut records = csv_reader(delimiter).from_reader(start).into_byte_records();
        let header = records.find_map(|record| {
            let header = StringRecord::from_byte_record_lossy(record.unwrap_or_else(|_| ByteRecord::new()));
            (!is_blank(&header)).then_some(header)
        });
        header.map_or((0, 0), |header| (fits(&header), header.len()))
    };
    // Of equals the last is taken, and the most usual is to be.
    DELIMITERS.iter().rev().copied().max_by_key(|delimiter| marks(*delimiter)).unwrap_or(b',')
}

/// Reads a delimiter as it is written on a command line.
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

fn shown(delimiter: u8) -> String {
    if delimiter == b'\t' { "tabs".to_owned() } else { format!("'{}'", char::from(delimiter)) }
}
