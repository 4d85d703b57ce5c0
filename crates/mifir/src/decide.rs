//! Who is reported with what: Article 6 of Commission Delegated Regulation (EU) 2017/590.

use std::fmt;

use jiff::civil::Date;

use crate::concat::{self, Concat, NotLatin, concat};
use crate::{Basis, Country, Leading, Priority, Regime, Scheme, leading, steps};

/// What is known of a person.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// All of them, in any order; residence and tax domicile play no part.
    pub nationalities: &'a [Country],
    /// First names, the leading one first, divided by blanks or commas.
    pub first_name: &'a str,
    /// Surname or surnames, with prefixes.
    pub surname: &'a str,
    /// Taken as it is.
    pub birth_date: Date,
}

/// An identifier that is known of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldIdentifier<'a> {
    /// Which country's it is.
    pub country: Country,
    /// As in [`Step::standard`]. `CONCAT` says that the person has nothing of a higher priority.
    pub standard: &'a str,
    /// In its stored form ([`Standard::normalise`](crate::Standard::normalise)); of no importance for CONCAT.
    pub value: &'a str,
}

/// What is known of the identifiers that are not known.
///
/// The person is reported with the highest identifier that **the person** has, not with the highest one that the
/// firm holds (Article 6(2)): "we do not know it" is no reason to step down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtherIdentifiers {
    /// The person has no others.
    None,
    /// The person may have others, and has to be asked.
    Unknown,
}

/// How a person is named in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Designation<'a> {
    /// The nationality that leads.
    pub country: Country,
    /// The priority of the country's row that was reached, from 1.
    pub priority: usize,
    /// That priority: standard and label.
    pub step: &'static Priority,
    /// What is reported behind the country's code.
    pub value: IdentifierValue<'a>,
}

/// An identifier, or what stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifierValue<'a> {
    /// Without the country.
    Number(&'a str),
    /// With the country in it.
    Concat(Concat<'a>),
}

/// The designation as it is reported: country code and identifier (Article 6(1)).
impl fmt::Display for Designation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            IdentifierValue::Number(number) => write!(f, "{}{number}", self.country),
            // The country stands in it.
            IdentifierValue::Concat(concat) => f.write_str(concat.as_str()),
        }
    }
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecisionOutcome<'a> {
    /// This is reported.
    Ready(Designation<'a>),
    /// The person has to be asked for an identifier. If there is none, `next` is the next one to ask for; with
    /// `None` no report can be made without it.
    Missing { country: Country, wanted: &'static Priority, next: Option<&'static Priority> },
    /// The rules do not tell, or not without an answer of the person.
    NeedsReview(OpenQuestion),
}

/// Why somebody has to look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenQuestion {
    /// Open: the rules say nothing of stateless persons, and no code is to be made up for them.
    NoNationality,
    /// Part of a CONCAT that cannot be made.
    NotLatin(NotLatin),
    /// Open: a first name or a surname is missing in a CONCAT, which would be this one, with `#####`; ask before.
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

/// A step on the way to the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NationalityReason<'a> {
    /// Which nationality leads; `others` are all that were stated.
    Nationality { leading: Leading, others: &'a [Country] },
    /// What its row of Annex II says.
    Row { country: Country, steps: &'static [Priority] },
    /// An identifier that is of no use here.
    Unused { held: HeldIdentifier<'a> },
    /// A priority that is passed over; `declared` says that the person has none, not only that none is known.
    SteppedDown { from: &'static Priority, declared: bool },
    /// What was done to make a CONCAT.
    Made(crate::concat::ConcatNote<'a>),
}

impl NationalityReason<'_> {
    /// Whether the rules leave open what was done here.
    pub fn is_open(&self) -> bool {
        match self {
            NationalityReason::Nationality { leading, .. } => leading.basis == Basis::OpenAlphabetical,
            NationalityReason::Made(step) => step.is_open(),
            NationalityReason::Row { .. }
            | NationalityReason::Unused { .. }
            | NationalityReason::SteppedDown { .. } => false,
        }
    }
}

impl fmt::Display for NationalityReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NationalityReason::Nationality { leading: Leading { country, basis }, others } => {
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
            NationalityReason::Row { country, steps: [only] } => {
                write!(f, "{country}: {} is the only identifier", only.standard)
            }
            NationalityReason::Row { country, steps } => {
                write!(f, "{country}: ")?;
                for (at, step) in steps.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "" } else { ", then " }, step.standard)?;
                }
                Ok(())
            }
            NationalityReason::Unused { held } => {
                write!(f, "{} {} is no identifier of this row", held.country, held.standard)
            }
            NationalityReason::SteppedDown { from, declared: true } => {
                write!(f, "the person has no {}", from.standard)
            }
            NationalityReason::SteppedDown { from, .. } => {
                write!(f, "no {} is known; what follows is right only if the person has none", from.standard)
            }
            NationalityReason::Made(step) => write!(f, "CONCAT: {step}"),
        }
    }
}

/// A decision and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What comes of it.
    pub outcome: DecisionOutcome<'a>,
    /// In the order in which the questions were asked.
    pub reasons: Vec<NationalityReason<'a>>,
}

/// Decides how a person is to be named in a report under a regime.
///
/// The country comes first (Article 6(3)), then its row of Annex II from the top: the first priority of which the
/// identifier is held. Values are taken as they are; see [`Standard::check`](crate::Standard::check).
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
    let row = steps(country, regime);
    let mut reasons = Vec::with_capacity(row.len() + held.len() + 2);
    reasons.push(NationalityReason::Nationality { leading, others: person.nationalities });
    reasons.push(NationalityReason::Row { country, steps: row });
    let of =
        |step: &Priority| held.iter().find(|held| held.country == country && held.standard == step.standard);
    reasons.extend(
        held.iter()
            .filter(|held| held.country != country || row.iter().all(|step| step.standard != held.standard))
            .map(|held| NationalityReason::Unused { held: *held }),
    );

    let last_resort = |at: usize, step: &Priority| {
        step.scheme == Scheme::Concat && (at == 0 || others == OtherIdentifiers::None)
    };
    let reached = row.iter().enumerate().find(|(at, step)| of(step).is_some() || last_resort(*at, step));
    let Some((at, step)) = reached else {
        let outcome = match others {
            // Nothing is left to ask for but the first.
            OtherIdentifiers::None => DecisionOutcome::Missing { country, wanted: &row[0], next: None },
            OtherIdentifiers::Unknown => {
                DecisionOutcome::Missing { country, wanted: &row[0], next: row.get(1) }
            }
        };
        return Decision { outcome, reasons };
    };
    let declared = others == OtherIdentifiers::None || step.scheme == Scheme::Concat;
    reasons.extend(row[..at].iter().map(|from| NationalityReason::SteppedDown { from, declared }));

    let designation = |value| DecisionOutcome::Ready(Designation { country, priority: at + 1, step, value });
    let outcome = match of(step) {
        Some(held) if step.scheme != Scheme::Concat => designation(IdentifierValue::Number(held.value)),
        _ => match concat(country, person.first_name, person.surname, person.birth_date) {
            Err(letter) => DecisionOutcome::NeedsReview(OpenQuestion::NotLatin(letter)),
            Ok(concat) => {
                use crate::concat::ConcatNote::{NoFirstName, NoSurname};
                reasons.extend(concat.steps.iter().cloned().map(NationalityReason::Made));
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
