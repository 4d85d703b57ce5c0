//! Text files as programs write them, and as they are damaged.

use std::fs;

use crate::{PEOPLE, assert_contains, check, good_people, investord, lines, objects, refused, told};

const HEADER: &str = "first_name,last_name,birth_date,nationalities\n";

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

#[test]
fn delimiters_and_encodings_are_found() {
    let good = good_people();
    let marked = format!("\u{feff}{good}");
    let latin = encoding_rs::WINDOWS_1252.encode(&good).0.into_owned();
    let files: Vec<(Vec<u8>, Vec<&str>)> = vec![
        (good.clone().into(), vec![]),
        (good.trim_end().into(), vec![]),
        (good.replace('\n', "\r\n").into(), vec![]),
        (good.replace('\n', "\r").into(), vec![]),
        (marked.clone().into(), vec![]),
        (good.replace(',', ";").into(), vec![]),
        (good.replace(',', ";").into(), vec!["--delimiter", ";"]),
        (good.replace(',', "\t").into(), vec![]),
        (good.replace(',', "\t").into(), vec!["--delimiter", "\\t"]),
        (good.replace(',', "\t").into(), vec!["--delimiter", "tab"]),
        (good.replace(',', "|").into(), vec![]),
        (good.replace(',', "^").into(), vec!["--delimiter", "^"]),
        (format!("sep=;\r\n{}", good.replace(',', ";")).into(), vec![]),
        (format!("\u{feff}\"sep=^\"\n{}", good.replace(',', "^")).into(), vec![]),
        (format!("SEP=,\n{}", good.replace(',', ";")).into(), vec!["--delimiter", ";"]),
        (utf16(&marked, u16::to_le_bytes), vec![]),
        (utf16(&marked, u16::to_be_bytes), vec![]),
        (utf16(&marked.replace(',', "\t"), u16::to_le_bytes), vec![]),
        (utf16(&good, u16::to_le_bytes), vec![]),
        (utf16(&good, u16::to_be_bytes), vec![]),
        (utf16(&good, u16::to_le_bytes), vec!["--encoding", "utf-16le"]),
        (latin.clone(), vec!["--encoding", "windows-1252"]),
        (latin.clone(), vec!["--encoding", "latin1"]),
    ];
    for (bytes, more) in files {
        let output = check(&more, &bytes);
        let shown = String::from_utf8_lossy(&bytes);
        assert_eq!(output.status.code(), Some(0), "{shown}: {}", told(&output));
        let answers = lines(&output);
        assert_eq!(answers.len(), 2, "{shown}");
        assert_contains(&answers[0], "READY DE19800715GUNTEHEIDE (CONCAT)");
        assert_contains(&answers[1], "READY PL54010150464 (NIDN)");
    }
    let told = told(&check(&[], good.replace(',', ";").as_bytes()));
    assert_eq!(told.matches("columns are divided by ';'").count(), 1);
    let told = refused(&[], &latin);
    assert_contains(&told, "line 2 is not UTF-8");
    assert_contains(&told, "--encoding windows-1252");
    assert_contains(&refused(&["--encoding", "klingon"], good.as_bytes()), "windows-1250");
    assert_contains(&refused(&["--encoding", "latin1"], marked.as_bytes()), "leave out --encoding");
    for wrong in ["§", ",,", "", "\""] {
        refused(&["--delimiter", wrong], good.as_bytes());
    }
    // UTF-8 that is read as something else gives letters that nobody has in a name.
    let output = check(&["--encoding", "windows-1252"], good.as_bytes());
    assert_contains(&lines(&output)[0], "first_name: looks like UTF-8 that was read in another encoding");
    // Polish letters of Windows-1250 in the wrong encoding, and in the right one.
    let polish =
        encoding_rs::WINDOWS_1250.encode(&format!("{HEADER}Łukasz,Pawłowski,1990-01-01,DE\n")).0.into_owned();
    let answers = lines(&check(&["--encoding", "windows-1252"], &polish));
    assert_contains(&answers[0], "first_name: has a sign that stands in no name");
    assert_contains(&answers[0], "last_name: has a sign that stands in no name");
    let answers = lines(&check(&["--encoding", "windows-1250"], &polish));
    assert_contains(&answers[0], "READY DE19900101LUKASPAWLO (CONCAT)");
    // A delimiter that also stands in names is not taken for one.
    let text = "Vorname;\"Nachname, Titel\";Nachname;Geburtsdatum;Nationalität\nKarl;\"a,b,c,d\";Berg;1990-01-01;DE\n";
    assert_eq!(lines(&check(&[], text.as_bytes())), ["2\t1\tREADY DE19900101KARL#BERG# (CONCAT)\t"]);
}

