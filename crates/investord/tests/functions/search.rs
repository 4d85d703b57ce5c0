//! What is found by which spelling: every number of the oracle and generated names, held against the rules themselves.

use std::collections::BTreeSet;

use investord::domain::identification::identifier::{Identifier, IdentifierContent};
use investord::domain::identification::identifier_standard;
use investord::domain::identification::new_identifier::NewIdentifier;
use investord::domain::tenants::{RegimeSetting, TenantSettings};
use investord::domain::users::person::Person;
use investord::domain::users::search;
use investord::domain::users::search::SearchField;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use mifir::Country;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

const ORACLE: &str = include_str!("../../../mifir/tests/vectors/identifiers-dev.csv");
const TODAY: Date = date(2026, 11, 21);

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn person(first: &str, last: &str, born: Date) -> Person {
    let body = json!({
        "first_name": first, "last_name": last, "birth_date": born, "nationalities": ["DE"],
        "address": { "address_line1": "", "postcode": "1", "city": "Wien", "country": "AT" },
    });
    let person = Person::parse(body.to_string().as_bytes(), &TenantSettings::default(), now());
    person.unwrap_or_else(|_| panic!("{first} {last} {born}"))
}

/// Whether somebody is found, as the operator API does it.
fn finds(person: &Person, identifiers: &[Identifier], field: SearchField, value: &str) -> bool {
    let terms = search::of_user(person, identifiers);
    let probes = search::to_probes(field, value, TODAY).unwrap_or_else(|why| panic!("{value}: {why}"));
    probes
        .iter()
        .any(|probe| terms.contains(&probe.term) && (probe.is_proof() || probe.matches(person, identifiers)))
}

/// A number of the oracle that its issuer has given, or can have.
struct Good {
    country: Country,
    key: String,
    value: String,
    born: Date,
}

fn good() -> Vec<Good> {
    let rows = ORACLE.lines().skip(1).filter_map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let good = cells[3] == "true" && cells[1] != "CONCAT";
        let born = cells[5].parse().unwrap_or(date(1980, 1, 2));
        good.then(|| Good {
            country: Country::parse(cells[0]).unwrap(),
            key: cells[1].to_owned(),
            value: cells[2].to_owned(),
            born,
        })
    });
    let all: Vec<Good> = rows.collect();
    assert!(all.len() > 400);
    all
}

/// A number as people print it.
fn spellings(good: &Good) -> BTreeSet<String> {
    let Good { key, value, .. } = good;
    let mut all = BTreeSet::from([value.clone(), value.to_lowercase(), format!(" {value}\u{a0}")]);
    let with = |at: usize, sign: &str| {
        let (front, back) = value.split_at(at);
        format!("{front}{sign}{back}")
    };
    let middle = value.len() / 2;
    all.insert(with(middle, " "));
    all.insert(with(3, "\u{2009}"));
    let is_signed = value.contains(['+', '-']);
    if key != "HETU" && !is_signed {
        for dash in ["-", "\u{2010}", "\u{2011}", "\u{2013}", "."] {
            all.insert(with(middle, dash));
            all.insert(with(value.len() - 1, dash));
        }
    }
    match key.as_str() {
        "RC" => all.extend([with(6, "/"), with(6, " / ")]),
        "CPR" | "KENNITALA" | "PK" => all.extend([with(6, "-"), with(6, " ")]),
        "NN" | "BIS" => {
            let v = value;
            all.insert(format!("{}.{}.{}-{}.{}", &v[..2], &v[2..4], &v[4..6], &v[6..9], &v[9..]));
        }
        "PNR" if is_signed => {}
        "PNR" => all.extend([with(value.len() - 4, "-"), with(value.len() - 4, " ")]),
        "ID" => all.extend([value.trim_start_matches('0').to_owned()]),
        "NINO" => {
            all.insert(
                value
                    .as_bytes()
                    .chunks(2)
                    .map(|two| str::from_utf8(two).unwrap())
                    .collect::<Vec<_>>()
                    .join(" "),
            );
        }
        "HETU" => all.extend([with(6, " "), with(7, " ")]),
        _ => {}
    }
    all
}

