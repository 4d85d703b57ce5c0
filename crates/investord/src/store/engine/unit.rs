//! Units of work as the queue and the writers know them.

use tokio::sync::oneshot;
use uuid::Uuid;

use super::error::StoreError;
use super::sql::Tx;

pub enum WriterTask {
    /// A unit that shares its commit with others of its tenant's writer.
    Batched { tenant: i64, unit: Box<dyn UnitOfWork> },
    /// A unit in a transaction of its own, as if nobody else were there.
    Serializable(Box<dyn UnitOfWork>),
    /// Leave everything in the database and nothing in a log beside it.
    Checkpoint(oneshot::Sender<()>),
}

/// The first queries of a unit: they can be sent before it runs, so that the units of a commit wait for the database once.
pub trait FirstQueries: Send {
    fn send(&self, tx: &Tx<'_>) -> Result<(), StoreError>;

    /// Returns the place of the unit among those of a commit.
    fn lock_order(&self) -> LockOrder;
}

/// The order in which units lock rows: every process keeps it, so that none waits in a circle. Ties are broken by the
/// tenant, between rank and id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockOrder {
    pub rank: u8,
    pub id: Uuid,
}

/// A unit without first queries.
impl FirstQueries for () {
    fn send(&self, _: &Tx<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    fn lock_order(&self) -> LockOrder {
        LockOrder::default()
    }
}

/// A unit of work in the queue, its types hidden.
pub trait UnitOfWork: Send {
    fn lock_order(&self) -> LockOrder;
    /// Asks for what the unit looks at first.
    fn prefetch(&self, tx: &Tx<'_>) -> Result<(), StoreError>;
    /// `surely` waits for the result of every statement, so that a failure is known to be this unit's.
    fn run(&mut self, tx: &Tx<'_>, wait_for_results: bool) -> UnitOutcome;
    /// Sends the result of the last run, or the error that undid it.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

pub enum UnitOutcome {
    /// Done, or refused without having written: nothing to undo.
    Committable,
    /// Refused after having written, or failed in a way that is its own: must be undone.
    MustRollBack,
    /// Failed for a reason that is not its own (disk, locks, connection): no use in going on.
    Aborted(StoreError),
}
