//! `investord serve` and `investord worker`, and what `dev` shares with them.

use std::net::TcpListener;

use anyhow::{Context, bail};
use clap::Args;
use tokio::runtime::{Builder, Runtime};
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::checks::{self, ReadyToServe};
use super::reload::{Reload, ServerHandles, warn_of_certificates};
use super::{Location, ServerOptions, lock, process, provisioner, risks};
use crate::app::{App, Mode};
use crate::config::{Config, PASSWORDS, Risk, Sources};
use crate::provision::{DeclaredTenants, Provisioner, provider_accounts};
use crate::server::{self, Listeners};
use crate::store::encryption::MasterKey;
use crate::store::{self, Database, Store, Tx, tenants};
use crate::telemetry::{self, LogControl};

/// Number of threads for blocking work: scans and passwords, which have budgets of their own, so that neither waits for
/// the other, and four for the resolution of names at the start.
const BLOCKING: usize = store::SCANS + PASSWORDS + 4;

#[derive(Args)]
pub struct Serve {
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    listen: ServerOptions,
    /// Answer requests only; `investord worker` does the rest.
    #[arg(long)]
    no_worker: bool,
}

impl Serve {
    /// Starts a server, with its worker unless `--no-worker` is given.
    ///
    /// # Errors
    ///
    /// Fails if the configuration cannot be used, or a listener fails.
    pub fn run(self) -> anyhow::Result<()> {
        let mut sources = self.location.sources();
        self.listen.add_to(&mut sources.command_line);
        let config = Config::load(&sources)?;
        let started = PreparedServer::new(config, Mode::Production)?;
        started.serve(!self.no_worker, Some(sources), |config| {
            println!("investord serves on {}", config.listen);
            println!("operators are answered on {}", config.operator_address());
            println!("metrics are on http://{}/metrics", config.metrics_address());
        })
    }
}

#[derive(Args)]
pub struct Worker {
    #[command(flatten)]
    location: Location,
}

impl Worker {
    /// Runs the background work until SIGTERM or Ctrl-C.
    ///
    /// # Errors
    ///
    /// Fails if the configuration cannot be used.
    pub fn run(self) -> anyhow::Result<()> {
        let sources = self.location.sources();
        let mut config = Config::load(&sources)?;
        let (master_key, metrics) = checks::check_worker(&config).for_worker()?;
        let log = telemetry::start_log(&config.log)?;
        process::prepare(&mut config.limits);
        let provisioner = open(master_key, &config)?;
        runtime()?.block_on(async {
            let app = app(provisioner, config.clone(), None, Mode::Production).await?;
            let reload = Reload { sources, started: config, log, server: None };
            let reloads = reload_on_hangup(&app, reload)?;
            let stop = stop_signal()?;
            let metrics_address = metrics.as_ref().map(TcpListener::local_addr).transpose()?;
            tracing::info!(
                version = env!("CARGO_PKG_VERSION"),
                database = %app.config.database()?,
                metrics = metrics_address.map(tracing::field::display),
                models = models(&app.store).await?,
                "working"
            );
            println!("investord works on {}", app.config.database()?);
            let outcome = server::work(app, metrics, stop).await;
            reloads.inspect(JoinHandle::abort);
            outcome
        })
    }
}

/// A server that has opened its database and bound its addresses, but does not serve yet.
pub struct PreparedServer {
    pub provisioner: Provisioner,
    pub config: Config,
    /// The configuration with the addresses in their configured form, to be compared after SIGHUP.
    written: Config,
    tenants: Option<DeclaredTenants>,
    listeners: Listeners,
    log: LogControl,
    mode: Mode,
}

impl PreparedServer {
    /// Checks the configuration, starts the log and opens the database.
    ///
    /// # Errors
    ///
    /// Fails with one message about all settings that cannot be used.
    pub fn new(mut config: Config, mode: Mode) -> anyhow::Result<Self> {
        let written = config.clone();
        // The checks come first, so that a refused start creates no files.
        let ReadyToServe { master_key, tenants, listeners } =
            checks::check_server(&mut config, mode).for_server()?;
        let log = telemetry::start_log(&config.log)?;
        process::prepare(&mut config.limits);
        let provisioner = open(master_key, &config)?;
        Ok(Self { provisioner, config, written, tenants, listeners, log, mode })
    }

