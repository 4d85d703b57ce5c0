//! `/webhooks`: webhooks with the state of their delivery, and their history.

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::change::scan;
use super::history::{Decisions, HistoryPage, HistoryRange, HistoryView, RANGE};
use crate::app::App;
use crate::domain::delivery::webhook::WebhookContent;
use crate::domain::permissions::Permission;
use crate::domain::resource::View;
use crate::domain::tenants::TenantNumber;
use crate::problem::Problem;
use crate::store::delivery::deliveries;
use crate::store::delivery::deliveries::DeliveryCandidate;
use crate::store::delivery::webhooks;
use crate::store::delivery::webhooks::Webhook;
use crate::store::log::events;
use crate::store::{Tx, tenants};

/// A request for the webhooks of a tenant.
pub struct ListWebhooksOfTenant;

impl OperatorOperation for ListWebhooksOfTenant {
    const OPERATION: &'static str = "GET /tenants/{tenant}/webhooks";
    const PERMISSION: Option<Permission> = Some(Permission::WebhooksRead);
    type Answer = List<WebhookRecord>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_webhooks",
        summary: "List webhooks",
        description: "Lists all webhooks of a tenant with their delivery state.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /tenants/{tenant}/webhooks`: returns all webhooks with their delivery state.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant.
pub async fn list(
    State(app): State<App>,
    req: ByOperator<ListWebhooksOfTenant>,
) -> OperatorResult<List<WebhookRecord>> {
    let number = req.tenant();
    let read = move |tx: &Tx<'_>| {
        let plan = deliveries::schedule(tx)?;
        let all = webhooks::of_tenant(tx, number)?;
        let data = all.iter().map(|webhook| WebhookRecord::of(webhook, &plan)).collect();
        Ok::<_, Problem>(List { data })
    };
    Ok(JsonAnswer(app.store.read("backoffice.webhooks", read).await?))
}

/// A request for a webhook.
pub struct ShowWebhook {
    webhook: Uuid,
}

impl OperatorOperation for ShowWebhook {
    const OPERATION: &'static str = "GET /tenants/{tenant}/webhooks/{webhook}";
    const PERMISSION: Option<Permission> = Some(Permission::WebhooksRead);
    type Answer = WebhookRecord;
    const DOC: OperatorDoc = OperatorDoc {
        id: "show_webhook",
        summary: "Show a webhook",
        description: "Answers a webhook with its delivery state.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { webhook: received.path_id("webhook", "webhook")? })
    }
}

/// Handles `GET /tenants/{tenant}/webhooks/{webhook}`: returns a webhook with its delivery state.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant or the webhook does not exist.
pub async fn show(State(app): State<App>, req: ByOperator<ShowWebhook>) -> OperatorResult<WebhookRecord> {
    let (number, ShowWebhook { webhook: id }) = (req.tenant(), req.operation);
    let read = move |tx: &Tx<'_>| {
        let webhook = existing_webhook(tx, number, id)?;
        Ok::<_, Problem>(WebhookRecord::of(&webhook, &deliveries::schedule(tx)?))
    };
    Ok(JsonAnswer(app.store.read("backoffice.webhook", read).await?))
}

/// Returns a webhook of a tenant.
pub fn existing_webhook(tx: &Tx<'_>, tenant: TenantNumber, id: Uuid) -> Result<Webhook, Problem> {
    webhooks::by_id(tx, tenant, id)?.ok_or(Problem::NotFound("webhook"))
}

/// A webhook and the state of its delivery.
#[derive(Serialize, JsonSchema)]
pub struct WebhookRecord {
    #[serde(flatten)]
    webhook: View<WebhookContent>,
    delivery: DeliveryView,
}

/// The state of the delivery to a webhook.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveryState")]
struct DeliveryView {
    state: WebhookState,
    paused: bool,
    last_success_at: Option<Timestamp>,
    last_failure_at: Option<Timestamp>,
    failures_in_a_row: i64,
    next_attempt_at: Option<Timestamp>,
    /// Packages so far.
    packages: i64,
    /// Packages that are still to be sent.
    open_packages: i64,
    /// Events that are in no package yet.
    backlog_events: Option<i64>,
    /// When the oldest of them happened.
    oldest_event_at: Option<Timestamp>,
}

/// What a webhook is doing.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum WebhookState {
    /// Its client has not enabled it.
    Disabled,
    /// An operator has stopped it.
    Paused,
    /// Its events are collected by its client.
    Collected,
    /// The last attempt has failed.
    Failing,
    Delivering,
}

impl WebhookRecord {
    fn of(webhook: &Webhook, plan: &[DeliveryCandidate]) -> Self {
        let state = match webhook {
            Webhook { enabled: false, .. } => WebhookState::Disabled,
            Webhook { paused: true, .. } => WebhookState::Paused,
            Webhook { event_endpoint: Some(_), .. } => WebhookState::Collected,
            Webhook { failures: 1.., .. } => WebhookState::Failing,
            _ => WebhookState::Delivering,
        };
        let planned = plan.iter().find(|one| one.id == webhook.id);
        let delivery = DeliveryView {
            state,
            paused: webhook.paused,
            last_success_at: webhook.last_success_at,
            last_failure_at: webhook.last_failure_at,
            failures_in_a_row: webhook.failures,
            next_attempt_at: webhook.next_attempt,
            packages: webhook.packages,
            open_packages: webhook.open(),
            backlog_events: planned.map(DeliveryCandidate::backlog),
            oldest_event_at: planned.and_then(|one| one.oldest).map(|(_, at)| at),
        };
        Self { webhook: View::new(webhook.view()), delivery }
    }
}

/// A request for the history of a webhook.
pub struct ReadWebhookHistory {
    webhook: Uuid,
    range: HistoryRange,
}

impl OperatorOperation for ReadWebhookHistory {
    const OPERATION: &'static str = "GET /tenants/{tenant}/webhooks/{webhook}/history";
    const PERMISSION: Option<Permission> = Some(Permission::WebhooksRead);
    type Answer = HistoryView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "webhook_history",
        summary: "Show what was done to a webhook",
        description: "Answers the changes of a webhook by clients and operators.",
        query: RANGE,
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let webhook = received.path_id("webhook", "webhook")?;
        Ok(Self { webhook, range: HistoryRange::read(received)? })
    }
}

/// Handles `GET /tenants/{tenant}/webhooks/{webhook}/history`: returns the changes by clients and operators.
///
/// # Errors
///
/// Fails if the tenant is not visible. The history of a webhook that never was is empty.
pub async fn history(
    State(app): State<App>,
    req: ByOperator<ReadWebhookHistory>,
) -> OperatorResult<HistoryView> {
    let (number, ReadWebhookHistory { webhook: id, range }) = (req.tenant(), req.operation);
    let own = app.clone();
    let read = move |tx: &Tx<'_>| {
        // The webhook itself is not looked up: a deleted one has a history, too.
        let tenant = tenants::open(tx, number, &own.master_key)?;
        let mut page = HistoryPage::begin(range);
        events::each_of_webhook(tx, tenant.number, id, |event| page.add(event, tenant.key.own()))?;
        Ok::<_, Problem>(page.into_view(&Decisions::default()))
    };
    Ok(JsonAnswer(scan(&app, number, "operator.webhook_history", read).await?))
}
