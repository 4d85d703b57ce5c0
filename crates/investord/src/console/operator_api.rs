//! The operator API, called in this process: the same routes, checks and masks as over the network.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower_service::Service as _;

use crate::app::App;
use crate::backoffice;
use crate::problem::Problem;

/// Maximum size of an answer in bytes: more than any answer has, each of which is bounded by itself.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The routes of the operator API.
#[derive(Clone)]
pub struct OperatorRoutes(Router);

impl OperatorRoutes {
    /// Returns the routes for an app.
    pub fn new(app: &App) -> Self {
        Self(backoffice::routes().with_state(app.clone()))
    }
}

/// The operator API as one visitor reaches it.
#[derive(Clone)]
pub struct OperatorApi {
    routes: OperatorRoutes,
    /// The session's token, and what the listener knows about the caller.
    headers: HeaderMap,
    peer: ConnectInfo<SocketAddr>,
}

/// Headers of the visitor that the operator API looks at.
const PASSED_ON: [&str; 3] = ["user-agent", "forwarded", "x-forwarded-for"];

impl OperatorApi {
    /// Returns the API for a visitor with these headers.
    pub fn new(
        routes: OperatorRoutes,
        peer: ConnectInfo<SocketAddr>,
        sent: &HeaderMap,
        token: Option<&str>,
    ) -> Self {
        let passed_on = sent.iter().filter(|(name, _)| PASSED_ON.contains(&name.as_str()));
        let mut headers: HeaderMap = passed_on.map(|(name, value)| (name.clone(), value.clone())).collect();
        let bearer = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        if let Some(bearer) = bearer {
            headers.insert(header::AUTHORIZATION, bearer);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { routes, headers, peer }
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// Fails with the refusal of the API.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        let answer = self.ask(Method::GET, path, Body::empty()).await?;
        serde_json::from_slice(&answer).map_err(|error| Problem::Internal(format!("{path}: {error}")))
    }

    /// Sends a body, and returns the answer.
    ///
    /// # Errors
    ///
    /// Fails with the refusal of the API.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, Problem> {
        let answer = self.ask(method, path, body.to_string().into()).await?;
        serde_json::from_slice(&answer).map_err(|error| Problem::Internal(format!("{path}: {error}")))
    }

    async fn ask(&self, method: Method, path: &str, body: Body) -> Result<Vec<u8>, Problem> {
        let request = Request::builder().method(method).uri(path).extension(self.peer).body(body);
        // A segment of the visitor's path may be no path; then nothing is there.
        let mut request = request.map_err(|_| Problem::NotFound("page"))?;
        *request.headers_mut() = self.headers.clone();
        let Ok(mut response) = self.routes.0.clone().call(request).await;
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            return Err(problem);
        }
        let body = to_bytes(response.into_body(), MAX_ANSWER).await;
        body.map(Into::into).map_err(|error| Problem::Internal(error.to_string()))
    }
}
