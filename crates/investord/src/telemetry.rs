//! Logs, metrics, request ids and problem documents.

pub mod families;
mod level;
mod refusal;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderValue, Method, Version, header};
use jiff::Timestamp;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::access::trace::Trace;
use crate::app::{App, Mode};
use crate::config::{Log, LogFormat};
use crate::problem::Problem;

pub use level::{LogControl, filter};

/// Upper bounds of the latency histograms, in seconds.
const SECONDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Upper bounds of the histogram of units in a commit.
const UNITS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Paths that supervisors request every few seconds. Their requests are logged at the level debug only.
const HEALTH: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Starts logging to standard error, and replaces the message of a panic, which may quote data.
///
/// # Errors
///
/// Fails if the level is invalid.
pub fn start_log(log: &Log) -> anyhow::Result<LogControl> {
    let (filter, control) = reload::Layer::new(filter(&log.level)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(has_colours()).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at, "a panic was caught");
    }));
    Ok(LogControl(control))
}

/// Returns whether the log has colours: on a terminal, and only without `NO_COLOR` (<https://no-color.org>).
fn has_colours() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !is_set("NO_COLOR")
}

/// Returns the metrics recorder of this process, which the first call installs.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_units".into()), UNITS))
            .and_then(PrometheusBuilder::install_recorder)
            .expect("the buckets are in order and the recorder is installed once");
        families::describe();
        recorder
    })
}

/// Publishes the metrics that are constant from the start of a process.
pub fn publish_start(now: Timestamp) {
    recorder();
    metrics::gauge!("investord_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics::gauge!("process_start_time_seconds").set(unix_seconds(now));
}

/// Publishes the expiry of the main listener's certificate.
pub fn publish_certificate_expiry(at: Timestamp) {
    metrics::gauge!("investord_tls_certificate_expiry_timestamp_seconds").set(unix_seconds(at));
}

/// Publishes the expiry of the certificate of the listener for operators.
pub fn publish_operator_certificate_expiry(at: Timestamp) {
    metrics::gauge!("investord_operator_tls_certificate_expiry_timestamp_seconds").set(unix_seconds(at));
}

/// Converts an instant to seconds of Unix time.
fn unix_seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// Aggregates the samples of the histograms every five seconds, because they would fill the memory if no collector
/// scraped them, and publishes the use of each budget.
pub async fn run_upkeep(app: App) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        recorder().run_upkeep();
        app.budgets.publish();
    }
}

/// Returns the metrics in the text format of Prometheus.
pub async fn metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"))], recorder().render())
}

/// Wraps every request as the outermost layer: assigns its id, catches panics, writes problem documents, logs and
/// counts.
pub async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (started, id, trace) = (Instant::now(), app.ids.uuid().to_string(), Trace::default());
    request.extensions_mut().insert(trace.clone());
    let (method, version) = (request.method().clone(), request.version());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);
    let panicked = |_| Problem::Internal("a panic; its place stands in the log".into()).into_response();
    let mut response = AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(panicked);
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        let document = match app.mode {
            Mode::Production => problem.in_production().document(&app.origin.problem_type_base, &id),
            Mode::Development => problem.document(&app.origin.problem_type_base, &id),
        };
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        *response.body_mut() = document.into();
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("upvest-request-id", value);
    }
    if app.is_stopping() && version <= Version::HTTP_11 {
        // A client that keeps this connection learns of its end before it is closed (`stop_in_order` in server.rs).
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let refusal = problem.as_ref().map(|problem| (problem, peer));
    log_request(&method, route, &id, &trace, started, response.status().as_u16(), refusal);
    response
}

/// Logs a request in one line and counts it. The line of a refusal has its detail and the address of the peer.
fn log_request(
    method: &Method,
    route: &str,
    id: &str,
    trace: &Trace,
    started: Instant,
    status: u16,
    refusal: Option<(&Problem, Option<SocketAddr>)>,
) {
    let took = started.elapsed();
    let (client, tenant) = trace.client().unzip();
    let client = client.map(tracing::field::display);
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    match refusal {
        Some((problem, peer)) => {
            let (problem, detail, cause) = (problem.kind().slug, refusal::detail(problem), problem.cause());
            let peer = peer.map(tracing::field::display);
            if let Some(cause) = cause {
                tracing::error!(
                    id, %method, route, status, took_us, client, tenant, problem, detail, peer, cause, "request"
                );
            } else {
                tracing::info!(id, %method, route, status, took_us, client, tenant, problem, detail, peer, "request");
            }
        }
        None if HEALTH.contains(&route) => {
            tracing::debug!(id, %method, route, status, took_us, "request");
        }
        None => tracing::info!(id, %method, route, status, took_us, client, tenant, "request"),
    }
    let labels = [("method", label(method)), ("route", route.to_owned()), ("status", status.to_string())];
    metrics::counter!("investord_requests_total", &labels).increment(1);
    metrics::histogram!("investord_request_seconds", &labels[..2]).record(took);
}

/// Returns the method as a label. Any other word becomes `(other)`, because an unauthenticated client could create
/// labels without end.
fn label(method: &Method) -> String {
    match *method {
        Method::GET
        | Method::POST
        | Method::PATCH
        | Method::PUT
        | Method::DELETE
        | Method::HEAD
        | Method::OPTIONS => method.to_string(),
        _ => "(other)".into(),
    }
}
