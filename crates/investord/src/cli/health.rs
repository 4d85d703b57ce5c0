//! `investord health`: asks a server on this machine whether it is ready, for containers and supervisors without curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;

use super::Location;
use super::target::BaseUrl;
use crate::config::Address;

/// Time for the whole answer. The server has its answer ready, so that a longer wait means that it does not run.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Args)]
pub struct Health {
    #[command(flatten)]
    location: Location,
    /// Address of metrics and health checks; that of the configuration unless it is named.
    #[arg(long, value_name = "HOST:PORT")]
    metrics_listen: Option<Address>,
}

impl Health {
    /// Prints `ready` if the server answers requests: its database can be read and written.
    ///
    /// # Errors
    ///
    /// Fails if no server answers within three seconds, or the server is not ready.
    pub async fn run(self) -> anyhow::Result<()> {
        let address = match self.metrics_listen {
            Some(address) => address,
            None => self.location.config()?.metrics_address(),
        };
        let address = reachable(address.resolve().with_context(|| format!("cannot resolve {address}"))?);
        let server = BaseUrl::parse(&format!("http://{address}"), "--metrics-listen")?;
        let url = server.join(&"/readyz".parse()?)?;
        let answer = server.client().timeout(PATIENCE).build()?.get(url).send().await;
        let answer = answer.with_context(|| format!("no server answers on {address}"))?;
        ensure!(answer.status().is_success(), "the server on {address} is not ready: {}", answer.status());
        println!("ready");
        Ok(())
    }
}

/// Returns an address by which a server is reached that listens on every address of the machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
