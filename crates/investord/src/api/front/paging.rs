//! Paging parameters: `offset`, `limit`, `sort`, `order` and the cursor (decisions W9, W10).

use serde_json::{Value, json};

use crate::domain::json::json_schema::{Schemas, named};
use crate::domain::json::query;
use crate::domain::json::query::{QueryParameter, QueryValues};
use crate::domain::json::schema::{FieldError, FieldRule, Pattern};
use crate::problem::Problem;
use crate::store::paging::{ListPage, Page, SortKey};

/// Maximum `limit` of a page (decision W9).
const MAX_LIMIT: i64 = 1000;
/// Default `limit` of a page, as JSON (decision W9).
const DEFAULT_LIMIT: &str = "100";

/// The fields by which a list can be sorted.
pub trait SortableBy: Copy + PartialEq + 'static {
    /// Names of the fields in the query, the default first.
    const NAMES: &'static [&'static str];
    /// The fields in the order of [`SortableBy::NAMES`].
    const ALL: &'static [Self];
}

impl SortableBy for SortKey {
    const NAMES: &'static [&'static str] = &["created_at", "updated_at"];
    const ALL: &'static [Self] = &[SortKey::CreatedAt, SortKey::UpdatedAt];
}

/// Returns the paging parameters of a list.
fn table<S: SortableBy>() -> [QueryParameter; 4] {
    let parameter =
        |name, rule, default, description| QueryParameter { name, rule, default: Some(default), description };
    [
        parameter(
            "sort",
            FieldRule::OneOf(S::NAMES),
            r#""created_at""#,
            "Field by which the list is sorted. Of equal items the one that was created first comes first.",
        ),
        parameter("order", FieldRule::OneOf(&["ASC", "DESC"]), r#""ASC""#, "Ascending or descending."),
        parameter(
            "offset",
            FieldRule::Int { min: 0, max: i32::MAX.into() },
            "0",
            "How many items of the list to leave out at its start.",
        ),
        parameter(
            "limit",
            FieldRule::Int { min: 0, max: MAX_LIMIT },
            DEFAULT_LIMIT,
            "How many items to answer at most. An answer whose items have more than 4 MiB ends before: `count` says \
             where.",
        ),
    ]
}

/// Pattern of a cursor: `*` for the beginning, or a [`Cursor`](crate::store::paging::Cursor).
static CURSORS: Pattern =
    Pattern::new(r"^(\*|(0|-?[1-9][0-9]{0,18})\.[1-9][0-9]{0,18})$", "* or the next_cursor of an answer");
/// The parameter for the position at which a long list continues. Unlike an offset it costs the same at any position.
const CURSOR: QueryParameter = QueryParameter {
    name: "cursor",
    rule: FieldRule::Pattern(&CURSORS),
    default: None,
    description: "Beyond the vendor's API, in the place of `offset`: `*` for the beginning, then `meta.next_cursor` of \
        the answer before, with the same `sort` and `order`. It costs the same anywhere in the list, and items that \
        are added meanwhile move no others from page to page.",
};

/// Parses the query of a list with a cursor.
///
/// # Errors
///
/// Fails if a parameter is invalid, or both cursor and offset are present.
pub fn parse_with_cursor<S: SortableBy>(query: &str) -> Result<Page<S>, Problem> {
    let [sort, order, offset, limit] = table::<S>();
    let values = query::read(query, &[sort, order, offset, limit, CURSOR])?;
    let page = page(&values);
    let fault = |message: &str| Problem::from(vec![FieldError::new("cursor", message)]);
    let after = match values.text("cursor") {
        None => return Ok(page),
        Some(_) if page.offset > 0 => return Err(fault("stands beside an offset; send one of them")),
        Some("*") => None,
        Some(cursor) => Some(cursor.parse().map_err(fault)?),
    };
    Ok(Page { by_cursor: true, after, ..page })
}

/// Returns the parameters of a list with a cursor for the OpenAPI document.
pub fn parameters_with_cursor<S: SortableBy>() -> Vec<Value> {
    parameters::<S>().into_iter().chain(query::to_openapi(&[CURSOR])).collect()
}

/// Returns the parameters of a list that is usually short, so that the default `limit` returns all of it.
fn whole_table() -> [QueryParameter; 2] {
    let [.., offset, limit] = table::<SortKey>();
    [offset, QueryParameter { default: Some("1000"), ..limit }]
}

/// Parses the query of a short list.
///
/// # Errors
///
/// Fails if a parameter is invalid.
pub fn parse_whole(query: &str) -> Result<Page, Problem> {
    query::read(query, &whole_table()).map(|values| page(&values)).map_err(Problem::from)
}

/// Returns the parameters of a short list for the OpenAPI document.
pub fn whole_parameters() -> Vec<Value> {
    query::to_openapi(&whole_table())
}

/// Parses the query of a list without a cursor.
///
/// # Errors
///
/// Fails if a parameter is invalid.
pub fn parse<S: SortableBy>(query: &str) -> Result<Page<S>, Problem> {
    query::read(query, &table::<S>()).map(|values| page(&values)).map_err(Problem::from)
}

/// Converts the values of the query to a page. The table has ensured that they are valid.
fn page<S: SortableBy>(values: &QueryValues) -> Page<S> {
    let named = S::NAMES.iter().zip(S::ALL).find(|(name, _)| values.text("sort") == Some(name));
    Page {
        sort: named.map_or(S::ALL[0], |(_, sort)| *sort),
        descending: values.text("order") == Some("DESC"),
        offset: values.number("offset"),
        limit: values.number("limit"),
        by_cursor: false,
        after: None,
    }
}

/// Returns the parameters of a list without a cursor for the OpenAPI document.
pub fn parameters<S: SortableBy>() -> Vec<Value> {
    query::to_openapi(&table::<S>())
}

/// Returns the named schema of an [`envelope`] of such items.
pub fn named_schema(name: &'static str, item: fn(&mut Schemas) -> Value, schemas: &mut Schemas) -> Value {
    named(schemas, name, |schemas| {
        let item = item(schemas);
        schema(&item, schemas)
    })
}

/// Returns the schema of an envelope around items of this schema.
fn schema(item: &Value, schemas: &mut Schemas) -> Value {
    let meta = named(schemas, "Meta", |_| {
        json!({
            "type": "object",
            "description": "Which part of the list this is.",
            "properties": {
                "offset": { "type": "integer", "description": "Items left out at the start." },
                "limit": { "type": "integer", "description": "Most items of an answer." },
                "count": {
                    "type": "integer",
                    "description": "Items of this answer: fewer than `limit` at the end of the list, and where more \
                        would make the answer too large.",
                },
                "total_count": { "type": "integer", "description": "Items of the whole list." },
                "sort": { "type": "string", "description": "Field by which the list is sorted." },
                "next_cursor": {
                    "type": "string",
                    "description": "Beyond the vendor's API: in answers to a `cursor`, the one for the items \
                        behind these. There are none when it is missing.",
                },
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

/// Returns the envelope of a page: `meta`, which repeats the parameters (decision W10), and the items in `data`.
pub fn envelope<S: SortableBy>(page: Page<S>, listed: ListPage) -> String {
    let Page { sort, descending, offset, limit, .. } = page;
    let ListPage { mut json, count, total, next, .. } = listed;
    let named = S::ALL.iter().zip(S::NAMES).find(|(one, _)| **one == sort);
    let sort = named.map_or(S::NAMES[0], |(_, name)| name);
    let order = if descending { "DESC" } else { "ASC" };
    let next = next.map_or(String::new(), |next| format!(r#","next_cursor":"{next}""#));
    let part = format!(r#""offset":{offset},"limit":{limit},"count":{count},"total_count":{total}"#);
    // In place: a second copy of a large page would take as much memory again.
    json.insert_str(0, &format!(r#"{{"meta":{{{part},"sort":"{sort}","order":"{order}"{next}}},"data":["#));
    json.push_str("]}");
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_document_says_of_the_query_is_what_is_read() {
        for parameter in parameters::<SortKey>() {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let read = |value: &str| parse::<SortKey>(&format!("{name}={value}"));
            let shown = |page| envelope(page, ListPage::new(0));
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
