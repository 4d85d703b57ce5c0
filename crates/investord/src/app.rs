//! The parts of a running server, built once and shared by all handlers and workers.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tokio::sync::Notify;
use url::Url;
use webauthn_rs::Webauthn;

use crate::access::Budgets;
use crate::access::client_cache::ClientCache;
use crate::access::rate_limits::RateLimits;
use crate::access::replay_guard::ReplayGuard;
use crate::access::signature_counts::SignatureCounts;
use crate::clock::{Clock, Ids};
use crate::config::Config;
use crate::domain::tenants::TenantNumber;
use crate::outbound::alarm::Alarm;
use crate::outbound::identity_provider::IdentityProvider;
use crate::outbound::{self, Outbound};
use crate::problem::Problem;
use crate::store::encryption::MasterKey;
use crate::store::readiness::Readiness;
use crate::store::{Store, Tx};

/// The mode of a server: development on a laptop, or a register with real data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Responses explain failures in detail, also before authentication.
    Development,
    /// Responses reveal nothing before authentication (decision W22).
    Production,
}

/// The shared parts of a server. A clone refers to the same parts.
#[derive(Clone)]
pub struct App(Arc<AppState>);

/// The parts of a server; see the modules of their types.
pub struct AppState {
    pub config: Config,
    pub mode: Mode,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub store: Store,
    pub master_key: Arc<MasterKey>,
    pub budgets: Budgets,
    pub readiness: Readiness,
    pub client_cache: ClientCache,
    pub rate_limits: RateLimits,
    pub replay_guard: ReplayGuard,
    pub signature_counts: Arc<SignatureCounts>,
    /// The address by which clients reach the server.
    pub origin: Origin,
    pub outbound: Outbound,
    /// Posts emergencies to `operators.alarm_url`, if that is set.
    pub alarm: Option<Alarm>,
    /// The relying party of passkeys, if an origin is configured.
    pub webauthn: Option<Webauthn>,
    /// The identity provider of operators, if one is configured.
    pub identity_provider: Option<IdentityProvider>,
    /// Notified when this process has added a job for the worker.
    pub work: Notify,
    /// Whether the server is about to stop.
    stopping: AtomicBool,
}

impl Deref for App {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0
    }
}

impl App {
    /// Builds the parts of a server from its configuration and an open store.
    ///
    /// # Errors
    ///
    /// Fails if `public_url` is no URL, or the client for webhooks or for the identity provider
    /// cannot be built.
    pub fn new(
        config: Config,
        mode: Mode,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        store: Store,
        master_key: Arc<MasterKey>,
    ) -> anyhow::Result<Self> {
        let (rate_limits, origin) = (RateLimits::new(&config, &clock), Origin::of(&config)?);
        let outbound = Outbound::new(&config.webhooks)?;
        let oidc = config.oidc.as_ref();
        let provider =
            oidc.map(|oidc| IdentityProvider::new(oidc, &config.webhooks.name_servers)).transpose()?;
        let alarm_url = config.operators.alarm_url.as_ref();
        let alarm = alarm_url.map(|url| Alarm::new(url, &config.webhooks.name_servers)).transpose()?;
        let webauthn = config.operators.webauthn()?;
        let budgets = Budgets::new(&config);
        let client_cache = ClientCache::new(store.clone(), Arc::clone(&master_key));
        let replay_guard = ReplayGuard::new(clock.now());
        Ok(Self(Arc::new(AppState {
            config,
            mode,
            clock,
            ids,
            store,
            master_key,
            budgets,
            readiness: Readiness::default(),
            client_cache,
            rate_limits,
            replay_guard,
            signature_counts: Arc::default(),
            origin,
            outbound,
            alarm,
            webauthn,
            identity_provider: provider,
            work: Notify::new(),
            stopping: AtomicBool::new(false),
        })))
    }

    /// Makes every further response the last one of its connection.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Returns whether [`App::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Scans the store for a client when it is the turn of its tenant.
    ///
    /// # Errors
    ///
    /// Fails if the tenant has too many scans waiting, and with the errors of the scan.
    pub async fn scan<T: Send + 'static>(
        &self,
        tenant: TenantNumber,
        name: &'static str,
        read: impl FnMut(&Tx<'_>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = self.budgets.tenants.scan(tenant).await?;
        self.scan_with(permit, name, read).await
    }

    /// Scans the store, and releases the permit when the scan ends.
    ///
    /// # Errors
    ///
    /// Fails with the errors of the scan.
    pub async fn scan_with<T: Send + 'static>(
        &self,
        permit: impl Send + 'static,
        name: &'static str,
        mut read: impl FnMut(&Tx<'_>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let counted = move |tx: &Tx<'_>| {
            // Held by the scan and not by its caller: the scan continues even if the client has disconnected.
            let _permit = &permit;
            read(tx)
        };
        self.store.scan(name, counted).await
    }
}

/// The address by which clients reach the server.
pub struct Origin {
    /// The scheme, `http` or `https`.
    pub scheme: String,
    /// The configured host and port. Without it, the `host` of each request counts.
    pub authority: Option<String>,
    /// The same as a URL, without a final slash.
    pub public_url: String,
    /// The part before the slug in the `type` of a problem (decision W7).
    pub problem_type_base: String,
}

impl Origin {
    /// Derives the origin from the configuration.
    fn of(config: &Config) -> anyhow::Result<Self> {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", config.listen));
        let public_url = public_url.trim_end_matches('/');
        let url = Url::parse(public_url).context("public_url")?;
        let own_pages = || format!("{public_url}/errors");
        let problem_type_base =
            config.problem_type_base.as_ref().map(|base| base.trim_end_matches('/').to_owned());
        Ok(Self {
            scheme: url.scheme().to_owned(),
            authority: outbound::authority(&url).filter(|_| config.public_url.is_some()),
            problem_type_base: problem_type_base.unwrap_or_else(own_pages),
            public_url: public_url.to_owned(),
        })
    }
}
