//! Verifies a second factor, once: a code of an app, a recovery code or the use of a passkey.

use jiff::Timestamp;
use uuid::Uuid;

use super::passkey_ceremony::{PasskeyAnswer, UsedPasskey, finish_use};
use crate::app::App;
use crate::domain::second_factor::{RecoveryCode, SECRET_LENGTH, SentCode, Totp};
use crate::problem::Problem;
use crate::store::encryption::{Aad, MasterKey, sha256};
use crate::store::tenants::operator_sessions::Factor;
use crate::store::tenants::operators::Operator;
use crate::store::tenants::passkeys;
use crate::store::tenants::second_factors;
use crate::store::tenants::second_factors::SecondFactor;
use crate::store::{StoreError, Tx};

/// The second factors that an operator has.
pub struct SecondFactors {
    /// The authenticator app, if it is confirmed.
    pub totp: Option<SecondFactor>,
    /// How many passkeys.
    pub passkeys: usize,
}

impl SecondFactors {
    pub const fn is_any(&self) -> bool {
        self.totp.is_some() || self.passkeys > 0
    }
}

/// Returns the confirmed second factors of an operator.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub fn second_factors_of(tx: &Tx<'_>, operator: Uuid) -> Result<SecondFactors, StoreError> {
    let totp = confirmed(tx, operator)?;
    Ok(SecondFactors { totp, passkeys: passkeys::of_operator(tx, operator)?.len() })
}

/// What was sent as a second factor.
#[derive(Clone)]
pub struct SentFactor {
    /// What the authenticator app shows, or a recovery code.
    pub code: Option<String>,
    /// The use of a passkey, which is proved.
    passkey: Option<UsedPasskey>,
}

impl SentFactor {
    /// Verifies the use of a passkey, if one was sent. A code is verified where it is used up.
    ///
    /// # Errors
    ///
    /// Fails with 400 if the passkey does not hold.
    pub async fn verify(
        app: &App,
        operator: Uuid,
        code: Option<String>,
        passkey: Option<PasskeyAnswer>,
    ) -> Result<Self, Problem> {
        let passkey = match passkey {
            Some(answer) => Some(finish_use(app, operator, answer).await?),
            None => None,
        };
        Ok(Self { code, passkey })
    }
}

/// The result of [`check_second_factor`].
pub enum FactorCheck {
    /// The operator has no confirmed second factor, so a code proves nothing.
    NotEnrolled,
    /// Nothing was sent.
    Missing,
    /// What was sent is none of this operator, or was used before.
    Wrong,
    Accepted(AcceptedFactor),
}

/// A second factor that was right, and is used up.
pub struct AcceptedFactor {
    pub factor: Factor,
    /// The number of recovery codes that are left, if this was one.
    pub recovery_codes_left: Option<i64>,
}

/// Verifies what was sent as a second factor and uses it up.
///
/// # Errors
///
/// Fails if the database is unavailable, or the secret is sealed with another master key.
pub fn check_second_factor(
    tx: &Tx<'_>,
    key: &MasterKey,
    operator: &Operator,
    sent: &SentFactor,
    now: Timestamp,
) -> Result<FactorCheck, StoreError> {
    let own = second_factors_of(tx, operator.id)?;
    if !own.is_any() {
        return Ok(FactorCheck::NotEnrolled);
    }
    if let Some(passkey) = &sent.passkey {
        let used = passkey.record(tx, operator.id, now)?;
        let accepted = AcceptedFactor { factor: Factor::Passkey, recovery_codes_left: None };
        return Ok(if used { FactorCheck::Accepted(accepted) } else { FactorCheck::Wrong });
    }
    let Some(code) = &sent.code else { return Ok(FactorCheck::Missing) };
    let accepted = match (SentCode::parse(code), own.totp) {
        (None, _) | (Some(SentCode::Totp(_)), None) => None,
        (Some(SentCode::Totp(code)), Some(totp)) => {
            let step = open_totp(key, operator, &totp)?.step_of(&code, now, totp.last_step);
            let is_accepted =
                step.map(|step| second_factors::accept_step(tx, operator.id, step)).transpose()?;
            (is_accepted == Some(true)).then_some((Factor::Totp, None))
        }
        (Some(SentCode::Recovery(code)), _) => {
            let hash = hash_recovery_code(operator.id, &code);
            if second_factors::use_recovery_code(tx, operator.id, &hash)? {
                Some((Factor::RecoveryCode, Some(second_factors::count_recovery_codes(tx, operator.id)?)))
            } else {
                None
            }
        }
    };
    Ok(accepted.map_or(FactorCheck::Wrong, |(factor, recovery_codes_left)| {
        FactorCheck::Accepted(AcceptedFactor { factor, recovery_codes_left })
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
