//! Limits of a connection: its place among all, and the time to send and to read.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum_server::accept::Accept;
use http::Request;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::task::coop;
use tokio::time::Sleep;
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

use super::proxy_protocol;
use crate::access::connections::{Connections, Place};
use crate::app::App;
use crate::config::ProxyHeader;

/// Send buffer of a socket in bytes: it holds response data for a peer that does not read. 128 KiB suffice for 2 MB/s
/// over a round trip of 60 ms.
const SEND_BUFFER: usize = 128 * 1024;
/// Cost of a read, in units of the 128 after which Tokio makes a task yield. A few KiB can contain hundreds of HTTP/2
/// frames, and a peer that sends them without a pause must not keep a thread from the other connections. At this cost a
/// task yields after four reads.
const READ_COSTS: usize = 32;
/// Response to a client beyond the connection limit. It is written without the HTTP stack, which has not seen the
/// connection yet.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: text/plain\r\ncontent-length: 43\r\n\r\ntoo many connections are open; close some.\n";

/// Response to a client that would speak without TLS past the proxies that are there for it.
const NOT_IN_CLEAR: &[u8] = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-type: text/plain\r\n\
    content-length: 105\r\n\r\nthis port speaks no TLS and is for the proxies in proxy.trusted alone \
    (operator_plaintext_behind_proxy).\n";

/// A connection as a listener accepts it.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Returns the address by which the peer is counted and recorded.
    ///
    /// # Errors
    ///
    /// Fails if the peer has gone.
    fn peer_ip(&self) -> io::Result<IpAddr>;

    /// Returns the socket, for options and for what the runtime would do too late.
    fn socket(&self) -> SockRef<'_>;
}

