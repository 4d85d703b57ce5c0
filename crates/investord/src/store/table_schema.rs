//! The schema of a table, as `tables.rs` declares it.

/// The type of a column, independent of the engine.
#[derive(Clone, Copy, PartialEq)]
pub enum ColumnKind {
    Int,
    Text,
    Bytes,
    Id,
}

/// The schema of a table.
#[derive(Clone, Copy)]
pub struct TableSchema {
    pub name: &'static str,
    /// Names and types of the columns, those of the primary key first.
    pub columns: &'static [(&'static str, ColumnKind)],
    /// Number of columns of the primary key.
    pub key: usize,
    /// Whether rows are deleted and no other table references them: a repeated copy writes such a table anew.
    pub is_short_lived: bool,
}

/// Creates the schema of a table whose rows a repeated copy overwrites in place.
pub const fn lasting(
    name: &'static str,
    key: usize,
    columns: &'static [(&'static str, ColumnKind)],
) -> TableSchema {
    TableSchema { name, columns, key, is_short_lived: false }
}

/// Creates the schema of a table that a repeated copy empties first.
pub const fn short_lived(
    name: &'static str,
    key: usize,
    columns: &'static [(&'static str, ColumnKind)],
) -> TableSchema {
    TableSchema { name, columns, key, is_short_lived: true }
}
