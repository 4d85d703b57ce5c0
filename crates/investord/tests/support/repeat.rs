//! What a test that works by chance prints, so that its failure shows how to have it again.
#![allow(dead_code, reason = "not every test binary uses all of it")]

use super::patience;

/// The command that repeats the test of this thread with a seed, which `variable` passes on.
pub fn command(variable: &str, seed: u64) -> String {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    // Cargo adds a hash to the name of the program.
    let binary = program.rsplit_once('-').map_or(program, |(name, _)| name);
    // A test that is run alone may have the first thread; then the command line names it.
    let named = words.find(|word| !word.starts_with('-'));
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main").or(named.as_deref()).unwrap_or_default();
    let long = if patience::long() { "INVESTORD_TEST_LONG=1 " } else { "" };
    let package = env!("CARGO_PKG_NAME");
    format!("repeat with {long}{variable}={seed} cargo test -p {package} --test {binary} -- --exact {test}")
}
