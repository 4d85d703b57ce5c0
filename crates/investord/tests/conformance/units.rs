//! Units of work: all or nothing, each for itself, however many share a commit.

use std::collections::BTreeSet;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use investord::domain::tenants::TenantNumber;
use investord::store::tenants::sequence::Sequence;
use investord::store::{Insert, Stmt, Store, StoreError, Tx, Value};

use crate::engine::Engine;
use crate::work::{
    Refused, Runs, Unit, add, add_now, desk, hold, now, numbers, panic_on_purpose, seen, set, together,
};

on_every_engine!(
    faulty_units_leave_nothing_and_take_nobody_along,
    a_faulty_unit_by_itself_leaves_nothing,
    units_of_one_commit_see_each_other,
    a_refusal_before_any_write_costs_nothing,
    what_is_answered_comes_from_the_run_that_was_committed,
    a_unit_whose_asker_has_gone_is_done,
    units_of_a_tenant_keep_their_order,
    nobody_is_lost_and_nobody_counts_twice,
);

const CHANGE: Stmt = Stmt { name: "test.change", text: "UPDATE nonces SET until = $1 WHERE hash = $2" };
const DROP: Stmt = Stmt { name: "test.delete", text: "DELETE FROM nonces WHERE until > $1" };
static ADD: Insert = Insert::new("test.add_any", "nonces", &["hash", "until"]);
static SEQUENCE: Insert =
    Insert::new("test.sequence", "tenant_sequences", &["tenant", "users", "events", "last_at", "chain_hash"]);
static USER: Insert = Insert::new(
    "test.user",
    "users",
    &[
        "tenant", "number", "id", "status", "version", "created_at", "updated_at", "postal_follows_address",
        "data_key", "person",
    ],
);
const NUMBERS: Stmt = Stmt { name: "test.numbers", text: "SELECT until FROM nonces" };
const NONSENSE: Stmt = Stmt { name: "test.nonsense", text: "SELECT nothing FROM nowhere" };

/// A number that is there before anybody begins.
const TAKEN: i64 = -1;

/// What a faulty unit is told.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    ItsOwnRefusal,
    TheError,
}
use Told::{ItsOwnRefusal, TheError};

/// A way to go wrong. The number is free to be written.
struct Fault {
    what: &'static str,
    unit: fn(&Tx<'_>, i64) -> Result<(), Refused>,
    told: Told,
}

const fn fault(what: &'static str, told: Told, unit: fn(&Tx<'_>, i64) -> Result<(), Refused>) -> Fault {
    Fault { what, unit, told }
}

