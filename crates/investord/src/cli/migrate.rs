//! `investord migrate`: applies the pending migrations.

use clap::Args;

use super::Location;
use crate::store::engine::migrate;
use crate::store::engine::migrations::State;

#[derive(Args)]
pub struct Migrate {
    #[command(flatten)]
    location: Location,
    /// List the pending migrations, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Migrate {
    /// Applies the pending migrations, or lists them with `--dry-run`.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached, or has a migration that this version does not know.
    pub fn run(self) -> anyhow::Result<()> {
        let database = self.location.config()?.database()?;
        let State { applied, pending } = if self.dry_run {
            migrate::state(&database, &crate::store::CATALOGUE)?
        } else {
            migrate::run(&database, &crate::store::CATALOGUE)?
        };
        for name in &applied {
            println!("{name}: there");
        }
        let done = if self.dry_run { "to be applied" } else { "applied" };
        for name in &pending {
            println!("{name}: {done}");
        }
        match (pending.len(), self.dry_run) {
            (0, _) => println!("{database} is up to date"),
            (count, true) => println!("{database} lacks {count}; nothing was changed"),
            (count, false) => println!("{database} has {count} more and is up to date"),
        }
        Ok(())
    }
}
