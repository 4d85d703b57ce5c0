//! A connection to a PostgreSQL server, made when it is needed and made anew when it is lost.
//!
//! A transaction whose connection breaks before the commit runs again. If the connection breaks during the commit, the
//! outcome is unknown, and the caller receives [`StoreError::Unavailable`].

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, TryStreamExt};
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Error, Statement};

use super::batched_inserts::{self, Deferred, DeferredRows};
use super::connection_settings::{PostgresSettings, classify, ends_connection};
use super::types::typed;
use crate::store::engine::batch::Connection;
use crate::store::engine::catalogue::Catalogue;
use crate::store::engine::error::StoreError;
use crate::store::engine::sql::{OwnedValue, Row, StatementExecutor, check_row_count, to_owned_values};
use crate::store::engine::sql::{Stmt, Tx, Value};

/// Time for which a failed connection attempt is reused as the result of the next ones, so that waiting requests fail
/// at once instead of each running into the connect timeout.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// Time beyond the statement timeout of the server before the client considers the connection lost. Normally the server
/// cancels first, and its error message names the reason.
const NETWORK_GRACE: Duration = Duration::from_secs(2);
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
    rows: Pending<Vec<tokio_postgres::Row>>,
}

/// The future response of the server.
type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

/// A connection of one thread, which reconnects on demand. Statements are pipelined: the results of writes are checked
/// before the next read or the commit, so that a unit waits for fewer round trips.
pub struct PgConnection {
    server: Arc<PostgresSettings>,
    catalogue: &'static Catalogue,
    runtime: Runtime,
    read_only: bool,
    open: RefCell<Option<Rc<OpenConnection>>>,
    /// The statements in the pipeline, oldest first.
    sent: RefCell<VecDeque<SentStatement>>,
    /// The prefetched queries, oldest first.
    asked: RefCell<VecDeque<PrefetchedQuery>>,
    /// The deferred inserts, which are sent in batches.
    deferred: RefCell<Deferred>,
    /// Whether the connection was lost since the last `connect`.
    lost: Cell<bool>,
    /// The time and the error of the last failed connection attempt.
    refused: RefCell<Option<(Instant, StoreError)>>,
}

/// An established connection and its cache of prepared statements.
struct OpenConnection {
    client: Client,
    /// The task that drives the socket.
    wire: AbortHandle,
    /// By text and number of rows. The cache is bounded: inserts come in a few sizes (powers of two) and all other
    /// statements in one.
    prepared: RefCell<HashMap<(&'static str, usize), Statement>>,
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
            server,
            catalogue,
            runtime,
            read_only,
            open: RefCell::default(),
            sent: RefCell::default(),
            asked: RefCell::default(),
            deferred: RefCell::default(),
            lost: Cell::new(false),
            refused: RefCell::default(),
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
            let begun = snapshot || self.server.tuning.pooler;
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
        if self.lost.get() { once() } else { result }
    }

    /// Connects unless a connection is open. A loss that the socket has not reported yet shows at the next statement.
    fn connect(&self) -> Result<(), StoreError> {
        self.lost.set(false);
        if self.open.borrow().as_ref().is_some_and(|open| !open.client.is_closed()) {
            return Ok(());
        }
        if let Some((at, error)) = &*self.refused.borrow()
            && at.elapsed() < RECONNECT_PAUSE
        {
            return Err(error.clone());
        }
        // The timeout of the driver covers the TCP connect alone, not TLS and authentication.
        let limit = Duration::from_secs(self.server.tuning.connect_timeout_seconds.into());
        let connected = self
            .runtime
            .block_on(async { tokio::time::timeout(limit, self.server.connect(self.read_only)).await });
        let error = match connected {
            Ok(Ok((client, wire))) => {
                // The task ends with the connection; the reason reaches the statement that fails.
                let wire = self.runtime.spawn(wire.map(drop)).abort_handle();
                metrics::counter!("investord_store_connections_total").increment(1);
                self.open.replace(Some(Rc::new(OpenConnection {
                    client,
                    wire,
                    prepared: RefCell::default(),
                })));
                self.refused.take();
                return Ok(());
            }
            Ok(Err(error)) => classify(&error),
            Err(_) => StoreError::Unavailable(format!("no connection within {} s", limit.as_secs())),
        };
        tracing::warn!(%error, server = %self.server, "cannot connect");
        // Any connect error makes the database unavailable, wrong credentials included.
        let known = matches!(error, StoreError::Unavailable(_));
        let error = if known { error } else { StoreError::Unavailable(error.to_string()) };
        self.refused.replace(Some((Instant::now(), error.clone())));
        Err(error)
    }

