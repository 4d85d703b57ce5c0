//! The answers of the server, and what holds of each.

use std::fmt::{self, Display};

use serde_json::Value;
use uuid::Uuid;

use crate::http::{Framing, status_in};

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Status, slug and title of every problem (API reference, "Errors"; ours are 415, 421 and the last three, which
/// operators alone are answered).
const KINDS: [(&str, u16, &str); 17] = [
    ("invalid_request", 400, "Invalid request"),
    ("missing_client_id", 400, "Missing client ID"),
    ("missing_idempotency_key", 400, "Missing idempotency key"),
    ("unauthorised", 401, "Unauthorised"),
    ("forbidden", 403, "Forbidden"),
    ("not_found", 404, "Not found"),
    ("method_not_allowed", 405, "Method not allowed"),
    ("not_acceptable", 406, "Not acceptable"),
    ("conflict", 409, "Conflict"),
    ("unsupported_media_type", 415, "Unsupported media type"),
    ("misdirected_request", 421, "Misdirected request"),
    ("unprocessable_entity", 422, "Unprocessable entity"),
    ("upgrade_required", 426, "Upgrade required"),
    ("too_many_requests", 429, "Too many requests"),
    ("second_factor_required", 401, "Second factor required"),
    ("proof_required", 401, "Proof required"),
    ("second_factor_missing", 403, "Second factor missing"),
];

/// As in `404 {"type":…}`.
impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    /// Takes an answer from the beginning of what has been read.
    pub fn take(buffer: &mut Vec<u8>, framing: Framing) -> Self {
        let head = std::str::from_utf8(&buffer[..framing.head]).expect("a head in ASCII");
        let lines = head.trim_end().split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
        let headers = lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let status = status_in(head.as_bytes()).expect("a status");
        let body = buffer[framing.head..framing.end].to_vec();
        buffer.drain(..framing.end);
        let answer = Self { status, headers, body };
        assert_eq!(answer.header("transfer-encoding"), None, "the server knows the length of every answer");
        answer
    }

    /// Whether the connection may carry another request.
    pub fn keeps_alive(&self) -> bool {
        self.header("connection") != Some("close")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Renders all that an answer tells: not what is new in every one, and not the id that was asked for.
    pub fn about(&self, asked: &str) -> String {
        let own = self.header("upvest-request-id").unwrap_or_default();
        let headers =
            self.headers.iter().filter(|(name, _)| !["upvest-request-id", "date"].contains(&&**name));
        let headers = headers.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n");
        let body = self.text().replace(own, "(request)");
        let body = if asked.is_empty() { body } else { body.replace(asked, "(asked)") };
        format!("{}\n{headers}\n\n{body}", self.status)
    }

    /// The value of a cookie that the answer sets.
    pub fn text_of_cookie(&self, name: &str) -> String {
        let set = self.headers.iter().filter(|(own, _)| own == "set-cookie");
        let mut values = set.filter_map(|(_, value)| value.split(';').next()?.split_once('='));
        values.find(|(own, _)| *own == name).map(|(_, value)| value.to_owned()).expect("the cookie is set")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What holds of every answer, whatever was asked.
    pub fn sound(self, method: &str) -> Self {
        assert!(self.status < 500, "{self:?}");
        let ids: Vec<_> = self.headers.iter().filter(|(name, _)| name == "upvest-request-id").collect();
        assert_eq!(ids.len(), 1, "one request id: {self:?}");
        let id = &ids[0].1;
        assert_eq!(Uuid::try_parse(id).unwrap().to_string(), *id, "lower case with hyphens");
        if self.status >= 400 && method != "HEAD" {
            assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
            let problem = self.json();
            assert_eq!(problem["request_id"], id.as_str());
            assert_eq!(problem["status"], self.status);
            let slug = problem["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let kind = KINDS.iter().find(|(known, ..)| *known == slug).expect("a slug of the reference");
            assert_eq!((kind.1, kind.2), (self.status, problem["title"].as_str().unwrap()));
            assert!(!problem["detail"].as_str().unwrap().is_empty(), "says what is wrong");
        }
        self
    }

    /// The JSON of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    /// The problem document of a refusal of this kind.
    #[track_caller]
    pub fn refused(&self, slug: &str) -> Value {
        let got = self.slug();
        assert_eq!(got, slug, "{}: {}", self.status, self.text());
        self.json()
    }

    /// The same of a status that the reference may not have.
    #[track_caller]
    pub fn problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{self}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        self.refused(slug)
    }

    /// The last segment of the problem's type, `ok` for a success.
    pub fn slug(&self) -> String {
        if self.status < 300 {
            return "ok".into();
        }
        self.json()["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    /// Paths of the faults of an `invalid_request`; each also stands in `detail`.
    #[track_caller]
    pub fn faults(&self) -> Vec<String> {
        let problem = self.refused("invalid_request");
        let detail = problem["detail"].as_str().unwrap();
        let errors = problem["errors"].as_array().expect("`errors` lists the faults").iter();
        errors
            .map(|error| {
                let field = error["field"].as_str().unwrap().to_owned();
                assert!(!error["message"].as_str().unwrap().is_empty());
                assert!(detail.contains(&field), "detail names {field}: {detail}");
                field
            })
            .collect()
    }
}
