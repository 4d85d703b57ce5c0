//! Lock-out of sign-ins: refuses and counts the attempts of an account, a known device and an address.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use crate::app::App;
use crate::clock::Ids;
use crate::domain::lockout::{Counted, Failures};
use crate::problem::Problem;
use crate::store::encryption::MasterKey;
use crate::store::tenants::operator_sessions::Session;
use crate::store::tenants::operators::Operator;
use crate::store::tenants::sign_in_failures;
use crate::store::tenants::sign_in_failures::Subject;
use crate::store::{StoreError, Tx};

/// Bytes of the random part of a device token, and of its MAC.
const HALF: usize = 16;

/// The token of a device from which an operator has signed in. It proves nothing else. The failures of a known device
/// are counted separately, so that an attacker who guesses passwords from elsewhere cannot lock the operator out.
pub struct DeviceToken {
    random: [u8; HALF],
    mac: [u8; HALF],
}

impl DeviceToken {
    /// Creates the token of a new device. It is void when the password changes.
    pub fn new(operator: &Operator, key: &MasterKey, ids: &dyn Ids) -> Self {
        let mut random = [0; HALF];
        ids.secret(&mut random);
        Self { random, mac: Self::mac(operator, key, &random) }
    }

    /// Parses the token of a device of this operator; `None` if it is another's or was made up.
    pub fn parse(text: &str, operator: &Operator, key: &MasterKey) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (random, mac) = (bytes.get(..HALF)?.try_into().ok()?, bytes.get(HALF..)?);
        let expected = Self::mac(operator, key, &random);
        verify_slices_are_equal(&expected, mac).ok()?;
        Some(Self { random, mac: expected })
    }

    fn mac(operator: &Operator, key: &MasterKey, random: &[u8; HALF]) -> [u8; HALF] {
        let password = operator.password.as_deref().unwrap_or_default();
        let whole = key.sign_in_mac(&[b"token", operator.id.as_bytes(), password.as_bytes(), random]);
        let mut mac = [0; HALF];
        mac.copy_from_slice(&whole[..HALF]);
        mac
    }

    /// Returns the text, in base64.
    pub fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([self.random, self.mac].concat())
    }
}

/// What an attempt to sign in is counted of.
#[derive(Clone)]
pub struct AttemptCounters(Vec<(Counted, Subject)>);

impl AttemptCounters {
    /// Returns the counters of a sign-in from a known device.
    pub fn of_device(device: &DeviceToken, key: &MasterKey) -> Self {
        Self(vec![(Counted::Device, key.sign_in_mac(&[b"device", &device.random]))])
    }

    /// Returns the counter of a session in which the password is verified again. It is counted separately for the same
    /// reason as a device.
    pub fn of_session(session: &Session, key: &MasterKey) -> Self {
        Self(vec![(Counted::Device, key.sign_in_mac(&[b"session", session.id.as_bytes()]))])
    }

    /// Returns the counter of a session in which a code is verified. It is counted separately from the password,
    /// because the right one ends the counting: whoever knows the password could otherwise go on guessing codes.
    pub fn of_session_codes(session: &Session, key: &MasterKey) -> Self {
        Self(vec![(Counted::Device, key.sign_in_mac(&[b"session codes", session.id.as_bytes()]))])
    }

    /// Returns the counters of a sign-in from elsewhere. The name counts whether or not it exists, so that a refusal
    /// does not disclose the names.
    pub fn of_stranger(name: &str, peer: IpAddr, key: &MasterKey) -> Self {
        let address = peer.to_string();
        Self(vec![
            (Counted::Account, key.sign_in_mac(&[b"account", name.as_bytes()])),
            (Counted::Address, key.sign_in_mac(&[b"address", address.as_bytes()])),
        ])
    }

    /// Counts an attempt as failed before its password is verified, so that concurrent attempts count as well.
    ///
    /// # Errors
    ///
    /// Fails with 429 while the account, the device or the address has to wait.
    pub async fn count(&self, app: &App) -> Result<(), Problem> {
        // Most refused attempts end here: a read costs less than a unit, and the writer does not wait for it.
        let (own, now) = (self.clone(), app.clock.now());
        app.store.read("sign_in_failures.check", move |tx| own.check(tx, now)).await?;
        let own = self.clone();
        let unit = move |tx: &Tx<'_>| {
            own.check(tx, now)?;
            for (_, subject) in &own.0 {
                let failures = sign_in_failures::by_subject(tx, subject)?;
                sign_in_failures::save(tx, subject, Failures::and_another(failures, now))?;
            }
            Ok(())
        };
        app.store.write_serializable("sign_in_failures.count", unit).await
    }

    /// Fails with 429 while one of them has to wait.
    fn check(&self, tx: &Tx<'_>, now: Timestamp) -> Result<(), Problem> {
        for (counted, subject) in &self.0 {
            let failures = sign_in_failures::by_subject(tx, subject)?;
            if let Some(until) = failures.and_then(|failures| failures.not_before(*counted, now)) {
                let wait = until.duration_since(now) + SignedDuration::from_nanos(999_999_999);
                let retry_after_seconds = u64::try_from(wait.as_secs()).unwrap_or_default();
                let what = "wrong passwords or codes for this account or from this address";
                return Err(Problem::TooManyRequests { retry_after_seconds, what });
            }
        }
        Ok(())
    }

    /// Takes back what was counted of a sign-in that has succeeded. The failures of the account or the device end, and
    /// their number is returned; those of the address stay, because others may share it.
    ///
    /// # Errors
    ///
    /// Fails if the database is unavailable.
    pub fn succeed(&self, tx: &Tx<'_>) -> Result<i64, StoreError> {
        let mut ended = 0;
        for (counted, subject) in &self.0 {
            if let Some(failures) = sign_in_failures::by_subject(tx, subject)? {
                // One of them is this attempt.
                let before = failures.count - 1;
                let count = if *counted == Counted::Address { before } else { 0 };
                ended += before - count;
                sign_in_failures::save(tx, subject, Failures { count, ..failures })?;
            }
        }
        Ok(ended)
    }

    /// Takes back what was counted of this attempt alone: the password was right and the code was not sent. The
    /// failures before it stay, or whoever knows the password could end the counting between two guesses at the code.
    ///
    /// # Errors
    ///
    /// Fails if the database is unavailable.
    async fn take_back(&self, app: &App) -> Result<(), StoreError> {
        let own = self.clone();
        let unit = move |tx: &Tx<'_>| {
            for (_, subject) in &own.0 {
                if let Some(failures) = sign_in_failures::by_subject(tx, subject)? {
                    let count = failures.count - 1;
                    sign_in_failures::save(tx, subject, Failures { count, ..failures })?;
                }
            }
            Ok::<_, StoreError>(())
        };
        app.store.write_serializable("sign_in_failures.take_back", unit).await
    }

    /// Records why a sign-in with the right password was refused all the same.
    pub async fn record_refusal(&self, app: &App, address: IpAddr, problem: &Problem) {
        match problem {
            Problem::SecondFactorRequired { .. } => {
                count_sign_in("second_factor_required");
                // A failure leaves the attempt counted.
                if let Err(error) = self.take_back(app).await {
                    tracing::warn!(%error, "cannot take back an attempt to sign in");
                }
            }
            Problem::Unauthorised(_) => {
                count_sign_in("refused");
                tracing::warn!(%address, "a sign-in with a wrong code");
            }
            _ => {}
        }
    }
}

/// Counts a sign-in by its outcome.
pub fn count_sign_in(outcome: &'static str) {
    metrics::counter!("investord_operator_sign_ins_total", "outcome" => outcome).increment(1);
}
