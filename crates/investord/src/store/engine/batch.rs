//! Group commit: many units of work in one transaction, for the writers of both engines.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::error::StoreError;
use super::queue::{TaskReceiver, TaskSender};
use super::sql::{StatementExecutor, Tx};
use super::unit::{CheckpointMode, FirstQueries, LockOrder, UnitOfWork, UnitOutcome, WriterTask};

/// Maximum number of attempts for a unit in a transaction of its own. Serialization failures end within a few attempts,
/// because every unit locks its rows in the same order; more attempts would only delay the other units of the queue.
const TRIES: usize = 8;

/// Enqueues a unit, wrapped into a task by `job`, and waits for its result.
///
/// # Errors
///
/// Fails with the error of the unit, or with [`StoreError`] if the transaction did not commit or the writer has
/// stopped.
pub async fn run<T: Send + 'static, E: From<StoreError> + Send + 'static>(
    queue: &TaskSender,
    first: impl FirstQueries + 'static,
    unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    job: impl FnOnce(Box<dyn UnitOfWork>) -> WriterTask,
) -> Result<T, E> {
    let (answer, answered) = oneshot::channel();
    let gone = || StoreError::Unavailable("the writer has stopped".into());
    queue.send(job(Box::new(PendingUnit { first, unit, result: None, answer }))).await.map_err(|_| gone())?;
    answered.await.map_err(|_| gone())?
}

/// A unit in the queue, with the channel on which its caller waits for the result.
struct PendingUnit<P, F, T, E> {
    first: P,
    unit: F,
    /// The result of the last run: a unit runs again when its batch is rolled back.
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<P, F, T, E> UnitOfWork for PendingUnit<P, F, T, E>
where
    P: FirstQueries,
    F: FnMut(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn lock_order(&self) -> LockOrder {
        self.first.lock_order()
    }

    fn prefetch(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.first.send(tx)
    }

    fn run(&mut self, tx: &Tx<'_>, wait_for_results: bool) -> UnitOutcome {
        tx.begin_unit();
        let run = catch_unwind(AssertUnwindSafe(|| (self.unit)(tx)));
        let panicked = || StoreError::Corrupt("a unit of work panicked".into());
        let result = run.unwrap_or_else(|_| Err(panicked().into()));
        if wait_for_results {
            // The error is recorded in `failure` as well.
            let _ = tx.wait_for_results();
        }
        let failure = tx.failure();
        let spoilt = failure.is_some() || (result.is_err() && tx.has_written());
        self.result = Some(match &failure {
            // A unit that ignored a failed statement acted on rows that the database did not write.
            Some(error) if result.is_ok() => Err(error.clone().into()),
            _ => result,
        });
        match failure {
            Some(StoreError::Corrupt(_)) => UnitOutcome::MustRollBack,
            Some(error) => UnitOutcome::Aborted(error),
            None if spoilt => UnitOutcome::MustRollBack,
            None => UnitOutcome::Committable,
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Unavailable("not run".into()).into()),
            (Err(error), _) => Err(error.into()),
        };
        // The caller may have dropped the receiver; the commit stands all the same.
        let _ = self.answer.send(result);
    }
}

