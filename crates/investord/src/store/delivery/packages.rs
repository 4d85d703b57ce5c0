//! Tables `webhook_packages` and `webhook_attempts`.
//!
//! A row contains the range of its events. Every attempt renders the same body from them and verifies it with the keyed
//! digest from the creation of the package. So a package contains no personal data.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use uuid::Uuid;

use super::event_ranges::parse_filter;
use super::webhooks;
use super::webhooks::{Webhook, WebhookKey};
use crate::clock::Ids;
use crate::domain::delivery::package::{Package, Packer, render};
use crate::domain::delivery::webhook::EventFilter;
use crate::domain::tenants::TenantNumber;
use crate::store::encryption::{Aad, TenantKey};
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::plaintext::Plaintext;

pub static STATEMENTS: &[&dyn Statement] = &[
    &EVENTS, &INSERT, &OPEN, &DELIVERED, &FAILED, &SKIP, &BY_NUMBER, &OF_WEBHOOK, &ADD_PACKAGE,
    &INSERT_ATTEMPT, &DELETE_EXPIRED_ATTEMPTS, &DELETE_EXPIRED_PACKAGES, &DELETE_ATTEMPTS_BEYOND,
    &DELETE_PACKAGES_BEYOND,
];

const EVENTS: Stmt = Stmt {
    name: "events.to_send",
    text: "SELECT e.number, e.id, e.created_at, e.type, u.id, u.data_key, coalesce(o.id, e.id),
                  coalesce(o.sealed, e.sealed)
           FROM events AS e JOIN users AS u ON u.tenant = e.tenant AND u.number = e.user_number
           LEFT JOIN events AS o ON o.tenant = e.tenant AND o.number = e.same_as
           WHERE e.tenant = $1 AND e.number BETWEEN $2 AND $3 ORDER BY e.number",
};
static INSERT: Insert = Insert::new(
    "webhook_packages.insert",
    "webhook_packages",
    &[
        "webhook", "number", "first", "last", "filter", "events", "bytes", "digest", "created_at", "state",
        "attempts",
    ],
);
const OPEN: Stmt = Stmt {
    name: "webhook_packages.open",
    text: "SELECT number, first, last, filter, events, bytes, digest, created_at, state, attempts, settled_at
           FROM webhook_packages WHERE webhook = $1 AND number > $2 AND state = 'open' ORDER BY number LIMIT $3",
};
const DELIVERED: Stmt = Stmt {
    name: "webhook_packages.delivered",
    text: "UPDATE webhook_packages SET state = 'delivered', attempts = attempts + 1, settled_at = $1
           WHERE webhook = $2 AND number BETWEEN $3 AND $4",
};
const FAILED: Stmt = Stmt {
    name: "webhook_packages.failed",
    text: "UPDATE webhook_packages SET attempts = attempts + 1 WHERE webhook = $1 AND number = $2",
};
const SKIP: Stmt = Stmt {
    name: "webhook_packages.skip",
    text: "UPDATE webhook_packages SET state = 'skipped', settled_at = $1
           WHERE webhook = $2 AND number = $3 AND state = 'open'",
};
const BY_NUMBER: Stmt = Stmt {
    name: "webhook_packages.by_number",
    text: "SELECT number, first, last, filter, events, bytes, digest, created_at, state, attempts, settled_at
           FROM webhook_packages WHERE webhook = $1 AND number = $2",
};
const OF_WEBHOOK: Stmt = Stmt {
    name: "webhook_packages.of_webhook",
    text: "SELECT number, first, last, filter, events, bytes, digest, created_at, state, attempts, settled_at
           FROM webhook_packages WHERE webhook = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
};
const ADD_PACKAGE: Stmt = Stmt {
    name: "webhooks.add_package",
    text: "UPDATE webhooks SET packages = packages + 1, version = version + 1 WHERE id = $1 AND packages = $2",
};
static INSERT_ATTEMPT: Insert = Insert::new(
    "webhook_attempts.insert",
    "webhook_attempts",
    &["webhook", "package", "number", "created_at", "duration_us", "outcome", "status", "answer"],
);
const DELETE_EXPIRED_ATTEMPTS: Stmt = Stmt {
    name: "webhook_attempts.delete_expired",
    text: "DELETE FROM webhook_attempts WHERE (webhook, package, number) IN
           (SELECT webhook, package, number FROM webhook_attempts WHERE created_at < $1 LIMIT $2)",
};
const DELETE_EXPIRED_PACKAGES: Stmt = Stmt {
    name: "webhook_packages.delete_expired",
    text: "DELETE FROM webhook_packages WHERE (webhook, number) IN
           (SELECT p.webhook, p.number FROM webhook_packages AS p WHERE p.settled_at < $1 AND NOT EXISTS
             (SELECT 1 FROM webhook_attempts AS a WHERE a.webhook = p.webhook AND a.package = p.number) LIMIT $2)",
};

