//! Statements, values, rows, and the transaction that a unit of work sees.
//!
//! A statement is one text for every engine: `$1…` in order of first use (the order in which SQLite
//! numbers them), no engine's own functions or types. All statements stand in [`all`] and are prepared
//! against the migrated schema of each engine by a test, and by `investord doctor`.

use std::any::Any;
use std::cell::{Cell, RefCell, RefMut};

use jiff::Timestamp;
use uuid::Uuid;

use super::error::StoreError;

/// A named statement.
pub struct Stmt {
    pub name: &'static str,
    pub text: &'static str,
}

/// A parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// A value that outlives the unit that gave it.
#[derive(Debug)]
pub(in crate::store) enum OwnedValue {
    Text(String),
    Bytes(Vec<u8>),
    Plain(Value<'static>),
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(value) => OwnedValue::Text(value.to_owned()),
            Value::Bytes(value) => OwnedValue::Bytes(value.to_owned()),
            Value::Int(value) => OwnedValue::Plain(Value::Int(value)),
            Value::Id(value) => OwnedValue::Plain(Value::Id(value)),
            Value::At(value) => OwnedValue::Plain(Value::At(value)),
            Value::Null => OwnedValue::Plain(Value::Null),
        }
    }
}

pub(in crate::store) fn to_owned_values(values: &[Value<'_>]) -> Vec<OwnedValue> {
    values.iter().map(|value| OwnedValue::from(*value)).collect()
}

impl OwnedValue {
    pub fn as_value(&self) -> Value<'_> {
        match self {
            OwnedValue::Text(value) => Value::Text(value),
            OwnedValue::Bytes(value) => Value::Bytes(value),
            OwnedValue::Plain(value) => *value,
        }
    }
}

/// A column of a row, as every engine can hand it over; an id is 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnValue<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// A row of an engine.
pub(in crate::store) trait EngineRow {
    fn raw(&self, column: usize) -> Result<ColumnValue<'_>, StoreError>;
}

/// A row of a result; columns by position.
pub struct Row<'a>(&'a dyn EngineRow);

impl<'a> Row<'a> {
    pub(in crate::store) fn of(columns: &'a dyn EngineRow) -> Self {
        Self(columns)
    }

    pub fn raw(&self, column: usize) -> Result<ColumnValue<'_>, StoreError> {
        self.0.raw(column)
    }

    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.raw(column)? {
            ColumnValue::Int(value) => Ok(value),
            other => Err(unexpected_type("an integer", other)),
        }
    }

    pub fn int_or_null(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.raw(column)? {
            ColumnValue::Null => Ok(None),
            _ => self.int(column).map(Some),
        }
    }

    pub fn text_or_null(&self, column: usize) -> Result<Option<&str>, StoreError> {
        match self.raw(column)? {
            ColumnValue::Null => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    pub fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.raw(column)? {
            ColumnValue::Text(value) => Ok(value),
            other => Err(unexpected_type("a text", other)),
        }
    }

    pub fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        match self.raw(column)? {
            ColumnValue::Bytes(value) => Ok(value),
            other => Err(unexpected_type("bytes", other)),
        }
    }

    pub fn bytes_or_null(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.raw(column)? {
            ColumnValue::Null => Ok(None),
            _ => self.bytes(column).map(Some),
        }
    }

    pub fn array<const N: usize>(&self, column: usize) -> Result<[u8; N], StoreError> {
        let bytes = self.bytes(column)?;
        bytes
            .try_into()
            .map_err(|_| StoreError::Corrupt(format!("{N} bytes expected, {} found", bytes.len())))
    }

    pub fn id(&self, column: usize) -> Result<Uuid, StoreError> {
        self.array(column).map(Uuid::from_bytes)
    }

    pub fn at(&self, column: usize) -> Result<Timestamp, StoreError> {
        Timestamp::from_microsecond(self.int(column)?).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    pub fn at_or_null(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        match self.raw(column)? {
            ColumnValue::Null => Ok(None),
            _ => self.at(column).map(Some),
        }
    }
}

/// Names the kind of what was found, never the value: it may be personal.
fn unexpected_type(wanted: &str, found: ColumnValue<'_>) -> StoreError {
    let found = match found {
        ColumnValue::Null => "nothing",
        ColumnValue::Int(_) => "an integer",
        ColumnValue::Text(_) => "a text",
        ColumnValue::Bytes(_) => "bytes",
    };
    StoreError::Corrupt(format!("{wanted} expected, {found} found"))
}

