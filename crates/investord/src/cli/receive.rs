//! `investord receive`: a receiver of webhooks that verifies deliveries.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use clap::Args;
use http::{HeaderMap, Method, StatusCode, Uri};
use http_message_signatures::{Message, Policy, PublicKey, ReceivedSignature};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::listen::line;
use super::profile::ProfileOptions;
use super::signing_client::SigningClient;
use super::wait_for_interrupt;
use crate::clock::{Clock, SystemClock};
use crate::config::Address;
use crate::domain::signatures::SignatureVersion;

#[derive(Args)]
pub struct ReceiveArgs {
    /// Where to receive.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3000")]
    listen: Address,
    #[command(flatten)]
    profile: ProfileOptions,
    /// The status of the response to a verified delivery, to test the reaction of the sender.
    #[arg(long, value_name = "STATUS", default_value = "200")]
    status: u16,
    /// Print events as they are, one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// The state that all requests share.
struct Receiver {
    session: SigningClient,
    /// The published keys of the server by key id.
    keys: Mutex<HashMap<String, PublicKey>>,
    /// The status of the response to a verified delivery.
    status: StatusCode,
    json: bool,
}

impl ReceiveArgs {
    /// Receives webhooks until Ctrl-C.
    ///
    /// # Errors
    ///
    /// Fails if the keys of the server cannot be fetched, or the address cannot be bound.
    pub async fn run(self) -> anyhow::Result<()> {
        let session = SigningClient::open(&self.profile, None, SignatureVersion::Draft15, false)?;
        let status = StatusCode::from_u16(self.status).context("--status")?;
        let receiver = Receiver { session, keys: Mutex::default(), status, json: self.json };
        // The keys are fetched at once, so that an unreachable server is reported before the first delivery.
        *receiver.keys.lock().await = receiver.fetch_keys().await?;
        let address = self.listen.resolve().with_context(|| format!("cannot resolve {}", self.listen))?;
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {}", self.listen))?;
        eprintln!("receiving on http://{}; ctrl-c ends", listener.local_addr()?);
        let router = Router::new().fallback(receive).with_state(Arc::new(receiver));
        Ok(axum::serve(listener, router).with_graceful_shutdown(wait_for_interrupt()).await?)
    }
}

/// Verifies a delivery and prints its events.
async fn receive(
    State(receiver): State<Arc<Receiver>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    match receiver.verify(&method, &uri, &headers, &body).await {
        Ok(how) => {
            eprintln!("{method} {uri}  {how}  {} bytes", body.len());
            receiver.show(&body);
            (receiver.status, String::new())
        }
        Err(why) => {
            eprintln!("{method} {uri}  refused: {why:#}");
            (StatusCode::UNAUTHORIZED, format!("{why:#}\n"))
        }
    }
}

impl Receiver {
    /// Verifies signature and digest, and returns a text with the key and the version.
    async fn verify(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> anyhow::Result<String> {
        let presented = ReceivedSignature::parse(headers)?;
        let id = presented.require_key_id()?;
        let key = self.key(id).await?;
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        let message = Message::request(method.as_str(), uri.path(), uri.query(), headers, body)
            .with_origin("http", host);
        let now = SystemClock::default().now().as_second();
        let mut refusal = None;
        // Draft 15 and RFC 9421 have the same signature base.
        for (version, name) in
            [(SignatureVersion::Draft6, "draft 6"), (SignatureVersion::Draft15, "draft 15 or RFC 9421")]
        {
            match http_message_signatures::verify(
                &message,
                &presented,
                &key,
                version.profile(),
                &Policy::default(),
                now,
            ) {
                Ok(()) => return Ok(format!("signed by {id} ({name})")),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.map_or_else(|| anyhow::anyhow!("no version"), Into::into))
    }

    /// Returns the key of this id. An unknown key may be new, so the published keys are fetched again.
    async fn key(&self, id: &str) -> anyhow::Result<PublicKey> {
        let mut keys = self.keys.lock().await;
        if !keys.contains_key(id) {
            *keys = self.fetch_keys().await?;
        }
        keys.get(id).cloned().with_context(|| format!("the key {id} is not among those of /auth/verify_keys"))
    }

    /// Fetches the keys that the server publishes for its deliveries.
    async fn fetch_keys(&self) -> anyhow::Result<HashMap<String, PublicKey>> {
        let answer = self.session.ask(&Method::GET, "/auth/verify_keys", None).await?;
        let keys = answer["keys"].as_array().into_iter().flatten();
        keys.map(|key| {
            let id = key["kid"].as_str().context("a key without kid")?.to_owned();
            Ok((id, PublicKey::from_jwk(&key.to_string())?))
        })
        .collect()
    }

    /// Prints the events of a package.
    fn show(&self, body: &[u8]) {
        let package: Value = serde_json::from_slice(body).unwrap_or_default();
        for event in package["payload"].as_array().into_iter().flatten() {
            println!("{}", if self.json { event.to_string() } else { line(event) });
        }
    }
}
