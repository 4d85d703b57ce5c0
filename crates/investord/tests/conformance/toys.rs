//! The engine by itself: group commit over tables that are no register's.

use std::collections::BTreeSet;

use investord::store::engine::catalogue::Catalogue;
use investord::store::engine::migrate;
use investord::store::{Insert, Stmt, Store, StoreError, Tx, Value};

use crate::engine::Engine;
use crate::work::{Refused, Unit, together};

on_every_engine!(
    units_share_a_commit_whatever_the_tables,
    a_row_may_be_inserted_before_the_row_that_it_refers_to,
    a_unit_that_fails_takes_no_other_along,
);

/// A box holds toys: each toy refers to its box.
static TOYS: Catalogue = Catalogue {
    migrations: &[(
        "V1__toys",
        "CREATE TABLE boxes (number {int} NOT NULL PRIMARY KEY) {strict};
         CREATE TABLE toys (name TEXT NOT NULL PRIMARY KEY,
                            box {int} NOT NULL REFERENCES boxes (number)) {strict};",
    )],
    tables: &["boxes", "toys"],
    serializable_lock: "LOCK TABLE boxes IN SHARE ROW EXCLUSIVE MODE",
};
static BOX: Insert = Insert::new("test.box", "boxes", &["number"]);
static TOY: Insert = Insert::new("test.toy", "toys", &["name", "box"]);
const NAMES: Stmt = Stmt { name: "test.names", text: "SELECT name FROM toys" };

fn open(engine: &Engine) -> Store {
    let database = engine.database();
    // A migration takes a lock of its session, which a pooler does not keep.
    let direct = engine.tuned(|tuning| tuning.pooler = false);
    if engine.is_shared() {
        engine.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    }
    migrate::run(&direct, &TOYS).unwrap();
    Store::open_with(&database, &TOYS).unwrap()
}

fn put(tx: &Tx<'_>, name: &str, into: i64) -> Result<(), StoreError> {
    tx.insert(&TOY, &[Value::Text(name), Value::Int(into)])
}

fn names(tx: &Tx<'_>) -> Result<BTreeSet<String>, StoreError> {
    Ok(tx.all(&NAMES, &[], |row| row.text(0).map(str::to_owned))?.into_iter().collect())
}

fn unit(name: &'static str, into: i64) -> (i64, Unit<()>) {
    (1, Box::new(move |tx| Ok(put(tx, name, into)?)))
}

async fn units_share_a_commit_whatever_the_tables(engine: &Engine) {
    let store = open(engine);
    let first: (i64, Unit<()>) = (1, Box::new(|tx| Ok(tx.insert(&BOX, &[Value::Int(7)])?)));
    let answers = together(&store, [first, unit("ball", 7), unit("kite", 7), unit("yo-yo", 7)]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(store.read("test.names", names).await.unwrap().len(), 3);
    if engine.is_shared() {
        assert_eq!(engine.number("SELECT count(DISTINCT xmin::text) FROM toys"), 1);
    }
}

async fn a_row_may_be_inserted_before_the_row_that_it_refers_to(engine: &Engine) {
    let store = open(engine);
    // SQLite inserts at once, so there the order counts.
    let is_shared = engine.is_shared();
    let both = move |tx: &Tx<'_>| {
        if is_shared {
            put(tx, "ball", 7)?;
        }
        tx.insert(&BOX, &[Value::Int(7)])?;
        if !is_shared {
            put(tx, "ball", 7)?;
        }
        names(tx)
    };
    let seen = store.write("test.both", 1, both).await.unwrap();
    assert_eq!(seen, BTreeSet::from(["ball".to_owned()]));
}

async fn a_unit_that_fails_takes_no_other_along(engine: &Engine) {
    let store = open(engine);
    store.write("test.box", 1, |tx| tx.insert(&BOX, &[Value::Int(7)])).await.unwrap();
    let refused: (i64, Unit<()>) = (
        1,
        Box::new(|tx| {
            put(tx, "drum", 7)?;
            Err(Refused::ByRule)
        }),
    );
    let units = [unit("ball", 7), unit("ball", 7), unit("kite", 8), refused, unit("yo-yo", 7)];
    let answers = together(&store, units).await;
    let outcomes: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(outcomes, [true, false, false, false, true], "{answers:?}");
    let left = BTreeSet::from(["ball".to_owned(), "yo-yo".to_owned()]);
    assert_eq!(store.read("test.names", names).await.unwrap(), left);
}
