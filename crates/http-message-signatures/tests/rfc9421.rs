//! The examples of RFC 9421: section 2 and appendix B. Signatures are checked, so a wrongly copied vector
//! fails.

mod common;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA512, UnparsedPublicKey};
use common::{DER, RFC, changed, decode, encode, header, headers};
use http::HeaderMap;
use http_message_signatures::{
    Algorithm, ComponentReader, Message, Policy, Profile, PublicKey, ReceivedSignature, SignatureEncoding,
    SigningKey, VerifyError, body_digest, verify,
};

const RSA_PSS: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6d\
    pG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOt\
    CEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw\
    9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB";
const P256: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6D\
    xh71Z50VGGdldkkDXZCnTNnoXQ==";
const ED25519: &str = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=";
const SECRET: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
const BODY: &[u8] = br#"{"hello": "world"}"#;
const DIGEST: &str =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

fn request<'a>(
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    headers: &'a HeaderMap,
) -> Message<'a> {
    let authority = headers.get("host").map_or("", |host| host.to_str().unwrap());
    Message::request(method, path, query, headers, b"").with_origin("https", authority)
}

fn signed(mut fields: HeaderMap, label: &str, input: &str, signature: &str) -> HeaderMap {
    header(&mut fields, "signature-input", &format!("{label}={input}"));
    header(&mut fields, "signature", &format!("{label}=:{signature}:"));
    fields
}

/// The request of appendix B.2 with one of its signatures; gives the parsed signature and its base.
fn b2(label: &str, input: &str, signature: &str) -> (ReceivedSignature, String) {
    let fields = headers(&[
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-digest", DIGEST),
        ("content-length", "18"),
    ]);
    let fields = signed(fields, label, input, signature);
    let message = request("POST", "/foo", Some("param=Value&Pet=dog"), &fields).with_body(BODY);
    let presented = ReceivedSignature::parse(&fields).unwrap();
    assert_eq!(presented.label(), label);
    let base = presented.base(&message, RFC, &ComponentReader::standard(&message)).unwrap();
    (presented, base)
}

fn rsa_pss(base: &str, signature: &[u8]) {
    let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA512, decode(RSA_PSS));
    key.verify(base.as_bytes(), signature).unwrap();
    assert!(key.verify(&base.as_bytes()[1..], signature).is_err());
}

#[test]
fn b_2_1_minimal() {
    let input = r#"();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#;
    let (presented, base) = b2(
        "sig-b21",
        input,
        "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG\
         52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVro\
         gUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ\
         98Xw9Q==",
    );
    assert_eq!(base, format!("\"@signature-params\": {input}"));
    assert_eq!(presented.nonce(), Some("b3k2pp5k7z-50gnwp.yemd"));
    rsa_pss(&base, presented.signature());
}

#[test]
fn b_2_2_selective() {
    let (presented, base) = b2(
        "sig-b22",
        r#"("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
        "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT\
         8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBS\
         pqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTu\
         gEjHSw==",
    );
    let first = format!("\"@authority\": example.com\n\"content-digest\": {DIGEST}\n");
    assert!(base.starts_with(&first), "{base}");
    assert!(base[first.len()..].starts_with("\"@query-param\";name=\"Pet\": dog\n\"@signature-params\": ("));
    assert_eq!(presented.tag(), Some("header-example"));
    rsa_pss(&base, presented.signature());
}

#[test]
fn b_2_3_full() {
    let (presented, base) = b2(
        "sig-b23",
        r#"("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
        "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fU\
         xN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA\
         1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKE\
         gM4cUA==",
    );
    assert!(base.contains("\"@query\": ?param=Value&Pet=dog\n"));
    rsa_pss(&base, presented.signature());
}