/// The short form of a Swedish number of twelve digits, with its sign.
fn swedish_short(long: &str) -> String {
    let year: i16 = long[..4].parse().unwrap();
    let sign = if TODAY.year() - year >= 100 { '+' } else { '-' };
    format!("{}{sign}{}", &long[2..8], &long[8..])
}

fn sent(good: &Good, written: &str) -> Result<(Person, IdentifierContent), String> {
    let settings = TenantSettings {
        regime: if good.key == "NINO" { RegimeSetting::Uk } else { RegimeSetting::Eu },
        ..TenantSettings::default()
    };
    // A passport where the row has none, and BIS numbers, are no standards of their own on the wire.
    let key = if good.key == "BIS" { "NN" } else { &good.key };
    let name = &identifier_standard::of_key(good.country, key.parse().unwrap()).unwrap().abbreviation;
    let body = json!({
        "type": if key == "PASSPORT" { "PASSPORT" } else { "NATIONAL_ID" }, "issuing_country": good.country.as_str(),
        "identifier": written, "identifier_standard": name,
    });
    let mut person = person("Anna", "Berg", date(1980, 1, 2));
    // The oracle knows people of before 1900, whom the register does not take.
    person.identity.birth_date = good.born;
    let told = |faults| format!("{written:?}: {faults:?}");
    let sent = NewIdentifier::parse(body.to_string().as_bytes(), &settings, now()).map_err(told)?;
    let content = sent.examine(&person.identity, &settings, TODAY).map_err(told)?;
    Ok((person, content))
}

fn kept(content: IdentifierContent) -> Identifier {
    Identifier::new(Uuid::nil(), Uuid::nil(), now(), content)
}

/// Decisions I9 and I11 for every number of which the oracle says that it is good.
#[test]
fn every_good_number_is_taken_and_found_in_every_spelling() {
    for good in good() {
        let mut all = spellings(&good);
        if good.key == "PNR" && good.value.len() == 12 {
            all.insert(swedish_short(&good.value));
        }
        let mut reported = BTreeSet::new();
        for (at, written) in all.iter().enumerate() {
            let (person, content) = sent(&good, written).unwrap();
            assert!(
                content.faults.iter().all(|fault| fault.severity == "soft"),
                "{written}: {:?}",
                content.faults
            );
            reported.insert(content.reported.clone());
            let designation = format!("{}{}", good.country, content.reported);
            let own = [kept(content)];
            let every = all.iter().chain([&designation]).enumerate();
            // Each by itself and by some of the others, all of them in turn: not the square of all.
            for (_, asked) in every.filter(|(other, _)| *other == at || (other + at) % 9 == 0) {
                assert!(finds(&person, &own, SearchField::Identifier, asked), "{written:?} by {asked:?}");
            }
        }
        assert_eq!(reported.len(), 1, "{reported:?}");
    }
}

#[test]
fn numbers_are_not_found_by_others() {
    let all = good();
    for key in ["HETU", "PNR", "RC", "PESEL", "CPR"] {
        let of_key: Vec<&Good> = all.iter().filter(|one| one.key == key).collect();
        for one in &of_key {
            let (person, content) = sent(one, &one.value).unwrap();
            let own = [kept(content)];
            for other in of_key.iter().filter(|other| other.value != one.value) {
                assert!(
                    !finds(&person, &own, SearchField::Identifier, &other.value),
                    "{} {}",
                    one.value,
                    other.value
                );
            }
            // The number of another country does not lend its own.
            assert!(
                !finds(&person, &own, SearchField::Identifier, &format!("HR{}", one.value)),
                "{}",
                one.value
            );
        }
    }
}

