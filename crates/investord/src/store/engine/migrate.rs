//! Migrations: one text, rendered for each engine.

use anyhow::{Context, bail};

use super::catalogue::{Catalogue, Database};
use super::migrations::{POSTGRES, SQLITE, State, rendered, runner, state_of, state_of_sqlite};
use super::postgres::connection_settings::PostgresSettings;
use super::{sqlite, sqlite_file};

/// Whose lock lets one runner at a time migrate: `investor` in ASCII.
const LOCK: i64 = i64::from_be_bytes(*b"investor");

/// What there is to do; changes nothing.
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

/// Brings the schema up to date; what was done. Of several runners one does it and the others wait.
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
            // A role may have limits for its statements; those of a migration take as long as they take.
            client.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
            // Held by the session, so it goes when this process goes.
            client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
            let before = state_of(client, catalogue).await?;
            runner(&POSTGRES, catalogue)?.run_async(client).await?;
            Ok(before)
        }),
    }
}

/// Refuses a PostgreSQL database whose schema is not that of this version.
pub fn check_postgres(server: &PostgresSettings, catalogue: &Catalogue) -> anyhow::Result<()> {
    let state = server.ask(async |client| state_of(client, catalogue).await)?;
    if !state.pending.is_empty() {
        bail!("{server} lacks the migrations {}: run `investord migrate`", state.pending.join(", "));
    }
    Ok(())
}
