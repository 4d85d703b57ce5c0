//! A row of the route table: an operation, who may call it, and what may be answered.

use axum::extract::State;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{Method, StatusCode};

use super::Reply;
use super::caller::{Call, Signed};
use super::openapi::About;
use crate::app::App;
use crate::problem::Problem;

/// A row of the route table.
pub struct Endpoint {
    /// Method and path template.
    pub operation: &'static str,
    pub access: Access,
    pub about: About,
    pub handler: MethodRouter<App>,
}

/// Who may call an operation.
pub enum Access {
    /// A client with a token of any of these scopes, in a signed request.
    Token {
        scopes: &'static [&'static str],
        once: bool,
        writes: bool,
        success: StatusCode,
    },
    /// A client, in a signed request.
    Signature,
    Anybody,
}

impl Endpoint {
    pub fn new<M: 'static>(
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
    pub fn signed<T, F, R>(handler: F) -> Self
    where
        T: Call + 'static,
        F: Fn(State<App>, Signed<T>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<Reply, Problem>> + Send,
    {
        let access =
            Access::Token { scopes: T::SCOPES, once: T::ONCE, writes: T::WRITES, success: T::SUCCESS };
        Self::new(T::OPERATION, access, T::ABOUT, handler)
    }

    pub fn method_and_path(&self) -> (&'static str, &'static str) {
        self.operation.split_once(' ').expect("an operation is a method and a path")
    }

    /// What may be answered instead of a success.
    pub fn refusals(&self) -> impl Iterator<Item = StatusCode> {
        let (client, token, once, writes) = match self.access {
            Access::Token { once, writes, .. } => (true, true, once, writes),
            Access::Signature => (true, false, false, false),
            Access::Anybody => (false, false, false, false),
        };
        let refusals = [
            // A request without one clear host is refused everywhere (server.rs).
            (StatusCode::BAD_REQUEST, true),
            (StatusCode::UNAUTHORIZED, client),
            (StatusCode::FORBIDDEN, token),
            (StatusCode::NOT_FOUND, self.operation.contains('{')),
            (StatusCode::NOT_ACCEPTABLE, client),
            (StatusCode::CONFLICT, writes),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, client && self.about.request.is_some()),
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
