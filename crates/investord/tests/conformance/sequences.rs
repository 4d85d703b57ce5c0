//! Heads of tenants: numbers without gaps, instants that only grow, one unbroken chain.

use std::time::Duration;

use futures_util::future::join_all;
use investord::domain::tenants::TenantNumber;
use investord::store::tenants;
use investord::store::tenants::sequence::ChainEnd;
use investord::store::tenants::sequence::Sequence;
use investord::store::tools::chains;
use investord::store::{Store, StoreError, Tx};
use jiff::{SignedDuration, Timestamp};

use crate::engine::Engine;
use crate::work::{Refused, Unit, add, desk, now, numbers, set, together};

on_every_engine!(
    units_of_one_commit_move_one_head,
    what_is_undone_leaves_no_gap,
    what_is_not_put_does_not_move,
    heads_of_several_tenants_move_in_one_commit,
    a_tenant_without_a_head_is_refused,
    instants_grow_whatever_the_clock_does,
    two_processes_write_one_history,
    a_chain_is_whole_while_it_grows,
    a_head_that_is_not_the_end_of_its_chain_is_seen,
);

/// Walks the history of a tenant: numbers are dense, instants grow, and it ends where the head says. How many
/// users and events there are.
async fn history(store: &Store, tenant: TenantNumber) -> (i64, i64) {
    let read = move |tx: &Tx<'_>| {
        let (mut last, mut end) = (Timestamp::MIN, None);
        testing::history::walk(tx, tenant, |event| {
            let (number, created_at) = (event.number, event.created_at);
            assert!(created_at >= last, "event {number} is older than the one before");
            (last, end) = (created_at, Some(ChainEnd { events: number, chain_hash: event.chain_hash }));
            Ok(())
        })?;
        let head = tenants::sequence::chain_end(tx, tenant)?.unwrap();
        assert_eq!(end.unwrap_or_default(), head, "the chain ends where its head says");
        Ok::<_, StoreError>((tenants::sequence::count_users(tx, tenant)?, head.events))
    };
    store.scan("test.history", read).await.unwrap()
}

/// Numbers of the users in order of creation, and how many instants of creation there are.
fn dense(engine: &Engine, tenant: TenantNumber) -> (Vec<i64>, i64) {
    let numbers = format!("SELECT number FROM users WHERE tenant = {tenant} ORDER BY created_at");
    let number = |row: Vec<Option<String>>| row[0].as_ref().unwrap().parse().unwrap();
    let instants = format!("SELECT count(DISTINCT created_at) FROM users WHERE tenant = {tenant}");
    (engine.rows(&numbers).into_iter().map(number).collect(), engine.number(&instants))
}

async fn units_of_one_commit_move_one_head(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    let told = together(&store, (0..5).map(|_| (1, desk.unit()))).await;
    assert_eq!(told.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(dense(engine, TenantNumber(1)), ((1..=5).collect(), 5));
    assert_eq!(history(&store, TenantNumber(1)).await, (5, 10));
}

async fn what_is_undone_leaves_no_gap(engine: &Engine) {
    let store = engine.open();
    let good = desk(&store, 1).await;
    let refuses = || -> Unit<i64> {
        let desk = good.clone();
        Box::new(move |tx| {
            desk.register(tx)?;
            Err(Refused::ByRule)
        })
    };
    let fails_late = || -> Unit<i64> {
        let desk = good.clone();
        Box::new(move |tx| {
            let number = desk.register(tx)?.0;
            add(tx, 1)?;
            Ok(number)
        })
    };
    store.write("test.add", 1, |tx| add(tx, 1)).await.unwrap();
    let units = [good.unit(), refuses(), good.unit(), fails_late(), refuses(), good.unit()];
    let told = together(&store, units.map(|unit| (1, unit))).await;
    let told: Vec<_> = told.into_iter().map(Result::ok).collect();
    assert_eq!(told, [Some(1), None, Some(2), None, None, Some(3)]);
    for unit in [refuses(), fails_late()] {
        assert!(store.write("test.unit", 1, unit).await.is_err());
    }
    for unit in [refuses(), fails_late()] {
        assert!(store.write_serializable("test.unit", unit).await.is_err());
    }
    assert_eq!(store.write_serializable("test.unit", good.unit()).await.unwrap(), 4);
    assert_eq!(dense(engine, TenantNumber(1)), ((1..=4).collect(), 4));
    assert_eq!(history(&store, TenantNumber(1)).await, (4, 8));
}

async fn what_is_not_put_does_not_move(engine: &Engine) {
    let store = engine.open();
    desk(&store, 1).await;
    let step = |put: bool, refuses: bool| -> (i64, Unit<i64>) {
        (
            1,
            Box::new(move |tx| {
                let mut head = Sequence::lock(tx, TenantNumber(1), now())?;
                head.users += 1;
                let users = head.users;
                if put {
                    head.save(tx);
                }
                if refuses { Err(Refused::ByRule) } else { Ok(users) }
            }),
        )
    };
    // A refusal takes back what was put, even if it is all that there was.
    let units = [step(true, false), step(false, false), step(true, true), step(true, false)];
    let told = together(&store, units).await;
    let told: Vec<_> = told.into_iter().map(Result::ok).collect();
    assert_eq!(told, [Some(1), Some(2), None, Some(2)]);
    let users =
        store.read("test.users", |tx| tenants::sequence::count_users(tx, TenantNumber(1))).await.unwrap();
    assert_eq!(users, 2);
}

async fn heads_of_several_tenants_move_in_one_commit(engine: &Engine) {
    let store = engine.open();
    let mut desks = Vec::new();
    // On one writer, whatever their number.
    for tenant in [2, 4, 6] {
        desks.push(desk(&store, tenant).await);
    }
    let spoils: Unit<i64> = Box::new({
        let desks = desks.clone();
        move |tx| {
            for desk in &desks {
                desk.register(tx)?;
            }
            Err(Refused::ByRule)
        }
    });
    let both: Unit<i64> = Box::new({
        let desks = desks.clone();
        move |tx| {
            desks[0].register(tx)?;
            Ok(desks[2].register(tx)?.0)
        }
    });
    let good = |at: usize| (desks[at].tenant, desks[at].unit());
    let units = [
        good(2),
        good(0),
        good(1),
        (TenantNumber(4), spoils),
        (TenantNumber(2), both),
        good(2),
        good(0),
        good(1),
    ];
    let told = together(&store, units).await;
    assert_eq!(told.iter().filter(|told| told.is_err()).count(), 1);
    for (desk, users) in desks.iter().zip([3, 2, 3]) {
        assert_eq!(history(&store, desk.tenant).await, (users, 2 * users));
        assert_eq!(dense(engine, desk.tenant), ((1..=users).collect(), users));
    }
}

async fn a_tenant_without_a_head_is_refused(engine: &Engine) {
    let store = engine.open();
    let unit = |number: i64| -> (i64, Unit<()>) {
        (
            1,
            Box::new(move |tx| {
                add(tx, number)?;
                if number == 2 {
                    Sequence::lock(tx, TenantNumber(99), now())?;
                }
                Ok(())
            }),
        )
    };
    let told = together(&store, [unit(1), unit(2), unit(3)]).await;
    assert!(matches!(told[1], Err(Refused::ByStore(StoreError::Corrupt(_)))), "{:?}", told[1]);
    assert_eq!(numbers(&store).await, set([1, 3]));
}

async fn instants_grow_whatever_the_clock_does(engine: &Engine) {
    let store = engine.open();
    desk(&store, 1).await;
    let microsecond = SignedDuration::from_micros(1);
    let hour = SignedDuration::from_hours(1);
    let mut last = now();
    for (clock, expected) in [
        (now(), now()),
        (now(), now() + microsecond),
        (now() - hour, now() + microsecond * 2),
        (now() + hour, now() + hour),
        (now(), now() + hour + microsecond),
    ] {
        let take = move |tx: &Tx<'_>| {
            let head = Sequence::lock(tx, TenantNumber(1), clock)?;
            let at = head.now;
            head.save(tx);
            Ok::<_, StoreError>(at)
        };
        let at = store.write("test.take", 1, take).await.unwrap();
        assert_eq!(at, expected);
        assert!(at > last || last == now());
        last = at;
    }
}

