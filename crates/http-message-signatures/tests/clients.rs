//! One request of each habit of the clients that are known to exist: component order, parameter order,
//! spacing, what they send and what they leave out. All of them must be accepted.

mod common;

use common::{BARE, DER, RFC, attach, changed, header, headers};
use http_message_signatures::{
    Algorithm, ComponentReader, Message, Policy, Profile, ReceivedSignature, SignatureEncoding, SigningKey,
    VerifyError, body_digest, fields,
};

const CREATED: i64 = 1_795_283_723;
const TOKEN: &str =
    "grant_type=client_credentials&client_id=c&client_secret=s&scope=users%3Aadmin+users%3Aread";
const USER: &str = r#"{"first_name":"Marcel","last_name":"Müller","nationalities":["DE"]}"#;

struct Client {
    profile: &'static Profile,
    key: Algorithm,
    encoding: SignatureEncoding,
    label: &'static str,
    /// Everything behind the list. `{c}` is `created`, `{e5}` five seconds later.
    parameters: &'static str,
    /// Fields that go with every request, covered or not.
    always: &'static [(&'static str, &'static str)],
}

/// `METHOD path?query`, fields, list of components. A body adds `content-length` and the digest.
type Request<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

impl Client {
    fn sends(&self, (method, target, body, extra, components): Request<'_>) {
        let mut fields = headers(self.always);
        for (name, value) in extra {
            header(&mut fields, name, value);
        }
        if !body.is_empty() {
            header(&mut fields, "Content-Length", &body.len().to_string());
            let (name, value) = body_digest(self.profile, body.as_bytes()).unwrap();
            fields.append(name, value);
        }
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let unsigned = Message::request(method, path, query, &fields, body.as_bytes())
            .with_origin("http", "127.0.0.1:8080");
        let list = components.split(' ').map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" ");
        let mut parameters = self.parameters.replace("{c}", &CREATED.to_string());
        for seconds in [5, 10, 60, 100] {
            parameters = parameters.replace(&format!("{{e{seconds}}}"), &(CREATED + seconds).to_string());
        }
        let key = SigningKey::generate(self.key).unwrap();
        let input = format!("({list}){parameters}");
        let sent = attach(&unsigned, self.label, &input, &key, self.profile, self.encoding);
        let message = unsigned.with_headers(&sent);
        let presented = ReceivedSignature::parse(&sent).unwrap();
        assert_eq!(presented.key_id(), Some("0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21"));
        assert_eq!(presented.label(), self.label);
        let verify = |message: &Message<'_>, now| {
            http_message_signatures::verify(
                message,
                &presented,
                key.public_key(),
                self.profile,
                &Policy::default(),
                now,
            )
        };
        let what = format!("{method} {target} {input}");
        for now in [CREATED - 30, CREATED, CREATED + 4, CREATED + 10] {
            assert_eq!(verify(&message, now), Ok(()), "{what}");
        }
        assert!(verify(&message, CREATED + 400).is_err(), "{what}");
        assert!(verify(&changed(message, |message| message.method = "PUT"), CREATED).is_err(), "{what}");
        let base = presented.base(&message, self.profile, &ComponentReader::standard(&message)).unwrap();
        assert_eq!(
            key.public_key().verify(base.as_bytes(), presented.signature(), self.profile),
            Ok(self.encoding),
            "{what}"
        );
    }
}

const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ACCEPT: (&str, &str) = ("accept", "application/json");
const ANY: (&str, &str) = ("Accept", "*/*");
const BEARER: (&str, &str) = ("authorization", "Bearer 3MrsoCN4Mz3aKHZl");
const CLIENT: (&str, &str) = ("x-client-id", "6c1f3f0a-9d57-4a0b-b5b5-1d2f0c9f4e77");
const KEY: (&str, &str) = ("Idempotency-Key", "a3a780b6-a012-4fa8-905c-61a9d0c20844");

