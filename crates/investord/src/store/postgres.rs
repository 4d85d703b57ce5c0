//! The shared engine: a few writers that commit many units at once, readers beside them, each a thread with
//! a connection of its own.
//!
//! A connection is made when it is needed, and made anew when it is lost. What was lost before its commit
//! is run again; after a commit nobody can tell, so the asker is told that the database was not available.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, TryStreamExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Error, Statement};

use super::batch::{Connection, Writer};
use super::binary::typed;
use super::connect::{Postgres, classified, ends_connection};
use super::queue::{Queue, queue};
use super::rows::{self, PutOff, Rows};
use super::sql::{Owned, Row, Session, owned, touched};
use super::{Stmt, StoreError, Tx, Value, migrate};

/// Reads that may wait for a connection; beyond that a request waits for room.
const QUEUE: usize = 4096;
/// For how long a failed attempt to connect answers for the next ones.
const REST: Duration = Duration::from_millis(100);
/// What a statement gets beyond its limit on the server before the connection counts as lost.
const GRACE: Duration = Duration::from_secs(2);
/// Every statement sees what others have committed by then; what must not change is locked.
const SHARED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
const ALONE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE";
/// The lock comes before the first look at the database, so whoever waits for it sees what the other has done.
/// Users are written all the same: that takes a lesser lock.
const LOCK: &str = "LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE";
/// Without it each statement of a read sees the newest commit.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Through a pooler every read has a transaction: there is no other place for its limits.
const POOLED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";

type Read = Box<dyn FnOnce(&Link) + Send>;

pub struct Engine {
    writers: Vec<Queue>,
    readers: flume::Sender<Read>,
}

impl Engine {
    /// Refuses a database that cannot be reached, or whose schema is not that of this version.
    pub fn open(server: &Arc<Postgres>) -> anyhow::Result<Self> {
        migrate::check_postgres(server)?;
        let mut writers = Vec::new();
        for _ in 0..server.tuning.writers {
            let (queue, jobs) = queue();
            thread("writer", server, false, move |link| Writer(link).run(&jobs))?;
            writers.push(queue);
        }
        let (readers, reads) = flume::bounded::<Read>(QUEUE);
        for _ in 0..server.tuning.readers {
            let reads = reads.clone();
            thread("reader", server, true, move |link| reads.iter().for_each(|read| read(&link)))?;
        }
        Ok(Self { writers, readers })
    }

    /// The writer of a tenant: always the same.
    pub fn queue(&self, tenant: i64) -> &Queue {
        let at = usize::try_from(tenant.unsigned_abs()).unwrap_or(0) % self.writers.len();
        &self.writers[at]
    }

