//! The vendor's wire, and ours beside it: the route table, and one file per resource.

mod about_tenant;
mod about_user;
mod acceptors;
mod account_groups;
mod accounts;
pub mod caller;
mod checks;
mod compat;
mod custody;
mod data_changes;
pub mod directory;
mod endpoint;
mod errors;
mod event_schemas;
mod events;
mod explain;
mod identifiers;
pub mod limits;
pub mod openapi;
mod page;
mod query;
pub mod replays;
mod reporting;
pub mod signature_counts;
mod tax_residencies;
mod token;
mod users;
mod verify_keys;
mod webhooks;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use self::endpoint::{Access, Endpoint};
use crate::access::tenants::{Held, Tenants};
use crate::app::App;
use crate::domain::account::{Group, Single};
use crate::problem::Problem;
use crate::store::page::SortBy;
use crate::store::{Tx, once};

/// The route table: paths of the vendor; ours under `/investord`, where no version of the vendor's API will ever have
/// one; and what the server says about itself.
fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("POST /auth/token", Access::Signature, token::CREATE, token::create),
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
        Endpoint::signed(custody::of_user::<Group>),
        Endpoint::signed(custody::list::<Group>),
        Endpoint::signed(account_groups::create),
        Endpoint::signed(custody::read::<Group>),
        Endpoint::signed(custody::close::<Group>),
        Endpoint::signed(custody::of_user::<Single>),
        Endpoint::signed(custody::list::<Single>),
        Endpoint::signed(accounts::create),
        Endpoint::signed(custody::read::<Single>),
        Endpoint::signed(accounts::update),
        Endpoint::signed(custody::close::<Single>),
        Endpoint::signed(webhooks::list),
        Endpoint::signed(webhooks::create),
        Endpoint::signed(webhooks::read),
        Endpoint::signed(webhooks::update),
        Endpoint::signed(webhooks::delete),
        Endpoint::signed(webhooks::test),
        Endpoint::signed(webhooks::try_out),
        Endpoint::signed(verify_keys::list),
        Endpoint::new(acceptors::HEALTH_OPERATION, Access::Anybody, acceptors::HEALTH, acceptors::health),
        Endpoint::signed(acceptors::create),
        Endpoint::signed(acceptors::collect),
        Endpoint::signed(acceptors::delete),
        Endpoint::signed(events::list),
        Endpoint::signed(reporting::of_user),
        Endpoint::signed(reporting::dry_run),
        Endpoint::new("GET /errors", Access::Anybody, errors::INDEX, errors::index),
        Endpoint::new("GET /errors/{slug}", Access::Anybody, errors::PAGE, errors::page),
        Endpoint::new("GET /openapi.json", Access::Anybody, openapi::SERVE, openapi::serve),
    ]
}

/// Returns the templates of all paths, as in `/users/{user_id}`.
pub fn paths() -> Vec<&'static str> {
    endpoints().iter().map(|endpoint| endpoint.method_and_path().1).collect()
}

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

/// Reads a query as each operation does that takes parameters; for the fuzz target `queries`.
#[doc(hidden)]
pub fn read_queries(query: &str) -> [Result<(), Problem>; 7] {
    [
        page::parse_with_cursor::<SortBy>(query).map(drop),
        page::parse_whole(query).map(drop),
        page::parse::<webhooks::SortBy>(query).map(drop),
        query::read(query, &checks::LIST).map(drop),
        query::read(query, &custody::CLOSE).map(drop),
        query::read(query, &events::QUERY).map(drop),
        query::read(query, &acceptors::COLLECT).map(drop),
    ]
}

/// Scans the store for a client, when it is its tenant's turn.
async fn scan<T: Send + 'static>(
    app: &App,
    tenant: i64,
    name: &'static str,
    mut read: impl FnMut(&Tx<'_>) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let turn = app.access.tenants.scan(tenant).await?;
    let counted = move |tx: &Tx<'_>| {
        // Until it ends, whether or not its client has gone.
        let _turn = &turn;
        read(tx)
    };
    app.store.scan(name, counted).await
}

/// An answer: a JSON text that is ready to go out.
pub struct Reply {
    status: StatusCode,
    json: String,
    /// Whether this is the kept answer of an earlier request.
    replayed: bool,
    /// Its bytes, as they count against its tenant.
    counted: Option<Held>,
}

/// Says that nothing was done anew (decision W23).
pub const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

impl Reply {
    fn new(status: StatusCode, json: String) -> Self {
        Self { status, json, replayed: false, counted: None }
    }

    pub fn ok(json: String) -> Self {
        Self::new(StatusCode::OK, json)
    }

    pub fn created(json: String) -> Self {
        Self::new(StatusCode::CREATED, json)
    }

    /// 204.
    pub fn nothing() -> Self {
        Self::new(StatusCode::NO_CONTENT, String::new())
    }

    /// 202 and nothing else: what was asked for is done later.
    pub fn accepted() -> Self {
        Self::new(StatusCode::ACCEPTED, String::new())
    }

    /// 202 with what it will be found by.
    pub fn accepted_as(json: String) -> Self {
        Self::new(StatusCode::ACCEPTED, json)
    }

    /// The answer of the first time, byte for byte.
    pub fn kept(kept: &once::Reply) -> Self {
        let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
        Self { status, json: kept.body.to_string(), replayed: true, counted: None }
    }

    /// The same answer, counted until it is sent.
    fn counted(self, app: &App, tenant: i64) -> Self {
        Self { counted: Some(app.access.tenants.unsent(tenant, self.json.len())), ..self }
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
