//! Requests and responses of the crate `http`: how they are read, and signed in place.

mod common;

use common::{BARE, RFC, decode};
use http::{HeaderValue, Request, Response, StatusCode};
use http_message_signatures::{
    Algorithm, ComponentReader, Message, Parameters, Policy, PublicKey, ReceivedSignature, SignError,
    SignatureEncoding, SigningKey, VerifyError, sign_request, sign_response, verify,
};

const NOW: i64 = 1_700_000_000;
const PARAMETERS: Parameters<'static> = Parameters::new("key-1", NOW);
/// The key `test-key-ed25519` of RFC 9421 appendix B.1.4.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n\
    -----END PRIVATE KEY-----\n";

/// The request of RFC 9421 appendix B.2, as a client sends it.
fn test_request() -> Request<&'static str> {
    Request::post("https://example.com/foo?param=Value&Pet=dog")
        .header("host", "example.com")
        .header("date", "Tue, 20 Apr 2021 02:07:55 GMT")
        .header("content-type", "application/json")
        .header("content-length", "18")
        .body(r#"{"hello": "world"}"#)
        .unwrap()
}

/// Appendix B.2.6 through `http::Request`: Ed25519 always makes the same signature, so that the vector comes out.
#[test]
fn rfc_9421_b_2_6_is_signed_as_the_rfc_signs_it() {
    let mut request = test_request();
    let key = SigningKey::from_pem(ED25519, None).unwrap();
    let components = ["date", "@method", "@path", "@authority", "content-type", "content-length"];
    let message = Message::from_request(&request);
    // The RFC has other parameters in another order; its own base is what the key signs.
    let input = r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#;
    let fields = common::headers(&[("signature-input", input), ("signature", "sig-b26=:AA==:")]);
    let presented = ReceivedSignature::parse(&fields).unwrap();
    let base = presented.base(&message, RFC, &ComponentReader::standard(&message)).unwrap();
    let vector = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    assert_eq!(key.sign(base.as_bytes(), SignatureEncoding::Ed25519).unwrap(), decode(vector));
    // The same request, signed in place and verified with the key of the RFC.
    let parameters = Parameters::new("test-key-ed25519", 1_618_884_473);
    let signed = sign_request(&mut request, &components, &parameters, &key, RFC).unwrap();
    assert_eq!(
        request.headers()["content-digest"],
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
    );
    let public = decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=");
    let public = PublicKey::from_spki_der(&public).unwrap();
    let message = Message::from_request(&request);
    let presented = ReceivedSignature::parse(message.headers).unwrap();
    assert_eq!(
        verify(&message, &presented, &public, RFC, &Policy::default(), 1_618_884_500),
        Err(missing("@query"))
    );
    let base = presented.base(&message, RFC, &ComponentReader::standard(&message)).unwrap();
    assert_eq!(base, signed.base);
    assert_eq!(public.verify(base.as_bytes(), presented.signature(), RFC), Ok(SignatureEncoding::Ed25519));
}

fn missing(component: &str) -> VerifyError {
    VerifyError::NotCovered { component: component.to_owned() }
}

#[test]
fn a_signed_request_is_accepted_and_a_changed_one_is_not() {
    for profile in [RFC, BARE] {
        for kind in Algorithm::ALL {
            let key = SigningKey::generate(*kind).unwrap();
            let mut request = test_request();
            let components = ["@method", "@path", "@query", "@authority", "content-type"];
            sign_request(&mut request, &components, &PARAMETERS, &key, profile).unwrap();
            let verdict = |request: &Request<&str>| {
                let message = Message::from_request(request);
                let presented = ReceivedSignature::parse(message.headers).unwrap();
                verify(&message, &presented, key.public_key(), profile, &Policy::default(), NOW)
            };
            assert_eq!(verdict(&request), Ok(()), "{kind:?}");
            let (parts, body) = request.clone().into_parts();
            let message = Message::from_request_parts(&parts, body.as_bytes());
            let presented = ReceivedSignature::parse(&parts.headers).unwrap();
            assert_eq!(
                verify(&message, &presented, key.public_key(), profile, &Policy::default(), NOW),
                Ok(())
            );
            let mut other = request.clone();
            *other.uri_mut() = "https://example.org/foo?param=Value&Pet=dog".parse().unwrap();
            assert_eq!(verdict(&other), Err(VerifyError::Mismatch));
            let mut other = request.clone();
            *other.body_mut() = "{}";
            assert!(matches!(verdict(&other), Err(VerifyError::DigestMismatch { .. })));
            let mut other = request.clone();
            other.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
            assert_eq!(verdict(&other), Err(VerifyError::Mismatch));
        }
    }
}

