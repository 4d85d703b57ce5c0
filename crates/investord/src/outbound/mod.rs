//! The HTTP client for receivers: signs requests, and guards against SSRF before and after DNS resolution.
//!
//! The SSRF guard checks every address as text and again after DNS resolution, in the resolver that the connection
//! itself uses, so that no second resolution can return another address. Redirects and proxies are off, TLS
//! certificates are verified, and a response is read up to a limit of bytes and time.

mod address;
pub mod alarm;
pub mod identity_provider;
mod names;
mod provider_connection;

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_message_signatures::{Message, Parameters, Signed, SigningKey};
use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, ClientBuilder};
use url::Url;
use uuid::Uuid;

use crate::config::Webhooks;
use crate::domain::delivery::webhook::AddressPolicy;
use crate::domain::signatures::SignatureVersion;
use crate::domain::tenants::TenantNumber;
use crate::store::delivery::signing_keys;
use crate::store::encryption::TenantKey;
use crate::store::{StoreError, Tx};

/// Time limit until the status of a response: DNS resolution, connection and request (decision H3).
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for the rest of a response after its status.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of bytes of a response that are read. Only operators and developers read them, to find an error.
const MAX_ANSWER: usize = 16 * 1024;
/// Time after which an idle connection is closed. It is shorter than the usual time limits of receivers: a request on a
/// connection that the receiver is closing would fail.
const IDLE: Duration = Duration::from_secs(15);
/// Lifetime of a signature in seconds. It covers the time limit of the delivery and some difference of the clocks.
const LIFETIME: i64 = 60;
/// Maximum number of opened keys in memory. With more tenants than that, keys are opened more often and signing is
/// slower.
const MAX_KEYS: usize = 1000;

/// HTTP client for receivers.
pub struct Outbound {
    client: Client,
    /// The addresses to which requests are allowed.
    pub targets: AddressPolicy,
    /// Opened signing keys by id: the decryption of a key costs more than a signature.
    keys: Mutex<HashMap<Uuid, Arc<SigningKey>>>,
}

/// Resolver function: returns the addresses of a host name. The ports are ignored.
pub type Lookup = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// The result of a request to a receiver.
pub struct ReceiverResponse {
    /// `delivered`, or the reason of the failure in one word.
    pub outcome: &'static str,
    /// Status of the response; none if there was no response.
    pub status: Option<StatusCode>,
    /// Headers of the response, empty without one.
    pub headers: HeaderMap,
    /// The first bytes of the body, at most 16 KiB.
    pub body: Vec<u8>,
}

impl ReceiverResponse {
    /// Returns whether the receiver responded with a 2xx status (decision H3).
    pub fn is_delivered(&self) -> bool {
        self.outcome == DELIVERED
    }

    /// Returns the result of a request without a response.
    fn none(outcome: &'static str) -> Self {
        Self { outcome, status: None, headers: HeaderMap::new(), body: Vec::new() }
    }
}

/// Outcome of a successful request.
pub const DELIVERED: &str = "delivered";

/// A key that signs deliveries, with the id under which it is published.
pub struct DeliveryKey {
    id: Uuid,
    key: Arc<SigningKey>,
}

impl Outbound {
    /// Creates the client with the configured name servers.
    ///
    /// # Errors
    ///
    /// Fails if the name servers or the file of CA certificates are unusable.
    pub fn new(config: &Webhooks) -> anyhow::Result<Self> {
        let lookup = names::lookup(&config.name_servers).context("webhooks.name_servers")?;
        Self::with_lookup(lookup, config)
    }

    /// Creates the client with another resolver function, as tests do.
    ///
    /// # Errors
    ///
    /// Fails if the file of CA certificates is unusable.
    pub fn with_lookup(lookup: Arc<Lookup>, config: &Webhooks) -> anyhow::Result<Self> {
        let targets = config.targets();
        let client = client(targets, lookup, config.ca_file.as_deref()).context("the client for webhooks")?;
        Ok(Self { client, targets, keys: Mutex::default() })
    }

