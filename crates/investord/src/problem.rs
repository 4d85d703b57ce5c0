//! Problems: every refusal of the server, and its document (RFC 9457).

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::domain::json::json_schema::Schemas;
use crate::domain::json::schema::FieldError;
use crate::store::StoreError;

/// A refusal or a failure, from which the response is made.
#[derive(Clone, Debug)]
pub enum Problem {
    /// Body, query, header or form are invalid; with all field errors.
    InvalidRequest(Vec<FieldError>),
    MissingClientId,
    MissingIdempotencyKey,
    Unauthorised(Unauthorised),
    /// The token has none of these scopes.
    Forbidden {
        any_of: &'static [&'static str],
    },
    /// The state of the resource forbids this to everyone (403).
    Closed(&'static str),
    /// The state of the resource makes this meaningless (409).
    State(&'static str),
    /// Another operator has decided before; with a text that names them.
    Decided(String),
    NotFound(&'static str),
    MethodNotAllowed,
    NotAcceptable,
    /// The content is compressed or otherwise coded.
    ContentCoding,
    /// The idempotency key was used with another request (decision W11).
    OtherRequest,
    /// Another process works for the same tenant, perhaps on the same request (decision W11).
    StillRunning,
    UpgradeRequired,
    TooManyRequests {
        retry_after_seconds: u64,
        what: &'static str,
    },
    /// A failure whose cause is for the log and not for the response.
    Internal(String),
    /// A temporary failure, with its cause for the log.
    Unavailable(String),
}

/// The reason for a failed authentication.
#[derive(Clone, Debug, Default)]
pub struct Unauthorised {
    pub detail: String,
    /// In development only: the request as the server has seen it, and the likely cause.
    pub explanation: Map<String, Value>,
    /// Whether the detail reveals which clients and keys exist, so that a production server keeps it for its log
    /// (decision W22).
    pub is_telling: bool,
}

/// The detail of every failed authentication on a production server (decision W22).
pub const NOT_PROVEN: &str = "the client, its key, its token, its secret or the signature is unknown, wrong or expired; \
    the log of the server says which, under the request id";

/// A kind of problem: the last segment of its `type`, its title, and a page that helps to resolve it.
pub struct ProblemKind {
    pub slug: &'static str,
    pub status: StatusCode,
    pub title: &'static str,
    /// Its meaning and its remedy, in paragraphs.
    pub help: &'static [&'static str],
}

impl Problem {
    /// Returns a refusal for a single field error.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Problem::InvalidRequest(vec![FieldError::new(field, message)])
    }

    /// Returns a failed authentication. A production server keeps the detail for its log.
    pub fn unauthorised(detail: impl Into<String>) -> Self {
        Problem::Unauthorised(Unauthorised {
            detail: detail.into(),
            is_telling: true,
            ..Unauthorised::default()
        })
    }

    /// Returns a failed authentication with a detail that is safe for an unauthenticated client.
    pub fn unauthorised_public(detail: impl Into<String>) -> Self {
        Problem::Unauthorised(Unauthorised { detail: detail.into(), ..Unauthorised::default() })
    }

    /// Returns the problem in the form of a production server's response.
    pub fn in_production(&self) -> Cow<'_, Self> {
        match self {
            Problem::Unauthorised(Unauthorised { is_telling: true, .. }) => {
                Cow::Owned(Problem::unauthorised_public(NOT_PROVEN))
            }
            other => Cow::Borrowed(other),
        }
    }

    /// Returns the kind of the problem.
    pub const fn kind(&self) -> &'static ProblemKind {
        match self {
            Problem::InvalidRequest(_) => &INVALID_REQUEST,
            Problem::MissingClientId => &MISSING_CLIENT_ID,
            Problem::MissingIdempotencyKey => &MISSING_IDEMPOTENCY_KEY,
            Problem::Unauthorised(_) => &UNAUTHORISED,
            Problem::Forbidden { .. } | Problem::Closed(_) => &FORBIDDEN,
            Problem::NotFound(_) => &NOT_FOUND,
            Problem::MethodNotAllowed => &METHOD_NOT_ALLOWED,
            Problem::NotAcceptable => &NOT_ACCEPTABLE,
            Problem::ContentCoding => &UNSUPPORTED_MEDIA_TYPE,
            Problem::OtherRequest => &UNPROCESSABLE_ENTITY,
            Problem::StillRunning | Problem::State(_) | Problem::Decided(_) => &CONFLICT,
            Problem::UpgradeRequired => &UPGRADE_REQUIRED,
            Problem::TooManyRequests { .. } => &TOO_MANY_REQUESTS,
            Problem::Internal(_) => &INTERNAL,
            Problem::Unavailable(_) => &UNAVAILABLE,
        }
    }

    /// Returns the description of this occurrence, for the client.
    pub fn detail(&self) -> String {
        match self {
            Problem::InvalidRequest(faults) => faults
                .iter()
                .map(|fault| format!("{}: {}", fault.field, fault.message))
                .collect::<Vec<_>>()
                .join("; "),
            Problem::MissingClientId => "the header 'upvest-client-id' is missing".into(),
            Problem::MissingIdempotencyKey => "the header 'idempotency-key' is missing".into(),
            Problem::Unauthorised(why) => why.detail.clone(),
            Problem::Forbidden { any_of } => {
                format!("the access token has none of the scopes {}", any_of.join(", "))
            }
            Problem::Closed(why) | Problem::State(why) => (*why).into(),
            Problem::Decided(who) => who.clone(),
            Problem::NotFound(what) => format!("there is no such {what}"),
            Problem::MethodNotAllowed => "this path does not know this method; see the header 'allow'".into(),
            Problem::NotAcceptable => {
                "the header 'accept' excludes every media type that this operation can answer".into()
            }
            Problem::ContentCoding => {
                "the header 'content-encoding' names a coding, and content is taken without any: leave the header out \
                 or send 'identity'"
                    .into()
            }
            Problem::OtherRequest => {
                "the idempotency key was used with another body; use a new key for another request".into()
            }
            Problem::StillRunning => {
                "another request holds what this one needs, perhaps an earlier one with the same idempotency key; \
                 nothing was done, send it again, with the same key if it has one"
                    .into()
            }
            Problem::UpgradeRequired => "the header 'upvest-api-version' must be 1".into(),
            Problem::TooManyRequests { what, .. } => format!("too many {what}; see the header 'retry-after'"),
            Problem::Internal(_) => "something went wrong on the server; quote the request id".into(),
            Problem::Unavailable(_) => "the register cannot do this at the moment; try again".into(),
        }
    }

    /// Returns the cause, which is for the log only.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Problem::Internal(cause) | Problem::Unavailable(cause) => Some(cause),
            _ => None,
        }
    }

    /// Returns the problem document (RFC 9457). `type_base` is the part of `type` before the slug.
    pub fn document(&self, type_base: &str, request_id: &str) -> String {
        let ProblemKind { slug, status, title, .. } = self.kind();
        let mut document = json!({
            "type": format!("{type_base}/{slug}"),
            "status": status.as_u16(),
            "title": title,
            "detail": self.detail(),
            "request_id": request_id,
        });
        match self {
            Problem::InvalidRequest(faults) => document["errors"] = json!(faults),
            Problem::Unauthorised(Unauthorised { explanation, .. }) => {
                let explanation = explanation.iter().map(|(name, value)| (name.clone(), value.clone()));
                document.as_object_mut().into_iter().for_each(|object| object.extend(explanation.clone()));
            }
            _ => {}
        }
        document.to_string()
    }
}

