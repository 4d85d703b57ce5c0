//! How fast events are delivered, how late they come, and what waits costs.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use http_message_signatures::Algorithm;
use investord::clock::{Clock, SystemClock, SystemIds};
use investord::domain::delivery::webhook::NewWebhook;
use investord::store::delivery::signing_keys;
use investord::store::delivery::webhooks;
use investord::store::delivery::webhooks::Webhook;
use investord::store::tenants;
use investord::store::unit::Unit;
use investord::store::{Store, StoreError, Tx};
use jiff::SignedDuration;
use tokio::task::LocalSet;

use crate::database::{self, Server};
use crate::receivers::Receivers;
use crate::report::{Report, figure};
use crate::requests::Ask;
use crate::server::Service;
use crate::world::{Level, Register, TENANT, World};
use crate::{Base, Options, bulk, cpu, load};

/// The least that there is, and the default.
const DELAY: SignedDuration = SignedDuration::from_secs(1);
/// Events per second while it is measured how late they come; each user makes two.
const PACE: u64 = 100;
/// Bytes of a package: the default, and what no package reaches in a second, so that the delay alone decides.
const DEFAULT: usize = 10_240;
const LARGE: usize = 1_048_576;
const TOGETHER: usize = 100;
const BESIDE_A_DEAD_ONE: usize = 199;

pub async fn measure(
    options: &Options,
    world: &World,
    server: Option<&Server>,
    events: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    for base in options.databases() {
        let register = match (base, server) {
            (Base::Postgres(_), Some(server)) => {
                World::postgres(server.database("deliveries", None).await?, server.process)?
            }
            _ => world.sqlite()?,
        };
        report.section(&format!("Deliveries: {}, {events} events that wait", register.engine()));
        bulk::load(world, &register, events / 2, report).await?;
        if let Register::Postgres(url, _) = &register {
            database::settle(url).await?;
        }
        LocalSet::new().run_until(of_one(options, world, &register, events, report)).await?;
    }
    Ok(())
}

async fn of_one(
    options: &Options,
    world: &World,
    register: &Register,
    events: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let span = Duration::from_secs(if options.quick { 3 } else { 20 });
    backlog(world, register, events, span, report).await?;
    many(world, register, events, span, report).await?;
    let alone = late(world, register, 1, false, span, report).await?;
    let among = late(world, register, BESIDE_A_DEAD_ONE, false, span, report).await?;
    let beside = late(world, register, BESIDE_A_DEAD_ONE, true, span, report).await?;
    report.at_most("p99 beyond the delay, one receiver", alone, "ms", 50.0);
    report.at_most(
        "p99 beside a dead receiver to p99 without it, 199 receivers",
        beside / among,
        "times",
        2.0,
    );
    Ok(())
}

/// Everything waits for a receiver that is down, and is drained when it comes back.
async fn backlog(
    world: &World,
    register: &Register,
    events: usize,
    span: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let address = free()?;
    subscribe(world, register, &[format!("http://{address}/")], Some(1), DEFAULT).await?;
    let service = world.serve(register, 1, Level::Warn)?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (resident, peak) = cpu::memory(service.processes[0].id())?;
    let mebibytes = |bytes: u64| figure(usize::try_from(bytes / 1024).unwrap_or(usize::MAX)) / 1024.0;
    report.fact(&format!("memory while {events} events wait"), mebibytes(resident), "MiB");
    let receivers = Receivers::start(address, DELAY).await?;
    let (rate, cpu_us) = drain(&service, &receivers, span).await?;
    report.at_least("drained to one receiver that has come back", rate, "events/s", 25_000.0);
    report.fact("CPU of the service per event", cpu_us, "µs");
    let (_, peak_now) = cpu::memory(service.processes[0].id())?;
    report.fact("memory at its peak", mebibytes(peak_now.max(peak)), "MiB");
    service.stop()?;
    unsubscribe(register).await
}

/// The same events to many receivers at once.
async fn many(
    world: &World,
    register: &Register,
    events: usize,
    span: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let receivers = Receivers::start(free()?, DELAY).await?;
    let urls: Vec<String> =
        (0..TOGETHER).map(|number| format!("http://{}/{number}", receivers.address)).collect();
    // As many deliveries as before.
    let from = events - (events / TOGETHER).max(1_000).min(events) + 1;
    subscribe(world, register, &urls, Some(i64::try_from(from)?), DEFAULT).await?;
    let service = world.serve(register, 1, Level::Warn)?;
    let (rate, cpu_us) = drain(&service, &receivers, span).await?;
    report.at_least(&format!("drained to {TOGETHER} receivers"), rate, "events/s", 25_000.0);
    report.fact("CPU of the service per event", cpu_us, "µs");
    service.stop()?;
    unsubscribe(register).await
}

