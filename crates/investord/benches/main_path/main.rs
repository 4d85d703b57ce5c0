//! The main path under load: what a request costs the server, beyond the one signature check it cannot avoid; on
//! both engines, with very many users, and beside services of other makes.
//!
//! `cargo bench -p investord --bench main_path [-- --all] [--quick]`; see docs/benchmarks.md. Linux only: the CPU
//! time of the server is read from `/proc`.

mod aims;
mod bulk;
mod checks;
mod cpu;
mod database;
mod deliveries;
mod histories;
mod load;
mod peers;
mod people;
mod receivers;
mod report;
mod requests;
mod same_work;
mod server;
mod single;
mod sqlite_floor;
mod sustained;
mod works;
mod world;

use std::convert::Infallible;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum as _};

use aims::OWN;
use checks::Checks;
use database::Server;
use report::Report;
use works::{Contestant, MAIN_PATH, PAGE, Plan, Work};
use world::{KEYS, Level, Register, World};

const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// What `--all` loads through the store.
const VERY_MANY: usize = 2_000_000;

/// Events that wait in what `--all` measures of deliveries.
const BACKLOG: usize = 1_000_000;

/// Measures the server of this build.
#[derive(Parser)]
#[command(name = "main_path")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct Options {
    /// Everything that docs/benchmarks.md shows: SQLite, PostgreSQL with one process and with two, the neighbours,
    /// and 2,000,000 users.
    #[arg(long)]
    all: bool,
    /// Few requests and few users: minutes, figures that waver.
    #[arg(long)]
    quick: bool,
    /// Users in the register.
    #[arg(long)]
    users: Option<usize>,
    /// `sqlite`; `postgres` for a server of our own with default settings, that goes when the run ends; or the URL of
    /// one on which databases may be made, without TLS. Repeatable. [default: sqlite]
    #[arg(long, value_name = "DATABASE")]
    database: Vec<Base>,
    /// Processes that serve one PostgreSQL database; repeatable. [default: 1]
    #[arg(long, value_name = "NUMBER")]
    processes: Vec<usize>,
    /// Measures lists, sizes and starts with so many users too, loaded through the store.
    #[arg(long, value_name = "USERS")]
    bulk: Option<usize>,
    /// Measures the neighbours of bench/peers too, on the same PostgreSQL server.
    #[arg(long)]
    peers: bool,
    /// Measures another build of the program too, each on registers that it has filled: what a change costs.
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
    /// Measures how events are delivered too, with so many that wait.
    #[arg(long, value_name = "EVENTS")]
    deliveries: Option<usize>,
    /// Measures what it costs that much has happened to a user too, on SQLite.
    #[arg(long)]
    histories: bool,
    /// Measures creates at full speed for so many seconds; nothing else without --all.
    #[arg(long, value_name = "SECONDS")]
    sustained: Option<u64>,
    /// Connections of --sustained; repeatable.
    #[arg(long, value_name = "NUMBER", default_values_t = [16, 64])]
    connections: Vec<usize>,
    /// Draws what --sustained measures into this folder, as SVG.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Writes the figures as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the databases lie; a folder on the disk that is to be measured.
    #[arg(long, value_name = "DIR", default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Measures these works alone; repeatable.
    #[arg(long, value_enum, value_name = "WORK")]
    only: Vec<Work>,
    /// What cargo says to a benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A database that was asked for.
#[derive(Clone, PartialEq)]
enum Base {
    Sqlite,
    /// The URL of a server that runs already.
    Postgres(Option<String>),
}

impl FromStr for Base {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "sqlite" => Self::Sqlite,
            "postgres" => Self::Postgres(None),
            url => Self::Postgres(Some(url.to_owned())),
        })
    }
}

impl Options {
    fn databases(&self) -> Vec<Base> {
        match (&self.database[..], self.all) {
            ([], true) => vec![Base::Sqlite, Base::Postgres(None)],
            ([], false) => vec![Base::Sqlite],
            (given, _) => given.to_vec(),
        }
    }

    fn processes(&self) -> Vec<usize> {
        match (&self.processes[..], self.all) {
            ([], true) => vec![1, 2],
            ([], false) => vec![1],
            (given, _) => given.to_vec(),
        }
    }

