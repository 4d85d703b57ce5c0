//! `offset`, `limit`, `sort` and `order` of a list (decisions W9, W10).

use crate::domain::schema::Fault;
use crate::problem::Problem;
use crate::store::users::{Listed, Page, SortBy};

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
            ("sort", "updated_at") => Ok(page.sort = SortBy::UpdatedAt),
            ("sort", _) => Err("must be created_at or updated_at".into()),
            ("order", "DESC") => Ok(page.descending = true),
            _ => Err("must be ASC or DESC".into()),
        };
        if let Err(message) = read {
            faults.push(Fault::new(&*name, message));
        }
        seen.push(name);
    }
    if faults.is_empty() { Ok(page) } else { Err(faults.into()) }
}

fn number(text: &str, most: i64) -> Result<i64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && *number <= most)
        .ok_or_else(|| format!("must be a whole number from 0 to {most}"))
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
