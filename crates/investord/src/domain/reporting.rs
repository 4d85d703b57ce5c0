//! How a person would be named in a transaction report today, and why: the answer beyond the vendor's API.

use jiff::Timestamp;
use jiff::civil::Date;
use mifir::auth016::Fragment;
use mifir::{Country, Decision, Designation, Held, Others, Outcome, Regime};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::activation::Obstacle;
use super::identifier::{self, Content, Finding, Identifier, Sent};
use super::identity::Identity;
use super::schema::{Fault, Member, Needed, Rule, Shape, member, parse, read};
use super::standard;
use super::tenant::{IdentifierChecks, RegimeSetting, Settings};
use super::tree::Tree;
use super::user;

/// Says what is missing for a report, if anything is.
pub fn unmet<'a>(
    identity: &Identity,
    identifiers: impl IntoIterator<Item = &'a Content>,
    regime: Regime,
) -> Option<Obstacle> {
    let held: Vec<Held<'_>> = identifiers.into_iter().map(Content::held).collect();
    match decide(identity, &held, regime).outcome {
        Outcome::Ready(_) => None,
        Outcome::Missing { country, wanted, next } => {
            Some(Obstacle::IdentifierMissing { country, wanted, next })
        }
        Outcome::NeedsReview(review) => Some(Obstacle::IdentificationOpen { review: review.to_string() }),
    }
}

/// What a person may hold besides is not known: the register asks for the first priority.
fn decide<'a>(identity: &'a Identity, held: &[Held<'a>], regime: Regime) -> Decision<'a> {
    mifir::decide(identity.person(), held, Others::Unknown, regime)
}

/// The answer. Members that do not apply are `null`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The day of the answer.
    pub as_of: Date,
    pub regime: &'static str,
    pub outcome: &'static str,
    pub designation: Option<Named>,
    pub missing: Option<Missing>,
    /// Why somebody has to look at it.
    pub review: Option<String>,
    pub reasons: Vec<Reason>,
    pub identifiers: Vec<Examined>,
    /// The element `Prsn` of ISO 20022 auth.016.
    pub auth016: Option<String>,
}

/// How the person is named.
#[derive(Debug, Serialize)]
pub struct Named {
    pub country: String,
    pub priority: usize,
    #[serde(flatten)]
    pub step: Step,
    /// As it is reported: country code and identifier.
    pub identifier: String,
}

/// A priority of a row of Annex II.
#[derive(Debug, Serialize)]
pub struct Step {
    pub identifier_standard: String,
    pub scheme: &'static str,
    /// As Annex II calls it; empty for CONCAT.
    pub name: &'static str,
}

impl Step {
    fn of(country: Country, step: &mifir::Step) -> Self {
        let name = standard::of_key(country, step.standard).map(|standard| &standard.abbreviation[..]);
        let identifier_standard = name.unwrap_or(step.standard).to_owned();
        Self { identifier_standard, scheme: step.scheme.as_str(), name: step.national_name }
    }
}

/// What to ask the person for.
#[derive(Debug, Serialize)]
pub struct Missing {
    pub country: String,
    #[serde(flatten)]
    pub wanted: Step,
    /// What to ask for next if the person has none.
    pub next: Option<Step>,
}

/// A link of the chain that leads to the outcome.
#[derive(Debug, Serialize)]
pub struct Reason {
    pub text: String,
    /// Whether the rules leave it open, so that this is a choice.
    pub open: bool,
}

/// An identifier and what was found out about it.
#[derive(Debug, Serialize)]
pub struct Examined {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    pub r#type: identifier::Kind,
    pub issuing_country: String,
    pub identifier_standard: String,
    pub identifier: String,
    pub reported: String,
    pub faults: Vec<Finding>,
}

impl Report {
    /// Of a user of the register.
    pub fn of_user(identity: &Identity, identifiers: &[Identifier], regime: Regime, today: Date) -> Self {
        let identifiers = identifiers.iter().map(|one| (Some(one.id), &one.content));
        Self::of(identity, &identifiers.collect::<Vec<_>>(), regime, today)
    }

    /// Of anybody.
    pub fn of_person(identity: &Identity, contents: &[Content], regime: Regime, today: Date) -> Self {
        let contents = contents.iter().map(|content| (None, content));
        Self::of(identity, &contents.collect::<Vec<_>>(), regime, today)
    }

