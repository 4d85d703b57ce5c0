//! Configuration: built-in defaults, then a TOML file, then the environment, then the command line.
//!
//! `investord.default.toml` is the manual; a test holds it and [`Config::default`] together.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::webhook::Targets;
use crate::store::connect::Tuning;
use crate::store::{Database, Postgres};

/// Variables of commands, without their prefix, which are not configuration.
const OF_COMMANDS: &[&str] = &["profile", "config", "key_passphrase", "copy_from", "copy_to"];

/// The commented default file.
pub const DEFAULT_FILE: &str = include_str!("../investord.default.toml");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    pub operator_listen: Option<SocketAddr>,
    pub data: PathBuf,
    pub database: Option<Secret>,
    pub public_url: Option<String>,
    pub problem_type_base: Option<String>,
    pub master_key_file: Option<PathBuf>,
    pub master_key: Option<Secret>,
    pub tenants: Option<PathBuf>,
    pub metrics_listen: Option<SocketAddr>,
    pub token_lifetime_seconds: u32,
    pub idempotency_window_hours: u32,
    pub rate_limit_per_second: u32,
    pub rate_limit_burst: u32,
    pub failed_checks_per_second: u32,
    pub head_timeout_seconds: u64,
    pub body_timeout_seconds: u64,
    pub shutdown_timeout_seconds: u64,
    pub log: Log,
    pub tls: Option<Tls>,
    pub webhooks: Webhooks,
    pub postgres: Tuning,
}

/// How events are delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    pub allow_insecure_targets: bool,
    pub ca_file: Option<PathBuf>,
    pub log_days: u32,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { allow_insecure_targets: false, ca_file: None, log_days: 30 }
    }
}

impl Webhooks {
    pub fn targets(&self) -> Targets {
        if self.allow_insecure_targets { Targets::Any } else { Targets::Public }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What is no text is not shown either: the usual errors of deserialisers quote the value.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Text(String),
            Other(IgnoredAny),
        }
        match Given::deserialize(deserializer)? {
            Given::Text(text) => Ok(Self(text)),
            Given::Other(_) => Err(D::Error::custom("a secret must be a string in quotes")),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            operator_listen: None,
            data: "investord-data".into(),
            database: None,
            public_url: None,
            problem_type_base: None,
            master_key_file: None,
            master_key: None,
            tenants: None,
            metrics_listen: None,
            token_lifetime_seconds: 1799,
            idempotency_window_hours: 24,
            rate_limit_per_second: 300,
            rate_limit_burst: 300,
            failed_checks_per_second: 100,
            head_timeout_seconds: 75,
            body_timeout_seconds: 30,
            shutdown_timeout_seconds: 10,
            log: Log { format: LogFormat::Json, level: "info".into() },
            tls: None,
            webhooks: Webhooks::default(),
            postgres: Tuning::default(),
        }
    }
}

/// From the port of clients to that of operators.
const OPERATOR_PORT: u16 = 1000;

impl Config {
    /// Where operators are answered: for people of this machine, unless it is said otherwise.
    pub fn operator_address(&self) -> SocketAddr {
        self.operator_listen.unwrap_or_else(|| {
            let port = match self.listen.port() {
                0 => 0,
                port => port.checked_add(OPERATOR_PORT).unwrap_or(0),
            };
            SocketAddr::from(([127, 0, 0, 1], port))
        })
    }

