//! The identifier standards of Annex II: spelling, check and reported form of each.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::Date;

use crate::check::{Agreement, Checked, EncodedFacts, Fault, FaultKind, Hint, Severity, crosscheck};
use crate::numbers::{
    be, bg, cz, dk, ee, es, fi, gb, gr, hr, is, it, lv, mt, nl, no, pl, pt, ro, se, si, travel,
};
use crate::text::{is_apostrophe, is_invisible};
use crate::value_reader::ValueReader;
use crate::{Country, Scheme, StandardKey, concat};

/// A kind of identifier, with the rules for its spelling and its check.
#[derive(Clone, Copy)]
pub struct Standard {
    /// The country that issues it; `None` for the kinds that every country has.
    pub country: Option<Country>,
    /// The name of the standard.
    pub key: StandardKey,
    /// The label under which it is reported.
    pub scheme: Scheme,
    /// A made-up value that passes the check.
    pub example: &'static str,
    /// The spelling rules that [`Standard::normalise`] applies.
    writing: SpellingRules,
    /// The check of a value in its stored form.
    check: fn(&mut ValueReader<'_>) -> Option<EncodedFacts>,
}

/// The separators and spelling variants that people use in a number.
#[derive(Clone, Copy)]
enum SpellingRules {
    /// Blanks, dots, dashes, slashes and brackets are separators; letters may be small.
    Plain,
    /// As `Plain`, but a dash is a character of the number.
    Finnish,
    /// As `Finnish`; ten digits stand for twelve.
    Swedish,
    /// As `Plain`; leading zeros may be missing.
    Maltese,
}

/// Builds the entry of a number that is reported as NIDN.
const fn national(
    code: &str,
    key: StandardKey,
    example: &'static str,
    check: fn(&mut ValueReader<'_>) -> Option<EncodedFacts>,
) -> Standard {
    let country = Some(Country::of(code));
    Standard { country, key, scheme: Scheme::Nidn, example, writing: SpellingRules::Plain, check }
}

/// All standards: first those of single countries, then those of all countries. [`standard()`] takes the first match.
pub static STANDARDS: [Standard; 29] = [
    national("BE", StandardKey::Nn, "68022928001", be::check),
    national("BE", StandardKey::Bis, "24422923977", be::check_bis),
    national("BG", StandardKey::Egn, "7407223847", bg::check),
    national("CZ", StandardKey::Rc, "6303285175", cz::check),
    national("DK", StandardKey::Cpr, "1705010540", dk::check),
    national("EE", StandardKey::Ik, "40810021729", ee::check),
    national("ES", StandardKey::Nif, "50607080L", es::check),
    Standard {
        writing: SpellingRules::Finnish,
        ..national("FI", StandardKey::Hetu, "190944Y647R", fi::check)
    },
    national("GB", StandardKey::Nino, "PK030030B", gb::check),
    national("GR", StandardKey::Dss, "9155098368", gr::check),
    national("HR", StandardKey::Oib, "51267868081", hr::check),
    national("IS", StandardKey::Kennitala, "1306315769", is::check),
    national("IT", StandardKey::Cf, "KVRGZZ59S51Z404L", it::check),
    national("LI", StandardKey::IdCard, "ID12714", travel::check_document),
    national("LT", StandardKey::Ak, "40810020395", ee::check),
    national("LV", StandardKey::Pk, "11115916486", lv::check),
    Standard { writing: SpellingRules::Maltese, ..national("MT", StandardKey::Id, "0695961G", mt::check) },
    Standard { scheme: Scheme::Ccpt, ..national("NL", StandardKey::Passport, "SNE2EHKP1", nl::check) },
    national("NL", StandardKey::IdCard, "ESX8HT5I2", nl::check),
    national("NO", StandardKey::Fnr, "17050144917", no::check),
    national("PL", StandardKey::Pesel, "54010150464", pl::check),
    national("PL", StandardKey::Nip, "6720304990", pl::check_nip),
    national("PT", StandardKey::Nif, "263745830", pt::check),
    national("RO", StandardKey::Cnp, "1991231041976", ro::check),
    Standard {
        writing: SpellingRules::Swedish,
        ..national("SE", StandardKey::Pnr, "197407224901", se::check)
    },
    national("SI", StandardKey::Emso, "1306931506728", si::check),
    national("SK", StandardKey::Rc, "0002298197", cz::check),
    Standard {
        country: None,
        scheme: Scheme::Ccpt,
        ..national("US", StandardKey::Passport, "418867337", travel::check_passport)
    },
    Standard {
        country: None,
        scheme: Scheme::Concat,
        ..national("DE", StandardKey::Concat, "DE19800715GUNTEVOS##", concat::check)
    },
];

/// Returns the standard of a country with this name, or `None` if the country has no such standard. Every country has
/// `PASSPORT` and `CONCAT`.
pub fn standard(country: Country, key: StandardKey) -> Option<&'static Standard> {
    // The standards of single countries come first, so a country's own one is found before the general one.
    STANDARDS.iter().find(|one| one.key == key && one.country.is_none_or(|own| own == country))
}

impl fmt::Debug for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.country {
            Some(country) => write!(f, "{country} {}", self.key),
            None => f.write_str(self.key.as_str()),
        }
    }
}

