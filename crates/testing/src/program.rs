//! The program of this build as a command that cannot hang.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::patience::Patience;

/// Makes the tables of a register, without a configuration: a test may want to see that one refused.
pub fn migrate(url: &str) {
    run(investord(&std::env::temp_dir()).args(["migrate", "--database", url])).ok();
}

/// The program of this build, with nothing of this process's own configuration.
pub fn investord(folder: &Path) -> Command {
    clean(Command::new(program()), folder)
}

/// The path of the program, which cargo builds for every integration test, one folder above the tests.
pub fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).expect("the folder of a profile").join("investord")
}

pub fn clean(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("INVESTORD_") {
            command.env_remove(name);
        }
    }
    command
}

/// What a command that ends has said.
#[derive(Debug)]
pub struct Said {
    pub success: bool,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn ok(self) -> String {
        assert!(self.success, "the command failed: {}{}", self.out, self.err);
        self.out
    }

    pub fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("not JSON ({error}): {out}"))
    }

    /// What a command that must fail has said on standard error.
    pub fn refusal(self) -> String {
        assert!(!self.success, "the command should have failed: {}{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }
}

/// Runs a command to its end, which must come: it is given up when it neither works nor says anything.
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let size = |file: &File| file.metadata().map_or(0, |known| known.len());
    let ended = wait(&mut child, &format!("the end of {command:?}"), || {
        format!("{} bytes of output and {} of errors", size(&out), size(&err))
    });
    let text = |file: &mut File| {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (out, err) = (text(&mut out), text(&mut err));
    match ended {
        Ok(status) => Said { success: status.success(), out, err },
        Err(why) => panic!("{why}output: {out}{err}"),
    }
}

/// Waits for the end of a process; one that shows no sign of life is killed. `seen` is what it has come to.
pub(crate) fn wait(child: &mut Child, what: &str, seen: impl Fn() -> String) -> Result<ExitStatus, String> {
    let mut patience = Patience::new(what);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Ok(status);
        }
        if let Some(why) = patience.is_exhausted(seen()) {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(why);
        }
        std::thread::sleep(patience.pause());
    }
}
