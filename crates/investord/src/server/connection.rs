//! Limits of a connection: its place among all, and the time to send and to read.

use std::io;
use std::net::IpAddr;
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
use tokio::task::coop;
use tokio::time::Sleep;
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

use super::proxy_protocol;
use crate::access::connections::{Connections, Place};
use crate::app::App;
use crate::config::ProxyHeader;

/// Bytes of answers that the system keeps for a peer that does not read; enough for 2 MB/s over 60 ms.
const SEND_BUFFER: usize = 128 * 1024;
/// Units that a read costs of the 128 after which Tokio has a task yield: a few KiB can hold hundreds of frames of HTTP/2,
/// and a peer that sends them without a pause must not keep a thread from the other connections.
const READ_COSTS: usize = 32;
/// What a client hears for whose connection there is no place.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: text/plain\r\ncontent-length: 43\r\n\r\ntoo many connections are open; close some.\n";

/// Accepts connections as far as there are places.
#[derive(Clone)]
pub struct Limited<A> {
    inner: A,
    app: App,
    connections: Connections,
    /// Whether somebody who is refused can read it.
    says_why: bool,
    /// Whether a trusted proxy names the peer before its first byte.
    announced: bool,
}

impl<A> Limited<A> {
    pub fn new(inner: A, app: &App, connections: Connections) -> Self {
        Self { inner, app: app.clone(), connections, says_why: true, announced: false }
    }

    /// Has trusted proxies speak the PROXY protocol, if that is configured.
    pub fn behind_proxies(self) -> Self {
        let announced = self.app.config.proxy.header == ProxyHeader::ProxyProtocol;
        Self { announced, ..self }
    }

    /// Refuses by closing alone: before TLS nothing can be said.
    pub fn silent(self) -> Self {
        Self { says_why: false, ..self }
    }

    /// Returns the place of a connection from this address, or refuses it.
    fn place(&self, stream: &TcpStream, peer: IpAddr, is_proxy: bool) -> io::Result<Place> {
        if let Some(place) = self.connections.admit(peer, is_proxy, self.app.clock.uptime()) {
            return Ok(place);
        }
        if self.says_why {
            // Past the runtime, which refuses to write before the system has told it that the socket is writable. The
            // buffer of the socket is empty, so this does not block.
            let socket = SockRef::from(stream);
            let _ = socket.send(REFUSAL);
            let _ = socket.shutdown(std::net::Shutdown::Write);
        }
        Err(io::Error::other("no place"))
    }

    /// Reads for whom a proxy asks, and returns the place of that address instead of the proxy's.
    async fn announced(&self, stream: &mut TcpStream, place: Place) -> io::Result<(Place, Option<IpAddr>)> {
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

impl<A, S> Accept<TcpStream, S> for Limited<A>
where
    A: Accept<TcpStream, Noticed<S>> + Clone + Send + Sync + 'static,
    A::Future: Send + 'static,
    A::Stream: AsyncRead + AsyncWrite + Send,
    A::Service: Send,
    S: Send + 'static,
{
    type Stream = Bound<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, mut stream: TcpStream, service: S) -> Self::Future {
        // TLS has its own limit; what follows it counts from here, too.
        let first = tokio::time::sleep(Duration::from_secs(self.app.config.limits.first_request_seconds));
        let this = self.clone();
        // Before anything is waited for, so that those who only connect are counted as they come.
        let placed = stream.peer_addr().and_then(|peer| {
            let is_proxy = self.app.budgets.proxies.is_trusted(peer.ip());
            let place = self.place(&stream, peer.ip(), is_proxy)?;
            // What the system keeps of answers that are not read counts nowhere.
            SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER)?;
            Ok((place, is_proxy))
        });
        Box::pin(async move {
            let (mut place, is_proxy) = placed?;
            let mut client = None;
            if this.announced && is_proxy {
                (place, client) = this.announced(&mut stream, place).await?;
            }
            let asked = Arc::new(AtomicBool::new(false));
            let service = Noticed { inner: service, asked: Arc::clone(&asked), client };
            let (stream, service) = this.inner.accept(stream, service).await?;
            let mut stream = Box::pin(TimeoutStream::new(stream));
            let config = &this.app.config;
            let idle = Duration::from_secs(config.head_timeout_seconds);
            let unread = Duration::from_secs(config.limits.unread_seconds);
            stream.as_mut().set_read_timeout_pinned(Some(idle));
            stream.as_mut().set_write_timeout_pinned(Some(unread));
            Ok((Bound { stream, first: Some((Box::pin(first), asked)), _place: place }, service))
        })
    }
}

/// The address for which a proxy has said that it asks, before the first byte of the connection.
#[derive(Clone, Copy)]
pub struct Announced(pub IpAddr);

/// A service that notices its first request, and tells each for whom it is.
#[derive(Clone)]
pub struct Noticed<S> {
    inner: S,
    asked: Arc<AtomicBool>,
    client: Option<IpAddr>,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Noticed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        self.asked.store(true, Ordering::Relaxed);
        if let Some(client) = self.client {
            request.extensions_mut().insert(Announced(client));
        }
        self.inner.call(request)
    }
}

/// A connection that ends when its peer is silent: the time limits of HTTP begin with the first bytes of a request, and say
/// nothing of a peer that does not read its answer.
pub struct Bound<S> {
    stream: Pin<Box<TimeoutStream<S>>>,
    /// When the first request has to be there, and whether it is; none when it was.
    first: Option<(Pin<Box<Sleep>>, Arc<AtomicBool>)>,
    _place: Place,
}

impl<S: AsyncRead + AsyncWrite> AsyncRead for Bound<S> {
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
        for _ in 1..READ_COSTS {
            ready!(coop::poll_proceed(cx)).made_progress();
        }
        self.stream.as_mut().poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for Bound<S> {
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
