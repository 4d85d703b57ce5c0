//! Listening sockets and the TLS certificate.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use axum_server::tls_rustls::RustlsConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, ServerConfig};
use socket2::SockRef;

use crate::config::{Address, Config, Tls};

/// Protocols offered over TLS (ALPN, RFC 7301), in order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Number of connections that the operating system keeps until they are accepted. It drops further ones without a word,
/// and their clients try again after a second; the standard library asks for 128.
const BACKLOG: i32 = 1024;

/// An unusable setting and the reason.
pub type Unusable = (&'static str, anyhow::Error);

/// The bound sockets of a server. They are bound before anything is served, so that all errors appear at once.
pub struct Listeners {
    /// Socket of the API for clients.
    pub clients: TcpListener,
    /// Socket of the operator API.
    pub operators: TcpListener,
    /// Socket of the metrics and the health checks.
    pub metrics: TcpListener,
    /// TLS configuration of the listener for clients; a reload replaces it while the server runs.
    pub tls: Option<RustlsConfig>,
}

impl Listeners {
    /// Binds the configured addresses, and replaces them in the configuration by the actual ones: port 0 becomes the
    /// port that the operating system chose.
    ///
    /// # Errors
    ///
    /// Fails with the list of all unusable settings.
    pub fn bind(config: &mut Config) -> Result<Self, Vec<Unusable>> {
        let mut unusable = Vec::new();
        let mut keep = |bound: anyhow::Result<TcpListener>, what| {
            bound.map_err(|error| unusable.push((what, error))).ok()
        };
        let clients = keep(bind(&config.listen), "listen");
        let operators = keep(bind(&config.operator_address()), "operator_listen");
        let metrics = keep(bind(&config.metrics_address()), "metrics_listen");
        // `Some(None)` without TLS in the configuration, `None` after an error.
        let tls = match config.tls.as_ref().map(server_config) {
            Some(Ok(made)) => Some(Some(RustlsConfig::from_config(made))),
            Some(Err(faults)) => {
                unusable.extend(faults);
                None
            }
            None => Some(None),
        };
        let (Some(clients), Some(operators), Some(metrics), Some(tls)) = (clients, operators, metrics, tls)
        else {
            return Err(unusable);
        };
        let listeners = Self { clients, operators, metrics, tls };
        listeners.store_addresses(config).map_err(|error| vec![("listen", error.into())])?;
        Ok(listeners)
    }

    fn store_addresses(&self, config: &mut Config) -> io::Result<()> {
        config.listen = self.clients.local_addr()?.into();
        config.operator_listen = Some(self.operators.local_addr()?.into());
        config.metrics_listen = Some(self.metrics.local_addr()?.into());
        Ok(())
    }
}

/// Binds an address of the configuration.
///
/// # Errors
///
/// Fails if the name does not resolve or the address is not available.
pub fn bind(address: &Address) -> anyhow::Result<TcpListener> {
    let resolved = address.resolve().with_context(|| format!("cannot resolve {address}"))?;
    let listen = || {
        let listener = TcpListener::bind(resolved)?;
        SockRef::from(&listener).listen(BACKLOG)?;
        Ok::<_, io::Error>(listener)
    };
    listen().map_err(|error| {
        let is_taken = error.kind() == io::ErrorKind::AddrInUse;
        let remedy = if is_taken { " (name another port, or 0, which takes a free one)" } else { "" };
        anyhow::Error::from(error).context(format!("cannot listen on {address}{remedy}"))
    })
}

/// Reads the certificate and the key of a server and checks that they belong together.
///
/// # Errors
///
/// Fails with the settings whose file is unreadable, or whose key does not match the certificate.
pub fn server_config(files: &Tls) -> Result<Arc<ServerConfig>, Vec<Unusable>> {
    let certificates = certificates(files);
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .with_context(|| format!("cannot read a private key from {}", files.key_file.display()));
    let (certificates, key) = match (certificates, key) {
        (Ok(certificates), Ok(key)) => (certificates, key),
        (certificates, key) => {
            let faults = [("tls.cert_file", certificates.err()), ("tls.key_file", key.err())];
            return Err(faults.into_iter().filter_map(|(what, error)| Some((what, error?))).collect());
        }
    };
    let certified = match_key(certificates, key, files)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| vec![("tls", anyhow::Error::from(error))])?;
    let resolver = Arc::new(SingleCertAndKey::from(certified));
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

/// Reads the certificate chain of the server, the end-entity certificate first.
///
/// # Errors
///
/// Fails if the file is unreadable or contains no certificate.
pub fn certificates(files: &Tls) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let what = || format!("cannot read certificates from {}", files.cert_file.display());
    let read = || CertificateDer::pem_file_iter(&files.cert_file)?.collect::<Result<Vec<_>, _>>();
    let found = read().with_context(what)?;
    if found.is_empty() {
        return Err(anyhow!("there is no certificate in it")).with_context(what);
    }
    Ok(found)
}

/// Combines the chain with its key and compares the public keys.
fn match_key(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    files: &Tls,
) -> Result<CertifiedKey, Vec<Unusable>> {
    let (key_file, cert_file) = (files.key_file.display(), files.cert_file.display());
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
    let key = key.map_err(|error| {
        vec![(
            "tls.key_file",
            anyhow::Error::from(error).context(format!("cannot use the key in {key_file}")),
        )]
    })?;
    let certified = CertifiedKey::new(certificates, key);
    match certified.keys_match() {
        // `Unknown`: the private key cannot produce its public key, so that no comparison is possible.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => {
            let fault = anyhow!("the key in {key_file} does not fit the first certificate in {cert_file}");
            Err(vec![("tls.key_file", fault)])
        }
        Err(error) => {
            let what = format!("cannot use the first certificate in {cert_file}");
            Err(vec![("tls.cert_file", anyhow::Error::from(error).context(what))])
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    /// Other systems keep fewer, whatever is asked for.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_burst_of_connections_finds_room_before_any_is_accepted() {
        let listener = bind(&([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(900));
        let connected: Result<Vec<_>, _> = (0..400).map(connect).collect();
        assert_eq!(connected.map(|all| all.len()).ok(), Some(400));
    }
}
