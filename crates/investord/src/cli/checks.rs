//! The checks of a configuration before anything is served; `serve` and `doctor` run the same list.

use std::net::TcpListener;

use anyhow::anyhow;

use super::{parse_master_key, risks};
use crate::app::Mode;
use crate::config::Config;
use crate::outbound::Outbound;
use crate::provision::DeclaredTenants;
use crate::server::Listeners;
use crate::server::listeners::{self, Unusable};
use crate::store::encryption::MasterKey;
use crate::telemetry;

/// The parts of a configuration that passed their checks, and the settings that failed.
#[derive(Default)]
pub struct CheckedConfig {
    pub master_key: Option<MasterKey>,
    pub tenants: Option<DeclaredTenants>,
    /// The sockets of a server, which remain bound after the check.
    listeners: Option<Listeners>,
    /// The socket of a worker for metrics.
    metrics: Option<TcpListener>,
    /// Settings that cannot be used, with their errors.
    pub unusable: Vec<Unusable>,
}

/// The checked parts of a configuration that a server needs.
pub struct ReadyToServe {
    pub master_key: MasterKey,
    pub tenants: Option<DeclaredTenants>,
    pub listeners: Listeners,
}

/// Checks everything that a server needs. Replaces the addresses of the configuration by the bound ones, so that a port
/// of 0 becomes the real port.
pub fn check_server(config: &mut Config, mode: Mode) -> CheckedConfig {
    let mut checked = CheckedConfig::default();
    checked.check_common(config);
    for (what, risk, text) in risks::objections(config, mode) {
        if !config.allow.contains(&risk) {
            checked.unusable.push((what, anyhow!("{text}; {}", risks::how_to_allow(risk))));
        }
    }
    if let Some(file) = &config.tenants {
        checked.tenants = checked.record("tenants", DeclaredTenants::read(file));
    }
    match Listeners::bind(config) {
        Ok(listeners) => checked.listeners = Some(listeners),
        Err(unusable) => checked.unusable.extend(unusable),
    }
    checked.unusable.extend(risks::operator_listener(config, mode));
    checked
}

/// Checks everything that a worker needs. A worker has no listener unless `metrics_listen` is set.
pub fn check_worker(config: &Config) -> CheckedConfig {
    let mut checked = CheckedConfig::default();
    checked.check_common(config);
    if let Some(address) = &config.metrics_listen {
        checked.metrics = checked.record("metrics_listen", listeners::bind(address));
    }
    checked
}

impl CheckedConfig {
    /// Checks the settings that servers and workers share.
    fn check_common(&mut self, config: &Config) {
        self.record("log.level", telemetry::filter(&config.log.level));
        self.record("webhooks.ca_file", Outbound::new(&config.webhooks));
        let master_key = config.master_key().and_then(|text| parse_master_key(&text));
        self.master_key = self.record("master_key", master_key);
    }

    /// Returns the value of a check that passed, and records the error of one that failed.
    fn record<T>(&mut self, what: &'static str, outcome: anyhow::Result<T>) -> Option<T> {
        outcome.map_err(|error| self.unusable.push((what, error))).ok()
    }

    /// Returns the parts for a server.
    ///
    /// # Errors
    ///
    /// Fails with one message about all settings that cannot be used.
    pub fn for_server(mut self) -> anyhow::Result<ReadyToServe> {
        let (listeners, tenants) = (self.listeners.take(), self.tenants.take());
        let (master_key, _) = self.for_worker()?;
        match listeners {
            Some(listeners) => Ok(ReadyToServe { master_key, tenants, listeners }),
            // This happens only after `of_worker`, because `unusable` contains every socket that cannot be bound.
            None => Err(anyhow!("there is no listener")),
        }
    }

    /// Returns the master key, and the socket for metrics if one is configured.
    ///
    /// # Errors
    ///
    /// Fails with one message about all settings that cannot be used.
    pub fn for_worker(self) -> anyhow::Result<(MasterKey, Option<TcpListener>)> {
        match self.master_key {
            Some(master_key) if self.unusable.is_empty() => Ok((master_key, self.metrics)),
            _ => Err(anyhow!("{}", self.unusable.iter().map(format_error).collect::<Vec<_>>().join("; "))),
        }
    }
}

/// Formats an error with the name of its setting, unless the error contains the name already.
fn format_error((what, error): &Unusable) -> String {
    let text = format!("{error:#}");
    if text.contains(what) { text } else { format!("{what}: {text}") }
}
