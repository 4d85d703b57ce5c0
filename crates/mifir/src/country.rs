//! Countries, and the leading one of a person's nationalities.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use crate::Regime;
use crate::annex2::{AFTER_TRANSITION, END_OF_TRANSITION};

/// An assigned ISO 3166-1 alpha-2 code, or `XK` for Kosovo.
///
/// `XK` is user-assigned in ISO 3166-1 and accepted because it is in general use for a nationality. Other
/// user-assigned, reserved or former codes are refused (`EL`, `UK`, `EU`, `XX`). Countries are ordered alphabetically
/// by code, which is the order of Article 6(3) of Commission Delegated Regulation (EU) 2017/590: `ES` before `FR`, and
/// Greece (`GR`) before Iceland (`IS`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// The error for a text that is no country code of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 3166-1 alpha-2 country code in capital letters")]
pub struct UnknownCountry;

impl Country {
    /// Returns the country of a code in capital letters, or `None`. The code is taken exactly as written, without
    /// trimming or case folding.
    pub fn parse(code: &str) -> Option<Self> {
        // celes folds case by itself, so the letters are checked first.
        let &[a @ b'A'..=b'Z', b @ b'A'..=b'Z'] = code.as_bytes() else { return None };
        celes::Country::from_alpha2(code).ok().map(|_| Self([a, b]))
    }

    /// Returns the two capital letters.
    #[expect(clippy::missing_panics_doc, reason = "both bytes are ASCII letters, whoever made the value")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a country is two ASCII letters")
    }

    /// Returns whether a nationality of this country ranks in the EEA group of Article 6(3) on a day; `false` before
    /// the first day of the regime.
    pub fn ranks_as_eea(self, regime: Regime, as_of: Date) -> bool {
        eea_group(regime, as_of).is_some_and(|group| group.contains(self))
    }

    /// Builds a country from a code in this crate's own tables; a test checks every one of them with
    /// [`Country::parse`].
    pub(crate) const fn of(code: &str) -> Self {
        let &[a, b] = code.as_bytes() else { panic!("a country code has two letters") };
        Self([a, b])
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(code: &str) -> Result<Self, UnknownCountry> {
        Self::parse(code).ok_or(UnknownCountry)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The countries whose nationality goes before all others, from one day to another.
///
/// A change of law is a new group with its first day; the group that it replaces gets its last day and stays.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EeaGroup {
    /// The regimes under which the group counts.
    pub regimes: &'static [Regime],
    /// The first day of this composition.
    pub from: Date,
    /// The last day of this composition; `None` while no other one replaces it.
    pub until: Option<Date>,
    /// The source of the composition in law, with the reason for the day.
    pub source: &'static str,
    /// The states of the European Economic Area.
    pub members: &'static [Country],
    /// Countries that the regime ranks among them.
    pub joined_by: &'static [Country],
}

impl EeaGroup {
    /// Returns whether a country is in the group.
    pub fn contains(&self, country: Country) -> bool {
        self.members.contains(&country) || self.joined_by.contains(&country)
    }
}

/// The groups of all regimes, superseded ones first.
pub const EEA_GROUPS: &[EeaGroup] = &[
    EeaGroup {
        regimes: &[Regime::Eu, Regime::Uk],
        from: Regime::Eu.first_day(),
        until: Some(END_OF_TRANSITION),
        source: "Article 6(3) of Commission Delegated Regulation (EU) 2017/590; the United Kingdom was a member state \
                 and from 1 February 2020 treated as one (Articles 126 and 127 of the withdrawal agreement; that GB \
                 ranked with the others until the end is our reading)",
        members: &EEA,
        joined_by: &[Country::of("GB")],
    },
    EeaGroup {
        regimes: &[Regime::Eu, Regime::Mica],
        from: AFTER_TRANSITION,
        until: None,
        source: "Article 6(3) of Commission Delegated Regulation (EU) 2017/590 and Article 3(3) of (EU) 2025/416; the \
                 United Kingdom's transition period ended on 31 December 2020",
        members: &EEA,
        joined_by: &[],
    },
    // GB takes its place in the alphabet among the EEA states: GB and SI give GB, but FR and GB give FR.
    EeaGroup {
        regimes: &[Regime::Uk],
        from: AFTER_TRANSITION,
        until: None,
        source: "Article 6(3) as onshored in the United Kingdom, as firms and vendors read it (its text was not seen)",
        members: &EEA,
        joined_by: &[Country::of("GB")],
    },
];

/// Returns the group of a regime on a day, or `None` before the first day of the regime.
pub fn eea_group(regime: Regime, as_of: Date) -> Option<&'static EeaGroup> {
    let applies = |group: &&EeaGroup| {
        group.regimes.contains(&regime) && regime.is_in_force(as_of, group.from, group.until)
    };
    EEA_GROUPS.iter().find(applies)
}

