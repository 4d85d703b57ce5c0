//! The crate against the reference tables in `tests/vectors`. Every test lists all failures at once.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use mifir::{
    ANNEX_II, Annex2Row, Basis, Country, EEA_GROUPS, Leading, Priority, Regime, Scheme, UnknownCountry,
    eea_group, first_is_concat, leading, priorities,
};
use proptest::prelude::*;

use support::country;

/// The day that the files assume.
const TODAY: Date = date(2026, 11, 21);

const COUNTRIES: &str = include_str!("vectors/countries.txt");
const ANNEX2: &str = include_str!("vectors/annex2.csv");
const DECISIONS: &str = include_str!("vectors/decision-dev.csv");

fn regime(text: &str) -> Regime {
    match text {
        "EU" => Regime::Eu,
        "UK" => Regime::Uk,
        other => panic!("{other} is no regime"),
    }
}

/// The rows of a CSV text, each by column name.
fn rows(text: &'static str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| row.expect("a readable row")).collect()
}

#[track_caller]
fn none(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// What is on one side only, as failures.
fn differences(expected: &BTreeSet<String>, found: &BTreeSet<String>) -> Vec<String> {
    let missing = expected.difference(found).map(|line| format!("missing: {line}"));
    missing.chain(found.difference(expected).map(|line| format!("too much: {line}"))).collect()
}

/// The 249 assigned codes and `XK`, and of all other texts of two printable characters none.
#[test]
fn accepted_countries_are_the_enumeration() {
    let expected: BTreeSet<String> = COUNTRIES.lines().map(str::to_owned).collect();
    assert_eq!((expected.len(), COUNTRIES.lines().count()), (250, 250));

    let printable = || (b' '..=b'~').map(char::from);
    let texts = printable().flat_map(|a| printable().map(move |b| format!("{a}{b}")));
    let found = texts.filter(|text| Country::parse(text).is_some()).collect();
    none(&differences(&expected, &found));
}

#[test]
fn a_country_is_its_code() {
    let mut failures = Vec::new();
    for code in COUNTRIES.lines() {
        let country = country(code);
        let shown = [country.as_str(), &country.to_string(), &format!("{country:?}")].map(str::to_owned);
        if shown.iter().any(|text| text != code) || code.parse() != Ok(country) {
            failures.push(format!("{code} is shown as {shown:?}"));
        }
    }
    // The Kelvin sign folds to an ASCII k; the others are short, long, padded, small or not assigned.
    for text in ["\u{212A}E", "É", "", "D", "DEU", " DE", "DE ", "de", "De", "EL", "UK", "EU", "XX"] {
        if text.parse::<Country>() != Err(UnknownCountry) {
            failures.push(format!("{text:?} is accepted"));
        }
    }
    none(&failures);
    assert_eq!(size_of::<Country>(), 2);
}

/// Every row of the file is in the table, in its place, and the table has nothing else.
#[test]
fn annex_ii_is_the_reference_table() {
    let expected = rows(ANNEX2)
        .iter()
        .map(|row| {
            let columns = ["country", "name", "eea", "priority", "standard", "label", "national_name"];
            columns.map(|column| row[column].as_str()).join(" | ")
        })
        .collect();

    let line = |code: &str, name: &str, eea: bool, priority: usize, step: &Priority| {
        let Priority { standard, scheme, national_name, .. } = step;
        let eea = if eea { "yes" } else { "no" };
        [code, name, eea, &priority.to_string(), standard.as_str(), scheme.as_str(), national_name]
            .join(" | ")
    };
    let mut found = BTreeSet::new();
    for row in ANNEX_II.iter().filter(|row| row.until.is_none()) {
        let code = row.country.as_ref().map_or("**", Country::as_str);
        let eea = row.country.is_some_and(|country| country.ranks_as_eea(Regime::Eu, TODAY));
        // Under the UK regime every row applies, so this also shows that no row hides another one.
        let steps = row.country.map_or(row.priorities, |country| priorities(country, Regime::Uk, TODAY));
        for (at, step) in steps.iter().enumerate() {
            found.insert(line(code, row.name, eea, at + 1, step));
        }
    }
    none(&differences(&expected, &found));
    assert_eq!(ANNEX_II.len(), 33);
    let (last, of_countries) = ANNEX_II.split_last().expect("rows");
    assert_eq!(last.country, None);
    assert!(of_countries.is_sorted_by(|a, b| a.country <= b.country), "rows are in the order of the codes");
}

/// The table that people read says the same, with the last row for all other countries.
#[test]
fn the_readme_has_the_priorities_of_annex_ii() {
    let cells = |line: &'static str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let table = include_str!("../README.md").lines().map(cells);
    // Only this table has six columns; its head and the line below are not rows.
    let table = table.filter(|cells| cells.len() == 8 && !cells[1].is_empty() && !cells[1].starts_with('-'));
    let found: Vec<_> = table.map(|cells| (cells[1].clone(), cells[2].clone())).collect();
    let line = |row: &Annex2Row| {
        let only = if row.regimes == [Regime::Uk] { " (UK only)" } else { "" };
        let standards: Vec<_> = row.priorities.iter().map(|step| step.standard.as_str()).collect();
        let country = row.country.as_ref().map_or("all other", Country::as_str);
        (country.to_owned(), standards.join(", ") + only)
    };
    let expected: Vec<_> = ANNEX_II.iter().filter(|row| row.until.is_none()).map(line).collect();
    assert_eq!(found, expected);
}

/// A country without a row of its own, and `GB` under the EU regime, has the steps of all other countries.
#[test]
fn other_countries_have_the_general_steps() {
    let mut failures = Vec::new();
    let others = ANNEX_II.last().expect("rows").priorities;
    for code in COUNTRIES.lines() {
        for regime in Regime::ALL {
            let steps = priorities(country(code), regime, TODAY);
            let row = ANNEX_II.iter().find(|row| row.country == Some(country(code)));
            let expected = match row {
                Some(row) if code != "GB" || regime == Regime::Uk => row.priorities,
                _ => others,
            };
            if steps != expected {
                failures.push(format!("{code} {regime:?}: {steps:?}"));
            }
        }
    }
    none(&failures);
}

#[test]
fn concat_comes_first_in_six_countries_and_is_refused_in_six() {
    for regime in Regime::ALL {
        let where_true = |test: &dyn Fn(Country) -> bool| {
            let codes: Vec<_> = COUNTRIES.lines().filter(|code| test(country(code))).collect();
            codes.join(" ")
        };
        assert_eq!(where_true(&|country| first_is_concat(country, regime, TODAY)), "AT DE FR HU IE LU");
        let refused = |country| {
            priorities(country, regime, TODAY).iter().all(|step: &Priority| step.scheme != Scheme::Concat)
        };
        assert_eq!(where_true(&refused), "EE ES IS IT MT PL");
    }
}

/// The tables are written without the check of [`Country::parse`]; this is that check.
#[test]
fn every_country_in_the_tables_exists() {
    let groups = EEA_GROUPS.iter().flat_map(|group| [group.members, group.joined_by].concat());
    let wrong = groups.chain(ANNEX_II.iter().filter_map(|row| row.country));
    let wrong = wrong.filter(|country| Country::parse(country.as_str()).is_none());
    none(&wrong.map(|country| format!("{country} is no country")).collect::<Vec<_>>());
}

/// The country of every decision, and that its step stands where the decision says.
#[test]
fn decisions_follow_the_leading_country() {
    let mut failures = Vec::new();
    for row in rows(DECISIONS) {
        let regime = regime(&row["regime"]);
        let nationalities: Vec<Country> = row["nationalities"].split(' ').map(country).collect();
        let held: Vec<&str> = row["identifiers_held"].split_whitespace().collect();
        let mut fail = |what: String| {
            let inputs = [&row["regime"], &row["nationalities"], &row["identifiers_held"]];
            failures.push(format!("{inputs:?} {what} ({})", row["source"]));
        };

        let Some(Leading { country, basis }) = leading(&nationalities, regime, TODAY) else {
            fail("no country leads".to_owned());
            continue;
        };
        if country.as_str() != row["expected_country"] {
            fail(format!("led by {country}, expected {}", row["expected_country"]));
            continue;
        }
        if (basis == Basis::OpenAlphabetical) != row["source"].starts_with("open: several non-EEA") {
            fail(format!("is {basis:?}"));
        }

        // The first step that can be taken: one the person holds a number for, or CONCAT.
        let steps = priorities(country, regime, TODAY);
        let reached = steps.iter().position(|step| {
            step.scheme == Scheme::Concat || held.contains(&format!("{country}.{}", step.standard).as_str())
        });
        let reached = reached.map_or([String::new(), String::new(), "NONE".to_owned()], |at| {
            [(at + 1).to_string(), steps[at].standard.to_string(), steps[at].scheme.as_str().to_owned()]
        });
        let expected = ["expected_priority", "expected_standard", "expected_label"].map(|c| row[c].clone());
        if reached != expected {
            fail(format!("reaches {reached:?}, expected {expected:?}"));
        }
    }
    none(&failures);
}

#[test]
fn the_basis_says_which_rule_decided() {
    use Basis::{Alphabetical, EeaFirst, Only, OpenAlphabetical};
    let cases = [
        (Regime::Eu, "DE", "DE", Only),
        (Regime::Eu, "DE DE", "DE", Only),
        (Regime::Eu, "US US", "US", Only),
        (Regime::Eu, "AU DE", "DE", EeaFirst),
        (Regime::Eu, "AD LI CH", "LI", EeaFirst),
        (Regime::Eu, "GB SI", "SI", EeaFirst),
        (Regime::Eu, "PL DE", "DE", Alphabetical),
        (Regime::Eu, "IS GR", "GR", Alphabetical),
        (Regime::Eu, "DE CH PL", "DE", Alphabetical),
        (Regime::Eu, "GB", "GB", Only),
        (Regime::Eu, "US CA", "CA", OpenAlphabetical),
        (Regime::Eu, "US GB", "GB", OpenAlphabetical),
        (Regime::Uk, "GB SI", "GB", Alphabetical),
        (Regime::Uk, "GB FR", "FR", Alphabetical),
        (Regime::Uk, "GB AU", "GB", EeaFirst),
        (Regime::Uk, "FR AU", "FR", EeaFirst),
        (Regime::Uk, "US CA", "CA", OpenAlphabetical),
    ];
    let mut failures = Vec::new();
    for (regime, codes, code, basis) in cases {
        let nationalities: Vec<Country> = codes.split(' ').map(country).collect();
        let found = leading(&nationalities, regime, TODAY);
        if found != Some(Leading { country: country(code), basis }) {
            failures.push(format!("{regime:?} {codes}: {found:?}, expected {code} {basis:?}"));
        }
    }
    none(&failures);
    for regime in Regime::ALL {
        assert_eq!(leading(&[], regime, TODAY), None);
    }
}

/// Nationalities as a person may state them. The two kinds keep EEA states as likely as all others.
fn nationalities() -> impl Strategy<Value = Vec<Country>> {
    let codes: Vec<Country> = COUNTRIES.lines().map(country).collect();
    let group = eea_group(Regime::Uk, TODAY).expect("it is in force");
    let group = [group.members, group.joined_by].concat();
    let one = prop_oneof![prop::sample::select(codes), prop::sample::select(group)];
    prop::collection::vec(one, 1..6)
}

proptest! {
    #[test]
    fn order_and_duplicates_never_matter(
        (stated, shuffled) in nationalities().prop_flat_map(|stated| {
            let twice = [stated.clone(), stated.clone()].concat();
            let some = prop::sample::subsequence(twice.clone(), 0..=twice.len());
            let again = some.prop_map({
                let stated = stated.clone();
                move |more| [stated.clone(), more].concat()
            });
            (Just(stated), again.prop_shuffle())
        }),
        regime in prop::sample::select(Regime::ALL.to_vec()),
    ) {
        prop_assert_eq!(leading(&stated, regime, TODAY), leading(&shuffled, regime, TODAY));
    }

    #[test]
    fn the_leading_country_is_one_of_them_and_none_goes_before_it(
        stated in nationalities(),
        regime in prop::sample::select(Regime::ALL.to_vec()),
    ) {
        let Leading { country, .. } = leading(&stated, regime, TODAY).expect("somebody leads");
        prop_assert!(stated.contains(&country));
        for other in stated {
            let before = match (other.ranks_as_eea(regime, TODAY), country.ranks_as_eea(regime, TODAY)) {
                (true, false) => true,
                (false, true) => false,
                _ => other.as_str() < country.as_str(),
            };
            prop_assert!(!before, "{} goes before {}", other, country);
        }
    }
}