#[test]
fn a_sign_tells_two_people_apart() {
    let of = |code: &str, key: &str, value: &str, born: Date| Good {
        country: Country::parse(code).unwrap(),
        key: key.to_owned(),
        value: value.to_owned(),
        born,
    };
    let is_found = |good: &Good, asked: &str| {
        let (person, content) = sent(good, &good.value).unwrap();
        finds(&person, &[kept(content)], SearchField::Identifier, asked)
    };
    let signs = ["+", "-", "A"].map(|sign| format!("131052{sign}308T"));
    for value in &signs {
        for asked in &signs {
            let good = of("FI", "HETU", value, date(1952, 10, 13));
            assert_eq!(is_found(&good, asked), value == asked, "{value} by {asked}");
            assert_eq!(is_found(&good, &asked.to_lowercase()), value == asked, "{value} by {asked}");
        }
        assert!(!is_found(&of("FI", "HETU", value, date(1952, 10, 13)), "131052308T"));
    }
    // Born in 1920 and in 2020.
    for (value, born, by, not_by) in [
        (
            "200722+4906",
            1920,
            vec!["200722+4906", "192007224906", "2007224906"],
            vec!["200722-4906", "202007224906"],
        ),
        (
            "200722-4906",
            2020,
            vec!["200722-4906", "202007224906", "2007224906"],
            vec!["200722+4906", "192007224906"],
        ),
        (
            "192007224906",
            1920,
            vec!["200722+4906", "19200722-4906", "2007224906"],
            vec!["200722-4906", "202007224906"],
        ),
        (
            "202007224906",
            2020,
            vec!["200722-4906", "20200722-4906", "2007224906"],
            vec!["200722+4906", "192007224906"],
        ),
        // Without a sign the birth date tells; and the one that was sent finds, too.
        (
            "2007224906",
            1920,
            vec!["2007224906", "200722+4906", "192007224906"],
            vec!["200722-4906", "202007224906"],
        ),
        // A sign that was left as it was: reported by the birth date, found as it was sent.
        ("200722-4906", 1920, vec!["200722-4906", "192007224906", "200722+4906"], vec!["202007224906"]),
    ] {
        let good = of("SE", "PNR", value, date(born, 7, 22));
        for asked in by {
            assert!(is_found(&good, asked), "{value} of {born} by {asked}");
        }
        for asked in not_by {
            assert!(!is_found(&good, asked), "{value} of {born} by {asked}");
        }
    }
}

#[test]
fn only_hard_faults_of_form_refuse_and_in_words() {
    for (code, key, value, refusal) in [
        ("LV", "PK", "32123412345", None),
        ("LV", "PK", "321234-12345", None),
        ("CZ", "RC", "535517/319", None),
        ("BE", "NN", "24422923977", None),
        // The issuer's rules but for the check digit, as where the pattern takes it.
        ("BE", "NN", "24422923978", None),
        ("PL", "PESEL", "83053078917", None),
        ("PL", "PESEL", "830530 78917", None),
        ("US", "PASSPORT", "qw 1234567", None),
        ("PL", "PESEL", "8305307891", Some("must have 11 digits (PESEL)")),
        ("PL", "PESEL", "8305307891a", Some("character 11 must be a digit (PESEL)")),
        ("PL", "PESEL", "---", Some("must have 11 digits (PESEL)")),
        ("DK", "CPR", "3213001234", Some("must hold a birth date that is a day of the calendar (DPIC)")),
        ("EE", "IK", "90810021729", Some("the sign of the century must be")),
        ("FI", "HETU", "190944Z647R", Some("the sign of the century must be")),
        ("US", "PASSPORT", "A-1", Some("must have 5 to 9 characters (GPN)")),
    ] {
        let country = Country::parse(code).unwrap();
        let good = Good { country, key: key.into(), value: value.into(), born: date(1980, 1, 2) };
        match (sent(&good, value), refusal) {
            (Ok(_), None) => {}
            (Err(told), Some(refusal)) => assert!(told.contains(refusal), "{value}: {told}"),
            (answer, _) => panic!("{value}: {answer:?}", answer = answer.map(|_| "taken")),
        }
    }
}

/// A letter as it may be written elsewhere.
const LETTERS: &[&[&str]] = &[
    &["a"],
    &["b"],
    &["e"],
    &["l"],
    &["m"],
    &["n"],
    &["o"],
    &["r"],
    &["t"],
    &["u"],
    &["k"],
    &["ä", "ae", "a", "Ä", "a\u{308}", "A\u{308}"],
    &["ö", "oe", "o", "Ö", "o\u{308}"],
    &["ü", "ue", "u", "Ü", "u\u{308}"],
    &["å", "aa", "a", "Å", "a\u{30a}", "\u{212b}"],
    &["ø", "oe", "o", "Ø", "ǿ"],
    &["æ", "ae", "Æ"],
    &["œ", "oe", "Œ"],
    &["ß", "ss", "SS", "ẞ"],
    &["ł", "l", "Ł"],
    &["đ", "d", "dj", "Đ"],
    &["þ", "th", "Þ", "TH"],
    &["ð", "d", "Ð"],
    &["é", "e", "É", "e\u{301}"],
    &["ń", "n", "Ń", "n\u{301}"],
    &["ş", "s", "ș", "S\u{327}"],
    &["ı", "i", "İ", "I"],
    &["'", "’", "ʼ", "‘", "`", ""],
    &["-", "‐", "‑", "–", " ", "", "\u{a0}"],
];

