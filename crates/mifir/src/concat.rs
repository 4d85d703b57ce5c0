//! CONCAT: country, birth date, five letters of the first name and five of the surname.
//!
//! The rules are Article 6(4) and (5) of Commission Delegated Regulation (EU) 2017/590, with the steps and lists of
//! ESMA's guidelines (ESMA/2016/1452). Where those leave a point open, the usual practice is followed and
//! [`ConcatNote::is_open`] returns true. A CONCAT is **not unique**: never use it as a key.

use std::borrow::Cow;

use jiff::civil::Date;

use crate::Country;
use crate::check::{Birth, EncodedFacts, FaultKind, NumberPart, last_digit};
use crate::concat_note::{Concat, ConcatNote, ConcatText, NotLatin};
use crate::letters::{Unlisted, table_letter, transliterate};
use crate::text::{compose_nfc, equals_lowercase, has_letters, is_apostrophe, split_word};
use crate::titles::{self, NameKind, without_degrees, without_titles};
use crate::value_reader::{ValueReader, number, pair};

/// Prefixes of surnames: the guidelines' list, which is exhaustive, with accents where it has them. The two prefixes
/// that it has only with an accent are also listed without it. `de l'` is matched separately. Prefixes of two words
/// come first, so that the longest one is found.
pub(crate) const PREFIXES: [(&str, &str); 42] = [
    ("auf", "dem"),
    ("aus", "der"),
    ("de", "la"),
    ("de", "le"),
    ("mhic", "giolla"),
    ("van", "de"),
    ("van", "den"),
    ("van", "der"),
    ("von", "dem"),
    ("von", "den"),
    ("von", "der"),
    ("am", ""),
    ("auf", ""),
    ("d", ""),
    ("da", ""),
    ("de", ""),
    ("del", ""),
    ("di", ""),
    ("do", ""),
    ("dos", ""),
    ("du", ""),
    ("im", ""),
    ("la", ""),
    ("le", ""),
    ("mac", ""),
    ("mc", ""),
    ("mhac", ""),
    ("mhic", ""),
    ("mhíc", ""),
    ("mic", ""),
    ("ni", ""),
    ("ní", ""),
    ("nic", ""),
    ("níc", ""),
    ("o", ""),
    ("ó", ""),
    ("ua", ""),
    ("ui", ""),
    ("uí", ""),
    ("van", ""),
    ("vom", ""),
    ("von", ""),
];

/// Builds the CONCAT of a person (Article 6(4) and (5)).
///
/// Names are those of the passport or identity card, in any case and Unicode form, with titles and prefixes. They are
/// composed before any comparison, and invisible characters are dropped. The result has 20 characters of `A` to `Z`,
/// `0` to `9` and `#`: country, `YYYYMMDD`, five of the first name, five of the surname.
///
/// # Errors
/// Fails with [`NotLatin`] if a letter of another script is among the letters that would be used.
pub fn concat<'a>(
    country: Country,
    first_name: &'a str,
    surname: &'a str,
    birth_date: Date,
) -> Result<Concat<'a>, NotLatin> {
    let mut text = *b"CCYYYYMMDD##########";
    text[..2].copy_from_slice(country.as_str().as_bytes());
    let (year, month, day) = (birth_date.year().unsigned_abs(), birth_date.month(), birth_date.day());
    let mut rest =
        u32::from(year) * 10_000 + u32::from(month.unsigned_abs()) * 100 + u32::from(day.unsigned_abs());
    for place in text[2..10].iter_mut().rev() {
        *place = last_digit(rest);
        rest /= 10;
    }
    let mut steps =
        with_composed_name(first_name, |name, steps| write_first_name(name, &mut text[10..15], steps))?;
    steps.extend(with_composed_name(surname, |name, steps| write_surname(name, &mut text[15..], steps))?);
    Ok(Concat { text: ConcatText(text), steps })
}

/// Composes a name, passes it to `write`, and returns the steps. They borrow from the name if it was composed already.
fn with_composed_name<'a>(
    name: &'a str,
    write: impl for<'n> FnOnce(&'n str, &mut Vec<ConcatNote<'n>>) -> Result<(), NotLatin>,
) -> Result<Vec<ConcatNote<'a>>, NotLatin> {
    match compose_nfc(name) {
        Cow::Borrowed(name) => {
            let mut steps = Vec::new();
            write(name, &mut steps)?;
            Ok(steps)
        }
        Cow::Owned(name) => {
            let mut steps = Vec::new();
            write(&name, &mut steps)?;
            Ok(steps.into_iter().map(ConcatNote::into_owned).collect())
        }
    }
}