#[test]
fn a_quote_that_never_closes_is_an_error_that_names_its_line() {
    let mut rows: Vec<String> = (2..=100).map(|row| format!("Anna,Berg{row},1990-01-01,DE\n")).collect();
    rows[41] = "Anna,Berg43,1990-01-01,\"DE\n".to_owned();
    let text = format!("{HEADER}{}", rows.concat());
    assert_contains(&refused(&[], text.as_bytes()), "line 43: a quote opens here and is never closed");
    assert_contains(&refused(&["--json"], text.as_bytes()), "line 43");
    let text = format!("\"{HEADER}Anna,Berg,1990-01-01,DE\n");
    assert_contains(&refused(&[], text.as_bytes()), "line 1: a quote opens here");
    let in_a_column_that_is_not_read = "note,first_name,last_name,birth_date,nationalities\n\
                                        \"two\nlines\",Anna,Berg,1990-01-01,DE\n\"x,Eva,Berg,1990-01-01,DE\n";
    assert_contains(&refused(&[], in_a_column_that_is_not_read.as_bytes()), "line 4: a quote opens here");
}

/// The column counts are right and no cell that is read has a line break, yet three people would be gone.
#[test]
fn a_quote_that_swallows_rows_is_an_error() {
    let text = "first_name,last_name,birth_date,nationalities,note\n\
                Anna,Berg,1990-01-01,DE,\"one\nEva,Berg,1990-01-01,DE,\nJan,Berg,1990-01-01,DE,\n\
                Ole,Berg,1990-01-01,DE,\"two\"\n";
    let told = refused(&[], text.as_bytes());
    assert_contains(&told, "line 5: text follows a closing quote; the quote was opened on line 2");
    let text = format!("{HEADER}\"Anna,Berg,1990-01-01,DE\nEva\",Berg,1990-01-01,DE\n");
    assert_contains(&lines(&check(&[], text.as_bytes()))[0], "first_name: has a line break in it");
    let long = format!("{HEADER}Anna,Berg,1990-01-01,\"DE\n{}", "Eva,Berg,1990-01-01,DE\n".repeat(60_000));
    assert_contains(&refused(&[], long.as_bytes()), "opens on line 2 seems never to be closed");
    // Quotes as they are right.
    let text = format!("{HEADER}\"Anna \"\"Anni\"\"\",\"Berg\" ,1990-01-01,DE\nO\"Neil,Berg,1990-01-01,DE\n");
    assert_eq!(lines(&check(&[], text.as_bytes())).len(), 2);
}

