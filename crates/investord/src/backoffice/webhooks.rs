//! Webhooks as operators see them: state, packages, attempts, history.

use axum::extract::State;
use serde_json::{Value, json};
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator, list_schema,
};
use super::change::{scan, visible_tenant};
use super::history::{Decisions, HistoryPage, HistoryRange, RANGE, history_schema};
use crate::app::App;
use crate::domain::json::query::QueryParameter;
use crate::domain::json::schema::FieldRule;
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::delivery::attempts;
use crate::store::delivery::deliveries;
use crate::store::delivery::deliveries::DeliveryCandidate;
use crate::store::delivery::packages;
use crate::store::delivery::packages::PackageRow;
use crate::store::delivery::webhooks;
use crate::store::delivery::webhooks::Webhook;
use crate::store::log::events;
use crate::store::tenants::Tenant;
use crate::store::tenants::operators::{Operator, Role};

/// Maximum number of packages, or of attempts, in one response.
const MAX_LISTED: i64 = 100;
/// A request for the webhooks of a tenant.
pub struct ListWebhooksOfTenant {
    tenant: String,
}

impl OperatorOperation for ListWebhooksOfTenant {
    const OPERATION: &'static str = "GET /tenants/{tenant}/webhooks";
    const ROLE: Role = Role::Viewer;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_webhooks",
        summary: "List webhooks",
        description: "Lists all webhooks of a tenant with their delivery state.",
        query: &[],
        request: None,
        answer: || list_schema(&json!({ "type": "object" })),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { tenant: received.path_name("tenant", "tenant")? })
    }
}

/// Handles `GET /tenants/{tenant}/webhooks`: returns all webhooks with their delivery state.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant.
pub async fn list(State(app): State<App>, req: ByOperator<ListWebhooksOfTenant>) -> OperatorResult {
    let ByOperator { operator, operation: ListWebhooksOfTenant { tenant: name }, .. } = req;
    let own = app.clone();
    let read = move |tx: &Tx<'_>| {
        let tenant = visible_tenant(tx, &own, &operator, &name)?;
        let plan = deliveries::schedule(tx)?;
        let all = webhooks::of_tenant(tx, tenant.number)?;
        Ok::<_, Problem>(all.iter().map(|webhook| webhook_view(webhook, &plan)).collect::<Vec<_>>())
    };
    Ok(JsonAnswer(json!({ "data": app.store.read("backoffice.webhooks", read).await? })))
}

/// A request for a webhook.
pub struct ShowWebhook {
    tenant: String,
    webhook: Uuid,
}

impl OperatorOperation for ShowWebhook {
    const OPERATION: &'static str = "GET /tenants/{tenant}/webhooks/{webhook}";
    const ROLE: Role = Role::Viewer;
    const DOC: OperatorDoc = OperatorDoc {
        id: "show_webhook",
        summary: "Show a webhook",
        description: "Answers a webhook with its delivery state.",
        query: &[],
        request: None,
        answer: || json!({ "type": "object" }),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let tenant = received.path_name("tenant", "tenant")?;
        Ok(Self { tenant, webhook: received.path_id("webhook", "webhook")? })
    }
}

/// Handles `GET /tenants/{tenant}/webhooks/{webhook}`: returns a webhook with its delivery state.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant or the webhook does not exist.
pub async fn show(State(app): State<App>, req: ByOperator<ShowWebhook>) -> OperatorResult {
    let ByOperator { operator, operation: ShowWebhook { tenant: name, webhook: id }, .. } = req;
    let own = app.clone();
    let read = move |tx: &Tx<'_>| {
        let (_, webhook) = visible_webhook(tx, &own, &operator, &name, id)?;
        Ok::<_, Problem>(webhook_view(&webhook, &deliveries::schedule(tx)?))
    };
    Ok(JsonAnswer(app.store.read("backoffice.webhook", read).await?))
}

