//! The history of a user or webhook: each event with its differences, its actor and the reason.

use std::collections::BTreeSet;

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::change::scan;
use crate::app::App;
use crate::domain::delivery::event::EventType;
use crate::domain::json::query::QueryParameter;
use crate::domain::json::schema::FieldRule;
use crate::domain::permissions::Permission;
use crate::domain::users::check::Check;
use crate::domain::users::data_change::DataChange;
use crate::domain::users::history::{Changes, Difference};
use crate::domain::users::obstacle::OperatorDecision;
use crate::problem::Problem;
use crate::store::encryption::UserKey;
use crate::store::log::events;
use crate::store::log::events::StoredEvent;
use crate::store::paging::{MAX_BYTES, each_of_user};
use crate::store::users::handle::UserHandle;
use crate::store::{StoreError, Tx, tenants, users};

/// Maximum and default number of events in one response.
const MAX_HISTORY_EVENTS: i64 = 1000;

/// Query parameters of a history.
pub const RANGE: &[QueryParameter] = &[
    QueryParameter {
        name: "after",
        rule: FieldRule::Int { min: 0, max: i64::MAX },
        default: Some("0"),
        description: "Number of the event behind which the page begins: `next` of the answer before.",
    },
    QueryParameter {
        name: "limit",
        rule: FieldRule::Int { min: 1, max: i64::MAX },
        default: Some("1000"),
        description: "How many events to answer at most; never more than 1000.",
    },
];

/// A page of a history.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "History")]
pub struct HistoryView {
    data: Vec<HistoryEventView>,
    /// What to send as `after` for the next page; null if there is none.
    next: Option<i64>,
}

/// An event of a history.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HistoryEvent")]
struct HistoryEventView {
    /// Number in the history of the tenant.
    number: i64,
    id: Uuid,
    created_at: Timestamp,
    /// What happened, as in USER.CREATED.
    r#type: String,
    /// The members that differ from the event before about the same object.
    changes: Vec<Difference>,
    /// Who did it, as in operator:anna.
    actor: Option<String>,
    reason: Option<String>,
    /// What it happened to, as it was then.
    object: Value,
}

/// A request for the history of a user.
pub struct ReadHistory {
    user: Uuid,
    range: HistoryRange,
}

impl OperatorOperation for ReadHistory {
    const OPERATION: &'static str = "GET /tenants/{tenant}/users/{user}/history";
    const PERMISSION: Option<Permission> = Some(Permission::PeopleRead);
    type Answer = HistoryView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "user_history",
        summary: "Show what happened to a user",
        description: "Answers the events of a user with the differences, the actor and the reason of each.",
        query: RANGE,
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { user: received.path_id("user", "user")?, range: HistoryRange::read(received)? })
    }
}

/// Handles `GET /tenants/{tenant}/users/{user}/history`: returns the events of a user, with the actor of each.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant or the user does not exist.
pub async fn history(State(app): State<App>, req: ByOperator<ReadHistory>) -> OperatorResult<HistoryView> {
    let (number, own, ReadHistory { user, range }) = (req.tenant(), app.clone(), req.operation);
    let read = move |tx: &Tx<'_>| {
        let tenant = tenants::open(tx, number, &own.master_key)?;
        let user = users::find(tx, &tenant, user)?.ok_or(Problem::NotFound("user"))?;
        let mut page = HistoryPage::begin(range);
        events::each_of_user(tx, &user, |event| page.add(event, &user.key))?;
        let decided = Decisions::read(tx, &user, &page)?;
        Ok::<_, Problem>(page.into_view(&decided))
    };
    Ok(JsonAnswer(scan(&app, number, "operator.history", read).await?))
}

/// The part of a history that a request asks for.
#[derive(Clone, Copy)]
pub struct HistoryRange {
    /// Number of the event behind which the page begins.
    pub after: i64,
    /// Maximum number of events.
    pub limit: i64,
}

impl HistoryRange {
    /// Parses the query parameters. Unknown ones are ignored.
    ///
    /// # Errors
    ///
    /// Fails if a parameter is not a number within its bounds.
    pub fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let values = received.query(RANGE)?;
        Ok(Self { after: values.number("after"), limit: values.number("limit").min(MAX_HISTORY_EVENTS) })
    }
}

/// A page of a history, bounded in events and bytes.
pub struct HistoryPage {
    after: i64,
    /// Number of events that still fit.
    left: i64,
    bytes: usize,
    /// The previous state of each object.
    changes: Changes,
    events: Vec<HistoryEntry>,
    /// Number of the last event of the page, if more events follow.
    next: Option<i64>,
}

