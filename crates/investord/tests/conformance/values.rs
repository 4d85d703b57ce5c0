//! Values: what goes in comes out, and what does not fit is refused.

use investord::store::engine::row::ColumnValue;
use investord::store::{Stmt, Store, StoreError, Tx, Value};
use jiff::Timestamp;
use uuid::Uuid;

use crate::engine::Engine;

on_every_engine!(
    values_come_back_as_they_were,
    values_come_back_as_what_they_are_asked_for,
    instants_are_kept_to_the_microsecond,
    a_text_with_a_zero_is_refused_or_kept,
    columns_take_values_of_their_own_type,
    types_that_no_engine_shares_are_not_read,
);

/// A table with a column of each type.
fn table(engine: &Engine) {
    let (int, bytes, id) =
        if engine.is_shared() { ("BIGINT", "BYTEA", "UUID") } else { ("INTEGER", "BLOB", "BLOB") };
    let strict = if engine.is_shared() { "" } else { " STRICT" };
    engine.run(&format!(
        "CREATE TABLE probes (number {int} NOT NULL PRIMARY KEY, i {int}, t TEXT, b {bytes}, u {id}){strict}"
    ));
}

const INT: &Stmt = &Stmt { name: "probes.int", text: "INSERT INTO probes (number, i) VALUES ($1, $2)" };
const TEXT: &Stmt = &Stmt { name: "probes.text", text: "INSERT INTO probes (number, t) VALUES ($1, $2)" };
const BYTES: &Stmt = &Stmt { name: "probes.bytes", text: "INSERT INTO probes (number, b) VALUES ($1, $2)" };
const ID: &Stmt = &Stmt { name: "probes.id", text: "INSERT INTO probes (number, u) VALUES ($1, $2)" };
const ROW: Stmt = Stmt { name: "probes.row", text: "SELECT i, t, b, u FROM probes WHERE number = $1" };
const COLUMNS: [&Stmt; 4] = [INT, TEXT, BYTES, ID];

/// A value that outlives the test's unit.
fn forever(value: &Value<'_>) -> Value<'static> {
    match *value {
        Value::Text(text) => Value::Text(text.to_owned().leak()),
        Value::Bytes(bytes) => Value::Bytes(bytes.to_vec().leak()),
        Value::Int(value) => Value::Int(value),
        Value::Id(value) => Value::Id(value),
        Value::At(value) => Value::At(value),
        Value::Null => Value::Null,
    }
}

/// Puts a value into a column, with its result or told late; under a number that serves once.
async fn put(
    store: &Store,
    column: usize,
    number: i64,
    value: &Value<'_>,
    late: bool,
) -> Result<(), StoreError> {
    let value = forever(value);
    let unit = move |tx: &Tx<'_>| {
        let values = [Value::Int(number), value];
        if late {
            tx.execute_one(COLUMNS[column], &values)
        } else {
            tx.execute(COLUMNS[column], &values).map(|_| ())
        }
    };
    store.write("test.put", 1, unit).await
}

/// What the column holds, as bytes with a name for their kind.
async fn get(store: &Store, column: usize, number: i64) -> (&'static str, Vec<u8>) {
    let read = move |tx: &Tx<'_>| {
        tx.one(&ROW, &[Value::Int(number)], |row| {
            for other in (0..4).filter(|other| *other != column) {
                assert_eq!(row.raw(other)?, ColumnValue::Null);
            }
            Ok(match row.raw(column)? {
                ColumnValue::Null => ("null", Vec::new()),
                ColumnValue::Int(value) => ("int", value.to_be_bytes().to_vec()),
                ColumnValue::Text(text) => ("text", text.into()),
                ColumnValue::Bytes(bytes) => ("bytes", bytes.to_vec()),
            })
        })
    };
    store.read("test.get", read).await.unwrap().expect("it was put")
}

