//! `allow`: the risks that an administrator accepts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A risk that an administrator can accept by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// A public address for clients or operators without TLS.
    PlainHttp,
    /// A database that is reached over a network without TLS.
    PlainPostgres,
    /// A key file that other users of the machine can read.
    ReadableKeys,
    /// A tenant whose outcomes can be ordered, as in tests.
    Simulation,
    /// A development server that other machines can reach.
    RemoteDevelopment,
}

impl Risk {
    /// All risks, in the order in which messages list them.
    const ALL: [Risk; 5] =
        [Risk::PlainHttp, Risk::PlainPostgres, Risk::ReadableKeys, Risk::Simulation, Risk::RemoteDevelopment];

    /// Returns the name of the risk in `allow` and `--allow`.
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
