//! No digest field makes its reader panic; a field that is taken has the digest of the body, and the right digest is
//! taken beside whatever else is ignored.
#![cfg_attr(fuzzing, no_main)]

use http::{HeaderMap, HeaderValue};
use http_message_signatures::{Message, Policy, Profile, ReceivedSignature, body_digest};
use investord::domain::signatures::SignatureVersion;

pub fn run(data: &[u8]) {
    // A line each: two values of the field, and the body.
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let values = [lines.next(), lines.next()].map(|line| HeaderValue::from_bytes(line?).ok());
    let body = lines.next().unwrap_or_default();
    let profiles = [SignatureVersion::Rfc9421, SignatureVersion::Draft6].map(SignatureVersion::profile);
    for (name, profile) in ["content-digest", "digest"].into_iter().zip(profiles) {
        let mut headers = HeaderMap::new();
        for value in values.iter().flatten() {
            headers.append(name, value.clone());
        }
        let digests = profiles.map(|profile| digest(profile, body));
        if is_taken(name, &headers, profile, body) {
            let has = |value: &HeaderValue| {
                digests.iter().any(|digest| value.to_str().is_ok_and(|text| text.contains(digest)))
            };
            assert!(headers.values().any(has), "{headers:?}");
            let (name, value) = body_digest(profile, body).unwrap();
            headers.append(name.clone(), value);
            assert!(is_taken(name.as_str(), &headers, profile, body), "{headers:?}");
            assert!(!is_taken(name.as_str(), &headers, profile, &[body, b"x"].concat()), "{headers:?}");
        }
    }
}

/// The digest of a body in base64, without its last letter, whose bits are not all used.
fn digest(profile: &Profile, body: &[u8]) -> String {
    let (_, value) = body_digest(profile, body).unwrap();
    let text = value.to_str().unwrap().split_once('=').unwrap().1.trim_matches([':', '=']);
    text[..text.len() - 1].to_owned()
}

fn is_taken(name: &str, fields: &HeaderMap, profile: &Profile, body: &[u8]) -> bool {
    let mut headers = fields.clone();
    headers.insert("signature-input", format!("sig1=(\"{name}\");created=1").parse().unwrap());
    headers.insert("signature", HeaderValue::from_static("sig1=:AAAA:"));
    let message = Message::request("POST", "/", None, &headers, body).with_origin("https", "example.com");
    Policy::default().check_digest(&ReceivedSignature::parse(&headers).unwrap(), &message, profile).is_ok()
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
