//! Decisions: as of a day, under each regime, with what is held, for people without nationality, and by residence.

mod support;

use jiff::civil::{Date, date};
use mifir::{
    ANNEX_II, Country, Decision, DecisionOutcome, DecisionReason, EEA_GROUPS, HeldIdentifier,
    IdentifierValue, NoNationality, OpenQuestion, OtherIdentifiers, Person, RULES, RULES_DIGEST,
    RULES_VERSION, Regime, ResidenceOutcome, Scheme, StandardKey, decide, eea_group, first_is_concat,
    horizon, leading, priorities,
};
use proptest::prelude::*;

use support::country;

const TODAY: Date = date(2026, 11, 21);
const BORN: Date = date(1980, 7, 15);
/// The days on which the rules of a regime change.
const CHANGES: [Date; 3] = [date(2018, 1, 3), date(2021, 1, 1), date(2025, 4, 3)];

fn countries(codes: &str) -> Vec<Country> {
    codes.split_whitespace().map(country).collect()
}

/// Reads `PL.PESEL` as a held identifier with the value 1.
fn held(text: &str) -> Vec<HeldIdentifier<'static>> {
    let one = |text: &str| {
        let (code, key) = text.split_once('.').expect("a country and a standard");
        HeldIdentifier::new(country(code), key.parse().expect("a standard"), "1")
    };
    text.split_whitespace().map(one).collect()
}

/// An outcome in few words: `ready GB1 NINO 1`, `missing GB PASSPORT, CONCAT`, `review …`.
fn told(outcome: &DecisionOutcome<'_>) -> String {
    match outcome {
        DecisionOutcome::Ready(ready) => format!("ready {ready} {} {}", ready.step.standard, ready.priority),
        DecisionOutcome::Missing { country, wanted, next } => {
            let next = next.map(|next| format!(", {}", next.standard)).unwrap_or_default();
            format!("missing {country} {}{next}", wanted.standard)
        }
        DecisionOutcome::NeedsReview(question) => format!("review {question}"),
    }
}

/// The residence of a decision in few words.
fn residence(decision: &Decision<'_>) -> String {
    match &decision.residence {
        ResidenceOutcome::NotRequired => "not required".to_owned(),
        ResidenceOutcome::SameAsNationality => "same".to_owned(),
        ResidenceOutcome::Also(outcome) => told(outcome),
        other => panic!("{other:?}"),
    }
}

fn reasons(decision: &Decision<'_>) -> Vec<String> {
    decision.reasons.iter().map(ToString::to_string).collect()
}