/// Those that end with `execute_one` fail when the unit is over, on an engine that tells late.
const FAULTS: &[Fault] = &[
    fault("refuses after a write", ItsOwnRefusal, |tx, free| {
        add_now(tx, free)?;
        Err(Refused::ByRule)
    }),
    fault("refuses after a write that nobody has looked at", ItsOwnRefusal, |tx, free| {
        add(tx, free)?;
        Err(Refused::ByRule)
    }),
    fault("fails", TheError, |tx, free| {
        add(tx, free)?;
        add_now(tx, TAKEN)?;
        Ok(())
    }),
    fault("fails before it has written", TheError, |tx, _| Ok(add_now(tx, TAKEN).map(|_| ())?)),
    fault("swallows a failure", TheError, |tx, free| {
        add(tx, free)?;
        let _ = add_now(tx, TAKEN);
        Ok(())
    }),
    fault("swallows a failure and goes on", TheError, |tx, free| {
        let _ = add_now(tx, TAKEN);
        let _ = add(tx, free);
        let _ = seen(tx);
        Ok(())
    }),
    fault("swallows a failure and refuses", ItsOwnRefusal, |tx, free| {
        add(tx, free)?;
        let _ = add(tx, TAKEN);
        Err(Refused::ByRule)
    }),
    fault("swallows what it could not read", TheError, |tx, free| {
        add(tx, free)?;
        let _ = tx.one(&NUMBERS, &[], |row| Ok(row.text(0)?.len()));
        Ok(())
    }),
    fault("swallows nonsense", TheError, |tx, free| {
        add(tx, free)?;
        let _ = tx.execute(&NONSENSE, &[]);
        Ok(())
    }),
    fault("panics before it has written", TheError, |_, _| panic_on_purpose()),
    fault("panics after a write", TheError, |tx, free| {
        add(tx, free)?;
        panic_on_purpose()
    }),
    fault("panics after a failure", TheError, |tx, free| {
        add(tx, free)?;
        add(tx, TAKEN)?;
        panic_on_purpose()
    }),
    fault("ends with a number that is there", TheError, |tx, free| {
        add(tx, free)?;
        Ok(add(tx, TAKEN)?)
    }),
    fault("fails late and reads on", TheError, |tx, free| {
        add(tx, free)?;
        add(tx, TAKEN)?;
        seen(tx)?;
        Ok(())
    }),
    fault("fails late and swallows what follows from it", TheError, |tx, free| {
        let _ = add(tx, TAKEN);
        let _ = add_now(tx, free);
        Ok(())
    }),
    fault("ends with a change of no row", TheError, |tx, free| {
        add(tx, free)?;
        Ok(tx.execute_one(&CHANGE, &[Value::Int(0), Value::Bytes(b"nobody")])?)
    }),
    fault("ends with a change of too many rows", TheError, |tx, free| {
        add(tx, free)?;
        add(tx, free + 1)?;
        Ok(tx.execute_one(&DROP, &[Value::Int(TAKEN)])?)
    }),
    fault("ends with a reference to nothing", TheError, |tx, free| {
        add(tx, free)?;
        let zero = Value::Int(0);
        Ok(tx.insert(&SEQUENCE, &[Value::Int(999), zero, zero, zero, Value::Bytes(&[0; 32])])?)
    }),
    fault("ends with a value that is not allowed", TheError, |tx, free| {
        add(tx, free)?;
        let (one, zero, none) = (Value::Int(1), Value::Int(0), Value::Bytes(b""));
        let (id, status) = (Value::Id(uuid::Uuid::nil()), Value::Text("ALIVE"));
        Ok(tx.insert(&USER, &[one, one, id, status, one, zero, zero, zero, none, none])?)
    }),
    fault("ends without a value", TheError, |tx, free| {
        add(tx, free)?;
        Ok(tx.insert(&ADD, &[Value::Bytes(b"null"), Value::Null])?)
    }),
    fault("ends with a value of another type", TheError, |tx, free| {
        add(tx, free)?;
        Ok(tx.insert(&ADD, &[Value::Bytes(b"text"), Value::Text("seven")])?)
    }),
    fault("ends with nonsense", TheError, |tx, free| {
        add(tx, free)?;
        Ok(tx.execute_one(&NONSENSE, &[])?)
    }),
];

fn check(fault: &Fault, told: &Result<(), Refused>) {
    let right = match (fault.told, told) {
        (ItsOwnRefusal, Err(Refused::ByRule)) => true,
        // Not one that follows from it: PostgreSQL refuses everything after the first failure (25P02).
        (TheError, Err(Refused::ByStore(StoreError::Corrupt(error)))) => !error.contains("25P02"),
        _ => false,
    };
    assert!(right, "a unit that {} was told {told:?}", fault.what);
}

async fn with_taken(engine: &Engine) -> Store {
    let store = engine.open();
    desk(&store, 1).await;
    store.write("test.add", 1, |tx| add(tx, TAKEN)).await.unwrap();
    store
}

