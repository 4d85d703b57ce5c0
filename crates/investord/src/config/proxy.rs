//! `[proxy]`: trusted proxies and the header in which they report the client's address.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    pub trusted: Vec<IpNet>,
    pub header: ProxyHeader,
}

/// How a proxy names who asks it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
    /// Before the first byte of each connection, for proxies that pass bytes on.
    ProxyProtocol,
}
