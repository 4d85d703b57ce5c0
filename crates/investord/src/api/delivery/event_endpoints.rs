//! `/events-acceptor-service`: event endpoints, from which a developer without a public address collects events.
//!
//! The vendor's signing proxy uses these operations when it listens: it creates an endpoint, creates a webhook with the
//! address of the endpoint, and collects the packages for that webhook. The server sends nothing to such a webhook:
//! packages are built and signed when they are collected.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::ADMIN;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::change;
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{NOTHING, OperationDoc, PayloadDoc, WEBHOOKS, path_id};
use crate::app::App;
use crate::domain::delivery::webhook::{AddressPolicy, HTTP_URL};
use crate::domain::json::Json;
use crate::domain::json::json_schema::Schemas;
use crate::domain::json::query;
use crate::domain::json::query::QueryParameter;
use crate::domain::json::schema::FieldRule;
use crate::domain::json::validation::parse;
use crate::outbound;
use crate::outbound::DELIVERED;
use crate::problem::Problem;
use crate::store::delivery::deliveries;
use crate::store::delivery::deliveries::PackageWithBody;
use crate::store::delivery::event_endpoints;
use crate::store::delivery::packages::Attempt;
use crate::store::unit::Unit;
use crate::store::{StoreError, Tx};

/// Path of an endpoint's address, without its id.
const PATH: &str = "/events-acceptor-service/endpoints/";
/// Maximum number of endpoints of a tenant.
const MAX_ENDPOINTS: i64 = 20;
/// Maximum time in seconds that a long poll waits for events.
const PATIENCE: i64 = 20;
/// Minimum interval between two reads of a poll, so that a busy tenant does not cause a read per commit.
const SOONEST: Duration = Duration::from_millis(200);
/// Maximum interval between two reads of a poll: the commits of other processes do not wake it.
const LATEST: Duration = Duration::from_secs(2);
/// Maximum number of events that one read examines, of all webhooks together.
const MAX_EVENTS: i64 = 4096;
/// Interval at which the time of the last poll is stored: every poll would otherwise be a write. It is far below the
/// day after which retention deletes an endpoint.
const NOTED: SignedDuration = SignedDuration::from_hours(1);

