//! The identifiers that Annex II knows: how each is written, checked and reported.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::Date;

use crate::check::{
    Agreement, Checked, DigitReader, EncodedFacts, Fault, FaultKind, Hint, Severity, crosscheck,
};
use crate::numbers::{
    be, bg, cz, dk, ee, es, fi, gb, gr, hr, is, it, lv, mt, nl, no, pl, pt, ro, se, si, travel,
};
use crate::text::{is_apostrophe, is_invisible};
use crate::{Country, Scheme, concat};

/// A kind of identifier of one country.
#[derive(Clone, Copy)]
pub struct Standard {
    /// Whose it is; `None` for those that every country has.
    pub country: Option<Country>,
    /// As in [`Step::standard`](crate::Step::standard).
    pub key: &'static str,
    /// What it is reported as.
    pub scheme: Scheme,
    /// What a valid one looks like; made up.
    pub example: &'static str,
    writing: Writing,
    check: fn(&mut DigitReader<'_>) -> Option<EncodedFacts>,
}

/// What people write that does not belong to a number.
#[derive(Clone, Copy)]
enum Writing {
    /// Blanks, dots, dashes, slashes, brackets; letters may be small.
    Plain,
    /// The same, but a dash is a sign of its own.
    Finnish,
    /// The same; ten digits stand for twelve.
    Swedish,
    /// The same; leading zeros are left out at times.
    Maltese,
}

const fn national(
    code: &str,
    key: &'static str,
    example: &'static str,
    check: fn(&mut DigitReader<'_>) -> Option<EncodedFacts>,
) -> Standard {
    let country = Some(Country::of(code));
    Standard { country, key, scheme: Scheme::Nidn, example, writing: Writing::Plain, check }
}

/// Every standard that is one country's own, and at the end those of all countries.
pub static STANDARDS: [Standard; 29] = [
    national("BE", "NN", "68022928001", be::check),
    national("BE", "BIS", "24422923977", be::check_bis),
    national("BG", "EGN", "7407223847", bg::check),
    national("CZ", "RC", "6303285175", cz::check),
    national("DK", "CPR", "1705010540", dk::check),
    national("EE", "IK", "40810021729", ee::check),
    national("ES", "NIF", "50607080L", es::check),
    Standard { writing: Writing::Finnish, ..national("FI", "HETU", "190944Y647R", fi::check) },
    national("GB", "NINO", "PK030030B", gb::check),
    national("GR", "DSS", "9155098368", gr::check),
    national("HR", "OIB", "51267868081", hr::check),
    national("IS", "KENNITALA", "1306315769", is::check),
    national("IT", "CF", "KVRGZZ59S51Z404L", it::check),
    national("LI", "IDCARD", "ID12714", travel::check_document),
    national("LT", "AK", "40810020395", ee::check),
    national("LV", "PK", "11115916486", lv::check),
    Standard { writing: Writing::Maltese, ..national("MT", "ID", "0695961G", mt::check) },
    Standard { scheme: Scheme::Ccpt, ..national("NL", "PASSPORT", "SNE2EHKP1", nl::check) },
    national("NL", "IDCARD", "ESX8HT5I2", nl::check),
    national("NO", "FNR", "17050144917", no::check),
    national("PL", "PESEL", "54010150464", pl::check),
    national("PL", "NIP", "6720304990", pl::check_nip),
    national("PT", "NIF", "263745830", pt::check),
    national("RO", "CNP", "1991231041976", ro::check),
    Standard { writing: Writing::Swedish, ..national("SE", "PNR", "197407224901", se::check) },
    national("SI", "EMSO", "1306931506728", si::check),
    national("SK", "RC", "0002298197", cz::check),
    Standard {
        country: None,
        scheme: Scheme::Ccpt,
        ..national("US", "PASSPORT", "418867337", travel::check_passport)
    },
    Standard {
        country: None,
        scheme: Scheme::Concat,
        ..national("DE", "CONCAT", "DE19800715GUNTEVOS##", concat::check)
    },
];

/// The standard of a country under this key, which is written as in [`Step::standard`](crate::Step::standard), in
/// capital letters. `None` if the country has no such standard; every country has `PASSPORT` and `CONCAT`.
pub fn standard(country: Country, key: &str) -> Option<&'static Standard> {
    // What is a country's own comes before what all have.
    STANDARDS.iter().find(|one| one.key == key && one.country.is_none_or(|own| own == country))
}

impl fmt::Debug for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.country {
            Some(country) => write!(f, "{country} {}", self.key),
            None => f.write_str(self.key),
        }
    }
}

