//! Times at each edge, the coverage table, digests in all their forms.

mod common;

use common::{BARE, DER, RFC, headers};
use http::HeaderMap;
use http_message_signatures::{
    Message, Policy, Profile, ReceivedSignature, RequiredComponent, VerifyError, body_digest,
};

const NOW: i64 = 1_700_000_000;
const ALL: [&Profile; 3] = [BARE, DER, RFC];

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
    let policy = Policy::default().with_max_ahead_seconds(i64::MAX).with_max_lifetime_seconds(i64::MAX);
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
    Message::request("POST", "/users", query, headers, body).with_origin("https", "a")
}

/// A policy with demands of every kind.
fn strict() -> Policy<'static> {
    const REQUEST: &[RequiredComponent<'static>] = &[
        RequiredComponent::always("accept"),
        RequiredComponent::always("x-client-id"),
        RequiredComponent::when_sent("idempotency-key"),
        RequiredComponent::when_sent("x-api-version"),
        RequiredComponent::with_body("content-type"),
        RequiredComponent::with_body("content-length"),
    ];
    const RESPONSE: &[RequiredComponent<'static>] =
        &[RequiredComponent::when_sent("location"), RequiredComponent::with_body("content-type")];
    let policy = Policy::default().with_required_key_id().with_required_nonce();
    policy.with_request_components(REQUEST).with_response_components(RESPONSE)
}

fn coverage(
    list: &str,
    message: &Message<'_>,
    profile: &Profile,
    is_strict: bool,
) -> Result<(), VerifyError> {
    let input = format!("({list});keyid=\"k\";nonce=\"n\";created={NOW}");
    let policy = if is_strict { strict() } else { Policy::default() };
    policy.check_coverage(&presented(&input), message, profile)
}

fn missing(component: &str) -> Result<(), VerifyError> {
    Err(VerifyError::NotCovered { component: component.to_owned() })
}

