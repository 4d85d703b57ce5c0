//! `allow`: the risks that an administrator accepts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A risk that can be taken, by the name that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Clients or operators are answered at a public address without TLS.
    PlainHttp,
    /// The database is reached over a network without TLS.
    PlainPostgres,
    /// Other users of the machine can read a key.
    ReadableKeys,
    /// Outcomes can be ordered for a tenant, as for trying out.
    Simulation,
    /// A server for development is reached from other machines.
    RemoteDevelopment,
}

impl Risk {
    const ALL: [Risk; 5] =
        [Risk::PlainHttp, Risk::PlainPostgres, Risk::ReadableKeys, Risk::Simulation, Risk::RemoteDevelopment];

    pub const fn as_str(self) -> &'static str {
        match self {
            Risk::PlainHttp => "plain-http",
            Risk::PlainPostgres => "plain-postgres",
            Risk::ReadableKeys => "readable-keys",
            Risk::Simulation => "simulation",
            Risk::RemoteDevelopment => "remote-development",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Risk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|risk| risk.as_str() == text)
            .ok_or_else(|| format!("must be one of {}", names()))
    }
}
