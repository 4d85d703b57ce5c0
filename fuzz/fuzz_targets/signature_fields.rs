//! No header bytes make the parser or the signature base panic, and what is parsed is judged the same twice.
#![cfg_attr(fuzzing, no_main)]

use http::{HeaderMap, HeaderValue};
use http_message_signatures::{ComponentReader, Message, Policy, ReceivedSignature};
use investord::domain::signatures::SignatureVersion;

pub fn run(data: &[u8]) {
    // One line of input per header; a further line is the path and query.
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in ["signature-input", "signature", "content-digest", "digest", "accept", "authorization"] {
        if let Some(value) = lines.next().and_then(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append(name, value);
        }
    }
    let target = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
    let body = lines.next().unwrap_or_default();
    let Ok(presented) = ReceivedSignature::parse(&headers) else { return };
    let message = Message::request("POST", path, query, &headers, body).with_origin("https", "example.com");
    for version in [SignatureVersion::Draft6, SignatureVersion::Draft15, SignatureVersion::Rfc9421] {
        let profile = version.profile();
        let once = presented.base(&message, profile, &ComponentReader::standard(&message));
        assert_eq!(once, presented.base(&message, profile, &ComponentReader::standard(&message)));
        for now in [0, 1_700_000_000, i64::MAX] {
            let _ = Policy::default().check(&presented, &message, profile, now);
        }
        let _ = Policy::default().valid_until(&presented);
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
