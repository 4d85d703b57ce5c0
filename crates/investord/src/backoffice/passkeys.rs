//! `/me/passkeys`: the passkeys of the caller, begun, confirmed, listed, deleted.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::administration::record_own;
use super::by_operator::{
    ByOperator, JsonAnswer, List, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::passkey_ceremony::{PASSKEY_ANSWER, PasskeyAnswer, begin_registration, finish_registration};
use super::recovery_codes;
use super::second_factor::second_factors_of;
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::domain::permissions::Permission;
use crate::domain::register_event::RegisterEventType;
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::log::idempotency;
use crate::store::tenants::operator_sessions::Factor;
use crate::store::tenants::passkeys::PasskeyRow;
use crate::store::tenants::{operator_sessions, passkeys, second_factors};

/// Number of passkeys that an operator may have.
const MOST: usize = 10;

/// A passkey of the caller.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Passkey")]
pub struct PasskeyView {
    id: Uuid,
    name: String,
    created_at: Timestamp,
    /// When it last proved the person.
    last_used_at: Option<Timestamp>,
}

impl From<PasskeyRow> for PasskeyView {
    fn from(row: PasskeyRow) -> Self {
        Self { id: row.id, name: row.name, created_at: row.created_at, last_used_at: row.used_at }
    }
}

/// A request for the caller's passkeys.
pub struct ListPasskeys;

impl OperatorOperation for ListPasskeys {
    const OPERATION: &'static str = "GET /me/passkeys";
    const PERMISSION: Option<Permission> = None;
    type Answer = List<PasskeyView>;
    const DOC: OperatorDoc = OperatorDoc {
        id: "my_passkeys",
        summary: "My passkeys",
        description: "Lists the passkeys of the caller.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `GET /me/passkeys`: lists the passkeys of the caller.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn list(
    State(app): State<App>,
    req: ByOperator<ListPasskeys>,
) -> OperatorResult<List<PasskeyView>> {
    let own = req.operator.id;
    let rows = app.store.read("passkeys.list", move |tx| passkeys::of_operator(tx, own)).await?;
    Ok(JsonAnswer(List { data: rows.into_iter().map(PasskeyView::from).collect() }))
}

/// The beginning of a passkey.
#[derive(Serialize, JsonSchema)]
pub struct PasskeyCreation {
    /// For `navigator.credentials.create`, by `PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey)`.
    options: Map<String, Value>,
    /// For `POST /me/passkeys/confirmation`.
    request: String,
}

/// A request to begin a passkey.
pub struct BeginPasskey;

impl OperatorOperation for BeginPasskey {
    const OPERATION: &'static str = "POST /me/passkeys";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = PasskeyCreation;
    const DOC: OperatorDoc = OperatorDoc {
        id: "begin_passkey",
        summary: "Begin a passkey",
        description: "Answers what a browser needs to create a passkey (Web Authentication): on the page of \
                      `operators.passkey_origin`, within five minutes, with user verification.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `POST /me/passkeys`: begins a passkey of the caller.
///
/// # Errors
///
/// Fails with 409 if the caller has no password, or no origin for passkeys is configured.
pub async fn begin(State(app): State<App>, req: ByOperator<BeginPasskey>) -> OperatorResult<PasskeyCreation> {
    if req.operator.password.is_none() {
        return Err(Problem::State(
            "a passkey is the second factor beside a password, which this operator has not",
        ));
    }
    let (options, request) = begin_registration(&app, &req.operator).await?;
    let Value::Object(options) = json!(options) else { unreachable!("options are an object") };
    Ok(JsonAnswer(PasskeyCreation { options, request }))
}

static CONFIRM: ObjectSchema = ObjectSchema {
    name: "ConfirmPasskey",
    fields: &[
        field("name", Presence::Always, FieldRule::Text { min: 1, max: 100 }, "What the operator calls it."),
        field("passkey", Presence::Always, PASSKEY_ANSWER, "What the browser has created."),
    ],
};

/// A request to confirm a passkey, which is its body.
#[derive(Deserialize)]
pub struct ConfirmPasskey {
    name: String,
    passkey: PasskeyAnswer,
}

/// A passkey that counts from now on.
#[derive(Serialize, JsonSchema)]
pub struct AddedPasskey {
    #[serde(flatten)]
    passkey: PasskeyView,
    /// If it is the first second factor: each can be sent once in the place of a code or passkey. Shown once.
    recovery_codes: Option<Vec<String>>,
}

impl OperatorOperation for ConfirmPasskey {
    const OPERATION: &'static str = "POST /me/passkeys/confirmation";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = AddedPasskey;
    const DOC: OperatorDoc = OperatorDoc {
        id: "confirm_passkey",
        summary: "Confirm a passkey",
        description: "Adds the passkey that the browser has created. From then on a sign-in needs a second factor. The \
                      session of the request has one from then on; other sessions go on, and need a new proof for what \
                      asks for one.",
        query: &[],
        request: Some(&CONFIRM),
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        received.body(&CONFIRM)
    }
}

/// Handles `POST /me/passkeys/confirmation`: adds a passkey of the caller.
///
/// # Errors
///
/// Fails with 400 if the passkey does not hold, and with 409 if the caller has too many.
pub async fn confirm(
    State(app): State<App>,
    req: ByOperator<ConfirmPasskey>,
) -> OperatorResult<AddedPasskey> {
    let ByOperator { operator, session, now, operation: ConfirmPasskey { name, passkey }, .. } = req;
    let own = operator.id;
    let (key, nonce) = finish_registration(&app, own, passkey)?;
    let credential = json!(key).to_string();
    let row = PasskeyRow { id: app.ids.uuid(), name, credential, created_at: now, used_at: None };
    let (codes, hashes) = recovery_codes::generate(own, &*app.ids);
    let (ids, new) = (Arc::clone(&app.ids), row.clone());
    let unit = move |tx: &Tx<'_>| {
        if !idempotency::remember_nonce(tx, &nonce)? {
            return Err(Problem::invalid("passkey", "was confirmed before"));
        }
        let held = second_factors_of(tx, own)?;
        if held.passkeys >= MOST {
            return Err(Problem::State("this operator has ten passkeys, which is the maximum"));
        }
        passkeys::insert(tx, own, &new)?;
        let is_first = !held.is_any();
        if is_first {
            second_factors::replace_recovery_codes(tx, own, &hashes)?;
        }
        operator_sessions::forget_proofs(tx, own, session.id)?;
        operator_sessions::record_proof(tx, own, session.id, &[Factor::Password, Factor::Passkey], now)?;
        let kind = RegisterEventType::OperatorPasskeyAdded;
        record_own(tx, &*ids, now, kind, (&operator, &session))?;
        Ok(is_first)
    };
    let is_first = app.store.write_serializable("passkeys.confirm", unit).await?;
    let recovery_codes = is_first.then(|| codes.into_texts());
    Ok(JsonAnswer(AddedPasskey { passkey: row.into(), recovery_codes }))
}

/// The end of a passkey.
#[derive(Serialize, JsonSchema)]
pub struct DeletedPasskey {
    deleted: bool,
}

/// A request to delete a passkey of the caller.
pub struct DeletePasskey {
    passkey: Uuid,
}

impl OperatorOperation for DeletePasskey {
    const OPERATION: &'static str = "DELETE /me/passkeys/{passkey}";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = DeletedPasskey;
    const DOC: OperatorDoc = OperatorDoc {
        id: "delete_passkey",
        summary: "Delete a passkey",
        description: "Deletes a passkey of the caller, and with the last second factor all recovery codes. Sessions go \
                      on as those of a password.",
        query: &[],
        request: None,
    };

    fn read(received: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self { passkey: received.path_id("passkey", "passkey")? })
    }
}

/// Handles `DELETE /me/passkeys/{passkey}`: deletes a passkey of the caller.
///
/// # Errors
///
/// Fails with 404 if the caller has no such passkey.
pub async fn delete(
    State(app): State<App>,
    req: ByOperator<DeletePasskey>,
) -> OperatorResult<DeletedPasskey> {
    let ByOperator { operator, session, now, operation: DeletePasskey { passkey }, .. } = req;
    let ids = Arc::clone(&app.ids);
    let unit = move |tx: &Tx<'_>| {
        if !passkeys::delete(tx, operator.id, passkey)? {
            return Err(Problem::NotFound("passkey"));
        }
        if !second_factors_of(tx, operator.id)?.is_any() {
            second_factors::delete_recovery_codes(tx, operator.id)?;
        }
        operator_sessions::forget_second_factors(tx, operator.id)?;
        let kind = RegisterEventType::OperatorPasskeyDeleted;
        Ok(record_own(tx, &*ids, now, kind, (&operator, &session))?)
    };
    app.store.write_serializable("passkeys.delete", unit).await?;
    Ok(JsonAnswer(DeletedPasskey { deleted: true }))
}
