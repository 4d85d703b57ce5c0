//! The page of a person: how they stand and why, and what has happened.

use askama::Template;

use crate::answers::{Entry, Obstacle, Overview, Pending};
use crate::frame::{Frame, Part, Theme};
use crate::text::Language;

/// The page of a person.
#[derive(Template)]
#[template(path = "person.html")]
pub struct PersonPage {
    pub frame: Frame,
    pub overview: Overview,
    /// What can be done now.
    pub actions: Vec<&'static str>,
    pub show: TimelineFilter,
    /// The newest first.
    pub entries: Vec<Entry>,
    /// Number behind which the next page begins.
    pub next: Option<i64>,
}

/// A filter of the timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimelineFilter {
    #[default]
    All,
    Changes,
    Identifiers,
    Checks,
    Operators,
}

impl TimelineFilter {
    /// Every filter, in the order of the page.
    pub const ALL: [TimelineFilter; 5] = [
        TimelineFilter::All,
        TimelineFilter::Changes,
        TimelineFilter::Identifiers,
        TimelineFilter::Checks,
        TimelineFilter::Operators,
    ];

    /// Returns the name of the filter in addresses.
    pub fn name(self) -> &'static str {
        match self {
            TimelineFilter::All => "all",
            TimelineFilter::Changes => "changes",
            TimelineFilter::Identifiers => "identifiers",
            TimelineFilter::Checks => "checks",
            TimelineFilter::Operators => "operators",
        }
    }

    /// Returns the filter of a name; all for any other.
    pub fn of_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|one| one.name() == name).unwrap_or_default()
    }

    /// Returns whether an event is shown.
    pub fn has(self, entry: &Entry) -> bool {
        let kind = entry.kind.as_str();
        match self {
            TimelineFilter::All => true,
            TimelineFilter::Changes => kind.starts_with("USER.DATA_CHANGE"),
            TimelineFilter::Identifiers => kind.contains("IDENTIFIER"),
            TimelineFilter::Checks => kind.contains("CHECK"),
            TimelineFilter::Operators => kind.starts_with("OPERATOR."),
        }
    }
}

/// Returns what an operator can do with a person, by how they stand.
pub fn possible_actions(overview: &Overview) -> Vec<&'static str> {
    let waits = overview.pending.iter().any(|job| job.kind == "deactivation");
    let held = overview.pending.iter().any(|job| job.kind == "offboarding" && job.held);
    let mut actions = match overview.user.status.as_str() {
        "OFFBOARDING" if held => vec!["release_offboarding", "finish_offboarding"],
        "OFFBOARDING" => vec!["hold_offboarding", "finish_offboarding"],
        "OFFBOARDED" => vec![],
        _ if overview.suspended => vec!["reactivate"],
        _ => vec!["deactivate"],
    };
    if waits {
        actions.push("withdraw_deactivation");
    }
    actions
}

impl PersonPage {
    /// Returns an unmet requirement as a sentence in the page's language.
    fn obstacle(&self, one: &Obstacle) -> String {
        let (frame, word) = (&self.frame, |text: &Option<String>| text.clone().unwrap_or_default());
        let values = [
            ("country", word(&one.country).into()),
            ("standard", word(&one.identifier_standard).into()),
            (
                "check",
                one.kind.as_deref().map(|kind| frame.word("check-kind", kind)).unwrap_or_default().into(),
            ),
            ("operator", word(&one.operator).into()),
        ];
        let key = format!("obstacle-{}", one.reason.replace('_', "-"));
        match frame.word("obstacle", &one.reason) {
            // An obstacle of a later version.
            text if text == one.reason => one.says.clone(),
            _ => frame.language.text_with(&key, &values),
        }
    }

    /// Returns what helps, to be read out to a caller; only what they can do something about.
    fn to_tell(&self) -> Vec<String> {
        let mut all = Vec::new();
        for one in &self.overview.not_active_because {
            let frame = &self.frame;
            let say = match one.reason.as_str() {
                "identifier_missing" => {
                    let standard = one.identifier_standard.clone().unwrap_or_default();
                    frame.with("tell-identifier-missing", "standard", standard)
                }
                "tax_residency_missing" => frame.t("tell-tax-residency-missing"),
                "check_missing" | "check_in_progress" => frame.t("tell-check-open"),
                _ => continue,
            };
            if !all.contains(&say) {
                all.push(say);
            }
        }
        all
    }

    /// Returns the entries of each day, which is one of UTC.
    fn days(&self) -> Vec<(String, Vec<&Entry>)> {
        let mut days: Vec<(String, Vec<&Entry>)> = Vec::new();
        for entry in &self.entries {
            let day = self.frame.day(&entry.created_at);
            match days.last_mut() {
                Some((last, entries)) if *last == day => entries.push(entry),
                _ => days.push((day, vec![entry])),
            }
        }
        days
    }

    fn headline(&self, entry: &Entry) -> String {
        match entry.object["action"].as_str() {
            Some(action) => self.frame.word("did", action),
            None => self.frame.word("event", &entry.kind),
        }
    }
}

/// Returns whether operators decide about a job.
pub fn is_decided_by_people(one: &Pending) -> bool {
    one.kind == "deactivation" || (one.due.is_none() && ["data-change", "check"].contains(&&*one.kind))
}

/// Returns whether an entry of the timeline stands out.
pub fn is_highlighted(entry: &Entry) -> bool {
    entry.actor.is_some() || !entry.changes.is_empty()
}

/// Returns who has acted, without the kind of actor where it is a person.
pub fn actor(actor: &str) -> &str {
    actor.strip_prefix("operator:").unwrap_or(actor)
}
