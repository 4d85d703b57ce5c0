//! The HTTP API: the route table, and the responses of its handlers.

mod accounts;
pub mod delivery;
mod developer_docs;
pub mod front;
pub mod openapi;
mod token;
mod users;

use std::sync::LazyLock;

use axum::Router;
use axum::response::IntoResponse;
use http::header;
use investord_console::developer_docs::reference::Reference;
use serde_json::json;

use self::accounts::{account_groups, account_resource};
use self::delivery::{event_endpoints, event_polls, events, verify_keys, webhook_tests, webhooks};
use self::front::endpoint::{Endpoint, RequiredAccess};
use self::front::paging;
use self::openapi::operation_doc::{OperationDoc, PayloadDoc, SERVER};
use self::users::{checks, data_changes, identifiers, reporting, tax_residencies};
use crate::app::App;
use crate::domain::accounts::{GroupDetails, SingleAccountDetails};
use crate::domain::json::query;
use crate::problem::Problem;
use crate::store::paging::SortKey;

/// Returns the route table: the paths of the vendor; our own paths under `/investord`, which no version of the vendor's
/// API will ever use; and the documentation of the server itself.
fn endpoints() -> Vec<Endpoint> {
    let token = Endpoint::new("POST /auth/token", RequiredAccess::Signature, token::CREATE, token::create);
    let mut endpoints = vec![token];
    endpoints.extend(of_users());
    endpoints.extend(of_accounts());
    endpoints.extend(of_webhooks());
    endpoints.extend(of_this_server());
    endpoints
}

/// Returns the endpoints of users and their identifiers, checks and tax residencies.
fn of_users() -> Vec<Endpoint> {
    vec![
        Endpoint::signed(users::list),
        Endpoint::signed(users::create),
        Endpoint::signed(users::read),
        Endpoint::signed(users::offboard),
        Endpoint::signed(data_changes::create),
        Endpoint::signed(data_changes::list),
        Endpoint::signed(data_changes::preview),
        Endpoint::signed(identifiers::list),
        Endpoint::signed(identifiers::create),
        Endpoint::signed(identifiers::read),
        Endpoint::signed(identifiers::update),
        Endpoint::signed(checks::list),
        Endpoint::signed(checks::create),
        Endpoint::signed(checks::read),
        Endpoint::signed(tax_residencies::read),
        Endpoint::signed(tax_residencies::set),
    ]
}

/// Returns the endpoints of account groups and accounts.
fn of_accounts() -> Vec<Endpoint> {
    vec![
        Endpoint::signed(account_resource::of_user::<GroupDetails>),
        Endpoint::signed(account_resource::list::<GroupDetails>),
        Endpoint::signed(account_groups::create),
        Endpoint::signed(account_resource::read::<GroupDetails>),
        Endpoint::signed(account_resource::close::<GroupDetails>),
        Endpoint::signed(account_resource::of_user::<SingleAccountDetails>),
        Endpoint::signed(account_resource::list::<SingleAccountDetails>),
        Endpoint::signed(accounts::create),
        Endpoint::signed(account_resource::read::<SingleAccountDetails>),
        Endpoint::signed(accounts::update),
        Endpoint::signed(account_resource::close::<SingleAccountDetails>),
    ]
}

/// Returns the endpoints of webhooks, verification keys, event endpoints and events.
fn of_webhooks() -> Vec<Endpoint> {
    vec![
        Endpoint::signed(webhooks::list),
        Endpoint::signed(webhooks::create),
        Endpoint::signed(webhooks::read),
        Endpoint::signed(webhooks::update),
        Endpoint::signed(webhooks::delete),
        Endpoint::signed(webhook_tests::test),
        Endpoint::signed(webhook_tests::test_config),
        Endpoint::signed(verify_keys::list),
        Endpoint::new(
            event_endpoints::HEALTH_OPERATION,
            RequiredAccess::Public,
            event_endpoints::HEALTH,
            event_endpoints::health,
        ),
        Endpoint::signed(event_endpoints::create),
        Endpoint::signed(event_polls::collect),
        Endpoint::signed(event_endpoints::delete),
        Endpoint::signed(events::list),
    ]
}

/// Returns the endpoints that the vendor does not have: MiFIR reporting and documentation.
fn of_this_server() -> Vec<Endpoint> {
    vec![
        Endpoint::signed(reporting::of_user),
        Endpoint::signed(reporting::dry_run),
        Endpoint::new(
            "GET /errors",
            RequiredAccess::Public,
            developer_docs::PROBLEMS,
            developer_docs::problems,
        ),
        Endpoint::new(
            "GET /errors/{slug}",
            RequiredAccess::Public,
            developer_docs::PROBLEM,
            developer_docs::problem,
        ),
        Endpoint::new("GET /openapi.json", RequiredAccess::Public, DOCUMENT_DOC, serve_document),
    ]
}

/// Returns the templates of all paths, as in `/users/{user_id}`.
pub fn paths() -> Vec<&'static str> {
    endpoints().iter().map(|endpoint| endpoint.method_and_path().1).collect()
}

/// Returns the router of the API with problem documents for unknown paths and methods.
pub fn routes() -> Router<App> {
    let add = |router: Router<App>, endpoint: Endpoint| {
        let (_, path) = endpoint.method_and_path();
        router.route(path, endpoint.into_handler())
    };
    let router = endpoints().into_iter().fold(Router::new(), add);
    router
        .fallback(async || Problem::NotFound("path"))
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
}

/// Returns the router of the pages for developers that the OpenAPI document does not list.
pub fn pages() -> Router<App> {
    developer_docs::routes(&REFERENCE).method_not_allowed_fallback(async || Problem::MethodNotAllowed)
}

/// Parses a query as each operation with query parameters does; for the fuzz target `queries`.
#[doc(hidden)]
pub fn read_queries(query: &str) -> [Result<(), Problem>; 7] {
    [
        paging::parse_with_cursor::<SortKey>(query).map(drop),
        paging::parse_whole(query).map(drop),
        paging::parse::<webhooks::WebhookSortKey>(query).map(drop),
        query::read(query, &checks::LIST).map(drop).map_err(Problem::from),
        query::read(query, &account_resource::CLOSE).map(drop).map_err(Problem::from),
        query::read(query, &events::QUERY).map(drop).map_err(Problem::from),
        query::read(query, &event_polls::COLLECT).map(drop).map_err(Problem::from),
    ]
}

/// Returns the OpenAPI document, as it is served and as it is stored in `api/openapi.json`.
pub fn openapi_document() -> String {
    openapi::document(&endpoints())
}

/// The serialised document, built at the first request.
static DOCUMENT: LazyLock<String> = LazyLock::new(openapi_document);

/// The document as the pages for developers show it.
static REFERENCE: LazyLock<Reference> =
    LazyLock::new(|| Reference::new(&serde_json::from_str(&DOCUMENT).unwrap_or_default()));

/// Handles `GET /openapi.json`: returns the document.
async fn serve_document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

/// Documentation of [`serve_document`].
const DOCUMENT_DOC: OperationDoc = OperationDoc {
    tag: SERVER,
    id: "openapi",
    summary: "This document",
    description: "Describes the operations that this server answers, in OpenAPI 3.1.",
    parameters: Vec::new,
    request: None,
    answer: PayloadDoc {
        description: "The document.",
        media: "application/json",
        schema: |_| json!({ "type": "object" }),
        examples: &[],
    },
};