/// Returns a webhook of a tenant to which the operator has access.
pub fn visible_webhook(
    tx: &Tx<'_>,
    app: &App,
    operator: &Operator,
    name: &str,
    id: Uuid,
) -> Result<(Tenant, Webhook), Problem> {
    let tenant = visible_tenant(tx, app, operator, name)?;
    let webhook = webhooks::by_id(tx, tenant.number, id)?.ok_or(Problem::NotFound("webhook"))?;
    Ok((tenant, webhook))
}

/// Returns a webhook as JSON with its delivery state.
fn webhook_view(webhook: &Webhook, plan: &[DeliveryCandidate]) -> Value {
    let state = match webhook {
        Webhook { enabled: false, .. } => "disabled",
        Webhook { paused: true, .. } => "paused",
        Webhook { event_endpoint: Some(_), .. } => "collected",
        Webhook { failures: 1.., .. } => "failing",
        _ => "delivering",
    };
    let planned = plan.iter().find(|one| one.id == webhook.id);
    let mut shown = webhook.view();
    shown["delivery"] = json!({
        "state": state,
        "paused": webhook.paused,
        "last_success_at": webhook.last_success_at,
        "last_failure_at": webhook.last_failure_at,
        "failures_in_a_row": webhook.failures,
        "next_attempt_at": webhook.next_attempt,
        "packages": webhook.packages,
        "open_packages": webhook.open(),
        "backlog_events": planned.map(DeliveryCandidate::backlog),
        "oldest_event_at": planned.and_then(|one| one.oldest).map(|(_, at)| at),
    });
    shown
}

/// Query parameters of the list of packages.
const PACKAGES: &[QueryParameter] = &[QueryParameter {
    name: "before",
    rule: FieldRule::Int { min: 1, max: i64::MAX },
    default: None,
    description: "Number of the package before which the page begins; without it the page has the newest.",
}];

/// A request for the packages of a webhook.
pub struct ListPackages {
    tenant: String,
    webhook: Uuid,
    /// Number of the package before which the page begins.
    before: i64,
}

impl OperatorOperation for ListPackages {
    const OPERATION: &'static str = "GET /tenants/{tenant}/webhooks/{webhook}/packages";
    const ROLE: Role = Role::Viewer;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_packages",
        summary: "List packages",
        description: "Lists the packages of a webhook, the newest first, at most 100.",
        query: PACKAGES,
        request: None,
        answer: || list_schema(&json!({ "type": "object" })),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let before = received.query(PACKAGES)?.number("before");
        Ok(Self {
            tenant: received.path_name("tenant", "tenant")?,
            webhook: received.path_id("webhook", "webhook")?,
            before: if before == 0 { i64::MAX } else { before },
        })
    }
}

/// Handles `GET /tenants/{tenant}/webhooks/{webhook}/packages`: returns packages, the newest first.
///
/// # Errors
///
/// Fails if the webhook is not visible.
pub async fn packages(State(app): State<App>, req: ByOperator<ListPackages>) -> OperatorResult {
    let ByOperator { operator, operation: ListPackages { tenant: name, webhook: id, before }, .. } = req;
    let own = app.clone();
    let read = move |tx: &Tx<'_>| {
        visible_webhook(tx, &own, &operator, &name, id)?;
        let all = packages::list_of_webhook(tx, id, before, MAX_LISTED)?;
        Ok::<_, Problem>(all.iter().map(package_view).collect::<Vec<_>>())
    };
    Ok(JsonAnswer(json!({ "data": app.store.read("backoffice.packages", read).await? })))
}

/// Returns a package as JSON without its body.
fn package_view(package: &PackageRow) -> Value {
    json!({
        "number": package.number,
        "state": package.state,
        "first_event": package.first,
        "last_event": package.last,
        "events": package.events,
        "bytes": package.bytes,
        "attempts": package.attempts,
        "created_at": package.created_at,
        "settled_at": package.settled_at,
    })
}

/// A request for a package.
pub struct ShowPackage {
    tenant: String,
    webhook: Uuid,
    package: i64,
}