    /// Runs a read on a reader's thread, all its statements on one `snapshot` if that is wanted.
    pub async fn read<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        &self,
        snapshot: bool,
        mut read: impl FnMut(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (answer, answered) = oneshot::channel();
        let job: Read = Box::new(move |link| {
            let run = catch_unwind(AssertUnwindSafe(|| link.read(snapshot, &mut read)));
            let result = run.unwrap_or_else(|_| {
                // Nobody knows what it has left open.
                link.lose();
                Err(StoreError::Damaged("a read panicked".into()).into())
            });
            let _ = answer.send(result);
        });
        let gone = || StoreError::Unavailable("the readers have stopped".into());
        self.readers.send_async(job).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// A thread with a link of its own, which never leaves it.
fn thread(
    name: &str,
    server: &Arc<Postgres>,
    read_only: bool,
    work: impl FnOnce(Link) + Send + 'static,
) -> anyhow::Result<()> {
    let (server, runtime) = (Arc::clone(server), Builder::new_current_thread().enable_all().build()?);
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || work(Link::new(server, runtime, read_only)))?;
    Ok(())
}

/// A statement that has been sent and whose result has not been looked at.
struct Sent {
    name: &'static str,
    /// The rows that it must have touched.
    touches: Option<usize>,
    result: Answer<u64>,
}

/// A query that has been sent and whose rows nobody has asked for yet.
struct Asked {
    text: &'static str,
    values: Vec<Owned>,
    rows: Answer<Vec<tokio_postgres::Row>>,
}

/// What the server will say to a message.
type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

/// A connection, or the lack of one.
struct Link {
    server: Arc<Postgres>,
    runtime: Runtime,
    read_only: bool,
    open: RefCell<Option<Rc<Open>>>,
    sent: RefCell<VecDeque<Sent>>,
    asked: RefCell<VecDeque<Asked>>,
    put_off: RefCell<PutOff>,
    lost: Cell<bool>,
    refused: RefCell<Option<(Instant, StoreError)>>,
}

struct Open {
    client: Client,
    wire: AbortHandle,
    /// By text and rows; there are not many more of them than the server has statements.
    prepared: RefCell<HashMap<(&'static str, usize), Statement>>,
}

impl Link {
    fn new(server: Arc<Postgres>, runtime: Runtime, read_only: bool) -> Self {
        Self {
            server,
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
    fn read<T, E: From<StoreError>>(
        &self,
        snapshot: bool,
        read: &mut impl FnMut(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut once = || {
            self.connect()?;
            let begun = snapshot || self.server.tuning.pooler;
            if begun {
                self.post_begin(if snapshot { SNAPSHOT } else { POOLED })?;
            }
            let tx = Tx::new(self);
            let result = tx.told(read(&tx));
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
            && at.elapsed() < REST
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
                self.open.replace(Some(Rc::new(Open { client, wire, prepared: RefCell::default() })));
                self.refused.take();
                return Ok(());
            }
            Ok(Err(error)) => classified(&error),
            Err(_) => StoreError::Unavailable(format!("no connection within {} s", limit.as_secs())),
        };
        tracing::warn!(%error, server = %self.server, "cannot connect");
        // Whatever the reason: without a connection there is no database.
        let known = matches!(error, StoreError::Unavailable(_));
        let error = if known { error } else { StoreError::Unavailable(error.to_string()) };
        self.refused.replace(Some((Instant::now(), error.clone())));
        Err(error)
    }

    fn opened(&self) -> Result<Rc<Open>, StoreError> {
        self.open.borrow().clone().ok_or_else(|| StoreError::Unavailable("the connection was lost".into()))
    }

    /// Gives up what has not been sent or asked for.
    fn forget(&self) {
        self.asked.borrow_mut().clear();
        self.put_off.take();
    }

    fn lose(&self) {
        self.forget();
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
        let limit = Duration::from_secs(self.server.tuning.statement_timeout_seconds.into()) + GRACE;
        let mut result = pin!(result);
        // What is there already needs no timer.
        let there = result.as_mut().now_or_never();
        let waited = there
            .map_or_else(|| self.runtime.block_on(async { tokio::time::timeout(limit, result).await }), Ok);
        match waited {
            Ok(result) => result.map_err(|error| self.failed(&error)),
            Err(_) => {
                self.lose();
                Err(StoreError::Unavailable(format!("no answer within {} s", limit.as_secs())))
            }
        }
    }

    fn failed(&self, error: &Error) -> StoreError {
        if ends_connection(error) {
            self.lose();
        }
        classified(error)
    }

    /// A statement, for so many rows if it inserts one.
    fn prepared(&self, open: &Open, text: &'static str, rows: usize) -> Result<Statement, StoreError> {
        if let Some(statement) = open.prepared.borrow().get(&(text, rows)) {
            return Ok(statement.clone());
        }
        // What failed before is why this fails, and comes first.
        let prepared = self.wait(open.client.prepare(&rows::of_several(text, rows)));
        let statement = prepared.or_else(|error| self.look_back().and(Err(error)))?;
        open.prepared.borrow_mut().insert((text, rows), statement.clone());
        Ok(statement)
    }

    /// Puts a message in line, which is what the first poll does; so what is sent later comes later.
    fn send<T>(&self, result: &mut Answer<T>) -> Result<(), StoreError> {
        match result.now_or_never() {
            Some(Err(error)) => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }

    /// Sends something without waiting for its result.
    fn post(
        &self,
        name: &'static str,
        touches: Option<usize>,
        mut result: Answer<u64>,
    ) -> Result<(), StoreError> {
        self.send(&mut result)?;
        self.sent.borrow_mut().push_back(Sent { name, touches, result });
        Ok(())
    }

    /// A statement that has yet to be sent, for so many rows if it inserts one.
    fn command(
        &self,
        text: &'static str,
        count: usize,
        values: Vec<Owned>,
    ) -> Result<Answer<u64>, StoreError> {
        let open = self.opened()?;
        if self.server.tuning.pooler {
            return Ok(Box::pin(async move {
                let values: Vec<Value<'_>> = values.iter().map(Owned::borrowed).collect();
                open.client.execute_typed(&rows::of_several(text, count), &typed(&values)).await
            }));
        }
        let statement = self.prepared(&open, text, count)?;
        Ok(Box::pin(
            async move { open.client.execute_raw(&statement, values.iter().map(Owned::borrowed)).await },
        ))
    }

    /// Sends what was put off: it comes before whatever else is sent.
    fn flush(&self) -> Result<(), StoreError> {
        self.put_off.take().portions().try_for_each(|Rows { name, text, count, values }| {
            self.post(name, Some(count), self.command(text, count, values)?)
        })
    }

    fn post_control(&self, text: &'static str) -> Result<(), StoreError> {
        self.flush()?;
        let open = self.opened()?;
        self.post(text, None, Box::pin(async move { open.client.batch_execute(text).await.map(|()| 0) }))
    }

    /// Begins a transaction, with limits on waiting where the session cannot have them.
    fn post_begin(&self, text: &'static str) -> Result<(), StoreError> {
        self.post_control(text)?;
        let (open, limits) = (self.opened()?, self.server.limits_of_transactions());
        let set = Box::pin(async move { open.client.batch_execute(&limits).await.map(|()| 0) });
        if self.server.tuning.pooler { self.post("SET LOCAL", None, set) } else { Ok(()) }
    }

    /// A query that has yet to be sent.
    fn query(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
    ) -> Result<Answer<Vec<tokio_postgres::Row>>, StoreError> {
        let open = self.opened()?;
        let values = owned(values);
        if self.server.tuning.pooler {
            let text = stmt.text;
            return Ok(Box::pin(async move {
                let values: Vec<Value<'_>> = values.iter().map(Owned::borrowed).collect();
                open.client.query_typed(text, &typed(&values)).await
            }));
        }
        let statement = self.prepared(&open, stmt.text, 1)?;
        Ok(Box::pin(async move {
            let rows = open.client.query_raw(&statement, values.iter().map(Owned::borrowed)).await?;
            rows.try_collect().await
        }))
    }

    /// The query that was sent ahead with these values, if there is one.
    fn asked_ahead(&self, stmt: &Stmt, values: &[Value<'_>]) -> Option<Answer<Vec<tokio_postgres::Row>>> {
        let mut asked = self.asked.borrow_mut();
        let is_it = |one: &Asked| {
            one.text == stmt.text && one.values.iter().map(Owned::borrowed).eq(values.iter().copied())
        };
        let at = asked.iter().position(is_it)?;
        asked.remove(at).map(|one| one.rows)
    }

    /// Looks at the results of what was sent, oldest first; the first failure counts, the others follow
    /// from it.
    fn look(&self) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        let sent = std::mem::take(&mut *self.sent.borrow_mut());
        for Sent { name, touches, result } in sent {
            let checked = self.wait(result).and_then(|rows| match touches {
                Some(expected) => touched(usize::try_from(rows).unwrap_or(usize::MAX), expected),
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
    fn look_back(&self) -> Result<(), StoreError> {
        let unheard = std::mem::take(&mut *self.asked.borrow_mut());
        let heard = unheard.into_iter().try_for_each(|asked| self.wait(asked.rows).map(drop));
        heard.and(self.look())
    }
}

impl Session for Link {
    fn execute(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<usize, StoreError> {
        self.flush()?;
        let rows = self.wait(self.command(stmt.text, 1, owned(values))?);
        self.look()?;
        Ok(usize::try_from(rows?).unwrap_or(usize::MAX))
    }

    fn execute_one(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<(), StoreError> {
        if self.put_off.borrow_mut().take(stmt, values) {
            return Ok(());
        }
        self.flush()?;
        self.post(stmt.name, Some(1), self.command(stmt.text, 1, owned(values))?)
    }

    fn ahead(&self, stmt: &Stmt, values: &[Value<'_>]) -> Result<(), StoreError> {
        let mut rows = self.query(stmt, values)?;
        self.send(&mut rows)?;
        self.asked.borrow_mut().push_back(Asked { text: stmt.text, values: owned(values), rows });
        Ok(())
    }

    fn each(
        &self,
        stmt: &Stmt,
        values: &[Value<'_>],
        see: &mut dyn FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let rows = match self.asked_ahead(stmt, values) {
            // What was sent before is looked at later, with all the rest.
            Some(rows) => self.wait(rows).or_else(|error| self.look_back().and(Err(error))),
            None => {
                self.flush()?;
                let rows = self.query(stmt, values)?;
                let rows = self.wait(rows);
                self.look()?;
                rows
            }
        };
        rows?.iter().try_for_each(|row| see(&Row::of(row)))
    }

    fn settle(&self) -> Result<(), StoreError> {
        let flushed = self.flush();
        self.look_back().and(flushed)
    }
}

impl Connection for Link {
    fn begin(&self, alone: bool) -> Result<(), StoreError> {
        self.connect()?;
        self.post_begin(if alone { ALONE } else { SHARED })?;
        if alone { self.post_control(LOCK) } else { Ok(()) }
    }

    fn control(&self, text: &'static str) -> Result<(), StoreError> {
        self.post_control(text)
    }

    /// Every statement has had its result by now: the commit of a transaction that has failed answers like
    /// one that has not.
    fn commit(&self) -> Result<(), StoreError> {
        self.post_control("COMMIT")?;
        self.look()
    }

    fn roll_back(&self) {
        self.forget();
        let rolled_back = self.open.borrow().is_none() || {
            let _ = self.look();
            self.post_control("ROLLBACK").and_then(|()| self.look()).is_ok()
        };
        if !rolled_back {
            // The server rolls back what has lost its connection. Nobody is told that this one was lost:
            // that is for what happened before.
            let lost = self.lost.get();
            self.lose();
            self.lost.set(lost);
        }
    }

    fn lost(&self) -> bool {
        self.lost.get()
    }

    fn fold(&self) {}
}
