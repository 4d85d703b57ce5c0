//! The HTTP server: layers, health checks, graceful stop.

mod ambiguity;
mod connection;
mod linger;
pub mod listeners;
mod origin;
mod proxy_protocol;
mod stop;
pub mod tls_config;
#[cfg(unix)]
mod unix_socket;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use axum_server::accept::DefaultAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Address, Handle, Server};
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use tokio::task::{JoinHandle, JoinSet};

use crate::access::signature_counts;
use crate::app::App;
use crate::problem::Problem;
use crate::{api, backoffice, console, telemetry, tls, worker};

use self::ambiguity::reject_ambiguous;
use self::connection::{AnnouncedClient, LOCAL_PEER, LimitedAcceptor};
use self::listeners::OperatorSocket;
use self::origin::{OwnOrigins, reject_foreign};
use self::stop::{Close, Stoppable, stop_in_order};
pub use listeners::Listeners;

/// Maximum size in bytes of the buffer for a request's header section. The API accepts less (32 KiB,
/// `api/front/pending_request.rs`), so that an oversized header is refused with a problem document, not by the HTTP
/// library.
const MAX_HEAD: usize = 64 * 1024;
/// Maximum number of concurrent streams of an HTTP/2 connection (`SETTINGS_MAX_CONCURRENT_STREAMS`, RFC 9113 section
/// 6.5.2). `docs/limits.md` lists it.
const MAX_STREAMS: u32 = 256;
/// Flow control window of an HTTP/2 stream in bytes: the part of a body that a peer may send before the server reads it
/// (RFC 9113 section 5.2).
const STREAM_WINDOW: u32 = 64 * 1024;
/// Flow control window of all streams of a connection in bytes. It bounds the memory that a connection occupies with
/// bodies.
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Returns the routes of the main listener: the API, the pages for its developers and the health checks.
pub fn router(app: &App) -> Router {
    layered(api::routes().merge(api::pages()).merge(health()), app, app.config.is_https())
}

/// Adds the layers that all listeners share. Every response has a request id, and no handler receives a request that
/// two parsers could read as two different requests (request smuggling).
///
/// The layers run from the last to the first: the address of the client is known before the request is logged, and the
/// problem documents of `reject_ambiguous` and `limit_time` are written by `telemetry::observe`. `is_https` tells that
/// browsers reach the listener over TLS.
fn layered(routes: Router<App>, app: &App, is_https: bool) -> Router {
    let observed = middleware::from_fn_with_state(app.clone(), telemetry::observe);
    let headers = Arc::<[_]>::from(browser_headers(is_https));
    let guarded = middleware::map_response(move |response: Response| {
        let headers = Arc::clone(&headers);
        async move { add_browser_headers(&headers, response) }
    });
    let limit = Duration::from_secs(app.config.limits.answer_seconds);
    let timely = middleware::from_fn(move |request, next| limit_time(limit, request, next));
    let routes = routes.layer(timely).layer(middleware::from_fn(reject_ambiguous));
    let routes = routes.layer(observed).layer(guarded).layer(middleware::from_fn(linger::linger));
    let routes = if app.config.proxy.trusted.is_empty() {
        routes
    } else {
        routes.layer(middleware::from_fn_with_state(app.clone(), replace_proxy_address))
    };
    routes.with_state(app.clone())
}

/// Ends a request that exceeds the time limit with 503. A unit of work that it has queued may still commit; the client
/// learns the result by repeating the request with the same idempotency key.
async fn limit_time(limit: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::Unavailable("no answer in time".into()).into_response(),
    }
}

/// Returns the headers that forbid browsers to sniff, execute, frame, cache or refer to a response.
fn browser_headers(is_https: bool) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        ),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // Tokens (RFC 6749 section 5.1) and personal data must not remain in a cache.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    if is_https {
        // A year, the minimum of the browsers' preload lists (HSTS, RFC 6797).
        let year = HeaderValue::from_static("max-age=31536000");
        headers.push((header::STRICT_TRANSPORT_SECURITY, year));
    }
    headers
}

/// Adds the headers that the response does not set itself.
fn add_browser_headers(headers: &[(HeaderName, HeaderValue)], mut response: Response) -> Response {
    for (name, value) in headers {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}

/// Replaces the address of a trusted proxy by the address of its client, so that limits and logs apply to the client.
async fn replace_proxy_address(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let announced = request.extensions().get::<AnnouncedClient>().map(|AnnouncedClient(client)| *client);
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let client = announced.or_else(|| app.budgets.proxies.client(peer?, request.headers()));
    if let Some(client) = client {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, 0)));
    }
    next.run(request).await
}

/// Rejects compressed content in requests of operators, because these routes do not decompress.
async fn reject_compressed(request: Request, next: Next) -> Response {
    match api::front::pending_request::plain_content(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Returns the routes of the health checks: `/healthz` for liveness, `/readyz` for readiness.
fn health() -> Router<App> {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready))
}

