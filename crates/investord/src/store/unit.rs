//! The unit of work of a tenant: its transaction, and the locked sequence that numbers and dates what it writes.

use std::borrow::Borrow;
use std::cell::Cell;

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::error::StoreError;
use super::engine::sql::Tx;
use super::plaintext::Plaintext;
use super::tenants::Tenant;
use super::tenants::sequence::Sequence;
use crate::clock::Ids;
use crate::domain::tenants::TenantNumber;

/// A unit of work of a tenant. It holds the lock of the tenant until the commit, so that everything it reads stays
/// valid in every process. A unit may run again after a rollback, so its work has no side effects outside of it.
pub struct Unit<'a> {
    pub tx: &'a Tx<'a>,
    pub tenant: &'a Tenant,
    pub ids: &'a dyn Ids,
    pub(in crate::store) sequence: Sequence,
    /// The last event that this unit has published: an equal object is not stored again.
    pub(in crate::store) last_event: Option<PublishedEvent>,
    /// Whether the sequence has to be saved.
    is_advanced: Cell<bool>,
}

/// An event that a unit has published.
pub(in crate::store) struct PublishedEvent {
    /// Number of the event that stores the object.
    pub number: i64,
    pub subject: Uuid,
    pub object: Plaintext,
}

impl Unit<'_> {
    /// Runs `work` under the lock of a tenant and saves the sequence if it succeeds. `open` returns the tenant, which
    /// it may read under the lock.
    ///
    /// # Errors
    ///
    /// Fails with the error of `open` or `work`, if the lock timeout expires, or if the database fails.
    pub fn run<B: Borrow<Tenant>, T, E: From<StoreError>>(
        tx: &Tx<'_>,
        number: TenantNumber,
        now: Timestamp,
        ids: &dyn Ids,
        open: impl FnOnce(&Tx<'_>) -> Result<B, E>,
        work: impl FnOnce(&mut Unit<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // The lock comes first: what is read under it stays valid until the commit, in every process.
        let sequence = Sequence::lock(tx, number, now)?;
        let tenant = open(tx)?;
        let (tenant, is_advanced) = (tenant.borrow(), Cell::new(false));
        let mut unit = Unit { tx, tenant, ids, sequence, last_event: None, is_advanced };
        let done = work(&mut unit)?;
        if unit.is_advanced.get() {
            unit.sequence.save(tx);
        }
        Ok(done)
    }

    /// Returns the instant of this unit, which no other unit of the tenant shares: from now on the sequence has to be
    /// saved.
    pub fn now(&self) -> Timestamp {
        self.is_advanced.set(true);
        self.sequence.now
    }

    /// Returns the number of the tenant's last event, which is also the count of events.
    pub fn last_event_number(&self) -> i64 {
        self.sequence.events
    }

    /// Returns the number of the tenant's users.
    pub fn user_count(&self) -> i64 {
        self.sequence.users
    }

    /// Returns the number of the event that stores this object of the subject, if this unit has just published it.
    pub(in crate::store) fn find_published(&self, subject: Uuid, object: &str) -> Option<i64> {
        let last = self.last_event.as_ref()?;
        (last.subject == subject && *last.object == *object).then_some(last.number)
    }

    /// Returns the number of the next user of the tenant.
    pub(in crate::store) fn next_user_number(&mut self) -> i64 {
        self.is_advanced.set(true);
        self.sequence.users += 1;
        self.sequence.users
    }
}
