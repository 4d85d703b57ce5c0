//! Helpers for the text of names and numbers: invisible characters, Unicode composition, letter case and words.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Returns whether a character is invisible and not a blank: a format character of Unicode (category Cf: byte order
/// mark, direction marks, zero-width characters, soft hyphen), a filler or a variation selector.
///
/// Such characters come along when text is copied from web pages, documents and spreadsheets.
pub fn is_invisible(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{180b}'..='\u{180f}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{ffa0}'
        | '\u{e0100}'..='\u{e01ef}' => true,
        _ => c.general_category() == GeneralCategory::Format,
    }
}

/// Composes a text (Unicode NFC) and removes invisible characters, so that all spellings of one name are the same text.
///
/// A text that needs no change is borrowed, so that the usual name does not allocate.
pub(crate) fn compose_nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    if is_nfc_quick(text.chars()) == IsNormalized::Yes && !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !is_invisible(*c)).nfc().collect())
}

/// Returns whether a word in any case equals `small`, a word in lower case.
pub(crate) fn equals_lowercase(word: &str, small: &str) -> bool {
    if word.is_ascii() {
        return word.eq_ignore_ascii_case(small);
    }
    word.chars().flat_map(char::to_lowercase).eq(small.chars())
}

/// Returns whether a character is an apostrophe, or a character that is used as one.
pub(crate) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '`' | '´' | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2b9}'..='\u{2bf}' | '\u{ff07}')
}

/// Splits a name into its first word and the rest behind the blanks that follow.
pub(crate) fn split_word(name: &str) -> (&str, &str) {
    let (word, rest) = name.split_once(char::is_whitespace).unwrap_or((name, ""));
    (word, rest.trim_start())
}

/// Returns whether a text contains a letter.
pub(crate) fn has_letters(name: &str) -> bool {
    name.chars().any(char::is_alphabetic)
}
