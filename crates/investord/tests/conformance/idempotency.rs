//! What makes a request happen once: nonces, kept replies, and their end.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use investord::domain::tenants::TenantNumber;
use investord::store::log::idempotency;
use investord::store::log::idempotency::{IdempotencyKey, Nonce, Replay};
use investord::store::{Prefetch, Store, StoreError, Tx};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::engine::Engine;
use crate::work::{Desk, Unit, add, desk, hold, meeting, now, numbers, together};

on_every_engine!(
    a_request_is_answered_as_it_was,
    another_request_under_the_same_key_is_refused,
    a_message_that_comes_again_is_known,
    requests_that_share_a_commit_see_each_other,
    what_was_asked_ahead_in_vain_leaves_nothing_open,
    a_message_is_known_until_it_is_swept,
    keys_hold_for_one_tenant_and_one_operation,
    a_reply_is_kept_for_its_time,
    sweeps_take_what_is_over_and_no_more_than_they_may,
    two_sweeps_share_the_work,
    a_sweep_beside_a_request_costs_it_nothing,
    one_key_makes_one_user_in_two_processes,
    one_nonce_is_accepted_once_in_two_processes,
);

const DAY: SignedDuration = SignedDuration::from_hours(24);
const OPERATION: &str = "POST /users";

fn once(tenant: i64, key: u128, body: u8) -> IdempotencyKey {
    let (key, fingerprint, kept_since) = (Uuid::from_u128(key), [body; 32], now() - DAY);
    let tenant = TenantNumber(tenant);
    IdempotencyKey { tenant, operation: OPERATION, key, fingerprint, kept_since }
}

fn nonce(number: u128) -> Nonce {
    Nonce { hash: number.to_be_bytes(), until: now() + SignedDuration::from_secs(10), now: now() }
}

/// What a request was told.
#[derive(Debug, PartialEq)]
enum Answer {
    /// It was done; the text of the user.
    Made(String),
    Kept(u16, String),
    OtherRequest,
    Replayed,
}
use Answer::{Kept, Made, OtherRequest, Replayed};

/// Does what `POST /users` does. What is refused is a value, so that the nonce stays.
fn post(
    tx: &Tx<'_>,
    desk: &Desk,
    once: &IdempotencyKey,
    nonce: Option<&Nonce>,
) -> Result<Answer, StoreError> {
    desk.run(tx, |unit| {
        Ok(match idempotency::find_replay(unit, Some(once), nonce)? {
            Replay::New => {
                let (user, view) = desk.register_in(unit)?;
                idempotency::keep_response(unit, once, &user, 200, &view)?;
                Made(view)
            }
            Replay::Answered(reply) => Kept(reply.status, reply.body.to_string()),
            Replay::KeyReused => OtherRequest,
            Replay::MessageReplayed => Replayed,
        })
    })
}

/// A request as a unit, under the lock of its tenant.
async fn send(store: &Store, desk: &Desk, once: IdempotencyKey, nonce: Option<Nonce>) -> Answer {
    let desk = desk.clone();
    let first = Prefetch { sequence: Some(once.tenant), nonce, idempotency_key: Some(once), webhook: None };
    let unit = move |tx: &Tx<'_>| post(tx, &desk, &once, nonce.as_ref());
    store.write_prefetched("test.post", once.tenant, first, unit).await.unwrap()
}

/// Requests that share a commit, in this order.
async fn send_together(store: &Store, desk: &Desk, requests: &[(IdempotencyKey, u128)]) -> Vec<Answer> {
    let held = hold(store, desk.tenant).await;
    let mut answers: Vec<_> = requests
        .iter()
        .map(|(once, number)| Box::pin(send(store, desk, *once, Some(nonce(*number)))))
        .collect();
    for answer in &mut answers {
        assert!(answer.now_or_never().is_none());
    }
    held.release().await;
    join_all(answers).await
}

fn made(answer: Answer) -> String {
    match answer {
        Made(view) => view,
        other => panic!("{other:?}"),
    }
}

