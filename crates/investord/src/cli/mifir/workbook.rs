//! Reads a sheet of a workbook (`.xlsx`, `.xlsm`, `.xls`) as records.

use std::io::{self, Read, Seek};

use anyhow::{Context, bail};
use calamine::{Cell, Data, DataRef, ExcelDateTime, Reader, Xls, XlsError, Xlsx, XlsxError};
use csv::StringRecord;
use zip::ZipArchive;

use super::table::{RecordSource, TableForm, is_blank};

/// Bytes that a workbook may unpack to: what compresses better than any list of people is an attack on memory.
const MOST_UNPACKED: u64 = 1 << 30;
/// Cells of the rows that are kept, and columns of the header.
const MOST_CELLS: usize = 20_000_000;
const MOST_COLUMNS: usize = 1_000;

/// A sheet that has been read.
pub struct Sheet {
    pub header: StringRecord,
    /// Rows that are not blank, with their row numbers in the sheet.
    pub rows: Vec<(u64, StringRecord)>,
}

enum Workbook {
    Xlsx(Xlsx<Box<dyn RecordSource>>),
    Xls(Xls<Box<dyn RecordSource>>),
}

/// Reads the sheet that was asked for, or the first one whose header is understood.
pub fn open(
    source: Box<dyn RecordSource>,
    form: &TableForm<'_>,
    say: &mut dyn FnMut(String),
) -> anyhow::Result<Sheet> {
    let mut workbook = Workbook::open(source)?;
    let names = workbook.names();
    let Some(wanted) = form.sheet else { return best_sheet(&mut workbook, &names, form, say) };
    if !names.iter().any(|name| name == wanted) {
        let names: Vec<String> = names.iter().map(quoted).collect();
        bail!("there is no sheet '{wanted}'; the workbook has {}", names.join(", "));
    }
    workbook.sheet(wanted)
}

/// Reads the sheet with the header of which most columns are understood, the first of equals.
fn best_sheet(
    workbook: &mut Workbook,
    names: &[String],
    form: &TableForm<'_>,
    say: &mut dyn FnMut(String),
) -> anyhow::Result<Sheet> {
    let mut best: Option<(usize, &String, Sheet)> = None;
    for name in names {
        let sheet = match workbook.sheet(name) {
            Ok(sheet) => sheet,
            Err(error) if names.len() == 1 => return Err(error),
            Err(error) => {
                say(format!("the sheet '{name}' {error:#}"));
                continue;
            }
        };
        let fit = (form.fits)(&sheet.header);
        if best.as_ref().is_none_or(|(best, ..)| fit > *best) {
            best = Some((fit, name, sheet));
        }
    }
    let (_, name, sheet) = best.context("has no sheet that can be read")?;
    let others: Vec<String> = names.iter().filter(|other| *other != name).map(quoted).collect();
    if !others.is_empty() {
        say(format!("of the sheets '{name}' is read, not {}", others.join(", ")));
    }
    Ok(sheet)
}

fn quoted(name: &String) -> String {
    format!("'{name}'")
}

impl Workbook {
    fn open(mut source: Box<dyn RecordSource>) -> anyhow::Result<Self> {
        let mut magic = [0; 2];
        source.read_exact(&mut magic)?;
        source.rewind()?;
        if magic == *b"PK" {
            let source = unpackable(source, MOST_UNPACKED)?;
            return Ok(Workbook::Xlsx(Xlsx::new(source).map_err(of_xlsx)?));
        }
        // A workbook with a password has the envelope of an old one.
        match Xlsx::new(&mut source) {
            Err(XlsxError::Password) => bail!(PROTECTED),
            _ => source.rewind()?,
        }
        match Xls::new(source) {
            Ok(workbook) => Ok(Workbook::Xls(workbook)),
            Err(XlsError::Password) => bail!(PROTECTED),
            Err(error) => bail!("is no whole workbook: {error}"),
        }
    }

    fn names(&self) -> Vec<String> {
        match self {
            Workbook::Xlsx(workbook) => workbook.sheet_names(),
            Workbook::Xls(workbook) => workbook.sheet_names(),
        }
    }

    fn sheet(&mut self, name: &str) -> anyhow::Result<Sheet> {
        let mut rows = Rows::default();
        match self {
            Workbook::Xlsx(workbook) => {
                let mut cells = match workbook.worksheet_cells_reader(name) {
                    // A sheet that is a chart.
                    Err(XlsxError::NotAWorksheet(_)) => return rows.sheet(),
                    cells => cells.map_err(of_xlsx)?,
                };
                while let Some(cell) = cells.next_cell().map_err(of_xlsx)? {
                    rows.push(&cell, text_of)?;
                }
            }
            Workbook::Xls(workbook) => {
                let range = workbook.worksheet_range(name).context("is no whole workbook")?;
                let (first_row, first_column) = range.start().unwrap_or_default();
                for (row, column, value) in range.used_cells() {
                    let (row, column) = (u32::try_from(row)?, u32::try_from(column)?);
                    let position = (first_row + row, first_column + column);
                    rows.push(&Cell::new(position, value.clone()), text_of_data)?;
                }
            }
        }
        rows.sheet()
    }
}

