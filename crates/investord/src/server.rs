//! Listeners, layers, health, and a stop that loses nothing.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use axum::extract::State;
use axum::routing::get;
use axum::{Router, middleware};
use axum_server::Handle;
use axum_server::accept::{Accept, DefaultAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use http::StatusCode;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{JoinHandle, JoinSet};
use tokio_io_timeout::TimeoutStream;

use crate::app::App;
use crate::config::Config;
use crate::problem::Problem;
use crate::store::StoreError;
use crate::{api, operator, telemetry, tls, worker};

/// Bytes of a request's head that are buffered; what the API accepts is less (api/caller.rs).
const MOST_HEAD: usize = 64 * 1024;
const MOST_STREAMS: u32 = 256;
/// How long connections in use get to hear that they end. A client that sends nothing for as long finds its
/// connection closed before its next request.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Everything that the main listener answers.
pub fn router(app: &App) -> Router {
    let own = match app.config.metrics_listen {
        None => health().route("/metrics", get(telemetry::metrics)),
        Some(_) => health(),
    };
    let observed = middleware::from_fn_with_state(app.clone(), telemetry::observe);
    api::routes().merge(own).layer(observed).with_state(app.clone())
}

/// What a supervisor asks.
fn health() -> Router<App> {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready))
}

/// Whether the server can do its work: the store reads, and its writer answers.
async fn ready(State(app): State<App>) -> Result<(StatusCode, &'static str), Problem> {
    app.store.read("ready", |tx| crate::store::tenants::count_users(tx, 0).map(|_| ())).await?;
    app.store.write("ready", 0, |_| Ok::<(), StoreError>(())).await?;
    Ok((StatusCode::OK, "ready\n"))
}

/// Where a server is reached.
pub struct Listeners {
    pub clients: TcpListener,
    pub operators: TcpListener,
}

impl Listeners {
    /// Takes the addresses of the configuration, which holds the real ones afterwards.
    pub fn bind(config: &mut Config) -> anyhow::Result<Self> {
        let clients = TcpListener::bind(config.listen)
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = config.operator_address();
        let operators = TcpListener::bind(address)
            .with_context(|| format!("cannot listen for operators on {address} (operator_listen)"))?;
        config.listen = clients.local_addr()?;
        config.operator_listen = Some(operators.local_addr()?);
        Ok(Self { clients, operators })
    }
}

/// Serves until `stop` is done, then lets requests in flight finish.
pub async fn run(
    app: App,
    listeners: Listeners,
    worker: bool,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let mut companions = companions(&app, worker)?;
    let courier = worker.then(|| tokio::spawn(worker::deliver::run(app.clone())));
    companions.spawn(serve_operators(&app, listeners.operators)?);
    let listener = listeners.clients;
    let handle = Handle::new();
    listener.set_nonblocking(true)?;
    tokio::spawn(stop_in_order(app.clone(), listener.try_clone()?, handle.clone(), stop));
    let service = router(&app).into_make_service_with_connect_info::<SocketAddr>();
    let head_timeout = Duration::from_secs(app.config.head_timeout_seconds);
    let outcome = match &app.config.tls {
        None => {
            let acceptor = Patient { inner: DefaultAcceptor::new(), limit: head_timeout };
            let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle);
            bound(server.http_builder(), head_timeout);
            server.serve(service).await
        }
        Some(tls) => {
            let config = RustlsConfig::from_pem_file(&tls.cert_file, &tls.key_file).await;
            let config = config.with_context(|| {
                format!(
                    "cannot use tls.cert_file {} and tls.key_file {}",
                    tls.cert_file.display(),
                    tls.key_file.display()
                )
            })?;
            telemetry::certificate_expires(tls::validity(&tls.cert_file)?.1);
            let inner = RustlsAcceptor::new(config).handshake_timeout(head_timeout);
            let acceptor = Patient { inner, limit: head_timeout };
            let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle);
            bound(server.http_builder(), head_timeout);
            server.serve(service).await
        }
    };
    finish(&app, courier).await;
    outcome.context("the listener failed")
}

/// Does what no request waits for, until `stop` is done.
pub async fn work(app: App, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let _companions = companions(&app, true)?;
    let courier = tokio::spawn(worker::deliver::run(app.clone()));
    stop.await;
    finish(&app, Some(courier)).await;
    Ok(())
}

