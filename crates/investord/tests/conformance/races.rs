//! Races between processes: made on purpose, and survived. SQLite, where writers queue, hides them all.

use std::io::Write as _;

use futures_util::future::join_all;
use http_message_signatures::{Algorithm, SigningKey};
use investord::clock::{ManualClock, SeededIds};
use investord::domain::tenants::TenantNumber;
use investord::provision::{DeclaredTenants, Provisioner};
use investord::store::tenants;
use investord::store::tenants::sequence::Sequence;
use investord::store::{Stmt, Store, StoreError, Tx, Value};
use investord::telemetry;
use serde_json::json;

use crate::engine::Engine;
use crate::work::{Refused, Runs, Unit, add, desk, master_key, meeting, now, numbers, set};

on_every_engine!(
    an_unguarded_change_loses_what_it_did_not_see,
    a_change_under_the_head_loses_nothing,
    a_change_alone_loses_nothing,
    many_changes_alone_lose_nothing,
    a_rule_over_two_rows_holds_for_units_alone,
    processes_apply_one_tenants_file_at_once,
);

mod only {
    use super::{a_circle_of_locks_ends_with_everybody_done, a_fresh_process_that_loses_a_race_goes_on};
    on_postgres!(a_circle_of_locks_ends_with_everybody_done, a_fresh_process_that_loses_a_race_goes_on);
}

/// Changes are counted in a tenant's settings: each adds one requirement.
fn count(tx: &Tx<'_>, tenant: TenantNumber) -> Result<usize, StoreError> {
    let settings = tenants::by_number(tx, tenant)?.unwrap().settings;
    let settings = serde_json::to_value(settings).unwrap();
    Ok(settings["activation_requires"].as_array().unwrap().len())
}

/// Reads the settings, lets something happen, and writes them with one change more.
fn change(tx: &Tx<'_>, tenant: TenantNumber, meanwhile: &mut impl FnMut()) -> Result<(), StoreError> {
    let found = tenants::by_number(tx, tenant)?.unwrap();
    meanwhile();
    let mut settings = serde_json::to_value(&found.settings).unwrap();
    settings["activation_requires"].as_array_mut().unwrap().push(json!("checks"));
    let changed = found.settings.with("activation_requires", settings["activation_requires"].clone());
    tenants::set_settings(tx, tenant, &changed.unwrap())
}

/// What keeps two changes apart.
#[derive(Clone, Copy)]
enum Guard {
    Nothing,
    Head,
    Alone,
}

/// Two processes change the same settings, each having read them before the other writes, unless something
/// keeps them apart. How many of the two changes are there afterwards.
async fn changes_kept(engine: &Engine, guard: Guard) -> usize {
    let stores = engine.open_two();
    desk(&stores[0], 1).await;
    let before = stores[0].read("test.count", |tx| count(tx, TenantNumber(1))).await.unwrap();
    let can_meet = engine.is_shared() && matches!(guard, Guard::Nothing);
    let changes = stores.clone().into_iter().zip(meeting(can_meet)).map(|(store, mut meet)| {
        tokio::spawn(async move {
            let unit = move |tx: &Tx<'_>| {
                if matches!(guard, Guard::Head) {
                    Sequence::lock(tx, TenantNumber(1), now())?;
                }
                change(tx, TenantNumber(1), &mut meet)
            };
            match guard {
                Guard::Alone => store.write_serializable("test.change", unit).await,
                _ => store.write("test.change", 1, unit).await,
            }
        })
    });
    for told in join_all(changes).await {
        told.unwrap().unwrap();
    }
    stores[1].read("test.count", |tx| count(tx, TenantNumber(1))).await.unwrap() - before
}

/// The proof that the tests below can see what they look for.
async fn an_unguarded_change_loses_what_it_did_not_see(engine: &Engine) {
    let kept = if engine.is_shared() { 1 } else { 2 };
    assert_eq!(changes_kept(engine, Guard::Nothing).await, kept);
}

async fn a_change_under_the_head_loses_nothing(engine: &Engine) {
    assert_eq!(changes_kept(engine, Guard::Head).await, 2);
}

async fn a_change_alone_loses_nothing(engine: &Engine) {
    assert_eq!(changes_kept(engine, Guard::Alone).await, 2);
}

async fn many_changes_alone_lose_nothing(engine: &Engine) {
    const EACH: usize = 10;
    let stores = engine.open_two();
    desk(&stores[0], 1).await;
    let before = stores[0].read("test.count", |tx| count(tx, TenantNumber(1))).await.unwrap();
    let tasks = stores.iter().cycle().take(8).cloned().map(|store| {
        tokio::spawn(async move {
            for _ in 0..EACH {
                store
                    .write_serializable("test.change", |tx| change(tx, TenantNumber(1), &mut || ()))
                    .await
                    .unwrap();
            }
        })
    });
    join_all(tasks).await.into_iter().for_each(Result::unwrap);
    let after = stores[1].read("test.count", |tx| count(tx, TenantNumber(1))).await.unwrap();
    assert_eq!(after - before, 8 * EACH);
}

/// Each process may change its tenant only as long as nobody has changed one: a rule that no row can tell.
async fn a_rule_over_two_rows_holds_for_units_alone(engine: &Engine) {
    let stores = engine.open_two();
    for tenant in [1, 2] {
        desk(&stores[0], tenant).await;
    }
    let changes =
        stores.clone().into_iter().zip(meeting(false)).zip([1, 2]).map(|((store, mut meet), tenant)| {
            tokio::spawn(async move {
                let unit = move |tx: &Tx<'_>| {
                    if count(tx, TenantNumber(1))? + count(tx, TenantNumber(2))? > 2 {
                        return Err(Refused::ByRule);
                    }
                    Ok(change(tx, TenantNumber(tenant), &mut meet)?)
                };
                store.write_serializable("test.change", unit).await
            })
        });
    let told: Vec<_> = join_all(changes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|told| matches!(told, Err(Refused::ByRule))).count(), 1, "{told:?}");
}

