//! What is answered about each person, and in which form.

use std::fs;

use crate::{PEOPLE, assert_contains, check, good_people, investord, lines, objects, refused, told};

#[test]
fn a_file_of_people_is_answered_row_by_row() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, PEOPLE).unwrap();
    let path = file.path().to_str().unwrap();
    let output = investord(&["mifir", "check", path, "--as-of", "2026-11-21"], b"");
    assert_eq!(output.status.code(), Some(1), "somebody has to be looked at");
    let answers = lines(&output);
    assert_eq!(answers.len(), 9);
    for (at, expected) in [
        (0, "2\t1\tREADY DE19800715GUNTEHEIDE (CONCAT)\t"),
        (1, "3\t2\tREADY PL54010150464 (NIDN)\t"),
        (3, "5\t4\tREADY SE197407224901 (NIDN)\t"),
        (4, "6\t5\tERROR\tbirth_date: is not a day of the calendar"),
        (7, "9\t8\tERROR\t(row): has 5 columns, the header has 7"),
        (8, "10\t9\tERROR\tidentifiers[0].identifier_standard: must be one of those of PL: "),
    ] {
        assert!(answers[at].starts_with(expected), "{}", answers[at]);
    }
    assert_contains(&answers[2], "PL PESEL 83053078917: check digit is 7, must be 2 (hard)");
    assert!(answers[5].starts_with("7\t6\tMISSING CN GPN, or if there is none CONCAT\t"), "{}", answers[5]);
    let open = "\topen: several nationalities, none of the EEA; the rules give no order, usual is the alphabet: CN \
        before HK";
    assert!(answers[5].ends_with(open), "{}", answers[5]);
    assert!(answers[6].starts_with("8\t7\tNEEDS_REVIEW no CONCAT can be made: 'Ι' is not a Latin letter"));
}

#[test]
fn the_summary_counts_outcomes_and_kinds_of_findings() {
    let told = told(&check(&[], PEOPLE.as_bytes()));
    assert_contains(&told, "9 people: 3 without anything to do, 6 to be looked at");
    assert_contains(&told, "ERROR 3");
    assert_contains(&told, "check_digit 1");
    assert_contains(&told, "birth_date not understood 1");
    assert_contains(&told, "identifiers not understood 1");
    assert_contains(&told, "open points, where the rules leave a choice: 1");
}

#[test]
fn each_line_is_an_object_if_json_is_asked_for() {
    let output = check(&["--json", "--with", "id"], PEOPLE.as_bytes());
    let objects = objects(&output);
    let numbers =
        |name: &str| -> Vec<i64> { objects.iter().map(|object| object[name].as_i64().unwrap()).collect() };
    assert_eq!(numbers("line"), (2..=10).collect::<Vec<_>>());
    assert_eq!(numbers("record"), (1..=9).collect::<Vec<_>>());
    assert_eq!(objects[1]["designation"]["identifier"], "PL54010150464");
    assert_eq!(objects[1]["with"]["id"], "2");
    assert_eq!(objects[1]["to_be_looked_at"], false);
    assert_eq!(objects[2]["identifiers"][0]["faults"][0]["code"], "check_digit");
    assert_eq!(objects[4]["outcome"], "ERROR");
    assert_eq!(objects[4]["errors"][0]["field"], "birth_date");
    assert_eq!(objects[5]["missing"]["identifier_standard"], "GPN");
}