#[test]
fn python_package() {
    let client = Client {
        profile: DER,
        key: Algorithm::P521,
        encoding: SignatureEncoding::Der,
        label: "sig1",
        parameters: r#";keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";nonce="c8ce8257-345d-4913-851f-5c8dad86fc70";created={c};expires={e10}"#,
        always: &[
            ("User-Agent", "python-requests/2.34.2"),
            ("Accept-Encoding", "gzip, deflate"),
            ("Connection", "keep-alive"),
            ACCEPT,
            ("x-api-version", "1"),
            CLIENT,
            ("date", "Sat, 21 Nov 2026 17:55:23 GMT"),
            ("x-signature-version", "15"),
        ],
    };
    let length_zero = ("Content-Length", "0");
    client.sends((
        "POST",
        "/auth/token",
        TOKEN,
        &[FORM],
        "@method @path accept content-type content-length x-api-version x-client-id date content-digest",
    ));
    client.sends((
        "GET",
        "/users?limit=2&offset=0",
        "",
        &[BEARER],
        "@method @path @query accept authorization x-api-version x-client-id date",
    ));
    client.sends(("POST", "/users", USER, &[BEARER, JSON, KEY], "@method @path accept content-length content-type authorization x-api-version x-client-id idempotency-key date content-digest"));
    client.sends((
        "DELETE",
        "/users/91ba437b",
        "",
        &[BEARER, length_zero],
        "@method @path accept content-length authorization x-api-version x-client-id date",
    ));
    // The older example covers the type of a body that is not there; escapes are signed as they are sent.
    client.sends((
        "GET",
        "/users/a%20b?q=%2F",
        "",
        &[BEARER, JSON],
        "@method @path @query accept content-type authorization x-api-version x-client-id",
    ));
}

#[test]
fn javascript_example() {
    let client = Client {
        profile: DER,
        key: Algorithm::P521,
        encoding: SignatureEncoding::Der,
        label: "sig1",
        parameters: r#";keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";created={c};expires={e5};nonce="26d86871-1d7d-496b-8011-72623585b600""#,
        always: &[
            ("Accept", "application/json"),
            CLIENT,
            ("x-api-version", "1"),
            ("date", "Sat, 21 Nov 2026 17:55:25 GMT"),
            ("x-signature-version", "15"),
            ("User-Agent", "axios/1.4.0"),
            ("Accept-Encoding", "gzip, compress, deflate, br"),
        ],
    };
    client.sends((
        "POST",
        "/auth/token",
        TOKEN,
        &[FORM],
        "@method @path accept content-type x-client-id x-api-version date content-length content-digest",
    ));
    client.sends((
        "GET",
        "/users?offset=0&limit=2",
        "",
        &[BEARER],
        "@method @path @query accept x-client-id x-api-version authorization date",
    ));
    client.sends(("POST", "/users", USER, &[BEARER, JSON, KEY], "@method @path accept content-type x-client-id x-api-version idempotency-key authorization date content-length content-digest"));
    client.sends((
        "DELETE",
        "/users/d5614032",
        "",
        &[BEARER, KEY],
        "@method @path accept x-client-id x-api-version idempotency-key authorization date",
    ));
}

#[test]
fn java_demo() {
    let client = Client {
        profile: DER,
        key: Algorithm::P521,
        encoding: SignatureEncoding::Der,
        label: "sig1",
        parameters: r#";keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";created={c};nonce="ESkl8EoYCDXVluS4";expires={e60}"#,
        always: &[ACCEPT, ("User-Agent", "Java-http-client/17.0.15"), ("X-Signature-Version", "15")],
    };
    let version = ("X-Api-Version", "1");
    client.sends((
        "POST",
        "/auth/token",
        TOKEN,
        &[FORM],
        "content-type content-length accept @method @path content-digest",
    ));
    let length_zero = ("Content-Length", "0");
    client.sends((
        "GET",
        "/users?limit=10",
        "",
        &[BEARER, CLIENT, version, length_zero],
        "x-client-id authorization x-api-version accept @method @path @query",
    ));
    // The idempotency key is sent, but not covered.
    client.sends(("POST", "/users", USER, &[BEARER, CLIENT, version, JSON, KEY], "x-client-id authorization x-api-version content-type content-length accept @method @path content-digest"));
}

