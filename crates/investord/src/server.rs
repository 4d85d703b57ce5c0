//! The HTTP server: layers, health checks, graceful stop.

mod connection;
mod linger;
pub mod listeners;
mod proxy_protocol;

use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use axum_server::Handle;
use axum_server::accept::DefaultAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version, header};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tokio::task::{JoinHandle, JoinSet};

use crate::access::signature_counts;
use crate::app::App;
use crate::problem::Problem;
use crate::{api, backoffice, telemetry, tls, worker};

use self::connection::{AnnouncedClient, LimitedAcceptor};
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
/// Time during which connections in use still receive responses that announce the end of the connection. A client that
/// is idle for this whole time finds its connection closed before its next request.
const CLOSE_NOTICE: Duration = Duration::from_millis(300);
/// Maximum time for accepting the connections that the operating system has queued for a listener (its backlog).
const BACKLOG_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the routes of the main listener: the API and the health checks.
pub fn router(app: &App) -> Router {
    layered(api::routes().merge(health()), app)
}

/// Adds the layers that all listeners share. Every response has a request id, and no handler receives a request that
/// two parsers could read as two different requests (request smuggling).
///
/// The layers run from the last to the first: the address of the client is known before the request is logged, and the
/// problem documents of `reject_ambiguous` and `limit_time` are written by `telemetry::observe`.
fn layered(routes: Router<App>, app: &App) -> Router {
    let observed = middleware::from_fn_with_state(app.clone(), telemetry::observe);
    let headers = Arc::<[_]>::from(browser_headers(app.config.is_https()));
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

/// Rejects requests without exactly one valid host, and requests with an unsupported transfer coding: intermediaries
/// could frame or route them differently from this server.
async fn reject_ambiguous(request: Request, next: Next) -> Response {
    let fault = host_error(request.version(), request.uri(), request.headers());
    match fault.map(|fault| ("host", fault)).or_else(|| transfer_coding_error(request.headers())) {
        Some((header, fault)) => Problem::invalid(header, fault).into_response(),
        None => next.run(request).await,
    }
}

/// Returns the error in the host of a request (RFC 9112 section 3.2, RFC 9113 section 8.3.1). The authority of the
/// request target takes precedence over the header; HTTP/1.0 requires neither.
fn host_error(version: Version, target: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let mut lines = headers.get_all(header::HOST).iter();
    let (first, second) = (lines.next(), lines.next());
    let authority = target.authority();
    if second.is_some() {
        Some("stands more than once (RFC 9112 section 3.2)")
    } else if authority.is_some_and(|authority| !is_host(authority)) {
        Some("the authority of the request target must be a host and perhaps a port")
    } else if let Some(host) = first {
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        match host.filter(is_host) {
            None => Some("must be a host and perhaps a port (RFC 9110 section 7.2)"),
            Some(host) if version >= Version::HTTP_2 && authority.is_some_and(|own| *own != host) => {
                Some("differs from ':authority' (RFC 9113 section 8.3.1)")
            }
            Some(_) => None,
        }
    } else if version <= Version::HTTP_10 || (version >= Version::HTTP_2 && authority.is_some()) {
        None
    } else {
        Some("is missing (RFC 9112 section 3.2)")
    }
}

/// Returns whether an authority consists of a host and an optional port, without the user information that RFC 9110
/// section 4.2.4 forbids.
fn is_host(authority: &Authority) -> bool {
    let behind = authority.as_str().strip_prefix(authority.host());
    let is_port = |text: &str| text.is_empty() || text.parse::<u16>().is_ok();
    let has_port = behind.is_some_and(|text| text.is_empty() || text.strip_prefix(':').is_some_and(is_port));
    !authority.host().is_empty() && has_port
}

/// Returns the header name and the error if the transfer coding is not exactly one `chunked` (RFC 9112 section 6.1).
fn transfer_coding_error(headers: &HeaderMap) -> Option<(&'static str, &'static str)> {
    let is_chunked = |line: &HeaderValue| line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    let fault = ("transfer-encoding", "must be chunked, once: no other coding is taken");
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => None,
        (Some(line), None) if is_chunked(line) => None,
        _ => Some(fault),
    }
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
    let Listeners { clients: listener, operators, metrics, tls } = listeners;
    let mut companions = spawn_background_tasks(&app, worker, Some(metrics))?;
    let dispatcher = worker.then(|| tokio::spawn(worker::dispatcher::run(app.clone())));
    companions.spawn(serve_operators(&app, operators)?);
    let handle = Handle::new();
    // A blocking accept would stall a thread of the runtime.
    listener.set_nonblocking(true)?;
    tokio::spawn(stop_in_order(app.clone(), listener.try_clone()?, handle.clone(), stop));
    let service = router(&app).into_make_service_with_connect_info::<SocketAddr>();
    let head_timeout = Duration::from_secs(app.config.head_timeout_seconds);
    let outcome = match tls {
        None => {
            let acceptor =
                LimitedAcceptor::new(DefaultAcceptor::new(), &app, app.budgets.connections.clone())
                    .behind_proxies();
            let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle);
            set_http_limits(server.http_builder(), head_timeout);
            server.serve(service).await
        }
        Some(tls) => {
            if let Some(files) = &app.config.tls {
                telemetry::publish_certificate_expiry(tls::validity(&files.cert_file)?.1);
            }
            let first = Duration::from_secs(app.config.limits.first_request_seconds);
            let inner = RustlsAcceptor::new(tls).handshake_timeout(first);
            let acceptor =
                LimitedAcceptor::new(inner, &app, app.budgets.connections.clone()).silent().behind_proxies();
            let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle);
            set_http_limits(server.http_builder(), head_timeout);
            server.serve(service).await
        }
    };
    finish(&app, dispatcher).await;
    outcome.context("the listener failed")
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

