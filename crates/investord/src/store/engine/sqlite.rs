//! SQLite: one writer thread that commits in groups, readers beside it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::batch;
use super::batch::{Connection as _, Writer};
use super::catalogue::Catalogue;
use super::checkpoint::{self, LogSize};
use super::error::StoreError;
use super::queue::{TaskSender, queue};
use super::row::{ColumnValue, EngineRow, Row};
use super::sql::{StatementExecutor, Tx, Value};
use super::statement::{Insert, Statement as _, Stmt};
use super::unit::CheckpointMode;
use super::{migrations, sqlite_file};

/// Capacity of the prepared statement cache of a connection: greater than the number of statements, so none is evicted.
const STATEMENTS: usize = 128;
/// Page cache of the writer in KiB. Ids are random, so inserts touch pages all over an index and a small cache would
/// read them again.
const WRITER_CACHE_KIB: i64 = 16_384;
/// Maximum number of concurrent scans: more would compete for the same processors and use more memory.
pub const SCANS: usize = 8;
/// Maximum number of idle read connections in the pool; each may cache up to 2 MiB of pages.
const RESTING: usize = 8;

/// The SQLite engine: the queue of the writer and the pool of read connections.
pub struct Engine {
    path: PathBuf,
    /// Idle read connections. A read takes one or opens one, and returns it afterwards.
    readers: Mutex<Vec<Connection>>,
    /// The queue of the only writer: SQLite has one write lock per database.
    pub queue: TaskSender,
    /// Permits of the concurrent scans.
    scans: Arc<Semaphore>,
    /// Keeps the thread that moves the log alive.
    _log: Arc<LogSize>,
}

impl Engine {
    /// Opens the file, migrates it and starts the writer thread.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened or its schema belongs to another version.
    pub fn open(path: &Path, catalogue: &Catalogue) -> anyhow::Result<Self> {
        let (mut connection, _) = open_to_write(path, catalogue)?;
        let path = sqlite_file::real_path(path)?;
        let (queue, jobs) = queue();
        let log = Arc::new(checkpoint::start(open_beside_writer(&path)?, queue.clone())?);
        checkpoint::report_size(&mut connection, &log)?;
        std::thread::Builder::new().name("writer".into()).spawn(move || Writer(connection).run(&jobs))?;
        Ok(Self { path, readers: Mutex::default(), queue, scans: Arc::new(Semaphore::new(SCANS)), _log: log })
    }

    /// Runs a read on the thread of the caller, inside a read transaction of its own.
    ///
    /// # Errors
    ///
    /// Fails with the error of the read, or with [`StoreError`] if the file cannot be read.
    pub fn read<T, E: From<StoreError>>(
        &self,
        mut read: impl FnMut(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let resting = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match resting {
            Some(connection) => connection,
            None => open_to_read(&self.path).map_err(StoreError::from)?,
        };
        connection.control("BEGIN")?;
        let tx = Tx::new(&connection);
        let result = tx.finish_read(read(&tx));
        // A connection whose statements failed is dropped here instead of returned to the pool.
        connection.control("COMMIT")?;
        let mut resting = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() < RESTING {
            resting.push(connection);
        }
        result
    }

    /// Runs a read on a blocking thread when a permit is free, away from the threads that serve requests.
    ///
    /// # Errors
    ///
    /// Fails with the error of the read, or with [`StoreError::Unavailable`] if the read panicked.
    pub async fn scan<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        self: Arc<Self>,
        read: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let unavailable = |error: &dyn std::error::Error| StoreError::Unavailable(error.to_string());
        let turn = Arc::clone(&self.scans).acquire_owned().await.map_err(|closed| unavailable(&closed))?;
        let scanned = tokio::task::spawn_blocking(move || {
            // The permit lasts until the read ends, even if the caller has cancelled it.
            let _turn = turn;
            self.read(read)
        });
        scanned.await.unwrap_or_else(|panic| Err(unavailable(&panic).into()))
    }
}

/// Opens a read-write connection, migrates the file to the schema of this version and returns the state before.
///
/// # Errors
///
/// Fails if the file cannot be opened, has hard links, or has a schema of another version.
pub fn open_to_write(path: &Path, catalogue: &Catalogue) -> anyhow::Result<(Connection, migrations::State)> {
    sqlite_file::make_private(path)?;
    // A symbolic link may change while the file is open.
    let path = &sqlite_file::real_path(path)?;
    sqlite_file::check_names(path)?;
    // One process creates the schema while the others wait: SQLite itself would fail them with SQLITE_BUSY.
    let _turn = turn(path);
    let mut connection = Connection::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    configure(&connection)?;
    // WAL lets readers go on during a write; FULL makes a commit wait for the fsync.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", checkpoint::LOG_PAGES)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // Deleted content is overwritten with zeros, so that expired tokens and former personal data do not stay in the
    // file.
    connection.pragma_update(None, "secure_delete", true)?;
    let state = migrations::sqlite(&mut connection, catalogue)?;
    Ok((connection, state))
}

/// Locks the folder of the database where the file system supports it, and releases the lock on drop.
fn turn(path: &Path) -> Option<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).ok().filter(|folder| folder.lock().is_ok())
}

/// Opens a read-write connection beside that of the writer, to a file that exists.
fn open_beside_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// Opens a read-only connection.
///
/// # Errors
///
/// Fails if the file does not exist or cannot be opened.
pub fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    Ok(connection)
}