async fn faulty_units_leave_nothing_and_take_nobody_along(engine: &Engine) {
    let store = with_taken(engine).await;
    let mut expected = set([TAKEN]);
    for (fault, base) in FAULTS.iter().zip((0..).step_by(10)) {
        let runs = Runs::default();
        let good = |number: i64, runs: &Runs| -> (i64, Unit<()>) {
            let runs = runs.clone();
            (
                1,
                Box::new(move |tx| {
                    runs.note();
                    Ok(add(tx, number)?)
                }),
            )
        };
        let bad = |free: i64| -> (i64, Unit<()>) { (1, Box::new(move |tx| (fault.unit)(tx, free))) };
        let others = Runs::default();
        let units = [
            good(base, &runs),
            bad(base + 5),
            good(base + 1, &others),
            bad(base + 5),
            good(base + 2, &others),
        ];
        let told = together(&store, units).await;
        for (at, told) in told.iter().enumerate() {
            match at {
                1 | 3 => check(fault, told),
                _ => assert!(told.is_ok(), "beside one that {}: {told:?}", fault.what),
            }
        }
        let once = ["panics before it has written"].contains(&fault.what);
        assert_eq!(runs.count(), if once { 1 } else { 2 }, "shares a commit with one that {}", fault.what);
        expected.extend([base, base + 1, base + 2]);
        assert_eq!(numbers(&store).await, expected, "after one that {}", fault.what);
    }
}

async fn a_faulty_unit_by_itself_leaves_nothing(engine: &Engine) {
    let store = with_taken(engine).await;
    for fault in FAULTS {
        check(fault, &store.write("test.fault", 1, |tx| (fault.unit)(tx, 5)).await);
        check(fault, &store.write_serializable("test.fault", |tx| (fault.unit)(tx, 5)).await);
        assert_eq!(numbers(&store).await, set([TAKEN]), "after one that {}", fault.what);
    }
    // The writers are as good as ever.
    store.write("test.add", 1, |tx| add(tx, 1)).await.unwrap();
    store.write_serializable("test.add", |tx| add(tx, 2)).await.unwrap();
    assert_eq!(numbers(&store).await, set([TAKEN, 1, 2]));
}

async fn units_of_one_commit_see_each_other(engine: &Engine) {
    let store = engine.open();
    let unit = |number: i64, refuses: bool| -> (i64, Unit<BTreeSet<i64>>) {
        (
            1,
            Box::new(move |tx| {
                add(tx, number)?;
                let seen = seen(tx)?;
                if refuses { Err(Refused::ByRule) } else { Ok(seen) }
            }),
        )
    };
    let told = together(&store, [unit(1, false), unit(2, false)]).await;
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    assert_eq!(told, [set([1]), set([1, 2])]);
    // Nor do they see what was undone.
    let told = together(&store, [unit(3, false), unit(4, true), unit(5, false)]).await;
    let told: Vec<_> = told.into_iter().map(Result::ok).collect();
    assert_eq!(told, [Some(set([1, 2, 3])), None, Some(set([1, 2, 3, 5]))]);
}

async fn a_refusal_before_any_write_costs_nothing(engine: &Engine) {
    let store = engine.open();
    desk(&store, 1).await;
    let runs = Runs::default();
    let unit = |number: i64| -> (i64, Unit<()>) {
        let runs = runs.clone();
        (
            1,
            Box::new(move |tx| {
                runs.note();
                // Neither a look nor the lock of the tenant is a write, nor is a statement that finds no row.
                seen(tx)?;
                Sequence::lock(tx, TenantNumber(1), now())?;
                tx.execute(&CHANGE, &[Value::Int(0), Value::Bytes(b"nobody")])?;
                if number == 0 { Err(Refused::ByRule) } else { Ok(add(tx, number)?) }
            }),
        )
    };
    let told = together(&store, [unit(1), unit(0), unit(2), unit(0), unit(3)]).await;
    assert_eq!(told.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false, true]);
    assert_eq!(runs.count(), 5);
    assert_eq!(numbers(&store).await, set([1, 2, 3]));
}

async fn what_is_answered_comes_from_the_run_that_was_committed(engine: &Engine) {
    let store = engine.open();
    let mut before = 0;
    let counts: Unit<i64> = Box::new(move |tx| {
        before += 1;
        add(tx, before)?;
        Ok(before)
    });
    let spoils: Unit<i64> = Box::new(|tx| {
        add(tx, 10)?;
        Err(Refused::ByRule)
    });
    let told = together(&store, [(1, counts), (1, spoils)]).await;
    assert_eq!(told[0].as_ref().ok().copied(), Some(2), "the second run counts");
    assert_eq!(numbers(&store).await, set([2]));
}

