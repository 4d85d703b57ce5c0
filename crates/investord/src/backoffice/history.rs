//! The history of a user or webhook: each event with its differences, its actor and the reason.

use std::collections::BTreeSet;

use axum::extract::{Path, RawQuery, State};
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{JsonAnswer, OperatorResult, authorize, parse_id, parse_number, scan, visible_tenant};
use crate::app::App;
use crate::domain::delivery::event::EventType;
use crate::domain::users::activation::OperatorDecision;
use crate::domain::users::check::Check;
use crate::domain::users::data_change::DataChange;
use crate::domain::users::history::{Changes, Difference};
use crate::problem::Problem;
use crate::store::encryption::{Aad, UserKey};
use crate::store::log::events;
use crate::store::log::events::StoredEvent;
use crate::store::paging::{MOST_BYTES, each_of_user};
use crate::store::tenants::operators::Role;
use crate::store::{StoreError, Tx, users};

/// Events of an answer, if it is not asked for fewer.
const MOST: i64 = 1000;

/// `GET /tenants/{tenant}/users/{user}/history`: what has happened, and who did it. `after` is the number of an
/// event, behind which the answer begins; `limit` how many it has at most.
pub async fn history(
    State(app): State<App>,
    headers: HeaderMap,
    Path((name, user)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> OperatorResult {
    let operator = authorize(&app, &headers, Role::Viewer).await?;
    let of = operator.tenant;
    let (user, own, wanted) = (parse_id(&user, "user")?, app.clone(), HistoryRange::parse(query.as_deref())?);
    let read = move |tx: &Tx<'_>| {
        let tenant = visible_tenant(tx, &own, &operator, &name)?;
        let key = users::find_key(tx, tenant.number, &user, &tenant.key)?.ok_or(Problem::NotFound("user"))?;
        let part = HistoryPage::read(tx, (tenant.number, user), &key, wanted)?;
        let decided = Decisions::read(tx, (tenant.number, user), &key, &part)?;
        Ok::<_, Problem>(part.view(&decided))
    };
    Ok(JsonAnswer(scan(&app, of, "operator.history", read).await?))
}

/// Which events of a history are wanted.
#[derive(Clone, Copy)]
pub struct HistoryRange {
    after: i64,
    limit: i64,
}

impl HistoryRange {
    /// Reads the query.
    pub fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut wanted = Self { after: 0, limit: MOST };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "after" => wanted.after = parse_number("after", &value)?,
                "limit" => wanted.limit = parse_number("limit", &value)?.min(MOST),
                _ => {}
            }
        }
        Ok(wanted)
    }
}

/// A part of a history: as many events and bytes as an answer may have.
pub struct HistoryPage {
    events: Vec<HistoryEntry>,
    /// The last of its events, if there are more behind.
    next: Option<i64>,
}

struct HistoryEntry {
    event: StoredEvent,
    object: Value,
    changes: Vec<Difference>,
}

impl HistoryPage {
    /// Reads the history from its beginning, because an event is compared with the one before.
    pub fn read(
        tx: &Tx<'_>,
        (tenant, subject): (i64, Uuid),
        key: &UserKey,
        wanted: HistoryRange,
    ) -> Result<Self, StoreError> {
        let (mut changes, mut left, mut bytes) = (Changes::default(), wanted.limit, 0);
        let mut part = Self { events: Vec::new(), next: None };
        events::each_of_subject(tx, tenant, subject, |event| {
            if left == 0 || bytes > MOST_BYTES {
                part.next = part.events.last().map(|last| last.event.number);
                return Ok(());
            }
            let object = decrypt_object(&event, key)?;
            let changes = changes.of(&event.kind, &object);
            if event.number > wanted.after {
                left -= 1;
                bytes += event.sealed.len();
                part.events.push(HistoryEntry { event, object, changes });
            }
            Ok(())
        })?;
        Ok(part)
    }

    pub fn view(&self, decided: &Decisions) -> Value {
        let view = |HistoryEntry { event, object, changes }: &HistoryEntry| {
            let (actor, reason) = decided.of(event, object);
            json!({
                "number": event.number,
                "id": event.id,
                "created_at": event.created_at,
                "type": event.kind,
                "changes": changes,
                "actor": actor,
                "reason": reason,
                "object": object,
            })
        };
        json!({ "data": self.events.iter().map(view).collect::<Vec<_>>(), "next": self.next })
    }
}

/// Records that say who has decided what an event tells.
#[derive(Default)]
pub struct Decisions {
    changes: Vec<DataChange>,
    checks: Vec<Check>,
}

impl Decisions {
    /// Reads the records of which a part tells.
    fn read(tx: &Tx<'_>, of: (i64, Uuid), key: &UserKey, part: &HistoryPage) -> Result<Self, StoreError> {
        let mut decided = Self::default();
        let instants: BTreeSet<Timestamp> = part.events.iter().map(|told| told.event.created_at).collect();
        each_of_user(tx, of, key, |change: DataChange| {
            if instants.contains(&change.updated_at) {
                decided.changes.push(change);
            }
        })?;
        each_of_user(tx, of, key, |check: Check| {
            if instants.contains(&check.updated_at) {
                decided.checks.push(check);
            }
        })?;
        Ok(decided)
    }

    /// Returns who has decided, and why, as far as it is on record.
    fn of(&self, event: &StoredEvent, object: &Value) -> (Option<String>, Option<String>) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(actor) = object.get("actor") {
            let by = |role: &str, member: &str| actor[member].as_str().map(|name| format!("{role}:{name}"));
            return (by("operator", "name").or_else(|| by("client", "client")), text(&object["reason"]));
        }
        if event.kind.starts_with("USER.DATA_CHANGE") {
            // A change is done in the commit of its event, and no two commits of a tenant have the same instant.
            let change = self.changes.iter().find(|one| one.updated_at == event.created_at);
            let content = change.map(|change| &change.content);
            return content.map(|one| (one.decided_by.clone(), one.reason.clone())).unwrap_or_default();
        }
        let id = object.get("id").and_then(Value::as_str);
        let is_decision = [EventType::UserCheckPassed, EventType::UserCheckFailed];
        match self.checks.iter().find(|one| Some(&*one.id.to_string()) == id) {
            Some(Check { content, .. }) if is_decision.iter().any(|kind| kind.as_str() == event.kind) => {
                (content.decided_by.clone(), content.reason.clone())
            }
            _ => (None, None),
        }
    }
}

fn decrypt_object(event: &StoredEvent, key: &UserKey) -> Result<Value, StoreError> {
    let object = key.open(Aad::event(&event.id), &event.sealed)?;
    Ok(serde_json::from_str(&object).unwrap_or_default())
}

/// Returns the last action of this name that an operator has done to a user.
pub fn last_action(
    tx: &Tx<'_>,
    (tenant, user): (i64, Uuid),
    key: &UserKey,
    action: &str,
) -> Result<Option<OperatorDecision>, StoreError> {
    let mut last = None;
    events::each_of_subject(tx, tenant, user, |event| {
        if event.kind == EventType::OperatorAction.as_str() {
            let object = decrypt_object(&event, key)?;
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