impl OperatorOperation for ShowPackage {
    const OPERATION: &'static str = "GET /tenants/{tenant}/webhooks/{webhook}/packages/{package}";
    const ROLE: Role = Role::Viewer;
    const DOC: OperatorDoc = OperatorDoc {
        id: "show_package",
        summary: "Show a package",
        description: "Answers a package with its body and its attempts.",
        query: &[],
        request: None,
        answer: || json!({ "type": "object" }),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self {
            tenant: received.path_name("tenant", "tenant")?,
            webhook: received.path_id("webhook", "webhook")?,
            package: received.path_number("package", "package")?,
        })
    }
}

/// Handles `GET /tenants/{tenant}/webhooks/{webhook}/packages/{package}`: returns a package with its body and its
/// attempts.
///
/// # Errors
///
/// Fails if the package does not exist or is not visible.
pub async fn package(State(app): State<App>, req: ByOperator<ShowPackage>) -> OperatorResult {
    let ByOperator { operator, operation: ShowPackage { tenant: name, webhook: id, package }, .. } = req;
    let (of, own) = (operator.tenant, app.clone());
    let read = move |tx: &Tx<'_>| {
        let (tenant, webhook) = visible_webhook(tx, &own, &operator, &name, id)?;
        let row = packages::by_number(tx, id, package)?.ok_or(Problem::NotFound("package"))?;
        let attempts = attempts::of_package(tx, id, package, MAX_LISTED, &tenant.key)?;
        let body = row.body(tx, webhook.key(), &tenant.key)?;
        let mut view = package_view(&row);
        view["body"] = serde_json::from_str(&body).unwrap_or_default();
        view["attempts"] = attempts
            .iter()
            .map(|attempt| {
                json!({
                    "number": attempt.number,
                    "created_at": attempt.created_at,
                    "duration_us": attempt.duration_us,
                    "outcome": attempt.outcome,
                    "status": attempt.status,
                    "answer": attempt.answer.as_deref(),
                })
            })
            .collect();
        Ok::<_, Problem>(view)
    };
    Ok(JsonAnswer(scan(&app, of, "operator.package", read).await?))
}

/// A request for the history of a webhook.
pub struct ReadWebhookHistory {
    tenant: String,
    webhook: Uuid,
    range: HistoryRange,
}

impl OperatorOperation for ReadWebhookHistory {
    const OPERATION: &'static str = "GET /tenants/{tenant}/webhooks/{webhook}/history";
    const ROLE: Role = Role::Viewer;
    const DOC: OperatorDoc = OperatorDoc {
        id: "webhook_history",
        summary: "Show what was done to a webhook",
        description: "Answers the changes of a webhook by clients and operators.",
        query: RANGE,
        request: None,
        answer: history_schema,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let tenant = received.path_name("tenant", "tenant")?;
        let webhook = received.path_id("webhook", "webhook")?;
        Ok(Self { tenant, webhook, range: HistoryRange::read(received)? })
    }
}

/// Handles `GET /tenants/{tenant}/webhooks/{webhook}/history`: returns the changes by clients and operators.
///
/// # Errors
///
/// Fails if the tenant is not visible. The history of a webhook that never was is empty.
pub async fn history(State(app): State<App>, req: ByOperator<ReadWebhookHistory>) -> OperatorResult {
    let ByOperator { operator, operation: ReadWebhookHistory { tenant: name, webhook: id, range }, .. } = req;
    let (of, own) = (operator.tenant, app.clone());
    let read = move |tx: &Tx<'_>| {
        // The webhook itself is not looked up: a deleted one has a history, too.
        let tenant = visible_tenant(tx, &own, &operator, &name)?;
        let mut page = HistoryPage::begin(range);
        events::each_of_webhook(tx, tenant.number, id, |event| page.add(event, tenant.key.own()))?;
        Ok::<_, Problem>(page.view(&Decisions::default()))
    };
    Ok(JsonAnswer(scan(&app, of, "operator.webhook_history", read).await?))
}
