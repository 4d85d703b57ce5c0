//! What deliveries rest on: events without gaps for whoever reads, and leases that one process holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use investord::domain::delivery::webhook::NewWebhook;
use investord::domain::tenants::{TenantNumber, TenantSettings};
use investord::store::delivery::deliveries::{LEASE, Lease, claim, record_results, release};
use investord::store::delivery::delivery_batch;
use investord::store::delivery::delivery_batch::DeliveryBatch;
use investord::store::delivery::packages;
use investord::store::delivery::packages::Attempt;
use investord::store::delivery::webhooks;
use investord::store::delivery::webhooks::{Webhook, WebhookKey};
use investord::store::{Stmt, Store, StoreError, Tx};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::engine::Engine;
use crate::work::{Desk, desk, now};

on_every_engine!(
    whoever_sees_an_event_sees_all_before_it,
    of_two_who_have_looked_one_delivers,
    a_lease_ends_and_then_it_is_lost,
    what_was_looked_at_before_a_change_is_not_taken,
    a_package_that_is_skipped_in_flight_does_not_count_twice,
);

const SEEN: Stmt = Stmt { name: "test.seen", text: "SELECT count(*), max(number) FROM events" };

/// The claim on which webhooks go without a row per event.
async fn whoever_sees_an_event_sees_all_before_it(engine: &Engine) {
    let stores = engine.open_two();
    let desk = desk(&stores[0], 1).await;
    let done = Arc::new(AtomicBool::new(false));
    let (reader, ended) = (engine.open_two()[1].clone(), Arc::clone(&done));
    let watching = tokio::spawn(async move {
        let mut looks = 0;
        while !ended.load(Ordering::Relaxed) {
            let look = |tx: &Tx<'_>| {
                tx.one(&SEEN, &[], |row| Ok((row.int(0)?, row.int_or_null(1)?.unwrap_or_default())))
            };
            let (count, last) = reader.read("test.look", look).await.unwrap().unwrap();
            assert_eq!(count, last, "an event is seen and one before it is not");
            looks += 1;
        }
        looks
    });
    let writes = (0..200).map(|number| stores[number % 2].write("test.register", 1, desk.unit()));
    let written: Result<Vec<_>, _> = join_all(writes).await.into_iter().collect();
    assert_eq!(written.unwrap().len(), 200);
    done.store(true, Ordering::Relaxed);
    assert!(watching.await.unwrap() > 0);
}

/// A tenant with events, and a webhook that has been told of none.
async fn waiting(store: &Store) -> (Desk, Webhook) {
    let desk = desk(store, 1).await;
    for _ in 0..4 {
        store.write("test.register", 1, desk.unit()).await.unwrap();
    }
    let own = desk.clone();
    let unit = move |tx: &Tx<'_>| {
        own.run(tx, |unit| {
            let new = br#"{"title":"T","url":"https://example.com/","config":{"max_package_size":100}}"#;
            let content = NewWebhook::parse(new, &TenantSettings::default(), now()).unwrap().content;
            let webhook = Webhook::new(unit, content, true, None);
            webhooks::insert(unit, &webhook)?;
            webhooks::replay(tx, &webhook, 1)?;
            Ok(webhook)
        })
    };
    let webhook = store.write("test.webhook", 1, unit).await.unwrap();
    (desk, webhook)
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

async fn look(store: &Store, desk: &Desk, webhook: Uuid) -> Arc<DeliveryBatch> {
    let own = Arc::clone(&desk.own);
    let look = move |tx: &Tx<'_>| {
        delivery_batch::next_batch(
            tx,
            WebhookKey { tenant: TenantNumber(1), id: webhook },
            None,
            &own.key,
            later(60),
        )
    };
    Arc::new(store.read("test.look", look).await.unwrap().unwrap())
}

async fn take(store: &Store, portion: &Arc<DeliveryBatch>, lease: u128, at: Timestamp) -> bool {
    let portion = Arc::clone(portion);
    let unit = move |tx: &Tx<'_>| claim(tx, &portion, portion.webhook.version, Uuid::from_u128(lease), at);
    store.write::<_, StoreError>("test.claim", 1, unit).await.unwrap()
}

/// Records that the first package of a portion has been delivered, and releases the lease. Returns whether it had it.
async fn delivered(store: &Store, desk: &Desk, portion: &Arc<DeliveryBatch>, lease: u128) -> bool {
    let (portion, desk) = (Arc::clone(portion), desk.clone());
    let unit = move |tx: &Tx<'_>| {
        let attempt = Attempt {
            package: portion.packages[0].row.number,
            number: 1,
            created_at: now(),
            duration_us: 1,
            outcome: "delivered",
            delivered: true,
            status: Some(200),
            answer: Vec::new(),
        };
        let lease = Lease { webhook: portion.webhook.id, id: Uuid::from_u128(lease), failures: 0 };
        let recorded = record_results(tx, lease, &[attempt], &desk.own.key, &*desk.ids, later(61))?;
        release(tx, lease)?;
        Ok::<_, StoreError>(recorded.is_some())
    };
    store.write("test.settle", 1, unit).await.unwrap()
}

