//! The graceful stop: listeners close before their connections.

use std::net::Shutdown;
#[cfg(unix)]
use std::sync::Arc;
use std::time::Duration;

use axum_server::{Address, Handle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockRef, Socket};

#[cfg(unix)]
use super::unix_socket::SocketFile;
use crate::app::App;

/// Time during which connections in use still receive responses that announce the end of the connection. A client that
/// is idle for this whole time finds its connection closed before its next request.
const CLOSE_NOTICE: Duration = Duration::from_millis(300);
/// Maximum time for accepting the connections that the operating system has queued for the listeners (their backlogs).
const BACKLOG_TIMEOUT: Duration = Duration::from_secs(2);

/// A listener that a stop closes, and its connections.
pub struct Stoppable {
    listener: Socket,
    /// Has the system take no new connections.
    close: Close,
    /// Closes the idle connections, and after so much time all others.
    close_connections: Box<dyn FnOnce(Duration) + Send + Sync>,
}

/// The way in which a listener is closed while the server still accepts the connections in its backlog.
pub enum Close {
    /// The socket of TCP is shut down.
    Tcp,
    /// The file of the socket is removed: Linux reports a Unix socket that is shut down as readable for ever.
    #[cfg(unix)]
    Unix(Arc<SocketFile>),
}

impl Stoppable {
    /// Combines a listener with the handle of the server that accepts its connections.
    ///
    /// # Errors
    ///
    /// Fails if the process may open no more files.
    pub fn new<A: Address + Send + Sync + 'static>(
        listener: &SockRef<'_>,
        close: Close,
        handle: Handle<A>,
    ) -> std::io::Result<Self> {
        let close_connections = move |patience| handle.graceful_shutdown(Some(patience));
        Ok(Self { listener: listener.try_clone()?, close, close_connections: Box::new(close_connections) })
    }

    /// Returns whether the backlog contains connections that are not accepted yet.
    fn has_waiting(&self) -> bool {
        let mut listener = [PollFd::new(&self.listener, PollFlags::IN)];
        poll(&mut listener, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

/// Stops in three phases, so that requests on connections in use get their responses: the listeners close, every
/// response announces the end of its connection, and finally the idle connections close. The order matters: a client
/// that reads the announcement reconnects at once, and must find the listener closed before it has sent a request.
pub async fn stop_in_order(app: App, listeners: Vec<Stoppable>, stop: impl Future<Output = ()>) {
    stop.await;
    let patience = Duration::from_secs(app.config.shutdown_timeout_seconds);
    tracing::info!("stopping: no new connections, requests in flight get {} s", patience.as_secs());
    // When a listener closes, the operating system resets the connections in its backlog, so these are accepted first.
    let taken = async {
        while listeners.iter().any(Stoppable::has_waiting) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(BACKLOG_TIMEOUT, taken).await.is_err() {
        tracing::warn!("there are always more connections; the last ones will be reset");
    }
    for Stoppable { listener, close, .. } in &listeners {
        match close {
            Close::Tcp => {
                if let Err(error) = listener.shutdown(Shutdown::Both) {
                    tracing::warn!(%error, "cannot close a listener early");
                }
            }
            #[cfg(unix)]
            Close::Unix(file) => file.remove(),
        }
    }
    app.stop();
    tokio::time::sleep(CLOSE_NOTICE).await;
    for Stoppable { close_connections, .. } in listeners {
        close_connections(patience);
    }
}
