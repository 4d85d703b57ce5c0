//! `investord serve`, and what `dev` shares with it.

use std::fs::{File, TryLockError};
use std::net::TcpListener;

use anyhow::{Context, bail};
use clap::Args;

use super::{Listen, Location, parse_master_key, provisioner};
use crate::app::{App, Mode};
use crate::config::Config;
use crate::provision::{Provisioner, Wanted};
use crate::store::Store;
use crate::{server, telemetry};

/// Scans of the store at once.
const SCANS: usize = 8;

#[derive(Args)]
pub struct Serve {
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    listen: Listen,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<()> {
        let mut config = self.location.config()?;
        config.listen = self.listen.listen.unwrap_or(config.listen);
        config.tenants = self.listen.tenants.or(config.tenants);
        telemetry::start_log(&config.log)?;
        let started = Started::new(config)?;
        started.serve(Mode::Production, |config| {
            println!("investord serves on {}", config.listen);
            Ok(())
        })
    }
}

/// A server that holds its database and its port, and does not answer yet.
pub struct Started {
    pub provisioner: Provisioner,
    pub config: Config,
    listener: TcpListener,
    /// Locked as long as this server runs: SQLite has one serving process.
    _lock: File,
}

impl Started {
    pub fn new(mut config: Config) -> anyhow::Result<Self> {
        // Judged before anything is made: a server without master key shall leave no database behind.
        let master_key = parse_master_key(&config.master_key()?)?;
        let database = config.database_file()?;
        if let Some(folder) = database.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let lock = lock(&config)?;
        let listener = TcpListener::bind(config.listen)
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        config.listen = listener.local_addr()?;
        Ok(Self {
            provisioner: provisioner(master_key, Store::open(&database)?),
            config,
            listener,
            _lock: lock,
        })
    }

    /// Applies the tenants file, says that it is ready, and serves until SIGTERM or ctrl-c.
    pub fn serve(self, mode: Mode, ready: impl FnOnce(&Config) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let Self { provisioner, config, listener, _lock } = self;
        let wanted = config.tenants.as_deref().map(Wanted::read).transpose()?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        // Blocking threads run scans; more at once would only share the processor and hold memory.
        runtime.max_blocking_threads(SCANS).enable_all().build()?.block_on(async {
            let tenants = provisioner.store.read("tenants.all", crate::store::tenants::all).await?;
            provisioner.check_master_key(&tenants)?;
            if let Some(wanted) = wanted {
                provisioner.apply(wanted).await.context("tenants file")?;
            }
            let Provisioner { store, master_key, clock, ids } = provisioner;
            let app = App::new(config, mode, clock, ids, store, master_key)?;
            ready(&app.config)?;
            let store = app.store.clone();
            server::run(app, listener, stopped()).await?;
            store.fold().await;
            Ok(())
        })
    }
}

/// Makes this the one process that serves the database, or says who is.
pub fn lock(config: &Config) -> anyhow::Result<File> {
    let database = config.database_file()?;
    let path = database.with_extension("lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "a server is running on {}; SQLite is for one (lock {})",
                database.display(),
                path.display()
            )
        }
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
