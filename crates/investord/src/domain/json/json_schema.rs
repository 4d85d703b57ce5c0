//! JSON Schema (2020-12), made from the tables of `schema.rs` and from types that are serialised.

use std::collections::BTreeMap;

use mifir::Country;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::schema::{Field, FieldRule, ObjectSchema, Presence};
use crate::domain::tenants::OperatingModel;

/// Control characters (general category Cc), inside the brackets of a regular expression.
const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";
/// Invisible characters of the Basic Multilingual Plane, which do not count at the ends of a text, for the inside of
/// the brackets of a regular expression. Those beyond the plane cannot be written in the same way for all engines.
const INVISIBLE: &str = concat!(
    r"\s\u0085\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u180b-\u180f",
    r"\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
);
/// A pattern for a URL with a scheme and a host.
const ABSOLUTE_URL: &str = r"^[a-zA-Z][a-zA-Z0-9+.\-]*://[a-zA-Z0-9]";

/// Builds a regular expression for texts without control characters, and with at least `min` characters when the
/// invisible ones at their ends are not counted. It uses only syntax that ECMA 262 and its relatives have in common.
fn text_pattern(min: usize) -> String {
    let (any, seen) = (format!("[^{CONTROL}]"), format!("[^{CONTROL}{INVISIBLE}]"));
    match min {
        0 => format!("^{any}*$"),
        1 => format!("^{any}*{seen}{any}*$"),
        _ => format!("^{any}*{seen}{any}{{{},}}{seen}{any}*$", min - 2),
    }
}

/// The direction of the messages that a schema describes.
#[derive(Clone, Copy)]
pub enum SchemaSide {
    /// Requests of a tenant with this operating model.
    Request(OperatingModel),
    /// Responses.
    Answer,
}

/// The named schemas of an OpenAPI document: those of tables, and those of types that are serialised.
pub use schemars::SchemaGenerator as Schemas;

/// Creates an empty collection of schemas, which refer to one another as components of an OpenAPI document.
pub fn no_schemas() -> Schemas {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    settings.into_generator()
}

