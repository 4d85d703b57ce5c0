//! Connection limits, in all and per address or network.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::counter::{Counter, Exhausted, Permit};

/// Minimum time between two warnings about refused connections, so that an attack does not fill the log.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// A counted connection; dropping it frees the place.
pub type Place = Permit<IpAddr>;

/// The connection budget of one listener.
#[derive(Clone)]
pub struct Connections(Arc<Inner>);

struct Inner {
    /// Label of the listener in logs and metrics.
    listener: &'static str,
    counter: Arc<Counter<IpAddr>>,
    /// Uptime in seconds after which the next warning may be logged.
    told_again: AtomicU64,
}

impl Connections {
    /// Creates the budget: `all` connections in total, `each` from one address or IPv6 network.
    pub fn new(listener: &'static str, all: usize, each: usize) -> Self {
        let counter = Counter::new(listener, all, each);
        Self(Arc::new(Inner { listener, counter, told_again: AtomicU64::new(0) }))
    }

    /// Acquires a place for a connection, if there is one. A proxy opens connections for many clients, so only the
    /// total limit applies to it.
    pub fn admit(&self, peer: IpAddr, is_proxy: bool, uptime: Duration) -> Option<Place> {
        let taken = if is_proxy {
            self.0.counter.acquire_total(network(peer), 1)
        } else {
            self.0.counter.acquire(network(peer), 1)
        };
        let refused = match taken {
            Ok(place) => return Some(place),
            Err(refused) => refused,
        };
        let (now, again) = (uptime.as_secs(), self.0.told_again.load(Ordering::Relaxed));
        if now >= again {
            self.0.told_again.store(now + TOLD_EVERY.as_secs(), Ordering::Relaxed);
            let limit = match refused {
                Exhausted::Own => "of one address",
                Exhausted::Everybodys => "of all",
            };
            tracing::warn!(listener = self.0.listener, %peer, limit, "connections are refused");
        }
        None
    }

    /// Publishes the number of open connections as a gauge.
    pub fn publish(&self) {
        self.0.counter.publish();
    }
}

/// Returns the address by which a peer is counted. An IPv6 address is reduced to its /64, because a subscriber has at
/// least a whole /64 (RFC 6177) and could otherwise use a new address for every connection.
pub fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let connections = Connections::new("test", 3, 1);
        let admit = |peer: &str| connections.admit(peer.parse().unwrap(), false, Duration::ZERO);
        let first = admit("2001:db8::1").unwrap();
        assert!(admit("2001:db8::ffff:2").is_none(), "the same /64");
        let _second = admit("2001:db8:0:1::1").unwrap();
        let _third = admit("192.0.2.1").unwrap();
        assert!(admit("::ffff:192.0.2.1").is_none(), "the same address, mapped");
        assert!(admit("192.0.2.2").is_none(), "there are no more");
        assert!(connections.admit("192.0.2.2".parse().unwrap(), true, Duration::ZERO).is_none());
        drop(first);
        assert!(admit("2001:db8::2").is_some());
    }
}
