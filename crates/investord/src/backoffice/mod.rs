//! The operator API, on a listener of its own: its route table.
//!
//! Requests and responses are JSON, authentication is a bearer token, and problems have the same form as in the API for
//! clients. Every action on a user is an event `OPERATOR.ACTION` of that user, in the commit of the action and in the
//! same hash chain, so that no action can miss its record.

pub mod access;
pub mod actions;
mod administration;
mod by_operator;
mod change;
mod clients;
mod deactivation;
mod endpoint;
mod history;
mod invitations;
mod lockout;
mod mask;
mod openapi;
mod operators;
mod packages;
mod passkey_ceremony;
mod passkeys;
mod password;
pub mod password_hash;
mod proof;
mod proposal_view;
mod proposals;
mod provider_sign_in;
mod recovery_codes;
mod register;
pub mod reveal;
pub mod review_assignment;
pub mod reviews;
mod roles;
pub mod sealed_state;
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

use self::administration::{Administer, administer};
use self::by_operator::{OperatorDoc, OperatorOperation, ReceivedByOperator};
pub use self::endpoint::Access;
use self::endpoint::OperatorEndpoint;
use self::session::{OperatorView, SessionView};
use crate::app::App;
use crate::problem::Problem;

/// Maximum size of a request body in bytes. The longest valid body is a few KiB.
const MAX_BODY: usize = 64 * 1024;

/// Returns the rows of the route table for the administration of the register.
fn administration_endpoints() -> Vec<OperatorEndpoint> {
    vec![
        OperatorEndpoint::of(operators::list),
        OperatorEndpoint::of(administer::<operators::CreateOperator>),
        OperatorEndpoint::of(administer::<operators::SetGrants>),
        OperatorEndpoint::of(administer::<operators::SetDisabled>),
        OperatorEndpoint::of(administer::<operators::ResetOperator>),
        OperatorEndpoint::of(administer::<operators::ResetSecondFactor>),
        OperatorEndpoint::public::<OperatorView, _>(
            "POST /invitations",
            invitations::ACCEPT_DOC,
            invitations::accept,
        ),
        OperatorEndpoint::of(access::list),
        OperatorEndpoint::of(access::review),
        OperatorEndpoint::of(session_list::list_of_operator),
        OperatorEndpoint::of(session_list::end_of_operator),
        OperatorEndpoint::of(roles::list),
        OperatorEndpoint::of(administer::<roles::SetRole>),
        OperatorEndpoint::of(proposals::list),
        OperatorEndpoint::of(proposals::confirm),
        OperatorEndpoint::of(proposals::withdraw),
        OperatorEndpoint::of(proposals::review),
        OperatorEndpoint::of(register::events),
        OperatorEndpoint::of(administer::<register::SetFourEyes>),
        OperatorEndpoint::of(tenants::list),
        OperatorEndpoint::of(administer::<tenants::CreateTenant>),
        OperatorEndpoint::of(administer::<tenants::ChangeSettings>),
        OperatorEndpoint::of(administer::<tenants::SetSuspended>),
        OperatorEndpoint::of(clients::list),
        OperatorEndpoint::of(administer::<clients::CreateClient>),
        OperatorEndpoint::of(administer::<clients::SetScopes>),
        OperatorEndpoint::of(administer::<clients::SetClientDisabled>),
        OperatorEndpoint::of(administer::<clients::RotateSecret>),
        OperatorEndpoint::of(administer::<clients::AddKey>),
        OperatorEndpoint::of(administer::<clients::RevokeKey>),
    ]
}

/// Returns the rows of the route table for signing in, and for what is the operator's own.
fn sign_in_endpoints() -> Vec<OperatorEndpoint> {
    vec![
        OperatorEndpoint::public::<SessionView, _>("POST /sessions", session::SIGN_IN_DOC, session::sign_in),
        OperatorEndpoint::public::<provider_sign_in::ProviderSignIn, _>(
            "POST /oidc/requests",
            provider_sign_in::BEGIN_DOC,
            provider_sign_in::begin,
        ),
        OperatorEndpoint::public::<provider_sign_in::DeviceSignIn, _>(
            "POST /oidc/device_requests",
            provider_sign_in::BEGIN_DEVICE_DOC,
            provider_sign_in::begin_device,
        ),
        OperatorEndpoint::public::<SessionView, _>(
            "POST /oidc/sessions",
            provider_sign_in::FINISH_DOC,
            provider_sign_in::finish,
        ),
        OperatorEndpoint::public::<session::EndedSession, _>(
            "POST /oidc/logout",
            provider_sign_in::LOGOUT_DOC,
            provider_sign_in::logout,
        ),
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
        OperatorEndpoint::of(passkeys::list),
        OperatorEndpoint::of(passkeys::begin),
        OperatorEndpoint::of(passkeys::confirm),
        OperatorEndpoint::of(passkeys::delete),
        OperatorEndpoint::of(recovery_codes::replace),
    ]
}