/// Query parameters of a poll.
pub static COLLECT: [QueryParameter; 1] = [QueryParameter {
    name: "wait",
    rule: FieldRule::Int { min: 0, max: PATIENCE },
    default: Some("20"),
    description: "Beyond the vendor's API: seconds to wait at most.",
}];

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
        description: "Make a webhook of its `url`, and collect there what would be sent to it. It is forgotten, with its \
            webhooks, when nobody has asked for a day.",
        parameters: Vec::new,
        request: Some(PayloadDoc {
            description: "A JSON string: empty, or, beyond the vendor's API, the address for which deliveries shall be \
                signed, because somebody passes them on.",
            media: "application/json",
            schema: |_| json!({ "type": "string", "anyOf": [{ "const": "" }, { "format": "uri", "pattern": HTTP_URL }] }),
            examples: &[("own", "\"\""), ("forwarded", "\"http://localhost:3000/hooks\"")],
        }),
        answer: PayloadDoc {
            description: "The endpoint.",
            media: "application/json",
            schema: |schemas| {
                schemas.named("EventsAcceptor", |_| {
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
fn url(app: &App, id: Uuid) -> String {
    format!("{}{PATH}{id}", app.origin.public_url)
}

/// Returns the event endpoint to which a webhook's address belongs, if it is an endpoint of the tenant.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub fn find(tx: &Tx<'_>, app: &App, tenant: i64, address: &str) -> Result<Option<Uuid>, StoreError> {
    let own = address.strip_prefix(&app.origin.public_url).and_then(|path| path.strip_prefix(PATH));
    let Some(id) = own.and_then(|id| Uuid::try_parse(id).ok()) else { return Ok(None) };
    Ok(event_endpoints::by_id(tx, tenant, id)?.map(|event_endpoint| event_endpoint.id))
}

/// A long poll for the events of an endpoint.
pub struct CollectEvents {
    id: Uuid,
    /// Maximum waiting time in seconds.
    wait: u64,
}

impl Operation for CollectEvents {
    const OPERATION: &'static str = "GET /events-acceptor-service/endpoints/{endpoint_id}";
    const SCOPES: &'static [&'static str] = ADMIN;
    // Collected packages are recorded as delivered, so that a replay must not collect any.
    const REPLAY_PROTECTED: bool = true;
    const REFUSALS: &'static [StatusCode] = &[StatusCode::CONFLICT];
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "collect_events",
        summary: "Collect what would have been sent",
        description: "Waits up to 20 seconds for something. What is answered counts as delivered.",
        parameters: || {
            let endpoint = path_id("endpoint_id", "Id of the endpoint.");
            std::iter::once(endpoint).chain(query::to_openapi(&COLLECT)).collect()
        },
        request: None,
        answer: PayloadDoc {
            description: "Deliveries, in their order.",
            media: "application/json",
            schema: deliveries_schema,
            examples: &[],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let id = received.path_id(2).ok_or(Problem::NotFound("endpoint"))?;
        let wait = query::read(received.query(), &COLLECT)?.number("wait").unsigned_abs();
        Ok(Self { id, wait })
    }
}

/// Returns the schema of the collected deliveries.
fn deliveries_schema(schemas: &mut Schemas) -> Value {
    let one = schemas.named("Delivery", |_| {
        json!({
            "type": "object",
            "properties": {
                "headers": {
                    "type": "object",
                    "description": "Headers of the request, each with its values.",
                    "additionalProperties": { "type": "array", "items": { "type": "string" } },
                },
                "payload": { "type": "string", "description": "Its body." },
                "created_at": { "type": "string", "format": "date-time", "description": "When it was signed." },
            },
            "required": ["headers", "payload", "created_at"],
        })
    });
    json!({ "type": "array", "items": one })
}

/// Handles `GET /events-acceptor-service/endpoints/{endpoint_id}`: waits for events and returns their signed packages.
///
/// # Errors
///
/// Fails if the endpoint does not exist or the store cannot be read or written.
pub async fn collect(State(app): State<App>, req: Signed<CollectEvents>) -> Result<Reply, Problem> {
    let patience = Duration::from_secs(req.operation.wait);
    let began = app.clock.uptime();
    let mut commits = app.store.commits(req.client.tenant.number);
    // A newer poll of the same endpoint ends this one.
    let poll = app.budgets.polls.begin(req.client.tenant.number, req.operation.id);
    let mut next = PollCursor::default();
    loop {
        let collected = collect_once(&app, &req, &mut next).await?;
        let waited = app.clock.uptime().saturating_sub(began);
        if !collected.is_empty() || waited >= patience || app.is_stopping() || poll.is_over() {
            return Ok(Reply::ok(Value::Array(collected).to_string()));
        }
        let left = patience.saturating_sub(waited);
        tokio::time::sleep(SOONEST.min(left)).await;
        let due = next.due.map(|due| due.duration_since(app.clock.now()));
        let due = due.map_or(LATEST, |due| due.try_into().unwrap_or_default());
        tokio::select! {
            () = commits.next() => {}
            () = tokio::time::sleep(due.min(LATEST).min(left)) => {}
            () = poll.over() => {}
        }
    }
}

/// The start of the next read within one poll.
#[derive(Clone, Copy, Default)]
struct PollCursor {
    /// Index of the webhook with which the next read begins, so that no webhook is left out.
    webhook: usize,
    /// Time at which the oldest waiting event has reached the delay of its webhook.
    due: Option<Timestamp>,
}

/// Returns the packages that can be collected now, recorded as delivered.
async fn collect_once(
    app: &App,
    req: &Signed<CollectEvents>,
    next: &mut PollCursor,
) -> Result<Vec<Value>, Problem> {
    let (own, client, id, now) = (app.clone(), Arc::clone(&req.client), req.operation.id, app.clock.now());
    let (number, from) = (client.tenant.number, next.webhook);
    let look = move |tx: &Tx<'_>| {
        let event_endpoint = event_endpoints::by_id(tx, number, id)?.ok_or(Problem::NotFound("endpoint"))?;
        let key = &client.tenant.key;
        let mut webhooks = event_endpoints::webhooks_of(tx, number, id)?;
        let (count, mut events) = (webhooks.len().max(1), 0);
        webhooks.rotate_left(from % count);
        let mut next = PollCursor { webhook: from, due: None };
        for webhook in webhooks {
            if events >= MAX_EVENTS {
                break;
            }
            next.webhook = (next.webhook + 1) % count;
            let batch = deliveries::next_batch(tx, (number, webhook), None, key, now)?;
            let Some(batch) = batch.filter(|batch| batch.webhook.is_sending()) else { continue };
            events += batch.scanned_events();
            if batch.is_worth_claiming() {
                let signing = own.outbound.signing_key(tx, number, key)?;
                return Ok((event_endpoint, Some((batch, signing)), next));
            }
            next.due = next.due.into_iter().chain(batch.remainder.due).min();
        }
        Ok::<_, Problem>((event_endpoint, None, next))
    };
    let (event_endpoint, found, looked) = app.scan(number, "event_endpoints.look", look).await?;
    *next = looked;
    // An idle poll usually ends here without a write.
    if found.is_none() && now.duration_since(event_endpoint.seen_at) < NOTED {
        return Ok(Vec::new());
    }
    let (found, own, key) = (Arc::new(found), app.clone(), Arc::clone(&req.client));
    let claimed = Arc::clone(&found);
    let unit = move |tx: &Tx<'_>| {
        event_endpoints::touch(tx, id, now)?;
        let Some((batch, _)) = &*claimed else { return Ok(false) };
        let lease = own.ids.uuid();
        // Another poll may have collected the package since the read.
        if !deliveries::claim(tx, batch, lease, now)? {
            return Ok(false);
        }
        let attempts: Vec<Attempt> =
            batch.packages.iter().map(|package| delivered_attempt(package, now)).collect();
        let (of, with) = ((&batch.webhook, lease), (&key.tenant.key, &*own.ids));
        deliveries::record_results(tx, of, &attempts, None, with, now)?;
        Ok::<_, Problem>(true)
    };
    let is_ours = app.store.write("event_endpoints.collect", number, unit).await?;
    let Some((batch, (key_id, key))) = found.as_ref().as_ref().filter(|_| is_ours) else {
        return Ok(Vec::new());
    };
    let target = event_endpoint.target.clone().unwrap_or_else(|| url(app, event_endpoint.id));
    let signature = batch.webhook.content.config.signature;
    let sign = |package: &PackageWithBody| {
        let nonce = app.ids.uuid();
        let headers =
            outbound::sign_request(&target, package.body.as_bytes(), signature, (*key_id, key), now, nonce)
                .map_err(|error| Problem::Internal(error.to_string()))?;
        let headers: Map<String, Value> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), json!([String::from_utf8_lossy(value.as_bytes())])))
            .collect();
        Ok(json!({ "headers": headers, "payload": *package.body, "created_at": now }))
    };
    batch.packages.iter().map(sign).collect()
}

/// Returns the attempt of a package that counts as delivered because a client has collected it.
fn delivered_attempt(package: &PackageWithBody, now: Timestamp) -> Attempt {
    Attempt {
        package: package.row.number,
        number: package.row.attempts + 1,
        created_at: now,
        duration_us: 0,
        outcome: DELIVERED,
        delivered: true,
        status: None,
        answer: Vec::new(),
    }
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
