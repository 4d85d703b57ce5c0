//! `GET /investord/events`, beyond the vendor's API: events for a consumer that comes for them.
//!
//! Numbers are given under the tenant's lock, which is held until the commit: whoever sees one sees all before it, so a
//! cursor skips nothing.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};

use super::caller::{Call, Received, Signed};
use super::openapi::{About, EVENTS, Payload};
use super::webhooks::ADMIN;
use super::{Reply, page};
use crate::app::App;
use crate::domain::schema::{Fault, Schemas};
use crate::domain::webhook::{CATEGORIES, Wants};
use crate::problem::Problem;
use crate::store::packages::{self, Wanted};
use crate::store::{Tx, tenants};

const MOST: i64 = 1000;
const DEFAULT: i64 = 100;

fn schema(schemas: &mut Schemas) -> Value {
    let event = schemas.named("Event", |_| {
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
    schemas.named("EventList", |_| {
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

pub struct List {
    after: i64,
    limit: i64,
    wants: Wants,
}

impl Call for List {
    const OPERATION: &'static str = "GET /investord/events";
    // Whoever can point a webhook at themselves has all of it anyway; who may only see webhooks has not.
    const SCOPES: &'static [&'static str] = ADMIN;
    const ABOUT: About = About {
        tag: EVENTS,
        id: "list_events",
        summary: "List events after a position",
        description: "Beyond the vendor's API: the tenant's events in their order. Send the `next` of an answer as the \
            `after` of the next request: none is skipped, whatever is written meanwhile.",
        parameters: || {
            let number = |name, description, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
            vec![
                number(
                    "after",
                    "Position of the last event that is known; 0 for none.",
                    json!({ "type": "integer", "minimum": 0, "default": 0 }),
                ),
                number(
                    "limit",
                    "How many positions to look at.",
                    json!({ "type": "integer", "minimum": 0, "maximum": MOST, "default": DEFAULT }),
                ),
                number(
                    "type",
                    "Categories, separated by commas.",
                    json!({ "type": "string", "default": "ALL" }),
                ),
            ]
        },
        request: None,
        answer: Payload {
            description: "The events.",
            media: "application/json",
            schema,
            examples: &[("events", include_str!("../../../../api/examples/event-list.json"))],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let wants = Wants { kinds: vec!["ALL".to_owned()], exclude_type: None };
        let (mut list, mut faults, mut seen) =
            (Self { after: 0, limit: DEFAULT, wants }, Vec::new(), Vec::new());
        for (name, value) in form_urlencoded::parse(received.query().as_bytes()) {
            let read = match (&*name, &*value) {
                ("after" | "limit" | "type", _) if seen.contains(&name) => {
                    Err("stands more than once in the query".into())
                }
                (_, "") => Ok(()),
                ("after", text) => page::number(text, i64::MAX - MOST).map(|after| list.after = after),
                ("limit", text) => page::number(text, MOST).map(|limit| list.limit = limit),
                ("type", text) => categories(text).map(|kinds| list.wants.kinds = kinds),
                _ => Ok(()),
            };
            faults.extend(read.err().map(|message| Fault::new(&*name, message)));
            seen.push(name);
        }
        if faults.is_empty() { Ok(list) } else { Err(faults.into()) }
    }
}

fn categories(text: &str) -> Result<Vec<String>, String> {
    let kinds: Vec<String> = text.split(',').map(str::to_owned).collect();
    if kinds.iter().all(|kind| CATEGORIES.contains(&kind.as_str())) {
        return Ok(kinds);
    }
    Err(format!("must be some of {}, separated by commas", CATEGORIES.join(", ")))
}

pub async fn list(State(app): State<App>, req: Signed<List>) -> Result<Reply, Problem> {
    let client = Arc::clone(&req.client);
    let List { after, limit, wants } = req.call;
    let list = move |tx: &Tx<'_>| {
        let tenant = &client.tenant;
        let end = tenants::end_of_chain(tx, tenant.number)?.map_or(0, |(events, _)| events);
        if after > end {
            // A register that was restored: what it would number so is not what the consumer has missed.
            return Err(Problem::invalid("after", format!("lies beyond the last event, {end}")));
        }
        let to = end.min(after + limit);
        let mut data = Vec::new();
        packages::events(tx, tenant.number, (after + 1, to), &wants, &tenant.key, |event| {
            let Wanted { number, id, created_at, kind, object } = event;
            data.push(format!(
                r#"{{"position":{number},"id":"{id}","created_at":"{created_at}","type":"{kind}","object":{object}}}"#
            ));
        })?;
        Ok(format!(r#"{{"data":[{}],"next":{to},"more":{}}}"#, data.join(","), to < end))
    };
    Ok(Reply::ok(app.store.scan("events.list", list).await?))
}
