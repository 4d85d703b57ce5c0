//! Applies the pending migrations, and tells which they are.

use anyhow::{Context, bail};

use super::catalogue::{Catalogue, Database};
use super::migrations::{NOT_MIGRATED, POSTGRES, SQLITE, State, rendered, runner, state_of, state_of_sqlite};
use super::postgres::connection_settings::PostgresSettings;
use super::{sqlite, sqlite_file};

/// Key of the PostgreSQL advisory lock that admits one migration runner at a time: `investor` in ASCII.
const LOCK: i64 = i64::from_be_bytes(*b"investor");

/// Returns the applied and the pending migrations without changing the database.
///
/// # Errors
///
/// Fails if the database cannot be read or has a migration that this version does not know.
pub fn state(database: &Database, catalogue: &Catalogue) -> anyhow::Result<State> {
    match database {
        Database::Sqlite(path) => match sqlite::open_to_read(path) {
            Ok(mut connection) => state_of_sqlite(&mut connection, catalogue),
            Err(_) if !path.exists() => State::of(&rendered(&SQLITE, catalogue)?, &[]),
            Err(error) => Err(error).with_context(|| format!("cannot open {}", path.display())),
        },
        Database::Postgres(server) => server.ask(async |client| state_of(client, catalogue).await),
    }
}

/// Applies the pending migrations and returns the state before. Concurrent runners wait for the first.
///
/// # Errors
///
/// Fails if the database cannot be reached, is behind a pooler, or has a migration that this version does not know.
pub fn run(database: &Database, catalogue: &Catalogue) -> anyhow::Result<State> {
    match database {
        Database::Sqlite(path) => {
            path.parent().map_or(Ok(()), sqlite_file::make_folder)?;
            Ok(sqlite::open_to_write(path, catalogue)?.1)
        }
        Database::Postgres(server) if server.tuning.pooler => bail!(
            "{server} is a pooler, which cannot lock out other runners: name the database server itself, and set \
             INVESTORD_POSTGRES__POOLER=false"
        ),
        Database::Postgres(server) => server.ask(async |client| {
            // The role may have default timeouts, but a migration of a large table may take longer than any of them.
            client.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
            // A session lock is released by the server even if this process is killed.
            client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
            let before = state_of(client, catalogue).await?;
            runner(&POSTGRES, catalogue)?.run_async(client).await.context(NOT_MIGRATED)?;
            Ok(before)
        }),
    }
}

/// Verifies that the schema of a PostgreSQL database is that of this version.
///
/// # Errors
///
/// Fails if the server cannot be reached, a migration is pending or one is unknown.
pub fn check_postgres(server: &PostgresSettings, catalogue: &Catalogue) -> anyhow::Result<()> {
    let state = server.ask(async |client| state_of(client, catalogue).await)?;
    if !state.pending.is_empty() {
        bail!("{server} lacks the migrations {}: run `investord migrate`", state.pending.join(", "));
    }
    Ok(())
}
