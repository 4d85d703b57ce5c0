//! Statements: written out, or an insert that is declared by its table and columns.
//!
//! A statement has one text for every engine: parameters `$1…` in order of first use (the order in which SQLite numbers
//! them), and no functions or types of a single engine. Every statement is listed in
//! [`statements`](crate::store::statements); a test prepares each of them against the migrated schema of each engine,
//! and so does `investord doctor`.

use std::sync::OnceLock;

/// A statement that can be prepared.
pub trait Statement: Sync {
    /// Returns the name for error messages and metrics.
    fn name(&self) -> &'static str;

    /// Returns the text.
    fn text(&self) -> &str;
}

/// A statement whose text is written out.
pub struct Stmt {
    pub name: &'static str,
    pub text: &'static str,
}

impl Statement for Stmt {
    fn name(&self) -> &'static str {
        self.name
    }

    fn text(&self) -> &str {
        self.text
    }
}

/// An insert of one row. An engine may send the rows of several units by one statement, because a plain insert depends
/// on no row but those that it references.
pub struct Insert {
    name: &'static str,
    table: &'static str,
    columns: &'static [&'static str],
    /// The statement for one row, built at its first use.
    one_row: OnceLock<String>,
}

impl Insert {
    /// Declares an insert with a name for error messages and metrics. Its parameters are the columns in this order.
    pub const fn new(name: &'static str, table: &'static str, columns: &'static [&'static str]) -> Self {
        Self { name, table, columns, one_row: OnceLock::new() }
    }

    /// Returns the table.
    pub fn table(&self) -> &'static str {
        self.table
    }

    /// Returns the columns, in the order of the parameters.
    pub fn columns(&self) -> &'static [&'static str] {
        self.columns
    }
}

impl Statement for Insert {
    fn name(&self) -> &'static str {
        self.name
    }

    fn text(&self) -> &str {
        self.one_row.get_or_init(|| {
            let parameters: Vec<String> =
                (1..=self.columns.len()).map(|number| format!("${number}")).collect();
            let (columns, parameters) = (self.columns.join(", "), parameters.join(", "));
            format!("INSERT INTO {} ({columns}) VALUES ({parameters})", self.table)
        })
    }
}