/// The 27 states of the European Union, then Iceland, Liechtenstein and Norway. Switzerland, the United Kingdom and the
/// micro-states are not members.
#[rustfmt::skip]
const EEA: [Country; 30] = [
    Country::of("AT"), Country::of("BE"), Country::of("BG"), Country::of("CY"), Country::of("CZ"),
    Country::of("DE"), Country::of("DK"), Country::of("EE"), Country::of("ES"), Country::of("FI"),
    Country::of("FR"), Country::of("GR"), Country::of("HR"), Country::of("HU"), Country::of("IE"),
    Country::of("IT"), Country::of("LT"), Country::of("LU"), Country::of("LV"), Country::of("MT"),
    Country::of("NL"), Country::of("PL"), Country::of("PT"), Country::of("RO"), Country::of("SE"),
    Country::of("SI"), Country::of("SK"),
    Country::of("IS"), Country::of("LI"), Country::of("NO"),
];

/// The nationality under which a person is reported, and the reason for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Leading {
    /// The country whose row of Annex II applies and whose code opens the designation.
    pub country: Country,
    /// The rule that made it lead.
    pub basis: Basis,
}

/// The rule by which a nationality leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Basis {
    /// The person has no other nationality.
    Only,
    /// It is the only one in the EEA group; the others are outside it (Article 6(3)).
    EeaFirst,
    /// It is the first of several in the EEA group by the alphabet of the codes (Article 6(3)). There may be others
    /// outside the group.
    Alphabetical,
    /// There are several and none is in the EEA group. **The regulation gives no order for this case**; taking the
    /// first by the alphabet is common practice, and a firm may prefer the nationality whose passport it has seen. A
    /// decision built on this should say so.
    OpenAlphabetical,
}

/// Returns the leading nationality on a day by Article 6(3) of Commission Delegated Regulation (EU) 2017/590: one of
/// the EEA group before any other, then the first ISO 3166-1 alpha-2 code in alphabetical order.
///
/// The order of the nationalities does not matter and duplicates count once. Residence and tax domicile play no part.
/// Returns `None` for a person without a nationality, because the regulation is silent on stateless persons and no code
/// is made up for them, and before the first day of the regime.
pub fn leading(nationalities: &[Country], regime: Regime, as_of: Date) -> Option<Leading> {
    let group = eea_group(regime, as_of)?;
    // `false` sorts before `true`, so the EEA group comes first.
    let rank = |country: Country| (!group.contains(country), country);
    let country = nationalities.iter().copied().min_by_key(|&country| rank(country))?;

    let mut others = nationalities.iter().copied().filter(|&other| other != country).peekable();
    let basis = if others.peek().is_none() {
        Basis::Only
    } else if !group.contains(country) {
        Basis::OpenAlphabetical
    } else if others.any(|other| group.contains(other)) {
        Basis::Alphabetical
    } else {
        Basis::EeaFirst
    };
    Some(Leading { country, basis })
}
