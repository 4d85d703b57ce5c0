//! Table `webhooks`: what each webhook is to be sent, and how its delivery stands.

use jiff::Timestamp;
use uuid::Uuid;

use super::event_ranges;
use crate::domain::delivery::webhook::{WebhookContent, view};
use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::unit::Unit;

/// Prepared statements on the table.
pub static STATEMENTS: &[&dyn Statement] =
    &[&INSERT, &BY_ID, &OF_TENANT, &UPDATE, &LOCK, &RETRY, &SKIP_FIRST_OPEN, &DELETE, &CLOSE_PACKAGES];

static INSERT: Insert = Insert::new(
    "webhooks.insert",
    "webhooks",
    &[
        "id", "tenant", "created_at", "updated_at", "content", "enabled", "event_endpoint", "paused",
        "version", "packages", "settled", "failures",
    ],
);
const BY_ID: Stmt = Stmt {
    name: "webhooks.by_id",
    text: "SELECT id, tenant, created_at, updated_at, content, enabled, event_endpoint, paused, version, packages,
                  settled, failures, next_attempt, last_success_at, last_failure_at
           FROM webhooks WHERE tenant = $1 AND id = $2",
};
const OF_TENANT: Stmt = Stmt {
    name: "webhooks.of_tenant",
    text: "SELECT id, tenant, created_at, updated_at, content, enabled, event_endpoint, paused, version, packages,
                  settled, failures, next_attempt, last_success_at, last_failure_at
           FROM webhooks WHERE tenant = $1 ORDER BY created_at, id",
};
const UPDATE: Stmt = Stmt {
    name: "webhooks.update",
    text: "UPDATE webhooks SET updated_at = $1, content = $2, enabled = $3, event_endpoint = $4, paused = $5,
                               version = version + 1
           WHERE id = $6",
};
// Locks the row: no transaction can change it until the commit, and a claim that was read before fails by the version.
const LOCK: Stmt = Stmt {
    name: "webhooks.touch",
    text: "UPDATE webhooks SET version = version + 1 WHERE tenant = $1 AND id = $2",
};
// A delivery in progress keeps its lease, and continues.
const RETRY: Stmt = Stmt {
    name: "webhooks.retry",
    text: "UPDATE webhooks SET failures = 0, next_attempt = NULL WHERE id = $1",
};
// A delivery in progress loses its lease: its results are not recorded.
const SKIP_FIRST_OPEN: Stmt = Stmt {
    name: "webhooks.skip_first_open",
    text: "UPDATE webhooks SET settled = settled + 1, failures = 0, next_attempt = NULL, lease = NULL,
                               lease_until = NULL
           WHERE id = $1",
};
const DELETE: Stmt = Stmt { name: "webhooks.delete", text: "DELETE FROM webhooks WHERE id = $1" };
const CLOSE_PACKAGES: Stmt = Stmt {
    name: "webhook_packages.close",
    text: "UPDATE webhook_packages SET state = 'skipped', settled_at = $1 WHERE webhook = $2 AND number > $3",
};

/// A webhook and the tenant to which it belongs.
#[derive(Clone, Copy, Debug)]
pub struct WebhookKey {
    pub tenant: TenantNumber,
    pub id: Uuid,
}

/// A webhook and its delivery state.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub id: Uuid,
    pub tenant: TenantNumber,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub content: WebhookContent,
    pub enabled: bool,
    /// The endpoint at which its packages are collected, if they are not sent.
    pub event_endpoint: Option<Uuid>,
    /// Whether the delivery is paused. Events are still recorded for it, unlike those of a disabled webhook.
    pub paused: bool,
    /// Version of the row, by which a claim detects a change since the read.
    pub version: i64,
    /// Number of packages so far; those after the first `settled` are open.
    pub packages: i64,
    /// Number of packages that were delivered or skipped.
    pub settled: i64,
    /// Number of consecutive failed attempts, which determines the wait in the retry schedule.
    pub failures: i64,
    /// Earliest time of the next attempt after a failure.
    pub next_attempt: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
    pub last_failure_at: Option<Timestamp>,
}

impl Webhook {
    /// Returns the id with that of the tenant.
    pub fn key(&self) -> WebhookKey {
        WebhookKey { tenant: self.tenant, id: self.id }
    }

