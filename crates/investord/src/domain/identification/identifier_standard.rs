//! The vendor's identifier standards, mapped to those of Annex II of RTS 22 (decision I1).
//!
//! The table is data: `standards.toml` explains each cell and marks the guessed ones.

use std::sync::LazyLock;

use jiff::civil::Date;
use mifir::{Country, Priority, Regime, Scheme, StandardKey};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;
use unicode_normalization::UnicodeNormalization;

/// The kind of an identifier: its `type` in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum IdentifierKind {
    NationalId,
    Passport,
}

/// A standard of identifiers, with its name in the API.
pub struct IdentifierStandard {
    /// The issuing country; `None` for the standards that every country has.
    country: Option<Country>,
    /// The value of `identifier_standard` in the API.
    pub abbreviation: String,
    /// The rules of the standard; their key is that of Annex II.
    pub rules: &'static mifir::Standard,
    /// The vendor's pattern of a value.
    pattern: Regex,
    /// Other names in use, in the form that [`letters`] returns.
    names: Vec<String>,
    /// The description of a value, to follow "must be".
    pub form: String,
}

/// The file `standards.toml`.
#[derive(Deserialize)]
struct File {
    standard: Vec<Row>,
}

/// A row of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    country: Option<Country>,
    abbreviation: String,
    standard: StandardKey,
    pattern: String,
    #[serde(default)]
    names: Vec<String>,
    form: String,
    /// The guessed cells, for readers of the file.
    #[serde(default, rename = "guessed")]
    _guessed: Vec<Cell>,
}

/// A cell that can be marked as guessed.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Cell {
    Abbreviation,
    Pattern,
}

/// The table, parsed on its first use. It is compiled in, so a defect is a mistake in this crate.
static TABLE: LazyLock<Vec<IdentifierStandard>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("standards.toml")).expect("the table is TOML");
    file.standard.into_iter().map(IdentifierStandard::of).collect()
});

impl IdentifierStandard {
    /// Builds a standard from its row.
    fn of(row: Row) -> Self {
        // Passports without a row of their own have the same rules in every country, so one country serves for the
        // lookup.
        let whose = row.country.or_else(|| Country::parse("US")).expect("a country");
        let rules = mifir::standard(whose, row.standard).expect("the table has standards of its countries");
        let pattern = Regex::new(&row.pattern).expect("the table has regular expressions");
        let names =
            row.names.iter().map(String::as_str).chain([&row.abbreviation[..], row.standard.as_str()]);
        let names = names.map(letters).collect();
        Self { country: row.country, abbreviation: row.abbreviation, rules, pattern, form: row.form, names }
    }

    /// Returns whether this is the standard of CONCATs.
    pub fn is_concat(&self) -> bool {
        self.rules.scheme == Scheme::Concat
    }

    /// Returns whether an identifier of this kind can have this standard. Before passports had a kind of their own they
    /// were sent as national ids, so that kind goes with every standard.
    pub fn allows_kind(&self, kind: IdentifierKind) -> bool {
        kind == IdentifierKind::NationalId || self.rules.scheme == Scheme::Ccpt
    }

    /// Returns whether the vendor accepts this value: the pattern must match all of it, and case counts.
    pub fn accepts(&self, value: &str) -> bool {
        self.pattern.is_match(value)
    }
}

/// Returns the standard of a country with this key of Annex II.
pub fn of_key(country: Country, key: StandardKey) -> Option<&'static IdentifierStandard> {
    let of = |whose: Option<Country>| TABLE.iter().find(|row| row.country == whose && row.rules.key == key);
    of(Some(country)).or_else(|| of(None))
}

/// Returns the priorities of a country on a day. Before the first day of the rules they are those of that day, so that
/// an identifier can be read, although nothing is decided.
fn priorities(country: Country, regime: Regime, today: Date) -> &'static [Priority] {
    mifir::priorities(country, regime, today.max(regime.first_day()))
}

