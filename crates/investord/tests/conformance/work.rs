//! Units of work to try the store with.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once, mpsc};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use investord::clock::{Ids as _, SeededIds};
use investord::domain::tenants::{TenantNumber, TenantSettings};
use investord::domain::users::User;
use investord::domain::users::person::Person;
use investord::store::encryption::MasterKey;
use investord::store::engine::unit::Owner;
use investord::store::tenants::{self, Tenant, TenantRow};
use investord::store::users::handle::UserHandle;
use investord::store::{Insert, Stmt, Store, StoreError, Tx, Value, unit, users};
use jiff::Timestamp;
use testing::patience::PATIENCE;
use testing::{app, bodies};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Why a unit of these tests did not do what it was asked.
#[derive(Debug)]
pub enum Refused {
    /// It did not want to.
    ByRule,
    ByStore(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::ByStore(error)
    }
}

pub type Unit<T> = Box<dyn FnMut(&Tx<'_>) -> Result<T, Refused> + Send>;

/// The instant at which everything happens: the clock stands still.
pub fn now() -> Timestamp {
    Timestamp::from_second(app::START).unwrap()
}

/// A writer that is kept busy; what is asked meanwhile is one batch.
pub struct Held {
    release: mpsc::Sender<()>,
    holding: JoinHandle<Result<(), StoreError>>,
}

pub async fn hold(store: &Store, tenant: impl Into<Owner>) -> Held {
    let (entered, inside) = oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let (store, tenant, mut entered) = (store.clone(), tenant.into(), Some(entered));
    let unit = move |_: &Tx<'_>| {
        entered.take().map(|entered| entered.send(()));
        // An error is a release too: then the test has failed.
        let _ = released.recv();
        Ok(())
    };
    let holding = tokio::spawn(async move { store.write("test.hold", tenant, unit).await });
    inside.await.unwrap();
    Held { release, holding }
}

impl Held {
    pub async fn release(self) {
        self.release.send(()).unwrap();
        self.holding.await.unwrap().unwrap();
    }
}

/// Has units share one commit, in this order.
pub async fn together<T: Send + 'static>(
    store: &Store,
    units: impl IntoIterator<Item = (impl Into<Owner>, Unit<T>)>,
) -> Vec<Result<T, Refused>> {
    let units: Vec<(Owner, _)> = units.into_iter().map(|(owner, unit)| (owner.into(), unit)).collect();
    let held = hold(store, units[0].0).await;
    let mut answers: Vec<_> =
        units.into_iter().map(|(tenant, unit)| Box::pin(store.write("test.unit", tenant, unit))).collect();
    // The first poll puts a unit in line.
    for answer in &mut answers {
        assert!(answer.now_or_never().is_none());
    }
    held.release().await;
    join_all(answers).await
}

/// How often a unit has run.
#[derive(Clone, Default)]
pub struct Runs(Arc<AtomicUsize>);

