//! The listener for operators: its address, TLS, and the permissions of its socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Tls;
use super::address::Address;

/// The address of the operator API: a port of TCP, or a Unix socket on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorAddress {
    Tcp(Address),
    /// The absolute path of the socket.
    Unix(PathBuf),
}

/// The form of an address, for error messages.
const FORM: &str = "HOST:PORT, as in 127.0.0.1:9080, or unix:/PATH, as in unix:/run/investord/operators.sock";

/// The error for a text of another form.
#[derive(Debug, thiserror::Error)]
#[error("must be {FORM}")]
pub struct NotAnOperatorAddress;

impl OperatorAddress {
    /// Resolves an address of TCP, as [`Address::resolve`] does.
    ///
    /// # Errors
    ///
    /// Fails if the system cannot resolve the name, and for a Unix socket, which has no address of that kind.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(address) => address.resolve(),
            Self::Unix(_) => Err(io::Error::other("a Unix socket has no IP address")),
        }
    }

    /// Returns whether only this machine reaches the address. An address that cannot be resolved counts as remote; its
    /// listener reports the cause.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => {
                address.resolve().is_ok_and(|address| address.ip().to_canonical().is_loopback())
            }
            Self::Unix(_) => true,
        }
    }
}

impl From<Address> for OperatorAddress {
    fn from(address: Address) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for OperatorAddress {
    type Err = NotAnOperatorAddress;

    fn from_str(text: &str) -> Result<Self, NotAnOperatorAddress> {
        match text.strip_prefix("unix:") {
            // Relative to which folder would depend on who reads it: the server, or a command.
            Some(path) if path.starts_with('/') && !path.ends_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(NotAnOperatorAddress),
            None => text.parse().map(Self::Tcp).map_err(|_| NotAnOperatorAddress),
        }
    }
}

impl fmt::Display for OperatorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Serialize for OperatorAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OperatorAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WrittenAddress)
    }
}

/// The deserializer of an address in its text form. Its error contains the expected form.
struct WrittenAddress;

impl Visitor<'_> for WrittenAddress {
    type Value = OperatorAddress;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OperatorAddress, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// The table `[operator_tls]`: PEM files of the listener for operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorTls {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    /// The authorities by one of which the certificate of a client has to be signed. Without it clients need none.
    pub client_ca_file: Option<PathBuf>,
}

impl OperatorTls {
    /// Returns the files of the server's own certificate.
    pub fn own(&self) -> Tls {
        Tls { cert_file: self.cert_file.clone(), key_file: self.key_file.clone() }
    }
}

/// Who may connect to a Unix socket: the permissions of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketMode {
    Owner,
    Group,
    Everybody,
}

/// The modes with the bits of their permissions.
const MODES: [(&str, SocketMode, u32); 3] = [
    ("0600", SocketMode::Owner, 0o600),
    ("0660", SocketMode::Group, 0o660),
    ("0666", SocketMode::Everybody, 0o666),
];

impl SocketMode {
    /// Returns the bits of the permissions.
    pub fn bits(self) -> u32 {
        MODES.iter().find(|(_, mode, _)| *mode == self).map_or(0o600, |(.., bits)| *bits)
    }
}

impl Serialize for SocketMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.bits()))
    }
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenMode)
    }
}

/// The deserializer of a mode in its octal form. A variable of the environment that is made of digits arrives as a
/// number; these numbers have the digits of a mode, and no mode in TOML's own octal form (`0o600` is 384) is one.
struct WrittenMode;

impl Visitor<'_> for WrittenMode {
    type Value = SocketMode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#""0600" (its owner), "0660" (its group, too) or "0666" (everybody on this machine)"#)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SocketMode, E> {
        let found = MODES.iter().find(|(written, ..)| *written == text);
        found.map(|(_, mode, _)| *mode).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<SocketMode, E> {
        self.visit_str(&format!("{number:04}"))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<SocketMode, E> {
        self.visit_str(&format!("{number:04}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ports_or_sockets() {
        for text in ["127.0.0.1:9080", "[::1]:9080", "localhost:0", "unix:/run/investord/operators.sock"] {
            assert_eq!(text.parse::<OperatorAddress>().unwrap().to_string(), text);
        }
        for text in [
            "", "unix:", "unix:operators.sock", "unix:./a", "unix:/", "unix:/run/", "/run/a", "a", "127.1:80",
        ] {
            assert!(text.parse::<OperatorAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_this_machine_reaches_loopback_and_sockets() {
        for (text, is_local) in [
            ("127.0.0.1:1", true),
            ("127.8.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("localhost:1", true),
            ("unix:/a", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("192.0.2.1:1", false),
        ] {
            assert_eq!(text.parse::<OperatorAddress>().unwrap().is_local(), is_local, "{text}");
        }
    }

    #[test]
    fn modes_are_octal_and_few() {
        let read = |text: &str| toml::from_str::<std::collections::BTreeMap<String, SocketMode>>(text);
        for (text, bits) in [("\"0600\"", 0o600), ("\"0660\"", 0o660), ("\"0666\"", 0o666), ("660", 0o660)] {
            let read = read(&format!("mode = {text}")).unwrap();
            assert_eq!(read["mode"].bits(), bits, "{text}");
        }
        for text in ["\"0777\"", "\"\"", "\"rw\"", "0o660", "0o600", "384", "-1", "true"] {
            assert!(read(&format!("mode = {text}")).is_err(), "{text}");
        }
    }
}
