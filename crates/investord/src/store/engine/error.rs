//! Errors of the store.

use thiserror::Error;

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
    pub(super) fn in_statement(self, name: &str) -> Self {
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
