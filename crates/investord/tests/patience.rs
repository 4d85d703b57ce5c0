//! Waits of the tests end by progress: what works or changes is waited for however long it takes, what hangs is not.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testing::patience::{Limits, Patience};

/// Short, so that these tests are.
const LIMITS: Limits = Limits { quiet: Duration::from_secs(3), sign: 0.1, work: 1_000.0 };

/// A child that goes round in circles, ended when this is dropped.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        Self(Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks until it is given up, or for so long.
fn looks(mut patience: Patience, most: Duration, mut instead: impl FnMut() -> String) -> Option<String> {
    let began = Instant::now();
    while began.elapsed() < most {
        if let Some(why) = patience.is_exhausted(instead()) {
            return Some(why);
        }
        std::thread::sleep(patience.pause());
    }
    None
}

const LONG: Duration = Duration::from_mins(10);

#[test]
fn what_shows_no_sign_of_life_is_given_up_and_named() {
    let mut idle = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let why = looks(Patience::new("the goods").with_limits(LIMITS), LONG, || "an empty shelf".into());
    idle.kill().unwrap();
    idle.wait().unwrap();
    let why = why.expect("it is given up");
    for part in
        ["for the goods", "no sign of life for 3 s", "instead: an empty shelf", "CPU time: sleep 1000"]
    {
        assert!(why.contains(part), "{part} is not in: {why}");
    }
}

#[test]
fn what_changes_is_waited_for() {
    let began = Instant::now();
    let counts = || began.elapsed().as_secs().to_string();
    assert_eq!(looks(Patience::new("").with_limits(LIMITS), 3 * LIMITS.quiet, counts), None);
}

#[cfg(target_os = "linux")]
#[test]
fn what_works_is_waited_for_unless_it_works_for_nothing() {
    let _busy = Busy::start();
    let still = || "nothing".to_owned();
    assert_eq!(looks(Patience::new("").with_limits(LIMITS), 3 * LIMITS.quiet, still), None);
    let limits = Limits { work: 1.0, ..LIMITS };
    let why = looks(Patience::new("").with_limits(limits), LONG, still).expect("it is given up");
    assert!(why.contains("of CPU time have changed nothing"), "{why}");
}
