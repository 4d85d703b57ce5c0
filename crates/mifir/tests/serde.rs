//! The feature `serde`: what is written, and what comes back.
#![cfg(feature = "serde")]

mod support;

use std::fmt::Debug;

use jiff::civil::{Date, date};
use mifir::{
    Agreement, Basis, Birth, ChangeStatus, Country, Decision, HeldIdentifier, Hint, Leading, NoNationality,
    NumberPart, OtherIdentifiers, Person, RULES_DIGEST, RULES_VERSION, Regime, Scheme, Severity, Sex,
    StandardKey, concat, crosscheck, decide, horizon,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use support::{country, standard};

const TODAY: Date = date(2026, 11, 21);
const BORN: Date = date(1980, 7, 15);

fn written(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("it can be written")
}

/// Writes a value, compares it, and reads it back.
#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, expected: &Value) {
    assert_eq!(written(value), *expected);
    let back: T = serde_json::from_value(expected.clone()).expect("it can be read");
    assert_eq!(back, *value);
}

#[test]
fn names_are_texts() {
    for key in StandardKey::ALL {
        round_trip(&key, &json!(key.as_str()));
    }
    for regime in Regime::ALL {
        round_trip(&regime, &json!(regime.as_str()));
    }
    for scheme in [Scheme::Nidn, Scheme::Ccpt, Scheme::Concat] {
        round_trip(&scheme, &json!(scheme.as_str()));
    }
    for code in ["DE", "GR", "XK"] {
        round_trip(&country(code), &json!(code));
    }
    for wrong in ["EL", "de", "", "Germany"] {
        let error = serde_json::from_value::<Country>(json!(wrong)).expect_err(wrong);
        assert!(error.to_string().contains("ISO 3166-1"), "{error}");
    }
    assert!(serde_json::from_value::<StandardKey>(json!("pesel")).is_err());
    assert!(serde_json::from_value::<Regime>(json!("US")).is_err());
}

#[test]
fn small_enumerations_come_back() {
    round_trip(&Severity::Hard, &json!("hard"));
    round_trip(&Severity::Soft, &json!("soft"));
    round_trip(&Sex::Female, &json!("female"));
    round_trip(&Sex::Male, &json!("male"));
    round_trip(&Agreement::Differs, &json!("differs"));
    round_trip(&NoNationality::Stateless, &json!("stateless"));
    round_trip(&NoNationality::Refugee, &json!("refugee"));
    round_trip(&OtherIdentifiers::Unknown, &json!("unknown"));
    round_trip(&Hint::PowerOfTen, &json!("power_of_ten"));
    round_trip(&Hint::LeadingZeros(2), &json!({ "leading_zeros": 2 }));
    round_trip(&NumberPart::Century, &json!("century"));
    round_trip(&ChangeStatus::Consulted, &json!("consulted"));
    round_trip(&Basis::OpenAlphabetical, &json!("open_alphabetical"));
    let leading = Leading { country: country("DE"), basis: Basis::EeaFirst };
    round_trip(&leading, &json!({ "country": "DE", "basis": "eea_first" }));
}

#[test]
fn what_a_number_says_comes_back() {
    round_trip(&Birth::Unknown, &json!("unknown"));
    round_trip(&Birth::On(BORN), &json!({ "on": "1980-07-15" }));
    let birth = Birth::InSomeCentury { day: 11, month: 11, year: 59 };
    round_trip(&birth, &json!({ "in_some_century": { "day": 11, "month": 11, "year": 59 } }));
    let pesel = standard(country("PL"), "PESEL").check(country("PL"), "54010150464", TODAY);
    let facts = json!({ "birth": { "on": "1954-01-01" }, "sex": "female" });
    round_trip(&pesel.encoded, &facts);
    let compared = crosscheck(pesel.encoded, Some(BORN), None);
    round_trip(&compared, &json!({ "birth_date": "differs", "sex": "unknown" }));
}

#[test]
fn a_held_identifier_is_read_without_copying() {
    let text = r#"{"country":"PL","standard":"PESEL","value":"54010150464"}"#;
    let held: HeldIdentifier<'_> = serde_json::from_str(text).expect("an identifier");
    assert_eq!(held, HeldIdentifier::new(country("PL"), StandardKey::Pesel, "54010150464"));
    assert_eq!(serde_json::to_string(&held).expect("it can be written"), text);
}

#[test]
fn a_check_is_written_with_its_faults() {
    let poland = country("PL");
    let checked = standard(poland, "PESEL").check(poland, "54010150465", TODAY);
    assert_eq!(
        written(&checked),
        json!({
            "faults": [{
                "severity": "hard",
                "what": { "check": { "found": "5", "expected": "4" } },
                "hint": null,
            }],
            "encoded": { "birth": { "on": "1954-01-01" }, "sex": "female" },
        })
    );
    let belgium = country("BE");
    let checked = standard(belgium, "NN").check(belgium, "68022928002", TODAY);
    assert_eq!(written(&checked)["faults"][0]["what"]["check"], json!({ "found": "02", "expected": "01" }));
    let short = standard(poland, "PESEL").check(poland, "222980850", TODAY);
    assert_eq!(written(&short)["faults"][0]["hint"], json!({ "leading_zeros": 2 }));
}

