//! `investord login --browser` and `--device`: sign in at the identity provider.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use http::Uri;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::operator_server::OperatorServer;
use crate::clock::{Clock, SystemClock};

/// What the browser sees when it comes back.
const DONE: &str =
    "<!doctype html><title>Investord</title><p>Go on at the command line; this page can be closed.";

/// What the provider has put into the query of the address to which the browser came back.
type CallbackParameters = BTreeMap<String, String>;

/// Signs in with a browser on this machine, and returns the response with the token of the session. `fresh` makes the
/// provider ask the person again.
///
/// # Errors
///
/// Fails if the server cannot be reached, the provider refuses the sign-in, or the browser does not come back before
/// the request expires.
pub async fn in_browser(server: &OperatorServer, fresh: bool) -> anyhow::Result<Value> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("the address for the browser")?;
    let redirect_uri = format!("http://{}/back", listener.local_addr()?);
    let body = json!({ "redirect_uri": redirect_uri, "fresh": fresh });
    let begun = server.send_public(Method::POST, "/oidc/requests", body).await?;
    let url = begun["url"].as_str().context("the server answered no address")?;
    eprintln!("sign in at {url}");
    if std::io::stderr().is_terminal()
        && let Err(error) = open::that_detached(url)
    {
        eprintln!("no browser could be started ({error}): open the address yourself");
    }
    let (send, mut arrivals) = mpsc::channel(1);
    let take = async |State(send): State<mpsc::Sender<CallbackParameters>>, address: Uri| {
        let query = form_urlencoded::parse(address.query().unwrap_or_default().as_bytes());
        // A second visit of the address changes nothing.
        let _ = send.try_send(query.into_owned().collect());
        Html(DONE)
    };
    let pages = Router::new().route("/back", get(take)).with_state(send);
    let back = tokio::select! {
        ended = axum::serve(listener, pages).into_future() => {
            ended?;
            anyhow::bail!("the address for the browser was closed");
        }
        visit = arrivals.recv() => visit.context("the address for the browser was closed")?,
        () = tokio::time::sleep(time_until(&begun["expires_at"])) => {
            anyhow::bail!("nobody has signed in in time: begin again");
        }
    };
    if let Some(error) = back.get("error_description").or_else(|| back.get("error")) {
        anyhow::bail!("the identity provider refuses: {error}");
    }
    let of_address = |name: &str| back.get(name);
    let body = json!({
        "request": begun["request"], "code": of_address("code"), "state": of_address("state"),
        "iss": of_address("iss"),
    });
    server.send_public(Method::POST, "/oidc/sessions", body).await
}

/// Signs in with a code that the person confirms on another device, and returns the response with the token.
///
/// # Errors
///
/// Fails if the server cannot be reached, the provider has no device flow, or the code expires unconfirmed.
pub async fn on_device(server: &OperatorServer) -> anyhow::Result<Value> {
    let begun = server.send_public(Method::POST, "/oidc/device_requests", json!({})).await?;
    let text = |name: &str| begun[name].as_str().unwrap_or_default();
    eprintln!("open {} on any device and confirm the code {}", text("verification_uri"), text("user_code"));
    if let Some(complete) = begun["verification_uri_complete"].as_str() {
        eprintln!("or open {complete}");
    }
    let interval = Duration::from_secs(begun["interval_seconds"].as_u64().unwrap_or(5).clamp(1, 60));
    let body = json!({ "request": begun["request"] });
    let poll = async {
        loop {
            tokio::time::sleep(interval).await;
            if let Some(session) = server.try_public("/oidc/sessions", body.clone()).await? {
                return Ok(session);
            }
        }
    };
    let all = tokio::time::timeout(time_until(&begun["expires_at"]), poll).await;
    all.unwrap_or_else(|_| anyhow::bail!("nobody has confirmed the code in time: begin again"))
}

/// Returns the time until an instant of a response.
fn time_until(instant: &Value) -> Duration {
    let at = instant.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    at.and_then(|at| at.duration_since(SystemClock::default().now()).try_into().ok()).unwrap_or_default()
}
