//! The answers of the operator API that pages show: of each only what a page needs.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A list.
#[derive(Clone, Debug, Deserialize)]
pub struct List<T> {
    pub data: Vec<T>,
}

/// The people that a search has found.
#[derive(Clone, Debug, Deserialize)]
pub struct Found {
    pub total_count: usize,
    pub data: Vec<Person>,
}

/// A person, masked.
#[derive(Clone, Debug, Deserialize)]
pub struct Person {
    pub id: String,
    pub created_at: Timestamp,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub birth_name: Option<String>,
    pub birth_date: Option<String>,
    pub birth_city: Option<String>,
    pub birth_country: Option<String>,
    #[serde(default)]
    pub nationalities: Vec<String>,
    pub address: Option<Address>,
    pub postal_address: Option<Address>,
    pub email: Option<String>,
    pub phone_number: Option<String>,
    pub status: String,
}

impl Person {
    /// Returns first and last name.
    pub fn name(&self) -> String {
        let names = [&self.first_name, &self.last_name];
        names.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")
    }

    /// Returns the birth name, if it is another than the last name.
    pub fn other_birth_name(&self) -> Option<&String> {
        self.birth_name.as_ref().filter(|name| Some(*name) != self.last_name.as_ref())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Address {
    pub address_line1: Option<String>,
    pub address_line2: Option<String>,
    pub postcode: Option<String>,
    pub city: Option<String>,
    pub country: Option<String>,
}

/// Everything about a person.
#[derive(Clone, Debug, Deserialize)]
pub struct Overview {
    pub user: Person,
    pub suspended: bool,
    pub status_since: Timestamp,
    pub not_active_because: Vec<Obstacle>,
    pub reporting: Report,
    pub identifiers: Vec<Identifier>,
    pub checks: Vec<Check>,
    pub tax_residencies: Option<Value>,
    pub account_groups: Vec<Account>,
    pub accounts: Vec<Account>,
    pub data_changes: Vec<DataChange>,
    pub pending: Vec<Pending>,
}

/// An unmet requirement that keeps a user inactive.
#[derive(Clone, Debug, Deserialize)]
pub struct Obstacle {
    pub reason: String,
    /// The same as an English sentence.
    pub says: String,
    #[serde(default)]
    pub country: Option<String>,
    #[serde(default)]
    pub identifier_standard: Option<String>,
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub operator: Option<String>,
    #[serde(default)]
    pub operator_reason: Option<String>,
}

/// What a report would say about a person.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    pub as_of: String,
    pub regime: String,
    pub outcome: String,
    pub designation: Option<Designation>,
    pub missing: Option<Value>,
    pub reasons: Vec<Reason>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Designation {
    pub country: String,
    pub identifier_standard: Option<String>,
    pub identifier: String,
}

/// A step of the chain of reasons.
#[derive(Clone, Debug, Deserialize)]
pub struct Reason {
    pub text: String,
    /// Whether a person has to review it.
    pub open: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Identifier {
    pub created_at: Timestamp,
    pub issuing_country: String,
    pub identifier_standard: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
    pub identifier: String,
    pub faults: Vec<Fault>,
    pub shared_with: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Fault {
    /// `hard`: no such identifier exists. `soft`: worth a look.
    pub severity: String,
    pub message: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Check {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub created_at: Timestamp,
    #[serde(default)]
    pub document_type: Option<String>,
    #[serde(default)]
    pub document_expiration_date: Option<String>,
    #[serde(default)]
    pub provider: Option<String>,
    pub decided_by: Option<String>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    pub status: String,
    #[serde(default)]
    pub securities_account_number: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct DataChange {
    pub id: String,
    pub created_at: Timestamp,
    pub state: String,
    pub asked: Map<String, Value>,
    pub decided_by: Option<String>,
    pub reason: Option<String>,
}

/// What the register has still to do for a person.
#[derive(Clone, Debug, Deserialize)]
pub struct Pending {
    pub kind: String,
    pub subject: String,
    pub due: Option<Timestamp>,
    pub held: bool,
}

/// A page of a history.
#[derive(Clone, Debug, Deserialize)]
pub struct History {
    pub data: Vec<Entry>,
    pub next: Option<i64>,
}

/// An event of a history.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    pub number: i64,
    pub created_at: Timestamp,
    #[serde(rename = "type")]
    pub kind: String,
    pub changes: Vec<Difference>,
    pub actor: Option<String>,
    pub reason: Option<String>,
    pub object: Value,
}

/// A member that differs.
#[derive(Clone, Debug, Deserialize)]
pub struct Difference {
    pub member: String,
    pub old: Value,
    pub new: Value,
}

/// What waits for a decision.
#[derive(Clone, Debug, Deserialize)]
pub struct Review {
    pub id: String,
    pub waiting_since: Timestamp,
    pub age_seconds: i64,
    pub user_id: String,
    pub user: String,
    pub assignee: Option<String>,
    pub viewers: Vec<Viewer>,
    pub kind: String,
    #[serde(default)]
    pub preview: Option<Preview>,
    #[serde(default)]
    pub matter: Option<Matter>,
}

/// An operator who has a case open.
#[derive(Clone, Debug, Deserialize)]
pub struct Viewer {
    pub name: String,
}

/// What would follow.
#[derive(Clone, Debug, Deserialize)]
pub struct Preview {
    #[serde(default)]
    pub refusal: Option<String>,
    pub before: Map<String, Value>,
    pub after: Map<String, Value>,
    pub says: Vec<String>,
    #[serde(default)]
    pub reporting: Option<Comparison>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Comparison {
    pub before: Report,
    pub after: Report,
}

/// What has to be decided.
#[derive(Clone, Debug, Deserialize)]
pub struct Matter {
    /// Of a check.
    #[serde(default, rename = "type")]
    pub check: Option<String>,
    #[serde(default)]
    pub document_type: Option<String>,
    #[serde(default)]
    pub document_expiration_date: Option<String>,
    #[serde(default)]
    pub data_download_link: Option<String>,
    #[serde(default)]
    pub provider: Option<String>,
    #[serde(default)]
    pub asked: Map<String, Value>,
    #[serde(default)]
    pub proof: Option<Map<String, Value>>,
    #[serde(default)]
    pub review: Option<Verdicts>,
    /// Of a deactivation.
    #[serde(default)]
    pub asked_by: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Verdicts {
    pub proposed: Option<Verdict>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Verdict {
    pub refusal: Option<String>,
    pub by: String,
}

/// An act of administration that waits, or was done alone.
#[derive(Clone, Debug, Deserialize)]
pub struct Proposal {
    pub id: Option<String>,
    pub act: String,
    pub about: Value,
    pub wanted: Value,
    pub old: Value,
    pub reason: String,
    pub state: String,
    pub proposed_by: String,
    pub proposed_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub break_glass: bool,
    pub review: Option<Value>,
    pub asked: Vec<String>,
    pub shown_once: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Webhook {
    pub id: String,
    pub title: String,
    pub url: String,
    #[serde(default, rename = "type")]
    pub kinds: Vec<String>,
    pub delivery: Delivery,
}

/// The state of the delivery to a webhook.
#[derive(Clone, Debug, Deserialize)]
pub struct Delivery {
    pub state: String,
    pub paused: bool,
    pub last_success_at: Option<Timestamp>,
    pub last_failure_at: Option<Timestamp>,
    pub failures_in_a_row: i64,
    pub next_attempt_at: Option<Timestamp>,
    pub packages: i64,
    pub open_packages: i64,
    pub backlog_events: Option<i64>,
    pub oldest_event_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    pub number: i64,
    pub state: String,
    pub events: i64,
    pub bytes: i64,
    pub created_at: Timestamp,
    pub settled_at: Option<Timestamp>,
}

/// A package with its body and its attempts.
#[derive(Clone, Debug, Deserialize)]
pub struct WholePackage {
    #[serde(flatten)]
    pub package: Package,
    pub body: Value,
    pub attempts: Vec<Attempt>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Attempt {
    pub number: i64,
    pub created_at: Timestamp,
    pub duration_us: i64,
    pub outcome: String,
    pub status: Option<i64>,
    pub answer: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Tenant {
    pub name: String,
    pub suspended_at: Option<Timestamp>,
    pub settings: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Client {
    pub id: String,
    pub created_at: Timestamp,
    pub disabled_at: Option<Timestamp>,
    pub scopes: Vec<String>,
    pub keys: Vec<ClientKey>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ClientKey {
    pub id: String,
    pub algorithm: String,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// A role of operators.
#[derive(Clone, Debug, Deserialize)]
pub struct Role {
    pub name: String,
}

/// What an operator may do.
#[derive(Clone, Debug, Deserialize)]
pub struct Access {
    pub name: String,
    pub disabled_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub has_provider_account: bool,
    pub second_factor_since: Option<Timestamp>,
    pub grants: Vec<Grant>,
    pub is_review_due: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Grant {
    pub role: String,
    pub tenant: Option<String>,
    pub granted_at: Timestamp,
    pub granted_by: Option<String>,
}

/// A page of the record of the register.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    pub data: Vec<RegisterEvent>,
    /// Number of the last event of the whole record.
    pub last: i64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct RegisterEvent {
    pub number: i64,
    pub created_at: Timestamp,
    #[serde(rename = "type")]
    pub kind: String,
    pub content: RegisterContent,
}

#[derive(Clone, Debug, Deserialize)]
pub struct RegisterContent {
    pub actor: Value,
    #[serde(default)]
    pub confirmed_by: Value,
    pub subject: Value,
    pub reason: Option<String>,
    pub old: Value,
    pub new: Value,
}

/// A session of the operator.
#[derive(Clone, Debug, Deserialize)]
pub struct Session {
    pub id: String,
    pub kind: String,
    pub is_current: bool,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub address: Option<String>,
    pub agent: Option<String>,
}

/// A refusal.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Problem {
    pub status: u16,
    pub title: String,
    #[serde(default)]
    pub detail: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub request_id: String,
    #[serde(default)]
    pub errors: Vec<FieldFault>,
}

impl Problem {
    /// Returns the last segment of the problem's type, which is its name.
    pub fn slug(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct FieldFault {
    #[serde(default)]
    pub field: String,
    #[serde(default)]
    pub message: String,
}
