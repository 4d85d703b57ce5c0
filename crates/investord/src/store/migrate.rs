//! One set of migrations, rendered for each engine.
//!
//! A released migration never changes: the runner keeps a checksum of each and refuses a database in
//! which one differs or is unknown.

use refinery::{Migration, Runner};

/// (name, text) in order; the names carry the version.
const MIGRATIONS: &[(&str, &str)] =
    &[("V1__register", include_str!("../../../../migrations/V1__register.sql"))];

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

fn rendered(dialect: &Dialect) -> anyhow::Result<Vec<Migration>> {
    let render = |text: &str| {
        dialect.words.iter().fold(text.to_owned(), |text, (word, rendered)| text.replace(word, rendered))
    };
    MIGRATIONS.iter().map(|(name, text)| Ok(Migration::unapplied(name, &render(text))?)).collect()
}

pub fn sqlite(connection: &mut rusqlite::Connection) -> anyhow::Result<()> {
    Runner::new(&rendered(&SQLITE)?).run(connection)?;
    Ok(())
}