/// What an engine does with a statement inside a transaction.
pub(in crate::store) trait StatementExecutor {
    /// The number of rows that the statement touched.
    fn execute(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<usize, StoreError>;

    /// For a statement that must touch one row. An engine may find out later that it did not: in `settle`.
    fn execute_one(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<(), StoreError> {
        check_row_count(self.execute(stmt, values)?, 1)
    }

    /// Sends a query whose rows will be asked for by [`Session::each`], of the same statement with the same values. An
    /// engine that has no way to go does nothing.
    fn prefetch(&self, _stmt: &Stmt, _values: &[Value<'_>]) -> Result<(), StoreError> {
        Ok(())
    }

    fn each(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        see: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Waits until every statement so far has its result.
    fn wait_for_results(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(in crate::store) fn check_row_count(rows: usize, expected: usize) -> Result<(), StoreError> {
    if rows == expected {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!("{rows} rows touched instead of {expected}")))
}

/// State that the units of one transaction share: rows that are locked by the first unit which needs them, and saved once
/// for all.
pub(in crate::store) trait SharedState: Any {
    /// Writes what the units have changed.
    fn save(&self, tx: &Tx<'_>) -> Result<(), StoreError>;

    fn snapshot(&self) -> Box<dyn SharedState>;
}

/// A transaction. Whoever holds it reads its own writes; nothing is kept until the engine commits.
pub struct Tx<'a> {
    session: &'a dyn StatementExecutor,
    wrote: Cell<bool>,
    failure: RefCell<Option<StoreError>>,
    shared: RefCell<Option<Box<dyn SharedState>>>,
}

impl<'a> Tx<'a> {
    pub(in crate::store) fn new(session: &'a dyn StatementExecutor) -> Self {
        Self { session, wrote: Cell::new(false), failure: RefCell::default(), shared: RefCell::default() }
    }

    /// Returns the state that the units of this transaction share, which begins with its default.
    pub(in crate::store) fn shared<T: SharedState + Default>(&self) -> RefMut<'_, T> {
        RefMut::map(self.shared.borrow_mut(), |shared| {
            let state: &mut dyn Any = &mut **shared.get_or_insert_with(|| Box::<T>::default());
            state.downcast_mut().expect("a transaction has shared state of one type")
        })
    }

    /// Copies the shared state, to be restored if a unit rolls back.
    pub(super) fn snapshot_shared(&self) -> Option<Box<dyn SharedState>> {
        self.shared.borrow().as_ref().map(|state| state.snapshot())
    }

    pub(super) fn restore_shared(&self, state: Option<Box<dyn SharedState>>) {
        self.shared.replace(state);
    }

    /// Writes the shared state, which is the last thing that a transaction does before it commits.
    pub(super) fn save_shared(&self) -> Result<(), StoreError> {
        let state = self.shared.take();
        state.map_or(Ok(()), |state| state.save(self))
    }

    /// Begins the account of another unit of the same transaction.
    pub(in crate::store) fn begin_unit(&self) {
        self.wrote.set(false);
        self.failure.take();
    }

    /// Whether the unit has changed a row.
    pub(in crate::store) fn has_written(&self) -> bool {
        self.wrote.get()
    }

    /// Counts something as written that will be: it has to be undone like what is.
    pub(in crate::store) fn mark_written(&self) {
        self.wrote.set(true);
    }

    /// How the first statement of the unit failed that did.
    pub(in crate::store) fn failure(&self) -> Option<StoreError> {
        self.failure.borrow().clone()
    }

    /// The result of a read, or the failure that it has not told.
    pub(in crate::store) fn finish_read<T, E: From<StoreError>>(&self, result: Result<T, E>) -> Result<T, E> {
        // What it tells is in `failure` too.
        let _ = self.wait_for_results();
        match self.failure() {
            // A read waits for no row: what it waits for has locked a whole table, as a migration by hand does.
            Some(StoreError::LockTimeout(text)) => Err(StoreError::Unavailable(text).into()),
            Some(error) if result.is_ok() => Err(error.into()),
            _ => result,
        }
    }

    /// Makes failures known that an engine has not told yet.
    pub(in crate::store) fn wait_for_results(&self) -> Result<(), StoreError> {
        self.note_failure(|| self.session.wait_for_results())
    }

    /// Runs a statement that writes; the number of rows it touched.
    pub fn execute(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<usize, StoreError> {
        let rows = self.run_named(stmt, || self.session.execute(stmt, values))?;
        self.wrote.set(self.wrote.get() || rows > 0);
        Ok(rows)
    }

    /// Runs a statement that must touch exactly one row; if it does not, nothing of the unit is kept.
    pub fn execute_one(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.wrote.set(true);
        self.run_named(stmt, || self.session.execute_one(stmt, values))
    }

    /// Sends a query that a unit of this transaction is going to run, so that it need not wait for it then. Between
    /// the two other units may write: only for what is locked, or what a key of its table guards.
    pub(in crate::store) fn prefetch(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.session.prefetch(stmt, values).map_err(|error| error.in_statement(stmt.name))
    }

    /// Runs a query for at most one row.
    pub fn one<T>(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut found = None;
        self.each(stmt, values, |row| {
            found = Some(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Runs a query and reads every row.
    pub fn all<T>(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        self.each(stmt, values, |row| {
            found.push(read(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Runs a query and hands over every row.
    pub fn each(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        mut see: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.run_named(stmt, || self.session.each(stmt, values, &mut see))
    }

    fn run_named<T>(
        &self,
        stmt: &Stmt,
        run: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.note_failure(|| run().map_err(|error| error.in_statement(stmt.name)))
    }

    fn note_failure<T>(&self, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        run().inspect_err(|error| {
            self.failure.borrow_mut().get_or_insert_with(|| error.clone());
        })
    }
}
