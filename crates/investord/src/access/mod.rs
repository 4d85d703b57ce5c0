//! Limits per tenant and per address on everything that requests share (docs/limits.md).
//!
//! Each budget is a [`Counter`]: so much in all, so much for one, and a clear answer beyond that. `docs/limits.md` lists
//! them; the table `[limits]` of the configuration sets them.

pub mod client_cache;
pub mod connections;
pub mod counter;
pub mod polls;
pub mod proxies;
pub mod rate_limits;
pub mod replay_guard;
pub mod signature_counts;
pub mod tenants;
pub mod trace;
pub mod turns;

use std::net::IpAddr;
use std::num::NonZero;
use std::sync::Arc;

use self::connections::Connections;
use self::counter::Counter;
use self::polls::Polls;
use self::proxies::Proxies;
use self::tenants::Tenants;
use self::turns::Turns;
use crate::config::{Config, PASSWORDS};

/// Connections to the listener of metrics: for collectors and supervisors, which need one or two each.
const METRICS_CONNECTIONS: usize = 64;

pub struct Budgets {
    pub tenants: Tenants,
    pub proxies: Proxies,
    /// Requests that wait for events.
    pub polls: Polls,
    /// Of clients, by their address.
    pub connections: Connections,
    pub operator_connections: Connections,
    /// Of supervisors and of those who collect metrics.
    pub metrics_connections: Connections,
    /// Signatures that are checked, by the tenant: on all cores, the tenants in turn.
    pub signature_checks: Turns<i64>,
    /// Passwords that wait to be judged, by the address they came from.
    pub sign_ins: Arc<Counter<IpAddr>>,
    /// Passwords that are hashed, by the same.
    pub passwords: Turns<IpAddr>,
    /// Of operators, by the tenant whose people they see.
    pub operator_scans: Turns<Option<i64>>,
    /// Webhooks that are sent to, by their tenant.
    pub deliveries: Arc<Counter<i64>>,
    /// Requests for tokens, whose client is not known before their body is there.
    pub token_requests: Arc<Counter<IpAddr>>,
}

impl Budgets {
    pub fn new(config: &Config) -> Self {
        let limits = &config.limits;
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            signature_checks: Turns::new(cores, cores),
            tenants: Tenants::new(limits, config.scans()),
            polls: Polls::default(),
            proxies: Proxies::new(&config.proxy),
            connections: Connections::new("clients", limits.connections, limits.connections_per_address),
            operator_connections: Connections::new(
                "operators",
                limits.operator_connections,
                limits.operator_connections_per_address,
            ),
            metrics_connections: Connections::new("metrics", METRICS_CONNECTIONS, METRICS_CONNECTIONS),
            sign_ins: Counter::new("sign_ins", limits.sign_ins, limits.sign_ins_per_address),
            passwords: Turns::new(PASSWORDS, 1),
            operator_scans: Turns::new(config.operators_scans(), 1),
            deliveries: Counter::new("deliveries", limits.deliveries, limits.deliveries_per_tenant),
            token_requests: Counter::new(
                "token_requests",
                limits.requests,
                limits.token_requests_per_address,
            ),
        }
    }

    /// Publishes how much of each budget is in use.
    pub fn publish(&self) {
        self.tenants.publish();
        self.connections.publish();
        self.operator_connections.publish();
        self.metrics_connections.publish();
        self.sign_ins.publish();
        self.deliveries.publish();
        self.token_requests.publish();
    }
}