impl Standard {
    /// The form that is stored and reported: compact, in capital letters. Characters that cannot be seen and an
    /// apostrophe in front go, too, of which [`writing`](crate::check::writing) tells. What is no separator stays, for
    /// the check to complain about; twice changes nothing more than once.
    ///
    /// A Swedish number of ten digits becomes one of twelve, with the century of the stated birth date or, without
    /// one that fits, of somebody under 100 (`-`) or over (`+`) on the day `today`.
    pub fn normalise<'a>(&self, written: &'a str, birth_date: Option<Date>, today: Date) -> Cow<'a, str> {
        let plain = compact(written, matches!(self.writing, Writing::Finnish | Writing::Swedish));
        match self.writing {
            Writing::Plain | Writing::Finnish => plain,
            Writing::Swedish => swedish(&plain, birth_date, today).map_or(plain, Cow::Owned),
            Writing::Maltese => match plain.len() {
                // Eight characters with as many zeros as are missing.
                length @ 3..=7 if plain.bytes().take(length - 1).all(|c| c.is_ascii_digit()) => {
                    Cow::Owned(format!("{plain:0>8}"))
                }
                _ => plain,
            },
        }
    }

    /// Checks a value in its stored form. `country` is whose identifier it is to be, which matters for passports and
    /// CONCAT; `today` bounds the dates in it. Nothing found means that the number is possible, not that it was given
    /// to this person, or to anybody.
    pub fn check<'a>(&self, country: Country, value: &'a str, today: Date) -> Checked<'a> {
        self.check_of(country, value, None, today)
    }

    /// Checks a value as [`check`](Self::check) does, as the number of somebody with this birth date: some forms were
    /// given only to people of a certain age. That the number says another birth date is for [`crosscheck`] to tell.
    pub fn check_of<'a>(
        &self,
        country: Country,
        value: &'a str,
        birth_date: Option<Date>,
        today: Date,
    ) -> Checked<'a> {
        let mut checked = self.check_as_it_is(country, value, birth_date, today);
        let wrong = |fault: &&mut Fault<'_>| {
            fault.severity == Severity::Hard || matches!(fault.what, FaultKind::Pattern { .. })
        };
        if let Some(fault) = checked.faults.iter_mut().find(wrong) {
            fault.hint = self.hint(country, value, birth_date, today);
        }
        checked
    }

    fn check_as_it_is<'a>(
        &self,
        country: Country,
        value: &'a str,
        birth_date: Option<Date>,
        today: Date,
    ) -> Checked<'a> {
        let mut reader = DigitReader::new(value, country, today, birth_date);
        let encoded = (self.check)(&mut reader);
        reader.finish(encoded)
    }

    /// What may have happened to a number that is wrong.
    fn hint(&self, country: Country, value: &str, birth_date: Option<Date>, today: Date) -> Option<Hint> {
        if is_power_of_ten(value) {
            return Some(Hint::PowerOfTen);
        }
        if !value.is_ascii() || !value.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let full = match (self.writing, self.scheme) {
            (Writing::Swedish, _) => Some(10),
            (_, Scheme::Nidn) => Some(self.example.len()),
            (_, Scheme::Ccpt | Scheme::Concat) => None,
        };
        let passports =
            travel::digits(country).filter(|_| self.country.is_none() && self.scheme == Scheme::Ccpt);
        let restored = |zeros: &usize| {
            let full = format!("{}{value}", "0".repeat(*zeros));
            let full = self.normalise(&full, birth_date, today);
            let checked = self.check_as_it_is(country, &full, birth_date, today);
            let fits = crosscheck(checked.encoded, birth_date, None).birth_date != Agreement::Differs;
            let usual = checked.faults.iter().all(|fault| !matches!(fault.what, FaultKind::Pattern { .. }));
            fits && usual && checked.is_possible()
        };
        let lengths = full.into_iter().chain(passports);
        let missing =
            lengths.filter(|length| value.len() * 2 >= *length).map(|full| full.saturating_sub(value.len()));
        missing.filter(|zeros| *zeros > 0).find(restored).map(Hint::LeadingZeros)
    }
}

/// Whether a number is written as spreadsheets write large quantities: 3,80E+10.
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

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Without what people put between the characters, what cannot be seen and the apostrophe by which spreadsheets mark
/// text, in capital letters.
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

/// The long form of a Swedish number: twelve digits; `None` if it is none, or long already.
fn swedish(plain: &str, birth_date: Option<Date>, today: Date) -> Option<String> {
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
    // A `-` is left where a `+` should be, but nobody under 100 has a `+`: that is for the crosscheck to tell.
    let fits = |year: &u16| year % 100 == u16::from(yy) && (!hundred || *year <= own);
    let year = birth_date.map(|date| date.year().unsigned_abs()).filter(fits).unwrap_or(own);
    let mut long = format!("{year:04}");
    long.extend(unsigned().skip(2));
    Some(long)
}
