//! What waits for a decision: the queue, and the page of one case.

use askama::Template;
use serde_json::Value;

use crate::answers::{Comparison, Difference, Review};
use crate::frame::{Frame, Part, Theme};
use crate::pages::differences;
use crate::text::Language;

/// The kinds by which the queue is filtered.
pub const KINDS: [&str; 4] = ["all", "data-change", "check", "deactivation"];
/// The filters of the queue by assignee: all cases, those assigned to the reader, those that are not assigned.
pub const HOLDERS: [&str; 3] = ["everybody", "mine", "nobody"];
/// Seconds after which a case is late.
pub const LATE: i64 = 2 * 24 * 3_600;

/// The queue.
#[derive(Template)]
#[template(path = "queue.html")]
pub struct Queue {
    pub frame: Frame,
    pub filter: QueueFilter,
    /// Those that the filter shows, the oldest first.
    pub reviews: Vec<Review>,
    /// How many there are of each of [`KINDS`], of this holder.
    pub counts: [usize; 4],
}

/// A filter of the queue, by kind and assignee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFilter {
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// One of [`HOLDERS`].
    pub holder: &'static str,
}

impl QueueFilter {
    /// Returns the filter of these names; what is not known shows everything.
    pub fn new(kind: &str, holder: &str) -> Self {
        let known = |names: &[&'static str], name| names.iter().find(|one| **one == name).copied();
        Self {
            kind: known(&KINDS, kind).unwrap_or(KINDS[0]),
            holder: known(&HOLDERS, holder).unwrap_or(HOLDERS[0]),
        }
    }

    /// Returns the filter as the query of an address.
    pub fn query(&self) -> String {
        format!("kind={}&holder={}", self.kind, self.holder)
    }

    /// Returns whether a review is shown to an operator.
    pub fn shows(&self, review: &Review, operator: &str) -> bool {
        let is_kind = self.kind == KINDS[0] || review.kind == self.kind;
        is_kind
            && match self.holder {
                "mine" => review.assignee.as_deref() == Some(operator),
                "nobody" => review.assignee.is_none(),
                _ => true,
            }
    }
}

impl Queue {
    /// Builds the page from everything that waits.
    pub fn new(frame: Frame, filter: QueueFilter, all: Vec<Review>) -> Self {
        let shows = |one: &Review, kind| QueueFilter { kind, ..filter }.shows(one, &frame.operator);
        let counts = KINDS.map(|kind| all.iter().filter(|one| shows(one, kind)).count());
        let reviews = all.into_iter().filter(|one| filter.shows(one, &frame.operator)).collect();
        Self { frame, filter, reviews, counts }
    }

    /// Returns the kinds, each with its filter and how many there are.
    fn kinds(&self) -> impl Iterator<Item = (QueueFilter, usize)> {
        KINDS.into_iter().map(|kind| QueueFilter { kind, ..self.filter }).zip(self.counts)
    }

    /// Returns the holders, each with its filter.
    fn holders(&self) -> impl Iterator<Item = QueueFilter> {
        HOLDERS.into_iter().map(|holder| QueueFilter { holder, ..self.filter })
    }
}

/// What came of a decision about several cases.
#[derive(Template)]
#[template(path = "batch.html")]
pub struct BatchPage {
    pub frame: Frame,
    pub filter: QueueFilter,
    pub is_approval: bool,
    /// The cases that were chosen, and what came of each.
    pub outcomes: Vec<(Review, Outcome)>,
    /// Number of chosen cases that another operator decided before.
    pub gone: usize,
}

/// What came of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Decided,
    /// It waits for the same decision of a second operator.
    NeedsSecond,
    /// It was not possible, and why.
    NotDecided(String),
}

impl BatchPage {
    /// Returns how many were decided.
    fn decided(&self) -> usize {
        self.outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Decided).count()
    }
}

/// Returns whether a case may be decided together with others: a deactivation is looked at by itself.
pub fn is_for_batches(review: &Review) -> bool {
    review.kind != "deactivation"
}

