//! Requests that were signed once and for all, over published test keys, and are verified in the profiles of the API:
//! P-521 of RFC 6979 A.2.7 and Ed25519 of RFC 9421 B.1.4.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA512, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_message_signatures::{
    ComponentReader, Message, Policy, PublicKey, ReceivedSignature, SignatureEncoding, VerifyError,
};
use investord::domain::signatures::{SignatureVersion, strict_policy};

const P521: &str = "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBiUVQ0HhZMuAOqiO2lPIT+MMSH4bcl6BOWnFn205bzTcRI9RuRdtrXVNwp/\
                    IPtjMVXTj/oW0r12HcrEdLmi9QI6QASTEByWLNTS/d94IoXmRYQTnC+RtH+H/4I1TWYw90aiig2yV0G1s0qCgAiyKswj+S\
                    T6r71NM/gepmlW3+qiv9/PU=";
const ED25519: &str = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
const BODY: &[u8] = br#"{"title":"t","url":"https://hooks.example.com/u","type":["USER"]}"#;
const CLIENT: &str = "6c1f3f0a-9d57-4a0b-b5b5-1d2f0c9f4e77";
const PARAMETERS: &str = concat!(
    r#";keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21""#,
    r#";created=1700000000;expires=1700000060;nonce="n0nce0000000001""#
);

struct Vector {
    version: SignatureVersion,
    method: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    body: &'static [u8],
    digest: Option<(&'static str, &'static str)>,
    list: &'static str,
    base_length: usize,
    base_sha512: &'static str,
    p521: &'static str,
    ed25519: &'static str,
}

const A: Vector = Vector {
    version: SignatureVersion::Draft15,
    method: "POST",
    path: "/webhooks",
    query: None,
    body: BODY,
    digest: Some((
        "content-digest",
        "sha-512=:RkwcP6+lBMW/ecCG0mVdIJFt8CUqvXii13m13NX2CDXmV6/EY9hREwxU2xZVkL+eWLPXZNulzpnQIRcckBtstQ==:",
    )),
    list: concat!(
        r#"("@method" "@path" "accept" "authorization" "content-length" "content-type" "content-digest" "#,
        r#""upvest-client-id")"#
    ),
    base_length: 565,
    base_sha512: "ca3f220972d1d5bafd67ee85de90d2379c2d8857aeff104b7d553cc98a7c5cd8\
                  53adec3959cae88b2206a9ca520bae1d9495ec4906f6ea30b3b41ddf8f291a8a",
    p521: "MIGIAkIA3EGJ0yuj/8WCsY7fTgWrGKaAr9pJmcLDFlZa7zokmofrueobQX4eYPSZ4CEWSBN4/U/18LjiBrQDCX+00kWzmhYCQgCg\
           NHZnB+vGDpxiyAH6rwX8PF1/X7wcMy/Sm/+4lXw8n4022Wwe34yOY0xe+3l+CKOUwmttf9x38k3CxEkFAsofrg==",
    ed25519: "s9EA441aGUNAf7hiSpLRbtf26+5zTAlAlKRlXzOmiWqmRfWO5HNo8LR1As3WK3B84vVaUMRmHFixVyNOc8YjBQ==",
};

const B: Vector = Vector {
    version: SignatureVersion::Draft6,
    digest: Some(("digest", "SHA-256=8HyScfSGZfS1Gopdj9/THI7KXSEtWv2NdJhOCHHrTz4=")),
    list: r#"("@method" "@path" "accept" "authorization" "content-length" "content-type" "digest" "upvest-client-id")"#,
    base_length: 485,
    base_sha512: "9a6b6014047747ca98cc81bbdf93e86227662a23edf8e0ac05a61f68d7f1e91f\
                  efaf825f12c7b2542ba31bbc7a25fcb49827ec2e3ee16d645e1337b59dc58a14",
    p521: "MIGHAkIBbLqE0aOnf4WH1Esrj7AZh4nlv8nlJ8NT80njJW5nTT1iq6+5do7jdaML3lzdNuGqhkf4xDV8hhGcyDaemAbG5aYCQRnI\
           XTPwhCZSzWPHb4Euj/HWt6jkPb9riVNPA80J+JASolOnEolPAV0iWMK0DjLqHZ2KdtuflitzOjaPJDFHeYfN",
    ed25519: "ExVIlmYq/4KK3rEvEXXJH5Y3YaP/8qgzUolsKlBSknXwC4vEfo+5ZVDxkHlN/l3JDL/PI/3TSH9LY/PzAWREBA==",
    ..A
};

