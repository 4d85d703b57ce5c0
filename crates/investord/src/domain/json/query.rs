//! Query parameters as tables, from which both validation and the OpenAPI document are made.

use serde_json::{Map, Value, json};

use crate::domain::json::json_schema::{SchemaSide, no_schemas};
use crate::domain::json::schema::{FieldError, FieldRule, quote_list};
use crate::domain::tenants::OperatingModel;

/// A query parameter. Every parameter may be absent or empty; both mean the default.
pub struct QueryParameter {
    /// Name in the query.
    pub name: &'static str,
    /// Rule for the value: a whole number, a boolean, an enumeration, a pattern, or a comma-separated list of these.
    pub rule: FieldRule,
    /// Default value as JSON text.
    pub default: Option<&'static str>,
    /// Description for the OpenAPI document.
    pub description: &'static str,
}

/// The values of a query: the received ones, and the defaults of the others.
pub struct QueryValues(Map<String, Value>);

impl QueryValues {
    /// Returns the value of a text parameter, if there is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Returns the value of a number parameter, 0 without value and default.
    pub fn number(&self, name: &str) -> i64 {
        self.0.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    /// Returns the value of a boolean parameter, false without value and default.
    pub fn is_true(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// Returns the values of a list parameter.
    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// Parses a query. Unknown parameters are ignored. A repeated parameter of the table is refused, because its meaning
/// would be ambiguous.
///
/// # Errors
///
/// Fails with all errors of the query.
pub fn read(query: &str, table: &[QueryParameter]) -> Result<QueryValues, Vec<FieldError>> {
    let (mut values, mut faults, mut seen) = (Map::new(), Vec::new(), Vec::new());
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        let Some(parameter) = table.iter().find(|parameter| parameter.name == name) else { continue };
        if seen.contains(&parameter.name) {
            faults.push(FieldError::new(name, "stands more than once in the query"));
            continue;
        }
        seen.push(parameter.name);
        if text.is_empty() {
            continue;
        }
        match value(&parameter.rule, &text) {
            Ok(value) => drop(values.insert(parameter.name.to_owned(), value)),
            Err(message) => faults.push(FieldError::new(name, message)),
        }
    }
    for QueryParameter { name, default, .. } in table {
        if let Some(default) = default.filter(|_| !values.contains_key(*name)) {
            values.insert((*name).to_owned(), json_text(default));
        }
    }
    if faults.is_empty() { Ok(QueryValues(values)) } else { Err(faults) }
}

/// Parses a JSON text of a table.
fn json_text(text: &str) -> Value {
    serde_json::from_str(text).expect("a table holds JSON")
}

/// Parses the text of a value. It has the form of a JSON value without quotation marks.
fn value(rule: &FieldRule, text: &str) -> Result<Value, String> {
    match rule {
        FieldRule::Int { min, max } => {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<i64>().ok().filter(|number| is_plain && (min..=max).contains(&number));
            number.map(Value::from).ok_or_else(|| format!("must be a whole number from {min} to {max}"))
        }
        FieldRule::Bool => match text {
            "true" | "false" => Ok(json!(text == "true")),
            _ => Err("must be true or false".to_owned()),
        },
        FieldRule::OneOf(words) if words.contains(&text) => Ok(json!(text)),
        FieldRule::OneOf(words) => Err(format!("must be one of {}", quote_list(words))),
        FieldRule::Pattern(pattern) => pattern.check(text).map(|()| json!(text)),
        FieldRule::List { item, .. } => text.split(',').map(|one| value(item, one)).collect(),
        _ => unreachable!("not a rule for a query"),
    }
}

/// Returns the parameters for the OpenAPI document.
pub fn to_openapi(table: &[QueryParameter]) -> Vec<Value> {
    let describe = |QueryParameter { name, rule, default, description }: &QueryParameter| {
        let mut schema = rule.json_schema(SchemaSide::Request(OperatingModel::Byol), &mut no_schemas());
        if let Some(default) = default {
            schema["default"] = json_text(default);
        }
        let mut parameter = json!({
            "name": name, "in": "query", "description": description, "allowEmptyValue": true, "schema": schema,
        });
        if matches!(rule, FieldRule::List { .. }) {
            parameter["style"] = json!("form");
            parameter["explode"] = json!(false);
        }
        parameter
    };
    table.iter().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: FieldRule =
        FieldRule::List { item: &FieldRule::OneOf(&["A", "B"]), min: 1, max: 9, unique: false };

    fn table() -> [QueryParameter; 4] {
        let parameter = |name, rule, default| QueryParameter { name, rule, default, description: "" };
        [
            parameter("number", FieldRule::Int { min: 0, max: 20 }, Some("7")),
            parameter("flag", FieldRule::Bool, Some("true")),
            parameter("word", FieldRule::OneOf(&["x", "y"]), None),
            parameter("list", LIST, Some(r#"["A"]"#)),
        ]
    }

    #[test]
    fn reads_what_was_sent_and_fills_in_the_rest() {
        let values = read("number=20&list=B,A&other=1&other=2&flag=", &table()).unwrap();
        assert_eq!((values.number("number"), values.is_true("flag"), values.text("word")), (20, true, None));
        assert_eq!(values.list("list"), ["B", "A"]);
        let values = read("", &table()).unwrap();
        assert_eq!((values.number("number"), values.list("list")), (7, vec!["A".to_owned()]));
    }

    #[test]
    fn refuses_what_cannot_be_or_stands_twice() {
        for query in [
            "number=21", "number=-1", "number=%2B1", "number=1.0", "number=x", "flag=1", "flag=TRUE",
            "word=z", "list=A,C", "list=A,", "number=1&number=1", "flag=&flag=true", "word=x&list=A&word=y",
        ] {
            assert!(read(query, &table()).is_err(), "{query}");
        }
    }
}
