//! The store: reads, scans and units of work on either engine.
//!
//! A write is a plain synchronous function of a transaction. It may be run again, so it has no effect
//! outside its `Tx`; when it returns an error it leaves nothing.

pub mod accounts;
pub mod delivery;
pub mod encryption;
pub mod engine;
pub mod jobs;
pub mod log;
pub mod paging;
pub mod readiness;
mod schema;
pub mod tenants;
pub mod tools;
pub mod users;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;

use self::engine::commits::{CommitListener, CommitNotifier};
use self::engine::{batch, postgres, sqlite};
pub use engine::postgres::connection_settings::PostgresSettings;
pub use engine::sql::{Row, Stmt, Tx, Value};
pub use engine::sqlite::SCANS;
pub use log::idempotency::Prefetch;

/// Why the store could not do what it was asked.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// No space left. Reads go on; writes succeed again when there is space.
    #[error("the disk is full")]
    DiskFull,
    /// Locked by another process for too long, unreachable, or shutting down.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Another process holds a row for longer than a write waits.
    #[error("another process is at work on the same rows: {0}")]
    LockTimeout(String),
    /// A race against another process was lost: all of the unit is to be done again.
    #[error("another process was faster: {0}")]
    SerializationFailure(String),
    /// Sealed data that cannot be opened, or rows that contradict the schema.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
}

impl StoreError {
    fn in_statement(self, name: &str) -> Self {
        match self {
            StoreError::DiskFull => self,
            StoreError::Unavailable(text) => StoreError::Unavailable(format!("{name}: {text}")),
            StoreError::LockTimeout(text) => StoreError::LockTimeout(format!("{name}: {text}")),
            StoreError::SerializationFailure(text) => {
                StoreError::SerializationFailure(format!("{name}: {text}"))
            }
            StoreError::Corrupt(text) => StoreError::Corrupt(format!("{name}: {text}")),
        }
    }
}

/// Which database, and how to get there. Shown without any password.
#[derive(Clone)]
pub enum Database {
    /// The embedded one: a file.
    Sqlite(PathBuf),
    Postgres(Arc<PostgresSettings>),
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Database::Postgres(postgres) => write!(f, "{postgres}"),
        }
    }
}

/// A handle to the store; cloned freely.
#[derive(Clone)]
pub struct Store(Arc<Engine>, Arc<CommitNotifier>);

enum Engine {
    Sqlite(Arc<sqlite::Engine>),
    Postgres(postgres::Engine),
}

impl Store {
    /// Opens a database whose schema is that of this version; a SQLite file is made and brought up to date.
    pub fn open(database: &Database) -> anyhow::Result<Self> {
        let engine = match database {
            Database::Sqlite(path) => Engine::Sqlite(Arc::new(sqlite::Engine::open(path)?)),
            Database::Postgres(postgres) => Engine::Postgres(postgres::Engine::open(postgres)?),
        };
        Ok(Self(Arc::new(engine), Arc::default()))
    }

    /// Runs a short read; each of its statements sees the newest commit.
    ///
    /// SQLite answers on the caller's thread, which is cheaper than any way to another.
    pub async fn read<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        read: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let started = Instant::now();
        let result = match &*self.0 {
            Engine::Sqlite(engine) => engine.read(read),
            Engine::Postgres(engine) => engine.read(false, read).await,
        };
        metrics::histogram!("investord_store_read_seconds", "unit" => name).record(started.elapsed());
        result
    }

    /// Runs a read that may touch many rows, all its statements on one snapshot, away from the threads that
    /// serve requests.
    pub async fn scan<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        read: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let started = Instant::now();
        let result = match &*self.0 {
            Engine::Sqlite(engine) => Arc::clone(engine).scan(read).await,
            Engine::Postgres(engine) => engine.read(true, read).await,
        };
        metrics::histogram!("investord_store_read_seconds", "unit" => name).record(started.elapsed());
        result
    }

    /// Runs a unit of work of a tenant and answers when it is on the disk, or when it has left nothing.
    ///
    /// Units of one tenant run one after the other, in every process, once they have taken its
    /// [head](tenants::Head); what a unit reads before that may be old when it writes.
    pub async fn write<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        tenant: i64,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.write_prefetched(name, tenant, Prefetch::default(), unit).await
    }

    /// Like [`Store::write`], for a unit that begins by looking at `first`.
    pub async fn write_prefetched<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        tenant: i64,
        first: Prefetch,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.enqueue(name, tenant, first, unit, |unit| batch::WriterTask::Batched { tenant, unit }).await
    }

    /// Runs a unit as if it were the only one in any process: for administration, which is rare.
    pub async fn write_serializable<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.enqueue(name, 0, Prefetch::default(), unit, batch::WriterTask::Serializable).await
    }

    async fn enqueue<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        tenant: i64,
        first: Prefetch,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
        job: impl FnOnce(Box<dyn batch::UnitOfWork>) -> batch::WriterTask,
    ) -> Result<T, E> {
        let started = Instant::now();
        let queue = match &*self.0 {
            Engine::Sqlite(engine) => &engine.queue,
            Engine::Postgres(engine) => engine.queue(tenant),
        };
        let result = batch::run(queue, first, unit, job).await;
        if result.is_ok() {
            self.1.notify(tenant);
        }
        metrics::histogram!("investord_store_write_seconds", "unit" => name).record(started.elapsed());
        result
    }

    /// The commits of a tenant from now on.
    pub fn commits(&self, tenant: i64) -> CommitListener {
        self.1.listen(tenant)
    }

    /// Whether other processes may be at work on it.
    pub fn is_shared(&self) -> bool {
        matches!(*self.0, Engine::Postgres(_))
    }

    /// Leaves everything in the database file and nothing in the log beside it: for a clean stop.
    pub async fn checkpoint(&self) {
        if let Engine::Sqlite(engine) = &*self.0 {
            let (done, folded) = tokio::sync::oneshot::channel();
            if engine.queue.send(batch::WriterTask::Checkpoint(done)).await.is_ok() {
                let _ = folded.await;
            }
        }
    }
}
