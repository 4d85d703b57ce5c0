//! Settings of a PostgreSQL connection: address, TLS, timeouts, role.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::store::engine::error::StoreError;

/// Limits on the use of a server by one process: the table `postgres` of the configuration, where the keys are
/// explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Number of write connections.
    pub writers: u16,
    /// Number of read connections.
    pub readers: u16,
    /// Maximum duration of a connection attempt, TLS and authentication included.
    pub connect_timeout_seconds: u16,
    pub statement_timeout_seconds: u16,
    /// Maximum wait for a row lock, and maximum idle time inside a transaction.
    pub lock_timeout_seconds: u16,
    /// Whether a pooler in transaction mode stands in between, which rules out session settings and prepared
    /// statements.
    pub pooler: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            writers: 2,
            readers: 6,
            connect_timeout_seconds: 3,
            statement_timeout_seconds: 10,
            lock_timeout_seconds: 5,
            pooler: false,
        }
    }
}

/// Prefix of `application_name` on the connections of every process, by which `others` finds them.
const NAME: &str = "investord";

/// The address of a server, its TLS configuration and the limits of this process.
pub struct PostgresSettings {
    config: Config,
    tls: MakeRustlsConnect,
    /// Whether TLS verifies the certificate of the server.
    verified: bool,
    pub tuning: Tuning,
}

/// Formats the address as a URL without password.
impl fmt::Display for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.config.get_hosts().iter().enumerate().map(|(at, host)| {
            let ports = self.config.get_ports();
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        });
        let (user, hosts) = (self.config.get_user().unwrap_or_default(), hosts.collect::<Vec<_>>().join(","));
        write!(f, "postgres://{user}@{hosts}/{}", self.config.get_dbname().unwrap_or(user))
    }
}