const PROTECTED: &str = "is protected by a password; save a copy without it";

fn of_xlsx(error: XlsxError) -> anyhow::Error {
    match error {
        XlsxError::Password => anyhow::Error::msg(PROTECTED),
        error => anyhow::anyhow!(
            "is no workbook that can be read ({error}); save it as .xlsx or as CSV UTF-8 in a spreadsheet program"
        ),
    }
}

/// Unpacks everything once, because the sizes that an archive states of itself prove nothing.
fn unpackable(source: Box<dyn RecordSource>, most: u64) -> anyhow::Result<Box<dyn RecordSource>> {
    let damaged = "is no whole workbook";
    let mut archive = ZipArchive::new(source).context(damaged)?;
    let mut left = most;
    for at in 0..archive.len() {
        let part = archive.by_index(at).context(damaged)?;
        left -= io::copy(&mut part.take(left), &mut io::sink()).context(damaged)?;
        if left == 0 {
            bail!("unpacks to more than {most} bytes; save it as CSV");
        }
    }
    let mut source = archive.into_inner();
    source.rewind()?;
    Ok(source)
}

/// Rows that are put together out of cells.
#[derive(Default)]
struct Rows {
    header: Option<StringRecord>,
    complete: Vec<(u64, StringRecord)>,
    /// The row that is not complete: its number from 0, and its cells.
    current: Option<(u32, Vec<String>)>,
    cells: usize,
}

impl Rows {
    fn push<T: calamine::CellType>(&mut self, cell: &Cell<T>, text: fn(&T) -> String) -> anyhow::Result<()> {
        let (row, column) = cell.get_position();
        let text = text(cell.get_value());
        if text.is_empty() {
            return Ok(());
        }
        match &self.current {
            Some((current, _)) if *current > row => bail!("is damaged: its rows are in no order"),
            Some((current, _)) if *current == row => {}
            _ => {
                self.finish()?;
                self.current = Some((row, Vec::new()));
            }
        }
        let column = usize::try_from(column)?;
        if column >= MOST_COLUMNS {
            bail!("has more than {MOST_COLUMNS} columns, in row {}", row + 1);
        }
        if let Some((_, cells)) = &mut self.current {
            cells.resize(cells.len().max(column + 1), String::new());
            cells[column] = text;
        }
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let Some((row, cells)) = self.current.take() else { return Ok(()) };
        let mut cells = StringRecord::from(cells);
        if is_blank(&cells) {
            return Ok(());
        }
        let Some(header) = &self.header else {
            self.header = Some(cells);
            return Ok(());
        };
        // A sheet does not keep empty cells at the end of a row.
        while cells.len() < header.len() {
            cells.push_field("");
        }
        self.cells += cells.len();
        if self.cells > MOST_CELLS {
            bail!("has more than {MOST_CELLS} cells; save it as CSV");
        }
        self.complete.push((u64::from(row) + 1, cells));
        Ok(())
    }

    fn sheet(mut self) -> anyhow::Result<Sheet> {
        self.finish()?;
        Ok(Sheet { header: self.header.unwrap_or_default(), rows: self.complete })
    }
}

fn text_of(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(yes) => yes.to_string().to_uppercase(),
        DataRef::DateTime(time) => time_of(*time),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

fn text_of_data(value: &Data) -> String {
    match value {
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number.to_string(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Bool(yes) => yes.to_string().to_uppercase(),
        Data::DateTime(time) => time_of(*time),
        Data::Error(error) => error.to_string(),
        Data::Empty => String::new(),
    }
}

/// Writes a date as ISO 8601 does, without a time of day if it is midnight.
fn time_of(time: ExcelDateTime) -> String {
    if time.is_duration() {
        return time.as_f64().to_string();
    }
    match time.to_ymd_hms_milli() {
        (year, month, day, 0, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        (year, month, day, hour, minute, second, _) => {
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use rust_xlsxwriter::Workbook;

    use super::*;

    /// What an archive says of itself is not asked: its parts are unpacked and counted.
    #[test]
    fn a_workbook_that_unpacks_to_too_much_is_refused() {
        let mut workbook = Workbook::new();
        workbook.add_worksheet().write_string(0, 0, "a".repeat(30_000)).unwrap();
        let bytes = workbook.save_to_buffer().unwrap();
        assert!(bytes.len() < 10_000);
        let of = |most| unpackable(Box::new(Cursor::new(bytes.clone())), most);
        assert!(of(MOST_UNPACKED).is_ok());
        assert_eq!(of(30_000).err().unwrap().to_string(), "unpacks to more than 30000 bytes; save it as CSV");
    }
}
