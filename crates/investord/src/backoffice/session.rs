//! Sessions of operators: sign in with a password, authenticate with a token.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
    client_address, read_body,
};
use super::lockout::{AttemptCounters, DeviceToken, count_sign_in};
use super::passkey_ceremony::{self, PASSKEY_ANSWER, PasskeyAnswer};
use super::password_hash::verify_password;
use super::second_factor::{AcceptedFactor, FactorCheck, SentFactor, check_second_factor};
use crate::access::connections::network;
use crate::app::App;
use crate::clock::Ids;
use crate::domain::administration::GivenRole;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::{Grant, Permission};
use crate::domain::register_event::{RegisterActor, RegisterEvent, RegisterEventType, RegisterSubject};
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::encryption::sha256;
use crate::store::engine::unit::Owner;
use crate::store::log::register_events;
use crate::store::tenants::operator_sessions;
use crate::store::tenants::operator_sessions::{Factor, Session, SessionKind};
use crate::store::tenants::operators;
use crate::store::tenants::operators::Operator;

/// Number of characters of the header `user-agent` that are stored.
const AGENT_LENGTH: usize = 200;

/// Creates a random token of 256 bits. Returns it with its hash, which is stored instead of the token.
pub fn new_token(ids: &dyn Ids) -> (String, [u8; 32]) {
    let mut bytes = [0; 32];
    ids.secret(&mut bytes);
    let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let hash = sha256(token.as_bytes());
    (token, hash)
}

/// The body of `POST /sessions`.
#[derive(Deserialize)]
pub struct SignIn {
    name: String,
    pub(super) password: String,
    device: Option<String>,
    code: Option<String>,
    passkey: Option<PasskeyAnswer>,
}

static SIGN_IN: ObjectSchema = ObjectSchema {
    name: "SignIn",
    fields: &[
        field("name", Presence::Always, FieldRule::Text { min: 1, max: 100 }, "Name of the operator."),
        field("password", Presence::Always, FieldRule::Text { min: 1, max: 1000 }, "The password."),
        field(
            "device",
            Presence::No,
            FieldRule::OrNull(&FieldRule::Text { min: 1, max: 100 }),
            "What the last sign-in from this device answered. Wrong passwords sent from elsewhere do not delay it.",
        ),
        field("code", Presence::No, CODE, "Of the second factor: what the app shows, or a recovery code."),
        field(
            "passkey",
            Presence::No,
            FieldRule::OrNull(&PASSKEY_ANSWER),
            "Of the second factor: a passkey.",
        ),
    ],
};

/// The rule for a code of a second factor.
pub const CODE: FieldRule = FieldRule::Text { min: 1, max: 100 };

/// Documentation of [`sign_in`].
pub const SIGN_IN_DOC: OperatorDoc = OperatorDoc {
    id: "sign_in",
    summary: "Sign in",
    description: "Answers a token, which ends after 12 hours, or 15 minutes without a request, unless the \
                  configuration says otherwise. After five wrong passwords an account has to wait, for a \
                  second, then for twice as long each time, for 15 minutes at most. An operator with a second \
                  factor is refused with the problem `second_factor_required` unless `code` or `passkey` is sent.",
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
    /// For the next sign-in with a password from this device.
    device: Option<String>,
    /// What has proved the person.
    factors: Vec<Factor>,
    /// The number of recovery codes that are left, if one was used.
    recovery_codes_left: Option<i64>,
}

impl SessionView {
    /// Returns the view of a session that has begun without a password.
    pub(super) fn begun(
        operator: &Operator,
        token: String,
        expires_at: Timestamp,
        factors: Vec<Factor>,
    ) -> Self {
        let operator = OperatorView::from(operator);
        Self { operator, token, expires_at, device: None, factors, recovery_codes_left: None }
    }
}

/// Parses name and password of a sign-in.
///
/// # Errors
///
/// Fails if a member is missing, unknown or invalid.
pub fn read_sign_in(body: &[u8], now: Timestamp) -> Result<SignIn, Problem> {
    read_body(body, &SIGN_IN, now)
}