async fn a_request_is_answered_as_it_was(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    let view = made(send(&store, &desk, once(1, 1, 0), Some(nonce(1))).await);
    for number in 2..4 {
        let again = send(&store, &desk, once(1, 1, 0), Some(nonce(number))).await;
        assert_eq!(again, Kept(200, view.clone()));
    }
    // A signature without a nonce is a matter of the tenant's settings, not of the store.
    assert_eq!(send(&store, &desk, once(1, 1, 0), None).await, Kept(200, view));
    assert_eq!(engine.number("SELECT count(*) FROM users"), 1);
    assert_eq!(engine.number("SELECT count(*) FROM idempotent_responses"), 1);
    assert_eq!(engine.number("SELECT count(*) FROM nonces"), 3);
    // Two events and a reply show the same object, which is there once.
    assert_eq!(engine.number("SELECT count(*) FROM events WHERE sealed IS NOT NULL"), 1);
    assert_eq!(engine.number("SELECT same_as FROM events WHERE sealed IS NULL"), 1);
    assert_eq!(engine.number("SELECT event FROM idempotent_responses WHERE sealed IS NULL"), 1);
}

async fn another_request_under_the_same_key_is_refused(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    made(send(&store, &desk, once(1, 1, 0), Some(nonce(1))).await);
    for number in 2..4 {
        assert_eq!(send(&store, &desk, once(1, 1, 9), Some(nonce(number))).await, OtherRequest);
    }
    // The message has been received all the same: of two objections the replay comes first.
    assert_eq!(engine.number("SELECT count(*) FROM nonces"), 3);
    assert_eq!(send(&store, &desk, once(1, 1, 9), Some(nonce(2))).await, Replayed);
    assert_eq!(send(&store, &desk, once(1, 2, 9), Some(nonce(2))).await, Replayed);
    made(send(&store, &desk, once(1, 2, 9), Some(nonce(4))).await);
    assert_eq!(engine.number("SELECT count(*) FROM users"), 2);
}

async fn a_message_that_comes_again_is_known(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    made(send(&store, &desk, once(1, 1, 0), Some(nonce(1))).await);
    assert_eq!(send(&store, &desk, once(1, 1, 0), Some(nonce(1))).await, Replayed);
    assert_eq!(send(&store, &desk, once(1, 2, 0), Some(nonce(1))).await, Replayed);
    assert_eq!(engine.number("SELECT count(*) FROM users"), 1);
    // In one commit with its own first coming, too.
    let unit = |key: u128| -> (i64, Unit<Answer>) {
        let desk = desk.clone();
        (1, Box::new(move |tx| Ok(post(tx, &desk, &once(1, key, 0), Some(&nonce(5)))?)))
    };
    let told = together(&store, [unit(10), unit(11), unit(10)]).await;
    let told: Vec<_> = told.into_iter().map(|told| matches!(told.unwrap(), Replayed)).collect();
    assert_eq!(told, [false, true, true]);
}

async fn remember(store: &Store, nonce: Nonce) -> bool {
    store.write("test.remember", 1, move |tx| idempotency::remember_nonce(tx, &nonce)).await.unwrap()
}

/// All they look at first is asked for before the first of them has written.
async fn requests_that_share_a_commit_see_each_other(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    let apart =
        send_together(&store, &desk, &[(once(1, 1, 0), 1), (once(1, 2, 0), 2), (once(1, 3, 0), 2)]).await;
    assert_eq!(apart[2], Replayed);
    assert!(matches!(&apart[..2], [Made(a), Made(b)] if a != b), "{apart:?}");

    let requests =
        [(once(1, 4, 0), 3), (once(1, 4, 0), 4), (once(1, 4, 9), 5), (once(1, 5, 0), 4), (once(1, 6, 0), 6)];
    let mut same = send_together(&store, &desk, &requests).await;
    assert!(matches!(same.pop(), Some(Made(_))));
    let view = made(same.remove(0));
    assert_eq!(same, [Kept(200, view), OtherRequest, Replayed]);

    // The first is refused before it asks for the reply that is there; the second has none.
    let unasked = send_together(&store, &desk, &[(once(1, 1, 0), 1), (once(1, 7, 9), 7)]).await;
    assert!(matches!(&unasked[..], [Replayed, Made(_)]), "{unasked:?}");
    assert_eq!(engine.number("SELECT count(*) FROM users"), 5);
    assert_eq!(engine.number("SELECT count(*) FROM nonces"), 7);
}

