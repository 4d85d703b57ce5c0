//! Pages of lists: by creation, which is a range of the dense number, or by last update.

use std::cmp::Ordering;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::engine::sql;
use super::users::handle::UserHandle;
use crate::domain::tenants::TenantNumber;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::Row;
use crate::store::engine::sql::Tx;
use crate::store::engine::statement::Stmt;

/// Maximum size of the items in a response, in bytes (4 MiB). A single larger item is still returned, alone.
pub const MAX_BYTES: usize = 4 << 20;

/// The sort order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    CreatedAt,
    UpdatedAt,
}

/// A request for a page of a list, sortable by `S`.
#[derive(Clone, Copy, Debug)]
pub struct Page<S = SortKey> {
    pub sort: S,
    pub descending: bool,
    /// Number of skipped items.
    pub offset: i64,
    /// Maximum number of items in the page.
    pub limit: i64,
    /// Whether the response names the cursor of the next page.
    pub by_cursor: bool,
    /// The item after which the page begins.
    pub after: Option<Cursor>,
}

impl<S: Copy> Page<S> {
    /// Returns the page of a complete list in memory, which must be in order of creation: the sort is stable, so
    /// creation breaks ties.
    pub fn of<T>(
        self,
        mut all: Vec<T>,
        compare: impl Fn(S, &T, &T) -> Ordering,
        view: impl Fn(&T) -> Value,
    ) -> ListPage {
        all.sort_by(|one, other| compare(self.sort, one, other));
        if self.descending {
            all.reverse();
        }
        let mut listed = ListPage::new(i64::try_from(all.len()).unwrap_or(i64::MAX));
        let (offset, limit) = (usize::try_from(self.offset), usize::try_from(self.limit));
        for one in all.iter().skip(offset.unwrap_or(all.len())).take(limit.unwrap_or(0)) {
            listed.add(&view(one));
        }
        listed
    }
}

/// The position of an item, after which another page begins. Unlike an offset it costs the same anywhere in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Microseconds since 1970.
    updated_at: i64,
    number: i64,
}

impl Cursor {
    const FIRST: Self = Self { updated_at: i64::MIN, number: i64::MIN };
    const LAST: Self = Self { updated_at: i64::MAX, number: i64::MAX };
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.updated_at, self.number)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (updated_at, number) = text.split_once('.')?;
            let cursor = Self { updated_at: updated_at.parse().ok()?, number: number.parse().ok()? };
            // Each cursor has one text form, and its number can be incremented without overflow.
            let is_known = cursor.to_string() == text && (1..i64::MAX).contains(&cursor.number);
            is_known.then_some(cursor)
        };
        parse().ok_or("must be * or the next_cursor of an answer")
    }
}

/// A page under construction.
pub struct ListPage {
    /// The items as JSON, separated by commas.
    pub json: String,
    pub count: i64,
    /// Number of items in the whole list.
    pub total: i64,
    /// The cursor of the next page, if the list supports cursors and has more items.
    pub next: Option<Cursor>,
    is_full: bool,
}

impl ListPage {
    /// Creates an empty page of a list with `total` items.
    pub fn new(total: i64) -> Self {
        Self { json: String::new(), count: 0, total, next: None, is_full: false }
    }

    /// Appends an item, if it fits.
    pub fn add(&mut self, item: &Value) {
        let Ok(_) = self.write(|out| {
            out.push_str(&item.to_string());
            Ok::<_, Infallible>(())
        });
    }

