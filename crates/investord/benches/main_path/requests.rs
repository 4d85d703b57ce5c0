//! Requests, made and signed before the clock runs.

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_message_signatures::{Algorithm, Message, Parameters, Signed, SigningKey};
use investord::clock::{Clock, Ids, SystemClock, SystemIds};
use investord::domain::signatures::SignatureVersion;

use crate::people::person;

/// Seconds that a signature is good for; the server takes at most 300.
const LIFETIME: i64 = 295;
const VERSION: SignatureVersion = SignatureVersion::Draft15;

/// A request as it goes over the wire, and how the body of its answer begins.
pub struct Prepared {
    pub bytes: Vec<u8>,
    pub begins: String,
}

impl Prepared {
    /// The same request, asking for the connection to be closed after the answer.
    pub fn closing(&self) -> Vec<u8> {
        let line = self.bytes.windows(2).position(|window| window == b"\r\n").map_or(0, |at| at + 2);
        [&self.bytes[..line], b"connection: close\r\n", &self.bytes[line..]].concat()
    }
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
    /// The identifiers of a user.
    Identifiers(&'a str),
    /// A passport for a user, of the country of this number.
    Identify(&'a str, usize),
    /// A matter of a user to be decided, with this body.
    File(&'a str, &'static str, &'static str),
    /// The first page of what has happened to a user.
    Page(&'static str, &'a str, &'static str),
    /// How a user would be reported.
    Reporting(&'a str),
}

/// Countries without a row of their own in Annex II, enough for every user to hold that many passports.
const COUNTRIES: [&str; 24] = [
    "AR", "AU", "BR", "CA", "CH", "CL", "CN", "CO", "EG", "ID", "IL", "IN", "JP", "KR", "MA", "MX", "NZ",
    "PE", "TH", "TN", "TR", "US", "UY", "ZA",
];

/// What a request is signed with.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// A key of the client and its id.
    Key(Algorithm, &'a str, &'a SigningKey),
    /// Nothing: for a service that knows no signatures.
    None,
    /// A text that only looks like a signature: for Prism, which wants to see one and does not check it.
    Dummy,
}

impl Proof<'_> {
    pub fn kind(&self) -> Option<Algorithm> {
        match self {
            Self::Key(kind, ..) => Some(*kind),
            Self::None | Self::Dummy => None,
        }
    }
}

/// A client of a service, with one of its keys.
pub struct Sender<'a> {
    /// What its requests name as their host.
    pub authority: String,
    pub client_id: &'a str,
    pub client_secret: &'a str,
    pub token: String,
    pub proof: Proof<'a>,
}

pub const SCOPES: &str = "users:admin users:read checks:admin";

impl Sender<'_> {
    pub fn prepare(&self, ask: &Ask<'_>) -> anyhow::Result<Prepared> {
        Ok(self.made(ask)?.0)
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
        let (_, signed) = self.made(ask)?;
        let signed = signed.context("not signed")?;
        let value = signed.signature.trim_start_matches("sig1=:").trim_end_matches(':');
        Ok((signed.base, BASE64_STANDARD.decode(value)?))
    }

    fn made(&self, ask: &Ask<'_>) -> anyhow::Result<(Prepared, Option<Signed>)> {
        let (method, path, query) = match ask {
            Ask::Token => ("POST", "/auth/token".to_owned(), None),
            Ask::Create(_) => ("POST", "/users".to_owned(), None),
            Ask::Read(id) => ("GET", format!("/users/{id}"), None),
            Ask::List { offset } => ("GET", "/users".to_owned(), Some(format!("limit=100&offset={offset}"))),
            Ask::Identifiers(id) => ("GET", format!("/users/{id}/identifiers"), None),
            Ask::Identify(id, _) => ("POST", format!("/users/{id}/identifiers"), None),
            Ask::File(id, path, _) => ("POST", format!("/users/{id}{path}"), None),
            Ask::Page(below, id, path) => {
                ("GET", format!("{below}/users/{id}{path}"), Some("limit=100".to_owned()))
            }
            Ask::Reporting(id) => ("GET", format!("/investord/users/{id}/reporting"), None),
        };
        let (body, begins) = match ask {
            Ask::Token => (self.form(), r#"{"access_token":""#.to_owned()),
            Ask::Create(number) => (person(*number), r#"{"id":""#.to_owned()),
            Ask::Read(id) => (String::new(), format!(r#"{{"id":"{id}","#)),
            Ask::List { offset } => (
                String::new(),
                format!(r#"{{"meta":{{"offset":{offset},"limit":100,"count":100,"total_count":"#),
            ),
            Ask::Identifiers(_) => (String::new(), r#"{"data":[{"id":""#.to_owned()),
            Ask::File(.., body) => ((*body).to_owned(), String::new()),
            Ask::Page(..) => (String::new(), r#"{"meta":{"offset":0,"limit":100,"#.to_owned()),
            Ask::Reporting(_) => (String::new(), "{".to_owned()),
            Ask::Identify(_, number) => (passport(*number)?, r#"{"id":""#.to_owned()),
        };
        // What Prism answers are the examples of the document.
        let begins = if matches!(self.proof, Proof::Dummy) { "{".to_owned() } else { begins };
        let mut headers = self.headers(ask, &body)?;
        let message = Message::request(method, &path, query.as_deref(), &headers, body.as_bytes())
            .with_origin("http", &self.authority);
        let signed = match self.proof {
            Proof::Key(_, key_id, key) => Some(sign(&message, key_id, key)?),
            Proof::None | Proof::Dummy => None,
        };
        let fields = match (&signed, self.proof) {
            (Some(signed), _) => Some((signed.signature_input.as_str(), signed.signature.as_str())),
            (None, Proof::Dummy) => Some((r#"sig1=("@method");created=1618884473;keyid="k""#, "sig1=:AAAA:")),
            (None, _) => None,
        };
        if let Some((input, signature)) = fields {
            headers.insert("signature-input", input.parse()?);
            headers.insert("signature", signature.parse()?);
        }

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
        if matches!(ask, Ask::Create(_) | Ask::File(..)) {
            set(HeaderName::from_static("idempotency-key"), &SystemIds.uuid().to_string())?;
        }
        if !body.is_empty() {
            let json = !matches!(ask, Ask::Token);
            set(
                header::CONTENT_TYPE,
                if json { "application/json" } else { "application/x-www-form-urlencoded" },
            )?;
            set(header::CONTENT_LENGTH, &body.len().to_string())?;
            let (name, value) = http_message_signatures::body_digest(VERSION.profile(), body.as_bytes())?;
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

fn passport(number: usize) -> anyhow::Result<String> {
    let country = COUNTRIES.get(number).context("so many identifiers nobody has; load more users")?;
    Ok(format!(r#"{{"type":"PASSPORT","issuing_country":"{country}","identifier":"P{number:08}"}}"#))
}

fn sign(message: &Message<'_>, key_id: &str, key: &SigningKey) -> anyhow::Result<Signed> {
    let (created, nonce) = (SystemClock::default().now().as_second(), SystemIds.uuid().to_string());
    let parameters = Parameters::new(key_id, created).with_expires(created + LIFETIME).with_nonce(&nonce);
    let components = VERSION.documented_components(message);
    Ok(http_message_signatures::sign(message, &components, &parameters, key, VERSION.profile())?)
}

fn part_of(sender: &Sender<'_>, asks: &[Ask<'_>]) -> anyhow::Result<Vec<Prepared>> {
    asks.iter().map(|ask| sender.prepare(ask)).collect()
}
