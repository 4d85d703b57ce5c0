//! `log.level`: parses and changes the log filter.

use anyhow::{anyhow, bail};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::{Registry, reload};

use crate::domain::suggest::did_you_mean;

/// The levels, from the fewest to the most lines.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
/// The level of targets that no directive names.
const DEFAULT_LEVEL: &str = "info";
/// The crates that log; the first one is this crate.
const CRATES: [&str; 15] = [
    "investord", "axum", "h2", "hickory_net", "hickory_proto", "hickory_resolver", "hyper", "hyper_util",
    "mio", "moka", "refinery_core", "reqwest", "rustls", "tokio_postgres", "tower",
];
/// The modules of this crate. A test compares them with `lib.rs`.
const MODULES: [&str; 18] = [
    "access", "api", "app", "backoffice", "cli", "clock", "config", "console", "domain", "outbound",
    "problem", "provision", "route", "server", "store", "telemetry", "tls", "worker",
];

/// A handle to change the log level of a running process.
#[derive(Clone)]
pub struct LogControl(pub(super) reload::Handle<EnvFilter, Registry>);

impl LogControl {
    /// Replaces the log filter.
    ///
    /// # Errors
    ///
    /// Fails, and changes nothing, if the text names an unknown level or target.
    pub fn set_level(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.0.reload(filter(text)?)?)
    }
}

/// Parses a filter: a level (`info`) or directives (`info,investord::store=debug`).
///
/// # Errors
///
/// Fails if a level or a target is unknown, because the filter of the library would take the word for a target and log
/// nothing.
pub fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let mut directives = Vec::new();
    let mut general = None;
    for part in text.split(',').map(str::trim) {
        match part.split_once('=') {
            Some((target, level)) => {
                directives.push(format!("{}={}", known_target(target.trim())?, known_level(level.trim())?));
            }
            None => {
                if general.replace(known_level(part)?).is_some() {
                    bail!("log.level names more than one level for everything");
                }
            }
        }
    }
    let general = general.unwrap_or(DEFAULT_LEVEL);
    // The migration runner would log lines at every start.
    Ok(EnvFilter::try_new(format!("{general},refinery_core=warn,{}", directives.join(",")))?)
}

/// Returns the level of this name, in capitals or not.
fn known_level(word: &str) -> anyhow::Result<&'static str> {
    let known = LEVELS.into_iter().find(|level| level.eq_ignore_ascii_case(word));
    known.ok_or_else(|| {
        let (meant, all) = (did_you_mean(word, LEVELS), LEVELS.join(", "));
        anyhow!("log.level: '{word}' is no level{meant} (levels are {all})")
    })
}

/// Verifies that a target begins with a known crate and, in this crate, a known module.
fn known_target(target: &str) -> anyhow::Result<&str> {
    let mut path = target.split("::");
    let (krate, module) = (path.next().unwrap_or_default(), path.next());
    if !CRATES.contains(&krate) {
        let (meant, all) = (did_you_mean(krate, CRATES), CRATES.join(", "));
        bail!("log.level: '{target}' is no target{meant} (targets begin with one of {all})");
    }
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match module {
        Some(module) if krate == CRATES[0] && !MODULES.contains(&module) => {
            let (meant, all) = (did_you_mean(module, MODULES), MODULES.join(", "));
            bail!("log.level: there is no module '{target}'{meant} (modules are {all})")
        }
        _ if !target.split("::").all(is_word) => bail!("log.level: '{target}' is no target"),
        _ => Ok(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_taken() {
        for (text, made) in [
            ("warn", "refinery_core=warn,warn"),
            ("INFO", "refinery_core=warn,info"),
            ("info, investord::store=debug", "investord::store=debug,refinery_core=warn,info"),
            ("hyper=error", "refinery_core=warn,hyper=error,info"),
            ("debug,refinery_core=info", "refinery_core=info,debug"),
        ] {
            assert_eq!(filter(text).unwrap().to_string(), made, "{text}");
        }
    }

    #[test]
    fn what_would_silence_is_refused() {
        for (text, word) in [
            ("warning", "'warning' is no level; did you mean 'warn'?"),
            ("", "'' is no level"),
            ("off", "'off' is no level"),
            ("3", "'3' is no level"),
            ("info,", "'' is no level"),
            ("info,debug", "more than one level"),
            ("info,investrod=debug", "'investrod' is no target; did you mean 'investord'?"),
            ("investord=verbose", "'verbose' is no level"),
            ("investord::stroe=debug", "no module 'investord::stroe'; did you mean 'store'?"),
            ("investord::store::=debug", "'investord::store::' is no target"),
            ("investord[request]=debug", "is no target"),
            ("lou=d=er", "'lou' is no target"),
        ] {
            let error = filter(text).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("log.level"), "{text}: {error}");
        }
    }

    #[test]
    fn the_modules_are_those_of_the_crate() {
        let source = include_str!("../lib.rs");
        let declared = source.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        assert_eq!(declared.collect::<Vec<_>>(), MODULES);
    }
}
