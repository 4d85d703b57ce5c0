//! The embedded engine: one writer thread that commits many units at once, readers beside it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::{StoreError, Tx, migrate};

/// Units that one commit takes at most: bounds how long the first of them waits for the last.
const BATCH: usize = 256;
/// Units that may wait for the writer; beyond that a request waits for room.
const QUEUE: usize = 4096;
/// How long to wait for another process (a command run beside the server) to finish its write.
const BUSY: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection: more than there are.
const STATEMENTS: usize = 128;
/// Pages (of 4 KiB) that the log may hold before a commit moves them into the database. A page that many
/// commits have touched is moved once, so more is cheaper; what it costs is room on the disk.
const LOG_PAGES: u32 = 8_000;
/// Memory for pages that the writer has seen: ids are random, so inserts touch pages all over an index.
const WRITER_CACHE_KIB: i64 = 16_384;
/// Connections for reading that are kept when they rest; each may hold 2 MiB of pages.
const RESTING: usize = 8;

pub struct Engine {
    path: PathBuf,
    /// Connections at rest. A read takes one, or opens one, and gives it back.
    readers: Mutex<Vec<Connection>>,
    queue: flume::Sender<Job>,
}

enum Job {
    Unit(Box<dyn Unit>),
    /// Move the log into the database.
    Fold(oneshot::Sender<()>),
}

impl Engine {
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        private(path)?;
        let mut connection =
            Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        configure(&connection)?;
        // WAL lets readers go on during a write; FULL makes a commit wait for the disk.
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        migrate::sqlite(&mut connection)?;
        let (queue, jobs) = flume::bounded(QUEUE);
        std::thread::Builder::new().name("writer".into()).spawn(move || Writer { connection }.run(&jobs))?;
        Ok(Self { path: path.to_owned(), readers: Mutex::default(), queue })
    }

    pub fn read<T, E: From<StoreError>>(&self, read: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let resting = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match resting {
            Some(connection) => connection,
            None => self.connect().map_err(StoreError::from)?,
        };
        run(&connection, "BEGIN")?;
        let result = read(&Tx::new(&connection));
        run(&connection, "COMMIT")?;
        let mut resting = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() < RESTING {
            resting.push(connection);
        }
        result
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        configure(&connection)?;
        Ok(connection)
    }

    pub async fn write<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (answer, answered) = oneshot::channel();
        let waiting = Box::new(Waiting { unit, result: None, answer });
        let gone = || StoreError::Unavailable("the writer has stopped".into());
        self.queue.send_async(Job::Unit(waiting)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    pub async fn fold(&self) {
        let (done, folded) = oneshot::channel();
        if self.queue.send_async(Job::Fold(done)).await.is_ok() {
            let _ = folded.await;
        }
    }
}

/// Makes the file for its owner alone; the log beside it takes over its mode.
fn private(path: &Path) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ()).with_context(|| format!("cannot open {}", path.display()))
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)
}

fn run(connection: &Connection, text: &str) -> Result<(), StoreError> {
    connection.prepare_cached(text)?.execute([])?;
    Ok(())
}

