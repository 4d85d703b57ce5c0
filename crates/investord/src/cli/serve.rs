//! `investord serve`, and what `dev` shares with it.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio::runtime::{Builder, Runtime};

use super::{Listen, Location, parse_master_key, provisioner};
use crate::app::{App, Mode};
use crate::config::Config;
use crate::provision::{Provisioner, Wanted};
use crate::server::{self, Listeners};
use crate::store::{Database, Store};
use crate::telemetry;

/// Scans of the store at once.
const SCANS: usize = 8;

#[derive(Args)]
pub struct Serve {
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    listen: Listen,
    /// Answer requests only; `investord worker` does the rest.
    #[arg(long)]
    no_worker: bool,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<()> {
        let mut config = self.location.config()?;
        config.listen = self.listen.listen.unwrap_or(config.listen);
        config.tenants = self.listen.tenants.or(config.tenants);
        telemetry::start_log(&config.log)?;
        let started = Started::new(config)?;
        started.serve(Mode::Production, !self.no_worker, |config| {
            println!("investord serves on {}", config.listen);
            println!("operators are answered on {}", config.operator_address());
            Ok(())
        })
    }
}

#[derive(Args)]
pub struct Worker {
    #[command(flatten)]
    location: Location,
}

impl Worker {
    pub fn run(self) -> anyhow::Result<()> {
        let config = self.location.config()?;
        telemetry::start_log(&config.log)?;
        let (provisioner, _lock) = open(&config)?;
        runtime()?.block_on(async {
            let app = app(provisioner, config, None, Mode::Production).await?;
            println!("investord works on {}", app.config.database()?);
            server::work(app, stopped()).await
        })
    }
}

/// A server that holds its database and its port, and does not answer yet.
pub struct Started {
    pub provisioner: Provisioner,
    pub config: Config,
    listeners: Listeners,
    lock: Option<File>,
}

impl Started {
    pub fn new(mut config: Config) -> anyhow::Result<Self> {
        // First: nothing is made for a server that does not start.
        let listeners = Listeners::bind(&mut config)?;
        let (provisioner, lock) = open(&config)?;
        Ok(Self { provisioner, config, listeners, lock })
    }

    /// Applies the tenants file, says that it is ready, and serves until SIGTERM or ctrl-c.
    pub fn serve(
        self,
        mode: Mode,
        worker: bool,
        ready: impl FnOnce(&Config) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Self { provisioner, config, listeners, lock: _locked } = self;
        let wanted = config.tenants.as_deref().map(Wanted::read).transpose()?;
        runtime()?.block_on(async {
            let app = app(provisioner, config, wanted, mode).await?;
            ready(&app.config)?;
            let store = app.store.clone();
            server::run(app, listeners, worker, stopped()).await?;
            store.fold().await;
            Ok(())
        })
    }
}

/// Opens the register for a process that serves it, with the lock that keeps a second one off SQLite.
fn open(config: &Config) -> anyhow::Result<(Provisioner, Option<File>)> {
    // Judged before anything is made: a server without master key shall leave no database behind.
    let (master_key, database) = (parse_master_key(&config.master_key()?)?, config.database()?);
    let lock = match &database {
        Database::Sqlite(file) => Some(lock(file)?),
        Database::Postgres(_) => None,
    };
    Ok((provisioner(master_key, Store::open(&database)?), lock))
}

/// Makes sure that no process serves the register, for as long as the answer lives if it can be helped.
pub fn alone(database: &Database) -> anyhow::Result<Option<File>> {
    match database {
        Database::Sqlite(file) => lock(file).map(Some),
        Database::Postgres(server) => {
            // The server may still be busy with what a process that was killed has left it.
            let mut others = server.others()?;
            for _ in 0..20 {
                if others == 0 {
                    return Ok(None);
                }
                std::thread::sleep(Duration::from_millis(250));
                others = server.others()?;
            }
            bail!("{others} connections of other processes use {server}: stop them first")
        }
    }
}

async fn app(
    provisioner: Provisioner,
    config: Config,
    wanted: Option<Wanted>,
    mode: Mode,
) -> anyhow::Result<App> {
    let tenants = provisioner.store.read("tenants.all", crate::store::tenants::all).await?;
    provisioner.check_master_key(&tenants)?;
    if let Some(wanted) = wanted {
        provisioner.apply(wanted).await.context("tenants file")?;
    }
    let Provisioner { store, master_key, clock, ids } = provisioner;
    App::new(config, mode, clock, ids, store, master_key)
}

fn runtime() -> std::io::Result<Runtime> {
    let mut runtime = Builder::new_multi_thread();
    // Blocking threads run scans; more at once would only share the processor and hold memory.
    runtime.max_blocking_threads(SCANS).enable_all().build()
}

/// Makes this the one process that serves the SQLite file, or says who is.
fn lock(database: &Path) -> anyhow::Result<File> {
    if let Some(folder) = database.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let path = database.with_extension("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "a server is running on {}; SQLite is for one process, several need PostgreSQL (lock {})",
            database.display(),
            path.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

async fn stopped() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        match terminated {
            Ok(mut terminated) => {
                tokio::select! { _ = interrupted => {}, _ = terminated.recv() => {} }
            }
            Err(_) => drop(interrupted.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupted.await);
}