/// The United Kingdom: a member state, in transition, and a third country.
#[test]
fn british_nationals_by_day_and_regime() {
    let mut failures = Vec::new();
    let (first, brexit, last, after) =
        (date(2018, 1, 3), date(2020, 2, 1), date(2020, 12, 31), date(2021, 1, 1));
    for (regime, day, nationalities, numbers, expected) in [
        (Regime::Eu, first, "GB", "GB.NINO", "ready GB1 NINO 1"),
        (Regime::Eu, brexit, "GB", "GB.NINO", "ready GB1 NINO 1"),
        (Regime::Eu, last, "GB", "GB.NINO", "ready GB1 NINO 1"),
        (Regime::Eu, after, "GB", "GB.NINO", "missing GB PASSPORT, CONCAT"),
        (Regime::Eu, TODAY, "GB", "GB.NINO", "missing GB PASSPORT, CONCAT"),
        (Regime::Uk, first, "GB", "GB.NINO", "ready GB1 NINO 1"),
        (Regime::Uk, last, "GB", "GB.NINO", "ready GB1 NINO 1"),
        (Regime::Uk, after, "GB", "GB.NINO", "ready GB1 NINO 1"),
        (Regime::Uk, TODAY, "GB", "GB.NINO", "ready GB1 NINO 1"),
        (Regime::Eu, last, "GB", "GB.PASSPORT", "missing GB NINO, CONCAT"),
        (Regime::Eu, after, "GB", "GB.PASSPORT", "ready GB1 PASSPORT 1"),
        (Regime::Uk, TODAY, "GB", "GB.PASSPORT", "missing GB NINO, CONCAT"),
        // The rank beside other nationalities.
        (Regime::Eu, last, "GB SI", "GB.NINO", "ready GB1 NINO 1"),
        (Regime::Eu, after, "GB SI", "GB.NINO", "missing SI EMSO, CONCAT"),
        (Regime::Uk, last, "GB SI", "GB.NINO", "ready GB1 NINO 1"),
        (Regime::Uk, after, "GB SI", "GB.NINO", "ready GB1 NINO 1"),
        (Regime::Eu, last, "GB FR", "", "ready FR19800715ANN##LEE## CONCAT 1"),
        (Regime::Uk, TODAY, "GB FR", "", "ready FR19800715ANN##LEE## CONCAT 1"),
        (Regime::Eu, last, "GB AU", "AU.PASSPORT", "missing GB NINO, CONCAT"),
        (Regime::Eu, after, "GB AU", "AU.PASSPORT", "ready AU1 PASSPORT 1"),
        (Regime::Uk, after, "GB AU", "AU.PASSPORT", "missing GB NINO, CONCAT"),
        // Crypto-assets came later, so the United Kingdom was never a member state there.
        (Regime::Mica, TODAY, "GB", "GB.PASSPORT GB.NINO", "ready GB1 PASSPORT 1"),
    ] {
        let (nationalities, numbers) = (countries(nationalities), held(numbers));
        let person = Person::new(&nationalities, "Ann", "Lee", BORN);
        let decision = decide(person, &numbers, OtherIdentifiers::Unknown, regime, day);
        if told(&decision.outcome) != expected {
            failures.push(format!("{regime} {day} {nationalities:?}: {}", told(&decision.outcome)));
        }
        assert_eq!((decision.regime, decision.as_of, decision.rules), (regime, day, RULES));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn before_the_first_day_nothing_is_guessed() {
    let germany = countries("DE");
    for (regime, day, text) in [
        (Regime::Eu, date(2018, 1, 2), "review the rules of EU apply from 2018-01-03 on"),
        (Regime::Uk, date(2017, 12, 31), "review the rules of UK apply from 2018-01-03 on"),
        (Regime::Mica, date(2025, 4, 2), "review the rules of MICA apply from 2025-04-03 on"),
        (Regime::Mica, date(2018, 1, 3), "review the rules of MICA apply from 2025-04-03 on"),
        (Regime::Eu, Date::MIN, "review the rules of EU apply from 2018-01-03 on"),
    ] {
        let person = Person::new(&germany, "Ann", "Lee", BORN).with_residence(germany[0]);
        let decision = decide(person, &[], OtherIdentifiers::None, regime, day);
        assert_eq!(told(&decision.outcome), text);
        let asked = if regime == Regime::Mica { text } else { "not required" };
        assert_eq!(residence(&decision), asked);
        assert!(decision.reasons.is_empty());
        assert_eq!(leading(&germany, regime, day), None);
        assert_eq!(priorities(germany[0], regime, day), []);
        assert!(!first_is_concat(germany[0], regime, day) && !germany[0].ranks_as_eea(regime, day));
        assert!(eea_group(regime, day).is_none());
    }
    for (regime, day) in [(Regime::Eu, CHANGES[0]), (Regime::Uk, CHANGES[0]), (Regime::Mica, CHANGES[2])] {
        assert_eq!(regime.first_day(), day);
        let person = Person::new(&germany, "Ann", "Lee", BORN);
        let decision = decide(person, &[], OtherIdentifiers::None, regime, day);
        assert_eq!(told(&decision.outcome), "ready DE19800715ANN##LEE## CONCAT 1");
    }
}

/// Of the rows of a country, and of the groups of a regime, one applies on every day, and only one.
#[test]
fn rows_and_groups_follow_each_other_without_a_gap() {
    let days =
        CHANGES.iter().flat_map(|day| [day.yesterday().expect("a day"), *day]).chain([TODAY, Date::MAX]);
    for (regime, day) in days.flat_map(|day| Regime::ALL.map(|regime| (regime, day))) {
        let in_force = usize::from(regime.first_day() <= day);
        let applies = |from: Date, until: Option<Date>| {
            in_force == 1 && from <= day && until.is_none_or(|until| day <= until)
        };
        let groups = EEA_GROUPS
            .iter()
            .filter(|group| group.regimes.contains(&regime) && applies(group.from, group.until))
            .count();
        assert_eq!(groups, in_force, "{regime} {day}");
        assert_eq!(eea_group(regime, day).is_some(), in_force == 1);
        for row in ANNEX_II {
            let same = ANNEX_II.iter().filter(|other| other.country == row.country);
            let count = same.filter(|other| other.applies(regime, day)).count();
            let expected = match row.country.map(|country| country.to_string()).as_deref() {
                Some("GB") if regime != Regime::Uk && day >= CHANGES[1] => 0,
                _ => in_force,
            };
            assert_eq!(count, expected, "{:?} {regime} {day}", row.country);
        }
    }
}

#[test]
fn rows_and_groups_have_their_days_and_sources() {
    let rows = ANNEX_II.iter().map(|row| (row.from, row.until, row.source));
    let groups = EEA_GROUPS.iter().map(|group| (group.from, group.until, group.source));
    for (from, until, source) in rows.chain(groups) {
        assert!(CHANGES.contains(&from), "{from}");
        assert!(until.is_none_or(|until| until > from && CHANGES.contains(&until.tomorrow().unwrap())));
        assert!(source.contains("2017/590") || source.contains("onshored"), "{source}");
    }
    assert!(!RULES_VERSION.is_empty() && RULES_DIGEST.len() == 64);
    assert_eq!(RULES.to_string(), format!("{RULES_VERSION} (sha256 {RULES_DIGEST})"));
}

/// Every row of Annex II with every combination of what is held and what is known of the rest.
#[test]
fn every_row_is_read_from_the_top() {
    for row in ANNEX_II.iter().filter(|row| row.until.is_none()) {
        let nationalities = [row.country.unwrap_or_else(|| country("US"))];
        let (own, steps) = (nationalities[0], row.priorities);
        let regime = row.regimes[0];
        let person = Person::new(&nationalities, "Ann", "Lee", BORN);
        let concat = steps.iter().position(|step| step.scheme == Scheme::Concat);
        let decided = |held: &[HeldIdentifier<'static>], others| {
            let decision = decide(person, held, others, regime, TODAY);
            let skipped = |reason: &&DecisionReason<'_>| matches!(reason, DecisionReason::SteppedDown { .. });
            (told(&decision.outcome), decision.reasons.iter().filter(skipped).count())
        };

        let nothing = decided(&[], OtherIdentifiers::Unknown);
        let next = steps.get(1).map(|next| format!(", {}", next.standard)).unwrap_or_default();
        if concat == Some(0) {
            assert_eq!(nothing, (format!("ready {own}19800715ANN##LEE## CONCAT 1"), 0));
        } else {
            assert_eq!(nothing, (format!("missing {own} {}{next}", steps[0].standard), 0));
        }

        let alone = decided(&[], OtherIdentifiers::None);
        match concat {
            Some(at) => {
                assert_eq!(alone, (format!("ready {own}19800715ANN##LEE## CONCAT {}", at + 1), at));
            }
            None => assert_eq!(alone, (format!("missing {own} {}", steps[0].standard), 0)),
        }

        for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.scheme != Scheme::Concat) {
            let number = HeldIdentifier::new(own, step.standard, "N");
            let expected = (format!("ready {own}N {} {}", step.standard, at + 1), at);
            for others in [OtherIdentifiers::Unknown, OtherIdentifiers::None] {
                assert_eq!(decided(&[number], others), expected);
                // A lower priority beside it changes nothing, nor does a number of another country.
                let stranger = HeldIdentifier::new(country("XK"), steps[0].standard, "X");
                let stated = HeldIdentifier::new(own, StandardKey::Concat, "");
                assert_eq!(decided(&[stranger, stated, number], others).0, expected.0);
            }
        }
    }
}

#[test]
fn what_is_skipped_is_declared_or_not_known() {
    let (czechia, passport) = (countries("CZ"), held("CZ.PASSPORT"));
    let person = Person::new(&czechia, "Ann", "Lee", BORN);
    let texts =
        |held: &[HeldIdentifier<'static>], others| reasons(&decide(person, held, others, Regime::Eu, TODAY));
    assert_eq!(
        texts(&passport, OtherIdentifiers::Unknown),
        [
            "the only nationality is CZ",
            "CZ: RC, then PASSPORT, then CONCAT",
            "no RC is known; what follows is right only if the person has none",
        ]
    );
    assert_eq!(texts(&passport, OtherIdentifiers::None)[2], "the person has no RC");
    let stated = held("CZ.CONCAT");
    assert_eq!(
        texts(&stated, OtherIdentifiers::Unknown)[2..],
        ["the person has no RC", "the person has no PASSPORT"]
    );
    let strange = held("SK.RC CZ.PESEL CZ.RC");
    assert_eq!(
        texts(&strange, OtherIdentifiers::Unknown)[2..],
        ["SK RC is no identifier of this row", "CZ PESEL is no identifier of this row"]
    );
}

#[test]
fn leading_nationalities_are_explained() {
    for (codes, text, open) in [
        ("DE", "the only nationality is DE", false),
        ("DE DE", "the only nationality is DE", false),
        ("US DE", "several nationalities, the EEA's first: DE before US", false),
        ("PL DE", "several nationalities, the EEA's first, then alphabetical: DE before PL", false),
        ("PL US DE", "several nationalities, the EEA's first, then alphabetical: DE before PL, US", false),
        (
            "US CA",
            "several nationalities, none of the EEA; the rules give no order, usual is the alphabet: CA before US",
            true,
        ),
    ] {
        let nationalities = countries(codes);
        let person = Person::new(&nationalities, "Ann", "Lee", BORN);
        let decision = decide(person, &[], OtherIdentifiers::None, Regime::Eu, TODAY);
        assert_eq!(reasons(&decision)[0], text);
        assert_eq!(decision.reasons[0].is_open(), open);
    }
}

#[test]
fn people_without_nationality_are_told_apart() {
    let none: [Country; 0] = [];
    let person = Person::new(&none, "Ann", "Lee", BORN);
    for (person, question, text) in [
        (person, OpenQuestion::NationalityUnknown, "no nationality is known"),
        (
            person.with_no_nationality(NoNationality::Stateless),
            OpenQuestion::NoNationality(NoNationality::Stateless),
            "no nationality: the person is stateless, and the rules have no identifier for that",
        ),
        (
            person.with_no_nationality(NoNationality::Refugee),
            OpenQuestion::NoNationality(NoNationality::Refugee),
            "no nationality: the person is a refugee, and the rules have no identifier for that",
        ),
    ] {
        for regime in Regime::ALL {
            let decision = decide(person, &held("XK.PASSPORT"), OtherIdentifiers::None, regime, TODAY);
            assert_eq!(decision.outcome, DecisionOutcome::NeedsReview(question));
            assert_eq!(question.to_string(), text);
            assert!(decision.reasons.is_empty());
        }
    }
    // A stated nationality counts, whatever else is said.
    let germany = countries("DE");
    let refugee = Person::new(&germany, "Ann", "Lee", BORN).with_no_nationality(NoNationality::Refugee);
    let decision = decide(refugee, &[], OtherIdentifiers::None, Regime::Eu, TODAY);
    assert_eq!(told(&decision.outcome), "ready DE19800715ANN##LEE## CONCAT 1");
}

/// Delegated Regulation (EU) 2025/416, Article 3(4).
#[test]
fn residents_of_another_country_are_identified_by_it_too() {
    let mut failures = Vec::new();
    let passport =
        "whose row begins with the passport of a national; the rules do not say what stands in its place";
    for (nationalities, lives, numbers, expected) in [
        ("DE", "DE", "", "same"),
        ("DE FR", "DE", "", "same"),
        ("DE US", "DE", "", "same"),
        (
            "DE FR",
            "FR",
            "",
            "review the residence is in FR, another nationality of the person; the rules do not say whether it has to \
             be identified, too",
        ),
        ("DE", "", "", "review the country of residence is not known"),
        ("DE", "FR", "", "ready FR19800715ANN##LEE## CONCAT 1"),
        ("DE", "IT", "", "missing IT CF"),
        ("DE", "IT", "IT.CF", "ready IT1 CF 1"),
        ("DE", "PL", "", "missing PL PESEL, NIP"),
        ("DE", "PL", "PL.NIP", "ready PL1 NIP 2"),
        ("DE", "BE", "BE.CONCAT", "ready BE19800715ANN##LEE## CONCAT 2"),
        ("DE", "CZ", "CZ.RC", "ready CZ1 RC 1"),
        ("DE", "CY", "CY.PASSPORT", &format!("review the residence is in CY, {passport}")),
        ("DE", "NL", "NL.IDCARD", &format!("review the residence is in NL, {passport}")),
        ("DE", "US", "US.PASSPORT", &format!("review the residence is in US, {passport}")),
        ("DE", "GB", "GB.NINO", &format!("review the residence is in GB, {passport}")),
        ("US", "DE", "US.PASSPORT", "ready DE19800715ANN##LEE## CONCAT 1"),
        ("", "DE", "", "review no nationality is known"),
    ] {
        let (nationalities, lives_in, numbers) = (countries(nationalities), countries(lives), held(numbers));
        let mut person = Person::new(&nationalities, "Ann", "Lee", BORN);
        if let Some(country) = lives_in.first() {
            person = person.with_residence(*country);
        }
        let mica = decide(person, &numbers, OtherIdentifiers::Unknown, Regime::Mica, TODAY);
        if residence(&mica) != expected {
            failures.push(format!("{nationalities:?} in {lives}: {}", residence(&mica)));
        }
        // How it is done is open, and said.
        let is_residence = |reason: &DecisionReason<'_>| matches!(reason, DecisionReason::Residence { .. });
        let said = mica.reasons.iter().find(|reason| is_residence(reason));
        let other =
            lives_in.first().is_some_and(|lives| !nationalities.contains(lives)) && !nationalities.is_empty();
        assert_eq!(said.is_some_and(DecisionReason::is_open), other, "{nationalities:?} in {lives}");
        // The nationality is read as in the EU, where residence plays no part.
        let eu = decide(person, &numbers, OtherIdentifiers::Unknown, Regime::Eu, TODAY);
        assert_eq!(eu.outcome, mica.outcome);
        assert_eq!(residence(&eu), "not required");
        let without = mica.reasons.iter().take_while(|reason| !is_residence(reason)).cloned();
        assert_eq!(eu.reasons, without.collect::<Vec<_>>());
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_residence_is_explained() {
    let germany = countries("DE");
    let person = Person::new(&germany, "Ann", "Lee", BORN).with_residence(country("PT"));
    let decision = decide(person, &held("PT.CONCAT"), OtherIdentifiers::Unknown, Regime::Mica, TODAY);
    assert_eq!(
        reasons(&decision)[2..],
        [
            "PT CONCAT is no identifier of this row",
            "the residence is in another country and has to be identified, too; how is not certain; PT: NIF, then \
             PASSPORT, then CONCAT",
            "the person has no NIF",
            "the person has no PASSPORT",
        ]
    );
}

/// Names for which no CONCAT can be made, or only one that nobody should report unseen.
#[test]
fn names_can_stand_in_the_way() {
    let germany = countries("DE");
    for (first, last, text) in [
        (
            "Γιώργος",
            "Lee",
            "review no CONCAT can be made: 'Γ' is not a Latin letter: the spelling of the passport or identity card is needed",
        ),
        (
            "",
            "Lee",
            "review a first name or a surname is missing; ask before it is reported as DE19800715#####LEE##",
        ),
        (
            "Ann",
            " ",
            "review a first name or a surname is missing; ask before it is reported as DE19800715ANN#######",
        ),
    ] {
        let person = Person::new(&germany, first, last, BORN);
        let decision = decide(person, &[], OtherIdentifiers::Unknown, Regime::Eu, TODAY);
        assert_eq!(told(&decision.outcome), text);
    }
}

#[test]
fn a_designation_knows_its_value() {
    let poland = countries("PL");
    let person = Person::new(&poland, "Ann", "Lee", BORN);
    let numbers = [HeldIdentifier::new(poland[0], StandardKey::Pesel, "54010150464")];
    let decision = decide(person, &numbers, OtherIdentifiers::Unknown, Regime::Eu, TODAY);
    let DecisionOutcome::Ready(designation) = &decision.outcome else { panic!("{decision:?}") };
    assert_eq!(designation.value, IdentifierValue::Number("54010150464"));
    assert_eq!(designation.step.national_name, "National Identification Number (PESEL)");
}

/// What is announced is for readers. The sources of the decision do not know it.
#[test]
fn no_decision_uses_what_is_announced() {
    for source in [
        include_str!("../src/decide.rs"),
        include_str!("../src/decision.rs"),
        include_str!("../src/annex2.rs"),
        include_str!("../src/country.rs"),
        include_str!("../src/regime.rs"),
        include_str!("../src/rules.rs"),
    ] {
        assert!(!source.contains("horizon") && !source.contains("AnnouncedChange"));
    }
    assert!(horizon().len() >= 3);
    for change in horizon() {
        assert!(!change.what.is_empty() && !change.regimes.is_empty(), "{change:?}");
        assert!(change.source.len() > 20, "{change:?}");
        assert!(change.expected.is_none_or(|day| day > TODAY), "what is in force is a rule: {change:?}");
    }
}

fn any_countries(most: usize) -> impl Strategy<Value = Vec<Country>> {
    let codes = include_str!("vectors/countries.txt").lines().map(country).collect::<Vec<_>>();
    let eea = EEA_GROUPS[0].members.to_vec();
    let one = prop_oneof![prop::sample::select(codes), prop::sample::select(eea), Just(country("GB"))];
    prop::collection::vec(one, 0..most)
}

fn any_day() -> impl Strategy<Value = Date> {
    let around = prop::sample::select(CHANGES.to_vec()).prop_flat_map(|day| (Just(day), -2..=2_i32));
    let near = around.prop_map(|(day, days)| day + jiff::Span::new().days(days));
    let any = (0..20_000_i32).prop_map(|days| date(2010, 1, 1) + jiff::Span::new().days(days));
    prop_oneof![near, any]
}

fn any_held() -> impl Strategy<Value = Vec<HeldIdentifier<'static>>> {
    let country = any_countries(2).prop_map(|some| some.first().copied().unwrap_or_else(|| country("DE")));
    let one = (country, prop::sample::select(StandardKey::ALL.to_vec()))
        .prop_map(|(country, key)| HeldIdentifier::new(country, key, "1"));
    prop::collection::vec(one, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Between two changes of the rules the day makes no difference, and before the first there is no decision.
    #[test]
    fn a_decision_changes_only_with_the_rules(
        nationalities in any_countries(4),
        lives_in in any_countries(2),
        numbers in any_held(),
        (one, other) in (any_day(), any_day()),
        regime in prop::sample::select(Regime::ALL.to_vec()),
        none in any::<bool>(),
    ) {
        let others = if none { OtherIdentifiers::None } else { OtherIdentifiers::Unknown };
        let mut person = Person::new(&nationalities, "Ann", "Lee", BORN);
        person.residence = lives_in.first().copied();
        let [first, second] = [one, other].map(|day| decide(person, &numbers, others, regime, day));
        let era = |day: Date| CHANGES.iter().filter(|change| **change <= day).count();
        if era(one) == era(other) {
            prop_assert_eq!(&first.outcome, &second.outcome);
            prop_assert_eq!(&first.residence, &second.residence);
            prop_assert_eq!(&first.reasons, &second.reasons);
        }
        let not_in_force =
            matches!(first.outcome, DecisionOutcome::NeedsReview(OpenQuestion::NotInForce { .. }));
        prop_assert_eq!(not_in_force, one < regime.first_day());
        prop_assert_eq!((first.as_of, first.regime, first.rules), (one, regime, RULES));
    }

    /// A designation is one of the row of the leading nationality; a person who has nothing else is asked for nothing
    /// but the first priority; and the order of what is held does not matter.
    #[test]
    fn a_designation_is_of_the_leading_row(
        nationalities in any_countries(4),
        numbers in any_held(),
        day in any_day(),
        regime in prop::sample::select(Regime::ALL.to_vec()),
    ) {
        let person = Person::new(&nationalities, "Ann", "Lee", BORN);
        let decision = decide(person, &numbers, OtherIdentifiers::None, regime, day);
        let lead = leading(&nationalities, regime, day);
        match &decision.outcome {
            DecisionOutcome::Ready(ready) => {
                prop_assert_eq!(Some(ready.country), lead.map(|lead| lead.country));
                let row = priorities(ready.country, regime, day);
                prop_assert_eq!(&row[ready.priority - 1], ready.step);
                prop_assert!(ready.to_string().starts_with(ready.country.as_str()));
            }
            DecisionOutcome::Missing { country, wanted, next } => {
                prop_assert_eq!(Some(*country), lead.map(|lead| lead.country));
                prop_assert_eq!(*wanted, &priorities(*country, regime, day)[0]);
                prop_assert_eq!(*next, None);
            }
            DecisionOutcome::NeedsReview(_) => prop_assert_eq!(lead, None),
        }
        let reversed: Vec<_> = numbers.iter().rev().copied().collect();
        let again = decide(person, &reversed, OtherIdentifiers::None, regime, day);
        prop_assert_eq!(decision.outcome, again.outcome);
    }
}
