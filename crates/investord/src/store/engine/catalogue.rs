//! The database of a register, and what an engine has to know of its schema.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::postgres::connection_settings::PostgresSettings;

/// What an engine has to know of the schema that it serves.
pub struct Catalogue {
    /// Names, which carry the version as in `V1__register`, and texts, in their order.
    pub migrations: &'static [(&'static str, &'static str)],
    /// Names of all tables, each behind those that it refers to: batched inserts are sent in this order.
    pub tables: &'static [&'static str],
    /// A statement by which one serializable unit locks out the others on PostgreSQL.
    pub serializable_lock: &'static str,
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
