//! A row of the route table: operation, required access, documentation, handler.

use axum::extract::State;
use axum::handler::Handler;
use axum::routing::MethodRouter;
use http::StatusCode;

use super::caller::{Operation, Signed};
use super::reply::Reply;
use crate::api::openapi::operation_doc::OperationDoc;
use crate::app::App;
use crate::problem::Problem;
use crate::route;

/// A row of the route table.
pub struct Endpoint {
    /// Method and path template, separated by a space.
    pub operation: &'static str,
    /// Required access, from which the refusals and the security section follow.
    pub access: RequiredAccess,
    /// Documentation for the OpenAPI document.
    pub doc: OperationDoc,
    /// Handler, with its method filter.
    pub handler: MethodRouter<App>,
}

/// The access that an operation requires.
pub enum RequiredAccess {
    /// A signed request of a client with a token of one of these scopes.
    Token {
        scopes: &'static [&'static str],
        /// Whether an idempotency key is required.
        idempotent: bool,
        /// Whether the operation changes data, so that it can find the tenant locked (409).
        writes: bool,
        /// Additional statuses of refusals, which do not follow from the other fields.
        refusals: &'static [StatusCode],
        /// Status of a successful response.
        success: StatusCode,
    },
    /// A signed request of a client without a token.
    Signature,
    /// No authentication.
    Public,
}

impl Endpoint {
    /// Creates a row of the route table.
    pub fn new<M: 'static>(
        operation: &'static str,
        access: RequiredAccess,
        doc: OperationDoc,
        handler: impl Handler<M, App>,
    ) -> Self {
        let handler = route::with_method(operation, handler);
        Self { operation, access, doc, handler }
    }

    /// Creates the row of an operation for clients. The type of the handler's argument defines everything else.
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
        // The request counts in its budget until the handler is done, the response until it is sent.
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

    /// Returns the method and the path template.
    pub fn method_and_path(&self) -> (&'static str, &'static str) {
        route::method_and_path(self.operation)
    }

    /// Returns the possible statuses of refusals.
    pub fn refusals(&self) -> impl Iterator<Item = StatusCode> {
        let (client, token, idempotent, writes, named) = match self.access {
            RequiredAccess::Token { idempotent, writes, refusals, .. } => {
                (true, true, idempotent, writes, refusals)
            }
            // A token is written to the store, so that the operation can find the tenant locked.
            RequiredAccess::Signature => (true, false, false, true, [].as_slice()),
            RequiredAccess::Public => (false, false, false, false, [].as_slice()),
        };
        let refusals = [
            // A request without exactly one valid host is refused for every operation (server.rs).
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
            // A panic of any handler becomes a 500.
            (StatusCode::INTERNAL_SERVER_ERROR, true),
            (StatusCode::SERVICE_UNAVAILABLE, client),
            (StatusCode::GATEWAY_TIMEOUT, client),
        ];
        let is_possible = move |(status, follows): (StatusCode, bool)| {
            (follows || named.contains(&status)).then_some(status)
        };
        refusals.into_iter().filter_map(is_possible)
    }

    /// Returns the status of a successful response.
    pub fn success(&self) -> StatusCode {
        match self.access {
            RequiredAccess::Token { success, .. } => success,
            RequiredAccess::Signature | RequiredAccess::Public => StatusCode::OK,
        }
    }

    /// Returns the handler, which in a debug build checks the statuses of its responses.
    pub fn into_handler(self) -> MethodRouter<App> {
        let declared = self.refusals().chain([self.success()]).collect();
        route::with_declared_statuses(self.operation, self.handler, declared)
    }
}
