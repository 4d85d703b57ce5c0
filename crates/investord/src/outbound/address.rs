//! Tells public network addresses from others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{Ipv4Net, Ipv6Net};

/// Networks without public servers: the IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast (RFC 5771) and
/// class E (RFC 1112).
const NOT_PUBLIC_V4: [&str; 16] = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
];

/// The global unicast addresses (RFC 4291 section 2.4, IANA IPv6 Global Unicast Address Space). All others are
/// loopback, mapped, local or multicast.
const PUBLIC_V6: &str = "2000::/3";
/// Networks of the IANA IPv6 Special-Purpose Address Registry inside of [`PUBLIC_V6`]. Teredo and 6to4 embed IPv4
/// addresses, which this check would not examine.
const NOT_PUBLIC_V6: [&str; 5] =
    ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"];

/// [`NOT_PUBLIC_V4`], parsed once.
static V4: LazyLock<Vec<Ipv4Net>> =
    LazyLock::new(|| NOT_PUBLIC_V4.map(|net| net.parse().expect("a network")).into());
/// [`NOT_PUBLIC_V6`], parsed once.
static V6: LazyLock<Vec<Ipv6Net>> =
    LazyLock::new(|| NOT_PUBLIC_V6.map(|net| net.parse().expect("a network")).into());
/// [`PUBLIC_V6`], parsed once.
static GLOBAL: LazyLock<Ipv6Net> = LazyLock::new(|| PUBLIC_V6.parse().expect("a network"));

/// Returns whether an address can belong to a server on the public Internet. An IPv4-mapped IPv6 address is checked as
/// its IPv4 address, because the operating system connects to that one.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !V4.iter().any(|net| net.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    GLOBAL.contains(&address) && !V6.iter().any(|net| net.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_what_is_not_public() {
        let not = [
            "0.0.0.0", "10.0.0.0", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.255.255",
            "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255",
            "198.19.255.255", "224.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1",
            "::ffff:10.1.2.3", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "fc00::1",
            "fdff::1", "fe80::1", "fec0::1", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
        ];
        for text in not {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        let public = [
            "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
            "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
            "223.255.255.255", "::ffff:8.8.8.8", "2001:4860:4860::8888", "2a00:1450::1", "2003::1",
        ];
        for text in public {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
