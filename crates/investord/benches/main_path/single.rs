//! Figures that are no row of a table: starts, sizes, the disk, a line of the log.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http_message_signatures::Algorithm;
use url::Url;

use crate::database;
use crate::load;
use crate::report::{Report, figure, median};
use crate::requests::Ask;
use crate::server::Service;
use crate::world::{Level, Register, World};

const MIB: f64 = 1024.0 * 1024.0;
/// Users that are signed for at once while loading: the last of them is sent long before it expires.
const CHUNK: usize = 20_000;
/// The tables whose sizes are told.
const TABLES: [&str; 5] = ["events", "users", "idempotent_responses", "identifiers", "nonces"];

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// Milliseconds that the disk takes to make a small write durable, the median of 200.
pub fn sync_cost(folder: &Path) -> anyhow::Result<f64> {
    let mut file = fs::File::create(folder.join("sync"))?;
    let mut took = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(started.elapsed());
    }
    Ok(median(took).as_secs_f64() * 1e3)
}

/// Starts in folders that are empty.
pub fn cold_starts(world: &World, times: usize, report: &mut Report) -> anyhow::Result<()> {
    let (mut serve, mut dev, mut memory) = (Vec::new(), Vec::new(), 0);
    for _ in 0..times {
        let service = world.serve(&world.sqlite()?, 1, Level::Warn)?;
        serve.push(service.processes[0].first_answer);
        // Everything that runs once after the start has run by then.
        std::thread::sleep(Duration::from_millis(50));
        memory = service.memory()?.0;
        service.stop()?;
        let process = world.dev()?;
        dev.push(process.first_answer);
        process.stop()?;
    }
    report.fact("cold start of serve, empty folder", median(serve).as_secs_f64() * 1e3, "ms");
    report.at_most("cold start of dev, empty folder", median(dev).as_secs_f64() * 1e3, "ms", 50.0);
    report.at_most("resident memory, idle, empty register", mib(memory), "MiB", 25.0);
    Ok(())
}

/// Starts on the register that has been filled.
pub fn warm_starts(
    world: &World,
    register: &Register,
    times: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut serve, mut memory) = (Vec::new(), 0);
    for _ in 0..times {
        let service = world.serve(register, 1, Level::Warn)?;
        serve.push(service.processes[0].first_answer);
        std::thread::sleep(Duration::from_millis(50));
        memory = service.memory()?.0;
        service.stop()?;
    }
    report.fact("cold start of serve, full register", median(serve).as_secs_f64() * 1e3, "ms");
    report.at_most("resident memory, idle, full register", mib(memory), "MiB", 25.0);
    Ok(())
}

/// Creates the users through the API; their ids.
pub async fn fill(
    world: &World,
    register: &Register,
    users: usize,
    report: &mut Report,
) -> anyhow::Result<Rc<Vec<String>>> {
    let service = world.serve(register, 1, Level::Warn)?;
    let token = world.token(&service).await?;
    let sender = world.signed(service.address(), Algorithm::Ed25519, &token)?;
    let mut ids = Vec::with_capacity(users);
    let (mut took, mut own, mut database) = (Duration::ZERO, Duration::ZERO, None::<Duration>);
    while ids.len() < users {
        let to = users.min(ids.len() + CHUNK);
        let asks: Vec<Ask<'_>> = (ids.len()..to).map(Ask::Create).collect();
        let outcome = load::run(&service, sender.prepare_all(&asks)?, 64, true).await?;
        took += outcome.took;
        own += outcome.cpu;
        database = outcome.database_cpu.map(|cpu| cpu + database.unwrap_or_default());
        ids.extend(outcome.ids);
        eprintln!("{}: {} users", register.engine(), ids.len());
    }
    let (resident, _) = service.memory()?;
    let users = figure(users);
    let per_second = users / took.as_secs_f64();
    report.fact("loading: creates per second, Ed25519, 64 connections", per_second, "/s");
    report.fact("loading: CPU of Investord per create", own.as_secs_f64() * 1e6 / users, "µs");
    if let Some(database) = database {
        report.fact("loading: CPU of PostgreSQL per create", database.as_secs_f64() * 1e6 / users, "µs");
    }
    report.fact("loading: units of work per commit", service.units_per_commit()?, "");
    report.fact("resident memory after loading", mib(resident), "MiB");
    service.stop()?;
    Ok(Rc::new(ids))
}

