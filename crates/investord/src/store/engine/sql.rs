//! The values of statements, and the transaction that a unit of work sees.

use std::any::Any;
use std::cell::{Cell, RefCell, RefMut};

use jiff::Timestamp;
use uuid::Uuid;

use super::error::StoreError;
use super::row::Row;
use super::statement::{Insert, Statement, Stmt};

/// A parameter of a statement.
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
    /// Returns the bytes as a parameter, or NULL.
    pub fn bytes_or_null(value: Option<&'a [u8]>) -> Self {
        value.map_or(Value::Null, Value::Bytes)
    }
}

/// An owned parameter, for statements that are sent after the unit has returned.
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

/// Copies parameters.
pub(in crate::store) fn to_owned_values(values: &[Value<'_>]) -> Vec<OwnedValue> {
    values.iter().map(|value| OwnedValue::from(*value)).collect()
}

impl OwnedValue {
    /// Borrows the parameter.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            OwnedValue::Text(value) => Value::Text(value),
            OwnedValue::Bytes(value) => Value::Bytes(value),
            OwnedValue::Plain(value) => *value,
        }
    }
}

/// The execution of statements inside a transaction, as an engine implements it.
pub(in crate::store) trait StatementExecutor {
    /// Executes a statement and returns the number of affected rows.
    fn execute(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<usize, StoreError>;

    /// Executes a statement that must affect that number of rows. An engine may report another count as late as in
    /// `wait_for_results`.
    fn execute_exactly(&self, stmt: &Stmt, values: &[Value<'_>], rows: usize) -> Result<(), StoreError> {
        check_row_count(self.execute(stmt, values)?, rows)
    }

    /// Inserts a row. An engine may send it as late as before the next statement that is no insert.
    fn insert(&self, insert: &'static Insert, values: &[Value<'_>]) -> Result<(), StoreError>;

    /// Sends a statement in advance of `execute` or `each` with the same statement and values. A no-op for an engine
    /// without round trips.
    fn prefetch(&self, _stmt: &Stmt, _values: &[Value<'_>]) -> Result<(), StoreError> {
        Ok(())
    }

    fn each(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        see: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Waits for the results of all sent statements.
    fn wait_for_results(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Fails if a statement affected another number of rows than expected.
pub(in crate::store) fn check_row_count(rows: usize, expected: usize) -> Result<(), StoreError> {
    if rows == expected {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!("{rows} rows touched instead of {expected}")))
}

/// State that the units of one transaction share: rows that the first unit locks and that the transaction saves once
/// for all units.
pub(in crate::store) trait SharedState: Any {
    /// Writes the changed rows.
    fn save(&self, tx: &Tx<'_>) -> Result<(), StoreError>;

    /// Copies the state, to be restored if a unit rolls back to its savepoint.
    fn snapshot(&self) -> Box<dyn SharedState>;
}

/// A transaction. A unit reads its own writes; no row is durable until the engine commits.
///
/// # Errors
///
/// Each method fails with the [`StoreError`] of the engine, which names the statement.
pub struct Tx<'a> {
    session: &'a dyn StatementExecutor,
    /// Number of statements of the unit that have affected a row.
    writes: Cell<usize>,
    failure: RefCell<Option<StoreError>>,
    shared: RefCell<Option<Box<dyn SharedState>>>,
}

impl<'a> Tx<'a> {
    /// Creates the view of a transaction that the engine has begun.
    pub(in crate::store) fn new(session: &'a dyn StatementExecutor) -> Self {
        Self { session, writes: Cell::new(0), failure: RefCell::default(), shared: RefCell::default() }
    }

    /// Returns the shared state of this transaction, which begins with its default.
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

    /// Restores the shared state after a rollback to a savepoint.
    pub(super) fn restore_shared(&self, state: Option<Box<dyn SharedState>>) {
        self.shared.replace(state);
    }

    /// Writes the shared state, as the last statements before the commit.
    pub(super) fn save_shared(&self) -> Result<(), StoreError> {
        let state = self.shared.take();
        state.map_or(Ok(()), |state| state.save(self))
    }

    /// Resets the write flag and the failure for the next unit of the same transaction.
    pub(in crate::store) fn begin_unit(&self) {
        self.writes.set(0);
        self.failure.take();
    }

    /// Returns whether the unit has affected a row.
    pub(in crate::store) fn has_written(&self) -> bool {
        self.writes.get() > 0
    }

    /// Marks the unit as having written, because a later save of shared state must be rolled back like a write.
    pub(in crate::store) fn mark_written(&self) {
        self.writes.set(self.writes.get() + 1);
    }

    /// Returns the number of statements of the unit that have affected a row.
    pub fn write_count(&self) -> usize {
        self.writes.get()
    }

    /// Returns the first failure of a statement of the unit.
    pub(in crate::store) fn failure(&self) -> Option<StoreError> {
        self.failure.borrow().clone()
    }

    /// Returns the result of a read, or a failure that the read ignored.
    pub(in crate::store) fn finish_read<T, E: From<StoreError>>(&self, result: Result<T, E>) -> Result<T, E> {
        // The error is recorded in `failure` as well.
        let _ = self.wait_for_results();
        match self.failure() {
            // A read does not wait for row locks, so it timed out on a table lock, as of a manual migration.
            Some(StoreError::LockTimeout(text)) => Err(StoreError::Unavailable(text).into()),
            Some(error) if result.is_ok() => Err(error.into()),
            _ => result,
        }
    }

    /// Waits for the results of all sent statements and records the first failure.
    pub(in crate::store) fn wait_for_results(&self) -> Result<(), StoreError> {
        self.note_failure(|| self.session.wait_for_results())
    }

    /// Executes a statement and returns the number of affected rows.
    pub fn execute(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<usize, StoreError> {
        let rows = self.run_named(stmt.name, || self.session.execute(stmt, values))?;
        if rows > 0 {
            self.mark_written();
        }
        Ok(rows)
    }

    /// Executes a statement that must affect exactly one row; otherwise the unit is rolled back.
    pub fn execute_one(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.execute_exactly(stmt, values, 1)
    }

    /// Executes a statement that must affect exactly that number of rows; otherwise the unit is rolled back.
    pub fn execute_exactly(&self, stmt: &Stmt, values: &[Value<'_>], rows: usize) -> Result<(), StoreError> {
        self.mark_written();
        self.run_named(stmt.name, || self.session.execute_exactly(stmt, values, rows))
    }

    /// Inserts a row.
    pub fn insert(&self, insert: &'static Insert, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.mark_written();
        self.run_named(insert.name(), || self.session.insert(insert, values))
    }

    /// Sends a statement before the unit of this transaction runs it, which saves a round trip. Other units may write
    /// in between, so it is only for locked rows and for rows that a unique key protects.
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

    /// Runs a query and collects all rows.
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

    /// Runs a query and passes each row to `see`.
    pub fn each(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        mut see: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.run_named(stmt.name, || self.session.each(stmt, values, &mut see))
    }

    fn run_named<T>(
        &self,
        name: &'static str,
        run: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.note_failure(|| run().map_err(|error| error.in_statement(name)))
    }

    /// Records the first failure of the unit.
    fn note_failure<T>(&self, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        run().inspect_err(|error| {
            self.failure.borrow_mut().get_or_insert_with(|| error.clone());
        })
    }
}