impl Transport for TcpStream {
    fn peer_ip(&self) -> io::Result<IpAddr> {
        self.peer_addr().map(|peer| peer.ip())
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

/// The address of whoever connects to a Unix socket: this machine.
pub const LOCAL_PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[cfg(unix)]
impl Transport for UnixStream {
    fn peer_ip(&self) -> io::Result<IpAddr> {
        Ok(LOCAL_PEER)
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

/// Acceptor that enforces the connection limits and the time limits of a connection.
#[derive(Clone)]
pub struct LimitedAcceptor<A> {
    /// Acceptor of the next layer: TLS, or none.
    inner: A,
    app: App,
    connections: Connections,
    /// Whether the acceptor sends a response to a refused connection.
    says_why: bool,
    /// Whether trusted proxies announce the client's address by the PROXY protocol.
    announced: bool,
    /// Whether connections are refused that come neither from a trusted proxy nor from this machine.
    only_proxies: bool,
}

impl<A> LimitedAcceptor<A> {
    /// Creates an acceptor that sends a 503 to refused connections and ignores the PROXY protocol.
    pub fn new(inner: A, app: &App, connections: Connections) -> Self {
        Self { inner, app: app.clone(), connections, says_why: true, announced: false, only_proxies: false }
    }

    /// Expects the PROXY protocol from trusted proxies if the configuration says so.
    pub fn behind_proxies(self) -> Self {
        let announced = self.app.config.proxy.header == ProxyHeader::ProxyProtocol;
        Self { announced, ..self }
    }

    /// Refuses connections from other machines than trusted proxies.
    pub fn only_proxies(self) -> Self {
        Self { only_proxies: true, ..self }
    }

    /// Refuses connections by closing them without a response: no HTTP response can be sent before the TLS handshake.
    pub fn silent(self) -> Self {
        Self { says_why: false, ..self }
    }

    /// Acquires a place for a connection from this address, or refuses the connection.
    fn place(&self, stream: &impl Transport, peer: IpAddr, is_proxy: bool) -> io::Result<Place> {
        if self.only_proxies && !is_proxy && !peer.to_canonical().is_loopback() {
            return Err(self.refuse(stream, NOT_IN_CLEAR));
        }
        if let Some(place) = self.connections.admit(peer, is_proxy, self.app.clock.uptime()) {
            return Ok(place);
        }
        Err(self.refuse(stream, REFUSAL))
    }

    /// Sends a response to a connection that is not served, unless the acceptor is silent.
    fn refuse(&self, stream: &impl Transport, response: &[u8]) -> io::Error {
        if self.says_why {
            // This bypasses the runtime, which does not write before the operating system has reported the socket as
            // writable. The buffer of a new socket is empty, so the call does not block.
            let socket = stream.socket();
            let _ = socket.send(response);
            let _ = socket.shutdown(std::net::Shutdown::Write);
        }
        io::Error::other("refused")
    }

    /// Reads the header of the PROXY protocol. Exchanges the place of the proxy for a place of the announced address,
    /// so that the limit per address applies to clients and not to the proxy.
    async fn read_proxy_header(
        &self,
        stream: &mut impl Transport,
        place: Place,
    ) -> io::Result<(Place, Option<IpAddr>)> {
        let limit = Duration::from_secs(self.app.config.limits.first_request_seconds);
        let read = tokio::time::timeout(limit, proxy_protocol::read(stream)).await?;
        let client = read.inspect_err(|error| {
            if error.kind() == io::ErrorKind::InvalidData {
                tracing::warn!(%error, "a trusted proxy does not speak the PROXY protocol");
            }
        })?;
        match client {
            Some(client) => Ok((self.place(stream, client, false)?, Some(client))),
            None => Ok((place, None)),
        }
    }
}

impl<I, A, S> Accept<I, S> for LimitedAcceptor<A>
where
    I: Transport,
    A: Accept<I, FirstRequestService<S>> + Clone + Send + Sync + 'static,
    A::Future: Send + 'static,
    A::Stream: AsyncRead + AsyncWrite + Send,
    A::Service: Send,
    S: Send + 'static,
{
    type Stream = TimedConnection<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, mut stream: I, service: S) -> Self::Future {
        // The TLS handshake has its own time limit; the time for the first request starts here nevertheless.
        let first = tokio::time::sleep(Duration::from_secs(self.app.config.limits.first_request_seconds));
        let this = self.clone();
        // Before the first await, so that a peer that only connects is counted when the connection arrives.
        let placed = stream.peer_ip().and_then(|peer| {
            let is_proxy = self.app.budgets.proxies.is_trusted(peer);
            let place = self.place(&stream, peer, is_proxy)?;
            // No budget counts the unread responses in the buffer of the operating system, so the buffer is bounded.
            stream.socket().set_send_buffer_size(SEND_BUFFER)?;
            Ok((place, is_proxy))
        });
        Box::pin(async move {
            let (mut place, is_proxy) = placed?;
            let mut client = None;
            if this.announced && is_proxy {
                (place, client) = this.read_proxy_header(&mut stream, place).await?;
            }
            let asked = Arc::new(AtomicBool::new(false));
            let service = FirstRequestService { inner: service, asked: Arc::clone(&asked), client };
            let (stream, service) = this.inner.accept(stream, service).await?;
            let mut stream = Box::pin(TimeoutStream::new(stream));
            let config = &this.app.config;
            let idle = Duration::from_secs(config.head_timeout_seconds);
            let unread = Duration::from_secs(config.limits.unread_seconds);
            stream.as_mut().set_read_timeout_pinned(Some(idle));
            stream.as_mut().set_write_timeout_pinned(Some(unread));
            Ok((TimedConnection { stream, first: Some((Box::pin(first), asked)), _place: place }, service))
        })
    }
}

/// The client's address as a trusted proxy announced it before the first byte of the connection.
#[derive(Clone, Copy)]
pub struct AnnouncedClient(pub IpAddr);

/// Service that records the arrival of the first request and attaches the announced client address to every request.
#[derive(Clone)]
pub struct FirstRequestService<S> {
    inner: S,
    /// Whether the first request has arrived; shared with the [`Bound`] connection.
    asked: Arc<AtomicBool>,
    /// Address from the PROXY protocol.
    client: Option<IpAddr>,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for FirstRequestService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        self.asked.store(true, Ordering::Relaxed);
        if let Some(client) = self.client {
            request.extensions_mut().insert(AnnouncedClient(client));
        }
        self.inner.call(request)
    }
}

/// Connection that ends when its peer is silent. The time limits of the HTTP layer start with the first bytes of a
/// request, and do not cover a peer that does not read its response.
pub struct TimedConnection<S> {
    stream: Pin<Box<TimeoutStream<S>>>,
    /// Deadline of the first request and whether it has arrived; `None` after its arrival.
    first: Option<(Pin<Box<Sleep>>, Arc<AtomicBool>)>,
    /// Counts the connection until it is dropped.
    _place: Place,
}

impl<S: AsyncRead + AsyncWrite> AsyncRead for TimedConnection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some((late, asked)) = &mut self.first {
            if asked.load(Ordering::Relaxed) {
                self.first = None;
            } else if late.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        // The read itself consumes one unit, so the loop consumes one less.
        for _ in 1..READ_COSTS {
            ready!(coop::poll_proceed(cx)).made_progress();
        }
        self.stream.as_mut().poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for TimedConnection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}
