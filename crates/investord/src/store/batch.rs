//! Many units of work in one commit: what the writers of both engines have in common.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::once::First;
use super::queue::{Jobs, Queue};
use super::sql::Session;
use super::{StoreError, Tx, tenants};

/// How often a unit that lost a race against another process is tried by itself.
const TRIES: usize = 8;

pub enum Job {
    /// A unit that shares its commit with others of its tenant's writer.
    Shared { tenant: i64, unit: Box<dyn Unit> },
    /// A unit in a transaction of its own, as if nobody else were there.
    Alone(Box<dyn Unit>),
    /// Leave everything in the database and nothing in a log beside it.
    Fold(oneshot::Sender<()>),
}

/// Hands a unit over, as the job that `job` makes of it, and waits for its result.
pub async fn run<T: Send + 'static, E: From<StoreError> + Send + 'static>(
    queue: &Queue,
    first: First,
    unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    job: impl FnOnce(Box<dyn Unit>) -> Job,
) -> Result<T, E> {
    let (answer, answered) = oneshot::channel();
    let gone = || StoreError::Unavailable("the writer has stopped".into());
    queue.send(job(Box::new(Waiting { first, unit, result: None, answer }))).await.map_err(|_| gone())?;
    answered.await.map_err(|_| gone())?
}