    fn users(&self) -> usize {
        self.users.unwrap_or(if self.quick { 5_000 } else { 200_000 })
    }

    fn bulk(&self) -> Option<usize> {
        self.bulk.or(self.all.then_some(if self.quick { 20_000 } else { VERY_MANY }))
    }

    fn deliveries(&self) -> Option<usize> {
        self.deliveries.or(self.all.then_some(if self.quick { 20_000 } else { BACKLOG }))
    }

    fn sustained(&self) -> Option<Duration> {
        let default = self.all.then_some(if self.quick { 6 } else { 60 });
        self.sustained.or(default).map(Duration::from_secs)
    }

    /// Whether more is to be measured than `--deliveries` or `--histories` alone.
    fn main_path(&self) -> bool {
        self.all || (self.deliveries.is_none() && !self.histories)
    }

    fn peers(&self) -> bool {
        self.peers || self.all
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if !options.bench {
        println!("A benchmark, not a test: cargo bench -p investord --bench main_path");
        return Ok(());
    }
    ensure!(options.users() >= 2 * PAGE, "at least {} users", 2 * PAGE);
    ensure!(options.bulk().is_none_or(|users| users >= 2 * PAGE), "at least {} users", 2 * PAGE);
    ensure!(options.processes().iter().all(|processes| *processes > 0), "at least one process");
    fs::create_dir_all(&options.dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(run(&options))?;
    println!("\n{}", report.text());
    if let Some(file) = &options.json {
        let json = serde_json::to_string_pretty(&report.json())?;
        fs::write(file, json).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

async fn run(options: &Options) -> anyhow::Result<Report> {
    let mut report = Report::new(options.users());
    report.about = report::machine(&options.dir);
    if options.peers() {
        report.about.push(peers::versions()?.join(", "));
    }
    let bases = options.databases();
    let url = |base: &Base| match base {
        Base::Postgres(url) => Some(url.clone()),
        Base::Sqlite => None,
    };
    let urls: Vec<Option<String>> = bases.iter().filter_map(url).collect();
    ensure!(urls.len() <= 1, "one PostgreSQL server at a time");
    let server = match urls.first().cloned().or(options.peers().then_some(None)) {
        Some(url) => Some(Server::open(url.as_deref(), &options.dir).await?),
        None => None,
    };
    if let Some(server) = &server {
        report.about.insert(2, format!("PostgreSQL {}", server.about));
    }
    let world = World::new(&options.dir, None)?;
    let other =
        options.against.as_deref().map(|binary| World::new(&options.dir, Some(binary))).transpose()?;
    let measured = measure(options, &world, other.as_ref(), server.as_ref(), &mut report).await;
    if let Some(server) = server {
        server.clear().await?;
    }
    if measured.is_err() {
        println!("\n{}", report.text());
    }
    measured.map(|()| report)
}

async fn measure(
    options: &Options,
    world: &World,
    other: Option<&World>,
    server: Option<&Server>,
    report: &mut Report,
) -> anyhow::Result<()> {
    report.section("The machine");
    report.fact("a write of 4 KiB and its fdatasync", single::sync_cost(world.folder())?, "ms");
    if let Some(events) = options.deliveries() {
        deliveries::measure(options, world, server, events, report).await?;
    }
    if options.histories || options.all {
        histories::measure(world, report, options.quick).await?;
    }
    if !options.main_path() {
        return Ok(());
    }
    let (mut registers, mut contestants) = (Vec::new(), Vec::new());
    for (build, world) in [("", Some(world)), ("other build, ", other)] {
        let Some(world) = world else { continue };
        for loaded in fill(options, world, server, report).await? {
            let loaded = Loaded { name: format!("{build}{}", loaded.name), ..loaded };
            contestants.push(contestant(options, world, &loaded).await?);
            registers.push(loaded);
        }
    }
    if let Some(server) = server.filter(|_| options.peers()) {
        contestants.extend(peers::start(world, server, options.users()).await?);
        contestants.push(same_work::start(world, server, options.users()).await?);
    }
    let (mut checks, mut person) = (Checks::new(world, options.quick)?, options.users());
    works::warm(&contestants, options.quick, &mut person).await?;
    if options.all || options.sustained.is_none() {
        let (groups, connections) = (&MAIN_PATH, &CONNECTIONS);
        let plan = Plan { groups, connections, rounds: 3, quick: options.quick, only: &options.only };
        report.rows = works::measure(&contestants, &plan, &mut checks, &mut person).await?;
    }
    if let Some(server) = server.filter(|_| options.peers()) {
        report.section("PostgreSQL: the statements of the same work alone");
        same_work::floor(server, options.users(), report).await?;
    }
    if options.peers() {
        report.section("SQLite: the statements of a create alone");
        sqlite_floor::measure(world, report)?;
    }
    if let Some(length) = options.sustained() {
        report.section("Creates at full speed for a longer time");
        for contestant in contestants.iter().filter(|one| one.service.processes.len() == 1) {
            sustained::measure(contestant, length, options, &mut person, report).await?;
        }
    }
    checks.tell(report);
    report.section("After the load");
    for Contestant { name, service, .. } in contestants {
        if name.starts_with(OWN) {
            single::memory(&name, &service, report)?;
            service.stop()?;
        }
    }
    if let Some(Loaded { register, ids, .. }) =
        registers.iter().find(|loaded| matches!(loaded.register, Register::Sqlite(_)))
    {
        single::log_cost(world, register, ids, options.quick, report).await?;
    }
    match options.bulk() {
        Some(users) => bulk::measure(options, world, server, users, report).await,
        None => Ok(()),
    }
}

/// Serves a register that has been filled.
async fn contestant(options: &Options, world: &World, loaded: &Loaded) -> anyhow::Result<Contestant> {
    let service = world.serve(&loaded.register, loaded.processes, Level::Warn)?;
    let token = world.token(&service).await?;
    let signed = |kind| world.signed(service.address(), kind, &token);
    let senders = KEYS.into_iter().map(signed).collect::<anyhow::Result<_>>()?;
    let (name, ids) = (format!("{OWN}{}", loaded.name), Rc::clone(&loaded.ids));
    Ok(Contestant { name, service, senders, works: Work::value_variants(), ids, users: options.users() })
}

/// A register that has been filled, and how it is to be served.
struct Loaded {
    name: String,
    register: Register,
    processes: usize,
    ids: Rc<Vec<String>>,
}

/// Fills a register in each database that was asked for.
async fn fill(
    options: &Options,
    world: &World,
    server: Option<&Server>,
    report: &mut Report,
) -> anyhow::Result<Vec<Loaded>> {
    let mut registers = Vec::new();
    for base in options.databases() {
        match (base, server) {
            (Base::Postgres(_), Some(server)) => {
                registers.extend(postgres(options, world, server, report).await?);
            }
            _ => registers.push(sqlite(options, world, report).await?),
        }
    }
    Ok(registers)
}

async fn sqlite(options: &Options, world: &World, report: &mut Report) -> anyhow::Result<Loaded> {
    let times = if options.quick { 5 } else { 20 };
    report.section("SQLite");
    single::cold_starts(world, times, report)?;
    let register = world.sqlite()?;
    let ids = single::fill(world, &register, options.users(), report).await?;
    single::sizes(&register, options.users(), report).await?;
    single::warm_starts(world, &register, times, report)?;
    Ok(Loaded { name: register.engine().to_owned(), register, processes: 1, ids })
}

/// One database is filled; every other number of processes gets a copy.
async fn postgres(
    options: &Options,
    world: &World,
    server: &Server,
    report: &mut Report,
) -> anyhow::Result<Vec<Loaded>> {
    report.section("PostgreSQL");
    let first = server.database("first", None).await?;
    let register = World::postgres(first.clone(), server.process)?;
    let ids = single::fill(world, &register, options.users(), report).await?;
    single::sizes(&register, options.users(), report).await?;
    single::warm_starts(world, &register, if options.quick { 5 } else { 20 }, report)?;
    let mut registers = Vec::new();
    for processes in options.processes() {
        let url = server.database(&format!("processes_{processes}"), Some(&first)).await?;
        database::settle(&url).await?;
        let plural = if processes == 1 { "" } else { "es" };
        let name = format!("PostgreSQL, {processes} process{plural}");
        let register = Register::Postgres(url, server.process);
        registers.push(Loaded { name, register, processes, ids: Rc::clone(&ids) });
    }
    Ok(registers)
}
