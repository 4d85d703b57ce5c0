//! `/me/recovery-codes`: new recovery codes in the place of the old ones.

use std::sync::Arc;

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::administration::record_own;
use super::by_operator::{
    ByOperator, JsonAnswer, OperatorDoc, OperatorOperation, OperatorResult, ReceivedByOperator,
};
use super::second_factor::{hash_recovery_code, second_factors_of};
use crate::app::App;
use crate::clock::Ids;
use crate::domain::permissions::Permission;
use crate::domain::register_event::RegisterEventType;
use crate::domain::second_factor::{RECOVERY_CODE_LENGTH, RecoveryCode};
use crate::problem::Problem;
use crate::store::Tx;
use crate::store::tenants::second_factors;

/// Number of recovery codes that an operator gets.
const CODES: usize = 10;

/// Recovery codes, which are shown once.
#[derive(Serialize, JsonSchema)]
pub struct RecoveryCodes {
    /// Each can be sent once in the place of a code of the app.
    recovery_codes: Vec<String>,
}

impl RecoveryCodes {
    /// Returns the codes to be shown.
    pub fn into_texts(self) -> Vec<String> {
        self.recovery_codes
    }
}

/// Generates recovery codes. Returns them with the hashes that are stored instead.
pub fn generate(operator: Uuid, ids: &dyn Ids) -> (RecoveryCodes, Vec<[u8; 32]>) {
    let new = || {
        let mut bytes = Zeroizing::new([0; RECOVERY_CODE_LENGTH]);
        ids.secret(bytes.as_mut_slice());
        let code = RecoveryCode(bytes);
        (code.text(), hash_recovery_code(operator, &code))
    };
    let (recovery_codes, hashes) = std::iter::repeat_with(new).take(CODES).unzip();
    (RecoveryCodes { recovery_codes }, hashes)
}

/// A request for new recovery codes.
pub struct ReplaceRecoveryCodes;

impl OperatorOperation for ReplaceRecoveryCodes {
    const OPERATION: &'static str = "POST /me/recovery-codes";
    const PERMISSION: Option<Permission> = None;
    const NEEDS_FRESH_PROOF: bool = true;
    type Answer = RecoveryCodes;
    const DOC: OperatorDoc = OperatorDoc {
        id: "replace_recovery_codes",
        summary: "Replace my recovery codes",
        description: "Answers ten new recovery codes, once; the old ones are void. An operator without a confirmed \
                      second factor has none.",
        query: &[],
        request: None,
    };

    fn read(_: &ReceivedByOperator<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// Handles `POST /me/recovery-codes`: replaces the recovery codes of the caller.
///
/// # Errors
///
/// Fails with 409 if the caller has no confirmed second factor.
pub async fn replace(
    State(app): State<App>,
    req: ByOperator<ReplaceRecoveryCodes>,
) -> OperatorResult<RecoveryCodes> {
    let ByOperator { operator, session, now, .. } = req;
    let (codes, hashes) = generate(operator.id, &*app.ids);
    let ids = Arc::clone(&app.ids);
    let unit = move |tx: &Tx<'_>| {
        if !second_factors_of(tx, operator.id)?.is_any() {
            return Err(Problem::State("this operator has no second factor"));
        }
        second_factors::replace_recovery_codes(tx, operator.id, &hashes)?;
        let kind = RegisterEventType::OperatorRecoveryCodesReplaced;
        Ok::<_, Problem>(record_own(tx, &*ids, now, kind, (&operator, &session))?)
    };
    app.store.write_serializable("recovery_codes.replace", unit).await?;
    Ok(JsonAnswer(codes))
}
