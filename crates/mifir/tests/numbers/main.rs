//! The checks of identifiers, a file for each of `src/numbers`: what is right, what is wrong and why, and what a number
//! says of its holder.
//!
//! Numbers are made up. Their check digits were computed from the published rules, apart from the code that is tested.

#[path = "../support/mod.rs"]
mod support;

mod be;
mod bg;
mod concat;
mod cz;
mod dk;
mod ee;
mod es;
mod fi;
mod gb;
mod gr;
mod hr;
mod is;
mod it;
mod lv;
mod mt;
mod nl;
mod no;
mod pl;
mod pt;
mod ro;
mod se;
mod si;
mod travel;

use jiff::civil::{Date, date};
use mifir::{Birth, Checked, Severity, Sex};

use support::{country, standard};

/// The day of the checks, unless a table says another one.
const TODAY: Date = date(2026, 11, 21);

/// A number, its faults (separated by ` | `, soft ones marked), and the birth date and sex that it says.
type Row = (&'static str, &'static str, &'static str);

/// Checks all numbers of a table and shows every difference at once.
#[track_caller]
fn numbers(code: &str, key: &str, rows: &[Row]) {
    numbers_on(code, key, TODAY, rows);
}

/// Checks all numbers of a table on a day.
#[track_caller]
fn numbers_on(code: &str, key: &str, day: Date, rows: &[Row]) {
    let (country, standard) = (country(code), standard(country(code), key));
    let mut wrong = Vec::new();
    for (value, faults, facts) in rows {
        let checked = standard.check(country, value, day);
        let found = (faults_of(&checked), facts_of(&checked));
        if found != ((*faults).to_owned(), (*facts).to_owned()) {
            wrong.push(format!("{value:?}: {found:?}, not {:?}", (faults, facts)));
        }
        let stored = standard.normalise(value, None, day);
        if faults.is_empty() && stored != *value && stored.len() != 12 {
            wrong.push(format!("{value:?} is not its stored form: {stored}"));
        }
    }
    assert!(wrong.is_empty(), "{code} {key}:\n{}", wrong.join("\n"));
}

/// Checks the stored form of numbers as they are written.
#[track_caller]
fn spellings(code: &str, key: &str, pairs: &[(&str, &str)]) {
    let standard = standard(country(code), key);
    let stored = |written: &str| standard.normalise(written, None, TODAY).into_owned();
    for (written, expected) in pairs {
        assert_eq!(stored(written), *expected, "{written:?}");
        assert_eq!(stored(expected), *expected, "a second call changes nothing");
    }
}

fn faults_of(checked: &Checked<'_>) -> String {
    let faults = checked.faults.iter().map(|fault| match fault.severity {
        Severity::Soft => format!("soft: {fault}"),
        Severity::Hard => fault.to_string(),
    });
    faults.collect::<Vec<_>>().join(" | ")
}

fn facts_of(checked: &Checked<'_>) -> String {
    let birth = match checked.encoded.birth {
        Birth::On(date) => date.to_string(),
        Birth::InSomeCentury { day, month, year } => format!("??{year:02}-{month:02}-{day:02}"),
        Birth::Unknown => String::new(),
    };
    match checked.encoded.sex {
        Some(Sex::Male) => birth + " M",
        Some(Sex::Female) => birth + " F",
        None => birth,
    }
}
