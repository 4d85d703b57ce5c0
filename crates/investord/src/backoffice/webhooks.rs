//! Webhooks as operators see them: state, packages, attempts; pause, skip, retry, resend, replay.

use axum::extract::{Path, RawQuery, State};
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::history::{Decisions, HistoryPage, HistoryRange};
use super::{
    ActionRecord, BodyResult, JsonAnswer, OperatorResult, authorize, not_one_of, parse_id, parse_number,
    read_fields, require_text, scan, tenant_number, visible_tenant,
};
use crate::app::App;
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::delivery::deliveries;
use crate::store::delivery::deliveries::DeliveryCandidate;
use crate::store::delivery::packages;
use crate::store::delivery::packages::PackageRow;
use crate::store::delivery::webhooks::Webhook;
use crate::store::delivery::{signing_keys, webhooks};
use crate::store::log::events;
use crate::store::tenants;
use crate::store::tenants::Tenant;
use crate::store::tenants::operators::{Operator, Role};
use crate::store::unit::Unit;

/// Maximum number of packages, or of attempts, in one response.
const MAX_LISTED: i64 = 100;
/// Maximum number of open packages of a webhook when another one is sent again: repeats must not delay new events for
/// long.
const MAX_WAITING: i64 = 100;
/// Maximum number of published keys of a tenant. Receivers fetch the whole list.
const MAX_PUBLISHED: usize = 10;
/// Maximum length of a reason in characters.
const MAX_REASON: usize = 500;

/// Handles `GET /tenants/{tenant}/webhooks`: returns all webhooks with their delivery state.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant.
pub async fn list(State(app): State<App>, headers: HeaderMap, Path(name): Path<String>) -> OperatorResult {
    let operator = authorize(&app, &headers, Role::Viewer).await?;
    let own = app.clone();
    let read = move |tx: &Tx<'_>| {
        let tenant = visible_tenant(tx, &own, &operator, &name)?;
        let plan = deliveries::schedule(tx)?;
        let all = webhooks::of_tenant(tx, tenant.number)?;
        Ok::<_, Problem>(all.iter().map(|webhook| webhook_view(webhook, &plan)).collect::<Vec<_>>())
    };
    Ok(JsonAnswer(json!({ "data": app.store.read("backoffice.webhooks", read).await? })))
}

/// Handles `GET /tenants/{tenant}/webhooks/{webhook}`: returns a webhook with its delivery state.
///
/// # Errors
///
/// Fails if the caller has no access to the tenant or the webhook does not exist.
pub async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    Path((name, id)): Path<(String, String)>,
) -> OperatorResult {
    let operator = authorize(&app, &headers, Role::Viewer).await?;
    let (id, own) = (parse_id(&id, "webhook")?, app.clone());
    let read = move |tx: &Tx<'_>| {
        let (_, webhook) = visible_webhook(tx, &own, &operator, (&name, id))?;
        Ok::<_, Problem>(webhook_view(&webhook, &deliveries::schedule(tx)?))
    };
    Ok(JsonAnswer(app.store.read("backoffice.webhook", read).await?))
}

