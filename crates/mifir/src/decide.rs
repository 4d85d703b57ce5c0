//! The decision on the identifier of a person in a report: Article 6 of Commission Delegated Regulation (EU) 2017/590.

use std::fmt;

use jiff::civil::Date;

use crate::concat::{self, Concat, NotLatin, concat};
use crate::{Basis, Country, Leading, Priority, Regime, Scheme, leading, priorities};

/// The data of a person that the decision needs.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// All nationalities, in any order; residence and tax domicile play no part.
    pub nationalities: &'a [Country],
    /// First names, the leading one first, separated by blanks or commas.
    pub first_name: &'a str,
    /// Surname or surnames, with prefixes.
    pub surname: &'a str,
    /// Birth date, which is used without a check.
    pub birth_date: Date,
}

/// An identifier that the person is known to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldIdentifier<'a> {
    /// The country that has issued it.
    pub country: Country,
    /// The key of the standard, as in [`Priority::standard`]. `CONCAT` states that the person has no identifier of a
    /// higher priority.
    pub standard: &'a str,
    /// The value in its stored form ([`Standard::normalise`](crate::Standard::normalise)); ignored for CONCAT.
    pub value: &'a str,
}

/// The knowledge about further identifiers of the person.
///
/// The person is reported with the highest identifier that **the person** has, not with the highest one that the firm
/// knows (Article 6(2)): an unknown identifier is no reason to step down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtherIdentifiers {
    /// The person has no others.
    None,
    /// The person may have others, and has to be asked.
    Unknown,
}

/// The designation of a person in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
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
pub enum DecisionOutcome<'a> {
    /// The person can be reported with this designation.
    Ready(Designation<'a>),
    /// The person has to be asked for the identifier `wanted`. If there is none, `next` is the next one to ask for;
    /// with `None` no report is possible without it.
    Missing { country: Country, wanted: &'static Priority, next: Option<&'static Priority> },
    /// The rules give no result, or none without an answer from the person.
    NeedsReview(OpenQuestion),
}

/// The reason for a review by a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenQuestion {
    /// Open: the rules do not mention stateless persons, and no code may be made up for them.
    NoNationality,
    /// A name for which no CONCAT can be built.
    NotLatin(NotLatin),
    /// Open: the CONCAT would be this one, with `#####` for the missing first name or surname. Ask the person first.
    NameMissing(concat::Transliteration),
}

impl fmt::Display for OpenQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenQuestion::NoNationality => {
                f.write_str("no nationality is known, and the rules have none for the stateless")
            }
            OpenQuestion::NotLatin(letter) => write!(f, "no CONCAT can be made: {letter}"),
            OpenQuestion::NameMissing(text) => {
                write!(f, "a first name or a surname is missing; ask before it is reported as {text}")
            }
        }
    }
}

/// A reason in the explanation of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecisionReason<'a> {
    /// The leading nationality; `others` are all stated nationalities.
    Nationality { leading: Leading, others: &'a [Country] },
    /// The row of Annex II of that country.
    Row { country: Country, steps: &'static [Priority] },
    /// An identifier that the row does not contain.
    Unused { held: HeldIdentifier<'a> },
    /// A priority that was skipped. With `declared` the person has no such identifier; otherwise none is known.
    SteppedDown { from: &'static Priority, declared: bool },
    /// A step in the construction of a CONCAT.
    Made(crate::concat::ConcatNote<'a>),
}

impl DecisionReason<'_> {
    /// Returns whether the rules leave this step open.
    pub fn is_open(&self) -> bool {
        match self {
            DecisionReason::Nationality { leading, .. } => leading.basis == Basis::OpenAlphabetical,
            DecisionReason::Made(step) => step.is_open(),
            DecisionReason::Row { .. }
            | DecisionReason::Unused { .. }
            | DecisionReason::SteppedDown { .. } => false,
        }
    }
}

impl fmt::Display for DecisionReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecisionReason::Nationality { leading: Leading { country, basis }, others } => {
                let before = |f: &mut fmt::Formatter<'_>| {
                    let mut others = others.iter().filter(|other| *other != country);
                    others.next().map_or(Ok(()), |first| write!(f, "{country} before {first}"))?;
                    others.try_for_each(|other| write!(f, ", {other}"))
                };
                match basis {
                    Basis::Only => return write!(f, "the only nationality is {country}"),
                    Basis::EeaFirst => f.write_str("several nationalities, the EEA's first: ")?,
                    Basis::Alphabetical => {
                        f.write_str("several nationalities, the EEA's first, then alphabetical: ")?;
                    }
                    Basis::OpenAlphabetical => {
                        f.write_str("several nationalities, none of the EEA; the rules give no order, usual is the alphabet: ")?;
                    }
                }
                before(f)
            }
            DecisionReason::Row { country, steps: [only] } => {
                write!(f, "{country}: {} is the only identifier", only.standard)
            }
            DecisionReason::Row { country, steps } => {
                write!(f, "{country}: ")?;
                for (at, step) in steps.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "" } else { ", then " }, step.standard)?;
                }
                Ok(())
            }
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
        }
    }
}

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The result.
    pub outcome: DecisionOutcome<'a>,
    /// The reasons, in the order of the decision.
    pub reasons: Vec<DecisionReason<'a>>,
}

