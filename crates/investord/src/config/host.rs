//! Hosts as requests name them: a name or an IP address, perhaps with a port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::address::is_name;

/// A host and perhaps a port, in the form of the header `host` (RFC 9110 section 7.2). Case and the dot at the end of a
/// fully qualified name do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAndPort {
    host: Host,
    pub port: Option<u16>,
}

/// A name in lower case and without a dot at its end, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(String),
    Ip(IpAddr),
}

/// The form of a host, for error messages.
const FORM: &str = "HOST or HOST:PORT, as in register.example.com or [2001:db8::1]:9080";

/// The error for a text that is no host.
#[derive(Debug, thiserror::Error)]
#[error("must be {FORM}")]
pub struct NotAHost;

impl HostAndPort {
    /// Returns the IP address, if the host is one and not a name. An IPv4-mapped IPv6 address is its IPv4 address.
    pub fn ip(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Ip(ip) => Some(*ip),
            Host::Name(_) => None,
        }
    }

    /// Returns whether the host is this machine: `localhost` or a loopback address. Other names below `localhost`
    /// (RFC 6761 section 6.3) do not count, because not every resolver keeps them on this machine.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name == "localhost",
        }
    }

    /// Returns whether both are the same host, whatever their ports.
    pub fn is_same_host(&self, other: &Self) -> bool {
        self.host == other.host
    }

    /// Returns whether both are the same host and port, where a port that is missing is that of the scheme.
    pub fn is_same(&self, other: &Self, port_of_scheme: u16) -> bool {
        let port = |one: &Self| one.port.unwrap_or(port_of_scheme);
        self.is_same_host(other) && port(self) == port(other)
    }
}

impl FromStr for HostAndPort {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((ip, port)) => {
                let ip: Ipv6Addr = ip.parse().map_err(|_| NotAHost)?;
                (Host::Ip(ip.to_canonical()), port)
            }
            None => {
                let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                let host = match host.parse::<Ipv4Addr>() {
                    Ok(ip) => Host::Ip(ip.into()),
                    Err(_) if is_name(host) => {
                        Host::Name(host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase())
                    }
                    Err(_) => return Err(NotAHost),
                };
                (host, port)
            }
        };
        // `u16` also parses a sign, as in `+80`.
        let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            // An empty port is that of the scheme (RFC 3986 section 3.2.3).
            Some("") => None,
            Some(port) if is_number(port) => Some(port.parse().map_err(|_| NotAHost)?),
            _ => return Err(NotAHost),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostAndPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => f.write_str(name)?,
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}")?,
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Serialize for HostAndPort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostAndPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written)
    }
}

/// The deserializer of a host in its text form. Its error contains the expected form.
struct Written;

impl Visitor<'_> for Written {
    type Value = HostAndPort;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HostAndPort, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_the_last_dot_do_not_count() {
        for (text, shown) in [
            ("Register.Example.COM", "register.example.com"),
            ("register.example.com.:443", "register.example.com:443"),
            ("localhost:", "localhost"),
            ("127.0.0.1:9080", "127.0.0.1:9080"),
            ("[0:0::1]:9080", "[::1]:9080"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ] {
            assert_eq!(text.parse::<HostAndPort>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_hosts() {
        for text in [
            "", ".", ":80", "*", "*.example.com", "a b", "a/b", "http://a", "user@a", "a:+80", "a:65536",
            "a:b", "::1", "[::1", "[::1]80", "[127.0.0.1]", "[a]", "127.1", "127.0.0.1.", "0x7f.1", "a..b",
            "a,b", "a%2eb",
        ] {
            assert!(text.parse::<HostAndPort>().is_err(), "{text}");
        }
    }
}
