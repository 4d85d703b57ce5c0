//! Prepares, hashes and verifies passwords of operators.

use std::borrow::Cow;
use std::net::IpAddr;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use precis_core::profile::PrecisFastInvocation as _;
use precis_profiles::OpaqueString;

use crate::app::App;
use crate::clock::Ids;
use crate::problem::Problem;

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

/// Prepares a new password and checks its length.
///
/// # Errors
///
/// Fails if the password is shorter than 12 characters or contains forbidden characters.
pub fn check_new_password(password: &str) -> anyhow::Result<Cow<'_, str>> {
    let password = normalise(password)?;
    anyhow::ensure!(password.chars().count() >= 12, "must have at least 12 characters");
    Ok(password)
}

/// Hashes a password for storage: Argon2id with the library's parameters (those of OWASP), as a PHC string.
///
/// # Errors
///
/// Fails if the password is shorter than 12 characters or contains forbidden characters.
pub fn hash_password(password: &str, ids: &dyn Ids) -> anyhow::Result<String> {
    let password = check_new_password(password)?;
    let mut salt = [0; 16];
    ids.secret(&mut salt);
    let hashed = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    Ok(hashed.map_err(|error| anyhow::anyhow!("{error}"))?.to_string())
}

/// Returns whether the password matches the stored hash. An unknown name takes the same time, because a dummy hash is
/// verified: the time does not disclose the existing names.
pub async fn verify_password(
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