    /// Reads the file, if one is named, and the environment.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            let what = || format!("configuration file {}", file.display());
            let text = std::fs::read_to_string(file).with_context(what)?;
            parse_toml::<toml::Table>(&text).with_context(what)?;
            figment = figment.merge(Toml::string(&text));
        }
        let environment = Env::prefixed("INVESTORD_").ignore(OF_COMMANDS).split("__");
        let config: Config = figment.merge(environment).extract().map_err(|error| without_values(&error))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        let postgres = &self.postgres;
        let bounds: [(&str, u64, std::ops::RangeInclusive<u64>); 11] = [
            ("idempotency_window_hours", self.idempotency_window_hours.into(), 24..=87_600),
            ("token_lifetime_seconds", self.token_lifetime_seconds.into(), 1..=86_400),
            ("head_timeout_seconds", self.head_timeout_seconds, 1..=3_600),
            ("body_timeout_seconds", self.body_timeout_seconds, 1..=3_600),
            ("shutdown_timeout_seconds", self.shutdown_timeout_seconds, 1..=3_600),
            ("webhooks.log_days", self.webhooks.log_days.into(), 1..=3_650),
            ("postgres.writers", postgres.writers.into(), 1..=64),
            ("postgres.readers", postgres.readers.into(), 1..=256),
            ("postgres.connect_timeout_seconds", postgres.connect_timeout_seconds.into(), 1..=600),
            ("postgres.statement_timeout_seconds", postgres.statement_timeout_seconds.into(), 1..=3_600),
            ("postgres.lock_timeout_seconds", postgres.lock_timeout_seconds.into(), 1..=3_600),
        ];
        for (key, value, range) in bounds {
            if !range.contains(&value) {
                bail!("{key} must be between {} and {}, is {value}", range.start(), range.end());
            }
        }
        if let Some(public_url) = &self.public_url {
            let url = url::Url::parse(public_url).with_context(|| format!("public_url '{public_url}'"))?;
            if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
                bail!("public_url must be an http or https address, is '{public_url}'");
            }
        }
        self.database().map(|_| ())
    }

    /// The database that is configured; the embedded one in the data folder unless one is named.
    pub fn database(&self) -> anyhow::Result<Database> {
        match &self.database {
            None => Ok(Database::Sqlite(self.data.join("investord.db"))),
            Some(Secret(uri)) => database(uri, &self.postgres),
        }
    }

    /// The master key in base64, from the file or the value.
    pub fn master_key(&self) -> anyhow::Result<Secret> {
        match (&self.master_key, &self.master_key_file) {
            (Some(_), Some(_)) => bail!("master_key and master_key_file are both set; keep one"),
            (Some(key), None) => Ok(key.clone()),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file);
                text.map(Secret).with_context(|| format!("cannot read master_key_file {}", file.display()))
            }
            (None, None) => {
                bail!("master_key_file is not set: make a key with `openssl rand -base64 32` and name it")
            }
        }
    }
}

/// Reads `sqlite:PATH` or a PostgreSQL connection URI; errors do not quote it, it may hold a password.
pub fn database(uri: &str, tuning: &Tuning) -> anyhow::Result<Database> {
    if uri.starts_with("postgres://") || uri.starts_with("postgresql://") {
        return Ok(Database::Postgres(Arc::new(Postgres::parse(uri, tuning.clone())?)));
    }
    match uri.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() => Ok(Database::Sqlite(path.trim_start_matches("//").into())),
        _ => bail!("database must be of the form sqlite:PATH or postgres://USER@HOST/NAME"),
    }
}

/// Parses TOML. An error names the place but does not quote it: the line may hold a secret.
pub fn parse_toml<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        let (line, column) =
            (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
        anyhow!("line {line}, column {column}: {}", error.message())
    })
}

/// What is wrong with the configuration, by key; what was found is left out, it may be a secret.
fn without_values(error: &figment::Error) -> anyhow::Error {
    use figment::error::Kind;
    let faults = error.clone().into_iter().map(|fault| {
        let key = fault.path.join(".");
        match fault.kind {
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                format!("{key}: must be {expected}")
            }
            Kind::UnknownField(field, known) => {
                format!("there is no key '{field}'; there are {}", known.join(", "))
            }
            kind => format!("{key}: {kind}"),
        }
    });
    anyhow!("configuration: {}", faults.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_says_what_the_defaults_are() {
        let written: Config = toml::from_str(DEFAULT_FILE).unwrap();
        assert_eq!(written, Config::default());
        // Commented keys too must be keys: uncomment them all and let serde judge.
        let is_key = |text: &str| text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
        let uncommented = |line: &'static str| match line.strip_prefix("# ") {
            Some(rest) if rest == "[tls]" || rest.split_once(" = ").is_some_and(|(key, _)| is_key(key)) => {
                rest
            }
            _ => line,
        };
        let all = DEFAULT_FILE.lines().map(uncommented).collect::<Vec<_>>().join("\n");
        let all: Config = toml::from_str(&all).unwrap();
        assert!(
            all.tls.is_some() && all.master_key.is_some() && all.tenants.is_some() && all.database.is_some()
        );
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused() {
        for (text, reason) in [
            ("lisen = \"127.0.0.1:1\"", "lisen"),
            ("listen = \"nowhere\"", "listen"),
            ("[log]\nformat = \"xml\"\nlevel = \"info\"", "xml"),
            ("idempotency_window_hours = 23", "idempotency_window_hours"),
            ("public_url = \"ftp://x\"", "public_url"),
            ("database = \"mysql://x\"", "database"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, text).unwrap();
            let error = format!("{:#}", Config::load(Some(file.path())).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = Config { master_key: Some(Secret("c2VjcmV0".into())), ..Config::default() };
        assert!(!format!("{config:?}").contains("c2VjcmV0"));
    }
}