/// Lets deliveries that are on their way end; what was not sent is handed back.
async fn finish(app: &App, courier: Option<JoinHandle<()>>) {
    app.stop();
    let patience = Duration::from_secs(app.config.shutdown_timeout_seconds);
    if let Some(courier) = courier
        && tokio::time::timeout(patience, courier).await.is_err()
    {
        tracing::warn!("some receivers have not answered in time; their packages will be sent again");
    }
}

/// What runs beside the requests, as long as the answer lives.
fn companions(app: &App, worker: bool) -> anyhow::Result<JoinSet<()>> {
    telemetry::started(app.clock.now());
    let mut companions = JoinSet::new();
    companions.spawn(telemetry::upkeep());
    if worker {
        companions.spawn(worker::sweep::run(app.clone()));
        companions.spawn(worker::chores::run(app.clone()));
        companions.spawn(worker::steps::run(app.clone()));
        companions.spawn(worker::gauges::run(app.clone()));
    }
    if let Some(address) = app.config.metrics_listen {
        companions.spawn(serve_metrics(app, address)?);
    }
    Ok(companions)
}

/// Stops in three steps, so that requests on connections in use are answered: no new connections, then every
/// answer says that its connection ends, then what is left idle is closed.
async fn stop_in_order(
    app: App,
    listener: TcpListener,
    handle: Handle<SocketAddr>,
    stop: impl Future<Output = ()>,
) {
    stop.await;
    let patience = Duration::from_secs(app.config.shutdown_timeout_seconds);
    tracing::info!("stopping: no new connections, requests in flight get {} s", patience.as_secs());
    app.stop();
    if let Err(error) = SockRef::from(&listener).shutdown(Shutdown::Both) {
        tracing::warn!(%error, "cannot close the listener early");
    }
    tokio::time::sleep(LAST_WORDS).await;
    handle.graceful_shutdown(Some(patience));
}

/// Ends connections on which nothing moves: the time limits of HTTP begin with the first bytes of a
/// request, and say nothing of a peer that does not read its answer.
#[derive(Clone)]
struct Patient<A> {
    inner: A,
    limit: Duration,
}

impl<A, I, S> Accept<I, S> for Patient<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
    A::Stream: AsyncRead + AsyncWrite,
{
    type Stream = Pin<Box<TimeoutStream<A::Stream>>>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let (accepted, limit) = (self.inner.accept(stream, service), self.limit);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            let mut stream = TimeoutStream::new(stream);
            stream.set_read_timeout(Some(limit));
            stream.set_write_timeout(Some(limit));
            Ok((Box::pin(stream), service))
        })
    }
}

/// Limits that hold before a request is one.
fn bound(http: &mut Builder<TokioExecutor>, head_timeout: Duration) {
    http.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(MOST_HEAD);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(64 * 1024)
        .max_concurrent_streams(MOST_STREAMS)
        .keep_alive_interval(Duration::from_mins(1))
        .keep_alive_timeout(head_timeout);
}

/// Serves people: few, and on a listener of their own, which ends with the process.
fn serve_operators(app: &App, listener: TcpListener) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    listener.set_nonblocking(true)?;
    let head_timeout = Duration::from_secs(app.config.head_timeout_seconds);
    let acceptor = Patient { inner: DefaultAcceptor::new(), limit: head_timeout };
    let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor);
    bound(server.http_builder(), head_timeout);
    let observed = middleware::from_fn_with_state(app.clone(), telemetry::observe);
    let router = operator::routes().layer(observed).with_state(app.clone());
    Ok(async move {
        if let Err(error) = server.serve(router.into_make_service_with_connect_info::<SocketAddr>()).await {
            tracing::error!(%error, "the listener for operators failed");
        }
    })
}

fn serve_metrics(app: &App, address: SocketAddr) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot listen on metrics_listen {address}"))?;
    listener.set_nonblocking(true)?;
    let server = axum_server::from_tcp(listener)?;
    let router = health().route("/metrics", get(telemetry::metrics)).with_state(app.clone());
    Ok(async move {
        if let Err(error) = server.serve(router.into_make_service()).await {
            tracing::error!(%error, "the metrics listener failed");
        }
    })
}