/// A unit that asks ahead and then does something else; what was asked may even have failed.
async fn what_was_asked_ahead_in_vain_leaves_nothing_open(engine: &Engine) {
    let store = engine.open();
    desk(&store, 1).await;
    let first = Prefetch {
        sequence: Some(TenantNumber(1)),
        nonce: Some(nonce(1)),
        idempotency_key: Some(once(1, 1, 0)),
        webhook: None,
    };
    for number in 1..4 {
        let unit = move |tx: &Tx<'_>| add(tx, number);
        store.write_prefetched("test.unit", 1, first, unit).await.unwrap();
        store.write("test.unit", 1, move |tx: &Tx<'_>| add(tx, number + 10)).await.unwrap();
    }
    let nobody = Prefetch { sequence: Some(TenantNumber(999)), ..Prefetch::default() };
    store.write_prefetched("test.unit", 1, nobody, |tx: &Tx<'_>| add(tx, 20)).await.unwrap();
    let expected = [1, 2, 3, 11, 12, 13, 20];
    assert!(numbers(&store).await.is_superset(&expected.into()));
}

/// A message is known by its nonce and the instant at which it ends: the same nonce in another message is a matter of
/// the process that receives both (decision W5).
async fn a_message_is_known_until_it_is_swept(engine: &Engine) {
    let store = engine.open();
    let (message, later) = (nonce(1), SignedDuration::from_secs(10));
    assert!(remember(&store, message).await);
    assert!(!remember(&store, message).await);
    let other = Nonce { until: message.until + later, ..message };
    assert!(remember(&store, other).await);
    assert!(!remember(&store, other).await && !remember(&store, message).await);
    let sweep = move |tx: &Tx<'_>| idempotency::delete_expired_nonces(tx, message.until + later, 10);
    assert_eq!(store.write("test.delete_expired", 0, sweep).await.unwrap(), 1);
    assert!(remember(&store, message).await && !remember(&store, other).await);
}

async fn keys_hold_for_one_tenant_and_one_operation(engine: &Engine) {
    let store = engine.open();
    let (one, other) = (desk(&store, 1).await, desk(&store, 3).await);
    let view = made(send(&store, &one, once(1, 1, 0), None).await);
    made(send(&store, &other, once(3, 1, 5), None).await);
    let elsewhere = IdempotencyKey { operation: "POST /checks", ..once(1, 1, 7) };
    made(send(&store, &one, elsewhere, None).await);
    assert_eq!(send(&store, &one, once(1, 1, 0), None).await, Kept(200, view));
    assert_eq!(send(&store, &other, once(3, 1, 0), None).await, OtherRequest);
}

async fn a_reply_is_kept_for_its_time(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    let since = |kept_since: Timestamp, body: u8| IdempotencyKey { kept_since, ..once(1, 1, body) };
    let view = made(send(&store, &desk, once(1, 1, 0), None).await);
    // To its last microsecond, and then it is as if there had been none, whatever the body.
    assert_eq!(send(&store, &desk, since(now(), 0), None).await, Kept(200, view));
    assert_eq!(send(&store, &desk, since(now(), 9), Some(nonce(1))).await, OtherRequest);
    let later = now() + SignedDuration::from_micros(1);
    let view = made(send(&store, &desk, since(later, 9), Some(nonce(2))).await);
    // The new one has its own time: it began with what the units here take for now.
    assert_eq!(send(&store, &desk, since(now(), 9), None).await, Kept(200, view));
    assert_eq!(send(&store, &desk, since(now(), 0), None).await, OtherRequest);
    assert_eq!(engine.number("SELECT count(*) FROM idempotent_responses"), 1);
    assert_eq!(engine.number("SELECT count(*) FROM users"), 2);
}

async fn sweeps_take_what_is_over_and_no_more_than_they_may(engine: &Engine) {
    let store = engine.open();
    let desk = desk(&store, 1).await;
    for number in 0..7 {
        made(send(&store, &desk, once(1, number, 0), Some(nonce(number))).await);
    }
    let until = nonce(0).until;
    let (microsecond, second) = (SignedDuration::from_micros(1), SignedDuration::from_secs(1));
    let nonces = async |at: Timestamp, most: i64| {
        store
            .write("test.delete_expired", 0, move |tx| idempotency::delete_expired_nonces(tx, at, most))
            .await
            .unwrap()
    };
    let replies = async |since: Timestamp, most: i64| {
        store
            .write("test.delete_expired", 0, move |tx| idempotency::delete_expired_responses(tx, since, most))
            .await
            .unwrap()
    };
    assert_eq!((nonces(until, 100).await, replies(now(), 100).await), (0, 0), "still of use");
    for left in [4, 1, 0, 0] {
        nonces(until + microsecond, 3).await;
        replies(now() + second, 3).await;
        assert_eq!(engine.number("SELECT count(*) FROM nonces"), left);
        assert_eq!(engine.number("SELECT count(*) FROM idempotent_responses"), left);
    }
    assert_eq!((nonces(until + microsecond, 0).await, replies(now() + second, 0).await), (0, 0));
    assert_eq!(engine.number("SELECT count(*) FROM users"), 7);
}

async fn two_sweeps_share_the_work(engine: &Engine) {
    const NONCES: u128 = 600;
    let stores = engine.open_two();
    let fill = |tx: &Tx<'_>| {
        (0..NONCES).try_for_each(|number| idempotency::remember_nonce(tx, &nonce(number)).map(|_| ()))
    };
    stores[0].write("test.fill", 1, fill).await.unwrap();
    let sweeps = stores.map(|store| {
        tokio::spawn(async move {
            let late = nonce(0).until + SignedDuration::from_secs(1);
            let (mut gone, mut last) = (0, 1);
            while last > 0 {
                let sweep = move |tx: &Tx<'_>| idempotency::delete_expired_nonces(tx, late, 40);
                last = store.write("test.delete_expired", 0, sweep).await.unwrap();
                gone += last;
            }
            gone
        })
    });
    let gone: usize = join_all(sweeps).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(gone as u128, NONCES, "what one has taken the other has not");
}

/// A request finds an old reply that a sweep of another process is just taking away.
async fn a_sweep_beside_a_request_costs_it_nothing(engine: &Engine) {
    let [sweeping, serving] = engine.open_two();
    let desk = desk(&serving, 1).await;
    made(send(&serving, &desk, once(1, 1, 0), None).await);
    let later = now() + SignedDuration::from_micros(1);
    let [mut after_the_sweep, mut before_the_request] = meeting(true);
    let sweep = tokio::spawn(async move {
        let unit = move |tx: &Tx<'_>| {
            let gone = idempotency::delete_expired_responses(tx, later, 10)?;
            after_the_sweep();
            std::thread::sleep(std::time::Duration::from_millis(100));
            Ok::<_, StoreError>(gone)
        };
        sweeping.write("test.delete_expired", 0, unit).await.unwrap()
    });
    tokio::task::block_in_place(&mut before_the_request);
    let again = IdempotencyKey { kept_since: later, ..once(1, 1, 0) };
    made(send(&serving, &desk, again, Some(nonce(1))).await);
    assert_eq!(sweep.await.unwrap(), 1);
    assert_eq!(engine.number("SELECT count(*) FROM users"), 2);
    assert_eq!(engine.number("SELECT count(*) FROM idempotent_responses"), 1);
}

