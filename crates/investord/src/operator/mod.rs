//! The operator API, on a listener of its own: for people who look at the register, through a console or commands.
//!
//! JSON in and out; a bearer token; problems as everywhere. Whatever somebody does to a user is an event
//! `OPERATOR.ACTION` of that user, in the commit of what was done and in the same chain.

mod accounts;
mod actions;
mod history;
mod obstacles;
mod people;
mod reviews;
pub mod session;
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
use crate::domain::event::EventType;
use crate::domain::schema::{Fault, parse};
use crate::domain::suggest::did_you_mean;
use crate::domain::tenant::Settings;
use crate::domain::tree::Tree;
use crate::domain::user::User;
use crate::problem::Problem;
use crate::store::operators::{Operator, Role};
use crate::store::seal::{TenantKey, UserKey};
use crate::store::tenants::{self, Head};
use crate::store::{StoreError, Tx, outbox, users};

/// Bytes of a body.
const MOST_BODY: usize = 64 * 1024;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/sessions", post(session::begin).delete(session::end))
        .route("/me", get(session::me))
        .route("/operators", get(accounts::list).post(accounts::create))
        .route("/operators/{name}", delete(accounts::disable))
        .route("/tenants", get(people::tenants))
        .route("/tenants/{tenant}/users", get(people::find))
        .route("/tenants/{tenant}/users/{user}", get(people::show))
        .route("/tenants/{tenant}/users/{user}/history", get(history::history))
        .route("/tenants/{tenant}/users/{user}/actions", post(actions::act))
        .route("/tenants/{tenant}/users/{user}/outcomes", post(actions::order))
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
    let sign_in = session::credentials(sent()).map(|(_, password)| drop(session::normalised(&password)));
    [
        sign_in,
        accounts::NewOperator::read(sent()).map(drop),
        actions::action(sent()).map(drop),
        actions::ordered(sent()).map(drop),
        reviews::verdict(sent()).map(drop),
        webhooks::action(sent()).map(drop),
        webhooks::reason(sent()).map(drop),
    ]
}

/// Reads the query of a search; for the fuzz target `queries`.
#[doc(hidden)]
pub fn read_search(query: &str, today: Date) -> Result<(), Problem> {
    people::wanted(Some(query), today).map(drop)
}

/// An answer.
pub struct Answer(Value);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], Body::from(self.0.to_string())).into_response()
    }
}

/// A body, or why there is none.
type Sent = Result<Bytes, BytesRejection>;
type Answered = Result<Answer, Problem>;

/// Reads a number of the query.
fn number(name: &str, text: &str) -> Result<i64, Problem> {
    let number = text.parse().ok().filter(|number: &i64| *number > 0);
    number.ok_or_else(|| Problem::invalid(name, "must be a whole number from 1"))
}

/// Who asks, if they may do as much as `role` may.
async fn known(app: &App, headers: &HeaderMap, role: Role) -> Result<Operator, Problem> {
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
fn members<const N: usize>(body: Sent, names: [&str; N]) -> Result<[Option<String>; N], Problem> {
    let body = body.map_err(|error| Problem::invalid("(root)", error.body_text()))?;
    let sent = match parse(&body)? {
        Tree::Object(sent) => sent,
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
            (Some(at), Tree::Text(text)) => {
                found[at] = Some(text);
                continue;
            }
            (Some(_), Tree::Null) => continue,
            (Some(_), other) => format!("must be a string, not {}", other.kind()),
            (None, _) => format!("is not one of {}{}", names.join(", "), did_you_mean(&name, names)),
        };
        faults.push(Fault::new(name, fault));
    }
    if faults.is_empty() { Ok(found) } else { Err(faults.into()) }
}

/// Refuses a word that is none of these.
fn one_of(name: &str, sent: &str, known: &[&str]) -> Problem {
    let meant = did_you_mean(sent, known.iter().copied());
    Problem::invalid(name, format!("must be one of {}{meant}", known.join(", ")))
}

/// A part of the path that is an id.
fn id_of(text: &str, noun: &'static str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::NotFound(noun))
}

/// A part of the path that is a name; no name has control characters, and not every database takes them.
fn name_of(text: &str, noun: &'static str) -> Result<String, Problem> {
    if text.chars().any(char::is_control) { Err(Problem::NotFound(noun)) } else { Ok(text.to_owned()) }
}