/// Decides on the designation of a person in a report under a regime.
///
/// The leading nationality comes first (Article 6(3)). Its row of Annex II is then read from the top, and the first
/// priority with a known identifier counts. Values are used without a check; see
/// [`Standard::check`](crate::Standard::check).
pub fn decide<'a>(
    person: Person<'a>,
    held: &[HeldIdentifier<'a>],
    others: OtherIdentifiers,
    regime: Regime,
) -> Decision<'a> {
    let Some(leading) = leading(person.nationalities, regime) else {
        return Decision {
            outcome: DecisionOutcome::NeedsReview(OpenQuestion::NoNationality),
            reasons: Vec::new(),
        };
    };
    let country = leading.country;
    let row = priorities(country, regime);
    let mut reasons = Vec::with_capacity(row.len() + held.len() + 2);
    reasons.push(DecisionReason::Nationality { leading, others: person.nationalities });
    reasons.push(DecisionReason::Row { country, steps: row });
    let of =
        |step: &Priority| held.iter().find(|held| held.country == country && held.standard == step.standard);
    reasons.extend(
        held.iter()
            .filter(|held| held.country != country || row.iter().all(|step| step.standard != held.standard))
            .map(|held| DecisionReason::Unused { held: *held }),
    );

    // CONCAT needs no identifier. It applies where it is the first priority, or if the person has nothing of a higher
    // one.
    let last_resort = |at: usize, step: &Priority| {
        step.scheme == Scheme::Concat && (at == 0 || others == OtherIdentifiers::None)
    };
    let reached = row.iter().enumerate().find(|(at, step)| of(step).is_some() || last_resort(*at, step));
    let Some((at, step)) = reached else {
        let outcome = match others {
            // The person has no other identifier, so there is no next one to ask for.
            OtherIdentifiers::None => DecisionOutcome::Missing { country, wanted: &row[0], next: None },
            OtherIdentifiers::Unknown => {
                DecisionOutcome::Missing { country, wanted: &row[0], next: row.get(1) }
            }
        };
        return Decision { outcome, reasons };
    };
    // A CONCAT states that the person has nothing of a higher priority, so the skipped ones are declared as missing.
    let declared = others == OtherIdentifiers::None || step.scheme == Scheme::Concat;
    reasons.extend(row[..at].iter().map(|from| DecisionReason::SteppedDown { from, declared }));

    let designation = |value| DecisionOutcome::Ready(Designation { country, priority: at + 1, step, value });
    let outcome = match of(step) {
        Some(held) if step.scheme != Scheme::Concat => designation(IdentifierValue::Number(held.value)),
        _ => match concat(country, person.first_name, person.surname, person.birth_date) {
            Err(letter) => DecisionOutcome::NeedsReview(OpenQuestion::NotLatin(letter)),
            Ok(concat) => {
                use crate::concat::ConcatNote::{NoFirstName, NoSurname};
                reasons.extend(concat.steps.iter().cloned().map(DecisionReason::Made));
                if concat.steps.iter().any(|step| matches!(step, NoFirstName | NoSurname)) {
                    DecisionOutcome::NeedsReview(OpenQuestion::NameMissing(concat.text))
                } else {
                    designation(IdentifierValue::Concat(concat))
                }
            }
        },
    };
    Decision { outcome, reasons }
}
