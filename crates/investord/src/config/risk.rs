//! `allow`: the risks that an administrator accepts.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

/// A risk that an administrator can accept by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case", parse_err_ty = String, parse_err_fn = unknown)]
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

/// Returns the message about a name that is no risk.
fn unknown(_: &str) -> String {
    format!("must be one of {}", Risk::VARIANTS.join(", "))
}
