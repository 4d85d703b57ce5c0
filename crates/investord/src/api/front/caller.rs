//! The proof that a client has signed a request: makes a [`Signed`] of a received one, in the order of decision W6.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use jiff::Timestamp;
use uuid::Uuid;

use super::pending_request::{
    PendingRequest, address, api_version, client_id, content_type, plain_content, read_body, replayed_message,
};
use crate::access::client_cache::Client;
use crate::access::tenants::{TenantPermit, Tenants};
use crate::api::openapi::operation_doc::OperationDoc;
use crate::app::App;
use crate::domain::tenants::TenantNumber;
use crate::problem::Problem;
use crate::store::log::idempotency;
use crate::store::log::idempotency::{IdempotencyKey, Nonce};
use crate::store::{Prefetch, Tx};

/// Maximum size of a body in bytes. The largest request of this API has a few KiB.
const MAX_BODY: usize = 1024 * 1024;

/// An operation of the API for clients: its required access, and the parser of its request.
pub trait Operation: Sized + Send {
    /// Method and path template; also the scope of an idempotency key (decision W11).
    const OPERATION: &'static str;
    /// Scopes of which the client needs at least one.
    const SCOPES: &'static [&'static str];
    /// Whether the operation requires an idempotency key.
    const IDEMPOTENT: bool = false;
    /// Whether the operation changes data, so that it can find the tenant locked.
    const WRITES: bool = Self::IDEMPOTENT;
    /// Whether the operation has an effect that a replay must not repeat, so that its nonce is stored.
    const REPLAY_PROTECTED: bool = Self::WRITES;
    /// Additional statuses of refusals, which do not follow from the other constants.
    const REFUSALS: &'static [StatusCode] = &[];
    /// Status of a successful response.
    const SUCCESS: StatusCode = StatusCode::OK;
    /// Documentation of the operation for the OpenAPI document.
    const DOC: OperationDoc;

    /// Parses the request. Fails if path, query or body is invalid.
    fn read(received: &Received<'_>) -> Result<Self, Problem>;
}

/// An authenticated and authorized request, as the parser of its operation receives it.
pub struct Received<'a> {
    pub parts: &'a Parts,
    pub body: &'a Bytes,
    pub client: &'a Client,
    pub now: Timestamp,
}

impl Received<'_> {
    /// Returns the body. Fails with 400 if its content type is not JSON.
    pub fn json(&self) -> Result<&[u8], Problem> {
        content_type(&self.parts.headers, "application/json").map(|()| &**self.body)
    }

    /// Returns a segment of the path, counted from 0, as an id.
    pub fn path_id(&self, segment: usize) -> Option<Uuid> {
        let text = self.parts.uri.path().split('/').nth(segment + 1)?;
        Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
    }

    /// Returns the query string, empty if there is none.
    pub fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }
}

/// A request with a verified signature and an authorized client. Only this file can create one.
pub struct Signed<T> {
    pub client: Arc<Client>,
    pub now: Timestamp,
    pub operation: T,
    nonce: Option<Nonce>,
    idempotency_key: Option<IdempotencyKey>,
    in_flight: Option<TenantPermit>,
}

impl<T> Signed<T> {
    /// Takes the request's place in the budget, which must be kept until the response.
    pub fn in_flight(&mut self) -> Option<TenantPermit> {
        self.in_flight.take()
    }

    /// Returns the nonce, which the unit of work of a write stores.
    pub fn nonce(&self) -> Option<&Nonce> {
        self.nonce.as_ref()
    }

    /// Returns the idempotency key, which every operation with [`Operation::IDEMPOTENT`] has. Fails otherwise.
    pub fn idempotency_key(&self) -> Result<IdempotencyKey, Problem> {
        self.idempotency_key.ok_or(Problem::MissingIdempotencyKey)
    }
}

impl<T: Operation> FromRequest<App> for Signed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let now = app.clock.now();
        let id = client_id(&parts.headers)?.ok_or(Problem::MissingClientId)?;
        api_version(&parts.headers)?;
        if T::DOC.request.is_some() {
            plain_content(&parts.headers)?;
        }
        let address = address(&parts);
        let attempt = app
            .rate_limits
            .count_unauthenticated(address, PendingRequest::new(app, &parts, id, now).await)?;
        let token = app.rate_limits.count_unauthenticated(address, attempt.token().await)?;
        app.rate_limits.check_attempts(attempt.suspect)?;
        app.rate_limits.check_quota(id)?;
        let tenant = attempt.client.tenant.number;
        let in_flight = app.budgets.tenants.request(tenant)?;
        let mut room = app.budgets.tenants.received(tenant);
        let receive = |bytes| Tenants::receive(&mut room, bytes);
        let body = read_body(app, &parts.headers, body, MAX_BODY, receive).await?;
        let nonce = {
            let _turn = app.budgets.signature_checks.acquire(tenant).await;
            attempt.verify(&body, T::REPLAY_PROTECTED)?
        };
        attempt.client.check_not_suspended()?;
        // A scope that was withdrawn from the client is withdrawn from its earlier tokens, too.
        if !T::SCOPES.iter().any(|scope| token.has(scope) && attempt.client.has(scope)) {
            return Err(Problem::Forbidden { any_of: T::SCOPES });
        }
        let client = Arc::clone(&attempt.client);
        attempt.authorize(T::DOC.answer.media)?;
        let idempotency_key =
            if T::IDEMPOTENT { Some(attempt.idempotency_key(T::OPERATION, &body)?) } else { None };
        let operation = T::read(&Received { parts: &parts, body: &body, client: &client, now })?;
        if T::REPLAY_PROTECTED {
            app.rate_limits.check_written(tenant, body.len())?;
        }
        if T::REPLAY_PROTECTED && !T::WRITES {
            remember_nonce(app, tenant, nonce).await?;
        }
        Ok(Self { client, now, operation, nonce, idempotency_key, in_flight: Some(in_flight) })
    }
}

/// Stores the nonce of an operation that has no write of its own, with which it could be stored.
async fn remember_nonce(app: &App, tenant: TenantNumber, nonce: Option<Nonce>) -> Result<(), Problem> {
    let Some(nonce) = nonce else { return Ok(()) };
    let first = Prefetch { nonce: Some(nonce), ..Prefetch::default() };
    let unit = move |tx: &Tx<'_>| {
        if idempotency::remember_nonce(tx, &nonce)? { Ok(()) } else { Err(replayed_message()) }
    };
    app.store.write_prefetched("nonces.remember", tenant, first, unit).await
}