impl Standard {
    /// Returns the form of a number that is stored and reported: compact, in capital letters.
    ///
    /// Separators, invisible characters and an apostrophe in front are removed;
    /// [`spelling_faults`](crate::spelling_faults) reports the latter two. Every other character stays, so that the
    /// check can object to it. A second call changes nothing more.
    ///
    /// A Swedish number of ten digits becomes one of twelve, with the century of the stated birth date. Without a birth
    /// date that fits, the century is that of a person who is under 100 (`-`) or over 100 (`+`) on the day `today`.
    pub fn normalise<'a>(&self, written: &'a str, birth_date: Option<Date>, today: Date) -> Cow<'a, str> {
        let plain = compact(written, matches!(self.writing, SpellingRules::Finnish | SpellingRules::Swedish));
        match self.writing {
            SpellingRules::Plain | SpellingRules::Finnish => plain,
            SpellingRules::Swedish => expand_swedish(&plain, birth_date, today).map_or(plain, Cow::Owned),
            SpellingRules::Maltese => match plain.len() {
                // Zeros in front belong to the number, but people leave them out: fill up to eight characters.
                length @ 3..=7 if plain.bytes().take(length - 1).all(|c| c.is_ascii_digit()) => {
                    Cow::Owned(format!("{plain:0>8}"))
                }
                _ => plain,
            },
        }
    }

    /// Checks a value in its stored form and returns its faults and the facts that it encodes.
    ///
    /// `country` is the country of the identifier, which matters for passports and CONCAT; `today` bounds the dates in
    /// the value. A result without faults means that the number is possible. It does not mean that the number was
    /// issued to this person, or at all.
    pub fn check<'a>(&self, country: Country, value: &'a str, today: Date) -> Checked<'a> {
        self.check_of(country, value, None, today)
    }

    /// Checks a value as [`check`](Self::check) does, for a holder with this birth date, because some forms were issued
    /// only to people of a certain age.
    ///
    /// Another birth date in the number is no fault here; [`crosscheck`] reports it.
    pub fn check_of<'a>(
        &self,
        country: Country,
        value: &'a str,
        birth_date: Option<Date>,
        today: Date,
    ) -> Checked<'a> {
        let mut checked = self.check_without_hint(country, value, birth_date, today);
        let wrong = |fault: &&mut Fault<'_>| {
            fault.severity == Severity::Hard || matches!(fault.what, FaultKind::Pattern { .. })
        };
        if let Some(fault) = checked.faults.iter_mut().find(wrong) {
            fault.hint = self.hint(country, value, birth_date, today);
        }
        checked
    }

    /// Checks a value without a hint. [`hint`](Self::hint) calls it for its own candidates, so it must not ask for
    /// hints.
    fn check_without_hint<'a>(
        &self,
        country: Country,
        value: &'a str,
        birth_date: Option<Date>,
        today: Date,
    ) -> Checked<'a> {
        let mut reader = ValueReader::new(value, country, today, birth_date);
        let encoded = (self.check)(&mut reader);
        reader.finish(encoded)
    }

    /// Guesses the cause of a wrong number: rounded by a spreadsheet, or without its leading zeros.
    fn hint(&self, country: Country, value: &str, birth_date: Option<Date>, today: Date) -> Option<Hint> {
        if is_power_of_ten(value) {
            return Some(Hint::PowerOfTen);
        }
        if !value.is_ascii() || !value.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let full = match (self.writing, self.scheme) {
            (SpellingRules::Swedish, _) => Some(10),
            (_, Scheme::Nidn) => Some(self.example.len()),
            (_, Scheme::Ccpt | Scheme::Concat) => None,
        };
        let passports =
            travel::digits(country).filter(|_| self.country.is_none() && self.scheme == Scheme::Ccpt);
        let restored = |zeros: &usize| {
            let full = format!("{}{value}", "0".repeat(*zeros));
            let full = self.normalise(&full, birth_date, today);
            let checked = self.check_without_hint(country, &full, birth_date, today);
            let fits = crosscheck(checked.encoded, birth_date, None).birth_date != Agreement::Differs;
            let usual = checked.faults.iter().all(|fault| !matches!(fault.what, FaultKind::Pattern { .. }));
            fits && usual && checked.is_possible()
        };
        let lengths = full.into_iter().chain(passports);
        // At least half of the digits must be there: a very short number would fit by chance.
        let missing =
            lengths.filter(|length| value.len() * 2 >= *length).map(|full| full.saturating_sub(value.len()));
        missing.filter(|zeros| *zeros > 0).find(restored).map(Hint::LeadingZeros)
    }
}

