//! Refuses to start a server that is insecure, unless `allow` names the risk.

use std::path::Path;

use anyhow::anyhow;

use crate::app::Mode;
use crate::config::{Address, Config, OperatorAddress, Risk};
use crate::server::listeners::Unusable;
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
    let keys: [(&'static str, Option<&Path>); 4] = [
        ("master_key_file", config.master_key_file.as_deref()),
        ("tls.key_file", config.tls.as_ref().map(|tls| tls.key_file.as_path())),
        ("oidc.client_secret_file", config.oidc.as_ref().and_then(|oidc| oidc.client_secret_file.as_deref())),
        ("operator_tls.key_file", config.operator_tls.as_ref().map(|tls| tls.key_file.as_path())),
    ];
    for (what, file) in keys {
        object(what, Risk::ReadableKeys, file.and_then(readable_by_others));
    }
    let has_tls_in_front = config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    if mode == Mode::Development {
        let addresses = [
            ("listen", config.listen.to_string(), is_local(&config.listen)),
            ("operator_listen", config.operator_address().to_string(), config.operator_address().is_local()),
        ];
        for (what, address, is_local) in addresses {
            let text = format!("{address} can be reached from elsewhere, and everything about it is weak");
            object(what, Risk::RemoteDevelopment, Some(text).filter(|_| !is_local));
        }
    } else if !is_local(&config.listen) && config.tls.is_none() && !has_tls_in_front {
        let text = format!("{} in clear: set tls, or public_url of a proxy that speaks it", config.listen);
        object("listen", Risk::PlainHttp, Some(text));
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

/// Returns the settings of the listener for operators that are insecure or contradict each other. No risk can be
/// accepted here: whoever reads the traffic of operators has their sessions, and with them all people of the register.
/// The address is the bound one if it could be bound, so that a name that leads elsewhere by now is no way around.
pub fn operator_listener(config: &Config, mode: Mode) -> Vec<Unusable> {
    let mut found = Vec::new();
    let address = config.operator_address();
    let (has_tls, is_behind_proxy) = (config.operator_tls.is_some(), config.operator_plaintext_behind_proxy);
    if has_tls && matches!(address, OperatorAddress::Unix(_)) {
        let fault =
            anyhow!("{address} is a Unix socket, which takes no TLS and no certificates: leave one out");
        found.push(("operator_tls", fault));
    }
    if has_tls && is_behind_proxy {
        let fault = anyhow!("operator_tls is set, so nothing is in clear: leave one of the two out");
        found.push(("operator_plaintext_behind_proxy", fault));
    }
    if is_behind_proxy && config.proxy.trusted.is_empty() {
        let fault = anyhow!(
            "needs proxy.trusted, the networks of the proxies: connections from elsewhere are refused, and without it \
             all operators would be counted and recorded as one address"
        );
        found.push(("operator_plaintext_behind_proxy", fault));
    }
    if mode == Mode::Production && !address.is_local() && !has_tls && !is_behind_proxy {
        let fault = anyhow!(
            "{address} can be reached from elsewhere and would speak plain HTTP: set operator_tls.cert_file and \
             operator_tls.key_file; or listen on 127.0.0.1 or unix:/PATH; or, behind a proxy that speaks TLS, set \
             operator_plaintext_behind_proxy"
        );
        found.push(("operator_listen", fault));
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