#[test]
fn blank_rows_are_skipped_and_lines_are_those_of_the_file() {
    let text = "\n,,,,\nnote,first_name,last_name,birth_date,nationalities\n\n\
                \"two\r\nlines\",Anna,Berg,1990-01-01,DE\n\
                ,,,,\n , ,\u{a0},\u{200b},\n\n,Eva,Berg,1990-01-30,DE\n\n\n,Ole,Berg,1990-02-30,DE\n";
    let output = check(&["--json"], text.as_bytes());
    let objects = objects(&output);
    let places: Vec<(i64, i64)> = objects
        .iter()
        .map(|object| (object["line"].as_i64().unwrap(), object["record"].as_i64().unwrap()))
        .collect();
    assert_eq!(places, [(5, 1), (10, 2), (13, 3)]);
    assert_eq!(objects[2]["outcome"], "ERROR");
    for ends in ["\r\n", "\r"] {
        let text = text.replace("\r\n", "\n").replace('\n', ends);
        let lines: Vec<i64> = crate::objects(&check(&["--json"], text.as_bytes()))
            .iter()
            .map(|object| object["line"].as_i64().unwrap())
            .collect();
        assert_eq!(lines, [5, 10, 13]);
    }
}

#[test]
fn rows_of_other_widths_are_faults_unless_they_say_no_more() {
    let text = format!("{HEADER}Anna,Berg,1990-01-01,DE,,\nEva,Berg,1990-01-01,DE,x\nOle,Berg,1990-01-01\n");
    let answers = lines(&check(&[], text.as_bytes()));
    assert_contains(&answers[0], "READY");
    assert_contains(&answers[1], "(row): has 5 columns, the header has 4");
    assert_contains(&answers[2], "(row): has 3 columns, the header has 4");
}

#[test]
fn what_is_not_seen_is_left_out_and_said() {
    let text = "first_name,last_name,birth_date,nationalities,identifiers\n\
                \u{200e}Zofia,Kowalska\u{feff},'1954-01-01,\u{200b}PL,PL:\u{200e}54010150464\n\
                Jan,Nowak,1983-05-30,PL,PL:'83053078912\n";
    let output = check(&[], text.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{:?}", lines(&output));
    assert_contains(&told(&output), "left out of cells in 2 records");
    assert_contains(
        &lines(&output)[0],
        "birth_date, first_name, identifiers, last_name, nationalities: characters were left out",
    );
    let text =
        format!("{HEADER}Wei\u{fffd},Berg,1990-01-01,DE\n#N/A,Berg,1990-01-01,DE\n#NV,Berg,1990-01-01,DE\n");
    let answers = lines(&check(&[], text.as_bytes()));
    assert_contains(&answers[0], "first_name: has the sign \u{fffd}");
    assert_contains(&answers[1], "first_name: begins with #");
    assert_contains(&answers[2], "first_name: begins with #");
}

#[test]
fn what_cannot_be_read_is_told_and_is_another_code() {
    assert_contains(&refused(&[], b""), "the file is empty");
    assert_contains(&refused(&[], b"\n\n \n"), "the file is empty");
    assert_contains(&refused(&[], "\u{feff}".as_bytes()), "the file is empty");
    assert_contains(&refused(&[], HEADER.as_bytes()), "there is nobody in it");
    assert_contains(&refused(&[], format!("{HEADER},,,\n\n").as_bytes()), "there is nobody in it");
    assert_contains(&refused(&[], b"%PDF-1.7 ..."), "PDF");
    assert_contains(&refused(&[], b"\x1f\x8b\x08..."), "compressed");
    assert_contains(&refused(&[], b"a,b\0\0c\n1,2,3\n"), "zero bytes");
    assert_contains(&refused(&["--sheet", "x"], HEADER.as_bytes()), "--sheet is for workbooks");
    let folder = tempfile::tempdir().unwrap();
    for (path, expected) in
        [("/nowhere.csv", "/nowhere.csv"), (folder.path().to_str().unwrap(), "is a directory")]
    {
        let output = investord(&["mifir", "check", path], b"");
        assert_eq!(output.status.code(), Some(2));
        assert_contains(&told(&output), expected);
    }
    let path = folder.path().join("cut.csv");
    fs::write(&path, PEOPLE.trim_end()).unwrap();
    let output = investord(&["mifir", "check", path.to_str().unwrap()], b"");
    assert_contains(&told(&output), "was the file cut off?");
}