/// A read-write connection, used by the thread of one writer alone.
pub trait Connection: StatementExecutor {
    /// Begins a transaction, at the isolation level SERIALIZABLE if `alone` is set.
    fn begin(&self, alone: bool) -> Result<(), StoreError>;
    /// Executes a transaction control statement such as SAVEPOINT.
    fn control(&self, text: &'static str) -> Result<(), StoreError>;
    /// Commits the transaction; after `Ok` it is durable.
    fn commit(&self) -> Result<(), StoreError>;
    /// Rolls back the open transaction, or ends the connection or the process if the rollback fails.
    fn roll_back(&self);
    /// Returns whether the connection was lost after `begin` and a new one can be opened.
    fn is_lost(&self) -> bool;
    /// Moves the write-ahead log into the database file; a no-op on PostgreSQL.
    fn checkpoint(&self, mode: CheckpointMode);
}

/// A guard that aborts the process when the writer thread panics: without its writer every write would wait forever, so
/// a restart by the service manager is better.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// The writer of one connection: takes tasks from the queue and commits them in batches.
pub struct Writer<C>(pub C);

impl<C: Connection> Writer<C> {
    /// Runs batches from the queue until every sender is dropped.
    pub fn run(&self, jobs: &TaskReceiver) {
        let _guard = AbortOnPanic;
        while let Some(taken) = jobs.next() {
            let (mut batch, mut last) = (Vec::new(), None);
            for job in taken {
                match job {
                    WriterTask::Batched { owner, unit } => batch.push((owner, unit)),
                    other => last = Some(other),
                }
            }
            // Every process locks rows in this order, so that two batches cannot deadlock.
            batch.sort_by_key(|(owner, unit)| {
                let LockOrder { rank, id } = unit.lock_order();
                (rank, *owner, id)
            });
            self.commit(batch.into_iter().map(|(_, unit)| unit).collect());
            match last {
                Some(WriterTask::Serializable(unit)) => self.commit_alone(unit, true),
                Some(WriterTask::Checkpoint(mode, done)) => {
                    self.0.checkpoint(mode);
                    let _ = done.send(());
                }
                Some(WriterTask::Batched { .. }) | None => {}
            }
        }
    }

    /// Commits the units in one transaction. When one of them must roll back, the batch runs again with a savepoint per
    /// unit; after a serialization failure each unit runs in a transaction of its own. Both cost more statements, so
    /// only a batch that met such a failure pays for them.
    pub fn commit(&self, mut batch: Vec<Box<dyn UnitOfWork>>) {
        if batch.is_empty() {
            return;
        }
        metrics::histogram!("investord_store_batch_units")
            .record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        let mut done = self.transaction(&mut batch, BatchMode::Together);
        if matches!(done, Err(RollbackCause::ConnectionLost(_))) {
            count_repetition("connection");
            done = self.transaction(&mut batch, BatchMode::Together);
        }
        if matches!(done, Err(RollbackCause::UnitMustRollBack)) {
            count_repetition("unit");
            done = self.transaction(&mut batch, BatchMode::Savepoints);
        }
        if matches!(done, Err(RollbackCause::SerializationFailure(_))) {
            count_repetition("race");
            return batch.into_iter().for_each(|unit| self.commit_alone(unit, false));
        }
        answer(batch, done);
    }

    /// Commits one unit in a transaction of its own and repeats it after serialization failures and lost connections.
    fn commit_alone(&self, mut unit: Box<dyn UnitOfWork>, alone: bool) {
        let mut done = Err(RollbackCause::UnitMustRollBack);
        for _ in 0..TRIES {
            done =
                self.transaction(std::slice::from_mut(&mut unit), BatchMode::Single { serializable: alone });
            match done {
                Err(RollbackCause::SerializationFailure(_)) => count_repetition("race"),
                Err(RollbackCause::ConnectionLost(_)) => count_repetition("connection"),
                _ => break,
            }
        }
        answer(vec![unit], done);
    }

    /// Runs the batch in one transaction and rolls it back unless it commits.
    fn transaction(&self, batch: &mut [Box<dyn UnitOfWork>], care: BatchMode) -> Result<(), RollbackCause> {
        let done = self.attempt(batch, care);
        if done.is_err() {
            self.0.roll_back();
        }
        if matches!(done, Err(RollbackCause::Failed(StoreError::DiskFull))) {
            // The write-ahead log may have filled the disk; a checkpoint gives that space back.
            self.0.checkpoint(CheckpointMode::Truncate);
        }
        done
    }