#[test]
fn b_2_4_response() {
    let body = br#"{"message": "good dog"}"#;
    let digest =
        "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:";
    assert_eq!(body_digest(RFC, body).unwrap().1, digest);
    let fields = headers(&[
        ("date", "Tue, 20 Apr 2021 02:07:56 GMT"),
        ("content-type", "application/json"),
        ("content-digest", digest),
        ("content-length", "23"),
    ]);
    let fields = signed(
        fields,
        "sig-b24",
        r#"("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#,
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
    );
    let message = changed(request("", "", None, &fields), |message| {
        message.body = body;
        message.status = Some(200);
    });
    let presented = ReceivedSignature::parse(&fields).unwrap();
    let base = presented.base(&message, RFC, &ComponentReader::standard(&message)).unwrap();
    assert!(base.starts_with("\"@status\": 200\n\"content-type\": application/json\n"));
    let key = PublicKey::from_spki_der(&decode(P256)).unwrap();
    assert_eq!(key.verify(base.as_bytes(), presented.signature(), RFC), Ok(SignatureEncoding::Raw));
    let verify = |message: &Message<'_>| {
        http_message_signatures::verify(message, &presented, &key, RFC, &Policy::default(), 1_618_884_500)
    };
    assert_eq!(verify(&message), Ok(()));
    assert_eq!(verify(&changed(message, |message| message.status = Some(201))), Err(VerifyError::Mismatch));
    assert!(matches!(verify(&message.with_body(b"{}")), Err(VerifyError::DigestMismatch { .. })));
}

#[test]
fn b_2_5_hmac() {
    let (presented, base) = b2(
        "sig-b25",
        r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
        "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &decode(SECRET));
    hmac::verify(&key, base.as_bytes(), presented.signature()).unwrap();
}

#[test]
fn b_2_6_ed25519() {
    let (presented, base) = b2(
        "sig-b26",
        r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
    );
    let key = PublicKey::from_spki_der(&decode(ED25519)).unwrap();
    assert_eq!(key.verify(base.as_bytes(), presented.signature(), RFC), Ok(SignatureEncoding::Ed25519));
    assert_eq!(key.verify(&base.as_bytes()[1..], presented.signature(), RFC), Err(VerifyError::Mismatch));
}

#[test]
fn b_3_proxy_with_client_certificate() {
    let certificate = ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkx\
        BIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj\
        0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TB\
        AIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/\
        BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmi\
        Z0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:";
    let fields = headers(&[("host", "service.internal.example"), ("client-cert", certificate)]);
    let fields = signed(
        fields,
        "ttrp",
        r#"("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256""#,
        "xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==",
    );
    let message = request("POST", "/foo", Some("param=Value&Pet=dog"), &fields);
    let key = PublicKey::from_spki_der(&decode(P256)).unwrap();
    let presented = ReceivedSignature::parse(&fields).unwrap();
    let verify = |message: &Message<'_>| {
        http_message_signatures::verify(message, &presented, &key, RFC, &Policy::default(), 1_618_884_500)
    };
    assert_eq!(verify(&message), Ok(()));
    // Case and default port of the host mean nothing (section 2.2.3); another host does.
    assert_eq!(
        verify(&changed(message, |message| message.authority = "Service.Internal.Example:443")),
        Ok(())
    );
    assert_eq!(
        verify(&changed(message, |message| message.authority = "service.internal.example:80")),
        Err(VerifyError::Mismatch)
    );
    assert_eq!(
        verify(&changed(message, |message| message.query = Some("param=Value&Pet=cat"))),
        Err(VerifyError::Mismatch)
    );
}

#[test]
fn b_4_transformations() {
    let verify = |method, query, fields: &[(&str, &str)]| {
        let fields = signed(
            headers(fields),
            "transform",
            r#"("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519""#,
            "ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==",
        );
        let message = request(method, "/demo", Some(query), &fields);
        let presented = ReceivedSignature::parse(&fields).unwrap();
        let base = presented.base(&message, RFC, &ComponentReader::standard(&message)).unwrap();
        let key = PublicKey::from_spki_der(&decode(ED25519)).unwrap();
        key.verify(base.as_bytes(), presented.signature(), RFC).is_ok()
    };
    let (host, date, json, any) = (
        ("host", "example.org"),
        ("date", "Fri, 15 Jul 2022 14:24:55 GMT"),
        ("accept", "application/json"),
        ("accept", "*/*"),
    );
    let query = "name1=Value1&Name2=value2";
    assert!(verify("GET", query, &[host, date, json, any]));
    // Changes that leave the covered components alone.
    let language = ("accept-language", "en-US,en;q=0.5");
    assert!(verify("GET", "name1=Value1&Name2=value2&param=added", &[host, date, json, any, language]));
    let referer = ("referer", "https://developer.example.org/demo");
    assert!(verify("GET", query, &[host, referer, ("accept", "application/json, */*")]));
    assert!(verify("GET", query, &[json, any, date, host]));
    // Changes that do not.
    assert!(!verify("POST", query, &[("host", "example.com"), date, json, any]));
    assert!(!verify("POST", query, &[host, date, json, any]));
    assert!(!verify("GET", query, &[("host", "example.com"), date, json, any]));
    assert!(!verify("GET", query, &[host, date, any, json]));
}

