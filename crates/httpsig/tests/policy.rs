//! Times at each edge, the coverage table, digests in all their forms.

mod common;

use common::headers;
use http::HeaderMap;
use httpsig::{Message, Policy, ReceivedSignature, VerifyError, Version, body_digest};

const NOW: i64 = 1_700_000_000;
const ALL: [Version; 3] = [Version::Draft6, Version::Draft15, Version::Rfc9421];

fn presented(input: &str) -> ReceivedSignature {
    let input = format!("sig1={input}");
    ReceivedSignature::parse(&headers(&[("signature-input", &input), ("signature", "sig1=:AA==:")])).unwrap()
}

fn at(created: i64, expires: Option<i64>) -> ReceivedSignature {
    let expires = expires.map_or(String::new(), |expires| format!(";expires={expires}"));
    presented(&format!("();created={created}{expires}"))
}

#[test]
fn created_ahead() {
    let policy = Policy::default();
    for ahead in -20..=40 {
        let verdict = policy.check_time(&at(NOW + ahead, Some(NOW + 60)), NOW);
        let refused = Err(VerifyError::CreatedInFuture { seconds: ahead, most: 30 });
        assert_eq!(verdict, if ahead <= 30 { Ok(()) } else { refused }, "{ahead}");
    }
}

#[test]
fn age_without_expires() {
    let policy = Policy::default();
    for age in 290..=310 {
        let signature = at(NOW - age, None);
        let verdict = policy.check_time(&signature, NOW);
        let refused = Err(VerifyError::TooOld { seconds: age, most: 300 });
        assert_eq!(verdict, if age <= 300 { Ok(()) } else { refused }, "{age}");
        assert_eq!(policy.valid_until(&signature) >= NOW, age <= 300, "a replay memory keeps it as long");
    }
}

#[test]
fn expiry_and_its_grace() {
    let policy = Policy::default();
    for late in -10..=10 {
        let signature = at(NOW - late - 10, Some(NOW - late));
        let verdict = policy.check_time(&signature, NOW);
        let refused = Err(VerifyError::Expired { seconds: late, most: 5 });
        assert_eq!(verdict, if late <= 5 { Ok(()) } else { refused }, "{late}");
        assert_eq!(policy.valid_until(&signature) >= NOW, late <= 5, "a replay memory keeps it as long");
    }
}

#[test]
fn lifetime() {
    let policy = Policy::default();
    for life in -3..=310 {
        let verdict = policy.check_time(&at(NOW, Some(NOW + life)), NOW);
        let expected = match life {
            ..0 => Err(VerifyError::ExpiresBeforeCreated),
            0..=300 => Ok(()),
            _ => Err(VerifyError::LifetimeTooLong { seconds: life, most: 300 }),
        };
        assert_eq!(verdict, expected, "{life}");
    }
}

#[test]
fn extreme_times_do_not_overflow() {
    const MOST: i64 = 999_999_999_999_999;
    let policy = Policy { max_ahead_seconds: i64::MAX, max_lifetime_seconds: i64::MAX, ..Policy::default() };
    for created in [-MOST, -1, 0, 1, MOST] {
        for expires in [None, Some(-MOST), Some(0), Some(MOST)] {
            let signature = at(created, expires);
            for now in [i64::MIN, -1, 0, NOW, i64::MAX] {
                let _ = Policy::default().check_time(&signature, now);
                let _ = policy.check_time(&signature, now);
                let _ = policy.valid_until(&signature);
            }
        }
    }
    assert!(Policy::default().check_time(&at(MOST, None), i64::MIN).is_err());
    assert!(Policy::default().check_time(&at(-MOST, None), i64::MAX).is_err());
    let none = presented("();keyid=\"k\"");
    assert_eq!(Policy::default().check_time(&none, NOW), Err(VerifyError::MissingCreated));
    assert_eq!(Policy::default().valid_until(&none), i64::MIN);
}

/// A message for the coverage table.
fn message<'a>(query: Option<&'a str>, headers: &'a HeaderMap, body: &'a [u8]) -> Message<'a> {
    let (method, path) = ("POST", "/users");
    Message { method, scheme: "https", authority: "a", path, query, headers, body, status: None }
}