async fn two_processes_write_one_history(engine: &Engine) {
    const TASKS: i64 = 8;
    const USERS: i64 = 12;
    let stores = engine.open_two();
    let desk = desk(&stores[0], 1).await;
    let tasks = stores.iter().flat_map(|store| (0..TASKS).map(move |task| (store.clone(), task)));
    let tasks = tasks.map(|(store, task)| {
        let desk = desk.clone();
        tokio::spawn(async move {
            let mut numbers = Vec::new();
            for at in 0..USERS {
                let desk = desk.clone();
                let unit = move |tx: &Tx<'_>| {
                    let registered = desk.register(tx)?;
                    if (task + at) % 5 == 0 { Err(Refused::ByRule) } else { Ok(registered.0) }
                };
                numbers.extend(store.write("test.register", 1, unit).await.ok());
                if at % 4 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            assert!(numbers.is_sorted(), "what is asked later comes later");
            numbers
        })
    });
    let mut told: Vec<i64> = join_all(tasks).await.into_iter().flat_map(Result::unwrap).collect();
    told.sort_unstable();
    let users = i64::try_from(told.len()).unwrap();
    assert_eq!(told, (1..=users).collect::<Vec<_>>(), "every number is given once");
    assert_eq!(dense(engine, TenantNumber(1)), (told, users));
    assert_eq!(history(&stores[1], TenantNumber(1)).await, (users, 2 * users));
}

/// Writes events while the chain is checked.
async fn a_chain_is_whole_while_it_grows(engine: &Engine) {
    let store = engine.open();
    let desks = [desk(&store, 1).await, desk(&store, 2).await];
    let write = async || {
        for desk in &desks {
            store.write("test.register", desk.tenant, desk.unit()).await.unwrap();
        }
    };
    write().await;
    let mut is_first = true;
    let meanwhile = |_| {
        if std::mem::take(&mut is_first) {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(write()));
        }
    };
    assert!(chains::check_chains(&store, meanwhile).await.unwrap() >= 4);
}

async fn a_head_that_is_not_the_end_of_its_chain_is_seen(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    for _ in 0..2 {
        store.write("test.register", desk.tenant, desk.unit()).await.unwrap();
    }
    for (damage, repair) in [
        (
            "UPDATE tenant_sequences SET events = events - 1",
            "UPDATE tenant_sequences SET events = events + 1",
        ),
        (
            "UPDATE tenant_sequences SET events = events + 1",
            "UPDATE tenant_sequences SET events = events - 1",
        ),
    ] {
        engine.run(damage);
        assert!(chains::check_chains(&store, |_| {}).await.is_err(), "{damage}");
        engine.run(repair);
        assert_eq!(chains::check_chains(&store, |_| {}).await.unwrap(), 4);
    }
    engine.run("DELETE FROM events WHERE number = 4");
    assert!(chains::check_chains(&store, |_| {}).await.is_err(), "the last event is gone");
}
