//! The engines: group commit, statements, migrations, SQLite and PostgreSQL.

pub(in crate::store) mod batch;
pub mod catalogue;
pub mod commits;
pub mod error;
pub mod migrate;
pub mod migrations;
pub mod postgres;
mod queue;
pub mod sql;
pub mod sqlite;
pub mod sqlite_file;
pub mod unit;

use std::sync::Arc;
use std::time::Instant;

pub use self::catalogue::{Catalogue, Database};
use self::commits::{CommitListener, CommitNotifier};
pub use self::error::StoreError;
use self::sql::Tx;
use self::unit::{FirstQueries, UnitOfWork, WriterTask};

/// A handle to the store; cloned freely.
#[derive(Clone)]
pub struct Store(Arc<Engine>, Arc<CommitNotifier>);

enum Engine {
    Sqlite(Arc<sqlite::Engine>),
    Postgres(postgres::Engine),
}

impl Store {
    /// Opens a database whose schema is that of the catalogue; creates a SQLite file and migrates it.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached, or its schema is another one.
    pub fn open_with(database: &Database, catalogue: &'static Catalogue) -> anyhow::Result<Self> {
        let engine = match database {
            Database::Sqlite(path) => Engine::Sqlite(Arc::new(sqlite::Engine::open(path, catalogue)?)),
            Database::Postgres(postgres) => Engine::Postgres(postgres::Engine::open(postgres, catalogue)?),
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
    /// Units of one tenant run in turn with those of others; in one process one after the other.
    pub async fn write<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        tenant: i64,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.write_prefetched(name, tenant, (), unit).await
    }

    /// Like [`Store::write`], for a unit that begins by looking at `first`.
    pub async fn write_prefetched<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        tenant: i64,
        first: impl FirstQueries + 'static,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.enqueue(name, tenant, first, unit, |unit| WriterTask::Batched { tenant, unit }).await
    }

    /// Runs a unit as if it were the only one in any process: for administration, which is rare.
    pub async fn write_serializable<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.enqueue(name, 0, (), unit, WriterTask::Serializable).await
    }

    async fn enqueue<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        tenant: i64,
        first: impl FirstQueries + 'static,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
        job: impl FnOnce(Box<dyn UnitOfWork>) -> WriterTask,
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
            if engine.queue.send(WriterTask::Checkpoint(done)).await.is_ok() {
                let _ = folded.await;
            }
        }
    }
}
