//! Listening sockets.

use std::io;
use std::net::TcpListener;

use anyhow::Context;
use axum_server::tls_rustls::RustlsConfig;
use socket2::SockRef;

use super::tls_config::{operator_server_config, server_config};
#[cfg(unix)]
use super::unix_socket::UnixSocket;
use crate::config::{Address, Config, HostAndPort, OperatorAddress};

pub use super::tls_config::Unusable;

/// Number of connections that the operating system keeps until they are accepted. It drops further ones without a word,
/// and their clients try again after a second; the standard library asks for 128.
const BACKLOG: i32 = 1024;

/// The bound sockets of a server. They are bound before anything is served, so that all errors appear at once.
pub struct Listeners {
    /// Socket of the API for clients.
    pub clients: TcpListener,
    /// Socket of the operator API.
    pub operators: OperatorSocket,
    /// Socket of the metrics and the health checks.
    pub metrics: TcpListener,
    /// TLS configuration of the listener for clients; a reload replaces it while the server runs.
    pub tls: Option<RustlsConfig>,
    /// The same of the listener for operators.
    pub operator_tls: Option<RustlsConfig>,
}

/// The socket of the operator API.
pub enum OperatorSocket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
}

impl Listeners {
    /// Binds the configured addresses, and replaces them in the configuration by the actual ones: port 0 becomes the
    /// port that the operating system chose.
    ///
    /// # Errors
    ///
    /// Fails with the list of all unusable settings.
    pub fn bind(config: &mut Config) -> Result<Self, Vec<Unusable>> {
        let mut unusable = Vec::new();
        let clients = keep("listen", bind(&config.listen), &mut unusable);
        let operators = keep("operator_listen", bind_operators(config), &mut unusable);
        let metrics = keep("metrics_listen", bind(&config.metrics_address()), &mut unusable);
        let mut keep_tls = |made: Option<Result<_, Vec<Unusable>>>| match made {
            Some(Ok(made)) => Some(RustlsConfig::from_config(made)),
            Some(Err(faults)) => {
                unusable.extend(faults);
                None
            }
            None => None,
        };
        let tls = keep_tls(config.tls.as_ref().map(server_config));
        let operator_tls = keep_tls(config.operator_tls.as_ref().map(operator_server_config));
        match (clients, operators, metrics) {
            (Some(clients), Some(operators), Some(metrics)) if unusable.is_empty() => {
                let listeners = Self { clients, operators, metrics, tls, operator_tls };
                listeners.store_addresses(config).map_err(|error| vec![("listen", error.into())])?;
                Ok(listeners)
            }
            _ => Err(unusable),
        }
    }

    fn store_addresses(&self, config: &mut Config) -> io::Result<()> {
        config.listen = self.clients.local_addr()?.into();
        if let OperatorSocket::Tcp(listener) = &self.operators {
            // The name by which the address was configured is a host of this listener.
            if let Ok(mut named) = config.operator_address().to_string().parse::<HostAndPort>()
                && named.ip().is_none()
            {
                named.port = None;
                config.operator_hosts.push(named);
            }
            config.operator_listen = Some(Address::from(listener.local_addr()?).into());
        }
        config.metrics_listen = Some(self.metrics.local_addr()?.into());
        Ok(())
    }
}

/// Returns a bound socket, and adds the setting of one that could not be bound to the unusable ones.
fn keep<T>(what: &'static str, bound: anyhow::Result<T>, unusable: &mut Vec<Unusable>) -> Option<T> {
    bound.map_err(|error| unusable.push((what, error))).ok()
}

/// Binds the address of the operator API.
fn bind_operators(config: &Config) -> anyhow::Result<OperatorSocket> {
    match config.operator_address() {
        OperatorAddress::Tcp(address) => bind(&address).map(OperatorSocket::Tcp),
        #[cfg(unix)]
        OperatorAddress::Unix(path) => {
            let socket = UnixSocket::bind(&path, config.operator_socket_mode.bits());
            let what = || format!("cannot listen on unix:{}", path.display());
            socket.map(OperatorSocket::Unix).with_context(what)
        }
        #[cfg(not(unix))]
        OperatorAddress::Unix(_) => anyhow::bail!("this system has no Unix sockets"),
    }
}

/// Binds an address of the configuration.
///
/// # Errors
///
/// Fails if the name does not resolve or the address is not available.
pub fn bind(address: &Address) -> anyhow::Result<TcpListener> {
    let resolved = address.resolve().with_context(|| format!("cannot resolve {address}"))?;
    let listen = || {
        let listener = TcpListener::bind(resolved)?;
        SockRef::from(&listener).listen(BACKLOG)?;
        Ok::<_, io::Error>(listener)
    };
    listen().map_err(|error| {
        let is_taken = error.kind() == io::ErrorKind::AddrInUse;
        let remedy = if is_taken { " (name another port, or 0, which takes a free one)" } else { "" };
        anyhow::Error::from(error).context(format!("cannot listen on {address}{remedy}"))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    /// Requests name the listener by the name that the configuration has for it, and not by the address behind it.
    #[test]
    fn a_configured_name_is_a_host_of_operators() {
        for (address, hosts) in [("localhost:0", &["localhost"][..]), ("127.0.0.1:0", &[]), ("[::1]:0", &[])]
        {
            let operator_listen = Some(address.parse().unwrap());
            let free = Some(([127, 0, 0, 1], 0).into());
            let listen = ([127, 0, 0, 1], 0).into();
            let mut config = Config { listen, operator_listen, metrics_listen: free, ..Config::default() };
            if Listeners::bind(&mut config).is_err() && address.starts_with('[') {
                continue; // This machine has no IPv6.
            }
            let named: Vec<String> = config.operator_hosts.iter().map(ToString::to_string).collect();
            assert_eq!(named, hosts, "{address}");
            assert_ne!(config.operator_address().resolve().unwrap().port(), 0);
        }
    }

    /// Other systems keep fewer, whatever is asked for.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_burst_of_connections_finds_room_before_any_is_accepted() {
        let listener = bind(&([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(900));
        let connected: Result<Vec<_>, _> = (0..400).map(connect).collect();
        assert_eq!(connected.map(|all| all.len()).ok(), Some(400));
    }
}
