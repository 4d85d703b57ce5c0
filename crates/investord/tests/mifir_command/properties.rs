//! What holds for every file.

use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::Value;

use crate::{check, objects, told};

/// Quotes, quoted line breaks, quoted delimiters and blank rows: everything that can be cut through.
const WHOLE: &str = "\
note,first_name,last_name,birth_date,nationalities,identifiers
\"two
lines, \"\"quoted\"\"\",Zofia,Kowalska,1954-01-01,PL,PL:54010150464
,\"Günter\",\"von der Heide\",1980-07-15,\"DE\",

x,Jan,Nowak,1983-05-30,\"PL, US\",\"PL:83053078912\"
";

/// The records of a text that begins none in a quote.
fn records(text: &[u8]) -> usize {
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    reader
        .into_byte_records()
        .map(Result::unwrap)
        .filter(|record| record.iter().any(|cell| !cell.is_empty()))
        .count()
}

fn assert_judged_whole_or_refused(prefix: &[u8], whole: &[Value]) {
    let output = check(&["--json"], prefix);
    let shown = String::from_utf8_lossy(prefix);
    if output.status.code() == Some(2) {
        assert!(output.stdout.is_empty(), "{shown}");
        return;
    }
    let answers = objects(&output);
    assert_eq!(answers.len(), records(prefix) - 1, "{shown}: {}", told(&output));
    let complete = answers.len() - 1;
    assert_eq!(answers[..complete], whole[..complete], "{shown}");
    // The last is the same, or cut where it cannot be known (in its last cell), or an error.
    let last = &answers[complete];
    let is_cut_in_last_cell = shown.lines().last().is_some_and(|line| line.matches(',').count() >= 5);
    assert!(*last == whole[complete] || last["outcome"] == "ERROR" || is_cut_in_last_cell, "{shown}: {last}");
}

#[test]
fn every_prefix_of_a_file_is_judged_whole_or_is_an_error() {
    let whole = check(&["--json"], WHOLE.as_bytes());
    assert_eq!(whole.status.code(), Some(0), "{}", told(&whole));
    let whole = objects(&whole);
    assert_eq!(whole.len(), 3);
    for length in 0..WHOLE.len() {
        assert_judged_whole_or_refused(&WHOLE.as_bytes()[..length], &whole);
    }
}

/// Every line is a prefix that ends well: the file is whole as far as it goes, whatever is in quotes.
#[test]
fn a_file_that_is_cut_in_a_quote_is_never_judged() {
    for (at, _) in WHOLE.match_indices(['q', 'H']) {
        assert_eq!(check(&[], &WHOLE.as_bytes()[..at]).status.code(), Some(2));
    }
}

#[derive(Clone, Debug)]
struct Person {
    names: [String; 2],
    date: (u16, u8, u8),
    nationality: &'static str,
    note: String,
}

fn people() -> impl Strategy<Value = Vec<Person>> {
    let name = "[A-ZÄÖÜÉ][a-zäöüßéñç]{1,8}([ '-][A-Z][a-z]{2,5})?";
    let date = (1930_u16..2005, 1_u8..13, 1_u8..29);
    let nationality = prop::sample::select(vec!["DE", "AT", "PL", "FR", "US"]);
    let person = ([name, name], date, nationality, "[a-z,;|\"\t\n ]{0,12}")
        .prop_map(|(names, date, nationality, note)| Person { names, date, nationality, note });
    prop::collection::vec(person, 1..6)
}

/// A day that tells its order, and everybody else's.
fn written(
    people: &[Person],
    delimiter: u8,
    ends: csv::Terminator,
    date: fn(u16, u8, u8) -> String,
) -> String {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).terminator(ends).from_writer(Vec::new());
    writer.write_record(["note", "first_name", "last_name", "birth_date", "nationalities"]).unwrap();
    writer.write_record(["", "Karl", "Schmidt", &date(1972, 9, 30), "DE"]).unwrap();
    for Person { names: [first, last], date: (year, month, day), nationality, note } in people {
        let date = date(*year, *month, *day);
        writer.write_record([note.as_str(), first, last, &date, nationality]).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// The answers without their lines, which depend on how the file is written.
fn answers(more: &[&str], bytes: &[u8]) -> Vec<Value> {
    let output = check(&[&["--json"], more].concat(), bytes);
    assert_ne!(output.status.code(), Some(2), "{}: {}", String::from_utf8_lossy(bytes), told(&output));
    let mut answers = objects(&output);
    for answer in &mut answers {
        let object = answer.as_object_mut().unwrap();
        object.remove("line");
        object.remove("findings");
    }
    answers
}

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]

    #[test]
    fn every_delimiter_encoding_and_form_gives_the_same_answers(
        people in people(),
        delimiter in prop::sample::select(b",;\t|".to_vec()),
        encoding in 0..5,
        date in 0..5_usize,
        has_returns in any::<bool>(),
    ) {
        let iso = |year, month, day| format!("{year}-{month:02}-{day:02}");
        let expected = answers(&[], written(&people, b',', csv::Terminator::Any(b'\n'), iso).as_bytes());
        let dates: [fn(u16, u8, u8) -> String; 5] = [
            iso,
            |year, month, day| format!("{day:02}.{month:02}.{year}"),
            |year, month, day| format!("{day}/{month}/{year}"),
            |year, month, day| format!("{month:02}/{day:02}/{year}"),
            |year, month, day| format!("{year}{month:02}{day:02}"),
        ];
        let ends = if has_returns { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let text = written(&people, delimiter, ends, dates[date]);
        let marked = format!("\u{feff}{text}");
        let (bytes, more): (Vec<u8>, &[&str]) = match encoding {
            0 => (text.into_bytes(), &[]),
            1 => (marked.into_bytes(), &[]),
            2 => (marked.encode_utf16().flat_map(u16::to_le_bytes).collect(), &[]),
            3 => (text.encode_utf16().flat_map(u16::to_be_bytes).collect(), &[]),
            _ => (encoding_rs::WINDOWS_1252.encode(&text).0.into_owned(), &["--encoding", "windows-1252"]),
        };
        prop_assert_eq!(answers(more, &bytes), expected);
    }
}
