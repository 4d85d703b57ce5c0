//! The client of the identity provider: `OpenID` Connect with authorization code, device code and back-channel logout.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreGenderClaim, CoreIdToken, CoreIdTokenVerifier,
    CoreTokenResponse,
};
use openidconnect::{
    AccessToken, AdditionalClaims, AuthorizationCode, ClaimsVerificationError, CsrfToken, JsonWebTokenType,
    Nonce, NormalizedJsonWebTokenType, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, SubjectIdentifier, TokenResponse as _,
    UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

pub use super::provider_connection::ProviderError;
use super::provider_connection::{DiscoveredClient, ProviderConnection, away, cause, refused};
use crate::clock::Ids;
use crate::config::{NameServer, Oidc};

/// Difference between the clocks of register and provider that is tolerated.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// The claims of an answer of the user info endpoint, whatever they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct AllClaims(Map<String, Value>);

impl AdditionalClaims for AllClaims {}

/// What is kept of a sign-in until the person comes back.
#[derive(Serialize, Deserialize)]
pub struct PendingSignIn {
    /// How the person comes back.
    pub flow: SignInFlow,
    pub expires_at: Timestamp,
}

/// How a person comes back from the provider.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInFlow {
    /// The browser brings a code.
    Code { state: String, nonce: String, verifier: String, redirect_uri: String },
    /// The provider is asked whether the person has confirmed on another device.
    Device { device_code: String },
}

/// The beginning of a sign-in on another device (RFC 8628 section 3.2).
#[derive(Deserialize)]
pub struct DeviceAuthorization {
    pub device_code: String,
    pub user_code: String,
    pub verification_uri: String,
    pub verification_uri_complete: Option<String>,
    pub expires_in: i64,
    pub interval: Option<i64>,
}

/// A person whom the provider has proved.
pub struct Identity {
    /// Issuer and subject, which together name the person for good.
    pub subject: String,
    pub claims: Map<String, Value>,
    /// When the person last proved who they are; none if the provider does not say.
    pub authenticated_at: Option<Timestamp>,
    /// The session at the provider (claim `sid`), which its logout names.
    pub session: Option<String>,
}

impl Identity {
    /// Returns whether one of these methods (RFC 8176) has proved the person.
    pub fn has_method(&self, any_of: &[String]) -> bool {
        let methods = self.claims.get("amr").and_then(Value::as_array).into_iter().flatten();
        methods.filter_map(Value::as_str).any(|method| any_of.iter().any(|one| one == method))
    }
}

/// A logout that the provider tells (`OpenID` Connect Back-Channel Logout 1.0).
pub struct ProviderLogout {
    /// Issuer and subject.
    pub subject: String,
    /// The session that has ended; all of the person if there is none.
    pub session: Option<String>,
}

/// The client of the identity provider.
pub struct IdentityProvider(ProviderConnection);

impl IdentityProvider {
    /// Creates the client. The provider is not asked yet, so that a register starts without it.
    ///
    /// # Errors
    ///
    /// Fails if the client secret, the name servers or the file of CA certificates are unusable.
    pub fn new(settings: &Oidc, name_servers: &[NameServer]) -> anyhow::Result<Self> {
        ProviderConnection::new(settings, name_servers).map(Self)
    }

    pub const fn settings(&self) -> &Oidc {
        &self.0.settings
    }

    /// Begins a sign-in, and returns the address to which the browser goes. `max_age` is how long ago the person may
    /// have proved themselves; with zero the provider asks them again.
    ///
    /// # Errors
    ///
    /// Fails if the provider is away.
    pub async fn begin(
        &self,
        redirect_uri: String,
        max_age: Duration,
        ids: &dyn Ids,
        now: Timestamp,
    ) -> Result<(Url, SignInFlow), ProviderError> {
        let client = self.0.client(now).await?;
        let redirect = RedirectUrl::new(redirect_uri.clone()).map_err(refused)?;
        let [state, nonce, verifier] = [random(ids), random(ids), random(ids)];
        let (own_state, own_nonce) = (state.clone(), nonce.clone());
        let challenge =
            PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
        let client = client.set_redirect_uri(redirect);
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(own_state),
                move || Nonce::new(own_nonce),
            )
            .add_scopes(self.0.settings.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge)
            .set_max_age(max_age);
        if max_age.is_zero() {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        let (url, _, _) = request.url();
        Ok((url, SignInFlow::Code { state, nonce, verifier, redirect_uri }))
    }