/// Writes the letters of the first name and records the steps.
fn write_first_name<'n>(
    name: &'n str,
    into: &mut [u8],
    steps: &mut Vec<ConcatNote<'n>>,
) -> Result<(), NotLatin> {
    let names = without_titles(name.trim(), NameKind::FirstNames, steps);
    let given = first_of(names, steps);
    let others = given.len() < names.trim().len();
    if titles::is_ambiguous(given) && others {
        steps.push(ConcatNote::MayBeTitle { kept: given.into() });
    } else if is_title(given) {
        steps.push(ConcatNote::OnlyATitle { kept: given.into() });
    } else if is_doubtful(given) || given.ends_with('.') || (others && is_shortened(given, name)) {
        steps.push(ConcatNote::Doubtful { kept: given.into() });
    }
    if letters(given, into, steps)? == 0 {
        steps.push(ConcatNote::NoFirstName);
    }
    Ok(())
}

/// Writes the letters of the surname and records the steps.
fn write_surname<'n>(
    name: &'n str,
    into: &mut [u8],
    steps: &mut Vec<ConcatNote<'n>>,
) -> Result<(), NotLatin> {
    let name = without_titles(name.trim(), NameKind::Surname, steps);
    let family = without_prefix(without_degrees(name, steps), steps);
    let several = family.split_whitespace().nth(1).is_some();
    let mut before = 0;
    for (at, word) in family.split_whitespace().enumerate() {
        // A word behind the fifth letter does not get into the CONCAT, so it needs no review.
        let counts = before < into.len();
        before += count_letters(word);
        let shortened =
            (word.ends_with('.') && !is_saint(word)) || (at == 0 && several && is_in_capitals(word, name));
        if at == 0 && several && titles::is_ambiguous(word) {
            steps.push(ConcatNote::MayBeTitle { kept: word.into() });
        } else if at > 0 && titles::is_generation(word) {
            if counts {
                steps.push(ConcatNote::Generation { kept: word.into() });
            }
        } else if is_doubtful(word) || (counts && shortened) {
            steps.push(ConcatNote::Doubtful { kept: word.into() });
        }
    }
    if letters(family, into, steps)? == 0 {
        steps.push(ConcatNote::NoSurname);
    }
    Ok(())
}

/// Counts the letters of a word.
fn count_letters(word: &str) -> usize {
    word.chars().filter(|c| c.is_alphabetic()).count()
}

/// Returns whether a first name in front of others looks like initials.
fn is_shortened(word: &str, name: &str) -> bool {
    count_letters(word) == 1 || is_in_capitals(word, name)
}

/// Returns whether a word is two to four capitals in a name that is written in small letters: DI, FH.
fn is_in_capitals(word: &str, name: &str) -> bool {
    (2..=4).contains(&count_letters(word))
        && !word.contains(char::is_lowercase)
        && name.contains(char::is_lowercase)
}

/// Returns whether the whole word is a title.
fn is_title(word: &str) -> bool {
    titles::in_front(word, false, NameKind::FirstNames).is_some_and(|found| found.length == word.len())
}

/// Returns whether a word is St. or Ste., which are part of a name.
fn is_saint(word: &str) -> bool {
    ["st.", "ste."].iter().any(|saint| equals_lowercase(word, saint))
}

/// Returns whether a word does not look like a name: one letter with a full stop, a full stop inside, brackets or
/// quotation marks.
fn is_doubtful(word: &str) -> bool {
    let is_bracket = |c: char| {
        matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '"' | '\u{201c}'..='\u{201f}' | '«' | '»')
    };
    let inside = word.trim_matches(|c: char| !c.is_alphabetic());
    word.contains(is_bracket) || inside.contains('.') || (word.contains('.') && count_letters(word) == 1)
}

/// Returns first names without the titles in front of them.
pub(crate) fn strip_titles(names: &str) -> String {
    let names = compose_nfc(names);
    without_titles(names.trim(), NameKind::FirstNames, &mut Vec::new()).to_owned()
}

/// Returns a surname with its prefixes, without the titles in front of it and the degrees behind it.
pub(crate) fn strip_titles_and_degrees(name: &str) -> String {
    let (name, steps) = (compose_nfc(name), &mut Vec::new());
    let name = without_degrees(without_titles(name.trim(), NameKind::Surname, steps), steps);
    name.trim_end_matches([',', ' ']).to_owned()
}

