//! No bytes whatever make the crate panic, and what it signs it accepts.

mod common;

use common::{BARE, DER, RFC, changed, usual};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_message_signatures::{
    Algorithm, ComponentReader, Message, Parameters, Policy, Profile, PublicKey, ReceivedSignature,
    RequiredComponent, SigningKey, body_digest,
};
use proptest::collection::vec;
use proptest::prelude::*;

const ALL: [&Profile; 3] = [BARE, DER, RFC];

/// A policy with demands of every kind.
const STRICT: &[RequiredComponent<'static>] = &[
    RequiredComponent::always("accept"),
    RequiredComponent::when_sent("x"),
    RequiredComponent::with_body("content-type"),
];

fn append(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
        headers.append(name, value);
    }
}

/// Everything that a server does with what a stranger sends.
fn exercise(
    headers: &HeaderMap,
    path: &str,
    query: Option<&str>,
    body: &[u8],
    now: i64,
    status: Option<u16>,
) {
    let authority = "a";
    let message = changed(
        Message::request("POST", path, query, headers, body).with_origin("https", authority),
        |message| message.status = status,
    );
    let Ok(presented) = ReceivedSignature::parse(headers) else { return };
    for profile in ALL {
        for policy in [
            Policy::default(),
            Policy::default().with_request_components(STRICT).with_response_components(STRICT),
        ] {
            let _ = policy.check(&presented, &message, profile, now);
        }
        let _ = presented.base(&message, profile, &ComponentReader::standard(&message));
        let _ = Policy::default().check_digest(&presented, &message, profile);
    }
    let _ =
        presented.components().count() + usize::from(presented.covers("a") || presented.covers_whole("a"));
    let _ = Policy::default().valid_until(&presented);
}

/// Pieces that get past the first checks more often than noise does.
fn field() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("sig1=(".to_owned()),
        Just("sig1=:".to_owned()),
        Just("\"@method\" ".to_owned()),
        Just("\"@path\"".to_owned()),
        Just("\"@query-param\";name=\"a\"".to_owned()),
        Just("\"content-digest\";sf ".to_owned()),
        Just("\"digest\";key=\"a\"".to_owned()),
        Just("\"x\";bs".to_owned()),
        Just(");created=1700000000".to_owned()),
        Just(";expires=-999999999999999".to_owned()),
        Just(";keyid=\"a\\\"\"".to_owned()),
        Just(":, a=%\"%c3\\\", ".to_owned()),
        Just(", ".to_owned()),
        Just("AA==:".to_owned()),
        "[ -~\t]{0,12}",
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn keys() -> &'static [PublicKey] {
    static KEYS: std::sync::OnceLock<Vec<PublicKey>> = std::sync::OnceLock::new();
    KEYS.get_or_init(|| {
        Algorithm::ALL.iter().map(|kind| SigningKey::generate(*kind).unwrap().public_key().clone()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_in_the_fields(
        input in vec(any::<u8>(), 0..200),
        signature in vec(any::<u8>(), 0..200),
        now in any::<i64>(),
    ) {
        let mut headers = HeaderMap::new();
        append(&mut headers, "signature-input", &input);
        append(&mut headers, "signature", &signature);
        exercise(&headers, "/", None, b"", now, None);
    }

    #[test]
    fn nearly_right_fields(
        inputs in vec(field(), 1..3),
        signatures in vec(field(), 0..3),
        digest in field(),
        other in vec(any::<u8>(), 0..40),
        path in ".{0,20}",
        query in proptest::option::of(".{0,30}"),
        now in prop_oneof![any::<i64>(), Just(1_700_000_000)],
        status in proptest::option::of(any::<u16>()),
    ) {
        let mut headers = HeaderMap::new();
        for input in &inputs {
            append(&mut headers, "signature-input", input.as_bytes());
        }
        for signature in &signatures {
            append(&mut headers, "signature", signature.as_bytes());
        }
        append(&mut headers, "signature", b"sig1=:AA==:");
        for name in ["content-digest", "digest", "x"] {
            append(&mut headers, name, digest.as_bytes());
            append(&mut headers, name, &other);
        }
        exercise(&headers, &path, query.as_deref(), &other, now, status);
    }

    #[test]
    fn any_bytes_as_signature_or_key(
        bytes in vec(any::<u8>(), 0..180),
        r in vec(any::<u8>(), 0..70),
        s in vec(any::<u8>(), 0..70),
        text in ".{0,200}",
    ) {
        let number = |n: &[u8]| [&[2, u8::try_from(n.len()).unwrap()], n].concat();
        let inside = [number(&r), number(&s)].concat();
        let length = u8::try_from(inside.len()).unwrap();
        let der = if length < 0x80 { vec![0x30, length] } else { vec![0x30, 0x81, length] };
        for key in keys() {
            prop_assert!(key.verify(b"base", &bytes, DER).is_err());
            prop_assert!(key.verify(b"base", &[der.clone(), inside.clone()].concat(), DER).is_err());
        }
        let _ = PublicKey::from_spki_der(&bytes);
        let _ = PublicKey::from_text(&text);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----");
        prop_assert!(SigningKey::from_pem(&pem, None).is_err());
        let _ = SigningKey::from_pem(&text, Some(&text));
    }

    #[test]
    fn what_is_signed_is_accepted(
        path in "/[!-~]{0,20}",
        query in proptest::option::of("[!-~]{0,20}"),
        accept in "[!-~]{1,3}([ -~]{0,20}[!-~])?",
        name in "\\PC{0,10}",
        body in vec(any::<u8>(), 0..40),
        key_id in "[ -~]{0,20}",
        profile in prop_oneof![Just(BARE), Just(DER), Just(RFC)],
    ) {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let mut headers = HeaderMap::new();
        append(&mut headers, "accept", accept.as_bytes());
        append(&mut headers, "x-client-id", name.as_bytes());
        append(&mut headers, "authorization", b"Bearer x");
        let (field, value) = body_digest(profile, &body).unwrap();
        headers.append(field, value);
        let (path, query) = (path.as_str(), query.as_deref());
        let message = Message::request("PUT", path, query, &headers, &body).with_origin("https", "a");
        let parameters =
            Parameters::new(&key_id, 5).with_expires(9).with_nonce("n");
        let components = usual(&message, profile);
        let signed = http_message_signatures::sign(&message, &components, &parameters, &key, profile).unwrap();
        let mut sent = headers.clone();
        append(&mut sent, "signature-input", signed.signature_input.as_bytes());
        append(&mut sent, "signature", signed.signature.as_bytes());
        let received = message.with_headers(&sent);
        let presented = ReceivedSignature::parse(&sent).unwrap();
        prop_assert_eq!(presented.key_id(), Some(key_id.as_str()));
        let verdict = http_message_signatures::verify(&received, &presented, key.public_key(), profile, &Policy::default(), 7);
        prop_assert_eq!(verdict, Ok(()));
    }
}
