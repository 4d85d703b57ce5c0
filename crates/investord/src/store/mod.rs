//! The store: reads, scans and units of work on either engine.
//!
//! A write is a synchronous function of a transaction. It may run again after a rollback, so it has no side effects
//! outside of its `Tx`; when it returns an error, all its changes are rolled back.

pub mod accounts;
pub mod delivery;
pub mod encryption;
pub mod engine;
pub mod jobs;
pub mod log;
pub mod paging;
pub mod plaintext;
pub mod readiness;
mod schema;
mod table_schema;
mod tables;
pub mod tenants;
pub mod tools;
pub mod unit;
pub mod users;

pub use self::engine::postgres::connection_settings::PostgresSettings;
pub use self::engine::row::Row;
pub use self::engine::sql::{Tx, Value};
pub use self::engine::sqlite::SCANS;
pub use self::engine::statement::{Insert, Statement, Stmt};
pub use self::engine::{Database, Store, StoreError};
pub use self::log::idempotency::Prefetch;
pub use self::schema::CATALOGUE;

impl Store {
    /// Opens a register with the schema of this version; creates a SQLite file if none exists, and migrates it.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached or has the schema of another version.
    pub fn open(database: &Database) -> anyhow::Result<Self> {
        Self::open_with(database, &CATALOGUE)
    }
}

/// Returns every statement of the server; a test and `investord doctor` prepare each of them.
pub fn statements() -> impl Iterator<Item = &'static dyn Statement> {
    use self::delivery::{
        attempts, deliveries, event_endpoints, event_ranges, packages, signing_keys, webhooks,
    };
    use self::jobs::backfills;
    use self::log::{events, idempotency, register_events};
    use self::users::{checks, data_changes, identifiers, search_index, simulated_outcomes, tax_residencies};
    use self::{accounts, jobs, tenants, users};
    [
        event_endpoints::STATEMENTS,
        event_ranges::STATEMENTS,
        accounts::STATEMENTS,
        checks::STATEMENTS,
        jobs::assignment::STATEMENTS,
        backfills::STATEMENTS,
        data_changes::STATEMENTS,
        deliveries::STATEMENTS,
        identifiers::STATEMENTS,
        idempotency::STATEMENTS,
        events::STATEMENTS,
        register_events::STATEMENTS,
        simulated_outcomes::STATEMENTS,
        packages::STATEMENTS,
        attempts::STATEMENTS,
        signing_keys::STATEMENTS,
        jobs::STATEMENTS,
        tax_residencies::STATEMENTS,
        search_index::STATEMENTS,
        users::STATEMENTS,
        webhooks::STATEMENTS,
    ]
    .into_iter()
    .chain(tenants::statements())
    .flatten()
    .copied()
}
