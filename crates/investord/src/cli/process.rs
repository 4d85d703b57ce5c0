//! Prepares the process of a server: limit of open files, core dumps.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Limits;

/// Descriptors for all but connections that come in: the database, deliveries, logs.
const OTHER_FILES: usize = 512;

/// Raises the limit of open files as far as it may be, and leaves no image of the memory, which holds keys, when the process
/// ends badly.
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
