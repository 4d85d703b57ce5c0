//! What a request about a user costs when much has happened to them: with 10, 1,000 and 100,000 decided checks, and as
//! many finished data changes. A write shall not cost more for it.

use std::time::{Duration, Instant};

use anyhow::ensure;
use http_message_signatures::Algorithm;

use crate::load::{self, Outcome};
use crate::report::Report;
use crate::requests::{Ask, Sender};
use crate::server::Service;
use crate::world::{Level, Register, World};

/// How much has happened, one size after the other to the same user.
const SIZES: [usize; 3] = [10, 1_000, 100_000];
/// Reads of each kind that are measured, one after the other.
const READS: usize = 400;
/// How much of a user may wait to be decided, by default.
const OPEN: usize = 100;
const LOOK: Duration = Duration::from_millis(1);
/// How long what was filed may take to be decided.
const PATIENCE: Duration = Duration::from_mins(1);

/// What fills a history.
struct Matter {
    name: &'static str,
    path: &'static str,
    /// What stands before the path where the history is read.
    read_below: &'static str,
    body: &'static str,
}

const MATTERS: [Matter; 2] = [
    Matter {
        name: "decided checks",
        path: "/checks",
        read_below: "",
        body: include_str!("../../../../api/examples/create-check-kyc.json"),
    },
    Matter {
        name: "finished data changes",
        path: "/data_change_requests",
        read_below: "/investord",
        body: include_str!("../../../../api/examples/change-byol.json"),
    },
];

/// Measures on SQLite, with a user for each kind of history.
pub async fn measure(world: &World, report: &mut Report, quick: bool) -> anyhow::Result<()> {
    let register = world.sqlite()?;
    let service = world.serve(&register, 1, Level::Warn)?;
    let token = world.token(&service).await?;
    let sender = world.signed(service.address(), Algorithm::Ed25519, &token)?;
    let bench = Bench { service: &service, sender: &sender, register: &register };
    for (number, matter) in MATTERS.iter().enumerate() {
        report.section(&format!("A user with many {}, one connection", matter.name));
        let created = load::run(&service, vec![sender.prepare(&Ask::Create(number))?], 1, true).await?;
        let (id, mut there) = (created.ids[0].as_str(), 0);
        for size in &SIZES[..if quick { 2 } else { SIZES.len() }] {
            while there < *size {
                let more = OPEN.min(size - there);
                bench.file(matter, id, more, 16).await?;
                there += more;
            }
            let before = service.cpu()?.0;
            let filed = bench.file(matter, id, OPEN, 1).await?;
            there += OPEN;
            let both = filed.each_us(service.cpu()?.0.since(&before));
            report.fact(&format!("{size}: CPU of one more"), filed.each_us(filed.cpu), "µs");
            report.fact(&format!("{size}: CPU of one more and its decision"), both, "µs");
            for (name, ask) in [
                ("the user", Ask::Read(id)),
                ("a page of 100 of the history", Ask::Page(matter.read_below, id, matter.path)),
                ("the reporting answer", Ask::Reporting(id)),
            ] {
                let reads = bench.send(&ask, READS, 1).await?;
                report.fact(&format!("{size}: CPU of {name}"), reads.each_us(reads.cpu), "µs");
            }
        }
    }
    service.stop()
}

struct Bench<'a> {
    service: &'a Service,
    sender: &'a Sender,
    register: &'a Register,
}

impl Bench<'_> {
    async fn send(&self, ask: &Ask<'_>, count: usize, connections: usize) -> anyhow::Result<Outcome> {
        let prepared = (0..count).map(|_| self.sender.prepare(ask)).collect::<anyhow::Result<_>>()?;
        load::run(self.service, prepared, connections, false).await
    }

    /// Files so many matters of a user, and waits until all are decided.
    async fn file(
        &self,
        matter: &Matter,
        id: &str,
        count: usize,
        connections: usize,
    ) -> anyhow::Result<Outcome> {
        let outcome = self.send(&Ask::File(id, matter.path, matter.body), count, connections).await?;
        let asked = Instant::now();
        while self.waiting()? > 0 {
            ensure!(asked.elapsed() < PATIENCE, "what was filed is not decided");
            tokio::time::sleep(LOOK).await;
        }
        Ok(outcome)
    }

    /// How many matters are not decided yet.
    fn waiting(&self) -> anyhow::Result<u32> {
        let Register::Sqlite(folder) = self.register else { return Ok(0) };
        let connection = rusqlite::Connection::open(folder.join("investord.db"))?;
        Ok(connection.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))?)
    }
}
