//! No text makes the reader of JWK panic; a key that was read is written as one that reads the same, and no private key
//! is taken for a public one.
#![cfg_attr(fuzzing, no_main)]

use http_message_signatures::PublicKey;
use serde_json::{Map, Value};

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(key) = PublicKey::from_jwk(&text) else { return };
    let members: Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert!(!members.contains_key("d"));
    assert_eq!(PublicKey::from_jwk(&key.to_jwk()).as_ref(), Ok(&key));
    assert_eq!(PublicKey::from_spki_der(key.spki_der()).as_ref(), Ok(&key));
    assert_eq!(key.to_jwk().contains("\"OKP\""), members["kty"] == "OKP");
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