async fn one_key_makes_one_user_in_two_processes(engine: &Engine) {
    const ROUNDS: u128 = 100;
    let stores = engine.open_two();
    let desk = desk(&stores[0], 1).await;
    for round in 0..ROUNDS {
        // Three of each process, of which the last has another body.
        let answers = (0..6_u8).map(|at| {
            let nonce = nonce(round * 6 + u128::from(at));
            send(&stores[usize::from(at % 2)], &desk, once(1, round, at / 4), Some(nonce))
        });
        let answers = join_all(answers).await;
        let mut views =
            answers.iter().filter_map(|answer| if let Made(view) = answer { Some(view) } else { None });
        let (view, None) = (views.next().unwrap(), views.next()) else { panic!("{answers:?}") };
        let winner = answers.iter().position(|answer| matches!(answer, Made(_))).unwrap();
        for (at, answer) in answers.iter().enumerate().filter(|(at, _)| *at != winner) {
            let same = (at / 4) == (winner / 4);
            assert_eq!(*answer, if same { Kept(200, view.clone()) } else { OtherRequest });
        }
    }
    assert_eq!(engine.number("SELECT count(*) FROM users"), i64::try_from(ROUNDS).unwrap());
}

async fn one_nonce_is_accepted_once_in_two_processes(engine: &Engine) {
    let stores = Arc::new(engine.open_two());
    for round in 0..100 {
        // Both lie in wait, so that they come at once.
        let held = [hold(&stores[0], 1).await];
        let other = if engine.is_shared() { Some(hold(&stores[1], 1).await) } else { None };
        let mut answers: Vec<_> =
            stores.iter().chain(stores.iter()).map(|store| Box::pin(remember(store, nonce(round)))).collect();
        assert!(answers.iter_mut().all(|answer| answer.now_or_never().is_none()));
        for held in held.into_iter().chain(other) {
            held.release().await;
        }
        assert_eq!(join_all(answers).await.into_iter().filter(|accepted| *accepted).count(), 1);
    }
}
