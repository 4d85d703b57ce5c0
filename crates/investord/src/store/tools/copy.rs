//! Copies a register row by row to another database, and compares digests.

use std::fmt;
use std::sync::LazyLock;

use anyhow::{Context, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use uuid::Uuid;

use crate::domain::tenants::TenantNumber;
use crate::store::engine::Store;
use crate::store::engine::catalogue::Database;
use crate::store::engine::error::StoreError;
use crate::store::engine::row::{ColumnValue, Row};
use crate::store::engine::sql::OwnedValue;
use crate::store::engine::sql::{Tx, Value};
use crate::store::engine::statement::Stmt;
use crate::store::engine::unit::Owner;
use crate::store::table_schema::{ColumnKind, TableSchema};
use crate::store::tables;
use crate::store::tenants;
use crate::store::tenants::sequence::ChainEnd;

/// Number of rows per read and per write unit: large enough to amortise the commit, small enough to bound memory and
/// lock time.
pub(super) const ROWS_AT_ONCE: i64 = 1000;

/// A table, and the statements that copy it.
pub struct CopiedTable {
    pub name: &'static str,
    columns: &'static [(&'static str, ColumnKind)],
    /// Whether a repeated copy deletes the rows of the target first, because rows of the source may have been deleted.
    is_short_lived: bool,
    count: Stmt,
    /// All rows in the order of the primary key.
    walk: TableWalk,
    /// The order in which the rows of one tenant were last written, for tables of which a repeated copy reads only the
    /// newer rows.
    growth: Option<TableWalk>,
    put: Stmt,
    empty: Stmt,
}

/// An order of rows, with the statements of a keyset pagination.
struct TableWalk {
    /// Positions of the sort columns, whose values in the last row are the cursor of the next read.
    order: Vec<usize>,
    first: Stmt,
    next: Stmt,
    last: Stmt,
}

/// All tables, each after the tables that it references.
pub static TABLES: LazyLock<Vec<CopiedTable>> =
    LazyLock::new(|| tables::TABLES.into_iter().map(CopiedTable::of).collect());

/// The table of the event log, whose hash chain is verified.
pub static EVENTS: LazyLock<&CopiedTable> =
    LazyLock::new(|| TABLES.iter().find(|table| table.name == "events").expect("it is one of them"));

impl CopiedTable {
    fn of(schema: TableSchema) -> Self {
        let TableSchema { name, columns, key, is_short_lived } = schema;
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let (all, keys) = (names.join(", "), names[..key].join(", "));
        // A row without columns outside of its key updates its key columns, so that it counts as affected.
        let others = if key < names.len() { &names[key..] } else { &names[..] };
        let updates: Vec<String> = others.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        let updates = updates.join(", ");
        // Since the last copy, users got a later `updated_at` and events a higher number.
        let growth: Option<&[&str]> = match name {
            "users" => Some(&["updated_at", "number"]),
            "events" => Some(&["number"]),
            _ => None,
        };
        Self {
            name,
            columns,
            is_short_lived,
            count: stmt(name, format!("SELECT count(*) FROM {name}")),
            walk: TableWalk::of(name, &names, &names[..key], ""),
            growth: growth.map(|order| TableWalk::of(name, &names, order, "tenant = $1")),
            put: stmt(
                name,
                format!(
                    "INSERT INTO {name} ({all}) VALUES ({}) ON CONFLICT ({keys}) DO UPDATE SET {updates}",
                    places(1, names.len())
                ),
            ),
            empty: stmt(name, format!("DELETE FROM {name}")),
        }
    }

    /// Reads all columns of a row. SQLite stores ids as bytes, so the schema decides which bytes are an id.
    fn row(&self, row: &Row<'_>) -> Result<Vec<OwnedValue>, StoreError> {
        let value = |(at, (_, kind)): (usize, &(&str, ColumnKind))| {
            Ok(match row.raw(at)? {
                ColumnValue::Null => Value::Null.into(),
                ColumnValue::Int(value) => Value::Int(value).into(),
                ColumnValue::Text(value) => Value::Text(value).into(),
                ColumnValue::Bytes(_) if *kind == ColumnKind::Id => Value::Id(row.id(at)?).into(),
                ColumnValue::Bytes(value) => Value::Bytes(value).into(),
            })
        };
        self.columns.iter().enumerate().map(value).collect()
    }

    /// Reads the next rows in the order of the key.
    pub(super) async fn after(
        &'static self,
        store: &Store,
        last: Option<Vec<OwnedValue>>,
        most: i64,
    ) -> Result<Vec<Vec<OwnedValue>>, StoreError> {
        self.read_chunk(store, &self.walk, None, last, most).await
    }

