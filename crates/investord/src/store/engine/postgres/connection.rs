//! A connection of a thread: pipelined statements, prefetched queries and batched inserts on one session.
//!
//! A transaction whose connection breaks before the commit runs again. If the connection breaks during the commit, the
//! outcome is unknown, and the caller receives [`StoreError::Unavailable`].

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_util::{FutureExt, TryStreamExt};
use tokio::runtime::Runtime;
use tokio_postgres::{Error, RowStream, Statement as Prepared};

use super::batched_inserts::Deferred;
use super::connection_settings::PostgresSettings;
use super::session::{OpenConnection, PgSession};
use super::types::{Typed, typed};
use crate::store::engine::batch::Connection;
use crate::store::engine::catalogue::Catalogue;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::{OwnedValue, StatementExecutor, check_row_count, to_owned_values};
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::{Insert, Statement, Stmt};
use crate::store::engine::unit::CheckpointMode;

/// Transaction of a batch. At READ COMMITTED each statement sees the newest commits; rows that must not change are
/// locked.
const BEGIN_SHARED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// Transaction of a serializable unit.
const BEGIN_SERIALIZABLE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE";
/// Transaction of a scan: one snapshot for all statements. At READ COMMITTED each would see the newest commit.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Transaction of a read through a pooler, where `SET LOCAL` in a transaction is the only way to set the timeouts.
const BEGIN_POOLED_READ: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";

/// A statement in the pipeline whose result has not been checked.
struct SentStatement {
    name: &'static str,
    /// The number of rows that it must affect.
    touches: Option<usize>,
    result: Pending<u64>,
}

/// A prefetched query whose rows no unit has read yet.
struct PrefetchedQuery {
    text: &'static str,
    values: Vec<OwnedValue>,
    result: Pending<QueryResult>,
}

/// The rows of a query, and the number of rows that it has written.
type QueryResult = (Vec<tokio_postgres::Row>, u64);

/// The future response of the server.
type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

/// A connection of one thread. Statements are pipelined: the results of writes are checked before the next read or the
/// commit, so that a unit waits for fewer round trips.
pub struct PgConnection {
    session: PgSession,
    catalogue: &'static Catalogue,
    /// The statements in the pipeline, oldest first.
    sent: RefCell<VecDeque<SentStatement>>,
    /// The prefetched queries, oldest first.
    asked: RefCell<VecDeque<PrefetchedQuery>>,
    /// The deferred inserts, which are sent in batches.
    deferred: RefCell<Deferred>,
}

impl PgConnection {
    /// Creates a connection that opens at its first use.
    pub fn new(
        server: Arc<PostgresSettings>,
        catalogue: &'static Catalogue,
        runtime: Runtime,
        read_only: bool,
    ) -> Self {
        Self {
            session: PgSession::new(server, runtime, read_only),
            catalogue,
            sent: RefCell::default(),
            asked: RefCell::default(),
            deferred: RefCell::default(),
        }
    }