/// Responds whether the store reads, scans and writes in time.
async fn ready(State(app): State<App>) -> Result<(StatusCode, &'static str), Problem> {
    app.readiness.state(&app.store).await?;
    Ok((StatusCode::OK, "ready\n"))
}

/// Serves requests until `stop` is done, then finishes the requests in flight.
///
/// # Errors
///
/// Fails if a listener cannot be used or the certificate cannot be read.
pub async fn run(
    app: App,
    listeners: Listeners,
    worker: bool,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let Listeners { clients: listener, operators, metrics, tls, operator_tls } = listeners;
    let _companions = spawn_background_tasks(&app, worker, Some(metrics))?;
    let dispatcher = worker.then(|| tokio::spawn(worker::dispatcher::run(app.clone())));
    let (operators, operators_stop) = serve_operators(&app, operators, operator_tls)?;
    let operators = tokio::spawn(operators);
    let handle = Handle::new();
    // A blocking accept would stall a thread of the runtime.
    listener.set_nonblocking(true)?;
    let listeners =
        vec![Stoppable::new(&SockRef::from(&listener), Close::Tcp, handle.clone())?, operators_stop];
    tokio::spawn(stop_in_order(app.clone(), listeners, stop));
    let service = router(&app).into_make_service_with_connect_info::<SocketAddr>();
    let (server, budget) = (axum_server::from_tcp(listener)?, app.budgets.connections.clone());
    let outcome = match tls {
        None => {
            let acceptor = LimitedAcceptor::new(DefaultAcceptor::new(), &app, budget).behind_proxies();
            with_limits(&app, server, acceptor, handle).serve(service).await
        }
        Some(tls) => {
            if let Some(files) = &app.config.tls {
                telemetry::publish_certificate_expiry(tls::validity(&files.cert_file)?.1);
            }
            let inner = tls_acceptor(&app, tls);
            let acceptor = LimitedAcceptor::new(inner, &app, budget).silent().behind_proxies();
            with_limits(&app, server, acceptor, handle).serve(service).await
        }
    };
    // A listener that has failed has not been stopped, and neither has the one for operators.
    if outcome.is_ok() {
        let _ = operators.await;
    }
    finish(&app, dispatcher).await;
    outcome.context("the listener failed")
}

/// Returns the acceptor of TLS, whose handshake has as much time as the first request.
fn tls_acceptor(app: &App, tls: RustlsConfig) -> RustlsAcceptor {
    RustlsAcceptor::new(tls).handshake_timeout(Duration::from_secs(app.config.limits.first_request_seconds))
}

/// Gives a server its acceptor, its limits and the handle by which it is stopped.
fn with_limits<A: Address, B>(app: &App, server: Server<A>, acceptor: B, handle: Handle<A>) -> Server<A, B> {
    let mut server = server.acceptor(acceptor).handle(handle);
    set_http_limits(server.http_builder(), Duration::from_secs(app.config.head_timeout_seconds));
    server
}

/// Runs the background work without a listener for clients until `stop` is done.
///
/// # Errors
///
/// Fails if the listener for metrics cannot be used.
pub async fn work(
    app: App,
    metrics: Option<TcpListener>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let _companions = spawn_background_tasks(&app, true, metrics)?;
    let dispatcher = tokio::spawn(worker::dispatcher::run(app.clone()));
    stop.await;
    finish(&app, Some(dispatcher)).await;
    Ok(())
}

/// Waits for the deliveries in flight and saves the signature counts. The dispatcher returns the unsent packages to the
/// schedule.
async fn finish(app: &App, dispatcher: Option<JoinHandle<()>>) {
    app.stop();
    let patience = Duration::from_secs(app.config.shutdown_timeout_seconds);
    if let Some(dispatcher) = dispatcher
        && tokio::time::timeout(patience, dispatcher).await.is_err()
    {
        tracing::warn!("some receivers have not answered in time; their packages will be sent again");
    }
    if let Err(error) = app.signature_counts.save(&app.store).await {
        tracing::warn!(%error, "the last counts of signatures are lost");
    }
}

/// Starts the background tasks of the process. They run until the returned set is dropped.
fn spawn_background_tasks(
    app: &App,
    worker: bool,
    metrics: Option<TcpListener>,
) -> anyhow::Result<JoinSet<()>> {
    telemetry::publish_start(app.clock.now());
    let mut companions = JoinSet::new();
    companions.spawn(telemetry::run_upkeep(app.clone()));
    companions.spawn(signature_counts::run(Arc::clone(&app.signature_counts), app.store.clone()));
    let watching = app.clone();
    companions.spawn(async move { watching.readiness.watch(&watching.store).await });
    if worker {
        companions.spawn(worker::retention::run(app.clone()));
        companions.spawn(worker::backfills::run(app.clone()));
        companions.spawn(worker::jobs::run(app.clone()));
        companions.spawn(worker::gauges::run(app.clone()));
    }
    if let Some(listener) = metrics {
        companions.spawn(serve_metrics(app, listener)?);
    }
    Ok(companions)
}

