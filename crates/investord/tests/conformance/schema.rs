//! The schema: the same on every engine.

use std::collections::{BTreeMap, BTreeSet};

use investord::store::tools::copy;
use investord::store::{Stmt, StoreError, Tx, Value};
use uuid::Uuid;

use crate::engine::Engine;
use crate::work::desk;

on_every_engine!(a_user_has_a_status_that_there_is, what_is_referred_to_cannot_go, a_copy_knows_every_table);

/// The migrations, as they stand in the repository.
const MIGRATIONS: &[&str] = &[include_str!("../../../../migrations/V1__register.sql")];

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Name, type and whether there must be a value.
    pub columns: Vec<(String, String, bool)>,
    key: Vec<String>,
    unique: BTreeSet<Vec<String>>,
    indexes: BTreeMap<String, Vec<String>>,
    /// Column, and table and column that it refers to.
    references: BTreeSet<[String; 3]>,
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}

/// All tables of the register, as the engine describes them.
pub fn tables(engine: &Engine) -> BTreeMap<String, Table> {
    let names = if engine.is_shared() {
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    } else {
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    };
    let names = engine.rows(names).into_iter().map(|row| text(row[0].as_ref()));
    let names = names.filter(|name| name != "refinery_schema_history");
    names.map(|name| (name.clone(), table(engine, &name))).collect()
}

/// The description of a table by queries whose columns mean the same on each engine.
fn table(engine: &Engine, name: &str) -> Table {
    let [columns, indexes, references] =
        if engine.is_shared() { postgres_queries(name) } else { sqlite_queries(name) };
    let mut table = Table::default();
    for row in engine.rows(&columns) {
        table.columns.push((
            text(row[0].as_ref()),
            text(row[1].as_ref()).to_lowercase(),
            text(row[2].as_ref()) == "1",
        ));
    }
    let mut all: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in engine.rows(&indexes) {
        let [index, origin, column, plain] = [0, 1, 2, 3].map(|at| text(row[at].as_ref()));
        assert_eq!(plain, "1", "{index}: neither partial nor backwards");
        all.entry((index, origin)).or_default().push(column);
    }
    for ((index, origin), columns) in all {
        match origin.as_str() {
            "pk" => table.key = columns,
            "u" => assert!(table.unique.insert(columns)),
            _ => assert!(table.indexes.insert(index, columns).is_none()),
        }
    }
    for row in engine.rows(&references) {
        table.references.insert([0, 1, 2].map(|at| text(row[at].as_ref())));
    }
    table
}

fn sqlite_queries(name: &str) -> [String; 3] {
    // A key of one INTEGER column is the row's own number and has no index, which the last query makes good.
    let index = "SELECT i.name, i.origin, c.name, NOT i.partial AND NOT c.desc, c.seqno";
    [
        format!("SELECT name, type, \"notnull\" FROM pragma_table_info('{name}') ORDER BY cid"),
        format!(
            "{index} FROM pragma_index_list('{name}') i, pragma_index_xinfo(i.name) c WHERE c.key
             UNION SELECT '', 'pk', name, 1, pk FROM pragma_table_info('{name}') WHERE pk > 0
             AND NOT EXISTS (SELECT 1 FROM pragma_index_list('{name}') WHERE origin = 'pk') ORDER BY 1, 5"
        ),
        format!(
            "SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list('{name}')
             WHERE on_update = 'NO ACTION' AND on_delete = 'NO ACTION'"
        ),
    ]
}

fn postgres_queries(name: &str) -> [String; 3] {
    [
        format!(
            "SELECT column_name, data_type, CASE is_nullable WHEN 'NO' THEN 1 ELSE 0 END
             FROM information_schema.columns WHERE table_name = '{name}' ORDER BY ordinal_position"
        ),
        format!(
            "SELECT c.relname, CASE WHEN i.indisprimary THEN 'pk' WHEN i.indisunique THEN 'u' ELSE 'c' END,
                    a.attname, CASE WHEN i.indpred IS NULL AND i.indoption[k.at - 1] = 0 THEN 1 ELSE 0 END
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k (attnum, at)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE i.indrelid = '{name}'::regclass ORDER BY 1, k.at"
        ),
        format!(
            "SELECT a.attname, c.confrelid::regclass::text, b.attname
             FROM pg_constraint c CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (own, other)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own
             JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.other
             WHERE c.conrelid = '{name}'::regclass AND c.contype = 'f'
             AND c.confupdtype = 'a' AND c.confdeltype = 'a' AND c.convalidated AND NOT c.condeferrable"
        ),
    ]
}

