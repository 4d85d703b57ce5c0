//! The main path under load: what a request costs the server, beyond the one signature check it cannot avoid.
//!
//! `cargo bench -p investord --bench main_path [-- --quick]`; see docs/benchmarks.md. Linux only: the CPU time
//! of the server is read from `/proc`.

mod load;
mod report;
mod requests;
mod server;
mod world;

use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use httpsig::KeyKind;
use investord::clock::{Ids, SeededIds};

use report::{Report, Row};
use requests::{Ask, Sender};
use world::{Level, World};

const KEYS: [KeyKind; 2] = [KeyKind::P521, KeyKind::Ed25519];
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Users that are signed for at once while loading: the last of them is sent long before it expires.
const CHUNK: usize = 20_000;
const PAGE: usize = 100;
/// Each row is the middle one of so many rounds, by CPU beyond the check.
const ROUNDS: usize = 5;
/// Operations whose rounds alternate: both ends of the list meet the same noise.
const GROUPS: [&[Operation]; 4] = [
    &[Operation::Token],
    &[Operation::Read],
    &[Operation::ListStart, Operation::ListEnd],
    &[Operation::Create],
];
const MIB: f64 = 1024.0 * 1024.0;

/// Measures the server of this build.
#[derive(Parser)]
#[command(name = "main_path")]
struct Options {
    /// Few requests and 5,000 users: a minute, figures that waver.
    #[arg(long)]
    quick: bool,
    /// Users in the register.
    #[arg(long)]
    users: Option<usize>,
    /// Writes the figures as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the database lies; a folder on the disk that is to be measured.
    #[arg(long, value_name = "DIR", default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Measures these operations alone; repeatable.
    #[arg(long, value_enum, value_name = "OPERATION")]
    only: Vec<Operation>,
    /// What cargo says to a benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Operation {
    Token,
    Read,
    ListStart,
    ListEnd,
    Create,
}

impl Operation {
    fn name(self, users: usize) -> String {
        match self {
            Self::Token => "token".into(),
            Self::Read => "read".into(),
            Self::ListStart => "list 100 at 0".into(),
            Self::ListEnd => format!("list 100 at {}", users - PAGE),
            Self::Create => "create".into(),
        }
    }

    /// Microseconds of CPU beyond the check that are aimed at.
    fn aim(self) -> Option<f64> {
        match self {
            Self::Read => Some(40.0),
            Self::Create => Some(120.0),
            _ => None,
        }
    }

