//! The checks of a configuration before anything is served; `serve` and `doctor` run the same list.

use std::net::TcpListener;

use anyhow::anyhow;

use super::{parse_master_key, risks};
use crate::app::Mode;
use crate::config::Config;
use crate::outbound::Outbound;
use crate::provision::DeclaredTenant;
use crate::server::Listeners;
use crate::server::listeners::{self, Unusable};
use crate::store::encryption::MasterKey;
use crate::telemetry;

/// What has passed, and what has not.
#[derive(Default)]
pub struct CheckedConfig {
    pub master_key: Option<MasterKey>,
    pub tenants: Option<DeclaredTenant>,
    listeners: Option<Listeners>,
    metrics: Option<TcpListener>,
    pub unusable: Vec<Unusable>,
}

/// What a server needs of its configuration.
pub struct ReadyToServe {
    pub master_key: MasterKey,
    pub tenants: Option<DeclaredTenant>,
    pub listeners: Listeners,
}

/// Checks everything that a server needs. The configuration then holds the addresses that were taken.
pub fn of_server(config: &mut Config, mode: Mode) -> CheckedConfig {
    let mut checked = CheckedConfig::default();
    checked.of_every_process(config);
    for (what, risk, text) in risks::objections(config, mode) {
        if !config.allow.contains(&risk) {
            checked.unusable.push((what, anyhow!("{text}; {}", risks::how_to_allow(risk))));
        }
    }
    if let Some(file) = &config.tenants {
        checked.tenants = checked.passed("tenants", DeclaredTenant::read(file));
    }
    match Listeners::bind(config) {
        Ok(listeners) => checked.listeners = Some(listeners),
        Err(unusable) => checked.unusable.extend(unusable),
    }
    checked
}

/// Checks everything that a worker needs.
pub fn of_worker(config: &Config) -> CheckedConfig {
    let mut checked = CheckedConfig::default();
    checked.of_every_process(config);
    if let Some(address) = &config.metrics_listen {
        checked.metrics = checked.passed("metrics_listen", listeners::bind(address));
    }
    checked
}

impl CheckedConfig {
    fn of_every_process(&mut self, config: &Config) {
        self.passed("log.level", telemetry::filter(&config.log.level));
        self.passed("webhooks.ca_file", Outbound::new(&config.webhooks));
        let master_key = config.master_key().and_then(|text| parse_master_key(&text));
        self.master_key = self.passed("master_key", master_key);
    }

    fn passed<T>(&mut self, what: &'static str, outcome: anyhow::Result<T>) -> Option<T> {
        outcome.map_err(|error| self.unusable.push((what, error))).ok()
    }

    /// # Errors
    ///
    /// Names everything that has not passed.
    pub fn for_server(mut self) -> anyhow::Result<ReadyToServe> {
        let (listeners, tenants) = (self.listeners.take(), self.tenants.take());
        let (master_key, _) = self.for_worker()?;
        match listeners {
            Some(listeners) => Ok(ReadyToServe { master_key, tenants, listeners }),
            None => Err(anyhow!("there is no listener")),
        }
    }

    /// # Errors
    ///
    /// Names everything that has not passed.
    pub fn for_worker(self) -> anyhow::Result<(MasterKey, Option<TcpListener>)> {
        match self.master_key {
            Some(master_key) if self.unusable.is_empty() => Ok((master_key, self.metrics)),
            _ => Err(anyhow!("{}", self.unusable.iter().map(sentence).collect::<Vec<_>>().join("; "))),
        }
    }
}

/// The setting and what is wrong with it, named once.
fn sentence((what, error): &Unusable) -> String {
    let text = format!("{error:#}");
    if text.contains(what) { text } else { format!("{what}: {text}") }
}