/// Applies the settings that read and write connections share.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(sqlite_file::BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise SQLite plans some statements again for each new value of their parameters, which costs more than to run
    // them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
        match error.sqlite_error_code() {
            Some(DiskFull) => StoreError::DiskFull,
            Some(DatabaseBusy | DatabaseLocked | SystemIoFailure | CannotOpen) => {
                StoreError::Unavailable(error.to_string())
            }
            _ => StoreError::Corrupt(error.to_string()),
        }
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Bytes(value) => ValueRef::Blob(value),
            Value::Id(value) => ValueRef::Blob(value.as_bytes()),
            Value::At(value) => ValueRef::Integer(value.as_microsecond()),
            Value::Null => ValueRef::Null,
        }))
    }
}

impl EngineRow for rusqlite::Row<'_> {
    fn raw(&self, column: usize) -> Result<ColumnValue<'_>, StoreError> {
        Ok(match self.get_ref(column)? {
            ValueRef::Null => ColumnValue::Null,
            ValueRef::Integer(value) => ColumnValue::Int(value),
            ValueRef::Blob(value) => ColumnValue::Bytes(value),
            text => ColumnValue::Text(text.as_str().map_err(rusqlite::Error::from)?),
        })
    }
}

impl StatementExecutor for Connection {
    fn insert(&self, insert: &'static Insert, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.prepare_cached(insert.text())?.execute(rusqlite::params_from_iter(values))?;
        Ok(())
    }

    fn execute(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<usize, StoreError> {
        Ok(self.prepare_cached(stmt.text)?.execute(rusqlite::params_from_iter(values))?)
    }

    fn each(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        see: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut prepared = self.prepare_cached(stmt.text)?;
        let mut rows = prepared.query(rusqlite::params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            see(&Row::of(row))?;
        }
        Ok(())
    }
}

impl batch::Connection for Connection {
    /// Begins with IMMEDIATE, which takes the write lock at once: an upgrade from a read lock at the first write can
    /// fail with `SQLITE_BUSY` without waiting for the timeout.
    fn begin(&self, _alone: bool) -> Result<(), StoreError> {
        self.control("BEGIN IMMEDIATE")
    }

    fn control(&self, text: &'static str) -> Result<(), StoreError> {
        let run = || self.prepare_cached(text)?.execute([]);
        run().map(|_| ()).map_err(|error| {
            sqlite_file::stop_if_unsynced(&error);
            error.into()
        })
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.control("COMMIT")
    }

    /// Rolls back unless SQLite already did so itself, as after a full disk. The process aborts if the rollback fails:
    /// an open transaction would take up the next batch.
    fn roll_back(&self) {
        if !self.is_autocommit()
            && let Err(error) = self.control("ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back; stopping");
            std::process::abort();
        }
    }

    fn is_lost(&self) -> bool {
        false
    }

    fn checkpoint(&self, mode: CheckpointMode) {
        checkpoint::by_writer(self, mode);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::super::unit::{Owner, WriterTask};
    use super::*;

    const ADD: Stmt =
        Stmt { name: "test.add", text: "INSERT INTO toys (name) VALUES ($1) ON CONFLICT DO NOTHING" };

    static TOYS: Catalogue = Catalogue {
        migrations: &[("V1__toys", "CREATE TABLE toys (name {bytes} NOT NULL PRIMARY KEY) {strict};")],
        tables: &["toys"],
        serializable_lock: "LOCK TABLE toys IN SHARE ROW EXCLUSIVE MODE",
    };

    fn stored(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM toys", [], |row| row.get(0)).unwrap()
    }

    /// A cancelled request does not free the thread of its read.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_scan_counts_until_it_ends_though_its_caller_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::open(&folder.path().join("toys.db"), &TOYS).unwrap());
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, may_end) = std::sync::mpsc::channel::<()>();
        let mut begun = Some(begun);
        let read = move |_: &Tx<'_>| -> Result<(), StoreError> {
            begun.take().into_iter().for_each(|begun| begun.send(()).unwrap());
            let _ = may_end.recv();
            Ok(())
        };
        let caller = tokio::spawn(Arc::clone(&engine).scan(read));
        has_begun.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(engine.scans.available_permits(), SCANS - 1);
        drop(end);
        let all = u32::try_from(SCANS).unwrap();
        drop(engine.scans.acquire_many(all).await.unwrap());
    }

    /// SQLite rolls back the whole transaction by itself when the disk is full: no unit of it may be acknowledged.
    #[tokio::test]
    async fn nothing_is_acknowledged_that_a_full_disk_has_undone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toys.db");
        drop(Engine::open(&path, &TOYS).unwrap());
        let connection = Connection::open(&path).unwrap();
        configure(&connection).unwrap();
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
        let writer = Writer(connection);
        // The queue is filled before the writer runs, so that all units share one commit.
        let acknowledged = async |sizes: &[usize]| {
            let (queue, jobs) = queue();
            let units = sizes.iter().enumerate().map(|(number, size)| {
                let bytes = vec![u8::try_from(number).unwrap(); *size];
                let unit = move |tx: &Tx<'_>| tx.execute_one(&ADD, &[Value::Bytes(&bytes)]);
                batch::run(&queue, (), unit, |unit| WriterTask::Batched { owner: Owner::REGISTER, unit })
            });
            let mut answers: Vec<_> = units.map(Box::pin).collect();
            for answer in &mut answers {
                assert!(answer.now_or_never().is_none());
            }
            let units = jobs.next().into_iter().flatten().filter_map(|job| match job {
                WriterTask::Batched { unit, .. } => Some(unit),
                _ => None,
            });
            writer.commit(units.collect());
            let answers = futures_util::future::join_all(answers).await;
            answers.into_iter().flatten().count()
        };
        assert_eq!((acknowledged(&[3000; 30]).await, stored(&writer.0)), (0, 0));
        // The same writer goes on once there is space.
        writer.0.pragma_update(None, "max_page_count", pages + 1000).unwrap();
        assert_eq!((acknowledged(&[1, 3000]).await, stored(&writer.0)), (2, 2));
    }
}
