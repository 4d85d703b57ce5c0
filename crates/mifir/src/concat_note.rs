//! A CONCAT and the notes about its construction.

use std::borrow::Cow;
use std::fmt;

/// A step in the construction of a CONCAT. Unchanged letters, and cutting or padding at the end, are no steps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ConcatNote<'a> {
    /// A title in front of a name or a degree behind it was dropped.
    Title {
        /// The title.
        dropped: Cow<'a, str>,
        /// Whether it is in the guidelines' list.
        listed: bool,
    },
    /// A title was kept, because there is no other first name.
    OnlyATitle {
        /// The title.
        kept: Cow<'a, str>,
    },
    /// A word that is a title or a name was taken for a name.
    MayBeTitle {
        /// The word.
        kept: Cow<'a, str>,
    },
    /// A word that does not look like a name was taken for one: one letter, an abbreviation, something in brackets.
    Doubtful {
        /// The word.
        kept: Cow<'a, str>,
    },
    /// A word that distinguishes a son from his father was taken for part of the surname.
    Generation {
        /// The word.
        kept: Cow<'a, str>,
    },
    /// A prefix of the surname was dropped.
    Prefix {
        /// The prefix.
        dropped: Cow<'a, str>,
    },
    /// A surname was kept although it consists of a listed prefix alone.
    OnlyAPrefix {
        /// The surname.
        kept: Cow<'a, str>,
    },
    /// Only the first of several first names was used.
    OtherNames {
        /// The other first names.
        dropped: Cow<'a, str>,
    },
    /// A letter was replaced by one or several others.
    Letter {
        /// The letter in the name.
        from: char,
        /// The capital letters in its place.
        to: Cow<'static, str>,
        /// Whether the replacement is in the guidelines' table.
        listed: bool,
    },
    /// A Latin letter without a counterpart in A to Z was dropped.
    NoLetter {
        /// The letter.
        dropped: char,
    },
    /// A digit was dropped.
    Digit {
        /// The digit.
        dropped: char,
    },
    /// The first name has no letter, so `#####` stands for it.
    NoFirstName,
    /// The surname has no letter, so `#####` stands for it.
    NoSurname,
}

impl ConcatNote<'_> {
    /// Returns whether the rules leave this step open, so that a person should review it.
    pub const fn is_open(&self) -> bool {
        match self {
            ConcatNote::Title { listed, .. } | ConcatNote::Letter { listed, .. } => !*listed,
            ConcatNote::Prefix { .. } | ConcatNote::OtherNames { .. } => false,
            ConcatNote::OnlyATitle { .. }
            | ConcatNote::MayBeTitle { .. }
            | ConcatNote::Doubtful { .. }
            | ConcatNote::Generation { .. }
            | ConcatNote::OnlyAPrefix { .. }
            | ConcatNote::NoLetter { .. }
            | ConcatNote::Digit { .. }
            | ConcatNote::NoFirstName
            | ConcatNote::NoSurname => true,
        }
    }

    /// Copies the texts, so that the step does not borrow from the name.
    pub(crate) fn into_owned(self) -> ConcatNote<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            ConcatNote::Title { dropped, listed } => ConcatNote::Title { dropped: own(dropped), listed },
            ConcatNote::OnlyATitle { kept } => ConcatNote::OnlyATitle { kept: own(kept) },
            ConcatNote::MayBeTitle { kept } => ConcatNote::MayBeTitle { kept: own(kept) },
            ConcatNote::Doubtful { kept } => ConcatNote::Doubtful { kept: own(kept) },
            ConcatNote::Generation { kept } => ConcatNote::Generation { kept: own(kept) },
            ConcatNote::Prefix { dropped } => ConcatNote::Prefix { dropped: own(dropped) },
            ConcatNote::OnlyAPrefix { kept } => ConcatNote::OnlyAPrefix { kept: own(kept) },
            ConcatNote::OtherNames { dropped } => ConcatNote::OtherNames { dropped: own(dropped) },
            ConcatNote::Letter { from, to, listed } => ConcatNote::Letter { from, to, listed },
            ConcatNote::NoLetter { dropped } => ConcatNote::NoLetter { dropped },
            ConcatNote::Digit { dropped } => ConcatNote::Digit { dropped },
            ConcatNote::NoFirstName => ConcatNote::NoFirstName,
            ConcatNote::NoSurname => ConcatNote::NoSurname,
        }
    }
}

impl fmt::Display for ConcatNote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConcatNote::Title { dropped, listed: true } => write!(f, "the title {dropped} is dropped"),
            ConcatNote::Title { dropped, .. } => {
                write!(f, "{dropped} is taken for a title, which is not listed, and dropped")
            }
            ConcatNote::OnlyATitle { kept } => {
                write!(f, "{kept} is a title, but it is the whole first name and stays")
            }
            ConcatNote::MayBeTitle { kept } => write!(f, "{kept} may be a title; it is taken for a name"),
            ConcatNote::Doubtful { kept } => {
                write!(f, "{kept} may be an abbreviation, a title or an addition; it is taken for a name")
            }
            ConcatNote::Generation { kept } => write!(f, "{kept} is taken for part of the surname"),
            ConcatNote::Prefix { dropped } => write!(f, "the prefix {dropped} is dropped"),
            ConcatNote::OnlyAPrefix { kept } => {
                write!(f, "{kept} is a listed prefix, but it is the whole surname and stays")
            }
            ConcatNote::OtherNames { dropped } => {
                write!(f, "only the first of the first names counts, not {dropped}")
            }
            ConcatNote::Letter { from, to, listed: true } => write!(f, "{from} becomes {to}"),
            ConcatNote::Letter { from, to, .. } => {
                write!(f, "{from} becomes {to}, which the table does not say")
            }
            ConcatNote::NoLetter { dropped } => {
                write!(
                    f,
                    "{dropped} stands for no letter of A to Z and is dropped, which the table does not say"
                )
            }
            ConcatNote::Digit { dropped } => write!(f, "the digit {dropped} is dropped"),
            ConcatNote::NoFirstName => f.write_str("there is no first name: ##### stands for it"),
            ConcatNote::NoSurname => f.write_str("there is no surname: ##### stands for it"),
        }
    }
}

/// The error for a name with a letter of another script.
///
/// The Latin spelling of the passport or identity card is needed: other scripts are never transliterated silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{letter}' is not a Latin letter: the spelling of the passport or identity card is needed")]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NotLatin {
    /// The first such letter.
    pub letter: char,
}

/// The 20 characters of a CONCAT, the country code in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcatText(pub(crate) [u8; 20]);

impl ConcatText {
    /// Returns all 20 characters, the country code in front.
    #[expect(clippy::missing_panics_doc, reason = "made of ASCII")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a CONCAT is ASCII")
    }
}

impl fmt::Display for ConcatText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A CONCAT, with the steps of its construction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Concat<'a> {
    /// The characters.
    pub text: ConcatText,
    /// The steps in their order; empty for a plain name.
    pub steps: Vec<ConcatNote<'a>>,
}

impl Concat<'_> {
    /// Returns all 20 characters, the country code in front.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }
}
