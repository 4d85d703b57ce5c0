//! `investord call`: a signing client for this server and for the vendor's.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use httpsig::{Message, Parameters, SigningKey, Version};
use serde::{Deserialize, Serialize};
use url::Url;

use super::profile::Profile;
use crate::clock::{Clock, Ids, SystemClock, SystemIds};

/// Seconds a signature is good for.
const LIFETIME: i64 = 60;
/// Seconds before its end at which a token is no longer used.
const TOKEN_MARGIN: i64 = 5;
const TIMEOUT: Duration = Duration::from_mins(1);

#[derive(Args)]
pub struct Call {
    /// GET, POST, PATCH, DELETE, …
    method: Method,
    /// Path and query, as in '/users?limit=10'.
    target: String,
    /// JSON, @FILE, or @- for standard input.
    body: Option<String>,
    /// Where to call and as whom.
    #[arg(
        long,
        env = "INVESTORD_PROFILE",
        default_value = "investord-dev/profile.toml",
        value_name = "FILE"
    )]
    profile: PathBuf,
    /// Which of the profile's keys: the beginning of its id, or a part of its file's name.
    #[arg(long)]
    key: Option<String>,
    #[arg(long, default_value = "15", value_name = "VERSION")]
    signature_version: SignatureVersion,
    /// The idempotency key; a random one otherwise.
    #[arg(long, value_name = "UUID")]
    idempotency_key: Option<String>,
    /// A further header, as in 'accept: text/csv'; repeatable.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Show the signature base and all headers.
    #[arg(long, short)]
    verbose: bool,
    /// Print the body exactly as it came.
    #[arg(long)]
    raw: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum SignatureVersion {
    #[value(name = "6")]
    Draft6,
    #[value(name = "15")]
    Draft15,
    #[value(name = "9421")]
    Rfc9421,
}

impl From<SignatureVersion> for Version {
    fn from(version: SignatureVersion) -> Self {
        match version {
            SignatureVersion::Draft6 => Version::Draft6,
            SignatureVersion::Draft15 => Version::Draft15,
            SignatureVersion::Rfc9421 => Version::Rfc9421,
        }
    }
}

/// A token kept beside the profile, for as long as it is good.
#[derive(Serialize, Deserialize)]
struct KeptToken {
    url: String,
    client_id: String,
    scopes: Vec<String>,
    access_token: String,
    /// Unix seconds.
    until: i64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: i64,
}

/// A client with everything that does not change between two requests.
struct Session<'a> {
    http: reqwest::Client,
    profile: &'a Profile,
    key_id: &'a str,
    key: &'a SigningKey,
    version: Version,
    verbose: bool,
}

impl Call {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let profile = Profile::read(&self.profile)?;
        let (key_id, key) = profile.key(&self.profile, self.key.as_deref())?;
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .user_agent(concat!("investord/", env!("CARGO_PKG_VERSION")));
        let session = Session {
            http: http.redirect(reqwest::redirect::Policy::none()).build()?,
            profile: &profile,
            key_id,
            key: &key,
            version: self.signature_version.into(),
            verbose: self.verbose,
        };
        let kept = self.profile.with_extension("token.json");
        let body = self.body()?;
        let mut token = session.token(&kept).await?;
        let mut answer =
            session.send(&self.method, &self.target, &self.headers(&token)?, body.clone()).await?;
        if answer.status() == http::StatusCode::UNAUTHORIZED && std::fs::remove_file(&kept).is_ok() {
            // The token may have been kept from a register that is no more.
            token = session.token(&kept).await?;
            answer = session.send(&self.method, &self.target, &self.headers(&token)?, body.clone()).await?;
        }
        let status = answer.status();
        self.show(answer).await?;
        Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn body(&self) -> anyhow::Result<Vec<u8>> {
        match self.body.as_deref() {
            None => Ok(Vec::new()),
            Some("@-") => {
                let mut body = Vec::new();
                std::io::stdin().read_to_end(&mut body)?;
                Ok(body)
            }
            Some(text) => match text.strip_prefix('@') {
                Some(file) => std::fs::read(file).with_context(|| file.to_owned()),
                None => Ok(text.as_bytes().to_vec()),
            },
        }
    }

