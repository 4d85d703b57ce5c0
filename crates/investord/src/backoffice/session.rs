//! Sessions of operators: sign in with a password, authenticate with a token.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use precis_core::profile::PrecisFastInvocation as _;
use precis_profiles::OpaqueString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator, read_body,
};
use crate::access::connections::network;
use crate::app::App;
use crate::clock::Ids;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::problem::Problem;
use crate::store::encryption::sha256;
use crate::store::engine::unit::Owner;
use crate::store::tenants::operators;
use crate::store::tenants::operators::{Operator, Role};

/// Lifetime of a session: a working day with a reserve.
const SESSION: SignedDuration = SignedDuration::from_hours(12);

/// Creates a random token of 256 bits. Returns it with its hash, which is stored instead of the token.
pub fn new_token(ids: &dyn Ids) -> (String, [u8; 32]) {
    let mut bytes = [0; 32];
    ids.secret(&mut bytes);
    let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let hash = sha256(token.as_bytes());
    (token, hash)
}

/// Prepares a password by the profile `OpaqueString` (RFC 8265 section 4.2): other spaces become ASCII spaces, and the
/// characters are composed (NFC), so that every keyboard produces the same password. The width of characters stays.
///
/// # Errors
///
/// Fails if the password is empty or contains characters that the profile forbids.
pub fn normalise(password: &str) -> anyhow::Result<Cow<'_, str>> {
    OpaqueString::enforce(password).map_err(|error| match error {
        precis_core::Error::Invalid => anyhow::anyhow!("must not be empty"),
        precis_core::Error::BadCodepoint(_) | precis_core::Error::Unexpected(_) => anyhow::anyhow!(
            "must not contain control or format characters, or characters that Unicode does not know (RFC 8265)"
        ),
    })
}

/// Hashes a password for storage: Argon2id with the library's parameters (those of OWASP), as a PHC string.
///
/// # Errors
///
/// Fails if the password is shorter than 12 characters or contains forbidden characters.
pub fn hash_password(password: &str, ids: &dyn Ids) -> anyhow::Result<String> {
    let password = normalise(password)?;
    anyhow::ensure!(password.chars().count() >= 12, "must have at least 12 characters");
    let mut salt = [0; 16];
    ids.secret(&mut salt);
    let hashed = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hashed.map_err(|error| anyhow::anyhow!("{error}"))?.to_string())
}

/// The body of `POST /sessions`.
#[derive(Deserialize)]
pub struct SignIn {
    name: String,
    pub(super) password: String,
}

static SIGN_IN: ObjectSchema = ObjectSchema {
    name: "SignIn",
    fields: &[
        field("name", Presence::Always, FieldRule::Text { min: 1, max: 100 }, "Name of the operator."),
        field("password", Presence::Always, FieldRule::Text { min: 1, max: 1000 }, "The password."),
    ],
};

/// Documentation of [`sign_in`].
pub const SIGN_IN_DOC: OperatorDoc = OperatorDoc {
    id: "sign_in",
    summary: "Sign in",
    description: "Answers a token, which is valid for 12 hours.",
    query: &[],
    request: Some(&SIGN_IN),
};

/// A session that has begun.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Session")]
pub struct SessionView {
    #[serde(flatten)]
    operator: OperatorView,
    /// For `authorization: Bearer`.
    token: String,
    expires_at: Timestamp,
}

/// Parses name and password of a sign-in.
///
/// # Errors
///
/// Fails if a member is missing, unknown or invalid.
pub fn read_sign_in(body: &[u8], now: Timestamp) -> Result<SignIn, Problem> {
    read_body(body, &SIGN_IN, now)
}

/// Handles `POST /sessions`: returns a token for name and password.
///
/// # Errors
///
/// Fails with 401 for a wrong name or password, and with 429 after too many attempts.
pub async fn sign_in(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Result<Bytes, BytesRejection>,
) -> OperatorResult<SessionView> {
    let body = body.map_err(|error| Problem::invalid("(root)", error.body_text()))?;
    let SignIn { name, password } = read_sign_in(&body, app.clock.now())?;
    // The rate limit uses the sent name, known or not, so that its behaviour does not disclose the existing names. The
    // attempt counts before the password is verified, so that concurrent attempts count as well.
    let mut sent = [0; 16];
    sent.copy_from_slice(&sha256(name.as_bytes())[..16]);
    let peer = network(peer.ip());
    let suspect = (peer, Uuid::from_bytes(sent));
    app.rate_limits.check_attempts(suspect)?;
    app.rate_limits.note_failure(suspect);
    let too_many = |_| Problem::TooManyRequests { retry_after_seconds: 1, what: "passwords at once" };
    let _place = app.budgets.sign_ins.acquire(peer, 1).map_err(too_many)?;
    let found = app.store.read("backoffice.by_name", move |tx| operators::by_name(tx, &name)).await?;
    let found = found.filter(|operator| operator.disabled_at.is_none());
    let kept = found.as_ref().and_then(|operator| operator.password.clone());
    let held = verify_password(&app, peer, password, kept).await?;
    let Some(operator) = found.filter(|_| held) else {
        return Err(Problem::unauthorised_public("there is no such operator with this password"));
    };
    let ((token, hash), now) = (new_token(&*app.ids), app.clock.now());
    let (id, expires) = (operator.id, now + SESSION);
    let unit = move |tx: &crate::store::Tx<'_>| operators::insert_session(tx, &hash, id, now, Some(expires));
    app.store.write("backoffice.begin", Owner::REGISTER, unit).await?;
    Ok(JsonAnswer(SessionView { operator: OperatorView::from(&operator), token, expires_at: expires }))
}