fn provisioner(store: Store, seed: u64) -> Provisioner {
    let clock = std::sync::Arc::new(ManualClock::at(now()));
    let ids = std::sync::Arc::new(SeededIds::new(seed));
    Provisioner { store, master_key: master_key().into(), clock, ids }
}

/// As it is when several processes start with one configuration.
async fn processes_apply_one_tenants_file_at_once(engine: &Engine) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for (tenant, digit) in [("one", 1), ("two", 2), ("three", 3)] {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let key = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, key.public_key().spki_der());
        write!(
            file,
            "[[tenant]]\nname = '{tenant}'\nmodel = 'TOL'\n\
             [[tenant.client]]\nid = 'c3a780b6-a012-4fa8-905c-00000000000{digit}'\n\
             secret = 'a-secret-of-some-length'\nscopes = ['users:read']\n\
             [[tenant.client.key]]\nid = 'd3a780b6-a012-4fa8-905c-00000000000{digit}'\n\
             public_key = '''-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----'''\n"
        )
        .unwrap();
    }
    let wanted = DeclaredTenants::read(file.path()).unwrap();
    for round in 0..20 {
        // New processes have prepared nothing yet.
        let applied = engine.open_two().into_iter().zip(0..).map(|(store, process)| {
            let (provisioner, wanted) = (provisioner(store, round * 2 + process), wanted.clone());
            tokio::spawn(async move { provisioner.apply(wanted).await })
        });
        for told in join_all(applied).await {
            told.unwrap().unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        for (table, rows) in [("tenants", 3), ("tenant_sequences", 3), ("clients", 3), ("client_keys", 3)] {
            assert_eq!(engine.number(&format!("SELECT count(*) FROM {table}")), rows, "{table}");
        }
        assert_eq!(engine.number("SELECT max(number) FROM tenants"), 3);
        for table in ["client_keys", "clients", "tenant_sequences", "tenants"] {
            engine.run(&format!("DELETE FROM {table}"));
        }
    }
}

/// A race is lost by a statement that is told late, before one that this process has never used: whatever the
/// second one says, the first counts.
async fn a_fresh_process_that_loses_a_race_goes_on(engine: &Engine) {
    let [slow, fast] = engine.open_two();
    desk(&fast, 1).await;
    let runs = Runs::default();
    let unit = {
        let (runs, fast, runtime) = (runs.clone(), fast.clone(), tokio::runtime::Handle::current());
        move |tx: &Tx<'_>| {
            // What it has read is old when it writes.
            tenants::sequence::count_users(tx, TenantNumber(1))?;
            if runs.note() == 0 {
                let (fast, (done, wait)) = (fast.clone(), std::sync::mpsc::channel());
                runtime.spawn(async move {
                    fast.write("test.faster", 1, |tx| touch(tx, 1)).await.unwrap();
                    done.send(()).unwrap();
                });
                wait.recv().unwrap();
            }
            touch(tx, 1)?;
            add(tx, 7)
        }
    };
    slow.write_serializable("test.slower", unit).await.unwrap();
    assert_eq!(runs.count(), 2);
    assert_eq!(numbers(&fast).await, set([7]));
}

/// Changes a row in a way that is told late.
fn touch(tx: &Tx<'_>, tenant: i64) -> Result<(), StoreError> {
    const TOUCH: Stmt = Stmt {
        name: "test.touch",
        text: "UPDATE tenant_sequences SET last_at = last_at + 1 WHERE tenant = $1",
    };
    tx.execute_one(&TOUCH, &[Value::Int(tenant)])
}

/// How many batches have been run again because of a race, in all of this program.
fn races() -> u64 {
    let text = telemetry::recorder().render();
    let line =
        text.lines().find(|line| line.starts_with("investord_store_batches_repeated_total{why=\"race\"}"));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

async fn a_circle_of_locks_ends_with_everybody_done(engine: &Engine) {
    let stores = engine.open_two();
    for tenant in [1, 3] {
        desk(&stores[0], tenant).await;
    }
    let (before, all) = (races(), Runs::default());
    let units =
        meeting(engine.is_shared()).into_iter().zip([[1, 3], [3, 1]]).map(|(mut meet, order)| -> Unit<()> {
            let all = all.clone();
            Box::new(move |tx| {
                all.note();
                let mut first = Sequence::lock(tx, TenantNumber(order[0]), now())?;
                meet();
                let mut second = Sequence::lock(tx, TenantNumber(order[1]), now())?;
                for head in [&mut first, &mut second] {
                    head.users += 1;
                }
                first.save(tx);
                second.save(tx);
                Ok(add(tx, order[0])?)
            })
        });
    // A third unit shares the commit of one of them, and has part in its luck.
    let told = join_all(stores.iter().zip(units).map(|(store, unit)| {
        let beside: Unit<()> = Box::new(|_| Ok(()));
        crate::work::together(store, [(1, unit), (1, beside)])
    }));
    for told in told.await.into_iter().flatten() {
        told.unwrap();
    }
    assert_eq!(engine.rows("SELECT users FROM tenant_sequences"), vec![vec![Some("2".to_owned())]; 2]);
    assert_eq!(numbers(&stores[0]).await, set([1, 3]));
    assert!(all.count() > 2, "one of them has run again");
    assert!(races() > before, "and that is counted");
}