    /// Returns a webhook that has not been stored yet.
    pub fn new(
        unit: &Unit<'_>,
        content: WebhookContent,
        enabled: bool,
        event_endpoint: Option<Uuid>,
    ) -> Self {
        Self {
            id: unit.ids.uuid(),
            tenant: unit.tenant.number,
            created_at: unit.now(),
            updated_at: unit.now(),
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

    /// Returns whether packages are sent or collected at the moment.
    pub fn is_sending(&self) -> bool {
        self.enabled && !self.paused
    }

    /// Returns the number of packages that were neither delivered nor skipped.
    pub fn open(&self) -> i64 {
        self.packages - self.settled
    }

    /// Returns the JSON view for a response.
    pub fn view(&self) -> serde_json::Value {
        view(self.id, self.created_at, self.updated_at, &self.content, self.enabled)
    }
}

/// Reads a webhook from its row.
pub(in crate::store) fn webhook(row: &Row<'_>) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: row.id(0)?,
        tenant: TenantNumber(row.int(1)?),
        created_at: row.at(2)?,
        updated_at: row.at(3)?,
        content: serde_json::from_str(row.text(4)?)
            .map_err(|error| StoreError::Corrupt(error.to_string()))?,
        enabled: row.int(5)? != 0,
        event_endpoint: match row.raw(6)? {
            crate::store::engine::row::ColumnValue::Null => None,
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

/// Inserts a webhook, which receives the events from now on, under the tenant's lock.
///
/// # Errors
///
/// Fails if the database fails, or the row exists already.
pub fn insert(unit: &Unit<'_>, webhook: &Webhook) -> Result<(), StoreError> {
    let zero = Value::Int(0);
    let values = [
        Value::Id(webhook.id),
        Value::Int(webhook.tenant.0),
        Value::At(webhook.created_at),
        Value::At(webhook.updated_at),
        Value::Text(&json(&webhook.content)),
        Value::Int(webhook.enabled.into()),
        id_or_null(webhook.event_endpoint),
        // Not paused, the first version, and no packages, settled ones or failures.
        zero,
        zero,
        zero,
        zero,
        zero,
    ];
    unit.tx.insert(&INSERT, &values)?;
    if webhook.enabled {
        event_ranges::begin(unit.tx, webhook.id, unit.last_event_number() + 1, &webhook.content.filter)
    } else {
        Ok(())
    }
}

/// Returns a webhook of a tenant, if it exists.
///
/// # Errors
///
/// Fails if the database fails, or the row is corrupt.
pub fn by_id(tx: &Tx<'_>, tenant: TenantNumber, id: Uuid) -> Result<Option<Webhook>, StoreError> {
    tx.one(&BY_ID, &[Value::Int(tenant.0), Value::Id(id)], webhook)
}

/// Returns all webhooks of a tenant in order of creation.
///
/// # Errors
///
/// Fails if the database fails, or the row is corrupt.
pub fn of_tenant(tx: &Tx<'_>, tenant: TenantNumber) -> Result<Vec<Webhook>, StoreError> {
    tx.all(&OF_TENANT, &[Value::Int(tenant.0)], webhook)
}

/// Updates a webhook after a change by a client or an operator, under the tenant's lock. Events from the time while it
/// was enabled are still sent, by the filter of that time.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn update(unit: &Unit<'_>, old: &Webhook, new: &Webhook) -> Result<(), StoreError> {
    let (tx, last_event) = (unit.tx, unit.last_event_number());
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
    event_ranges::end(tx, new.id, last_event)?;
    if new.enabled { event_ranges::begin(tx, new.id, last_event + 1, &new.content.filter) } else { Ok(()) }
}

/// Deletes a webhook. Its packages stay until retention deletes them: they can be too many for one transaction.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn delete(tx: &Tx<'_>, webhook: &Webhook, now: Timestamp) -> Result<(), StoreError> {
    let Webhook { id, settled, .. } = webhook;
    // This statement is the first, because it locks the row: no process can add a package afterwards.
    tx.execute_one(&DELETE, &[Value::Id(*id)])?;
    tx.execute(&CLOSE_PACKAGES, &[Value::At(now), Value::Id(*id), Value::Int(*settled)])?;
    event_ranges::delete_all(tx, *id)
}

/// Locks a webhook until the commit and returns it, for changes of its delivery state: deliveries do not take the
/// tenant's lock.
///
/// # Errors
///
/// Fails if the database fails, or the row is corrupt.
pub fn lock(tx: &Tx<'_>, tenant: TenantNumber, id: Uuid) -> Result<Option<Webhook>, StoreError> {
    match tx.execute(&LOCK, &[Value::Int(tenant.0), Value::Id(id)])? {
        0 => Ok(None),
        _ => by_id(tx, tenant, id),
    }
}

/// Resets the failures, so that the next attempt is due at once.
///
/// # Errors
///
/// Fails if the database fails, or the row does not exist.
pub fn retry(tx: &Tx<'_>, id: Uuid) -> Result<(), StoreError> {
    tx.execute_one(&RETRY, &[Value::Id(id)])
}

/// Counts the first open package as settled.
pub(in crate::store) fn skip_first_open(tx: &Tx<'_>, id: Uuid) -> Result<(), StoreError> {
    tx.execute_one(&SKIP_FIRST_OPEN, &[Value::Id(id)])
}

/// Sends all events again from the event `from` on, by the current filter, under the locks of tenant and webhook.
///
/// # Errors
///
/// Fails if the database fails.
pub fn replay(tx: &Tx<'_>, webhook: &Webhook, from: i64) -> Result<(), StoreError> {
    event_ranges::delete_all(tx, webhook.id)?;
    event_ranges::begin(tx, webhook.id, from, &webhook.content.filter)
}
