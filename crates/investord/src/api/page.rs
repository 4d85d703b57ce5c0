//! `offset`, `limit`, `sort` and `order` of a list (decisions W9, W10).

use serde_json::{Value, json};

use crate::domain::schema::{Fault, Schemas};
use crate::problem::Problem;
use crate::store::page::{Listed, Page, SortBy};

const MOST: i64 = 1000;
const DEFAULT_LIMIT: i64 = 100;

/// Reads the query. An empty value means the default; members of other names are ignored, repeated ones of
/// these are not: which one would count?
pub fn parse(query: &str) -> Result<Page, Problem> {
    let mut page = Page { sort: SortBy::CreatedAt, descending: false, offset: 0, limit: DEFAULT_LIMIT };
    let (mut faults, mut seen) = (Vec::new(), Vec::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !["offset", "limit", "sort", "order"].contains(&&*name) {
            continue;
        }
        if seen.contains(&name) {
            faults.push(Fault::new(name, "stands more than once in the query"));
            continue;
        }
        let read = match (&*name, &*value) {
            (_, "") => Ok(()),
            ("offset", text) => number(text, i32::MAX.into()).map(|offset| page.offset = offset),
            ("limit", text) => number(text, MOST).map(|limit| page.limit = limit),
            ("sort", "created_at") | ("order", "ASC") => Ok(()),
            ("sort", "updated_at") => {
                page.sort = SortBy::UpdatedAt;
                Ok(())
            }
            ("sort", _) => Err("must be created_at or updated_at".into()),
            ("order", "DESC") => {
                page.descending = true;
                Ok(())
            }
            _ => Err("must be ASC or DESC".into()),
        };
        if let Err(message) = read {
            faults.push(Fault::new(&*name, message));
        }
        seen.push(name);
    }
    if faults.is_empty() { Ok(page) } else { Err(faults.into()) }
}

/// A whole number without a sign.
pub fn number(text: &str, most: i64) -> Result<i64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && *number <= most)
        .ok_or_else(|| format!("must be a whole number from 0 to {most}"))
}

/// The query, as the OpenAPI document says it.
pub fn parameters() -> Vec<Value> {
    let parameter = |name, description, schema: Value| json!({ "name": name, "in": "query", "description": description, "allowEmptyValue": true, "schema": schema });
    vec![
        parameter(
            "sort",
            "Field by which the list is sorted. No two of its items have the same value.",
            json!({ "type": "string", "enum": ["created_at", "updated_at"], "default": "created_at" }),
        ),
        parameter(
            "order",
            "Ascending or descending.",
            json!({ "type": "string", "enum": ["ASC", "DESC"], "default": "ASC" }),
        ),
        parameter(
            "offset",
            "How many items of the list to leave out at its start.",
            json!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": i32::MAX, "default": 0 }),
        ),
        parameter(
            "limit",
            "How many items to answer at most.",
            json!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": MOST, "default": DEFAULT_LIMIT }),
        ),
    ]
}

/// The schema of [`envelope`], around a list of these items.
pub fn schema(item: &Value, schemas: &mut Schemas) -> Value {
    let meta = schemas.named("Meta", |_| {
        json!({
            "type": "object",
            "description": "Which part of the list this is.",
            "properties": {
                "offset": { "type": "integer", "description": "Items left out at the start." },
                "limit": { "type": "integer", "description": "Most items of an answer." },
                "count": { "type": "integer", "description": "Items of this answer." },
                "total_count": { "type": "integer", "description": "Items of the whole list." },
                "sort": { "type": "string", "description": "Field by which the list is sorted." },
                "order": { "type": "string", "enum": ["ASC", "DESC"], "description": "Ascending or descending." },
            },
            "required": ["offset", "limit", "count", "total_count"],
        })
    });
    json!({
        "type": "object",
        "properties": { "meta": meta, "data": { "type": "array", "items": item } },
        "required": ["meta", "data"],
    })
}

/// The envelope of a list.
pub fn envelope(page: Page, listed: &Listed) -> String {
    let Page { sort, descending, offset, limit } = page;
    let Listed { json, count, total } = listed;
    let sort = match sort {
        SortBy::CreatedAt => "created_at",
        SortBy::UpdatedAt => "updated_at",
    };
    let order = if descending { "DESC" } else { "ASC" };
    format!(
        r#"{{"meta":{{"offset":{offset},"limit":{limit},"count":{count},"total_count":{total},"sort":"{sort}","order":"{order}"}},"data":[{json}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_document_says_of_the_query_is_what_is_read() {
        for parameter in parameters() {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let read = |value: &str| parse(&format!("{name}={value}"));
            let shown = |page| envelope(page, &Listed { json: String::new(), count: 0, total: 0 });
            let known = schema["enum"].as_array().cloned().unwrap_or_default();
            for value in known.iter().chain([&schema["minimum"], &schema["maximum"]]).filter(|v| !v.is_null())
            {
                let shown: Value = serde_json::from_str(&shown(read(&plain(value)).unwrap())).unwrap();
                assert_eq!(shown["meta"][name], *value);
            }
            let default: Value = serde_json::from_str(&shown(read("").unwrap())).unwrap();
            assert_eq!(default["meta"][name], schema["default"]);
            assert!(read("-1").is_err());
            if let Some(most) = schema["maximum"].as_i64() {
                assert!(read(&(most + 1).to_string()).is_err());
            }
        }
    }
}