/// A word: its letters, and each of them in two of its spellings. The last one of the table parts words.
fn word(letters: usize) -> impl Strategy<Value = (String, String)> {
    let letter = (0..letters, any::<prop::sample::Index>(), any::<prop::sample::Index>());
    prop::collection::vec(letter, 1..8).prop_map(|letters| {
        let written = |which: fn(
            &(usize, prop::sample::Index, prop::sample::Index),
        ) -> (usize, &prop::sample::Index)| {
            let text: String = letters
                .iter()
                .map(|one| {
                    let (at, index) = which(one);
                    *index.get(LETTERS[at])
                })
                .collect();
            format!("K{text}n")
        };
        (written(|one| (one.0, &one.1)), written(|one| (one.0, &one.2)))
    })
}

proptest! {
    #[test]
    fn a_name_is_found_in_every_spelling(
        (first, other_first) in word(LETTERS.len() - 1), (second, other_second) in word(LETTERS.len() - 1),
        (last, other_last) in word(LETTERS.len()),
    ) {
        let person = person(&format!("{first} {second}"), &last, date(1980, 1, 2));
        for asked in [
            other_last.clone(),
            format!("{other_first} {other_second} {other_last}"),
            format!("{other_first} {other_last}"),
            format!("{other_second} {other_last}"),
            format!("{other_last}, {other_first}"),
            format!("{other_last}, {other_first} {other_second}").to_uppercase(),
            format!("  {other_first}   {other_last} ").to_lowercase(),
        ] {
            prop_assert!(finds(&person, &[], SearchField::Name, &asked), "{first} {second} {last} by {asked}");
        }
        for asked in [format!("{other_first} X {other_last}"), format!("{other_first} {other_last}x")] {
            prop_assert!(!finds(&person, &[], SearchField::Name, &asked), "{} by {}", last, asked);
        }
    }
}

#[test]
fn names_are_found_by_their_parts() {
    let of = |first: &str, last: &str| person(first, last, date(1980, 1, 2));
    for (first, last, by, not_by) in [
        (
            "Anna Maria Sophie",
            "Berg",
            &[
                "Berg", "Anna Berg", "Maria Berg", "Sophie Berg", "Anna Maria Berg", "Anna Sophie Berg",
                "Berg, Anna", "Annamariasophie Berg", "berg,maria",
            ][..],
            &[
                "Anna", "Anna Maria", "Lena Berg", "Anna Lena Berg", "Maria Anna Lena Berg", "Annaberg",
                "Ann Aberg",
            ][..],
        ),
        (
            "Karl-Heinz",
            "Müller-Lüdenscheidt",
            &[
                "Karl Heinz Mueller Luedenscheidt",
                "Karlheinz MÜLLER‐LÜDENSCHEIDT",
                "karl mullerludenscheidt",
                "Heinz Müller Lüdenscheidt",
            ],
            &["Karl Müller", "Karl Lüdenscheidt", "Heinz"],
        ),
        ("Seán", "O’Brian", &["sean obrian", "SEAN O'BRIAN", "Sean O Brian", "O´Brian"], &["Sean Brian"]),
        ("Νίκος", "Παπαδόπουλος", &["ΝΙΚΟΣ ΠΑΠΑΔΟΠΟΥΛΟΣ", "νικοσ παπαδοπουλοσ"], &["Nikos Papadopoulos"]),
        (
            "İbrahim",
            "Işık",
            &["ibrahim işık", "IBRAHIM ISIK", "İBRAHİM IŞIK", "ıbrahım ışik"],
            &["Ibrahim Isk"],
        ),
        (
            "Willeke",
            "van den Bruijn",
            &["van den Bruijn", "Willeke VandenBruijn", "vandenbruijn, willeke"],
            &["Bruijn"],
        ),
        ("Günter", "Voß", &["Guenter Voss", "GUNTER VOSS", "Gu\u{308}nter VOẞ"], &["Günter Vos"]),
        ("Łukasz", "Wałęsa", &["Lukasz Walesa"], &["Lukas Walesa"]),
        ("Karl", "Schmidt, Jr.", &["Karl Schmidt, Jr.", "karl schmidt jr"], &["Karl Schmidt"]),
    ] {
        for asked in by {
            assert!(finds(&of(first, last), &[], SearchField::Name, asked), "{first} {last} by {asked}");
        }
        for asked in not_by {
            assert!(!finds(&of(first, last), &[], SearchField::Name, asked), "{first} {last} by {asked}");
        }
    }
    // As many rows as before for most people.
    assert_eq!(search::of_person(&of("Karl", "Schmidt")).len(), 3);
    let many = (0..40).map(|at| format!("n{at}")).collect::<Vec<_>>().join(" ");
    let many = of(many.get(..100).unwrap(), "Berg");
    assert!(search::of_person(&many).len() <= 12);
}