    /// Applies the tenants file, calls `ready`, and serves until SIGTERM or Ctrl-C. The settings in `sources` are read
    /// again after SIGHUP.
    ///
    /// # Errors
    ///
    /// Fails if the tenants file is refused, or a listener fails.
    pub fn serve(
        self,
        worker: bool,
        sources: Option<Sources>,
        ready: impl FnOnce(&Config),
    ) -> anyhow::Result<()> {
        let Self { provisioner, config, written, tenants, listeners, log, mode } = self;
        runtime()?.block_on(async {
            let app = app(provisioner, config, tenants, mode).await?;
            let server = Some(ServerHandles {
                tls: listeners.tls.clone(),
                operator_tls: listeners.operator_tls.clone(),
            });
            let reload = sources.map(|sources| Reload { sources, started: written, log, server });
            let reloads = reload.map(|reload| reload_on_hangup(&app, reload)).transpose()?.flatten();
            let stop = stop_signal()?;
            log_start(&app, worker).await?;
            ready(&app.config);
            let store = app.store.clone();
            let outcome = server::run(app, listeners, worker, stop).await;
            reloads.inspect(JoinHandle::abort);
            outcome?;
            store.checkpoint().await;
            Ok(())
        })
    }
}

/// Logs version, addresses and database in one line. The listeners are bound and the database is open by then.
async fn log_start(app: &App, worker: bool) -> anyhow::Result<()> {
    let config = &app.config;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database = %config.database()?,
        listen = %config.listen,
        operator_listen = %config.operator_address(),
        metrics_listen = %config.metrics_address(),
        tls = config.tls.is_some(),
        operator_tls = config.operator_tls.is_some(),
        worker,
        models = models(&app.store).await?,
        "serving"
    );
    warn_of_certificates(app, config);
    Ok(())
}

/// Returns the operating models of all tenants, each once.
async fn models(store: &Store) -> anyhow::Result<String> {
    let all = store.read("tenants.all", tenants::all).await?;
    let mut models = Vec::new();
    for tenant in all {
        if let serde_json::Value::String(model) = serde_json::to_value(tenant.settings.model)? {
            models.push(model);
        }
    }
    models.sort_unstable();
    models.dedup();
    Ok(models.join(" "))
}

/// Opens the register for a process that serves it, with the lock against a second process on SQLite.
fn open(master_key: MasterKey, config: &Config) -> anyhow::Result<Provisioner> {
    let database = config.database()?;
    if let Database::Sqlite(file) = &database {
        lock::lock_for_serving(file)?;
    }
    Ok(provisioner(master_key, Store::open(&database)?))
}

/// Verifies the master key, applies the tenants file, and builds the application.
async fn app(
    provisioner: Provisioner,
    config: Config,
    wanted: Option<DeclaredTenants>,
    mode: Mode,
) -> anyhow::Result<App> {
    let tenants = provisioner.store.read("tenants.all", tenants::all).await?;
    provisioner.check_master_key(&tenants)?;
    if let Some(wanted) = wanted {
        provisioner.apply(wanted).await.context("tenants file")?;
    }
    // This is checked after the tenants file, because that file can set the policy.
    if mode == Mode::Production && !config.allow.contains(&Risk::Simulation) {
        let tenants = provisioner.store.read("tenants.all", tenants::all).await?;
        if let Some(tenant) = tenants.iter().find(|tenant| tenant.settings.simulates()) {
            let (name, how) = (&tenant.name, risks::how_to_allow(Risk::Simulation));
            bail!("outcomes can be ordered for the tenant {name} (review_policy = \"simulate\"); {how}");
        }
    }
    // Roles and tenants of the mapping may be those of the tenants file.
    if let Some(oidc) = config.oidc.clone() {
        let check = move |tx: &Tx<'_>| provider_accounts::check_claim_grants(tx, &oidc);
        provisioner.store.read("oidc.grants", check).await?;
    }
    let Provisioner { store, master_key, clock, ids } = provisioner;
    App::new(config, mode, clock, ids, store, master_key)
}

/// Builds the runtime of a server or worker.
fn runtime() -> std::io::Result<Runtime> {
    let mut runtime = Builder::new_multi_thread();
    runtime.max_blocking_threads(BLOCKING).enable_all().build()
}

/// Starts to reload at SIGHUP, on systems that have signals.
#[cfg(unix)]
fn reload_on_hangup(app: &App, reload: Reload) -> anyhow::Result<Option<JoinHandle<()>>> {
    let hangups = signal(SignalKind::hangup())?;
    Ok(Some(tokio::spawn(reload.run(app.clone(), hangups))))
}

#[cfg(not(unix))]
fn reload_on_hangup(_: &App, _: Reload) -> anyhow::Result<Option<JoinHandle<()>>> {
    Ok(None)
}

/// Registers for Ctrl-C and SIGTERM, and returns a future that waits for one of them. Both count as of the call: who
/// reads in the log that the process serves may stop it at once.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! { _ = interrupts.recv() => {}, _ = terminations.recv() => {} }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
