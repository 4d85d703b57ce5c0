//! A request as bytes, so that it can be damaged.

use http::{HeaderMap, HeaderName, HeaderValue};
use http_message_signatures::{Message, Policy, Profile, PublicKey, ReceivedSignature};

pub const NOW: i64 = 1_795_283_725;
pub const UNCOVERED: [&str; 2] = ["user-agent", "x-request-id"];

/// A request as bytes, so that it can be damaged.
#[derive(Clone)]
pub struct Wire {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Wire {
    pub fn accepted(&self, key: &PublicKey, profile: &Profile) -> Option<bool> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.fields {
            // What no HTTP parser lets through is no mutant.
            headers.append(HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        let message = Message::request(&self.method, &self.path, self.query.as_deref(), &headers, &self.body)
            .with_origin("https", "api.example.com");
        let verdict = ReceivedSignature::parse(&headers).and_then(|presented| {
            http_message_signatures::verify(&message, &presented, key, profile, &Policy::default(), NOW)
        });
        Some(verdict.is_ok())
    }

    pub fn position(&self, name: &str) -> usize {
        self.fields.iter().position(|(field, _)| field == name).unwrap()
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.fields[self.position(name)].1.clone()).unwrap()
    }

    pub fn with(&self, name: &str, value: &str) -> Wire {
        let mut changed = self.clone();
        let at = self.position(name);
        changed.fields[at].1 = value.as_bytes().to_vec();
        changed
    }

    /// Whether the field matters to the signature.
    pub fn is_covered(&self, name: &str) -> bool {
        !UNCOVERED.iter().any(|uncovered| uncovered.eq_ignore_ascii_case(name))
            && self.fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
    }

    /// All lines of a field, trimmed and joined; names in any case.
    pub fn joined(&self, name: &str) -> Option<Vec<u8>> {
        let lines: Vec<&[u8]> = self
            .fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| trim(value))
            .collect();
        (!lines.is_empty()).then(|| lines.join(b", ".as_slice()))
    }
}

pub fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