/// Returns the schema of [`Problem::document`].
pub fn schema(schemas: &mut Schemas) -> Value {
    schemas.named("Problem", |schemas| {
        let fault = schemas.named("Fault", |_| {
            json!({
                "type": "object",
                "properties": {
                    "field": {
                        "type": "string",
                        "description": "Path of the member, as in address.postcode or nationalities[1]; \
                            (root) for the body itself. Also the name of a header, query or form field.",
                    },
                    "message": { "type": "string", "description": "What it must be." },
                },
                "required": ["field", "message"],
            })
        });
        json!({
            "type": "object",
            "description": "Problem details (RFC 9457).",
            "properties": {
                "type": {
                    "type": "string",
                    "format": "uri",
                    "description": "Address of a page about this kind of problem. Its last segment names the kind.",
                },
                "status": { "type": "integer", "description": "The HTTP status." },
                "title": { "type": "string", "description": "The kind of problem in words." },
                "detail": { "type": "string", "description": "What is wrong this time." },
                "instance": { "type": "string", "description": "Address of this very problem. Not sent." },
                "request_id": {
                    "type": "string",
                    "format": "uuid",
                    "description": "The same as the header upvest-request-id.",
                },
                "errors": {
                    "type": "array",
                    "items": fault,
                    "description": "With invalid_request: every fault, not only the first.",
                },
            },
            "required": ["type", "status"],
        })
    })
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull | StoreError::Unavailable(_) | StoreError::SerializationFailure(_) => {
                Problem::Unavailable(error.to_string())
            }
            StoreError::LockTimeout(_) => Problem::StillRunning,
            StoreError::Corrupt(_) => Problem::Internal(error.to_string()),
        }
    }
}

