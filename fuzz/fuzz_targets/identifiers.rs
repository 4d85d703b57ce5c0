//! No identifier, name or date makes the rules panic, and what they make has its form.
#![cfg_attr(fuzzing, no_main)]

use jiff::civil::Date;
use mifir::{
    Auth016Person, ConcatNote, Country, DecisionOutcome, HeldIdentifier, OtherIdentifiers, Person, Regime,
    ResidenceOutcome, STANDARDS, Scheme, Sex, Standard, StandardKey, concat, crosscheck, decide, standard,
};
use quick_xml::events::Event;

/// A date as it is written, or made of the bytes.
fn date(line: &[u8]) -> Date {
    let written = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
    let byte = |at: usize| line.get(at).copied().unwrap_or_default();
    let made = || {
        let year = i16::from_le_bytes([byte(0), byte(1)]) % 10_000;
        Date::new(year, i8::try_from(1 + byte(2) % 12).unwrap(), i8::try_from(1 + byte(3) % 28).unwrap())
            .unwrap()
    };
    written.unwrap_or_else(made)
}

/// The standard that has this name, or one by the first byte.
fn choice(line: &[u8]) -> &'static Standard {
    let text = String::from_utf8_lossy(line);
    let named = STANDARDS.iter().find(|standard| format!("{standard:?}") == text);
    named.unwrap_or(&STANDARDS[usize::from(line.first().copied().unwrap_or_default()) % STANDARDS.len()])
}

fn assert_well_formed(xml: &str) {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(xml.chars().all(allowed), "{xml:?}");
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{xml}: {error}")) {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            Event::Text(_) | Event::GeneralRef(_) => {}
            other => panic!("{xml}: {other:?}"),
        }
    }
    assert_eq!(depth, 0);
}

pub fn run(data: &[u8]) {
    // A line each: nationalities, standard, value, first name, surname, birth date, the day.
    let mut lines = data.splitn(7, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let codes = String::from_utf8_lossy(line());
    let nationalities: Vec<Country> = codes.split(' ').filter_map(Country::parse).collect();
    let rules = choice(line());
    let [value, first_name, surname] = [line(), line(), line()].map(String::from_utf8_lossy);
    let (birth_date, today) = (date(line()), date(line()));
    let country = rules.country.or(nationalities.first().copied()).unwrap_or(Country::parse("DE").unwrap());

    for birth in [None, Some(birth_date)] {
        let normal = rules.normalise(&value, birth, today);
        assert_eq!(rules.normalise(&normal, birth, today), normal);
        for value in [&*value, &*normal] {
            let checked = rules.check(country, value, today);
            for fault in &checked.faults {
                assert!(!fault.to_string().is_empty() && !fault.what.code().is_empty());
            }
            let _ = crosscheck(checked.encoded, birth, Some(Sex::Female));
        }
    }

    if let Ok(made) = concat(country, &first_name, &surname, birth_date) {
        let text = made.as_str();
        assert_eq!(text.len(), 20);
        assert!(text.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'#'), "{text}");
        assert!(made.steps.iter().all(|step| !step.to_string().is_empty()));
        let nameless =
            made.steps.iter().any(|step| matches!(step, ConcatNote::NoFirstName | ConcatNote::NoSurname));
        // No date is in the future then; a year before Christ is written without its sign.
        let checked = standard(country, StandardKey::Concat).unwrap().check(country, text, Date::MAX);
        assert_eq!(checked.is_possible(), !nameless, "{text}: {checked:?}");
    }

    let person = Person::new(&nationalities, &first_name, &surname, birth_date).with_residence(country);
    let held = [HeldIdentifier::new(country, rules.key, &value)];
    for (others, regime) in [
        (OtherIdentifiers::None, Regime::Eu),
        (OtherIdentifiers::Unknown, Regime::Uk),
        (OtherIdentifiers::None, Regime::Mica),
    ] {
        for held in [&held[..], &[]] {
            let decision = decide(person, held, others, regime, today);
            assert!(regime == Regime::Mica || decision.residence == ResidenceOutcome::NotRequired);
            for reason in &decision.reasons {
                assert!(!reason.to_string().is_empty());
            }
            match &decision.outcome {
                DecisionOutcome::Ready(designation) => {
                    let text = designation.to_string();
                    assert!(text.starts_with(designation.country.as_str()));
                    assert_eq!(
                        designation.step.scheme == Scheme::Concat,
                        designation.step.standard == StandardKey::Concat
                    );
                    assert_well_formed(&Auth016Person { person, designation }.to_string());
                }
                DecisionOutcome::Missing { wanted, next, .. } => assert_ne!(Some(*wanted), *next),
                DecisionOutcome::NeedsReview(review) => assert!(!review.to_string().is_empty()),
            }
        }
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
