//! No text makes the reader of PEM panic; DER reads the same with and without PEM around it, and a key that was read is
//! written as one that reads the same.
#![cfg_attr(fuzzing, no_main)]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_message_signatures::PublicKey;
use investord::domain::signatures::SignatureVersion;

pub fn run(data: &[u8]) {
    if let Ok(key) = PublicKey::from_text(&String::from_utf8_lossy(data)) {
        assert_reads_again(&key);
    }
    let bare = PublicKey::from_spki_der(data);
    if let Ok(key) = &bare {
        assert_reads_again(key);
    }
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(data));
    assert_eq!(PublicKey::from_spki_pem(&pem), bare);
}

fn assert_reads_again(key: &PublicKey) {
    assert_eq!(PublicKey::from_spki_pem(&key.to_spki_pem()).as_ref(), Ok(key));
    assert_eq!(PublicKey::from_spki_der(key.spki_der()).as_ref(), Ok(key));
    assert!(key.verify(b"base", &[7; 64], SignatureVersion::Draft15.profile()).is_err());
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