    /// Returns the current signing key of a tenant.
    ///
    /// # Errors
    ///
    /// Fails if the tenant has no signing key, or the key cannot be decrypted.
    pub fn signing_key(
        &self,
        tx: &Tx<'_>,
        tenant: TenantNumber,
        tenant_key: &TenantKey,
    ) -> Result<DeliveryKey, StoreError> {
        let sealed = signing_keys::current(tx, tenant)?;
        let sealed =
            sealed.ok_or_else(|| StoreError::Corrupt(format!("tenant {tenant} has no signing key")))?;
        if let Some(key) = self.keys.lock().expect("nobody panics here").get(&sealed.id) {
            return Ok(DeliveryKey { id: sealed.id, key: Arc::clone(key) });
        }
        let key = Arc::new(sealed.open(tenant_key)?);
        let mut keys = self.keys.lock().expect("nobody panics here");
        // No eviction order: the keys are opened again on demand.
        if keys.len() >= MAX_KEYS {
            keys.clear();
        }
        keys.insert(sealed.id, Arc::clone(&key));
        Ok(DeliveryKey { id: sealed.id, key })
    }

    /// Sends a signed request and reads the response. Failures are part of the result, because the caller records them.
    pub async fn send(&self, url: &str, headers: HeaderMap, body: Bytes) -> ReceiverResponse {
        if self.targets.check(url).is_err() {
            return ReceiverResponse::none("forbidden_address");
        }
        let request = self.client.post(url).headers(headers).body(body).send();
        match tokio::time::timeout(RESPONSE_TIMEOUT, request).await {
            Ok(Ok(response)) => read_response(response).await,
            Ok(Err(error)) => ReceiverResponse::none(failure_reason(&error)),
            Err(_) => ReceiverResponse::none("timeout"),
        }
    }
}

/// Creates a client that connects to the addresses of a policy alone, and trusts the authorities of a file beside those
/// of the machine.
fn client(targets: AddressPolicy, lookup: Arc<Lookup>, ca_file: Option<&Path>) -> anyhow::Result<Client> {
    let resolver = Arc::new(PolicyResolver { targets, lookup });
    match ca_file {
        // An invalid certificate of the file is detected here.
        Some(file) => trusted(file)
            .and_then(|certificates| Ok(builder(resolver).tls_certs_merge(certificates).build()?))
            .with_context(|| format!("ca_file {}", file.display())),
        None => match builder(Arc::clone(&resolver)).build() {
            // Small containers have none, and http addresses are reached all the same. `serve` and `doctor` warn.
            Err(_) if !has_system_certificates() => Ok(builder(resolver).tls_certs_only([]).build()?),
            built => Ok(built?),
        },
    }
}

/// Returns the settings of the client that do not depend on certificates.
fn builder(resolver: Arc<PolicyResolver>) -> ClientBuilder {
    Client::builder()
        .dns_resolver(resolver)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("investord/", env!("CARGO_PKG_VERSION")))
}

/// Returns whether the system trusts any certificate authority.
pub fn has_system_certificates() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
}

/// Reads the certificates of a file of authorities that are trusted beside those of the system.
fn trusted(file: &Path) -> anyhow::Result<Vec<Certificate>> {
    let certificates = Certificate::from_pem_bundle(&std::fs::read(file)?)?;
    if certificates.is_empty() {
        return Err(anyhow!("there is no certificate in it"));
    }
    Ok(certificates)
}

/// Reads a response up to the limits of time and size.
async fn read_response(mut response: reqwest::Response) -> ReceiverResponse {
    let status = response.status();
    // The status alone decides about the delivery; a truncated body does not change it.
    let outcome = if status.is_success() { DELIVERED } else { "status" };
    let headers = std::mem::take(response.headers_mut());
    let mut read = Vec::new();
    let rest = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_ANSWER - read.len();
            read.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(BODY_TIMEOUT, rest).await;
    ReceiverResponse { outcome, status: Some(status), headers, body: read }
}

