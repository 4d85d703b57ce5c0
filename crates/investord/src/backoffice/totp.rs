//! `/me/totp`: the second factor of the caller, begun, confirmed, deleted.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::administration::record_own;
use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::recovery_codes;
use super::recovery_codes::RecoveryCodes;
use super::second_factor::{confirmed, open_totp, second_factors_of};
use super::session::CODE;
use crate::app::App;
use crate::domain::json::schema::{ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::register_event::RegisterEventType;
use crate::domain::second_factor::{SECRET_LENGTH, SentCode, Totp};
use crate::problem::Problem;
use crate::store::encryption::Aad;
use crate::store::tenants::operator_sessions::Factor;
use crate::store::tenants::{operator_sessions, second_factors};
use crate::store::{StoreError, Tx};

/// The second factor of an operator, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SecondFactor")]
pub struct SecondFactorView {
    /// Null without a second factor, and as long as no code has confirmed it.
    confirmed_at: Option<Timestamp>,
    recovery_codes_left: i64,
}

/// A request for the caller's second factor.
pub struct ReadTotp;

impl OperatorOperation for ReadTotp {
    const OPERATION: &'static str = "GET /me/totp";
    const PERMISSION: Option<Permission> = None;
    type Answer = SecondFactorView;
    const DOC: OperatorDoc = OperatorDoc {
        id: "second_factor",
        summary: "My second factor",
        description: "Answers whether the caller has a second factor, and how many recovery codes are left.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /me/totp`: returns the state of the caller's second factor.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn show(State(app): State<App>, req: ByOperator<ReadTotp>) -> OperatorResult<SecondFactorView> {
    let own = req.operator.id;
    let read = move |tx: &Tx<'_>| {
        let confirmed_at = confirmed(tx, own)?.and_then(|factor| factor.confirmed_at);
        let recovery_codes_left = second_factors::count_recovery_codes(tx, own)?;
        Ok::<_, StoreError>(SecondFactorView { confirmed_at, recovery_codes_left })
    };
    Ok(JsonAnswer(app.store.read("second_factors.show", read).await?))
}

/// A second factor that has yet to be confirmed. Its secret is shown once.
#[derive(Serialize, JsonSchema)]
pub struct TotpEnrolment {
    /// The secret in base32, to type.
    secret: String,
    /// The address `otpauth://`, for a QR code.
    otpauth_url: String,
}

/// A request to begin a second factor.
pub struct BeginTotp;

impl OperatorOperation for BeginTotp {
    const OPERATION: &'static str = "POST /me/totp";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = TotpEnrolment;
    const DOC: OperatorDoc = OperatorDoc {
        id: "begin_second_factor",
        summary: "Begin my second factor",
        description: "Answers the secret for an authenticator app (TOTP, RFC 6238: SHA-1, 6 digits, 30 seconds). It \
                      counts once `POST /me/totp/confirmation` has confirmed it, and takes the place of another that \
                      was not confirmed.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `POST /me/totp`: begins a second factor.
///
/// # Errors
///
/// Fails with 409 if the caller has a confirmed one, or no password.
pub async fn begin(State(app): State<App>, req: ByOperator<BeginTotp>) -> OperatorResult<TotpEnrolment> {
    let own = req.operator.id;
    if req.operator.password.is_none() {
        return Err(Problem::State("this operator has access tokens and no password"));
    }
    let mut secret = Zeroizing::new([0; SECRET_LENGTH]);
    app.ids.secret(secret.as_mut_slice());
    let sealed = app.master_key.seal_own(Aad::second_factor(&own), secret.as_slice(), &*app.ids);
    let unit = move |tx: &Tx<'_>| {
        if second_factors::begin(tx, own, &sealed)? {
            return Ok(());
        }
        Err(Problem::State("this operator has a second factor; DELETE /me/totp takes it away"))
    };
    app.store.write_serializable("second_factors.begin", unit).await?;
    let totp = Totp::new(&secret, &req.operator.name);
    let (secret, otpauth_url) = (totp.secret_base32().to_string(), totp.address().to_string());
    Ok(JsonAnswer(TotpEnrolment { secret, otpauth_url }))
}

/// The body of `POST /me/totp/confirmation`.
static CONFIRM: ObjectSchema = ObjectSchema {
    name: "ConfirmTotp",
    fields: &[field("code", Presence::Always, CODE, "The six digits that the authenticator app shows.")],
};

/// A request to confirm a second factor, which is its body.
#[derive(Deserialize)]
pub struct ConfirmTotp {
    code: String,
}

impl OperatorOperation for ConfirmTotp {
    const OPERATION: &'static str = "POST /me/totp/confirmation";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = RecoveryCodes;
    const DOC: OperatorDoc = OperatorDoc {
        id: "confirm_second_factor",
        summary: "Confirm my second factor",
        description: "Confirms the second factor by a code of the app, and answers ten recovery codes, once. From then \
                      on a sign-in needs a code. The session of the request has a second factor from then on; other \
                      sessions go on, and need a new proof for what asks for one.",
        query: &[],
        request: Some(&CONFIRM),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        received.body(&CONFIRM)
    }
}

/// Handles `POST /me/totp/confirmation`: confirms the second factor of the caller.
///
/// # Errors
///
/// Fails with 400 if the code is wrong, and with 409 if nothing waits for a confirmation.
pub async fn confirm(State(app): State<App>, req: ByOperator<ConfirmTotp>) -> OperatorResult<RecoveryCodes> {
    let ByOperator { operator, session, now, operation: ConfirmTotp { code }, .. } = req;
    let (own, key) = (operator.id, Arc::clone(&app.master_key));
    let (codes, hashes) = recovery_codes::generate(own, &*app.ids);
    let ids = Arc::clone(&app.ids);
    let unit = move |tx: &Tx<'_>| {
        let begun = second_factors::by_operator(tx, own)?.filter(|factor| factor.confirmed_at.is_none());
        let begun =
            begun.ok_or(Problem::State("no second factor waits for a code; POST /me/totp begins one"))?;
        let step = match SentCode::parse(&code) {
            Some(SentCode::Totp(code)) => open_totp(&key, &operator, &begun)?.step_of(&code, now, None),
            _ => None,
        };
        let step = step.ok_or_else(|| Problem::invalid("code", "is not what the app shows now"))?;
        second_factors::confirm(tx, own, now, step)?;
        second_factors::replace_recovery_codes(tx, own, &hashes)?;
        operator_sessions::forget_proofs(tx, own, session.id)?;
        operator_sessions::record_proof(tx, own, session.id, &[Factor::Password, Factor::Totp], now)?;
        let kind = RegisterEventType::OperatorSecondFactorAdded;
        Ok::<_, Problem>(record_own(tx, &*ids, now, kind, (&operator, &session))?)
    };
    app.store.write_serializable("second_factors.confirm", unit).await?;
    Ok(JsonAnswer(codes))
}

/// The end of a second factor.
#[derive(Serialize, JsonSchema)]
pub struct DeletedSecondFactor {
    deleted: bool,
}

/// A request to delete the caller's second factor.
pub struct DeleteTotp;

impl OperatorOperation for DeleteTotp {
    const OPERATION: &'static str = "DELETE /me/totp";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = DeletedSecondFactor;
    const DOC: OperatorDoc = OperatorDoc {
        id: "delete_second_factor",
        summary: "Delete my second factor",
        description: "Deletes the authenticator app of the caller, and with the last second factor all recovery codes. \
                      Sessions go on as those of a password.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `DELETE /me/totp`: deletes the second factor of the caller.
///
/// # Errors
///
/// Fails with 409 if the caller has none.
pub async fn delete(
    State(app): State<App>,
    req: ByOperator<DeleteTotp>,
) -> OperatorResult<DeletedSecondFactor> {
    let ByOperator { operator, session, now, .. } = req;
    let ids = Arc::clone(&app.ids);
    let unit = move |tx: &Tx<'_>| {
        if !second_factors::delete(tx, operator.id)? {
            return Err(Problem::State("this operator has no second factor"));
        }
        // They stand in for passkeys, too.
        if !second_factors_of(tx, operator.id)?.is_any() {
            second_factors::delete_recovery_codes(tx, operator.id)?;
        }
        operator_sessions::forget_second_factors(tx, operator.id)?;
        let kind = RegisterEventType::OperatorSecondFactorDeleted;
        Ok(record_own(tx, &*ids, now, kind, (&operator, &session))?)
    };
    app.store.write_serializable("second_factors.delete", unit).await?;
    Ok(JsonAnswer(DeletedSecondFactor { deleted: true }))
}