    /// Returns the open connection, or an error if it was lost during the transaction.
    fn open_connection(&self) -> Result<Rc<OpenConnection>, StoreError> {
        self.open.borrow().clone().ok_or_else(|| StoreError::Unavailable("the connection was lost".into()))
    }

    /// Discards prefetched queries and deferred inserts.
    fn discard_unsent(&self) {
        self.asked.borrow_mut().clear();
        self.deferred.take();
    }

    /// Closes the connection at once and marks it as lost.
    pub fn drop_connection(&self) {
        self.discard_unsent();
        self.sent.borrow_mut().clear();
        if let Some(open) = self.open.take() {
            // Without the abort the task would keep the socket open until a response arrives and this thread polls it.
            // The server or the pooler must see at once that the client no longer waits.
            open.wire.abort();
            self.runtime.block_on(tokio::task::yield_now());
        }
        self.lost.set(true);
    }

    /// Waits for a result with a timeout, because a network may drop it silently.
    fn wait<T>(&self, result: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        let limit = Duration::from_secs(self.server.tuning.statement_timeout_seconds.into()) + NETWORK_GRACE;
        let mut result = pin!(result);
        // A result that has already arrived needs no timer.
        let there = result.as_mut().now_or_never();
        let waited = there
            .map_or_else(|| self.runtime.block_on(async { tokio::time::timeout(limit, result).await }), Ok);
        match waited {
            Ok(result) => result.map_err(|error| self.classify(&error)),
            Err(_) => {
                self.drop_connection();
                Err(StoreError::Unavailable(format!("no answer within {} s", limit.as_secs())))
            }
        }
    }

    /// Maps a driver error to a store error and drops the connection if the error ends it.
    fn classify(&self, error: &Error) -> StoreError {
        if ends_connection(error) {
            self.drop_connection();
        }
        classify(error)
    }

    /// Prepares a statement, with that number of rows if it is an insert, or returns it from the cache.
    fn prepare(
        &self,
        open: &OpenConnection,
        text: &'static str,
        rows: usize,
    ) -> Result<Statement, StoreError> {
        if let Some(statement) = open.prepared.borrow().get(&(text, rows)) {
            return Ok(statement.clone());
        }
        // In a failed transaction PREPARE fails too, so the failure of an earlier statement is the cause and is
        // reported.
        let prepared = self.wait(open.client.prepare(&batched_inserts::multi_row_insert(text, rows)));
        let statement = prepared.or_else(|error| self.check_all().and(Err(error)))?;
        open.prepared.borrow_mut().insert((text, rows), statement.clone());
        Ok(statement)
    }

