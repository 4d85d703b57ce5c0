//! What the test files share.
#![allow(dead_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use httpsig::{ComponentReader, Message, ReceivedSignature, SignatureEncoding, SigningKey, Version};

pub fn decode(base64: &str) -> Vec<u8> {
    STANDARD.decode(base64).unwrap()
}

pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

pub fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        header(&mut map, name, value);
    }
    map
}

pub fn header(map: &mut HeaderMap, name: &str, value: &str) {
    map.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
}

/// Signs the way a client does that writes its own list and parameters: gives the fields with both headers
/// added.
pub fn attach(
    message: &Message<'_>,
    label: &str,
    input: &str,
    key: &SigningKey,
    version: Version,
    encoding: SignatureEncoding,
) -> HeaderMap {
    let mut sent = message.headers.clone();
    header(&mut sent, "signature-input", &format!("{label}={input}"));
    header(&mut sent, "signature", &format!("{label}=:AA==:"));
    let presented = ReceivedSignature::parse(&sent).unwrap();
    let base = presented.base(message, version, &ComponentReader::standard(message)).unwrap();
    let signature = key.sign(base.as_bytes(), encoding).unwrap();
    sent.remove("signature");
    header(&mut sent, "signature", &format!("{label}=:{}:", encode(&signature)));
    sent
}