    /// Redeems the code that the browser has brought.
    ///
    /// # Errors
    ///
    /// Fails if the provider is away, refuses the code, or answers a token that does not hold.
    pub async fn redeem(
        &self,
        code: String,
        redirect_uri: String,
        nonce: &str,
        verifier: String,
        now: Timestamp,
    ) -> Result<Identity, ProviderError> {
        let redirect = RedirectUrl::new(redirect_uri).map_err(refused)?;
        let client = self.0.client(now).await?.set_redirect_uri(redirect);
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(away)?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        let answer = request.request_async(&self.0.http).await;
        let answer = answer.map_err(|error| match error {
            RequestTokenError::ServerResponse(answer) if is_own_fault(answer.error().as_ref()) => {
                away(answer)
            }
            RequestTokenError::ServerResponse(answer) => refused(answer),
            other => away(cause(&other)),
        })?;
        self.identity(answer, Some(nonce), now).await
    }

    /// Begins a sign-in that the person confirms on another device.
    ///
    /// # Errors
    ///
    /// Fails if the provider is away or has no device flow.
    pub async fn begin_device(&self, now: Timestamp) -> Result<DeviceAuthorization, ProviderError> {
        let metadata = self.0.metadata(now).await?;
        let endpoint = metadata.additional_metadata().device_authorization_endpoint.clone();
        let endpoint = endpoint.ok_or(ProviderError::Missing("device authorization endpoint"))?;
        let scopes = ["openid"].into_iter().chain(self.0.settings.scopes.iter().map(String::as_str));
        let scope = scopes.collect::<Vec<_>>().join(" ");
        let (status, answer) = self.0.post(&endpoint, &[("scope", &scope)]).await?;
        if !status.is_success() {
            return Err(away(error_of(&answer)));
        }
        serde_json::from_value(answer).map_err(away)
    }

    /// Asks whether the person has confirmed the code of a device.
    ///
    /// # Errors
    ///
    /// Fails with [`ProviderError::Pending`] until then, and as [`redeem`](Self::redeem) does.
    pub async fn redeem_device(&self, device_code: &str, now: Timestamp) -> Result<Identity, ProviderError> {
        let metadata = self.0.metadata(now).await?;
        let endpoint = metadata.token_endpoint().ok_or(ProviderError::Missing("token endpoint"))?.url();
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        let form = [("grant_type", grant), ("device_code", device_code)];
        let (status, answer) = self.0.post(endpoint, &form).await?;
        if status.is_success() {
            let answer: CoreTokenResponse = serde_json::from_value(answer).map_err(away)?;
            return self.identity(answer, None, now).await;
        }
        match answer["error"].as_str() {
            Some("authorization_pending" | "slow_down") => Err(ProviderError::Pending),
            Some(error) if is_own_fault(error) => Err(away(error_of(&answer))),
            _ => Err(refused(error_of(&answer))),
        }
    }

    /// Verifies a logout token and returns what has ended.
    ///
    /// # Errors
    ///
    /// Fails if the token is not a logout token of the provider for this register, or is too old.
    pub async fn verify_logout(&self, token: &str, now: Timestamp) -> Result<ProviderLogout, ProviderError> {
        let token: CoreIdToken =
            token.parse().map_err(|_| refused("it is no logout token with a subject"))?;
        let no_nonce = |nonce: Option<&Nonce>| nonce.map_or(Ok(()), |_| Err("it has a nonce".to_owned()));
        let kinds = ["JWT", "logout+jwt"].map(|kind| JsonWebTokenType::new(kind.to_owned()).normalize());
        let kinds: Vec<_> = kinds.into_iter().filter_map(Result::ok).collect();
        let claims = self.verify(&token, now, &kinds, no_nonce).await?;
        let event = claims.get("events").and_then(|events| events.get(LOGOUT_EVENT));
        if !event.is_some_and(Value::is_object) {
            return Err(refused("it is no logout token"));
        }
        Ok(ProviderLogout { subject: self.subject(&claims), session: text(&claims, "sid") })
    }