/// A text of one to this many letters, which has to be there.
fn needed(name: &str, text: Option<String>, most: usize) -> Result<String, Problem> {
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
struct Tenant {
    number: i64,
    settings: Settings,
    key: TenantKey,
}

/// The tenant of this name, if the operator sees its people.
fn tenant(tx: &Tx<'_>, app: &App, operator: &Operator, name: &str) -> Result<Tenant, Problem> {
    let row = tenants::by_name(tx, &name_of(name, "tenant")?)?.ok_or(Problem::NotFound("tenant"))?;
    if operator.tenant.is_some_and(|own| own != row.number) {
        return Err(Problem::NotFound("tenant"));
    }
    let (row, key) = tenants::opened(tx, row.number, &app.master_key)?;
    Ok(Tenant { number: row.number, settings: row.settings, key })
}

/// What a unit that changes something of a user works with.
struct Work<'a> {
    tx: &'a Tx<'a>,
    head: &'a mut Head,
    tenant: &'a Tenant,
    user: User,
    key: &'a UserKey,
    operator: &'a Operator,
}

/// What was done, for the record.
struct Done {
    action: &'static str,
    /// What it was done to, if that is not the user or webhook itself.
    subject: Option<Uuid>,
    reason: Option<String>,
    old: Value,
    new: Value,
}

impl Done {
    /// Puts it on record, in the commit of what was done; the record. It is about what has this id under that name, and
    /// sealed with its key.
    fn record(
        self,
        tx: &Tx<'_>,
        head: &mut Head,
        operator: &Operator,
        (name, id, key): (&str, Uuid, &UserKey),
        ids: &dyn Ids,
    ) -> Result<Answer, StoreError> {
        let Done { action, subject, reason, old, new } = self;
        let object = json!({
            "actor": { "name": operator.name, "role": operator.role.as_str() },
            "action": action,
            name: id,
            "subject": subject,
            "reason": reason,
            "old": old,
            "new": new,
        });
        outbox::publish(tx, head, EventType::OperatorAction, (id, key), &object.to_string(), ids)?;
        Ok(Answer(object))
    }
}

/// The number of a tenant that the operator sees: by it a process chooses its writer.
async fn number_of(app: &App, operator: &Operator, name: &str) -> Result<i64, Problem> {
    let (own, of, name) = (app.clone(), operator.clone(), name.to_owned());
    let find = move |tx: &Tx<'_>| Ok::<_, Problem>(tenant(tx, &own, &of, &name)?.number);
    app.store.read("operator.tenant", find).await
}

/// Reads more than a little of the store, when it is the turn of those who see the same people. `of` is their tenant.
async fn scan<T: Send + 'static>(
    app: &App,
    of: Option<i64>,
    name: &'static str,
    mut read: impl FnMut(&Tx<'_>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let turn = app.access.operators_scans.soon(of).await?;
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
    work: impl Fn(&mut Work<'_>) -> Result<Done, Problem> + Send + 'static,
) -> Answered {
    let number = number_of(app, &operator, &tenant_name).await?;
    let (now, own) = (app.clock.now(), app.clone());
    let unit = move |tx: &Tx<'_>| {
        let mut head = Head::take(tx, number, now)?;
        let tenant = tenant(tx, &own, &operator, &tenant_name)?;
        let found = users::load(tx, number, user, &tenant.key)?;
        let (user, key) = found.ok_or(Problem::NotFound("user"))?;
        let id = user.id;
        let mut at_work = Work { tx, head: &mut head, tenant: &tenant, user, key: &key, operator: &operator };
        let done = work(&mut at_work)?;
        let answer = done.record(tx, &mut head, &operator, ("user_id", id, &key), &*own.ids)?;
        head.put(tx);
        Ok::<_, Problem>(answer)
    };
    let answer = app.store.write("operator.change", number, unit).await?;
    app.work.notify_one();
    Ok(answer)
}

/// How an operator is named where something is kept of what they did.
fn named(operator: &Operator) -> String {
    format!("operator:{}", operator.name)
}

/// What went wrong in a unit that knows nothing of problems.
fn damaged(what: &str, id: Uuid) -> Problem {
    StoreError::Damaged(format!("{what} {id} is gone")).into()
}
