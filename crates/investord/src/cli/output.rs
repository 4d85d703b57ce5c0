//! Standard output of every command; a closed pipe, as in `| head -1`, ends the command quietly.
//!
//! The macros `print!` and `println!` of `cli/mod.rs` call this file, because those of the standard library panic. The
//! signal SIGPIPE stays ignored, because it would also end a server whose peer hangs up.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// Exit code of a command whose reader has closed the pipe. A shell reports it for a process that SIGPIPE has ended
/// (128 and 13), so that a script does not mistake a truncated output for a complete one.
pub const READER_GONE: u8 = 141;

/// Writes to standard output, or ends the process.
pub fn write(text: Arguments<'_>) {
    let written = io::stdout().lock().write_fmt(text);
    let Err(error) = written else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(READER_GONE.into());
    }
    write_note(format_args!("investord: cannot write to standard output: {error}\n"));
    std::process::exit(1);
}

/// Writes to standard error and ignores a failure, because messages there are not part of the result.
pub fn write_note(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Returns whether an error means that the reader of standard output, and not a peer on the network, has closed the
/// pipe.
pub fn is_reader_gone(error: &anyhow::Error) -> bool {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    let of_network =
        |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<reqwest::Error>().is_some();
    error.chain().any(broken) && !error.chain().any(of_network)
}
