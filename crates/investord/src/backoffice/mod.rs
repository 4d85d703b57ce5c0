//! The operator API, on a listener of its own: its routes, and the frame of every change.
//!
//! Requests and responses are JSON, authentication is a bearer token, and problems have the same form as in the API for
//! clients. Every action on a user is an event `OPERATOR.ACTION` of that user, in the commit of the action and in the
//! same hash chain, so that no action can miss its record.

mod actions;
mod history;
mod operators;
mod reviews;
pub mod session;
mod status_explanation;
mod users;
mod webhooks;

use std::collections::BTreeSet;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::{HeaderMap, HeaderValue, header};
use jiff::civil::Date;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::domain::delivery::event::EventType;
use crate::domain::json::Json;
use crate::domain::json::schema::FieldError;
use crate::domain::json::validation::parse;
use crate::domain::suggest::did_you_mean;
use crate::domain::users::User;
use crate::problem::Problem;
use crate::store::log::events;
use crate::store::tenants::Tenant;
use crate::store::tenants::operators::{Operator, Role};
use crate::store::unit::Unit;
use crate::store::users::handle::UserHandle;
use crate::store::{StoreError, Tx, tenants, users as stored_users};

/// Maximum size of a request body in bytes. The longest valid body is a few KiB.
const MAX_BODY: usize = 64 * 1024;

/// Returns the routes of the operator API.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/sessions", post(session::sign_in).delete(session::sign_out))
        .route("/me", get(session::me))
        .route("/operators", get(operators::list).post(operators::create))
        .route("/operators/{name}", delete(operators::disable))
        .route("/tenants", get(users::tenants))
        .route("/tenants/{tenant}/users", get(users::find))
        .route("/tenants/{tenant}/users/{user}", get(users::show))
        .route("/tenants/{tenant}/users/{user}/history", get(history::history))
        .route("/tenants/{tenant}/users/{user}/actions", post(actions::act))
        .route("/tenants/{tenant}/users/{user}/outcomes", post(actions::set_outcome))
        .route("/tenants/{tenant}/users/{user}/reviews/{subject}", post(reviews::decide))
        .route("/tenants/{tenant}/reviews", get(reviews::queue))
        .route("/tenants/{tenant}/webhooks", get(webhooks::list))
        .route("/tenants/{tenant}/webhooks/{webhook}", get(webhooks::show))
        .route("/tenants/{tenant}/webhooks/{webhook}/packages", get(webhooks::packages))
        .route("/tenants/{tenant}/webhooks/{webhook}/packages/{package}", get(webhooks::package))
        .route("/tenants/{tenant}/webhooks/{webhook}/history", get(webhooks::history))
        .route("/tenants/{tenant}/webhooks/{webhook}/actions", post(webhooks::act))
        .route("/tenants/{tenant}/signing_keys", post(webhooks::rotate))
        .fallback(async || Problem::NotFound("path"))
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
}

/// Parses a body as each operation with a body does; for the fuzz target `operator_bodies`.
#[doc(hidden)]
pub fn read_bodies(body: &Bytes) -> [Result<(), Problem>; 7] {
    let sent = || Ok(body.clone());
    let sign_in = session::credentials(sent()).map(|(_, password)| drop(session::normalise(&password)));
    [
        sign_in,
        operators::NewOperator::read(sent()).map(drop),
        actions::parse_action(sent()).map(drop),
        actions::parse_outcome(sent()).map(drop),
        reviews::parse_decision(sent()).map(drop),
        webhooks::parse_action(sent()).map(drop),
        webhooks::parse_reason(sent()).map(drop),
    ]
}

/// Parses the query of a search; for the fuzz target `queries`.
///
/// # Errors
///
/// Fails if the query is invalid.
#[doc(hidden)]
pub fn read_search(query: &str, today: Date) -> Result<(), Problem> {
    users::parse_search(Some(query), today).map(drop)
}

/// A successful JSON response with status 200.
pub struct JsonAnswer(Value);

impl IntoResponse for JsonAnswer {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], Body::from(self.0.to_string())).into_response()
    }
}

/// A request body, or the reason why it could not be read.
type BodyResult = Result<Bytes, BytesRejection>;
/// The response of a handler.
type OperatorResult = Result<JsonAnswer, Problem>;

