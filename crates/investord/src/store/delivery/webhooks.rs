//! Tables `webhooks` and `webhook_event_ranges`: the events that each webhook still has to be sent.
//!
//! Events of a tenant are numbered without gaps under the tenant's lock, which is held until the commit: whoever sees
//! one sees all before it. So a webhook needs no row per event, only how far it is. What it filter holds for the events
//! that are written from then on: every change of that ends a range and begins another (decision H7).

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::delivery::webhook::{EventFilter, WebhookContent, view};
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Row, Stmt, Tx, Value};
use crate::store::tenants::Sequence;

pub const STATEMENTS: &[&Stmt] = &[
    &INSERT,
    &BY_ID,
    &OF_TENANT,
    &UPDATE,
    &TOUCH,
    &RETRY,
    &MOVE_ON,
    &LAST_SPAN,
    &DROP,
    &INSERT_SPAN,
    &SPANS,
    &MOVE_SPAN,
    &END_SPANS,
    &DROP_SPAN,
    &DROP_SPANS,
    &CLOSE_PACKAGES,
];

const INSERT: Stmt = Stmt {
    name: "webhooks.insert",
    text: "INSERT INTO webhooks (id, tenant, created_at, updated_at, content, enabled, event_endpoint, paused, version,
                                 packages, settled, failures)
           VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, 0, 0)",
};
const BY_ID: Stmt = Stmt {
    name: "webhooks.by_id",
    text: "SELECT id, tenant, created_at, updated_at, content, enabled, event_endpoint, paused, version, packages, settled,
                  failures, next_attempt, last_success_at, last_failure_at
           FROM webhooks WHERE tenant = $1 AND id = $2",
};
const OF_TENANT: Stmt = Stmt {
    name: "webhooks.of_tenant",
    text: "SELECT id, tenant, created_at, updated_at, content, enabled, event_endpoint, paused, version, packages, settled,
                  failures, next_attempt, last_success_at, last_failure_at
           FROM webhooks WHERE tenant = $1 ORDER BY created_at, id",
};
const UPDATE: Stmt = Stmt {
    name: "webhooks.update",
    text: "UPDATE webhooks SET updated_at = $1, content = $2, enabled = $3, event_endpoint = $4, paused = $5,
                               version = version + 1
           WHERE id = $6",
};
// Takes the row's lock: what is read under it stays, and what others have read before does not count any more.
const TOUCH: Stmt = Stmt {
    name: "webhooks.touch",
    text: "UPDATE webhooks SET version = version + 1 WHERE tenant = $1 AND id = $2",
};
// Whoever delivers at the moment goes on.
const RETRY: Stmt = Stmt {
    name: "webhooks.retry",
    text: "UPDATE webhooks SET failures = 0, next_attempt = NULL WHERE id = $1",
};
// Whoever delivers at the moment has lost it: what comes of that does not count.
const MOVE_ON: Stmt = Stmt {
    name: "webhooks.skip_first_open",
    text: "UPDATE webhooks SET settled = settled + 1, failures = 0, next_attempt = NULL, lease = NULL,
                               lease_until = NULL
           WHERE id = $1",
};
const DROP: Stmt = Stmt { name: "webhooks.delete", text: "DELETE FROM webhooks WHERE id = $1" };
const INSERT_SPAN: Stmt = Stmt {
    name: "webhook_event_ranges.insert",
    text: "INSERT INTO webhook_event_ranges (webhook, number, next, filter) VALUES ($1, $2, $3, $4)",
};
const SPANS: Stmt = Stmt {
    name: "webhook_event_ranges.of_webhook",
    text: "SELECT number, next, last, filter FROM webhook_event_ranges WHERE webhook = $1 ORDER BY number",
};
const LAST_SPAN: Stmt = Stmt {
    name: "webhook_event_ranges.last",
    text: "SELECT number FROM webhook_event_ranges WHERE webhook = $1 ORDER BY number DESC LIMIT 1",
};
const MOVE_SPAN: Stmt = Stmt {
    name: "webhook_event_ranges.advance",
    text: "UPDATE webhook_event_ranges SET next = $1 WHERE webhook = $2 AND number = $3",
};
const END_SPANS: Stmt = Stmt {
    name: "webhook_event_ranges.end",
    text: "UPDATE webhook_event_ranges SET last = $1 WHERE webhook = $2 AND last IS NULL",
};
const DROP_SPAN: Stmt = Stmt {
    name: "webhook_event_ranges.delete",
    text: "DELETE FROM webhook_event_ranges WHERE webhook = $1 AND number = $2",
};
const DROP_SPANS: Stmt = Stmt {
    name: "webhook_event_ranges.delete_all",
    text: "DELETE FROM webhook_event_ranges WHERE webhook = $1",
};
const CLOSE_PACKAGES: Stmt = Stmt {
    name: "webhook_packages.close",
    text: "UPDATE webhook_packages SET state = 'skipped', settled_at = $1 WHERE webhook = $2 AND number > $3",
};

