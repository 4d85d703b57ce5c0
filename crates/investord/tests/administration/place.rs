//! Registers on either engine, and the commands of an operator on them.

use std::path::Path;
use std::sync::Arc;

use testing::home::Home;
use testing::postgres::{self, Database};
use testing::program::{Said, run};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

/// A folder with a configuration that names a database, which may not have been made yet.
pub struct Place {
    pub home: Home,
    /// As `database` in the configuration.
    pub url: String,
    _database: Option<Database>,
}

impl Place {
    /// `config` is added to the configuration.
    pub fn sqlite(config: &str) -> Self {
        let home = Home::new(config);
        let url = format!("sqlite:{}", home.database().display());
        Self { home, url, _database: None }
    }

    pub fn postgres(config: &str) -> Option<Self> {
        let database = postgres::shared()?.database();
        let url = database.url().to_owned();
        Some(Self { _database: Some(database), ..Self::at(&url, config) })
    }

    /// On a database that somebody else takes care of.
    pub fn at(url: &str, config: &str) -> Self {
        Self { home: Home::new(&format!("database = \"{url}\"\n{config}")), url: url.into(), _database: None }
    }

    /// One place on each engine there is.
    pub fn on_each() -> Vec<Self> {
        [Some(Self::sqlite("")), Self::postgres("")].into_iter().flatten().collect()
    }

    pub fn run(&self, words: &[&str]) -> Said {
        run(&mut self.home.command(words))
    }

    pub fn migrated(self) -> Self {
        self.run(&["migrate"]).ok();
        self
    }

    /// What SQL gives, as an operator would see it.
    #[track_caller]
    pub fn sql(&self, text: &str) -> Vec<Vec<Option<String>>> {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => sqlite(Path::new(path), text),
            None => postgres::sql(&self.url, text),
        }
    }

    /// The tables of the register, the runner's own included; none when there is no database.
    pub fn tables(&self) -> Vec<String> {
        if self.url.starts_with("sqlite:") && !self.home.database().exists() {
            return Vec::new();
        }
        let all = if self.url.starts_with("sqlite:") {
            "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        } else {
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        };
        self.sql(all).into_iter().flatten().flatten().collect()
    }
}

#[track_caller]
pub fn sqlite(path: &Path, text: &str) -> Vec<Vec<Option<String>>> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare(text).unwrap();
    let columns = statement.column_count();
    if columns == 0 {
        statement.execute([]).unwrap();
        return Vec::new();
    }
    let value = |row: &rusqlite::Row<'_>, at| -> rusqlite::Result<Option<String>> {
        use rusqlite::types::ValueRef;
        Ok(match row.get_ref(at)? {
            ValueRef::Null => None,
            ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Integer(value) => Some(value.to_string()),
            other => Some(format!("{other:?}")),
        })
    };
    let rows = statement.query_map([], |row| (0..columns).map(|at| value(row, at)).collect()).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

/// A connection to PostgreSQL that stays open, as in `psql`.
pub struct Talk {
    client: Client,
    runtime: Arc<Runtime>,
}

impl Talk {
    pub fn open(url: &str) -> Self {
        Self::several(url, 1).remove(0)
    }

    pub fn several(url: &str, count: usize) -> Vec<Self> {
        let runtime = Arc::new(Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
        let one = |_| {
            let (client, wire) = runtime.block_on(tokio_postgres::connect(url, NoTls)).unwrap();
            runtime.spawn(async { drop(wire.await) });
            Self { client, runtime: Arc::clone(&runtime) }
        };
        (0..count).map(one).collect()
    }

    pub fn say(&self, text: &str) {
        self.runtime.block_on(self.client.batch_execute(text)).unwrap();
    }
}

/// A role with a password that has to be escaped in a URL, and an empty database of its own.
pub const PASSWORD: &str = "p@ss/w:o?r#d %&+=ü";
pub const ENCODED: &str = "p%40ss%2Fw%3Ao%3Fr%23d%20%25%26%2B%3D%C3%BC";

/// Has the server ask everybody on connections of this kind for a password, and makes somebody to be asked.
/// `admin` is a superuser, on a connection of another kind.
pub fn demand_password(admin: &str, kind: &str) {
    let hba = postgres::sql(admin, "SHOW hba_file")[0][0].clone().unwrap();
    let rules =
        format!("local all all trust\n{kind} all postgres all trust\n{kind} all all all scram-sha-256\n");
    std::fs::write(hba, rules).unwrap();
    postgres::sql(admin, "SELECT pg_reload_conf()");
    postgres::sql(admin, &format!("CREATE ROLE keeper LOGIN PASSWORD '{PASSWORD}'"));
    postgres::sql(admin, "CREATE DATABASE register OWNER keeper");
}

/// Fails if one of the texts has the password, or a part of it that nothing else would have.
#[track_caller]
pub fn assert_silent(texts: &[&str]) {
    for text in texts {
        for part in [PASSWORD, ENCODED, "p@ss", "p%40ss", "w:o", "w%3Ao", "r#d", "r%23d"] {
            assert!(!text.contains(part), "the password is told: {text}");
        }
    }
}
