//! Public keys as JSON Web Keys (RFC 7517, RFC 7518 section 6.2, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::key::malformed;
use crate::{Algorithm, KeyError, PublicKey};

/// Reads a public key. A private key or a set of keys is refused with an error that says so.
pub(crate) fn read(json: &str) -> Result<PublicKey, KeyError> {
    let jwk: Map<String, Value> = serde_json::from_str(json)
        .map_err(|error| malformed(&format!("the JWK is no JSON object: {error}")))?;
    if jwk.contains_key("d") {
        return Err(KeyError::PrivateInsteadOfPublic);
    }
    if jwk.contains_key("keys") {
        return Err(malformed("this is a set of keys: give one object out of its `keys`"));
    }
    let text = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
    let (kty, crv) = (text("kty"), text("crv"));
    let kind = match (kty, Algorithm::ALL.iter().copied().find(|kind| kind.name() == crv)) {
        ("OKP", Some(Algorithm::Ed25519)) => Algorithm::Ed25519,
        ("EC", Some(kind)) if kind != Algorithm::Ed25519 => kind,
        ("", _) => return Err(malformed("the JWK has no `kty`")),
        ("EC" | "OKP", _) => return Err(KeyError::Unsupported(format!("{kty} `{crv}`"))),
        (other, _) => return Err(KeyError::Unsupported(other.to_owned())),
    };
    let mut raw = Vec::with_capacity(1 + 2 * kind.size());
    if kind != Algorithm::Ed25519 {
        // 0x04 marks an uncompressed point (SEC 1, section 2.3.3).
        raw.push(4);
    }
    for name in if kind == Algorithm::Ed25519 { &["x"][..] } else { &["x", "y"] } {
        let bytes = URL_SAFE_NO_PAD
            .decode(text(name))
            .map_err(|_| malformed(&format!("`{name}` is no base64url")))?;
        if bytes.len() != kind.size() {
            return Err(malformed(&format!("`{name}` must be {} bytes long", kind.size())));
        }
        raw.extend_from_slice(&bytes);
    }
    PublicKey::from_raw(kind, &raw)
}

/// Writes a public key, without `kid`.
pub(crate) fn write(key: &PublicKey) -> String {
    let (kind, raw) = (key.algorithm(), key.raw());
    let crv = kind.name();
    if kind == Algorithm::Ed25519 {
        return format!(r#"{{"kty":"OKP","crv":"{crv}","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(raw));
    }
    let (x, y) = raw[1..].split_at(kind.size());
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    format!(r#"{{"kty":"EC","crv":"{crv}","x":"{x}","y":"{y}"}}"#)
}