async fn values_come_back_as_they_were(engine: &Engine) {
    let store = engine.open();
    table(engine);
    let (long, all) = ("ä".repeat(600_000), (0..=255).collect::<Vec<u8>>());
    let big: Vec<u8> = all.iter().copied().cycle().take(1_500_000).collect();
    let mut put_so_far = 0;
    let ints = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::from(u32::MAX), i64::MAX - 1, i64::MAX];
    let ints = ints.map(|value| (0, Value::Int(value), "int", value.to_be_bytes().to_vec()));
    let texts = ["", " ", "a", "'\"\\$1?%", "Zoe\u{308} ß 🙂 \u{10FFFF}", "\u{1}\t\r\n\u{7f}", &*long];
    let texts = texts.map(|text| (1, Value::Text(text), "text", text.as_bytes().to_vec()));
    let bytes: [&[u8]; 6] = [b"", b"\0", b"\xff\xfe\x00\x80", b"\\x00", &all, &big];
    let bytes = bytes.map(|bytes| (2, Value::Bytes(bytes), "bytes", bytes.to_vec()));
    let ids = [Uuid::nil(), Uuid::max(), Uuid::from_u128(0x0123_4567_89ab_cdef_8123_4567_89ab_cdef)];
    let ids = ids.map(|id| (3, Value::Id(id), "bytes", id.as_bytes().to_vec()));
    let nulls = [0, 1, 2, 3].map(|column| (column, Value::Null, "null", Vec::new()));
    for (column, value, kind, expected) in ints.into_iter().chain(texts).chain(bytes).chain(ids).chain(nulls)
    {
        for late in [false, true] {
            put_so_far += 1;
            put(&store, column, put_so_far, &value, late).await.unwrap();
            let (found, content) = get(&store, column, put_so_far).await;
            assert!(found == kind && content == expected, "{:.40}", format!("{value:?}"));
        }
    }
}

async fn values_come_back_as_what_they_are_asked_for(engine: &Engine) {
    let store = engine.open();
    table(engine);
    let id = Uuid::from_u128(7);
    let values = [Value::Int(5), Value::Text("fünf"), Value::Bytes(b"five"), Value::Id(id)];
    for (column, value) in values.iter().enumerate() {
        put(&store, column, i64::try_from(column).unwrap(), value, false).await.unwrap();
    }
    let read = move |tx: &Tx<'_>| {
        let damaged = |error| matches!(error, StoreError::Corrupt(_));
        for number in 0..4 {
            let row = tx.one(&ROW, &[Value::Int(number)], |row| {
                let column = usize::try_from(number).unwrap();
                let fit = [
                    row.int(column).is_ok_and(|value| value == 5),
                    row.text(column).is_ok_and(|text| text == "fünf"),
                    row.bytes(column).is_ok_and(|bytes| bytes == b"five" || bytes == id.as_bytes()),
                    row.id(column).is_ok_and(|found| found == id),
                    row.array::<4>(column).is_ok_and(|bytes| bytes == *b"five"),
                ];
                let expected = [number == 0, number == 1, number >= 2, number == 3, number == 2];
                assert_eq!(fit, expected, "column {number}");
                // What is not there is no value of any kind.
                let empty = (column + 1) % 4;
                assert!(row.int(empty).is_err_and(damaged) && row.text(empty).is_err_and(damaged));
                assert!(row.bytes(empty).is_err_and(damaged) && row.id(empty).is_err_and(damaged));
                assert_eq!((row.bytes_or_null(empty)?, row.at_or_null(empty)?), (None, None));
                assert!(row.raw(4).is_err_and(damaged), "there is no such column");
                Ok(())
            });
            row?.expect("it was put");
        }
        Ok::<_, StoreError>(())
    };
    store.scan("test.row", read).await.unwrap();
}