/// The page of a case: evidence beside what differs, and the decision.
#[derive(Template)]
#[template(path = "decision.html")]
pub struct Decision {
    pub frame: Frame,
    pub filter: QueueFilter,
    pub review: Review,
    /// Place in the queue, as in `3 / 14`.
    pub place: String,
    pub previous: Option<String>,
    pub next: Option<String>,
    pub four_eyes: bool,
    pub proof: Vec<(String, Value)>,
    pub differences: Vec<Difference>,
    pub says: Vec<String>,
    pub reporting: Option<Comparison>,
}

impl Decision {
    /// Builds the page of the case at a place of the queue.
    pub fn new(frame: Frame, filter: QueueFilter, all: &[Review], at: usize, four_eyes: bool) -> Self {
        let review = all[at].clone();
        let id = |at: usize| all.get(at).map(|one| one.id.clone());
        let preview = review.preview.clone();
        let mut says = preview.as_ref().map(|one| one.says.clone()).unwrap_or_default();
        says.extend(preview.as_ref().and_then(|one| one.refusal.clone()));
        let changed = preview
            .as_ref()
            .map(|one| differences(&Value::Object(one.before.clone()), &Value::Object(one.after.clone())));
        Self {
            place: format!("{} / {}", at + 1, all.len()),
            previous: at.checked_sub(1).and_then(id),
            next: id(at + 1),
            proof: proof(&review),
            differences: changed.unwrap_or_default(),
            says,
            reporting: preview.and_then(|one| one.reporting),
            frame,
            filter,
            review,
            four_eyes,
        }
    }
}

/// Returns the evidence of a case, name by name.
fn proof(review: &Review) -> Vec<(String, Value)> {
    let Some(matter) = &review.matter else { return Vec::new() };
    if let Some(proof) = &matter.proof {
        return proof.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    }
    let members = [
        ("document_type", &matter.document_type),
        ("document_expiration_date", &matter.document_expiration_date),
        ("provider", &matter.provider),
        ("data_download_link", &matter.data_download_link),
        ("asked_by", &matter.asked_by),
        ("reason", &matter.reason),
    ];
    let given =
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())));
    given.collect()
}

/// Returns the names of the other operators who have a case open; none without any.
pub fn others(frame: &Frame, review: &Review) -> Option<String> {
    let names: Vec<_> =
        review.viewers.iter().map(|one| &*one.name).filter(|name| *name != frame.operator).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Returns the title of a case.
pub fn title(frame: &Frame, review: &Review) -> String {
    let matter = review.matter.as_ref();
    if let Some(check) = matter.and_then(|matter| matter.check.as_deref()) {
        return frame.word("check-kind", check);
    }
    let members =
        matter.map(|matter| matter.asked.keys().map(|name| frame.word("member", name)).collect::<Vec<_>>());
    match members.filter(|members| !members.is_empty()) {
        Some(members) => format!("{}: {}", frame.word("queue-kind", &review.kind), members.join(", ")),
        None => frame.word("queue-kind", &review.kind),
    }
}

/// Returns the kind of document that proves a case.
pub fn document(frame: &Frame, review: &Review) -> String {
    let proof = proof(review);
    let kind = proof.iter().find(|(name, _)| name == "document_type").and_then(|(_, value)| value.as_str());
    kind.map(|kind| frame.word("document", kind)).unwrap_or_default()
}

/// The verdict of the first of two.
pub struct FirstVerdict {
    pub by: String,
    pub is_refusal: bool,
    pub reason: Option<String>,
}

/// Returns the verdict of the first of two operators, if there is one.
pub fn first_verdict(review: &Review) -> Option<FirstVerdict> {
    let matter = review.matter.as_ref()?;
    if let Some(by) = &matter.asked_by {
        return Some(FirstVerdict { by: by.clone(), is_refusal: false, reason: matter.reason.clone() });
    }
    let first = matter.review.as_ref()?.proposed.as_ref()?;
    let by = first.by.strip_prefix("operator:").unwrap_or(&first.by).to_owned();
    Some(FirstVerdict { by, is_refusal: first.refusal.is_some(), reason: first.refusal.clone() })
}
