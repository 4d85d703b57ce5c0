//! A decision and its parts: what goes into it, the designation or open question that comes out, and the reasons.

use std::fmt;

use jiff::civil::Date;

use crate::concat_note::{Concat, ConcatNote, ConcatText, NotLatin};
use crate::{Basis, Country, Leading, Priority, Regime, RulesVersion, StandardKey};

/// The data of a person that the decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Person<'a> {
    /// All nationalities, in any order.
    pub nationalities: &'a [Country],
    /// The reason for which there is no nationality, where it is known; ignored beside a nationality.
    pub no_nationality: Option<NoNationality>,
    /// First names, the leading one first, separated by blanks or commas.
    pub first_name: &'a str,
    /// Surname or surnames, with prefixes.
    pub surname: &'a str,
    /// Birth date, which is used without a check.
    pub birth_date: Date,
    /// The country of residence, which plays a part under [`Regime::Mica`] only.
    pub residence: Option<Country>,
}

impl<'a> Person<'a> {
    /// Creates a person of whom nothing else is known.
    pub const fn new(
        nationalities: &'a [Country],
        first_name: &'a str,
        surname: &'a str,
        birth_date: Date,
    ) -> Self {
        Self { nationalities, no_nationality: None, first_name, surname, birth_date, residence: None }
    }

    /// Sets the reason for which there is no nationality.
    #[must_use]
    pub const fn with_no_nationality(self, reason: NoNationality) -> Self {
        Self { no_nationality: Some(reason), ..self }
    }

    /// Sets the country of residence.
    #[must_use]
    pub const fn with_residence(self, country: Country) -> Self {
        Self { residence: Some(country), ..self }
    }
}

/// The reason for which a person has no nationality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum NoNationality {
    /// A stateless person (`XXA` in travel documents, ICAO Doc 9303-3, section 5).
    Stateless,
    /// A refugee whose nationality is not stated (`XXB` and `XXC` in travel documents).
    Refugee,
}

/// An identifier that the person is known to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HeldIdentifier<'a> {
    /// The country that has issued it.
    pub country: Country,
    /// The standard. [`StandardKey::Concat`] states that the person has no identifier of a higher priority.
    pub standard: StandardKey,
    /// The value in its stored form ([`Standard::normalise`](crate::Standard::normalise)); ignored for CONCAT.
    pub value: &'a str,
}

impl<'a> HeldIdentifier<'a> {
    /// Creates an identifier.
    pub const fn new(country: Country, standard: StandardKey, value: &'a str) -> Self {
        Self { country, standard, value }
    }
}

/// The knowledge about further identifiers of the person.
///
/// The person is reported with the highest identifier that **the person** has, not with the highest one that the firm
/// knows (Article 6(2)): an unknown identifier is no reason to step down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum OtherIdentifiers {
    /// The person has no others.
    None,
    /// The person may have others, and has to be asked.
    Unknown,
}

/// The designation of a person in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Designation<'a> {
    /// The leading nationality.
    pub country: Country,
    /// The number of the priority in the row of the country, from 1.
    pub priority: usize,
    /// The priority: standard and label.
    pub step: &'static Priority,
    /// The identifier that follows the country code in the report.
    pub value: IdentifierValue<'a>,
}

/// The identifier of a designation: a number, or the CONCAT that replaces one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum IdentifierValue<'a> {
    /// A number, without the country code.
    Number(&'a str),
    /// A CONCAT, which contains the country code.
    Concat(Concat<'a>),
}

/// Writes the designation in the reported form: country code and identifier (Article 6(1)).
impl fmt::Display for Designation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            IdentifierValue::Number(number) => write!(f, "{}{number}", self.country),
            // A CONCAT contains the country code already.
            IdentifierValue::Concat(concat) => f.write_str(concat.as_str()),
        }
    }
}

/// The result of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum DecisionOutcome<'a> {
    /// The person can be reported with this designation.
    Ready(Designation<'a>),
    /// The person has to be asked for the identifier `wanted`. If there is none, `next` is the next one to ask for;
    /// with `None` no report is possible without it.
    Missing {
        /// The leading nationality.
        country: Country,
        /// The first priority of its row.
        wanted: &'static Priority,
        /// The second priority; `None` if the person is known to have no others, or the row has no second one.
        next: Option<&'static Priority>,
    },
    /// The rules give no result, or none without an answer from the person.
    NeedsReview(OpenQuestion),
}

/// The reason for a review by a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum OpenQuestion {
    /// The rules of the regime do not apply yet on this day.
    NotInForce {
        /// The regime.
        regime: Regime,
        /// Its first day.
        from: Date,
    },
    /// No nationality is known, nor that there is none: ask for it.
    NationalityUnknown,
    /// Open: the rules do not mention people without a nationality, and no country code may be made up for them.
    NoNationality(NoNationality),
    /// A name for which no CONCAT can be built.
    NotLatin(NotLatin),
    /// Open: the CONCAT would be this one, with `#####` for the missing first name or surname. Ask the person first.
    NameMissing(ConcatText),
    /// The country of residence is not known, and the regime asks for it.
    ResidenceUnknown,
    /// Open: the country of residence is one of several nationalities, but not the leading one. The text speaks of one
    /// nationality only.
    ResidenceIsOtherNationality(Country),
    /// Open: the row of the country of residence begins with a passport, which only its nationals have.
    ResidencePassport(Country),
}

