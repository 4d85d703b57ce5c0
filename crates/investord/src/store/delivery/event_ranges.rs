//! Table `webhook_event_ranges`: the events that each webhook still has to be sent.
//!
//! Events of a tenant are numbered without gaps under the tenant's lock, which is kept until the commit: a transaction
//! that sees an event sees all events before it. So a webhook needs only its progress, and no row per event. Its filter
//! applies to the events that are written from then on: every change of the filter closes a range and opens another
//! (decision H7).

use uuid::Uuid;

use crate::domain::delivery::webhook::EventFilter;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

/// Prepared statements on the table.
pub static STATEMENTS: &[&dyn Statement] =
    &[&INSERT, &OF_WEBHOOK, &LAST, &ADVANCE, &END, &DELETE, &DELETE_ALL];

static INSERT: Insert = Insert::new(
    "webhook_event_ranges.insert",
    "webhook_event_ranges",
    &["webhook", "number", "next", "filter"],
);
const OF_WEBHOOK: Stmt = Stmt {
    name: "webhook_event_ranges.of_webhook",
    text: "SELECT number, next, last, filter FROM webhook_event_ranges WHERE webhook = $1 ORDER BY number",
};
const LAST: Stmt = Stmt {
    name: "webhook_event_ranges.last",
    text: "SELECT number FROM webhook_event_ranges WHERE webhook = $1 ORDER BY number DESC LIMIT 1",
};
const ADVANCE: Stmt = Stmt {
    name: "webhook_event_ranges.advance",
    text: "UPDATE webhook_event_ranges SET next = $1 WHERE webhook = $2 AND number = $3",
};
const END: Stmt = Stmt {
    name: "webhook_event_ranges.end",
    text: "UPDATE webhook_event_ranges SET last = $1 WHERE webhook = $2 AND last IS NULL",
};
const DELETE: Stmt = Stmt {
    name: "webhook_event_ranges.delete",
    text: "DELETE FROM webhook_event_ranges WHERE webhook = $1 AND number = $2",
};
const DELETE_ALL: Stmt = Stmt {
    name: "webhook_event_ranges.delete_all",
    text: "DELETE FROM webhook_event_ranges WHERE webhook = $1",
};

/// A range of events that have not been scanned for a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRange {
    pub number: i64,
    /// Number of the next event to scan.
    pub next: i64,
    /// Number of the last event; `None` as long as the range is open.
    pub last: Option<i64>,
    pub filter: EventFilter,
}

impl EventRange {
    /// Returns whether the range ends before this event.
    pub(in crate::store) fn ends_before(&self, next: i64) -> bool {
        self.last.is_some_and(|last| last < next)
    }
}

/// Returns the ranges of a webhook in order.
///
/// # Errors
///
/// Fails if the database fails, or the row is corrupt.
pub fn of_webhook(tx: &Tx<'_>, webhook: Uuid) -> Result<Vec<EventRange>, StoreError> {
    tx.all(&OF_WEBHOOK, &[Value::Id(webhook)], |row| {
        Ok(EventRange {
            number: row.int(0)?,
            next: row.int(1)?,
            last: row.int_or_null(2)?,
            filter: parse_filter(row.text(3)?)?,
        })
    })
}

/// Parses a stored filter.
pub(in crate::store) fn parse_filter(text: &str) -> Result<EventFilter, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Opens a range behind the others.
pub(in crate::store) fn begin(
    tx: &Tx<'_>,
    webhook: Uuid,
    next: i64,
    filter: &EventFilter,
) -> Result<(), StoreError> {
    let last = tx.one(&LAST, &[Value::Id(webhook)], |row| row.int(0))?;
    let number = last.unwrap_or(0) + 1;
    let filter = serde_json::to_string(filter).expect("plain data");
    let values = [Value::Id(webhook), Value::Int(number), Value::Int(next), Value::Text(&filter)];
    tx.insert(&INSERT, &values)
}

/// Ends the open ranges behind an event, and deletes those that are scanned to their end.
pub(in crate::store) fn end(tx: &Tx<'_>, webhook: Uuid, last: i64) -> Result<(), StoreError> {
    tx.execute(&END, &[Value::Int(last), Value::Id(webhook)])?;
    for range in of_webhook(tx, webhook)?.iter().filter(|range| range.ends_before(range.next)) {
        delete(tx, webhook, range.number)?;
    }
    Ok(())
}

/// Deletes all ranges of a webhook.
pub(in crate::store) fn delete_all(tx: &Tx<'_>, webhook: Uuid) -> Result<(), StoreError> {
    tx.execute(&DELETE_ALL, &[Value::Id(webhook)]).map(|_| ())
}

/// Records that all events before `next` were scanned, and deletes a range that is scanned to its end.
pub(in crate::store) fn advance(
    tx: &Tx<'_>,
    webhook: Uuid,
    range: &EventRange,
    next: i64,
) -> Result<(), StoreError> {
    if range.ends_before(next) {
        return delete(tx, webhook, range.number);
    }
    tx.execute_one(&ADVANCE, &[Value::Int(next), Value::Id(webhook), Value::Int(range.number)])
}

fn delete(tx: &Tx<'_>, webhook: Uuid, number: i64) -> Result<(), StoreError> {
    tx.execute_one(&DELETE, &[Value::Id(webhook), Value::Int(number)])
}