/// The record that a firm keeps of a decision.
fn decision<'a>(
    nationalities: &'a [Country],
    held: &[HeldIdentifier<'a>],
    regime: Regime,
    lives_in: Option<Country>,
) -> Decision<'a> {
    let mut person = Person::new(nationalities, "Günter", "Voß", BORN);
    person.residence = lives_in;
    decide(person, held, OtherIdentifiers::Unknown, regime, TODAY)
}

#[test]
fn a_decision_is_written_whole() {
    let nationalities = [country("PL"), country("US")];
    let held = [HeldIdentifier::new(nationalities[0], StandardKey::Pesel, "54010150464")];
    let step = json!({
        "standard": "PESEL", "scheme": "NIDN", "national_name": "National Identification Number (PESEL)",
    });
    let next = json!({
        "standard": "NIP", "scheme": "NIDN", "national_name": "Tax number (Numer identyfikacji podatkowej)",
    });
    let rules = json!({ "version": RULES_VERSION, "digest": RULES_DIGEST });
    let reasons = json!([
        { "nationality": { "leading": { "country": "PL", "basis": "eea_first" }, "others": ["PL", "US"] } },
        { "row": { "country": "PL", "steps": [step, next] } },
    ]);
    assert_eq!(
        written(&decision(&nationalities, &held, Regime::Eu, None)),
        json!({
            "outcome": { "ready": {
                "country": "PL", "priority": 1, "step": step, "value": { "number": "54010150464" },
            } },
            "residence": "not_required",
            "reasons": reasons,
            "regime": "EU",
            "as_of": "2026-11-21",
            "rules": rules,
        })
    );
    let missing = written(&decision(&nationalities, &[], Regime::Uk, None));
    assert_eq!(missing["outcome"], json!({ "missing": { "country": "PL", "wanted": step, "next": next } }));
    assert_eq!(missing["regime"], "UK");
}

#[test]
fn a_concat_is_written_with_its_steps() {
    let germany = [country("DE")];
    let decided = written(&decision(&germany, &[], Regime::Mica, Some(country("US"))));
    let step = json!({ "letter": { "from": "ü", "to": "U", "listed": true } });
    assert_eq!(
        decided["outcome"]["ready"]["value"],
        json!({ "concat": {
            "text": "DE19800715GUNTEVOS##",
            "steps": [step, { "letter": { "from": "ß", "to": "S", "listed": true } }],
        } })
    );
    assert_eq!(decided["residence"], json!({ "also": { "needs_review": { "residence_passport": "US" } } }));
    assert_eq!(decided["reasons"][2], json!({ "made": step }));
    let made = concat(country("DE"), "Dr. Ann 3", "von Lis", BORN).expect("Latin");
    assert_eq!(
        written(&made)["steps"],
        json!([
            { "title": { "dropped": "Dr.", "listed": true } },
            { "other_names": { "dropped": "3" } },
            { "prefix": { "dropped": "von" } },
        ])
    );
}

#[test]
fn open_questions_are_written() {
    let none: [Country; 0] = [];
    let unknown = written(&decision(&none, &[], Regime::Eu, None));
    assert_eq!(unknown["outcome"], json!({ "needs_review": "nationality_unknown" }));
    let person = Person::new(&none, "Ann", "Lee", BORN).with_no_nationality(NoNationality::Stateless);
    let decided = |person, day| {
        written(&decide(person, &[], OtherIdentifiers::None, Regime::Eu, day))["outcome"]["needs_review"]
            .clone()
    };
    assert_eq!(decided(person, TODAY), json!({ "no_nationality": "stateless" }));
    assert_eq!(
        decided(person, date(2017, 1, 1)),
        json!({ "not_in_force": { "regime": "EU", "from": "2018-01-03" } })
    );
    let germany = [country("DE")];
    assert_eq!(
        decided(Person::new(&germany, "Ж", "Lee", BORN), TODAY),
        json!({ "not_latin": { "letter": "Ж" } })
    );
    assert_eq!(
        decided(Person::new(&germany, "", "Lee", BORN), TODAY),
        json!({ "name_missing": "DE19800715#####LEE##" })
    );
}

#[test]
fn a_person_and_the_horizon_are_written() {
    let germany = [country("DE")];
    let person = Person::new(&germany, "Ann", "Lee", BORN).with_residence(country("FR"));
    assert_eq!(
        written(&person),
        json!({
            "nationalities": ["DE"], "no_nationality": null, "first_name": "Ann", "surname": "Lee",
            "birth_date": "1980-07-15", "residence": "FR",
        })
    );
    let changes = written(&horizon());
    assert_eq!(changes[1]["regimes"], json!(["UK"]));
    assert_eq!(changes[2]["expected"], "2032-01-01");
    assert!(changes.as_array().expect("a list").iter().all(|one| one["source"].is_string()));
}
