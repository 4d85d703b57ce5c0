//! Transliteration of names to A to Z: the table of ESMA's guidelines (ESMA/2016/1452), and rules for the letters that
//! it lacks.

use std::borrow::Cow;

use unicode_normalization::char::decompose_compatible;
use unicode_script::{Script, UnicodeScript};

/// Returns the letter of A to Z for one of the 150 letters in the table of ESMA's guidelines, and `None` for every
/// other character, `A` to `Z` included.
#[rustfmt::skip]
pub const fn table_letter(letter: char) -> Option<&'static str> {
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

/// The transliteration of a character that is neither `A` to `Z` nor in the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unlisted {
    /// One or several capital letters.
    Letters(Cow<'static, str>),
    /// A digit, which is dropped.
    Digit,
    /// A letter of the Latin script without a base letter (a glottal stop), which is dropped.
    NoLetter,
    /// A letter of another script, which cannot be transliterated.
    Foreign,
    /// A character that is no letter at all.
    Nothing,
}

/// Transliterates a character that is not in the table.
///
/// A letter with accents gives the letter below them, because Article 6(5) has accents removed. A ligature or digraph
/// gives both letters, and another Latin letter (ə, ɓ, ŋ) the letter of its usual spelling in A to Z.
pub(crate) fn transliterate(c: char) -> Unlisted {
    // Modifier letters change another letter or stand for an apostrophe.
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

/// Returns the capital letter of A to Z that replaces a Latin letter without accents.
fn base(part: char) -> Option<char> {
    if part.is_ascii_alphabetic() {
        return Some(part.to_ascii_uppercase());
    }
    if let Some(letter) = table_letter(part) {
        return letter.chars().next();
    }
    let is_latin = part.is_alphabetic() && part.script() == Script::Latin;
    let mut letters = if is_latin { any_ascii::any_ascii_char(part) } else { "" }.chars();
    letters.find(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_uppercase())
}

/// Returns whether a character is a letter of another script than Latin.
fn is_foreign(c: char) -> bool {
    let extension = c.script_extension();
    c.is_alphabetic() && !is_modifier(c) && !extension.contains_script(Script::Latin)
}

/// Returns whether a character is a spacing modifier letter (U+02B9 to U+02FF, without the letters U+02E0 to U+02E3).
fn is_modifier(c: char) -> bool {
    matches!(c, '\u{2b9}'..='\u{2df}' | '\u{2e4}'..='\u{2ff}')
}

/// Returns a capital letter as a static string, so that the usual transliteration does not allocate.
fn capital(letter: u8) -> &'static str {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let at = usize::from(letter - b'A');
    &ALPHABET[at..=at]
}
