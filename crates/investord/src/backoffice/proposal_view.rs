//! A proposal as operators see it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::store::tenants::proposals::{BreakGlassReview, Proposal, ProposalState};

/// An act of administration, as a response.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Proposal")]
pub struct ProposalView {
    /// For the confirmation; null if it was done at once.
    pub id: Option<Uuid>,
    /// What is asked for, as in `create_operator`.
    pub act: &'static str,
    /// What it is about: an object with one member, as in `{"operator":"anna"}`.
    about: Value,
    /// What the act sets.
    wanted: Value,
    /// State when it was asked for. If it changes, the proposal is void.
    old: Value,
    reason: String,
    /// `waiting` for a second person, `done`, `withdrawn` or `expired`.
    state: &'static str,
    pub proposed_by: String,
    proposed_at: Timestamp,
    age_seconds: i64,
    expires_at: Option<Timestamp>,
    /// Who confirmed or withdrew it.
    decided_by: Option<String>,
    decided_at: Option<Timestamp>,
    /// Whether one person did it alone in an emergency.
    pub break_glass: bool,
    /// The review of what was done in an emergency; null until then.
    review: Option<BreakGlassReview>,
    /// The names of those who could confirm it at present.
    asked: Vec<String>,
    /// What is shown this once, to whom the act was done for: an invitation, or a client with its secret.
    shown_once: Option<Value>,
}

impl ProposalView {
    /// Returns a proposal as a response.
    pub fn of(proposal: &Proposal, asked: Vec<String>, now: Timestamp) -> Self {
        let content = &proposal.content;
        let state = match proposal.state {
            ProposalState::Waiting if proposal.expires <= now => "expired",
            state => state.into_str(),
        };
        let mut wanted = json!(content.act);
        if let Some(members) = wanted.as_object_mut() {
            members.remove("act");
        }
        Self {
            id: Some(proposal.id),
            act: (&content.act).into(),
            about: json!(content.act.subject()),
            wanted,
            old: content.old.clone(),
            reason: content.reason.clone(),
            state,
            proposed_by: content.proposed_by.clone(),
            proposed_at: proposal.created_at,
            age_seconds: now.duration_since(proposal.created_at).as_secs(),
            expires_at: Some(proposal.expires),
            decided_by: content.decided_by.clone(),
            decided_at: content.decided_at,
            break_glass: content.break_glass,
            review: content.review.clone(),
            asked,
            shown_once: None,
        }
    }

    /// Returns the same response of what did not wait; without an id, unless it is to be reviewed.
    #[must_use]
    pub fn done_at_once(self, id: Option<Uuid>, shown_once: Option<Value>) -> Self {
        Self { id, expires_at: None, shown_once, ..self }
    }

    /// Returns the same response with what is shown once.
    #[must_use]
    pub fn with_shown_once(self, shown_once: Option<Value>) -> Self {
        Self { shown_once, ..self }
    }
}
