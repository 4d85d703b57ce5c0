//! Names and texts of the types: parsing, display, and what is refused.

mod support;

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use mifir::{
    ANNEX_II, Auth016Person, Country, DecisionOutcome, FaultKind, HeldIdentifier, Hint, OtherIdentifiers,
    Person, Regime, STANDARDS, Scheme, StandardKey, UnknownStandard, decide, is_invisible, rules_text,
    table_letter,
};

use support::{country, standard};

const TODAY: Date = date(2026, 11, 21);

#[test]
fn a_standard_is_its_name() {
    for key in StandardKey::ALL {
        assert_eq!(key.as_str().parse(), Ok(key));
        assert_eq!(StandardKey::parse(key.as_str()), Some(key));
        assert_eq!(key.to_string(), key.as_str());
        assert_eq!(format!("{key:<10}|"), format!("{:<10}|", key.as_str()));
        assert!(key.as_str().bytes().all(|c| c.is_ascii_uppercase()));
    }
    for text in ["", "pesel", "PESEL ", " PESEL", "PESELS", "BSN", "XX"] {
        assert_eq!(text.parse::<StandardKey>(), Err(UnknownStandard), "{text:?}");
    }
    assert_eq!(UnknownStandard.to_string(), "not the name of a standard of identifiers in capital letters");
    assert!(StandardKey::ALL.is_sorted_by(|one, other| one.as_str() < other.as_str()));
    assert!(StandardKey::ALL.is_sorted(), "the order is that of the names");
}

/// Every name has rules, every row of Annex II names standards that its country has, and only BIS is in no row.
#[test]
fn names_rules_and_rows_fit_together() {
    let keys: BTreeSet<_> = STANDARDS.iter().map(|one| one.key).collect();
    assert_eq!(keys, StandardKey::ALL.into_iter().collect());
    let mut in_rows = BTreeSet::new();
    for row in ANNEX_II {
        let country = row.country.unwrap_or_else(|| country("US"));
        for step in row.priorities {
            let rules = mifir::standard(country, step.standard).expect("a standard of the country");
            assert_eq!(rules.scheme, step.scheme, "{country} {}", step.standard);
            assert_eq!(step.national_name.is_empty(), step.scheme == Scheme::Concat);
            in_rows.insert(step.standard);
        }
    }
    let without: Vec<_> = keys.difference(&in_rows).collect();
    assert_eq!(without, [&StandardKey::Bis]);
}

#[test]
fn a_country_has_its_own_standards_only() {
    for (code, key, there) in [
        ("PL", StandardKey::Pesel, true),
        ("PL", StandardKey::Passport, true),
        ("PL", StandardKey::Concat, true),
        ("PL", StandardKey::Rc, false),
        ("CZ", StandardKey::Rc, true),
        ("SK", StandardKey::Rc, true),
        ("ES", StandardKey::Nif, true),
        ("PT", StandardKey::Nif, true),
        ("IT", StandardKey::Nif, false),
        ("NL", StandardKey::IdCard, true),
        ("DE", StandardKey::IdCard, false),
        ("XK", StandardKey::Passport, true),
    ] {
        assert_eq!(mifir::standard(country(code), key).is_some(), there, "{code} {key}");
    }
    assert_eq!(format!("{:?}", standard(country("PL"), "PESEL")), "PL PESEL");
    assert_eq!(format!("{:?}", standard(country("PL"), "PASSPORT")), "PASSPORT");
    assert_eq!(format!("{:?}", standard(country("NL"), "PASSPORT")), "NL PASSPORT");
}

#[test]
fn regimes_and_schemes_have_names() {
    assert_eq!(Regime::ALL.map(Regime::as_str), ["EU", "UK", "MICA"]);
    assert_eq!(Regime::ALL.map(|regime| format!("{regime:>5}")), ["   EU", "   UK", " MICA"]);
    let schemes = [Scheme::Nidn, Scheme::Ccpt, Scheme::Concat];
    assert_eq!(schemes.map(Scheme::as_str), ["NIDN", "CCPT", "CONCAT"]);
}

#[test]
fn countries_pad_and_compare_by_code() {
    assert_eq!(format!("{:>4}|{:<4}|", country("DE"), country("DE")), "  DE|DE  |");
    assert!(country("ES") < country("FR") && country("GR") < country("IS"));
    let error = "EL".parse::<Country>().expect_err("the code of Greece is GR");
    assert_eq!(error.to_string(), "not an ISO 3166-1 alpha-2 country code in capital letters");
}

#[test]
fn faults_have_codes_for_machines() {
    for (code, key, value, codes) in [
        ("PL", "PESEL", "1", "length"),
        ("PL", "PESEL", "5401015046X", "character"),
        ("PL", "PESEL", "54010150465", "check_digit"),
        ("PL", "PESEL", "54130150469", "date"),
        ("PL", "PESEL", "27210100018", "future_date"),
        ("PL", "NIP", "6720300080", "check_digit"),
        ("BE", "NN", "68022900080", "check_digit serial"),
        ("BE", "NN", "68422912347", "check_digit holder"),
        ("EE", "IK", "70810021729", "check_digit century"),
        ("GB", "NINO", "GB030030Z", "prefix suffix"),
        ("RO", "CNP", "1800101490011", "county"),
        ("ES", "NIF", "A1234567A", "kind"),
        ("GB", "PASSPORT", "AB1234567", "pattern"),
        ("DE", "CONCAT", "FR19800715#####VOS##", "country name"),
    ] {
        let checked = standard(country(code), key).check(country(code), value, TODAY);
        let found: Vec<_> = checked.faults.iter().map(|fault| fault.what.code()).collect();
        assert!(codes.split(' ').all(|code| found.contains(&code)), "{code} {key} {value}: {found:?}");
    }
    assert_eq!(FaultKind::Unissued.code(), "unissued");
    let spelling: Vec<_> = mifir::spelling_faults("\u{200b}'1").map(|fault| fault.what.code()).collect();
    assert_eq!(spelling, ["invisible", "text_marker"]);
    let old =
        standard(country("CZ"), "RC").check_of(country("CZ"), "530101001", Some(date(1960, 1, 1)), TODAY);
    assert_eq!(old.faults[0].what.code(), "length");
    assert_eq!(Hint::LeadingZeros(2).to_string(), "2 leading zeros are missing?");
}

