//! Prepares the process of a server: limit of open files, core dumps.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Limits;

/// Number of file descriptors reserved for everything except the connections of clients: the database, deliveries,
/// logs.
const OTHER_FILES: usize = 512;

/// Raises the limit of open files to the hard limit, and forbids core dumps, because the memory contains keys. Lowers
/// `limits.connections` to the number of available file descriptors.
pub fn prepare(limits: &mut Limits) {
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: files.maximum, maximum: files.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "cannot forbid images of the memory");
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%error, "cannot forbid images of the memory");
        }
    }
    let files =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| most.try_into().unwrap_or(usize::MAX));
    // At least 16 connections remain, so that a server with a low limit can still be reached.
    let room = files.saturating_sub(OTHER_FILES + limits.operator_connections).max(16);
    if room < limits.connections {
        tracing::warn!(
            files,
            connections = room,
            "the limit of open files (ulimit -n) has no room for limits.connections; fewer are taken"
        );
        limits.connections = room;
    }
}
