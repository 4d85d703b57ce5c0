//! Workbooks, as spreadsheet programs write them.

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

use crate::{assert_contains, check, lines, objects, refused, told};

const HEADER: [&str; 6] = ["Vorname", "Nachname", "Geburtsdatum", "Nationalität", "identifiers", "Nr"];

/// A workbook whose second sheet has people, with a blank row between them.
fn workbook() -> Vec<u8> {
    let mut workbook = Workbook::new();
    workbook.add_worksheet().set_name("Notizen").unwrap().write_string(0, 0, "kein Kopf").unwrap();
    let sheet = workbook.add_worksheet().set_name("Kunden").unwrap();
    for (column, name) in (0..).zip(HEADER) {
        sheet.write_string(0, column, name).unwrap();
    }
    let format = Format::new().set_num_format("dd.mm.yyyy");
    let date = |text: &str| ExcelDateTime::parse_from_str(text).unwrap();
    sheet.write_string(1, 0, "Zofia").unwrap().write_string(1, 1, "Kowalska").unwrap();
    sheet.write_datetime_with_format(1, 2, date("1954-01-01"), &format).unwrap();
    sheet.write_string(1, 3, "PL").unwrap().write_string(1, 4, "PL:54010150464").unwrap();
    sheet.write_number(1, 5, 7).unwrap();
    sheet.write_string(3, 0, "Jan").unwrap().write_string(3, 1, "Nowak").unwrap();
    sheet.write_string(3, 2, "30.05.1983").unwrap().write_string(3, 3, "PL").unwrap();
    sheet.write_number(3, 4, 83_053_078_912_f64).unwrap().write_number(3, 5, 12.5).unwrap();
    sheet.write_string(4, 0, "Karl").unwrap().write_string(4, 1, "Schmidt").unwrap();
    sheet.write_datetime_with_format(4, 2, date("1972-09-30"), &format).unwrap();
    sheet.write_string(4, 3, "DE").unwrap();
    workbook.save_to_buffer().unwrap()
}

#[test]
fn dates_and_numbers_of_cells_are_read() {
    let output = check(&["--json", "--with", "Nr", "--map", "identifiers=identifiers"], &workbook());
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let found = objects(&output);
    assert_eq!(found.len(), 3);
    assert_eq!(found[0]["designation"]["identifier"], "PL54010150464");
    assert_eq!((&found[0]["line"], &found[0]["record"]), (&2.into(), &1.into()));
    assert_eq!(found[0]["with"]["Nr"], "7");
    assert_eq!((&found[1]["line"], &found[1]["record"]), (&4.into(), &2.into()));
    assert_eq!(found[1]["errors"][0]["field"], "identifiers[0]", "a number has no country");
    assert_eq!(found[1]["with"]["Nr"], "12.5");
    assert_eq!(found[2]["designation"]["identifier"], "DE19720930KARL#SCHMI");
    assert_contains(&told(&output), "of the sheets 'Kunden' is read, not 'Notizen'");
    assert_contains(&told(&output), "birth dates are read as DD.MM.YYYY");
}

#[test]
fn a_number_cell_is_an_identifier_without_exponent() {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (column, name) in (0..).zip(["Vorname", "Nachname", "Geburtsdatum", "Nationalität", "PESEL"]) {
        sheet.write_string(0, column, name).unwrap();
    }
    sheet.write_row(1, 0, ["Jan", "Nowak", "1983-05-30", "PL"]).unwrap();
    sheet.write_number(1, 4, 83_053_078_912_f64).unwrap();
    let bytes = workbook.save_to_buffer().unwrap();
    let output = check(&["--map", "PESEL=identifiers:PL"], &bytes);
    assert_eq!(lines(&output), ["2\t1\tREADY PL83053078912 (NIDN)\t"], "{}", told(&output));
}

#[test]
fn the_sheet_can_be_chosen() {
    let bytes = workbook();
    assert_eq!(lines(&check(&["--sheet", "Kunden"], &bytes)).len(), 3);
    assert_contains(&refused(&["--sheet", "Notizen"], &bytes), "there is no column 'first_name'");
    assert_contains(&refused(&["--sheet", "Kundin"], &bytes), "the workbook has 'Notizen', 'Kunden'");
    assert_contains(&refused(&["--delimiter", ";"], &bytes), "are for text files");
    assert_contains(&refused(&["--encoding", "latin1"], &bytes), "are for text files");
}

#[test]
fn errors_of_cells_are_faults_and_cells_that_say_other_things_are_too() {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.write_row(0, 0, ["first_name", "last_name", "birth_date", "nationalities"]).unwrap();
    sheet.write_row(1, 0, ["Jan", "Nowak", "1983-05-30", "DE"]).unwrap();
    sheet.write_formula(1, 1, rust_xlsxwriter::Formula::new("=NA()").set_result("#N/A")).unwrap();
    sheet.write_row(2, 0, ["Jan", "Nowak", "", "DE"]).unwrap();
    sheet.write_number(2, 2, 26572).unwrap();
    let bytes = workbook.save_to_buffer().unwrap();
    let answers = lines(&check(&[], &bytes));
    assert_contains(&answers[0], "last_name: begins with #");
    assert_contains(&answers[1], "is how spreadsheets count days");
}

/// Written by xlwt 1.3: a blank row, a cell with a date, a number.
#[test]
fn old_workbooks_are_read() {
    let output = check(&["--map", "PESEL=identifiers:PL"], include_bytes!("people.xls"));
    assert_eq!(lines(&output), ["3\t1\tREADY PL83053078912 (NIDN)\t"], "{}", told(&output));
}

#[test]
fn a_sheet_that_is_too_wide_is_refused_or_passed_over() {
    let mut workbook = Workbook::new();
    workbook.add_worksheet().set_name("weit").unwrap().write_string(0, 16_383, "x").unwrap();
    let bytes = workbook.save_to_buffer().unwrap();
    assert_contains(&refused(&[], &bytes), "has more than 1000 columns, in row 1");
    let sheet = workbook.add_worksheet();
    sheet.write_row(0, 0, ["first_name", "last_name", "birth_date", "nationality"]).unwrap();
    sheet.write_row(1, 0, ["Karl", "Schmidt", "1972-09-30", "DE"]).unwrap();
    let output = check(&[], &workbook.save_to_buffer().unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_contains(&told(&output), "the sheet 'weit' has more than 1000 columns");
}

#[test]
fn a_workbook_that_is_not_whole_is_refused() {
    let bytes = workbook();
    for length in [4, 30, bytes.len() / 2, bytes.len() - 30] {
        refused(&[], &bytes[..length]);
    }
    let mut damaged = bytes.clone();
    let middle = bytes.len() / 3;
    damaged[middle..middle + 40].fill(0x55);
    refused(&[], &damaged);
    assert_contains(&refused(&[], b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and nothing"), "workbook");
}

/// Encrypted by msoffcrypto-tool 6.
#[test]
fn a_workbook_with_a_password_says_so() {
    let refusal = refused(&[], include_bytes!("protected.xlsx"));
    assert_contains(&refusal, "is protected by a password; save a copy without it");
}
