//! Requests, signed before the clock runs.

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use httpsig::{Message, Parameters, SigningKey, Version};
use investord::clock::{Clock, Ids, SystemClock, SystemIds};

/// Seconds that a signature is good for; the server takes at most 300.
const LIFETIME: i64 = 295;
const VERSION: Version = Version::Draft15;

/// A request as it goes over the wire, and how the body of its answer begins.
pub struct Prepared {
    pub bytes: Vec<u8>,
    pub begins: String,
}

/// What is asked for.
pub enum Ask<'a> {
    Token,
    /// A person of this number; no two are the same.
    Create(usize),
    Read(&'a str),
    List {
        offset: usize,
    },
}

/// A client of the server with one of its keys.
pub struct Sender<'a> {
    pub authority: String,
    pub client_id: &'a str,
    pub client_secret: &'a str,
    pub key_id: &'a str,
    pub key: &'a SigningKey,
    pub token: &'a str,
}

pub const SCOPES: &str = "users:admin users:read";

impl Sender<'_> {
    pub fn prepare(&self, ask: &Ask<'_>) -> anyhow::Result<Prepared> {
        Ok(self.sign(ask)?.0)
    }

    /// Prepares many requests on all cores.
    pub fn prepare_all(&self, asks: &[Ask<'_>]) -> anyhow::Result<Vec<Prepared>> {
        let threads = std::thread::available_parallelism()?.get();
        let part = asks.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let sign = |part| move || part_of(self, part);
            let running: Vec<_> = asks.chunks(part).map(|part| scope.spawn(sign(part))).collect();
            let mut all = Vec::with_capacity(asks.len());
            for thread in running {
                all.extend(thread.join().ok().context("a signing thread panicked")??);
            }
            Ok(all)
        })
    }

    /// A text under a signature and the signature's bytes.
    pub fn base_and_signature(&self, ask: &Ask<'_>) -> anyhow::Result<(String, Vec<u8>)> {
        let (_, signed) = self.sign(ask)?;
        let value = signed.signature.trim_start_matches("sig1=:").trim_end_matches(':');
        Ok((signed.base, BASE64_STANDARD.decode(value)?))
    }

    fn sign(&self, ask: &Ask<'_>) -> anyhow::Result<(Prepared, httpsig::Signed)> {
        let (method, path, query) = match ask {
            Ask::Token => ("POST", "/auth/token".to_owned(), None),
            Ask::Create(_) => ("POST", "/users".to_owned(), None),
            Ask::Read(id) => ("GET", format!("/users/{id}"), None),
            Ask::List { offset } => ("GET", "/users".to_owned(), Some(format!("limit=100&offset={offset}"))),
        };
        let (body, begins) = match ask {
            Ask::Token => (self.form(), r#"{"access_token":""#.to_owned()),
            Ask::Create(number) => (person(*number), r#"{"id":""#.to_owned()),
            Ask::Read(id) => (String::new(), format!(r#"{{"id":"{id}","#)),
            Ask::List { offset } => (
                String::new(),
                format!(r#"{{"meta":{{"offset":{offset},"limit":100,"count":100,"total_count":"#),
            ),
        };
        let mut headers = self.headers(ask, &body)?;
        let message = Message {
            method,
            scheme: "http",
            authority: &self.authority,
            path: &path,
            query: query.as_deref(),
            headers: &headers,
            body: body.as_bytes(),
            status: None,
        };
        let (created, nonce) = (SystemClock::default().now().as_second(), SystemIds.uuid().to_string());
        let parameters = Parameters {
            key_id: self.key_id,
            created,
            expires: Some(created + LIFETIME),
            nonce: Some(&nonce),
            alg: None,
            tag: None,
        };
        let components = httpsig::usual_components(&message, VERSION);
        let signed = httpsig::sign(&message, &components, &parameters, self.key, VERSION)?;
        headers.insert("signature-input", signed.signature_input.parse()?);
        headers.insert("signature", signed.signature.parse()?);

        let target = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        for (name, value) in &headers {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.as_bytes());
        Ok((Prepared { bytes, begins }, signed))
    }

    fn headers(&self, ask: &Ask<'_>, body: &str) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| -> anyhow::Result<()> {
            headers.insert(name, HeaderValue::try_from(value)?);
            Ok(())
        };
        set(header::HOST, &self.authority)?;
        set(header::ACCEPT, "application/json")?;
        set(header::USER_AGENT, "investord-bench")?;
        set(HeaderName::from_static("upvest-client-id"), self.client_id)?;
        set(HeaderName::from_static("upvest-api-version"), "1")?;
        set(HeaderName::from_static("upvest-signature-version"), "15")?;
        if !matches!(ask, Ask::Token) {
            set(header::AUTHORIZATION, &format!("Bearer {}", self.token))?;
        }
        if matches!(ask, Ask::Create(_)) {
            set(HeaderName::from_static("idempotency-key"), &SystemIds.uuid().to_string())?;
        }
        if !body.is_empty() {
            let json = matches!(ask, Ask::Create(_));
            set(
                header::CONTENT_TYPE,
                if json { "application/json" } else { "application/x-www-form-urlencoded" },
            )?;
            set(header::CONTENT_LENGTH, &body.len().to_string())?;
            let (name, value) = httpsig::body_digest(VERSION, body.as_bytes());
            headers.insert(name, value);
        }
        Ok(headers)
    }

    fn form(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", self.client_id)
            .append_pair("client_secret", self.client_secret)
            .append_pair("grant_type", "client_credentials")
            .append_pair("scope", SCOPES)
            .finish()
    }
}

fn part_of(sender: &Sender<'_>, asks: &[Ask<'_>]) -> anyhow::Result<Vec<Prepared>> {
    asks.iter().map(|ask| sender.prepare(ask)).collect()
}

/// The person of the API reference's example under varied names.
fn person(number: usize) -> String {
    const FIRST: [&str; 16] = [
        "Karl",
        "Anna Maria",
        "Jürgen",
        "Zoë",
        "Friedrich",
        "Ingrid",
        "Björn",
        "Hannelore",
        "Paul",
        "Sophie",
        "Günther",
        "Mia",
        "Leon",
        "Charlotte",
        "Emil",
        "Käthe",
    ];
    const LAST: [&str; 16] = [
        "Schmidt",
        "Müller",
        "von der Heide",
        "Weiß",
        "Schneider",
        "Fischer",
        "Meyer-Landrut",
        "Wagner",
        "Becker",
        "Schulz",
        "Hoffmann",
        "Schäfer",
        "Koch",
        "Bauer",
        "Richter",
        "Klein",
    ];
    let (first, last) = (FIRST[number % 16], LAST[number / 16 % 16]);
    let (year, month, day) = (1940 + number % 60, 1 + number / 60 % 12, 1 + number / 720 % 28);
    let (house, post) = (1 + number % 200, 10_115 + number % 4_000);
    let address = format!(
        r#"{{"address_line1":"Unter den Linden {house}","address_line2":"{floor}. Etage","postcode":"{post}","city":"Berlin","country":"DE"}}"#,
        floor = 1 + number % 6
    );
    format!(
        r#"{{"first_name":"{first}","last_name":"{last}","salutation":"SALUTATION_MALE","title":"DR","birth_date":"{year}-{month:02}-{day:02}","birth_city":"Berlin","birth_country":"DE","birth_name":"{last}","nationalities":["DE","AU"],"address":{address},"postal_address":{address},"email":"person{number}@example.com","phone_number":"49{phone:09}"}}"#,
        phone = 301_000_000 + number
    )
}
