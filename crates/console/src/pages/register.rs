//! The register itself: proposals, record, tenants, clients and operators.

use askama::Template;
use serde_json::Value;

use crate::answers::{Access, Client, ClientKey, Difference, Proposal, RegisterEvent, Tenant};
use crate::developer_docs::FOR_A_SHELL;
use crate::frame::{Frame, Part, Theme};
use crate::pages::differences;
use crate::text::Language;

/// Lists what waits for a second person, and what is to be reviewed.
#[derive(Template)]
#[template(path = "proposals.html")]
pub struct Proposals {
    pub frame: Frame,
    pub proposals: Vec<Proposal>,
    /// What was made by a confirmation and is shown this once.
    pub shown_once: Vec<(String, String)>,
}

/// Returns what a proposal would change.
pub fn changes(proposal: &Proposal) -> Vec<Difference> {
    let mut found = differences(&proposal.old, &proposal.wanted);
    // The title already names the subject.
    let about: Vec<&Value> = proposal.about.as_object().into_iter().flat_map(|one| one.values()).collect();
    found.retain(|one| !about.contains(&&one.new));
    found
}

/// Returns what is shown once of an answer, name by name.
pub fn shown_once(answer: Option<&Value>) -> Vec<(String, String)> {
    let members = answer.and_then(Value::as_object).into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    members.map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The filters of the record.
pub const SHOWN: [&str; 4] = ["all", "sign-ins", "operators", "administration"];

/// Lists what was done to the register, the newest first.
#[derive(Template)]
#[template(path = "record.html")]
pub struct RecordPage {
    pub frame: Frame,
    /// One of [`SHOWN`].
    pub show: &'static str,
    pub events: Vec<RegisterEvent>,
    /// Number before which the next page begins.
    pub before: Option<i64>,
}

impl RecordPage {
    /// Builds the page from a part of the record, which is in order.
    pub fn new(frame: Frame, show: &str, mut events: Vec<RegisterEvent>) -> Self {
        let show = SHOWN.into_iter().find(|one| *one == show).unwrap_or("all");
        let before = events.first().map(|one| one.number).filter(|first| *first > 1);
        events.reverse();
        events.retain(|event| match (show, event.kind.as_str()) {
            ("all", _) => true,
            ("sign-ins", kind) => kind == "OPERATOR.SIGNED_IN" || kind == "OPERATOR.SESSIONS_ENDED",
            ("operators", kind) => kind.starts_with("OPERATOR.") && kind != "OPERATOR.SIGNED_IN",
            (_, kind) => kind.starts_with("ADMINISTRATION."),
        });
        Self { frame, show, events, before }
    }

    fn is_shown(&self, filter: &str) -> bool {
        self.show == filter
    }
}

/// Lists tenants and their settings, and creates one.
#[derive(Template)]
#[template(path = "register.html")]
pub struct Register {
    pub frame: Frame,
    pub tenants: Vec<Tenant>,
}

/// Lists the clients of a tenant and their keys, and changes them.
#[derive(Template)]
#[template(path = "clients.html")]
pub struct Clients {
    pub frame: Frame,
    pub clients: Vec<Client>,
    /// All scopes that clients may have.
    pub scopes: &'static [&'static str],
    /// Address of the API for clients.
    pub base: String,
}

impl Clients {
    /// Returns the program for a first request of a client; none without a key that it is written for.
    fn first_request(&self, client: &Client) -> Option<String> {
        let now = self.frame.now;
        let is_good =
            |key: &&ClientKey| key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end);
        let mut keys = client.keys.iter().rev().filter(is_good);
        let key = keys.find(|key| key.algorithm.eq_ignore_ascii_case("ed25519"))?;
        // What it asks for.
        let may = client.disabled_at.is_none() && client.scopes.iter().any(|scope| scope == "users:read");
        if !may {
            return None;
        }
        Some(FOR_A_SHELL.for_client(&self.base, &client.id, &key.id))
    }
}

/// Lists who may what, and changes it.
#[derive(Template)]
#[template(path = "operators.html")]
pub struct Operators {
    pub frame: Frame,
    pub operators: Vec<Access>,
    /// Names of all roles.
    pub roles: Vec<String>,
}