    fn of(identity: &Identity, held: &[(Option<Uuid>, &Content)], regime: Regime, today: Date) -> Self {
        let values: Vec<Held<'_>> = held.iter().map(|(_, content)| content.held()).collect();
        let Decision { outcome, reasons } = decide(identity, &values, regime);
        let reason = |reason: mifir::Reason<'_>| Reason { text: reason.to_string(), open: reason.is_open() };
        let examined = |(id, content): &(Option<Uuid>, &Content)| Examined {
            id: *id,
            r#type: content.kind,
            issuing_country: content.country.to_string(),
            identifier_standard: content.abbreviation().to_owned(),
            identifier: content.identifier.clone(),
            reported: content.reported.clone(),
            faults: content.faults.clone(),
        };
        let mut report = Self {
            as_of: today,
            regime: if regime == Regime::Uk { "UK" } else { "EU" },
            outcome: "READY",
            designation: None,
            missing: None,
            review: None,
            reasons: reasons.into_iter().map(reason).collect(),
            identifiers: held.iter().map(examined).collect(),
            auth016: None,
        };
        match outcome {
            Outcome::Ready(designation) => {
                let fragment = Fragment { person: identity.person(), designation: &designation };
                report.auth016 = Some(fragment.to_string());
                let Designation { country, priority, step, .. } = designation;
                let (identifier, step) = (designation.to_string(), Step::of(country, step));
                report.designation = Some(Named { country: country.to_string(), priority, step, identifier });
            }
            Outcome::Missing { country, wanted, next } => {
                report.outcome = "MISSING";
                let next = next.map(|next| Step::of(country, next));
                let wanted = Step::of(country, wanted);
                report.missing = Some(Missing { country: country.to_string(), wanted, next });
            }
            Outcome::NeedsReview(review) => {
                report.outcome = "NEEDS_REVIEW";
                report.review = Some(review.to_string());
            }
        }
        report
    }
}

/// A person of whom nothing is stored.
pub struct DryRun {
    pub identity: Identity,
    pub contents: Vec<Content>,
    pub settings: Settings,
    pub today: Date,
}

static IDENTIFIER: Rule = Rule::Object(&identifier::CREATE);

/// The body of a dry run: the members of a user on which identification rests, and identifiers.
pub static DRY_RUN: Shape = Shape { name: "ReportingDryRun", members: DRY_RUN_MEMBERS };

const MOST_IDENTIFIERS: usize = 100;

static DRY_RUN_MEMBERS: &[Member] = &[
    user::FIRST_NAME,
    user::LAST_NAME,
    user::BIRTH_DATE,
    user::NATIONALITIES,
    user::GENDER,
    user::SALUTATION,
    member(
        "identifiers",
        Needed::No,
        Rule::List { item: &IDENTIFIER, min: 0, max: MOST_IDENTIFIERS, unique: true },
        "Identifiers that the person has, each as it would be created.",
    ),
    member(
        "regime",
        Needed::No,
        Rule::OneOf(&["EU", "UK"]),
        "Under which copy of RTS 22 the report is made; without it the tenant's.",
    ),
];

impl DryRun {
    /// Reads the body of a dry run.
    pub fn parse(body: &[u8], settings: &Settings, now: Timestamp) -> Result<Self, Vec<Fault>> {
        let tree = parse(body)?;
        Self::read(&tree, settings, identifier::today(now))
    }

    /// Takes a person as it stands in a body. Identifiers are taken whatever their values: to say what is wrong with
    /// them is what it is for.
    pub fn read(tree: &Tree, settings: &Settings, today: Date) -> Result<Self, Vec<Fault>> {
        let members = read(&DRY_RUN, tree, settings, today)?;
        let regime = match members.get("regime").and_then(Value::as_str) {
            Some("UK") => RegimeSetting::Uk,
            Some(_) => RegimeSetting::Eu,
            None => settings.regime,
        };
        let settings = Settings { regime, identifier_checks: IdentifierChecks::Format, ..settings.clone() };
        let identity = Identity::of(&members).ok_or_else(|| vec![Fault::new("(root)", "is no person")])?;
        let (mut contents, mut faults) = (Vec::new(), Vec::new());
        let sent = members.get("identifiers").and_then(Value::as_array).into_iter().flatten();
        for (at, members) in sent.filter_map(Value::as_object).enumerate() {
            let sent = Sent::of(members, settings.regime.into()).and_then(|sent| {
                let twin = contents.iter().find(|one: &&Content| sent.is_of(one.country, &one.standard));
                let message = |twin: &Content| format!("there is another {} already", twin.abbreviation());
                twin.map_or(Ok(sent), |twin| Err(vec![Fault::new("identifier", message(twin))]))
            });
            match sent.and_then(|sent| sent.examined(&identity, &settings, today)) {
                Ok(content) => contents.push(content),
                Err(found) => {
                    let path = format!("identifiers[{at}]");
                    faults.extend(found.into_iter().map(|fault| fault.under(&path)));
                }
            }
        }
        if faults.is_empty() { Ok(Self { identity, contents, settings, today }) } else { Err(faults) }
    }

    pub fn report(&self) -> Report {
        Report::of_person(&self.identity, &self.contents, self.settings.regime.into(), self.today)
    }
}
