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
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};

use crate::app::App;
use crate::problem::Problem;
use crate::store::once;

/// Paths of the vendor, and what the server says about itself beside them.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/auth/token", post(token::create))
        .route("/users", get(users::list).post(users::create))
        .route("/users/{user_id}", get(users::read))
        .route("/errors", get(errors::index))
        .route("/errors/{slug}", get(errors::page))
        .route("/openapi.json", get(openapi::serve))
        .fallback(async || Problem::NotFound("path"))
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
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
        (self.status, [(header::CONTENT_TYPE, json)], self.json).into_response()
    }
}