const C: Vector = Vector {
    version: SignatureVersion::Draft15,
    method: "GET",
    path: "/users",
    query: Some("limit=2&offset=0"),
    body: b"",
    digest: None,
    list: r#"("@method" "@path" "@query" "accept" "authorization" "upvest-client-id")"#,
    base_length: 378,
    base_sha512: "38a138c7b99a8caf7a337d01edaa0cd7662a4f17b5262ecf2fa2c5fb7898969c\
                  1b81c507159c97acfeaf141ab1617621c1f4812d27358598b9d38ed4a03f9b8e",
    p521: "MIGGAkE3O6qDRsiHQNsXCc9AMSoazeXMu2PJ4baOQ/1tToqVskwnKLkNyfHZYj8oFSH4jPwg7iUKxV0HNhn/XVcI6EWxqQJBFYQu\
           XhEbI8txKxTNWz4yJcH+MErbWSS2UtZY6zIBFWTxdMch+jEn8EQ7zNUy/QSBbG27Ey7Fo9m3qjKtAXcXmFY=",
    ed25519: "O4jHLwtqjcsYbTI2ZfRQxg1CiiDZGUf5+VkU0dep+peW4033+fQOLhbcvEOqOEnTcNoeuN3gUgPvUmGpQ+1jBg==",
};

fn hex(base: &[u8]) -> String {
    digest(&SHA512, base).as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let fields = fields.iter();
    fields
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn check(vector: &Vector) {
    for (spki, signature, encoding) in
        [(P521, vector.p521, SignatureEncoding::Der), (ED25519, vector.ed25519, SignatureEncoding::Ed25519)]
    {
        let mut sent = headers(&[
            ("accept", "application/json"),
            ("authorization", "Bearer test-token"),
            ("upvest-client-id", CLIENT),
            ("signature-input", &format!("sig1={}{PARAMETERS}", vector.list)),
            ("signature", &format!("sig1=:{signature}:")),
        ]);
        if let Some((name, value)) = vector.digest {
            sent.extend(headers(&[("content-length", &vector.body.len().to_string())]));
            sent.extend(headers(&[("content-type", "application/json")]));
            sent.extend(headers(&[(name, value)]));
        }
        let message = Message::request(vector.method, vector.path, vector.query, &sent, vector.body)
            .with_origin("https", "api.example.com");
        let profile = vector.version.profile();
        let presented = ReceivedSignature::parse(&sent).unwrap();
        assert_eq!(presented.label(), "sig1");
        assert_eq!(presented.nonce(), Some("n0nce0000000001"));
        let base = presented.base(&message, profile, &ComponentReader::standard(&message)).unwrap();
        assert_eq!(base.len(), vector.base_length);
        assert_eq!(hex(base.as_bytes()), vector.base_sha512);
        let key = PublicKey::from_spki_der(&BASE64_STANDARD.decode(spki).unwrap()).unwrap();
        assert_eq!(key.verify(base.as_bytes(), presented.signature(), profile), Ok(encoding));
        let verify = |version: SignatureVersion, policy: &Policy<'_>, now| {
            http_message_signatures::verify(&message, &presented, &key, version.profile(), policy, now)
        };
        let (lax, strict) = (Policy::default(), strict_policy(false));
        assert_eq!(verify(vector.version, &lax, 1_700_000_010), Ok(()));
        assert_eq!(verify(vector.version, &strict, 1_700_000_010), Ok(()));
        let no_host = Err(VerifyError::NotCovered { component: "@authority".to_owned() });
        assert_eq!(verify(vector.version, &strict_policy(true), 1_700_000_010), no_host);
        let late = verify(vector.version, &lax, 1_700_000_066);
        assert!(matches!(late, Err(VerifyError::Expired { seconds: 6, .. })));
        let other = match vector.version {
            SignatureVersion::Draft6 => SignatureVersion::Rfc9421,
            _ => SignatureVersion::Draft6,
        };
        assert!(verify(other, &lax, 1_700_000_010).is_err());
    }
}

