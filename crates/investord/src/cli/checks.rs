//! What a configuration has to pass before anything is served. `serve` and `doctor` run this one list.

use std::net::TcpListener;

use anyhow::anyhow;

use super::{parse_master_key, risks};
use crate::app::Mode;
use crate::config::Config;
use crate::outbound::Outbound;
use crate::provision::Wanted;
use crate::server::Listeners;
use crate::server::listeners::{self, Unusable};
use crate::store::seal::MasterKey;
use crate::telemetry;

/// What has passed, and what has not.
#[derive(Default)]
pub struct Checked {
    pub master_key: Option<MasterKey>,
    pub tenants: Option<Wanted>,
    listeners: Option<Listeners>,
    metrics: Option<TcpListener>,
    pub unusable: Vec<Unusable>,
}

/// What a server needs of its configuration.
pub struct Ready {
    pub master_key: MasterKey,
    pub tenants: Option<Wanted>,
    pub listeners: Listeners,
}

/// Checks everything that a server needs. The configuration then holds the addresses that were taken.
pub fn of_server(config: &mut Config, mode: Mode) -> Checked {
    let mut checked = Checked::default();
    checked.of_every_process(config);
    for (what, risk, text) in risks::objections(config, mode) {
        if !config.allow.contains(&risk) {
            checked.unusable.push((what, anyhow!("{text}; {}", risks::how_to_allow(risk))));
        }
    }
    if let Some(file) = &config.tenants {
        checked.tenants = checked.passed("tenants", Wanted::read(file));
    }
    match Listeners::bind(config) {
        Ok(listeners) => checked.listeners = Some(listeners),
        Err(unusable) => checked.unusable.extend(unusable),
    }
    checked
}

/// Checks everything that a worker needs.
pub fn of_worker(config: &Config) -> Checked {
    let mut checked = Checked::default();
    checked.of_every_process(config);
    if let Some(address) = &config.metrics_listen {
        checked.metrics = checked.passed("metrics_listen", listeners::bind(address));
    }
    checked
}

impl Checked {
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
    pub fn for_server(mut self) -> anyhow::Result<Ready> {
        let (listeners, tenants) = (self.listeners.take(), self.tenants.take());
        let (master_key, _) = self.for_worker()?;
        match listeners {
            Some(listeners) => Ok(Ready { master_key, tenants, listeners }),
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
