//! The history of a user or webhook: each event with what it has changed, who has decided it, and why.

use axum::extract::{Path, State};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{Answer, Answered, id_of, known, tenant};
use crate::app::App;
use crate::domain::activation::Decision;
use crate::domain::check::Check;
use crate::domain::data_change::DataChange;
use crate::domain::event::EventType;
use crate::domain::history::Changes;
use crate::problem::Problem;
use crate::store::operators::Role;
use crate::store::outbox::Kept;
use crate::store::seal::{Place, UserKey};
use crate::store::{StoreError, Tx, checks, data_changes, outbox, users};

/// `GET /tenants/{tenant}/users/{user}/history`: everything that has happened, and who did it.
pub async fn history(
    State(app): State<App>,
    headers: HeaderMap,
    Path((name, user)): Path<(String, String)>,
) -> Answered {
    let operator = known(&app, &headers, Role::Viewer).await?;
    let (user, own) = (id_of(&user, "user")?, app.clone());
    let read = move |tx: &Tx<'_>| {
        let tenant = tenant(tx, &own, &operator, &name)?;
        let key = users::find_key(tx, tenant.number, &user, &tenant.key)?.ok_or(Problem::NotFound("user"))?;
        let decided = Decided {
            changes: data_changes::of_user(tx, tenant.number, user, &key)?,
            checks: checks::of_user(tx, tenant.number, user, &key)?,
        };
        Ok::<_, Problem>(told(&outbox::of_subject(tx, tenant.number, user)?, &key, &decided)?)
    };
    Ok(Answer(json!({ "data": app.store.scan("operator.history", read).await? })))
}

/// Records that say who has decided what an event tells.
#[derive(Default)]
pub struct Decided {
    changes: Vec<DataChange>,
    checks: Vec<Check>,
}

impl Decided {
    /// Returns who has decided, and why, as far as it is on record.
    fn of(&self, event: &Kept, object: &Value) -> (Option<String>, Option<String>) {
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

/// The events of a history, opened.
pub fn told(events: &[Kept], key: &UserKey, decided: &Decided) -> Result<Vec<Value>, StoreError> {
    let mut changes = Changes::default();
    let mut all = Vec::new();
    for event in events {
        let object = opened(event, key)?;
        let (actor, reason) = decided.of(event, &object);
        all.push(json!({
            "number": event.number,
            "id": event.id,
            "created_at": event.created_at,
            "type": event.kind,
            "changes": changes.of(&event.kind, &object),
            "actor": actor,
            "reason": reason,
            "object": object,
        }));
    }
    Ok(all)
}

fn opened(event: &Kept, key: &UserKey) -> Result<Value, StoreError> {
    let object = key.open(Place::event(&event.id), &event.sealed)?;
    Ok(serde_json::from_str(&object).unwrap_or_default())
}

/// Returns the last action of this name that an operator has done to a user.
pub fn last_action(events: &[Kept], key: &UserKey, action: &str) -> Result<Option<Decision>, StoreError> {
    for event in events.iter().rev().filter(|event| event.kind == EventType::OperatorAction.as_str()) {
        let object = opened(event, key)?;
        if object["action"] == action {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (operator, reason) = (text(&object["actor"]["name"]), text(&object["reason"]));
            return Ok(Some(Decision { operator, reason, at: event.created_at }));
        }
    }
    Ok(None)
}