#[test]
fn go_example_with_bare_names() {
    let client = Client {
        profile: BARE,
        key: Algorithm::Ed25519,
        encoding: SignatureEncoding::Ed25519,
        label: "sig1",
        parameters: r#";keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";created={c};nonce="oVdTdoSc50bhOPen""#,
        always: &[
            ACCEPT,
            CLIENT,
            ("Date", "Sat, 21 Nov 2026 17:55:29 UTC"),
            ("User-Agent", "Go-http-client/1.1"),
        ],
    };
    client.sends((
        "POST",
        "/auth/token",
        TOKEN,
        &[FORM],
        "@method @path accept content-length content-type digest x-client-id",
    ));
    client.sends((
        "GET",
        "/users?limit=2&offset=0",
        "",
        &[BEARER],
        "@method @path @query accept authorization x-client-id",
    ));
    client.sends((
        "POST",
        "/users",
        USER,
        &[BEARER, JSON, KEY],
        "@method @path accept authorization content-length content-type digest idempotency-key x-client-id",
    ));
}

#[test]
fn signing_proxy() {
    for (profile, digest) in [(DER, "content-digest"), (BARE, "digest")] {
        // DER over SHA-512 on every curve.
        for key in [Algorithm::P521, Algorithm::P256, Algorithm::P384] {
            let client = Client {
                profile,
                key,
                encoding: SignatureEncoding::Der,
                label: "sig1",
                parameters: r#";keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";created={c};nonce="8257007854";expires={e60}"#,
                always: &[ANY, ("User-Agent", "signature-proxy"), ("User-Agent-Orig", "curl/8.5.0")],
            };
            let list = |text: &str| text.replace("digest", digest);
            client.sends((
                "POST",
                "/auth/token",
                TOKEN,
                &[FORM],
                &list("content-type content-length accept @method @path digest"),
            ));
            client.sends((
                "GET",
                "/users?limit=2&offset=0",
                "",
                &[BEARER, CLIENT],
                "x-client-id authorization accept @method @path @query",
            ));
            client.sends(("POST", "/users", USER, &[BEARER, CLIENT, JSON, KEY], &list("accept content-length x-client-id authorization content-type idempotency-key @method @path digest")));
            client.sends((
                "PATCH",
                "/users/b/identifiers/9",
                r#"{"identifier": "44051401359"}"#,
                &[BEARER, CLIENT, JSON],
                &list("content-length x-client-id authorization content-type accept @method @path digest"),
            ));
            client.sends((
                "DELETE",
                "/users/b64e008d",
                "",
                &[BEARER, CLIENT],
                "x-client-id authorization accept @method @path",
            ));
        }
    }
}

#[test]
fn rfc_9421_libraries() {
    let list = "@method @path accept authorization content-digest content-length content-type idempotency-key x-client-id";
    let always: &[_] = &[ACCEPT, BEARER, CLIENT, ("x-api-version", "1"), JSON, KEY];
    let python = r#";created={c};keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";expires={e60};nonce="ee7bdbaa-061f-43ad-ba19-5a074cbec063""#;
    let npm = r#";created={c};expires={e60};keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";nonce="ab81b86f-a4ca-44c1-97d6-b686012f52bd";alg="ecdsa-p256-sha256""#;
    let ed = r#";created={c};expires={e60};keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";nonce="29cb639d";alg="ed25519""#;
    let p384 =
        r#";created={c};keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";alg="ecdsa-p384-sha384";tag="orders""#;
    // A label of one's own, spaces behind the semicolons: the text counts as it was sent.
    let spaced = r#"; created={c}; keyid="0b8f6f0e-2f0c-4f3e-8a53-5d1d6a9c7e21";  expires={e100}"#;
    for (key, encoding, label, parameters) in [
        (Algorithm::Ed25519, SignatureEncoding::Ed25519, "sig1", python),
        (Algorithm::Ed25519, SignatureEncoding::Ed25519, "pyhms", python),
        (Algorithm::P256, SignatureEncoding::Raw, "sig1", npm),
        (Algorithm::Ed25519, SignatureEncoding::Ed25519, "sig1", ed),
        (Algorithm::P384, SignatureEncoding::Raw, "sig-b", p384),
        (Algorithm::P521, SignatureEncoding::Raw, "sig1", spaced),
    ] {
        for profile in [DER, RFC] {
            let client = Client { profile, key, encoding, label, parameters, always };
            client.sends(("POST", "/users", USER, &[], list));
        }
    }
}