/// The digest of a body is covered whether it is named or not; without a body it is made only where it is named.
#[test]
fn the_digest_is_covered_once() {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let input = |body: &'static str, components: &[&str], profile| {
        let mut request = Request::put("https://example.com/").body(body).unwrap();
        sign_request(&mut request, components, &PARAMETERS, &key, profile).unwrap();
        let text = request.headers()["signature-input"].to_str().unwrap().to_owned();
        let list = text.strip_prefix("sig1=(").unwrap().split_once(')').unwrap().0.to_owned();
        let digests = ["content-digest", "digest"].map(|name| request.headers().get_all(name).iter().count());
        (list, digests)
    };
    for (body, components, profile, list, digests) in [
        ("x", &["@method"][..], RFC, r#""@method" "content-digest""#, [1, 0]),
        ("x", &["content-digest", "@method"], RFC, r#""content-digest" "@method""#, [1, 0]),
        ("x", &[r#""content-digest";sf"#], RFC, r#""content-digest";sf"#, [1, 0]),
        ("x", &[], BARE, r#""digest""#, [0, 1]),
        ("", &["@method"], RFC, r#""@method""#, [0, 0]),
        ("", &["content-digest"], RFC, r#""content-digest""#, [1, 0]),
    ] {
        assert_eq!(input(body, components, profile), (list.to_owned(), digests), "{body:?} {components:?}");
    }
}

#[test]
fn earlier_digests_and_signatures_are_replaced() {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let mut request = test_request();
    sign_request(&mut request, &["@method"], &PARAMETERS, &key, RFC).unwrap();
    let first = request.headers().clone();
    *request.body_mut() = "{}";
    sign_request(&mut request, &["@method"], &PARAMETERS, &key, RFC).unwrap();
    assert_eq!(request.headers().len(), first.len());
    for name in ["content-digest", "signature"] {
        assert_ne!(request.headers()[name], first[name], "{name}");
    }
}

/// A request that cannot be signed keeps its headers.
#[test]
fn what_cannot_be_signed_is_unchanged() {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let mut request = test_request();
    let before = request.headers().clone();
    let refused = sign_request(&mut request, &["x-missing"], &PARAMETERS, &key, RFC);
    assert!(matches!(refused, Err(SignError::Component(VerifyError::MissingComponent { .. }))));
    let refused = sign_request(&mut request, &[], &Parameters::new("é", NOW), &key, RFC);
    assert_eq!(refused, Err(SignError::Text("keyid")));
    assert_eq!(request.headers(), &before);
    let mut response = Response::new("x");
    let refused = sign_response(&mut response, &["@method"], &PARAMETERS, &key, RFC);
    assert!(matches!(refused, Err(SignError::Component(VerifyError::UnsupportedComponent { .. }))));
    assert!(response.headers().is_empty());
}

#[test]
fn a_response_is_signed_with_its_status() {
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let mut response = Response::builder().status(201).header("location", "/1").body("created").unwrap();
    let signed = sign_response(&mut response, &["@status", "location"], &PARAMETERS, &key, RFC).unwrap();
    assert!(signed.base.starts_with("\"@status\": 201\n\"location\": /1\n\"content-digest\": sha-512=:"));
    let verdict = |response: &Response<&str>| {
        let message = Message::from_response(response);
        let presented = ReceivedSignature::parse(message.headers).unwrap();
        verify(&message, &presented, key.public_key(), RFC, &Policy::default(), NOW)
    };
    assert_eq!(verdict(&response), Ok(()));
    let (parts, body) = response.clone().into_parts();
    let message = Message::from_response_parts(&parts, body.as_bytes());
    assert_eq!((message.status, message.body), (Some(201), &b"created"[..]));
    *response.status_mut() = StatusCode::OK;
    assert_eq!(verdict(&response), Err(VerifyError::Mismatch));
}

/// Where scheme and authority come from (RFC 9421 sections 2.2.3 and 2.2.4).
#[test]
fn origins() {
    for (uri, host, scheme, authority) in [
        ("https://example.com/a", None, "https", "example.com"),
        ("http://example.com:8080/a", None, "http", "example.com:8080"),
        ("https://user:secret@example.com/a", None, "https", "example.com"),
        ("https://example.com/a", Some("example.org"), "https", "example.com"),
        ("/a", Some("example.org:81"), "https", "example.org:81"),
        ("/a", Some("ex\u{e4}mple"), "https", ""),
        ("/a", None, "https", ""),
    ] {
        let mut request = Request::get(uri);
        if let Some(host) = host {
            request = request.header("host", HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        let request = request.body("").unwrap();
        let message = Message::from_request(&request);
        assert_eq!((message.scheme, message.authority), (scheme, authority), "{uri} {host:?}");
        assert_eq!((message.method, message.path, message.query, message.status), ("GET", "/a", None, None));
        let proxied = message.with_origin("http", "inside");
        assert_eq!((proxied.scheme, proxied.authority), ("http", "inside"));
    }
    // Without a host, what covers one is refused, not signed as an empty text.
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let mut request = Request::get("/a").body("").unwrap();
    let refused = sign_request(&mut request, &["@authority"], &PARAMETERS, &key, RFC);
    assert!(matches!(refused, Err(SignError::Component(VerifyError::MissingComponent { .. }))));
}

#[test]
fn targets_are_read_as_sent() {
    for (uri, path, query) in [
        ("/a%20b?x=%2F", "/a%20b", Some("x=%2F")),
        ("/a?", "/a", Some("")),
        ("https://example.com", "/", None),
        ("https://example.com?x", "/", Some("x")),
        ("*", "*", None),
    ] {
        let request = Request::get(uri).body("").unwrap();
        let message = Message::from_request(&request);
        assert_eq!((message.path, message.query), (path, query), "{uri}");
    }
}

#[test]
fn a_message_shows_no_secrets() {
    let request =
        Request::post("/a?token=hidden").header("authorization", "Bearer hidden").body("hidden").unwrap();
    let shown = format!("{:?}", Message::from_request(&request));
    assert!(shown.contains("POST") && shown.contains("/a") && !shown.contains("hidden"), "{shown}");
    let reader = format!("{:?}", ComponentReader::standard(&Message::from_request(&request)));
    assert!(reader.contains("/a") && !reader.contains("hidden"), "{reader}");
}
