//! `/oidc`: sign in at the identity provider, by browser or by another device, and its logouts.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_operator::{JsonAnswer, OperatorDoc, OperatorResult, client_address, read_body};
use super::lockout::count_sign_in;
use super::sealed_state::{open, seal};
use super::session::{EndedSession, SessionView, new_token, signed_in, user_agent};
use crate::access::connections::network;
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::outbound::identity_provider::{
    Identity, IdentityProvider, PendingSignIn, ProviderError, ProviderLogout, SignInFlow,
};
use crate::problem::Problem;
use crate::provision::provider_accounts;
use crate::provision::provider_accounts::{ProvenPerson, SignInOutcome};
use crate::store::Tx;
use crate::store::engine::unit::Owner;
use crate::store::log::register_events;
use crate::store::tenants::operator_sessions;
use crate::store::tenants::operator_sessions::{Factor, Session, SessionKind};
use crate::store::tenants::operators;

/// Time for which a sign-in may take at the provider.
const PENDING_TIME: SignedDuration = SignedDuration::from_mins(10);
/// Seconds between two questions whether a device was confirmed, if the provider names none (RFC 8628 section 3.2).
const POLL_SECONDS: i64 = 5;

static BEGIN: ObjectSchema = ObjectSchema {
    name: "BeginProviderSignIn",
    fields: &[
        field(
            "redirect_uri",
            Presence::Always,
            FieldRule::Text { min: 1, max: 2000 },
            "Where the provider sends the browser back: one of `oidc.redirect_uris`, or a server on the caller's own \
             machine, as in http://127.0.0.1:4711/.",
        ),
        field(
            "fresh",
            Presence::No,
            FieldRule::Bool,
            "The provider asks the person again, so that the session has a fresh proof.",
        ),
    ],
};

/// The body of `POST /oidc/requests`.
#[derive(Deserialize)]
pub struct BeginBody {
    redirect_uri: String,
    #[serde(default)]
    fresh: bool,
}

/// Documentation of [`begin`].
pub const BEGIN_DOC: OperatorDoc = OperatorDoc {
    id: "begin_provider_sign_in",
    summary: "Begin a sign-in at the identity provider",
    description: "Answers the address to which the browser goes (OpenID Connect, authorization code with PKCE). When \
                  it comes back, `POST /oidc/sessions` takes `request` of this answer, and `code`, `state` and `iss` \
                  of the address.",
    query: &[],
    request: Some(&BEGIN),
};

/// A sign-in that has begun at the identity provider.
#[derive(Serialize, JsonSchema)]
pub struct ProviderSignIn {
    /// Where the person signs in.
    url: String,
    /// For `POST /oidc/sessions`. It is a secret of who has begun.
    request: String,
    expires_at: Timestamp,
}

/// Parses the beginning of a sign-in at the provider.
///
/// # Errors
///
/// Fails if a member is missing, unknown or invalid.
pub fn read_begin(body: &[u8], now: Timestamp) -> Result<BeginBody, Problem> {
    read_body(body, &BEGIN, now)
}

