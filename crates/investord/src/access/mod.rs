//! Limits per tenant and per address on everything that requests share (docs/limits.md).
//!
//! Each budget is a [`Counter`] with a limit in total and a limit per owner, and the caller gets a definite response
//! beyond them. `docs/limits.md` lists the budgets; the table `[limits]` of the configuration sets them.

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
use self::turns::FairSemaphore;
use crate::config::{Config, PASSWORDS};
use crate::domain::tenants::TenantNumber;

/// Connections to the listener of metrics. Collectors and supervisors need one or two each.
const METRICS_CONNECTIONS: usize = 64;

/// All budgets of a process.
pub struct Budgets {
    /// Requests, bodies, responses, scans and test calls, by tenant.
    pub tenants: Tenants,
    /// Trusted proxies: they decide whose budget a connection uses.
    pub proxies: Proxies,
    /// Long polls for events.
    pub polls: Polls,
    /// Connections of clients, by address.
    pub connections: Connections,
    /// Connections of operators, by address.
    pub operator_connections: Connections,
    /// Connections of supervisors and metrics collectors.
    pub metrics_connections: Connections,
    /// Signature verifications, by tenant. They use all cores, and the tenants take turns.
    pub signature_checks: FairSemaphore<TenantNumber>,
    /// Sign-ins that wait for the verification of a password, by address.
    pub sign_ins: Arc<Counter<IpAddr>>,
    /// Counts the sign-ins that wait for the identity provider, with the limits of `sign_ins`. It is a counter of its
    /// own, so that a slow provider does not keep operators with passwords out.
    pub provider_sign_ins: Arc<Counter<IpAddr>>,
    /// Passwords that are hashed at the moment, by address. Argon2 takes much memory and time, hence a budget of its
    /// own.
    pub passwords: FairSemaphore<IpAddr>,
    /// Searches and histories of operators, by the tenant to which the operator is restricted.
    pub operator_scans: FairSemaphore<Option<TenantNumber>>,
    /// Webhooks with a delivery in flight, by tenant.
    pub deliveries: Arc<Counter<TenantNumber>>,
    /// Requests for tokens, by address: the client is unknown until the body has been read.
    pub token_requests: Arc<Counter<IpAddr>>,
}

impl Budgets {
    /// Creates the budgets from the limits of the configuration.
    pub fn new(config: &Config) -> Self {
        let limits = &config.limits;
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            signature_checks: FairSemaphore::new(cores, cores),
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
            provider_sign_ins: Counter::new(
                "provider_sign_ins",
                limits.sign_ins,
                limits.sign_ins_per_address,
            ),
            passwords: FairSemaphore::new(PASSWORDS, 1),
            operator_scans: FairSemaphore::new(config.operators_scans(), 1),
            deliveries: Counter::new("deliveries", limits.deliveries, limits.deliveries_per_tenant),
            token_requests: Counter::new(
                "token_requests",
                limits.requests,
                limits.token_requests_per_address,
            ),
        }
    }

    /// Publishes the use of every budget as gauges.
    pub fn publish(&self) {
        self.tenants.publish();
        self.connections.publish();
        self.operator_connections.publish();
        self.metrics_connections.publish();
        self.sign_ins.publish();
        self.provider_sign_ins.publish();
        self.deliveries.publish();
        self.token_requests.publish();
    }
}
