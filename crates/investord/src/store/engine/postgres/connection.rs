//! A connection to a PostgreSQL server, made when it is needed and made anew when it is lost.
//!
//! What was lost before its commit is run again. After a commit the outcome is unknown, so the caller is told that the
//! database was not available.

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

/// For how long a failed attempt to connect answers for the next ones.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// What a statement gets beyond its limit on the server before the connection counts as lost.
const NETWORK_GRACE: Duration = Duration::from_secs(2);
/// Every statement sees what others have committed by then; what must not change is locked.
const BEGIN_SHARED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const BEGIN_SERIALIZABLE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE";
/// Without it each statement of a read sees the newest commit.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Through a pooler every read has a transaction: there is no other place for its limits.
const BEGIN_POOLED_READ: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";

/// A statement that has been sent and whose result has not been looked at.
struct SentStatement {
    name: &'static str,
    /// The rows that it must have touched.
    touches: Option<usize>,
    result: Pending<u64>,
}

/// A query that has been sent and whose rows nobody has asked for yet.
struct PrefetchedQuery {
    text: &'static str,
    values: Vec<OwnedValue>,
    rows: Pending<Vec<tokio_postgres::Row>>,
}

/// What the server will say to a message.
type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

/// A connection, or the lack of one.
pub struct PgConnection {
    server: Arc<PostgresSettings>,
    catalogue: &'static Catalogue,
    runtime: Runtime,
    read_only: bool,
    open: RefCell<Option<Rc<OpenConnection>>>,
    sent: RefCell<VecDeque<SentStatement>>,
    asked: RefCell<VecDeque<PrefetchedQuery>>,
    put_off: RefCell<Deferred>,
    lost: Cell<bool>,
    refused: RefCell<Option<(Instant, StoreError)>>,
}

struct OpenConnection {
    client: Client,
    wire: AbortHandle,
    /// By text and rows; there are not many more of them than the server has statements.
    prepared: RefCell<HashMap<(&'static str, usize), Statement>>,
}

impl PgConnection {
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
            put_off: RefCell::default(),
            lost: Cell::new(false),
            refused: RefCell::default(),
        }
    }

    /// Runs a read; once more on a new connection if the old one turned out to be gone.
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

    /// Makes sure that there is a connection, as far as anybody knows.
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
        // The driver's limit is for the socket alone.
        let limit = Duration::from_secs(self.server.tuning.connect_timeout_seconds.into());
        let connected = self
            .runtime
            .block_on(async { tokio::time::timeout(limit, self.server.connect(self.read_only)).await });
        let error = match connected {
            Ok(Ok((client, wire))) => {
                // It ends with the connection; why is told by the statement that notices.
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
        // Whatever the reason: without a connection there is no database.
        let known = matches!(error, StoreError::Unavailable(_));
        let error = if known { error } else { StoreError::Unavailable(error.to_string()) };
        self.refused.replace(Some((Instant::now(), error.clone())));
        Err(error)
    }

    fn open_connection(&self) -> Result<Rc<OpenConnection>, StoreError> {
        self.open.borrow().clone().ok_or_else(|| StoreError::Unavailable("the connection was lost".into()))
    }

    /// Gives up what has not been sent or asked for.
    fn discard_unsent(&self) {
        self.asked.borrow_mut().clear();
        self.put_off.take();
    }

    pub fn drop_connection(&self) {
        self.discard_unsent();
        self.sent.borrow_mut().clear();
        if let Some(open) = self.open.take() {
            // By itself it would stay until the answer has come and this thread has something else to do. A
            // server or a pooler is to know at once that nobody waits.
            open.wire.abort();
            self.runtime.block_on(tokio::task::yield_now());
        }
        self.lost.set(true);
    }

    /// Waits for a result, but not for ever: a network can swallow it.
    fn wait<T>(&self, result: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        let limit = Duration::from_secs(self.server.tuning.statement_timeout_seconds.into()) + NETWORK_GRACE;
        let mut result = pin!(result);
        // What is there already needs no timer.
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

    fn classify(&self, error: &Error) -> StoreError {
        if ends_connection(error) {
            self.drop_connection();
        }
        classify(error)
    }

    /// A statement, for so many rows if it inserts one.
    fn prepare(
        &self,
        open: &OpenConnection,
        text: &'static str,
        rows: usize,
    ) -> Result<Statement, StoreError> {
        if let Some(statement) = open.prepared.borrow().get(&(text, rows)) {
            return Ok(statement.clone());
        }
        // What failed before is why this fails, and comes first.
        let prepared = self.wait(open.client.prepare(&batched_inserts::multi_row_insert(text, rows)));
        let statement = prepared.or_else(|error| self.check_all().and(Err(error)))?;
        open.prepared.borrow_mut().insert((text, rows), statement.clone());
        Ok(statement)
    }

    /// Puts a message in line, which is what the first poll does; so what is sent later comes later.
    fn send<T>(&self, result: &mut Pending<T>) -> Result<(), StoreError> {
        match result.now_or_never() {
            Some(Err(error)) => Err(self.classify(&error)),
            _ => Ok(()),
        }
    }

    /// Sends something without waiting for its result.
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

    /// A statement that has yet to be sent, for so many rows if it inserts one.
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

    /// Sends what was put off: it comes before whatever else is sent.
    fn flush(&self) -> Result<(), StoreError> {
        self.put_off.take().statements(self.catalogue.tables).try_for_each(
            |DeferredRows { name, text, count, values }| {
                self.post(name, Some(count), self.command(text, count, values)?)
            },
        )
    }

    fn post_control(&self, text: &'static str) -> Result<(), StoreError> {
        self.flush()?;
        let open = self.open_connection()?;
        self.post(text, None, Box::pin(async move { open.client.batch_execute(text).await.map(|()| 0) }))
    }

    /// Begins a transaction, with limits on waiting where the session cannot have them.
    fn post_begin_and_limits(&self, text: &'static str) -> Result<(), StoreError> {
        self.post_control(text)?;
        let (open, limits) = (self.open_connection()?, self.server.limits_of_transactions());
        let set = Box::pin(async move { open.client.batch_execute(&limits).await.map(|()| 0) });
        if self.server.tuning.pooler { self.post("SET LOCAL", None, set) } else { Ok(()) }
    }

    /// A query that has yet to be sent.
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

    /// The query that was sent ahead with these values, if there is one.
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

    /// Looks at the results of what was sent, oldest first; the first failure counts, the others follow
    /// from it.
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

    /// Looks at all that nobody has looked at. What was asked ahead is older than the rest, and whoever asked may have
    /// ended before.
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
        if self.put_off.borrow_mut().defer(stmt, values) {
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
            // What was sent before is looked at later, with all the rest.
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
    fn begin(&self, alone: bool) -> Result<(), StoreError> {
        self.connect()?;
        self.post_begin_and_limits(if alone { BEGIN_SERIALIZABLE } else { BEGIN_SHARED })?;
        if alone { self.post_control(self.catalogue.serializable_lock) } else { Ok(()) }
    }

    fn control(&self, text: &'static str) -> Result<(), StoreError> {
        self.post_control(text)
    }

    /// Every statement has had its result by now: the commit of a transaction that has failed answers like
    /// one that has not.
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
            // The server rolls back what has lost its connection. Nobody is told that this one was lost:
            // that is for what happened before.
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
