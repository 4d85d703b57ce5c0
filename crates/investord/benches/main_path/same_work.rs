//! The neighbour that does the same work: Fastify and pg with signatures, encryption and a chain of events, and the
//! same statements without a service in front of them.

use std::process::{Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, ensure};
use url::Url;

use crate::cpu::Cpu;
use crate::database::{self, Server};
use crate::load;
use crate::peers::folder;
use crate::report::Report;
use crate::requests::Ask;
use crate::server::{self, Process, Service};
use crate::works::{Contestant, Work};
use crate::world::{KEYS, World};

pub const SAME_WORK: &str = "Fastify and pg, the same work";
const WORKS: &[Work] = &[Work::Read, Work::Create];
/// Users that are created through the service, to be read; all others are rows of the same size.
const READABLE: usize = 2_000;
/// Seconds for which the statements run alone.
const FLOOR_SECONDS: u32 = 10;

/// Starts it, with a database of its own that holds so many users.
pub async fn start(world: &World, server: &Server, users: usize) -> anyhow::Result<Contestant> {
    let url = server.database("same_work", None).await?;
    let address = server::free_address()?;
    let mut keys = serde_json::Map::new();
    for kind in KEYS {
        let key = world.key(kind)?;
        keys.insert(key.id.clone(), key.pair.public_key().to_spki_pem().into());
    }
    let mut command = Command::new(folder().join("fastify/start"));
    command.arg(address.port().to_string()).arg(&url);
    command.env("CLIENT_ID", &world.client_id).env("CLIENT_SECRET", &world.client_secret);
    command.env("CLIENT_KEYS", serde_json::Value::from(keys).to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let process = Process::start(command, address, server::IS_THERE, Some(200)).context(SAME_WORK)?;
    fill(&url, users).await?;
    let service = Service { processes: vec![process], database: server.process };
    let token = world.token(&service).await?;
    let signed = |kind| world.signed(address, kind, &token);
    let senders = KEYS.into_iter().map(signed).collect::<anyhow::Result<Vec<_>>>()?;
    let sender = senders.last().context("no keys")?;
    let asks: Vec<Ask<'_>> = (0..READABLE).map(Ask::Create).collect();
    let created = load::run(&service, sender.prepare_all(&asks)?, 16, true).await.context(SAME_WORK)?;
    database::settle(&url).await?;
    eprintln!("{SAME_WORK} is there");
    let (name, ids) = (SAME_WORK.to_owned(), Rc::new(created.ids));
    Ok(Contestant { name, service, senders, works: WORKS, ids, users })
}

/// Inserts rows as so many creates would have left.
async fn fill(url: &str, users: usize) -> anyhow::Result<()> {
    let client = database::connect(&Url::parse(url)?).await?;
    let rows = format!(
        "CREATE TEMPORARY TABLE rows AS
             SELECT number, gen_random_uuid() AS id FROM generate_series(1, {users}) AS number;
         INSERT INTO users SELECT id, now(), now(), 'ACTIVE', decode(repeat('ab', 60), 'hex'),
             decode(repeat('cd', 550), 'hex') FROM rows;
         INSERT INTO identifiers SELECT gen_random_uuid(), id, now(), decode(repeat('ab', 60), 'hex') FROM rows;
         INSERT INTO events SELECT number, gen_random_uuid(), id, 'USER.CREATED', now(),
             decode(repeat('ab', 650), 'hex'), sha256(id::text::bytea) FROM rows;
         INSERT INTO events SELECT number + {users}, gen_random_uuid(), id, 'USER.ACTIVATED', now(),
             decode(repeat('ab', 650), 'hex'), sha256(id::text::bytea) FROM rows;
         INSERT INTO idempotency SELECT gen_random_uuid(), sha256(id::text::bytea),
             decode(repeat('ab', 650), 'hex'), now() FROM rows;
         INSERT INTO nonces SELECT sha256(id::text::bytea), now() FROM rows;
         UPDATE chain SET number = 2 * {users}, hash = sha256('begin')"
    );
    client.batch_execute(&rows).await.context("rows of the same work")
}

/// Runs the statements of its create alone (`bench/peers/floor.pgbench`), on a database with as many rows.
pub async fn floor(server: &Server, users: usize, report: &mut Report) -> anyhow::Result<()> {
    let url = server.database("floor", None).await?;
    let schema = std::fs::read_to_string(folder().join("same_work.sql"))?;
    database::connect(&Url::parse(&url)?).await?.batch_execute(&schema).await?;
    fill(&url, users).await?;
    database::settle(&url).await?;
    for clients in [16, 64] {
        let before = server.process.map(|process| Cpu::of(&[process])).transpose()?;
        let options = format!("-n -M prepared -j 2 -c {clients} -T {FLOOR_SECONDS} -f");
        let mut pgbench = Command::new("pgbench");
        pgbench.args(options.split(' ')).arg(folder().join("floor.pgbench")).arg(&url);
        let output = pgbench.stderr(Stdio::inherit()).output().context("pgbench")?;
        ensure!(output.status.success(), "pgbench: {}", output.status);
        let said = String::from_utf8(output.stdout)?;
        report.fact(&format!("its statements alone, {clients} connections"), number(&said, "tps =")?, "/s");
        if let (Some(process), Some(before)) = (server.process, before) {
            let cpu = Cpu::of(&[process])?.since(&before).as_secs_f64() * 1e6;
            let done = number(&said, "number of transactions actually processed:")?;
            report.fact("CPU of PostgreSQL for each", cpu / done, "µs");
        }
    }
    Ok(())
}

/// Returns the number behind a title in what pgbench says.
fn number(said: &str, title: &str) -> anyhow::Result<f64> {
    let line = said.lines().find_map(|line| line.strip_prefix(title));
    let number = line.and_then(|rest| rest.split_whitespace().next()).and_then(|text| text.parse().ok());
    number.with_context(|| format!("pgbench says no {title}"))
}
