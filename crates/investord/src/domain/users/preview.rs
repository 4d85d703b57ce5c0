//! Previews a data change without applying it.

use jiff::Timestamp;
use jiff::civil::Date;
use mifir::{Country, Regime, StandardKey};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::data_change::{DataChange, DataChangeState, RequestedChange};
use super::identifiers;
use super::{User, UserStatus};
use crate::domain::identification::identifier::{Identifier, today};
use crate::domain::identification::reporting::Report;
use crate::domain::tenants::TenantSettings;

/// The effects that a data change would have on a user.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DataChangePreview")]
pub struct Preview {
    /// The reason for which the change would fail; then no member would differ.
    pub refusal: Option<String>,
    /// Whether an operator would have to review the proof first.
    pub review: bool,
    /// The members that would differ, with their present values.
    pub before: Map<String, Value>,
    /// The same members with their new values.
    pub after: Map<String, Value>,
    /// What follows, to be read out.
    pub says: Vec<String>,
    pub reporting: ReportComparison,
}

/// What the user would be reported with today, before and after the change.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReportComparison {
    pub before: Report,
    pub after: Report,
}

impl Preview {
    /// Previews a change of a user with the identifiers `held`; `shared` lists for each of them the other users with
    /// the same number.
    pub fn of(
        user: &User,
        held: &[Identifier],
        shared: &[Vec<Uuid>],
        requested: RequestedChange,
        settings: &TenantSettings,
        now: Timestamp,
    ) -> Self {
        let regime: Regime = settings.regime.into();
        let report = |user: &User, held: &[Identifier]| {
            let report = Report::of_user(&user.person.identity, held, regime, today(now));
            report.shared_with(shared.to_vec())
        };
        let before = report(user, held);
        // The change is applied to copies by the same functions as a real one, so that both have the same result.
        let (mut changed, mut own) = (user.clone(), held.to_vec());
        let review = requested.is_for_review(settings);
        let mut change = DataChange::new(Uuid::nil(), user.id, now, requested);
        change.apply(&mut changed, settings, now);
        if change.state == DataChangeState::Done {
            for change in identifiers::refresh_concats(held, &changed, settings, Uuid::nil(), now) {
                change.apply_to(&mut own);
            }
        }
        let after = report(&changed, &own);
        let members = |user: &User| -> Map<String, Value> {
            serde_json::from_str(&user.person.json).unwrap_or_default()
        };
        let (old, new) = (members(user), members(&changed));
        let differ = |one: &Map<String, Value>, other: &Map<String, Value>| {
            let different = one.iter().filter(|(name, value)| other.get(*name) != Some(value));
            different.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        Self {
            refusal: change.content.reason,
            review,
            says: consequences(user, &before, &after, regime, today(now)),
            before: differ(&old, &new),
            after: differ(&new, &old),
            reporting: ReportComparison { before, after },
        }
    }
}

/// Describes the consequences of a change in short sentences.
fn consequences(user: &User, before: &Report, after: &Report, regime: Regime, today: Date) -> Vec<String> {
    let mut says = Vec::new();
    let identifier = |report: &Report| report.designation.as_ref().map(|named| named.identifier.clone());
    match (before.leading, after.leading) {
        (was, Some(is)) if was != Some(is) => says.push(format!("nationality {is} leads")),
        _ => {}
    }
    if let Some(missing) = &after.missing {
        says.push(format!("{} needed", missing.wanted.identifier_standard));
        let steps = Country::parse(&missing.country).map(|country| mifir::priorities(country, regime, today));
        if steps.is_some_and(|steps| steps.iter().all(|step| step.standard != StandardKey::Concat)) {
            says.push("CONCAT not allowed".to_owned());
        } else if let Some(next) = &missing.next {
            says.push(format!("without one {}", next.identifier_standard));
        }
        match user.status {
            UserStatus::Active => says.push("the user stays ACTIVE and cannot be reported".to_owned()),
            UserStatus::Inactive | UserStatus::Offboarding | UserStatus::Offboarded => {}
        }
    }
    match (identifier(before), identifier(after)) {
        (was, Some(is)) if was.as_ref() != Some(&is) => says.push(format!("reported as {is}")),
        _ => {}
    }
    if user.status == UserStatus::Inactive && after.designation.is_some() && before.designation.is_none() {
        says.push("nothing is missing of the identifiers any more".to_owned());
    }
    if let Some(review) = &after.review {
        says.push(review.clone());
        if user.status == UserStatus::Active && before.review.is_none() {
            says.push("the user stays ACTIVE and cannot be reported".to_owned());
        }
    }
    says
}
