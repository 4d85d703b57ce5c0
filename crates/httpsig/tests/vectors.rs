//! Self-made vectors over published test keys: P-521 of RFC 6979 A.2.7 and Ed25519 of RFC 9421 B.1.4.

mod common;

use aws_lc_rs::digest::{SHA512, digest};
use common::{decode, header, headers, hex};
use httpsig::{
    Algorithm, ComponentReader, Message, Policy, PublicKey, ReceivedSignature, SignatureEncoding,
    VerifyError, Version, body_digest,
};

const P521: &str = "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBiUVQ0HhZMuAOqiO2lPIT+MMSH4bcl6BOWnFn205bzTcRI9RuRdtrXVNwp/\
                    IPtjMVXTj/oW0r12HcrEdLmi9QI6QASTEByWLNTS/d94IoXmRYQTnC+RtH+H/4I1TWYw90aiig2yV0G1s0qCgAiyKswj+S\
                    T6r71NM/gepmlW3+qiv9/PU=";
const ED25519: &str = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
const BODY: &[u8] = br#"{"title":"t","url":"https://hooks.example.com/u","type":["USER"]}"#;
const CLIENT: &str = "6c1f3f0a-9d57-4a0b-b5b5-1d2f0c9f4e77";
const PARAMETERS: &str = r#";keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";created=1700000000;expires=1700000060;nonce="n0nce0000000001""#;

struct Vector {
    version: Version,
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
    version: Version::Draft15,
    method: "POST",
    path: "/webhooks",
    query: None,
    body: BODY,
    digest: Some((
        "content-digest",
        "sha-512=:RkwcP6+lBMW/ecCG0mVdIJFt8CUqvXii13m13NX2CDXmV6/EY9hREwxU2xZVkL+eWLPXZNulzpnQIRcckBtstQ==:",
    )),
    list: r#"("@method" "@path" "accept" "authorization" "content-length" "content-type" "content-digest" "upvest-client-id")"#,
    base_length: 565,
    base_sha512: "ca3f220972d1d5bafd67ee85de90d2379c2d8857aeff104b7d553cc98a7c5cd8\
                  53adec3959cae88b2206a9ca520bae1d9495ec4906f6ea30b3b41ddf8f291a8a",
    p521: "MIGIAkIA3EGJ0yuj/8WCsY7fTgWrGKaAr9pJmcLDFlZa7zokmofrueobQX4eYPSZ4CEWSBN4/U/18LjiBrQDCX+00kWzmhYCQgCg\
           NHZnB+vGDpxiyAH6rwX8PF1/X7wcMy/Sm/+4lXw8n4022Wwe34yOY0xe+3l+CKOUwmttf9x38k3CxEkFAsofrg==",
    ed25519: "s9EA441aGUNAf7hiSpLRbtf26+5zTAlAlKRlXzOmiWqmRfWO5HNo8LR1As3WK3B84vVaUMRmHFixVyNOc8YjBQ==",
};

const B: Vector = Vector {
    version: Version::Draft6,
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
    version: Version::Draft15,
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
            header(&mut sent, "content-length", &vector.body.len().to_string());
            header(&mut sent, "content-type", "application/json");
            header(&mut sent, name, value);
        }
        let message = Message {
            method: vector.method,
            scheme: "https",
            authority: "api.example.com",
            path: vector.path,
            query: vector.query,
            headers: &sent,
            body: vector.body,
            status: None,
        };
        let presented = ReceivedSignature::parse(&sent).unwrap();
        assert_eq!(presented.label(), "sig1");
        assert_eq!(presented.nonce(), Some("n0nce0000000001"));
        let base = presented.base(&message, vector.version, &ComponentReader::standard(&message)).unwrap();
        assert_eq!(base.len(), vector.base_length);
        assert_eq!(hex(digest(&SHA512, base.as_bytes()).as_ref()), vector.base_sha512);
        let key = PublicKey::from_spki_der(&decode(spki)).unwrap();
        assert_eq!(key.verify(base.as_bytes(), presented.signature()), Ok(encoding));
        let verify =
            |version, now| httpsig::verify(&message, &presented, &key, version, &Policy::default(), now);
        assert_eq!(verify(vector.version, 1_700_000_010), Ok(()));
        let strict = Policy { strict: true, ..Policy::default() };
        assert_eq!(
            httpsig::verify(&message, &presented, &key, vector.version, &strict, 1_700_000_010),
            Ok(())
        );
        assert!(matches!(
            verify(vector.version, 1_700_000_066),
            Err(VerifyError::Expired { seconds: 6, .. })
        ));
        let other = if vector.version == Version::Draft6 { Version::Rfc9421 } else { Version::Draft6 };
        assert!(verify(other, 1_700_000_010).is_err());
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

#[test]
fn the_p521_key_is_read_as_such() {
    let key = PublicKey::from_spki_der(&decode(P521)).unwrap();
    assert_eq!(key.kind(), Algorithm::P521);
    assert_eq!(PublicKey::from_jwk(&key.jwk()).unwrap(), key);
    assert_eq!(PublicKey::from_text(&key.spki_pem()).unwrap(), key);
}

#[test]
fn digests_of_known_bodies() {
    let digests = |body: &[u8]| {
        let old = body_digest(Version::Draft6, body);
        let new = body_digest(Version::Draft15, body);
        assert_eq!(new, body_digest(Version::Rfc9421, body));
        assert_eq!((old.0.as_str(), new.0.as_str()), ("digest", "content-digest"));
        (old.1.to_str().unwrap().to_owned(), new.1.to_str().unwrap().to_owned())
    };
    let hello = (
        "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=".to_owned(),
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
            .to_owned(),
    );
    assert_eq!(digests(br#"{"hello": "world"}"#), hello);
    let key = (
        "SHA-256=lyTB4g5uPk1/V+0l+dTvsAblCFkNUoyQ2ll/andcE+U=".to_owned(),
        "sha-512=:Hd9/AvGZkbjitW1+Ml8Fg1ux1mtcDYe6mLQjDyoowIWa3LM/PmwN2v9O+MjtQGrCA3EQWUL54dlgxKHyYbrucw==:"
            .to_owned(),
    );
    assert_eq!(digests(br#"{"key": "value"}"#), key);
}
