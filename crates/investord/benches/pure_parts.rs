//! The pure parts of a create, each run a number of times: `pure_parts PART TIMES`.
//!
//! `bench/parts` counts their instructions and compares them with those of `bench/parts.txt`.

use std::hint::black_box;

use anyhow::anyhow;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_message_signatures::{ComponentReader, Message, ReceivedSignature};
use investord::domain::identification::identifier::{IdentifierContent, today};
use investord::domain::signatures::SignatureVersion;
use investord::domain::tenants::TenantSettings;
use investord::domain::users::person::Person;
use investord::domain::users::{User, UserView, search};
use jiff::Timestamp;
use uuid::Uuid;

const BODY: &[u8] = include_bytes!("../../../api/examples/create-user-byol.json");
/// The headers that a client of the vendor signs.
const HEADERS: [(&str, &str); 10] = [
    ("accept", "application/json"),
    ("authorization", "Bearer 7VvRrDVdtXGQJXqQdJ5dyNsqkUvWgb5v1Gc0rCYwYyQ"),
    (
        "content-digest",
        "sha-512=:QmFzZTY0IG9mIDY0IGJ5dGVzLCB3aGljaCBub2JvZHkgY29tcGFyZXMgaW4gdGhpcyBiZW5jaG1hcms=:",
    ),
    ("content-length", "712"),
    ("content-type", "application/json"),
    ("idempotency-key", "a3a780b6-a012-4fa8-905c-0cd78c5a1d0f"),
    ("signature", "sig1=:QmFzZTY0IG9mIDY0IGJ5dGVzLCB3aGljaCBub2JvZHkgY29tcGFyZXMgaW4gdGhpcyBiZW5jaG1hcms=:"),
    (
        "signature-input",
        concat!(
            r#"sig1=("@method" "@path" "accept" "authorization" "content-digest" "content-length" "#,
            r#""content-type" "idempotency-key" "upvest-client-id");"#,
            r#"keyid="ebabcf4d-61c3-4942-875c-e265a7c2d062";created=1618884473;expires=1618884533;"#,
            r#"nonce="zJZ7Q2rKqGMdl2yoXBH6uA""#
        ),
    ),
    ("upvest-client-id", "ebabcf4d-61c3-4942-875c-e265a7c2d062"),
    ("upvest-signature-version", "15"),
];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [part, times] = arguments.as_slice() else {
        println!("Counted by bench/parts; by hand: pure_parts PART TIMES");
        return Ok(());
    };
    let times: usize = times.parse()?;
    let (settings, now) =
        (TenantSettings::default(), Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(500_000));
    let person = || Person::parse(black_box(BODY), &settings, now).map_err(|errors| anyhow!("{errors:?}"));
    let user = User::register(person()?, &settings, Uuid::from_u128(7), now).user;
    let headers: HeaderMap = HEADERS
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .into_iter()
        .collect();
    let message = Message::request("POST", "/users", None, &headers, BODY);
    for _ in 0..times {
        match part.as_str() {
            "signature-fields" => drop(black_box(ReceivedSignature::parse(black_box(&headers))?)),
            "signature-base" => {
                let presented = ReceivedSignature::parse(black_box(&headers))?;
                let reader = ComponentReader::standard(&message);
                drop(black_box(presented.base(&message, SignatureVersion::Draft15.profile(), &reader)?));
            }
            "validation" => drop(black_box(person()?)),
            "concat" => {
                let identity = black_box(&user.person.identity);
                drop(black_box(IdentifierContent::own_concat(identity, settings.regime.into(), today(now))));
            }
            "search-terms" => drop(black_box(search::of_person(black_box(&user.person)))),
            "view" => drop(black_box(UserView::from(black_box(&user)).to_string())),
            unknown => anyhow::bail!("no part {unknown}"),
        }
    }
    Ok(())
}
