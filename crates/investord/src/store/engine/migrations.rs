//! The migrations of a catalogue, rendered for an engine, and those that a database has.
//!
//! A released migration never changes: the runner stores a checksum of each and refuses a database in which one differs
//! or is unknown.

use anyhow::{Context as _, bail};
use refinery_core::{Migration, Runner};
use tokio_postgres::Client;

use super::catalogue::Catalogue;

/// The placeholders of a migration and their replacements for one engine.
pub(super) struct Dialect {
    words: &'static [(&'static str, &'static str)],
}

/// The dialect of SQLite. STRICT makes SQLite check the types of columns, as PostgreSQL does.
pub(super) const SQLITE: Dialect = Dialect {
    words: &[
        ("{id}", "BLOB"),
        ("{int}", "INTEGER"),
        ("{bytes}", "BLOB"),
        ("{strict}", "STRICT"),
        ("{clustered}", "STRICT, WITHOUT ROWID"),
    ],
};

/// The dialect of PostgreSQL, where the suffixes of SQLite tables are removed.
pub(super) const POSTGRES: Dialect = Dialect {
    words: &[
        ("{id}", "UUID"),
        ("{int}", "BIGINT"),
        ("{bytes}", "BYTEA"),
        (" {strict}", ""),
        (" {clustered}", ""),
    ],
};

/// The applied and the pending migrations of a database.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    /// Names in order, as in `V1__register`.
    pub applied: Vec<String>,
    /// Names of the migrations that are not applied yet, in order.
    pub pending: Vec<String>,
}

impl State {
    /// Compares the applied migrations with those of this version and fails if one is unknown or has another checksum.
    pub(super) fn of(known: &[Migration], applied: &[Migration]) -> anyhow::Result<Self> {
        for found in applied {
            match known.iter().find(|known| known.version() == found.version()) {
                None => bail!(
                    "the database has the migration {found}, which this version does not know: use the newer \
                     version of Investord that has made it"
                ),
                Some(own) if own.checksum() != found.checksum() => {
                    bail!(
                        "the migration {found} of the database is not the one that this version knows: use the \
                         version of Investord that has made it"
                    )
                }
                Some(_) => {}
            }
        }
        let names = |migrations: &[Migration]| migrations.iter().map(ToString::to_string).collect();
        let is_pending = |known: &&Migration| applied.iter().all(|found| found.version() != known.version());
        let pending: Vec<Migration> = known.iter().filter(is_pending).cloned().collect();
        Ok(Self { applied: names(applied), pending: names(&pending) })
    }
}

/// Renders the migrations of a catalogue for an engine.
pub(super) fn rendered(dialect: &Dialect, catalogue: &Catalogue) -> anyhow::Result<Vec<Migration>> {
    let render = |text: &str| {
        dialect.words.iter().fold(text.to_owned(), |text, (word, rendered)| text.replace(word, rendered))
    };
    catalogue.migrations.iter().map(|(name, text)| Ok(Migration::unapplied(name, &render(text))?)).collect()
}

/// What a failed migration has done: nothing, because all of them are one transaction.
pub(super) const NOT_MIGRATED: &str = "cannot migrate the database, which is as it was";

/// Builds a runner that applies all migrations in one transaction. In a transaction per migration it would commit a
/// migration before it records it, and a crash in between would leave the database in an unknown state.
pub(super) fn runner(dialect: &Dialect, catalogue: &Catalogue) -> anyhow::Result<Runner> {
    Ok(Runner::new(&rendered(dialect, catalogue)?).set_grouped(true))
}

/// Applies the pending migrations to an open SQLite file and returns the state before.
///
/// # Errors
///
/// Fails if a migration fails, or the file has a migration that this version does not know.
pub fn sqlite(connection: &mut rusqlite::Connection, catalogue: &Catalogue) -> anyhow::Result<State> {
    let before = state_of_sqlite(connection, catalogue)?;
    if !before.pending.is_empty() {
        runner(&SQLITE, catalogue)?.run(connection).context(NOT_MIGRATED)?;
    }
    Ok(before)
}

/// Returns the state of an open SQLite file.
pub(super) fn state_of_sqlite(
    connection: &mut rusqlite::Connection,
    catalogue: &Catalogue,
) -> anyhow::Result<State> {
    let known = rendered(&SQLITE, catalogue)?;
    if !connection.table_exists(None, "refinery_schema_history")? {
        return State::of(&known, &[]);
    }
    State::of(&known, &Runner::new(&known).get_applied_migrations(connection)?)
}

/// Returns the state of a PostgreSQL database.
pub(super) async fn state_of(client: &mut Client, catalogue: &Catalogue) -> anyhow::Result<State> {
    let known = rendered(&POSTGRES, catalogue)?;
    // The runner would create its table, and this function must not change the database.
    let history = "SELECT count(*) FROM pg_catalog.pg_tables
                   WHERE schemaname = current_schema() AND tablename = 'refinery_schema_history'";
    if client.query_one(history, &[]).await?.get::<_, i64>(0) == 0 {
        return State::of(&known, &[]);
    }
    let applied = Runner::new(&known).get_applied_migrations_async(client).await?;
    State::of(&known, &applied)
}
