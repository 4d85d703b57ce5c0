//! Refuses to start a server that is insecure, unless `allow` names the risk.

use std::path::Path;

use crate::app::Mode;
use crate::config::{Address, Config, Risk};
use crate::store::Database;
use crate::store::tools::diagnostics::readable_by_others;

/// A dangerous setting, its risk, and the explanation.
pub type Objection = (&'static str, Risk, String);

/// Returns all dangerous settings of a configuration, whether or not their risk is accepted.
pub fn objections(config: &Config, mode: Mode) -> Vec<Objection> {
    let mut found = Vec::new();
    let mut object = |what, risk, objection: Option<String>| {
        found.extend(objection.map(|text| (what, risk, text)));
    };
    let keys: [(&'static str, Option<&Path>); 2] = [
        ("master_key_file", config.master_key_file.as_deref()),
        ("tls.key_file", config.tls.as_ref().map(|tls| tls.key_file.as_path())),
    ];
    for (what, file) in keys {
        object(what, Risk::ReadableKeys, file.and_then(readable_by_others));
    }
    let has_tls_in_front = config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    let operators = config.operator_address();
    let addresses = [
        ("listen", &config.listen, config.tls.is_some() || has_tls_in_front),
        // The operator API has no TLS of its own.
        ("operator_listen", &operators, false),
    ];
    for (what, address, is_encrypted) in addresses.into_iter().filter(|(_, address, _)| !is_local(address)) {
        match mode {
            Mode::Development => {
                let text =
                    format!("{address} can be reached from elsewhere, and everything about it is weak");
                object(what, Risk::RemoteDevelopment, Some(text));
            }
            Mode::Production => {
                let text = format!("{address} in clear: set tls, or public_url of a proxy that speaks it");
                object(what, Risk::PlainHttp, Some(text).filter(|_| !is_encrypted));
            }
        }
    }
    if let Ok(Database::Postgres(server)) = config.database() {
        let text =
            "the server is elsewhere and may be spoken to in clear: name sslmode=verify-full, or require";
        object(
            "database",
            Risk::PlainPostgres,
            Some(text.into()).filter(|_| server.is_remote() && !server.is_encrypted()),
        );
    }
    found
}

/// Returns whether an address is reachable from this machine only. An address that cannot be resolved counts as remote;
/// its listener reports the cause.
fn is_local(address: &Address) -> bool {
    address.resolve().is_ok_and(|address| address.ip().is_loopback())
}

/// Returns the instruction for accepting a risk.
pub fn how_to_allow(risk: Risk) -> String {
    format!("to take the risk, start with `--allow {risk}`")
}
