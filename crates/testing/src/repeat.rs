//! What a test that works by chance prints, so that its failure shows how to have it again.

use crate::patience;

/// Returns the name of this test program, without the hash that cargo adds to it.
pub fn program() -> String {
    let path = std::env::args().next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('-').map_or(name, |(name, _)| name).to_owned()
}

/// The command that repeats the test of this thread with a seed, which `variable` passes on.
pub fn command(variable: &str, seed: u64) -> String {
    // A test that is run alone may have the first thread; then the command line names it.
    let named = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main").or(named.as_deref()).unwrap_or_default();
    let long = if patience::long() { "INVESTORD_TEST_LONG=1 " } else { "" };
    let program = program();
    format!("repeat with {long}{variable}={seed} cargo test -p investord --test {program} -- --exact {test}")
}
