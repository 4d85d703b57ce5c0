//! Reads: the newest commit, or one snapshot; and nothing of what an earlier read did wrong.

use std::collections::BTreeSet;
use std::sync::mpsc;

use investord::store::{Stmt, Store, StoreError, Tx, Value};
use tokio::runtime::Handle;

use crate::engine::Engine;
use crate::work::{Refused, add, add_now, numbers, panic_on_purpose, seen, set};

on_every_engine!(
    a_read_sees_what_has_been_acknowledged,
    a_scan_is_one_snapshot,
    a_read_leaves_nothing_behind,
    a_read_cannot_write,
    a_read_that_swallows_a_failure_fails,
    reads_do_not_wait_for_a_writer,
);

const NONSENSE: Stmt = Stmt { name: "test.nonsense", text: "SELECT nothing FROM nowhere" };

/// A store with one connection for reads: what one of them leaves the next one finds.
fn with_one_reader(engine: &Engine) -> Store {
    Store::open(&engine.tuned(|tuning| tuning.readers = 1)).unwrap()
}

async fn write(store: &Store, number: i64) {
    store.write("test.add", 1, move |tx| add(tx, number)).await.unwrap();
}

/// Has somebody else commit a number, in the middle of a read.
fn write_meanwhile(runtime: &Handle, store: &Store, number: i64) {
    let (store, (done, wait)) = (store.clone(), mpsc::channel());
    runtime.spawn(async move {
        write(&store, number).await;
        done.send(()).unwrap();
    });
    wait.recv().unwrap();
}

async fn a_read_sees_what_has_been_acknowledged(engine: &Engine) {
    let stores = engine.open_two();
    let mut expected = BTreeSet::new();
    for number in 0..60 {
        let (writing, reading) =
            (&stores[usize::from(number % 2 == 0)], &stores[usize::from(number % 3 == 0)]);
        write(writing, number).await;
        expected.insert(number);
        assert_eq!(numbers(reading).await, expected);
        assert_eq!(reading.scan("test.scan", seen).await.unwrap(), expected);
    }
}

async fn a_scan_is_one_snapshot(engine: &Engine) {
    let [reading, writing] = engine.open_two();
    write(&writing, 1).await;
    let (runtime, mut number) = (Handle::current(), 1);
    let scan = move |tx: &Tx<'_>| {
        let before = seen(tx)?;
        number += 1;
        write_meanwhile(&runtime, &writing, number);
        Ok::<_, StoreError>((before, seen(tx)?))
    };
    assert_eq!(reading.scan("test.scan", scan).await.unwrap(), (set([1]), set([1])));
    assert_eq!(numbers(&reading).await, set([1, 2]));
    assert_eq!(reading.scan("test.scan", seen).await.unwrap(), set([1, 2]));
}

/// Whatever happens inside of a read: the next one on the same connection sees the newest commit.
async fn a_read_leaves_nothing_behind(engine: &Engine) {
    type Read = fn(&Tx<'_>) -> Result<BTreeSet<i64>, Refused>;
    const NUMBER: Stmt = Stmt { name: "test.number", text: "SELECT until FROM nonces" };
    let store = with_one_reader(engine);
    let reads: [(&str, Read); 5] = [
        ("reads", |tx| Ok(seen(tx)?)),
        ("refuses", |tx| {
            seen(tx)?;
            Err(Refused::ByRule)
        }),
        ("fails", |tx| {
            seen(tx)?;
            tx.one(&NONSENSE, &[], |_| Ok(()))?;
            Ok(BTreeSet::new())
        }),
        ("fails at a row", |tx| {
            seen(tx)?;
            tx.each(&NUMBER, &[], |row| row.text(0).map(|_| ()))?;
            Ok(BTreeSet::new())
        }),
        ("panics", |tx| {
            seen(tx)?;
            panic_on_purpose()
        }),
    ];
    let mut expected = BTreeSet::new();
    let mut faults = Vec::new();
    for (number, (what, read)) in (0..).step_by(4).zip(reads) {
        for (at, scan) in [(0, false), (2, true)] {
            write(&store, number + at).await;
            expected.insert(number + at);
            let other = store.clone();
            // A panic may be passed on to the asker.
            let told = tokio::spawn(async move {
                if scan { other.scan("test.scan", read).await } else { other.read("test.read", read).await }
            });
            let told = told.await.unwrap_or(Err(Refused::ByRule));
            match (what, told) {
                ("reads", told) => assert_eq!(told.unwrap(), expected),
                (_, Err(_)) => {}
                _ => faults.push(format!("a read that {what} is told nothing (scan: {scan})")),
            }
            write(&store, number + at + 1).await;
            expected.insert(number + at + 1);
            for scan in [false, true] {
                let next = if scan {
                    store.scan("test.scan", seen).await
                } else {
                    store.read("test.read", seen).await
                };
                if next.as_ref().ok() != Some(&expected) {
                    faults
                        .push(format!("after a read that {what} the next one gives {next:?} (scan: {scan})"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

async fn a_read_cannot_write(engine: &Engine) {
    let store = with_one_reader(engine);
    write(&store, 1).await;
    let told = [
        ("read", store.read("test.read", |tx| add_now(tx, 2).map(|_| ())).await),
        ("read", store.read("test.read", |tx| add(tx, 3)).await),
        ("scan", store.scan("test.scan", |tx| add_now(tx, 4).map(|_| ())).await),
        ("scan", store.scan("test.scan", |tx| add(tx, 5)).await),
    ];
    assert_eq!(numbers(&store).await, set([1]), "{told:?}");
    assert!(told.iter().all(|(_, told)| told.is_err()), "{told:?}");
}

async fn a_read_that_swallows_a_failure_fails(engine: &Engine) {
    let store = engine.open();
    let read = |tx: &Tx<'_>| {
        let _ = tx.one(&NONSENSE, &[], |_| Ok(()));
        Ok::<_, StoreError>(())
    };
    let told = [store.read("test.read", read).await, store.scan("test.scan", read).await];
    assert!(told.iter().all(Result::is_err), "{told:?}");
}

async fn reads_do_not_wait_for_a_writer(engine: &Engine) {
    let [writing, reading] = engine.open_two();
    write(&writing, 1).await;
    let (inside, entered) = tokio::sync::oneshot::channel();
    let ((release, released), mut inside) = (mpsc::channel::<()>(), Some(inside));
    let task = tokio::spawn(async move {
        let unit = move |tx: &Tx<'_>| {
            const DROP: Stmt = Stmt { name: "test.delete", text: "DELETE FROM nonces WHERE until > $1" };
            tx.execute(&DROP, &[Value::Int(0)])?;
            add_now(tx, 2)?;
            inside.take().map(|inside| inside.send(()));
            let _ = released.recv();
            Ok::<_, StoreError>(())
        };
        writing.write("test.slow", 1, unit).await
    });
    entered.await.unwrap();
    assert_eq!(numbers(&reading).await, set([1]), "what is not committed is not seen");
    assert_eq!(reading.scan("test.scan", seen).await.unwrap(), set([1]));
    release.send(()).unwrap();
    task.await.unwrap().unwrap();
    assert_eq!(numbers(&reading).await, set([2]));
}