impl From<Vec<FieldError>> for Problem {
    fn from(faults: Vec<FieldError>) -> Self {
        Problem::InvalidRequest(faults)
    }
}

/// The outermost layer (`telemetry.rs`) writes the body, because only that layer knows the request id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind().status.into_response();
        match self {
            Problem::TooManyRequests { retry_after_seconds, .. } => {
                response.headers_mut().insert(header::RETRY_AFTER, retry_after_seconds.into());
            }
            // RFC 9110 section 15.6.4.
            Problem::Unavailable(_) => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // RFC 9110 section 15.5.16.
            Problem::ContentCoding => {
                response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            // RFC 9110 section 11.6.1.
            Problem::Unauthorised(_) => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

const fn kind(
    slug: &'static str,
    status: StatusCode,
    title: &'static str,
    help: &'static [&'static str],
) -> ProblemKind {
    ProblemKind { slug, status, title, help }
}

static INVALID_REQUEST: ProblemKind = kind(
    "invalid_request",
    StatusCode::BAD_REQUEST,
    "Invalid request",
    &[
        "The body, the query, a header or the form does not have the form that the API reference gives. \
     The member <code>errors</code> lists every fault: <code>field</code> is the path of the member \
     (<code>address.postcode</code>, <code>nationalities[1]</code>, <code>(root)</code> for the body as a whole), \
     <code>message</code> says what it must be.",
        "Mend all of them and send the request again. Nothing has been stored, and the idempotency key is still free. \
     A JSON body needs the content type <code>application/json</code> and at most 1 MiB.",
    ],
);
static MISSING_CLIENT_ID: ProblemKind = kind(
    "missing_client_id",
    StatusCode::BAD_REQUEST,
    "Missing client ID",
    &["Every request names its client in the header <code>upvest-client-id</code>, a UUID. Only \
     <code>POST /auth/token</code> may leave it out, because its form has <code>client_id</code>."],
);
static MISSING_IDEMPOTENCY_KEY: ProblemKind = kind(
    "missing_idempotency_key",
    StatusCode::BAD_REQUEST,
    "Missing idempotency key",
    &[
        "This request creates something and needs the header <code>idempotency-key</code>: a random UUID of your \
         own, new for each thing to create, the same when you send the same request again.",
        "A repeat within the window gets the first answer, byte for byte, and does nothing twice.",
    ],
);
static UNAUTHORISED: ProblemKind = kind(
    "unauthorised",
    StatusCode::UNAUTHORIZED,
    "Unauthorised",
    &[
        "The access token, the client's credentials or the signature is missing, wrong, expired or used before. \
     A server in production says which in its log alone, under the request id, so that no stranger learns which \
     clients and keys there are; <code>investord dev</code> says it in <code>detail</code>.",
        "Token: <code>POST /auth/token</code> gives a new one; it belongs to one client. A scope that the client \
     has not been given is refused here already.",
        "Signature, the usual mistakes: <code>upvest-signature-version: 15</code> is missing, so the server expects \
     draft 6 with bare names; a covered header was changed after signing; the body has no \
     <code>content-digest</code>, or it is not covered; <code>@query</code> is not covered; the clock is off; \
     the same nonce was sent twice; the key id belongs to another client.",
        "A server started with <code>investord dev</code> adds <code>signature_base</code> and \
     <code>likely_cause</code> to the answer. <code>investord call --verbose</code> shows a base that holds.",
    ],
);
static FORBIDDEN: ProblemKind = kind(
    "forbidden",
    StatusCode::FORBIDDEN,
    "Forbidden",
    &[
        "The token is good, but it was not requested with a scope that allows this. <code>detail</code> names the \
     scopes of which one is needed; ask for it at <code>POST /auth/token</code>. Or the resource is in a state in \
     which this cannot be done any more, as with a user who has left; <code>detail</code> says so.",
    ],
);
static NOT_FOUND: ProblemKind = kind(
    "not_found",
    StatusCode::NOT_FOUND,
    "Not found",
    &["There is no such path, or no such resource among those of your tenant."],
);
static METHOD_NOT_ALLOWED: ProblemKind = kind(
    "method_not_allowed",
    StatusCode::METHOD_NOT_ALLOWED,
    "Method not allowed",
    &["The path exists, but not with this method. The header <code>allow</code> names the methods it knows."],
);
static NOT_ACCEPTABLE: ProblemKind = kind(
    "not_acceptable",
    StatusCode::NOT_ACCEPTABLE,
    "Not acceptable",
    &[
        "Answers are <code>application/json</code>, refusals <code>application/problem+json</code>. Send the first, \
     <code>application/*</code> or <code>*/*</code> in <code>accept</code>, or leave the header out. Operations whose \
     success has no body also take <code>application/problem+json</code> alone.",
    ],
);
static UNSUPPORTED_MEDIA_TYPE: ProblemKind = kind(
    "unsupported_media_type",
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "Unsupported media type",
    &[
        "The content is compressed or otherwise coded, as the header <code>content-encoding</code> says. Send it as it \
     is: without that header, or with <code>identity</code>, as the header <code>accept-encoding</code> of this answer \
     says. A content type that is not taken is <code>invalid_request</code> instead.",
    ],
);
static CONFLICT: ProblemKind = kind(
    "conflict",
    StatusCode::CONFLICT,
    "Conflict",
    &["The resource is in a state in which this cannot be done, or the same request is still running."],
);
static UNPROCESSABLE_ENTITY: ProblemKind = kind(
    "unprocessable_entity",
    StatusCode::UNPROCESSABLE_ENTITY,
    "Unprocessable entity",
    &[
        "The request is well formed but cannot be processed. The usual case: an idempotency key that was used \
         with another body. The comparison is byte for byte, so send a repeat exactly as the first time, and \
         anything else under a new key.",
    ],
);
static UPGRADE_REQUIRED: ProblemKind = kind(
    "upgrade_required",
    StatusCode::UPGRADE_REQUIRED,
    "Upgrade required",
    &[
        "The header <code>upvest-api-version</code> names a major version that is not served. Send <code>1</code> or \
     leave it out.",
    ],
);
static TOO_MANY_REQUESTS: ProblemKind = kind(
    "too_many_requests",
    StatusCode::TOO_MANY_REQUESTS,
    "Too many requests",
    &[
        "The client has used up its quota, or too many checks of its credentials have failed. Wait for as many \
     seconds as <code>retry-after</code> says; then back off exponentially.",
    ],
);
static INTERNAL: ProblemKind = kind(
    "internal",
    StatusCode::INTERNAL_SERVER_ERROR,
    "Internal error",
    &[
        "Something went wrong that should not. The log of the server has the cause under the request id. A write that \
     was not answered may be sent again with the same idempotency key.",
    ],
);
static UNAVAILABLE: ProblemKind = kind(
    "unavailable",
    StatusCode::SERVICE_UNAVAILABLE,
    "Service unavailable",
    &[
        "The register cannot store or read at the moment, for example because its disk is full. Nothing of the \
     request has been kept; send it again with the same idempotency key.",
    ],
);
static GATEWAY_TIMEOUT: ProblemKind = kind(
    "gateway_timeout",
    StatusCode::GATEWAY_TIMEOUT,
    "Gateway timeout",
    &[
        "A proxy in front of the register gave up waiting. Whether the request was done is unknown: send it again \
     with the same idempotency key and you will get the answer.",
    ],
);

/// All kinds of problems that have a page, including those that only a proxy or a later operation gives.
pub static KINDS: [&ProblemKind; 16] = [
    &INVALID_REQUEST,
    &MISSING_CLIENT_ID,
    &MISSING_IDEMPOTENCY_KEY,
    &UNAUTHORISED,
    &FORBIDDEN,
    &NOT_FOUND,
    &METHOD_NOT_ALLOWED,
    &NOT_ACCEPTABLE,
    &UNSUPPORTED_MEDIA_TYPE,
    &CONFLICT,
    &UNPROCESSABLE_ENTITY,
    &UPGRADE_REQUIRED,
    &TOO_MANY_REQUESTS,
    &INTERNAL,
    &UNAVAILABLE,
    &GATEWAY_TIMEOUT,
];
