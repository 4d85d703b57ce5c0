//! CONCAT: country, birth date, five letters of the first name and five of the surname.
//!
//! Article 6(4) and (5) of Commission Delegated Regulation (EU) 2017/590, with the steps and lists of ESMA's
//! guidelines (ESMA/2016/1452). Where those leave something open, the usual answer is taken and [`Step::is_open`]
//! tells. A CONCAT is **not unique**: never a key of anything.

use std::fmt;

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use crate::Country;
use crate::check::{Birth, Encoded, Part, Reader, What, figure, number, pair};

/// Titles of the guidelines, and two of them written out, in small letters without full stops.
const TITLES: [&str; 25] = [
    "atty",
    "coach",
    "dame",
    "dr",
    "fr",
    "gov",
    "honorable",
    "madam",
    "madame",
    "maid",
    "master",
    "miss",
    "monsieur",
    "mr",
    "mrs",
    "ms",
    "mx",
    "ofc",
    "phd",
    "pres",
    "prof",
    "rev",
    "sir",
    "professor",
    "doctor",
];

/// Titles of profession and academic degree that the guidelines mean but do not list.
const MORE_TITLES: [&str; 30] = [
    "mag", "mmag", "ing", "dipling", "dipl", "diplkfm", "diplkffr", "diplvw", "drs", "mgr", "mudr", "judr",
    "rndr", "phdr", "mvdr", "thdr", "bc", "doc", "univprof", "dott", "dottssa", "avv", "rag", "geom", "drhc",
    "inz", "paeddr", "pharmdr", "mddr", "lek",
];

/// Titles that a full stop inside does not end: of "Dr.Hans" it does.
const WITH_STOPS: [&str; 7] = ["ph.d", "dott.ssa", "dr.in", "mag.a", "prof.in", "univ.prof", "univ.-prof"];

/// What a degree is in, which stands behind it with a full stop: Dr. med., Dr. rer. nat., Prof. dr hab.
const FIELDS: [&str; 20] = [
    "med", "dent", "vet", "phil", "jur", "iur", "rer", "nat", "pol", "oec", "soc", "techn", "theol", "mont",
    "agr", "habil", "hab", "mult", "hc", "h.c",
];

/// Prefixes of surnames: the guidelines' list, which is exhaustive, without accents. `de l'` is looked for apart.
const PREFIXES: [&[&str]; 37] = [
    &["auf", "dem"],
    &["aus", "der"],
    &["de", "la"],
    &["de", "le"],
    &["mhic", "giolla"],
    &["van", "de"],
    &["van", "den"],
    &["van", "der"],
    &["von", "dem"],
    &["von", "den"],
    &["von", "der"],
    &["am"],
    &["auf"],
    &["d"],
    &["da"],
    &["de"],
    &["del"],
    &["di"],
    &["do"],
    &["dos"],
    &["du"],
    &["im"],
    &["la"],
    &["le"],
    &["mac"],
    &["mc"],
    &["mhac"],
    &["mhic"],
    &["mic"],
    &["ni"],
    &["nic"],
    &["o"],
    &["ua"],
    &["ui"],
    &["van"],
    &["vom"],
    &["von"],
];