#[test]
fn a_draft_15_with_a_body() {
    check(&A);
}

#[test]
fn b_draft_6_with_a_body() {
    check(&B);
}

#[test]
fn c_draft_15_with_a_query() {
    check(&C);
}

/// The key id and the nonce that strict signatures need.
const BOTH: &str = ";keyid=\"k\";nonce=\"n\"";

/// What strict signatures must cover, in the order in which it is missed (decision W21).
#[test]
fn strict_signatures_cover_what_decides() {
    let fields = headers(&[
        ("idempotency-key", "x"),
        ("upvest-api-version", "1"),
        ("content-digest", "x"),
        ("content-length", "1"),
    ]);
    let message = Message::request("POST", "/users", None, &fields, b"x");
    let mut list = vec!["@method", "@path", "content-digest"];
    let missed = |list: &[&str], parameters: &str, knows_host| {
        let input = format!("sig1=(\"{}\"){parameters}", list.join("\" \""));
        let presented = headers(&[("signature-input", &input), ("signature", "sig1=:AA==:")]);
        let presented = ReceivedSignature::parse(&presented).unwrap();
        let profile = SignatureVersion::Draft15.profile();
        strict_policy(knows_host).check_coverage(&presented, &message, profile)
    };
    assert_eq!(missed(&list, ";nonce=\"n\"", true), Err(VerifyError::MissingKeyId));
    assert_eq!(missed(&list, ";keyid=\"k\"", true), Err(VerifyError::MissingNonce));
    for next in [
        "accept", "upvest-client-id", "idempotency-key", "upvest-api-version", "@authority", "content-type",
        "content-length",
    ] {
        let expected = Err(VerifyError::NotCovered { component: next.to_owned() });
        assert_eq!(missed(&list, BOTH, true), expected);
        if next != "@authority" {
            let without_host: Vec<_> = list.iter().copied().filter(|name| *name != "@authority").collect();
            assert_eq!(missed(&without_host, BOTH, false), expected);
        }
        list.push(next);
    }
    assert_eq!(missed(&list, BOTH, true), Ok(()));
}

/// The components that clients sign are those of the vendor's documentation, in its order.
#[test]
fn documented_components() {
    let fields = headers(&[
        ("date", "x"),
        ("upvest-api-version", "1"),
        ("upvest-client-id", "x"),
        ("idempotency-key", "x"),
        ("digest", "x"),
        ("content-digest", "x"),
        ("content-type", "x"),
        ("content-length", "1"),
        ("authorization", "x"),
        ("accept", "x"),
        ("user-agent", "x"),
    ]);
    let common = ["accept", "authorization", "content-length", "content-type"];
    let get = Message::request("GET", "/users", Some("limit=1"), &fields, b"");
    for (version, digest, later) in [
        (SignatureVersion::Draft6, "digest", &[][..]),
        (SignatureVersion::Draft15, "content-digest", &["upvest-api-version", "date"]),
        (SignatureVersion::Rfc9421, "content-digest", &["upvest-api-version", "date"]),
    ] {
        let tail = [&common[..], &[digest, "idempotency-key", "upvest-client-id"], later].concat();
        let line = ["@method", "@path", "@query"];
        assert_eq!(version.documented_components(&get), [&line[..], &tail].concat());
        let none = Message::request("GET", "/users", None, &fields, b"");
        assert_eq!(version.documented_components(&none), [&line[..2], &tail].concat());
        let response = Message::response(200, &fields, b"");
        assert_eq!(version.documented_components(&response), [&["@status"][..], &tail].concat());
    }
}
