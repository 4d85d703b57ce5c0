//! The server under test: the real binary in a process of its own, and what Linux says about it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks at a server that does not listen yet.
const LOOK: Duration = Duration::from_micros(200);

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From the start of the process to the first 200 of `/readyz`.
    pub cold_start: Duration,
}

impl Server {
    /// `investord serve`, its log in a file.
    pub fn serve(binary: &Path, config: &Path, log: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        let mut command = command(binary);
        command.arg("serve").arg("--config").arg(config).arg("--listen").arg(address.to_string());
        command.stderr(fs::File::create(log)?);
        Self::start(command, address).with_context(|| format!("the log is {}", log.display()))
    }

    /// `investord dev`.
    pub fn dev(binary: &Path, data: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        let mut command = command(binary);
        command.arg("dev").arg("--data").arg(data).arg("--listen").arg(address.to_string());
        command.stderr(Stdio::null());
        Self::start(command, address)
    }

    fn start(mut command: Command, address: SocketAddr) -> anyhow::Result<Self> {
        let started = Instant::now();
        let child = command.spawn().context("cannot start the server")?;
        let mut server = Self { child, address, cold_start: Duration::ZERO };
        while !server.is_ready() {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended at start: {status}");
            }
            if started.elapsed() > PATIENCE {
                bail!("the server does not become ready");
            }
            std::thread::sleep(LOOK);
        }
        server.cold_start = started.elapsed();
        Ok(server)
    }

    fn is_ready(&self) -> bool {
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        asked().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of all threads, user and system, to the nanosecond. Threads that end take theirs with them:
    /// an idle one does after ten seconds, having used none.
    pub fn cpu_by_thread(&self) -> anyhow::Result<Vec<(String, Duration)>> {
        let mut threads = Vec::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let path = entry?.path();
            let Ok(text) = fs::read_to_string(path.join("schedstat")) else { continue };
            threads.push((path.to_string_lossy().into_owned(), on_cpu(&text)?));
        }
        Ok(threads)
    }

    /// Resident memory now and at its peak, in bytes.
    pub fn memory(&self) -> anyhow::Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let field = |name: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such field")?;
            let kibibytes: u64 = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse()?;
            Ok(kibibytes * 1024)
        };
        Ok((field("VmRSS")?, field("VmHWM")?))
    }

    /// SIGTERM, and until the process has ended.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let sent = Command::new("kill").arg(self.id().to_string()).status()?;
        anyhow::ensure!(sent.success(), "kill: {sent}");
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("the server does not stop")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to be said to a caller, and after `stop` nothing is left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
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

/// CPU time of the thread that asks; after a nap, because Linux books it when a thread stops running.
pub fn own_cpu() -> anyhow::Result<Duration> {
    std::thread::sleep(Duration::from_millis(1));
    on_cpu(&fs::read_to_string("/proc/thread-self/schedstat")?)
}

/// The first number of a `schedstat` file: nanoseconds on a CPU.
fn on_cpu(schedstat: &str) -> anyhow::Result<Duration> {
    let nanoseconds = schedstat.split_whitespace().next().context("an empty schedstat")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
