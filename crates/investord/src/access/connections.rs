//! Connection limits, in all and per address or network.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::counter::{Counter, Spent, Taken};

/// How often the log says that connections are refused.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// A connection that is counted.
pub type Place = Taken<IpAddr>;

#[derive(Clone)]
pub struct Connections(Arc<Inner>);

struct Inner {
    listener: &'static str,
    counter: Arc<Counter<IpAddr>>,
    /// Uptime in seconds from which on the log may say so again.
    told_again: AtomicU64,
}

impl Connections {
    pub fn new(listener: &'static str, all: usize, each: usize) -> Self {
        let counter = Counter::new(listener, all, each);
        Self(Arc::new(Inner { listener, counter, told_again: AtomicU64::new(0) }))
    }

    /// Takes a place for a connection, if there is one. A proxy asks for many, so it counts against the limit of all alone.
    pub fn admit(&self, peer: IpAddr, is_proxy: bool, uptime: Duration) -> Option<Place> {
        let taken = if is_proxy {
            self.0.counter.take_of_all(network(peer), 1)
        } else {
            self.0.counter.take(network(peer), 1)
        };
        let refused = match taken {
            Ok(place) => return Some(place),
            Err(refused) => refused,
        };
        let (now, again) = (uptime.as_secs(), self.0.told_again.load(Ordering::Relaxed));
        if now >= again {
            self.0.told_again.store(now + TOLD_EVERY.as_secs(), Ordering::Relaxed);
            let limit = match refused {
                Spent::Own => "of one address",
                Spent::Everybodys => "of all",
            };
            tracing::warn!(listener = self.0.listener, %peer, limit, "connections are refused");
        }
        None
    }

    pub fn publish(&self) {
        self.0.counter.publish();
    }
}

/// Returns the address by which a peer is counted: one of IPv6 is reduced to its /64, because a subscriber has a whole /64
/// at least (RFC 6177).
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
