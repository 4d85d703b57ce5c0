//! What the route tables of both APIs share: the method and path of an operation, and the check of its answers.

use axum::handler::Handler;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{Method, StatusCode};

use crate::app::App;

/// Returns the method and the path template of an operation, as in `GET /users/{user_id}`.
pub fn method_and_path(operation: &'static str) -> (&'static str, &'static str) {
    operation.split_once(' ').expect("an operation is a method and a path")
}

/// Creates the handler of an operation, with the filter of its method.
pub fn with_method<M: 'static>(operation: &'static str, handler: impl Handler<M, App>) -> MethodRouter<App> {
    let method: Option<Method> = method_and_path(operation).0.parse().ok();
    let filter = method.and_then(|method| MethodFilter::try_from(method).ok());
    on(filter.expect("an operation begins with its method"), handler)
}

/// Makes the handler panic in a debug build if a response has a status that the OpenAPI document does not declare for
/// the operation, so that every test also checks the document.
pub fn with_declared_statuses(
    operation: &'static str,
    handler: MethodRouter<App>,
    declared: Vec<StatusCode>,
) -> MethodRouter<App> {
    if !cfg!(debug_assertions) {
        return handler;
    }
    let checked = move |response: Response| {
        let status = response.status();
        assert!(declared.contains(&status), "{operation} answers {status}, which it does not declare");
        std::future::ready(response)
    };
    handler.route_layer(map_response(checked))
}
