//! `mifir explain`: one person.

use serde_json::Value;

use crate::{assert_contains, investord, lines, told};

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
        &format!("rules        {}", mifir::RULES),
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

/// The rules are those of the day: until the end of 2020 the United Kingdom was a member state or treated as one.
#[test]
fn a_day_has_its_own_rules() {
    let explain = |day: &str, more: &[&str]| {
        let words =
            ["mifir", "explain", "--last-name", "Lee", "--first-name", "Ann", "--birth-date", "1980-07-15"];
        let output = investord(&[&words[..], &["--json", "--as-of", day], more].concat(), b"");
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)))
    };
    let british = ["--nationality", "GB", "--identifier", "GB:NINO:PK030030B"];
    let before = explain("2020-12-31", &british);
    assert_eq!(before["designation"]["identifier"], "GBPK030030B");
    let after = explain("2021-01-01", &british[..2]);
    assert_eq!(after["missing"]["identifier_standard"], "GPN");
    let early = explain("2018-01-02", &british);
    assert_eq!((&early["outcome"], &early["designation"]), (&"NEEDS_REVIEW".into(), &Value::Null));
    assert_eq!(early["review"], "the rules of EU apply from 2018-01-03 on");
    assert_eq!(early["rules"]["version"], mifir::RULES_VERSION);
}

#[test]
fn a_number_that_says_another_person_is_to_be_looked_at() {
    let words = |date: &'static str, gender: &'static str| {
        let output = investord(
            &[
                "mifir", "explain", "--first-name", "Zofia", "--last-name", "Kowalska", "--birth-date", date,
                "--nationality", "PL", "--identifier", "PL:54010150464", "--gender", gender,
            ],
            b"",
        );
        output.status.code()
    };
    assert_eq!(words("1954-01-01", "FEMALE"), Some(0));
    assert_eq!(words("1954-01-02", "FEMALE"), Some(1));
    assert_eq!(words("1954-01-01", "MALE"), Some(1));
    let output = investord(
        &[
            "mifir", "explain", "--first-name", "Zofia", "--last-name", "Kowalska", "--birth-date",
            "1954-01-01", "--nationality", "PL", "--identifier", "54010150464",
        ],
        b"",
    );
    assert_eq!(output.status.code(), Some(2));
    assert_contains(&told(&output), "identifiers[0]: must be COUNTRY:VALUE");
}

/// The first person whom a reader of the README asks about can be.
#[test]
fn the_example_of_the_readme_is_faultless() {
    let readme = include_str!("../../../../README.md").replace("\\\n", " ");
    let line = readme.lines().find_map(|line| line.split_once("mifir explain ")).unwrap().1;
    let words: Vec<&str> = ["mifir", "explain"].into_iter().chain(line.split_whitespace()).collect();
    let output = investord(&words, b"");
    let text = lines(&output).join("\n");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("READY") && !text.contains("soft") && !text.contains("hard"), "{text}");
    let json = investord(&[&words[..], &["--json"]].concat(), b"");
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["identifiers"][0]["faults"], serde_json::json!([]));
}
