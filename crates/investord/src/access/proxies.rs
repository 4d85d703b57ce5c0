//! Trusted proxies, and the client addresses that they report.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use crate::config::{Proxy, ProxyHeader};

/// The trusted proxies, whose reports of client addresses are accepted.
pub struct Proxies(Proxy);

impl Proxies {
    /// Copies the trusted networks and the name of the header from the configuration.
    pub fn new(config: &Proxy) -> Self {
        Self(config.clone())
    }

    /// Returns whether a peer belongs to a trusted network. An IPv4-mapped IPv6 address counts as its IPv4 address.
    pub fn is_trusted(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.trusted.iter().any(|network: &IpNet| network.contains(&peer))
    }

    /// Returns the client's address as a trusted peer reports it: the last address of the header, which the proxy
    /// itself has added. The addresses before it can be forged by the client.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.is_trusted(peer) {
            return None;
        }
        match self.0.header {
            ProxyHeader::XForwardedFor => client_ip::rightmost_x_forwarded_for(headers).ok(),
            ProxyHeader::Forwarded => client_ip::rightmost_forwarded(headers).ok(),
            // The PROXY protocol names the client once per connection; a header could only come from the client.
            ProxyHeader::ProxyProtocol => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_trusted_proxy_has_added_counts() {
        let header = |name: &'static str, value: &str| {
            HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
        };
        for (name, kind, value) in [
            ("x-forwarded-for", ProxyHeader::XForwardedFor, "192.0.2.1, 198.51.100.7"),
            ("forwarded", ProxyHeader::Forwarded, "for=192.0.2.1, for=198.51.100.7;proto=https"),
        ] {
            let proxies = Proxies::new(&Proxy { trusted: vec!["10.0.0.0/8".parse().unwrap()], header: kind });
            let client = |peer: &str, headers: &HeaderMap| proxies.client(peer.parse().unwrap(), headers);
            let sent = header(name, value);
            assert_eq!(client("10.1.2.3", &sent), Some("198.51.100.7".parse().unwrap()));
            assert_eq!(client("::ffff:10.1.2.3", &sent), Some("198.51.100.7".parse().unwrap()));
            assert_eq!(client("11.1.2.3", &sent), None, "not trusted");
            assert_eq!(client("10.1.2.3", &header("x-real-ip", value)), None, "another header");
            assert_eq!(client("10.1.2.3", &header(name, "nobody")), None);
        }
    }
}