/// Returns the first of several first names and records the others as dropped; a hyphen does not end a name.
fn first_of<'n>(names: &'n str, steps: &mut Vec<ConcatNote<'n>>) -> &'n str {
    let separates = |c: char| c.is_whitespace() || c == ',';
    let names = names.trim_start_matches(separates);
    let Some((first, rest)) = names.split_once(separates) else { return names };
    let rest = rest.trim_start_matches(separates);
    if !rest.is_empty() {
        steps.push(ConcatNote::OtherNames { dropped: rest.into() });
    }
    first
}

/// Drops the longest prefix in front, once, if a name is left behind it. Accents count in the comparison with the list:
/// Lê is no prefix, nor is Dà.
fn without_prefix<'n>(name: &'n str, steps: &mut Vec<ConcatNote<'n>>) -> &'n str {
    let (first, behind_first) = split_word(name);
    let (second, behind_second) = split_word(behind_first);
    let (first, second) = (first.to_lowercase(), second.to_lowercase());
    // The list writes this prefix apart from the name, but it is never spelled so: de l'Hôpital.
    let elided = || {
        let mut letters = behind_first.chars();
        let is_it = matches!(letters.next(), Some('l' | 'L')) && letters.next().is_some_and(is_apostrophe);
        (first == "de" && is_it).then(|| letters.as_str().trim_start())
    };
    let listed = || {
        PREFIXES.iter().find_map(|(one, two)| match *two {
            "" => (first == *one).then_some(behind_first),
            two => (first == *one && second == two).then_some(behind_second),
        })
    };
    let rest = elided().or_else(listed);
    match rest {
        None => name,
        Some(rest) if has_letters(rest) => {
            steps.push(ConcatNote::Prefix { dropped: name[..name.len() - rest.len()].trim_end().into() });
            rest
        }
        Some(_) => {
            steps.push(ConcatNote::OnlyAPrefix { kept: name.into() });
            name
        }
    }
}

/// Writes the first letters of a name as A to Z and returns their number.
fn letters(name: &str, into: &mut [u8], steps: &mut Vec<ConcatNote<'_>>) -> Result<usize, NotLatin> {
    let mut count = 0;
    for from in name.chars() {
        if count == into.len() {
            break;
        }
        if from.is_ascii_alphabetic() {
            into[count] = from.to_ascii_uppercase() as u8;
            count += 1;
            continue;
        }
        let (to, listed) = match table_letter(from) {
            Some(to) => (Cow::Borrowed(to), true),
            None => match transliterate(from) {
                Unlisted::Letters(to) => (to, false),
                Unlisted::Digit => {
                    steps.push(ConcatNote::Digit { dropped: from });
                    continue;
                }
                Unlisted::NoLetter => {
                    steps.push(ConcatNote::NoLetter { dropped: from });
                    continue;
                }
                Unlisted::Foreign => return Err(NotLatin { letter: from }),
                Unlisted::Nothing => continue,
            },
        };
        for letter in to.bytes().take(into.len() - count) {
            into[count] = letter;
            count += 1;
        }
        steps.push(ConcatNote::Letter { from, to, listed });
    }
    Ok(count)
}

/// Checks the form of a CONCAT: 20 characters, the country, a real date, letters padded with `#`.
pub(crate) fn check(r: &mut ValueReader<'_>) -> Option<EncodedFacts> {
    let c = r.read(b"AA99999999##########", "20 characters")?;
    let expected = r.country;
    if c[..2] != *expected.as_str().as_bytes() {
        let found = r.part(0, 2);
        r.hard(FaultKind::Country { found, expected });
    }
    for (from, to) in [(10, 15), (15, 20)] {
        let letters = c[from..to].iter().take_while(|letter| **letter != b'#').count();
        if letters == 0 || c[from + letters..to].iter().any(|letter| *letter != b'#') {
            r.bad_part(NumberPart::Name, (from, to), "letters, then # up to the fifth place");
        }
    }
    let d: [u8; 8] = std::array::from_fn(|at| c[at + 2] - b'0');
    let birth = r.date(number(&d[..4]), pair(&d, 4), pair(&d, 6))?;
    Some(EncodedFacts { birth: Birth::On(birth), sex: None })
}
