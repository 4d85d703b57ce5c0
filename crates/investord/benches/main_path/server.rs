//! The services under test, each one or more processes of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use testing::http::{BlockingConnection, peek};

use crate::cpu::{self, Cpu};

/// How long a service may take to start or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks at a service that does not listen yet.
const LOOK: Duration = Duration::from_micros(200);
const READY: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
/// A question for every service; Prism does not know the path, and answers all the same.
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";

/// A request that is made anew each time: the server refuses what was signed before it was started.
pub type Question<'a> = &'a dyn Fn() -> anyhow::Result<Vec<u8>>;

/// Asks whether the server is ready.
pub const IS_READY: Question<'static> = &|| Ok(READY.to_vec());
/// Asks whether a neighbour is there.
pub const IS_THERE: Question<'static> = &|| Ok(HEALTH.to_vec());

pub struct Process {
    child: Child,
    pub address: SocketAddr,
    /// From its start to the first answer.
    pub first_answer: Duration,
}

impl Process {
    /// `investord serve`, its log in a file. It has started when `question` is answered 200.
    pub fn serve(
        binary: &Path,
        config: &Path,
        log: &Path,
        address: SocketAddr,
        question: Question<'_>,
    ) -> anyhow::Result<Self> {
        let mut command = command(binary);
        command.arg("serve").arg("--config").arg(config).arg("--listen").arg(address.to_string());
        command.env("INVESTORD_METRICS_LISTEN", metrics_address(address).to_string());
        command.stderr(fs::File::create(log)?);
        Self::start(command, address, question, Some(200))
            .with_context(|| format!("the log is {}", log.display()))
    }

    /// `investord dev`.
    pub fn dev(binary: &Path, data: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        let mut command = command(binary);
        command.arg("dev").arg("--data").arg(data).arg("--listen").arg(address.to_string());
        command.stderr(Stdio::null());
        Self::start(command, address, IS_READY, Some(200))
    }

    /// Starts and asks again and again, until there is an answer; of this status, if one is given.
    pub fn start(
        mut command: Command,
        address: SocketAddr,
        question: Question<'_>,
        wanted: Option<u16>,
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        let child = command.spawn().context("cannot start")?;
        let mut process = Self { child, address, first_answer: Duration::ZERO };
        let answers = || -> anyhow::Result<bool> {
            let asked = question()?;
            let answer = BlockingConnection::open(address, None).and_then(|mut open| open.send(&asked));
            Ok(answer.is_ok_and(|answer| wanted.is_none_or(|status| answer.status == status)))
        };
        while !answers()? {
            if let Some(status) = process.child.try_wait()? {
                bail!("it ended at its start: {status}");
            }
            if started.elapsed() > PATIENCE {
                bail!("it does not become ready");
            }
            std::thread::sleep(LOOK);
        }
        process.first_answer = started.elapsed();
        Ok(process)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and until the process has ended.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let sent = Command::new("kill").arg(self.id().to_string()).status()?;
        anyhow::ensure!(sent.success(), "kill: {sent}");
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "it ended with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("it does not stop")
    }
}

impl Drop for Process {
    /// With its descendants, the oldest first: a parent would replace its children. After `stop` there is
    /// nothing left to kill.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let all = cpu::processes(&[self.id()]).unwrap_or_default();
            let _ = Command::new("kill").arg("-9").args(all.iter().map(ToString::to_string)).status();
            let _ = self.child.wait();
        }
    }
}

/// Where a server that answers clients here has its metrics.
fn metrics_address(clients: SocketAddr) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], clients.port() + 2000))
}

/// What answers requests: processes of the same kind, and the server of their database if it is not inside.
pub struct Service {
    pub processes: Vec<Process>,
    /// The process that all others of a PostgreSQL server of this machine descend from.
    pub database: Option<u32>,
}

impl Service {
    /// CPU time of the processes and of their database, with all that descends from them.
    pub fn cpu(&self) -> anyhow::Result<(Cpu, Option<Cpu>)> {
        let own: Vec<u32> = self.processes.iter().map(Process::id).collect();
        Ok((Cpu::of(&own)?, self.database.map(|process| Cpu::of(&[process])).transpose()?))
    }

    /// The address that requests name.
    pub fn address(&self) -> SocketAddr {
        self.processes[0].address
    }

    /// Resident memory of all processes now and at its peak, in bytes.
    pub fn memory(&self) -> anyhow::Result<(u64, u64)> {
        let mut sum = (0, 0);
        for process in &self.processes {
            let (now, peak) = cpu::memory(process.id())?;
            sum = (sum.0 + now, sum.1 + peak);
        }
        Ok(sum)
    }

    /// Mean of the units of work that a commit took so far, by the metrics of the first process.
    pub fn units_per_commit(&self) -> anyhow::Result<f64> {
        let (_, text) = peek(metrics_address(self.address()), "/metrics").context("no /metrics")?;
        let value = |name: &str| -> anyhow::Result<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            Ok(line.with_context(|| format!("/metrics has no {name}"))?.trim().parse()?)
        };
        Ok(value("investord_store_batch_units_sum")? / value("investord_store_batch_units_count")?)
    }

    pub fn stop(self) -> anyhow::Result<()> {
        self.processes.into_iter().try_for_each(Process::stop)
    }
}

/// The binary, with no configuration from the environment.
fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("INVESTORD_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// An address that nobody listens on.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
