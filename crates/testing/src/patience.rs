//! Waits that end by progress and not by a clock.
//!
//! How long something takes depends on the machine: a slow or busy one is no fault of what is tested. A wait is given
//! up when nothing has shown a sign of life for [`PATIENCE`]: what is looked at has not changed, and the processes
//! under test have used no CPU time worth mentioning. It then says what it has waited for, what it saw instead, and
//! which processes were there.

use std::collections::HashMap;
use std::fmt::{self, Display, Write as _};
use std::fs;
use std::time::{Duration, Instant};

/// How long nothing may happen at all.
pub const PATIENCE: Duration = Duration::from_mins(4);

/// When a wait is given up.
#[derive(Clone, Copy)]
pub struct Limits {
    /// How long nothing may happen at all.
    pub quiet: Duration,
    /// Seconds of CPU time that are a sign of life. A server that has nothing to do needs longer than `quiet` for
    /// them; one that gets a twentieth of a core does not.
    pub sign: f64,
    /// Seconds of CPU time in which what is seen has to change: an endless loop shows signs of life for ever.
    pub work: f64,
}

const USUAL: Limits = Limits { quiet: PATIENCE, sign: 3.0, work: 900.0 };
/// How often the processes are looked at.
const LOOK: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Clock ticks of `/proc/PID/stat` in a second, which Linux has kept at this number on every architecture in use.
const TICKS: f64 = 100.0;

/// Whether the long forms of the tests are asked for: more work, and answers held to their times. That needs a machine
/// with nothing else to do.
pub fn long() -> bool {
    std::env::var_os("INVESTORD_TEST_LONG").is_some_and(|value| !["", "0"].iter().any(|off| value == *off))
}

/// The amount of work for a usual run, or for a long one.
pub fn amount<T>(usual: T, in_long: T) -> T {
    if long() { in_long } else { usual }
}

/// Prints how long something took. In a long run, on a quiet machine, it also has to be within the limit.
#[track_caller]
pub fn in_time(what: &str, took: Duration, limit: Duration) {
    println!("{what}: {took:.1?}, at most {limit:.1?} on a quiet machine");
    assert!(!long() || took <= limit, "{what}: {took:?}, which is longer than {limit:?}");
}

/// What one look gives: what was waited for, or what is there instead.
pub trait Look {
    type Found;
    fn seen(self) -> Result<Self::Found, String>;
}

impl<T> Look for Option<T> {
    type Found = T;

    fn seen(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: Display> Look for Result<T, E> {
    type Found = T;

    fn seen(self) -> Result<T, String> {
        self.map_err(|instead| instead.to_string())
    }
}

/// Polls until a look gives what is waited for. What it gives instead is a sign of life when it changes.
#[track_caller]
pub fn until<L: Look>(what: &str, mut look: impl FnMut() -> L) -> L::Found {
    let mut patience = Patience::new(what);
    loop {
        match look().seen() {
            Ok(found) => return found,
            Err(instead) => patience.sees(instead),
        }
        std::thread::sleep(patience.pause());
    }
}

/// [`until`] for looks that are taken asynchronously.
pub async fn until_async<L: Look>(what: &str, mut look: impl AsyncFnMut() -> L) -> L::Found {
    let mut patience = Patience::new(what);
    loop {
        match look().await.seen() {
            Ok(found) => return found,
            Err(instead) => patience.sees(instead),
        }
        tokio::time::sleep(patience.pause()).await;
    }
}

/// Polls until a count is reached; every increase is a sign of life.
#[track_caller]
pub fn until_count(what: &str, goal: i64, mut count: impl FnMut() -> i64) {
    until(what, || {
        let now = count();
        if now >= goal { Ok(()) } else { Err(format!("{now} of {goal}")) }
    });
}

/// Waits for something that this process does itself, or that answers it.
pub async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut patience = Patience::new(what).with_own_work();
    tokio::pin!(work);
    loop {
        match tokio::time::timeout(LOOK, &mut work).await {
            Ok(done) => return done,
            Err(_) => patience.sees("no end"),
        }
    }
}

/// A wait, for those who poll by themselves.
pub struct Patience {
    what: String,
    began: Instant,
    seen: String,
    /// Of the last look at the processes.
    looked: Instant,
    /// How long there has been no sign of life. Time in which this process was not run itself does not count.
    quiet: Duration,
    limits: Limits,
    own_work: bool,
    /// CPU time at the last sign of life, and since the last change of what is seen.
    base: f64,
    last: f64,
    work: f64,
}

impl Patience {
    pub fn new(what: impl Into<String>) -> Self {
        let now = Instant::now();
        Self {
            what: what.into(),
            began: now,
            seen: String::new(),
            looked: now,
            quiet: Duration::ZERO,
            limits: USUAL,
            own_work: false,
            base: 0.0,
            last: 0.0,
            work: 0.0,
        }
    }

    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// CPU time of this very process is a sign of life, too: what is tested runs in it.
    pub fn with_own_work(mut self) -> Self {
        self.own_work = true;
        self
    }

