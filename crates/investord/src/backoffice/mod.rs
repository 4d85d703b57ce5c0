//! The operator API, on a listener of its own: its route table.
//!
//! Requests and responses are JSON, authentication is a bearer token, and problems have the same form as in the API for
//! clients. Every action on a user is an event `OPERATOR.ACTION` of that user, in the commit of the action and in the
//! same hash chain, so that no action can miss its record.

pub mod actions;
mod by_operator;
mod change;
mod endpoint;
mod history;
mod lockout;
mod openapi;
mod operators;
mod packages;
mod password;
mod proof;
mod recovery_codes;
pub mod reviews;
mod second_factor;
pub mod session;
mod session_list;
mod status_explanation;
mod tenants;
mod totp;
mod user_overview;
mod users;
pub mod webhook_actions;
mod webhooks;

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::response::IntoResponse;
use http::header;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};
use uuid::Uuid;

use self::by_operator::{OperatorDoc, OperatorOperation, ReceivedByOperator};
use self::endpoint::OperatorEndpoint;
use self::session::SessionView;
use crate::app::App;
use crate::problem::Problem;

/// Maximum size of a request body in bytes. The longest valid body is a few KiB.
const MAX_BODY: usize = 64 * 1024;

/// Returns the route table of the operator API.
fn endpoints() -> Vec<OperatorEndpoint> {
    vec![
        OperatorEndpoint::public::<SessionView, _>("POST /sessions", session::SIGN_IN_DOC, session::sign_in),
        OperatorEndpoint::of(session::sign_out),
        OperatorEndpoint::of(session::me),
        OperatorEndpoint::of(session_list::list_own),
        OperatorEndpoint::of(session_list::end_own),
        OperatorEndpoint::of(session_list::end_others),
        OperatorEndpoint::of(password::change),
        OperatorEndpoint::of(proof::prove),
        OperatorEndpoint::of(totp::show),
        OperatorEndpoint::of(totp::begin),
        OperatorEndpoint::of(totp::delete),
        OperatorEndpoint::of(totp::confirm),
        OperatorEndpoint::of(recovery_codes::replace),
        OperatorEndpoint::of(operators::list),
        OperatorEndpoint::of(operators::create),
        OperatorEndpoint::of(operators::disable),
        OperatorEndpoint::of(session_list::list_of_operator),
        OperatorEndpoint::of(session_list::end_of_operator),
        OperatorEndpoint::of(tenants::list),
        OperatorEndpoint::of(users::find),
        OperatorEndpoint::of(user_overview::show),
        OperatorEndpoint::of(history::history),
        OperatorEndpoint::of(actions::act),
        OperatorEndpoint::of(actions::set_outcome),
        OperatorEndpoint::of(reviews::decide),
        OperatorEndpoint::of(reviews::queue),
        OperatorEndpoint::of(webhooks::list),
        OperatorEndpoint::of(webhooks::show),
        OperatorEndpoint::of(packages::list),
        OperatorEndpoint::of(packages::show),
        OperatorEndpoint::of(webhooks::history),
        OperatorEndpoint::of(webhook_actions::act),
        OperatorEndpoint::of(webhook_actions::rotate),
        OperatorEndpoint::public::<Map<String, Value>, _>("GET /openapi.json", DOCUMENT_DOC, serve_document),
    ]
}

/// Returns the routes of the operator API.
pub fn routes() -> Router<App> {
    let add = |router: Router<App>, endpoint: OperatorEndpoint| {
        let (_, path) = endpoint.method_and_path();
        router.route(path, endpoint.into_handler())
    };
    endpoints()
        .into_iter()
        .fold(Router::new(), add)
        .fallback(async || Problem::NotFound("path"))
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
}

/// Returns the OpenAPI document of the operator API, as it is served and as it is stored in
/// `api/operator-openapi.json`.
pub fn openapi_document() -> String {
    openapi::document(&endpoints())
}

/// The serialised document, built at the first request.
static DOCUMENT: LazyLock<String> = LazyLock::new(openapi_document);

/// Handles `GET /openapi.json`: returns the document.
async fn serve_document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

/// Documentation of [`serve_document`].
const DOCUMENT_DOC: OperatorDoc = OperatorDoc {
    id: "operator_openapi",
    summary: "This document",
    description: "Describes the operations of operators, in OpenAPI 3.1.",
    query: &[],
    request: None,
};

/// Parses a body as each operation with a body does; for the fuzz target `operator_bodies`.
#[doc(hidden)]
pub fn read_bodies(body: &Bytes) -> [Result<(), Problem>; 10] {
    fn read<T: OperatorOperation>(body: &Bytes) -> Result<(), Problem> {
        let id = Uuid::nil().to_string();
        let path = ["tenant", "user", "subject", "webhook"].map(|name| (name.to_owned(), id.clone()));
        // No body of an operator has a date.
        T::read(&ReceivedByOperator { path: &path, query: "", body, now: Timestamp::UNIX_EPOCH }).map(drop)
    }
    [
        session::read_sign_in(body, Timestamp::UNIX_EPOCH)
            .map(|sign_in| drop(session::normalise(&sign_in.password))),
        read::<operators::CreateOperator>(body),
        read::<password::ChangePassword>(body),
        read::<proof::ProvePerson>(body),
        read::<totp::ConfirmTotp>(body),
        read::<actions::ActOnUser>(body),
        read::<actions::OrderOutcome>(body),
        read::<reviews::DecideReview>(body),
        read::<webhook_actions::ActOnWebhook>(body),
        read::<webhook_actions::RotateSigningKey>(body),
    ]
}

/// Parses the query of a search; for the fuzz target `queries`.
///
/// # Errors
///
/// Fails if the query is invalid.
#[doc(hidden)]
pub fn read_search(query: &str, today: Date) -> Result<(), Problem> {
    users::UserSearch::parse(query, today).map(drop)
}
