//! The configuration: all settings, their defaults and their checks.
//!
//! `investord.default.toml` is the manual. A test compares it with [`Config::default`].

mod address;
mod host;
mod limits;
mod name_server;
mod oidc;
mod operator_listener;
mod operators;
mod proxy;
mod risk;
mod secret;
mod sources;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::delivery::webhook::AddressPolicy;
use crate::store::engine::postgres::connection_settings::Tuning;
use crate::store::{Database, PostgresSettings};

pub use address::Address;
pub use host::HostAndPort;
pub use limits::{Limits, PASSWORDS};
pub use name_server::NameServer;
pub use oidc::{ClaimGrant, Oidc};
pub use operator_listener::{OperatorAddress, OperatorTls, SocketMode};
pub use operators::Operators;
pub use proxy::{Proxy, ProxyHeader};
pub use risk::Risk;
pub use secret::Secret;
pub use sources::{CommandLine, Sources};

/// The commented default file.
pub const DEFAULT_FILE: &str = include_str!("../investord.default.toml");

/// The settings of a process. `investord.default.toml` explains each of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the API for clients.
    pub listen: Address,
    /// Address of the operator API; see [`Config::operator_address`].
    pub operator_listen: Option<OperatorAddress>,
    /// Permissions of the socket file, if the operator API listens on one.
    pub operator_socket_mode: SocketMode,
    /// Hosts by which operators reach the operator API, beside its address.
    pub operator_hosts: Vec<HostAndPort>,
    /// Whether the operator API may speak plain HTTP to trusted proxies on other machines.
    pub operator_plaintext_behind_proxy: bool,
    /// Folder of the SQLite database, its write-ahead log and its lock file.
    pub data: PathBuf,
    /// `sqlite:PATH` or a PostgreSQL URI. It is a secret because the URI may contain a password.
    pub database: Option<Secret>,
    /// Address by which clients reach the server, if it differs from `listen`.
    pub public_url: Option<String>,
    /// Base of the `type` of problems, if it is not `{public_url}/errors` (decision W7).
    pub problem_type_base: Option<String>,
    /// File with the master key. Either this or `master_key` is set.
    pub master_key_file: Option<PathBuf>,
    /// The master key, 32 bytes in base64.
    pub master_key: Option<Secret>,
    /// File of the tenants, clients and keys to create at the start and after SIGHUP.
    pub tenants: Option<PathBuf>,
    /// Address of metrics and health checks; see [`Config::metrics_address`].
    pub metrics_listen: Option<Address>,
    /// Lifetime of an access token (decision W12).
    pub token_lifetime_seconds: u32,
    /// Hours for which the response to an idempotency key is kept (decision W11).
    pub idempotency_window_hours: u32,
    /// Requests of one client per second; 0 for no limit (decision W15).
    pub rate_limit_per_second: u32,
    /// Requests of one client at once.
    pub rate_limit_burst: u32,
    /// Failed authentications of one address per second; 0 for no limit.
    pub failed_checks_per_second: u32,
    /// Seconds to receive the head of a request, the idle time before it included.
    pub head_timeout_seconds: u64,
    /// Seconds to receive the body of a request.
    pub body_timeout_seconds: u64,
    /// Seconds for requests in flight after SIGTERM.
    pub shutdown_timeout_seconds: u64,
    /// Risks that the administrator accepts.
    pub allow: Vec<Risk>,
    pub proxy: Proxy,
    pub limits: Limits,
    pub log: Log,
    pub tls: Option<Tls>,
    pub operator_tls: Option<OperatorTls>,
    pub webhooks: Webhooks,
    pub operators: Operators,
    /// The identity provider of operators, if there is one.
    pub oidc: Option<Oidc>,
    pub postgres: Tuning,
}

/// The settings of webhook deliveries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Whether receivers may have http and private addresses (decision H6).
    pub allow_insecure_targets: bool,
    /// PEM file of certificates to trust beside those of the machine.
    pub ca_file: Option<PathBuf>,
    /// Name servers to ask; if empty, those of the system.
    pub name_servers: Vec<NameServer>,
    /// Days for which packages and attempts are kept.
    pub log_days: u32,
    /// Maximum number of packages that are kept for one webhook.
    pub log_packages: u32,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            allow_insecure_targets: false,
            ca_file: None,
            name_servers: Vec::new(),
            log_days: 30,
            log_packages: 100_000,
        }
    }
}

impl Webhooks {
    /// Returns the policy for the addresses of receivers.
    pub fn targets(&self) -> AddressPolicy {
        if self.allow_insecure_targets { AddressPolicy::Any } else { AddressPolicy::Public }
    }
}

/// The table `[log]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    /// A level or directives, as [`crate::telemetry::filter`] parses them.
    pub level: String,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

