//! `investord migrate`: applies the pending migrations.

use clap::Args;

use super::Location;
use crate::store::engine::migrate;
use crate::store::engine::migrate::State;

#[derive(Args)]
pub struct Migrate {
    #[command(flatten)]
    location: Location,
    /// Say what there is to do, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Migrate {
    pub fn run(self) -> anyhow::Result<()> {
        let database = self.location.config()?.database()?;
        let State { applied, pending } =
            if self.dry_run { migrate::state(&database)? } else { migrate::run(&database)? };
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