    /// Runs the batch and commits it, without a rollback on failure.
    fn attempt(&self, batch: &mut [Box<dyn UnitOfWork>], care: BatchMode) -> Result<(), RollbackCause> {
        let connection = &self.0;
        let begun = connection.begin(matches!(care, BatchMode::Single { serializable: true }));
        begun.map_err(|error| self.classify(error))?;
        let tx = Tx::new(connection);
        // With savepoints a failed prefetch could not be assigned to a unit, so each unit sends its own queries.
        if care != BatchMode::Savepoints {
            batch.iter().try_for_each(|unit| unit.prefetch(&tx)).map_err(|error| self.classify(error))?;
        }
        for unit in batch {
            let outcome = match care {
                BatchMode::Together => unit.run(&tx, false),
                BatchMode::Single { .. } => unit.run(&tx, true),
                BatchMode::Savepoints => {
                    self.run_in_savepoint(unit.as_mut(), &tx).map_err(|error| self.classify(error))?
                }
            };
            match outcome {
                UnitOutcome::Committable => {}
                UnitOutcome::MustRollBack => return Err(RollbackCause::UnitMustRollBack),
                UnitOutcome::Aborted(error) => return Err(self.classify(error)),
            }
        }
        match tx.save_shared().and_then(|()| tx.wait_for_results()) {
            Ok(()) => {}
            // The result arrived late, so the failed unit is unknown: the savepoints of the next attempt find it.
            Err(StoreError::Corrupt(_)) if care == BatchMode::Together => {
                return Err(RollbackCause::UnitMustRollBack);
            }
            Err(error) => return Err(self.classify(error)),
        }
        // A connection that is lost during the commit leaves the outcome open, so the batch does not run again.
        connection.commit().map_err(|error| match error {
            StoreError::SerializationFailure(_) => RollbackCause::SerializationFailure(error),
            error => RollbackCause::Failed(error),
        })
    }

    /// Runs a unit inside a savepoint, so that it can be rolled back without the other units of the batch.
    fn run_in_savepoint(&self, unit: &mut dyn UnitOfWork, tx: &Tx<'_>) -> Result<UnitOutcome, StoreError> {
        let shared = tx.snapshot_shared();
        self.0.control("SAVEPOINT unit")?;
        let mut outcome = unit.run(tx, true);
        if matches!(outcome, UnitOutcome::MustRollBack) {
            self.0.control("ROLLBACK TO unit")?;
            tx.restore_shared(shared);
            outcome = UnitOutcome::Committable;
        }
        self.0.control("RELEASE unit")?;
        Ok(outcome)
    }

    /// Decides by the error whether the batch runs again.
    fn classify(&self, error: StoreError) -> RollbackCause {
        match error {
            StoreError::SerializationFailure(_) => RollbackCause::SerializationFailure(error),
            StoreError::Unavailable(_) if self.0.is_lost() => RollbackCause::ConnectionLost(error),
            error => RollbackCause::Failed(error),
        }
    }
}

/// Sends each unit of the batch its result.
fn answer(batch: Vec<Box<dyn UnitOfWork>>, done: Result<(), RollbackCause>) {
    let committed = match done {
        // A unit that was alone and rolled back keeps its own refusal as the result.
        Ok(()) | Err(RollbackCause::UnitMustRollBack) => Ok(()),
        Err(
            RollbackCause::SerializationFailure(error)
            | RollbackCause::ConnectionLost(error)
            | RollbackCause::Failed(error),
        ) => Err(error),
    };
    for unit in batch {
        unit.answer(committed.clone());
    }
}

/// Counts a repeated batch by reason, in the metric that shows contention and lost connections.
fn count_repetition(why: &'static str) {
    metrics::counter!("investord_store_batches_repeated_total", "why" => why).increment(1);
}

/// The transaction mode of a batch.
#[derive(Clone, Copy, PartialEq)]
enum BatchMode {
    /// All units without savepoints: the cheapest mode and the normal case.
    Together,
    /// All units, each inside a savepoint.
    Savepoints,
    /// One unit alone.
    Single { serializable: bool },
}

/// The reason for a rollback.
enum RollbackCause {
    /// A unit must roll back; does not occur with savepoints.
    UnitMustRollBack,
    /// A transaction of another process conflicts with this one.
    SerializationFailure(StoreError),
    /// The connection broke before the commit.
    ConnectionLost(StoreError),
    /// Another failure, which a repetition would not cure.
    Failed(StoreError),
}
