//! What the server takes while it is attacked: memory, descriptors, and its budgets.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use testing::patience::until;
use testing::server::Server;

/// Budgets whose use depends on attackers alone. Connections are not among them: the neighbour keeps one.
const BUDGETS: [&str; 6] =
    ["requests", "received_bytes", "unsent_bytes", "token_requests", "sign_ins", "test_calls"];
const LOOK: Duration = Duration::from_millis(100);

/// Looks at the descriptors of a process until it is dropped.
pub struct Watch {
    process: u32,
    most: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins, and has the system forget how much memory the process had before.
    pub fn begin(process: u32) -> Self {
        // Only Linux has it; elsewhere nothing is known of the memory either.
        let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
        let (most, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (own, end) = (Arc::clone(&most), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                own.fetch_max(descriptors(process), Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        Self { process, most, over, thread: Some(thread) }
    }

    /// The most descriptors, and the most resident memory in MiB.
    pub fn end(self) -> (usize, u64) {
        (self.most.load(Ordering::Relaxed), peak_mib(self.process))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// 0 where the system does not tell.
pub fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

fn peak_mib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next());
    peak.map_or(0, |kib| kib.parse::<u64>().unwrap() / 1024)
}

/// Returns when nothing of any budget is in use any more, and as many descriptors are open as before.
pub fn until_quiet(server: &Server, before: usize) {
    until("the budgets to be free", || {
        let metrics = server.metrics();
        let used = |budget: &&str| {
            let line = format!("investord_budget_used{{budget=\"{budget}\"}}");
            let found = metrics.lines().find_map(|known| known.strip_prefix(line.as_str()));
            found.map(str::trim) != Some("0")
        };
        let in_use: Vec<_> = BUDGETS.into_iter().filter(used).collect();
        let open = descriptors(server.pid());
        // Connections to the database, to name servers and from whoever asks for these numbers come and go.
        let most = before + 24;
        if in_use.is_empty() && open <= most {
            Ok(())
        } else {
            Err(format!("in use: {in_use:?}; {open} descriptors, {before} before"))
        }
    });
}
