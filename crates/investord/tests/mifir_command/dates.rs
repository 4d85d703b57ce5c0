//! How birth dates are written.

use crate::{assert_contains, check, lines, refused, told};

fn file(dates: &[&str]) -> String {
    let rows = dates.iter().map(|date| format!("Karl,Schmidt,\"{date}\",DE\n"));
    "first_name,last_name,birth_date,nationalities\n".to_owned() + &rows.collect::<String>()
}

/// The dates that were read, as they stand in the CONCATs.
fn read(more: &[&str], dates: &[&str]) -> Vec<String> {
    let output = check(more, file(dates).as_bytes());
    let answers = lines(&output);
    assert_eq!(answers.len(), dates.len(), "{}", told(&output));
    let date = |answer: &String| {
        answer.split("READY DE").nth(1).map_or(answer.clone(), |concat| concat[..8].to_owned())
    };
    answers.iter().map(date).collect()
}

#[test]
fn the_form_is_found_if_every_row_has_it() {
    for (dates, expected) in [
        (["30.09.1972", "01.02.1980"], ["19720930", "19800201"]),
        (["3.4.1972", "01.02.1980"], ["19720403", "19800201"]),
        (["3. 4. 1972", "1. 12. 1980"], ["19720403", "19801201"]),
        (["30/09/1972", "01/02/1980"], ["19720930", "19800201"]),
        (["09/30/1972", "01/02/1980"], ["19720930", "19800102"]),
        (["30-09-1972", "1-2-1980"], ["19720930", "19800201"]),
        (["1972/09/30", "1980/2/1"], ["19720930", "19800201"]),
        (["1972. 09. 30.", "1980. 02. 01."], ["19720930", "19800201"]),
        (["19720930", "19800201"], ["19720930", "19800201"]),
        (["1972-09-30T00:00:00", "1980-02-01 00:00:00.000"], ["19720930", "19800201"]),
        (["9/30/1972 12:00:00 AM", "1/2/1980 12:00:00 AM"], ["19720930", "19800102"]),
        (["\u{200e}30\u{200e}.\u{200e}09.1972", "'01.02.1980"], ["19720930", "19800201"]),
    ] {
        assert_eq!(read(&[], &dates), expected, "{dates:?}");
    }
    let output = check(&[], file(&["30/09/1972", "01/02/1980"]).as_bytes());
    assert_contains(&told(&output), "birth dates are read as DD/MM/YYYY");
}

#[test]
fn what_can_be_read_in_two_ways_is_asked_for() {
    let told = refused(&[], file(&["03/04/1972", "05/06/1980"]).as_bytes());
    assert_contains(&told, "does the day or the month stand first");
    assert_contains(&told, "--date-format DD/MM/YYYY or MM/DD/YYYY");
    let told = refused(&[], file(&["03/04/1972", "30/06/1980", "03/04/1972", "06/30/1980"]).as_bytes());
    assert_contains(&told, "on line 3 the day stands first, on line 5 the month");
    let told = refused(&[], file(&["30.09.72", "01.02.80"]).as_bytes());
    assert_contains(&told, "the year must have four digits");
}

#[test]
fn a_row_of_another_form_is_a_fault_of_its_own() {
    let dates =
        ["30.09.1972", "31.02.1980", "01/02/1980", "1.2.80", "x", "", "26572", "01.02.1980", "02.02.1980"];
    let answers = read(&[], &dates);
    assert_eq!(answers[0], "19720930");
    for (at, expected) in [
        (1, "birth_date: is not a day of the calendar"),
        (2, "birth_date: must be a date of the form DD.MM.YYYY"),
        (3, "birth_date: the year must have four digits"),
        (4, "birth_date: must be a date of the form DD.MM.YYYY"),
        (5, "birth_date: field 'birth_date' was not filled"),
        (6, "is how spreadsheets count days"),
    ] {
        assert_contains(&answers[at], expected);
    }
    assert_contains(&read(&[], &["1972-09-29T22:00:00Z"])[0], "must be a date of the form YYYY-MM-DD");
}

#[test]
fn the_form_can_be_said() {
    for (form, date) in [
        ("DD/MM/YYYY", "03/04/1972"),
        ("TT.MM.JJJJ", "03.04.1972"),
        ("JJ/MM/AAAA", "03/04/1972"),
        ("dd-mm-jjjj", "03-04-1972"),
        ("MM/DD/YYYY", "04/03/1972"),
        ("%d.%m.%Y", "03.04.1972"),
        ("%d %b %Y", "03 Apr 1972"),
        ("DD-MMM-YYYY", "03-Apr-1972"),
        ("YYYYMMDD", "19720403"),
    ] {
        assert_eq!(read(&["--date-format", form], &[date]), ["19720403"], "{form}");
    }
    let two = ["--date-format", "DD.MM.YYYY", "--date-format", "YYYY-MM-DD"];
    assert_eq!(read(&two, &["03.04.1972", "1972-04-03"]), ["19720403", "19720403"]);
    let both = ["--date-format", "DD/MM/YYYY", "--date-format", "MM/DD/YYYY"];
    assert_contains(&read(&both, &["03/04/1972"])[0], "is another day in each of");
    assert_contains(&read(&["--date-format", "DD.MM.YYYY"], &["1972-04-03"])[0], "written as DD.MM.YYYY");
    for (form, expected) in [
        ("DD.MM.YY", "four digits"),
        ("%d.%m.%y", "four digits"),
        ("DD.MM", "day, month and year"),
        ("german", "is no part of a date"),
        ("%Q", ""),
    ] {
        assert_contains(&refused(&["--date-format", form], file(&["03.04.1972"]).as_bytes()), expected);
    }
}
