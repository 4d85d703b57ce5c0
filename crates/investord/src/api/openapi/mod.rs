//! The OpenAPI document, made from the route table, the schemas and the kinds of problems.
//!
//! The words about an operation stand beside its handler ([`OperationDoc`]). Everything that follows from the code
//! (method, path, scopes, headers, refusals) is derived from the code, so that the document cannot contradict it.

pub(in crate::api) mod event_schemas;
pub(in crate::api) mod operation_doc;

use std::collections::BTreeSet;

use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use self::operation_doc::{
    ACCOUNT_GROUPS, ACCOUNTS, CHECKS, EVENTS, IDENTIFIERS, OperationDoc, PayloadDoc, REPORTING, SERVER,
    TAXES, TOKENS, USERS, WEBHOOKS,
};
use crate::api::front::compat::IDEMPOTENCY_KEY;
use crate::api::front::endpoint::{Endpoint, RequiredAccess};
use crate::api::front::reply::IDEMPOTENT_REPLAYED;
use crate::domain::json::json_schema::{Schemas, all_schemas, no_schemas};
use crate::domain::json::schema::FieldError;
use crate::problem::kinds::KINDS;
use crate::problem::{self, NOT_PROVEN, Problem};

/// Sections of the document with their descriptions.
const TAGS: [(&str, &str); 11] = [
    (USERS, "Natural persons in the register of a tenant."),
    (IDENTIFIERS, "What users are named by in transaction reports."),
    (CHECKS, "What has been checked of users."),
    (TAXES, "Where users pay taxes."),
    (ACCOUNT_GROUPS, "Securities accounts of users, each with the accounts in it."),
    (ACCOUNTS, "Accounts of users, in which they hold assets."),
    (REPORTING, "Beyond the vendor's API: who would be reported with what, and why."),
    (WEBHOOKS, "Who is told of events, and how what they are told is signed."),
    (EVENTS, "Events for those who come for them."),
    (TOKENS, "Access for the clients of a tenant."),
    (SERVER, "What the server says about itself, to anybody."),
];

/// Name of the security scheme among the components.
const SCHEME: &str = "oauth-client-credentials";

/// All scopes that the operations require, with their descriptions.
const SCOPES: [(&str, &str); 10] = [
    ("accounts:admin", "Create/update/delete accounts and account groups"),
    ("accounts:read", "Read accounts and account groups"),
    ("checks:admin", "Create/update/delete user checks"),
    ("checks:read", "Read user checks"),
    ("taxes:admin", "Create/update/delete tax residencies"),
    ("taxes:read", "Read tax residencies"),
    ("users:admin", "Create, update and delete users"),
    ("users:read", "Read users"),
    ("webhooks:admin", "Create/update/delete webhooks"),
    ("webhooks:read", "Read webhooks"),
];

/// Example id from the vendor's reference, so that both documents can be read side by side.
const REQUEST_ID: &str = "169ae4c7-ebd7-4041-94da-25369653eba7";
/// Example id from the vendor's reference.
const CLIENT_ID: &str = "ebabcf4d-61c3-4942-875c-e265a7c2d062";

/// General part of the document, as Markdown.
const INTRODUCTION: &str = "\
Investord is an open registry of investors, wire-compatible with the Upvest Investment API: a client written \
for that API works here unchanged. Investord is an independent project. It is not made, endorsed or \
supported by Upvest, and \"Upvest\" stands here only for the interface it is compatible with.

**Signatures.** Every request of a client is signed with HTTP message signatures: draft 15 with the header \
`upvest-signature-version: 15`, draft 6 with `6` or without the header, RFC 9421 without the header. The \
signature covers `@method`, `@path`, `@query` when there is a query, `authorization` when it is sent, and \
`content-digest` (draft 6: also `digest`) when there is a body.

**Refusals** are problem details (RFC 9457) whose `type` is the address of a page that helps. Every answer \
has the header `upvest-request-id`.

**Changes.** Answers may get further members; a client must ignore those it does not know.";

