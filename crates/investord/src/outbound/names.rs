//! Resolves the names of receivers (DNS).
//!
//! The resolver of the system (`getaddrinfo`) holds a thread for as long as the servers of a name are silent, and tenants
//! choose the names. This one waits without a thread, and not for long.

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

/// The files that say whom to ask, and what needs no question.
const SOURCES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// How long a server may take, and how often it is asked: an answer is there well before [`super::LIMIT`].
const TRY: Duration = Duration::from_secs(2);
const TRIES: usize = 2;
/// Answers that are kept, and for how long at most: one that says that there is no address is asked for again sooner.
const MOST_KEPT: u64 = 4096;
const KEPT: Duration = Duration::from_mins(5);
const NOTHING_KEPT: Duration = Duration::from_secs(30);
/// Questions on their way to one server.
const MOST_ASKED: usize = 1024;

/// Asks the servers that are named, or those of the system.
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

/// The servers of the system, as its files name them at the moment.
#[derive(Default)]
struct SystemResolver(Mutex<Option<(Changed, Arc<TokioResolver>)>>);

/// When the files were changed.
type Changed = [Option<SystemTime>; SOURCES.len()];

impl SystemResolver {
    /// A network that is joined later, or changes, is found without a restart.
    fn resolver(&self) -> io::Result<Arc<TokioResolver>> {
        let changed = SOURCES.map(|file| fs::metadata(file).and_then(|file| file.modified()).ok());
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, resolver)) = made.as_ref().filter(|(at, _)| *at == changed) {
            return Ok(Arc::clone(resolver));
        }
        // Without the file the server is this machine (resolv.conf(5)).
        let (config, options) = read_system_conf().unwrap_or_else(|_| {
            let local = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
            (ResolverConfig::from_name_servers(vec![local]), ResolverOpts::default())
        });
        let resolver = Arc::new(resolver(config, options)?);
        *made = Some((changed, Arc::clone(&resolver)));
        Ok(resolver)
    }
}

fn resolver(config: ResolverConfig, mut options: ResolverOpts) -> io::Result<TokioResolver> {
    options.timeout = options.timeout.min(TRY);
    options.attempts = options.attempts.min(TRIES);
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Always;
    options.cache_size = MOST_KEPT;
    options.positive_max_ttl = Some(KEPT);
    options.negative_max_ttl = Some(NOTHING_KEPT);
    options.max_active_requests = MOST_ASKED;
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.with_options(options).build().map_err(io::Error::other)
}

fn server(at: &NameServer) -> NameServerConfig {
    let port = |mut connection: ConnectionConfig| {
        connection.port = at.0.port();
        connection
    };
    let connections = vec![port(ConnectionConfig::udp()), port(ConnectionConfig::tcp())];
    NameServerConfig::new(at.0.ip(), true, connections)
}
