//! A row of the operator API's route table: operation, required role, documentation, handler.

use axum::extract::State;
use axum::handler::Handler;
use axum::routing::MethodRouter;
use http::StatusCode;
use schemars::JsonSchema;
use serde_json::Value;

use super::by_operator::{ByOperator, OperatorDoc, OperatorOperation, OperatorResult};
use crate::app::App;
use crate::domain::json::json_schema::{Schemas, of_type};
use crate::route;
use crate::store::tenants::operators::Role;

/// A row of the route table.
pub struct OperatorEndpoint {
    /// Method and path template, separated by a space.
    pub operation: &'static str,
    /// The lowest role that may perform it; `None` if no session is required.
    pub role: Option<Role>,
    pub doc: OperatorDoc,
    /// Function that returns the schema of the response.
    pub answer: fn(&mut Schemas) -> Value,
    /// Handler, with its method filter.
    pub handler: MethodRouter<App>,
}

impl OperatorEndpoint {
    /// Creates the row of an operation of operators. The type of the handler's argument defines everything else.
    pub fn of<T, F, R>(handler: F) -> Self
    where
        T: OperatorOperation,
        F: Fn(State<App>, ByOperator<T>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = OperatorResult<T::Answer>> + Send + 'static,
    {
        let handler = route::with_method(T::OPERATION, handler);
        let (role, answer) = (Some(T::ROLE), of_type::<T::Answer>);
        Self { operation: T::OPERATION, role, doc: T::DOC, answer, handler }
    }

    /// Creates the row of an operation that requires no session, with the answer `A`.
    pub fn public<A: JsonSchema, M: 'static>(
        operation: &'static str,
        doc: OperatorDoc,
        handler: impl Handler<M, App>,
    ) -> Self {
        let handler = route::with_method(operation, handler);
        Self { operation, role: None, doc, answer: of_type::<A>, handler }
    }

    /// Returns the possible statuses of refusals.
    pub fn refusals(&self) -> impl Iterator<Item = StatusCode> {
        let (method, path) = self.method_and_path();
        let refusals = [
            (StatusCode::BAD_REQUEST, true),
            (StatusCode::UNAUTHORIZED, true),
            // Also of requests that the page of another site has sent (`server/origin.rs`).
            (StatusCode::FORBIDDEN, true),
            (StatusCode::NOT_FOUND, path.contains('{') || self.doc.request.is_some()),
            (StatusCode::CONFLICT, method != "GET"),
            (StatusCode::MISDIRECTED_REQUEST, true),
            (StatusCode::TOO_MANY_REQUESTS, true),
            // A panic of any handler becomes a 500.
            (StatusCode::INTERNAL_SERVER_ERROR, true),
            (StatusCode::SERVICE_UNAVAILABLE, true),
        ];
        refusals.into_iter().filter_map(|(status, is_possible)| is_possible.then_some(status))
    }

    /// Returns the handler, which in a debug build checks the statuses of its responses.
    pub fn into_handler(self) -> MethodRouter<App> {
        let declared = self.refusals().chain([StatusCode::OK]).collect();
        route::with_declared_statuses(self.operation, self.handler, declared)
    }

    /// Returns the method and the path template.
    pub fn method_and_path(&self) -> (&'static str, &'static str) {
        route::method_and_path(self.operation)
    }
}