/// An event with its decrypted object and the differences from the previous event about the same object.
struct HistoryEntry {
    event: StoredEvent,
    object: Value,
    changes: Vec<Difference>,
}

impl HistoryPage {
    /// Begins a page, to which all events of the history must be added in order: the differences need the previous
    /// state of each object.
    pub fn begin(range: HistoryRange) -> Self {
        let HistoryRange { after, limit } = range;
        Self { after, left: limit, bytes: 0, changes: Changes::default(), events: Vec::new(), next: None }
    }

    /// Adds the next event of the history, if it belongs to the page.
    ///
    /// # Errors
    ///
    /// Fails if the event cannot be decrypted.
    pub fn add(&mut self, event: StoredEvent, key: &UserKey) -> Result<(), StoreError> {
        if self.left == 0 || self.bytes > MAX_BYTES {
            self.next = self.events.last().map(|last| last.event.number);
            return Ok(());
        }
        let json = event.open(key)?;
        let object = serde_json::from_str(&json).unwrap_or_default();
        let changes = self.changes.of(&event.kind, &object);
        if event.number > self.after {
            self.left -= 1;
            self.bytes += json.len();
            self.events.push(HistoryEntry { event, object, changes });
        }
        Ok(())
    }

    /// Returns the page as the body of a response.
    pub fn into_view(self, decided: &Decisions) -> HistoryView {
        let view = |HistoryEntry { event, object, changes }: HistoryEntry| {
            let (actor, reason) = decided.of(&event, &object);
            let StoredEvent { number, id, created_at, kind, .. } = event;
            HistoryEventView { number, id, created_at, r#type: kind, changes, actor, reason, object }
        };
        HistoryView { data: self.events.into_iter().map(view).collect(), next: self.next }
    }
}

/// The data changes and checks that name the actor of an event.
#[derive(Default)]
pub struct Decisions {
    changes: Vec<DataChange>,
    checks: Vec<Check>,
}

impl Decisions {
    /// Reads the data changes and checks that were last changed at the time of an event of the page.
    fn read(tx: &Tx<'_>, user: &UserHandle, page: &HistoryPage) -> Result<Self, StoreError> {
        let mut decided = Self::default();
        let instants: BTreeSet<Timestamp> = page.events.iter().map(|entry| entry.event.created_at).collect();
        each_of_user(tx, user, |change: DataChange| {
            if instants.contains(&change.updated_at) {
                decided.changes.push(change);
            }
        })?;
        each_of_user(tx, user, |check: Check| {
            if instants.contains(&check.updated_at) {
                decided.checks.push(check);
            }
        })?;
        Ok(decided)
    }

    /// Returns the actor and the reason of an event, as far as they are recorded.
    fn of(&self, event: &StoredEvent, object: &Value) -> (Option<String>, Option<String>) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(actor) = object.get("actor") {
            let by = |role: &str, member: &str| actor[member].as_str().map(|name| format!("{role}:{name}"));
            return (by("operator", "name").or_else(|| by("client", "client")), text(&object["reason"]));
        }
        if event.kind.starts_with("USER.DATA_CHANGE") {
            // A data change ends in the commit of its event, and the sequence gives every commit of a tenant another
            // instant, so that the instant identifies the data change.
            let change = self.changes.iter().find(|one| one.updated_at == event.created_at);
            let content = change.map(|change| &change.content);
            return content.map(|one| (one.decided_by.clone(), one.reason.clone())).unwrap_or_default();
        }
        let id = object.get("id").and_then(Value::as_str);
        let is_decision = [EventType::UserCheckPassed, EventType::UserCheckFailed];
        match self.checks.iter().find(|one| Some(&*one.id.to_string()) == id) {
            Some(Check { content, .. }) if is_decision.iter().any(|kind| kind.into_str() == event.kind) => {
                (content.decided_by.clone(), content.reason.clone())
            }
            _ => (None, None),
        }
    }
}

/// Returns the last operator action of this name on a user.
///
/// # Errors
///
/// Fails if the database cannot be read or an event cannot be decrypted.
pub fn last_action(
    tx: &Tx<'_>,
    user: &UserHandle,
    action: &str,
) -> Result<Option<OperatorDecision>, StoreError> {
    let mut last = None;
    events::each_of_user(tx, user, |event| {
        if event.kind == EventType::OperatorAction.into_str() {
            let object: Value = serde_json::from_str(&event.open(&user.key)?).unwrap_or_default();
            if object["action"] == action {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let (operator, reason) = (text(&object["actor"]["name"]), text(&object["reason"]));
                last = Some(OperatorDecision { operator, reason, at: event.created_at });
            }
        }
        Ok(())
    })?;
    Ok(last)
}