/// A unit of work in the queue, its types hidden.
pub trait Unit: Send {
    /// The webhook that it locks, if that is what it does.
    fn webhook(&self) -> Option<Uuid>;
    /// Asks for what the unit looks at first.
    fn ahead(&self, tx: &Tx<'_>) -> Result<(), StoreError>;
    /// `surely` waits for the result of every statement, so that a failure is known to be this unit's.
    fn run(&mut self, tx: &Tx<'_>, surely: bool) -> Outcome;
    /// Sends the result of the last run, or the error that undid it.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

pub enum Outcome {
    /// Done, or refused without having written: nothing to undo.
    Kept,
    /// Refused after having written, or failed in a way that is its own: must be undone.
    Spoilt,
    /// Failed for a reason that is not its own (disk, locks, connection): no use in going on.
    Stopped(StoreError),
}

struct Waiting<F, T, E> {
    first: First,
    unit: F,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Unit for Waiting<F, T, E>
where
    F: FnMut(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn webhook(&self) -> Option<Uuid> {
        self.first.webhook
    }

    fn ahead(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.first.ahead(tx)
    }

    fn run(&mut self, tx: &Tx<'_>, surely: bool) -> Outcome {
        tx.next_unit();
        let run = catch_unwind(AssertUnwindSafe(|| (self.unit)(tx)));
        let panicked = || StoreError::Damaged("a unit of work panicked".into());
        let result = run.unwrap_or_else(|_| Err(panicked().into()));
        if surely {
            // What it tells is in `failure` too.
            let _ = tx.settle();
        }
        let failure = tx.failure();
        let spoilt = failure.is_some() || (result.is_err() && tx.wrote());
        self.result = Some(match &failure {
            // A unit that goes on after a failed statement does not know what it has done.
            Some(error) if result.is_ok() => Err(error.clone().into()),
            _ => result,
        });
        match failure {
            Some(StoreError::Damaged(_)) => Outcome::Spoilt,
            Some(error) => Outcome::Stopped(error),
            None if spoilt => Outcome::Spoilt,
            None => Outcome::Kept,
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
pub trait Connection: Session {
    /// Begins a transaction; `alone`: one that behaves as if it were the only one.
    fn begin(&self, alone: bool) -> Result<(), StoreError>;
    /// A statement about the transaction itself.
    fn control(&self, text: &'static str) -> Result<(), StoreError>;
    fn commit(&self) -> Result<(), StoreError>;
    /// Leaves no transaction open, whatever has happened.
    fn roll_back(&self);
    /// Whether the connection has been lost since `begin`, and another could be had.
    fn lost(&self) -> bool;
    fn fold(&self);
}

/// Without its writer a register would keep every write waiting: it ends, and starts anew.
struct Lifeline;

impl Drop for Lifeline {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

pub struct Writer<C>(pub C);

impl<C: Connection> Writer<C> {
    /// Takes what is waiting, until nobody can ask any more.
    pub fn run(&self, jobs: &Jobs) {
        let _guard = Lifeline;
        while let Some(taken) = jobs.next() {
            let (mut batch, mut last) = (Vec::new(), None);
            for job in taken {
                match job {
                    Job::Shared { tenant, unit } => batch.push((tenant, unit)),
                    other => last = Some(other),
                }
            }
            // Every process locks the heads of its tenants in the same order, and webhooks behind them, so none waits in
            // a circle.
            batch.sort_by_key(|(tenant, unit)| (unit.webhook().is_some(), *tenant, unit.webhook()));
            self.commit(batch.into_iter().map(|(_, unit)| unit).collect());
            match last {
                Some(Job::Alone(unit)) => self.commit_alone(unit, true),
                Some(Job::Fold(done)) => {
                    self.0.fold();
                    let _ = done.send(());
                }
                Some(Job::Shared { .. }) | None => {}
            }
        }
    }

    /// Commits the units together. When one of them has to be undone, all run again with a savepoint each;
    /// when a race was lost, each by itself: dearer, so only for a batch that met such a thing.
    pub fn commit(&self, mut batch: Vec<Box<dyn Unit>>) {
        if batch.is_empty() {
            return;
        }
        metrics::histogram!("investord_store_batch_units")
            .record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        let mut done = self.transaction(&mut batch, Care::Together);
        if matches!(done, Err(Undone::Cut(_))) {
            repeated("connection");
            done = self.transaction(&mut batch, Care::Together);
        }
        if matches!(done, Err(Undone::ByUnit)) {
            repeated("unit");
            done = self.transaction(&mut batch, Care::Savepoints);
        }
        if matches!(done, Err(Undone::Raced(_))) {
            repeated("race");
            return batch.into_iter().for_each(|unit| self.commit_alone(unit, false));
        }
        answer(batch, done);
    }

    /// Commits one unit in a transaction of its own, again as long as it loses races.
    fn commit_alone(&self, mut unit: Box<dyn Unit>, alone: bool) {
        let mut done = Err(Undone::ByUnit);
        for _ in 0..TRIES {
            done = self.transaction(std::slice::from_mut(&mut unit), Care::Alone { alone });
            match done {
                Err(Undone::Raced(_)) => repeated("race"),
                Err(Undone::Cut(_)) => repeated("connection"),
                _ => break,
            }
        }
        answer(vec![unit], done);
    }

    /// One transaction around the batch; nothing is left of it unless it returns `Ok`.
    fn transaction(&self, batch: &mut [Box<dyn Unit>], care: Care) -> Result<(), Undone> {
        let done = self.attempt(batch, care);
        if done.is_err() {
            self.0.roll_back();
        }
        if matches!(done, Err(Undone::Failed(StoreError::Full))) {
            // What a log beside the database has taken of the disk may be all that is missing.
            self.0.fold();
        }
        done
    }

    fn attempt(&self, batch: &mut [Box<dyn Unit>], care: Care) -> Result<(), Undone> {
        let connection = &self.0;
        let begun = connection.begin(matches!(care, Care::Alone { alone: true }));
        begun.map_err(|error| self.undone(error))?;
        let tx = Tx::new(connection);
        if care != Care::Savepoints {
            batch.iter().try_for_each(|unit| unit.ahead(&tx)).map_err(|error| self.undone(error))?;
        }
        for unit in batch {
            let outcome = match care {
                Care::Together => unit.run(&tx, false),
                Care::Alone { .. } => unit.run(&tx, true),
                Care::Savepoints => self.guarded(unit.as_mut(), &tx).map_err(|error| self.undone(error))?,
            };
            match outcome {
                Outcome::Kept => {}
                Outcome::Spoilt => return Err(Undone::ByUnit),
                Outcome::Stopped(error) => return Err(self.undone(error)),
            }
        }
        match tenants::save_heads(&tx).and_then(|()| tx.settle()) {
            Ok(()) => {}
            // Told late, so nobody knows yet whose fault it was.
            Err(StoreError::Damaged(_)) if care == Care::Together => return Err(Undone::ByUnit),
            Err(error) => return Err(self.undone(error)),
        }
        // From here on a lost connection leaves open whether the commit stands: nothing is run again.
        connection.commit().map_err(|error| match error {
            StoreError::Raced(_) => Undone::Raced(error),
            error => Undone::Failed(error),
        })
    }

    /// Runs a unit so that it can be undone without the others.
    fn guarded(&self, unit: &mut dyn Unit, tx: &Tx<'_>) -> Result<Outcome, StoreError> {
        let heads = tx.heads.borrow().clone();
        self.0.control("SAVEPOINT unit")?;
        let mut outcome = unit.run(tx, true);
        if matches!(outcome, Outcome::Spoilt) {
            self.0.control("ROLLBACK TO unit")?;
            tx.heads.replace(heads);
            outcome = Outcome::Kept;
        }
        self.0.control("RELEASE unit")?;
        Ok(outcome)
    }

    fn undone(&self, error: StoreError) -> Undone {
        match error {
            StoreError::Raced(_) => Undone::Raced(error),
            StoreError::Unavailable(_) if self.0.lost() => Undone::Cut(error),
            error => Undone::Failed(error),
        }
    }
}

fn answer(batch: Vec<Box<dyn Unit>>, done: Result<(), Undone>) {
    let committed = match done {
        // A unit that was alone and had to be undone carries its own refusal.
        Ok(()) | Err(Undone::ByUnit) => Ok(()),
        Err(Undone::Raced(error) | Undone::Cut(error) | Undone::Failed(error)) => Err(error),
    };
    for unit in batch {
        unit.answer(committed.clone());
    }
}

fn repeated(why: &'static str) {
    metrics::counter!("investord_store_batches_repeated_total", "why" => why).increment(1);
}

#[derive(Clone, Copy, PartialEq)]
enum Care {
    Together,
    Savepoints,
    Alone { alone: bool },
}

/// Why nothing was committed.
enum Undone {
    /// A unit has to be undone; never with savepoints.
    ByUnit,
    /// Another process was in the way.
    Raced(StoreError),
    /// The connection broke before the commit.
    Cut(StoreError),
    Failed(StoreError),
}
