//! Errors of the store.

use thiserror::Error;

/// The reason for a failed operation of the store.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// No space is left on the disk. Reads go on, and writes succeed again once there is space.
    #[error("the disk is full")]
    DiskFull,
    /// The database is locked by another process for too long, unreachable, or shutting down.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Another transaction kept a row locked for longer than the lock timeout.
    #[error("another process is at work on the same rows: {0}")]
    LockTimeout(String),
    /// A serialization failure or a deadlock with a transaction of another process: the whole unit must run again.
    #[error("another process was faster: {0}")]
    SerializationFailure(String),
    /// Sealed data that cannot be decrypted, rows that contradict the schema, or another error of the statement itself.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Prepends the name of the failed statement to the message.
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