    /// Notes what there is instead of what is waited for; panics when that has been so for too long.
    #[track_caller]
    pub fn sees(&mut self, instead: impl Display) {
        if let Some(why) = self.is_exhausted(instead) {
            panic!("{why}");
        }
    }

    /// The same for those who have to tidy up first: the message, when it is time to give up.
    pub fn is_exhausted(&mut self, instead: impl Display) -> Option<String> {
        let awake = self.looked.elapsed();
        if awake < LOOK {
            return None;
        }
        self.looked = Instant::now();
        self.quiet += awake.min(2 * LOOK);
        let instead = instead.to_string();
        if self.seen != instead {
            self.seen = instead;
            (self.quiet, self.work) = (Duration::ZERO, 0.0);
        }
        let family = family();
        let skipped = usize::from(!self.own_work);
        let total: f64 = family.iter().skip(skipped).map(|process| process.cpu).sum();
        // A process that is gone has taken its time with it.
        self.work += (total - self.last).max(0.0);
        (self.base, self.last) = (self.base.min(total), total);
        if total - self.base >= self.limits.sign {
            (self.base, self.quiet) = (total, Duration::ZERO);
        }
        let reason = if self.quiet >= self.limits.quiet {
            format!("no sign of life for {} s", self.quiet.as_secs())
        } else if self.work >= self.limits.work {
            format!("{:.0} s of CPU time have changed nothing", self.work)
        } else {
            return None;
        };
        let (what, waited, seen) = (&self.what, self.began.elapsed().as_secs(), &self.seen);
        Some(format!("waited {waited} s for {what}: {reason}; seen instead: {seen}\n{}", listed(&family)))
    }

    /// Until the next look: short at first, and longer the longer it takes, so that looking is no load of its own.
    pub fn pause(&self) -> Duration {
        (self.began.elapsed() / 50).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}

/// A process, as `/proc` shows it.
struct Process {
    id: u32,
    parent: u32,
    name: String,
    state: String,
    /// Seconds, with those of its children that have ended.
    cpu: f64,
}

impl Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = fs::read(format!("/proc/{}/cmdline", self.id)).unwrap_or_default();
        let command: String =
            String::from_utf8_lossy(&command).replace('\0', " ").chars().take(120).collect();
        let command = if command.is_empty() { &self.name } else { &command };
        write!(f, "process {}, state {}, {:.1} s of CPU time: {command}", self.id, self.state, self.cpu)
    }
}

/// This process first, then its children and theirs; nothing where there is no `/proc`.
fn family() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut all: HashMap<u32, Process> = ids.filter_map(|id| Some((id, process(id)?))).collect();
    let mut family: Vec<Process> = all.remove(&std::process::id()).into_iter().collect();
    let mut at = 0;
    while at < family.len() {
        let parent = family[at].id;
        let mut children: Vec<u32> =
            all.values().filter(|process| process.parent == parent).map(|process| process.id).collect();
        children.sort_unstable();
        family.extend(children.into_iter().filter_map(|id| all.remove(&id)));
        at += 1;
    }
    family
}

/// proc(5): the name in brackets may hold anything; state, parent, and at 14 to 17 the times.
fn process(id: u32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (before, after) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<f64>().unwrap_or_default());
    Some(Process {
        id,
        parent: fields.get(1)?.parse().ok()?,
        name: before.split_once('(')?.1.to_owned(),
        state: (*fields.first()?).to_owned(),
        cpu: ticks.sum::<f64>() / TICKS,
    })
}

fn listed(family: &[Process]) -> String {
    let mut text = String::new();
    for process in family {
        let _ = writeln!(text, "  {process}");
    }
    text
}