    /// Reads the next rows of a walk, of one tenant if `tenant` is set.
    async fn read_chunk(
        &'static self,
        store: &Store,
        walk: &'static TableWalk,
        tenant: Option<TenantNumber>,
        last: Option<Vec<OwnedValue>>,
        most: i64,
    ) -> Result<Vec<Vec<OwnedValue>>, StoreError> {
        let read = move |tx: &Tx<'_>| {
            let mut rows = Vec::new();
            let mut values: Vec<Value<'_>> = tenant.map(|tenant| Value::Int(tenant.0)).into_iter().collect();
            values.extend(last.iter().flat_map(|last| walk.order.iter().map(|at| last[*at].as_value())));
            values.push(Value::Int(most));
            let stmt = if last.is_some() { &walk.next } else { &walk.first };
            tx.each(stmt, &values, |row| {
                rows.push(self.row(row)?);
                Ok(())
            })?;
            Ok(rows)
        };
        store.scan("copy.read", read).await
    }

    /// Reads the last row of a tenant in the order of the walk, which is the point where a repeated copy resumes.
    async fn last_of(
        &'static self,
        store: &Store,
        walk: &'static TableWalk,
        tenant: TenantNumber,
    ) -> Result<Option<Vec<OwnedValue>>, StoreError> {
        let read = move |tx: &Tx<'_>| tx.one(&walk.last, &[Value::Int(tenant.0)], |row| self.row(row));
        store.read("copy.last", read).await
    }

    /// Returns the number of rows.
    ///
    /// # Errors
    ///
    /// Fails if the database is unavailable.
    pub async fn count(&'static self, store: &Store) -> Result<i64, StoreError> {
        let count = store.read("copy.count", move |tx| tx.one(&self.count, &[], |row| row.int(0))).await?;
        Ok(count.unwrap_or(0))
    }
}

impl TableWalk {
    /// Builds the statements of a walk. `within` is the condition on its rows, whose parameters precede those of the
    /// walk.
    fn of(name: &'static str, columns: &[&str], order: &[&str], within: &str) -> Self {
        let (all, ordered) = (columns.join(", "), order.join(", "));
        let backwards = order.iter().map(|name| format!("{name} DESC")).collect::<Vec<_>>().join(", ");
        let from = 1 + within.matches('$').count();
        let limit = from + order.len();
        let given = if within.is_empty() { String::new() } else { format!("WHERE {within}") };
        let and = if within.is_empty() { "WHERE".to_owned() } else { format!("{given} AND") };
        let position = |wanted: &&str| columns.iter().position(|name| name == wanted).expect("a column");
        Self {
            order: order.iter().map(position).collect(),
            first: stmt(name, format!("SELECT {all} FROM {name} {given} ORDER BY {ordered} LIMIT ${from}")),
            next: stmt(
                name,
                format!(
                    "SELECT {all} FROM {name} {and} ({ordered}) > ({}) ORDER BY {ordered} LIMIT ${limit}",
                    places(from, order.len())
                ),
            ),
            last: stmt(name, format!("SELECT {all} FROM {name} {given} ORDER BY {backwards} LIMIT 1")),
        }
    }
}

/// Builds a statement. The text is leaked, which is bounded: it happens once per table and process.
fn stmt(name: &'static str, text: String) -> Stmt {
    Stmt { name, text: text.leak() }
}

/// Returns `count` placeholders, numbered from `from`.
fn places(from: usize, count: usize) -> String {
    (from..from + count).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ")
}

/// Deletes all rows of a register, to restart a copy.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub async fn empty(store: &Store) -> Result<(), StoreError> {
    let unit =
        |tx: &Tx<'_>| TABLES.iter().rev().try_for_each(|table| tx.execute(&table.empty, &[]).map(|_| ()));
    store.write_serializable("copy.empty", unit).await
}

/// Returns whether both addresses lead to the same database, through links or aliases as well.
///
/// # Errors
///
/// Fails if one of the databases cannot be reached.
pub fn same(from: &Database, to: &Database) -> anyhow::Result<bool> {
    Ok(match (from, to) {
        (Database::Sqlite(from), Database::Sqlite(to)) => {
            to.exists() && from.canonicalize()? == to.canonicalize()?
        }
        (Database::Postgres(from), Database::Postgres(to)) => from.identity()? == to.identity()?,
        _ => false,
    })
}

/// Refuses a target with another register than the source or a part of another, and a copy that has gone on by itself.
///
/// # Errors
///
/// Fails if the target is refused or one of the databases is unavailable.
pub async fn check_target(from: &Store, to: &Store) -> anyhow::Result<()> {
    let source = from.read("tenants.all", tenants::all).await?;
    for tenant in to.read("tenants.all", tenants::all).await? {
        let identity = |tenant: &tenants::TenantRow| (tenant.number, tenant.name.clone(), tenant.created_at);
        ensure!(
            source.iter().any(|known| identity(known) == identity(&tenant)),
            "the target holds another register: it has a tenant '{}' that the source has not",
            tenant.name
        );
        let number = tenant.number;
        let end =
            to.read("tenant_sequences.chain_end", move |tx| tenants::sequence::chain_end(tx, number)).await?;
        if let Some(ChainEnd { events, chain_hash }) = end.filter(|end| end.events > 0) {
            ensure!(
                chain_hash_at(from, number, events).await?.as_deref() == Some(&chain_hash),
                "the target is more than a copy: tenant '{}' has events of its own there",
                tenant.name
            );
        }
    }
    Ok(())
}

