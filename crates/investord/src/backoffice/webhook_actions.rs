//! What operators do to webhooks: pause, skip, retry, resend, replay, and the rotation of the signing key.

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strum::VariantNames;
use uuid::Uuid;

use super::by_operator::{ByOperator, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator};
use super::change::{ActionRecord, ActionTarget, REASON, RecordedAction, scan};
use super::webhooks::existing_webhook;
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Pattern, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::tenants::TenantNumber;
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::delivery::packages;
use crate::store::delivery::webhooks::Webhook;
use crate::store::delivery::{event_ranges, signing_keys, webhooks};
use crate::store::log::events;
use crate::store::tenants;
use crate::store::unit::Unit;

/// Maximum number of open packages of a webhook when another one is sent again: repeats must not delay new events for
/// long.
const MAX_WAITING: i64 = 100;
/// Maximum number of published keys of a tenant. Receivers fetch the whole list.
const MAX_PUBLISHED: usize = 10;

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

static POSITIVE: Pattern = Pattern::new("^[1-9][0-9]{0,18}$", "a whole number from 1");
const PACKAGE: FieldRule = FieldRule::Pattern(&POSITIVE);
const FROM: FieldRule = FieldRule::Text { min: 1, max: 50 };

/// The name of an action on a webhook.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum WebhookActionName {
    Pause,
    Resume,
    Skip,
    Retry,
    Resend,
    Replay,
}

/// The body of an action on a webhook.
#[derive(Serialize, Deserialize)]
pub struct WebhookActionBody {
    pub action: WebhookActionName,
    pub reason: String,
    pub package: Option<String>,
    pub from: Option<String>,
}

static ACT: ObjectSchema = ObjectSchema {
    name: "WebhookAction",
    fields: &[
        field("action", Presence::Always, FieldRule::OneOf(WebhookActionName::VARIANTS), "What to do."),
        field("reason", Presence::Always, REASON, "Why, for the record."),
        field(
            "package",
            Presence::No,
            FieldRule::OrNull(&PACKAGE),
            "Number of the package that is sent again.",
        ),
        field(
            "from",
            Presence::No,
            FieldRule::OrNull(&FROM),
            "Where a replay begins: id or number of an event, or an instant (RFC 3339).",
        ),
    ],
};

impl RequestedAction {
    /// Returns the action of a body; a parameter of another action is refused.
    fn of(body: &WebhookActionBody) -> Result<Self, Problem> {
        use WebhookActionName::{Pause, Replay, Resend, Resume, Retry, Skip};
        let package = parameter("package", body.package.as_deref(), body.action == Resend)?;
        let from = parameter("from", body.from.as_deref(), body.action == Replay)?;
        Ok(Self::Now(match body.action {
            Pause => WebhookAction::Pause,
            Resume => WebhookAction::Resume,
            Skip => WebhookAction::Skip,
            Retry => WebhookAction::Retry,
            Resend => {
                let too_large = |_| Problem::invalid("package", "is too large");
                WebhookAction::Resend(package.parse().map_err(too_large)?)
            }
            Replay => return Ok(Self::Replay(ReplayStart::parse(from)?)),
        }))
    }
}

/// Returns a parameter of an action, empty if the action has none of this name.
fn parameter<'a>(name: &'static str, sent: Option<&'a str>, is_needed: bool) -> Result<&'a str, Problem> {
    match sent {
        Some(_) if !is_needed => Err(Problem::invalid(name, "is not for this action")),
        None if is_needed => Err(Problem::invalid(name, format!("field '{name}' was not filled"))),
        sent => Ok(sent.unwrap_or_default()),
    }
}

impl ReplayStart {
    /// Parses the id or number of an event, or an instant.
    fn parse(text: &str) -> Result<Self, Problem> {
        let number = || text.parse().ok().filter(|number: &i64| *number > 0);
        let event = text.parse().map(Self::Event).ok();
        event
            .or_else(|| text.parse().map(Self::Time).ok())
            .or_else(|| number().map(Self::Position))
            .ok_or_else(|| {
                let forms = "must be the id or position of an event, or an instant (RFC 3339)";
                Problem::invalid("from", forms)
            })
    }
}

/// A request to act on a webhook.
pub struct ActOnWebhook {
    webhook: Uuid,
    action: RequestedAction,
    reason: String,
}

impl OperatorOperation for ActOnWebhook {
    const OPERATION: &'static str = "POST /tenants/{tenant}/webhooks/{webhook}/actions";
    const PERMISSION: Option<Permission> = Some(Permission::WebhooksManage);
    type Answer = RecordedAction;
    const DOC: OperatorDoc = OperatorDoc {
        id: "act_on_webhook",
        summary: "Act on a webhook",
        description: "Pauses or resumes a webhook, skips or retries its first open package, sends a package again, or \
            replays events. Answers the record of the action.",
        query: &[],
        request: Some(&ACT),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let body: WebhookActionBody = received.body(&ACT)?;
        Ok(Self {
            action: RequestedAction::of(&body)?,
            reason: body.reason,
            webhook: received.path_id("webhook", "webhook")?,
        })
    }
}

