//! A session with a PostgreSQL server, established at its first use and again after a loss.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Error, Statement};

use super::connection_settings::{PostgresSettings, classify, ends_connection};
use crate::store::engine::error::StoreError;

/// Time for which a failed connection attempt is reused as the result of the next ones, so that waiting requests fail
/// at once instead of each running into the connect timeout.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// Time beyond the statement timeout of the server before the client considers the connection lost. Normally the server
/// cancels first, and its error message names the reason.
const NETWORK_GRACE: Duration = Duration::from_secs(2);

/// A session of one thread with a server.
pub struct PgSession {
    pub server: Arc<PostgresSettings>,
    runtime: Runtime,
    read_only: bool,
    open: RefCell<Option<Rc<OpenConnection>>>,
    /// Whether the connection was lost since the last [`PgSession::connect`].
    is_lost: Cell<bool>,
    /// The time and the error of the last failed connection attempt.
    refused: RefCell<Option<(Instant, StoreError)>>,
}

/// An established connection and its cache of prepared statements.
pub struct OpenConnection {
    pub client: Client,
    /// The task that drives the socket.
    wire: AbortHandle,
    /// By text. The cache is bounded: an insert has a text for each set of columns without values, which are few, and
    /// all other statements have one.
    pub prepared: RefCell<HashMap<Cow<'static, str>, Statement>>,
}

impl PgSession {
    /// Creates a session that is established at its first use.
    pub fn new(server: Arc<PostgresSettings>, runtime: Runtime, read_only: bool) -> Self {
        Self {
            server,
            runtime,
            read_only,
            open: RefCell::default(),
            is_lost: Cell::new(false),
            refused: RefCell::default(),
        }
    }

    /// Returns whether a connection is open, as far as the socket has reported.
    pub fn is_open(&self) -> bool {
        self.open.borrow().as_ref().is_some_and(|open| !open.client.is_closed())
    }

    /// Returns whether the connection was lost since the last [`PgSession::connect`].
    pub fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    /// Connects unless a connection is open. A loss that the socket has not reported yet shows at the next statement.
    pub fn connect(&self) -> Result<(), StoreError> {
        self.is_lost.set(false);
        if self.is_open() {
            return Ok(());
        }
        if let Some((at, error)) = &*self.refused.borrow()
            && at.elapsed() < RECONNECT_PAUSE
        {
            return Err(error.clone());
        }
        let error = match self.establish() {
            Ok(open) => {
                metrics::counter!("investord_store_connections_total").increment(1);
                self.open.replace(Some(Rc::new(open)));
                self.refused.take();
                return Ok(());
            }
            Err(error) => error,
        };
        tracing::warn!(%error, server = %self.server, "cannot connect");
        // Any connect error makes the database unavailable, wrong credentials included.
        let known = matches!(error, StoreError::Unavailable(_));
        let error = if known { error } else { StoreError::Unavailable(error.to_string()) };
        self.refused.replace(Some((Instant::now(), error.clone())));
        Err(error)
    }

    /// Makes a connection within the connect timeout. That of the driver covers the TCP connect alone, not TLS and
    /// authentication.
    fn establish(&self) -> Result<OpenConnection, StoreError> {
        let limit = Duration::from_secs(self.server.tuning.connect_timeout_seconds.into());
        let connected = self
            .runtime
            .block_on(async { tokio::time::timeout(limit, self.server.connect(self.read_only)).await });
        let timed_out = |_| StoreError::Unavailable(format!("no connection within {} s", limit.as_secs()));
        let (client, wire) = connected.map_err(timed_out)?.map_err(|error| classify(&error))?;
        // The task ends with the connection; the reason reaches the statement that fails.
        let wire = self.runtime.spawn(wire.map(drop)).abort_handle();
        Ok(OpenConnection { client, wire, prepared: RefCell::default() })
    }

    /// Returns the open connection, or an error if it was lost during the transaction.
    pub fn open_connection(&self) -> Result<Rc<OpenConnection>, StoreError> {
        self.open.borrow().clone().ok_or_else(|| StoreError::Unavailable("the connection was lost".into()))
    }

    /// Closes the connection at once.
    pub fn close(&self) {
        if let Some(open) = self.open.take() {
            // Without the abort the task would keep the socket open until a response arrives and this thread polls it.
            // The server or the pooler must see at once that the client no longer waits.
            open.wire.abort();
            self.runtime.block_on(tokio::task::yield_now());
        }
    }

    /// Waits for a result with a timeout, because a network may drop it silently.
    pub fn wait<T>(&self, result: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        let limit = Duration::from_secs(self.server.tuning.statement_timeout_seconds.into()) + NETWORK_GRACE;
        let mut result = pin!(result);
        // A result that has already arrived needs no timer.
        let there = result.as_mut().now_or_never();
        let waited = there
            .map_or_else(|| self.runtime.block_on(async { tokio::time::timeout(limit, result).await }), Ok);
        match waited {
            Ok(result) => result.map_err(|error| self.classify(&error)),
            Err(_) => {
                self.lose();
                Err(StoreError::Unavailable(format!("no answer within {} s", limit.as_secs())))
            }
        }
    }

    /// Maps a driver error to a store error and closes the connection if the error ends it.
    pub fn classify(&self, error: &Error) -> StoreError {
        if ends_connection(error) {
            self.lose();
        }
        classify(error)
    }

    /// Closes the connection and marks it as lost.
    fn lose(&self) {
        self.close();
        self.is_lost.set(true);
    }
}
