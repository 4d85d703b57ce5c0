//! Verifies the hash chain of every event log and of the record of the register, without any key.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;

use super::copy::{EVENTS, ROWS_AT_ONCE};
use crate::domain::delivery::event::{Event, StoredObject};
use crate::domain::tenants::TenantNumber;
use crate::store::engine::Store;
use crate::store::engine::sql::{OwnedValue, Value};
use crate::store::log::register_events;
use crate::store::tenants;
use crate::store::tenants::TenantRow;
use crate::store::tenants::sequence::ChainEnd;

/// Number of events of the register that are read at once.
const REGISTER_EVENTS_AT_ONCE: i64 = 1000;

/// Verifies the event hash chain of every tenant and that of the register from end to end, and returns the number of
/// events.
///
/// Other processes may write meanwhile. Therefore each chain must reach the end that its sequence recorded before the
/// check, and must not go beyond the end that its sequence records afterwards.
///
/// # Errors
///
/// Fails if a chain is broken or has another end than its sequence, or if the database is unavailable.
pub async fn check_chains(store: &Store, mut progress: impl FnMut(u64)) -> anyhow::Result<i64> {
    let before: BTreeMap<TenantNumber, ChainEnd> = read_chain_ends(store)
        .await?
        .into_iter()
        .map(|(tenant, chain_end)| (tenant.number, chain_end))
        .collect();
    let is_end = |tenant, end: &ChainEnd| {
        before.get(&tenant).is_none_or(|recorded| recorded.events != end.events || recorded == end)
    };
    let mut ends: BTreeMap<TenantNumber, ChainEnd> = BTreeMap::new();
    let mut rows = EVENTS.after(store, None, ROWS_AT_ONCE).await?;
    while !rows.is_empty() {
        for row in &rows {
            let values: Vec<Value<'_>> = row.iter().map(OwnedValue::as_value).collect();
            let Link { tenant, event, chain_hash } = Link::of(&values)?;
            let end = ends.entry(tenant).or_default();
            *end = ChainEnd { events: end.events + 1, chain_hash: event.next_chain_hash(&end.chain_hash) };
            ensure!(
                (event.number, chain_hash) == (end.events, &end.chain_hash[..]) && is_end(tenant, end),
                "the event chain of tenant {tenant} breaks at {}",
                end.events
            );
        }
        progress(u64::try_from(rows.len())?);
        let last = rows.last().map(|row| row.iter().map(OwnedValue::again).collect());
        rows = EVENTS.after(store, last, ROWS_AT_ONCE).await?;
    }
    for (TenantRow { number, name, .. }, after) in read_chain_ends(store).await? {
        let end = ends.get(&number).copied().unwrap_or_default();
        let before = before.get(&number).map_or(0, |end| end.events);
        ensure!(
            (before..=after.events).contains(&end.events) && is_end(number, &end),
            "the event chain of tenant '{name}' does not end where its sequence says"
        );
    }
    let recorded = check_register(store).await?;
    Ok(ends.values().map(|end| end.events).sum::<i64>() + recorded)
}

/// Verifies the hash chain of the record of the register, and returns the number of its events.
async fn check_register(store: &Store) -> anyhow::Result<i64> {
    let before = store.read("register.chain_end", register_events::chain_end).await?;
    let mut end = ChainEnd::default();
    loop {
        let after = end.events;
        let page = store
            .read("register.events", move |tx| register_events::page(tx, after, REGISTER_EVENTS_AT_ONCE))
            .await?;
        for event in &page {
            end = ChainEnd { events: end.events + 1, chain_hash: event.next_chain_hash(&end.chain_hash) };
            let is_end = end.events != before.events || end == before;
            ensure!(
                (event.number, event.chain_hash) == (end.events, end.chain_hash) && is_end,
                "the record of the register breaks at {}",
                end.events
            );
        }
        if page.is_empty() {
            break;
        }
    }
    let after = store.read("register.chain_end", register_events::chain_end).await?;
    let is_whole =
        (before.events..=after.events).contains(&end.events) && (end.events != after.events || end == after);
    ensure!(is_whole, "the record of the register does not end where its sequence says");
    Ok(end.events)
}

/// A row of the table `events`.
struct Link<'a> {
    tenant: TenantNumber,
    event: Event<'a>,
    chain_hash: &'a [u8],
}

impl<'a> Link<'a> {
    /// Reads the columns in the order of the catalogue.
    fn of(values: &[Value<'a>]) -> anyhow::Result<Self> {
        let &[
            Value::Int(tenant),
            Value::Int(number),
            Value::Id(id),
            Value::Int(created_at),
            Value::Text(kind),
            Value::Id(subject),
            _,
            same_as,
            sealed,
            Value::Bytes(chain_hash),
        ] = values
        else {
            bail!("an event has columns of other types");
        };
        let object = match (same_as, sealed) {
            (Value::Null, Value::Bytes(sealed)) => StoredObject::Sealed(sealed),
            (Value::Int(number), Value::Null) => StoredObject::SameAs(number),
            _ => bail!("event {number} of tenant {tenant} has no object"),
        };
        let created_at = Timestamp::from_microsecond(created_at)?;
        Ok(Self {
            tenant: TenantNumber(tenant),
            event: Event { number, id, created_at, kind, subject, object },
            chain_hash,
        })
    }
}

/// Returns every tenant with the end of its chain, as recorded in its sequence.
async fn read_chain_ends(store: &Store) -> anyhow::Result<Vec<(TenantRow, ChainEnd)>> {
    let mut chain_ends = Vec::new();
    for tenant in store.read("tenants.all", tenants::all).await? {
        let number = tenant.number;
        let chain_end = store
            .read("tenant_sequences.chain_end", move |tx| tenants::sequence::chain_end(tx, number))
            .await?;
        chain_ends.push((tenant, chain_end.with_context(|| format!("tenant {number} has no sequence"))?));
    }
    Ok(chain_ends)
}