/// Handles `POST /tenants/{tenant}/webhooks/{webhook}/actions`: performs `action` for the given `reason`.
///
/// # Errors
///
/// Fails if the webhook is not visible, or the action does not fit its state.
pub async fn act(State(app): State<App>, req: ByOperator<ActOnWebhook>) -> OperatorResult<RecordedAction> {
    let (number, now) = (req.tenant(), req.now);
    let ByOperator { operator, operation: ActOnWebhook { webhook: id, action, reason }, .. } = req;
    let action = match action {
        RequestedAction::Now(action) => action,
        // The search can read all events of the tenant, so it runs as a scan and not in the writer.
        RequestedAction::Replay(from) => {
            let find = move |tx: &Tx<'_>| {
                existing_webhook(tx, number, id)?;
                position(tx, number, &from)
            };
            WebhookAction::Replay(scan(&app, number, "operator.position", find).await?)
        }
    };
    let own = app.clone();
    let unit = move |tx: &Tx<'_>| {
        let tenant = |tx: &Tx<'_>| Ok::<_, Problem>(tenants::open(tx, number, &own.master_key)?);
        Unit::run(tx, number, now, &*own.ids, tenant, |unit| {
            let old = webhooks::lock(tx, number, id)?.ok_or(Problem::NotFound("webhook"))?;
            let (action, what) = apply_action(unit, &old, &action, now)?;
            let new = webhooks::by_id(tx, number, id)?.ok_or(Problem::NotFound("webhook"))?;
            let [old, mut new] = [&old, &new].map(counters);
            new["about"] = what;
            let done = ActionRecord { action, subject: None, reason: Some(reason.clone()), old, new };
            Ok::<_, Problem>(done.record(unit, &operator, ActionTarget::Webhook(id))?)
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
    let ranges = event_ranges::of_webhook(unit.tx, webhook.id)?;
    let next = ranges.first().map_or(unit.last_event_number() + 1, |range| range.next);
    if from >= next {
        return Err(Problem::State("everything from there on is still to be sent"));
    }
    webhooks::replay(unit.tx, webhook, from)?;
    Ok(json!({ "from": from }))
}

/// Returns the position of the event at which a replay starts.
fn position(tx: &Tx<'_>, tenant: TenantNumber, from: &ReplayStart) -> Result<i64, Problem> {
    Ok(match from {
        ReplayStart::Position(number) => *number,
        ReplayStart::Event(id) => events::number_of(tx, tenant, *id)?.ok_or(Problem::NotFound("event"))?,
        ReplayStart::Time(since) => {
            let events = tenants::sequence::chain_end(tx, tenant)?.map_or(0, |end| end.events);
            events::first_since(tx, tenant, *since, events)?
        }
    })
}

/// The body of a rotation of the signing key.
#[derive(Serialize, Deserialize)]
pub struct SigningKeyRotation {
    pub reason: String,
}

static ROTATE: ObjectSchema = ObjectSchema {
    name: "SigningKeyRotation",
    fields: &[field("reason", Presence::Always, REASON, "Why, for the record.")],
};

/// A request to replace the key that signs deliveries.
pub struct RotateSigningKey {
    reason: String,
}

impl OperatorOperation for RotateSigningKey {
    const OPERATION: &'static str = "POST /tenants/{tenant}/signing_keys";
    const PERMISSION: Option<Permission> = Some(Permission::SigningKeysManage);
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = RecordedAction;
    const DOC: OperatorDoc = OperatorDoc {
        id: "rotate_signing_key",
        summary: "Rotate the signing key",
        description: "Replaces the key that signs deliveries. The old one stays published for a day. Answers the \
            record of the action.",
        query: &[],
        request: Some(&ROTATE),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let SigningKeyRotation { reason } = received.body(&ROTATE)?;
        Ok(Self { reason })
    }
}

/// Handles `POST /tenants/{tenant}/signing_keys`: replaces the key that signs deliveries. The old key stays published
/// for a day, because receivers may have cached the list of keys (decision H5).
///
/// # Errors
///
/// Fails if too many keys are published.
pub async fn rotate(
    State(app): State<App>,
    req: ByOperator<RotateSigningKey>,
) -> OperatorResult<RecordedAction> {
    let (number, now, own) = (req.tenant(), req.now, app.clone());
    let ByOperator { operator, operation: RotateSigningKey { reason }, .. } = req;
    let unit = move |tx: &Tx<'_>| {
        let tenant = |tx: &Tx<'_>| Ok::<_, Problem>(tenants::open(tx, number, &own.master_key)?);
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
            Ok(done.record(unit, &operator, ActionTarget::Key(new))?)
        })
    };
    app.store.write("backoffice.rotate", number, unit).await
}
