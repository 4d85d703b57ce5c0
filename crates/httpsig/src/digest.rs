//! The digest of the body: `content-digest` (RFC 9530) and the older `digest` (RFC 3230 with RFC 5843).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::BareItemFromInput;

use crate::params::unparsable;
use crate::sf::{self, BareItem};
use crate::{VerifyError, Version};

const CONTENT_DIGEST: &str = "content-digest";

/// Returns the field name and the value of the body's digest in this version: `content-digest: sha-512=:…:` or `digest:
/// SHA-256=…`.
pub fn body_digest(version: Version, body: &[u8]) -> (HeaderName, HeaderValue) {
    let (name, text) = if version.profile().digest_fields[0] == CONTENT_DIGEST {
        let hash = digest::digest(&digest::SHA512, body);
        (HeaderName::from_static(CONTENT_DIGEST), format!("sha-512=:{}:", STANDARD.encode(hash)))
    } else {
        let hash = digest::digest(&digest::SHA256, body);
        (HeaderName::from_static("digest"), format!("SHA-256={}", STANDARD.encode(hash)))
    };
    // Base64 and these prefixes always form a valid header value, so the fallback is never used.
    (name, HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("")))
}

/// Compares every digest of the field that has a known algorithm with the body; there must be at least one.
///
/// # Errors
/// Fails if the field is absent or unreadable, has no known algorithm, or has a digest that does not match.
pub(crate) fn check(headers: &HeaderMap, field: &'static str, body: &[u8]) -> Result<(), VerifyError> {
    let text = match sf::join_lines(headers, field) {
        None => return Err(VerifyError::DigestMissing { header: field }),
        Some(text) => {
            text.map_err(|_| unparsable(field, "it contains characters that are not visible ASCII"))?
        }
    };
    let found = if field == CONTENT_DIGEST { content_digest(&text)? } else { plain_digest(field, &text)? };
    if found.is_empty() {
        return Err(VerifyError::DigestAlgorithm { header: field });
    }
    for (algorithm, value) in found {
        if digest::digest(algorithm.hash, body).as_ref() != value {
            return Err(VerifyError::DigestMismatch { header: field, algorithm: algorithm.name });
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
fn content_digest(text: &str) -> Result<Vec<(DigestAlgorithm, Vec<u8>)>, VerifyError> {
    let members = sf::dictionary(text).map_err(|error| unparsable(CONTENT_DIGEST, &error.to_string()))?;
    // RFC 8941 uses the last of a repeated key; to check all of them is the safe reading.
    let known = members.into_iter().filter_map(|member| Some((known(member.key)?, member.value)));
    known
        .map(|(algorithm, value)| match value {
            BareItem::Item(BareItemFromInput::ByteSequence(bytes)) => Ok((algorithm, bytes)),
            _ => Err(unparsable(
                CONTENT_DIGEST,
                &format!("`{}` is not a byte sequence `:base64:`", algorithm.name),
            )),
        })
        .collect()
}

/// Parses the older `digest` and returns the digests with a known algorithm.
fn plain_digest(field: &str, text: &str) -> Result<Vec<(DigestAlgorithm, Vec<u8>)>, VerifyError> {
    let mut found = Vec::new();
    for part in text.split(',') {
        let Some((name, value)) = part.trim().split_once('=') else {
            return Err(unparsable(field, "a digest has the form `SHA-256=base64`"));
        };
        let Some(algorithm) = known(&name.to_ascii_lowercase()) else { continue };
        let bytes = STANDARD.decode(value).map_err(|error| unparsable(field, &error.to_string()))?;
        found.push((algorithm, bytes));
    }
    Ok(found)
}
