//! Units of work as the queue and the writers know them.

use tokio::sync::oneshot;
use uuid::Uuid;

use super::error::StoreError;
use super::sql::Tx;

/// The owner of units. The writers serve owners in turn, so that none waits for the many units of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(i64);

impl Owner {
    /// The owner of units that belong to no other.
    pub const REGISTER: Self = Self(0);

    /// Returns the number by which owners are spread over the writers.
    pub(super) fn number(self) -> u64 {
        self.0.unsigned_abs()
    }
}

impl From<i64> for Owner {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

/// A task in the queue of a writer.
pub enum WriterTask {
    /// A unit that shares its transaction with other units of the same writer.
    Batched { owner: Owner, unit: Box<dyn UnitOfWork> },
    /// A unit in a SERIALIZABLE transaction of its own.
    Serializable(Box<dyn UnitOfWork>),
    /// A checkpoint: moves the write-ahead log into the database file and reports when that is done.
    Checkpoint(CheckpointMode, oneshot::Sender<()>),
}

/// What a checkpoint by the writer achieves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointMode {
    /// Truncates the log, so that the database file alone is complete. Waits for readers.
    Truncate,
    /// Moves the rest of the log, so that the next commit restarts it. Waits for readers for at most 10 ms.
    Restart,
}

/// The first queries of a unit, which the writer sends before any unit runs: all units of a batch then wait for one
/// round trip to the database instead of one each.
pub trait FirstQueries: Send {
    /// Sends the queries without waiting for their rows.
    ///
    /// # Errors
    ///
    /// Fails if the connection is lost or a query cannot be prepared.
    fn send(&self, tx: &Tx<'_>) -> Result<(), StoreError>;

    /// Returns the position of the unit in the lock order of its batch.
    fn lock_order(&self) -> LockOrder;
}

/// The order in which units lock rows. Every process keeps it, so that transactions cannot deadlock. Units of equal
/// rank are ordered by owner, then by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockOrder {
    /// The class of the locked row: rows of a lower class are locked first.
    pub rank: u8,
    /// The id of the locked row, nil if the owner identifies it.
    pub id: Uuid,
}

/// A unit without first queries.
impl FirstQueries for () {
    fn send(&self, _: &Tx<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the position of the unit in the lock order of its batch.
    fn lock_order(&self) -> LockOrder {
        LockOrder::default()
    }
}

/// A unit of work in the queue, independent of its result type.
pub trait UnitOfWork: Send {
    fn lock_order(&self) -> LockOrder;
    /// Sends the first queries of the unit.
    ///
    /// # Errors
    ///
    /// Fails if the connection is lost or a query cannot be prepared.
    fn prefetch(&self, tx: &Tx<'_>) -> Result<(), StoreError>;
    /// Runs the unit. With `wait_for_results` it waits for the result of every statement, so that a failure is
    /// certainly one of this unit.
    fn run(&mut self, tx: &Tx<'_>, wait_for_results: bool) -> UnitOutcome;
    /// Sends the caller the result of the last run, or the error that rolled it back.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// The effect of a run on its transaction.
pub enum UnitOutcome {
    /// The unit succeeded, or was refused before it wrote a row, so there is nothing to roll back.
    Committable,
    /// The unit was refused after it wrote a row, or failed by its own fault, and must be rolled back.
    MustRollBack,
    /// The unit failed for an external reason (disk, locks, connection), which would stop the other units as well.
    Aborted(StoreError),
}