/// Two PESELs that are valid, exchanged between a woman born in 1954 and a man born in 1983.
#[test]
fn numbers_of_two_people_that_are_exchanged_are_to_be_looked_at() {
    let header = "first_name,last_name,birth_date,nationalities,identifiers,gender\n";
    let right = format!(
        "{header}Zofia,Kowalska,1954-01-01,PL,PL:54010150464,F\nJan,Nowak,1983-05-30,PL,PL:83053078912,M\n"
    );
    assert_eq!(check(&[], right.as_bytes()).status.code(), Some(0));
    let exchanged = format!(
        "{header}Zofia,Kowalska,1954-01-01,PL,PL:83053078912,F\nJan,Nowak,1983-05-30,PL,PL:54010150464,M\n"
    );
    let output = check(&[], exchanged.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert_contains(&told(&output), "2 people: 0 without anything to do, 2 to be looked at");
    assert_contains(&told(&output), "birth_date 2");
    assert_contains(&told(&output), "sex 2");
}

#[test]
fn a_number_on_two_rows_is_found_on_both_and_each_names_the_other() {
    let text = "\
first_name,last_name,birth_date,nationalities,identifiers
Zofia,Kowalska,1954-01-01,PL,PL:54010150464
Anna,Svensson,1974-07-22,SE,SE:740722-4901
Maria,Nowak,1954-01-01,PL,PL:PESEL:540101 50464
Anna,Svensson,1974-07-22,SE,SE:197407224901
ANNA,Svénsson,1974-07-22,SE,
Karl,Weiß,1990-02-30,PL,PL:54010150464
Karl,Weiß,1990-02-20,DE,
Karl,Weiss,1990-02-20,DE,
Eva,Berg,1990-02-20,DE,
";
    let output = check(&["--json"], text.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let found = |at: usize| -> Vec<String> {
        let findings = objects(&output)[at]["findings"].as_array().unwrap().clone();
        findings.iter().map(|one| one["message"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found(0), ["PL PESEL: the same number stands on lines 4, 7"]);
    assert_eq!(found(2), ["PL PESEL: the same number stands on lines 2, 7"]);
    assert_eq!(
        found(1),
        [
            "SE PIN: the same person with the same number stands on line 5",
            "the same name and birth date stand on line 6"
        ]
    );
    assert_eq!(found(4), ["the same name and birth date stand on lines 3, 5"]);
    assert_eq!(
        found(5),
        ["PL PESEL: the same number stands on lines 2, 4"],
        "a row with another fault counts"
    );
    assert_eq!(found(6), ["the same name and birth date stand on line 9"]);
    assert!(found(8).is_empty());
}

/// Two people of one name, who have numbers of their own, are two people.
#[test]
fn people_of_one_name_with_different_numbers_are_not_the_same() {
    let text = "first_name,last_name,birth_date,nationalities,identifiers\n\
                Jan,Nowak,1983-05-30,PL,PL:83053078912\nJan,Nowak,1983-05-30,PL,PL:83053078950\n";
    let output = check(&["--json"], text.as_bytes());
    assert!(objects(&output).iter().all(|object| object["findings"].as_array().unwrap().is_empty()));
}

#[test]
fn columns_are_passed_through_into_every_form() {
    let text = "customer_no,first_name,last_name,birth_date,nationalities,note\n\
                007,Karl,Weiß,1990-02-20,DE,=1+1\n008,Eva,Berg,1990-02-30,DE,\"a\u{1b}[31m\u{202e},b\"\n";
    let output = check(&["--with", "customer_no"], text.as_bytes());
    assert_eq!(lines(&output)[0], "2\t1\t007\tREADY DE19900220KARL#WEIS# (CONCAT)\t");
    assert!(lines(&output)[1].starts_with("3\t2\t008\tERROR\t"));
    let output = check(&["--with", "note"], text.as_bytes());
    assert_contains(&lines(&output)[1], "a\\u{1b}[31m\\u{202e},b");
    let output = check(&["--with", "*", "--format", "csv"], text.as_bytes());
    let mut reader = csv::Reader::from_reader(&output.stdout[..]);
    let header = reader.headers().unwrap().clone();
    assert_eq!(
        &header.iter().take(8).collect::<Vec<_>>(),
        &["line", "record", "customer_no", "first_name", "last_name", "birth_date", "nationalities", "note"]
    );
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |at: usize, name: &str| {
        records[at][header.iter().position(|column| column == name).unwrap()].to_owned()
    };
    assert_eq!(cell(0, "customer_no"), "007");
    assert_eq!(cell(0, "note"), "'=1+1", "no formula");
    assert_eq!((cell(0, "outcome"), cell(0, "identifier")), ("READY".into(), "DE19900220KARL#WEIS#".into()));
    assert_eq!((cell(1, "outcome"), cell(1, "to_be_looked_at")), ("ERROR".into(), "yes".into()));
    assert_contains(&cell(1, "findings"), "birth_date");
    assert_contains(&refused(&["--with", "customer"], text.as_bytes()), "there is no column 'customer'");
}

#[test]
fn a_file_of_answers_appears_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, start) in [("a.csv", "line,record,"), ("a.jsonl", "{\"line\":2"), ("a.txt", "2\t1\tREADY")] {
        let output = check(&["--output", &path(name)], good_people().as_bytes());
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        assert!(output.stdout.is_empty());
        assert!(fs::read_to_string(path(name)).unwrap().starts_with(start));
    }
    fs::write(path("old.csv"), "old").unwrap();
    let cut =
        "first_name,last_name,birth_date,nationalities\nAnna,Berg,1990-01-01,\"DE\nEva,Berg,1990-01-01,DE\n";
    refused(&["--output", &path("old.csv")], cut.as_bytes());
    assert_eq!(fs::read_to_string(path("old.csv")).unwrap(), "old");
    assert_contains(&refused(&["--output", &path("a.xlsx")], cut.as_bytes()), "workbooks are not written");
    assert_contains(&refused(&["--output", &path("none/a.csv")], good_people().as_bytes()), "none/a.csv");
    fs::write(path("in.csv"), good_people()).unwrap();
    let output = investord(&["mifir", "check", &path("in.csv"), "--output", &path("in.csv")], b"");
    assert_eq!(output.status.code(), Some(2));
    assert_contains(&told(&output), "is the file that is checked");
    assert_eq!(fs::read_to_string(path("in.csv")).unwrap(), good_people());
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 5, "{left:?}");
}

/// Excel opens the answers as it opened the file.
#[test]
fn csv_answers_look_like_the_file() {
    let good = good_people().replace(',', ";");
    let marked: Vec<u8> = format!("\u{feff}{good}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let output = check(&["--format", "csv"], &marked);
    assert!(output.stdout.starts_with("\u{feff}line;record;outcome;".as_bytes()));
    let output = check(&["--format", "csv", "--output", "/dev/stdout"], good.as_bytes());
    assert!(output.stdout.starts_with(b"line;record;outcome;"));
    assert!(output.stdout.ends_with(b"\n"));
}

/// A reader that has seen enough ends the command quietly.
#[test]
fn a_pipe_that_closes_is_no_error() {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.csv");
    let row = "1,Günter,von der Heide,1980-07-15,DE,,\n";
    let header = PEOPLE.lines().next().unwrap();
    fs::write(&path, format!("{header}\n{}", row.repeat(5000))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_investord"));
    let command = command.args(["mifir", "check"]).arg(&path).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        !told(&output).contains("roken pipe") && !told(&output).contains("panicked"),
        "{}",
        told(&output)
    );
}

/// No half of a file is left behind, and none of its temporary name.
#[test]
fn an_interrupted_check_leaves_no_file() {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let (input, answers) = (folder.path().join("many.csv"), folder.path().join("answers"));
    fs::create_dir(&answers).unwrap();
    let header = PEOPLE.lines().next().unwrap();
    fs::write(&input, format!("{header}\n{}", "1,Günter,von der Heide,1980-07-15,DE,,\n".repeat(50_000)))
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_investord"));
    command.args(["mifir", "check"]).arg(&input).arg("--output").arg(answers.join("a.csv"));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    while fs::read_dir(&answers).unwrap().next().is_none() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it wrote");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", told(&output));
    assert!(!told(&output).contains("people"), "{}", told(&output));
    assert!(fs::read_dir(&answers).unwrap().next().is_none(), "a part of an answer is left");
}