    /// Requests of one round.
    fn requests(self, connections: usize, quick: bool) -> usize {
        let (one, more) = match (self, quick) {
            (Self::Token, false) => (400, 2_500),
            (Self::Token, true) => (60, 300),
            (Self::Read, false) => (2_500, 8_000),
            (Self::Read, true) => (300, 1_200),
            (Self::ListStart | Self::ListEnd, false) => (250, 800),
            (Self::ListStart | Self::ListEnd, true) => (50, 150),
            (Self::Create, false) => (600, 4_000),
            (Self::Create, true) => (100, 600),
        };
        if connections == 1 { one } else { more }
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if !options.bench {
        println!("A benchmark, not a test: cargo bench -p investord --bench main_path");
        return Ok(());
    }
    let users = options.users.unwrap_or(if options.quick { 5_000 } else { 200_000 });
    ensure!(users >= 2 * PAGE, "at least {} users", 2 * PAGE);
    fs::create_dir_all(&options.dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure(&options, users))?;
    print!("\n{}", report.text());
    if let Some(file) = &options.json {
        let json = serde_json::to_string_pretty(&report.json())?;
        fs::write(file, json).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

async fn measure(options: &Options, users: usize) -> anyhow::Result<Report> {
    let world = World::new(&options.dir)?;
    let mut report = Report::new(users);
    report.fact("a write of 4 KiB and its fdatasync", sync_cost(world.folder())? * 1e3, "ms");
    cold_starts(&world, if options.quick { 5 } else { 20 }, &mut report)?;
    let ids = fill(&world, users, &mut report).await?;
    sizes(&world, users, &mut report)?;
    warm_starts(&world, if options.quick { 5 } else { 20 }, &mut report)?;

    let server = world.serve(&world.data(), Level::Warn)?;
    let token = world.token(&server).await?;
    let chance = SeededIds::new(1);
    let mut person = users;
    let mut checks = KEYS.map(|kind| Checks { kind, alone: Vec::new(), together: Vec::new() });
    for group in GROUPS {
        let group = group.iter().filter(|own| options.only.is_empty() || options.only.contains(own));
        let group: Vec<_> = group.copied().collect();
        for checks in &mut checks {
            let sender = world.sender(&server, checks.kind, &token)?;
            for connections in CONNECTIONS {
                let mut rounds: Vec<Vec<Row>> = group.iter().map(|_| Vec::new()).collect();
                for _ in 0..ROUNDS {
                    for (operation, rows) in group.iter().zip(&mut rounds) {
                        let asks: Vec<Ask<'_>> = (0..operation.requests(connections, options.quick))
                            .map(|_| match operation {
                                Operation::Token => Ask::Token,
                                Operation::Read => Ask::Read(&ids[pick(&chance, ids.len())]),
                                Operation::ListStart => Ask::List { offset: 0 },
                                Operation::ListEnd => Ask::List { offset: users - PAGE },
                                Operation::Create => {
                                    person += 1;
                                    Ask::Create(person)
                                }
                            })
                            .collect();
                        let prepared = sender.prepare_all(&asks)?;
                        let before = checks.measure(&sender, &ids[0], options.quick)?;
                        let outcome = load::run(&server, prepared, connections, false).await?;
                        let after = checks.measure(&sender, &ids[0], options.quick)?;
                        // One connection leaves a core to itself, more keep all of them busy.
                        let (before, after) =
                            if connections == 1 { (before.0, after.0) } else { (before.1, after.1) };
                        rows.push(Row {
                            key: checks.kind.name(),
                            operation: operation.name(users),
                            connections,
                            outcome,
                            check_us: f64::midpoint(before, after),
                            aim_us: operation.aim(),
                        });
                    }
                }
                for mut rows in rounds {
                    rows.sort_by(|one, other| one.beyond_us().total_cmp(&other.beyond_us()));
                    let row = rows.swap_remove(rows.len() / 2);
                    eprintln!("{}", row.line());
                    report.rows.push(row);
                }
            }
        }
    }
    for Checks { kind, alone, together } in checks {
        let name = kind.name();
        report.fact(&format!("one {name} check, one thread, median"), middle(alone), "µs");
        report.fact(&format!("one {name} check, all cores busy, median"), middle(together), "µs");
    }
    let (resident, peak) = server.memory()?;
    report.fact("resident memory after the load", mib(resident), "MiB");
    report.fact("resident memory at its peak", mib(peak), "MiB");
    server.stop()?;
    report.compare_lists();
    log_cost(&world, &ids, options.quick, &mut report).await?;
    Ok(report)
}

fn pick(chance: &SeededIds, below: usize) -> usize {
    let mut bytes = [0; 8];
    chance.fill(&mut bytes);
    usize::try_from(u64::from_le_bytes(bytes) % below as u64).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// Seconds that the disk takes to make a small write durable, the median of 200.
fn sync_cost(folder: &Path) -> anyhow::Result<f64> {
    let mut file = fs::File::create(folder.join("sync"))?;
    let mut took = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(started.elapsed());
    }
    Ok(median(took).as_secs_f64())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Starts in folders that are empty.
fn cold_starts(world: &World, times: usize, report: &mut Report) -> anyhow::Result<()> {
    let (mut serve, mut dev, mut memory) = (Vec::new(), Vec::new(), 0);
    for _ in 0..times {
        let folder = world.fresh()?;
        let server = world.serve(&folder, Level::Warn)?;
        serve.push(server.cold_start);
        // Everything that runs once after the start has run by then.
        std::thread::sleep(Duration::from_millis(50));
        memory = server.memory()?.0;
        server.stop()?;
        let server = world.dev()?;
        dev.push(server.cold_start);
        server.stop()?;
    }
    report.fact("cold start of serve, empty folder", median(serve).as_secs_f64() * 1e3, "ms");
    report.aimed("cold start of dev, empty folder", median(dev).as_secs_f64() * 1e3, "ms", 50.0);
    report.aimed("resident memory, idle, empty register", mib(memory), "MiB", 25.0);
    Ok(())
}

/// Starts on the register that has been filled.
fn warm_starts(world: &World, times: usize, report: &mut Report) -> anyhow::Result<()> {
    let (mut serve, mut memory) = (Vec::new(), 0);
    for _ in 0..times {
        let server = world.serve(&world.data(), Level::Warn)?;
        serve.push(server.cold_start);
        std::thread::sleep(Duration::from_millis(50));
        memory = server.memory()?.0;
        server.stop()?;
    }
    report.fact("cold start of serve, full register", median(serve).as_secs_f64() * 1e3, "ms");
    report.aimed("resident memory, idle, full register", mib(memory), "MiB", 25.0);
    Ok(())
}

/// Creates the users through the API; their ids.
async fn fill(world: &World, users: usize, report: &mut Report) -> anyhow::Result<Vec<String>> {
    let server = world.serve(&world.data(), Level::Warn)?;
    let token = world.token(&server).await?;
    let sender = world.sender(&server, KeyKind::Ed25519, &token)?;
    let (mut ids, mut took, mut cpu) = (Vec::with_capacity(users), Duration::ZERO, Duration::ZERO);
    while ids.len() < users {
        let to = users.min(ids.len() + CHUNK);
        let asks: Vec<Ask<'_>> = (ids.len()..to).map(Ask::Create).collect();
        let outcome = load::run(&server, sender.prepare_all(&asks)?, 64, true).await?;
        took += outcome.took;
        cpu += outcome.cpu;
        ids.extend(outcome.ids);
        eprintln!("{} users", ids.len());
    }
    let (resident, _) = server.memory()?;
    server.stop()?;
    let users = f64::from(u32::try_from(users)?);
    report.fact("loading: creates per second, Ed25519, 64 connections", users / took.as_secs_f64(), "/s");
    report.fact("loading: server CPU per create", cpu.as_secs_f64() * 1e6 / users, "µs");
    report.fact("resident memory after loading", mib(resident), "MiB");
    Ok(ids)
}

/// What the users take on the disk, and in which tables.
fn sizes(world: &World, users: usize, report: &mut Report) -> anyhow::Result<()> {
    let users = f64::from(u32::try_from(users)?);
    let connection = rusqlite::Connection::open(world.data().join("investord.db"))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let events: u32 = connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0))?;
    report.fact("events per user", f64::from(events) / users, "");
    let by_table =
        "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat AS s JOIN sqlite_schema AS m ON m.name = s.name
                    WHERE m.tbl_name IN ('users', 'events', 'replies', 'nonces') GROUP BY 1 ORDER BY 2 DESC";
    let mut statement = connection.prepare(by_table)?;
    let tables = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?)))?;
    let tables = tables.collect::<Result<Vec<_>, _>>()?;
    drop(statement);
    connection.close().map_err(|(_, error)| error)?;
    let file = fs::metadata(world.data().join("investord.db"))?.len();
    report.fact("disk per user", mib(file) * MIB / users, "bytes");
    for (table, bytes) in tables {
        report.fact(&format!("… of it {table} and its indexes"), bytes / users, "bytes");
    }
    Ok(())
}