async fn a_unit_whose_asker_has_gone_is_done(engine: &Engine) {
    let store = engine.open();
    let held = hold(&store, 1).await;
    for (number, refuses) in [(1, false), (2, true), (3, false)] {
        let mut answer = Box::pin(store.write("test.add", 1, move |tx| {
            add(tx, number)?;
            if refuses { Err(Refused::ByRule) } else { Ok(()) }
        }));
        assert!((&mut answer).now_or_never().is_none());
    }
    held.release().await;
    store.write("test.last", 1, |tx| add(tx, 4)).await.unwrap();
    assert_eq!(numbers(&store).await, set([1, 3, 4]));
}

/// More units than a commit takes, of tenants that share a writer and of others, some of them faulty and some
/// of them alone.
async fn units_of_a_tenant_keep_their_order(engine: &Engine) {
    let store = engine.open();
    for tenant in 1..=3 {
        desk(&store, tenant).await;
    }
    let turn = |tenant: i64, refuses: bool| {
        move |tx: &Tx<'_>| {
            let mut head = Sequence::lock(tx, TenantNumber(tenant), now())?;
            head.users += 1;
            let turn = head.users;
            head.save(tx);
            add(tx, tenant * 10_000 + turn)?;
            if refuses { Err(Refused::ByRule) } else { Ok((tenant, turn)) }
        }
    };
    let mut held = vec![hold(&store, 2).await];
    if engine.is_shared() {
        // Tenants of odd numbers have a writer of their own.
        held.push(hold(&store, 1).await);
    }
    let mut answers = Vec::new();
    for at in 0..900 {
        let (tenant, refuses) = (at % 3 + 1, at % 50 == 7);
        let unit = turn(tenant, refuses);
        let answer: std::pin::Pin<Box<dyn Future<Output = _>>> = if tenant == 2 && at % 100 == 1 {
            Box::pin(store.write_serializable("test.turn", unit))
        } else {
            Box::pin(store.write("test.turn", tenant, unit))
        };
        answers.push(answer);
        assert!(answers.last_mut().unwrap().now_or_never().is_none());
    }
    for held in held {
        held.release().await;
    }
    let mut expected = [1; 4];
    for (at, told) in join_all(answers).await.into_iter().enumerate() {
        let tenant = at % 3 + 1;
        if at % 50 == 7 {
            assert!(matches!(told, Err(Refused::ByRule)), "{told:?}");
        } else {
            assert_eq!(told.unwrap(), (i64::try_from(tenant).unwrap(), expected[tenant]));
            expected[tenant] += 1;
        }
    }
}

async fn nobody_is_lost_and_nobody_counts_twice(engine: &Engine) {
    const TASKS: i64 = 24;
    const UNITS: i64 = 25;
    let stores = engine.open_two();
    for tenant in 1..=4 {
        desk(&stores[0], tenant).await;
    }
    let tasks = (0..TASKS).map(|task| {
        let store = stores[usize::from(task % 2 == 1)].clone();
        tokio::spawn(async move {
            let mut done = BTreeSet::new();
            for number in task * UNITS..(task + 1) * UNITS {
                let tenant = number % 4 + 1;
                let unit = move |tx: &Tx<'_>| {
                    let mut head = Sequence::lock(tx, TenantNumber(tenant), now())?;
                    head.users += 1;
                    head.save(tx);
                    add(tx, number)?;
                    if number % 7 == 0 { Err(Refused::ByRule) } else { Ok(()) }
                };
                match store.write("test.unit", tenant, unit).await {
                    Ok(()) => assert!(done.insert(number)),
                    Err(Refused::ByRule) => assert_eq!(number % 7, 0),
                    Err(Refused::ByStore(error)) => panic!("{error}"),
                }
            }
            done
        })
    });
    let done: BTreeSet<i64> = join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(done, (0..TASKS * UNITS).filter(|number| number % 7 != 0).collect());
    assert_eq!(numbers(&stores[1]).await, done);
    assert_eq!(
        engine.number("SELECT CAST(sum(users) AS BIGINT) FROM tenant_sequences"),
        i64::try_from(done.len()).unwrap()
    );
}
