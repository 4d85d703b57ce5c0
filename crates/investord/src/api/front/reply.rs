//! Successful responses.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::access::tenants::{TenantPermit, Tenants};
use crate::app::App;
use crate::domain::tenants::TenantNumber;
use crate::store::log::idempotency;

/// A successful response with a serialised JSON body.
pub struct Reply {
    status: StatusCode,
    /// Empty for a response without a body.
    json: String,
    /// Whether this is the kept response of an earlier request with the same idempotency key.
    replayed: bool,
    /// The bytes of the response in the budget of its tenant.
    counted: Option<TenantPermit>,
}

/// Name of the header that marks the kept response of an earlier request (decision W23).
pub const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

impl Reply {
    fn new(status: StatusCode, json: String) -> Self {
        Self { status, json, replayed: false, counted: None }
    }

    /// Returns the status and the JSON body.
    pub fn parts(&self) -> (StatusCode, &str) {
        (self.status, &self.json)
    }

    /// Returns a response with status 200.
    pub fn ok(json: String) -> Self {
        Self::new(StatusCode::OK, json)
    }

    /// Returns a response with status 201.
    pub fn created(json: String) -> Self {
        Self::new(StatusCode::CREATED, json)
    }

    /// Returns an empty response with status 204.
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, String::new())
    }

    /// Returns an empty response with status 202: the worker will finish the request.
    pub fn accepted() -> Self {
        Self::new(StatusCode::ACCEPTED, String::new())
    }

    /// Returns a response with status 202 and the id of the new resource, by which the client finds it later.
    pub fn accepted_with(json: String) -> Self {
        Self::new(StatusCode::ACCEPTED, json)
    }

    /// Returns the kept response of the first request, byte for byte (decision W11).
    pub fn replay(kept: &idempotency::KeptResponse) -> Self {
        let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
        Self { status, json: kept.body.to_string(), replayed: true, counted: None }
    }

    /// Counts the bytes of the response until they are sent.
    pub(super) fn count_until_sent(self, app: &App, tenant: TenantNumber) -> Self {
        Self { counted: Some(app.budgets.tenants.unsent(tenant, self.json.len())), ..self }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        if self.replayed {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        if !self.json.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *response.body_mut() = match self.counted {
                Some(held) => Tenants::counted(self.json, held).into(),
                None => self.json.into(),
            };
        }
        response
    }
}
