//! The validity of X.509 certificates.

use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// Returns the period in which all certificates of a PEM file are valid (RFC 5280 section 4.1.2.5).
///
/// # Errors
///
/// Fails if the file cannot be read, or has no certificate.
pub fn validity(file: &Path) -> anyhow::Result<(Timestamp, Timestamp)> {
    let (mut begin, mut end) = (Timestamp::MIN, Timestamp::MAX);
    let mut count = 0;
    for certificate in CertificateDer::pem_file_iter(file)? {
        let validity = Certificate::from_der(&certificate?)?.tbs_certificate.validity;
        let instant = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs())?;
            Ok::<_, anyhow::Error>(Timestamp::from_second(seconds)?)
        };
        (begin, end) = (begin.max(instant(validity.not_before)?), end.min(instant(validity.not_after)?));
        count += 1;
    }
    (count > 0).then_some((begin, end)).with_context(|| format!("{} holds no certificate", file.display()))
}
