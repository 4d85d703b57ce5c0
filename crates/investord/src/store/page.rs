//! Parts of a tenant's lists: by creation, which is a range of the dense number, or by last change.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Row, Stmt, StoreError, Tx, sql};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    CreatedAt,
    UpdatedAt,
}

/// A part of a list, which can be sorted by `S`.
#[derive(Clone, Copy, Debug)]
pub struct Page<S = SortBy> {
    pub sort: S,
    pub descending: bool,
    pub offset: i64,
    pub limit: i64,
}

impl<S: Copy> Page<S> {
    /// The part of a list that is here as a whole, in order of creation, which decides between equal items.
    pub fn of<T>(
        self,
        mut all: Vec<T>,
        compare: impl Fn(S, &T, &T) -> Ordering,
        view: impl Fn(&T) -> Value,
    ) -> Listed {
        all.sort_by(|one, other| compare(self.sort, one, other));
        if self.descending {
            all.reverse();
        }
        let total = all.len();
        let (offset, limit) = (usize::try_from(self.offset), usize::try_from(self.limit));
        let part = all.iter().skip(offset.unwrap_or(total)).take(limit.unwrap_or(0));
        let items: Vec<String> = part.map(|one| view(one).to_string()).collect();
        Listed { json: items.join(","), count: count(items.len()), total: count(total) }
    }
}

fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}

pub struct Listed {
    /// The items as the wire shows them, separated by commas.
    pub json: String,
    pub count: i64,
    /// All items of the list.
    pub total: i64,
}

/// The statements of a list.
pub struct Pages {
    pub created: Stmt,
    pub created_backwards: Stmt,
    pub updated: Stmt,
    pub updated_backwards: Stmt,
}

/// The statements of a list of a table `t` with the columns `tenant`, `number` and `updated_at`.
macro_rules! pages {
    ($table:literal, $columns:literal, $join:literal) => {
        $crate::store::page::Pages {
            created: $crate::store::Stmt {
                name: concat!($table, ".by_creation"),
                text: concat!(
                    "SELECT ",
                    $columns,
                    " FROM ",
                    $table,
                    " AS t ",
                    $join,
                    " WHERE t.tenant = $1 AND t.number BETWEEN $2 AND $3 ORDER BY t.number"
                ),
            },
            created_backwards: $crate::store::Stmt {
                name: concat!($table, ".by_creation_backwards"),
                text: concat!(
                    "SELECT ",
                    $columns,
                    " FROM ",
                    $table,
                    " AS t ",
                    $join,
                    " WHERE t.tenant = $1 AND t.number BETWEEN $2 AND $3 ORDER BY t.number DESC"
                ),
            },
            // The inner query walks the index alone, so that what the offset skips is never read.
            updated: $crate::store::Stmt {
                name: concat!($table, ".by_update"),
                text: concat!(
                    "SELECT ",
                    $columns,
                    " FROM (SELECT number, updated_at FROM ",
                    $table,
                    " WHERE tenant = $1 ",
                    "ORDER BY updated_at, number LIMIT $2 OFFSET $3) AS page JOIN ",
                    $table,
                    " AS t ON t.tenant = $1 AND t.number = page.number ",
                    $join,
                    " ORDER BY page.updated_at, page.number"
                ),
            },
            updated_backwards: $crate::store::Stmt {
                name: concat!($table, ".by_update_backwards"),
                text: concat!(
                    "SELECT ",
                    $columns,
                    " FROM (SELECT number, updated_at FROM ",
                    $table,
                    " WHERE tenant = $1 ",
                    "ORDER BY updated_at DESC, number DESC LIMIT $2 OFFSET $3) AS page JOIN ",
                    $table,
                    " AS t ON t.tenant = $1 AND t.number = page.number ",
                    $join,
                    " ORDER BY page.updated_at DESC, page.number DESC"
                ),
            },
        }
    };
}
pub(super) use pages;

/// A page of a tenant's list of `total` items. By creation its cost does not depend on the offset.
pub fn list(
    tx: &Tx<'_>,
    pages: &Pages,
    tenant: i64,
    page: Page,
    total: i64,
    mut write: impl FnMut(&Row<'_>, &mut String) -> Result<(), StoreError>,
) -> Result<Listed, StoreError> {
    let Page { sort, descending, offset, limit } = page;
    let (stmt, from, to) = match (sort, descending) {
        (SortBy::CreatedAt, false) => (&pages.created, offset + 1, offset + limit),
        (SortBy::CreatedAt, true) => (&pages.created_backwards, total - offset - limit + 1, total - offset),
        (SortBy::UpdatedAt, false) => (&pages.updated, limit, offset),
        (SortBy::UpdatedAt, true) => (&pages.updated_backwards, limit, offset),
    };
    let mut listed = Listed { json: String::new(), count: 0, total };
    if limit > 0 {
        tx.each(stmt, &[sql::Value::Int(tenant), sql::Value::Int(from), sql::Value::Int(to)], |row| {
            if listed.count > 0 {
                listed.json.push(',');
            }
            listed.count += 1;
            write(row, &mut listed.json)
        })?;
    }
    Ok(listed)
}