/// The table `[tls]`: PEM files of the main listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            operator_listen: None,
            operator_socket_mode: SocketMode::Owner,
            operator_hosts: Vec::new(),
            operator_plaintext_behind_proxy: false,
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
            allow: Vec::new(),
            proxy: Proxy::default(),
            limits: Limits::default(),
            log: Log { format: LogFormat::Json, level: "info".into() },
            tls: None,
            operator_tls: None,
            webhooks: Webhooks::default(),
            operators: Operators::default(),
            oidc: None,
            postgres: Tuning::default(),
        }
    }
}

/// Distance from the port of clients to that of operators.
const OPERATOR_PORT: u16 = 1000;
/// Distance from the port of clients to that of metrics.
const METRICS_PORT: u16 = 2000;

impl Config {
    /// Returns the address of the operator API: by default one that only this machine reaches.
    pub fn operator_address(&self) -> OperatorAddress {
        self.operator_listen.clone().unwrap_or_else(|| self.local_address(OPERATOR_PORT).into())
    }

    /// Returns the address of metrics and health checks: by default one that only this machine reaches.
    pub fn metrics_address(&self) -> Address {
        self.metrics_listen.clone().unwrap_or_else(|| self.local_address(METRICS_PORT))
    }

    /// Returns whether clients reach this server over TLS, its own or that of a proxy.
    pub fn is_https(&self) -> bool {
        self.tls.is_some() || self.public_url.as_deref().is_some_and(|url| url.starts_with("https:"))
    }

    /// Returns a loopback address whose port is by `above` greater than the port of clients.
    fn local_address(&self, above: u16) -> Address {
        // Port 0 takes a free port, also where the sum exceeds the greatest port.
        let port = match self.listen.port() {
            0 => 0,
            port => port.checked_add(above).unwrap_or(0),
        };
        ([127, 0, 0, 1], port).into()
    }

    /// Reads all sources and checks the configuration.
    ///
    /// # Errors
    ///
    /// Fails if a source cannot be read, a key is unknown, or a value is invalid or out of its range.
    pub fn load(sources: &Sources) -> anyhow::Result<Self> {
        let config = sources.read()?;
        config.check()?;
        Ok(config)
    }

    /// Checks the ranges of numbers and the forms of addresses.
    fn check(&self) -> anyhow::Result<()> {
        let postgres = &self.postgres;
        let bounds: [(&str, u64, std::ops::RangeInclusive<u64>); 17] = [
            ("idempotency_window_hours", self.idempotency_window_hours.into(), 24..=87_600),
            ("token_lifetime_seconds", self.token_lifetime_seconds.into(), 1..=86_400),
            ("head_timeout_seconds", self.head_timeout_seconds, 1..=3_600),
            ("body_timeout_seconds", self.body_timeout_seconds, 1..=3_600),
            ("shutdown_timeout_seconds", self.shutdown_timeout_seconds, 1..=3_600),
            ("webhooks.log_days", self.webhooks.log_days.into(), 1..=3_650),
            ("webhooks.log_packages", self.webhooks.log_packages.into(), 100..=1_000_000_000),
            ("operators.session_idle_minutes", self.operators.session_idle_minutes.into(), 2..=1_440),
            ("operators.session_hours", self.operators.session_hours.into(), 1..=720),
            ("operators.reveal_minutes", self.operators.reveal_minutes.into(), 1..=60),
            ("operators.access_review_days", self.operators.access_review_days.into(), 1..=3_660),
            ("operators.proof_minutes", self.operators.proof_minutes.into(), 1..=60),
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
        self.limits.check()?;
        self.oidc.as_ref().map_or(Ok(()), Oidc::check)?;
        self.operators.webauthn()?;
        if self.data.as_os_str().is_empty() {
            bail!("data must name a folder, is empty");
        }
        if let Some(public_url) = &self.public_url {
            let url = url::Url::parse(public_url).with_context(|| format!("public_url '{public_url}'"))?;
            if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
                bail!("public_url must be an http or https address, is '{public_url}'");
            }
        }
        self.database().map(|_| ())
    }

    /// Returns the configured database: by default a SQLite file in the data folder.
    ///
    /// # Errors
    ///
    /// Fails if `database` has neither form.
    pub fn database(&self) -> anyhow::Result<Database> {
        match &self.database {
            None => Ok(Database::Sqlite(self.data.join("investord.db"))),
            Some(Secret(uri)) => database(uri, &self.postgres),
        }
    }

    /// Returns the maximum number of concurrent lists and reports. Two readers of PostgreSQL are left for short reads.
    pub fn scans(&self) -> usize {
        match self.database() {
            Ok(Database::Postgres(_)) => {
                let readers = usize::from(self.postgres.readers);
                self.limits.scans.min(readers.saturating_sub(2).max(1))
            }
            _ => self.limits.scans,
        }
    }

    /// Returns the maximum number of concurrent scans of operators, beside those of clients. One reader of PostgreSQL
    /// is left for short reads.
    pub fn operators_scans(&self) -> usize {
        if matches!(self.database(), Ok(Database::Postgres(_))) { 1 } else { 2 }
    }

