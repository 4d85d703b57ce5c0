//! The operator API, on a listener of its own: its routes, and the frame of every change.
//!
//! JSON in and out; a bearer token; problems as everywhere. Whatever somebody does to a user is an event
//! `OPERATOR.ACTION` of that user, in the commit of what was done and in the same chain.

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
use crate::clock::Ids;
use crate::domain::delivery::event::EventType;
use crate::domain::json::Json;
use crate::domain::json::schema::{FieldError, parse};
use crate::domain::suggest::did_you_mean;
use crate::domain::tenants::TenantSettings;
use crate::domain::users::User;
use crate::problem::Problem;
use crate::store::encryption::{TenantKey, UserKey};
use crate::store::log::events;
use crate::store::tenants::operators::{Operator, Role};
use crate::store::tenants::{self, Sequence};
use crate::store::{StoreError, Tx, users as stored_users};

/// Bytes of a body.
const MOST_BODY: usize = 64 * 1024;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/sessions", post(session::begin).delete(session::end))
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
        .layer(axum::extract::DefaultBodyLimit::max(MOST_BODY))
}

/// Reads a body as each operation does that takes one; for the fuzz target `operator_bodies`.
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

/// Reads the query of a search; for the fuzz target `queries`.
#[doc(hidden)]
pub fn read_search(query: &str, today: Date) -> Result<(), Problem> {
    users::parse_search(Some(query), today).map(drop)
}

/// An answer.
pub struct JsonAnswer(Value);

impl IntoResponse for JsonAnswer {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], Body::from(self.0.to_string())).into_response()
    }
}

/// A body, or why there is none.
type BodyResult = Result<Bytes, BytesRejection>;
type OperatorResult = Result<JsonAnswer, Problem>;

/// Reads a number of the query.
fn parse_number(name: &str, text: &str) -> Result<i64, Problem> {
    let number = text.parse().ok().filter(|number: &i64| *number > 0);
    number.ok_or_else(|| Problem::invalid(name, "must be a whole number from 1"))
}

/// Who asks, if they may do as much as `role` may.
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

/// The members of a JSON body: those that are named, each a text; other ones are refused.
fn read_fields<const N: usize>(body: BodyResult, names: [&str; N]) -> Result<[Option<String>; N], Problem> {
    let body = body.map_err(|error| Problem::invalid("(root)", error.body_text()))?;
    let sent = match parse(&body)? {
        Json::Object(sent) => sent,
        other => {
            return Err(Problem::invalid("(root)", format!("must be an object, not {}", other.kind())));
        }
    };
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

/// Refuses a word that is none of these.
fn not_one_of(name: &str, sent: &str, known: &[&str]) -> Problem {
    let meant = did_you_mean(sent, known.iter().copied());
    Problem::invalid(name, format!("must be one of {}{meant}", known.join(", ")))
}

/// A part of the path that is an id.
fn parse_id(text: &str, noun: &'static str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::NotFound(noun))
}

/// A part of the path that is a name; no name has control characters, and not every database takes them.
fn parse_name(text: &str, noun: &'static str) -> Result<String, Problem> {
    if text.chars().any(char::is_control) { Err(Problem::NotFound(noun)) } else { Ok(text.to_owned()) }
}

/// A text of one to this many letters, which has to be there.
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

/// A tenant that somebody works with.
struct VisibleTenant {
    number: i64,
    settings: TenantSettings,
    key: TenantKey,
}

/// The tenant of this name, if the operator sees its people.
fn visible_tenant(tx: &Tx<'_>, app: &App, operator: &Operator, name: &str) -> Result<VisibleTenant, Problem> {
    let row = tenants::by_name(tx, &parse_name(name, "tenant")?)?.ok_or(Problem::NotFound("tenant"))?;
    if operator.tenant.is_some_and(|own| own != row.number) {
        return Err(Problem::NotFound("tenant"));
    }
    let (row, key) = tenants::open(tx, row.number, &app.master_key)?;
    Ok(VisibleTenant { number: row.number, settings: row.settings, key })
}

/// What a unit that changes something of a user works with.
struct UserChange<'a> {
    tx: &'a Tx<'a>,
    sequence: &'a mut Sequence,
    tenant: &'a VisibleTenant,
    user: User,
    key: &'a UserKey,
    operator: &'a Operator,
}

