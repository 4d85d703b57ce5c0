//! The vendor's wire: the route table, and one file per resource.

pub mod caller;
mod compat;
pub mod directory;
mod errors;
mod explain;
pub mod limits;
pub mod openapi;
mod page;
pub mod replays;
mod token;
mod users;

use axum::Router;
use axum::extract::State;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{HeaderValue, Method, StatusCode, header};

use self::caller::{Call, Signed};
use self::openapi::About;
use crate::app::App;
use crate::problem::Problem;
use crate::store::once;

/// The route table: paths of the vendor, and what the server says about itself beside them.
fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("POST /auth/token", Access::Signature, token::CREATE, token::create),
        Endpoint::signed(users::list),
        Endpoint::signed(users::create),
        Endpoint::signed(users::read),
        Endpoint::new("GET /errors", Access::Anybody, errors::INDEX, errors::index),
        Endpoint::new("GET /errors/{slug}", Access::Anybody, errors::PAGE, errors::page),
        Endpoint::new("GET /openapi.json", Access::Anybody, openapi::SERVE, openapi::serve),
    ]
}

pub fn routes() -> Router<App> {
    let add = |router: Router<App>, endpoint: Endpoint| {
        let (_, path) = endpoint.method_and_path();
        router.route(path, endpoint.handler)
    };
    let router = endpoints().into_iter().fold(Router::new(), add);
    router
        .fallback(async || Problem::NotFound("path"))
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
}

/// A row of the route table.
struct Endpoint {
    /// Method and path template.
    operation: &'static str,
    access: Access,
    about: About,
    handler: MethodRouter<App>,
}

/// Who may call an operation.
enum Access {
    /// A client with a token of any of these scopes, in a signed request.
    Token {
        scopes: &'static [&'static str],
        once: bool,
    },
    /// A client, in a signed request.
    Signature,
    Anybody,
}

impl Endpoint {
    fn new<M: 'static>(
        operation: &'static str,
        access: Access,
        about: About,
        handler: impl Handler<M, App>,
    ) -> Self {
        let method = operation.split(' ').next().and_then(|method| method.parse().ok());
        let method = method.and_then(|method: Method| MethodFilter::try_from(method).ok());
        let handler = on(method.expect("an operation begins with its method"), handler);
        Self { operation, access, about, handler }
    }

    /// An operation for clients: the type of the handler's argument says all about it.
    fn signed<T, F, R>(handler: F) -> Self
    where
        T: Call + 'static,
        F: Fn(State<App>, Signed<T>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<Reply, Problem>> + Send,
    {
        let access = Access::Token { scopes: T::SCOPES, once: T::ONCE };
        Self::new(T::OPERATION, access, T::ABOUT, handler)
    }

    fn method_and_path(&self) -> (&'static str, &'static str) {
        self.operation.split_once(' ').expect("an operation is a method and a path")
    }

    /// What may be answered instead of a success.
    fn refusals(&self) -> impl Iterator<Item = StatusCode> {
        let (client, token, once) = match self.access {
            Access::Token { once, .. } => (true, true, once),
            Access::Signature => (true, false, false),
            Access::Anybody => (false, false, false),
        };
        let refusals = [
            (StatusCode::BAD_REQUEST, client),
            (StatusCode::UNAUTHORIZED, client),
            (StatusCode::FORBIDDEN, token),
            (StatusCode::NOT_FOUND, self.operation.contains('{')),
            (StatusCode::NOT_ACCEPTABLE, client),
            (StatusCode::UNPROCESSABLE_ENTITY, once),
            (StatusCode::UPGRADE_REQUIRED, client),
            (StatusCode::TOO_MANY_REQUESTS, client),
            (StatusCode::INTERNAL_SERVER_ERROR, client),
            (StatusCode::SERVICE_UNAVAILABLE, client),
            (StatusCode::GATEWAY_TIMEOUT, client),
        ];
        refusals.into_iter().filter_map(|(status, possible)| possible.then_some(status))
    }
}

/// An answer: a JSON text that is ready to go out.
pub struct Reply {
    status: StatusCode,
    json: String,
}

impl Reply {
    pub fn ok(json: String) -> Self {
        Self { status: StatusCode::OK, json }
    }

    /// The answer of the first time, byte for byte.
    pub fn kept(kept: &once::Reply) -> Self {
        let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
        Self { status, json: kept.body.to_string() }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        // Tokens and personal data are nothing for a cache (RFC 6749 section 5.1).
        let no_store = HeaderValue::from_static("no-store");
        (self.status, [(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, no_store)], self.json)
            .into_response()
    }
}
