//! `/me/proof`: proves again the person behind a session.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::lockout::AttemptCounters;
use super::passkey_ceremony::{self, PASSKEY_ANSWER, PasskeyAnswer};
use super::password_hash::verify_password;
use super::second_factor::{AcceptedFactor, FactorCheck, SentFactor, check_second_factor, second_factors_of};
use super::session::{CODE, factors};
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::tenants::operator_sessions;
use crate::store::tenants::operator_sessions::{Factor, Session, SessionKind};
use crate::store::tenants::operators::Operator;

/// The body of `POST /me/proof`.
static PROVE: ObjectSchema = ObjectSchema {
    name: "ProvePerson",
    fields: &[
        field(
            "password",
            Presence::No,
            FieldRule::Text { min: 1, max: 1000 },
            "The password, of an operator without a second factor.",
        ),
        field("code", Presence::No, CODE, "What the authenticator app shows, or a recovery code."),
        field("passkey", Presence::No, PASSKEY_ANSWER, "A passkey; the answer to `{}` begins its use."),
    ],
};

/// A request to prove the person behind the session, which is its body.
#[derive(Deserialize)]
pub struct ProvePerson {
    password: Option<String>,
    code: Option<String>,
    passkey: Option<PasskeyAnswer>,
}

/// A proof of the person behind a session.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Proof")]
pub struct ProofView {
    proved_at: Timestamp,
    /// Until then the session can do what needs a proof of the last minutes.
    fresh_until: Timestamp,
    /// What has proved the person since the sign-in.
    factors: Vec<Factor>,
    /// The number of recovery codes that are left, if one was used.
    recovery_codes_left: Option<i64>,
}

impl OperatorOperation for ProvePerson {
    const OPERATION: &'static str = "POST /me/proof";
    const PERMISSION: Option<Permission> = None;
    type Answer = ProofView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "prove_person",
        summary: "Prove who I am",
        description: "Proves again who uses the session, for operations that need a proof of the last minutes: by \
                      `code` or `passkey` if the operator has a second factor, otherwise by `password`. `{}` is \
                      answered by 401 with what a browser needs to use a passkey. Wrong ones delay the next, as at a \
                      sign-in. An access token cannot be proved.",
        query: &[],
        request: Some(&PROVE),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        let read: Self = received.body(&PROVE)?;
        let sent = [read.password.is_some(), read.code.is_some(), read.passkey.is_some()];
        if sent.into_iter().filter(|is_sent| *is_sent).count() > 1 {
            return Err(Problem::invalid("(root)", "must have one of 'password', 'code' and 'passkey'"));
        }
        Ok(read)
    }
}

/// Handles `POST /me/proof`: proves again the person behind the session.
///
/// # Errors
///
/// Fails with 400 if password or code are wrong, with 401 if a second factor is needed or the caller has an access
/// token, and with 429 after too many attempts.
pub async fn prove(State(app): State<App>, req: ByOperator<ProvePerson>) -> OperatorResult<ProofView> {
    let ByOperator { operator, session, peer, operation, .. } = req;
    let ProvePerson { password, code, passkey } = operation;
    if session.kind == SessionKind::Token {
        return Err(Problem::ProofImpossible);
    }
    if operator.provider_subject.is_some() {
        return Err(Problem::State("sign in at the identity provider once more, with `fresh`"));
    }
    let own = operator.id;
    let enrolled =
        app.store.read("second_factors.find", move |tx| second_factors_of(tx, own)).await?.is_any();
    let is_sent = code.is_some() || passkey.is_some();
    let counters = match (enrolled, password) {
        (true, None) if !is_sent => return Err(second_factor_required(&app, own).await?),
        (true, Some(_)) => return Err(second_factor_required(&app, own).await?),
        (false, None) => {
            return Err(Problem::invalid("code", "this operator has no second factor; send 'password'"));
        }
        (true, None) => {
            let counters = AttemptCounters::of_session_codes(&session, &app.master_key);
            counters.count(&app).await?;
            counters
        }
        (false, Some(password)) => verify(&app, &operator, &session, peer, password).await?,
    };
    let sent = SentFactor::verify(&app, own, code, passkey).await?;
    let (proved_at, accepted) = record(&app, operator, session, sent, counters).await?;
    Ok(JsonAnswer(ProofView {
        proved_at,
        fresh_until: proved_at + app.config.operators.proof_time(),
        factors: factors(accepted.as_ref()),
        recovery_codes_left: accepted.and_then(|code| code.recovery_codes_left),
    }))
}

/// Returns the refusal that asks for a second factor, with what a browser needs to use a passkey.
async fn second_factor_required(app: &App, operator: Uuid) -> Result<Problem, Problem> {
    Ok(Problem::SecondFactorRequired { passkey: passkey_ceremony::challenge(app, operator).await? })
}

/// Verifies the password and returns what was counted of the attempt.
async fn verify(
    app: &App,
    operator: &Operator,
    session: &Session,
    peer: IpAddr,
    password: String,
) -> Result<AttemptCounters, Problem> {
    let counters = AttemptCounters::of_session(session, &app.master_key);
    counters.count(app).await?;
    if verify_password(app, peer, password, operator.password.clone()).await? {
        return Ok(counters);
    }
    Err(Problem::invalid("password", "is not the password of this operator"))
}

/// Verifies the second factor of an operator who has one, and records the proof.
async fn record(
    app: &App,
    operator: Operator,
    session: Session,
    sent: SentFactor,
    counters: AttemptCounters,
) -> Result<(Timestamp, Option<AcceptedFactor>), Problem> {
    let (key, now) = (Arc::clone(&app.master_key), app.clock.now());
    let unit = move |tx: &Tx<'_>| {
        let accepted = match (check_second_factor(tx, &key, &operator, &sent, now)?, &sent.code) {
            (FactorCheck::Accepted(code), _) => Some(code),
            (FactorCheck::NotEnrolled, None) => None,
            (FactorCheck::Missing, _) => return Err(Problem::SecondFactorRequired { passkey: None }),
            (FactorCheck::NotEnrolled | FactorCheck::Wrong, _) => {
                return Err(Problem::invalid("code", "is wrong or was used before"));
            }
        };
        counters.succeed(tx)?;
        if !operator_sessions::record_proof(tx, operator.id, session.id, &factors(accepted.as_ref()), now)? {
            return Err(Problem::unauthorised_public("the session has ended: POST /sessions gives one"));
        }
        Ok((now, accepted))
    };
    app.store.write_serializable("sessions.prove", unit).await
}
