//! The store: one place where units of work become durable.
//!
//! A write is a plain synchronous function of a transaction. It may be run again, so it has no effect
//! outside its `Tx`; when it returns an error it leaves nothing.

pub mod migrate;
pub mod once;
pub mod outbox;
pub mod seal;
pub mod sql;
mod sqlite;
pub mod tenants;
pub mod users;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use thiserror::Error;

pub use sql::{Row, Stmt, Tx, Value};

/// Why the store could not do what it was asked.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// No space left. Reads go on; writes succeed again when there is space.
    #[error("the disk is full")]
    Full,
    /// Locked by another process for too long, or shutting down.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Sealed data that cannot be opened, or rows that contradict the schema.
    #[error("the database holds something unexpected: {0}")]
    Damaged(String),
}

impl StoreError {
    fn in_statement(self, name: &str) -> Self {
        match self {
            StoreError::Damaged(text) => StoreError::Damaged(format!("{name}: {text}")),
            StoreError::Unavailable(text) => StoreError::Unavailable(format!("{name}: {text}")),
            StoreError::Full => self,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
        match error.sqlite_error_code() {
            Some(DiskFull) => StoreError::Full,
            Some(DatabaseBusy | DatabaseLocked | SystemIoFailure | CannotOpen) => {
                StoreError::Unavailable(error.to_string())
            }
            _ => StoreError::Damaged(error.to_string()),
        }
    }
}

/// A handle to the store; cloned freely.
#[derive(Clone)]
pub struct Store(Arc<sqlite::Engine>);

impl Store {
    /// Opens the SQLite file, makes it if there is none, and brings its schema up to date.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(sqlite::Engine::open(path)?)))
    }

    /// Runs a short read on the caller's thread, on a snapshot of its own.
    ///
    /// Asynchronous although SQLite answers inline: an engine behind a socket does not.
    #[expect(clippy::unused_async, reason = "the signature every engine can serve")]
    pub async fn read<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let started = Instant::now();
        let result = self.0.read(read);
        metrics::histogram!("investord_store_read_seconds", "unit" => name).record(started.elapsed());
        result
    }

    /// Runs a read that may touch many rows, away from the threads that serve requests.
    pub async fn scan<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let engine = Arc::clone(&self.0);
        let started = Instant::now();
        let result = tokio::task::spawn_blocking(move || engine.read(read)).await;
        metrics::histogram!("investord_store_read_seconds", "unit" => name).record(started.elapsed());
        result.unwrap_or_else(|panic| Err(StoreError::Unavailable(panic.to_string()).into()))
    }

    /// Leaves everything in the database file and nothing in the log beside it: for a clean stop.
    pub async fn fold(&self) {
        self.0.fold().await;
    }

    /// Runs a unit of work and answers when it is on the disk, or when it has left nothing.
    pub async fn write<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        name: &'static str,
        unit: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let started = Instant::now();
        let result = self.0.write(unit).await;
        metrics::histogram!("investord_store_write_seconds", "unit" => name).record(started.elapsed());
        result
    }
}