/// Parses a positive number from the query or the path.
fn parse_number(name: &str, text: &str) -> Result<i64, Problem> {
    let number = text.parse().ok().filter(|number: &i64| *number > 0);
    number.ok_or_else(|| Problem::invalid(name, "must be a whole number from 1"))
}

/// Authenticates the caller and checks that the role is sufficient. Roles are ordered: each may do what the lower ones
/// may.
async fn authorize(app: &App, headers: &HeaderMap, role: Role) -> Result<Operator, Problem> {
    let operator = session::operator(app, headers).await?;
    if operator.role < role {
        return Err(Problem::Closed(match role {
            Role::Viewer | Role::Operator => "this takes an operator",
            Role::Administrator => "this takes an administrator",
        }));
    }
    Ok(operator)
}

/// Parses a JSON object with these members, all of them strings. Other members are refused, so that a misspelled one
/// does not go unnoticed.
fn read_fields<const N: usize>(body: BodyResult, names: [&str; N]) -> Result<[Option<String>; N], Problem> {
    let body = body.map_err(|error| Problem::invalid("(root)", error.body_text()))?;
    let sent = match parse(&body)? {
        Json::Object(sent) => sent,
        other => {
            return Err(Problem::invalid("(root)", format!("must be an object, not {}", other.kind())));
        }
    };
    // All errors are collected, because the response lists every one of them (decision W7).
    let (mut found, mut faults) = (names.map(|_| None), Vec::new());
    let mut seen = BTreeSet::new();
    for (name, value) in sent {
        let at = names.iter().position(|known| *known == name);
        let fault = match (at, value) {
            _ if !seen.insert(name.clone()) => "stands more than once in the same object".to_owned(),
            (Some(at), Json::Text(text)) => {
                found[at] = Some(text);
                continue;
            }
            (Some(_), Json::Null) => continue,
            (Some(_), other) => format!("must be a string, not {}", other.kind()),
            (None, _) => format!("is not one of {}{}", names.join(", "), did_you_mean(&name, names)),
        };
        faults.push(FieldError::new(name, fault));
    }
    if faults.is_empty() { Ok(found) } else { Err(faults.into()) }
}

/// Returns the problem of a word that is not among the known ones, with a suggestion.
fn not_one_of(name: &str, sent: &str, known: &[&str]) -> Problem {
    let meant = did_you_mean(sent, known.iter().copied());
    Problem::invalid(name, format!("must be one of {}{meant}", known.join(", ")))
}

/// Parses an id in the path. An invalid id is a resource that does not exist.
fn parse_id(text: &str, noun: &'static str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::NotFound(noun))
}

/// Parses a name in the path. Control characters are never part of a name, and PostgreSQL rejects the character NUL.
fn parse_name(text: &str, noun: &'static str) -> Result<String, Problem> {
    if text.chars().any(char::is_control) { Err(Problem::NotFound(noun)) } else { Ok(text.to_owned()) }
}

/// Returns a required text of 1 to `most` characters.
fn require_text(name: &str, text: Option<String>, most: usize) -> Result<String, Problem> {
    match text {
        None => Err(Problem::invalid(name, format!("field '{name}' was not filled"))),
        Some(text) if text.trim().is_empty() || text.chars().count() > most => {
            Err(Problem::invalid(name, format!("must have 1 to {most} characters")))
        }
        Some(text) if text.chars().any(char::is_control) => {
            Err(Problem::invalid(name, "must not contain control characters"))
        }
        Some(text) => Ok(text),
    }
}

/// Returns the tenant of this name if the operator has access to it. A forbidden tenant and a missing one get the same
/// response, so that names are not disclosed.
fn visible_tenant(tx: &Tx<'_>, app: &App, operator: &Operator, name: &str) -> Result<Tenant, Problem> {
    let row = tenants::by_name(tx, &parse_name(name, "tenant")?)?.ok_or(Problem::NotFound("tenant"))?;
    if operator.tenant.is_some_and(|own| own != row.number) {
        return Err(Problem::NotFound("tenant"));
    }
    Ok(row.open(&app.master_key)?)
}

