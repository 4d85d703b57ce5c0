//! The kinds of problems, and the page of help about each.

use http::StatusCode;

/// A kind of problem: the last segment of its `type`, its title, and a page that helps to resolve it.
pub struct ProblemKind {
    pub slug: &'static str,
    pub status: StatusCode,
    pub title: &'static str,
    /// Its meaning and its remedy, in paragraphs.
    pub help: &'static [&'static str],
}

const fn kind(
    slug: &'static str,
    status: StatusCode,
    title: &'static str,
    help: &'static [&'static str],
) -> ProblemKind {
    ProblemKind { slug, status, title, help }
}

pub(super) static INVALID_REQUEST: ProblemKind = kind(
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
pub(super) static MISSING_CLIENT_ID: ProblemKind = kind(
    "missing_client_id",
    StatusCode::BAD_REQUEST,
    "Missing client ID",
    &["Every request names its client in the header <code>upvest-client-id</code>, a UUID. Only \
     <code>POST /auth/token</code> may leave it out, because its form has <code>client_id</code>."],
);
pub(super) static MISSING_IDEMPOTENCY_KEY: ProblemKind = kind(
    "missing_idempotency_key",
    StatusCode::BAD_REQUEST,
    "Missing idempotency key",
    &[
        "This request creates something and needs the header <code>idempotency-key</code>: a random UUID of your \
         own, new for each thing to create, the same when you send the same request again.",
        "A repeat within the window gets the first answer, byte for byte, and does nothing twice.",
    ],
);
pub(super) static UNAUTHORISED: ProblemKind = kind(
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
pub(super) static FORBIDDEN: ProblemKind = kind(
    "forbidden",
    StatusCode::FORBIDDEN,
    "Forbidden",
    &[
        "The token is good, but it was not requested with a scope that allows this. <code>detail</code> names the \
     scopes of which one is needed; ask for it at <code>POST /auth/token</code>. Or the resource is in a state in \
     which this cannot be done any more, as with a user who has left; <code>detail</code> says so.",
    ],
);
pub(super) static SECOND_FACTOR_REQUIRED: ProblemKind = kind(
    "second_factor_required",
    StatusCode::UNAUTHORIZED,
    "Second factor required",
    &["The password is right, and the operator has a second factor: send the same request again with \
     <code>code</code>, the six digits that the authenticator app shows or a recovery code."],
);
pub(super) static PROOF_REQUIRED: ProblemKind = kind(
    "proof_required",
    StatusCode::UNAUTHORIZED,
    "Proof required",
    &[
        "This is dangerous enough to ask once more who sits there, and the last proof of this session is too old. \
     <code>POST /me/proof</code> with <code>code</code>, or with <code>password</code> if the operator has no second \
     factor; then send the request again. The session has not ended.",
        "An access token has no proof: sign in at <code>POST /sessions</code>.",
    ],
);
pub(super) static SECOND_FACTOR_MISSING: ProblemKind = kind(
    "second_factor_missing",
    StatusCode::FORBIDDEN,
    "Second factor missing",
    &[
        "The operator's role demands a second factor, and this session began without one. If the operator has none: \
     <code>POST /me/totp</code> begins it and <code>POST /me/totp/confirmation</code> confirms it. Otherwise \
     <code>POST /me/proof</code> with <code>code</code>. Until then the session can use <code>/me</code> alone, and \
     end.",
    ],
);
pub(super) static NOT_FOUND: ProblemKind = kind(
    "not_found",
    StatusCode::NOT_FOUND,
    "Not found",
    &["There is no such path, or no such resource among those of your tenant."],
);
pub(super) static METHOD_NOT_ALLOWED: ProblemKind = kind(
    "method_not_allowed",
    StatusCode::METHOD_NOT_ALLOWED,
    "Method not allowed",
    &["The path exists, but not with this method. The header <code>allow</code> names the methods it knows."],
);
pub(super) static NOT_ACCEPTABLE: ProblemKind = kind(
    "not_acceptable",
    StatusCode::NOT_ACCEPTABLE,
    "Not acceptable",
    &[
        "Answers are <code>application/json</code>, refusals <code>application/problem+json</code>. Send the first, \
     <code>application/*</code> or <code>*/*</code> in <code>accept</code>, or leave the header out. Operations whose \
     success has no body also take <code>application/problem+json</code> alone.",
    ],
);
pub(super) static UNSUPPORTED_MEDIA_TYPE: ProblemKind = kind(
    "unsupported_media_type",
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "Unsupported media type",
    &[
        "The content is compressed or otherwise coded, as the header <code>content-encoding</code> says. Send it as it \
     is: without that header, or with <code>identity</code>, as the header <code>accept-encoding</code> of this answer \
     says. A content type that is not taken is <code>invalid_request</code> instead.",
    ],
);
pub(super) static CONFLICT: ProblemKind = kind(
    "conflict",
    StatusCode::CONFLICT,
    "Conflict",
    &["The resource is in a state in which this cannot be done, or the same request is still running."],
);
pub(super) static UNPROCESSABLE_ENTITY: ProblemKind = kind(
    "unprocessable_entity",
    StatusCode::UNPROCESSABLE_ENTITY,
    "Unprocessable entity",
    &[
        "The request is well formed but cannot be processed. The usual case: an idempotency key that was used \
         with another body. The comparison is byte for byte, so send a repeat exactly as the first time, and \
         anything else under a new key.",
    ],
);
pub(super) static UPGRADE_REQUIRED: ProblemKind = kind(
    "upgrade_required",
    StatusCode::UPGRADE_REQUIRED,
    "Upgrade required",
    &[
        "The header <code>upvest-api-version</code> names a major version that is not served. Send <code>1</code> or \
     leave it out.",
    ],
);
pub(super) static MISDIRECTED_REQUEST: ProblemKind = kind(
    "misdirected_request",
    StatusCode::MISDIRECTED_REQUEST,
    "Misdirected request",
    &[
        "The listener for operators answers only requests whose header <code>host</code> names it: a loopback address \
     or <code>localhost</code> if it is bound to this machine, otherwise the address to which it is bound, and the \
     names in the setting <code>operator_hosts</code>. So a name that somebody has led to its address (DNS \
     rebinding) opens nothing.",
    ],
);
pub(super) static TOO_MANY_REQUESTS: ProblemKind = kind(
    "too_many_requests",
    StatusCode::TOO_MANY_REQUESTS,
    "Too many requests",
    &[
        "The client has used up its quota, or too many checks of its credentials have failed. Wait for as many \
     seconds as <code>retry-after</code> says; then back off exponentially.",
    ],
);
pub(super) static INTERNAL: ProblemKind = kind(
    "internal",
    StatusCode::INTERNAL_SERVER_ERROR,
    "Internal error",
    &[
        "Something went wrong that should not. The log of the server has the cause under the request id. A write that \
     was not answered may be sent again with the same idempotency key.",
    ],
);
pub(super) static UNAVAILABLE: ProblemKind = kind(
    "unavailable",
    StatusCode::SERVICE_UNAVAILABLE,
    "Service unavailable",
    &[
        "The register cannot store or read at the moment, for example because its disk is full. Nothing of the \
     request has been kept; send it again with the same idempotency key.",
    ],
);
pub(super) static GATEWAY_TIMEOUT: ProblemKind = kind(
    "gateway_timeout",
    StatusCode::GATEWAY_TIMEOUT,
    "Gateway timeout",
    &[
        "A proxy in front of the register gave up waiting. Whether the request was done is unknown: send it again \
     with the same idempotency key and you will get the answer.",
    ],
);

/// The kinds of problems that only the operator API gives.
pub static OPERATOR_KINDS: [&ProblemKind; 3] =
    [&SECOND_FACTOR_REQUIRED, &PROOF_REQUIRED, &SECOND_FACTOR_MISSING];

/// All other kinds of problems that have a page, including those that only a proxy or a later operation gives.
pub static KINDS: [&ProblemKind; 17] = [
    &INVALID_REQUEST, &MISSING_CLIENT_ID, &MISSING_IDEMPOTENCY_KEY, &UNAUTHORISED, &FORBIDDEN, &NOT_FOUND,
    &METHOD_NOT_ALLOWED, &NOT_ACCEPTABLE, &UNSUPPORTED_MEDIA_TYPE, &CONFLICT, &UNPROCESSABLE_ENTITY,
    &MISDIRECTED_REQUEST, &UPGRADE_REQUIRED, &TOO_MANY_REQUESTS, &INTERNAL, &UNAVAILABLE, &GATEWAY_TIMEOUT,
];
