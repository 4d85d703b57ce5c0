//! The digest of the body: `content-digest` (RFC 9530) and the older `digest` (RFC 3230 with RFC 5843).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::BareItemFromInput;

use crate::params::unparsable;
use crate::sf::{self, BareItem};
use crate::{Profile, SignError, VerifyError};

/// A field that carries a digest of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DigestField {
    /// `content-digest: sha-512=:…:` (RFC 9530).
    ContentDigest,
    /// `digest: SHA-256=…` (RFC 3230 with RFC 5843), which RFC 9530 has replaced.
    Digest,
}

impl DigestField {
    /// All fields.
    pub(crate) const ALL: [DigestField; 2] = [DigestField::ContentDigest, DigestField::Digest];

    /// Returns the name of the field in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            DigestField::ContentDigest => "content-digest",
            DigestField::Digest => "digest",
        }
    }
}

/// Returns name and value of the field with which the profile carries the digest of a body: `content-digest:
/// sha-512=:…:` or `digest: SHA-256=…`.
///
/// # Errors
/// Fails with [`SignError::HeaderValue`] if the digest is no header value, which neither of the two forms can be.
pub fn body_digest(profile: &Profile, body: &[u8]) -> Result<(HeaderName, HeaderValue), SignError> {
    let name = profile.digest_field.name();
    let text = match profile.digest_field {
        DigestField::ContentDigest => {
            format!("sha-512=:{}:", STANDARD.encode(digest::digest(&digest::SHA512, body)))
        }
        DigestField::Digest => format!("SHA-256={}", STANDARD.encode(digest::digest(&digest::SHA256, body))),
    };
    let value = HeaderValue::try_from(text).map_err(|_| SignError::HeaderValue(name))?;
    Ok((HeaderName::from_static(name), value))
}

/// Compares every digest of the field that has a known algorithm with the body; there must be at least one.
///
/// # Errors
/// Fails if the field is absent or unreadable, has no known algorithm, or has a digest that does not match.
pub(crate) fn check(headers: &HeaderMap, field: DigestField, body: &[u8]) -> Result<(), VerifyError> {
    let header = field.name();
    let text = match sf::join_lines(headers, header) {
        None => return Err(VerifyError::DigestMissing { header }),
        Some(text) => {
            text.map_err(|_| unparsable(header, "it contains characters that are not visible ASCII"))?
        }
    };
    let found = match field {
        DigestField::ContentDigest => content_digest(header, &text)?,
        DigestField::Digest => plain_digest(header, &text)?,
    };
    if found.is_empty() {
        return Err(VerifyError::DigestAlgorithm { header });
    }
    for (algorithm, value) in found {
        if digest::digest(algorithm.hash, body).as_ref() != value {
            return Err(VerifyError::DigestMismatch { header, algorithm: algorithm.name });
        }
    }
    Ok(())
}

/// A digest algorithm with its registered name.
#[derive(Clone, Copy)]
struct DigestAlgorithm {
    name: &'static str,
    hash: &'static digest::Algorithm,
}

/// Returns the algorithm of a name that RFC 9530 section 5 lists as active; the old ones (`md5`, `sha`, sums) prove
/// nothing.
fn known(name: &str) -> Option<DigestAlgorithm> {
    match name {
        "sha-256" => Some(DigestAlgorithm { name: "sha-256", hash: &digest::SHA256 }),
        "sha-512" => Some(DigestAlgorithm { name: "sha-512", hash: &digest::SHA512 }),
        _ => None,
    }
}

/// Parses `content-digest` and returns the digests with a known algorithm.
fn content_digest(header: &str, text: &str) -> Result<Vec<(DigestAlgorithm, Vec<u8>)>, VerifyError> {
    let members = sf::dictionary(text).map_err(|error| unparsable(header, &error.to_string()))?;
    // RFC 8941 uses the last of a repeated key; to check all of them is the safe reading.
    let known = members.into_iter().filter_map(|member| Some((known(member.key)?, member.value)));
    known
        .map(|(algorithm, value)| match value {
            BareItem::Item(BareItemFromInput::ByteSequence(bytes)) => Ok((algorithm, bytes)),
            _ => Err(unparsable(header, &format!("`{}` is not a byte sequence `:base64:`", algorithm.name))),
        })
        .collect()
}

/// Parses the older `digest` and returns the digests with a known algorithm.
fn plain_digest(header: &str, text: &str) -> Result<Vec<(DigestAlgorithm, Vec<u8>)>, VerifyError> {
    let mut found = Vec::new();
    for part in text.split(',') {
        let Some((name, value)) = part.trim().split_once('=') else {
            return Err(unparsable(header, "a digest has the form `SHA-256=base64`"));
        };
        let Some(algorithm) = known(&name.to_ascii_lowercase()) else { continue };
        let bytes = STANDARD.decode(value).map_err(|error| unparsable(header, &error.to_string()))?;
        found.push((algorithm, bytes));
    }
    Ok(found)
}
