//! `GET /investord/events`: the event log for consumers that poll; not part of the vendor's API.
//!
//! Numbers are assigned under the lock of the tenant, which lasts until the commit. A reader that sees one number
//! therefore sees all smaller ones, so that a cursor skips no event.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};

use super::ADMIN;
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{EVENTS, OperationDoc, PayloadDoc};
use crate::app::App;
use crate::domain::delivery::webhook::{CATEGORIES, EventFilter, MAX_CATEGORIES};
use crate::domain::json::json_schema::{Schemas, named};
use crate::domain::json::query;
use crate::domain::json::query::QueryParameter;
use crate::domain::json::schema::FieldRule;
use crate::problem::Problem;
use crate::store::delivery::packages;
use crate::store::delivery::packages::MatchedEvent;
use crate::store::paging::ListPage;
use crate::store::{Tx, tenants};

/// Maximum number of positions in one request.
const MAX_POSITIONS: i64 = 1000;

/// Query parameters of the list.
pub static QUERY: [QueryParameter; 3] = [
    QueryParameter {
        name: "after",
        rule: FieldRule::Int { min: 0, max: i64::MAX - MAX_POSITIONS },
        default: Some("0"),
        description: "Position of the last event that is known; 0 for none.",
    },
    QueryParameter {
        name: "limit",
        rule: FieldRule::Int { min: 0, max: MAX_POSITIONS },
        default: Some("100"),
        description: "How many positions to look at. An answer whose events have more than 4 MiB ends before: \
            `next` says where.",
    },
    QueryParameter {
        name: "type",
        rule: FieldRule::List {
            item: &FieldRule::OneOf(CATEGORIES),
            min: 1,
            max: MAX_CATEGORIES,
            unique: false,
        },
        default: Some(r#"["ALL"]"#),
        description: "Categories, separated by commas.",
    },
];

/// Returns the schema of the list.
fn schema(schemas: &mut Schemas) -> Value {
    let event = named(schemas, "Event", |_| {
        json!({
            "type": "object",
            "description": "What has happened, as webhooks are told of it.",
            "properties": {
                "position": { "type": "integer", "minimum": 1, "description": "Its number in the tenant's history." },
                "id": { "type": "string", "format": "uuid", "description": "The same as in deliveries." },
                "created_at": { "type": "string", "format": "date-time", "description": "When it happened." },
                "type": { "type": "string", "description": "What happened, as in USER.CREATED." },
                "object": { "type": "object", "description": "What it happened to, as it was then." },
            },
            "required": ["position", "id", "created_at", "type", "object"],
        })
    });
    named(schemas, "EventList", |_| {
        json!({
            "type": "object",
            "properties": {
                "data": { "type": "array", "items": event },
                "next": { "type": "integer", "minimum": 0, "description": "What to send as `after` next time." },
                "more": { "type": "boolean", "description": "Whether there is more by now." },
            },
            "required": ["data", "next", "more"],
        })
    })
}

/// A request for the events after a position.
pub struct ListEvents {
    after: i64,
    limit: i64,
    /// Categories of the events to return.
    wants: EventFilter,
}

impl Operation for ListEvents {
    const OPERATION: &'static str = "GET /investord/events";
    // A client with this scope can point a webhook at itself and receive all events anyway; one that can only read
    // webhooks cannot.
    const SCOPES: &'static [&'static str] = ADMIN;
    const DOC: OperationDoc = OperationDoc {
        tag: EVENTS,
        id: "list_events",
        summary: "List events after a position",
        description: "Beyond the vendor's API: the tenant's events in their order. Send the `next` of an answer as the \
            `after` of the next request: none is skipped, whatever is written meanwhile.",
        parameters: || query::to_openapi(&QUERY),
        request: None,
        answer: PayloadDoc {
            description: "The events.",
            media: "application/json",
            schema,
            examples: &[("events", include_str!("../../../../../api/examples/event-list.json"))],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let values = query::read(received.query(), &QUERY)?;
        let wants = EventFilter { kinds: values.list("type"), exclude_type: None };
        Ok(Self { after: values.number("after"), limit: values.number("limit"), wants })
    }
}

/// Handles `GET /investord/events`: returns the matching events after a position.
///
/// # Errors
///
/// Fails if the position lies beyond the last event, or the tenant's budget of scans is exhausted.
pub async fn list(State(app): State<App>, req: Signed<ListEvents>) -> Result<Reply, Problem> {
    let client = Arc::clone(&req.client);
    let ListEvents { after, limit, wants } = req.operation;
    let list = move |tx: &Tx<'_>| {
        let tenant = &client.tenant;
        let end = tenants::sequence::chain_end(tx, tenant.number)?.map_or(0, |end| end.events);
        if after > end {
            // The register was restored from a backup. The numbers that follow will belong to other events than those
            // that the consumer expects.
            return Err(Problem::invalid("after", format!("lies beyond the last event, {end}")));
        }
        let to = end.min(after + limit);
        let (mut page, mut last, mut next) = (ListPage::new(end), after, to);
        packages::each_matching_event(tx, tenant.number, &(after + 1..=to), &wants, &tenant.key, |event| {
            let fits = page.write(|out| write_event(&event, out)).is_ok_and(|fits| fits);
            if fits {
                last = event.number;
            } else {
                next = last;
            }
            fits
        })?;
        let mut json = page.json;
        json.insert_str(0, r#"{"data":["#);
        let _ = write!(json, r#"],"next":{next},"more":{}}}"#, next < end);
        Ok(json)
    };
    Ok(Reply::ok(app.scan(req.client.tenant.number, "events.list", list).await?))
}

/// Writes an event of the list.
fn write_event(event: &MatchedEvent<'_>, out: &mut String) -> fmt::Result {
    let MatchedEvent { number, id, created_at, kind, object } = event;
    write!(out, r#"{{"position":{number},"id":"{id}","created_at":"{created_at}","#)?;
    write!(out, r#""type":"{kind}","object":{object}}}"#)
}
