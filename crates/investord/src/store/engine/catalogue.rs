//! The database of a register, and what an engine has to know of its schema.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::postgres::connection_settings::PostgresSettings;

/// The schema of a register, as the engines need it.
pub struct Catalogue {
    /// Names and texts of the migrations in order; a name carries the version as in `V1__register`.
    pub migrations: &'static [(&'static str, &'static str)],
    /// Names of all tables, each after the tables that it references: batched inserts are sent in this order.
    pub tables: &'static [&'static str],
    /// A lock statement that excludes concurrent serializable units on PostgreSQL.
    pub serializable_lock: &'static str,
}

/// The address of a database. Its display form contains no password.
#[derive(Clone)]
pub enum Database {
    /// The path of a SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server and database.
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