/// What one signature check costs, measured again and again during the run: the speed of a machine wavers.
struct Checks {
    kind: KeyKind,
    /// Microseconds of CPU on one thread, and the most of any thread when every core is at it.
    alone: Vec<f64>,
    together: Vec<f64>,
}

impl Checks {
    /// Measures; microseconds of CPU of one check, on one thread and when every core is at it.
    fn measure(&mut self, sender: &Sender<'_>, id: &str, quick: bool) -> anyhow::Result<(f64, f64)> {
        let signed: anyhow::Result<Vec<_>> =
            (0..16).map(|_| sender.base_and_signature(&Ask::Read(id))).collect();
        let (signed, key) = (signed?, sender.key.public());
        let enough = Duration::from_millis(if quick { 15 } else { 100 });
        let one = || -> anyhow::Result<f64> {
            let (before, started, mut checks) = (server::own_cpu()?, Instant::now(), 0_u32);
            while started.elapsed() < enough {
                for (base, signature) in &signed {
                    key.verify(black_box(base.as_bytes()), black_box(signature))?;
                    checks += 1;
                }
            }
            let cpu = server::own_cpu()?.saturating_sub(before);
            Ok(cpu.as_secs_f64() * 1e6 / f64::from(checks))
        };
        let alone = one()?;
        let cores = std::thread::available_parallelism()?.get();
        let together = std::thread::scope(|scope| -> anyhow::Result<f64> {
            let running: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
            let mut most = 0.0_f64;
            for thread in running {
                most = most.max(thread.join().ok().context("a checking thread panicked")??);
            }
            Ok(most)
        })?;
        self.alone.push(alone);
        self.together.push(together);
        Ok((alone, together))
    }
}

/// The median; 0 of nothing.
fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// What a line per request costs: reads with the log at `info` against reads at `warn`, the least of each.
async fn log_cost(world: &World, ids: &[String], quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let count = Operation::Read.requests(16, quick);
    let (mut silent, mut telling) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        for (level, least) in [(Level::Warn, &mut silent), (Level::Info, &mut telling)] {
            let server = world.serve(&world.data(), level)?;
            let token = world.token(&server).await?;
            let sender = world.sender(&server, KeyKind::Ed25519, &token)?;
            let asks: Vec<Ask<'_>> = ids.iter().cycle().take(count).map(|id| Ask::Read(id)).collect();
            let outcome = load::run(&server, sender.prepare_all(&asks)?, 16, false).await?;
            server.stop()?;
            *least = least.min(outcome.cpu_us());
        }
    }
    report.fact("a log line per request (level info)", telling - silent, "µs");
    Ok(())
}