async fn instants_are_kept_to_the_microsecond(engine: &Engine) {
    let store = engine.open();
    table(engine);
    let micros = |value| Timestamp::from_microsecond(value).unwrap();
    // The last instant that can be made of microseconds is the start of the last second.
    let last = Timestamp::from_second(Timestamp::MAX.as_second()).unwrap();
    let instants = [Timestamp::MIN, micros(-1), micros(0), micros(1_795_283_727_123_456), last];
    for (at, number) in instants.into_iter().zip(0..) {
        put(&store, 0, number, &Value::At(at), true).await.unwrap();
        let read = move |tx: &Tx<'_>| tx.one(&ROW, &[Value::Int(number)], |row| row.at(0));
        assert_eq!(store.read("test.at", read).await.unwrap(), Some(at));
    }
    // Numbers that are no instants.
    for (value, number) in [i64::MIN, i64::MAX].into_iter().zip(100..) {
        put(&store, 0, number, &Value::Int(value), true).await.unwrap();
        let read = move |tx: &Tx<'_>| tx.one(&ROW, &[Value::Int(number)], |row| row.at(0));
        let told = store.read("test.at", read).await;
        assert!(matches!(told, Err(StoreError::Corrupt(_))), "{told:?}");
    }
}

/// PostgreSQL has no character of number zero. Nothing of the server puts one into a text: names of tenants
/// have no control characters, settings are JSON, whatever persons tell is sealed, which makes it bytes.
async fn a_text_with_a_zero_is_refused_or_kept(engine: &Engine) {
    let store = engine.open();
    table(engine);
    for (number, text) in ["\0", "a\0b", "a\0"].into_iter().enumerate() {
        let number = i64::try_from(number).unwrap();
        for (late, number) in [(false, number), (true, number + 10)] {
            let told = put(&store, 1, number, &Value::Text(text), late).await;
            if engine.is_shared() {
                assert!(matches!(told, Err(StoreError::Corrupt(_))), "{told:?}");
            } else {
                told.unwrap();
                assert_eq!(get(&store, 1, number).await, ("text", text.into()));
            }
        }
    }
    let rows = if engine.is_shared() { 0 } else { 6 };
    assert_eq!(engine.number("SELECT count(*) FROM probes"), rows);
}

/// A column never holds a value of another type. SQLite makes a text of a number that is put among texts and
/// a number of a text that is one; ids are bytes to it. Through a pooler the types come with the values, and
/// PostgreSQL makes a text of anything: a statement that got this wrong would be found without a pooler.
async fn columns_take_values_of_their_own_type(engine: &Engine) {
    let store = engine.open();
    table(engine);
    let values = [Value::Int(5), Value::Text("5"), Value::Bytes(b"five"), Value::Id(Uuid::from_u128(5))];
    let mut number = 0;
    let mut taken = Vec::new();
    for column in 0..4 {
        for (kind, value) in values.iter().enumerate().filter(|(kind, _)| *kind != column) {
            for late in [false, true] {
                number += 1;
                match put(&store, column, number, value, late).await {
                    Ok(()) => taken.push((column, kind)),
                    Err(StoreError::Corrupt(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
    taken.dedup();
    let expected: &[(usize, usize)] = match engine {
        Engine::Sqlite(_) => &[(0, 1), (1, 0), (2, 3), (3, 2)],
        Engine::Postgres { pooler: false, .. } => &[],
        Engine::Postgres { pooler: true, .. } => &[(1, 0), (1, 2), (1, 3)],
    };
    assert_eq!(taken, expected, "(column, kind of value)");
}

/// Where a statement gave such a type the engines would differ: it is an error, and not another number.
async fn types_that_no_engine_shares_are_not_read(engine: &Engine) {
    let store = engine.open();
    for text in ["SELECT CAST(1 AS INTEGER)", "SELECT CAST(1 AS REAL)", "SELECT 1 = 1"] {
        let read = move |tx: &Tx<'_>| {
            let strange = Stmt { name: "test.strange", text };
            tx.one(&strange, &[], |row| row.int(0))
        };
        let told = store.read("test.strange", read).await;
        let is_number = !engine.is_shared() && !text.contains("REAL");
        assert_eq!(told.is_ok(), is_number, "{text}: {told:?}");
    }
}
