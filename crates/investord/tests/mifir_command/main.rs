//! `investord mifir`, as a process: no server, no register, no configuration.

mod answers;
mod columns;
mod dates;
mod explain;
mod files;
mod properties;
mod workbooks;

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

/// The first three lines: two people of whom nothing is to be looked at.
fn good_people() -> String {
    PEOPLE.split_inclusive('\n').take(3).collect()
}

fn investord(words: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_investord"));
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_vec();
    // What refuses an option reads nothing, and what answers much would wait for its reader.
    let writing = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

fn objects(output: &Output) -> Vec<Value> {
    lines(output).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn check(more: &[&str], input: &[u8]) -> Output {
    investord(&[&["mifir", "check", "-", "--as-of", "2026-11-21"], more].concat(), input)
}

/// Checks a file that has to be refused, and gives the reason.
#[track_caller]
fn refused(more: &[&str], input: &[u8]) -> String {
    let output = check(more, input);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(output.stdout.is_empty(), "nothing of it counts as checked");
    assert!(!told(&output).contains("people"), "{}", told(&output));
    told(&output)
}

#[track_caller]
fn assert_contains(text: &str, expected: &str) {
    assert!(text.contains(expected), "'{expected}' is missing in\n{text}");
}
