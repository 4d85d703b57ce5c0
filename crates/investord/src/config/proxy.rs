//! `[proxy]`: trusted proxies and the header in which they report the client's address.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The table `[proxy]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// Networks of the proxies that are trusted to report the client's address.
    pub trusted: Vec<IpNet>,
    /// The way in which all of them report it.
    pub header: ProxyHeader,
}

/// The way in which a proxy reports the client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// The header `x-forwarded-for`.
    #[default]
    XForwardedFor,
    /// The header `forwarded` (RFC 7239).
    Forwarded,
    /// The PROXY protocol before the first byte of each connection, for proxies that forward bytes.
    ProxyProtocol,
}
