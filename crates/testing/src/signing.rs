//! Signs as the vendor's clients do, or in any other way that a test asks for. What is signed is built here by the
//! rules of the documentation, and not by the library under test.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256, SHA512};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_message_signatures::SignatureEncoding;
use serde_json::Value;

use crate::answer::Answer;
use crate::client::Key;
use crate::http::Wire;

/// A request before it is signed. What is not changed is as the vendor documents it (draft 15).
#[derive(Clone)]
pub struct Request {
    pub wire: Arc<Wire>,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    key: Key,
    key_id: String,
    quoted: bool,
    encoding: SignatureEncoding,
    digest: Option<(String, String)>,
    version: Option<String>,
    created: Option<i64>,
    expires: Option<i64>,
    nonce: Option<String>,
    more: String,
    covered: Option<Vec<String>>,
    signed_as: Vec<(String, String)>,
    spoil: fn(String) -> String,
}

impl Request {
    /// A request that is signed with this key, and has no header yet.
    pub fn new(wire: &Arc<Wire>, method: &str, target: &str, key: &Key) -> Self {
        Self {
            wire: Arc::clone(wire),
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            body: Vec::new(),
            key: key.clone(),
            key_id: key.id.clone(),
            quoted: true,
            encoding: SignatureEncoding::Der,
            digest: None,
            version: Some("15".into()),
            created: None,
            expires: None,
            nonce: None,
            more: String::new(),
            covered: None,
            signed_as: Vec::new(),
            spoil: std::convert::identity,
        }
    }

    /// Sets a header, which will be covered.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Sets headers, which will be covered.
    pub fn headers(self, headers: &[(&str, &str)]) -> Self {
        headers.iter().fold(self, |this, (name, value)| this.header(name, value))
    }

    /// The same once more, as a client sends it again: with another nonce.
    pub fn fresh(mut self, other: &Request) -> Self {
        self.nonce.clone_from(&other.nonce);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// A body that is JSON, or says that it is; none if it is empty.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let this = self.bytes(body);
        if this.body.is_empty() { this } else { this.header("content-type", "application/json") }
    }

    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn key(mut self, key: &Key) -> Self {
        self.key_id.clone_from(&key.id);
        self.key = key.clone();
        self
    }

    pub fn key_id(mut self, id: &str) -> Self {
        self.key_id = id.into();
        self
    }

    /// Signs with raw `r‖s` over the hash of the curve, as RFC 9421 has it.
    pub fn raw_ecdsa(mut self) -> Self {
        self.encoding = SignatureEncoding::Raw;
        self
    }

    /// The header `upvest-signature-version`, whatever is signed.
    pub fn version(mut self, version: Option<&str>) -> Self {
        self.version = version.map(str::to_owned);
        self
    }

    /// Signs as draft 6: bare names, and SHA-256 in `digest`.
    pub fn draft6(mut self) -> Self {
        self.quoted = false;
        self.version(None)
    }

    /// Signs bare or quoted names, whatever else.
    pub fn quoted(mut self, quoted: bool) -> Self {
        self.quoted = quoted;
        self
    }

    /// The digest field to send instead of the right one; an empty name sends none.
    pub fn digest(mut self, name: &str, value: &str) -> Self {
        self.digest = Some((name.into(), value.into()));
        self
    }

    pub fn times(mut self, created: Option<i64>, expires: Option<i64>) -> Self {
        (self.created, self.expires) = (created, expires);
        self
    }

    pub fn nonce(mut self, nonce: Option<&str>) -> Self {
        self.nonce = nonce.map(str::to_owned);
        self
    }

    /// More signature parameters, as text.
    pub fn parameters(mut self, text: &str) -> Self {
        self.more = text.into();
        self
    }