// Packages are settled in the order of their numbers. CROSS JOIN makes SQLite start with the webhooks, which are few.
const DELETE_ATTEMPTS_BEYOND: Stmt = Stmt {
    name: "webhook_attempts.delete_beyond",
    text: "DELETE FROM webhook_attempts WHERE (webhook, package, number) IN
           (SELECT a.webhook, a.package, a.number FROM webhooks AS w CROSS JOIN webhook_attempts AS a
            WHERE a.webhook = w.id AND a.package <= w.settled - $1 LIMIT $2)",
};
const DELETE_PACKAGES_BEYOND: Stmt = Stmt {
    name: "webhook_packages.delete_beyond",
    text: "DELETE FROM webhook_packages WHERE (webhook, number) IN
           (SELECT p.webhook, p.number FROM webhooks AS w CROSS JOIN webhook_packages AS p
            WHERE p.webhook = w.id AND p.number <= w.settled - $1 AND NOT EXISTS
             (SELECT 1 FROM webhook_attempts AS a WHERE a.webhook = p.webhook AND a.package = p.number) LIMIT $2)",
};

/// A stored package.
#[derive(Clone, Debug)]
pub struct PackageRow {
    pub number: i64,
    pub first: i64,
    pub last: i64,
    pub filter: EventFilter,
    pub events: i64,
    pub bytes: i64,
    /// Keyed digest of the body.
    digest: Vec<u8>,
    pub created_at: Timestamp,
    pub state: String,
    pub attempts: i64,
    pub settled_at: Option<Timestamp>,
}

impl PackageRow {
    /// Returns a package that has never been sent.
    pub(in crate::store) fn new(
        number: i64,
        package: &Package,
        filter: &EventFilter,
        key: &TenantKey,
        now: Timestamp,
    ) -> Self {
        Self {
            number,
            first: package.first,
            last: package.last,
            filter: filter.clone(),
            events: package.events,
            bytes: i64::try_from(package.body.len()).unwrap_or(i64::MAX),
            digest: key.package_digest(&package.body).to_vec(),
            created_at: now,
            state: "open".to_owned(),
            attempts: 0,
            settled_at: None,
        }
    }

    /// Renders the body, which is the same in every attempt. Fails if it does not match the digest.
    pub fn body(&self, tx: &Tx<'_>, of: WebhookKey, key: &TenantKey) -> Result<Plaintext, StoreError> {
        let mut packer = Packer::new(i64::MAX);
        let (numbers, add) =
            (self.first..=self.last, |number, at, event: &str| packer.add(number, at, event));
        render_events(tx, of, &numbers, &self.filter, key, add)?;
        let body = packer.all().pop().map(|package| Plaintext::from(package.body));
        let body = body.filter(|body| key.package_digest(body)[..] == self.digest[..]);
        body.ok_or_else(|| {
            StoreError::Corrupt(format!(
                "package {} of the webhook {} is not what it was when it was put together",
                self.number, of.id
            ))
        })
    }
}

/// Inserts a new package.
pub(in crate::store) fn insert(tx: &Tx<'_>, webhook: Uuid, package: &PackageRow) -> Result<(), StoreError> {
    let filter = serde_json::to_string(&package.filter).expect("plain data");
    let values = [
        Value::Id(webhook),
        Value::Int(package.number),
        Value::Int(package.first),
        Value::Int(package.last),
        Value::Text(&filter),
        Value::Int(package.events),
        Value::Int(package.bytes),
        Value::Bytes(&package.digest),
        Value::At(package.created_at),
        Value::Text("open"),
        Value::Int(0),
    ];
    tx.insert(&INSERT, &values)
}

