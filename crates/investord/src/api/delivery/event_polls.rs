//! The long poll of an event endpoint: collects the packages of its webhooks, signed as if they had been sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::ADMIN;
use super::event_endpoints::url;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{OperationDoc, PayloadDoc, WEBHOOKS, path_id};
use crate::app::App;
use crate::domain::json::json_schema::of_type;
use crate::domain::json::query;
use crate::domain::json::query::QueryParameter;
use crate::domain::json::schema::FieldRule;
use crate::outbound;
use crate::outbound::{DELIVERED, DeliveryKey};
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::delivery::deliveries;
use crate::store::delivery::deliveries::Lease;
use crate::store::delivery::delivery_batch;
use crate::store::delivery::delivery_batch::{DeliveryBatch, PackageWithBody};
use crate::store::delivery::event_endpoints;
use crate::store::delivery::event_endpoints::EventEndpoint;
use crate::store::delivery::packages::Attempt;
use crate::store::delivery::webhooks::WebhookKey;
use crate::store::tenants::Tenant;

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
            schema: of_type::<Vec<CollectedDelivery>>,
            examples: &[],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let id = received.path_id(2).ok_or(Problem::NotFound("endpoint"))?;
        let wait = query::read(received.query(), &COLLECT)?.number("wait").unsigned_abs();
        Ok(Self { id, wait })
    }
}

/// What would have been sent to a receiver.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
struct CollectedDelivery {
    /// Headers of the request, each with its values.
    headers: BTreeMap<String, Vec<String>>,
    /// Its body.
    payload: String,
    /// When it was signed.
    created_at: Timestamp,
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
            return Ok(Reply::ok(serde_json::to_string(&collected).expect("deliveries are plain data")));
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
) -> Result<Vec<CollectedDelivery>, Problem> {
    let (client, id, now, from) = (Arc::clone(&req.client), req.operation.id, app.clock.now(), next.webhook);
    let (own, number) = (app.clone(), client.tenant.number);
    let look = move |tx: &Tx<'_>| look(tx, &own, &client.tenant, id, from, now);
    let Look { event_endpoint, found, next: looked } = app.scan(number, "event_endpoints.look", look).await?;
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
        if !deliveries::claim(tx, batch, batch.webhook.version, lease, now)? {
            return Ok(false);
        }
        let attempts: Vec<Attempt> =
            batch.packages.iter().map(|package| delivered_attempt(package, now)).collect();
        let lease = Lease { webhook: batch.webhook.id, id: lease, failures: batch.webhook.failures };
        deliveries::record_results(tx, lease, &attempts, &key.tenant.key, &*own.ids, now)?;
        deliveries::release(tx, lease)?;
        Ok::<_, Problem>(true)
    };
    let is_ours = app.store.write("event_endpoints.collect", number, unit).await?;
    let Some((batch, key)) = found.as_ref().as_ref().filter(|_| is_ours) else {
        return Ok(Vec::new());
    };
    let target = event_endpoint.target.clone().unwrap_or_else(|| url(app, event_endpoint.id));
    let signature = batch.webhook.content.config.signature;
    let sign = |package: &PackageWithBody| {
        let (body, nonce) = (package.body.as_bytes(), app.ids.uuid());
        outbound::sign_request(&target, body, signature, key, now, nonce)
            .map(|headers| CollectedDelivery::new(&headers, &package.body, now))
            .map_err(|error| Problem::Internal(error.to_string()))
    };
    batch.packages.iter().map(sign).collect()
}

impl CollectedDelivery {
    /// Makes it of a package and the headers of the request that would have delivered it.
    fn new(headers: &HeaderMap, body: &str, now: Timestamp) -> Self {
        let text = |value: &HeaderValue| vec![String::from_utf8_lossy(value.as_bytes()).into_owned()];
        let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Self { headers, payload: body.to_owned(), created_at: now }
    }
}

/// The result of a look at the webhooks of an endpoint.
struct Look {
    event_endpoint: EventEndpoint,
    /// A batch that is worth to be claimed, and the key of its signature.
    found: Option<(DeliveryBatch, DeliveryKey)>,
    next: PollCursor,
}

/// Looks for a batch at the webhooks of an endpoint, beginning with the one at the index `from`.
fn look(
    tx: &Tx<'_>,
    app: &App,
    tenant: &Tenant,
    id: Uuid,
    from: usize,
    now: Timestamp,
) -> Result<Look, Problem> {
    let (number, key) = (tenant.number, &tenant.key);
    let event_endpoint = event_endpoints::by_id(tx, number, id)?.ok_or(Problem::NotFound("endpoint"))?;
    let mut webhooks = event_endpoints::webhooks_of(tx, number, id)?;
    let (count, mut events) = (webhooks.len().max(1), 0);
    webhooks.rotate_left(from % count);
    let mut next = PollCursor { webhook: from, due: None };
    for webhook in webhooks {
        if events >= MAX_EVENTS {
            break;
        }
        next.webhook = (next.webhook + 1) % count;
        let batch =
            delivery_batch::next_batch(tx, WebhookKey { tenant: number, id: webhook }, None, key, now)?;
        let Some(batch) = batch.filter(|batch| batch.webhook.is_sending()) else { continue };
        events += batch.scanned_events();
        if batch.is_worth_claiming() {
            let signing = app.outbound.signing_key(tx, number, key)?;
            return Ok(Look { event_endpoint, found: Some((batch, signing)), next });
        }
        next.due = next.due.into_iter().chain(batch.remainder.due).min();
    }
    Ok(Look { event_endpoint, found: None, next })
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
