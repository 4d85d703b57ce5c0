//! The connection to the identity provider: what it says of itself, its keys, and requests within limits.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::BoxFuture;
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AsyncHttpClient, ClientId, ClientSecret, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, IssuerUrl, ProviderMetadata,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::{client, names};
use crate::config::{NameServer, Oidc};
use crate::domain::delivery::webhook::AddressPolicy;

/// Time limit of a request to the provider.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of bytes of an answer of the provider.
const MAX_ANSWER: usize = 1024 * 1024;
/// Age from which metadata and keys of the provider are fetched again.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// Time between two fetches because of a key that is not among the known ones, and after a failure: tokens that were
/// made up must not make the server ask all the time, and nobody waits for a provider that does not answer.
const BETWEEN_FETCHES: SignedDuration = SignedDuration::from_secs(10);
/// What the provider says of itself beyond the core specification.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MoreMetadata {
    /// RFC 8628 section 4.
    pub device_authorization_endpoint: Option<Url>,
}

impl AdditionalProviderMetadata for MoreMetadata {}

pub type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;
pub type DiscoveredClient = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why an identity provider has not proved a person.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It does not answer, or not as an `OpenID` provider does.
    #[error("the identity provider cannot be used: {0}")]
    Away(String),
    /// It refuses the code, or its token does not hold.
    #[error("{0}")]
    Refused(String),
    /// The person has not yet confirmed the code of the device (RFC 8628 section 3.5).
    #[error("the code is not confirmed yet")]
    Pending,
    /// It cannot do what is asked for.
    #[error("the identity provider has no {0}")]
    Missing(&'static str),
}

/// Sends requests to the provider within limits of time and size.
pub struct ProviderHttp(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for ProviderHttp {
    type Error = SendError;
    type Future = BoxFuture<'c, Result<HttpResponse, SendError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mut request: reqwest::Request = request.try_into()?;
            *request.timeout_mut() = Some(TIMEOUT);
            let mut answer = self.0.execute(request).await?;
            let mut response = http::Response::builder().status(answer.status());
            for (name, value) in answer.headers() {
                response = response.header(name, value);
            }
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await? {
                if body.len() + chunk.len() > MAX_ANSWER {
                    return Err(SendError::TooLong);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(response.body(body)?)
        })
    }
}

/// The connection to the identity provider.
pub struct ProviderConnection {
    pub settings: Oidc,
    secret: ClientSecret,
    /// Sends the requests.
    pub http: ProviderHttp,
    /// What the provider last said of itself. The lock is held while it is asked, so that one request asks for all.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, Timestamp)>,
    /// The last failure to fetch it, so that those who wait are answered and do not each wait for the provider.
    failure: Option<(String, Timestamp)>,
}

impl Known {
    /// Returns what is known, or why nothing is.
    fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        match (&self.metadata, &self.failure) {
            (Some((metadata, _)), _) => Ok(Arc::clone(metadata)),
            (None, Some((failure, _))) => Err(away(failure)),
            (None, None) => Err(away("it was not asked yet")),
        }
    }
}

/// Returns whether an instant was less than a time ago. One in the future was noted before the clock was set back.
fn is_recent(at: Timestamp, now: Timestamp, time: SignedDuration) -> bool {
    at <= now && now.duration_since(at) < time
}

impl ProviderConnection {
    /// Creates the connection. The provider is not asked yet, so that a register starts without it.
    ///
    /// # Errors
    ///
    /// Fails if the client secret, the name servers or the file of CA certificates are unusable.
    pub fn new(settings: &Oidc, name_servers: &[NameServer]) -> anyhow::Result<Self> {
        let lookup = names::lookup(name_servers).context("webhooks.name_servers")?;
        // The administrator has named the provider, so that it may have a private address.
        let http = client(AddressPolicy::Any, lookup, settings.ca_file.as_deref()).context("oidc")?;
        let secret = ClientSecret::new(settings.read_client_secret()?.0.clone());
        Ok(Self { settings: settings.clone(), secret, http: ProviderHttp(http), known: Mutex::default() })
    }

    /// Returns the client of the provider as it describes itself.
    pub async fn client(&self, now: Timestamp) -> Result<DiscoveredClient, ProviderError> {
        let metadata = self.metadata(now).await?;
        let id = ClientId::new(self.settings.client_id.clone());
        Ok(CoreClient::from_provider_metadata((*metadata).clone(), id, Some(self.secret.clone())))
    }

    /// Returns what the provider says of itself. What is known is used for longer while the provider is away.
    pub async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, ProviderError> {
        let mut known = self.known.lock().await;
        let is_fresh = known.metadata.as_ref().is_some_and(|(_, at)| is_recent(*at, now, FRESH));
        if !is_fresh {
            self.fetch_into(&mut known, now).await;
        }
        known.metadata()
    }

    /// Fetches what the provider says of itself again, unless that has just been done.
    pub async fn fetch_again(&self, now: Timestamp) {
        let mut known = self.known.lock().await;
        if !known.metadata.as_ref().is_some_and(|(_, at)| is_recent(*at, now, BETWEEN_FETCHES)) {
            self.fetch_into(&mut known, now).await;
        }
    }

    /// Fetches what the provider says of itself, unless that has just failed.
    async fn fetch_into(&self, known: &mut Known, now: Timestamp) {
        if known.failure.as_ref().is_some_and(|(_, at)| is_recent(*at, now, BETWEEN_FETCHES)) {
            return;
        }
        match self.fetch().await {
            Ok(metadata) => *known = Known { metadata: Some((metadata, now)), failure: None },
            Err(error) => {
                tracing::warn!(%error, "cannot fetch what the identity provider says of itself");
                known.failure = Some((error.to_string(), now));
            }
        }
    }

    /// Fetches the metadata, whose issuer must be the configured one, and the keys.
    async fn fetch(&self) -> Result<Arc<Metadata>, ProviderError> {
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(away)?;
        let found = Metadata::discover_async(issuer, &self.http).await;
        found.map(Arc::new).map_err(|error| away(cause(&error)))
    }

    /// Sends a form with the credentials of the register, and returns status and answer.
    pub async fn post(
        &self,
        endpoint: &Url,
        form: &[(&str, &str)],
    ) -> Result<(StatusCode, Value), ProviderError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        // RFC 6749 section 2.3.1: identifier and secret are form-encoded before they are joined.
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let (id, secret) = (encoded(&self.settings.client_id), encoded(self.secret.secret()));
        let request = http::Request::post(endpoint.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(
                header::AUTHORIZATION,
                format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}"))),
            )
            .body(body.into_bytes())
            .map_err(away)?;
        let answer = self.http.call(request).await.map_err(|error| away(cause(&error)))?;
        if answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS {
            return Err(away(format!("it answers {}", answer.status())));
        }
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        Ok((answer.status(), body))
    }
}

/// Why an answer of the provider could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Message(#[from] http::Error),
    #[error("its answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
}

pub fn away(error: impl Display) -> ProviderError {
    ProviderError::Away(error.to_string())
}

pub fn refused(error: impl Display) -> ProviderError {
    ProviderError::Refused(error.to_string())
}

/// Returns an error with its causes.
pub fn cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