fn counters(engine: &Engine) -> (i64, i64) {
    let one = |column: &str| engine.number(&format!("SELECT {column} FROM webhooks"));
    (one("packages"), one("settled"))
}

async fn of_two_who_have_looked_one_delivers(engine: &Engine) {
    let [one, other] = engine.open_two();
    let (desk, webhook) = waiting(&one).await;
    let (first, second) = (look(&one, &desk, webhook.id).await, look(&other, &desk, webhook.id).await);
    assert_eq!((first.packages.len(), second.packages.len()), (8, 8), "each event is a package");
    let (left, right) = tokio::join!(take(&one, &first, 1, now()), take(&other, &second, 2, now()));
    assert_ne!(left, right);
    assert_eq!(counters(engine), (8, 0));
    let (winner, loser) = if left { (1, 2) } else { (2, 1) };
    assert!(!delivered(&one, &desk, &first, loser).await);
    assert!(delivered(&other, &desk, &first, winner).await);
    assert_eq!(counters(engine), (8, 1));
}

async fn a_lease_ends_and_then_it_is_lost(engine: &Engine) {
    let [one, other] = engine.open_two();
    let (desk, webhook) = waiting(&one).await;
    let first = look(&one, &desk, webhook.id).await;
    assert!(take(&one, &first, 1, now()).await);
    let second = look(&other, &desk, webhook.id).await;
    assert_eq!(*second.packages[0].body, *first.packages[0].body, "the same, made anew");
    let end = now() + LEASE;
    assert!(!take(&other, &second, 2, end - SignedDuration::from_micros(1)).await);
    // Clocks that differ a little take nothing from each other; one that was set back by more does.
    assert!(!take(&other, &second, 2, now() - SignedDuration::from_secs(59)).await);
    assert!(take(&other, &second, 2, end).await);
    assert!(!delivered(&one, &desk, &first, 1).await);
    assert_eq!(counters(engine), (8, 0));
    let third = look(&one, &desk, webhook.id).await;
    assert!(take(&one, &third, 3, now() - SignedDuration::from_hours(1)).await);
    assert!(delivered(&one, &desk, &third, 3).await);
}

/// Whoever looks and takes later may not undo what was done in between.
async fn what_was_looked_at_before_a_change_is_not_taken(engine: &Engine) {
    let store = engine.open();
    let (desk, webhook) = waiting(&store).await;
    for change in 0..4 {
        let portion = look(&store, &desk, webhook.id).await;
        let (id, own) = (webhook.id, desk.clone());
        let unit = move |tx: &Tx<'_>| {
            own.run(tx, |unit| {
                let old = webhooks::lock(tx, TenantNumber(1), id)?.unwrap();
                match change {
                    0 => webhooks::replay(tx, &old, 5),
                    1 => webhooks::update(unit, &old, &Webhook { paused: true, ..old.clone() }),
                    2 => webhooks::update(unit, &old, &Webhook { enabled: false, ..old.clone() }),
                    _ => webhooks::retry(tx, id),
                }
            })
        };
        store.write("test.change", 1, unit).await.unwrap();
        assert!(!take(&store, &portion, 1, now()).await, "change {change}");
        if change == 0 {
            assert_eq!(engine.number("SELECT next FROM webhook_event_ranges"), 5);
        }
    }
    assert_eq!(counters(engine), (0, 0));
    webhooks_dropped(&store, &webhook).await;
    assert_eq!(engine.number("SELECT count(*) FROM webhook_event_ranges"), 0);
}

async fn webhooks_dropped(store: &Store, webhook: &Webhook) {
    let webhook = webhook.clone();
    let unit = move |tx: &Tx<'_>| webhooks::delete(tx, &webhook, now());
    store.write("test.delete", 1, unit).await.unwrap();
}

async fn a_package_that_is_skipped_in_flight_does_not_count_twice(engine: &Engine) {
    let store = engine.open();
    let (desk, webhook) = waiting(&store).await;
    let portion = look(&store, &desk, webhook.id).await;
    assert!(take(&store, &portion, 1, now()).await);
    let id = webhook.id;
    let skip = move |tx: &Tx<'_>| {
        let locked = webhooks::lock(tx, TenantNumber(1), id)?.unwrap();
        packages::skip(tx, &locked, now())
    };
    assert!(store.write("test.skip", 1, skip).await.unwrap());
    assert!(!delivered(&store, &desk, &portion, 1).await);
    assert_eq!(counters(engine), (8, 1));
    let next = look(&store, &desk, webhook.id).await;
    assert_eq!(next.packages[0].row.number, 2);
    assert_eq!(engine.number("SELECT count(*) FROM webhook_packages WHERE state = 'skipped'"), 1);
}
