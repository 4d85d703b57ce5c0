//! `/events-acceptor-service`: event endpoints, from which a developer without a public address collects events.
//!
//! The vendor's signing proxy uses these operations when it listens: it creates an endpoint, creates a webhook with the
//! address of the endpoint, and collects the packages for that webhook. The server sends nothing to such a webhook:
//! packages are built and signed when they are collected.

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::ADMIN;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::change;
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{NOTHING, OperationDoc, PayloadDoc, WEBHOOKS, path_id};
use crate::app::App;
use crate::domain::delivery::webhook::{AddressPolicy, HTTP_URL};
use crate::domain::json::Json;
use crate::domain::json::json_schema::named;
use crate::domain::json::validation::parse;
use crate::domain::tenants::TenantNumber;
use crate::problem::Problem;
use crate::store::delivery::event_endpoints;
use crate::store::unit::Unit;
use crate::store::{StoreError, Tx};

/// Path of an endpoint's address, without its id.
const PATH: &str = "/events-acceptor-service/endpoints/";
/// Maximum number of endpoints of a tenant.
const MAX_ENDPOINTS: i64 = 20;
/// Method and path of the health check.
pub const HEALTH_OPERATION: &str = "GET /events-acceptor-service/health";
/// Documentation of [`health`] for the OpenAPI document.
pub const HEALTH: OperationDoc = OperationDoc {
    tag: WEBHOOKS,
    id: "events_acceptor_health",
    summary: "Whether events can be collected",
    description: "What the vendor's signing proxy asks before it listens.",
    parameters: Vec::new,
    request: None,
    answer: PayloadDoc {
        description: "They can.",
        media: "application/json",
        schema: |_| json!({ "type": "object" }),
        examples: &[],
    },
};

/// Handles `GET /events-acceptor-service/health`: responds that the service exists.
pub async fn health() -> impl IntoResponse {
    Reply::ok("{}".to_owned())
}

/// A request to create an endpoint.
pub struct CreateEventEndpoint {
    /// Address for which deliveries are signed, if it is not the endpoint's own.
    target: Option<String>,
}

impl Operation for CreateEventEndpoint {
    const OPERATION: &'static str = "POST /events-acceptor-service/endpoints";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const SUCCESS: StatusCode = StatusCode::CREATED;
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "create_events_acceptor",
        summary: "Open an endpoint",
        description: "Make a webhook of its `url`, and collect there what would be sent to it. It is forgotten, with \
            its webhooks, when nobody has asked for a day.",
        parameters: Vec::new,
        request: Some(PayloadDoc {
            description: "A JSON string: empty, or, beyond the vendor's API, the address for which deliveries shall be \
                signed, because somebody passes them on.",
            media: "application/json",
            schema: |_| {
                let address = json!({ "format": "uri", "pattern": HTTP_URL });
                json!({ "type": "string", "anyOf": [{ "const": "" }, address] })
            },
            examples: &[("own", "\"\""), ("forwarded", "\"http://localhost:3000/hooks\"")],
        }),
        answer: PayloadDoc {
            description: "The endpoint.",
            media: "application/json",
            schema: |schemas| {
                named(schemas, "EventsAcceptor", |_| {
                    json!({
                        "type": "object",
                        "properties": {
                            "id": { "type": "string", "format": "uuid", "description": "Its id." },
                            "url": { "type": "string", "format": "uri", "description": "Its address." },
                        },
                        "required": ["id", "url"],
                    })
                })
            },
            examples: &[],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        // The content type is not checked, because clients that send only `""` may omit it.
        let target = match parse(received.body)? {
            Json::Text(target) => target,
            other => {
                return Err(Problem::invalid("(root)", format!("must be a string, not {}", other.kind())));
            }
        };
        if !target.is_empty() {
            // The client forwards the packages to the target. The server does not connect to it, so any address is
            // allowed.
            AddressPolicy::Any.check(&target).map_err(|why| Problem::invalid("(root)", why))?;
        }
        Ok(Self { target: Some(target).filter(|target| !target.is_empty()) })
    }
}

/// Handles `POST /events-acceptor-service/endpoints`: creates an endpoint.
///
/// # Errors
///
/// Fails if the tenant has too many endpoints.
pub async fn create(State(app): State<App>, req: Signed<CreateEventEndpoint>) -> Result<Reply, Problem> {
    let own = app.clone();
    let work = move |unit: &mut Unit<'_>, req: &Signed<CreateEventEndpoint>| {
        let (tenant, id) = (unit.tenant.number, unit.ids.uuid());
        if event_endpoints::count(unit.tx, tenant)? >= MAX_ENDPOINTS {
            return Err(Problem::State("there are 20 endpoints already: delete one first").into());
        }
        event_endpoints::insert(unit.tx, tenant, id, req.operation.target.as_deref(), req.now)?;
        Ok(Reply::created(json!({ "id": id, "url": url(&own, id) }).to_string()))
    };
    change(&app, "event_endpoints.create", req, work).await
}

/// Returns the address of an endpoint.
pub fn url(app: &App, id: Uuid) -> String {
    format!("{}{PATH}{id}", app.origin.public_url)
}

/// Returns the event endpoint to which a webhook's address belongs, if it is an endpoint of the tenant.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub fn find(tx: &Tx<'_>, app: &App, tenant: TenantNumber, address: &str) -> Result<Option<Uuid>, StoreError> {
    let own = address.strip_prefix(&app.origin.public_url).and_then(|path| path.strip_prefix(PATH));
    let Some(id) = own.and_then(|id| Uuid::try_parse(id).ok()) else { return Ok(None) };
    Ok(event_endpoints::by_id(tx, tenant, id)?.map(|event_endpoint| event_endpoint.id))
}

/// A request to delete an endpoint.
pub struct DeleteEventEndpoint(Uuid);

impl Operation for DeleteEventEndpoint {
    const OPERATION: &'static str = "DELETE /events-acceptor-service/endpoints/{endpoint_id}";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const SUCCESS: StatusCode = StatusCode::NO_CONTENT;
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "delete_events_acceptor",
        summary: "Close an endpoint",
        description: "Its webhooks go with it.",
        parameters: || vec![path_id("endpoint_id", "Id of the endpoint.")],
        request: None,
        answer: NOTHING,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        received.path_id(2).map(Self).ok_or(Problem::NotFound("endpoint"))
    }
}

/// Handles `DELETE /events-acceptor-service/endpoints/{endpoint_id}`: deletes an endpoint and its webhooks.
///
/// # Errors
///
/// Fails if the endpoint does not exist.
pub async fn delete(State(app): State<App>, req: Signed<DeleteEventEndpoint>) -> Result<Reply, Problem> {
    let work = |unit: &mut Unit<'_>, req: &Signed<DeleteEventEndpoint>| {
        let (tenant, id) = (unit.tenant.number, req.operation.0);
        event_endpoints::by_id(unit.tx, tenant, id)?.ok_or(Problem::NotFound("endpoint"))?;
        event_endpoints::delete(unit.tx, tenant, id, req.now)?;
        Ok(Reply::no_content())
    };
    change(&app, "event_endpoints.delete", req, work).await
}
