//! The engines: a new register on each, and ways around the store to look at it.

use investord::config;
use investord::store::engine::migrate;
use investord::store::engine::postgres::connection_settings::Tuning;
use investord::store::{Database, Store};
use rusqlite::Connection;
use tempfile::TempDir;
use testing::patience::{PATIENCE, patiently};
use testing::postgres;

/// A register of its own on one of the engines.
pub enum Engine {
    Sqlite(TempDir),
    Postgres { database: postgres::Database, pooler: bool },
}

/// Tries a behaviour, unless the engine is not there.
pub async fn tried(engine: Option<Engine>, behaviour: impl AsyncFnOnce(&Engine)) {
    if let Some(engine) = engine {
        patiently("the end of the behaviour", behaviour(&engine)).await;
    }
}

impl Engine {
    #[expect(clippy::unnecessary_wraps, reason = "as the others")]
    pub fn sqlite() -> Option<Self> {
        Some(Self::Sqlite(tempfile::tempdir().unwrap()))
    }

    pub fn postgres() -> Option<Self> {
        Self::on_server(false)
    }

    /// PostgreSQL with statements that are not prepared and limits set in every transaction.
    pub fn pooled() -> Option<Self> {
        Self::on_server(true)
    }

    fn on_server(pooler: bool) -> Option<Self> {
        // Not through a pooler, which locks nobody out.
        let migrate = |url: &str| {
            migrate::run(&config::database(url, &Tuning::default()).unwrap(), &investord::store::CATALOGUE)
                .unwrap();
        };
        Some(Self::Postgres { database: postgres::shared()?.migrated(migrate), pooler })
    }

    pub fn database(&self) -> Database {
        self.tuned(|_| {})
    }

    pub fn tuned(&self, change: impl FnOnce(&mut Tuning)) -> Database {
        match self {
            Self::Sqlite(folder) => Database::Sqlite(folder.path().join("register.db")),
            Self::Postgres { database, pooler } => {
                let mut tuning = Tuning { pooler: *pooler, ..Tuning::default() };
                change(&mut tuning);
                config::database(database.url(), &tuning).unwrap()
            }
        }
    }

    /// What a process has when it starts.
    pub fn open(&self) -> Store {
        Store::open(&self.database()).unwrap()
    }

    /// What two processes have; of those SQLite allows one.
    pub fn open_two(&self) -> [Store; 2] {
        let store = self.open();
        let other = if self.is_shared() { self.open() } else { store.clone() };
        [store, other]
    }

    /// Whether several processes can be at work.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }

    /// Runs statements past the store.
    pub fn run(&self, sql: &str) {
        match self {
            Self::Sqlite(_) => self.connection().execute_batch(sql).unwrap(),
            Self::Postgres { database, .. } => drop(postgres::sql(database.url(), sql)),
        }
    }

    /// The rows of one query past the store, every value as text.
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let Self::Sqlite(_) = self else {
            let Self::Postgres { database, .. } = self else { unreachable!() };
            return postgres::sql(database.url(), sql);
        };
        let connection = self.connection();
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let text = |row: &rusqlite::Row<'_>, at| {
            Ok(match row.get_ref(at)? {
                rusqlite::types::ValueRef::Null => None,
                rusqlite::types::ValueRef::Integer(value) => Some(value.to_string()),
                other => Some(String::from_utf8_lossy(other.as_bytes()?).into_owned()),
            })
        };
        // Whatever is not bound is NULL.
        let rows = statement.raw_query().mapped(|row| (0..columns).map(|at| text(row, at)).collect());
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// The one number that a query gives.
    pub fn number(&self, sql: &str) -> i64 {
        self.rows(sql)[0][0].as_ref().unwrap().parse().unwrap()
    }

    fn connection(&self) -> Connection {
        let Database::Sqlite(path) = self.database() else { unreachable!("asked for files alone") };
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }
}
