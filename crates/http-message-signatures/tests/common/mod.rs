//! What the test files share.
#![allow(dead_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_message_signatures::{
    ComponentReader, DigestField, EcdsaFormat, Message, Profile, ReceivedSignature, SignatureEncoding,
    SigningKey,
};

/// RFC 9421.
pub const RFC: &Profile = &Profile::RFC_9421;
/// RFC 9421 for clients that make DER.
pub const RAW_OR_DER: &Profile = &Profile::RFC_9421.with_ecdsa(EcdsaFormat::RawOrDer);
/// A late draft: quoted names, DER, decoded parameters.
pub const DER: &Profile =
    &Profile::RFC_9421.with_ecdsa(EcdsaFormat::Der).with_decoded_query_params().with_query_params_name();
/// An early draft: bare names and the old digest field besides.
pub const BARE: &Profile =
    &DER.with_unquoted_names().with_digest_fields(DigestField::Digest, &[DigestField::ContentDigest]);

/// Gives a message with some of its parts changed.
pub fn changed<'a>(mut message: Message<'a>, change: impl FnOnce(&mut Message<'a>)) -> Message<'a> {
    change(&mut message);
    message
}

/// The components that clients usually cover, as far as the message has them.
pub fn usual(message: &Message<'_>, profile: &Profile) -> Vec<&'static str> {
    let line: &[_] =
        if message.query.is_some() { &["@method", "@path", "@query"] } else { &["@method", "@path"] };
    let fields = [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        profile.digest_field.name(),
        "idempotency-key",
        "x-client-id",
        "date",
    ];
    let sent = fields.into_iter().filter(|field| message.headers.contains_key(*field));
    line.iter().copied().chain(sent).collect()
}

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
    profile: &Profile,
    encoding: SignatureEncoding,
) -> HeaderMap {
    let mut sent = message.headers.clone();
    header(&mut sent, "signature-input", &format!("{label}={input}"));
    header(&mut sent, "signature", &format!("{label}=:AA==:"));
    let presented = ReceivedSignature::parse(&sent).unwrap();
    let base = presented.base(message, profile, &ComponentReader::standard(message)).unwrap();
    let signature = key.sign(base.as_bytes(), encoding).unwrap();
    sent.remove("signature");
    header(&mut sent, "signature", &format!("{label}=:{}:", encode(&signature)));
    sent
}