/// Something that was done to a name. What stays as it is, or is cut or padded at the end, is no step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A title in front was dropped; `listed` in the guidelines.
    Title { dropped: &'a str, listed: bool },
    /// A prefix of the surname was dropped.
    Prefix { dropped: &'a str },
    /// A surname that is nothing but a prefix of the list was kept.
    OnlyAPrefix { kept: &'a str },
    /// Only the first of several first names counts.
    OtherNames { dropped: &'a str },
    /// A letter became another; `listed` in the guidelines' table.
    Letter { from: char, to: &'static str, listed: bool },
    /// A digit was dropped.
    Digit { dropped: char },
    /// There is no letter in the first name, so `#####` stands for it.
    NoFirstName,
    /// There is no letter in the surname, so `#####` stands for it.
    NoSurname,
}

impl Step<'_> {
    /// Whether the rules leave open what was done here, so that somebody should look at it.
    pub const fn is_open(&self) -> bool {
        match self {
            Step::Title { listed, .. } | Step::Letter { listed, .. } => !*listed,
            Step::Prefix { .. } | Step::OtherNames { .. } => false,
            Step::OnlyAPrefix { .. } | Step::Digit { .. } | Step::NoFirstName | Step::NoSurname => true,
        }
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Title { dropped, listed: true } => write!(f, "the title {dropped} is dropped"),
            Step::Title { dropped, .. } => {
                write!(f, "{dropped} is taken for a title, which is not listed, and dropped")
            }
            Step::Prefix { dropped } => write!(f, "the prefix {dropped} is dropped"),
            Step::OnlyAPrefix { kept } => {
                write!(f, "{kept} is a listed prefix, but it is the whole surname and stays")
            }
            Step::OtherNames { dropped } => {
                write!(f, "only the first of the first names counts, not {dropped}")
            }
            Step::Letter { from, to, listed: true } => write!(f, "{from} becomes {to}"),
            Step::Letter { from, to, .. } => write!(f, "{from} becomes {to}, which the table does not say"),
            Step::Digit { dropped } => write!(f, "the digit {dropped} is dropped"),
            Step::NoFirstName => f.write_str("there is no first name: ##### stands for it"),
            Step::NoSurname => f.write_str("there is no surname: ##### stands for it"),
        }
    }
}

/// A name has a letter of another script. The Latin spelling of the passport or identity card is needed: nobody
/// transliterates silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{letter}' is not a Latin letter: the spelling of the passport or identity card is needed")]
pub struct NotLatin {
    /// The first one that was met.
    pub letter: char,
}

/// A CONCAT, and what was done to make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concat<'a> {
    text: [u8; 20],
    /// In the order in which they were done; empty for a plain name.
    pub steps: Vec<Step<'a>>,
}

impl Concat<'_> {
    /// All 20 characters, the country in front.
    #[expect(clippy::missing_panics_doc, reason = "made of ASCII")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).expect("a CONCAT is ASCII")
    }
}

/// Makes the CONCAT of a person: Article 6(4) and (5).
///
/// Names are as the passport or identity card has them, in any case and Unicode form, with titles and prefixes. The
/// result has 20 characters of `A` to `Z`, `0` to `9` and `#`: country, `YYYYMMDD`, five of the first name, five of the
/// surname. It fails with [`NotLatin`] if a letter of another script is among those that would be taken.
pub fn concat<'a>(
    country: Country,
    first_name: &'a str,
    surname: &'a str,
    birth_date: Date,
) -> Result<Concat<'a>, NotLatin> {
    let mut steps = Vec::new();
    let mut text = *b"CCYYYYMMDD##########";
    text[..2].copy_from_slice(country.as_str().as_bytes());
    let (year, month, day) = (birth_date.year().unsigned_abs(), birth_date.month(), birth_date.day());
    let mut rest =
        u32::from(year) * 10_000 + u32::from(month.unsigned_abs()) * 100 + u32::from(day.unsigned_abs());
    for place in text[2..10].iter_mut().rev() {
        *place = figure(rest);
        rest /= 10;
    }

    let given = first_of(without_titles(first_name.trim(), true, &mut steps), &mut steps);
    if letters(given, &mut text[10..15], &mut steps)? == 0 {
        steps.push(Step::NoFirstName);
    }
    let family = without_prefix(without_titles(surname.trim(), false, &mut steps), &mut steps);
    if letters(family, &mut text[15..], &mut steps)? == 0 {
        steps.push(Step::NoSurname);
    }
    Ok(Concat { text, steps })
}

/// A name without the titles in front of it.
pub(crate) fn untitled(name: &str) -> &str {
    without_titles(name.trim(), true, &mut Vec::new())
}

/// Whether the letters of a word, small and without the characters `but`, are these.
fn is(word: &str, letters: &str, but: &[char]) -> bool {
    word.chars().filter(|c| !but.contains(c) && !is_combining_mark(*c)).map(folded).eq(letters.chars())
}

/// A letter without accent, small; anything else itself.
fn folded(c: char) -> char {
    let base = if c.is_ascii() { c } else { listed(c).and_then(|to| to.chars().next()).unwrap_or(c) };
    base.to_ascii_lowercase()
}

/// The first word, and what follows the blanks behind it.
fn split_word(name: &str) -> (&str, &str) {
    let (word, rest) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
    (word, rest.trim_start())
}