/// The value of one component, or why there is none.
fn value(message: &Message<'_>, component: &str, profile: &Profile) -> Result<String, VerifyError> {
    let input = format!("sig1=({component});created=1");
    let presented =
        ReceivedSignature::parse(&headers(&[("signature-input", &input), ("signature", "sig1=:AA==:")]))?;
    let base = presented.base(message, profile, &ComponentReader::standard(message))?;
    let line =
        base.strip_suffix(&format!("\n\"@signature-params\": ({component});created=1")).unwrap().to_owned();
    Ok(line.strip_prefix(&format!("{component}: ")).expect("the identifier stands as it was sent").to_owned())
}

fn rfc(message: &Message<'_>, component: &str) -> Result<String, VerifyError> {
    value(message, component, RFC)
}

#[test]
fn section_2_1_fields() {
    let fields = headers(&[
        ("host", "www.example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:56 GMT"),
        ("x-ows-header", "   Leading and trailing whitespace.   "),
        ("cache-control", "max-age=60"),
        ("x-empty-header", ""),
        ("cache-control", "   must-revalidate"),
        ("example-dict", "  a=1,    b=2;x=1;y=2,   c=(a   b   c)"),
        ("example-header", "value, with, lots"),
        ("example-header", "of, commas"),
        ("example-one", "value, with, lots, of, commas"),
        ("keys", "a=1, b=2;x=1;y=2, c=(a   b    c), d"),
        ("priority", ""),
        ("content-digest", "  "),
    ]);
    let message = request("GET", "/xyz", None, &fields);
    for (component, expected) in [
        (r#""host""#, "www.example.com"),
        (r#""date""#, "Tue, 20 Apr 2021 02:07:56 GMT"),
        (r#""x-ows-header""#, "Leading and trailing whitespace."),
        (r#""cache-control""#, "max-age=60, must-revalidate"),
        (r#""x-empty-header""#, ""),
        (r#""example-dict""#, "a=1,    b=2;x=1;y=2,   c=(a   b   c)"),
        // 2.1.1
        (r#""example-dict";sf"#, "a=1, b=2;x=1;y=2, c=(a b c)"),
        // A list or a dictionary without members is sent as no field at all; one that is empty is the empty text.
        (r#""x-empty-header";sf"#, ""),
        (r#""priority";sf"#, ""),
        (r#""content-digest";sf"#, ""),
        // 2.1.2
        (r#""keys";key="a""#, "1"),
        (r#""keys";key="d""#, "?1"),
        (r#""keys";key="b""#, "2;x=1;y=2"),
        (r#""keys";key="c""#, "(a b c)"),
        (r#""keys";key="c";sf"#, "(a b c)"),
        // 2.1.3
        (r#""example-header""#, "value, with, lots, of, commas"),
        (r#""example-header";bs"#, ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:"),
        (r#""example-one";bs"#, ":dmFsdWUsIHdpdGgsIGxvdHMsIG9mLCBjb21tYXM=:"),
    ] {
        assert_eq!(rfc(&message, component).as_deref(), Ok(expected), "{component}");
    }
    for component in [r#""x-missing""#, r#""x-missing";bs"#, r#""x-missing";sf"#, r#""keys";key="z""#] {
        assert!(matches!(rfc(&message, component), Err(VerifyError::MissingComponent { .. })), "{component}");
    }
    assert!(matches!(rfc(&message, r#""date";sf"#), Err(VerifyError::Unparsable { .. })));
}

#[test]
fn section_2_2_derived_components() {
    let fields = headers(&[("host", "www.example.com")]);
    let message = request("POST", "/path", Some("param=value"), &fields);
    let query = |query| changed(message, |message| message.query = query);
    for (message, component, expected) in [
        (message, "@method", "POST"),
        (changed(message, |message| message.method = "get"), "@method", "get"),
        (message, "@target-uri", "https://www.example.com/path?param=value"),
        (message, "@authority", "www.example.com"),
        (
            changed(message, |message| message.authority = "WWW.Example.COM:443"),
            "@authority",
            "www.example.com",
        ),
        (
            changed(message, |message| message.authority = "example.com:8443"),
            "@authority",
            "example.com:8443",
        ),
        (changed(message, |message| message.authority = "example.com:80"), "@authority", "example.com:80"),
        (
            changed(message, |message| {
                message.authority = "example.com:80";
                message.scheme = "http";
            }),
            "@authority",
            "example.com",
        ),
        (changed(message, |message| message.authority = "Example.com:"), "@authority", "example.com"),
        (changed(message, |message| message.authority = "[2001:DB8::1]:443"), "@authority", "[2001:db8::1]"),
        (
            changed(message, |message| {
                message.authority = "WWW.Example.COM:443";
                message.scheme = "HTTPS";
            }),
            "@target-uri",
            "https://www.example.com/path?param=value",
        ),
        (
            changed(message, |message| {
                message.authority = "a:80";
                message.scheme = "http";
                message.path = "/A%2fb";
                message.query = None;
            }),
            "@target-uri",
            "http://a/A%2fb",
        ),
        (
            changed(message, |message| {
                message.authority = "a:8443";
                message.path = "";
                message.query = Some("");
            }),
            "@target-uri",
            "https://a:8443/?",
        ),
        (changed(message, |message| message.scheme = "HTTP"), "@scheme", "http"),
        (message, "@request-target", "/path?param=value"),
        (query(None), "@request-target", "/path"),
        (
            changed(message, |message| {
                message.path = "*";
                message.query = None;
            }),
            "@request-target",
            "*",
        ),
        (message, "@path", "/path"),
        (changed(message, |message| message.path = ""), "@path", "/"),
        (changed(message, |message| message.path = "/a%20b/%C3%BC"), "@path", "/a%20b/%C3%BC"),
        (query(Some("param=value&foo=bar&baz=bat%2Dman")), "@query", "?param=value&foo=bar&baz=bat%2Dman"),
        (query(Some("queryString")), "@query", "?queryString"),
        (query(Some("")), "@query", "?"),
        (query(None), "@query", "?"),
    ] {
        assert_eq!(rfc(&message, &format!("\"{component}\"")).as_deref(), Ok(expected), "{component}");
    }
    let response = changed(message, |message| message.status = Some(200));
    assert_eq!(rfc(&response, r#""@status""#).as_deref(), Ok("200"));
    assert!(matches!(rfc(&message, r#""@status""#), Err(VerifyError::UnsupportedComponent { .. })));
    assert!(matches!(rfc(&response, r#""@method""#), Err(VerifyError::UnsupportedComponent { .. })));
    let nowhere = changed(message, |message| message.authority = "");
    for component in [r#""@authority""#, r#""@target-uri""#] {
        assert!(matches!(rfc(&nowhere, component), Err(VerifyError::MissingComponent { .. })));
    }
}

#[test]
fn section_2_2_8_query_parameters() {
    let fields = HeaderMap::new();
    let message = request("GET", "/path", Some("param=value&foo=bar&baz=batman&qux="), &fields);
    for (name, expected) in [("baz", "batman"), ("qux", ""), ("param", "value")] {
        assert_eq!(rfc(&message, &format!("\"@query-param\";name=\"{name}\"")).as_deref(), Ok(expected));
    }
    let query =
        "var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something";
    let message = changed(message, |message| message.query = Some(query));
    for (name, expected) in [
        ("var", "this%20is%20a%20big%0Amultiline%20value"),
        ("bar", "with%20plus%20whitespace"),
        ("fa%C3%A7ade%22%3A%20", "something"),
    ] {
        assert_eq!(rfc(&message, &format!("\"@query-param\";name=\"{name}\"")).as_deref(), Ok(expected));
    }
    // Older drafts take the decoded value.
    let draft = value(&message, r#""@query-param";name="bar""#, DER);
    assert_eq!(draft.as_deref(), Ok("with plus whitespace"));
    let lines = value(&message, r#""@query-param";name="var""#, DER);
    assert!(matches!(lines, Err(VerifyError::UnusableValue { .. })), "a line break would forge a base line");
    let twice = changed(message, |message| message.query = Some("a=1&b=2&a=1"));
    assert!(matches!(rfc(&twice, r#""@query-param";name="a""#), Err(VerifyError::UnusableValue { .. })));
    assert!(matches!(rfc(&twice, r#""@query-param";name="c""#), Err(VerifyError::MissingComponent { .. })));
    let marks = changed(message, |message| message.query = Some("a=*-._~!'()%7e%2e/\u{e4}"));
    let expected = "*-._%7E%21%27%28%29%7E.%2F%C3%A4";
    assert_eq!(rfc(&marks, r#""@query-param";name="a""#).as_deref(), Ok(expected));
    let broken = changed(message, |message| message.query = Some("a=%FF&b=%zz%"));
    assert_eq!(rfc(&broken, r#""@query-param";name="a""#).as_deref(), Ok("%FF"));
    assert_eq!(rfc(&broken, r#""@query-param";name="b""#).as_deref(), Ok("%25zz%25"));
    let draft = value(&broken, r#""@query-param";name="a""#, DER);
    assert!(matches!(draft, Err(VerifyError::UnusableValue { .. })));
}

#[test]
fn section_2_5_base() {
    let (presented, base) = b2(
        "sig1",
        r#"("@method" "@authority" "@path" "content-digest" "content-length" "content-type");created=1618884473;keyid="test-key-rsa-pss""#,
        "HIbjHC5rS0BYaa9v4QfD4193TORw7u9edguPh0AW3dMq9WImrlFrCGUDih47vAxi4L2YRZ3XMJc1uOKk/J0ZmZ+wcta4nKIgBkKq0rM9hs3CQyxX\
         GxHLMCy8uqK488o+9jrptQ+xFPHK7a9sRL1IXNaagCNN3ZxJsYapFj+JXbmaI5rtAdSfSvzPuBCh+ARHBmWuNo1UzVVdHXrl8ePL4cccqlazIJdC\
         4QEjrF+Sn4IxBQzTZsL9y9TP5FsZYzHvDqbInkTNigBcE9cKOYNFCn4D/WM7F6TNuZO9EgtzepLWcjTymlHzK7aXq6Am6sfOrpIC49yXjj3ae6HR\
         alVc/g==",
    );
    assert_eq!(base.lines().count(), 7);
    assert!(!base.ends_with('\n'));
    rsa_pss(&base, presented.signature());
}

/// Section 2.3: the parameters are signed in their strict serialisation. Clients that write the field by hand sign
/// what they send; what neither text says does not hold.
#[test]
fn section_2_3_parameters_in_either_spacing() {
    let canonical = r#"("@method" "@path");created=1618884473;keyid="k""#;
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let none = HeaderMap::new();
    let message = request("GET", "/path", None, &none);
    let verified = |received: &str, signed: &str| {
        let base = format!("\"@method\": GET\n\"@path\": /path\n\"@signature-params\": {signed}");
        let signature = key.sign(base.as_bytes(), SignatureEncoding::Ed25519).unwrap();
        let (input, signature) = (format!("a={received}"), format!("a=:{}:", encode(&signature)));
        let fields = headers(&[("signature-input", &input), ("signature", &signature)]);
        let presented = ReceivedSignature::parse(&fields).unwrap();
        let message = message.with_headers(&fields);
        verify(&message, &presented, key.public_key(), RFC, &Policy::default(), 1_618_884_475)
    };
    for received in [
        canonical,
        r#"( "@method"  "@path" );created=1618884473;keyid="k""#,
        r#"("@method" "@path"); created=1618884473; keyid="k""#,
        r#"("@method" "@path") ; created=1618884473 ;keyid="k""#,
        "(\t\"@method\"\t\"@path\");\tcreated=1618884473;keyid=\"k\"",
    ] {
        assert_eq!(verified(received, received), Ok(()), "{received}");
        assert_eq!(verified(received, canonical), Ok(()), "{received}");
        for other in [
            r#"("@method" "@path"  );created=1618884473;keyid="k""#,
            r#"("@method" "@path");created=1618884473;keyid="k" "#,
            r#"("@method" "@path");keyid="k";created=1618884473"#,
            r#"("@method" "@path");created=1618884474;keyid="k""#,
            r#"("@method");created=1618884473;keyid="k""#,
            r#"("@method" "@path");created=01618884473;keyid="k""#,
        ] {
            assert_eq!(verified(received, other), Err(VerifyError::Mismatch), "{received} signed as {other}");
        }
    }
}