/// What the users take on the disk, and in which tables.
pub async fn sizes(register: &Register, users: usize, report: &mut Report) -> anyhow::Result<()> {
    let users = figure(users);
    let (all, events, mut tables) = match register {
        Register::Sqlite(folder) => sqlite_sizes(&folder.join("investord.db"))?,
        Register::Postgres(url, _) => postgres_sizes(url).await?,
    };
    tables.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    report.fact("events per user", events / users, "");
    report.fact("disk per user", all / users, "bytes");
    for (table, bytes) in tables {
        report.fact(&format!("… of it {table} and its indexes"), bytes / users, "bytes");
    }
    Ok(())
}

/// Bytes of everything, number of events, bytes by table.
type Sizes = (f64, f64, Vec<(String, f64)>);

fn sqlite_sizes(file: &Path) -> anyhow::Result<Sizes> {
    let connection = rusqlite::Connection::open(file)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let events: u32 = connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0))?;
    // One walk over the whole file.
    let by_table =
        "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat AS s JOIN sqlite_schema AS m ON m.name = s.name
                    GROUP BY m.tbl_name";
    let mut statement = connection.prepare(by_table)?;
    let tables = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?)))?;
    let mut tables = tables.collect::<Result<Vec<_>, _>>()?;
    tables.retain(|(table, _)| TABLES.contains(&table.as_str()));
    drop(statement);
    connection.close().map_err(|(_, error)| error)?;
    Ok((mib(fs::metadata(file)?.len()) * MIB, events.into(), tables))
}

async fn postgres_sizes(url: &str) -> anyhow::Result<Sizes> {
    let client = database::connect(&Url::parse(url)?).await?;
    let number =
        async |text: &str| -> anyhow::Result<f64> { Ok(database::one(&client, text).await?.parse()?) };
    let mut tables = Vec::new();
    for table in TABLES {
        let bytes = number(&format!("SELECT pg_total_relation_size('{table}')")).await?;
        tables.push((table.to_owned(), bytes));
    }
    let all = number("SELECT pg_database_size(current_database())").await?;
    Ok((all, number("SELECT count(*) FROM events").await?, tables))
}

/// What a line per request costs: reads with the log at `info` against reads at `warn`, the least of each.
pub async fn log_cost(
    world: &World,
    register: &Register,
    ids: &[String],
    quick: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut silent, mut telling) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..3 {
        for (level, least) in [(Level::Warn, &mut silent), (Level::Info, &mut telling)] {
            let service = world.serve(register, 1, level)?;
            let token = world.token(&service).await?;
            let sender = world.signed(service.address(), Algorithm::Ed25519, &token)?;
            let count = if quick { 1_000 } else { 8_000 };
            let asks: Vec<Ask<'_>> = ids.iter().cycle().take(count).map(|id| Ask::Read(id)).collect();
            let outcome = load::run(&service, sender.prepare_all(&asks)?, 16, false).await?;
            service.stop()?;
            *least = least.min(outcome.each_us(outcome.cpu));
        }
    }
    report.fact("Investord on SQLite: a log line per request (level info)", telling - silent, "µs");
    Ok(())
}

/// Resident memory of a service that has been under load.
pub fn memory(name: &str, service: &Service, report: &mut Report) -> anyhow::Result<()> {
    let (now, peak) = service.memory()?;
    report.fact(&format!("{name}: resident memory"), mib(now), "MiB");
    report.fact(&format!("{name}: resident memory at its peak"), mib(peak), "MiB");
    Ok(())
}
