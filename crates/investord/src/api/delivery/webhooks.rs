//! `/webhooks`: list, create, read, update, delete; test events are in `webhook_tests.rs`.

use std::cmp::Ordering;

use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ADMIN, READ, event_endpoints};
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::change::{Stop, change};
use crate::api::front::paging;
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{NOTHING, OperationDoc, PayloadDoc, WEBHOOKS, path_id, request};
use crate::app::App;
use crate::domain::delivery::event::EventType;
use crate::domain::delivery::webhook::{CREATE, NewWebhook, UPDATE, WebhookContent, WebhookUpdate};
use crate::domain::json::json_schema::of_type;
use crate::domain::resource::View;
use crate::problem::Problem;
use crate::store::StoreError;
use crate::store::delivery::webhooks::Webhook;
use crate::store::delivery::{event_ranges, signing_keys, webhooks};
use crate::store::log::events;
use crate::store::paging::Page;
use crate::store::unit::Unit;

/// Maximum number of event ranges of a webhook: filter changes whose events are not delivered yet.
const MAX_EVENT_RANGES: usize = 100;
/// Maximum number of webhooks of a tenant. The dispatcher examines each of them five times a second.
const MAX_WEBHOOKS: usize = 100;

const ONE: PayloadDoc = PayloadDoc {
    description: "The webhook.",
    media: "application/json",
    schema: of_type::<View<WebhookContent>>,
    examples: &[("webhook", include_str!("../../../../../api/examples/webhook.json"))],
};

/// Returns the id of the webhook from the path.
pub fn id_of(received: &Received<'_>) -> Result<Uuid, Problem> {
    received.path_id(1).ok_or(Problem::NotFound("webhook"))
}

pub fn path() -> Vec<Value> {
    vec![path_id("webhook_id", "Id of the webhook.")]
}

/// The fields by which webhooks can be sorted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WebhookSortKey {
    CreatedAt,
    UpdatedAt,
    Title,
    Url,
    Enabled,
}

impl paging::SortableBy for WebhookSortKey {
    const NAMES: &'static [&'static str] = &["created_at", "updated_at", "title", "url", "enabled"];
    const ALL: &'static [Self] = &[
        WebhookSortKey::CreatedAt,
        WebhookSortKey::UpdatedAt,
        WebhookSortKey::Title,
        WebhookSortKey::Url,
        WebhookSortKey::Enabled,
    ];
}

/// Compares two webhooks by a field, texts by their code points.
fn compare(sort: WebhookSortKey, one: &Webhook, other: &Webhook) -> Ordering {
    match sort {
        WebhookSortKey::CreatedAt => Ordering::Equal,
        WebhookSortKey::UpdatedAt => one.updated_at.cmp(&other.updated_at),
        WebhookSortKey::Title => one.content.title.cmp(&other.content.title),
        WebhookSortKey::Url => one.content.url.cmp(&other.content.url),
        WebhookSortKey::Enabled => one.enabled.cmp(&other.enabled),
    }
}

/// A request for a page of the webhooks.
pub struct ListWebhooks(Page<WebhookSortKey>);

impl Operation for ListWebhooks {
    const OPERATION: &'static str = "GET /webhooks";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "list_webhooks",
        summary: "List webhooks",
        description: "Lists the webhooks of the tenant, page by page.",
        parameters: paging::parameters::<WebhookSortKey>,
        request: None,
        answer: PayloadDoc {
            description: "A page of the list.",
            media: "application/json",
            schema: |schemas| paging::named_schema("WebhookList", of_type::<View<WebhookContent>>, schemas),
            examples: &[("page", include_str!("../../../../../api/examples/webhook-list.json"))],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        paging::parse(received.query()).map(Self)
    }
}

