//! What a use case sees of the database: a transaction, statements, values, rows.
//!
//! A statement is one text for every engine: `$1…` in order of first use (the order in which SQLite
//! numbers them), no engine's own functions or types. All statements stand in [`ALL`] and are prepared
//! against the migrated schema by a test.

use std::cell::{Cell, RefCell};

use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use uuid::Uuid;

use super::StoreError;

/// A named statement.
pub struct Stmt {
    pub name: &'static str,
    pub text: &'static str,
}

/// Every statement of the server.
pub fn all() -> impl Iterator<Item = &'static Stmt> {
    use super::{once, outbox, tenants, users};
    [once::STATEMENTS, outbox::STATEMENTS, tenants::STATEMENTS, users::STATEMENTS]
        .into_iter()
        .flatten()
        .copied()
}

/// A parameter.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Id(Uuid),
    /// Microseconds since 1970.
    At(Timestamp),
    Null,
}

impl<'a> Value<'a> {
    pub fn bytes_or_null(value: Option<&'a [u8]>) -> Self {
        value.map_or(Value::Null, Value::Bytes)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Text(value) => ValueRef::Text(value.as_bytes()),
            Value::Bytes(value) => ValueRef::Blob(value),
            Value::Id(value) => ValueRef::Blob(value.as_bytes()),
            Value::At(value) => ValueRef::Integer(value.as_microsecond()),
            Value::Null => ValueRef::Null,
        }))
    }
}

/// A row of a result; columns by position.
pub struct Row<'a>(&'a rusqlite::Row<'a>);

impl Row<'_> {
    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        Ok(self.0.get(column)?)
    }

    pub fn text(&self, column: usize) -> Result<String, StoreError> {
        Ok(self.0.get(column)?)
    }

    pub fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        self.0.get_ref(column)?.as_blob().map_err(|error| StoreError::Damaged(error.to_string()))
    }

    pub fn bytes_or_null(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.0.get_ref(column)? {
            ValueRef::Null => Ok(None),
            _ => self.bytes(column).map(Some),
        }
    }

    pub fn array<const N: usize>(&self, column: usize) -> Result<[u8; N], StoreError> {
        let bytes = self.bytes(column)?;
        bytes
            .try_into()
            .map_err(|_| StoreError::Damaged(format!("{N} bytes expected, {} found", bytes.len())))
    }

    pub fn id(&self, column: usize) -> Result<Uuid, StoreError> {
        self.array(column).map(Uuid::from_bytes)
    }

    pub fn at(&self, column: usize) -> Result<Timestamp, StoreError> {
        Timestamp::from_microsecond(self.int(column)?).map_err(|error| StoreError::Damaged(error.to_string()))
    }

    pub fn at_or_null(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        match self.0.get_ref(column)? {
            ValueRef::Null => Ok(None),
            _ => self.at(column).map(Some),
        }
    }
}

/// A transaction. Whoever holds it reads its own writes; nothing is kept until the engine commits.
pub struct Tx<'a> {
    connection: &'a rusqlite::Connection,
    wrote: Cell<bool>,
    failure: RefCell<Option<StoreError>>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a rusqlite::Connection) -> Self {
        Self { connection, wrote: Cell::new(false), failure: RefCell::default() }
    }

    /// Whether a statement has changed a row since this handle was made.
    pub(super) fn wrote(&self) -> bool {
        self.wrote.get()
    }

    /// How the first statement failed that did, since this handle was made.
    pub(super) fn failure(&self) -> Option<StoreError> {
        self.failure.borrow().clone()
    }

    fn failed(&self, error: StoreError) -> StoreError {
        self.failure.borrow_mut().get_or_insert_with(|| error.clone());
        error
    }

    /// Runs a statement that writes; the number of rows it touched.
    pub fn execute(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<usize, StoreError> {
        let run =
            || Ok(self.connection.prepare_cached(stmt.text)?.execute(rusqlite::params_from_iter(values))?);
        let rows = self.noting_failure(stmt, run)?;
        self.wrote.set(self.wrote.get() || rows > 0);
        Ok(rows)
    }

    /// Runs a statement that must touch exactly one row.
    pub fn execute_one(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<(), StoreError> {
        match self.execute(stmt, values)? {
            1 => Ok(()),
            rows => {
                let text = format!("{} touched {rows} rows instead of one", stmt.name);
                Err(self.failed(StoreError::Damaged(text)))
            }
        }
    }

    /// Runs a statement that changes at most one row and returns it (`… RETURNING …`).
    pub fn change_one<T>(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let changed = self.one(stmt, values, read)?;
        self.wrote.set(self.wrote.get() || changed.is_some());
        Ok(changed)
    }

    /// Runs a query for at most one row.
    pub fn one<T>(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.noting_failure(stmt, || {
            let mut prepared = self.connection.prepare_cached(stmt.text)?;
            let mut rows = prepared.query(rusqlite::params_from_iter(values))?;
            rows.next()?.map(|row| read(&Row(row))).transpose()
        })
    }

    /// Runs a query and hands over every row.
    pub fn each(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.noting_failure(stmt, || {
            let mut prepared = self.connection.prepare_cached(stmt.text)?;
            let mut rows = prepared.query(rusqlite::params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                read(&Row(row))?;
            }
            Ok(())
        })
    }

    fn noting_failure<T>(
        &self,
        stmt: &Stmt,
        run: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        run().map_err(|error| self.failed(error.in_statement(stmt.name)))
    }
}