/// Returns the chain hash of a tenant's event.
async fn chain_hash_at(
    store: &Store,
    tenant: TenantNumber,
    event: i64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let before = [Value::Int(tenant.0), Value::Int(event - 1)].map(OwnedValue::from).into();
    let rows = EVENTS.after(store, Some(before), 1).await?;
    Ok(rows.first().and_then(|row| match (row[0].as_value(), row[1].as_value(), row.last()?.as_value()) {
        (Value::Int(of), Value::Int(number), Value::Bytes(link)) if (of, number) == (tenant.0, event) => {
            Some(link.to_vec())
        }
        _ => None,
    }))
}

/// Copies a table and reports the number of additional rows in the target to `progress`. The copy can be repeated after
/// an interruption.
///
/// # Errors
///
/// Fails if one of the databases is unavailable or a row violates the schema of the target.
pub async fn copy(
    table: &'static CopiedTable,
    from: &Store,
    to: &Store,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<()> {
    let mut walks = Vec::new();
    if let Some(walk) = &table.growth {
        progress(u64::try_from(table.count(to).await?)?);
        for tenant in from.read("tenants.all", tenants::all).await? {
            walks.push((walk, Some(tenant.number), table.last_of(to, walk, tenant.number).await?));
        }
    } else {
        if table.is_short_lived {
            to.write_serializable("copy.empty", |tx| tx.execute(&table.empty, &[])).await?;
        }
        walks.push((&table.walk, None, None));
    }
    for (walk, tenant, last) in walks {
        let mut rows = table.read_chunk(from, walk, tenant, last, ROWS_AT_ONCE).await?;
        while !rows.is_empty() {
            let (count, last) =
                (rows.len(), rows.last().map(|row| row.iter().map(OwnedValue::again).collect()));
            let put = move |tx: &Tx<'_>| {
                rows.iter().try_for_each(|row| {
                    let values: Vec<Value<'_>> = row.iter().map(OwnedValue::as_value).collect();
                    tx.execute_one(&table.put, &values)
                })
            };
            // The next rows are read during the write of these, because the databases are different.
            let (written, next) = tokio::join!(
                to.write::<_, StoreError>("copy.put", Owner::REGISTER, put),
                table.read_chunk(from, walk, tenant, last, ROWS_AT_ONCE)
            );
            written.with_context(|| format!("table {}", table.name))?;
            rows = next?;
            progress(u64::try_from(count)?);
        }
    }
    Ok(())
}

/// The number of rows and the digest of a table. Both are equal for equal rows, independent of engine and order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub rows: u64,
    pub digest: Digest,
}

/// The sum of the SHA-256 of all rows, modulo 2^64 in each of four parts. A sum does not depend on the order of rows,
/// in which engines may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u64; 4]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| write!(f, "{part:016x}"))
    }
}

/// Computes the number of rows and the digest of a table, and reports the number of rows of each read to `progress`.
///
/// # Errors
///
/// Fails if the database is unavailable.
pub async fn content(
    table: &'static CopiedTable,
    store: &Store,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Content> {
    let mut content = Content { rows: 0, digest: Digest([0; 4]) };
    let mut rows = table.after(store, None, ROWS_AT_ONCE).await?;
    while !rows.is_empty() {
        let last = rows.last().map(|row| row.iter().map(OwnedValue::again).collect());
        let next = table.after(store, last, ROWS_AT_ONCE);
        let (next, ()) = tokio::join!(next, async {
            for row in &rows {
                let text: Vec<u8> = row.iter().flat_map(OwnedValue::canonical).collect();
                let hash = digest(&SHA256, &text);
                for (sum, part) in content.digest.0.iter_mut().zip(hash.as_ref().chunks_exact(8)) {
                    *sum = sum.wrapping_add(part.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
                }
            }
        });
        content.rows += u64::try_from(rows.len())?;
        progress(u64::try_from(rows.len())?);
        rows = next?;
    }
    Ok(content)
}

impl OwnedValue {
    /// Copies the value.
    pub(super) fn again(&self) -> Self {
        self.as_value().into()
    }

    /// Encodes the value with a type tag and its length, so that different values never share an encoding. Types that
    /// an engine does not distinguish (integer and instant, bytes and id) share a tag.
    fn canonical(&self) -> Vec<u8> {
        let tagged =
            |tag: u8, bytes: &[u8]| [&[tag][..], &(bytes.len() as u64).to_be_bytes(), bytes].concat();
        match self.as_value() {
            Value::Null => tagged(0, &[]),
            Value::Int(value) => tagged(1, &value.to_be_bytes()),
            Value::At(value) => tagged(1, &value.as_microsecond().to_be_bytes()),
            Value::Text(value) => tagged(2, value.as_bytes()),
            Value::Bytes(value) => tagged(3, value),
            Value::Id(value) => tagged(3, Uuid::as_bytes(&value)),
        }
    }
}