/// The context of a unit of work that changes a user.
struct UserChange<'a, 'u> {
    unit: &'a mut Unit<'u>,
    /// The user as loaded under the lock of the tenant.
    user: User,
    handle: &'a UserHandle,
    operator: &'a Operator,
}

/// The record of an action for the event log.
struct ActionRecord {
    action: &'static str,
    /// Id of the object of the action, if it is not the user or webhook itself.
    subject: Option<Uuid>,
    /// The operator's reason, if the action requires one.
    reason: Option<String>,
    /// State before the action.
    old: Value,
    /// State after it.
    new: Value,
}

impl ActionRecord {
    /// Publishes the record of an action on a user in the commit of the action, and returns it as the response.
    fn publish(
        self,
        unit: &mut Unit<'_>,
        operator: &Operator,
        user: &UserHandle,
    ) -> Result<JsonAnswer, StoreError> {
        let object = self.object(operator, "user_id", user.id);
        events::publish(unit, user, EventType::OperatorAction, &object.to_string())?;
        Ok(JsonAnswer(object))
    }

    /// Records an action on a webhook or signing key in the commit of the action, and returns the record as the response.
    /// `name` is the member for `id`, the id of the event's subject.
    fn record(
        self,
        unit: &mut Unit<'_>,
        operator: &Operator,
        name: &str,
        id: Uuid,
    ) -> Result<JsonAnswer, StoreError> {
        let object = self.object(operator, name, id);
        events::record(unit, id, EventType::OperatorAction, &object.to_string())?;
        Ok(JsonAnswer(object))
    }

    fn object(self, operator: &Operator, name: &str, id: Uuid) -> Value {
        let ActionRecord { action, subject, reason, old, new } = self;
        json!({
            "actor": { "name": operator.name, "role": operator.role.as_str() },
            "action": action,
            name: id,
            "subject": subject,
            "reason": reason,
            "old": old,
            "new": new,
        })
    }
}

/// Returns the number of a tenant to which the operator has access. The writer queue needs it before the unit runs,
/// because it is fair between tenants.
async fn tenant_number(app: &App, operator: &Operator, name: &str) -> Result<i64, Problem> {
    let (own, of, name) = (app.clone(), operator.clone(), name.to_owned());
    let find = move |tx: &Tx<'_>| Ok::<_, Problem>(visible_tenant(tx, &own, &of, &name)?.number);
    app.store.read("backoffice.tenant", find).await
}

/// Runs a longer read when it is the turn of the operators of this tenant (`of`; `None` for operators of all tenants).
async fn scan<T: Send + 'static>(
    app: &App,
    of: Option<i64>,
    name: &'static str,
    read: impl FnMut(&Tx<'_>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let permit = app.budgets.operator_scans.acquire_for_scan(of).await?;
    app.scan_with(permit, name, read).await
}

/// Changes a user and publishes the record of the action in one commit.
async fn change(
    app: &App,
    operator: Operator,
    tenant_name: String,
    user: Uuid,
    work: impl Fn(&mut UserChange<'_, '_>) -> Result<ActionRecord, Problem> + Send + 'static,
) -> OperatorResult {
    let number = tenant_number(app, &operator, &tenant_name).await?;
    let (now, own) = (app.clock.now(), app.clone());
    let unit = move |tx: &Tx<'_>| {
        let tenant = |tx: &Tx<'_>| visible_tenant(tx, &own, &operator, &tenant_name);
        Unit::run(tx, number, now, &*own.ids, tenant, |unit| {
            let found = stored_users::load(unit.tx, unit.tenant, user)?;
            let (user, handle) = found.ok_or(Problem::NotFound("user"))?;
            let done = work(&mut UserChange { unit, user, handle: &handle, operator: &operator })?;
            Ok::<_, Problem>(done.publish(unit, &operator, &handle)?)
        })
    };
    let answer = app.store.write("backoffice.change", number, unit).await?;
    // The action can have made a job due.
    app.work.notify_one();
    Ok(answer)
}

/// Returns the name of an operator as the actor of a decision.
fn actor_name(operator: &Operator) -> String {
    format!("operator:{}", operator.name)
}

/// Returns the problem of a job whose subject does not exist, which is damage of the database.
fn missing_record(what: &str, id: Uuid) -> Problem {
    StoreError::Corrupt(format!("{what} {id} is gone")).into()
}