    /// Runs a read and repeats it once on a new connection if the old one was lost.
    ///
    /// # Errors
    ///
    /// Fails with the error of the read, or with [`StoreError::Unavailable`] if the server cannot be reached.
    pub fn read<T, E: From<StoreError>>(
        &self,
        snapshot: bool,
        read: &mut impl FnMut(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut once = || {
            self.connect()?;
            let begun = snapshot || self.session.server.tuning.pooler;
            if begun {
                self.post_begin_and_limits(if snapshot { BEGIN_SNAPSHOT } else { BEGIN_POOLED_READ })?;
            }
            let tx = Tx::new(self);
            let result = tx.finish_read(read(&tx));
            if begun {
                self.roll_back();
            }
            result
        };
        let result = once();
        if self.session.is_lost() { once() } else { result }
    }

    /// Connects unless a connection is open. What was sent over a former connection is discarded.
    fn connect(&self) -> Result<(), StoreError> {
        if !self.session.is_open() {
            self.discard_unsent();
            self.sent.borrow_mut().clear();
        }
        self.session.connect()
    }

    /// Discards prefetched queries and deferred inserts.
    fn discard_unsent(&self) {
        self.asked.borrow_mut().clear();
        self.deferred.take();
    }

    /// Closes the connection at once; the next transaction opens another.
    pub fn close(&self) {
        self.session.close();
    }

    /// Prepares a statement or returns it from the cache.
    fn prepare(&self, open: &OpenConnection, text: Cow<'static, str>) -> Result<Prepared, StoreError> {
        if let Some(statement) = open.prepared.borrow().get(&text) {
            return Ok(statement.clone());
        }
        // In a failed transaction PREPARE fails too, so the failure of an earlier statement is the cause and is
        // reported.
        let prepared = self.session.wait(open.client.prepare(&text));
        let statement = prepared.or_else(|error| self.check_all().and(Err(error)))?;
        open.prepared.borrow_mut().insert(text, statement.clone());
        Ok(statement)
    }

    /// Sends a message: the first poll enqueues it in the driver, which fixes the order on the wire.
    fn send<T>(&self, result: &mut Pending<T>) -> Result<(), StoreError> {
        match result.now_or_never() {
            Some(Err(error)) => Err(self.session.classify(&error)),
            _ => Ok(()),
        }
    }

    /// Sends a statement without waiting for its result.
    fn post(
        &self,
        name: &'static str,
        touches: Option<usize>,
        mut result: Pending<u64>,
    ) -> Result<(), StoreError> {
        self.send(&mut result)?;
        self.sent.borrow_mut().push_back(SentStatement { name, touches, result });
        Ok(())
    }

    /// Builds the future of a command. A pooler may switch the server connection between transactions, so there the
    /// command goes unprepared, with its types.
    fn command<P: Typed + 'static>(
        &self,
        text: Cow<'static, str>,
        values: Vec<P>,
    ) -> Result<Pending<u64>, StoreError> {
        let open = self.session.open_connection()?;
        if self.session.server.tuning.pooler {
            return Ok(Box::pin(async move { open.client.execute_typed(&text, &typed(&values)).await }));
        }
        let statement = self.prepare(&open, text)?;
        Ok(Box::pin(async move { open.client.execute_raw(&statement, values).await }))
    }

    /// Sends the deferred inserts, which must precede any other statement that may refer to their rows.
    fn flush(&self) -> Result<(), StoreError> {
        self.deferred.take().in_order(self.catalogue.tables).into_iter().try_for_each(|mut rows| {
            let (insert, count) = (rows.insert, rows.count);
            let command = if let Some(row) = rows.only_row() {
                self.command(insert.text().into(), row)?
            } else {
                let (text, arrays) = rows.statement();
                self.command(text.into(), arrays)?
            };
            self.post(insert.name(), Some(count), command)
        })
    }

    /// Sends a transaction control statement after the deferred inserts.
    fn post_control(&self, text: &'static str) -> Result<(), StoreError> {
        self.flush()?;
        let open = self.session.open_connection()?;
        self.post(text, None, Box::pin(async move { open.client.batch_execute(text).await.map(|()| 0) }))
    }

    /// Begins a transaction and sets its timeouts if a pooler rules out timeouts of the session.
    fn post_begin_and_limits(&self, text: &'static str) -> Result<(), StoreError> {
        self.post_control(text)?;
        let (open, limits) = (self.session.open_connection()?, self.session.server.limits_of_transactions());
        let set = Box::pin(async move { open.client.batch_execute(&limits).await.map(|()| 0) });
        if self.session.server.tuning.pooler { self.post("SET LOCAL", None, set) } else { Ok(()) }
    }