    /// Covers exactly these components.
    pub fn covering(mut self, components: &[&str]) -> Self {
        self.covered = Some(components.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// Signs another value for a component than is sent.
    pub fn signed_as(mut self, component: &str, value: &str) -> Self {
        self.signed_as.push((component.into(), value.into()));
        self
    }

    /// Changes the base just before it is signed.
    pub fn spoilt(mut self, spoil: fn(String) -> String) -> Self {
        self.spoil = spoil;
        self
    }

    /// Sends the request over a connection at rest, and checks what holds of every answer.
    pub async fn send(self) -> Answer {
        self.sign().send().await
    }

    /// Sends the request over a connection of its own, and takes any answer.
    pub async fn ask(self) -> Answer {
        let wire = Arc::clone(&self.wire);
        wire.ask(&self.into_bytes()).await
    }

    /// The signed request as it stands on the wire.
    pub fn into_bytes(self) -> Vec<u8> {
        self.sign().wire_bytes()
    }

    /// The request for a server that knows no signatures.
    pub fn unsigned(mut self) -> Sent {
        self.describe_body();
        let Self { wire, method, target, headers, body, .. } = self;
        Sent { wire, method, target, headers, body, base: String::new() }
    }

    /// Adds the headers that follow from the body.
    fn describe_body(&mut self) {
        if self.body.is_empty() {
            return;
        }
        let (name, value) = self.digest.take().unwrap_or_else(|| digest_of(self.quoted, &self.body));
        if !name.is_empty() {
            self.set(&name, &value);
        }
        if self.headers.iter().all(|(name, _)| name != "content-length") {
            self.set("content-length", &self.body.len().to_string());
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(own, _)| own != name);
        self.headers.push((name.into(), value.into()));
    }

    pub fn sign(mut self) -> Sent {
        self.describe_body();
        let components = self.covered.clone().unwrap_or_else(|| self.everything());
        let list: Vec<String> = components.iter().map(|name| format!("\"{name}\"")).collect();
        let mut input = format!("({})", list.join(" "));
        let _ = write!(input, ";keyid=\"{}\"", self.key_id);
        self.created.iter().for_each(|at| _ = write!(input, ";created={at}"));
        self.expires.iter().for_each(|at| _ = write!(input, ";expires={at}"));
        self.nonce.iter().for_each(|nonce| _ = write!(input, ";nonce=\"{nonce}\""));
        input += &self.more;
        let mut base = String::new();
        for name in &components {
            let value = self.value(name);
            let _ = if self.quoted {
                writeln!(base, "\"{name}\": {value}")
            } else {
                writeln!(base, "{name}: {value}")
            };
        }
        base += if self.quoted { "\"@signature-params\": " } else { "@signature-params: " };
        base += &input;
        base = (self.spoil)(base);
        let signature = self.key.pair.sign(base.as_bytes(), self.encoding).unwrap();
        let mut headers = self.headers;
        headers.push(("signature-input".into(), format!("sig1={input}")));
        headers.push(("signature".into(), format!("sig1=:{}:", BASE64_STANDARD.encode(signature))));
        headers.extend(self.version.map(|version| ("upvest-signature-version".into(), version)));
        let (method, target, body) = (self.method, self.target, self.body);
        Sent { wire: self.wire, method, target, headers, body, base }
    }

    fn everything(&self) -> Vec<String> {
        let query = self.target.contains('?').then_some("@query");
        let authority = self.signed_as.iter().any(|(name, _)| name == "@authority").then_some("@authority");
        let derived = ["@method", "@path"].into_iter().chain(query).chain(authority);
        derived.chain(self.headers.iter().map(|(name, _)| name.as_str())).map(str::to_owned).collect()
    }

    fn value(&self, component: &str) -> String {
        if let Some((_, value)) = self.signed_as.iter().find(|(name, _)| name == component) {
            return value.clone();
        }
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let authority = self.wire.address();
        match component {
            "@method" => self.method.clone(),
            "@path" => path.into(),
            "@query" => format!("?{query}"),
            "@authority" => authority.to_string(),
            "@scheme" => "http".into(),
            "@request-target" => self.target.clone(),
            "@target-uri" => format!("http://{authority}{}", self.target),
            name => {
                let values = self.headers.iter().filter(|(own, _)| own == name);
                values.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// The digest field that the vendor's clients send.
pub fn digest_of(draft15: bool, body: &[u8]) -> (String, String) {
    if draft15 {
        let hash = BASE64_STANDARD.encode(digest::digest(&SHA512, body));
        ("content-digest".into(), format!("sha-512=:{hash}:"))
    } else {
        let hash = BASE64_STANDARD.encode(digest::digest(&SHA256, body));
        ("digest".into(), format!("SHA-256={hash}"))
    }
}

/// A signed request: any change from here on is a forgery.
#[derive(Clone)]
pub struct Sent {
    pub wire: Arc<Wire>,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub base: String,
}

impl Sent {
    pub fn get(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map_or_else(|| panic!("no header {name}"), |(_, value)| value.as_str())
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        match self.headers.iter_mut().find(|(own, _)| own == name) {
            Some((_, slot)) => value.clone_into(slot),
            None => self.headers.push((name.into(), value.into())),
        }
        self
    }

    pub fn add(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self
    }

    /// As it stands on the wire; a body without `content-length` is chunked.
    pub fn wire_bytes(&self) -> Vec<u8> {
        let mut text =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\n", self.method, self.target, self.wire.address());
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let framed = self.body.is_empty()
            || self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if framed {
            text += "\r\n";
            return [text.as_bytes(), &self.body].concat();
        }
        let _ = write!(text, "transfer-encoding: chunked\r\n\r\n{:x}\r\n", self.body.len());
        [text.as_bytes(), &self.body, b"\r\n0\r\n\r\n"].concat()
    }

    pub async fn send(&self) -> Answer {
        self.wire.exchange(&self.wire_bytes()).await.sound(&self.method)
    }

    /// Over a connection of its own that ends with the request: framing may lie.
    pub async fn send_alone(&self, then_close: bool) -> Option<Answer> {
        self.wire.raw(&self.wire_bytes(), then_close).await
    }

    pub async fn send_from(&self, source: [u8; 4]) -> Answer {
        self.wire.raw_from(source, &self.wire_bytes()).await.unwrap().sound(&self.method)
    }
}
