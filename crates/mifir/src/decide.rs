//! The decision on the identifier of a person: Article 6 of Commission Delegated Regulation (EU) 2017/590, and Article
//! 3 of (EU) 2025/416, which repeats it.

use jiff::civil::Date;

use crate::concat::concat;
use crate::concat_note::ConcatNote;
use crate::decision::{
    Decision, DecisionOutcome, DecisionReason, Designation, HeldIdentifier, IdentifierValue, OpenQuestion,
    OtherIdentifiers, Person, ResidenceOutcome,
};
use crate::{Country, Leading, Priority, RULES, Regime, Scheme, leading, priorities};

/// Decides on the designation of a person under a regime, by the rules of a day.
///
/// The leading nationality comes first (Article 6(3)). Its row of Annex II is then read from the top, and the first
/// priority with a known identifier counts. Values are used without a check; see
/// [`Standard::check`](crate::Standard::check). Under [`Regime::Mica`] [`Decision::residence`] has to be looked at as
/// well.
///
/// A decision for another day is made by the rules of that day: until the end of 2020 a British national is reported
/// with a National Insurance number in the EU, too.
///
/// ```
/// use jiff::civil::date;
/// use mifir::{Country, DecisionOutcome, HeldIdentifier, OtherIdentifiers, Person, Regime, StandardKey, decide};
///
/// let nationalities = [Country::parse("GB").unwrap()];
/// let person = Person::new(&nationalities, "John", "Smith", date(1970, 5, 1));
/// let held = [HeldIdentifier::new(nationalities[0], StandardKey::Nino, "PK030030B")];
/// let decided = |day| decide(person, &held, OtherIdentifiers::Unknown, Regime::Eu, day).outcome;
///
/// let DecisionOutcome::Ready(designation) = decided(date(2020, 12, 31)) else { panic!() };
/// assert_eq!(designation.to_string(), "GBPK030030B");
/// let DecisionOutcome::Missing { wanted, .. } = decided(date(2021, 1, 1)) else { panic!() };
/// assert_eq!(wanted.standard, StandardKey::Passport);
/// ```
pub fn decide<'a>(
    person: Person<'a>,
    held: &[HeldIdentifier<'a>],
    others: OtherIdentifiers,
    regime: Regime,
    as_of: Date,
) -> Decision<'a> {
    let mut reasons = Vec::new();
    let lead = leading_or_question(&person, regime, as_of);
    let (outcome, residence) = match lead {
        Err(question) => {
            let residence = match regime {
                Regime::Mica => ResidenceOutcome::Also(DecisionOutcome::NeedsReview(question)),
                _ => ResidenceOutcome::NotRequired,
            };
            (DecisionOutcome::NeedsReview(question), residence)
        }
        Ok(leading) => {
            let row = Row { country: leading.country, steps: priorities(leading.country, regime, as_of) };
            reasons.reserve(row.steps.len() + held.len() + 2);
            reasons.push(DecisionReason::Nationality { leading, others: person.nationalities });
            reasons.push(DecisionReason::Row { country: row.country, steps: row.steps });
            let unused = held.iter().filter(|held| !row.contains(held));
            reasons.extend(unused.map(|held| DecisionReason::Unused { held: *held }));
            let outcome = row.read(&person, held, others, &mut reasons);
            let residence = match regime {
                Regime::Mica => by_residence(&person, leading.country, held, others, as_of, &mut reasons),
                _ => ResidenceOutcome::NotRequired,
            };
            (outcome, residence)
        }
    };
    Decision { outcome, residence, reasons, regime, as_of, rules: RULES }
}

/// Returns the leading nationality, or the question that stands in its way.
fn leading_or_question(person: &Person<'_>, regime: Regime, as_of: Date) -> Result<Leading, OpenQuestion> {
    let from = regime.first_day();
    if as_of < from {
        return Err(OpenQuestion::NotInForce { regime, from });
    }
    leading(person.nationalities, regime, as_of).ok_or_else(|| {
        person.no_nationality.map_or(OpenQuestion::NationalityUnknown, OpenQuestion::NoNationality)
    })
}

