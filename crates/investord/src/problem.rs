//! Problems: every refusal of the server, and its document (RFC 9457).

pub mod kinds;

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};

use self::kinds::ProblemKind;
use crate::domain::json::json_schema::{Schemas, named};
use crate::domain::json::schema::FieldError;
use crate::domain::permissions::Permission;
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
    /// The operator does not have this permission there.
    NoPermission(Permission),
    /// The state of the resource forbids this to everyone (403).
    Closed(&'static str),
    /// The state of the resource makes this meaningless (409).
    State(&'static str),
    /// Another operator has decided before; with a text that names them.
    Decided(String),
    /// The password is right, and the operator has a second factor.
    SecondFactorRequired {
        /// What a browser needs to use a passkey, if the operator has one.
        passkey: Option<Box<Value>>,
    },
    /// The last proof of the session is older than this.
    ProofRequired {
        max_age_seconds: i64,
    },
    /// An access token cannot prove a person.
    ProofImpossible,
    /// The role of the operator demands a second factor, and the session has none.
    SecondFactorMissing,
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
    /// The host of the request is none of this listener's (RFC 9110 section 15.5.20).
    MisdirectedRequest,
    /// This header says that the page of another site has sent the request.
    ForeignOrigin(&'static str),
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
pub const NOT_PROVEN: &str = "the client, its key, its token, its secret or the signature is unknown, wrong or \
    expired; the log of the server says which, under the request id";

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
            Problem::InvalidRequest(_) => &kinds::INVALID_REQUEST,
            Problem::MissingClientId => &kinds::MISSING_CLIENT_ID,
            Problem::MissingIdempotencyKey => &kinds::MISSING_IDEMPOTENCY_KEY,
            Problem::Unauthorised(_) => &kinds::UNAUTHORISED,
            Problem::Forbidden { .. }
            | Problem::NoPermission(_)
            | Problem::Closed(_)
            | Problem::ForeignOrigin(_) => &kinds::FORBIDDEN,
            Problem::SecondFactorRequired { .. } => &kinds::SECOND_FACTOR_REQUIRED,
            Problem::ProofRequired { .. } | Problem::ProofImpossible => &kinds::PROOF_REQUIRED,
            Problem::SecondFactorMissing => &kinds::SECOND_FACTOR_MISSING,
            Problem::NotFound(_) => &kinds::NOT_FOUND,
            Problem::MethodNotAllowed => &kinds::METHOD_NOT_ALLOWED,
            Problem::NotAcceptable => &kinds::NOT_ACCEPTABLE,
            Problem::ContentCoding => &kinds::UNSUPPORTED_MEDIA_TYPE,
            Problem::OtherRequest => &kinds::UNPROCESSABLE_ENTITY,
            Problem::StillRunning | Problem::State(_) | Problem::Decided(_) => &kinds::CONFLICT,
            Problem::UpgradeRequired => &kinds::UPGRADE_REQUIRED,
            Problem::MisdirectedRequest => &kinds::MISDIRECTED_REQUEST,
            Problem::TooManyRequests { .. } => &kinds::TOO_MANY_REQUESTS,
            Problem::Internal(_) => &kinds::INTERNAL,
            Problem::Unavailable(_) => &kinds::UNAVAILABLE,
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
            of_operators => of_operators.operator_detail(),
        }
    }

    /// Returns the description of a problem that operators alone have.
    fn operator_detail(&self) -> String {
        match self {
            Problem::NoPermission(missing) => format!("this takes the permission {}", missing.into_str()),
            Problem::SecondFactorRequired { .. } => {
                "this operator has a second factor: send 'code', of the app or a recovery code, or 'passkey'".into()
            }
            Problem::ProofRequired { max_age_seconds } => {
                let minutes = max_age_seconds / 60;
                format!("this needs a proof of at most {minutes} minutes ago: POST /me/proof, then send it again")
            }
            Problem::ProofImpossible => "this needs a person and no access token: sign in at POST /sessions".into(),
            Problem::SecondFactorMissing => {
                "this role demands a second factor: POST /me/totp, or POST /me/proof with 'code'".into()
            }
            Problem::MisdirectedRequest => {
                "the header 'host' names another server: use the address of this listener, or have its administrator \
                 add the name to the setting operator_hosts"
                    .into()
            }
            Problem::ForeignOrigin(header) => {
                format!("the header '{header}' says that the page of another site has sent this request")
            }
            other => other.kind().title.into(),
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
            Problem::SecondFactorRequired { passkey: Some(passkey) } => {
                document["passkey"] = (**passkey).clone();
            }
            _ => {}
        }
        document.to_string()
    }
}

/// Returns the schema of [`Problem::document`].
pub fn schema(schemas: &mut Schemas) -> Value {
    named(schemas, "Problem", |schemas| {
        let fault = named(schemas, "Fault", |_| {
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
                "passkey": {
                    "type": "object",
                    "description": "With second_factor_required, if the operator has a passkey: `options` for \
                        navigator.credentials.get, and `request` to be sent with what it returns.",
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
            Problem::Unauthorised(_) | Problem::SecondFactorRequired { .. } => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // RFC 9470 section 3.
            Problem::ProofRequired { .. } | Problem::ProofImpossible => {
                let challenge = "Bearer error=\"insufficient_user_authentication\"";
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}
