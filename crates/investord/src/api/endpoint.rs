//! A row of the route table: an operation, who may call it, and what may be answered.

use axum::extract::State;
use axum::handler::Handler;
use axum::middleware::map_response;
use axum::response::Response;
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
        /// What nothing else here says.
        refusals: &'static [StatusCode],
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
        let access = Access::Token {
            scopes: T::SCOPES,
            once: T::ONCE,
            writes: T::WRITES,
            refusals: T::REFUSALS,
            success: T::SUCCESS,
        };
        // What a request uses is counted until it is answered, and the answer until it is sent.
        let counted = move |State(app): State<App>, mut request: Signed<T>| {
            let (tenant, in_flight) = (request.client.tenant.number, request.in_flight());
            let answered = handler(State(app.clone()), request);
            async move {
                let reply = answered.await?;
                drop(in_flight);
                Ok::<_, Problem>(reply.counted(&app, tenant))
            }
        };
        Self::new(T::OPERATION, access, T::ABOUT, counted)
    }

    pub fn method_and_path(&self) -> (&'static str, &'static str) {
        self.operation.split_once(' ').expect("an operation is a method and a path")
    }

    /// What may be answered instead of a success.
    pub fn refusals(&self) -> impl Iterator<Item = StatusCode> {
        let (client, token, once, writes, named) = match self.access {
            Access::Token { once, writes, refusals, .. } => (true, true, once, writes, refusals),
            // A token is a row.
            Access::Signature => (true, false, false, true, [].as_slice()),
            Access::Anybody => (false, false, false, false, [].as_slice()),
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
            // A panic is caught for everybody.
            (StatusCode::INTERNAL_SERVER_ERROR, true),
            (StatusCode::SERVICE_UNAVAILABLE, client),
            (StatusCode::GATEWAY_TIMEOUT, client),
        ];
        let is_possible = move |(status, follows): (StatusCode, bool)| {
            (follows || named.contains(&status)).then_some(status)
        };
        refusals.into_iter().filter_map(is_possible)
    }

    /// The status of a success.
    pub fn success(&self) -> StatusCode {
        match self.access {
            Access::Token { success, .. } => success,
            Access::Signature | Access::Anybody => StatusCode::OK,
        }
    }

    /// The handler. In a build for tests it panics when it answers with a status that the OpenAPI document does not
    /// declare for the operation: so whatever any test is answered is declared.
    pub fn into_handler(self) -> MethodRouter<App> {
        if !cfg!(debug_assertions) {
            return self.handler;
        }
        let declared: Vec<StatusCode> = self.refusals().chain([self.success()]).collect();
        let operation = self.operation;
        let checked = move |response: Response| {
            let status = response.status();
            assert!(declared.contains(&status), "{operation} answers {status}, which it does not declare");
            std::future::ready(response)
        };
        self.handler.route_layer(map_response(checked))
    }
}