    /// Sends a message: the first poll enqueues it in the driver, which fixes the order on the wire.
    fn send<T>(&self, result: &mut Pending<T>) -> Result<(), StoreError> {
        match result.now_or_never() {
            Some(Err(error)) => Err(self.classify(&error)),
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

    /// Builds the future of a statement, with that number of rows if it is an insert. A pooler may switch the server
    /// connection between transactions, so there the statement goes unprepared, with its types.
    fn command(
        &self,
        text: &'static str,
        count: usize,
        values: Vec<OwnedValue>,
    ) -> Result<Pending<u64>, StoreError> {
        let open = self.open_connection()?;
        if self.server.tuning.pooler {
            return Ok(Box::pin(async move {
                let values: Vec<Value<'_>> = values.iter().map(OwnedValue::as_value).collect();
                open.client
                    .execute_typed(&batched_inserts::multi_row_insert(text, count), &typed(&values))
                    .await
            }));
        }
        let statement = self.prepare(&open, text, count)?;
        Ok(Box::pin(async move {
            open.client.execute_raw(&statement, values.iter().map(OwnedValue::as_value)).await
        }))
    }

    /// Sends the deferred inserts, which must precede any other statement that may refer to their rows.
    fn flush(&self) -> Result<(), StoreError> {
        self.deferred.take().statements(self.catalogue.tables).try_for_each(
            |DeferredRows { name, text, count, values }| {
                self.post(name, Some(count), self.command(text, count, values)?)
            },
        )
    }

    /// Sends a transaction control statement after the deferred inserts.
    fn post_control(&self, text: &'static str) -> Result<(), StoreError> {
        self.flush()?;
        let open = self.open_connection()?;
        self.post(text, None, Box::pin(async move { open.client.batch_execute(text).await.map(|()| 0) }))
    }

    /// Begins a transaction and sets its timeouts if a pooler rules out timeouts of the session.
    fn post_begin_and_limits(&self, text: &'static str) -> Result<(), StoreError> {
        self.post_control(text)?;
        let (open, limits) = (self.open_connection()?, self.server.limits_of_transactions());
        let set = Box::pin(async move { open.client.batch_execute(&limits).await.map(|()| 0) });
        if self.server.tuning.pooler { self.post("SET LOCAL", None, set) } else { Ok(()) }
    }

    /// Builds the future of a query, unprepared behind a pooler.
    fn query(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
    ) -> Result<Pending<Vec<tokio_postgres::Row>>, StoreError> {
        let open = self.open_connection()?;
        let values = to_owned_values(values);
        if self.server.tuning.pooler {
            let text = stmt.text;
            return Ok(Box::pin(async move {
                let values: Vec<Value<'_>> = values.iter().map(OwnedValue::as_value).collect();
                open.client.query_typed(text, &typed(&values)).await
            }));
        }
        let statement = self.prepare(&open, stmt.text, 1)?;
        Ok(Box::pin(async move {
            let rows = open.client.query_raw(&statement, values.iter().map(OwnedValue::as_value)).await?;
            rows.try_collect().await
        }))
    }

    /// Removes and returns the prefetched query with the same statement and values, if there is one.
    fn take_prefetched(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
    ) -> Option<Pending<Vec<tokio_postgres::Row>>> {
        let mut asked = self.asked.borrow_mut();
        let is_it = |one: &PrefetchedQuery| {
            one.text == stmt.text && one.values.iter().map(OwnedValue::as_value).eq(values.iter().copied())
        };
        let at = asked.iter().position(is_it)?;
        asked.remove(at).map(|one| one.rows)
    }

    /// Checks the results of the sent statements, oldest first, and returns the first failure: the others follow from
    /// it.
    fn check_sent(&self) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        let sent = std::mem::take(&mut *self.sent.borrow_mut());
        for SentStatement { name, touches, result } in sent {
            let checked = self.wait(result).and_then(|rows| match touches {
                Some(expected) => check_row_count(usize::try_from(rows).unwrap_or(usize::MAX), expected),
                None => Ok(()),
            });
            outcome = outcome.and(checked.map_err(|error| error.in_statement(name)));
            if self.lost.get() {
                break;
            }
        }
        outcome
    }

    /// Checks all outstanding results. Prefetched queries come first, because they were sent before the statements, and
    /// their unit may have ended without reading them.
    fn check_all(&self) -> Result<(), StoreError> {
        let unheard = std::mem::take(&mut *self.asked.borrow_mut());
        let heard = unheard.into_iter().try_for_each(|asked| self.wait(asked.rows).map(drop));
        heard.and(self.check_sent())
    }
}

impl StatementExecutor for PgConnection {
    fn execute(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<usize, StoreError> {
        self.flush()?;
        let rows = self.wait(self.command(stmt.text, 1, to_owned_values(values))?);
        self.check_sent()?;
        Ok(usize::try_from(rows?).unwrap_or(usize::MAX))
    }

    fn execute_one(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<(), StoreError> {
        if self.deferred.borrow_mut().defer(stmt, values) {
            return Ok(());
        }
        self.flush()?;
        self.post(stmt.name, Some(1), self.command(stmt.text, 1, to_owned_values(values))?)
    }

    fn prefetch(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<(), StoreError> {
        let mut rows = self.query(stmt, values)?;
        self.send(&mut rows)?;
        self.asked.borrow_mut().push_back(PrefetchedQuery {
            text: stmt.text,
            values: to_owned_values(values),
            rows,
        });
        Ok(())
    }

    fn each(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        see: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let rows = match self.take_prefetched(stmt, values) {
            // The sent statements are checked later, together with the remaining ones.
            Some(rows) => self.wait(rows).or_else(|error| self.check_all().and(Err(error))),
            None => {
                self.flush()?;
                let rows = self.query(stmt, values)?;
                let rows = self.wait(rows);
                self.check_sent()?;
                rows
            }
        };
        rows?.iter().try_for_each(|row| see(&Row::of(row)))
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
        let rolled_back = self.open.borrow().is_none() || {
            let _ = self.check_sent();
            self.post_control("ROLLBACK").and_then(|()| self.check_sent()).is_ok()
        };
        if !rolled_back {
            // The server rolls back when the connection ends. The flag keeps its former value, because it reports a
            // loss before the rollback, after which the batch may run again.
            let lost = self.lost.get();
            self.drop_connection();
            self.lost.set(lost);
        }
    }

    fn is_lost(&self) -> bool {
        self.lost.get()
    }

    fn checkpoint(&self) {}
}
