//! Table `tenant_sequences`: counters, last instant and chain hash of a tenant, and the lock between its writes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::delivery::event::ChainHash;
use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{SharedState, Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};

pub static STATEMENTS: &[&dyn Statement] = &[&INSERT, &LOCK, &SAVE, &CHAIN_END, &USER_COUNT];

static INSERT: Insert = Insert::new(
    "tenant_sequences.insert",
    "tenant_sequences",
    &["tenant", "chain_hash", "users", "events", "last_at"],
);
// An UPDATE instead of SELECT FOR UPDATE, which SQLite lacks: it locks the row on PostgreSQL, with one text for both.
const LOCK: Stmt = Stmt {
    name: "tenant_sequences.lock",
    text: "UPDATE tenant_sequences SET last_at = last_at WHERE tenant = $1
           RETURNING users, events, last_at, chain_hash",
};
const SAVE: Stmt = Stmt {
    name: "tenant_sequences.save",
    text: "UPDATE tenant_sequences SET users = $1, events = $2, last_at = $3, chain_hash = $4 WHERE tenant = $5",
};
const CHAIN_END: Stmt = Stmt {
    name: "tenant_sequences.chain_end",
    text: "SELECT events, chain_hash FROM tenant_sequences WHERE tenant = $1",
};
const USER_COUNT: Stmt =
    Stmt { name: "tenant_sequences.users", text: "SELECT users FROM tenant_sequences WHERE tenant = $1" };

/// Inserts the sequence of a new tenant.
///
/// # Errors
///
/// Fails if the database fails.
pub(super) fn insert(tx: &Tx<'_>, tenant: TenantNumber) -> Result<(), StoreError> {
    let (chain_hash, zero) = (ChainHash::default(), Value::Int(0));
    tx.insert(&INSERT, &[Value::Int(tenant.0), Value::Bytes(&chain_hash), zero, zero, zero])
}

/// The row `tenant_sequences`: the counters, the last instant and the end of the hash chain of a tenant, which each
/// write advances.
#[derive(Clone)]
pub struct Sequence {
    pub tenant: TenantNumber,
    /// Number of the last user. Numbers are dense, so this is the count of users as well.
    pub users: i64,
    /// Number of the last event, and the count of events.
    pub events: i64,
    /// The instant of this write: that of the clock, or one microsecond after the tenant's last write if the clock went
    /// back or stood still. Writes of a tenant never share an instant, so order by creation is order by number.
    pub now: Timestamp,
    /// Chain hash of the last event.
    pub chain_hash: ChainHash,
}

/// The sequences that a transaction has locked. The units of a commit share one lock and one update of the row.
#[derive(Clone, Default)]
struct LockedSequences {
    /// The sequence by tenant, and whether a unit has changed it.
    rows: BTreeMap<TenantNumber, (Sequence, bool)>,
    /// Tenants whose lock was prefetched.
    prefetched: BTreeSet<TenantNumber>,
}

impl SharedState for LockedSequences {
    fn save(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for (sequence, _) in self.rows.values().filter(|(_, changed)| *changed) {
            let Sequence { tenant, users, events, now, chain_hash } = sequence;
            let values = [
                Value::Int(*users),
                Value::Int(*events),
                Value::At(*now),
                Value::Bytes(chain_hash),
                Value::Int(tenant.0),
            ];
            tx.execute_one(&SAVE, &values)?;
        }
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn SharedState> {
        Box::new(self.clone())
    }
}

impl Sequence {
    /// Prefetches the lock of the tenant's row, once per transaction.
    pub(in crate::store) fn prefetch(tx: &Tx<'_>, tenant: TenantNumber) -> Result<(), StoreError> {
        if tx.shared::<LockedSequences>().prefetched.insert(tenant) {
            tx.prefetch(&LOCK, &[Value::Int(tenant.0)])
        } else {
            Ok(())
        }
    }

    /// Locks the row of the tenant until the commit. Other writes of the tenant wait, so rows that are read after the
    /// lock do not change before the commit.
    ///
    /// # Errors
    ///
    /// Fails if the tenant has no sequence, the lock timeout expires or the database is unavailable.
    pub fn lock(tx: &Tx<'_>, tenant: TenantNumber, now: Timestamp) -> Result<Sequence, StoreError> {
        let locked = tx.shared::<LockedSequences>().rows.get(&tenant).map(|(sequence, _)| sequence.clone());
        let mut sequence = match locked {
            Some(sequence) => sequence,
            None => {
                let read = |row: &Row<'_>| {
                    let (users, events) = (row.int(0)?, row.int(1)?);
                    Ok(Sequence { tenant, users, events, now: row.at(2)?, chain_hash: row.array(3)? })
                };
                let sequence = tx.one(&LOCK, &[Value::Int(tenant.0)], read)?;
                let sequence = sequence
                    .ok_or_else(|| StoreError::Corrupt(format!("tenant {tenant} has no sequence")))?;
                tx.shared::<LockedSequences>().rows.insert(tenant, (sequence.clone(), false));
                sequence
            }
        };
        sequence.now = now.max(sequence.now + SignedDuration::from_micros(1));
        Ok(sequence)
    }

    /// Saves the advanced sequence in the shared state; the transaction writes it once, before the commit.
    pub fn save(self, tx: &Tx<'_>) {
        tx.mark_written();
        tx.shared::<LockedSequences>().rows.insert(self.tenant, (self, true));
    }
}

/// The end of the event chain of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainEnd {
    /// Number of the last event, which is the number of events.
    pub events: i64,
    /// Chain hash of the last event.
    pub chain_hash: ChainHash,
}

/// Returns the end of a tenant's event chain, as recorded in its sequence.
///
/// # Errors
///
/// Fails if the database is unavailable or the row is corrupt.
pub fn chain_end(tx: &Tx<'_>, tenant: TenantNumber) -> Result<Option<ChainEnd>, StoreError> {
    tx.one(&CHAIN_END, &[Value::Int(tenant.0)], |row| {
        Ok(ChainEnd { events: row.int(0)?, chain_hash: row.array(1)? })
    })
}

/// Returns the number of users of a tenant, without reading their rows; 0 for an unknown tenant.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn count_users(tx: &Tx<'_>, tenant: TenantNumber) -> Result<i64, StoreError> {
    Ok(tx.one(&USER_COUNT, &[Value::Int(tenant.0)], |row| row.int(0))?.unwrap_or(0))
}
