//! The fields of a JSON Schema, as the rows of a table.

use std::fmt::Write as _;

use serde_json::Value;

use super::markdown;
use super::reference::{Form, array, members, text};

/// Depth to which fields of fields are listed.
const MAX_DEPTH: usize = 4;
/// Values that are listed in the row; more are behind a click.
const FEW_VALUES: usize = 8;
/// Values that are listed at all: codes of all countries stand in the OpenAPI document alone.
const MAX_VALUES: usize = 60;

/// A field of a body, or a parameter.
pub struct Field {
    /// Its path in the body, as in `address.city`.
    pub name: String,
    /// Where a parameter is, as in `query`; empty for a field of a body.
    pub place: String,
    pub is_required: bool,
    /// Its type and what bounds it, in words.
    pub kind: String,
    /// HTML.
    pub description: String,
    /// The values that it may have; empty if they are not listed.
    pub values: Vec<String>,
}

impl Field {
    /// Returns whether its values fit into the row.
    pub fn has_few_values(&self) -> bool {
        self.values.len() <= FEW_VALUES
    }
}

/// Reads a parameter, or a reference to one.
pub fn of_parameter(document: &Value, parameter: &Value) -> Field {
    let parameter = resolved(document, parameter);
    let mut field = field(document, &text(&parameter["name"]), &parameter["schema"], false);
    field.is_required = parameter["required"] == true;
    field.place = text(&parameter["in"]);
    field.description = markdown::html(parameter["description"].as_str().unwrap_or_default());
    field
}

/// Returns the forms of a schema: one, or those of which a body has one.
pub fn forms(document: &Value, schema: &Value) -> Vec<Form> {
    if schema.is_null() {
        return Vec::new();
    }
    let target = resolved(document, schema);
    let alternatives = alternatives(target);
    if !alternatives.is_empty() {
        return alternatives.iter().flat_map(|one| forms(document, one)).collect();
    }
    let mut fields = Vec::new();
    collect(document, target, "", 0, &mut fields);
    vec![Form { name: name_of(schema).to_owned(), fields }]
}

/// Returns the schemas of which a value meets one. A schema whose alternatives only name required members has none.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let listed = array(&schema["oneOf"]).iter().chain(array(&schema["anyOf"]));
    listed
        .filter(|one| one["type"] != "null" && (one.get("$ref").is_some() || one.get("type").is_some()))
        .collect()
}

/// Adds the fields of an object, and the fields of these.
fn collect(document: &Value, schema: &Value, prefix: &str, depth: usize, into: &mut Vec<Field>) {
    for part in array(&schema["allOf"]) {
        collect(document, resolved(document, part), prefix, depth, into);
    }
    let required = array(&schema["required"]);
    for (name, property) in members(&schema["properties"]) {
        let path = format!("{prefix}{name}");
        let is_required = required.iter().any(|one| one == name);
        into.push(field(document, &path, property, is_required));
        if depth < MAX_DEPTH {
            let mut target = resolved(document, property);
            if let [one] = alternatives(target)[..] {
                target = resolved(document, one);
            }
            let is_list = target.get("items").is_some();
            let inner = if is_list { resolved(document, &target["items"]) } else { target };
            let prefix = if is_list { format!("{path}[].") } else { format!("{path}.") };
            collect(document, inner, &prefix, depth + 1, into);
        }
    }
}

fn field(document: &Value, name: &str, property: &Value, is_required: bool) -> Field {
    let target = resolved(document, property);
    // What stands beside a reference is said of this field.
    let described = if property.get("description").is_some() { property } else { target };
    let mut values = values(document, target);
    if values.is_empty() {
        values = self::values(document, resolved(document, &target["items"]));
    }
    let mut kind = kind(document, property);
    if values.len() > MAX_VALUES {
        let _ = write!(kind, ", {} values", values.len());
        values.clear();
    }
    Field {
        name: name.to_owned(),
        place: String::new(),
        is_required,
        kind,
        description: markdown::html(described["description"].as_str().unwrap_or_default()),
        values,
    }
}

/// Returns the values that a schema lists.
fn values(document: &Value, schema: &Value) -> Vec<String> {
    let listed = array(&schema["enum"]).iter().chain(schema.get("const")).map(text);
    let of_alternatives =
        alternatives(schema).into_iter().flat_map(|one| values(document, resolved(document, one)));
    listed
        .chain(of_alternatives)
        .map(|value| if value.is_empty() { "\"\"".to_owned() } else { value })
        .collect()
}

