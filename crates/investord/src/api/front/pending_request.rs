//! Authentication and authorization of a request whose signature is not verified yet.
//!
//! Within one status the cheapest check comes first, and no request costs a signature verification if another check can
//! refuse it: client, key, token and times are checked before the body is read, the digest before the signature.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use http_message_signatures::{Message, Policy, Profile, PublicKey, ReceivedSignature, VerifyError};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{compat, explain};
use crate::access::client_cache::{Client, Token};
use crate::access::connections::network;
use crate::access::rate_limits::Suspect;
use crate::access::trace::Trace;
use crate::app::{App, Mode};
use crate::domain::signatures::{SignatureVersion, strict_policy};
use crate::problem::Problem;
use crate::store::encryption::sha256;
use crate::store::log::idempotency::{IdempotencyKey, Nonce};

/// Maximum number of header fields, and of their bytes. Clients send 10 to 20 fields of about 100 bytes.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Headers that must not be repeated: only the first value would take effect, without an error.
const UNREPEATABLE_HEADERS: [&str; 6] = [
    "authorization",
    "content-type",
    "idempotency-key",
    "upvest-api-version",
    "upvest-client-id",
    "upvest-signature-version",
];

/// A request during authentication: the cheap checks have passed, the signature is not verified yet.
pub struct PendingRequest<'a> {
    app: &'a App,
    parts: &'a Parts,
    pub client: Arc<Client>,
    pub key_id: Uuid,
    key: PublicKey,
    presented: ReceivedSignature,
    versions: &'static [SignatureVersion],
    policy: Policy<'static>,
    pub suspect: Suspect,
    now: Timestamp,
}

impl<'a> PendingRequest<'a> {
    /// Performs the checks that need neither the body nor a signature verification. Fails with 400 or 401.
    pub async fn new(app: &'a App, parts: &'a Parts, id: Uuid, now: Timestamp) -> Result<Self, Problem> {
        let headers = &parts.headers;
        check_head(headers)?;
        let versions = compat::versions(headers)?;
        let client = app.client_cache.client(id, now).await?;
        let client = client.ok_or_else(|| Problem::unauthorised("there is no such client"))?;
        Trace::note_client(parts, &client);
        let suspect = (address(parts), id);
        // The key id selects one signature: a message with many signatures costs one verification only.
        let is_known =
            |presented: &ReceivedSignature| presented.key_id().is_some_and(|id| client.key(id).is_some());
        let presented = ReceivedSignature::choose(headers, is_known).map_err(|error| refusal(app, &error))?;
        let policy = if client.tenant.settings.strict_signatures { strict(app) } else { Policy::default() };
        let key_id = presented.key_id().ok_or_else(|| refusal(app, &VerifyError::MissingKeyId))?;
        let Some((key_id, key)) = client.key(key_id).map(|(id, key)| (id, key.clone())) else {
            return Err(explain::unknown_key(app, key_id));
        };
        let attempt = Self {
            app,
            parts,
            client: Arc::clone(&client),
            key_id,
            key,
            presented,
            versions,
            policy,
            suspect,
            now,
        };
        let presented = &attempt.presented;
        attempt.policy.check_time(presented, now.as_second()).map_err(|error| refusal(app, &error))?;
        attempt
            .any_version(|profile| attempt.key.check_alg(presented.alg(), profile))
            .map_err(|error| refusal(app, &error))?;
        let message = attempt.message(&[]);
        attempt
            .any_version(|profile| attempt.policy.check_coverage(presented, &message, profile))
            .map_err(|error| refusal(app, &error))?;
        Ok(attempt)
    }

    /// Returns the message to verify. The configured origin takes precedence over the host in the request.
    fn message<'b>(&'b self, body: &'b [u8]) -> Message<'b> {
        let host = || self.parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = self.app.origin.authority.as_deref();
        let authority = authority.or_else(|| self.parts.uri.authority().map(Authority::as_str)).or_else(host);
        Message::from_request_parts(self.parts, body)
            .with_origin(&self.app.origin.scheme, authority.unwrap_or_default())
    }