#[test]
fn telephone_numbers_mails_and_concats_are_found() {
    let body = json!({
        "first_name": "Günter", "last_name": "Voß", "birth_date": "1980-07-15", "nationalities": ["DE"],
        "phone_number": "4930123456", "email": "Anna.Berg@Example.com",
        "address": { "address_line1": "", "postcode": "1", "city": "Wien", "country": "AT" },
    });
    let settings = TenantSettings::default();
    let person = Person::parse(body.to_string().as_bytes(), &settings, now()).ok().unwrap();
    let concat = IdentifierContent::own_concat(&person.identity, settings.regime.into(), TODAY).unwrap();
    let own = [kept(concat)];
    for (field, by, not_by) in [
        (
            SearchField::PhoneNumber,
            &["+49 30 123456", "0049 30 123456", "4930123456", "+49 (0)30/12 34-56", "0049(0)30.123456"][..],
            &["030 123456", "+49 30 123457"][..],
        ),
        (SearchField::Email, &["ANNA.BERG@example.COM", " anna.berg@example.com"], &["annaberg@example.com"]),
        (
            SearchField::Identifier,
            &["DE19800715GUNTEVOS##", "de19800715guntevos##"],
            &["AT19800715GUNTEVOS##", "DE19800715GUNTEVOS", "DE19800716GUNTEVOS##"],
        ),
        (SearchField::BirthDate, &["1980-07-15", " 1980-07-15 "], &["1980-07-16"]),
    ] {
        for asked in by {
            assert!(finds(&person, &own, field, asked), "{asked}");
        }
        for asked in not_by {
            assert!(!finds(&person, &own, field, asked), "{asked}");
        }
    }
}

#[test]
fn what_cannot_be_is_no_question() {
    for (field, value) in [
        (SearchField::Name, ""),
        (SearchField::Name, "--’"),
        (SearchField::Name, "\u{200b}\u{a0}"),
        (SearchField::BirthDate, "30.01.1972"),
        (SearchField::BirthDate, "1972-02-30"),
        (SearchField::BirthDate, "2026-11-22"),
        (SearchField::BirthDate, "1899-12-31"),
        (SearchField::BirthDate, ""),
        (SearchField::Email, "anna"),
        (SearchField::Email, "anna@"),
        (SearchField::Email, ""),
        (SearchField::PhoneNumber, "Berlin"),
        (SearchField::PhoneNumber, "+"),
        (SearchField::PhoneNumber, "12345"),
        (SearchField::PhoneNumber, "+49 30 CALL-ME"),
        (SearchField::PhoneNumber, "123456789012345678"),
        (SearchField::Identifier, "-/."),
        (SearchField::Identifier, " "),
        (SearchField::SecuritiesAccountNumber, "123456"),
        (SearchField::SecuritiesAccountNumber, "A1234567"),
    ] {
        let why = search::to_probes(field, value, TODAY).expect_err(value);
        assert!(why.starts_with("must ") || why.starts_with("is not "), "{why}");
    }
    assert!(search::to_probes(SearchField::Name, &"a ".repeat(200), TODAY).is_err());
}