/// Says in words what values a schema takes.
fn kind(document: &Value, schema: &Value) -> String {
    let target = resolved(document, schema);
    if let (name, [first, rest @ ..]) = (name_of(schema), &alternatives(target)[..]) {
        return if rest.is_empty() || name.is_empty() { kind(document, first) } else { name.to_owned() };
    }
    let base = match (&target["type"], &target["format"]) {
        (Value::Array(types), _) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        (Value::String(kind), _) if kind == "array" => format!("list of {}", kind_of_items(document, target)),
        (_, Value::String(format)) => format.clone(),
        (kind, _) => text(kind),
    };
    let bounds = [
        ("minLength", "at least", "characters"),
        ("maxLength", "at most", "characters"),
        ("minimum", "from", ""),
        ("maximum", "to", ""),
        ("minItems", "at least", "items"),
        ("maxItems", "at most", "items"),
        ("default", "default", ""),
    ];
    let said = bounds.iter().filter_map(|(member, before, after)| {
        let value = target.get(member).filter(|value| !value.is_array())?;
        Some(format!("{before} {} {after}", text(value)).trim_end().to_owned())
    });
    std::iter::once(base).chain(said).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn kind_of_items(document: &Value, list: &Value) -> String {
    let items = kind(document, &list["items"]);
    if items.is_empty() || items == "object" { "objects".to_owned() } else { items }
}

/// Follows a reference.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str().and_then(|pointer| document.pointer(pointer.trim_start_matches('#'))) {
        Some(target) => resolved(document, target),
        None => schema,
    }
}

/// Returns the name of the schema that a reference points to.
fn name_of(schema: &Value) -> &str {
    schema["$ref"].as_str().and_then(|pointer| pointer.rsplit('/').next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{forms, of_parameter};

    #[test]
    fn fields_of_fields_are_rows_with_their_paths() {
        let document = json!({"components": {"schemas": {
            "Person": {"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string", "maxLength": 100, "description": "As in the `passport`."},
                "address": {"$ref": "#/components/schemas/Address", "description": "Where they live."},
                "papers": {"type": "array", "minItems": 1, "items": {"type": "object", "properties": {
                    "kind": {"type": "string", "enum": ["PASSPORT", "ID_CARD"]}}}}}},
            "Address": {"type": "object", "properties": {"city": {"type": "string"}}},
        }}});
        let [form] = &forms(&document, &json!({"$ref": "#/components/schemas/Person"}))[..] else { panic!() };
        assert_eq!(form.name, "Person");
        let rows: Vec<_> = form.fields.iter().map(|one| (one.name.as_str(), one.kind.as_str())).collect();
        let expected = [
            ("name", "string, at most 100 characters"),
            ("address", "object"),
            ("address.city", "string"),
            ("papers", "list of objects, at least 1 items"),
            ("papers[].kind", "string"),
        ];
        assert_eq!(rows, expected);
        assert!(form.fields[0].is_required && !form.fields[1].is_required);
        assert_eq!(form.fields[0].description, "<p>As in the <code>passport</code>.</p>\n");
        assert_eq!(
            form.fields[1].description, "<p>Where they live.</p>\n",
            "said of the field, not of all addresses"
        );
        assert_eq!(form.fields[4].values, ["PASSPORT", "ID_CARD"]);
    }

    #[test]
    fn a_schema_that_holds_itself_ends() {
        let document = json!({"components": {"schemas": {
            "Tree": {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/Tree"}}}}}});
        assert_eq!(forms(&document, &json!({"$ref": "#/components/schemas/Tree"}))[0].fields.len(), 5);
    }

    #[test]
    fn parameters_say_where_they_are_and_what_they_are_without() {
        let schema = json!({"type": "integer", "minimum": 0, "maximum": 1000, "default": 100});
        let limit = json!({"name": "limit", "in": "query", "schema": schema});
        let field = of_parameter(&json!({}), &limit);
        assert_eq!(
            (field.place.as_str(), field.kind.as_str()),
            ("query", "integer, from 0, to 1000, default 100")
        );
    }
}
