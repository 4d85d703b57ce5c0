//! Verifies the code of a second factor, once.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::second_factor::{RecoveryCode, SECRET_LENGTH, SentCode, Totp};
use crate::store::encryption::{Aad, MasterKey, sha256};
use crate::store::tenants::operator_sessions::Factor;
use crate::store::tenants::operators::Operator;
use crate::store::tenants::second_factors;
use crate::store::tenants::second_factors::SecondFactor;
use crate::store::{StoreError, Tx};

/// The result of [`check_code`].
pub enum CodeCheck {
    /// The operator has no confirmed second factor, so a code proves nothing.
    NotEnrolled,
    /// No code was sent.
    Missing,
    /// The code is none of this operator, or was used before.
    Wrong,
    Accepted(AcceptedCode),
}

/// A code that was right, and is used up.
pub struct AcceptedCode {
    pub factor: Factor,
    /// The number of recovery codes that are left, if this was one.
    pub recovery_codes_left: Option<i64>,
}

/// Verifies a code and uses it up.
///
/// # Errors
///
/// Fails if the database is unavailable, or the secret is sealed with another master key.
pub fn check_code(
    tx: &Tx<'_>,
    key: &MasterKey,
    operator: &Operator,
    code: Option<&str>,
    now: Timestamp,
) -> Result<CodeCheck, StoreError> {
    let Some(own) = confirmed(tx, operator.id)? else { return Ok(CodeCheck::NotEnrolled) };
    let Some(code) = code else { return Ok(CodeCheck::Missing) };
    let accepted = match SentCode::parse(code) {
        None => None,
        Some(SentCode::Totp(code)) => {
            let step = open_totp(key, operator, &own)?.step_of(&code, now, own.last_step);
            let is_accepted =
                step.map(|step| second_factors::accept_step(tx, operator.id, step)).transpose()?;
            (is_accepted == Some(true)).then_some((Factor::Totp, None))
        }
        Some(SentCode::Recovery(code)) => {
            let hash = hash_recovery_code(operator.id, &code);
            if second_factors::use_recovery_code(tx, operator.id, &hash)? {
                Some((Factor::RecoveryCode, Some(second_factors::count_recovery_codes(tx, operator.id)?)))
            } else {
                None
            }
        }
    };
    Ok(accepted.map_or(CodeCheck::Wrong, |(factor, recovery_codes_left)| {
        CodeCheck::Accepted(AcceptedCode { factor, recovery_codes_left })
    }))
}

/// Returns the second factor of an operator if it is confirmed.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn confirmed(tx: &Tx<'_>, operator: Uuid) -> Result<Option<SecondFactor>, StoreError> {
    Ok(second_factors::by_operator(tx, operator)?.filter(|factor| factor.confirmed_at.is_some()))
}

/// Decrypts the TOTP of an operator.
///
/// # Errors
///
/// Fails if the secret is sealed with another master key.
pub fn open_totp(key: &MasterKey, operator: &Operator, own: &SecondFactor) -> Result<Totp, StoreError> {
    let secret = key.open_own(Aad::second_factor(&operator.id), &own.sealed)?;
    let length = |_| StoreError::Corrupt("a secret of another length".into());
    let secret: &[u8; SECRET_LENGTH] = secret.as_slice().try_into().map_err(length)?;
    Ok(Totp::new(secret, &operator.name))
}

/// Returns the hash under which a recovery code is stored. It needs no key and no cost, because nobody can try 2^80
/// codes, so a new master key voids none.
pub fn hash_recovery_code(operator: Uuid, code: &RecoveryCode) -> [u8; 32] {
    sha256(&[b"recovery code:", operator.as_bytes().as_slice(), code.0.as_slice()].concat())
}
