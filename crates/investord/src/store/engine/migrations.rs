//! The migrations of a catalogue, rendered for an engine, and those that a database has.
//!
//! A released migration never changes: the runner keeps a checksum of each and refuses a database in
//! which one differs or is unknown.

use anyhow::bail;
use refinery::{Migration, Runner};
use tokio_postgres::Client;

use super::catalogue::Catalogue;

/// The words of a migration that differ between engines.
pub(super) struct Dialect {
    words: &'static [(&'static str, &'static str)],
}

pub(super) const SQLITE: Dialect = Dialect {
    words: &[
        ("{id}", "BLOB"),
        ("{int}", "INTEGER"),
        ("{bytes}", "BLOB"),
        ("{strict}", "STRICT"),
        ("{clustered}", "STRICT, WITHOUT ROWID"),
    ],
};

pub(super) const POSTGRES: Dialect = Dialect {
    words: &[
        ("{id}", "UUID"),
        ("{int}", "BIGINT"),
        ("{bytes}", "BYTEA"),
        (" {strict}", ""),
        (" {clustered}", ""),
    ],
};

/// What a database has of the migrations that this version knows, and what it lacks.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    /// Names in order, as in `V1__register`.
    pub applied: Vec<String>,
    pub pending: Vec<String>,
}

impl State {
    /// Refuses a database with migrations that this version does not know, or knows otherwise.
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

pub(super) fn rendered(dialect: &Dialect, catalogue: &Catalogue) -> anyhow::Result<Vec<Migration>> {
    let render = |text: &str| {
        dialect.words.iter().fold(text.to_owned(), |text, (word, rendered)| text.replace(word, rendered))
    };
    catalogue.migrations.iter().map(|(name, text)| Ok(Migration::unapplied(name, &render(text))?)).collect()
}

/// Everything in one transaction: by itself the runner commits a migration before it notes that it did.
pub(super) fn runner(dialect: &Dialect, catalogue: &Catalogue) -> anyhow::Result<Runner> {
    Ok(Runner::new(&rendered(dialect, catalogue)?).set_grouped(true))
}

/// Brings the schema of an open SQLite file up to date; what was done.
pub fn sqlite(connection: &mut rusqlite::Connection, catalogue: &Catalogue) -> anyhow::Result<State> {
    let before = state_of_sqlite(connection, catalogue)?;
    if !before.pending.is_empty() {
        runner(&SQLITE, catalogue)?.run(connection)?;
    }
    Ok(before)
}

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

pub(super) async fn state_of(client: &mut Client, catalogue: &Catalogue) -> anyhow::Result<State> {
    let known = rendered(&POSTGRES, catalogue)?;
    // Asking the runner would make its table.
    let history = "SELECT count(*) FROM pg_catalog.pg_tables
                   WHERE schemaname = current_schema() AND tablename = 'refinery_schema_history'";
    if client.query_one(history, &[]).await?.get::<_, i64>(0) == 0 {
        return State::of(&known, &[]);
    }
    let applied = Runner::new(&known).get_applied_migrations_async(client).await?;
    State::of(&known, &applied)
}
