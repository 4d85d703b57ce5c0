//! Examines certificates for expiry, for `doctor` and `serve`.

use std::path::Path;

use jiff::Timestamp;

use crate::config::Config;
use crate::outbound::has_system_certificates;
use crate::store::tools::diagnostics::{Diagnosis, DiagnosisLevel, finding};
use crate::tls;

/// Days before its expiry from which a certificate is reported as doubtful.
const SOON_DAYS: i64 = 30;
const SECONDS_PER_DAY: i64 = 86_400;

/// Examines all certificates that the configuration names, and whether the system has any. Omits files that cannot be
/// read, because the checks of the configuration report those.
pub fn examine(config: &Config, now: Timestamp) -> Vec<Diagnosis> {
    // All clients refuse an expired certificate of the server, whereas an expired one of an authority affects
    // what it has signed alone.
    let operators = config.operator_tls.as_ref();
    let authorities = operators.and_then(|tls| tls.client_ca_file.as_deref());
    let files = [
        ("tls.cert_file", config.tls.as_ref().map(|tls| tls.cert_file.as_path()), DiagnosisLevel::Bad),
        ("operator_tls.cert_file", operators.map(|tls| tls.cert_file.as_path()), DiagnosisLevel::Bad),
        ("operator_tls.client_ca_file", authorities, DiagnosisLevel::Doubtful),
        ("webhooks.ca_file", config.webhooks.ca_file.as_deref(), DiagnosisLevel::Doubtful),
    ];
    let files = files.into_iter().filter_map(|(what, file, expired)| Some((what, file?, expired)));
    let is_missing = config.webhooks.ca_file.is_none() && !has_system_certificates();
    let missing = is_missing.then(|| {
        let what = "the system trusts no certificate authority, so no delivery to an https address succeeds: \
                    install the package ca-certificates, or name a file";
        finding(DiagnosisLevel::Doubtful, "webhooks.ca_file", what.to_owned())
    });
    let examined =
        files.filter_map(|(what, file, expired)| diagnose_certificate(what, file, expired, now).ok());
    examined.chain(missing).collect()
}

/// Diagnoses a file by its first certificate to expire and its last to become valid. `expired` is the level of a
/// certificate outside of its validity.
fn diagnose_certificate(
    what: &'static str,
    file: &Path,
    expired: DiagnosisLevel,
    now: Timestamp,
) -> anyhow::Result<Diagnosis> {
    let (begin, end) = tls::validity(file)?;
    let left = end.duration_since(now).as_secs();
    let days = left / SECONDS_PER_DAY;
    let file = file.display();
    Ok(if left < 0 {
        finding(expired, what, format!("{file}: has expired at {end}"))
    } else if begin > now {
        finding(expired, what, format!("{file}: is not valid before {begin}"))
    } else if days <= SOON_DAYS {
        let unit = if days == 1 { "day" } else { "days" };
        finding(DiagnosisLevel::Doubtful, what, format!("{file}: expires in {days} {unit}, at {end}"))
    } else {
        finding(DiagnosisLevel::Good, what, format!("{file}: valid until {end}"))
    })
}