    /// Returns the person of a token that the provider itself has answered. Claims of the user info endpoint are added,
    /// because many providers have groups there alone.
    async fn identity(
        &self,
        answer: CoreTokenResponse,
        nonce: Option<&str>,
        now: Timestamp,
    ) -> Result<Identity, ProviderError> {
        let token = answer.id_token().ok_or_else(|| refused("it has answered no ID token"))?;
        let expected = nonce.map(str::to_owned);
        let same_nonce = move |nonce: Option<&Nonce>| match (&expected, nonce) {
            (Some(expected), Some(nonce)) if nonce.secret() == expected => Ok(()),
            (None, _) => Ok(()),
            _ => Err("its nonce is another".to_owned()),
        };
        let mut claims = self.verify(token, now, &[], same_nonce).await?;
        if claims.contains_key("events") {
            return Err(refused("it has answered a logout token"));
        }
        let authenticated_at = claims.get("auth_time").and_then(Value::as_i64);
        let subject = text(&claims, "sub").unwrap_or_default();
        let extra = self.user_info(answer.access_token().clone(), subject, now).await?;
        // How and in which session the person was proved is said by the token alone.
        for (name, value) in extra.into_iter().filter(|(name, _)| !["amr", "sid"].contains(&name.as_str())) {
            claims.entry(name).or_insert(value);
        }
        Ok(Identity {
            subject: self.subject(&claims),
            authenticated_at: authenticated_at.and_then(|at| Timestamp::from_second(at).ok()),
            session: text(&claims, "sid"),
            claims,
        })
    }

    /// Returns what the user info endpoint says of a person; nothing if the provider has none.
    async fn user_info(
        &self,
        token: AccessToken,
        subject: String,
        now: Timestamp,
    ) -> Result<Map<String, Value>, ProviderError> {
        let client = self.0.client(now).await?;
        let Ok(request) = client.user_info(token, Some(SubjectIdentifier::new(subject))) else {
            return Ok(Map::new());
        };
        let found: Result<UserInfoClaims<AllClaims, CoreGenderClaim>, _> =
            request.request_async(&self.0.http).await;
        let found = found.map_err(|error| away(cause(&error)))?;
        match serde_json::to_value(found) {
            Ok(Value::Object(claims)) => Ok(claims),
            _ => Ok(Map::new()),
        }
    }

    /// Verifies a token and returns its claims. If its key is not among the known ones, the keys are fetched again: the
    /// provider may have new ones.
    async fn verify(
        &self,
        token: &CoreIdToken,
        now: Timestamp,
        kinds: &[NormalizedJsonWebTokenType],
        nonce: impl Fn(Option<&Nonce>) -> Result<(), String> + Clone,
    ) -> Result<Map<String, Value>, ProviderError> {
        let client = self.0.client(now).await?;
        let first = token.claims(&verifier(&client, now, kinds), nonce.clone()).map(drop);
        if let Err(ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey,
        )) = first
        {
            self.0.fetch_again(now).await;
            let client = self.0.client(now).await?;
            token.claims(&verifier(&client, now, kinds), nonce).map_err(refused)?;
        } else {
            first.map_err(refused)?;
        }
        claims_of(token)
    }

    /// Returns the name of a person for good: another provider may have the same subject.
    fn subject(&self, claims: &Map<String, Value>) -> String {
        format!("{} {}", self.0.settings.issuer, text(claims, "sub").unwrap_or_default())
    }
}

/// The member of `events` that makes a token a logout token.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Returns the verifier of tokens with the clock of the register and some leeway.
fn verifier<'a>(
    client: &'a DiscoveredClient,
    now: Timestamp,
    kinds: &[NormalizedJsonWebTokenType],
) -> CoreIdTokenVerifier<'a> {
    let at = |at: Timestamp| DateTime::<Utc>::from_timestamp(at.as_second(), 0).unwrap_or_default();
    let (early, late) = (at(now - LEEWAY), at(now + LEEWAY));
    let verifier =
        client.id_token_verifier().set_time_fn(move || early).set_issue_time_verifier_fn(move |issued| {
            if issued > late {
                Err("it was issued in the future: do the clocks differ?".to_owned())
            } else {
                Ok(())
            }
        });
    if kinds.is_empty() { verifier } else { verifier.set_allowed_jose_types(kinds.iter().cloned()) }
}

/// Returns all claims of a verified token.
fn claims_of(token: &CoreIdToken) -> Result<Map<String, Value>, ProviderError> {
    let token = token.to_string();
    let payload = token.split('.').nth(1).unwrap_or_default();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(refused)?;
    serde_json::from_slice(&payload).map_err(refused)
}

fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name)?.as_str().map(str::to_owned)
}

/// Returns whether an error is that of the register, which the provider does not know or allow (RFC 6749 section 5.2).
fn is_own_fault(error: &str) -> bool {
    ["invalid_client", "unauthorized_client"].contains(&error)
}

/// Returns what an error response of the provider says (RFC 6749 section 5.2).
fn error_of(answer: &Value) -> String {
    let parts = ["error", "error_description"].map(|name| answer[name].as_str());
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "it refuses".to_owned() } else { parts.join(": ") }
}

/// Returns 256 random bits as text.
fn random(ids: &dyn Ids) -> String {
    let mut bytes = [0; 32];
    ids.secret(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
