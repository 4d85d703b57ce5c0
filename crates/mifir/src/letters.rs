//! How the letters of a name become A to Z: the table of ESMA's guidelines (ESMA/2016/1452), and what it leaves out.

use std::borrow::Cow;

use unicode_normalization::char::decompose_compatible;
use unicode_script::{Script, UnicodeScript};

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

/// What becomes of a character that is neither `A` to `Z` nor in the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unlisted {
    /// These capital letters.
    Letters(Cow<'static, str>),
    /// A digit, which is left out.
    Digit,
    /// A letter of the Latin script without a base letter (a glottal stop), which is left out.
    NoLetter,
    /// A letter of another script.
    Foreign,
    /// No letter at all.
    Nothing,
}

/// The letter below the accents, because Article 6(5) has them removed; of ligatures and digraphs both letters, and
/// of other Latin letters (ə, ɓ, ŋ) the one that they are written with where only A to Z can be.
pub(crate) fn unlisted(c: char) -> Unlisted {
    // Letters that change another one or stand for an apostrophe.
    if !(c.is_alphabetic() || c.is_numeric()) || is_modifier(c) {
        return Unlisted::Nothing;
    }
    let mut found = String::new();
    let mut foreign = false;
    decompose_compatible(c, |part| match base(part) {
        Some(letter) => found.push(letter),
        None => foreign |= is_foreign(part),
    });
    if foreign {
        return Unlisted::Foreign;
    }
    match &found[..] {
        "" if c.is_numeric() => Unlisted::Digit,
        "" => Unlisted::NoLetter,
        _ if found.len() == 1 => Unlisted::Letters(Cow::Borrowed(capital(found.as_bytes()[0]))),
        _ => Unlisted::Letters(Cow::Owned(found)),
    }
}

/// The capital letter of A to Z that a Latin letter without accents is written with.
fn base(part: char) -> Option<char> {
    if part.is_ascii_alphabetic() {
        return Some(part.to_ascii_uppercase());
    }
    if let Some(letter) = listed(part) {
        return letter.chars().next();
    }
    let is_latin = part.is_alphabetic() && part.script() == Script::Latin;
    let mut letters = if is_latin { any_ascii::any_ascii_char(part) } else { "" }.chars();
    letters.find(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_uppercase())
}

fn is_foreign(c: char) -> bool {
    let extension = c.script_extension();
    c.is_alphabetic() && !is_modifier(c) && !extension.contains_script(Script::Latin)
}

fn is_modifier(c: char) -> bool {
    matches!(c, '\u{2b9}'..='\u{2df}' | '\u{2e4}'..='\u{2ff}')
}

fn capital(letter: u8) -> &'static str {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let at = usize::from(letter - b'A');
    &ALPHABET[at..=at]
}