/// Returns the reason of a missing response in one word, as it is stored with the attempt.
fn failure_reason(error: &reqwest::Error) -> &'static str {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<ForbiddenAddress>() {
            return "forbidden_address";
        }
        if error.is::<rustls::Error>() {
            return "tls";
        }
        // The sources of an IO error omit the error that it wraps, which can itself be an IO error.
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    if error.is_dns() {
        "dns"
    } else if error.is_connect() {
        "connection"
    } else {
        "broken_off"
    }
}

/// Resolver that removes the forbidden addresses. The connection uses exactly the addresses that it returns, so that a
/// name cannot change its address between check and connection (DNS rebinding).
struct PolicyResolver {
    targets: AddressPolicy,
    lookup: Arc<Lookup>,
}

/// A name without an address to which a connection is allowed.
#[derive(Debug, thiserror::Error)]
#[error("the name stands for no address that may be connected to")]
struct ForbiddenAddress;

impl Resolve for PolicyResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (targets, found) = (self.targets, (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let mut allowed = found.await?;
            allowed.retain(|at| targets == AddressPolicy::Any || address::is_public(at.ip()));
            if allowed.is_empty() {
                return Err(ForbiddenAddress.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Returns the signed headers of a delivery to `url`.
///
/// # Errors
///
/// Fails if the URL is invalid or the message cannot be signed.
pub fn sign_request(
    url: &str,
    body: &[u8],
    version: SignatureVersion,
    key: &DeliveryKey,
    now: Timestamp,
    nonce: Uuid,
) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (url, key_id, nonce) = (Url::parse(url)?, key.id.to_string(), nonce.to_string());
    let signer = Signer { key_id: &key_id, key: &key.key, version, now, nonce: &nonce };
    signer.sign("POST", &url, &mut headers, body)?;
    Ok(headers)
}

/// The parameters of one signature.
pub struct Signer<'a> {
    pub key_id: &'a str,
    pub key: &'a SigningKey,
    pub version: SignatureVersion,
    pub now: Timestamp,
    pub nonce: &'a str,
}

impl Signer<'_> {
    /// Adds `content-length`, the digest of the body and a signature over the documented components to the headers of a
    /// request. The signature is valid for a minute.
    ///
    /// # Errors
    ///
    /// Fails if a component is missing, or the key cannot sign.
    pub fn sign(
        &self,
        method: &str,
        url: &Url,
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> anyhow::Result<Signed> {
        let profile = self.version.profile();
        if !body.is_empty() {
            headers.insert(header::CONTENT_LENGTH, body.len().into());
            let (name, value) = http_message_signatures::body_digest(profile, body)?;
            headers.insert(name, value);
        }
        let (authority, created) = (authority(url), self.now.as_second());
        let message = Message::request(method, url.path(), url.query(), headers, body)
            .with_origin(url.scheme(), authority.as_deref().unwrap_or_default());
        let parameters =
            Parameters::new(self.key_id, created).with_expires(created + LIFETIME).with_nonce(self.nonce);
        let components = self.version.documented_components(&message);
        let signed = http_message_signatures::sign(&message, &components, &parameters, self.key, profile)?;
        signed.insert_into(headers)?;
        Ok(signed)
    }
}

/// Returns the host, with the port unless it is the default port of the scheme (RFC 9421 section 2.2.3).
pub fn authority(url: &Url) -> Option<String> {
    url.host_str().map(|host| match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn of_all_addresses_of_a_name_the_public_ones_are_left() {
        let all = ["10.0.0.1", "8.8.8.8", "::ffff:127.0.0.1", "2a00:1450::1", "::1", "169.254.169.254"];
        let all = all.map(|address| SocketAddr::new(address.parse().unwrap(), 0));
        for (targets, left) in
            [(AddressPolicy::Public, vec![all[1], all[3]]), (AddressPolicy::Any, all.to_vec())]
        {
            let judging = PolicyResolver {
                targets,
                lookup: Arc::new(move |_| async move { Ok(all.to_vec()) }.boxed()),
            };
            let found = judging.resolve("receiver.example".parse().unwrap()).await.ok().unwrap();
            assert_eq!(found.collect::<Vec<_>>(), left);
        }
    }
}
