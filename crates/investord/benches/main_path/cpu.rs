//! What Linux says about processes: their CPU time and memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use anyhow::Context;

/// `sysconf(_SC_CLK_TCK)`: 100 on every architecture that this runs on.
const TICK: Duration = Duration::from_millis(10);

/// The CPU time, user and system, of processes and all their descendants, at one moment.
pub struct Cpu {
    /// By process and thread, to the nanosecond.
    threads: BTreeMap<(u32, u32), Duration>,
    /// Of descendants that have ended, to the tick.
    ended: Duration,
}

impl Cpu {
    pub fn of(roots: &[u32]) -> anyhow::Result<Self> {
        let mut cpu = Self { threads: BTreeMap::new(), ended: Duration::ZERO };
        for (process, ended) in family(roots)? {
            cpu.ended += ended;
            let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
            for task in tasks.flatten() {
                let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
                let thread = task.file_name().to_string_lossy().parse()?;
                cpu.threads.insert((process, thread), on_cpu(&text)?);
            }
        }
        Ok(cpu)
    }

    /// What has been used since. A process that ends leaves its time with its parent; a thread that ends takes
    /// its own with it: an idle one does after ten seconds, having used none.
    pub fn since(&self, before: &Self) -> Duration {
        let used: Duration = self
            .threads
            .iter()
            .map(|(thread, now)| now.saturating_sub(before.threads.get(thread).copied().unwrap_or_default()))
            .sum();
        let alive: BTreeSet<u32> = self.threads.keys().map(|(process, _)| *process).collect();
        let counted = before.threads.iter().filter(|((process, _), _)| !alive.contains(process));
        let counted: Duration = counted.map(|(_, then)| *then).sum();
        used + self.ended.saturating_sub(before.ended).saturating_sub(counted)
    }
}

/// Processes and all that descend from them, each with the CPU time of its children that have ended.
fn family(roots: &[u32]) -> anyhow::Result<Vec<(u32, Duration)>> {
    let mut all: BTreeMap<u32, (u32, Duration)> = BTreeMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        all.insert(process, parent_and_ended(&stat).context("an odd /proc/PID/stat")?);
    }
    let (mut family, mut next) = (Vec::new(), roots.to_vec());
    while let Some(process) = next.pop() {
        if let Some((_, ended)) = all.get(&process) {
            family.push((process, *ended));
            next.extend(all.iter().filter(|(_, (parent, _))| *parent == process).map(|(child, _)| *child));
        }
    }
    Ok(family)
}

/// Processes and all that descend from them.
pub fn processes(roots: &[u32]) -> anyhow::Result<Vec<u32>> {
    Ok(family(roots)?.into_iter().map(|(process, _)| process).collect())
}

/// The parent, and the time of children that were waited for: fields 4, 16 and 17 (proc(5)).
fn parent_and_ended(stat: &str) -> Option<(u32, Duration)> {
    // The name before it may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u32 = fields.get(13)?.parse::<u32>().ok()? + fields.get(14)?.parse::<u32>().ok()?;
    Some((fields.get(1)?.parse().ok()?, TICK * ticks))
}

/// The parent of a process of this machine, if it is one of PostgreSQL.
pub fn postmaster(backend: u32) -> Option<u32> {
    let command = fs::read_to_string(format!("/proc/{backend}/cmdline")).ok()?;
    let stat = fs::read_to_string(format!("/proc/{backend}/stat")).ok()?;
    command.starts_with("postgres:").then(|| parent_and_ended(&stat))?.map(|(parent, _)| parent)
}

/// Resident memory of a process now and at its peak, in bytes.
pub fn memory(process: u32) -> anyhow::Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| -> anyhow::Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such field")?;
        let kibibytes: u64 = line.trim_matches([':', ' ', '\t', 'k', 'B']).parse()?;
        Ok(kibibytes * 1024)
    };
    Ok((field("VmRSS")?, field("VmHWM")?))
}

/// CPU time of the thread that asks; after a nap, because Linux books it when a thread stops running.
pub fn own() -> anyhow::Result<Duration> {
    std::thread::sleep(Duration::from_millis(1));
    on_cpu(&fs::read_to_string("/proc/thread-self/schedstat")?)
}

/// The first number of a `schedstat` file: nanoseconds on a CPU.
fn on_cpu(schedstat: &str) -> anyhow::Result<Duration> {
    let nanoseconds = schedstat.split_whitespace().next().context("an empty schedstat")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
