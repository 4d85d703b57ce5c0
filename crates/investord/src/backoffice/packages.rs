//! The packages of a webhook and the attempts to send them.

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::change::scan;
use super::webhooks::existing_webhook;
use crate::app::App;
use crate::domain::json::query::QueryParameter;
use crate::domain::json::schema::FieldRule;
use crate::domain::permissions::Permission;
use crate::problem::Problem;
use crate::store::delivery::attempts;
use crate::store::delivery::packages;
use crate::store::delivery::packages::PackageRow;
use crate::store::{Tx, tenants};

/// Maximum number of packages, or of attempts, in one response.
const MAX_LISTED: i64 = 100;

/// Query parameters of the list of packages.
const PACKAGES: &[QueryParameter] = &[QueryParameter {
    name: "before",
    rule: FieldRule::Int { min: 1, max: i64::MAX },
    default: None,
    description: "Number of the package before which the page begins; without it the page has the newest.",
}];

/// A request for the packages of a webhook.
pub struct ListPackages {
    webhook: Uuid,
    /// Number of the package before which the page begins.
    before: i64,
}

impl OperatorOperation for ListPackages {
    const OPERATION: &'static str = "GET /tenants/{tenant}/webhooks/{webhook}/packages";
    const PERMISSION: Option<Permission> = Some(Permission::WebhooksRead);
    type Answer = List<ListedPackage>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "list_packages",
        summary: "List packages",
        description: "Lists the packages of a webhook, the newest first, at most 100.",
        query: PACKAGES,
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let before = received.query(PACKAGES)?.number("before");
        Ok(Self {
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
pub async fn list(
    State(app): State<App>,
    req: ByOperator<ListPackages>,
) -> OperatorResult<List<ListedPackage>> {
    let (number, ListPackages { webhook: id, before }) = (req.tenant(), req.operation);
    let read = move |tx: &Tx<'_>| {
        existing_webhook(tx, number, id)?;
        let all = packages::list_of_webhook(tx, id, before, MAX_LISTED)?;
        let listed = |row: &PackageRow| ListedPackage { package: row.into(), attempts: row.attempts };
        Ok::<_, Problem>(List { data: all.iter().map(listed).collect() })
    };
    Ok(JsonAnswer(app.store.read("backoffice.packages", read).await?))
}

/// What the list of packages and a package have in common.
#[derive(Serialize, JsonSchema)]
struct PackageSummary {
    /// Number of the package among those of the webhook, from 1.
    number: i64,
    /// open, delivered or skipped.
    state: String,
    /// Number of its first event.
    first_event: i64,
    /// Number of its last event.
    last_event: i64,
    /// How many events it has.
    events: i64,
    /// Size of its body.
    bytes: i64,
    created_at: Timestamp,
    /// When it was delivered or given up.
    settled_at: Option<Timestamp>,
}

impl From<&PackageRow> for PackageSummary {
    fn from(row: &PackageRow) -> Self {
        Self {
            number: row.number,
            state: row.state.clone(),
            first_event: row.first,
            last_event: row.last,
            events: row.events,
            bytes: row.bytes,
            created_at: row.created_at,
            settled_at: row.settled_at,
        }
    }
}

/// A package in the list.
#[derive(Serialize, JsonSchema)]
pub struct ListedPackage {
    #[serde(flatten)]
    package: PackageSummary,
    /// How often it was sent.
    attempts: i64,
}

/// A package with its body and its last attempts.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Package")]
pub struct PackageView {
    #[serde(flatten)]
    package: PackageSummary,
    /// What is sent.
    body: Value,
    /// The last 100 attempts, the newest first.
    attempts: Vec<AttemptView>,
}

/// An attempt to send a package.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
struct AttemptView {
    number: i64,
    created_at: Timestamp,
    /// How long it took, in microseconds.
    duration_us: i64,
    /// delivered, or why not.
    outcome: String,
    /// HTTP status of the receiver's response.
    status: Option<i64>,
    /// The first bytes of the body of the receiver's response.
    answer: Option<String>,
}

/// A request for a package.
pub struct ShowPackage {
    webhook: Uuid,
    package: i64,
}

impl OperatorOperation for ShowPackage {
    const OPERATION: &'static str = "GET /tenants/{tenant}/webhooks/{webhook}/packages/{package}";
    const PERMISSION: Option<Permission> = Some(Permission::WebhooksRead);
    type Answer = PackageView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "show_package",
        summary: "Show a package",
        description: "Answers a package with its body and its attempts.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self {
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
pub async fn show(State(app): State<App>, req: ByOperator<ShowPackage>) -> OperatorResult<PackageView> {
    let (number, ShowPackage { webhook: id, package }) = (req.tenant(), req.operation);
    let own = app.clone();
    let read = move |tx: &Tx<'_>| {
        let tenant = tenants::open(tx, number, &own.master_key)?;
        let webhook = existing_webhook(tx, number, id)?;
        let row = packages::by_number(tx, id, package)?.ok_or(Problem::NotFound("package"))?;
        let attempts = attempts::of_package(tx, id, package, MAX_LISTED, &tenant.key)?;
        let body = row.body(tx, webhook.key(), &tenant.key)?;
        let attempts = attempts.into_iter().map(|attempt| AttemptView {
            number: attempt.number,
            created_at: attempt.created_at,
            duration_us: attempt.duration_us,
            outcome: attempt.outcome,
            status: attempt.status,
            answer: attempt.answer.as_deref().map(str::to_owned),
        });
        let (body, attempts) = (serde_json::from_str(&body).unwrap_or_default(), attempts.collect());
        Ok::<_, Problem>(PackageView { package: (&row).into(), body, attempts })
    };
    Ok(JsonAnswer(scan(&app, number, "operator.package", read).await?))
}
