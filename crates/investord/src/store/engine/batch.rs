//! Group commit: many units of work in one transaction, for the writers of both engines.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::error::StoreError;
use super::queue::{TaskReceiver, TaskSender};
use super::sql::{StatementExecutor, Tx};
use super::unit::{FirstQueries, LockOrder, UnitOfWork, UnitOutcome, WriterTask};

/// How often a unit that lost a race against another process is tried by itself.
const TRIES: usize = 8;

/// Hands a unit over, as the job that `job` makes of it, and waits for its result.
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

struct PendingUnit<P, F, T, E> {
    first: P,
    unit: F,
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
            // What it tells is in `failure` too.
            let _ = tx.wait_for_results();
        }
        let failure = tx.failure();
        let spoilt = failure.is_some() || (result.is_err() && tx.has_written());
        self.result = Some(match &failure {
            // A unit that goes on after a failed statement does not know what it has done.
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
        // Whoever asked may have gone; the commit stands all the same.
        let _ = self.answer.send(result);
    }
}

/// A connection that writes, in the hands of its writer's thread.
pub trait Connection: StatementExecutor {
    /// Begins a transaction; `alone`: one that behaves as if it were the only one.
    fn begin(&self, alone: bool) -> Result<(), StoreError>;
    /// A statement about the transaction itself.
    fn control(&self, text: &'static str) -> Result<(), StoreError>;
    fn commit(&self) -> Result<(), StoreError>;
    /// Leaves no transaction open, whatever has happened.
    fn roll_back(&self);
    /// Whether the connection has been lost since `begin`, and another could be had.
    fn is_lost(&self) -> bool;
    fn checkpoint(&self);
}

/// Without its writer a register would keep every write waiting: it ends, and starts anew.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

pub struct Writer<C>(pub C);

impl<C: Connection> Writer<C> {
    /// Takes what is waiting, until nobody can ask any more.
    pub fn run(&self, jobs: &TaskReceiver) {
        let _guard = AbortOnPanic;
        while let Some(taken) = jobs.next() {
            let (mut batch, mut last) = (Vec::new(), None);
            for job in taken {
                match job {
                    WriterTask::Batched { tenant, unit } => batch.push((tenant, unit)),
                    other => last = Some(other),
                }
            }
            batch.sort_by_key(|(tenant, unit)| {
                let LockOrder { rank, id } = unit.lock_order();
                (rank, *tenant, id)
            });
            self.commit(batch.into_iter().map(|(_, unit)| unit).collect());
            match last {
                Some(WriterTask::Serializable(unit)) => self.commit_alone(unit, true),
                Some(WriterTask::Checkpoint(done)) => {
                    self.0.checkpoint();
                    let _ = done.send(());
                }
                Some(WriterTask::Batched { .. }) | None => {}
            }
        }
    }

    /// Commits the units together. When one of them has to be undone, all run again with a savepoint each;
    /// when a race was lost, each by itself: dearer, so only for a batch that met such a thing.
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

    /// Commits one unit in a transaction of its own, again as long as it loses races.
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

    /// One transaction around the batch; nothing is left of it unless it returns `Ok`.
    fn transaction(&self, batch: &mut [Box<dyn UnitOfWork>], care: BatchMode) -> Result<(), RollbackCause> {
        let done = self.attempt(batch, care);
        if done.is_err() {
            self.0.roll_back();
        }
        if matches!(done, Err(RollbackCause::Failed(StoreError::DiskFull))) {
            // What a log beside the database has taken of the disk may be all that is missing.
            self.0.checkpoint();
        }
        done
    }

    fn attempt(&self, batch: &mut [Box<dyn UnitOfWork>], care: BatchMode) -> Result<(), RollbackCause> {
        let connection = &self.0;
        let begun = connection.begin(matches!(care, BatchMode::Single { serializable: true }));
        begun.map_err(|error| self.classify(error))?;
        let tx = Tx::new(connection);
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
            // Told late, so nobody knows yet whose fault it was.
            Err(StoreError::Corrupt(_)) if care == BatchMode::Together => {
                return Err(RollbackCause::UnitMustRollBack);
            }
            Err(error) => return Err(self.classify(error)),
        }
        // From here on a lost connection leaves open whether the commit stands: nothing is run again.
        connection.commit().map_err(|error| match error {
            StoreError::SerializationFailure(_) => RollbackCause::SerializationFailure(error),
            error => RollbackCause::Failed(error),
        })
    }

    /// Runs a unit so that it can be undone without the others.
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

    fn classify(&self, error: StoreError) -> RollbackCause {
        match error {
            StoreError::SerializationFailure(_) => RollbackCause::SerializationFailure(error),
            StoreError::Unavailable(_) if self.0.is_lost() => RollbackCause::ConnectionLost(error),
            error => RollbackCause::Failed(error),
        }
    }
}

fn answer(batch: Vec<Box<dyn UnitOfWork>>, done: Result<(), RollbackCause>) {
    let committed = match done {
        // A unit that was alone and had to be undone carries its own refusal.
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

fn count_repetition(why: &'static str) {
    metrics::counter!("investord_store_batches_repeated_total", "why" => why).increment(1);
}

#[derive(Clone, Copy, PartialEq)]
enum BatchMode {
    Together,
    Savepoints,
    Single { serializable: bool },
}

/// Why nothing was committed.
enum RollbackCause {
    /// A unit has to be undone; never with savepoints.
    UnitMustRollBack,
    /// Another process was in the way.
    SerializationFailure(StoreError),
    /// The connection broke before the commit.
    ConnectionLost(StoreError),
    Failed(StoreError),
}