#[test]
fn coverage_of_the_request_line() {
    let none = HeaderMap::new();
    for profile in ALL {
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
                coverage(list, &message(query, &none, b""), profile, false),
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
    for profile in ALL {
        assert_eq!(coverage(line, &message(None, &bearer, b""), profile, false), missing("authorization"));
        for form in ["", ";sf", ";bs"] {
            let list = format!("{line} \"authorization\"{form}");
            assert_eq!(coverage(&list, &message(None, &bearer, b""), profile, false), Ok(()));
        }
        let list = format!("{line} \"authorization\";key=\"a\"");
        assert_eq!(coverage(&list, &message(None, &bearer, b""), profile, false), missing("authorization"));
    }
    let both = headers(&[("digest", "SHA-256=x"), ("content-digest", "sha-256=:AA==:")]);
    let one = headers(&[("digest", "SHA-256=x")]);
    let none = HeaderMap::new();
    for (profile, list, fields, expected) in [
        (BARE, line, &none, Err(VerifyError::DigestMissing { header: "digest" })),
        (DER, line, &none, Err(VerifyError::DigestMissing { header: "content-digest" })),
        (BARE, line, &both, Err(VerifyError::DigestNotCovered { header: "digest" })),
        (DER, line, &both, Err(VerifyError::DigestNotCovered { header: "content-digest" })),
        (RFC, line, &one, Err(VerifyError::DigestMissing { header: "content-digest" })),
        (BARE, r#""@method" "@path" "digest""#, &both, Ok(())),
        (BARE, r#""@method" "@path" "content-digest""#, &both, Ok(())),
        (DER, r#""@method" "@path" "content-digest""#, &both, Ok(())),
        (
            DER,
            r#""@method" "@path" "digest""#,
            &both,
            Err(VerifyError::DigestNotCovered { header: "content-digest" }),
        ),
        (
            RFC,
            r#""@method" "@path" "content-digest";key="sha-256""#,
            &both,
            Err(VerifyError::DigestNotCovered { header: "content-digest" }),
        ),
    ] {
        assert_eq!(
            coverage(list, &message(None, fields, b"x"), profile, false),
            expected,
            "{profile:?} {list}"
        );
        assert_eq!(coverage(list, &message(None, fields, b""), profile, false), Ok(()));
    }
    // A body that is announced and not read yet.
    let announced = headers(&[("content-length", "5")]);
    let refused = Err(VerifyError::DigestMissing { header: "content-digest" });
    assert_eq!(coverage(line, &message(None, &announced, b""), DER, false), refused);
    let zero = headers(&[("content-length", "0")]);
    assert_eq!(coverage(line, &message(None, &zero, b""), DER, false), Ok(()));
}

#[test]
fn coverage_of_a_response() {
    let fields = headers(&[("authorization", "x"), ("content-length", "5")]);
    let response = Message::response(204, &fields, b"");
    assert_eq!(coverage(r#""@status""#, &response, RFC, false), Ok(()));
    assert_eq!(coverage(r#""@status""#, &response, RFC, true), Ok(()));
    assert_eq!(coverage("", &response, RFC, false), missing("@status"));
}

#[test]
fn strict_coverage() {
    let fields = headers(&[("idempotency-key", "x"), ("content-digest", "x"), ("content-length", "1")]);
    let post = message(None, &fields, b"x");
    let mut list: Vec<&str> = vec!["@method", "@path", "content-digest"];
    for next in ["accept", "x-client-id", "idempotency-key", "content-type", "content-length"] {
        let text = |list: &[&str]| format!("\"{}\"", list.join("\" \""));
        assert_eq!(coverage(&text(&list), &post, DER, false), Ok(()));
        assert_eq!(coverage(&text(&list), &post, DER, true), missing(next));
        list.push(next);
    }
    let text = format!("\"{}\"", list.join("\" \""));
    assert_eq!(coverage(&text, &post, DER, true), Ok(()));
    let strict = strict();
    let check =
        |parameters: &str| strict.check_coverage(&presented(&format!("({text}){parameters}")), &post, DER);
    assert_eq!(check(";keyid=\"k\";nonce=\"n\""), Ok(()));
    assert_eq!(check(";keyid=\"k\""), Err(VerifyError::MissingNonce));
    assert_eq!(check(";nonce=\"n\""), Err(VerifyError::MissingKeyId));
    let get = HeaderMap::new();
    let list = r#""@method" "@path" "accept" "x-client-id""#;
    assert_eq!(coverage(list, &message(None, &get, b""), DER, true), Ok(()));
    let profile = headers(&[("x-api-version", "1")]);
    assert_eq!(coverage(list, &message(None, &profile, b""), DER, true), missing("x-api-version"));
}

#[test]
fn a_wider_component_covers_its_parts() {
    let none = HeaderMap::new();
    let get = message(Some("a"), &none, b"");
    for (required, list, verdict) in [
        ("@authority", r#""@method" "@path" "@query""#, missing("@authority")),
        ("@authority", r#""@method" "@path" "@query" "@authority""#, Ok(())),
        ("@authority", r#""@method" "@target-uri""#, Ok(())),
        ("@authority", r#""@method" "@request-target""#, missing("@authority")),
        ("@scheme", r#""@method" "@target-uri""#, Ok(())),
        ("@scheme", r#""@method" "@request-target""#, missing("@scheme")),
        ("@target-uri", r#""@method" "@path" "@query" "@authority" "@scheme""#, missing("@target-uri")),
        ("@query", r#""@method" "@request-target""#, Ok(())),
    ] {
        let required = [RequiredComponent::always(required)];
        let policy = Policy::default().with_request_components(&required);
        let verified = policy.check_coverage(&presented(&format!("({list})")), &get, RFC);
        assert_eq!(verified, verdict, "{required:?} {list}");
    }
}

/// Demands of requests do not apply to responses, and the reverse.
#[test]
fn requests_and_responses_have_demands_of_their_own() {
    let line = r#""@method" "@path" "accept" "x-client-id""#;
    let fields = headers(&[("location", "/1")]);
    assert_eq!(coverage(line, &message(None, &fields, b""), RFC, true), Ok(()));
    let moved = Message::response(303, &fields, b"");
    assert_eq!(coverage(r#""@status""#, &moved, RFC, true), missing("location"));
    assert_eq!(coverage(r#""@status" "location""#, &moved, RFC, true), Ok(()));
    let fields = headers(&[("content-digest", "x")]);
    let full = Message::response(200, &fields, b"x");
    assert_eq!(coverage(r#""@status" "content-digest""#, &full, RFC, true), missing("content-type"));
    assert_eq!(coverage(r#""@status" "content-digest" "content-type""#, &full, RFC, true), Ok(()));
    assert_eq!(coverage(r#""@status" "content-digest""#, &full, RFC, false), Ok(()));
}

#[test]
fn a_derived_component_counts_as_sent() {
    let none = HeaderMap::new();
    let required = [RequiredComponent::when_sent("@query"), RequiredComponent::when_sent("@scheme")];
    let policy = Policy::default().with_request_components(&required);
    let check = |list: &str, query| {
        policy.check_coverage(&presented(&format!("({list})")), &message(query, &none, b""), RFC)
    };
    assert_eq!(check(r#""@method" "@path" "@scheme""#, None), Ok(()));
    assert_eq!(check(r#""@method" "@path" "@scheme""#, Some("")), Ok(()));
    assert_eq!(check(r#""@method" "@path" "@query""#, Some("a")), missing("@scheme"));
}

/// Every number of the policy is the one that decides.
#[test]
fn a_policy_of_ones_own() {
    let policy = Policy::default()
        .with_max_ahead_seconds(1)
        .with_max_lifetime_seconds(10)
        .with_expiry_grace_seconds(2);
    assert_eq!(policy.check_time(&at(NOW + 1, None), NOW), Ok(()));
    let ahead = Err(VerifyError::CreatedInFuture { seconds: 2, most: 1 });
    assert_eq!(policy.check_time(&at(NOW + 2, None), NOW), ahead);
    let long = Err(VerifyError::LifetimeTooLong { seconds: 11, most: 10 });
    assert_eq!(policy.check_time(&at(NOW, Some(NOW + 11)), NOW), long);
    let late = Err(VerifyError::Expired { seconds: 3, most: 2 });
    assert_eq!(policy.check_time(&at(NOW - 5, Some(NOW - 3)), NOW), late);
    assert_eq!(policy.valid_until(&at(NOW, Some(NOW + 5))), NOW + 7);
    assert_eq!(policy.valid_until(&at(NOW, None)), NOW + 10);
}

const BODY: &[u8] = br#"{"hello": "world"}"#;
const SHA256: &str = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=";
const SHA512: &str =
    "WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==";

fn check_digest(field: &str, value: &str, body: &[u8]) -> Result<(), VerifyError> {
    let fields = headers(&[(field, value)]);
    let profile = if field == "digest" { BARE } else { DER };
    let signature = presented(&format!("(\"{field}\");created={NOW}"));
    Policy::default().check_digest(&signature, &message(None, &fields, body), profile)
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
    for profile in ALL {
        let (name, value) = body_digest(profile, b"").unwrap();
        let value = value.to_str().unwrap();
        assert_eq!(check_digest(name.as_str(), value, b""), Ok(()));
        assert!(matches!(check_digest(name.as_str(), value, b"x"), Err(VerifyError::DigestMismatch { .. })));
        let (_, other) = body_digest(profile, b"x").unwrap();
        let verdict = check_digest(name.as_str(), other.to_str().unwrap(), b"");
        assert!(matches!(verdict, Err(VerifyError::DigestMismatch { .. })));
    }
}

#[test]
fn a_body_needs_a_covered_digest_also_when_only_the_digest_is_checked() {
    let fields = headers(&[("content-digest", &format!("sha-512=:{SHA512}:"))]);
    let signature = presented("(\"@method\");created=1");
    let check = |fields: &HeaderMap, body: &[u8]| {
        Policy::default().check_digest(&signature, &message(None, fields, body), DER)
    };
    assert_eq!(check(&fields, BODY), Err(VerifyError::DigestNotCovered { header: "content-digest" }));
    assert_eq!(check(&HeaderMap::new(), BODY), Err(VerifyError::DigestMissing { header: "content-digest" }));
    assert_eq!(check(&fields, b""), Ok(()), "not covered, so it says nothing");
    // The profile does not ask for the old field, but once it is covered it must be true.
    let both = headers(&[("content-digest", &format!("sha-512=:{SHA512}:")), ("digest", "SHA-256=AAAA")]);
    let signature = presented("(\"content-digest\" \"digest\");created=1");
    let verdict = Policy::default().check_digest(&signature, &message(None, &both, BODY), DER);
    assert_eq!(verdict, Err(VerifyError::DigestMismatch { header: "digest", algorithm: "sha-256" }));
}

#[test]
fn digests_of_known_bodies() {
    let digests = |body: &[u8]| {
        let old = body_digest(BARE, body).unwrap();
        let new = body_digest(RFC, body).unwrap();
        assert_eq!((old.0.as_str(), new.0.as_str()), ("digest", "content-digest"));
        (old.1.to_str().unwrap().to_owned(), new.1.to_str().unwrap().to_owned())
    };
    assert_eq!(digests(BODY), (format!("SHA-256={SHA256}"), format!("sha-512=:{SHA512}:")));
    let key = (
        "SHA-256=lyTB4g5uPk1/V+0l+dTvsAblCFkNUoyQ2ll/andcE+U=".to_owned(),
        "sha-512=:Hd9/AvGZkbjitW1+Ml8Fg1ux1mtcDYe6mLQjDyoowIWa3LM/PmwN2v9O+MjtQGrCA3EQWUL54dlgxKHyYbrucw==:"
            .to_owned(),
    );
    assert_eq!(digests(br#"{"key": "value"}"#), key);
}