    fn headers(&self, token: &str) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert("upvest-api-version", HeaderValue::from_static("1"));
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))?;
        authorization.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, authorization);
        if self.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if self.method == Method::POST {
            let key = self.idempotency_key.clone().unwrap_or_else(|| SystemIds.uuid().to_string());
            headers.insert("idempotency-key", key.try_into()?);
        }
        for text in &self.headers {
            let (name, value) =
                text.split_once(':').with_context(|| format!("'{text}' is not NAME: VALUE"))?;
            headers.insert(HeaderName::try_from(name.trim())?, value.trim().try_into()?);
        }
        Ok(headers)
    }

    async fn show(&self, answer: reqwest::Response) -> anyhow::Result<()> {
        let status = answer.status();
        let request_id =
            answer.headers().get("upvest-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        if self.verbose {
            eprintln!("\n< {status}");
            for (name, value) in answer.headers() {
                eprintln!("< {name}: {}", String::from_utf8_lossy(value.as_bytes()));
            }
            eprintln!();
        }
        let body = answer.bytes().await?;
        let pretty = serde_json::from_slice(&body)
            .and_then(|json: serde_json::Value| serde_json::to_string_pretty(&json));
        let mut out = std::io::stdout();
        match pretty {
            Ok(pretty) if !self.raw => writeln!(out, "{pretty}")?,
            _ => out.write_all(&body)?,
        }
        if !status.is_success() || body.is_empty() {
            eprintln!("{status}, request {}", request_id.as_deref().unwrap_or("without id"));
        }
        Ok(())
    }
}

impl Session<'_> {
    /// The access token: the kept one while it is good, or a new one.
    async fn token(&self, kept: &Path) -> anyhow::Result<String> {
        let Profile { url, client_id, client_secret, scopes, .. } = self.profile;
        let now = SystemClock::default().now().as_second();
        let known = std::fs::read(kept).ok().and_then(|text| serde_json::from_slice::<KeptToken>(&text).ok());
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
        let answer = self.send(&Method::POST, "/auth/token", &headers, form.into_bytes()).await?;
        let (status, body) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("no access token: {status}\n{body}");
        }
        let token: TokenAnswer = serde_json::from_str(&body).context("the answer to the token request")?;
        let keep = KeptToken {
            url: url.clone(),
            client_id: client_id.clone(),
            scopes: scopes.clone(),
            access_token: token.access_token.clone(),
            until: now + token.expires_in,
        };
        // A folder that cannot be written to costs a token request per call, no more.
        let _ = super::write_private(kept, &serde_json::to_string(&keep)?);
        Ok(token.access_token)
    }

    async fn send(
        &self,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
        body: Vec<u8>,
    ) -> anyhow::Result<reqwest::Response> {
        let address = format!("{}{target}", self.profile.url.trim_end_matches('/'));
        let url = Url::parse(&address).with_context(|| address.clone())?;
        let mut headers = headers.clone();
        headers.insert("upvest-client-id", self.profile.client_id.parse()?);
        if !body.is_empty() {
            headers.insert(header::CONTENT_LENGTH, body.len().into());
            let (name, value) = httpsig::body_digest(self.version, &body);
            headers.insert(name, value);
        }
        self.sign(method, &url, &mut headers, &body)?;
        let request = self.http.request(method.clone(), url).headers(headers).body(body);
        request.send().await.with_context(|| address)
    }

    fn sign(&self, method: &Method, url: &Url, headers: &mut HeaderMap, body: &[u8]) -> anyhow::Result<()> {
        let authority = url.host_str().map(|host| match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        });
        let message = Message {
            method: method.as_str(),
            scheme: url.scheme(),
            authority: authority.as_deref().unwrap_or_default(),
            path: url.path(),
            query: url.query(),
            headers,
            body,
            status: None,
        };
        let (created, nonce) = (SystemClock::default().now().as_second(), SystemIds.uuid().to_string());
        let parameters = Parameters {
            key_id: self.key_id,
            created,
            expires: Some(created + LIFETIME),
            nonce: Some(&nonce),
            alg: None,
            tag: None,
        };
        let components = httpsig::usual_components(&message, self.version);
        let signed = httpsig::sign(&message, &components, &parameters, self.key, self.version)?;
        if self.verbose {
            eprintln!(
                "> {method} {url}\n\nsignature base ({}):\n{}\n",
                self.version.profile().name,
                redacted(&signed.base)
            );
            eprintln!("> signature-input: {}\n> signature: {}", signed.signature_input, signed.signature);
        }
        headers.insert("signature-input", signed.signature_input.parse()?);
        headers.insert("signature", signed.signature.parse()?);
        let selector = match self.version {
            Version::Draft6 => "6",
            Version::Draft15 | Version::Rfc9421 => "15",
        };
        headers.insert("upvest-signature-version", HeaderValue::from_static(selector));
        Ok(())
    }
}

/// The base without the access token, which somebody may paste into a ticket.
fn redacted(base: &str) -> String {
    let lines = base.lines().map(|line| match line.find("Bearer ") {
        Some(at) if line.trim_start_matches('"').starts_with("authorization") => {
            format!("{}Bearer …", &line[..at])
        }
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}