/// Handles `GET /webhooks`: returns a page of the tenant's webhooks. Fails if the store cannot be read.
pub async fn list(State(app): State<App>, req: Signed<ListWebhooks>) -> Result<Reply, Problem> {
    let tenant = req.client.tenant.number;
    let all = app.store.read("webhooks.list", move |tx| webhooks::of_tenant(tx, tenant)).await?;
    let listed = req.operation.0.of(all, compare, Webhook::view);
    Ok(Reply::ok(paging::envelope(req.operation.0, listed)))
}

/// A request to create a webhook.
pub struct CreateWebhook(NewWebhook);

impl Operation for CreateWebhook {
    const OPERATION: &'static str = "POST /webhooks";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const SUCCESS: StatusCode = StatusCode::CREATED;
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "create_webhook",
        summary: "Create a webhook",
        description: "A webhook is told of nothing until it is enabled.",
        parameters: Vec::new,
        request: Some(PayloadDoc {
            description: "The webhook.",
            media: "application/json",
            schema: |schemas| request(&CREATE, schemas),
            examples: &[("webhook", include_str!("../../../../../api/examples/create-webhook.json"))],
        }),
        answer: ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let settings = &received.client.tenant.settings;
        Ok(Self(NewWebhook::parse(received.json()?, settings, received.now)?))
    }
}

/// Handles `POST /webhooks`: creates a webhook.
///
/// # Errors
///
/// Fails if the address is forbidden (decision H6) or the tenant has too many webhooks.
pub async fn create(State(app): State<App>, req: Signed<CreateWebhook>) -> Result<Reply, Problem> {
    let own = app.clone();
    let work = move |unit: &mut Unit<'_>, req: &Signed<CreateWebhook>| {
        let NewWebhook { content, enabled } = req.operation.0.clone();
        let event_endpoint = target(unit, &own, &content.url)?;
        if webhooks::of_tenant(unit.tx, unit.tenant.number)?.len() >= MAX_WEBHOOKS {
            return Err(Problem::State("there are 100 webhooks already: delete one first").into());
        }
        signing_keys::ensure(unit)?;
        let webhook = Webhook::new(unit, content, enabled, event_endpoint);
        webhooks::insert(unit, &webhook)?;
        record(unit, req, "create_webhook", webhook.id, [Value::Null, webhook.view()])?;
        Ok(Reply::created(webhook.view().to_string()))
    };
    change(&app, "webhooks.create", req, work).await
}

/// Records the action of a client on a webhook in the event log: its address decides where personal data goes.
fn record<T>(
    unit: &mut Unit<'_>,
    req: &Signed<T>,
    action: &str,
    id: Uuid,
    [old, new]: [Value; 2],
) -> Result<(), StoreError> {
    let actor = json!({ "client": req.client.id });
    let object = json!({ "actor": actor, "action": action, "webhook_id": id, "old": old, "new": new });
    events::record(unit, id, EventType::ClientAction, &object.to_string())
}

/// Returns the event endpoint to which an address belongs, if any. Refuses a forbidden address.
fn target(unit: &Unit<'_>, app: &App, url: &str) -> Result<Option<Uuid>, Stop> {
    let found = event_endpoints::find(unit.tx, app, unit.tenant.number, url)?;
    if found.is_none() {
        app.outbound.targets.check(url).map_err(|why| Problem::invalid("url", why))?;
    }
    Ok(found)
}

/// A request for a webhook.
pub struct ReadWebhook(Uuid);

impl Operation for ReadWebhook {
    const OPERATION: &'static str = "GET /webhooks/{webhook_id}";
    const SCOPES: &'static [&'static str] = READ;
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "retrieve_webhook",
        summary: "Get a webhook by id",
        description: "Answers the webhook as it is now.",
        parameters: path,
        request: None,
        answer: ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        id_of(received).map(Self)
    }
}

/// Handles `GET /webhooks/{webhook_id}`: returns a webhook.
///
/// # Errors
///
/// Fails with 404 if the webhook does not exist.
pub async fn read(State(app): State<App>, req: Signed<ReadWebhook>) -> Result<Reply, Problem> {
    let (tenant, id) = (req.client.tenant.number, req.operation.0);
    let found = app.store.read("webhooks.read", move |tx| webhooks::by_id(tx, tenant, id)).await?;
    Ok(Reply::ok(found.ok_or(Problem::NotFound("webhook"))?.view().to_string()))
}

