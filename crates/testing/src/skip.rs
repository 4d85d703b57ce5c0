//! Tests of parts that a machine may not have: skipped with one line, unless a variable says that they are required.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;

/// Returns what was started, or says once that the tests of `what` are skipped.
///
/// # Panics
///
/// Panics instead if the environment variable is `required`.
pub fn or_skip<T>(started: Result<T, String>, variable: &'static str, what: &str) -> Option<T> {
    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if let Err(error) = &started {
        assert!(std::env::var(variable).as_deref() != Ok("required"), "{error}");
        if SAID.lock().unwrap().insert(variable) {
            // Unlike `eprintln`, this is not captured with the output of a test that passes.
            let _ = writeln!(std::io::stderr(), "{what} are skipped: {}", error.replace('\n', " "));
        }
    }
    started.ok()
}