/// Stores a schema under its name and returns a reference to it. Two different schemas must not have one name.
pub fn named(schemas: &mut Schemas, name: &str, make: impl FnOnce(&mut Schemas) -> Value) -> Value {
    let schema = make(schemas);
    let kept = schemas.definitions_mut().entry(name).or_insert_with(|| schema.clone());
    assert_eq!(*kept, schema, "two schemas of the name {name}");
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Returns the schema of the serialised form of a type, or a reference to it. Its name must not be that of another.
pub fn of_type<T: JsonSchema>(schemas: &mut Schemas) -> Value {
    let before = schemas.definitions().clone();
    let schema = schemas.subschema_for::<T>().to_value();
    for (name, kept) in before {
        assert_eq!(schemas.definitions()[&name], kept, "two schemas of the name {name}");
    }
    schema
}

/// Returns all named schemas, in the order of their names.
pub fn all_schemas(mut schemas: Schemas) -> BTreeMap<String, Value> {
    schemas.take_definitions(true).into_iter().collect()
}

/// Returns the JSON Schema of an object that may have further members.
pub fn open_object<'a>(
    members: impl IntoIterator<Item = &'a Field>,
    side: SchemaSide,
    schemas: &mut Schemas,
) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in members {
        let mut schema = field.rule.json_schema(side, schemas);
        schema["description"] = json!(field.description);
        if let Some(default) = field.default {
            schema["default"] = serde_json::from_str(default).expect("a default is JSON");
        }
        properties.insert(field.name.to_owned(), schema);
        match (field.presence, side) {
            (Presence::Always, _) | (Presence::Tol, SchemaSide::Request(OperatingModel::Tol)) => {
                required.push(field.name);
            }
            _ => {}
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

impl ObjectSchema {
    /// Returns the JSON Schema of an object that has no other members.
    pub fn json_schema(&self, side: SchemaSide, schemas: &mut Schemas) -> Value {
        let mut schema = open_object(self.fields, side, schemas);
        schema["additionalProperties"] = json!(false);
        schema
    }
}

impl FieldRule {
    /// Returns the JSON Schema of a value under this rule.
    pub fn json_schema(&self, side: SchemaSide, schemas: &mut Schemas) -> Value {
        match self {
            FieldRule::Text { min, max } => text(*min, *max),
            FieldRule::Lines { max } => lines(*max),
            // `\s` includes line breaks, which are control characters, so a second pattern excludes those.
            FieldRule::Pattern(pattern) if pattern.as_str().contains(r"\s") => json!({
                "type": "string", "pattern": pattern.as_str(), "allOf": [{ "pattern": text_pattern(0) }],
            }),
            FieldRule::Pattern(pattern) => json!({ "type": "string", "pattern": pattern.as_str() }),
            FieldRule::OneOf(values) => json!({ "type": "string", "enum": values }),
            FieldRule::Country => named(schemas, "Country", |_| country()),
            FieldRule::CountryOr(words) => {
                json!({ "anyOf": [FieldRule::Country.json_schema(side, schemas), { "type": "string", "enum": words }] })
            }
            FieldRule::Email { max } => json!({ "type": "string", "format": "email", "maxLength": max }),
            FieldRule::Uuid => json!({ "type": "string", "format": "uuid" }),
            FieldRule::Bool => json!({ "type": "boolean" }),
            FieldRule::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
            FieldRule::Instant => json!({ "type": "string", "format": "date-time" }),
            FieldRule::BirthDate { .. } | FieldRule::Date => json!({ "type": "string", "format": "date" }),
            FieldRule::Url { max } => {
                json!({ "type": "string", "format": "uri", "maxLength": max, "pattern": ABSOLUTE_URL })
            }
            FieldRule::DateOrEmpty => date_or_empty(side),
            FieldRule::List { item, min, max, unique } => {
                list(&item.json_schema(side, schemas), *min, *max, *unique)
            }
            FieldRule::Object(shape) => {
                named(schemas, shape.name, |schemas| shape.json_schema(side, schemas))
            }
            FieldRule::OpenObject(shape) => {
                named(schemas, shape.name, |schemas| open_object(shape.fields, side, schemas))
            }
            FieldRule::OrNull(rule) => {
                json!({ "anyOf": [rule.json_schema(side, schemas), { "type": "null" }] })
            }
            FieldRule::Also(rule, keywords) => {
                let mut schema = rule.json_schema(side, schemas);
                add_keywords(&mut schema, keywords);
                schema
            }
        }
    }
}

/// Returns the schema of a list.
fn list(items: &Value, min: usize, max: usize, unique: bool) -> Value {
    let mut schema = json!({ "type": "array", "items": items });
    if min > 0 {
        schema["minItems"] = json!(min);
    }
    schema["maxItems"] = json!(max);
    if unique {
        schema["uniqueItems"] = json!(true);
    }
    schema
}

/// Returns the schema of printable ASCII in lines.
fn lines(max: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": max, "pattern": "^[\\n\\r -~]+$" })
}

/// Returns the JSON Schema of a text with so many characters.
fn text(min: usize, max: usize) -> Value {
    let mut schema = json!({ "type": "string", "maxLength": max, "pattern": text_pattern(min) });
    if min > 0 {
        schema["minLength"] = json!(min);
    }
    schema
}

/// Returns the JSON Schema of a date that a request clears by an empty text and a response shows as null.
fn date_or_empty(side: SchemaSide) -> Value {
    match side {
        SchemaSide::Request(_) => {
            json!({ "type": "string", "anyOf": [{ "format": "date" }, { "const": "" }] })
        }
        SchemaSide::Answer => json!({ "type": ["string", "null"], "format": "date" }),
    }
}

/// Adds keywords for rules that are checked beside a table. `keywords` is a JSON object.
pub fn add_keywords(schema: &mut Value, keywords: &str) {
    let keywords: Map<String, Value> =
        serde_json::from_str(keywords).expect("the keywords are a JSON object");
    for (name, value) in keywords {
        schema[name] = value;
    }
}

/// Returns the JSON Schema of a country code, with all codes in alphabetical order.
fn country() -> Value {
    let letters = || 'A'..='Z';
    let codes = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    let codes: Vec<String> = codes.filter(|code| Country::parse(code).is_some()).collect();
    json!({ "type": "string", "enum": codes, "description": "ISO 3166-1 alpha-2, and XK for Kosovo." })
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::domain::json::validation::has_length;

    /// Checks that the published pattern accepts the same texts as the rule.
    #[test]
    fn the_pattern_of_a_text_is_its_rule() {
        for min in [1, 2, 3, 5] {
            let pattern = Regex::new(&text_pattern(min)).unwrap();
            for c in (' '..='\u{ffff}').filter(|c| !c.is_control()) {
                for text in
                    [c.to_string().repeat(min), format!("{c}a{c}"), format!("a{c}a"), format!("aa{c}aaaa{c}")]
                {
                    let length = text.chars().count();
                    let taken = has_length(&text, min, 100).is_ok();
                    assert_eq!(length >= min && pattern.is_match(&text), taken, "{min} {text:?} {c:?}");
                }
            }
        }
    }
}
