//! The engines: group commit, statements, migrations, SQLite and PostgreSQL.

pub(in crate::store) mod batch;
pub mod commits;
pub mod migrate;
pub mod postgres;
pub(in crate::store) mod queue;
pub mod sql;
pub(in crate::store) mod sqlite;
pub mod sqlite_file;
