//! Reads a sheet of a workbook (`.xlsx`, `.xlsm`, `.xls`) as records.

use std::io::{self, Read, Seek};

use anyhow::{Context, bail};
use calamine::{Cell, Data, DataRef, ExcelDateTime, Reader, Xls, XlsError, Xlsx, XlsxError};
use csv::StringRecord;
use zip::ZipArchive;

use super::record::{RecordSource, TableForm, is_blank};

/// Maximum unpacked size of a workbook, in bytes (1 GiB). A file that compresses better than any list of people is an
/// attack on memory.
const MAX_UNPACKED: u64 = 1 << 30;
/// Maximum number of cells of the rows, which are kept in memory.
const MAX_CELLS: usize = 20_000_000;
/// Maximum number of columns: a row is filled with empty cells up to its last one.
const MAX_COLUMNS: usize = 1_000;

/// A sheet in memory.
pub struct Sheet {
    pub header: StringRecord,
    /// Rows that are not blank, with their row numbers in the sheet.
    pub rows: Vec<(u64, StringRecord)>,
}

/// The reader of a workbook of either format.
enum Workbook {
    Xlsx(Xlsx<Box<dyn RecordSource>>),
    Xls(Xls<Box<dyn RecordSource>>),
}

/// Reads the requested sheet, or the sheet whose header is understood best.
///
/// # Errors
///
/// Fails if the workbook is damaged, protected or too large, or has no such sheet.
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

/// Reads the sheet with the most columns whose field is known, the first among equals.
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

/// Quotes the name of a sheet for a message.
fn quoted(name: &String) -> String {
    format!("'{name}'")
}

impl Workbook {
    /// Opens a workbook by the first bytes of the file.
    fn open(mut source: Box<dyn RecordSource>) -> anyhow::Result<Self> {
        let mut magic = [0; 2];
        source.read_exact(&mut magic)?;
        source.rewind()?;
        if magic == *b"PK" {
            let source = check_unpacked_size(source, MAX_UNPACKED)?;
            return Ok(Workbook::Xlsx(Xlsx::new(source).map_err(translate_error)?));
        }
        // An .xlsx file with a password is a compound file, like an .xls file.
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

    /// Returns the names of the sheets.
    fn names(&self) -> Vec<String> {
        match self {
            Workbook::Xlsx(workbook) => workbook.sheet_names(),
            Workbook::Xls(workbook) => workbook.sheet_names(),
        }
    }

    /// Reads a sheet.
    fn sheet(&mut self, name: &str) -> anyhow::Result<Sheet> {
        let mut rows = Rows::default();
        match self {
            Workbook::Xlsx(workbook) => {
                let mut cells = match workbook.worksheet_cells_reader(name) {
                    // A sheet that is a chart has no cells.
                    Err(XlsxError::NotAWorksheet(_)) => return rows.sheet(),
                    cells => cells.map_err(translate_error)?,
                };
                while let Some(cell) = cells.next_cell().map_err(translate_error)? {
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

/// Translates an error of the reader into a message with a remedy.
fn translate_error(error: XlsxError) -> anyhow::Error {
    match error {
        XlsxError::Password => anyhow::Error::msg(PROTECTED),
        error => anyhow::anyhow!(
            "is no workbook that can be read ({error}); save it as .xlsx or as CSV UTF-8 in a spreadsheet program"
        ),
    }
}

/// Unpacks all parts once and counts their bytes, because the sizes that an archive states prove nothing.
fn check_unpacked_size(source: Box<dyn RecordSource>, most: u64) -> anyhow::Result<Box<dyn RecordSource>> {
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

/// The rows of a sheet, assembled from its cells.
#[derive(Default)]
struct Rows {
    /// The first row that is not blank.
    header: Option<StringRecord>,
    /// The complete rows, with their row numbers from 1.
    complete: Vec<(u64, StringRecord)>,
    /// The incomplete row: its number from 0, and its cells.
    current: Option<(u32, Vec<String>)>,
    /// Number of cells of the complete rows.
    cells: usize,
}

impl Rows {
    /// Adds a cell. A cell of another row completes the current one.
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
        if column >= MAX_COLUMNS {
            bail!("has more than {MAX_COLUMNS} columns, in row {}", row + 1);
        }
        if let Some((_, cells)) = &mut self.current {
            cells.resize(cells.len().max(column + 1), String::new());
            cells[column] = text;
        }
        Ok(())
    }

    /// Completes the current row.
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
        // A sheet does not store empty cells at the end of a row.
        while cells.len() < header.len() {
            cells.push_field("");
        }
        self.cells += cells.len();
        if self.cells > MAX_CELLS {
            bail!("has more than {MAX_CELLS} cells; save it as CSV");
        }
        self.complete.push((u64::from(row) + 1, cells));
        Ok(())
    }

    /// Completes the last row and returns the sheet.
    fn sheet(mut self) -> anyhow::Result<Sheet> {
        self.finish()?;
        Ok(Sheet { header: self.header.unwrap_or_default(), rows: self.complete })
    }
}

/// Returns the text of a cell of an .xlsx file.
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

/// Returns the text of a cell of an .xls file.
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

/// Formats a date by ISO 8601, without the time of day if it is midnight.
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

    /// The parts are unpacked and counted; the sizes that the archive states are not used.
    #[test]
    fn a_workbook_that_unpacks_to_too_much_is_refused() {
        let mut workbook = Workbook::new();
        workbook.add_worksheet().write_string(0, 0, "a".repeat(30_000)).unwrap();
        let bytes = workbook.save_to_buffer().unwrap();
        assert!(bytes.len() < 10_000);
        let of = |most| check_unpacked_size(Box::new(Cursor::new(bytes.clone())), most);
        assert!(of(MAX_UNPACKED).is_ok());
        assert_eq!(of(30_000).err().unwrap().to_string(), "unpacks to more than 30000 bytes; save it as CSV");
    }
}
