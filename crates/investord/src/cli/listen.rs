//! `investord listen`: prints the events of a tenant as they happen, without a public address.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::profile::ProfileOptions;
use super::signing_client::SigningClient;
use super::wait_for_interrupt;
use crate::domain::delivery::package::wait_after;
use crate::domain::signatures::SignatureVersion;

/// Timeout of a receiver's response, after which the attempt has failed (decision H3).
const RECEIVER_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of attempts to forward a package. More would be useless, because its signature is valid for one
/// minute only.
const ATTEMPTS: i64 = 5;

#[derive(Args)]
pub struct Listen {
    #[command(flatten)]
    profile: ProfileOptions,
    /// Pass packages on to this address, signed as they would be if they were sent there.
    #[arg(long, value_name = "URL")]
    forward: Option<Url>,
    /// Only events of this category, as in USER; repeatable.
    #[arg(long = "type", value_name = "CATEGORY", default_value = "ALL")]
    kinds: Vec<String>,
    /// The version of signatures: draft-6, draft-15 or rfc9421.
    #[arg(long, value_name = "VERSION", default_value = "draft-6")]
    signature: String,
    /// Print events as they are, one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// A request as the server would have sent it to the receiver.
#[derive(Deserialize)]
struct Delivery {
    headers: std::collections::BTreeMap<String, Vec<String>>,
    payload: String,
}

impl Listen {
    /// Prints the events of a tenant until Ctrl-C, and forwards them if requested.
    ///
    /// # Errors
    ///
    /// Fails if the profile cannot be read, the server refuses a request, or a package cannot be forwarded.
    pub async fn run(self) -> anyhow::Result<()> {
        let session = SigningClient::open(&self.profile, None, SignatureVersion::Draft15, false)?;
        let target = self.forward.as_ref().map_or("", Url::as_str);
        let path = "/events-acceptor-service/endpoints";
        let endpoint = session.ask(&Method::POST, path, Some(&json!(target))).await?;
        let own = format!("{path}/{}", endpoint["id"].as_str().context("an endpoint without id")?);
        let heard = tokio::select! {
            heard = self.poll(&session, &endpoint, &own) => heard,
            () = wait_for_interrupt() => Ok(()),
        };
        // The endpoint is deleted with its webhook even after an error: it would count against the tenant's limit for
        // another day.
        session.ask(&Method::DELETE, &own, None).await?;
        heard
    }

    /// Creates a webhook with the address of the endpoint, then polls the endpoint for deliveries without end.
    async fn poll(&self, session: &SigningClient, endpoint: &Value, own: &str) -> anyhow::Result<()> {
        let webhook = json!({
            "title": "investord listen",
            "url": endpoint["url"],
            "type": self.kinds,
            "enabled": true,
            "config": { "delay": "1s", "signature": self.signature },
        });
        session.ask(&Method::POST, "/webhooks", Some(&webhook)).await?;
        eprintln!("listening; ctrl-c ends");
        loop {
            let answer = session.ask(&Method::GET, own, None).await?;
            let deliveries: Vec<Delivery> = serde_json::from_value(answer).context("deliveries")?;
            for delivery in deliveries {
                self.show(&delivery)?;
                if let Some(target) = &self.forward {
                    forward(target, &delivery).await?;
                }
            }
        }
    }

    /// Prints the events of a delivery.
    fn show(&self, delivery: &Delivery) -> anyhow::Result<()> {
        let package: Value = serde_json::from_str(&delivery.payload).context("the body of a delivery")?;
        for event in package["payload"].as_array().into_iter().flatten() {
            println!("{}", if self.json { event.to_string() } else { line(event) });
        }
        Ok(())
    }
}

/// Formats an event as one line: instant, type, subject, status and reason.
pub fn line(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["object"];
    let subject = [&object["id"], &object["user_id"]].into_iter().find(|id| id.is_string());
    let status = object["status"].as_str().map(|status| format!("  {status}")).unwrap_or_default();
    let reason = object["reason"].as_str().map(|reason| format!("  {reason}")).unwrap_or_default();
    format!(
        "{}  {:<30}  {}{status}{reason}",
        text(&event["created_at"]),
        text(&event["type"]),
        text(subject.unwrap_or(&Value::Null))
    )
}

/// Forwards a package. Failed attempts are repeated after the waits of the server's retry schedule (decision H4).
async fn forward(forward: &Url, delivery: &Delivery) -> anyhow::Result<()> {
    let mut headers = HeaderMap::new();
    for (name, values) in &delivery.headers {
        for value in values {
            headers.append(HeaderName::try_from(name.as_str())?, HeaderValue::try_from(value)?);
        }
    }
    let client =
        reqwest::Client::builder().timeout(RECEIVER_TIMEOUT).redirect(reqwest::redirect::Policy::none());
    let client = if forward.scheme() == "https" { client } else { client.tls_certs_only([]) };
    let (client, body) = (client.build()?, Bytes::from(delivery.payload.clone()));
    for attempt in 1..=ATTEMPTS {
        let request = client.post(forward.clone()).headers(headers.clone()).body(body.clone());
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                eprintln!("  -> {forward}  {}", answer.status());
                return Ok(());
            }
            Ok(answer) => eprintln!("  -> {forward}  {}", answer.status()),
            Err(error) => eprintln!("  -> {forward}  {:#}", anyhow::Error::from(error)),
        }
        tokio::time::sleep(wait_after(attempt).unsigned_abs()).await;
    }
    bail!("{forward} does not take what is passed on to it")
}