    /// Appends an item by `write` and returns whether it fitted. After the first item that did not, no item is added.
    ///
    /// # Errors
    ///
    /// Fails with the error of `write`.
    pub fn write<E>(&mut self, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<bool, E> {
        if self.is_full {
            return Ok(false);
        }
        let before = self.json.len();
        if self.count > 0 {
            self.json.push(',');
        }
        write(&mut self.json)?;
        if self.count > 0 && self.json.len() > MAX_BYTES {
            self.json.truncate(before);
            self.is_full = true;
            return Ok(false);
        }
        self.count += 1;
        Ok(true)
    }
}

/// The statements of a list of a tenant.
pub struct PageStatements {
    /// Number of columns before the number and the time of the last change, which come last.
    pub width: usize,
    pub created: Stmt,
    pub created_backwards: Stmt,
    pub updated: Stmt,
    pub updated_backwards: Stmt,
}

/// Builds the statements of a list of a table `t` with the columns `tenant`, `number` and `updated_at`.
macro_rules! pages {
    ($table:literal, $width:literal, $columns:literal, $join:literal) => {
        $crate::store::paging::PageStatements {
            width: $width,
            created: $crate::store::engine::statement::Stmt {
                name: concat!($table, ".by_creation"),
                text: concat!(
                    "SELECT ",
                    $columns,
                    ", t.number, t.updated_at FROM ",
                    $table,
                    " AS t ",
                    $join,
                    " WHERE t.tenant = $1 AND t.number BETWEEN $2 AND $3 ORDER BY t.number"
                ),
            },
            created_backwards: $crate::store::engine::statement::Stmt {
                name: concat!($table, ".by_creation_backwards"),
                text: concat!(
                    "SELECT ",
                    $columns,
                    ", t.number, t.updated_at FROM ",
                    $table,
                    " AS t ",
                    $join,
                    " WHERE t.tenant = $1 AND t.number BETWEEN $2 AND $3 ORDER BY t.number DESC"
                ),
            },
            // The inner query uses the index alone, so that the rows skipped by the offset are never read.
            updated: $crate::store::engine::statement::Stmt {
                name: concat!($table, ".by_update"),
                text: concat!(
                    "SELECT ",
                    $columns,
                    ", t.number, t.updated_at FROM (SELECT number, updated_at FROM ",
                    $table,
                    " WHERE tenant = $1 AND (updated_at, number) > ($2, $3) ",
                    "ORDER BY updated_at, number LIMIT $4 OFFSET $5) AS page JOIN ",
                    $table,
                    " AS t ON t.tenant = $1 AND t.number = page.number ",
                    $join,
                    " ORDER BY page.updated_at, page.number"
                ),
            },
            updated_backwards: $crate::store::engine::statement::Stmt {
                name: concat!($table, ".by_update_backwards"),
                text: concat!(
                    "SELECT ",
                    $columns,
                    ", t.number, t.updated_at FROM (SELECT number, updated_at FROM ",
                    $table,
                    " WHERE tenant = $1 AND (updated_at, number) < ($2, $3) ",
                    "ORDER BY updated_at DESC, number DESC LIMIT $4 OFFSET $5) AS page JOIN ",
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

/// Returns a page of a tenant's list of `total` items. Sorted by creation, its cost does not depend on the offset,
/// because numbers are dense.
///
/// # Errors
///
/// Fails with the error of `write`, or if the database is unavailable.
pub fn list(
    tx: &Tx<'_>,
    pages: &PageStatements,
    tenant: TenantNumber,
    page: Page,
    total: i64,
    mut write: impl FnMut(&Row<'_>, &mut String) -> Result<(), StoreError>,
) -> Result<ListPage, StoreError> {
    let Page { sort, descending, offset, limit, by_cursor, after } = page;
    let (stmt, values) = match (sort, descending) {
        (SortKey::CreatedAt, false) => {
            let behind = after.map_or(offset, |after| after.number);
            (&pages.created, vec![behind + 1, behind.saturating_add(limit)])
        }
        (SortKey::CreatedAt, true) => {
            let last = after.map_or(total - offset, |after| after.number - 1);
            (&pages.created_backwards, vec![last - limit + 1, last])
        }
        (SortKey::UpdatedAt, false) => {
            let Cursor { updated_at, number } = after.unwrap_or(Cursor::FIRST);
            (&pages.updated, vec![updated_at, number, limit, offset])
        }
        (SortKey::UpdatedAt, true) => {
            let Cursor { updated_at, number } = after.unwrap_or(Cursor::LAST);
            (&pages.updated_backwards, vec![updated_at, number, limit, offset])
        }
    };
    let values: Vec<_> = std::iter::once(tenant.0).chain(values).map(sql::Value::Int).collect();
    let (mut listed, mut last) = (ListPage::new(total), None);
    if limit > 0 {
        tx.each(stmt, &values, |row| {
            if listed.write(|out| write(row, out))? {
                last = Some(Cursor { number: row.int(pages.width)?, updated_at: row.int(pages.width + 1)? });
            }
            Ok(())
        })?;
    }
    let is_end = !listed.is_full && listed.count < limit || after.is_none() && offset + listed.count >= total;
    listed.next = last.filter(|_| by_cursor && !is_end);
    Ok(listed)
}

/// A record of which a user can have several.
pub trait UserRecord: Sized {
    const LIST: &'static UserListStatements;

    /// Decrypts a record.
    fn open(row: &Row<'_>, user: &UserHandle) -> Result<Self, StoreError>;
}

/// The statements of a list of a user's records.
pub struct UserListStatements {
    pub all: Stmt,
    pub part: Stmt,
    pub count: Stmt,
}

/// Builds the statements of a list of a table with the columns `tenant`, `user_number`, `created_at` and `id`.
macro_rules! user_list {
    ($table:literal, $columns:literal) => {
        $crate::store::paging::UserListStatements {
            all: $crate::store::engine::statement::Stmt {
                name: concat!($table, ".of_user"),
                text: concat!(
                    "SELECT ",
                    $columns,
                    " FROM ",
                    $table,
                    " WHERE tenant = $1 AND user_number = $2 ORDER BY created_at, id"
                ),
            },
            part: $crate::store::engine::statement::Stmt {
                name: concat!($table, ".part"),
                text: concat!(
                    "SELECT ",
                    $columns,
                    " FROM ",
                    $table,
                    " WHERE tenant = $1 AND user_number = $2 ORDER BY created_at, id LIMIT $3 OFFSET $4"
                ),
            },
            count: $crate::store::engine::statement::Stmt {
                name: concat!($table, ".count"),
                text: concat!("SELECT count(*) FROM ", $table, " WHERE tenant = $1 AND user_number = $2"),
            },
        }
    };
}
pub(super) use user_list;

/// Passes the records of a user to `see`, oldest first.
///
/// # Errors
///
/// Fails if the database is unavailable or a record cannot be decrypted.
pub fn each_of_user<T: UserRecord>(
    tx: &Tx<'_>,
    user: &UserHandle,
    mut see: impl FnMut(T),
) -> Result<(), StoreError> {
    tx.each(&T::LIST.all, &user.reference(), |row| {
        see(T::open(row, user)?);
        Ok(())
    })
}

/// Returns a page of the records of a user by creation, oldest first.
///
/// # Errors
///
/// Fails if the database is unavailable or a record cannot be decrypted.
pub fn list_of_user<T: UserRecord>(
    tx: &Tx<'_>,
    user: &UserHandle,
    page: Page,
    view: impl Fn(&T) -> Value,
) -> Result<ListPage, StoreError> {
    let mut listed = ListPage::new(count_of_user::<T>(tx, user)?);
    for record in slice_of_user(tx, user, page.offset, page.limit)? {
        listed.add(&view(&record));
    }
    Ok(listed)
}

/// Returns the number of records of a user and at most the last `most` of them, oldest first.
///
/// # Errors
///
/// Fails if the database is unavailable or a record cannot be decrypted.
pub fn last_of_user<T: UserRecord>(
    tx: &Tx<'_>,
    user: &UserHandle,
    most: i64,
) -> Result<(i64, Vec<T>), StoreError> {
    let count = count_of_user::<T>(tx, user)?;
    Ok((count, slice_of_user(tx, user, 0.max(count - most), most)?))
}

fn slice_of_user<T: UserRecord>(
    tx: &Tx<'_>,
    user: &UserHandle,
    offset: i64,
    limit: i64,
) -> Result<Vec<T>, StoreError> {
    let [tenant, number] = user.reference();
    let values = [tenant, number, sql::Value::Int(limit), sql::Value::Int(offset)];
    tx.all(&T::LIST.part, &values, |row| T::open(row, user))
}

fn count_of_user<T: UserRecord>(tx: &Tx<'_>, user: &UserHandle) -> Result<i64, StoreError> {
    Ok(tx.one(&T::LIST.count, &user.reference(), |row| row.int(0))?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_it_would_be_too_large_and_nothing_is_left_out_before() {
        let item = Value::String("x".repeat(MAX_BYTES / 3));
        let mut listed = ListPage::new(9);
        for _ in 0..3 {
            listed.add(&item);
        }
        listed.add(&Value::Null);
        assert_eq!(listed.count, 2, "what would still fit must not follow what did not");
        let items: Vec<Value> = serde_json::from_str(&format!("[{}]", listed.json)).unwrap();
        assert_eq!(items, [item.clone(), item]);
        let mut listed = ListPage::new(2);
        listed.add(&Value::String("x".repeat(2 * MAX_BYTES)));
        listed.add(&Value::Null);
        assert_eq!(listed.count, 1, "one item is always answered");
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor { updated_at: -5, number: 7 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in
            ["", ".", "1", "1.", "1.0", "1.-1", "01.1", "+1.1", "1.1 ", "1.9223372036854775807", "x.1"]
        {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