/// Returns the route table of the operator API.
fn endpoints() -> Vec<OperatorEndpoint> {
    let mut endpoints = administration_endpoints();
    endpoints.extend(sign_in_endpoints());
    endpoints.extend([
        OperatorEndpoint::of(users::find),
        OperatorEndpoint::of(user_overview::show),
        OperatorEndpoint::of(history::history),
        OperatorEndpoint::of(reveal::reveal),
        OperatorEndpoint::of(actions::act),
        OperatorEndpoint::of(actions::set_outcome),
        OperatorEndpoint::of(reviews::decide),
        OperatorEndpoint::of(reviews::queue),
        OperatorEndpoint::of(review_assignment::assign),
        OperatorEndpoint::of(review_assignment::view),
        OperatorEndpoint::of(webhooks::list),
        OperatorEndpoint::of(webhooks::show),
        OperatorEndpoint::of(packages::list),
        OperatorEndpoint::of(packages::show),
        OperatorEndpoint::of(webhooks::history),
        OperatorEndpoint::of(webhook_actions::act),
        OperatorEndpoint::of(webhook_actions::rotate),
        OperatorEndpoint::public::<Map<String, Value>, _>("GET /openapi.json", DOCUMENT_DOC, serve_document),
    ]);
    endpoints
}

/// Returns every operation of the operator API, with who may perform it.
pub fn access_of_operations() -> impl Iterator<Item = (&'static str, Access)> {
    endpoints().into_iter().map(|endpoint| (endpoint.operation, endpoint.access))
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
pub fn read_bodies(body: &Bytes) -> [Result<(), Problem>; 28] {
    fn read<T: OperatorOperation>(body: &Bytes) -> Result<(), Problem> {
        let id = Uuid::nil().to_string();
        let names = ["tenant", "user", "subject", "webhook", "name", "role", "client", "key", "proposal"];
        let path = names.map(|name| (name.to_owned(), id.clone()));
        // No body of an operator has a date.
        T::read(&ReceivedByOperator { path: &path, query: "", body, now: Timestamp::UNIX_EPOCH }).map(drop)
    }
    [
        session::read_sign_in(body, Timestamp::UNIX_EPOCH)
            .map(|sign_in| drop(password_hash::normalise(&sign_in.password))),
        invitations::read_acceptance(body, Timestamp::UNIX_EPOCH).map(drop),
        provider_sign_in::read_begin(body, Timestamp::UNIX_EPOCH).map(drop),
        provider_sign_in::read_finish(body, Timestamp::UNIX_EPOCH).map(drop),
        read::<Administer<operators::CreateOperator>>(body),
        read::<Administer<operators::SetGrants>>(body),
        read::<Administer<operators::SetDisabled>>(body),
        read::<Administer<roles::SetRole>>(body),
        read::<proposals::ReviewBreakGlass>(body),
        read::<access::ReviewAccess>(body),
        read::<Administer<register::SetFourEyes>>(body),
        read::<Administer<tenants::CreateTenant>>(body),
        read::<Administer<tenants::ChangeSettings>>(body),
        read::<Administer<tenants::SetSuspended>>(body),
        read::<Administer<clients::SetScopes>>(body),
        read::<Administer<clients::RotateSecret>>(body),
        read::<Administer<clients::AddKey>>(body),
        read::<password::ChangePassword>(body),
        read::<proof::ProvePerson>(body),
        read::<totp::ConfirmTotp>(body),
        read::<passkeys::ConfirmPasskey>(body),
        read::<reveal::RevealUser>(body),
        read::<actions::ActOnUser>(body),
        read::<actions::OrderOutcome>(body),
        read::<reviews::DecideReview>(body),
        read::<review_assignment::AssignReview>(body),
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
