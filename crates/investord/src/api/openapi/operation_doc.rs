//! The documentation of an operation, which stands beside its handler.

use serde_json::{Value, json};

use crate::domain::json::json_schema::{SchemaSide, Schemas, add_keywords, named};
use crate::domain::json::schema::ObjectSchema;
use crate::domain::tenants::OperatingModel;

/// The part of an operation's documentation that the code does not imply.
pub struct OperationDoc {
    /// Section of the document, one of the constants below.
    pub tag: &'static str,
    /// Operation id: the vendor's name of the operation, if it has one.
    pub id: &'static str,
    /// Title in a few words.
    pub summary: &'static str,
    /// Description in whole sentences.
    pub description: &'static str,
    /// Parameters in path and query; the headers are derived.
    pub parameters: fn() -> Vec<Value>,
    /// Request body, if the operation has one.
    pub request: Option<PayloadDoc>,
    /// Body of a successful response.
    pub answer: PayloadDoc,
}

/// The body of a request or response.
pub struct PayloadDoc {
    /// Description in one sentence.
    pub description: &'static str,
    /// Media type, empty for no body.
    pub media: &'static str,
    /// Function that returns the schema and registers the named schemas that it uses.
    pub schema: fn(&mut Schemas) -> Value,
    /// Names and JSON texts of the examples.
    pub examples: &'static [(&'static str, &'static str)],
}

/// The empty response of an operation that the worker will finish.
pub const ACCEPTED: PayloadDoc =
    PayloadDoc { description: "Accepted.", media: "", schema: |_| Value::Null, examples: &[] };
/// The empty response of a finished operation.
pub const NOTHING: PayloadDoc =
    PayloadDoc { description: "Done.", media: "", schema: |_| Value::Null, examples: &[] };

// Sections of the document, to which the operations belong.
pub const USERS: &str = "Users";
pub const IDENTIFIERS: &str = "User identifiers";
pub const CHECKS: &str = "User checks";
pub const TAXES: &str = "Tax residencies";
pub const ACCOUNT_GROUPS: &str = "Account groups";
pub const ACCOUNTS: &str = "Accounts";
pub const REPORTING: &str = "Reporting";
pub const WEBHOOKS: &str = "Webhooks";
pub const EVENTS: &str = "Events";
pub const TOKENS: &str = "Access tokens";
pub const SERVER: &str = "Server";

/// Returns the named schema of a request body that does not depend on the operating model.
pub fn request(shape: &'static ObjectSchema, schemas: &mut Schemas) -> Value {
    named(schemas, shape.name, |schemas| {
        shape.json_schema(SchemaSide::Request(OperatingModel::Byol), schemas)
    })
}

/// Returns the named schema of a request body with additional JSON Schema keywords for rules outside of the table, and
/// the operating model whose tenants send it.
pub fn request_with(
    shape: &'static ObjectSchema,
    keywords: &str,
    model: Option<OperatingModel>,
    schemas: &mut Schemas,
) -> Value {
    named(schemas, shape.name, |schemas| {
        let mut schema =
            shape.json_schema(SchemaSide::Request(model.unwrap_or(OperatingModel::Byol)), schemas);
        add_keywords(&mut schema, keywords);
        if let Some(model) = model {
            schema[OPERATING_MODEL] = json!(model);
        }
        schema
    })
}

/// Extension of a schema: the operating model whose tenants send it.
pub const OPERATING_MODEL: &str = "x-operating-model";

/// Returns the named schema of a list without pages.
pub fn whole_list(name: &'static str, item: &Value, schemas: &mut Schemas) -> Value {
    named(schemas, name, |_| {
        json!({
            "type": "object",
            "properties": { "data": { "type": "array", "items": item } },
            "required": ["data"],
        })
    })
}

/// Returns a path parameter with a UUID.
pub fn path_id(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "description": description,
        "schema": { "type": "string", "format": "uuid" },
    })
}