/// The elements that a report has of a person (ISO 20022 auth.016.001).
#[test]
fn a_person_in_the_report() {
    let mut failures = Vec::new();
    let passport = "<Id>USA1234567</Id><SchmeNm><Cd>CCPT</Cd></SchmeNm>";
    let (long, cut) =
        ("Ab ".repeat(80), format!("<Nm>{}</Nm>", "AB ".repeat(47).chars().take(140).collect::<String>()));
    for (first, last, expected) in [
        ("John", "Smith", "<FrstNm>JOHN</FrstNm><Nm>SMITH</Nm><BirthDt>1980-07-15</BirthDt>"),
        ("John, Paul  George", "Smith", "<FrstNm>JOHN,PAUL,GEORGE</FrstNm>"),
        ("Dr. Jean-Luc", "Smith", "<FrstNm>JEAN-LUC</FrstNm>"),
        ("Zoë", "Größl", "<FrstNm>ZOË</FrstNm><Nm>GRÖSSL</Nm>"),
        ("Ann", "von  der Heide PhD", "<Nm>VON DER HEIDE</Nm>"),
        ("Ann", "Mag. Lee, MBA", "<Nm>LEE</Nm>"),
        ("A&B", "<Lee>", "<FrstNm>A&amp;B</FrstNm><Nm>&lt;LEE&gt;</Nm>"),
        ("A\u{0}n\u{ffff}n", "Lee", "<FrstNm>ANN</FrstNm>"),
        ("", "Lee", "<FrstNm></FrstNm><Nm>LEE</Nm>"),
        ("Ann", &long, &cut),
        ("Ann", "Lee", passport),
    ] {
        let nationalities = [country("US")];
        let person = Person::new(&nationalities, first, last, date(1980, 7, 15));
        let held = [HeldIdentifier::new(nationalities[0], StandardKey::Passport, "A1234567")];
        let decision = decide(person, &held, OtherIdentifiers::Unknown, Regime::Eu, TODAY);
        let DecisionOutcome::Ready(designation) = &decision.outcome else { panic!("{decision:?}") };
        let xml = Auth016Person { person, designation }.to_string();
        let whole = xml.starts_with("<Prsn><FrstNm>") && xml.ends_with("</SchmeNm></Othr></Prsn>");
        if !xml.contains(expected) || !whole {
            failures.push(format!("{first} {last}: {xml}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_concat_is_a_proprietary_scheme() {
    let nationalities = [country("DE")];
    let person = Person::new(&nationalities, "Günter", "Voß", date(1980, 7, 15));
    let decision = decide(person, &[], OtherIdentifiers::Unknown, Regime::Eu, TODAY);
    let DecisionOutcome::Ready(designation) = &decision.outcome else { panic!("{decision:?}") };
    assert_eq!(
        Auth016Person { person, designation }.to_string(),
        "<Prsn><FrstNm>GÜNTER</FrstNm><Nm>VOSS</Nm><BirthDt>1980-07-15</BirthDt><Othr>\
         <Id>DE19800715GUNTEVOS##</Id><SchmeNm><Prtry>CONCAT</Prtry></SchmeNm></Othr></Prsn>"
    );
}

#[test]
fn invisible_characters_are_none_that_people_type() {
    for c in "aZ09 -'#äßŁ\u{a0}\u{2003}\t\n".chars() {
        assert!(!is_invisible(c), "{c:?}");
    }
    for c in "\u{ad}\u{200b}\u{200d}\u{200e}\u{202a}\u{2060}\u{2066}\u{feff}\u{fe0f}\u{3164}\u{e0020}".chars()
    {
        assert!(is_invisible(c), "{c:?}");
    }
}

#[test]
fn the_table_has_one_letter_for_one() {
    for (letter, expected) in
        [('ß', "S"), ('Æ', "A"), ('œ', "O"), ('Þ', "T"), ('ð', "D"), ('ı', "I"), ('ü', "U")]
    {
        assert_eq!(table_letter(letter), Some(expected));
    }
    for letter in ['A', 'z', 'ā', 'Ð', 'ė', 'ħ', 'İ', '1', '-', 'Я'] {
        assert_eq!(table_letter(letter), None, "{letter}");
    }
}

/// The text of the rules can be compared line by line, so that no line may stand for two.
#[test]
fn the_text_of_the_rules_has_no_line_twice() {
    let text = rules_text();
    let lines: BTreeSet<_> = text.lines().collect();
    assert_eq!(lines.len(), text.lines().count());
    assert!(text.ends_with('\n') && text.lines().all(|line| !line.trim().is_empty()));
}