/// Returns the standards in which identifiers of a country can be sent: those of its row of Annex II, and passports,
/// which are stored although few rows name them.
pub fn of_country(
    country: Country,
    regime: Regime,
    today: Date,
) -> impl Iterator<Item = &'static IdentifierStandard> {
    let steps = priorities(country, regime, today);
    TABLE.iter().filter(move |row| {
        let key = row.rules.key;
        let own = of_key(country, key).is_some_and(|standard| std::ptr::eq(standard, *row));
        own && (row.rules.scheme == Scheme::Ccpt || steps.iter().any(|step| step.standard == key))
    })
}

/// Returns the standard of a country by a name in use: the vendor's abbreviation, the key of Annex II or another name
/// of the table. Case, accents and separators do not count. The vendor's API accepts abbreviations alone.
pub fn of_name(
    country: Country,
    name: &str,
    regime: Regime,
    today: Date,
) -> Option<&'static IdentifierStandard> {
    let standards = || of_country(country, regime, today);
    if let Some(exact) = standards().find(|standard| standard.abbreviation == name) {
        return Some(exact);
    }
    let wanted = letters(name);
    let is_called = |standard: &IdentifierStandard| standard.names.contains(&wanted);
    standards().find(|standard| is_called(standard)).or_else(|| {
        // Passports have the same names in every country.
        let every = TABLE.iter().find(|standard| standard.country.is_none() && is_called(standard))?;
        of_key(country, every.rules.key).filter(|own| own.rules.scheme == Scheme::Ccpt)
    })
}