#[derive(Clone, Debug)]
pub struct Webhook {
    pub id: Uuid,
    pub tenant: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub content: WebhookContent,
    pub enabled: bool,
    /// Where its packages are collected, if they are not sent.
    pub event_endpoint: Option<Uuid>,
    pub paused: bool,
    pub version: i64,
    /// Packages so far; those behind the first `settled` are open.
    pub packages: i64,
    pub settled: i64,
    pub failures: i64,
    pub next_attempt: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
    pub last_failure_at: Option<Timestamp>,
}

impl Webhook {
    pub fn new(
        id: Uuid,
        sequence: &Sequence,
        content: WebhookContent,
        enabled: bool,
        event_endpoint: Option<Uuid>,
    ) -> Self {
        Self {
            id,
            tenant: sequence.tenant,
            created_at: sequence.now,
            updated_at: sequence.now,
            content,
            enabled,
            event_endpoint,
            paused: false,
            version: 0,
            packages: 0,
            settled: 0,
            failures: 0,
            next_attempt: None,
            last_success_at: None,
            last_failure_at: None,
        }
    }

    /// Whether anything is sent at the moment.
    pub fn is_sending(&self) -> bool {
        self.enabled && !self.paused
    }

    /// Packages that have neither been delivered nor skipped.
    pub fn open(&self) -> i64 {
        self.packages - self.settled
    }

    /// As the wire shows it.
    pub fn view(&self) -> serde_json::Value {
        view((self.id, self.created_at, self.updated_at), &self.content, self.enabled)
    }
}

pub(in crate::store) fn webhook(row: &Row<'_>) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: row.id(0)?,
        tenant: row.int(1)?,
        created_at: row.at(2)?,
        updated_at: row.at(3)?,
        content: serde_json::from_str(row.text(4)?)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?,
        enabled: row.int(5)? != 0,
        event_endpoint: match row.raw(6)? {
            crate::store::engine::sql::ColumnValue::Null => None,
            _ => Some(row.id(6)?),
        },
        paused: row.int(7)? != 0,
        version: row.int(8)?,
        packages: row.int(9)?,
        settled: row.int(10)?,
        failures: row.int(11)?,
        next_attempt: row.at_or_null(12)?,
        last_success_at: row.at_or_null(13)?,
        last_failure_at: row.at_or_null(14)?,
    })
}

fn json(data: &impl serde::Serialize) -> String {
    serde_json::to_string(data).expect("plain data")
}

fn id_or_null(id: Option<Uuid>) -> Value<'static> {
    id.map_or(Value::Null, Value::Id)
}

/// Adds a webhook, which is told of what happens from now on; under the tenant's lock.
pub fn insert(tx: &Tx<'_>, sequence: &Sequence, webhook: &Webhook) -> Result<(), StoreError> {
    let values = [
        Value::Id(webhook.id),
        Value::Int(webhook.tenant),
        Value::At(webhook.created_at),
        Value::At(webhook.updated_at),
        Value::Text(&json(&webhook.content)),
        Value::Int(webhook.enabled.into()),
        id_or_null(webhook.event_endpoint),
    ];
    tx.execute_one(&INSERT, &values)?;
    if webhook.enabled {
        begin_range(tx, webhook.id, sequence.events + 1, &webhook.content.filter)
    } else {
        Ok(())
    }
}

pub fn by_id(tx: &Tx<'_>, tenant: i64, id: Uuid) -> Result<Option<Webhook>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant), Value::Id(id)], webhook)
}

/// All webhooks of a tenant, in order of creation.
pub fn of_tenant(tx: &Tx<'_>, tenant: i64) -> Result<Vec<Webhook>, StoreError> {
    tx.all(&OF_TENANT, &[Value::Int(tenant)], webhook)
}