/// Identifies a person by the country of residence, if that is not the country of the leading nationality.
fn by_residence<'a>(
    person: &Person<'a>,
    leading: Country,
    held: &[HeldIdentifier<'a>],
    others: OtherIdentifiers,
    as_of: Date,
    reasons: &mut Vec<DecisionReason<'a>>,
) -> ResidenceOutcome<'a> {
    let ask = |question| ResidenceOutcome::Also(DecisionOutcome::NeedsReview(question));
    let country = match person.residence {
        None => return ask(OpenQuestion::ResidenceUnknown),
        Some(country) if country == leading => return ResidenceOutcome::SameAsNationality,
        Some(country) if person.nationalities.contains(&country) => {
            return ask(OpenQuestion::ResidenceIsOtherNationality(country));
        }
        Some(country) => country,
    };
    let row = Row { country, steps: priorities(country, Regime::Mica, as_of) };
    reasons.push(DecisionReason::Residence { country, steps: row.steps });
    if row.steps.first().is_some_and(|first| first.scheme == Scheme::Ccpt) {
        return ask(OpenQuestion::ResidencePassport(country));
    }
    ResidenceOutcome::Also(row.read(person, held, others, reasons))
}

/// The row of Annex II that is read for a country. It has at least one priority.
struct Row {
    country: Country,
    steps: &'static [Priority],
}

impl Row {
    /// Returns whether the row names an identifier.
    fn contains(&self, held: &HeldIdentifier<'_>) -> bool {
        held.country == self.country && self.steps.iter().any(|step| step.standard == held.standard)
    }

    /// Reads the row from the top to the first priority that applies (Article 6(2)).
    fn read<'a>(
        &self,
        person: &Person<'a>,
        held: &[HeldIdentifier<'a>],
        others: OtherIdentifiers,
        reasons: &mut Vec<DecisionReason<'a>>,
    ) -> DecisionOutcome<'a> {
        let Self { country, steps } = *self;
        let of = |step: &Priority| {
            held.iter().find(|held| held.country == country && held.standard == step.standard)
        };
        // CONCAT needs no identifier. It applies where it is the first priority, or if the person has nothing of a
        // higher one.
        let last_resort = |at: usize, step: &Priority| {
            step.scheme == Scheme::Concat && (at == 0 || others == OtherIdentifiers::None)
        };
        let reached =
            steps.iter().enumerate().find(|(at, step)| of(step).is_some() || last_resort(*at, step));
        let Some((at, step)) = reached else {
            // A person without other identifiers has no next one to be asked for.
            let next = steps.get(1).filter(|_| others == OtherIdentifiers::Unknown);
            return DecisionOutcome::Missing { country, wanted: &steps[0], next };
        };
        // A CONCAT states that the person has nothing of a higher priority, so the skipped ones are declared as
        // missing.
        let declared = others == OtherIdentifiers::None || step.scheme == Scheme::Concat;
        reasons.extend(steps[..at].iter().map(|from| DecisionReason::SteppedDown { from, declared }));
        let value = match of(step) {
            Some(held) if step.scheme != Scheme::Concat => IdentifierValue::Number(held.value),
            _ => match concat_of(country, person, reasons) {
                Ok(value) => value,
                Err(question) => return DecisionOutcome::NeedsReview(question),
            },
        };
        DecisionOutcome::Ready(Designation { country, priority: at + 1, step, value })
    }
}

/// Builds the CONCAT of a person, or returns the question that stands in its way.
fn concat_of<'a>(
    country: Country,
    person: &Person<'a>,
    reasons: &mut Vec<DecisionReason<'a>>,
) -> Result<IdentifierValue<'a>, OpenQuestion> {
    let concat = concat(country, person.first_name, person.surname, person.birth_date)
        .map_err(OpenQuestion::NotLatin)?;
    reasons.extend(concat.steps.iter().cloned().map(DecisionReason::Made));
    let nameless = |step: &ConcatNote<'_>| matches!(step, ConcatNote::NoFirstName | ConcatNote::NoSurname);
    if concat.steps.iter().any(nameless) {
        return Err(OpenQuestion::NameMissing(concat.text));
    }
    Ok(IdentifierValue::Concat(concat))
}
