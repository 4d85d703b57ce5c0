//! Seals what is kept of a sign-in or ceremony that has begun, so that it needs no row: who has begun it keeps it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::store::encryption::Aad;

/// Encrypts a state into a text for the caller.
pub fn seal<T: Serialize>(app: &App, state: &T) -> String {
    let plain = serde_json::to_vec(state).expect("it is plain data");
    BASE64_URL_SAFE_NO_PAD.encode(app.master_key.seal_own(Aad::SIGN_IN, &plain, &*app.ids))
}

/// Decrypts a text of [`seal`]; none if it is none, or of another state.
pub fn open<T: DeserializeOwned>(app: &App, text: &str) -> Option<T> {
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let plain = app.master_key.open_own(Aad::SIGN_IN, &sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}