/// Returns a webhook of a tenant to which the operator has access.
fn visible_webhook(
    tx: &Tx<'_>,
    app: &App,
    operator: &Operator,
    (name, id): (&str, Uuid),
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

/// Handles `GET /tenants/{tenant}/webhooks/{webhook}/packages`: returns packages, the newest first. `before` is the
/// number of the package before which the page begins.
///
/// # Errors
///
/// Fails if the webhook is not visible or `before` is not a positive number.
pub async fn packages(
    State(app): State<App>,
    headers: HeaderMap,
    Path((name, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> OperatorResult {
    let operator = authorize(&app, &headers, Role::Viewer).await?;
    let (id, own) = (parse_id(&id, "webhook")?, app.clone());
    let mut query = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
    let before = query.find(|(name, _)| name == "before").map(|(_, value)| parse_number("before", &value));
    let before = before.transpose()?.unwrap_or(i64::MAX);
    let read = move |tx: &Tx<'_>| {
        visible_webhook(tx, &own, &operator, (&name, id))?;
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

/// Handles `GET /tenants/{tenant}/webhooks/{webhook}/packages/{package}`: returns a package with its body and its
/// attempts.
///
/// # Errors
///
/// Fails if the package does not exist or is not visible.
pub async fn package(
    State(app): State<App>,
    headers: HeaderMap,
    Path((name, id, package)): Path<(String, String, String)>,
) -> OperatorResult {
    let operator = authorize(&app, &headers, Role::Viewer).await?;
    let of = operator.tenant;
    let (id, own) = (parse_id(&id, "webhook")?, app.clone());
    let package = parse_number("package", &package).map_err(|_| Problem::NotFound("package"))?;
    let read = move |tx: &Tx<'_>| {
        let (tenant, webhook) = visible_webhook(tx, &own, &operator, (&name, id))?;
        let row = packages::by_number(tx, id, package)?.ok_or(Problem::NotFound("package"))?;
        let attempts = packages::list_attempts(tx, (id, package), MAX_LISTED, &tenant.key)?;
        let body = row.body(tx, (webhook.tenant, id), &tenant.key)?;
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

/// Handles `GET /tenants/{tenant}/webhooks/{webhook}/history`: returns the changes by clients and operators.
///
/// # Errors
///
/// Fails if the tenant is not visible or has never had this webhook.
pub async fn history(
    State(app): State<App>,
    headers: HeaderMap,
    Path((name, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> OperatorResult {
    let operator = authorize(&app, &headers, Role::Viewer).await?;
    let of = operator.tenant;
    let (id, own, wanted) = (parse_id(&id, "webhook")?, app.clone(), HistoryRange::parse(query.as_deref())?);
    let read = move |tx: &Tx<'_>| {
        // The webhook itself is not looked up: a deleted one has a history, too.
        let tenant = visible_tenant(tx, &own, &operator, &name)?;
        let (mut page, mut is_known) = (HistoryPage::begin(wanted), false);
        events::each_of_webhook(tx, tenant.number, id, |event| {
            is_known = true;
            page.add(event, tenant.key.own())
        })?;
        if is_known { Ok(page.view(&Decisions::default())) } else { Err(Problem::NotFound("webhook")) }
    };
    Ok(JsonAnswer(scan(&app, of, "operator.webhook_history", read).await?))
}

/// An action on a webhook.
pub enum WebhookAction {
    /// Stops the delivery until the webhook is resumed.
    Pause,
    /// Continues the delivery.
    Resume,
    /// Gives up the first open package; it is never sent again.
    Skip,
    /// Resets the failures, so that the next attempt is due at once.
    Retry,
    /// Sends the finished package of this number again, behind the open ones.
    Resend(i64),
    /// Sends all events from this position on again.
    Replay(i64),
}

/// A parsed action. A replay still lacks its position, which has to be searched for.
pub enum RequestedAction {
    Now(WebhookAction),
    Replay(ReplayStart),
}

/// The start of a replay.
pub enum ReplayStart {
    Position(i64),
    Event(Uuid),
    Time(Timestamp),
}

/// Parses the name of an action and its parameters; a parameter of another action is refused.
fn parse_kind(name: &str, package: Option<String>, from: Option<String>) -> Result<RequestedAction, Problem> {
    let only = |name: &str, value: &Option<String>| match value {
        Some(_) => Err(Problem::invalid(name, "is not for this action")),
        None => Ok(()),
    };
    if name != "resend" {
        only("package", &package)?;
    }
    if name != "replay" {
        only("from", &from)?;
    }
    Ok(RequestedAction::Now(match name {
        "pause" => WebhookAction::Pause,
        "resume" => WebhookAction::Resume,
        "skip" => WebhookAction::Skip,
        "retry" => WebhookAction::Retry,
        "resend" => WebhookAction::Resend(parse_number("package", &require_text("package", package, 20)?)?),
        "replay" => {
            let from = require_text("from", from, 50)?;
            return Ok(RequestedAction::Replay(
                match (from.parse(), from.parse(), parse_number("from", &from)) {
                    (Ok(event), _, _) => ReplayStart::Event(event),
                    (_, Ok(time), _) => ReplayStart::Time(time),
                    (_, _, Ok(position)) => ReplayStart::Position(position),
                    _ => {
                        let forms = "must be the id or position of an event, or an instant (RFC 3339)";
                        return Err(Problem::invalid("from", forms));
                    }
                },
            ));
        }
        other => {
            return Err(not_one_of(
                "action",
                other,
                &["pause", "resume", "skip", "retry", "resend", "replay"],
            ));
        }
    }))
}

/// Parses an action on a webhook and its reason.
///
/// # Errors
///
/// Fails if a member is missing, unknown or invalid.
pub fn parse_action(body: BodyResult) -> Result<(RequestedAction, String), Problem> {
    let [kind, reason, package, from] = read_fields(body, ["action", "reason", "package", "from"])?;
    let (kind, reason) = (require_text("action", kind, 50)?, require_text("reason", reason, MAX_REASON)?);
    Ok((parse_kind(&kind, package, from)?, reason))
}

/// Handles `POST /tenants/{tenant}/webhooks/{webhook}/actions`: performs `action` for the given `reason`.
///
/// # Errors
///
/// Fails if the caller does not have the role `Operator`, or the action does not fit the state of the webhook.
pub async fn act(
    State(app): State<App>,
    headers: HeaderMap,
    Path((name, id)): Path<(String, String)>,
    body: BodyResult,
) -> OperatorResult {
    let operator = authorize(&app, &headers, Role::Operator).await?;
    let (action, reason) = parse_action(body)?;
    let id = parse_id(&id, "webhook")?;
    let number = tenant_number(&app, &operator, &name).await?;
    let action = match action {
        RequestedAction::Now(action) => action,
        // The search can read all events of the tenant, so it runs as a scan and not in the writer.
        RequestedAction::Replay(from) => {
            let (own, of, name) = (app.clone(), operator.clone(), name.clone());
            let find = move |tx: &Tx<'_>| {
                visible_webhook(tx, &own, &of, (&name, id))?;
                position(tx, number, &from)
            };
            WebhookAction::Replay(scan(&app, operator.tenant, "operator.position", find).await?)
        }
    };
    let (own, now) = (app.clone(), app.clock.now());
    let unit = move |tx: &Tx<'_>| {
        let tenant = |tx: &Tx<'_>| visible_tenant(tx, &own, &operator, &name);
        Unit::run(tx, number, now, &*own.ids, tenant, |unit| {
            let old = webhooks::lock(tx, number, id)?.ok_or(Problem::NotFound("webhook"))?;
            let (action, what) = apply_action(unit, &old, &action, now)?;
            let new = webhooks::by_id(tx, number, id)?.ok_or(Problem::NotFound("webhook"))?;
            let [old, mut new] = [&old, &new].map(counters);
            new["about"] = what;
            let done = ActionRecord { action, subject: None, reason: Some(reason.clone()), old, new };
            Ok::<_, Problem>(done.record(unit, &operator, "webhook_id", id)?)
        })
    };
    app.store.write("backoffice.webhook_action", number, unit).await
}

/// Returns the part of the webhook's state that an action can change.
fn counters(webhook: &Webhook) -> Value {
    json!({
        "paused": webhook.paused,
        "failures_in_a_row": webhook.failures,
        "packages": webhook.packages,
        "open_packages": webhook.open(),
    })
}

/// Performs an action. Returns its name for the record, and its object.
fn apply_action(
    unit: &Unit<'_>,
    webhook: &Webhook,
    action: &WebhookAction,
    now: Timestamp,
) -> Result<(&'static str, Value), Problem> {
    let tx = unit.tx;
    let paused = |paused| webhooks::update(unit, webhook, &Webhook { paused, ..webhook.clone() });
    Ok(match action {
        WebhookAction::Pause => ("pause_webhook", paused(true).map(|()| Value::Null)?),
        WebhookAction::Resume => ("resume_webhook", paused(false).map(|()| Value::Null)?),
        WebhookAction::Retry => ("retry_webhook", webhooks::retry(tx, webhook.id).map(|()| Value::Null)?),
        WebhookAction::Skip if packages::skip(tx, webhook, now)? => {
            ("skip_package", json!({ "package": webhook.settled + 1 }))
        }
        WebhookAction::Skip => return Err(Problem::State("no package is open")),
        WebhookAction::Resend(number) => {
            let package = packages::by_number(tx, webhook.id, *number)?;
            let package = package.ok_or(Problem::NotFound("package"))?;
            if package.state == "open" {
                return Err(Problem::State("the package is still to be sent"));
            }
            if webhook.packages - webhook.settled >= MAX_WAITING {
                return Err(Problem::State("100 packages of this webhook wait to be sent already"));
            }
            let again = packages::resend(tx, webhook, &package, now)?;
            ("resend_package", json!({ "package": number, "as": again }))
        }
        WebhookAction::Replay(from) => ("replay_events", replay(unit, webhook, *from)?),
    })
}

/// Sends the events from a position on again. Events that are still to be sent anyway are refused.
fn replay(unit: &Unit<'_>, webhook: &Webhook, from: i64) -> Result<Value, Problem> {
    if !webhook.enabled {
        return Err(Problem::State("the webhook is not enabled"));
    }
    let ranges = webhooks::ranges(unit.tx, webhook.id)?;
    let next = ranges.first().map_or(unit.last_event_number() + 1, |range| range.next);
    if from >= next {
        return Err(Problem::State("everything from there on is still to be sent"));
    }
    webhooks::replay(unit.tx, webhook, from)?;
    Ok(json!({ "from": from }))
}

/// Returns the position of the event at which a replay starts.
fn position(tx: &Tx<'_>, tenant: i64, from: &ReplayStart) -> Result<i64, Problem> {
    Ok(match from {
        ReplayStart::Position(number) => *number,
        ReplayStart::Event(id) => events::number_of(tx, tenant, *id)?.ok_or(Problem::NotFound("event"))?,
        ReplayStart::Time(since) => {
            let events = tenants::sequence::chain_end(tx, tenant)?.map_or(0, |(events, _)| events);
            events::first_since(tx, tenant, *since, events)?
        }
    })
}

/// Parses the reason of an action.
///
/// # Errors
///
/// Fails if the reason is missing or invalid.
pub fn parse_reason(body: BodyResult) -> Result<String, Problem> {
    let [reason] = read_fields(body, ["reason"])?;
    require_text("reason", reason, MAX_REASON)
}

/// Handles `POST /tenants/{tenant}/signing_keys`: replaces the key that signs deliveries. The old key stays published
/// for a day, because receivers may have cached the list of keys (decision H5).
///
/// # Errors
///
/// Fails if the caller does not have the role `Administrator`, or too many keys are published.
pub async fn rotate(
    State(app): State<App>,
    headers: HeaderMap,
    Path(name): Path<String>,
    body: BodyResult,
) -> OperatorResult {
    let operator = authorize(&app, &headers, Role::Administrator).await?;
    let reason = parse_reason(body)?;
    let number = tenant_number(&app, &operator, &name).await?;
    let (own, now) = (app.clone(), app.clock.now());
    let unit = move |tx: &Tx<'_>| {
        let tenant = |tx: &Tx<'_>| visible_tenant(tx, &own, &operator, &name);
        Unit::run(tx, number, now, &*own.ids, tenant, |unit| {
            if signing_keys::published(tx, number, unit.now())?.len() >= MAX_PUBLISHED {
                return Err(Problem::State(
                    "10 keys are published; each goes a day after another took its place",
                ));
            }
            let old = signing_keys::current(tx, number)?.map(|key| key.id);
            let new = signing_keys::rotate(unit)?;
            let done = ActionRecord {
                action: "rotate_signing_key",
                subject: None,
                reason: Some(reason.clone()),
                old: json!({ "key": old }),
                new: json!({ "key": new }),
            };
            Ok(done.record(unit, &operator, "key_id", new)?)
        })
    };
    app.store.write("backoffice.rotate", number, unit).await
}