impl fmt::Display for OpenQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without = |f: &mut fmt::Formatter<'_>, who: &str| {
            write!(f, "no nationality: the person is {who}, and the rules have no identifier for that")
        };
        match self {
            OpenQuestion::NotInForce { regime, from } => {
                write!(f, "the rules of {regime} apply from {from} on")
            }
            OpenQuestion::NationalityUnknown => f.write_str("no nationality is known"),
            OpenQuestion::NoNationality(NoNationality::Stateless) => without(f, "stateless"),
            OpenQuestion::NoNationality(NoNationality::Refugee) => without(f, "a refugee"),
            OpenQuestion::NotLatin(letter) => write!(f, "no CONCAT can be made: {letter}"),
            OpenQuestion::NameMissing(text) => {
                write!(f, "a first name or a surname is missing; ask before it is reported as {text}")
            }
            OpenQuestion::ResidenceUnknown => f.write_str("the country of residence is not known"),
            OpenQuestion::ResidenceIsOtherNationality(country) => write!(
                f,
                "the residence is in {country}, another nationality of the person; the rules do not say whether it \
                 has to be identified, too"
            ),
            OpenQuestion::ResidencePassport(country) => write!(
                f,
                "the residence is in {country}, whose row begins with the passport of a national; the rules do not say \
                 what stands in its place"
            ),
        }
    }
}

/// The identification by the country of residence: Delegated Regulation (EU) 2025/416, Article 3(4).
///
/// The article asks for it "as specified in field 50 of Table 2 of the Annex". What that field contains beside the
/// country could not be read. Here the person gets a designation as a national of that country would; every such
/// decision contains [`DecisionReason::Residence`], which is an open point.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ResidenceOutcome<'a> {
    /// The regime does not ask for it.
    NotRequired,
    /// The person resides in the country of the leading nationality, so nothing is added.
    SameAsNationality,
    /// A second designation is due beside [`Decision::outcome`].
    Also(DecisionOutcome<'a>),
}

/// A reason in the explanation of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum DecisionReason<'a> {
    /// The leading nationality.
    Nationality {
        /// The nationality, and the rule that made it lead.
        leading: Leading,
        /// All stated nationalities.
        others: &'a [Country],
    },
    /// The row of Annex II of that country.
    Row {
        /// The country.
        country: Country,
        /// Its priorities, first one first.
        steps: &'static [Priority],
    },
    /// An identifier that the row does not contain.
    Unused {
        /// The identifier.
        held: HeldIdentifier<'a>,
    },
    /// A priority that was skipped.
    SteppedDown {
        /// The skipped priority.
        from: &'static Priority,
        /// Whether the person has no such identifier; otherwise none is known.
        declared: bool,
    },
    /// A step in the construction of a CONCAT.
    Made(ConcatNote<'a>),
    /// The country of residence, whose row of Annex II is read in addition.
    Residence {
        /// The country.
        country: Country,
        /// Its priorities, first one first.
        steps: &'static [Priority],
    },
}

impl DecisionReason<'_> {
    /// Returns whether the rules leave this step open.
    pub fn is_open(&self) -> bool {
        match self {
            DecisionReason::Nationality { leading, .. } => leading.basis == Basis::OpenAlphabetical,
            DecisionReason::Made(step) => step.is_open(),
            DecisionReason::Residence { .. } => true,
            DecisionReason::Row { .. }
            | DecisionReason::Unused { .. }
            | DecisionReason::SteppedDown { .. } => false,
        }
    }
}

impl fmt::Display for DecisionReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecisionReason::Nationality { leading, others } => write_leading(*leading, others, f),
            DecisionReason::Row { country, steps } => write_row(*country, steps, f),
            DecisionReason::Unused { held } => {
                write!(f, "{} {} is no identifier of this row", held.country, held.standard)
            }
            DecisionReason::SteppedDown { from, declared: true } => {
                write!(f, "the person has no {}", from.standard)
            }
            DecisionReason::SteppedDown { from, .. } => {
                write!(f, "no {} is known; what follows is right only if the person has none", from.standard)
            }
            DecisionReason::Made(step) => write!(f, "CONCAT: {step}"),
            DecisionReason::Residence { country, steps } => {
                f.write_str(
                    "the residence is in another country and has to be identified, too; how is not certain; ",
                )?;
                write_row(*country, steps, f)
            }
        }
    }
}

/// Writes the leading nationality and the rule that made it lead.
fn write_leading(leading: Leading, others: &[Country], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Leading { country, basis } = leading;
    f.write_str(match basis {
        Basis::Only => return write!(f, "the only nationality is {country}"),
        Basis::EeaFirst => "several nationalities, the EEA's first: ",
        Basis::Alphabetical => "several nationalities, the EEA's first, then alphabetical: ",
        Basis::OpenAlphabetical => {
            "several nationalities, none of the EEA; the rules give no order, usual is the alphabet: "
        }
    })?;
    let mut others = others.iter().filter(|other| **other != country);
    others.next().map_or(Ok(()), |first| write!(f, "{country} before {first}"))?;
    others.try_for_each(|other| write!(f, ", {other}"))
}

/// Writes the priorities of a country.
fn write_row(country: Country, steps: &[Priority], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let [only] = steps {
        return write!(f, "{country}: {} is the only identifier", only.standard);
    }
    write!(f, "{country}: ")?;
    for (at, step) in steps.iter().enumerate() {
        write!(f, "{}{}", if at == 0 { "" } else { ", then " }, step.standard)?;
    }
    Ok(())
}

/// A decision with its reasons, and the rules by which it was made. It can be kept as the record of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Decision<'a> {
    /// The designation by the nationality.
    pub outcome: DecisionOutcome<'a>,
    /// The identification by the country of residence, which [`Regime::Mica`] asks for in addition.
    pub residence: ResidenceOutcome<'a>,
    /// The reasons, in the order of the decision.
    pub reasons: Vec<DecisionReason<'a>>,
    /// The regime.
    pub regime: Regime,
    /// The day whose rules were applied.
    pub as_of: Date,
    /// The version of the tables of this crate.
    pub rules: RulesVersion,
}
