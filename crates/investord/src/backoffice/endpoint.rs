//! A row of the operator API's route table: operation, required permission, documentation, handler.

use axum::extract::State;
use axum::handler::Handler;
use axum::routing::MethodRouter;
use http::StatusCode;
use schemars::JsonSchema;
use serde_json::Value;

use super::by_operator::{ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult};
use crate::app::App;
use crate::domain::json::json_schema::{Schemas, of_type};
use crate::domain::permissions::Permission;
use crate::problem::Problem;
use crate::route;

/// Who may perform an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody: no session is required.
    Public,
    EveryOperator,
    /// Operators with this permission: in the tenant of the path, or anywhere if the path has none.
    Permission(Permission),
}

/// A row of the route table.
pub struct OperatorEndpoint {
    /// Method and path template, separated by a space.
    pub operation: &'static str,
    pub access: Access,
    /// Whether the person must have been proved in the last minutes.
    pub needs_fresh_proof: bool,
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
        // Every answer is masked here, so that no handler can miss it.
        let masked = move |state: State<App>, request: ByOperator<T>| {
            let mask = request.mask();
            let answer = handler(state, request);
            async move {
                let JsonAnswer(answer) = answer.await?;
                let mut answer = serde_json::to_value(answer).expect("an answer is plain data");
                mask(&mut answer);
                Ok::<_, Problem>(JsonAnswer(answer))
            }
        };
        let handler = route::with_method(T::OPERATION, masked);
        Self {
            operation: T::OPERATION,
            access: T::PERMISSION.map_or(Access::EveryOperator, Access::Permission),
            needs_fresh_proof: T::NEEDS_FRESH_PROOF,
            doc: T::DOC,
            answer: of_type::<T::Answer>,
            handler,
        }
    }

    /// Creates the row of an operation that requires no session, with the answer `A`.
    pub fn public<A: JsonSchema, M: 'static>(
        operation: &'static str,
        doc: OperatorDoc,
        handler: impl Handler<M, App>,
    ) -> Self {
        let handler = route::with_method(operation, handler);
        let (access, answer) = (Access::Public, of_type::<A>);
        Self { operation, access, needs_fresh_proof: false, doc, answer, handler }
    }

    /// Returns the possible statuses of refusals.
    pub fn refusals(&self) -> impl Iterator<Item = StatusCode> {
        let (method, path) = self.method_and_path();
        let refusals = [
            (StatusCode::BAD_REQUEST, true),
            (StatusCode::UNAUTHORIZED, true),
            // Also of requests that the page of another site has sent (`server/origin.rs`).
            (StatusCode::FORBIDDEN, true),
            // A register without an identity provider has none of its operations.
            (
                StatusCode::NOT_FOUND,
                path.contains('{') || path.starts_with("/oidc/") || self.doc.request.is_some(),
            ),
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
