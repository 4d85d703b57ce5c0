//! The signing client of the API, as `call`, `listen` and `receive` use it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_message_signatures::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::private_file;
use super::profile::{Profile, ProfileOptions};
use super::target::{BaseUrl, Target};
use crate::clock::{Clock, Ids, SystemClock, SystemIds};
use crate::domain::signatures::SignatureVersion;
use crate::outbound::Signer;

/// Seconds before its expiry from which a token is no longer used, because it could expire on the way.
const TOKEN_MARGIN: i64 = 5;
/// Timeout of a request, which must exceed the 20 seconds of a long poll for events.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A token that is stored beside the profile until it expires.
#[derive(Serialize, Deserialize)]
struct StoredToken {
    url: String,
    client_id: String,
    scopes: Vec<String>,
    access_token: String,
    /// Expiry in Unix seconds.
    until: i64,
}

/// The response to a token request (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_in: i64,
}

/// A client with the state that its requests share.
pub struct SigningClient {
    http: reqwest::Client,
    server: BaseUrl,
    profile: Profile,
    key_id: String,
    key: SigningKey,
    version: SignatureVersion,
    verbose: bool,
    /// Path of the file with the stored token.
    kept: PathBuf,
}

/// The variable parts of a request.
#[derive(Default)]
pub struct SignedSend<'a> {
    /// The body in JSON.
    pub body: Option<&'a [u8]>,
    /// The idempotency key of a `POST`; a random one by default.
    pub idempotency_key: Option<&'a str>,
    /// Further headers, as in `accept: text/csv`.
    pub headers: &'a [String],
}

impl SigningClient {
    /// Reads a profile, and the private key in it that `key` names, by default the first one.
    ///
    /// # Errors
    ///
    /// Fails if the profile or the key cannot be read.
    pub fn open(
        options: &ProfileOptions,
        key: Option<&str>,
        version: SignatureVersion,
        verbose: bool,
    ) -> anyhow::Result<Self> {
        let kept = options.file.with_extension("token.json");
        let profile = Profile::read(&options.file)?;
        let (key_id, key) = profile.key(options, key)?;
        let server = BaseUrl::parse(&profile.url, &format!("the url in profile {}", options.file.display()))?;
        let http = server.client().timeout(TIMEOUT).build()?;
        Ok(Self { http, server, key_id: key_id.to_owned(), key, version, verbose, kept, profile })
    }

    /// Sends a signed request with an access token. A request that is refused with a stored token is repeated once with
    /// a new one.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or issues no token.
    pub async fn call(
        &self,
        method: &Method,
        target: &Target,
        sending: &SignedSend<'_>,
    ) -> anyhow::Result<reqwest::Response> {
        let body = || sending.body.unwrap_or_default().to_vec();
        let token = self.token().await?;
        let answer = self.send(method, target, &headers(method, sending, &token)?, body()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED || std::fs::remove_file(&self.kept).is_err() {
            return Ok(answer);
        }
        // The stored token may be from a register that no longer exists.
        let token = self.token().await?;
        self.send(method, target, &headers(method, sending, &token)?, body()).await
    }

    /// Sends a signed request that must succeed, and returns the JSON of the response.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or refuses the request.
    pub async fn ask(&self, method: &Method, target: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let text = body.map(Value::to_string);
        let sending = SignedSend { body: text.as_deref().map(str::as_bytes), ..SignedSend::default() };
        let answer = self.call(method, &target.parse()?, &sending).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("{method} {target}: {status}\n{text}");
        }
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    /// Returns the stored access token while it is valid, otherwise a new one.
    async fn token(&self) -> anyhow::Result<String> {
        let Profile { url, client_id, client_secret, scopes, .. } = &self.profile;
        let now = SystemClock::default().now().as_second();
        let known =
            std::fs::read(&self.kept).ok().and_then(|text| serde_json::from_slice::<StoredToken>(&text).ok());
        if let Some(token) = known
            && (&token.url, &token.client_id, &token.scopes) == (url, client_id, scopes)
            && token.until - TOKEN_MARGIN > now
        {
            return Ok(token.access_token);
        }
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", client_id)
            .append_pair("client_secret", &client_secret.0)
            .append_pair("grant_type", "client_credentials")
            .append_pair("scope", &scopes.join(" "))
            .finish();
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert("upvest-api-version", HeaderValue::from_static("1"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let answer = self.send(&Method::POST, &"/auth/token".parse()?, &headers, form.into_bytes()).await?;
        let (status, body) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("no access token: {status}\n{body}");
        }
        let token: TokenResponse = serde_json::from_str(&body).context("the answer to the token request")?;
        let keep = StoredToken {
            url: url.clone(),
            client_id: client_id.clone(),
            scopes: scopes.clone(),
            access_token: token.access_token.clone(),
            until: now + token.expires_in,
        };
        // A token that cannot be stored costs one token request per call, nothing more.
        let _ = private_file::replace(&self.kept, &serde_json::to_string(&keep)?);
        Ok(token.access_token)
    }

    /// Signs and sends a request.
    async fn send(
        &self,
        method: &Method,
        target: &Target,
        headers: &HeaderMap,
        body: Vec<u8>,
    ) -> anyhow::Result<reqwest::Response> {
        let url = self.server.join(target)?;
        let address = url.to_string();
        let mut headers = headers.clone();
        headers.insert("upvest-client-id", self.profile.client_id.parse()?);
        let (now, nonce) = (SystemClock::default().now(), SystemIds.uuid().to_string());
        let parameters =
            Signer { key_id: &self.key_id, key: &self.key, version: self.version, now, nonce: &nonce };
        let signed = parameters.sign(method.as_str(), &url, &mut headers, &body)?;
        if self.verbose {
            eprintln!(
                "> {method} {url}\n\nsignature base ({}):\n{}\n",
                self.version.name(),
                redact(&signed.base)
            );
            eprintln!("> signature-input: {}\n> signature: {}", signed.signature_input, signed.signature);
        }
        let selector = match self.version {
            SignatureVersion::Draft6 => "6",
            SignatureVersion::Draft15 | SignatureVersion::Rfc9421 => "15",
        };
        headers.insert("upvest-signature-version", HeaderValue::from_static(selector));
        let request = self.http.request(method.clone(), url).headers(headers).body(body);
        request.send().await.with_context(|| address)
    }
}

/// Removes the access token from a signature base, because users paste the output into tickets.
fn redact(base: &str) -> String {
    let lines = base.lines().map(|line| match line.find("Bearer ") {
        Some(at) if line.trim_start_matches('"').starts_with("authorization") => {
            format!("{}Bearer …", &line[..at])
        }
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the headers of a request, except digest and signature.
fn headers(method: &Method, sending: &SignedSend<'_>, token: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert("upvest-api-version", HeaderValue::from_static("1"));
    let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))?;
    authorization.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, authorization);
    if sending.body.is_some() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if method == Method::POST {
        let key = sending.idempotency_key.map_or_else(|| SystemIds.uuid().to_string(), str::to_owned);
        headers.insert("idempotency-key", key.try_into()?);
    }
    for text in sending.headers {
        let (name, value) = text.split_once(':').with_context(|| format!("'{text}' is not NAME: VALUE"))?;
        headers.insert(HeaderName::try_from(name.trim())?, value.trim().try_into()?);
    }
    Ok(headers)
}
