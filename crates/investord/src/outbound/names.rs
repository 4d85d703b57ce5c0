//! Resolves the names of receivers (DNS).
//!
//! The resolver of the operating system (`getaddrinfo`) blocks a thread for as long as the servers of a name are
//! silent, and tenants choose the names. This resolver is asynchronous and has short time limits.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;

use super::Lookup;
use crate::config::NameServer;

/// Files with the name servers and the static host names of the operating system.
const SOURCES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// Time limit of a query to a name server. With [`TRIES`] queries a resolution ends well before [`super::LIMIT`].
const TRY: Duration = Duration::from_secs(2);
/// Maximum number of queries to a name server.
const TRIES: usize = 2;
/// Maximum number of cached names.
const MAX_KEPT: u64 = 4096;
/// Maximum time for which an address is cached, whatever its TTL is.
const MAX_CACHE_TTL: Duration = Duration::from_mins(5);
/// Maximum time for which the absence of an address is cached: a name that is set up for a webhook should work soon.
const NOTHING_KEPT: Duration = Duration::from_secs(30);
/// Maximum number of concurrent queries to one name server.
const MAX_ASKED: usize = 1024;

/// Creates a resolver function that queries the given name servers, or those of the operating system if there are none.
///
/// # Errors
///
/// Fails if the resolver cannot be created.
pub fn lookup(servers: &[NameServer]) -> io::Result<Arc<Lookup>> {
    if servers.is_empty() {
        let system = Arc::new(SystemResolver::default());
        return Ok(Arc::new(move |name| match system.resolver() {
            Ok(resolver) => ask(resolver, name),
            Err(error) => async { Err(error) }.boxed(),
        }));
    }
    let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
    let resolver = Arc::new(resolver(config, ResolverOpts::default())?);
    Ok(Arc::new(move |name| ask(Arc::clone(&resolver), name)))
}

fn ask(resolver: Arc<TokioResolver>, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    async move {
        let found = resolver.lookup_ip(name).await.map_err(io::Error::other)?;
        Ok(found.iter().map(|address| SocketAddr::new(address, 0)).collect())
    }
    .boxed()
}

/// Resolver with the name servers of the operating system, created again when its files change.
#[derive(Default)]
struct SystemResolver(Mutex<Option<(Changed, Arc<TokioResolver>)>>);

/// Modification times of [`SOURCES`].
type Changed = [Option<SystemTime>; SOURCES.len()];

impl SystemResolver {
    /// Returns the resolver for the present content of the files, so that a network that is joined later, or changes,
    /// is found without a restart.
    fn resolver(&self) -> io::Result<Arc<TokioResolver>> {
        let changed = SOURCES.map(|file| fs::metadata(file).and_then(|file| file.modified()).ok());
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, resolver)) = made.as_ref().filter(|(at, _)| *at == changed) {
            return Ok(Arc::clone(resolver));
        }
        // Without `/etc/resolv.conf` the name server is the local machine (resolv.conf(5)).
        let (config, options) = read_system_conf().unwrap_or_else(|_| {
            let local = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
            (ResolverConfig::from_name_servers(vec![local]), ResolverOpts::default())
        });
        let resolver = Arc::new(resolver(config, options)?);
        *made = Some((changed, Arc::clone(&resolver)));
        Ok(resolver)
    }
}

/// Creates a resolver whose time limits and cache do not exceed the constants of this file, even if the options of the
/// system say so.
fn resolver(config: ResolverConfig, mut options: ResolverOpts) -> io::Result<TokioResolver> {
    options.timeout = options.timeout.min(TRY);
    options.attempts = options.attempts.min(TRIES);
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Always;
    options.cache_size = MAX_KEPT;
    options.positive_max_ttl = Some(MAX_CACHE_TTL);
    options.negative_max_ttl = Some(NOTHING_KEPT);
    options.max_active_requests = MAX_ASKED;
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.with_options(options).build().map_err(io::Error::other)
}

/// Converts a configured name server, with UDP first and TCP for truncated responses.
fn server(at: &NameServer) -> NameServerConfig {
    let port = |mut connection: ConnectionConfig| {
        connection.port = at.0.port();
        connection
    };
    let connections = vec![port(ConnectionConfig::udp()), port(ConnectionConfig::tcp())];
    NameServerConfig::new(at.0.ip(), true, connections)
}
