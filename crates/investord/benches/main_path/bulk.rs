//! A register of very many users: loaded through the store, then listed, measured and started again.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use clap::ValueEnum as _;
use http_message_signatures::Algorithm;
use investord::clock::{Clock, Ids, SystemClock, SystemIds};
use investord::domain::users::User;
use investord::domain::users::person::Person;
use investord::provision::{DeclaredTenants, Provisioner};
use investord::store::tenants;
use investord::store::unit::Unit;
use investord::store::{Store, StoreError, Tx, users};

use crate::aims::OWN;
use crate::checks::Checks;
use crate::database::{self, Server};
use crate::people::person;
use crate::report::{Report, figure, median};
use crate::requests::Ask;
use crate::single;
use crate::works::{self, Contestant, LISTS, PAGE, Plan, Work};
use crate::world::{Level, Register, TENANT, World};
use crate::{Base, Options, server};

/// Users of one unit of work.
const PORTION: usize = 500;

/// All of it, on every engine that was asked for.
pub async fn measure(
    options: &Options,
    world: &World,
    server: Option<&Server>,
    users: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut registers = Vec::new();
    for base in options.databases() {
        let register = match (base, server) {
            (Base::Postgres(_), Some(server)) => {
                World::postgres(server.database("bulk", None).await?, server.process)?
            }
            _ => world.sqlite()?,
        };
        report.section(&format!("{users} users: {}", register.engine()));
        let last = load(world, &register, users, report).await?;
        single::sizes(&register, users, report).await?;
        if let Register::Postgres(url, _) = &register {
            database::settle(url).await?;
        }
        first_answers(world, &register, users, &last, if options.quick { 3 } else { 7 }, report).await?;
        registers.push((register, last));
    }
    let mut contestants = Vec::new();
    for (register, last) in &registers {
        let service = world.serve(register, 1, Level::Warn)?;
        let token = world.token(&service).await?;
        let senders = vec![world.signed(service.address(), Algorithm::Ed25519, &token)?];
        let (name, ids) = (format!("{OWN}{}", register.engine()), Rc::new(vec![last.clone()]));
        contestants.push(Contestant { name, service, senders, works: Work::value_variants(), ids, users });
    }
    let rounds = if options.quick { 3 } else { 5 };
    let plan = Plan { groups: &LISTS, connections: &[1, 16], rounds, quick: options.quick, only: &[] };
    let mut checks = Checks::new(world, options.quick)?;
    report.bulk = works::measure(&contestants, &plan, &mut checks, &mut 0).await?;
    contestants.into_iter().try_for_each(|contestant| contestant.service.stop())
}

/// Loads the users through the store, as creates do without requests; the id of the last one.
pub async fn load(
    world: &World,
    register: &Register,
    users: usize,
    report: &mut Report,
) -> anyhow::Result<String> {
    let store = Store::open(&register.database()?)?;
    let (clock, ids) = (Arc::new(SystemClock::default()), Arc::new(SystemIds));
    let master_key = Arc::new(world.master_key()?);
    let provisioner =
        Provisioner { store: store.clone(), master_key: Arc::clone(&master_key), clock: clock.clone(), ids };
    provisioner.apply(DeclaredTenants::read(&world.folder().join("tenants.toml"))?).await?;
    let tenant = store.read("bench.tenant", |tx| tenants::by_name(tx, TENANT)).await?.context("no tenant")?;
    let tenant = Arc::new(tenant.open(&master_key)?);
    let (number, settings) = (tenant.number, tenant.settings.clone());

    let (started, mut loaded, mut running) = (Instant::now(), 0, None);
    while loaded < users {
        let (to, now) = (users.min(loaded + PORTION), clock.now());
        let people: Result<Vec<Person>, _> =
            (loaded..to).map(|number| Person::parse(person(number).as_bytes(), &settings, now)).collect();
        let people = people.map_err(|_| anyhow!("a person that is refused"))?;
        let (store, tenant) = (store.clone(), Arc::clone(&tenant));
        let unit = move |tx: &Tx<'_>| {
            let mut last = None;
            for person in &people {
                let user = Unit::run(
                    tx,
                    number,
                    now,
                    &SystemIds,
                    |_| Ok(&*tenant),
                    |unit| {
                        let (person, id) = (person.clone(), SystemIds.uuid());
                        users::register(unit, User::register(person, &tenant.settings, id, unit.now()))
                    },
                );
                last = Some(user?.0.id);
            }
            Ok::<_, StoreError>(last)
        };
        // While this one is written the next one is read.
        let next = tokio::spawn(async move { store.write("bench.load", number, unit).await });
        if let Some(before) = running.replace(next) {
            before.await??;
        }
        if to / 100_000 > loaded / 100_000 {
            eprintln!("{}: {to} users after {:.0} s", register.engine(), started.elapsed().as_secs_f64());
        }
        loaded = to;
    }
    let last = running.context("no users")?.await??.context("no users")?;
    let took = started.elapsed();
    store.checkpoint().await;
    report.fact("loading through the store", figure(users) / took.as_secs_f64(), "users/s");
    report.fact("loading through the store took", took.as_secs_f64(), "s");
    Ok(last.to_string())
}

/// From the start of a process to its first answer to a signed request, on a register that is full.
async fn first_answers(
    world: &World,
    register: &Register,
    users: usize,
    id: &str,
    times: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let service = world.serve(register, 1, Level::Warn)?;
    let token = world.token(&service).await?;
    service.stop()?;
    let asks = [("read", Ask::Read(id)), ("list 100 at the end", Ask::List { offset: users - PAGE })];
    for (what, ask) in asks {
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..times {
            let address = server::free_address()?;
            let sender = world.signed(address, Algorithm::Ed25519, &token)?;
            let question = || sender.prepare(&ask).map(|prepared| prepared.closing());
            let process = world.process(register, Level::Warn, address, &question)?;
            took.push(process.first_answer);
            process.stop()?;
        }
        let name = format!("from the start of the process to the first answer: {what}");
        report.fact(&name, median(took).as_secs_f64() * 1e3, "ms");
    }
    Ok(())
}
