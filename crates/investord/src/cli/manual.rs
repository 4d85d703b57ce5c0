//! `investord completions` and `investord man`: the commands for shells and for `man`, made from their definitions.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::output;

#[derive(Args)]
pub struct Completions {
    /// The shell that completes; its manual says where the file goes.
    shell: Shell,
}

impl Completions {
    /// Prints the completions of a shell.
    pub fn run(self) {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "investord", &mut script);
        output::write(format_args!("{}", String::from_utf8_lossy(&script)));
    }
}

#[derive(Args)]
pub struct Manual {
    /// The folder for the pages, as in /usr/share/man/man1.
    folder: PathBuf,
}

impl Manual {
    /// Writes a page for every command.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be made or a page cannot be written.
    pub fn run(self) -> anyhow::Result<()> {
        let failed = || format!("cannot write manual pages to {}", self.folder.display());
        std::fs::create_dir_all(&self.folder).with_context(failed)?;
        clap_mangen::generate_to(Cli::command(), &self.folder).with_context(failed)
    }
}
