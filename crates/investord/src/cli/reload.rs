//! Reloads certificates, tenants file and log level on SIGHUP.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use rustls::ServerConfig;
use serde_json::Value;

use super::certificates;
use crate::app::App;
use crate::config::{Config, Sources};
use crate::provision::{DeclaredTenants, Provisioner};
use crate::server::tls_config::{Unusable, operator_server_config, server_config};
use crate::store::tools::diagnostics::DiagnosisLevel;
use crate::telemetry::{self, LogControl, filter};
use crate::tls;

/// The configuration of a running process, and the handles to change it.
pub struct Reload {
    /// The sources of the configuration, which are read again.
    pub sources: Sources,
    /// The configuration at the start, with the addresses in their configured form.
    pub started: Config,
    pub log: LogControl,
    /// The handles of a server; `None` for a worker.
    pub server: Option<ServerHandles>,
}

/// The handles to change a running server.
pub struct ServerHandles {
    /// The certificate of the main listener, if it has TLS.
    pub tls: Option<RustlsConfig>,
    /// The same of the listener for operators, with the authorities of their certificates.
    pub operator_tls: Option<RustlsConfig>,
}

impl Reload {
    /// Reloads the configuration at every SIGHUP, for as long as the future is polled.
    #[cfg(unix)]
    pub async fn run(mut self, app: App, mut hangups: tokio::signal::unix::Signal) {
        while hangups.recv().await.is_some() {
            self.reload(&app).await;
        }
    }

    /// Reloads everything that can change without a restart.
    async fn reload(&mut self, app: &App) {
        let config = match Config::load(&self.sources) {
            Ok(config) => config,
            Err(error) => {
                log_failure("configuration", format_args!("{error:#}"));
                // The files named at the start are reloaded even if the configuration is invalid.
                self.started.clone()
            }
        };
        self.log_restart_settings(&config);
        if let Some(server) = &self.server {
            server.reload_certificates(app, &config);
            reload_tenants(app, &config).await;
        }
        self.reload_level(&config);
    }

    /// Logs the settings that differ from those at the start and need a restart.
    fn log_restart_settings(&self, config: &Config) {
        let settings = |config: &Config| serde_json::to_value(config).unwrap_or_default();
        let (mut before, mut now) = (settings(&self.started), settings(config));
        for settings in [&mut before, &mut now] {
            // These settings are reloaded, so they are not compared.
            settings["tenants"] = Value::Null;
            settings["log"]["level"] = Value::Null;
            for table in ["tls", "operator_tls"] {
                if let Some(files) = settings[table].as_object_mut() {
                    files.clear();
                }
            }
        }
        let (Value::Object(before), Value::Object(now)) = (before, now) else { return };
        let changed = before.iter().filter(|(name, value)| now.get(*name) != Some(value));
        let changed: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
        if !changed.is_empty() {
            tracing::warn!(settings = changed.join(", "), "changed settings that need a restart");
        }
    }

    /// Changes the log level.
    fn reload_level(&self, config: &Config) {
        let level = config.log.level.as_str();
        // The message is logged before the change if the new level may suppress it, otherwise after it.
        let is_heard = tracing::enabled!(tracing::Level::INFO);
        let say = || tracing::info!(what = "log.level", level, "reloaded");
        if is_heard && filter(level).is_ok() {
            say();
        }
        match self.log.set_level(level) {
            Ok(()) if !is_heard => say(),
            Ok(()) => {}
            Err(error) => log_failure("log.level", error),
        }
    }
}

impl ServerHandles {
    /// Replaces the certificates and their keys. The old ones stay if the new ones cannot be used.
    fn reload_certificates(&self, app: &App, config: &Config) {
        if let (Some(handle), Some(files)) = (&self.tls, &config.tls) {
            let publish = telemetry::publish_certificate_expiry;
            reload_certificate(handle, server_config(files), ("tls", &files.cert_file), publish);
        }
        if let (Some(handle), Some(files)) = (&self.operator_tls, &config.operator_tls) {
            let (made, publish) =
                (operator_server_config(files), telemetry::publish_operator_certificate_expiry);
            reload_certificate(handle, made, ("operator_tls", &files.cert_file), publish);
        }
        if self.tls.is_some() || self.operator_tls.is_some() {
            warn_of_certificates(app, config);
        }
    }
}

/// Replaces the TLS configuration of a listener and publishes when its certificate expires, unless it cannot be used.
fn reload_certificate(
    handle: &RustlsConfig,
    made: Result<Arc<ServerConfig>, Vec<Unusable>>,
    (what, cert_file): (&str, &Path),
    publish: impl Fn(Timestamp),
) {
    match made {
        Ok(made) => {
            handle.reload_from_config(made);
            tracing::info!(what, file = %cert_file.display(), "reloaded");
            match tls::validity(cert_file) {
                Ok((_, end)) => publish(end),
                Err(error) => log_failure(what, format_args!("{error:#}")),
            }
        }
        Err(unusable) => {
            for (what, error) in &unusable {
                log_failure(what, format_args!("{error:#}"));
            }
        }
    }
}

/// Applies the tenants file again.
async fn reload_tenants(app: &App, config: &Config) {
    let Some(file) = &config.tenants else { return };
    let provisioner = Provisioner {
        store: app.store.clone(),
        master_key: Arc::clone(&app.master_key),
        clock: Arc::clone(&app.clock),
        ids: Arc::clone(&app.ids),
    };
    let applied = match DeclaredTenants::read(file) {
        Ok(wanted) => provisioner.apply(wanted).await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    match applied {
        Ok(()) => tracing::info!(what = "tenants", file = %file.display(), "reloaded"),
        Err(error) => log_failure("tenants", format_args!("{error:#}")),
    }
}

/// Logs that a part was not reloaded.
fn log_failure(what: &str, error: impl Display) {
    tracing::error!(what, %error, "not reloaded: what was loaded before stays");
}

/// Logs the certificates that have expired or will expire soon, and a system without any.
pub fn warn_of_certificates(app: &App, config: &Config) {
    for found in certificates::examine(config, app.clock.now()) {
        if found.level != DiagnosisLevel::Good {
            tracing::warn!(what = found.what, found = found.found, "certificates need attention");
        }
    }
}