/// The type of each column, as the word of the migrations.
fn words() -> BTreeMap<(String, String), String> {
    let mut words = BTreeMap::new();
    for migration in MIGRATIONS {
        for table in migration.split("CREATE TABLE ").skip(1) {
            let (name, rest) = table.split_once(" (").unwrap();
            let body = rest.split("\n)").next().unwrap();
            for line in body.lines() {
                let mut parts = line.split_whitespace();
                if let (Some(column), Some(word)) = (parts.next(), parts.next())
                    && let word = word.trim_end_matches(',')
                    && ["{id}", "{int}", "{bytes}", "TEXT"].contains(&word)
                {
                    words.insert((name.to_owned(), column.to_owned()), word.to_owned());
                }
            }
        }
    }
    words
}

#[tokio::test]
async fn the_schemas_are_the_same() {
    let (Some(sqlite), Some(postgres)) = (Engine::sqlite(), Engine::postgres()) else { return };
    drop(sqlite.open());
    let (mut one, mut other) = (tables(&sqlite), tables(&postgres));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    let words = words();
    let count: usize = one.values().map(|table| table.columns.len()).sum();
    assert_eq!(words.len(), count, "every column has a type of the migrations");
    for (name, table) in &mut one {
        let twin = other.get_mut(name).unwrap();
        assert!(!table.key.is_empty() && !table.columns.is_empty());
        for (columns, at) in [(&mut table.columns, 0), (&mut twin.columns, 1)] {
            for (column, kind, _) in columns {
                let word = &words[&(name.clone(), column.clone())];
                let expected = match word.as_str() {
                    "{id}" => ["blob", "uuid"],
                    "{int}" => ["integer", "bigint"],
                    "{bytes}" => ["blob", "bytea"],
                    _ => ["text", "text"],
                };
                assert_eq!(kind, expected[at], "{name}.{column}");
                kind.clone_from(word);
            }
        }
        assert_eq!(table, twin, "{name}");
    }
    // What is compared is there to be compared.
    assert!(one["users"].indexes["users_updated"] == ["tenant", "updated_at", "number"]);
    assert!(one["users"].unique.contains(&vec!["tenant".to_owned(), "id".to_owned()]));
    assert_eq!(one["idempotent_responses"].key, ["tenant", "operation", "idempotency_key"]);
    assert_eq!(one.values().map(|table| table.references.len()).sum::<usize>(), 38);
}

async fn a_copy_knows_every_table(engine: &Engine) {
    drop(engine.open());
    let names: BTreeSet<String> = copy::TABLES.iter().map(|table| table.name.to_owned()).collect();
    assert_eq!(names, tables(engine).into_keys().collect());
}

async fn a_user_has_a_status_that_there_is(engine: &Engine) {
    const USER: Stmt = Stmt {
        name: "test.user",
        text: "INSERT INTO users (tenant, number, id, status, version, created_at, updated_at,
                                  postal_follows_address, data_key, person)
               VALUES ($1, $2, $3, $4, 1, 0, 0, 0, $5, $5)",
    };
    let store = engine.open();
    desk(&store, 1).await;
    let statuses =
        ["ACTIVE", "INACTIVE", "OFFBOARDING", "OFFBOARDED", "active", "", " ACTIVE", "ACTIVE ", "DEAD"];
    for (number, status) in (1_u32..).zip(statuses.into_iter().map(Value::Text).chain([Value::Null])) {
        let unit = move |tx: &Tx<'_>| {
            let id = Value::Id(Uuid::from_u128(u128::from(number)));
            let number = Value::Int(i64::from(number));
            tx.execute_one(&USER, &[Value::Int(1), number, id, status, Value::Bytes(b"")])
        };
        let told = store.write("test.user", 1, unit).await;
        assert_eq!(told.is_ok(), number <= 4, "{status:?}: {told:?}");
    }
}

async fn what_is_referred_to_cannot_go(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    store.write("test.user", 1, desk.unit()).await.unwrap();
    for text in ["DELETE FROM tenants", "UPDATE tenants SET number = 2", "UPDATE users SET tenant = 2"] {
        let unit = move |tx: &Tx<'_>| tx.execute(&Stmt { name: "test.go", text }, &[]);
        let told = store.write("test.go", 1, unit).await;
        assert!(matches!(told, Err(StoreError::Corrupt(_))), "{text}: {told:?}");
    }
}
