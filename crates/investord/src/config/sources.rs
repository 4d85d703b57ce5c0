//! The sources of settings in their order: defaults, TOML file, environment, command line.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Serialized};
use serde::Serialize;

use super::{Address, Config, OperatorAddress, Risk, parse_toml};
use crate::domain::suggest::did_you_mean;

/// Prefix of the environment variables of Investord.
const PREFIX: &str = "INVESTORD_";
/// Prefixes of the variables of the tests, which may be set in the environment of a developer.
const OF_TESTS: [&str; 2] = ["test_", "model_"];

/// The sources of a configuration, which can be read again.
#[derive(Clone)]
pub struct Sources {
    /// The weakest source.
    pub defaults: Config,
    /// The path of the TOML file.
    pub file: Option<PathBuf>,
    /// Variables of command options, which are no settings: without the prefix, in lower case.
    pub of_commands: Vec<String>,
    /// The strongest source.
    pub command_line: CommandLine,
}

/// Settings with options of their own.
#[derive(Clone, Default, Serialize)]
pub struct CommandLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_listen: Option<OperatorAddress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Risk>,
}

impl Sources {
    /// Reads and merges all sources.
    pub(super) fn read(&self) -> anyhow::Result<Config> {
        let file = match &self.file {
            None => Figment::new(),
            Some(file) => {
                let what = || format!("configuration file {}", file.display());
                let text = std::fs::read_to_string(file).with_context(what)?;
                Figment::from(Serialized::defaults(parse_toml::<toml::Table>(&text).with_context(what)?))
            }
        };
        let known: Vec<&str> = self.of_commands.iter().map(String::as_str).collect();
        let environment = Env::prefixed(PREFIX)
            .ignore(&known)
            .filter(|name| !OF_TESTS.iter().any(|beginning| name.starts_with(beginning)))
            .split("__");
        let layers =
            [file, Figment::from(environment), Figment::from(Serialized::defaults(&self.command_line))];
        self.check_register(&layers)?;
        let all = Figment::from(Serialized::defaults(&self.defaults));
        let all = layers.into_iter().fold(all, |all, layer| all.merge(layer));
        all.extract().map_err(|error| self.without_values(&error))
    }

    /// Refuses a data folder from a stronger source than `database`, because it is unclear which of the two registers
    /// is meant.
    fn check_register(&self, layers: &[Figment; 3]) -> anyhow::Result<()> {
        let strongest = |key: &str| layers.iter().rposition(|layer| layer.contains(key));
        let (Some(data), Some(database)) = (strongest("data"), strongest("database")) else { return Ok(()) };
        if data > database {
            bail!(
                "{} and {} name two registers: leave one of them out, or name the register with --database",
                self.place(data, "data"),
                self.place(database, "database")
            );
        }
        Ok(())
    }

    /// Formats a setting as it is written in a layer.
    fn place(&self, layer: usize, key: &str) -> String {
        match (layer, &self.file) {
            (0, Some(file)) => format!("'{key}' in {}", file.display()),
            (0 | 1, _) => variable(key),
            _ => format!("--{key}"),
        }
    }

    /// Formats the errors of a configuration by key. Values are left out, because they may be secrets.
    fn without_values(&self, error: &figment::Error) -> anyhow::Error {
        let faults = error.clone().into_iter().map(|fault| {
            let key = fault.path.join(".");
            match fault.kind {
                Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                    format!("{key}: must be {expected}")
                }
                Kind::UnknownField(field, known) => self.unknown(&fault.path, &field, known),
                kind => format!("{key}: {kind}"),
            }
        });
        anyhow!("configuration: {}", faults.collect::<Vec<_>>().join("; "))
    }

    /// Formats the error for an unknown key, with the key that was probably meant.
    fn unknown(&self, path: &[String], field: &str, known: &[&str]) -> String {
        let table: Vec<&str> = path.iter().map(String::as_str).filter(|part| *part != field).collect();
        let name = variable(&[&table[..], &[field]].concat().join("."));
        let of_table = known.iter().copied();
        let of_commands = self.of_commands.iter().map(String::as_str).filter(|_| table.is_empty());
        let meant = did_you_mean(field, of_table.clone().chain(of_commands));
        let is_variable =
            std::env::vars_os().any(|(set, _)| set.to_string_lossy().eq_ignore_ascii_case(&name));
        let what = if is_variable { format!("'{field}' ({name})") } else { format!("'{field}'") };
        let inside = if table.is_empty() { String::new() } else { format!(" in [{}]", table.join(".")) };
        match meant.as_str() {
            "" => format!("there is no key {what}{inside}; there are {}", known.join(", ")),
            meant => format!("there is no key {what}{inside}{meant}"),
        }
    }
}

/// Returns the environment variable that sets a key.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}
