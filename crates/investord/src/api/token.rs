//! `POST /auth/token`: OAuth 2 client credentials (RFC 6749 section 4.4) on a signed form.

use axum::extract::{Request, State};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::front::pending_request;
use crate::access::client_cache::Client;
use crate::api::front::pending_request::PendingRequest;
use crate::api::front::reply::Reply;
use crate::api::openapi::operation_doc::{OperationDoc, PayloadDoc, TOKENS};
use crate::app::App;
use crate::domain::json::json_schema::named;
use crate::domain::json::schema::FieldError;
use crate::problem::Problem;
use crate::store::log::idempotency;
use crate::store::log::idempotency::Nonce;
use crate::store::tenants::tokens;
use crate::store::tenants::tokens::TokenRow;
use crate::store::{Prefetch, Tx};

/// Maximum size of the form in bytes: four short fields.
const MAX_FORM: usize = 16 * 1024;
/// Maximum length of a field in characters. Real secrets and lists of scopes are much shorter.
const MAX_FIELD: usize = 1000;

/// The fields of the form; a missing one is empty.
#[derive(Default)]
struct TokenRequest {
    client_id: String,
    client_secret: String,
    grant_type: String,
    scope: String,
}

/// Documentation of the operation for the OpenAPI document.
pub const CREATE: OperationDoc = OperationDoc {
    tag: TOKENS,
    id: "issue_token",
    summary: "Create an access token",
    description: "OAuth 2 client credentials (RFC 6749 section 4.4), as a signed form with all four fields. \
        A token can be used until it expires and belongs to its client alone. A scope that the client has not \
        been given is refused with 401. Without the header upvest-client-id the field client_id counts.",
    parameters: Vec::new,
    request: Some(PayloadDoc {
        description: "The client's credentials and the scopes wanted.",
        media: "application/x-www-form-urlencoded",
        schema: |_| {
            json!({
                "type": "object",
                "properties": {
                    "client_id": { "type": "string", "format": "uuid", "description": "Id of the client." },
                    "client_secret": {
                        "type": "string", "minLength": 1, "maxLength": MAX_FIELD,
                        "description": "Secret of the client.",
                    },
                    "grant_type": {
                        "type": "string", "enum": ["client_credentials"], "description": "The OAuth 2 grant.",
                    },
                    "scope": {
                        "type": "string", "minLength": 1, "maxLength": MAX_FIELD,
                        "description": "Scopes, separated by spaces.",
                    },
                },
                "required": ["client_id", "client_secret", "grant_type", "scope"],
                "additionalProperties": false,
            })
        },
        examples: &[("form", include_str!("../../../../api/examples/create-access-token.json"))],
    }),
    answer: PayloadDoc {
        description: "The token.",
        media: "application/json",
        schema: |schemas| {
            named(schemas, "AccessToken", |_| {
                json!({
                    "type": "object",
                    "properties": {
                        "access_token": { "type": "string", "description": "The token, without inner form." },
                        "expires_in": { "type": "integer", "description": "Seconds until it expires." },
                        "token_type": { "type": "string", "enum": ["bearer"], "description": "How to send it." },
                        "scope": { "type": "string", "description": "Its scopes, separated by spaces." },
                    },
                    "required": ["access_token", "expires_in", "token_type", "scope"],
                })
            })
        },
        examples: &[("token", include_str!("../../../../api/examples/access-token.json"))],
    },
};

/// Handles `POST /auth/token`: returns a new access token.
///
/// # Errors
///
/// Fails if the form is invalid, the client is not authenticated, or a limit is exceeded.
pub async fn create(State(app): State<App>, request: Request) -> Result<Reply, Problem> {
    let (parts, body) = request.into_parts();
    let now = app.clock.now();
    let in_header = pending_request::client_id(&parts.headers)?;
    pending_request::api_version(&parts.headers)?;
    pending_request::plain_content(&parts.headers)?;
    // Some clients name themselves only in the form, so here the body is read before the signature is checked, within a
    // budget per address.
    let too_many =
        |_| Problem::TooManyRequests { retry_after_seconds: 1, what: "requests for tokens at once" };
    let _in_flight =
        app.budgets.token_requests.acquire(pending_request::address(&parts), 1).map_err(too_many)?;
    let body = pending_request::read_body(&app, &parts.headers, body, MAX_FORM, |_| Ok(())).await?;
    let (form, faults) = read(&parts.headers, &body);
    let in_form = Uuid::try_parse(&form.client_id).ok();
    let id = in_header.or(in_form).ok_or(Problem::MissingClientId)?;
    let address = pending_request::address(&parts);
    let attempt =
        app.rate_limits.count_unauthenticated(address, PendingRequest::new(&app, &parts, id, now).await)?;
    if in_form.is_none() || form.client_secret.is_empty() {
        // Without a client id and a secret no signature is verified: an unauthenticated sender must not cause that
        // cost.
        return Err(faults.into());
    }
    app.rate_limits.count_unauthenticated(address, credentials(&attempt.client, &form, in_form, now))?;
    app.rate_limits.check_attempts(attempt.suspect)?;
    app.rate_limits.check_quota(id)?;
    let nonce = {
        let _turn = app.budgets.signature_checks.acquire(attempt.client.tenant.number).await;
        attempt.verify(&body, true)?
    };
    if attempt.client.tenant.is_suspended {
        return Err(Problem::unauthorised_public("the tenant is suspended"));
    }
    attempt.authorize(CREATE.answer.media)?;
    if !faults.is_empty() {
        return Err(faults.into());
    }

    issue(&app, &attempt, &form, nonce, now).await
}

