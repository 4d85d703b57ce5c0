//! The OpenAPI 3.1 document of the operator API, made from its route table.

use serde_json::{Value, json};

use super::by_operator::OperatorDoc;
use super::endpoint::{Access, OperatorEndpoint};
use super::mask;
use crate::domain::json::json_schema::{SchemaSide, Schemas, all_schemas, named, no_schemas};
use crate::domain::json::query;
use crate::domain::tenants::OperatingModel;
use crate::problem;

/// General part of the document, as Markdown.
const INTRODUCTION: &str = "\
What the operators of an Investord register do: look at users, decide reviews, act on users and webhooks, and \
administer the register. It has a listener of its own (`operator_listen`). A request bears the token of a session \
(`POST /sessions`) or of `investord operator token`. Roles say what an operator may do: named sets of permissions \
(`GET /roles`), each for a tenant or for all.

Contact data, numbers and documents of people are masked until they are revealed for a purpose \
(`POST /tenants/{tenant}/users/{user}/reveals`).

Every action is an event `OPERATOR.ACTION` in the event log of the tenant, in the commit of the action. Refusals are \
problem details (RFC 9457). Answers may get further members.";

/// Name of the security scheme.
const SCHEME: &str = "operator_token";

/// Returns the serialised document, as it is served and as it is stored in `api/operator-openapi.json`.
pub fn document(endpoints: &[OperatorEndpoint]) -> String {
    let (mut schemas, mut paths) = (no_schemas(), json!({}));
    problem::schema(&mut schemas);
    for endpoint in endpoints {
        let (method, path) = endpoint.method_and_path();
        paths[path][method.to_lowercase()] = operation(endpoint, &mut schemas);
    }
    let mut schemas = all_schemas(schemas);
    mask::allow_masks(&mut schemas);
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Investord for operators",
            "description": INTRODUCTION,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { SCHEME: {
                "type": "http",
                "scheme": "bearer",
                "description": "The token of a session, or an access token of an operator (RFC 6750).",
            } },
        },
    });
    format!("{document:#}\n")
}

/// Returns the operation object of a row of the route table.
fn operation(endpoint: &OperatorEndpoint, schemas: &mut Schemas) -> Value {
    let OperatorDoc { id, summary, description, query, request } = &endpoint.doc;
    let (_, path) = endpoint.method_and_path();
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters = in_path.map(path_parameter).chain(query::to_openapi(query));
    let description = match endpoint.access {
        Access::Permission(permission) => {
            format!("{description} Takes the permission `{}`.", permission.into_str())
        }
        Access::Public | Access::EveryOperator => (*description).to_owned(),
    };
    let security = match endpoint.access {
        Access::Public => Vec::new(),
        Access::EveryOperator | Access::Permission(_) => vec![json!({ SCHEME: [] })],
    };
    let description = if endpoint.needs_fresh_proof {
        format!("{description} Needs a proof of the person of the last minutes (`POST /me/proof`).")
    } else {
        description
    };
    let mut operation = json!({
        "summary": summary,
        "description": description,
        "operationId": id,
        "security": security,
        "parameters": parameters.collect::<Vec<Value>>(),
        "responses": {
            "200": {
                "description": "Done.",
                "content": { "application/json": { "schema": (endpoint.answer)(schemas) } },
            },
        },
    });
    if let Some(table) = request {
        let schema = named(schemas, table.name, |schemas| {
            table.json_schema(SchemaSide::Request(OperatingModel::Byol), schemas)
        });
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    for status in endpoint.refusals() {
        operation["responses"][status.as_str()] = json!({
            "description": status.canonical_reason().unwrap_or_default(),
            "content": { "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" },
            } },
        });
    }
    operation
}

/// Returns a parameter in the path by its name.
fn path_parameter(name: &str) -> Value {
    let (schema, description) = match name {
        "tenant" => (json!({ "type": "string" }), "Name of the tenant."),
        "name" => (json!({ "type": "string" }), "Name of the operator."),
        "package" => (json!({ "type": "integer", "minimum": 1 }), "Number of the package of this webhook."),
        "user" => (json!({ "type": "string", "format": "uuid" }), "Id of the user."),
        "webhook" => (json!({ "type": "string", "format": "uuid" }), "Id of the webhook."),
        _ => (json!({ "type": "string", "format": "uuid" }), "Id of the data change or check."),
    };
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
}