/// Sets the limits of the HTTP protocol that apply before a request is complete.
fn set_http_limits(http: &mut Builder<TokioExecutor>, head_timeout: Duration) {
    http.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(MAX_HEAD);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(64 * 1024)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(Duration::from_mins(1))
        .keep_alive_timeout(head_timeout);
}

/// Serves the operator API on a listener of its own, with its own connection budget: clients cannot lock operators out.
/// Returns what serves, and what stops it.
fn serve_operators(
    app: &App,
    socket: OperatorSocket,
    tls: Option<RustlsConfig>,
) -> anyhow::Result<(BoxFuture<'static, ()>, Stoppable)> {
    let router = operators_router(app);
    let budget = app.budgets.operator_connections.clone();
    let plain = LimitedAcceptor::new(DefaultAcceptor::new(), app, budget.clone());
    match (socket, tls) {
        (OperatorSocket::Tcp(listener), tls) => {
            listener.set_nonblocking(true)?;
            let handle = Handle::new();
            let stop = Stoppable::new(&SockRef::from(&listener), Close::Tcp, handle.clone())?;
            let server = axum_server::from_tcp(listener)?;
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let Some(tls) = tls else {
                let behind_proxy = app.config.operator_plaintext_behind_proxy;
                let plain = if behind_proxy { plain.behind_proxies().only_proxies() } else { plain };
                let server = with_limits(app, server, plain, handle);
                return Ok((Box::pin(async move { log_end(server.serve(service).await) }), stop));
            };
            if let Some(files) = &app.config.operator_tls {
                telemetry::publish_operator_certificate_expiry(tls::validity(&files.cert_file)?.1);
            }
            let acceptor = LimitedAcceptor::new(tls_acceptor(app, tls), app, budget).silent();
            let server = with_limits(app, server, acceptor, handle);
            Ok((Box::pin(async move { log_end(server.serve(service).await) }), stop))
        }
        #[cfg(unix)]
        (OperatorSocket::Unix(socket), _) => {
            let (listener, file) = socket.into_parts();
            let file = Arc::new(file);
            listener.set_nonblocking(true)?;
            let handle = Handle::new();
            let close = Close::Unix(Arc::clone(&file));
            let stop = Stoppable::new(&SockRef::from(&listener), close, handle.clone())?;
            let server = with_limits(app, axum_server::from_unix(listener)?, plain, handle);
            let peer = Extension(ConnectInfo(SocketAddr::new(LOCAL_PEER, 0)));
            let service = router.layer(peer).into_make_service();
            let serve = async move {
                log_end(server.serve(service).await);
                // Not before the last request is answered, because the lock says that a process listens.
                drop(file);
            };
            Ok((Box::pin(serve), stop))
        }
    }
}

/// Logs the failure of the listener for operators, which leaves clients their service.
fn log_end(outcome: std::io::Result<()>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "the listener for operators failed");
    }
}

/// Returns the routes of the listener for operators.
fn operators_router(app: &App) -> Router {
    let own = Arc::new(OwnOrigins::of(&app.config));
    let routes = backoffice::routes().merge(console::routes(app));
    let routes = routes.layer(middleware::from_fn(reject_compressed));
    let routes = routes.layer(middleware::from_fn_with_state(own, reject_foreign));
    let is_https = app.config.operator_tls.is_some() || app.config.operator_plaintext_behind_proxy;
    layered(routes, app, is_https)
}

/// Serves the metrics and the health checks on a listener of their own, so that load from clients does not hide them.
fn serve_metrics(app: &App, listener: TcpListener) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    listener.set_nonblocking(true)?;
    let acceptor = LimitedAcceptor::new(DefaultAcceptor::new(), app, app.budgets.metrics_connections.clone());
    let server = with_limits(app, axum_server::from_tcp(listener)?, acceptor, Handle::new());
    let router = layered(health().route("/metrics", get(telemetry::metrics)), app, app.config.is_https());
    Ok(async move {
        if let Err(error) = server.serve(router.into_make_service_with_connect_info::<SocketAddr>()).await {
            tracing::error!(%error, "the metrics listener failed");
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower_service::Service as _;

    use super::*;

    /// A paused clock of the runtime advances by itself as soon as every task waits for it.
    #[tokio::test(start_paused = true)]
    async fn a_request_is_given_up_when_it_takes_too_long() {
        let limit = Duration::from_secs(5);
        let slow = |seconds| get(move || tokio::time::sleep(Duration::from_secs(seconds)));
        let timely = middleware::from_fn(move |request, next| limit_time(limit, request, next));
        let mut routes: Router = Router::new().route("/slow", slow(6)).route("/fast", slow(4)).layer(timely);
        for (path, status) in [("/slow", StatusCode::SERVICE_UNAVAILABLE), ("/fast", StatusCode::OK)] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = routes.call(request).await.unwrap();
            assert_eq!(answer.status(), status, "{path}");
        }
    }
}