impl PostgresSettings {
    /// Parses a connection URI of libpq (PostgreSQL manual, section 34.1.1.2), `sslmode` and `sslrootcert` included.
    /// Without `sslrootcert`, `verify-full` trusts the root certificates of the operating system; `verify-ca` is
    /// treated as `verify-full`. Errors do not quote the URI, because it may contain a password.
    ///
    /// # Errors
    ///
    /// Fails if the URI or one of its parameters is invalid, or a root certificate cannot be read.
    pub fn parse(uri: &str, tuning: Tuning) -> anyhow::Result<Self> {
        let (address, query) = uri.split_once('?').unwrap_or((uri, ""));
        // The text after an unescaped @ or ? in a password would be parsed as a host or a parameter, and displayed.
        if address.matches('@').count() > 1 {
            bail!("database has more than one @: in a user or a password it is written %40");
        }
        let (mut ssl_mode, mut root_file) = (None, None);
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "sslmode" => ssl_mode = Some(value.into_owned()),
                "sslrootcert" => root_file = Some(value.into_owned()),
                name if name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_') => {
                    rest.append_pair(&key, &value);
                }
                _ => bail!("database has a parameter that is no name: a ? in a password is written %3F"),
            }
        }
        // The driver's parser knows percent escapes but not `+`.
        let query = rest.finish().replace('+', "%20");
        let mut config: Config = format!("{address}?{query}").parse().context("database")?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            bail!("database names no host, as in postgres://USER@HOST/NAME");
        }
        let (mode, named) = match ssl_mode.as_deref() {
            Some("disable") => (SslMode::Disable, false),
            None | Some("prefer" | "allow") => (SslMode::Prefer, false),
            Some("require") => (SslMode::Require, false),
            Some("verify-ca" | "verify-full") => (SslMode::Require, true),
            Some(other) => bail!("database has an unknown sslmode '{other}'"),
        };
        let verified = named || root_file.is_some();
        let tls = MakeRustlsConnect::new(tls(verified, root_file.as_deref())?);
        let connect_timeout = Duration::from_secs(tuning.connect_timeout_seconds.into());
        config
            .ssl_mode(if verified { SslMode::Require } else { mode })
            .connect_timeout(connect_timeout)
            .keepalives_idle(Duration::from_secs(15))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3);
        // The prefix stays in front of a name from the URI, because each process finds the others by it.
        let name = config.get_application_name().map_or(NAME.into(), |given| format!("{NAME} {given}"));
        config.application_name(name);
        Ok(Self { config, tls, verified, tuning })
    }

    /// Returns whether the server must present a valid certificate.
    pub fn verified(&self) -> bool {
        self.verified
    }

    /// Returns whether TLS is required before any data is sent.
    pub fn is_encrypted(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Require
    }

    /// Returns whether the server is on another machine, so that the network could be tapped.
    pub fn is_remote(&self) -> bool {
        self.config.get_hosts().iter().any(|host| match host {
            Host::Tcp(name) => !matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
            #[cfg(unix)]
            Host::Unix(_) => false,
        })
    }

    /// Returns the statements that set the timeouts for one transaction, for connections through a pooler.
    pub(in crate::store) fn limits_of_transactions(&self) -> String {
        self.settings().map(|(name, value)| format!("SET LOCAL {name} = {value}")).join("; ")
    }

    /// Returns the timeouts as server settings, in milliseconds.
    fn settings(&self) -> [(&'static str, u32); 3] {
        let (lock, statement) = (self.tuning.lock_timeout_seconds, self.tuning.statement_timeout_seconds);
        [
            ("statement_timeout", u32::from(statement) * 1000),
            ("lock_timeout", u32::from(lock) * 1000),
            // Releases the row locks of a process that hangs.
            ("idle_in_transaction_session_timeout", u32::from(lock) * 1000),
        ]
    }

    /// Opens a connection with timeouts for its statements. A pooler gives server connections to different clients in
    /// turn, so there each transaction sets the timeouts instead.
    pub(in crate::store) async fn connect(
        &self,
        read_only: bool,
    ) -> Result<(Client, Wire), tokio_postgres::Error> {
        let mut config = self.config.clone();
        if !self.tuning.pooler {
            let own = config.get_options().unwrap_or_default().to_owned();
            let limits = self.settings().map(|(name, value)| format!("-c {name}={value}")).join(" ");
            let read_only = if read_only { "on" } else { "off" };
            config.options(format!("{own} {limits} -c default_transaction_read_only={read_only}"));
        }
        config.connect(self.tls.clone()).await
    }

    /// Runs queries on a separate connection without statement timeout, blocking the calling thread. A thread of its
    /// own allows the call from inside and outside of an asynchronous runtime.
    pub(in crate::store) fn ask<T: Send>(
        &self,
        questions: impl AsyncFnOnce(&mut Client) -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        let work = async || {
            // The timeout of the driver covers the TCP connect alone, not TLS and authentication.
            let limit = Duration::from_secs(self.tuning.connect_timeout_seconds.into());
            let connected = tokio::time::timeout(limit, self.config.connect(self.tls.clone())).await;
            let connected = connected
                .map_err(|_| anyhow!("cannot reach {self}: no connection within {} s", limit.as_secs()))?;
            let (mut client, wire) =
                connected.map_err(|error| anyhow!("cannot reach {self}: {}", classify(&error)))?;
            let wire = tokio::spawn(wire);
            if self.tuning.pooler {
                // A pooler keeps to one server connection only while a transaction is open.
                client.batch_execute("BEGIN READ ONLY").await?;
            }
            let answer = questions(&mut client).await;
            if self.tuning.pooler {
                client.batch_execute("ROLLBACK").await?;
            }
            drop(client);
            // The server has processed the disconnect before the next connection is made, so `others` does not count
            // it.
            let _ = wire.await;
            answer
        };
        std::thread::scope(|scope| {
            let run = || Builder::new_current_thread().enable_all().build()?.block_on(work());
            scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Returns the identity of the database (system identifier and OID), which only a standby of it shares.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or denies the query.
    pub fn identity(&self) -> anyhow::Result<(i64, u32)> {
        let question = "SELECT (SELECT system_identifier FROM pg_control_system()), oid
                        FROM pg_catalog.pg_database WHERE datname = current_database()";
        self.ask(async |client| {
            let row = client.query_one(question, &[]).await?;
            Ok((row.get(0), row.get(1)))
        })
    }

    /// Returns the number of connections that other processes of Investord have to the same database.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached or denies the query.
    pub fn others(&self) -> anyhow::Result<i64> {
        let count = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid <> pg_backend_pid()
                     AND datname = current_database() AND starts_with(application_name, $1)";
        self.ask(async |client| Ok(client.query_one(count, &[&NAME]).await?.get(0)))
    }
}

/// The connection task, which must be polled for the client to make progress.
pub(in crate::store) type Wire =
    Connection<Socket, <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream>;

/// Builds the TLS configuration, without certificate verification unless `verified` is set.
fn tls(verified: bool, root_file: Option<&str>) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    if !verified {
        let anybody = Arc::new(AcceptAnyCertificate(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    match root_file.filter(|file| *file != "system") {
        Some(file) => {
            let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
            for certificate in read().with_context(|| format!("cannot read sslrootcert {file}"))? {
                roots.add(certificate).with_context(|| format!("sslrootcert {file}"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        bail!("there is no certificate in {}", root_file.unwrap_or("what this system trusts"));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A verifier that accepts any certificate, as libpq does for `prefer` and `require`: it protects against eavesdropping
/// but not against an impostor.
#[derive(Debug)]
struct AcceptAnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Maps a driver error to a store error by its SQLSTATE.
pub(in crate::store) fn classify(error: &tokio_postgres::Error) -> StoreError {
    use tokio_postgres::error::SqlState;
    let Some(told) = error.as_db_error() else {
        let told = std::error::Error::source(error)
            .map_or_else(|| error.to_string(), |why| format!("{error}: {why}"));
        return if is_of_the_wire(error) { StoreError::Unavailable(told) } else { StoreError::Corrupt(told) };
    };
    // Detail and hint are left out because they may quote values.
    let (mut text, code) = (format!("{} ({})", told.message(), told.code().code()), told.code());
    // Both errors (session settings refused, statements of another session) occur behind a pooler alone.
    let pooled = told.message().contains("unsupported startup parameter")
        || [SqlState::DUPLICATE_PSTATEMENT, SqlState::INVALID_SQL_STATEMENT_NAME].contains(code);
    if pooled {
        text += ": there is a pooler in between, so set postgres.pooler = true";
    }
    match *code {
        SqlState::DISK_FULL => StoreError::DiskFull,
        SqlState::LOCK_NOT_AVAILABLE => StoreError::LockTimeout(text),
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
            StoreError::SerializationFailure(text)
        }
        SqlState::READ_ONLY_SQL_TRANSACTION
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        | SqlState::QUERY_CANCELED => StoreError::Unavailable(text),
        // SQLSTATE classes: connection exception, insufficient resources, operator intervention, system error, invalid
        // authorization, invalid catalog name.
        _ => match &code.code()[..2] {
            "08" | "53" | "57" | "58" | "28" | "3D" => StoreError::Unavailable(text),
            _ => StoreError::Corrupt(text),
        },
    }
}

/// Returns whether the connection is unusable after this error.
pub(in crate::store) fn ends_connection(error: &tokio_postgres::Error) -> bool {
    use tokio_postgres::error::SqlState;
    match error.code() {
        // After a failover the former primary may go on as a read-only standby, so a new connection is needed.
        Some(code) => {
            *code == SqlState::READ_ONLY_SQL_TRANSACTION
                || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
                || code.code().starts_with("08")
                || (code.code().starts_with("57P"))
        }
        None => is_of_the_wire(error),
    }
}

/// Returns whether the error is one of the socket and not of the server.
fn is_of_the_wire(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    error.is_closed() || source.is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}
