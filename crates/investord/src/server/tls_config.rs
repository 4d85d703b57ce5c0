//! The TLS configurations of listeners, made of the files that the settings name.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};

use crate::config::{OperatorTls, Tls};

/// Protocols offered over TLS (ALPN, RFC 7301), in order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// An unusable setting and the reason.
pub type Unusable = (&'static str, anyhow::Error);

/// The names of the settings of one listener, for errors.
struct Settings {
    table: &'static str,
    cert_file: &'static str,
    key_file: &'static str,
}

const CLIENTS: Settings = Settings { table: "tls", cert_file: "tls.cert_file", key_file: "tls.key_file" };
const OPERATORS: Settings = Settings {
    table: "operator_tls",
    cert_file: "operator_tls.cert_file",
    key_file: "operator_tls.key_file",
};

/// Reads the certificate and the key of the listener for clients and checks that they belong together.
///
/// # Errors
///
/// Fails with the settings whose file is unreadable, or whose key does not match the certificate.
pub fn server_config(files: &Tls) -> Result<Arc<ServerConfig>, Vec<Unusable>> {
    Ok(Arc::new(with_verifier(files, &CLIENTS, WebPkiClientVerifier::no_client_auth())?))
}

/// Does the same for the listener for operators, and reads the authorities of their certificates if it has any.
///
/// # Errors
///
/// Fails as [`server_config`] does, and if the authorities cannot be read.
pub fn operator_server_config(files: &OperatorTls) -> Result<Arc<ServerConfig>, Vec<Unusable>> {
    let Some(authorities) = &files.client_ca_file else {
        let verifier = WebPkiClientVerifier::no_client_auth();
        return Ok(Arc::new(with_verifier(&files.own(), &OPERATORS, verifier)?));
    };
    let verifier =
        client_verifier(authorities).map_err(|error| vec![("operator_tls.client_ca_file", error)])?;
    let mut config = with_verifier(&files.own(), &OPERATORS, verifier)?;
    // A session that is resumed (RFC 8446 section 2.2) brings no certificate, so that one that has expired since, or
    // whose authority is trusted no longer, would still be taken.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Makes a configuration of the files of the server and the verifier of its clients.
fn with_verifier(
    files: &Tls,
    settings: &Settings,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, Vec<Unusable>> {
    let certificates = certificates(&files.cert_file);
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .with_context(|| format!("cannot read a private key from {}", files.key_file.display()));
    let (certificates, key) = match (certificates, key) {
        (Ok(certificates), Ok(key)) => (certificates, key),
        (certificates, key) => {
            let faults = [(settings.cert_file, certificates.err()), (settings.key_file, key.err())];
            return Err(faults.into_iter().filter_map(|(what, error)| Some((what, error?))).collect());
        }
    };
    let certified = match_key(certificates, key, files, settings)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| vec![(settings.table, anyhow::Error::from(error))])?;
    let resolver = Arc::new(SingleCertAndKey::from(certified));
    let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

/// Makes a verifier that demands a certificate of each client, signed by one of the authorities in a file, valid now,
/// and not for servers alone (RFC 5280 section 4.2.1.12).
fn client_verifier(file: &Path) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let what = || format!("cannot use the authorities in {}", file.display());
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(file)? {
        authorities.add(certificate).with_context(what)?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).build().with_context(what)
}

/// Reads the certificates of a file; those of a server begin with the end-entity certificate.
fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let what = || format!("cannot read certificates from {}", file.display());
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
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
    settings: &Settings,
) -> Result<CertifiedKey, Vec<Unusable>> {
    let (key_file, cert_file) = (files.key_file.display(), files.cert_file.display());
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
    let key = key.map_err(|error| {
        vec![(
            settings.key_file,
            anyhow::Error::from(error).context(format!("cannot use the key in {key_file}")),
        )]
    })?;
    let certified = CertifiedKey::new(certificates, key);
    match certified.keys_match() {
        // `Unknown`: the private key cannot produce its public key, so that no comparison is possible.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => {
            let fault = anyhow!("the key in {key_file} does not fit the first certificate in {cert_file}");
            Err(vec![(settings.key_file, fault)])
        }
        Err(error) => {
            let what = format!("cannot use the first certificate in {cert_file}");
            Err(vec![(settings.cert_file, anyhow::Error::from(error).context(what))])
        }
    }
}