/// Returns at most `most` open packages behind the package `after`.
pub(in crate::store) fn open(
    tx: &Tx<'_>,
    webhook: Uuid,
    after: i64,
    most: i64,
) -> Result<Vec<PackageRow>, StoreError> {
    packages(tx, &OPEN, &[Value::Id(webhook), Value::Int(after), Value::Int(most)])
}

fn packages(tx: &Tx<'_>, stmt: &Stmt, values: &[Value<'_>]) -> Result<Vec<PackageRow>, StoreError> {
    tx.all(stmt, values, package)
}

fn package(row: &Row<'_>) -> Result<PackageRow, StoreError> {
    Ok(PackageRow {
        number: row.int(0)?,
        first: row.int(1)?,
        last: row.int(2)?,
        filter: parse_filter(row.text(3)?)?,
        events: row.int(4)?,
        bytes: row.int(5)?,
        digest: row.bytes(6)?.to_vec(),
        created_at: row.at(7)?,
        state: row.text(8)?.to_owned(),
        attempts: row.int(9)?,
        settled_at: row.at_or_null(10)?,
    })
}

/// Returns at most `most` packages of a webhook before the package `before`, the newest first.
pub fn list_of_webhook(
    tx: &Tx<'_>,
    webhook: Uuid,
    before: i64,
    most: i64,
) -> Result<Vec<PackageRow>, StoreError> {
    packages(tx, &OF_WEBHOOK, &[Value::Id(webhook), Value::Int(before), Value::Int(most)])
}

pub fn by_number(tx: &Tx<'_>, webhook: Uuid, number: i64) -> Result<Option<PackageRow>, StoreError> {
    tx.one(&BY_NUMBER, &[Value::Id(webhook), Value::Int(number)], package)
}

/// Calls `see` for the events of a range in the form of a delivery.
pub(in crate::store) fn render_events(
    tx: &Tx<'_>,
    of: WebhookKey,
    numbers: &RangeInclusive<i64>,
    filter: &EventFilter,
    key: &TenantKey,
    mut see: impl FnMut(i64, Timestamp, &str),
) -> Result<(), StoreError> {
    each_matching_event(tx, of.tenant, numbers, filter, key, |event| {
        let MatchedEvent { number, id, created_at, kind, object } = event;
        see(number, created_at, &Plaintext::from(render(id, created_at, kind, object, of.id)));
        true
    })
}

/// An event that passes the filter of a webhook.
pub struct MatchedEvent<'a> {
    pub number: i64,
    pub id: Uuid,
    pub created_at: Timestamp,
    pub kind: &'a str,
    /// The object of the event, as JSON.
    pub object: &'a str,
}

/// Calls `see` for the events of an inclusive range that pass the filter and can be decrypted, until it returns false.
pub fn each_matching_event(
    tx: &Tx<'_>,
    tenant: TenantNumber,
    numbers: &RangeInclusive<i64>,
    filter: &EventFilter,
    key: &TenantKey,
    mut see: impl FnMut(MatchedEvent<'_>) -> bool,
) -> Result<(), StoreError> {
    let mut goes_on = true;
    tx.each(
        &EVENTS,
        &[Value::Int(tenant.0), Value::Int(*numbers.start()), Value::Int(*numbers.end())],
        |row| {
            let (number, id, created_at, kind) = (row.int(0)?, row.id(1)?, row.at(2)?, row.text(3)?);
            if !goes_on || !filter.has(kind) {
                return Ok(());
            }
            let user = key.open_user_key(&row.id(4)?, row.bytes(5)?);
            let object = match user.and_then(|user| user.open(Aad::event(&row.id(6)?), row.bytes(7)?)) {
                Ok(object) => object,
                // An event that cannot be decrypted is lost for good: it must not block all later ones.
                Err(error) => {
                    tracing::error!(%error, %tenant, event = %id, "an event that cannot be told");
                    return Ok(());
                }
            };
            goes_on = see(MatchedEvent { number, id, created_at, kind, object: &object });
            Ok(())
        },
    )
}

/// The result of an attempt to send a package.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub package: i64,
    /// From 1.
    pub number: i64,
    pub created_at: Timestamp,
    /// Duration in microseconds.
    pub duration_us: i64,
    /// `delivered`, or the reason of the failure.
    pub outcome: &'static str,
    pub delivered: bool,
    /// HTTP status of the response, if there was one.
    pub status: Option<u16>,
    /// The first bytes of the response body.
    pub answer: Vec<u8>,
}