impl Runs {
    /// Notes a run; how many there were before.
    pub fn note(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Longer than two units need that are not kept apart, as a rule: if not, nothing is seen that should not be.
const WHILE: Duration = Duration::from_millis(300);

/// Two units meet in the middle of their first runs. Where the engine has one wait for the other, they cannot, and go
/// on after a while.
pub fn meeting(can: bool) -> [impl FnMut() + Send + 'static; 2] {
    let ((to_left, left), (to_right, right)) = (mpsc::channel(), mpsc::channel());
    [(to_left, right), (to_right, left)].map(|(tell, hear)| {
        let mut first = true;
        move || {
            if std::mem::take(&mut first) {
                let _ = tell.send(());
                // Also when the other has come to an end.
                let _ = hear.recv_timeout(if can { PATIENCE } else { WHILE });
            }
        }
    })
}

/// A row that is there or not: the nonces serve as a set of numbers.
static ADD: Insert = Insert::new("test.add", "nonces", &["hash", "until"]);
const ADD_NOW: Stmt = Stmt { name: "test.add_now", text: "INSERT INTO nonces (hash, until) VALUES ($1, $2)" };
const NUMBERS: Stmt = Stmt { name: "test.numbers", text: "SELECT until FROM nonces" };

/// Adds a number, which must not be there; whether it was may be told later.
pub fn add(tx: &Tx<'_>, number: i64) -> Result<(), StoreError> {
    tx.insert(&ADD, &[Value::Bytes(&number.to_be_bytes()), Value::Int(number)])
}

/// The same, told at once.
pub fn add_now(tx: &Tx<'_>, number: i64) -> Result<usize, StoreError> {
    tx.execute(&ADD_NOW, &[Value::Bytes(&number.to_be_bytes()), Value::Int(number)])
}

pub fn seen(tx: &Tx<'_>) -> Result<BTreeSet<i64>, StoreError> {
    let mut numbers = BTreeSet::new();
    tx.each(&NUMBERS, &[], |row| {
        numbers.insert(row.int(0)?);
        Ok(())
    })?;
    Ok(numbers)
}

pub async fn numbers(store: &Store) -> BTreeSet<i64> {
    store.read("test.numbers", seen).await.unwrap()
}

pub fn set<const N: usize>(numbers: [i64; N]) -> BTreeSet<i64> {
    numbers.into()
}

/// Panics as a faulty unit would, but without saying so on standard error.
pub fn panic_on_purpose() -> ! {
    struct OnPurpose;
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.payload().is::<OnPurpose>() {
                usual(panic);
            }
        }));
    });
    std::panic::panic_any(OnPurpose)
}

pub fn master_key() -> MasterKey {
    MasterKey::from_base64("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap()
}

/// A tenant, and what registers users for it.
#[derive(Clone)]
pub struct Desk {
    pub tenant: TenantNumber,
    pub own: Arc<Tenant>,
    pub ids: Arc<SeededIds>,
    person: Person,
}

/// Brings a tenant of this number into being.
pub async fn desk(store: &Store, number: i64) -> Desk {
    let ids = Arc::new(SeededIds::new(number.unsigned_abs()));
    let number = TenantNumber(number);
    let (master_key, settings) = (master_key(), TenantSettings::default());
    let sealed_key = master_key.new_tenant_key(number, &*ids);
    let person = Person::parse(bodies::smallest().to_string().as_bytes(), &settings, now()).ok().unwrap();
    let (name, fingerprint) = (format!("tenant {number}"), master_key.fingerprint().to_owned());
    let row = TenantRow {
        number,
        name,
        settings,
        sealed_key,
        master_key: fingerprint,
        suspended_at: None,
        created_at: now(),
    };
    store.write_serializable("test.tenant", move |tx| tenants::insert(tx, &row)).await.unwrap();
    let open = move |tx: &Tx<'_>| tenants::open(tx, number, &master_key);
    let own = Arc::new(store.read("test.tenant", open).await.unwrap());
    Desk { tenant: number, own, ids, person }
}

impl Desk {
    /// Runs a unit of work of the tenant.
    pub fn run<T>(
        &self,
        tx: &Tx<'_>,
        work: impl FnOnce(&mut unit::Unit<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        unit::Unit::run(tx, self.tenant, now(), &*self.ids, |_| Ok(&*self.own), work)
    }

    /// Does what `POST /users` does inside of a unit.
    pub fn register_in(&self, unit: &mut unit::Unit<'_>) -> Result<(UserHandle, String), StoreError> {
        let settings = TenantSettings::default();
        let registration = User::register(self.person.clone(), &settings, self.ids.uuid(), unit.now());
        users::register(unit, registration)
    }

    /// Does what `POST /users` does; the number and id of the user, and its text.
    pub fn register(&self, tx: &Tx<'_>) -> Result<(i64, Uuid, String), StoreError> {
        let (user, view) = self.run(tx, |unit| self.register_in(unit))?;
        Ok((user.number, user.id, view))
    }

    /// A unit that registers a user.
    pub fn unit(&self) -> Unit<i64> {
        let desk = self.clone();
        Box::new(move |tx| Ok(desk.register(tx)?.0))
    }
}