/// Drops titles in front, as long as a name is left. Of a surname only those that the guidelines list.
fn without_titles<'a>(mut name: &'a str, all: bool, steps: &mut Vec<Step<'a>>) -> &'a str {
    let mut behind_a_title = false;
    loop {
        let (word, rest) = split_word(name);
        let unstopped = word.trim_end_matches(['.', ',']);
        let is_one_of = |titles: &[&str]| titles.iter().any(|title| is(unstopped, title, &[]));
        let whole = is_one_of(&WITH_STOPS) || (behind_a_title && word.ends_with('.') && is_one_of(&FIELDS));
        // "Dr.Hans": the full stop ends the title.
        let (word, rest) = match word.find('.').map(|at| word.split_at(at + 1)) {
            Some((title, glued)) if glued.chars().any(char::is_alphabetic) && !whole => {
                (title, &name[title.len()..])
            }
            _ => (word, rest),
        };
        let listed = TITLES.iter().any(|title| is(word, title, &['.', ',']));
        let more = || MORE_TITLES.iter().any(|title| is(word, title, &['.', ',', '-']));
        if !(listed || (all && (whole || more()))) || !rest.chars().any(char::is_alphabetic) {
            return name;
        }
        steps.push(Step::Title { dropped: word, listed });
        name = rest.trim_start_matches(['-', ' ']);
        behind_a_title = true;
    }
}

/// The first of several first names; a hyphen does not end it.
fn first_of<'a>(names: &'a str, steps: &mut Vec<Step<'a>>) -> &'a str {
    let separates = |c: char| c.is_whitespace() || c == ',';
    let names = names.trim_start_matches(separates);
    let Some((first, rest)) = names.split_once(separates) else { return names };
    let rest = rest.trim_start_matches(separates);
    if !rest.is_empty() {
        steps.push(Step::OtherNames { dropped: rest });
    }
    first
}

/// Drops the longest prefix in front, once, if a name is left behind it.
fn without_prefix<'a>(name: &'a str, steps: &mut Vec<Step<'a>>) -> &'a str {
    let rest_after = |prefix: &[&str]| {
        let mut rest = name;
        for part in prefix {
            let word;
            (word, rest) = split_word(rest);
            if !is(word, part, &[]) {
                return None;
            }
        }
        Some(rest)
    };
    // Listed apart from the name, but never written so: de l'Hôpital.
    let elided = rest_after(&["de"]).and_then(|rest| {
        let mut letters = rest.chars();
        let is_it = matches!(letters.next(), Some('l' | 'L')) && letters.next().is_some_and(is_apostrophe);
        is_it.then(|| letters.as_str().trim_start())
    });
    let rest = elided.or_else(|| PREFIXES.iter().find_map(|prefix| rest_after(prefix)));
    match rest {
        None => name,
        Some(rest) if rest.chars().any(char::is_alphabetic) => {
            steps.push(Step::Prefix { dropped: name[..name.len() - rest.len()].trim_end() });
            rest
        }
        Some(_) => {
            steps.push(Step::OnlyAPrefix { kept: name });
            name
        }
    }
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '`' | '´' | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2b9}'..='\u{2bf}' | '\u{ff07}')
}

/// Writes the first letters of a name as A to Z; how many.
fn letters(name: &str, into: &mut [u8], steps: &mut Vec<Step<'_>>) -> Result<usize, NotLatin> {
    let mut count = 0;
    for from in name.nfc() {
        if count == into.len() {
            break;
        }
        if from.is_ascii_alphabetic() {
            into[count] = from.to_ascii_uppercase() as u8;
            count += 1;
            continue;
        }
        let (to, listed) = match listed(from) {
            Some(to) => (to, true),
            None => match unlisted(from) {
                Some(to) => (to, false),
                None if from.is_numeric() => {
                    steps.push(Step::Digit { dropped: from });
                    continue;
                }
                None if is_foreign(from) => return Err(NotLatin { letter: from }),
                None => continue,
            },
        };
        steps.push(Step::Letter { from, to, listed });
        for letter in to.bytes().take(into.len() - count) {
            into[count] = letter;
            count += 1;
        }
    }
    Ok(count)
}

/// A letter of another script; ordinal signs and modifying letters, which stand for apostrophes, are none.
fn is_foreign(c: char) -> bool {
    c.is_alphabetic() && !matches!(c, 'ª' | 'º' | '\u{2b0}'..='\u{2ff}')
}

