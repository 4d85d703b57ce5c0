//! `/webhooks/{webhook_id}/test`: sends a test event to a receiver (decision W24).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::ADMIN;
use super::webhooks::{id_of, path};
use crate::api::front::caller::{Operation, Received, Signed};
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{ACCEPTED, OperationDoc, PayloadDoc, WEBHOOKS};
use crate::app::App;
use crate::domain::delivery::package::{Packer, render};
use crate::domain::json::json_schema::of_type;
use crate::outbound;
use crate::outbound::ReceiverResponse;
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::delivery::webhooks;
use crate::store::delivery::webhooks::Webhook;

/// Type of a test event.
pub const TEST_EVENT: &str = "WEBHOOK.TEST";
/// A request for a test event without the receiver's response (decision W24).
pub struct TestWebhook(Uuid);

impl Operation for TestWebhook {
    const OPERATION: &'static str = "POST /webhooks/{webhook_id}/test";
    const SCOPES: &'static [&'static str] = ADMIN;
    const REPLAY_PROTECTED: bool = true;
    const REFUSALS: &'static [StatusCode] = &[StatusCode::CONFLICT];
    const SUCCESS: StatusCode = StatusCode::ACCEPTED;
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "test_webhook",
        summary: "Send a test event",
        description: "Sends one event of the type WEBHOOK.TEST, signed like any other, whether or not the webhook is \
            enabled. It is tried once.",
        parameters: path,
        request: None,
        answer: ACCEPTED,
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        id_of(received).map(Self)
    }
}

/// Handles `POST /webhooks/{webhook_id}/test`: sends a test event in the background.
///
/// # Errors
///
/// Fails if the webhook does not exist or is collected, or too many test events are in flight.
pub async fn test(State(app): State<App>, req: Signed<TestWebhook>) -> Result<Reply, Problem> {
    let turn = app.budgets.tenants.acquire_test_call(req.client.tenant.number)?;
    let (webhook, sending) = prepare_test(&app, &req, req.operation.0).await?;
    tokio::spawn(async move {
        let _turn = turn;
        let answer = sending.await;
        tracing::info!(webhook = %webhook.id, outcome = answer.outcome, "a test event was sent");
    });
    Ok(Reply::accepted())
}

/// A request for a test event with the receiver's response (decision W24).
pub struct TestWebhookConfig(Uuid);

impl Operation for TestWebhookConfig {
    const OPERATION: &'static str = "GET /webhooks/{webhook_id}/test";
    const SCOPES: &'static [&'static str] = ADMIN;
    const REPLAY_PROTECTED: bool = true;
    const REFUSALS: &'static [StatusCode] = &[StatusCode::CONFLICT];
    const DOC: OperationDoc = OperationDoc {
        tag: WEBHOOKS,
        id: "try_webhook",
        summary: "Send a test event and see the answer",
        description: "The same as POST, with the answer of the receiver.",
        parameters: path,
        request: None,
        answer: PayloadDoc {
            description: "What the receiver has answered.",
            media: "application/json",
            schema: of_type::<WebhookTest>,
            examples: &[("answer", include_str!("../../../../../api/examples/webhook-test.json"))],
        },
    };

    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        id_of(received).map(Self)
    }
}

/// What came of a test event.
#[derive(Serialize, JsonSchema)]
struct WebhookTest {
    /// Where the event was sent.
    url: String,
    /// delivered, or why not.
    outcome: &'static str,
    /// The answer; null if there was none.
    response: Option<TestedResponse>,
}

/// What a receiver has answered.
#[derive(Serialize, JsonSchema)]
struct TestedResponse {
    /// Its HTTP status.
    status: u16,
    headers: BTreeMap<String, String>,
    /// Its first 16 KiB.
    body: String,
}

/// Handles `GET /webhooks/{webhook_id}/test`: sends a test event and returns the receiver's response.
///
/// # Errors
///
/// Fails if the webhook does not exist or is collected, or too many test events are in flight.
pub async fn test_config(State(app): State<App>, req: Signed<TestWebhookConfig>) -> Result<Reply, Problem> {
    let _turn = app.budgets.tenants.acquire_test_call(req.client.tenant.number)?;
    let (webhook, sending) = prepare_test(&app, &req, req.operation.0).await?;
    let ReceiverResponse { outcome, status, headers, body } = sending.await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
    let response =
        status.map(|status| TestedResponse { status: status.as_u16(), headers, body: text(&body) });
    let answer = WebhookTest { url: webhook.content.url, outcome, response };
    Ok(Reply::ok(serde_json::to_string(&answer).expect("an answer is plain data")))
}

/// Returns a webhook of the client's tenant, and the future that sends a signed test event to it.
async fn prepare_test<T>(
    app: &App,
    req: &Signed<T>,
    id: Uuid,
) -> Result<(Webhook, impl Future<Output = ReceiverResponse> + Send + use<T>), Problem> {
    let (own, client, now) = (app.clone(), Arc::clone(&req.client), req.now);
    let find = move |tx: &Tx<'_>| {
        let webhook = webhooks::by_id(tx, client.tenant.number, id)?.ok_or(Problem::NotFound("webhook"))?;
        if webhook.event_endpoint.is_some() {
            return Err(Problem::State("its events are collected, not sent"));
        }
        let key = own.outbound.signing_key(tx, client.tenant.number, &client.tenant.key)?;
        Ok((webhook, key))
    };
    let (webhook, key) = app.store.read("webhooks.test", find).await?;
    let mut packer = Packer::new(i64::MAX);
    packer.add(0, now, &render(app.ids.uuid(), now, TEST_EVENT, "{}", webhook.id));
    let body: Bytes = packer.all().pop().map(|package| package.body).unwrap_or_default().into();
    let (url, signature) = (webhook.content.url.clone(), webhook.content.config.signature);
    let headers = outbound::sign_request(&url, &body, signature, &key, now, app.ids.uuid())
        .map_err(|error| Problem::Internal(error.to_string()))?;
    let own = app.clone();
    Ok((webhook, async move { own.outbound.send(&url, headers, body).await }))
}