/// Events per second, and microseconds of CPU per event, while something is left.
async fn drain(service: &Service, receivers: &Receivers, span: Duration) -> anyhow::Result<(f64, f64)> {
    let waited = Instant::now();
    while receivers.events() == 0 {
        ensure!(waited.elapsed() < Duration::from_mins(1), "nothing is delivered");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (before, (used, _), started) = (receivers.events(), service.cpu()?, Instant::now());
    let mut last = (before, started.elapsed());
    while started.elapsed() < span {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if receivers.events() == last.0 {
            break;
        }
        last = (receivers.events(), started.elapsed());
    }
    let count = figure(usize::try_from(last.0 - before)?);
    let used = service.cpu()?.0.since(&used);
    Ok((count / last.1.as_secs_f64(), used.as_secs_f64() * 1e6 / count))
}

/// How late packages come at a steady pace; the p99 in milliseconds.
async fn late(
    world: &World,
    register: &Register,
    receivers: usize,
    dead: bool,
    span: Duration,
    report: &mut Report,
) -> anyhow::Result<f64> {
    let good = Receivers::start(free()?, DELAY).await?;
    // The system takes connections to it, and nobody ever reads.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut urls: Vec<String> =
        (0..receivers).map(|number| format!("http://{}/{number}", good.address)).collect();
    if dead {
        urls.push(format!("http://{}/", silent.local_addr()?));
    }
    subscribe(world, register, &urls, None, LARGE).await?;
    let service = world.serve(register, 1, Level::Warn)?;
    let token = world.token(&service).await?;
    let sender = world.signed(service.address(), Algorithm::Ed25519, &token)?;
    let began = Instant::now();
    let creates = 2 + span.as_secs() * PACE / 2;
    for number in 0..creates {
        if number == PACE {
            good.reset();
        }
        let prepared = sender.prepare(&Ask::Create(usize::try_from(number)?))?;
        load::once(service.processes[0].address, &prepared).await?;
        let next = Duration::from_micros(1_000_000 * 2 / PACE) * u32::try_from(number + 1)?;
        tokio::time::sleep(next.saturating_sub(began.elapsed())).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let name = format!("{receivers} receivers{}, {PACE} events/s", if dead { " and a dead one" } else { "" });
    ensure!(good.packages() > 0, "nothing is delivered");
    report.fact(&format!("{name}: commit to receipt beyond the delay, p50"), good.late(0.5), "ms");
    let p99 = good.late(0.99);
    report.fact(&format!("{name}: the same, p99"), p99, "ms");
    service.stop()?;
    unsubscribe(register).await?;
    Ok(p99)
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Makes webhooks, told of everything from an event on or of what happens from now on.
async fn subscribe(
    world: &World,
    register: &Register,
    urls: &[String],
    from: Option<i64>,
    most_bytes: usize,
) -> anyhow::Result<()> {
    let store = Store::open(&register.database()?)?;
    let (master_key, urls, now) =
        (Arc::new(world.master_key()?), urls.to_vec(), SystemClock::default().now());
    let unit = move |tx: &Tx<'_>| {
        let tenant = tenants::by_name(tx, TENANT)?;
        let number = tenant.ok_or_else(|| StoreError::Corrupt("no tenant".into()))?.number;
        Unit::run(
            tx,
            number,
            now,
            &SystemIds,
            |tx| tenants::open(tx, number, &master_key),
            |unit| {
                signing_keys::ensure(unit)?;
                for url in &urls {
                    let config = format!(r#"{{"max_package_size":{most_bytes}}}"#);
                    let body = format!(r#"{{"title":"bench","url":"{url}","config":{config}}}"#);
                    let new = NewWebhook::parse(body.as_bytes(), &unit.tenant.settings, now);
                    let new = new.map_err(|faults| StoreError::Corrupt(format!("{faults:?}")))?;
                    let webhook = Webhook::new(unit, new.content, true, None);
                    webhooks::insert(unit, &webhook)?;
                    if let Some(from) = from {
                        webhooks::replay(tx, &webhook, from)?;
                    }
                }
                Ok(())
            },
        )
    };
    store.write_serializable::<_, StoreError>("bench.subscribe", unit).await?;
    store.checkpoint().await;
    Ok(())
}

async fn unsubscribe(register: &Register) -> anyhow::Result<()> {
    let store = Store::open(&register.database()?)?;
    let number =
        store.read("bench.tenant", |tx| tenants::by_name(tx, TENANT)).await?.context("no tenant")?.number;
    let unit = move |tx: &Tx<'_>| {
        let all = webhooks::of_tenant(tx, number)?;
        all.iter().try_for_each(|webhook| webhooks::delete(tx, webhook, SystemClock::default().now()))
    };
    store.write_serializable::<_, StoreError>("bench.unsubscribe", unit).await?;
    store.checkpoint().await;
    Ok(())
}