/// What was done, for the record.
struct ActionRecord {
    action: &'static str,
    /// What it was done to, if that is not the user or webhook itself.
    subject: Option<Uuid>,
    reason: Option<String>,
    old: Value,
    new: Value,
}

impl ActionRecord {
    /// Puts it on record, in the commit of what was done; the record. It is about what has this id under that name, and
    /// sealed with its key.
    fn record(
        self,
        tx: &Tx<'_>,
        sequence: &mut Sequence,
        operator: &Operator,
        (name, id, key): (&str, Uuid, &UserKey),
        ids: &dyn Ids,
    ) -> Result<JsonAnswer, StoreError> {
        let ActionRecord { action, subject, reason, old, new } = self;
        let object = json!({
            "actor": { "name": operator.name, "role": operator.role.as_str() },
            "action": action,
            name: id,
            "subject": subject,
            "reason": reason,
            "old": old,
            "new": new,
        });
        events::publish(tx, sequence, EventType::OperatorAction, (id, key), &object.to_string(), ids)?;
        Ok(JsonAnswer(object))
    }
}

/// The number of a tenant that the operator sees: by it a process chooses its writer.
async fn tenant_number(app: &App, operator: &Operator, name: &str) -> Result<i64, Problem> {
    let (own, of, name) = (app.clone(), operator.clone(), name.to_owned());
    let find = move |tx: &Tx<'_>| Ok::<_, Problem>(visible_tenant(tx, &own, &of, &name)?.number);
    app.store.read("backoffice.tenant", find).await
}

/// Reads more than a little of the store, when it is the turn of those who see the same people. `of` is their tenant.
async fn scan<T: Send + 'static>(
    app: &App,
    of: Option<i64>,
    name: &'static str,
    mut read: impl FnMut(&Tx<'_>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let turn = app.budgets.operator_scans.soon(of).await?;
    let counted = move |tx: &Tx<'_>| {
        // Until it ends, whether or not its caller has gone.
        let _turn = &turn;
        read(tx)
    };
    app.store.scan(name, counted).await
}

/// Does something to a user and puts it on record, in one commit.
async fn change(
    app: &App,
    operator: Operator,
    (tenant_name, user): (String, Uuid),
    work: impl Fn(&mut UserChange<'_>) -> Result<ActionRecord, Problem> + Send + 'static,
) -> OperatorResult {
    let number = tenant_number(app, &operator, &tenant_name).await?;
    let (now, own) = (app.clock.now(), app.clone());
    let unit = move |tx: &Tx<'_>| {
        let mut sequence = Sequence::lock(tx, number, now)?;
        let tenant = visible_tenant(tx, &own, &operator, &tenant_name)?;
        let found = stored_users::load(tx, number, user, &tenant.key)?;
        let (user, key) = found.ok_or(Problem::NotFound("user"))?;
        let id = user.id;
        let mut at_work =
            UserChange { tx, sequence: &mut sequence, tenant: &tenant, user, key: &key, operator: &operator };
        let done = work(&mut at_work)?;
        let answer = done.record(tx, &mut sequence, &operator, ("user_id", id, &key), &*own.ids)?;
        sequence.save(tx);
        Ok::<_, Problem>(answer)
    };
    let answer = app.store.write("backoffice.change", number, unit).await?;
    app.work.notify_one();
    Ok(answer)
}

/// How an operator is named where something is kept of what they did.
fn actor_name(operator: &Operator) -> String {
    format!("operator:{}", operator.name)
}

/// What went wrong in a unit that knows nothing of problems.
fn missing_record(what: &str, id: Uuid) -> Problem {
    StoreError::Corrupt(format!("{what} {id} is gone")).into()
}
