//! Listening addresses: an IP address or a name, and a port.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `HOST:PORT` as configured. A name is resolved when the address is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address; an IPv6 address has no brackets here.
    host: String,
    port: u16,
}

/// The form of an address, for error messages.
const FORM: &str = "HOST:PORT, as in 127.0.0.1:8080, [::1]:8080 or localhost:8080";

/// The error for a text of another form.
#[derive(Debug, thiserror::Error)]
#[error("must be {FORM}")]
pub struct NotAnAddress;

impl Address {
    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Resolves the address. Among several, an IPv4 address takes precedence, so that `localhost` is 127.0.0.1, the
    /// address that clients try as well.
    ///
    /// # Errors
    ///
    /// Fails if the system cannot resolve the name.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        let found: Vec<SocketAddr> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        let preferred = found.iter().find(|address| address.is_ipv4()).or(found.first());
        preferred.copied().ok_or_else(|| io::Error::other("the name has no address"))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl From<([u8; 4], u16)> for Address {
    fn from(address: ([u8; 4], u16)) -> Self {
        SocketAddr::from(address).into()
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let (host, port) = text.rsplit_once(':').ok_or(NotAnAddress)?;
        // `u16` also parses a sign, as in `+80`.
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(port) if is_port && is_name(host) => Ok(Self { host: host.to_owned(), port }),
            _ => Err(NotAnAddress),
        }
    }
}

/// Returns whether the text is a host name (RFC 1123 section 2.1). The last label of a name is not a number, so an
/// incomplete IPv4 address, which the resolver would complete in its own way, is no name.
pub(super) fn is_name(host: &str) -> bool {
    // At most 63 bytes for a label and 255 for a name on the wire, which are 253 characters (RFC 1035 section 2.3.4).
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(allowed)
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written)
    }
}

/// The deserializer of an address in its text form. Its error contains the expected form.
struct Written;

impl Visitor<'_> for Written {
    type Value = Address;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Address, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_taken_and_shown_as_they_were_written() {
        for text in [
            "127.0.0.1:8080", "[::1]:8080", "localhost:8080", "a-host.internal:1", "host.:0", "0.0.0.0:65535",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", "nowhere", ":8080", "localhost", "localhost:", "localhost:x", "localhost:65536",
            "localhost:+80", "127.1:80", "1:80", "127.0.0.256:80", "::1:80", "http://localhost:80",
            "local host:80", "*:80", "a..b:80", "localhost:80/", "user@localhost:80",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn localhost_is_the_loopback_address_of_ipv4() {
        let found = "localhost:80".parse::<Address>().unwrap().resolve().unwrap();
        assert_eq!(found, SocketAddr::from(([127, 0, 0, 1], 80)));
    }
}