/// Returns whether a number is in the notation of spreadsheets for large quantities: 3,80E+10.
fn is_power_of_ten(value: &str) -> bool {
    let is_number = |text: &str, more: &[char]| {
        text.contains(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_digit() || more.contains(&c))
    };
    value.split_once(['E', 'e']).is_some_and(|(digits, power)| {
        is_number(digits, &['.', ','])
            && is_number(power, &['+'])
            && (digits.contains(',') || power.contains('+'))
    })
}

/// Returns whether a character is a hyphen, a dash or a minus sign.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Removes separators, invisible characters and the apostrophe by which spreadsheets mark text, converts letters to
/// capitals, and writes every dash as `-`.
fn compact(written: &str, keeps_dashes: bool) -> Cow<'_, str> {
    let separates = |c: char| {
        matches!(c, '.' | '/' | '(' | ')')
            || c.is_whitespace()
            || (is_dash(c) && !keeps_dashes)
            || is_invisible(c)
    };
    let written = written.trim_start_matches(|c| separates(c) || is_apostrophe(c));
    let stays = |c: char| !separates(c) && !c.is_ascii_lowercase() && (c == '-' || !is_dash(c));
    if written.chars().all(stays) {
        return Cow::Borrowed(written);
    }
    let kept = written.chars().filter(|c| !separates(*c));
    Cow::Owned(kept.map(|c| if is_dash(c) { '-' } else { c.to_ascii_uppercase() }).collect())
}

/// Returns the twelve digits of a Swedish number, or `None` if the text is no Swedish number or has twelve digits
/// already.
fn expand_swedish(plain: &str, birth_date: Option<Date>, today: Date) -> Option<String> {
    let is_sign = |c: u8| matches!(c, b'-' | b'+');
    if !plain.bytes().all(|c| c.is_ascii_digit() || is_sign(c)) {
        return None;
    }
    let signs = plain.bytes().filter(|c| is_sign(*c)).count();
    let unsigned = || plain.chars().filter(char::is_ascii_digit);
    match (plain.len() - signs, signs) {
        (12, 1..) => return Some(unsigned().collect()),
        (10, 0) => {}
        (10, 1) if is_sign(plain.as_bytes()[6]) => {}
        _ => return None,
    }
    let yy: u8 = plain[..2].parse().ok()?;
    let hundred = plain.contains('+');
    let own = se::year_of_short(yy, hundred, today);
    // People write `-` where `+` is due, so the stated birth date may be older than the sign says. `+` is not used
    // under the age of 100: such a contradiction is left to the crosscheck.
    let fits = |year: &u16| year % 100 == u16::from(yy) && (!hundred || *year <= own);
    let year = birth_date.map(|date| date.year().unsigned_abs()).filter(fits).unwrap_or(own);
    let mut long = format!("{year:04}");
    long.extend(unsigned().skip(2));
    Some(long)
}
