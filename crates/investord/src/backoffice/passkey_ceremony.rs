//! The ceremonies of passkeys (Web Authentication level 3): begun, kept by the caller, finished once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::Webauthn;
use webauthn_rs::prelude::{
    CreationChallengeResponse, Passkey, PasskeyAuthentication, PasskeyRegistration, WebauthnError,
};

use super::sealed_state::{open, seal};
use crate::app::App;
use crate::domain::json::schema::{FieldRule, ObjectSchema, Presence, field};
use crate::problem::Problem;
use crate::store::encryption::sha256;
use crate::store::log::idempotency;
use crate::store::log::idempotency::Nonce;
use crate::store::tenants::operators::Operator;
use crate::store::tenants::passkeys;
use crate::store::tenants::passkeys::PasskeyRow;
use crate::store::{StoreError, Tx};

/// Time for which a ceremony may take.
const CEREMONY_TIME: SignedDuration = SignedDuration::from_mins(5);

/// The members of a credential that the register itself reads; the library reads the others.
static CREDENTIAL: ObjectSchema = ObjectSchema {
    name: "PublicKeyCredential",
    fields: &[
        field("id", Presence::Always, FieldRule::Text { min: 1, max: 2000 }, "Id of the credential."),
        field("type", Presence::Always, FieldRule::OneOf(&["public-key"]), "Its type."),
    ],
};
/// What a browser has made of a ceremony.
static PASSKEY: ObjectSchema = ObjectSchema {
    name: "PasskeyAnswer",
    fields: &[
        field(
            "request",
            Presence::Always,
            FieldRule::Text { min: 1, max: 20_000 },
            "Of the answer that began it.",
        ),
        field(
            "credential",
            Presence::Always,
            FieldRule::OpenObject(&CREDENTIAL),
            "What `navigator.credentials` returned, by its `toJSON()`.",
        ),
    ],
};
/// The rule for what a browser has made of a ceremony.
pub const PASSKEY_ANSWER: FieldRule = FieldRule::Object(&PASSKEY);

/// What a browser has made of a ceremony.
#[derive(Deserialize)]
pub struct PasskeyAnswer {
    pub request: String,
    pub credential: Value,
}

/// A ceremony that has begun.
#[derive(Serialize, Deserialize)]
struct Begun<S> {
    operator: Uuid,
    state: S,
    expires_at: Timestamp,
}

/// A use of a passkey that is proved, and has to be recorded once.
#[derive(Clone)]
pub struct UsedPasskey {
    id: Uuid,
    /// The credential with its new counter.
    credential: String,
    nonce: Nonce,
}

impl UsedPasskey {
    /// Records the use, and returns whether it counts: the passkey still exists, and the ceremony was not finished
    /// before.
    ///
    /// # Errors
    ///
    /// Fails if the database is unavailable.
    pub fn record(&self, tx: &Tx<'_>, operator: Uuid, now: Timestamp) -> Result<bool, StoreError> {
        Ok(idempotency::remember_nonce(tx, &self.nonce)?
            && passkeys::record_use(tx, operator, self.id, &self.credential, now)?)
    }
}

/// Begins the creation of a passkey, and returns the options for the browser with the secret of the ceremony.
///
/// # Errors
///
/// Fails if no origin for passkeys is configured, or the store cannot be read.
pub async fn begin_registration(
    app: &App,
    operator: &Operator,
) -> Result<(CreationChallengeResponse, String), Problem> {
    let held = read_held(app, operator.id).await?;
    let known = held.iter().map(|(_, key)| key.cred_id().clone()).collect();
    let name = &operator.name;
    let begun = webauthn(app)?.start_passkey_registration(operator.id, name, name, Some(known));
    let (options, state) = begun.map_err(internal)?;
    Ok((options, seal_begun(app, operator.id, state)))
}