/// Handles `POST /oidc/requests`: begins a sign-in in a browser.
///
/// # Errors
///
/// Fails if no provider is configured, it is away, or the browser may not return to the address.
pub async fn begin(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> OperatorResult<ProviderSignIn> {
    let provider = provider(&app)?;
    let body = body.map_err(|error| Problem::invalid("(root)", error.body_text()))?;
    let now = app.clock.now();
    let BeginBody { redirect_uri, fresh } = read_begin(&body, now)?;
    if !provider.settings().may_return_to(&redirect_uri) {
        let message = "is neither one of oidc.redirect_uris nor http on the caller's own machine";
        return Err(Problem::invalid("redirect_uri", message));
    }
    let _place = place(&app, client_address(&app, peer, &headers))?;
    let lifetime = Duration::from_secs(app.config.operators.lifetime().as_secs().unsigned_abs());
    let max_age = if fresh { Duration::ZERO } else { lifetime };
    let begun = provider.begin(redirect_uri, max_age, &*app.ids, now).await;
    let (url, flow) = begun.map_err(problem)?;
    let expires_at = now + PENDING_TIME;
    let request = seal(&app, &PendingSignIn { flow, expires_at });
    Ok(JsonAnswer(ProviderSignIn { url: url.to_string(), request, expires_at }))
}

/// Documentation of [`begin_device`].
pub const BEGIN_DEVICE_DOC: OperatorDoc = OperatorDoc {
    id: "begin_device_sign_in",
    summary: "Begin a sign-in on another device",
    description: "Answers a code that the person confirms at the identity provider on any device (RFC 8628). \
                  `POST /oidc/sessions` takes `request` alone, and answers 409 until they have.",
    query: &[],
    request: None,
};

/// A sign-in that has begun on another device.
#[derive(Serialize, JsonSchema)]
pub struct DeviceSignIn {
    /// What the person confirms.
    user_code: String,
    /// Where they do.
    verification_uri: String,
    /// The same with the code in it, if the provider has it.
    verification_uri_complete: Option<String>,
    /// Seconds to wait before each question.
    interval_seconds: i64,
    /// For `POST /oidc/sessions`. It is a secret of who has begun.
    request: String,
    expires_at: Timestamp,
}

/// Handles `POST /oidc/device_requests`: begins a sign-in on another device.
///
/// # Errors
///
/// Fails if no provider is configured, it is away, or it has no device flow.
pub async fn begin_device(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> OperatorResult<DeviceSignIn> {
    let provider = provider(&app)?;
    if !provider.settings().device_sign_in {
        return Err(Problem::NotFound("sign-in on another device (oidc.device_sign_in)"));
    }
    let _place = place(&app, client_address(&app, peer, &headers))?;
    let now = app.clock.now();
    let begun = provider.begin_device(now).await.map_err(problem)?;
    let expires_at = now + SignedDuration::from_secs(begun.expires_in.clamp(0, 3_600));
    let flow = SignInFlow::Device { device_code: begun.device_code };
    Ok(JsonAnswer(DeviceSignIn {
        user_code: begun.user_code,
        verification_uri: begun.verification_uri,
        verification_uri_complete: begun.verification_uri_complete,
        interval_seconds: begun.interval.unwrap_or(POLL_SECONDS),
        request: seal(&app, &PendingSignIn { flow, expires_at }),
        expires_at,
    }))
}

const FROM_ADDRESS: FieldRule = FieldRule::OrNull(&FieldRule::Text { min: 1, max: 4000 });
static FINISH: ObjectSchema = ObjectSchema {
    name: "FinishProviderSignIn",
    fields: &[
        field(
            "request",
            Presence::Always,
            FieldRule::Text { min: 1, max: 8000 },
            "Of the answer that began it.",
        ),
        field("code", Presence::No, FROM_ADDRESS, "Of the address to which the browser came back."),
        field("state", Presence::No, FROM_ADDRESS, "Of the same address."),
        field("iss", Presence::No, FROM_ADDRESS, "Of the same address, if it has it (RFC 9207)."),
    ],
};

/// The body of `POST /oidc/sessions`.
#[derive(Deserialize)]
pub struct FinishBody {
    request: String,
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
}

/// Documentation of [`finish`].
pub const FINISH_DOC: OperatorDoc = OperatorDoc {
    id: "finish_provider_sign_in",
    summary: "Finish a sign-in at the identity provider",
    description: "Answers a session as `POST /sessions` does. Claims of the provider give the roles at each sign-in \
                  (`oidc.grants`); the first one creates the account. 409: the person has not confirmed the code of \
                  the device yet.",
    query: &[],
    request: Some(&FINISH),
};

/// Parses the end of a sign-in at the provider.
///
/// # Errors
///
/// Fails if a member is missing, unknown or invalid.
pub fn read_finish(body: &[u8], now: Timestamp) -> Result<FinishBody, Problem> {
    read_body(body, &FINISH, now)
}

/// Handles `POST /oidc/sessions`: redeems what the provider has confirmed for a session.
///
/// # Errors
///
/// Fails with 401 if the provider has not proved the person, with 403 if they have no role here or no name for an
/// account, with 409 until they have confirmed the code of a device, and with 503 if the provider is away.
pub async fn finish(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> OperatorResult<SessionView> {
    let provider = provider(&app)?;
    let body = body.map_err(|error| Problem::invalid("(root)", error.body_text()))?;
    let sent = read_finish(&body, app.clock.now())?;
    let address = client_address(&app, peer, &headers);
    let _place = place(&app, address)?;
    let identity = redeem(&app, provider, sent).await.inspect_err(|problem| {
        if matches!(problem, Problem::Unauthorised(_)) {
            count_sign_in("refused");
            tracing::warn!(%address, "a sign-in that the identity provider does not confirm");
        }
    })?;
    let begun = begin_session(&app, provider, identity, address, user_agent(&headers)).await;
    count_sign_in(if begun.is_ok() { "ok" } else { "refused" });
    if let Err(problem) = &begun {
        tracing::warn!(%address, reason = %problem.detail(), "a sign-in at the identity provider gives no session");
    }
    begun.map(JsonAnswer)
}

/// Asks the provider who the person is.
async fn redeem(app: &App, provider: &IdentityProvider, sent: FinishBody) -> Result<Identity, Problem> {
    let now = app.clock.now();
    let pending: Option<PendingSignIn> = open(app, &sent.request);
    let pending = pending.filter(|pending| pending.expires_at > now);
    let pending = pending.ok_or_else(|| Problem::unauthorised_public(UNCONFIRMED))?;
    let identity = match pending.flow {
        SignInFlow::Device { device_code } => provider.redeem_device(&device_code, now).await,
        SignInFlow::Code { state, nonce, verifier, redirect_uri } => {
            let code = sent.code.ok_or_else(|| Problem::invalid("code", "field 'code' was not filled"))?;
            // Another state is another sign-in, and another issuer another provider (RFC 9207).
            let is_other = sent.iss.is_some_and(|issuer| issuer != provider.settings().issuer);
            if is_other || sent.state != Some(state) {
                return Err(Problem::unauthorised_public(UNCONFIRMED));
            }
            provider.redeem(code, redirect_uri, &nonce, verifier, now).await
        }
    };
    identity.map_err(problem)
}

/// Begins the session of a person whom the provider has proved.
async fn begin_session(
    app: &App,
    provider: &IdentityProvider,
    identity: Identity,
    address: IpAddr,
    agent: Option<String>,
) -> Result<SessionView, Problem> {
    let (now, ids, settings) = (app.clock.now(), Arc::clone(&app.ids), provider.settings().clone());
    let expires_at = now + app.config.operators.lifetime();
    let mut factors = vec![Factor::Provider];
    if identity.has_method(&settings.second_factor_amr) {
        factors.push(Factor::ProviderSecond);
    }
    let session = Session {
        expires: Some(expires_at),
        address: Some(address.to_string()),
        agent,
        factors,
        // The clock of the provider may be ahead.
        proved_at: identity.authenticated_at.map(|at| at.min(now)),
        provider_session: identity.session,
        ..Session::new(app.ids.uuid(), SessionKind::Session, now)
    };
    let (token, hash) = new_token(&*app.ids);
    let person = ProvenPerson { subject: identity.subject, claims: identity.claims };
    let own = session.clone();
    let unit = move |tx: &Tx<'_>| {
        let outcome = provider_accounts::sign_in(tx, &*ids, &settings, &person, now)?;
        if let SignInOutcome::Account(operator) = &outcome {
            operator_sessions::insert(tx, &hash, operator.id, &own)?;
            operators::record_use(tx, operator.id, now)?;
            register_events::record(tx, &*ids, now, &signed_in(operator, &own, 0))?;
        }
        Ok::<_, Problem>(outcome)
    };
    match app.store.write_serializable("backoffice.begin_provider", unit).await? {
        SignInOutcome::Account(operator) => {
            Ok(SessionView::begun(&operator, token, expires_at, session.factors))
        }
        SignInOutcome::NoRole => Err(Problem::Closed("nothing that the identity provider says gives a role")),
        SignInOutcome::Disabled => Err(Problem::Closed("the account is disabled")),
        SignInOutcome::NoName => Err(Problem::Closed("oidc.name_claim gives no name for the account")),
        SignInOutcome::NameTaken => Err(Problem::Closed("the name is that of another account")),
    }
}

/// Documentation of [`logout`].
pub const LOGOUT_DOC: OperatorDoc = OperatorDoc {
    id: "provider_logout",
    summary: "Logout at the identity provider",
    description: "Takes the form of the provider with `logout_token` (OpenID Connect Back-Channel Logout 1.0), and \
                  ends the session of its `sid`, or all sessions of its subject.",
    query: &[],
    request: None,
};

/// Handles `POST /oidc/logout`: ends the sessions that the provider names.
///
/// # Errors
///
/// Fails with 400 if there is no valid logout token.
pub async fn logout(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> OperatorResult<EndedSession> {
    let provider = provider(&app)?;
    let body = body.map_err(|error| Problem::invalid("(root)", error.body_text()))?;
    let _place = place(&app, client_address(&app, peer, &headers))?;
    let token = form_urlencoded::parse(&body).find(|(name, _)| name == "logout_token");
    let (_, token) =
        token.ok_or_else(|| Problem::invalid("logout_token", "field 'logout_token' was not filled"))?;
    let ended = provider.verify_logout(&token, app.clock.now()).await;
    let ProviderLogout { subject, session } = ended.map_err(|error| match error {
        ProviderError::Refused(reason) => Problem::invalid("logout_token", reason),
        other => problem(other),
    })?;
    let unit = move |tx: &Tx<'_>| {
        let Some(operator) = operators::by_provider_subject(tx, &subject)? else { return Ok(0) };
        operator_sessions::end_of_provider(tx, operator.id, session.as_deref())
    };
    let ended = app.store.write("backoffice.provider_logout", Owner::REGISTER, unit).await?;
    Ok(JsonAnswer(EndedSession { ended: ended > 0 }))
}

/// Returns the configured provider.
fn provider(app: &App) -> Result<&IdentityProvider, Problem> {
    app.identity_provider.as_ref().ok_or(Problem::NotFound("identity provider"))
}

/// Acquires a permit of the budget for sign-ins that wait for the provider.
fn place(app: &App, address: IpAddr) -> Result<impl Drop + use<>, Problem> {
    let too_many = |_| Problem::TooManyRequests { retry_after_seconds: 1, what: "sign-ins at once" };
    app.budgets.provider_sign_ins.acquire(network(address), 1).map_err(too_many)
}

const UNCONFIRMED: &str = "the identity provider has not confirmed this sign-in: begin again";

/// Returns the answer to a caller. Why the provider refuses is for the log: the caller has not been proved.
fn problem(error: ProviderError) -> Problem {
    match error {
        ProviderError::Away(cause) => Problem::Unavailable(format!("the identity provider: {cause}")),
        ProviderError::Refused(reason) => {
            tracing::warn!(reason, "the identity provider has not confirmed a sign-in");
            Problem::unauthorised_public(UNCONFIRMED)
        }
        ProviderError::Pending => Problem::State("the person has not confirmed the code yet"),
        ProviderError::Missing(what) => Problem::NotFound(what),
    }
}