/// A request to update a webhook.
pub struct UpdateWebhook {
    id: Uuid,
    update: WebhookUpdate,
}

impl Operation for UpdateWebhook {
    const OPERATION: &'static str = "PATCH /webhooks/{webhook_id}";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "update_webhook",
        summary: "Update a webhook",
        description: "Changes what is sent; the rest stays. Which categories are wanted, and whether any are, holds \
            for what happens from then on. What happens while a webhook is not enabled it is never told of.",
        parameters: path,
        request: Some(PayloadDoc {
            description: "What is to be changed.",
            media: "application/json",
            schema: |schemas| request(&UPDATE, schemas),
            examples: &[("enable", include_str!("../../../../../api/examples/update-webhook.json"))],
        }),
        answer: ONE,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let settings = &received.client.tenant.settings;
        Ok(Self {
            id: id_of(received)?,
            update: WebhookUpdate::parse(received.json()?, settings, received.now)?,
        })
    }
}

/// Handles `PATCH /webhooks/{webhook_id}`: updates a webhook. Another filter applies to the events from now on.
///
/// # Errors
///
/// Fails if the webhook does not exist, the address is forbidden, or too many event ranges are undelivered.
pub async fn update(State(app): State<App>, req: Signed<UpdateWebhook>) -> Result<Reply, Problem> {
    let own = app.clone();
    let work = move |unit: &mut Unit<'_>, req: &Signed<UpdateWebhook>| {
        let UpdateWebhook { id, update } = &req.operation;
        let old = webhooks::by_id(unit.tx, unit.tenant.number, *id)?.ok_or(Problem::NotFound("webhook"))?;
        let (content, enabled) = update.with_update(&old.content, old.enabled).map_err(Problem::from)?;
        let event_endpoint = match update.url() {
            None => old.event_endpoint,
            Some(url) => target(unit, &own, url)?,
        };
        if event_ranges::of_webhook(unit.tx, *id)?.len() >= MAX_EVENT_RANGES {
            return Err(Problem::State("too much is still to be sent by what was wanted before").into());
        }
        let new = Webhook { content, enabled, event_endpoint, updated_at: unit.now(), ..old.clone() };
        webhooks::update(unit, &old, &new)?;
        record(unit, req, "update_webhook", *id, [old.view(), new.view()])?;
        Ok(Reply::ok(new.view().to_string()))
    };
    change(&app, "webhooks.update", req, work).await
}

/// A request to delete a webhook.
pub struct DeleteWebhook(Uuid);

impl Operation for DeleteWebhook {
    const OPERATION: &'static str = "DELETE /webhooks/{webhook_id}";
    const SCOPES: &'static [&'static str] = ADMIN;
    const WRITES: bool = true;
    const SUCCESS: StatusCode = StatusCode::NO_CONTENT;
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "delete_webhook",
        summary: "Delete a webhook",
        description: "Nothing more is sent.",
        parameters: path,
        request: None,
        answer: NOTHING,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        id_of(received).map(Self)
    }
}

/// Handles `DELETE /webhooks/{webhook_id}`: deletes a webhook.
///
/// # Errors
///
/// Fails with 404 if the webhook does not exist.
pub async fn delete(State(app): State<App>, req: Signed<DeleteWebhook>) -> Result<Reply, Problem> {
    let work = |unit: &mut Unit<'_>, req: &Signed<DeleteWebhook>| {
        let old = webhooks::by_id(unit.tx, unit.tenant.number, req.operation.0)?;
        let old = old.ok_or(Problem::NotFound("webhook"))?;
        webhooks::delete(unit.tx, &old, req.now)?;
        record(unit, req, "delete_webhook", old.id, [old.view(), Value::Null])?;
        Ok(Reply::no_content())
    };
    change(&app, "webhooks.delete", req, work).await
}