/// Verifies the passkey that a browser has created.
///
/// # Errors
///
/// Fails with 400 if the ceremony is not of this operator, is over, or the passkey does not hold.
pub fn finish_registration(
    app: &App,
    operator: Uuid,
    answer: PasskeyAnswer,
) -> Result<(Passkey, Nonce), Problem> {
    let (state, nonce) = open_begun::<PasskeyRegistration>(app, operator, &answer.request)?;
    let credential =
        serde_json::from_value(answer.credential).map_err(|error| invalid(&error.to_string()))?;
    let made = webauthn(app)?.finish_passkey_registration(&credential, &state);
    made.map(|key| (key, nonce)).map_err(|error| invalid(&error.to_string()))
}

/// Returns what a browser needs to use a passkey of an operator: `options` and `request`; none without a passkey.
///
/// # Errors
///
/// Fails if the store cannot be read.
pub async fn challenge(app: &App, operator: Uuid) -> Result<Option<Box<Value>>, Problem> {
    let keys: Vec<Passkey> = read_held(app, operator).await?.into_iter().map(|(_, key)| key).collect();
    let (Some(webauthn), false) = (&app.webauthn, keys.is_empty()) else { return Ok(None) };
    let (options, state) = webauthn.start_passkey_authentication(&keys).map_err(internal)?;
    let request = seal_begun(app, operator, state);
    Ok(Some(Box::new(json!({ "options": options, "request": request }))))
}

/// Verifies the use of a passkey.
///
/// # Errors
///
/// Fails with 400 if the ceremony is not of this operator, is over, or the passkey does not hold.
pub async fn finish_use(app: &App, operator: Uuid, answer: PasskeyAnswer) -> Result<UsedPasskey, Problem> {
    let (state, nonce) = open_begun::<PasskeyAuthentication>(app, operator, &answer.request)?;
    let credential =
        serde_json::from_value(answer.credential).map_err(|error| invalid(&error.to_string()))?;
    let used = webauthn(app)?.finish_passkey_authentication(&credential, &state);
    let used = used.map_err(|error| invalid(&error.to_string()))?;
    let held = read_held(app, operator).await?;
    let found = held.into_iter().find(|(_, key)| key.cred_id() == used.cred_id());
    let (row, mut key) = found.ok_or_else(|| invalid("the operator has no such passkey"))?;
    key.update_credential(&used);
    Ok(UsedPasskey { id: row.id, credential: json!(key).to_string(), nonce })
}

/// Reads the passkeys of an operator.
async fn read_held(app: &App, operator: Uuid) -> Result<Vec<(PasskeyRow, Passkey)>, Problem> {
    let read = move |tx: &Tx<'_>| passkeys::of_operator(tx, operator);
    let rows = app.store.read("passkeys.of_operator", read).await?;
    let corrupt = |error: serde_json::Error| StoreError::Corrupt(format!("a passkey: {error}"));
    let key = |row: PasskeyRow| {
        let key = serde_json::from_str(&row.credential).map_err(corrupt)?;
        Ok((row, key))
    };
    rows.into_iter().map(key).collect()
}

fn seal_begun(app: &App, operator: Uuid, state: impl Serialize) -> String {
    seal(app, &Begun { operator, state, expires_at: app.clock.now() + CEREMONY_TIME })
}

/// Opens a ceremony of an operator that is not over, with what makes it count once.
fn open_begun<S: serde::de::DeserializeOwned>(
    app: &App,
    operator: Uuid,
    request: &str,
) -> Result<(S, Nonce), Problem> {
    let now = app.clock.now();
    let begun: Option<Begun<S>> = open(app, request);
    let begun = begun.filter(|begun| begun.operator == operator && begun.expires_at > now);
    let Begun { state, expires_at, .. } = begun.ok_or_else(|| invalid("it was not begun, or is over"))?;
    let hash = *sha256(request.as_bytes()).first_chunk().expect("a hash has 32 bytes");
    Ok((state, Nonce { hash, until: expires_at, now }))
}

fn webauthn(app: &App) -> Result<&Webauthn, Problem> {
    app.webauthn.as_ref().ok_or(Problem::State("passkeys need operators.passkey_origin in the configuration"))
}

fn invalid(reason: &str) -> Problem {
    Problem::invalid("passkey", format!("does not hold: {reason}"))
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn internal(error: WebauthnError) -> Problem {
    Problem::Internal(error.to_string())
}