/// A unit of work in the queue, its types hidden.
trait Unit: Send {
    fn run(&mut self, tx: &Tx<'_>) -> Outcome;
    /// Sends the result of the last run, or the error that undid it.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

enum Outcome {
    /// Done, or refused without having written: nothing to undo.
    Kept,
    /// Refused after having written, or failed in a way that is its own: must be undone.
    Spoilt,
    /// Failed for a reason that is not its own (disk, locks): no use in going on.
    Stopped(StoreError),
}

struct Waiting<F, T, E> {
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
    fn run(&mut self, tx: &Tx<'_>) -> Outcome {
        let run = catch_unwind(AssertUnwindSafe(|| (self.unit)(tx)));
        let panicked = || StoreError::Damaged("a unit of work panicked".into());
        let result = run.unwrap_or_else(|_| Err(panicked().into()));
        let failure = tx.failure();
        let spoilt = failure.is_some() || (result.is_err() && tx.wrote());
        self.result = Some(match &failure {
            // A unit that goes on after a failed statement does not know what it has done.
            Some(error) if result.is_ok() => Err(error.clone().into()),
            _ => result,
        });
        match failure {
            Some(error @ (StoreError::Full | StoreError::Unavailable(_))) => Outcome::Stopped(error),
            _ if spoilt => Outcome::Spoilt,
            _ => Outcome::Kept,
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

struct Writer {
    connection: Connection,
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

impl Writer {
    fn run(&self, jobs: &flume::Receiver<Job>) {
        let _guard = Lifeline;
        while let Ok(first) = jobs.recv() {
            let mut batch = Vec::new();
            for job in std::iter::once(first).chain(jobs.try_iter()) {
                match job {
                    Job::Unit(unit) => batch.push(unit),
                    Job::Fold(done) => {
                        self.commit(std::mem::take(&mut batch));
                        self.fold();
                        let _ = done.send(());
                    }
                }
                if batch.len() == BATCH {
                    break;
                }
            }
            self.commit(batch);
        }
    }

    /// Moves the log into the database and empties it, as far as readers allow.
    fn fold(&self) {
        let run = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = run {
            stop_if_unsynced(&error);
            tracing::warn!(%error, "cannot move the log into the database");
        }
    }

    /// Commits the units together. When one of them has to be undone, all run again with a savepoint
    /// each: dearer, so only for a batch that met such a unit.
    fn commit(&self, mut batch: Vec<Box<dyn Unit>>) {
        if batch.is_empty() {
            return;
        }
        metrics::histogram!("investord_store_batch_units")
            .record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        let mut committed = self.transaction(&mut batch, Care::None);
        if matches!(committed, Err(Undone::ByUnit)) && batch.len() > 1 {
            metrics::counter!("investord_store_batches_repeated").increment(1);
            committed = self.transaction(&mut batch, Care::Savepoints);
        }
        if matches!(committed, Err(Undone::Failed(StoreError::Full))) {
            // What the log has taken of the disk may be all that is missing.
            self.fold();
        }
        for unit in batch {
            unit.answer(match &committed {
                // A unit that was alone and had to be undone carries its own refusal.
                Ok(()) | Err(Undone::ByUnit) => Ok(()),
                Err(Undone::Failed(error)) => Err(error.clone()),
            });
        }
    }

    /// One transaction around the batch; rolled back unless it returns `Ok`.
    fn transaction(&self, batch: &mut [Box<dyn Unit>], care: Care) -> Result<(), Undone> {
        // IMMEDIATE takes the write lock at once: a lock taken at the first write can fail without waiting.
        self.sql("BEGIN IMMEDIATE")?;
        for unit in batch {
            if care == Care::Savepoints {
                self.sql("SAVEPOINT unit")?;
            }
            match unit.run(&Tx::new(&self.connection)) {
                Outcome::Kept => {}
                // After some errors SQLite has undone the whole transaction, the other units with it.
                Outcome::Spoilt if self.connection.is_autocommit() => {
                    return Err(Undone::Failed(StoreError::Unavailable("the transaction was undone".into())));
                }
                Outcome::Spoilt if care == Care::None => {
                    self.roll_back();
                    return Err(Undone::ByUnit);
                }
                Outcome::Spoilt => self.sql("ROLLBACK TO unit")?,
                Outcome::Stopped(error) => {
                    self.roll_back();
                    return Err(Undone::Failed(error));
                }
            }
            if care == Care::Savepoints {
                self.sql("RELEASE unit")?;
            }
        }
        self.sql("COMMIT")
    }

    /// Runs a statement of the transaction itself; when it fails nothing of the transaction is left.
    fn sql(&self, text: &str) -> Result<(), Undone> {
        let run = || self.connection.prepare_cached(text)?.execute([]);
        run().map(|_| ()).map_err(|error| {
            stop_if_unsynced(&error);
            self.roll_back();
            Undone::Failed(error.into())
        })
    }

    /// SQLite has rolled back by itself after some errors; then there is nothing to do.
    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = run(&self.connection, "ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back; stopping");
            std::process::abort();
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Care {
    None,
    Savepoints,
}

enum Undone {
    /// By the result of a unit; only without savepoints.
    ByUnit,
    Failed(StoreError),
}

/// After a failed fsync nobody knows what is on the disk, and a second one may lie. The process ends
/// without acknowledging; the next start recovers from the log.
fn stop_if_unsynced(error: &rusqlite::Error) {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    if matches!(extended, Some(rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC)) {
        tracing::error!(%error, "the disk refused to sync; stopping");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Stmt, Value};

    const ADD: Stmt = Stmt {
        name: "test.add",
        text: "INSERT INTO nonces (hash, until) VALUES ($1, 0) ON CONFLICT DO NOTHING",
    };
    const ADD_AGAIN: Stmt =
        Stmt { name: "test.add_again", text: "INSERT INTO nonces (hash, until) VALUES ($1, 0)" };

    /// A writer that is not running, so that a test decides what one commit takes.
    fn writer(folder: &tempfile::TempDir) -> Writer {
        let path = folder.path().join("register.db");
        drop(Engine::open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        configure(&connection).unwrap();
        Writer { connection }
    }

    type Work = Box<dyn FnMut(&Tx<'_>) -> Result<u8, StoreError> + Send>;
    type Answers = Vec<oneshot::Receiver<Result<u8, StoreError>>>;

    fn batch(units: Vec<Work>) -> (Vec<Box<dyn Unit>>, Answers) {
        let (mut batch, mut answers): (Vec<Box<dyn Unit>>, _) = (Vec::new(), Vec::new());
        for unit in units {
            let (answer, answered) = oneshot::channel();
            batch.push(Box::new(Waiting { unit, result: None, answer }));
            answers.push(answered);
        }
        (batch, answers)
    }

    fn add(byte: u8) -> Work {
        Box::new(move |tx| tx.execute_one(&ADD, &[Value::Bytes(&[byte])]).map(|()| byte))
    }

    fn refuse_after(byte: u8) -> Work {
        Box::new(move |tx| {
            tx.execute_one(&ADD, &[Value::Bytes(&[byte])])?;
            Err(StoreError::Unavailable("refused".into()))
        })
    }

    fn stored(writer: &Writer) -> Vec<Vec<u8>> {
        let mut stmt = writer.connection.prepare("SELECT hash FROM nonces ORDER BY hash").unwrap();
        stmt.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn outcomes(answers: Answers) -> Vec<Option<u8>> {
        answers.into_iter().map(|mut answered| answered.try_recv().unwrap().ok()).collect()
    }

    #[test]
    fn a_unit_that_refuses_after_writing_leaves_nothing_and_takes_nobody_along() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let twice = Box::new(|tx: &Tx<'_>| {
            tx.execute_one(&ADD_AGAIN, &[Value::Bytes(&[9])])?;
            tx.execute_one(&ADD_AGAIN, &[Value::Bytes(&[9])]).map(|()| 9)
        });
        let swallows = Box::new(|tx: &Tx<'_>| {
            tx.execute_one(&ADD, &[Value::Bytes(&[7])])?;
            let _ = tx.execute_one(&ADD_AGAIN, &[Value::Bytes(&[7])]);
            Ok(7)
        });
        let panics = Box::new(|tx: &Tx<'_>| {
            tx.execute_one(&ADD, &[Value::Bytes(&[8])])?;
            panic!("a fault of the unit")
        });
        let units: Vec<Work> = vec![add(1), refuse_after(2), add(3), twice, swallows, panics, add(4)];
        let (batch, answers) = batch(units);
        writer.commit(batch);
        assert_eq!(outcomes(answers), [Some(1), None, Some(3), None, None, None, Some(4)]);
        assert_eq!(stored(&writer), [[1], [3], [4]]);
    }

    #[test]
    fn a_unit_alone_that_refuses_after_writing_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let (batch, answers) = batch(vec![refuse_after(1)]);
        writer.commit(batch);
        assert_eq!(outcomes(answers), [None]);
        assert!(stored(&writer).is_empty());
    }

    /// SQLite undoes the whole transaction by itself when it is full: whoever was in it must not be told Ok.
    #[test]
    fn nothing_is_acknowledged_that_a_full_disk_has_undone() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let pages: i64 = writer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        writer.connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
        let large = |byte: u8| -> Work {
            Box::new(move |tx| tx.execute_one(&ADD, &[Value::Bytes(&[byte; 3000])]).map(|()| byte))
        };
        let mut units = vec![add(1), refuse_after(2)];
        units.extend((10..40).map(large));
        let (batch, answers) = batch(units);
        writer.commit(batch);
        let kept = stored(&writer).len();
        let acknowledged = outcomes(answers).into_iter().flatten().count();
        assert_eq!((acknowledged, kept), (0, 0));
        // When there is room again the same writer goes on.
        writer.connection.pragma_update(None, "max_page_count", pages + 1000).unwrap();
        let (batch, answers) = self::batch(vec![add(1), large(2)]);
        writer.commit(batch);
        assert_eq!(outcomes(answers), [Some(1), Some(2)]);
        assert_eq!(stored(&writer).len(), 2);
    }
}
