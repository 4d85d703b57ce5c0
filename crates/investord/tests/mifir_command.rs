//! `investord mifir`, as a process: no server, no register, no configuration.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const PEOPLE: &str = "\
id,first_name,last_name,birth_date,nationalities,identifiers,gender
1,Günter,von der Heide,1980-07-15,DE,,
2,Zofia,Kowalska,1954-01-01,PL,PL:PESEL:54010150464,FEMALE
3,Jan,Nowak,1983-05-30,\"PL US\",PL:830530 78917,MALE
4,Anna,Svensson,1974-07-22,SE,SE:740722-4901 | US:GPN:418867337,
5,Mary,Jones,1990-02-30,GB,GB:533401372,
6,Li,Wei,1990-02-20,CN/HK,HK:K12345678,
7,Ιωάννης,Schmidt,1970-01-01,DE,,
8,Ann,Berg,1970-01-01,DE
9,Ann,Berg,1970-01-01,PL,PL:PESL:54010150464,
";

fn investord(words: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_investord"));
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who has refused the header reads no further.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn check(more: &[&str], input: &[u8]) -> Output {
    investord(&[&["mifir", "check", "-", "--as-of", "2026-11-21"], more].concat(), input)
}

#[test]
fn a_file_of_people_is_answered_row_by_row() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, PEOPLE).unwrap();
    let path = file.path().to_str().unwrap();
    let output = investord(&["mifir", "check", path, "--as-of", "2026-11-21"], b"");
    assert_eq!(output.status.code(), Some(1), "somebody has to be looked at");
    assert_eq!(
        lines(&output),
        [
            "2\tREADY DE19800715GUNTEHEIDE (CONCAT)\t",
            "3\tREADY PL54010150464 (NIDN)\t",
            "4\tREADY PL83053078917 (NIDN)\tPL PESEL 83053078917: check digit is 7, must be 2 (hard)",
            "5\tREADY SE197407224901 (NIDN)\t",
            "6\tERROR\tbirth_date: is not a day of the calendar",
            "7\tMISSING CN GPN, or if there is none CONCAT\t",
            "8\tNEEDS_REVIEW no CONCAT can be made: 'Ι' is not a Latin letter: the spelling of the passport or \
             identity card is needed\t",
            "9\tERROR\t(row): has 5 columns, the header has 7",
            "10\tERROR\tidentifiers[0].identifier_standard: must be one of those of PL: PESEL, PLTN, GPN",
        ]
    );
    assert_eq!(told(&output), "9 people: 3 without anything to do, 6 to be looked at\n");
}

#[test]
fn each_line_is_an_object_if_json_is_asked_for() {
    let output = check(&["--json"], PEOPLE.as_bytes());
    let objects: Vec<Value> = lines(&output).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows: Vec<i64> = objects.iter().map(|object| object["row"].as_i64().unwrap()).collect();
    assert_eq!(rows, (2..=10).collect::<Vec<_>>());
    assert_eq!(objects[1]["designation"]["identifier"], "PL54010150464");
    assert_eq!(objects[2]["identifiers"][0]["faults"][0]["code"], "check_digit");
    assert_eq!(objects[4]["outcome"], "ERROR");
    assert_eq!(objects[4]["errors"][0]["field"], "birth_date");
    assert_eq!(objects[5]["missing"]["identifier_standard"], "GPN");
}

#[test]
fn a_file_without_anything_to_do_succeeds() {
    let good = PEOPLE.lines().take(3).collect::<Vec<_>>().join("\n");
    for (text, more) in [
        (good.clone(), vec![]),
        (good.replace('\n', "\r\n"), vec![]),
        (format!("\u{feff}{good}"), vec![]),
        (good.replace(',', ";"), vec!["--delimiter", ";"]),
        (good.replace(',', "\t"), vec!["--delimiter", "\t"]),
        ("first_name,last_name,birth_date,nationalities\n".to_owned(), vec![]),
    ] {
        let output = check(&more, text.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{text}: {}", told(&output));
        assert_eq!(lines(&output).len(), text.lines().count() - 1);
    }
}

#[test]
fn what_cannot_be_read_is_told_and_is_another_code() {
    for (text, expected) in [
        (&b""[..], "first_name"),
        (b"a,b\n1,2\n", "the header, which has: a, b"),
        (b"first_name,last_name,birth_date\n", "nationalities"),
    ] {
        let output = check(&[], text);
        assert_eq!(output.status.code(), Some(2));
        assert!(told(&output).contains(expected), "{}", told(&output));
        assert!(output.stdout.is_empty());
    }
    let output = investord(&["mifir", "check", "/nowhere.csv"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("/nowhere.csv"));
    let output = check(&["--delimiter", "§"], PEOPLE.as_bytes());
    assert_eq!((output.status.code(), told(&output).contains("ASCII")), (Some(2), true));
    // A line that cannot be read is a line of the answer.
    let output = check(&[], b"first_name,last_name,birth_date,nationalities\nAn\xffna,Berg,1990-01-01,DE\nAnna,Berg,1990-01-01,DE\n");
    assert_eq!(lines(&output), ["2\tERROR\t(row): is not UTF-8", "3\tREADY DE19900101ANNA#BERG# (CONCAT)\t"]);
}

#[test]
fn one_person_is_explained() {
    let heide =
        ["--first-name", "Günter Maria", "--last-name", "von der Heide", "--birth-date", "1980-07-15"];
    let explain = |more: &[&str]| {
        investord(&[&["mifir", "explain"], &heide[..], &["--as-of", "2026-11-21"], more].concat(), b"")
    };
    let output = explain(&["--nationality", "PL,DE"]);
    assert_eq!(output.status.code(), Some(0));
    let text = lines(&output).join("\n");
    for expected in [
        "as of        2026-11-21, EU rules",
        "READY DE19800715GUNTEHEIDE (CONCAT)",
        "because      several nationalities, the EEA's first, then alphabetical: DE before PL",
        "CONCAT: the prefix von der is dropped",
        "<SchmeNm><Prtry>CONCAT</Prtry></SchmeNm>",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    let output = explain(&["--nationality", "GB", "--regime", "uk", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["missing"]["identifier_standard"], "NINO");
    let output = explain(&["--nationality", "HK", "--nationality", "CN", "--identifier", "CN:G1234567"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(lines(&output).join("\n").contains("(the rules leave this open)"));
    let output = explain(&["--nationality", "PL", "--identifier", "PL:83053078917"]);
    assert_eq!(output.status.code(), Some(1), "ready, but no such number exists");
    let output = explain(&["--nationality", "DE", "--identifier", "DE:C01X00T47"]);
    assert_eq!(output.status.code(), Some(2), "a German is not named by a number");
    assert!(told(&output).contains("identifiers[0].identifier: must be empty"), "{}", told(&output));
    let output = explain(&["--nationality", "PX"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("nationalities[0]"));
}

/// The first person whom a reader of the README asks about can be.
#[test]
fn the_example_of_the_readme_is_faultless() {
    let readme = include_str!("../../../README.md").replace("\\\n", " ");
    let line = readme.lines().find_map(|line| line.split_once("mifir explain ")).unwrap().1;
    let words: Vec<&str> = ["mifir", "explain"].into_iter().chain(line.split_whitespace()).collect();
    let output = investord(&words, b"");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("READY") && !text.contains("soft") && !text.contains("hard"), "{text}");
    let json = investord(&[&words[..], &["--json"]].concat(), b"");
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["identifiers"][0]["faults"], serde_json::json!([]));
}