    /// Succeeds if the check succeeds for one of the versions that the request header allows.
    fn any_version(&self, check: impl Fn(&Profile) -> Result<(), VerifyError>) -> Result<(), VerifyError> {
        let mut outcome = Ok(());
        for version in self.versions {
            outcome = check(version.profile());
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Checks whether the valid signature would be valid for a strict tenant, too (decision W21).
    fn verify_strictly(&self, body: &[u8]) -> Result<(), VerifyError> {
        let (policy, message) = (strict(self.app), self.message(body));
        policy.check_time(&self.presented, self.now.as_second())?;
        self.any_version(|profile| policy.check_coverage(&self.presented, &message, profile))
    }

    /// Returns the access token (RFC 6750), which must belong to this client.
    pub(super) async fn token(&self) -> Result<Arc<Token>, Problem> {
        let sent = self.parts.headers.get(header::AUTHORIZATION);
        let sent = sent.ok_or_else(|| Problem::unauthorised("the header 'authorization' is missing"))?;
        let sent = sent.to_str().ok().and_then(|value| value.split_once(' '));
        let Some((_, token)) = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return Err(Problem::unauthorised(
                "the header 'authorization' must be 'Bearer' and an access token",
            ));
        };
        let hash = token_hash(token.trim());
        let token = self.app.client_cache.token(hash, self.client.id, self.now).await?;
        let token = token.ok_or_else(|| {
            Problem::unauthorised(
                "the access token is unknown, expired or another client's: POST /auth/token gives one",
            )
        })?;
        if self.client.tenant.settings.key_bound_tokens && token.key != self.key_id {
            return Err(Problem::unauthorised(
                "the access token was given to another key of the client: POST /auth/token gives this key one",
            ));
        }
        Ok(token)
    }

    /// Counts a failed verification against its sender.
    fn count_failure<T>(&self, outcome: Result<T, Problem>) -> Result<T, Problem> {
        if let Err(Problem::Unauthorised(_)) = outcome {
            self.app.rate_limits.note_failure(self.suspect);
        }
        outcome
    }

    /// Verifies body and signature, and returns the nonce that the store has to remember. A message without a nonce is
    /// identified by its signature base if it `acts` (decision W19), and is not remembered otherwise. Fails with 401.
    pub fn verify(&self, body: &[u8], acts: bool) -> Result<Option<Nonce>, Problem> {
        let base = self.count_failure(self.check_signature(body))?;
        let is_strict = self.client.tenant.settings.strict_signatures;
        let strictly = (!is_strict).then(|| self.verify_strictly(body));
        self.app.signature_counts.count(self.client.id, self.key_id, self.now, strictly);
        let tenant = self.client.tenant.number;
        // A nonce never equals a signature base: the base contains line breaks, a nonce cannot (RFC 8941 section
        // 3.3.3). The signature itself cannot be the mark, because ECDSA signatures are malleable.
        let mark = match self.presented.nonce() {
            Some(nonce) => nonce,
            None if acts => &base,
            None => return Ok(None),
        };
        // Nonces of reads are kept in memory alone, so that a restart loses them.
        if !acts && !self.app.replay_guard.covers(tenant, self.signed_at(), self.now) {
            return Err(Problem::unauthorised_public(
                "this message was signed before the server could remember what it receives: sign it afresh",
            ));
        }
        let hash = sha256(&[self.key_id.as_bytes(), mark.as_bytes()].concat());
        let mut nonce = Nonce { hash: [0; 16], until: self.valid_until(), now: self.now };
        nonce.hash.copy_from_slice(&hash[..16]);
        if self.app.replay_guard.is_first_time(tenant, &nonce) {
            Ok(Some(nonce))
        } else {
            Err(replayed_message())
        }
    }

    /// Returns the time of signing; [`Policy::check_time`] has refused a signature without one.
    fn signed_at(&self) -> Timestamp {
        let created = self.presented.created().and_then(|seconds| Timestamp::from_second(seconds).ok());
        created.unwrap_or(Timestamp::MIN)
    }

    /// Returns the time until which the nonce must be remembered. `expires` counts in whole seconds, so one is added.
    ///
    /// It is part of the key under which the store remembers the message (decision S3), so it follows from the message
    /// alone: the laxest policy gives it, whatever the settings of the tenant are at the moment.
    fn valid_until(&self) -> Timestamp {
        let seconds = Policy::default().valid_until(&self.presented);
        Timestamp::from_second(seconds.saturating_add(1)).unwrap_or(Timestamp::MAX)
    }

    /// Verifies digest and signature, and returns the signature base.
    fn check_signature(&self, body: &[u8]) -> Result<String, Problem> {
        let message = self.message(body);
        self.any_version(|profile| {
            self.policy.check_coverage(&self.presented, &message, profile)?;
            self.policy.check_digest(&self.presented, &message, profile)
        })
        .map_err(|error| refusal(self.app, &error))?;
        let bases = compat::bases(&self.presented, &message, self.versions);
        let mut bases = bases.map_err(|error| refusal(self.app, &error))?;
        let key = &self.key;
        let mut last = VerifyError::Mismatch;
        for (version, base) in &mut bases {
            match key.verify(base.as_bytes(), self.presented.signature(), version.profile()) {
                Ok(_) => return Ok(std::mem::take(base)),
                Err(refusal) => last = refusal,
            }
        }
        metrics::counter!("investord_signatures_refused_total").increment(1);
        Err(explain::mismatch(self.app, &self.client, key, &self.presented, &bases, &last))
    }

    /// Performs the checks after the signature (decision W6): `accept` (406), then the quota (429). `media` is the
    /// media type of a success, empty for one without a body.
    pub fn authorize(&self, media: &str) -> Result<(), Problem> {
        if !compat::accepts(&self.parts.headers, media) {
            return Err(Problem::NotAcceptable);
        }
        self.app.rate_limits.count_request(self.client.id)
    }

    /// Returns the idempotency key with the fingerprint of the request, which detects another request with the same
    /// key.
    pub(super) fn idempotency_key(
        &self,
        operation: &'static str,
        body: &[u8],
    ) -> Result<IdempotencyKey, Problem> {
        let sent = self.parts.headers.get("idempotency-key").ok_or(Problem::MissingIdempotencyKey)?;
        let key = sent.to_str().ok().and_then(compat::idempotency_key);
        let key = key.ok_or_else(|| Problem::invalid("idempotency-key", "must be a UUID"))?;
        let fingerprint = self.client.tenant.key.fingerprint(&[self.parts.uri.path().as_bytes(), body]);
        let window = SignedDuration::from_hours(self.app.config.idempotency_window_hours.into());
        let tenant = self.client.tenant.number;
        Ok(IdempotencyKey { tenant, operation, key, fingerprint, kept_since: self.now - window })
    }
}

/// Returns the hash of an access token, which is stored in its place (decision W12).
pub fn token_hash(token: &str) -> [u8; 32] {
    sha256(token.as_bytes())
}

/// Returns the address by which the sender of a request is counted.
pub fn address(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| network(peer.ip()))
}