    /// Builds the future of a query, unprepared behind a pooler.
    fn query(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<Pending<QueryResult>, StoreError> {
        let open = self.session.open_connection()?;
        let values = to_owned_values(values);
        if self.session.server.tuning.pooler {
            let text = stmt.text;
            return Ok(Box::pin(async move {
                collect(open.client.query_typed_raw(text, typed(&values)).await?).await
            }));
        }
        let statement = self.prepare(&open, stmt.text.into())?;
        Ok(Box::pin(async move { collect(open.client.query_raw(&statement, values).await?).await }))
    }

    /// Removes and returns the prefetched query with the same statement and values, if there is one.
    fn take_prefetched(&self, stmt: &Stmt, values: &[Value<'_>]) -> Option<Pending<QueryResult>> {
        let mut asked = self.asked.borrow_mut();
        let is_it = |one: &PrefetchedQuery| {
            one.text == stmt.text && one.values.iter().map(OwnedValue::as_value).eq(values.iter().copied())
        };
        let at = asked.iter().position(is_it)?;
        asked.remove(at).map(|one| one.result)
    }

    /// Waits for the result of a query, which may have been prefetched.
    fn result(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<QueryResult, StoreError> {
        if let Some(result) = self.take_prefetched(stmt, values) {
            // The sent statements are checked later, together with the remaining ones.
            return self.session.wait(result).or_else(|error| self.check_all().and(Err(error)));
        }
        self.flush()?;
        let result = self.session.wait(self.query(stmt, values)?);
        self.check_sent()?;
        result
    }

    /// Checks the results of the sent statements, oldest first, and returns the first failure: the others follow from
    /// it.
    fn check_sent(&self) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        let sent = std::mem::take(&mut *self.sent.borrow_mut());
        for SentStatement { name, touches, result } in sent {
            let checked = self.session.wait(result).and_then(|rows| match touches {
                Some(expected) => check_row_count(usize::try_from(rows).unwrap_or(usize::MAX), expected),
                None => Ok(()),
            });
            outcome = outcome.and(checked.map_err(|error| error.in_statement(name)));
            if self.session.is_lost() {
                break;
            }
        }
        outcome
    }

    /// Checks all outstanding results. Prefetched queries come first, because they were sent before the statements, and
    /// their unit may have ended without reading them.
    fn check_all(&self) -> Result<(), StoreError> {
        let unheard = std::mem::take(&mut *self.asked.borrow_mut());
        let heard = unheard.into_iter().try_for_each(|asked| self.session.wait(asked.result).map(drop));
        heard.and(self.check_sent())
    }
}

/// Collects the result of a query.
async fn collect(rows: RowStream) -> Result<QueryResult, Error> {
    let mut rows = pin!(rows);
    let collected = rows.as_mut().try_collect().await?;
    Ok((collected, rows.rows_affected().unwrap_or_default()))
}

impl StatementExecutor for PgConnection {
    fn execute(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<usize, StoreError> {
        Ok(usize::try_from(self.result(stmt, values)?.1).unwrap_or(usize::MAX))
    }

    fn execute_exactly(&self, stmt: &Stmt, values: &[Value<'_>], rows: usize) -> Result<(), StoreError> {
        self.flush()?;
        self.post(stmt.name, Some(rows), self.command(stmt.text.into(), to_owned_values(values))?)
    }

    fn insert(&self, insert: &'static Insert, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.deferred.borrow_mut().defer(insert, values);
        Ok(())
    }

    fn prefetch(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<(), StoreError> {
        let mut result = self.query(stmt, values)?;
        self.send(&mut result)?;
        let values = to_owned_values(values);
        self.asked.borrow_mut().push_back(PrefetchedQuery { text: stmt.text, values, result });
        Ok(())
    }

    fn each(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        see: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.result(stmt, values)?.0.iter().try_for_each(|row| see(&Row::of(row)))
    }

    fn wait_for_results(&self) -> Result<(), StoreError> {
        let flushed = self.flush();
        self.check_all().and(flushed)
    }
}

impl Connection for PgConnection {
    /// Begins a transaction. A serializable one takes the lock of the catalogue before its first read.
    fn begin(&self, alone: bool) -> Result<(), StoreError> {
        self.connect()?;
        self.post_begin_and_limits(if alone { BEGIN_SERIALIZABLE } else { BEGIN_SHARED })?;
        if alone { self.post_control(self.catalogue.serializable_lock) } else { Ok(()) }
    }

    fn control(&self, text: &'static str) -> Result<(), StoreError> {
        self.post_control(text)
    }

    /// Commits after the results of all statements were checked: on a failed transaction PostgreSQL responds to COMMIT
    /// with a rollback and no error.
    fn commit(&self) -> Result<(), StoreError> {
        self.post_control("COMMIT")?;
        self.check_sent()
    }

    fn roll_back(&self) {
        self.discard_unsent();
        let rolled_back = !self.session.is_open() || {
            let _ = self.check_sent();
            self.post_control("ROLLBACK").and_then(|()| self.check_sent()).is_ok()
        };
        if !rolled_back {
            // The server rolls back when the connection ends.
            self.session.close();
        }
    }

    fn is_lost(&self) -> bool {
        self.session.is_lost()
    }

    fn checkpoint(&self, _: CheckpointMode) {}
}
