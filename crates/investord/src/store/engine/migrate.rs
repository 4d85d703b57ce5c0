//! Migrations: one text, rendered for each engine.
//!
//! A released migration never changes: the runner keeps a checksum of each and refuses a database in
//! which one differs or is unknown.

use anyhow::{Context, bail};
use refinery::{Migration, Runner};
use tokio_postgres::Client;

use super::{sqlite, sqlite_file};
use crate::store::{Database, PostgresSettings};

/// (name, text) in order; the names carry the version.
const MIGRATIONS: &[(&str, &str)] =
    &[("V1__register", include_str!("../../../../../migrations/V1__register.sql"))];

/// The words of a migration that differ between engines.
struct Dialect {
    words: &'static [(&'static str, &'static str)],
}

const SQLITE: Dialect = Dialect {
    words: &[
        ("{id}", "BLOB"),
        ("{int}", "INTEGER"),
        ("{bytes}", "BLOB"),
        ("{strict}", "STRICT"),
        ("{clustered}", "STRICT, WITHOUT ROWID"),
    ],
};

const POSTGRES: Dialect = Dialect {
    words: &[
        ("{id}", "UUID"),
        ("{int}", "BIGINT"),
        ("{bytes}", "BYTEA"),
        (" {strict}", ""),
        (" {clustered}", ""),
    ],
};

/// Whose lock lets one runner at a time migrate: `investor` in ASCII.
const LOCK: i64 = i64::from_be_bytes(*b"investor");

/// What a database has of the migrations that this version knows, and what it lacks.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    /// Names in order, as in `V1__register`.
    pub applied: Vec<String>,
    pub pending: Vec<String>,
}

impl State {
    /// Refuses a database with migrations that this version does not know, or knows otherwise.
    fn of(known: &[Migration], applied: &[Migration]) -> anyhow::Result<Self> {
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

fn rendered(dialect: &Dialect) -> anyhow::Result<Vec<Migration>> {
    let render = |text: &str| {
        dialect.words.iter().fold(text.to_owned(), |text, (word, rendered)| text.replace(word, rendered))
    };
    MIGRATIONS.iter().map(|(name, text)| Ok(Migration::unapplied(name, &render(text))?)).collect()
}

/// Everything in one transaction: by itself the runner commits a migration before it notes that it did.
fn runner(dialect: &Dialect) -> anyhow::Result<Runner> {
    Ok(Runner::new(&rendered(dialect)?).set_grouped(true))
}

/// Brings the schema of an open SQLite file up to date; what was done.
pub fn sqlite(connection: &mut rusqlite::Connection) -> anyhow::Result<State> {
    let before = state_of_sqlite(connection)?;
    if !before.pending.is_empty() {
        runner(&SQLITE)?.run(connection)?;
    }
    Ok(before)
}

/// What there is to do; changes nothing.
pub fn state(database: &Database) -> anyhow::Result<State> {
    match database {
        Database::Sqlite(path) => match sqlite::open_to_read(path) {
            Ok(mut connection) => state_of_sqlite(&mut connection),
            Err(_) if !path.exists() => State::of(&rendered(&SQLITE)?, &[]),
            Err(error) => Err(error).with_context(|| format!("cannot open {}", path.display())),
        },
        Database::Postgres(server) => server.ask(async |client| state_of(client).await),
    }
}

fn state_of_sqlite(connection: &mut rusqlite::Connection) -> anyhow::Result<State> {
    let known = rendered(&SQLITE)?;
    if !connection.table_exists(None, "refinery_schema_history")? {
        return State::of(&known, &[]);
    }
    State::of(&known, &Runner::new(&known).get_applied_migrations(connection)?)
}

/// Brings the schema up to date; what was done. Of several runners one does it and the others wait.
pub fn run(database: &Database) -> anyhow::Result<State> {
    match database {
        Database::Sqlite(path) => {
            path.parent().map_or(Ok(()), sqlite_file::make_folder)?;
            Ok(sqlite::open_to_write(path)?.1)
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
            let before = state_of(client).await?;
            runner(&POSTGRES)?.run_async(client).await?;
            Ok(before)
        }),
    }
}

/// Refuses a PostgreSQL database whose schema is not that of this version.
pub fn check_postgres(server: &PostgresSettings) -> anyhow::Result<()> {
    let state = server.ask(async |client| state_of(client).await)?;
    if !state.pending.is_empty() {
        bail!("{server} lacks the migrations {}: run `investord migrate`", state.pending.join(", "));
    }
    Ok(())
}

async fn state_of(client: &mut Client) -> anyhow::Result<State> {
    let known = rendered(&POSTGRES)?;
    // Asking the runner would make its table.
    let history = "SELECT count(*) FROM pg_catalog.pg_tables
                   WHERE schemaname = current_schema() AND tablename = 'refinery_schema_history'";
    if client.query_one(history, &[]).await?.get::<_, i64>(0) == 0 {
        return State::of(&known, &[]);
    }
    let applied = Runner::new(&known).get_applied_migrations_async(client).await?;
    State::of(&known, &applied)
}
