//! Findings about an identifier: in itself, and compared with the person.

use jiff::civil::Date;
use mifir::{Agreement, Birth, Country, FaultKind, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::identifier_standard::IdentifierStandard;
use super::reportable_person::ReportablePerson;

/// A finding about an identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// hard: no such identifier exists. soft: worth a look.
    #[schemars(extend("enum" = [HARD, SOFT]))]
    pub severity: String,
    /// A name for machines, as in `check_digit`.
    pub code: String,
    /// What is found, to be read out after the identifier.
    pub message: String,
}

/// Severity of a finding that no valid identifier can have.
pub const HARD: &str = "hard";
/// Severity of a finding that a valid identifier may have.
pub const SOFT: &str = "soft";
/// Code of the finding that the number encodes another birth date than the person's.
pub(in crate::domain) const BIRTH_DATE: &str = "birth_date";
/// Maximum number of users that a message names.
const MAX_NAMED: usize = 10;

impl Finding {
    fn new(severity: &str, code: &str, message: String) -> Self {
        Self { severity: severity.to_owned(), code: code.to_owned(), message }
    }

    /// Makes the finding about a CONCAT that differs from the one that the person would have now.
    pub(in crate::domain) fn outdated() -> Self {
        let message = "is not made of the name and the birth date that the person has now";
        Self::new(SOFT, "outdated", message.to_owned())
    }

    /// Returns findings about characters that were sent with the number, are no part of it, and were dropped.
    pub(in crate::domain) fn of_writing(sent: &str) -> impl Iterator<Item = Self> {
        mifir::spelling_faults(sent).map(|fault| Self::new(SOFT, fault.what.code(), fault.to_string()))
    }

    /// Makes the finding that other users have the same number; `None` if there are none.
    pub fn duplicate(others: &[Uuid]) -> Option<Self> {
        let named: Vec<String> = others.iter().take(MAX_NAMED).map(Uuid::to_string).collect();
        let message = match others.len() {
            0 => return None,
            1 => format!("is the number of user {}, too", named[0]),
            more if more <= MAX_NAMED => format!("is the number of the users {}, too", named.join(", ")),
            more => {
                format!("is the number of {more} other users, too, among them {}", named.join(", "))
            }
        };
        Some(Self::new(SOFT, "duplicate", message))
    }
}

/// Returns the reason for which the API refuses a value, in words that do not repeat it, or `None` if it accepts the
/// value (decision I9).
///
/// The vendor's pattern decides, on the value as it is written or in the reported form. A number that does not match
/// the pattern is accepted if its issuer can have issued it: there is no hard fault except for a check digit, which the
/// pattern does not cover either.
pub fn form_fault(
    standard: &IdentifierStandard,
    country: Country,
    written: &str,
    today: Date,
) -> Option<String> {
    let value = standard.rules.normalise(written, None, today);
    if standard.accepts(written) || standard.accepts(&value) {
        return None;
    }
    let checked = standard.rules.check(country, &value, today);
    let speaks_against_form =
        |what: &FaultKind<'_>| !matches!(what, FaultKind::Check { .. } | FaultKind::Unissued);
    let fault = checked
        .faults
        .iter()
        .find(|fault| fault.severity == Severity::Hard && speaks_against_form(&fault.what))?;
    let rule = match fault.what {
        FaultKind::Length { expected, .. } => format!("must have {expected}"),
        FaultKind::Character { position, expected, .. } => format!("character {position} must be {expected}"),
        FaultKind::Part { part, expected, .. } => format!("{part} must be {expected}"),
        FaultKind::Date { .. } => "must hold a birth date that is a day of the calendar".to_owned(),
        FaultKind::Future { .. } => "must hold a birth date that is not in the future".to_owned(),
        _ => format!("must be {}", standard.form),
    };
    Some(format!("{rule} ({})", standard.abbreviation))
}

/// Returns the findings on a day about a value in its reported form, by itself and compared with its holder's birth
/// date and sex. A difference in the latter proves nothing: some states issue numbers of a neighbouring day, and
/// corrections do not always change a number.
pub fn findings(
    standard: &IdentifierStandard,
    country: Country,
    value: &str,
    identity: &ReportablePerson,
    today: Date,
) -> Vec<Finding> {
    let checked = standard.rules.check_of(country, value, Some(identity.birth_date), today);
    let mut findings: Vec<Finding> = checked
        .faults
        .iter()
        .map(|fault| {
            let severity = if fault.severity == Severity::Hard { HARD } else { SOFT };
            Finding::new(severity, fault.what.code(), fault.to_string())
        })
        .collect();
    let compared = mifir::crosscheck(checked.encoded, Some(identity.birth_date), identity.sex);
    if compared.birth_date == Agreement::Differs {
        let says = match checked.encoded.birth {
            Birth::On(date) => format!("says that the birth date is {date}"),
            Birth::InSomeCentury { day, month, .. } => {
                format!("says that the birth date is {day:02}.{month:02}.")
            }
            Birth::Unknown => "says another birth date".to_owned(),
        };
        let message = format!("{says}, stated is {}", identity.birth_date);
        findings.push(Finding::new(SOFT, BIRTH_DATE, message));
    }
    if compared.sex == Agreement::Differs {
        findings.push(Finding::new(SOFT, "sex", "is a number of the other sex".to_owned()));
    }
    findings
}
