//! A row of the route table: operation, required access, documentation, handler.

use axum::extract::State;
use axum::handler::Handler;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{Method, StatusCode};

use super::caller::{Operation, Signed};
use crate::api::Reply;
use crate::api::openapi::OperationDoc;
use crate::app::App;
use crate::problem::Problem;

/// A row of the route table.
pub struct Endpoint {
    /// Method and path template.
    pub operation: &'static str,
    pub access: RequiredAccess,
    pub doc: OperationDoc,
    pub handler: MethodRouter<App>,
}

/// Who may call an operation.
pub enum RequiredAccess {
    /// A client with a token of any of these scopes, in a signed request.
    Token {
        scopes: &'static [&'static str],
        idempotent: bool,
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
        access: RequiredAccess,
        doc: OperationDoc,
        handler: impl Handler<M, App>,
    ) -> Self {
        let method = operation.split(' ').next().and_then(|method| method.parse().ok());
        let method = method.and_then(|method: Method| MethodFilter::try_from(method).ok());
        let handler = on(method.expect("an operation begins with its method"), handler);
        Self { operation, access, doc, handler }
    }

    /// An operation for clients: the type of the handler's argument says all about it.
    pub fn signed<T, F, R>(handler: F) -> Self
    where
        T: Operation + 'static,
        F: Fn(State<App>, Signed<T>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<Reply, Problem>> + Send,
    {
        let access = RequiredAccess::Token {
            scopes: T::SCOPES,
            idempotent: T::IDEMPOTENT,
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
                Ok::<_, Problem>(reply.count_until_sent(&app, tenant))
            }
        };
        Self::new(T::OPERATION, access, T::DOC, counted)
    }

    pub fn method_and_path(&self) -> (&'static str, &'static str) {
        self.operation.split_once(' ').expect("an operation is a method and a path")
    }

    /// What may be answered instead of a success.
    pub fn refusals(&self) -> impl Iterator<Item = StatusCode> {
        let (client, token, idempotent, writes, named) = match self.access {
            RequiredAccess::Token { idempotent, writes, refusals, .. } => {
                (true, true, idempotent, writes, refusals)
            }
            // A token is a row.
            RequiredAccess::Signature => (true, false, false, true, [].as_slice()),
            RequiredAccess::Anybody => (false, false, false, false, [].as_slice()),
        };
        let refusals = [
            // A request without one clear host is refused everywhere (server.rs).
            (StatusCode::BAD_REQUEST, true),
            (StatusCode::UNAUTHORIZED, client),
            (StatusCode::FORBIDDEN, token),
            (StatusCode::NOT_FOUND, self.operation.contains('{')),
            (StatusCode::NOT_ACCEPTABLE, client),
            (StatusCode::CONFLICT, writes),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, client && self.doc.request.is_some()),
            (StatusCode::UNPROCESSABLE_ENTITY, idempotent),
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
            RequiredAccess::Token { success, .. } => success,
            RequiredAccess::Signature | RequiredAccess::Anybody => StatusCode::OK,
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