/// Records the results of attempts, of which the last alone may have failed.
pub(in crate::store) fn save_attempts(
    tx: &Tx<'_>,
    webhook: Uuid,
    attempts: &[Attempt],
    key: &TenantKey,
    ids: &dyn Ids,
    now: Timestamp,
) -> Result<(), StoreError> {
    for attempt in attempts {
        let Attempt { package, number, created_at, duration_us, outcome, status, answer, .. } = attempt;
        let sealed = (!answer.is_empty()).then(|| key.own().seal(Aad::answer(&webhook), answer, ids));
        let values = [
            Value::Id(webhook),
            Value::Int(*package),
            Value::Int(*number),
            Value::At(*created_at),
            Value::Int(*duration_us),
            Value::Text(outcome),
            status.map_or(Value::Null, |status| Value::Int(status.into())),
            Value::bytes_or_null(sealed.as_deref()),
        ];
        tx.insert(&INSERT_ATTEMPT, &values)?;
    }
    // Packages are sent in the order of their numbers, and the first failure ends a batch.
    let delivered = attempts.iter().take_while(|attempt| attempt.delivered).count();
    let (delivered, failed) = attempts.split_at(delivered);
    if let [first, ..] = delivered
        && let [.., last] = delivered
    {
        let (first, last) = (Value::Int(first.package), Value::Int(last.package));
        tx.execute_exactly(&DELIVERED, &[Value::At(now), Value::Id(webhook), first, last], delivered.len())?;
    }
    failed
        .iter()
        .try_for_each(|attempt| tx.execute_one(&FAILED, &[Value::Id(webhook), Value::Int(attempt.package)]))
}

/// Skips the first open package for good, under the lock of the webhook. Returns false if there is none.
pub fn skip(tx: &Tx<'_>, webhook: &Webhook, now: Timestamp) -> Result<bool, StoreError> {
    let first = webhook.settled + 1;
    let values = [Value::At(now), Value::Id(webhook.id), Value::Int(first)];
    if tx.execute(&SKIP, &values)? == 0 {
        return Ok(false);
    }
    webhooks::skip_first_open(tx, webhook.id)?;
    Ok(true)
}

/// Appends a copy of a package to the open ones, under the lock of the webhook, and returns its number.
pub fn resend(
    tx: &Tx<'_>,
    webhook: &Webhook,
    package: &PackageRow,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let number = webhook.packages + 1;
    tx.execute_one(&ADD_PACKAGE, &[Value::Id(webhook.id), Value::Int(webhook.packages)])?;
    insert(tx, webhook.id, &PackageRow { number, created_at: now, ..package.clone() })?;
    Ok(number)
}

/// Deletes at most `most` attempts and `most` settled packages from before, and returns the two numbers.
pub fn delete_expired(tx: &Tx<'_>, before: Timestamp, most: i64) -> Result<[usize; 2], StoreError> {
    let attempts = tx.execute(&DELETE_EXPIRED_ATTEMPTS, &[Value::At(before), Value::Int(most)])?;
    Ok([attempts, tx.execute(&DELETE_EXPIRED_PACKAGES, &[Value::At(before), Value::Int(most)])?])
}

/// Deletes at most `most` attempts and settled packages each beyond the last `kept` per webhook; returns the numbers.
pub fn delete_beyond(tx: &Tx<'_>, kept: i64, most: i64) -> Result<[usize; 2], StoreError> {
    let attempts = tx.execute(&DELETE_ATTEMPTS_BEYOND, &[Value::Int(kept), Value::Int(most)])?;
    Ok([attempts, tx.execute(&DELETE_PACKAGES_BEYOND, &[Value::Int(kept), Value::Int(most)])?])
}