/// What the signing proxy signs of some header values is not what it sends; a caller can take that into
/// account.
#[test]
fn a_reading_of_ones_own() {
    let fields = headers(&[("accept", "application/json, text/plain, */*"), ("cache-control", "max-age=0")]);
    let unsigned = Message::request("GET", "/users/a%20b", None, &fields, b"");
    let input = r#"("accept" "cache-control:max-age" "@method" "@path");keyid="k";created=1795283723"#;
    let text = format!(
        "\"accept\": application/json\n\"cache-control:max-age\": 0\n\"@method\": GET\n\"@path\": /users/a b\n\"@signature-params\": {input}"
    );
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let signature = common::encode(&key.sign(text.as_bytes(), SignatureEncoding::Der).unwrap());
    let mut sent = fields.clone();
    header(&mut sent, "signature-input", &format!("sig1={input}"));
    header(&mut sent, "signature", &format!("sig1=:{signature}:"));
    let message = unsigned.with_headers(&sent);
    let presented = ReceivedSignature::parse(&sent).unwrap();
    let standard = presented.base(&message, DER, &ComponentReader::standard(&message));
    assert!(matches!(standard, Err(VerifyError::MissingComponent { .. })));
    let proxy = |headers: &http::HeaderMap, name: &str| match name.split_once(':') {
        Some((name, key)) => {
            fields::plain(headers, name)?.strip_prefix(&format!("{key}=")).map(str::to_owned)
        }
        None => Some(fields::plain(headers, name)?.split(", ").next()?.to_owned()),
    };
    let reading = ComponentReader::standard(&message).with_path("/users/a b").with_field(&proxy);
    let base = presented.base(&message, DER, &reading).unwrap();
    assert_eq!(base, text);
    assert_eq!(
        key.public_key().verify(base.as_bytes(), presented.signature(), DER),
        Ok(SignatureEncoding::Der)
    );
}

/// An `alg` that is signed like everything else, but is not that of the key.
#[test]
fn a_wrong_alg_is_refused_although_it_is_signed() {
    let none = headers(&[]);
    let (method, path) = ("GET", "/users");
    let unsigned = Message::request(method, path, None, &none, b"").with_origin("https", "a");
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    for (alg, accepted) in [("ecdsa-p256-sha256", true), ("hmac-sha256", false), ("ecdsa-p384-sha384", false)]
    {
        let input = format!("(\"@method\" \"@path\");created={CREATED};alg=\"{alg}\"");
        let sent = attach(&unsigned, "sig1", &input, &key, RFC, SignatureEncoding::Raw);
        let message = unsigned.with_headers(&sent);
        let presented = ReceivedSignature::parse(&sent).unwrap();
        let policy = Policy::default();
        let verdict =
            http_message_signatures::verify(&message, &presented, key.public_key(), RFC, &policy, CREATED);
        let refused = Err(VerifyError::AlgorithmMismatch { alg: alg.to_owned(), key: "P-256" });
        assert_eq!(verdict, if accepted { Ok(()) } else { refused });
    }
}