/// Returns the serialised document, as it is served and as it is stored in `api/openapi.json`.
pub fn document(endpoints: &[Endpoint]) -> String {
    let (mut schemas, mut refusals, mut paths) = (no_schemas(), BTreeSet::new(), json!({}));
    for endpoint in endpoints {
        refusals.extend(endpoint.refusals());
        let (method, path) = endpoint.method_and_path();
        paths[path][method.to_lowercase()] = operation(endpoint, &mut schemas);
    }
    let problem = problem::schema(&mut schemas);
    let webhooks = event_schemas::webhooks(&mut schemas);
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Investord",
            "summary": "An open registry of investors, wire-compatible with the Upvest Investment API",
            "description": INTRODUCTION,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{ "url": "/" }],
        "tags": TAGS.map(|(name, description)| json!({ "name": name, "description": description })),
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": all_schemas(schemas),
            "parameters": signed_headers(),
            "headers": { "RequestId": {
                "description": "Names this answer; a problem document repeats it as `request_id`.",
                "required": true,
                "schema": { "type": "string", "format": "uuid" },
                "example": REQUEST_ID,
            } },
            "responses": refusals
                .into_iter()
                .map(|status| (component(status), refusal(status, &problem)))
                .collect::<Map<_, _>>(),
            "securitySchemes": { SCHEME: {
                "type": "oauth2",
                "description": "Client credentials, in a signed form. Any one of an operation's scopes is enough.",
                "flows": { "clientCredentials": { "tokenUrl": "/auth/token", "scopes": Map::from_iter(
                    SCOPES.map(|(scope, description)| (scope.to_owned(), json!(description))),
                ) } },
            } },
        },
    });
    format!("{document:#}\n")
}

/// Returns the operation object of a row of the route table.
fn operation(endpoint: &Endpoint, schemas: &mut Schemas) -> Value {
    let OperationDoc { tag, id, summary, description, parameters, request, answer } = &endpoint.doc;
    // One requirement object per scope: these are alternatives, while the scopes of one object are all required.
    let security: Vec<Value> = match endpoint.access {
        RequiredAccess::Token { scopes, .. } => {
            scopes.iter().map(|scope| json!({ SCHEME: [scope] })).collect()
        }
        RequiredAccess::Signature | RequiredAccess::Public => Vec::new(),
    };
    let mut operation = json!({
        "tags": [tag],
        "summary": summary,
        "description": description,
        "operationId": id,
        "security": security,
        "parameters": headers(&endpoint.access).into_iter().chain(parameters()).collect::<Vec<Value>>(),
    });
    if let Some(request) = request {
        operation["requestBody"] = json!({
            "description": request.description,
            "required": true,
            "content": content(request, schemas),
        });
    }
    let mut success = json!({ "description": answer.description, "headers": request_id() });
    if !answer.media.is_empty() {
        success["content"] = content(answer, schemas);
    }
    if matches!(endpoint.access, RequiredAccess::Token { idempotent: true, .. }) {
        success["headers"][IDEMPOTENT_REPLAYED] = json!({
            "description":
                "`true` on the kept answer of an earlier request with the same idempotency key; else absent.",
            "schema": { "type": "string", "enum": ["true"] },
        });
    }
    operation["responses"][endpoint.success().as_str()] = success;
    for status in endpoint.refusals() {
        operation["responses"][status.as_str()] = reference("responses", &component(status));
    }
    operation
}

/// Returns the header parameters of a request with this access.
fn headers(access: &RequiredAccess) -> Vec<Value> {
    match access {
        RequiredAccess::Token { idempotent, .. } => {
            let sent = |name: &&str| *idempotent || *name != "IdempotencyKey";
            HEADERS.into_iter().filter(sent).map(|name| reference("parameters", name)).collect()
        }
        RequiredAccess::Signature => {
            let mut client_id = signed_headers()["ClientId"].clone();
            client_id["required"] = json!(false);
            let others = ["Signature", "SignatureInput", "SignatureVersion", "ApiVersion"];
            let others = others.into_iter().map(|name| reference("parameters", name));
            std::iter::once(client_id).chain(others).collect()
        }
        RequiredAccess::Public => Vec::new(),
    }
}

/// Returns the content object of a body with its schema and its examples.
fn content(payload: &PayloadDoc, schemas: &mut Schemas) -> Value {
    let mut media = json!({ "schema": (payload.schema)(schemas) });
    if !payload.examples.is_empty() {
        media["examples"] = examples(payload.examples);
    }
    json!({ payload.media: media })
}

/// Returns the examples object of a body, from names and JSON texts.
fn examples(examples: &[(&str, &str)]) -> Value {
    let parsed = |text| serde_json::from_str::<Value>(text).expect("the examples are JSON");
    let named = examples.iter().map(|(name, text)| ((*name).to_owned(), json!({ "value": parsed(text) })));
    Value::Object(named.collect())
}

/// Returns a reference to a component.
fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// Returns the headers object that every response has.
fn request_id() -> Value {
    json!({ "upvest-request-id": reference("headers", "RequestId") })
}

/// Names of the header parameters of a signed request among the components.
const HEADERS: [&str; 7] = [
    "ClientId", "Authorization", "Signature", "SignatureInput", "SignatureVersion", "ApiVersion",
    "IdempotencyKey",
];

