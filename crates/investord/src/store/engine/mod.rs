//! The engines: group commit, statements, migrations, SQLite and PostgreSQL.

pub(in crate::store) mod batch;
pub mod catalogue;
mod checkpoint;
pub mod commits;
pub mod error;
pub mod migrate;
pub mod migrations;
pub mod postgres;
mod queue;
pub mod row;
pub mod sql;
pub mod sqlite;
pub mod sqlite_file;
pub mod statement;
pub mod unit;

use std::sync::Arc;
use std::time::Instant;

pub use self::catalogue::{Catalogue, Database};
use self::commits::{CommitListener, CommitNotifier};
pub use self::error::StoreError;
use self::sql::Tx;
use self::unit::{CheckpointMode, FirstQueries, Owner, UnitOfWork, WriterTask};

/// A handle to the store; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Engine>, Arc<CommitNotifier>);

enum Engine {
    Sqlite(Arc<sqlite::Engine>),
    Postgres(postgres::Engine),
}

impl Store {
    /// Opens a database with the schema of the catalogue; creates a SQLite file if none exists, and migrates it.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached or has another schema.
    pub fn open_with(database: &Database, catalogue: &'static Catalogue) -> anyhow::Result<Self> {
        let engine = match database {
            Database::Sqlite(path) => Engine::Sqlite(Arc::new(sqlite::Engine::open(path, catalogue)?)),
            Database::Postgres(postgres) => Engine::Postgres(postgres::Engine::open(postgres, catalogue)?),
        };
        Ok(Self(Arc::new(engine), Arc::default()))
    }

    /// Runs a short read; each of its statements sees the newest commit.
    ///
    /// SQLite reads on the thread of the caller, because a switch to another thread would cost more than the read.
    ///
    /// # Errors
    ///
    /// Fails with the error of the read, or with [`StoreError`] if the database is unavailable.
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

    /// Runs a read that may touch many rows. All its statements share one snapshot, and it runs away from the threads
    /// that serve requests.
    ///
    /// # Errors
    ///
    /// Fails with the error of the read, or with [`StoreError`] if the database is unavailable.
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

    /// Runs a unit of work of an owner and returns when the commit is durable or the unit is rolled back.
    ///
    /// The writer serves owners in turn. In one process the units of an owner run one after the other.
    ///
    /// # Errors
    ///
    /// Fails with the error of the unit, or with [`StoreError`] if the transaction did not commit.
    pub async fn write<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        owner: impl Into<Owner>,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.write_prefetched(name, owner, (), unit).await
    }

    /// Runs a unit as [`Store::write`] does, and sends its first queries in advance of the whole batch.
    ///
    /// # Errors
    ///
    /// Fails with the error of the unit, or with [`StoreError`] if the transaction did not commit.
    pub async fn write_prefetched<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        owner: impl Into<Owner>,
        first: impl FirstQueries + 'static,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let owner = owner.into();
        self.enqueue(name, owner, first, unit, |unit| WriterTask::Batched { owner, unit }).await
    }

    /// Runs a unit in a SERIALIZABLE transaction of its own, for administration: it is rare, and stops the batches of
    /// its writer meanwhile.
    ///
    /// # Errors
    ///
    /// Fails with the error of the unit, or with [`StoreError`] if the transaction did not commit.
    pub async fn write_serializable<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.enqueue(name, Owner::REGISTER, (), unit, WriterTask::Serializable).await
    }

    /// Enqueues a unit, notifies the listeners of the owner after the commit and records the duration.
    async fn enqueue<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        owner: Owner,
        first: impl FirstQueries + 'static,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
        task: impl FnOnce(Box<dyn UnitOfWork>) -> WriterTask,
    ) -> Result<T, E> {
        let started = Instant::now();
        let queue = match &*self.0 {
            Engine::Sqlite(engine) => &engine.queue,
            Engine::Postgres(engine) => engine.queue(owner),
        };
        let result = batch::run(queue, first, unit, task).await;
        if result.is_ok() {
            self.1.notify(owner);
        }
        metrics::histogram!("investord_store_write_seconds", "unit" => name).record(started.elapsed());
        result
    }

    /// Subscribes to the commits of an owner from now on.
    pub fn commits(&self, owner: impl Into<Owner>) -> CommitListener {
        self.1.listen(owner.into())
    }

    /// Returns whether other processes may use the same database.
    pub fn is_shared(&self) -> bool {
        matches!(*self.0, Engine::Postgres(_))
    }

    /// Moves the write-ahead log into the database file, so that after a clean stop the file alone is complete.
    pub async fn checkpoint(&self) {
        if let Engine::Sqlite(engine) = &*self.0 {
            let (done, finished) = tokio::sync::oneshot::channel();
            if engine.queue.send(WriterTask::Checkpoint(CheckpointMode::Truncate, done)).await.is_ok() {
                let _ = finished.await;
            }
        }
    }
}