/// Handles `POST /sessions`: returns a token for name and password, and a code if the operator has a second factor.
///
/// # Errors
///
/// Fails with 401 for a wrong name, password or code, or without a code, and with 429 after too many attempts.
pub async fn sign_in(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> OperatorResult<SessionView> {
    let body = body.map_err(|error| Problem::invalid("(root)", error.body_text()))?;
    let SignIn { name, password, device, code, passkey } = read_sign_in(&body, app.clock.now())?;
    let address = client_address(&app, peer, &headers);
    let network = network(address);
    let too_many = |_| Problem::TooManyRequests { retry_after_seconds: 1, what: "passwords at once" };
    let _place = app.budgets.sign_ins.acquire(network, 1).map_err(too_many)?;
    let sent = name.clone();
    let found = app.store.read("backoffice.by_name", move |tx| operators::by_name(tx, &sent)).await?;
    let key = &app.master_key;
    let known = found.as_ref().zip(device).and_then(|(one, device)| DeviceToken::parse(&device, one, key));
    let counters = match &known {
        Some(device) => AttemptCounters::of_device(device, key),
        None => AttemptCounters::of_stranger(&name, network, key),
    };
    counters.count(&app).await.inspect_err(|_| count_sign_in("delayed"))?;
    let found = found.filter(|operator| operator.disabled_at.is_none());
    let kept = found.as_ref().and_then(|operator| operator.password.clone());
    let held = verify_password(&app, network, password, kept).await?;
    let Some(operator) = found.filter(|_| held) else {
        count_sign_in("refused");
        tracing::warn!(%address, "a sign-in with a wrong name or password");
        return Err(wrong_password());
    };
    let device = known.unwrap_or_else(|| DeviceToken::new(&operator, key, &*app.ids)).text();
    let now = app.clock.now();
    let expires_at = now + app.config.operators.lifetime();
    let session = Session {
        expires: Some(expires_at),
        address: Some(address.to_string()),
        agent: user_agent(&headers),
        ..Session::new(app.ids.uuid(), SessionKind::Session, now)
    };
    let sent = SentFactor::verify(&app, operator.id, code, passkey).await?;
    let begun = begin_session(&app, &operator, session, sent, counters.clone()).await;
    if let Err(problem) = &begun {
        counters.record_refusal(&app, address, problem).await;
    }
    let (token, accepted) = begun?;
    count_sign_in("ok");
    let recovery_codes_left = accepted.as_ref().and_then(|code| code.recovery_codes_left);
    let factors = factors(accepted.as_ref());
    let view = SessionView::begun(&operator, token, expires_at, factors);
    Ok(JsonAnswer(SessionView { device: Some(device), recovery_codes_left, ..view }))
}

/// Returns the factors of a person whose password was right, and perhaps a code.
pub(super) fn factors(accepted: Option<&AcceptedFactor>) -> Vec<Factor> {
    [Factor::Password].into_iter().chain(accepted.map(|code| code.factor)).collect()
}

fn wrong_password() -> Problem {
    Problem::unauthorised_public("there is no such operator with this password")
}

/// Verifies the second factor of an operator whose password is verified, stores the session and returns its token.
async fn begin_session(
    app: &App,
    operator: &Operator,
    session: Session,
    sent: SentFactor,
    counters: AttemptCounters,
) -> Result<(String, Option<AcceptedFactor>), Problem> {
    let (token, hash) = new_token(&*app.ids);
    let ids = Arc::clone(&app.ids);
    let (verified, key, now) = (operator.clone(), Arc::clone(&app.master_key), session.created_at);
    let unit = move |tx: &Tx<'_>| {
        // While the password was verified it may have been changed, or the operator disabled.
        let same = |one: &Operator| one.password == verified.password && one.disabled_at.is_none();
        operators::by_name(tx, &verified.name)?.filter(same).ok_or_else(wrong_password)?;
        let accepted = match check_second_factor(tx, &key, &verified, &sent, now)? {
            FactorCheck::NotEnrolled => None,
            FactorCheck::Accepted(code) => Some(code),
            FactorCheck::Missing => return Err(Problem::SecondFactorRequired { passkey: None }),
            FactorCheck::Wrong => {
                return Err(Problem::unauthorised_public("the second factor is wrong or was used before"));
            }
        };
        let failures = counters.succeed(tx)?;
        let session = Session { factors: factors(accepted.as_ref()), ..session.clone() };
        operator_sessions::insert(tx, &hash, verified.id, &session)?;
        operators::record_use(tx, verified.id, now)?;
        register_events::record(tx, &*ids, now, &signed_in(&verified, &session, failures))?;
        Ok(accepted)
    };
    match app.store.write_serializable("backoffice.begin", unit).await {
        Ok(accepted) => Ok((token, accepted)),
        Err(Problem::SecondFactorRequired { .. }) => {
            let passkey = passkey_ceremony::challenge(app, operator.id).await?;
            Err(Problem::SecondFactorRequired { passkey })
        }
        Err(other) => Err(other),
    }
}

/// Returns the event of a sign-in.
pub(super) fn signed_in(operator: &Operator, session: &Session, failures: i64) -> RegisterEvent {
    let actor = RegisterActor::Operator { name: operator.name.clone(), session: session.id };
    let subject = RegisterSubject::Operator(operator.name.clone());
    let Session { address, agent, factors, .. } = session;
    let place =
        json!({ "address": address, "agent": agent, "factors": factors, "failures_before": failures });
    RegisterEvent::new(RegisterEventType::OperatorSignedIn, actor, subject).with_new(place)
}

/// Returns what the caller's program calls itself.
pub(super) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(agent.chars().take(AGENT_LENGTH).collect())
}

/// The end of a session.
#[derive(Serialize, JsonSchema)]
pub struct EndedSession {
    pub(super) ended: bool,
}

/// A request to end the session of its token.
pub struct SignOut;

impl OperatorOperation for SignOut {
    const OPERATION: &'static str = "DELETE /sessions";
    const PERMISSION: Option<Permission> = None;
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
    let (operator, id) = (req.operator.id, req.session.id);
    let unit = move |tx: &Tx<'_>| operator_sessions::end(tx, operator, id);
    app.store.write("backoffice.end", Owner::REGISTER, unit).await?;
    Ok(JsonAnswer(EndedSession { ended: true }))
}

/// A request for the caller's own record.
pub struct ReadSelf;

impl OperatorOperation for ReadSelf {
    const OPERATION: &'static str = "GET /me";
    const PERMISSION: Option<Permission> = None;
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
    /// What the operator may do, and where.
    grants: Vec<GivenRole>,
    /// Whether the operator has a password; without one an invitation has not been accepted, or they
    /// sign in at the identity provider.
    has_password: bool,
    created_at: Timestamp,
    /// The last use of a session or token, to the minute.
    last_used_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
}

impl From<&Operator> for OperatorView {
    fn from(operator: &Operator) -> Self {
        let Operator { id, name, grants, created_at, used_at, disabled_at, password, .. } = operator;
        let given = |grant: &Grant| GivenRole { role: grant.role.clone(), tenant: grant.tenant_name.clone() };
        Self {
            id: *id,
            name: name.clone(),
            grants: grants.0.iter().map(given).collect(),
            has_password: password.is_some(),
            created_at: *created_at,
            last_used_at: *used_at,
            disabled_at: *disabled_at,
        }
    }
}