/// Returns the letters and digits of a name in lower case, without the accents that Unicode can decompose.
fn letters(name: &str) -> String {
    name.nfkd().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns the standard of an identifier that was sent without one: the country's first priority if it goes with this
/// kind, otherwise the country's passport (decision I6).
pub fn default_of(
    country: Country,
    kind: IdentifierKind,
    regime: Regime,
    today: Date,
) -> Option<&'static IdentifierStandard> {
    let first = of_key(country, priorities(country, regime, today)[0].standard);
    first.filter(|first| first.allows_kind(kind)).or_else(|| of_key(country, StandardKey::Passport))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use mifir::ANNEX_II;

    const TODAY: Date = date(2026, 11, 21);

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    fn names(code: &str, regime: Regime) -> Vec<&'static str> {
        of_country(country(code), regime, TODAY).map(|standard| standard.abbreviation.as_str()).collect()
    }

    #[test]
    fn every_step_of_annex_ii_has_a_name_of_its_own() {
        for row in ANNEX_II {
            let mut names: Vec<&str> = Vec::new();
            let country = row.country.unwrap_or_else(|| country("US"));
            for step in row.priorities {
                let standard = of_key(country, step.standard).unwrap();
                assert_eq!(standard.rules.scheme, step.scheme, "{country} {}", step.standard);
                assert!((2..=10).contains(&standard.abbreviation.len()));
                assert!(!names.contains(&standard.abbreviation.as_str()));
                names.push(&standard.abbreviation);
            }
        }
    }

    #[test]
    fn every_form_is_told_in_words() {
        for standard in TABLE.iter() {
            let form = &standard.form;
            assert!(
                form.chars().all(|letter| letter.is_alphanumeric() || " ,:/()-+".contains(letter)),
                "{form}"
            );
            // The description must be true: a number with the described count of digits must match the pattern.
            let only_digits = form.strip_suffix(" digits").and_then(|count| count.parse().ok());
            assert!(only_digits.is_none_or(|count| standard.accepts(&"1".repeat(count))), "{form}");
        }
    }

    #[test]
    fn what_a_country_lists_follows_its_row_and_regime() {
        assert_eq!(names("PL", Regime::Eu), ["PESEL", "PLTN", "GPN"]);
        assert_eq!(names("CZ", Regime::Eu), ["CZNI", "CZPN", "CONCAT"]);
        assert_eq!(names("NL", Regime::Eu), ["NLPN", "NLID", "CONCAT"]);
        assert_eq!(names("DE", Regime::Eu), ["GPN", "CONCAT"]);
        assert_eq!(names("GB", Regime::Eu), ["GPN", "CONCAT"]);
        assert_eq!(names("GB", Regime::Uk), ["NINO", "GPN", "CONCAT"]);
        assert_eq!(names("US", Regime::Uk), ["GPN", "CONCAT"]);
    }

    #[test]
    fn what_a_country_lists_follows_the_day() {
        let names = |day: Date| -> Vec<&str> {
            of_country(country("GB"), Regime::Eu, day).map(|standard| &standard.abbreviation[..]).collect()
        };
        assert_eq!(names(date(2020, 12, 31)), ["NINO", "GPN", "CONCAT"]);
        assert_eq!(names(date(2021, 1, 1)), ["GPN", "CONCAT"]);
        assert_eq!(names(date(2017, 1, 1)), ["NINO", "GPN", "CONCAT"], "those of the first day");
    }

    #[test]
    fn without_a_standard_the_first_that_fits_counts() {
        for (code, kind, regime, expected) in [
            ("PL", IdentifierKind::NationalId, Regime::Eu, "PESEL"),
            ("PL", IdentifierKind::Passport, Regime::Eu, "GPN"),
            ("CZ", IdentifierKind::Passport, Regime::Eu, "CZPN"),
            ("CY", IdentifierKind::NationalId, Regime::Eu, "CYPN"),
            ("CY", IdentifierKind::Passport, Regime::Eu, "CYPN"),
            ("DE", IdentifierKind::NationalId, Regime::Eu, "CONCAT"),
            ("DE", IdentifierKind::Passport, Regime::Eu, "GPN"),
            ("GB", IdentifierKind::NationalId, Regime::Eu, "GPN"),
            ("GB", IdentifierKind::NationalId, Regime::Uk, "NINO"),
            ("GB", IdentifierKind::Passport, Regime::Uk, "GPN"),
            ("US", IdentifierKind::NationalId, Regime::Eu, "GPN"),
        ] {
            let found = default_of(country(code), kind, regime, TODAY).unwrap();
            assert_eq!(found.abbreviation, expected, "{code} {kind:?}");
        }
    }

    #[test]
    fn the_vendors_patterns_take_every_example_but_the_newer_finnish_signs() {
        for row in TABLE.iter().filter(|row| !row.is_concat()) {
            let example = row.rules.example;
            let of_another = row.rules.country.is_none() && row.country.is_some();
            let expected = row.abbreviation != "FPIN";
            assert!(of_another || row.accepts(example) == expected, "{} {example}", row.abbreviation);
            assert!(!row.accepts(&format!("{example} ")) && !row.accepts(""), "{}", row.abbreviation);
        }
    }

    #[test]
    fn the_names_that_people_use_are_known() {
        for (code, name, expected) in [
            ("DK", "CPR", "DPIC"),
            ("DK", "cpr-nummer", "DPIC"),
            ("BG", "EGN", "BPN"),
            ("BG", "ЕГН", "BPN"),
            ("IT", "CF", "FSC"),
            ("IT", "Codice fiscale", "FSC"),
            ("FI", "HETU", "FPIN"),
            ("FI", "henkilötunnus", "FPIN"),
            ("FI", "Henkilo\u{308}tunnus", "FPIN"),
            ("BE", "NRN", "BNN"),
            ("BE", "RRN", "BNN"),
            ("BE", "NN", "BNN"),
            ("CZ", "RČ", "CZNI"),
            ("CZ", "rodne cislo", "CZNI"),
            ("CZ", "PASSPORT", "CZPN"),
            ("CZ", "cestovní pas", "CZPN"),
            ("SK", "RC", "RC"),
            ("SK", "Rodné číslo", "RC"),
            ("ES", "DNI", "STIN"),
            ("ES", "NIE", "STIN"),
            ("ES", "N.I.F.", "STIN"),
            ("SE", "PNR", "PIN"),
            ("SE", "Personnummer", "PIN"),
            ("NO", "FNR", "NDPI"),
            ("NO", "fødselsnummer", "NDPI"),
            ("NO", "Fodselsnummer", "NDPI"),
            ("IS", "KT", "IPIC"),
            ("IS", "kennitala", "IPIC"),
            ("EE", "IK", "EPIC"),
            ("EE", "isikukood", "EPIC"),
            ("LT", "AK", "LTPC"),
            ("LT", "asmens kodas", "LTPC"),
            ("LV", "PK", "LVPC"),
            ("LV", "personas kods", "LVPC"),
            ("HR", "oib", "OIB"),
            ("SI", "EMŠO", "EMSO"),
            ("RO", "cnp", "CNP"),
            ("MT", "ID", "MTNI"),
            ("PL", "Pesel", "PESEL"),
            ("PL", "NIP", "PLTN"),
            ("PL", "paszport", "GPN"),
            ("PT", "contribuinte", "NIF"),
            ("GR", "DSS", "DSS"),
            ("NL", "Paspoort", "NLPN"),
            ("NL", "ID card", "NLID"),
            ("LI", "IDCARD", "LIID"),
            ("CY", "passport", "CYPN"),
            ("US", "Passport number", "GPN"),
            ("DE", "concat", "CONCAT"),
        ] {
            let found =
                of_name(country(code), name, Regime::Eu, TODAY).map(|found| found.abbreviation.as_str());
            assert_eq!(found, Some(expected), "{code} {name}");
        }
        let found = |code, name, regime| {
            of_name(country(code), name, regime, TODAY).map(|found| &found.abbreviation[..])
        };
        assert_eq!(found("GB", "NI number", Regime::Uk), Some("NINO"));
        assert_eq!(found("GB", "NINO", Regime::Eu), None, "it is of no use there");
        assert_eq!(found("PL", "CPR", Regime::Eu), None);
        assert_eq!(found("PL", "", Regime::Eu), None);
        assert_eq!(found("DE", "Personalausweis", Regime::Eu), None, "no identifier of a German");
    }

    /// Checks that a name of one standard of a country is not a name of another.
    #[test]
    fn names_are_unambiguous() {
        for row in TABLE.iter() {
            let others = TABLE.iter().filter(|other| {
                !std::ptr::eq(*other, row) && (other.country == row.country || other.country.is_none())
            });
            for other in others.filter(|other| other.rules.key != row.rules.key) {
                let common: Vec<_> = row.names.iter().filter(|name| other.names.contains(name)).collect();
                assert!(common.is_empty(), "{}: {common:?}", row.abbreviation);
            }
        }
    }

    /// The enumeration of the reference page "Create a user identifier", version 1.75.
    #[test]
    fn the_countries_are_those_of_the_reference() {
        const ENUM: &str = "\
        AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT \
        BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH \
        ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT \
        HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS \
        LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI \
        NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG \
        SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG \
        UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";
        let letters = || 'A'..='Z';
        let codes = letters().flat_map(|a| letters().map(move |b| format!("{a}{b}")));
        let known: Vec<String> = codes.filter(|code| Country::parse(code).is_some()).collect();
        assert_eq!(known.join(" "), ENUM);
    }

    /// Samples for the vendor's patterns: accepted values, and similar ones that are refused.
    #[test]
    fn passports_and_others_are_taken_by_their_form() {
        for (code, name, taken, refused) in [
            ("CY", "CYPN", ["E123456", "K12345678"], ["K123456", "E12345678"]),
            ("CZ", "CZPN", ["12345678", "1234567890"], ["1234567", "1234567A"]),
            ("CZ", "CZNI", ["630328/5175", "6303285175"], ["63032/517", "630328 5175"]),
            ("LI", "LIPB", ["R12345", "A00000"], ["12345R", "R123456"]),
            ("LT", "LTPN", ["12345678", "00000000"], ["1234567", "A2345678"]),
            ("LV", "LVPC", ["111159-16486", "11115916486"], ["321159-16486", "111159316486"]),
            ("MT", "MTPN", ["1234567", "0000000"], ["123456", "123456A"]),
            ("PT", "PTPN", ["A123456", "AB123456"], ["1234567", "ABC123456"]),
            ("RO", "ROPN", ["AB123456", "ZZ000000"], ["A123456", "AB12345"]),
            ("SE", "PIN", ["740722-4901", "197407224901"], ["740722_4901", "74-4901"]),
            ("SK", "SKPS", ["AB1234567", "ZZ0000000"], ["AB123456", "A12345678"]),
            ("US", "GPN", ["AB1", "418867337"], ["AB", "ab1"]),
        ] {
            let found =
                of_country(country(code), Regime::Eu, TODAY).find(|one| one.abbreviation == name).unwrap();
            assert!(taken.iter().all(|value| found.accepts(value)), "{name}");
            assert!(!refused.iter().any(|value| found.accepts(value)), "{name}");
        }
    }
}