/// The guidelines' table: 150 letters, each of which becomes one; `None` for every other character, `A` to `Z` too.
#[rustfmt::skip]
pub const fn listed(letter: char) -> Option<&'static str> {
    Some(match letter {
        'Ä' | 'ä' | 'À' | 'à' | 'Á' | 'á' | 'Â' | 'â' | 'Ã' | 'ã' | 'Å' | 'å' | 'Ǎ' | 'ǎ' | 'Ą' | 'ą' | 'Ă' | 'ă'
            | 'Æ' | 'æ' => "A",
        'Ç' | 'ç' | 'Ć' | 'ć' | 'Ĉ' | 'ĉ' | 'Č' | 'č' => "C",
        'Ď' | 'đ' | 'Đ' | 'ď' | 'ð' => "D",
        'È' | 'è' | 'É' | 'é' | 'Ê' | 'ê' | 'Ë' | 'ë' | 'Ě' | 'ě' | 'Ę' | 'ę' => "E",
        'Ĝ' | 'ĝ' | 'Ģ' | 'ģ' | 'Ğ' | 'ğ' => "G",
        'Ĥ' | 'ĥ' => "H",
        'Ì' | 'ì' | 'Í' | 'í' | 'Î' | 'î' | 'Ï' | 'ï' | 'ı' => "I",
        'Ĵ' | 'ĵ' => "J",
        'Ķ' | 'ķ' => "K",
        'Ĺ' | 'ĺ' | 'Ļ' | 'ļ' | 'Ł' | 'ł' | 'Ľ' | 'ľ' => "L",
        'Ñ' | 'ñ' | 'Ń' | 'ń' | 'Ň' | 'ň' => "N",
        'Ö' | 'ö' | 'Ò' | 'ò' | 'Ó' | 'ó' | 'Ô' | 'ô' | 'Õ' | 'õ' | 'Ő' | 'ő' | 'Ø' | 'ø' | 'Œ' | 'œ' => "O",
        'Ŕ' | 'ŕ' | 'Ř' | 'ř' => "R",
        'ẞ' | 'ß' | 'Ś' | 'ś' | 'Ŝ' | 'ŝ' | 'Ş' | 'ş' | 'Š' | 'š' | 'Ș' | 'ș' => "S",
        'Ť' | 'ť' | 'Ţ' | 'ţ' | 'Þ' | 'þ' | 'Ț' | 'ț' => "T",
        'Ü' | 'ü' | 'Ù' | 'ù' | 'Ú' | 'ú' | 'Û' | 'û' | 'Ű' | 'ű' | 'Ũ' | 'ũ' | 'Ų' | 'ų' | 'Ů' | 'ů' => "U",
        'Ŵ' | 'ŵ' => "W",
        'Ý' | 'ý' | 'Ÿ' | 'ÿ' | 'Ŷ' | 'ŷ' => "Y",
        'Ź' | 'ź' | 'Ž' | 'ž' | 'Ż' | 'ż' => "Z",
        _ => return None,
    })
}

/// What the table does not say: the letter below the accents, because Article 6(5) has them removed.
fn unlisted(letter: char) -> Option<&'static str> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut base = None;
    decompose_canonical(letter, |part| base = base.or(Some(part)));
    let base = base.filter(|base| *base != letter).unwrap_or(letter);
    Some(match base {
        'Ð' => "D",
        'Ħ' | 'ħ' => "H",
        'Ĳ' | 'ĳ' => "IJ",
        'Ŀ' | 'ŀ' => "L",
        'Ŋ' | 'ŋ' => "N",
        'Ŧ' | 'ŧ' => "T",
        'Ʒ' | 'ʒ' => "Z",
        'Ǥ' | 'ǥ' => "G",
        _ if base.is_ascii_alphabetic() => {
            let at = usize::from(base.to_ascii_uppercase() as u8 - b'A');
            &ALPHABET[at..=at]
        }
        // What is left of a letter with two marks may be listed: ǿ.
        _ => return listed(base).filter(|_| base != letter),
    })
}

/// Checks the form of a CONCAT: 20 characters, the country, a real date, letters padded with `#`.
pub(crate) fn check(r: &mut Reader<'_>) -> Option<Encoded> {
    let c = r.read(b"AA99999999##########", "20 characters")?;
    let expected = r.country;
    if c[..2] != *expected.as_str().as_bytes() {
        let found = r.part(0, 2);
        r.hard(What::Country { found, expected });
    }
    for (from, to) in [(10, 15), (15, 20)] {
        let letters = c[from..to].iter().take_while(|letter| **letter != b'#').count();
        if letters == 0 || c[from + letters..to].iter().any(|letter| *letter != b'#') {
            r.bad_part(Part::Name, (from, to), "letters, then # up to the fifth place");
        }
    }
    let d: [u8; 8] = std::array::from_fn(|at| c[at + 2] - b'0');
    let birth = r.date(number(&d[..4]), pair(&d, 4), pair(&d, 6))?;
    Some(Encoded { birth: Birth::On(birth), sex: None })
}