/// Stops in three phases, so that requests on connections in use get their responses: the listener closes, every
/// response announces the end of its connection, and finally the idle connections close. The order matters: a client
/// that reads the announcement reconnects at once, and must find the listener closed before it has sent a request.
async fn stop_in_order(
    app: App,
    listener: TcpListener,
    handle: Handle<SocketAddr>,
    stop: impl Future<Output = ()>,
) {
    stop.await;
    let patience = Duration::from_secs(app.config.shutdown_timeout_seconds);
    tracing::info!("stopping: no new connections, requests in flight get {} s", patience.as_secs());
    // When a listener closes, the operating system resets the connections in its backlog, so these are accepted first.
    let taken = async {
        while has_waiting(&listener) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(BACKLOG_TIMEOUT, taken).await.is_err() {
        tracing::warn!("there are always more connections; the last ones will be reset");
    }
    if let Err(error) = SockRef::from(&listener).shutdown(Shutdown::Both) {
        tracing::warn!(%error, "cannot close the listener early");
    }
    app.stop();
    tokio::time::sleep(CLOSE_NOTICE).await;
    handle.graceful_shutdown(Some(patience));
}

/// Returns whether the backlog of the listener contains connections that are not accepted yet.
fn has_waiting(listener: &TcpListener) -> bool {
    let mut listener = [PollFd::new(listener, PollFlags::IN)];
    poll(&mut listener, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
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
/// It has no graceful stop, because operators are few and it ends with the process.
fn serve_operators(app: &App, listener: TcpListener) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    listener.set_nonblocking(true)?;
    let head_timeout = Duration::from_secs(app.config.head_timeout_seconds);
    let acceptor =
        LimitedAcceptor::new(DefaultAcceptor::new(), app, app.budgets.operator_connections.clone());
    let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor);
    set_http_limits(server.http_builder(), head_timeout);
    let router = layered(backoffice::routes().layer(middleware::from_fn(reject_compressed)), app);
    Ok(async move {
        if let Err(error) = server.serve(router.into_make_service_with_connect_info::<SocketAddr>()).await {
            tracing::error!(%error, "the listener for operators failed");
        }
    })
}

/// Serves the metrics and the health checks on a listener of their own, so that load from clients does not hide them.
fn serve_metrics(app: &App, listener: TcpListener) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    listener.set_nonblocking(true)?;
    let acceptor = LimitedAcceptor::new(DefaultAcceptor::new(), app, app.budgets.metrics_connections.clone());
    let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor);
    set_http_limits(server.http_builder(), Duration::from_secs(app.config.head_timeout_seconds));
    let router = layered(health().route("/metrics", get(telemetry::metrics)), app);
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

    #[test]
    fn a_request_names_one_host() {
        let http11 = Version::HTTP_11;
        for (version, target, hosts, good) in [
            (http11, "/", &["a"][..], true),
            (http11, "/", &["a.example:8080"], true),
            (http11, "/", &["a:"], true),
            (http11, "/", &["[::1]:8080"], true),
            (http11, "/", &["[::1]"], true),
            (http11, "/", &["my_service"], true),
            (http11, "/", &[], false),
            (http11, "/", &[""], false),
            (http11, "/", &[":80"], false),
            (http11, "/", &["a", "a"], false),
            (http11, "/", &["a", "b"], false),
            (http11, "/", &["a, b"], false),
            (http11, "/", &["a b"], false),
            (http11, "/", &["a/b"], false),
            (http11, "/", &["user@a"], false),
            (http11, "/", &["a:b"], false),
            (http11, "/", &["a:65536"], false),
            (http11, "/", &["::1"], false),
            (http11, "/", &["\u{e4}"], false),
            (http11, "http://a/", &["b"], true),
            (http11, "http://a/", &[], false),
            (http11, "http://a/", &["a", "a"], false),
            (http11, "http://user@a/", &["a"], false),
            (Version::HTTP_10, "/", &[], true),
            (Version::HTTP_10, "/", &["a", "b"], false),
            (Version::HTTP_2, "http://a/", &[], true),
            (Version::HTTP_2, "http://a/", &["A"], true),
            (Version::HTTP_2, "http://a/", &["b"], false),
            (Version::HTTP_2, "http://a/", &["a", "a"], false),
            (Version::HTTP_2, "/", &["a"], true),
            (Version::HTTP_2, "/", &[], false),
        ] {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
            }
            let fault = host_error(version, &target.parse().unwrap(), &headers);
            assert_eq!(fault.is_none(), good, "{version:?} {target} {hosts:?}: {fault:?}");
        }
    }
}