/// Returns whether the password matches the stored hash. An unknown name takes the same time, because a dummy hash is
/// verified: the time does not disclose the existing names.
async fn verify_password(
    app: &App,
    peer: IpAddr,
    password: String,
    kept: Option<String>,
) -> Result<bool, Problem> {
    /// A hash that no password has, with the same cost parameters.
    const DUMMY_HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    hash_in_turn(app, peer, move || {
        let hash = PasswordHash::new(kept.as_deref().unwrap_or(DUMMY_HASH)).ok();
        // A password that cannot be normalised was never set; hashing it all the same keeps the time equal.
        let normalised = normalise(&password).unwrap_or_else(|_| password.as_str().into());
        let verifies =
            |hash: &PasswordHash| Argon2::default().verify_password(normalised.as_bytes(), hash).is_ok();
        hash.as_ref().is_some_and(verifies) && kept.is_some()
    })
    .await
}

/// Runs a hash function on a blocking thread, when it is the turn of the caller's address.
///
/// # Errors
///
/// Fails if the hash function panics.
pub async fn hash_in_turn<T: Send + 'static>(
    app: &App,
    peer: IpAddr,
    hash: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let turn = app.budgets.passwords.acquire(peer).await;
    let turn = turn.ok_or_else(|| Problem::Unavailable("no turn for a password".into()))?;
    let hashed = tokio::task::spawn_blocking(move || {
        // The permit lasts until the hash is done, even if the client has disconnected.
        let _turn = turn;
        hash()
    });
    hashed.await.map_err(|error| Problem::Internal(error.to_string()))
}

/// The end of a session.
#[derive(Serialize, JsonSchema)]
pub struct EndedSession {
    ended: bool,
}

/// A request to end the session of its token.
pub struct SignOut;

impl OperatorOperation for SignOut {
    const OPERATION: &'static str = "DELETE /sessions";
    const ROLE: Role = Role::Viewer;
    type Answer = EndedSession;
    const DOC: OperatorDoc = OperatorDoc {
        id: "sign_out",
        summary: "Sign out",
        description: "Ends the session of the request's token.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `DELETE /sessions`: ends the session of the request's token.
///
/// # Errors
///
/// Fails if the store cannot be written.
pub async fn sign_out(State(app): State<App>, req: ByOperator<SignOut>) -> OperatorResult<EndedSession> {
    let hash = req.session;
    app.store.write("backoffice.end", Owner::REGISTER, move |tx| operators::end_session(tx, &hash)).await?;
    Ok(JsonAnswer(EndedSession { ended: true }))
}

/// A request for the caller's own record.
pub struct ReadSelf;

impl OperatorOperation for ReadSelf {
    const OPERATION: &'static str = "GET /me";
    const ROLE: Role = Role::Viewer;
    type Answer = OperatorView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "me",
        summary: "Who am I",
        description: "Answers the operator of the request's token.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /me`: returns the authenticated operator.
///
/// # Errors
///
/// Never fails.
pub async fn me(State(_): State<App>, req: ByOperator<ReadSelf>) -> OperatorResult<OperatorView> {
    Ok(JsonAnswer(OperatorView::from(&req.operator)))
}

/// An operator, without the hash of the password.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Operator")]
pub struct OperatorView {
    id: Uuid,
    name: String,
    role: Role,
    /// The only tenant whose users the operator sees; null for all.
    tenant: Option<String>,
    has_password: bool,
    created_at: Timestamp,
    disabled_at: Option<Timestamp>,
}

impl From<&Operator> for OperatorView {
    fn from(operator: &Operator) -> Self {
        let Operator { id, name, role, tenant_name, created_at, disabled_at, password, .. } = operator;
        Self {
            id: *id,
            name: name.clone(),
            role: *role,
            tenant: tenant_name.clone(),
            has_password: password.is_some(),
            created_at: *created_at,
            disabled_at: *disabled_at,
        }
    }
}