fn coverage(list: &str, message: &Message<'_>, version: Version, strict: bool) -> Result<(), VerifyError> {
    let input = format!("({list});keyid=\"k\";nonce=\"n\";created={NOW}");
    Policy { strict, ..Policy::default() }.check_coverage(&presented(&input), message, version)
}

fn missing(component: &'static str) -> Result<(), VerifyError> {
    Err(VerifyError::NotCovered { component })
}

#[test]
fn coverage_of_the_request_line() {
    let none = HeaderMap::new();
    for version in ALL {
        for (list, query, expected) in [
            (r#""@method" "@path""#, None, Ok(())),
            (r#""@method" "@path""#, Some(""), Ok(())),
            (r#""@method" "@path""#, Some("a"), missing("@query")),
            (r#""@method" "@path" "@query""#, Some("a"), Ok(())),
            (r#""@method" "@path" "@query-param";name="a""#, Some("a"), missing("@query")),
            (r#""@method" "@target-uri""#, Some("a"), Ok(())),
            (r#""@method" "@request-target""#, Some("a"), Ok(())),
            (r#""@method" "@query""#, Some("a"), missing("@path")),
            (r#""@path" "@query""#, Some("a"), missing("@method")),
            (r#""@target-uri" "@query""#, None, missing("@method")),
            (r#""@request-target""#, None, missing("@method")),
            ("", None, missing("@method")),
        ] {
            assert_eq!(
                coverage(list, &message(query, &none, b""), version, false),
                expected,
                "{list} {query:?}"
            );
        }
    }
}

#[test]
fn coverage_of_authorization_and_body() {
    let line = r#""@method" "@path""#;
    let bearer = headers(&[("authorization", "Bearer x")]);
    for version in ALL {
        assert_eq!(coverage(line, &message(None, &bearer, b""), version, false), missing("authorization"));
        for form in ["", ";sf", ";bs"] {
            let list = format!("{line} \"authorization\"{form}");
            assert_eq!(coverage(&list, &message(None, &bearer, b""), version, false), Ok(()));
        }
        let list = format!("{line} \"authorization\";key=\"a\"");
        assert_eq!(coverage(&list, &message(None, &bearer, b""), version, false), missing("authorization"));
    }
    let both = headers(&[("digest", "SHA-256=x"), ("content-digest", "sha-256=:AA==:")]);
    let one = headers(&[("digest", "SHA-256=x")]);
    let none = HeaderMap::new();
    for (version, list, fields, expected) in [
        (Version::Draft6, line, &none, Err(VerifyError::DigestMissing { header: "digest" })),
        (Version::Draft15, line, &none, Err(VerifyError::DigestMissing { header: "content-digest" })),
        (Version::Draft6, line, &both, Err(VerifyError::DigestNotCovered { header: "digest" })),
        (Version::Draft15, line, &both, Err(VerifyError::DigestNotCovered { header: "content-digest" })),
        (Version::Rfc9421, line, &one, Err(VerifyError::DigestMissing { header: "content-digest" })),
        (Version::Draft6, r#""@method" "@path" "digest""#, &both, Ok(())),
        (Version::Draft6, r#""@method" "@path" "content-digest""#, &both, Ok(())),
        (Version::Draft15, r#""@method" "@path" "content-digest""#, &both, Ok(())),
        (
            Version::Draft15,
            r#""@method" "@path" "digest""#,
            &both,
            Err(VerifyError::DigestNotCovered { header: "content-digest" }),
        ),
        (
            Version::Rfc9421,
            r#""@method" "@path" "content-digest";key="sha-256""#,
            &both,
            Err(VerifyError::DigestNotCovered { header: "content-digest" }),
        ),
    ] {
        assert_eq!(
            coverage(list, &message(None, fields, b"x"), version, false),
            expected,
            "{version:?} {list}"
        );
        assert_eq!(coverage(list, &message(None, fields, b""), version, false), Ok(()));
    }
    // A body that is announced and not read yet.
    let announced = headers(&[("content-length", "5")]);
    let refused = Err(VerifyError::DigestMissing { header: "content-digest" });
    assert_eq!(coverage(line, &message(None, &announced, b""), Version::Draft15, false), refused);
    let zero = headers(&[("content-length", "0")]);
    assert_eq!(coverage(line, &message(None, &zero, b""), Version::Draft15, false), Ok(()));
}

#[test]
fn coverage_of_a_response() {
    let fields = headers(&[("authorization", "x"), ("content-length", "5")]);
    let response = Message { status: Some(204), ..message(Some("a"), &fields, b"") };
    assert_eq!(coverage(r#""@status""#, &response, Version::Rfc9421, false), Ok(()));
    assert_eq!(coverage(r#""@status""#, &response, Version::Rfc9421, true), Ok(()));
    assert_eq!(coverage("", &response, Version::Rfc9421, false), missing("@status"));
}

#[test]
fn strict_coverage() {
    let fields = headers(&[("idempotency-key", "x"), ("content-digest", "x"), ("content-length", "1")]);
    let post = message(None, &fields, b"x");
    let mut list: Vec<&str> = vec!["@method", "@path", "content-digest"];
    for next in ["accept", "upvest-client-id", "idempotency-key", "content-type", "content-length"] {
        let text = |list: &[&str]| format!("\"{}\"", list.join("\" \""));
        assert_eq!(coverage(&text(&list), &post, Version::Draft15, false), Ok(()));
        assert_eq!(coverage(&text(&list), &post, Version::Draft15, true), missing(next));
        list.push(next);
    }
    let text = format!("\"{}\"", list.join("\" \""));
    assert_eq!(coverage(&text, &post, Version::Draft15, true), Ok(()));
    let strict = Policy { strict: true, ..Policy::default() };
    let check = |parameters: &str| {
        strict.check_coverage(&presented(&format!("({text}){parameters}")), &post, Version::Draft15)
    };
    assert_eq!(check(";keyid=\"k\";nonce=\"n\""), Ok(()));
    assert_eq!(check(";keyid=\"k\""), Err(VerifyError::MissingNonce));
    assert_eq!(check(";nonce=\"n\""), Err(VerifyError::MissingKeyId));
    let get = HeaderMap::new();
    let list = r#""@method" "@path" "accept" "upvest-client-id""#;
    assert_eq!(coverage(list, &message(None, &get, b""), Version::Draft15, true), Ok(()));
    let version = headers(&[("upvest-api-version", "1")]);
    assert_eq!(
        coverage(list, &message(None, &version, b""), Version::Draft15, true),
        missing("upvest-api-version")
    );
    // Where the host is known, a request is for no other.
    let bound = Policy { strict: true, authority: true, ..Policy::default() };
    let check = |list: &str| {
        let input = format!("({list});keyid=\"k\";nonce=\"n\"");
        bound.check_coverage(&presented(&input), &message(None, &get, b""), Version::Draft15)
    };
    assert_eq!(check(list), missing("@authority"));
    assert_eq!(check(&format!("{list} \"@authority\"")), Ok(()));
    assert_eq!(check(&format!("{list} \"@target-uri\"")), Ok(()));
}

const BODY: &[u8] = br#"{"hello": "world"}"#;
const SHA256: &str = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=";
const SHA512: &str =
    "WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==";

fn check_digest(field: &str, value: &str, body: &[u8]) -> Result<(), VerifyError> {
    let fields = headers(&[(field, value)]);
    let version = if field == "digest" { Version::Draft6 } else { Version::Draft15 };
    let signature = presented(&format!("(\"{field}\");created={NOW}"));
    Policy::default().check_digest(&signature, &message(None, &fields, body), version)
}

#[test]
fn content_digest_forms() {
    let check = |value: &str| {
        check_digest("content-digest", &value.replace("S2", SHA256).replace("S5", SHA512), BODY)
    };
    let mismatch = |algorithm| Err(VerifyError::DigestMismatch { header: "content-digest", algorithm });
    for good in [
        "sha-512=:S5:",
        "sha-256=:S2:",
        "sha-256=:S2:, sha-512=:S5:",
        "  sha-256=:S2:  ,\tsha-512=:S5:;x=1",
        "md5=:AA==:, sha-512=:S5:, unixsum=1",
        "sha-512=:S5:, sha-512=:S5:",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    assert_eq!(check("sha-512=:S2:"), mismatch("sha-512"));
    assert_eq!(check("sha-256=:S5:"), mismatch("sha-256"));
    assert_eq!(check("sha-512=::"), mismatch("sha-512"));
    assert_eq!(check("sha-256=:S2:, sha-512=:AA==:"), mismatch("sha-512"));
    assert_eq!(check("sha-256=:AA==:, sha-512=:S5:"), mismatch("sha-256"));
    assert_eq!(
        check("sha-512=:AA==:, sha-512=:S5:"),
        mismatch("sha-512"),
        "nobody knows which of the two counts"
    );
    for none in ["", "md5=:AA==:", "sha=:AA==:"] {
        assert_eq!(check(none), Err(VerifyError::DigestAlgorithm { header: "content-digest" }), "{none}");
    }
    for broken in
        ["SHA-512=:S5:", "sha-512=S5", "sha-512=\"S5\"", "sha-512", "sha-512=:S5", "sha-512=(:S5:)", "ü"]
    {
        assert!(matches!(check(broken), Err(VerifyError::Unparsable { .. })), "{broken}");
    }
}

#[test]
fn plain_digest_forms() {
    let check =
        |value: &str| check_digest("digest", &value.replace("S2", SHA256).replace("S5", SHA512), BODY);
    let mismatch = |algorithm| Err(VerifyError::DigestMismatch { header: "digest", algorithm });
    for good in [
        "SHA-256=S2",
        "sha-256=S2",
        "Sha-512=S5",
        " SHA-256=S2 , SHA-512=S5 ",
        "md5=x,SHA-256=S2",
        "SHA-256=S2,unixsum=30637",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    assert_eq!(check("SHA-256=S5"), mismatch("sha-256"));
    assert_eq!(check("SHA-512=S2"), mismatch("sha-512"));
    assert_eq!(check("SHA-256="), mismatch("sha-256"));
    assert_eq!(check("SHA-256=AAAA, SHA-256=S2"), mismatch("sha-256"));
    assert_eq!(check("SHA-256=S2, SHA-512=AAAA"), mismatch("sha-512"));
    assert_eq!(check("MD5=AAAA"), Err(VerifyError::DigestAlgorithm { header: "digest" }));
    for broken in ["", "SHA-256", "SHA-256=:S2:", "SHA-256=*", "SHA-256=S2,", "ü"] {
        assert!(matches!(check(broken), Err(VerifyError::Unparsable { .. })), "{broken}");
    }
}

#[test]
fn a_covered_digest_counts_also_without_a_body() {
    for version in ALL {
        let (name, value) = body_digest(version, b"");
        let value = value.to_str().unwrap();
        assert_eq!(check_digest(name.as_str(), value, b""), Ok(()));
        assert!(matches!(check_digest(name.as_str(), value, b"x"), Err(VerifyError::DigestMismatch { .. })));
        let (_, other) = body_digest(version, b"x");
        let verdict = check_digest(name.as_str(), other.to_str().unwrap(), b"");
        assert!(matches!(verdict, Err(VerifyError::DigestMismatch { .. })));
    }
}

#[test]
fn a_body_needs_a_covered_digest_also_when_only_the_digest_is_checked() {
    let fields = headers(&[("content-digest", &format!("sha-512=:{SHA512}:"))]);
    let signature = presented("(\"@method\");created=1");
    let check = |fields: &HeaderMap, body: &[u8]| {
        Policy::default().check_digest(&signature, &message(None, fields, body), Version::Draft15)
    };
    assert_eq!(check(&fields, BODY), Err(VerifyError::DigestNotCovered { header: "content-digest" }));
    assert_eq!(check(&HeaderMap::new(), BODY), Err(VerifyError::DigestMissing { header: "content-digest" }));
    assert_eq!(check(&fields, b""), Ok(()), "not covered, so it says nothing");
    // In draft 15 the old field is not asked for, but once it is covered it must be true.
    let both = headers(&[("content-digest", &format!("sha-512=:{SHA512}:")), ("digest", "SHA-256=AAAA")]);
    let signature = presented("(\"content-digest\" \"digest\");created=1");
    let verdict = Policy::default().check_digest(&signature, &message(None, &both, BODY), Version::Draft15);
    assert_eq!(verdict, Err(VerifyError::DigestMismatch { header: "digest", algorithm: "sha-256" }));
}