    /// Returns the master key in base64, from the file or the value.
    ///
    /// # Errors
    ///
    /// Fails if both or neither are set, or the file cannot be read.
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

/// Parses `sqlite:PATH` or a PostgreSQL connection URI.
///
/// # Errors
///
/// Fails if the text has neither form. The error does not quote it, because it may contain a password.
pub fn database(uri: &str, tuning: &Tuning) -> anyhow::Result<Database> {
    if uri.starts_with("postgres://") || uri.starts_with("postgresql://") {
        return Ok(Database::Postgres(Arc::new(PostgresSettings::parse(uri, tuning.clone())?)));
    }
    match uri.strip_prefix("sqlite:") {
        // The form `sqlite://PATH` is accepted as well.
        Some(path) if !path.is_empty() => Ok(Database::Sqlite(path.trim_start_matches("//").into())),
        _ => bail!("database must be of the form sqlite:PATH or postgres://USER@HOST/NAME"),
    }
}

/// Parses TOML.
///
/// # Errors
///
/// Fails with line and column, but does not quote the line, which may contain a secret.
pub fn parse_toml<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        let (line, column) =
            (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
        anyhow!("line {line}, column {column}: {}", error.message())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_says_what_the_defaults_are() {
        let written: Config = toml::from_str(DEFAULT_FILE).unwrap();
        assert_eq!(written, Config::default());
        // Commented keys must be valid as well: uncomment all of them and let serde parse the file.
        let is_key = |text: &str| text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
        let uncommented = |line: &'static str| match line.strip_prefix("# ") {
            Some(rest)
                if rest == "[tls]"
                    || rest == "[operator_tls]"
                    || rest == "[oidc]"
                    || rest.split_once(" = ").is_some_and(|(key, _)| is_key(key)) =>
            {
                rest
            }
            _ => line,
        };
        let all = DEFAULT_FILE.lines().map(uncommented).collect::<Vec<_>>().join("\n");
        let all: Config = toml::from_str(&all).unwrap();
        assert!(all.tls.is_some() && all.operator_tls.is_some_and(|tls| tls.client_ca_file.is_some()));
        assert!(all.master_key.is_some() && all.tenants.is_some() && all.database.is_some());
    }

    fn from(file: &std::path::Path) -> Sources {
        let (defaults, file) = (Config::default(), Some(file.to_owned()));
        Sources { defaults, file, of_commands: Vec::new(), command_line: CommandLine::default() }
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused() {
        for (text, reason) in [
            ("lisen = \"127.0.0.1:1\"", "there is no key 'lisen'; did you mean 'listen'?"),
            ("[log]\nlevl = \"info\"", "there is no key 'levl' in [log]; did you mean 'level'?"),
            ("colour = 1", "there is no key 'colour'; there are listen, operator_listen"),
            ("listen = \"nowhere\"", "listen: must be HOST:PORT"),
            ("operator_listen = \"127.1:80\"", "operator_listen: must be HOST:PORT"),
            ("listen = 8080", "listen: must be HOST:PORT"),
            ("data = \"\"", "data must name a folder"),
            ("[log]\nformat = \"xml\"\nlevel = \"info\"", "xml"),
            ("idempotency_window_hours = 23", "idempotency_window_hours"),
            ("public_url = \"ftp://x\"", "public_url"),
            ("database = \"mysql://x\"", "database"),
            ("operator_listen = \"unix:operators.sock\"", "or unix:/PATH"),
            ("operator_socket_mode = \"0777\"", "operator_socket_mode: must be \"0600\""),
            ("operator_hosts = [\"*.example.com\"]", "operator_hosts"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, text).unwrap();
            let error = format!("{:#}", Config::load(&from(file.path())).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }

    /// A folder from a stronger source than the database is refused and not ignored.
    #[test]
    fn a_folder_beside_a_weaker_database_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "data = \"a\"\ndatabase = \"sqlite:b.db\"").unwrap();
        let load = |command_line| Config::load(&Sources { command_line, ..from(file.path()) });
        let kept = load(CommandLine::default()).unwrap();
        assert_eq!(kept.database().unwrap().to_string(), "sqlite:b.db", "in one source the database counts");
        let error =
            load(CommandLine { data: Some("c".into()), ..CommandLine::default() }).unwrap_err().to_string();
        assert!(error.contains("--data and 'database' in ") && error.contains("two registers"), "{error}");
        let both = CommandLine {
            data: Some("c".into()),
            database: Some("sqlite:d.db".into()),
            ..CommandLine::default()
        };
        assert_eq!(load(both).unwrap().database().unwrap().to_string(), "sqlite:d.db");
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = Config { master_key: Some(Secret("c2VjcmV0".into())), ..Config::default() };
        assert!(!format!("{config:?}").contains("c2VjcmV0"));
    }
}
