//! The HTTP API: the route table, and the responses of its handlers.

mod about_tenant;
mod about_user;
mod accounts;
pub mod delivery;
pub mod front;
pub mod openapi;
mod problem_pages;
mod token;
mod users;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use self::accounts::{account_groups, account_resource};
use self::delivery::{event_endpoints, events, verify_keys, webhooks};
use self::front::endpoint::{Endpoint, RequiredAccess};
use self::front::{paging, query};
use self::users::{checks, data_changes, identifiers, reporting, tax_residencies};
use crate::access::tenants::{TenantPermit, Tenants};
use crate::app::App;
use crate::domain::accounts::{GroupDetails, SingleAccountDetails};
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::log::idempotency;
use crate::store::paging::SortKey;

/// Returns the route table: the paths of the vendor; our own paths under `/investord`, which no version of the vendor's
/// API will ever use; and the documentation of the server itself.
fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("POST /auth/token", RequiredAccess::Signature, token::CREATE, token::create),
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
        Endpoint::signed(webhooks::list),
        Endpoint::signed(webhooks::create),
        Endpoint::signed(webhooks::read),
        Endpoint::signed(webhooks::update),
        Endpoint::signed(webhooks::delete),
        Endpoint::signed(webhooks::test),
        Endpoint::signed(webhooks::test_config),
        Endpoint::signed(verify_keys::list),
        Endpoint::new(
            event_endpoints::HEALTH_OPERATION,
            RequiredAccess::Anybody,
            event_endpoints::HEALTH,
            event_endpoints::health,
        ),
        Endpoint::signed(event_endpoints::create),
        Endpoint::signed(event_endpoints::collect),
        Endpoint::signed(event_endpoints::delete),
        Endpoint::signed(events::list),
        Endpoint::signed(reporting::of_user),
        Endpoint::signed(reporting::dry_run),
        Endpoint::new("GET /errors", RequiredAccess::Anybody, problem_pages::INDEX, problem_pages::index),
        Endpoint::new(
            "GET /errors/{slug}",
            RequiredAccess::Anybody,
            problem_pages::PAGE,
            problem_pages::page,
        ),
        Endpoint::new("GET /openapi.json", RequiredAccess::Anybody, openapi::SERVE, openapi::serve),
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

/// Parses a query as each operation with query parameters does; for the fuzz target `queries`.
#[doc(hidden)]
pub fn read_queries(query: &str) -> [Result<(), Problem>; 7] {
    [
        paging::parse_with_cursor::<SortKey>(query).map(drop),
        paging::parse_whole(query).map(drop),
        paging::parse::<webhooks::WebhookSortKey>(query).map(drop),
        query::read(query, &checks::LIST).map(drop),
        query::read(query, &account_resource::CLOSE).map(drop),
        query::read(query, &events::QUERY).map(drop),
        query::read(query, &event_endpoints::COLLECT).map(drop),
    ]
}

/// Scans the store for a client when it is the turn of its tenant.
async fn scan<T: Send + 'static>(
    app: &App,
    tenant: i64,
    name: &'static str,
    mut read: impl FnMut(&Tx<'_>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let turn = app.budgets.tenants.scan(tenant).await?;
    let counted = move |tx: &Tx<'_>| {
        // The permit lasts until the scan ends, even if the client has disconnected: the scan continues.
        let _turn = &turn;
        read(tx)
    };
    app.store.scan(name, counted).await
}

/// A successful response with a serialised JSON body.
pub struct Reply {
    status: StatusCode,
    /// Empty for a response without a body.
    json: String,
    /// Whether this is the kept response of an earlier request with the same idempotency key.
    replayed: bool,
    /// The bytes of the response in the budget of its tenant.
    counted: Option<TenantPermit>,
}

/// Name of the header that marks the kept response of an earlier request (decision W23).
pub const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

impl Reply {
    fn new(status: StatusCode, json: String) -> Self {
        Self { status, json, replayed: false, counted: None }
    }

    /// Returns a response with status 200.
    pub fn ok(json: String) -> Self {
        Self::new(StatusCode::OK, json)
    }

    /// Returns a response with status 201.
    pub fn created(json: String) -> Self {
        Self::new(StatusCode::CREATED, json)
    }

    /// Returns an empty response with status 204.
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, String::new())
    }

    /// Returns an empty response with status 202: the worker will finish the request.
    pub fn accepted() -> Self {
        Self::new(StatusCode::ACCEPTED, String::new())
    }

    /// Returns a response with status 202 and the id of the new resource, by which the client finds it later.
    pub fn accepted_with(json: String) -> Self {
        Self::new(StatusCode::ACCEPTED, json)
    }

    /// Returns the kept response of the first request, byte for byte (decision W11).
    pub fn replay(kept: &idempotency::KeptResponse) -> Self {
        let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
        Self { status, json: kept.body.to_string(), replayed: true, counted: None }
    }

    /// Counts the bytes of the response until they are sent.
    fn count_until_sent(self, app: &App, tenant: i64) -> Self {
        Self { counted: Some(app.budgets.tenants.unsent(tenant, self.json.len())), ..self }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        if self.replayed {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        if !self.json.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *response.body_mut() = match self.counted {
                Some(held) => Tenants::counted(self.json, held).into(),
                None => self.json.into(),
            };
        }
        response
    }
}