/// Creates a token for the scopes of the form, unless the message of the nonce has created one already.
async fn issue(
    app: &App,
    attempt: &PendingRequest<'_>,
    form: &TokenRequest,
    nonce: Option<Nonce>,
    now: Timestamp,
) -> Result<Reply, Problem> {
    // The token is random, and the store contains only its hash (decision W12).
    let mut secret = [0; 32];
    app.ids.secret(&mut secret);
    let token = BASE64_URL_SAFE_NO_PAD.encode(secret);
    let lifetime = app.config.token_lifetime_seconds;
    let expires = now + SignedDuration::from_secs(lifetime.into());
    let (client, key) = (&attempt.client, attempt.key_id);
    let (hash, id) = (pending_request::token_hash(&token), client.id);
    let scopes = form.scope.split_whitespace().collect::<Vec<_>>().join(" ");
    let (row_scopes, tenant) = (scopes.clone(), client.tenant.number);
    let first = Prefetch { nonce, ..Prefetch::default() };
    let unit = move |tx: &Tx<'_>| {
        if let Some(nonce) = &nonce
            && !idempotency::remember_nonce(tx, nonce)?
        {
            return Err(pending_request::replayed_message());
        }
        let row = TokenRow { client: id, key, scopes: row_scopes.clone(), expires };
        Ok(tokens::insert(tx, &hash, &row)?)
    };
    app.store.write_prefetched("tokens.create", tenant, first, unit).await?;
    let answer =
        json!({ "access_token": token, "expires_in": lifetime, "token_type": "bearer", "scope": scopes });
    Ok(Reply::ok(answer.to_string()))
}

/// Checks that the form names the signing client, contains its secret, and requests only scopes of the client.
fn credentials(
    client: &Client,
    form: &TokenRequest,
    in_form: Option<Uuid>,
    now: Timestamp,
) -> Result<(), Problem> {
    if in_form != Some(client.id) {
        return Err(Problem::unauthorised(
            "'client_id' and the header 'upvest-client-id' name different clients",
        ));
    }
    if !client.secret_matches(&form.client_secret, now) {
        return Err(Problem::unauthorised("the client secret is wrong"));
    }
    match form.scope.split_whitespace().find(|scope| !client.has(scope)) {
        Some(scope) => Err(Problem::unauthorised(format!("the client may not have the scope '{scope}'"))),
        None => Ok(()),
    }
}

/// Parses the form, which must contain all four fields once and no other (API reference, "Access Tokens"). Returns the
/// fields with the list of errors.
fn read(headers: &http::HeaderMap, body: &[u8]) -> (TokenRequest, Vec<FieldError>) {
    if let Err(Problem::InvalidRequest(faults)) =
        pending_request::content_type(headers, "application/x-www-form-urlencoded")
    {
        return (TokenRequest::default(), faults);
    }
    let (mut form, mut faults, mut seen) = (TokenRequest::default(), Vec::new(), Vec::new());
    for (name, value) in form_urlencoded::parse(body) {
        let field = match &*name {
            "client_id" => &mut form.client_id,
            "client_secret" => &mut form.client_secret,
            "grant_type" => &mut form.grant_type,
            "scope" => &mut form.scope,
            _ => {
                faults.push(FieldError::new(name, "is not a field of this form"));
                continue;
            }
        };
        if seen.contains(&name) {
            faults.push(FieldError::new(name, "stands more than once in the form"));
            continue;
        }
        if value.chars().count() > MAX_FIELD {
            faults.push(FieldError::new(&*name, format!("must have at most {MAX_FIELD} characters")));
        }
        *field = value.into_owned();
        seen.push(name);
    }
    let fields = [
        ("client_id", &form.client_id),
        ("client_secret", &form.client_secret),
        ("grant_type", &form.grant_type),
        ("scope", &form.scope),
    ];
    for (name, _) in fields.iter().filter(|(_, value)| value.trim().is_empty()) {
        faults.push(FieldError::new(*name, format!("field '{name}' was not filled")));
    }
    if !form.client_id.is_empty() && Uuid::try_parse(&form.client_id).is_err() {
        faults.push(FieldError::new("client_id", "must be a UUID"));
    }
    if !form.grant_type.is_empty() && form.grant_type != "client_credentials" {
        faults.push(FieldError::new("grant_type", "must be client_credentials"));
    }
    (form, faults)
}