/// Returns the refusal of a signature, explained in development mode only (decision W22).
fn refusal(app: &App, refusal: &VerifyError) -> Problem {
    match app.mode {
        Mode::Production => Problem::unauthorised(refusal.to_string()),
        Mode::Development => explain::refusal(refusal),
    }
}

/// Returns the header `upvest-client-id`, if it is present. Fails with 400 if it is not a UUID.
pub fn client_id(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let Some(value) = headers.get("upvest-client-id") else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| Uuid::try_parse(text).ok());
    id.map(Some).ok_or_else(|| Problem::invalid("upvest-client-id", "must be a UUID"))
}

/// Refuses headers beyond the limits, and repeated headers that are ambiguous.
fn check_head(headers: &HeaderMap) -> Result<(), Problem> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || size > MAX_HEADER_BYTES {
        let most = format!("more than {MAX_HEADERS} header fields or {MAX_HEADER_BYTES} bytes of them");
        return Err(Problem::invalid("(header)", most));
    }
    match UNREPEATABLE_HEADERS.into_iter().find(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        Some(name) => Err(Problem::invalid(name, "stands more than once: which one would count?")),
        None => Ok(()),
    }
}

/// Returns the policy for the signatures of a strict tenant, which binds them to the configured host.
fn strict(app: &App) -> Policy<'static> {
    strict_policy(app.origin.authority.is_some())
}

/// Checks the content type of a body. Fails with 400 if it is another one.
pub fn content_type(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    compat::content_type(headers, wanted).map_err(|fault| Problem::invalid("content-type", fault))
}

/// Refuses compressed content with 415 (RFC 9110 section 15.5.16).
pub fn plain_content(headers: &HeaderMap) -> Result<(), Problem> {
    if compat::is_plain(headers) { Ok(()) } else { Err(Problem::ContentCoding) }
}

/// Checks the header `upvest-api-version`. Fails with 426 for a version other than 1.
pub fn api_version(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get("upvest-api-version") {
        Some(version) if version.as_bytes() != b"1" => Err(Problem::UpgradeRequired),
        _ => Ok(()),
    }
}

/// Reads a body of limited size in limited time. `receive` acquires the budget of bytes before they are stored. Fails
/// with 400 beyond these limits or if the body breaks off.
pub async fn read_body(
    app: &App,
    headers: &HeaderMap,
    mut body: Body,
    most: usize,
    mut receive: impl FnMut(usize) -> Result<(), Problem>,
) -> Result<Bytes, Problem> {
    let too_long = || Problem::invalid("(root)", format!("the body has more than {most} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > most) {
        return Err(too_long());
    }
    let limit = Duration::from_secs(app.config.body_timeout_seconds);
    let reading = async {
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::invalid("(root)", "the body broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            if read.len() + data.len() > most {
                return Err(too_long());
            }
            receive(data.len())?;
            read.extend_from_slice(&data);
        }
        Ok(read.freeze())
    };
    let too_late =
        |_| Problem::invalid("(root)", format!("the body did not arrive within {} s", limit.as_secs()));
    tokio::time::timeout(limit, reading).await.map_err(too_late)?
}

/// Returns the refusal of a replayed message (decision W5).
pub fn replayed_message() -> Problem {
    Problem::unauthorised_public(
        "this signed message was received before: sign every request afresh, with a nonce",
    )
}