/// Keeps what a client or operator has changed; under the tenant's lock. What was written while it was enabled is still
/// sent, by what was wanted then.
pub fn update(tx: &Tx<'_>, sequence: &Sequence, old: &Webhook, new: &Webhook) -> Result<(), StoreError> {
    let values = [
        Value::At(new.updated_at),
        Value::Text(&json(&new.content)),
        Value::Int(new.enabled.into()),
        id_or_null(new.event_endpoint),
        Value::Int(new.paused.into()),
        Value::Id(new.id),
    ];
    tx.execute_one(&UPDATE, &values)?;
    let wanted = |webhook: &Webhook| webhook.enabled.then(|| webhook.content.filter.clone());
    if wanted(old) == wanted(new) {
        return Ok(());
    }
    tx.execute(&END_SPANS, &[Value::Int(sequence.events), Value::Id(new.id)])?;
    for range in ranges(tx, new.id)?.iter().filter(|range| range.ends_before(range.next)) {
        delete_range(tx, new.id, range.number)?;
    }
    if new.enabled { begin_range(tx, new.id, sequence.events + 1, &new.content.filter) } else { Ok(()) }
}

/// Forgets a webhook. What was sent goes with time, as that of others: it may be a lot.
pub fn delete(tx: &Tx<'_>, webhook: &Webhook, now: Timestamp) -> Result<(), StoreError> {
    let Webhook { id, settled, .. } = webhook;
    // First, because that takes the lock: nobody can add anything then.
    tx.execute_one(&DROP, &[Value::Id(*id)])?;
    tx.execute(&CLOSE_PACKAGES, &[Value::At(now), Value::Id(*id), Value::Int(*settled)])?;
    tx.execute(&DROP_SPANS, &[Value::Id(*id)]).map(|_| ())
}

/// A webhook under its lock, for who changes more of it than what the client says; deliveries do not take the tenant's.
pub fn lock(tx: &Tx<'_>, tenant: i64, id: Uuid) -> Result<Option<Webhook>, StoreError> {
    match tx.execute(&TOUCH, &[Value::Int(tenant), Value::Id(id)])? {
        0 => Ok(None),
        _ => by_id(tx, tenant, id),
    }
}

/// Forgets that attempts have failed: the next one is due.
pub fn retry(tx: &Tx<'_>, id: Uuid) -> Result<(), StoreError> {
    tx.execute_one(&RETRY, &[Value::Id(id)])
}

/// Goes on behind the first open package.
pub(in crate::store) fn skip_first_open(tx: &Tx<'_>, id: Uuid) -> Result<(), StoreError> {
    tx.execute_one(&MOVE_ON, &[Value::Id(id)])
}

/// Tells everything again from this event on, by what is wanted now; under the locks of tenant and webhook.
pub fn replay(tx: &Tx<'_>, webhook: &Webhook, from: i64) -> Result<(), StoreError> {
    tx.execute(&DROP_SPANS, &[Value::Id(webhook.id)])?;
    begin_range(tx, webhook.id, from, &webhook.content.filter)
}

/// A range of events that a webhook is still to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRange {
    pub number: i64,
    /// Number of the next event that has not been looked at.
    pub next: i64,
    /// Number of the last one; none as long as there will be more.
    pub last: Option<i64>,
    pub filter: EventFilter,
}

impl EventRange {
    /// Whether nothing is left of it from this event on.
    pub(in crate::store) fn ends_before(&self, next: i64) -> bool {
        self.last.is_some_and(|last| last < next)
    }
}

pub fn ranges(tx: &Tx<'_>, webhook: Uuid) -> Result<Vec<EventRange>, StoreError> {
    tx.all(&SPANS, &[Value::Id(webhook)], |row| {
        Ok(EventRange {
            number: row.int(0)?,
            next: row.int(1)?,
            last: row.int_or_null(2)?,
            filter: parse_filter(row.text(3)?)?,
        })
    })
}

pub(in crate::store) fn parse_filter(text: &str) -> Result<EventFilter, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn begin_range(tx: &Tx<'_>, webhook: Uuid, next: i64, filter: &EventFilter) -> Result<(), StoreError> {
    let last = tx.one(&LAST_SPAN, &[Value::Id(webhook)], |row| row.int(0))?;
    let number = last.unwrap_or(0) + 1;
    let values = [Value::Id(webhook), Value::Int(number), Value::Int(next), Value::Text(&json(filter))];
    tx.execute_one(&INSERT_SPAN, &values)
}

/// Notes that all before `next` has been looked at; forgets a range that is done.
pub(in crate::store) fn advance_range(
    tx: &Tx<'_>,
    webhook: Uuid,
    range: &EventRange,
    next: i64,
) -> Result<(), StoreError> {
    if range.ends_before(next) {
        return delete_range(tx, webhook, range.number);
    }
    tx.execute_one(&MOVE_SPAN, &[Value::Int(next), Value::Id(webhook), Value::Int(range.number)])
}

fn delete_range(tx: &Tx<'_>, webhook: Uuid, number: i64) -> Result<(), StoreError> {
    tx.execute_one(&DROP_SPAN, &[Value::Id(webhook), Value::Int(number)])
}