/// Returns the header parameters of a signed request under the names of [`HEADERS`].
fn signed_headers() -> Value {
    let header = |name, required, description, schema: Value, example| {
        json!({
            "name": name, "in": "header", "required": required, "description": description,
            "schema": schema, "example": example,
        })
    };
    json!({
        "ClientId": header("upvest-client-id", true, "Id of the client.",
            json!({ "type": "string", "format": "uuid" }), CLIENT_ID),
        "Authorization": header("authorization", true, "The access token (RFC 6750).",
            json!({ "type": "string", "pattern": r"^Bearer [a-zA-Z0-9\-\._~+/]*=*" }), "Bearer c2VjcmV0Cg=="),
        "Signature": header("signature", true, "The signature.",
            json!({ "type": "string" }), "sig1=:MEUCIQDzN4sJc2d7Xb1f4cTn1i5sW0Zq0o8kXw2v3uA9yT6m5gIgS1=:"),
        "SignatureInput": header("signature-input", true,
            "What the signature covers, when it was made and with which key.",
            json!({ "type": "string" }),
            concat!(
                r#"sig1=("@method" "@path" "@query" "authorization" "upvest-client-id");"#,
                r#"keyid="b5d3b1a2-7f0e-4c0e-9c55-6b8a6d2f8a11";"#,
                r#"created=1618884473;expires=1618884478;nonce="a8d1f2""#
            )),
        "SignatureVersion": header("upvest-signature-version", false,
            "Draft of HTTP message signatures. Without it draft 6 is tried first, then draft 15 and RFC 9421.",
            json!({ "type": "string", "enum": ["15", "6"] }), "15"),
        "ApiVersion": header("upvest-api-version", false, "Major version of the API, without quotation marks.",
            json!({ "type": "string", "enum": ["1"], "default": "1" }), "1"),
        "IdempotencyKey": header("idempotency-key", true,
            "A UUID of the client's own, new for each thing to create. A repeat with the same body gets the first \
             answer.",
            json!({ "type": "string", "pattern": IDEMPOTENCY_KEY.as_str() }), "a3a780b6-a012-4fa8-905c-61a9d0c20844"),
    })
}

/// Returns the name of a response among the components, as in `BadRequest`.
fn component(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().replace(' ', "")
}

/// Returns the response of one status with the description and an example of every kind of problem that has it.
fn refusal(status: StatusCode, problem: &Value) -> Value {
    let (mut description, mut examples) = (Vec::new(), Map::new());
    for kind in KINDS.iter().filter(|kind| kind.status == status) {
        let help = kind.help[0].replace("<code>", "`").replace("</code>", "`");
        description.push(format!("**{}**: {help}", kind.title));
        let sample = samples().into_iter().find(|sample| sample.kind().slug == kind.slug);
        let type_base = "https://investord.example/errors";
        let value = match sample {
            Some(sample) => serde_json::from_str(&sample.document(type_base, REQUEST_ID)).unwrap_or_default(),
            None => {
                let name = format!("{type_base}/{}", kind.slug);
                json!({ "type": name, "status": status.as_u16(), "title": kind.title })
            }
        };
        examples.insert(kind.slug.to_owned(), json!({ "value": value }));
    }
    let mut headers = request_id();
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        headers[header::ACCEPT_ENCODING.as_str()] = json!({
            "description": "The codings that are taken.", "required": true,
            "schema": { "type": "string", "enum": ["identity"] },
        });
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers["retry-after"] = json!({
            "description": "Seconds to wait.", "required": true, "schema": { "type": "integer", "minimum": 1 },
        });
    }
    json!({
        "description": description.join("\n\n"),
        "headers": headers,
        "content": { "application/problem+json": { "schema": problem, "examples": examples } },
    })
}

/// Returns the problems that serve as examples of the refusals.
fn samples() -> Vec<Problem> {
    vec![
        Problem::InvalidRequest(vec![
            FieldError::new("last_name", "field 'last_name' was not filled"),
            FieldError::new("nationalities[1]", "must be an ISO 3166-1 alpha-2 country code in capitals"),
        ]),
        Problem::MissingClientId,
        Problem::MissingIdempotencyKey,
        Problem::unauthorised_public(NOT_PROVEN),
        Problem::Forbidden { any_of: &["users:admin"] },
        Problem::NotFound("user"),
        Problem::NotAcceptable,
        Problem::ContentCoding,
        Problem::OtherRequest,
        Problem::UpgradeRequired,
        Problem::TooManyRequests { retry_after_seconds: 1, what: "requests of this client" },
        Problem::Internal(String::new()),
        Problem::Unavailable(String::new()),
    ]
}
