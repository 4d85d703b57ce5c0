//! Explains to a developer why a signature does not verify; for `investord dev` alone.
//!
//! A production server keeps the reason for its log (decision W22). Here it is part of the response, together with the
//! signature base that the server has built, and the usual mistakes are tried.

use http_message_signatures::{Hash, PublicKey, ReceivedSignature, SignatureEncoding, VerifyError};
use serde_json::{Map, Value, json};

use crate::access::client_cache::Client;
use crate::app::{App, Mode};
use crate::domain::signatures::SignatureVersion;
use crate::problem::{Problem, Unauthorised};

/// Returns the refusal of an unknown or revoked key.
pub fn unknown_key(app: &App, key_id: &str) -> Problem {
    let detail = format!("the client has no key '{key_id}', or it was revoked");
    match app.mode {
        Mode::Production => Problem::unauthorised(detail),
        Mode::Development => explain(
            detail,
            "`keyid` is the id of a public key registered for the client named in `upvest-client-id`: \
             `investord key list` shows them",
            &[],
        ),
    }
}

/// Returns the explained refusal of a signature that was rejected before its verification.
pub fn refusal(refusal: &VerifyError) -> Problem {
    let cause = match refusal {
        VerifyError::MissingSignatureInput | VerifyError::MissingSignature => {
            "the request is not signed: `investord call --verbose` shows a signed one"
        }
        VerifyError::CreatedInFuture { .. } | VerifyError::Expired { .. } | VerifyError::TooOld { .. } => {
            "the clock of the client is off, or the signature was made too long before it was sent"
        }
        VerifyError::DigestMissing { .. } => {
            "a request with a body needs `content-digest: sha-512=:…:` (draft 6: `digest: SHA-256=…`), covered"
        }
        VerifyError::DigestNotCovered { .. } => {
            "the digest is sent but its name is not in the list of components"
        }
        VerifyError::DigestMismatch { .. } => {
            "the digest was made of other bytes than were sent: serialise the body once, digest and send the same"
        }
        VerifyError::NotCovered { .. } => "the component must stand in the list of `signature-input`",
        VerifyError::AlgorithmMismatch { .. } => {
            "leave `alg` out, or name the algorithm of the registered key"
        }
        VerifyError::SignatureShape { .. } => {
            "the signature was made with a key of another kind than the registered one"
        }
        _ => "see the page of this problem type",
    };
    explain(refusal.to_string(), cause, &[])
}

/// Returns the refusal of a signature that matches none of the signature bases.
pub fn mismatch(
    app: &App,
    client: &Client,
    key: &PublicKey,
    presented: &ReceivedSignature,
    bases: &[(SignatureVersion, String)],
    refusal: &VerifyError,
) -> Problem {
    match app.mode {
        Mode::Production => Problem::unauthorised(refusal.to_string()),
        Mode::Development => {
            explain(refusal.to_string(), &likely_cause(client, key, presented, bases), bases)
        }
    }
}

/// Returns the likely mistake, found by verifying the signature under the usual wrong assumptions: other quoting, a
/// final line feed, another hash or encoding, another key of the client.
fn likely_cause(
    client: &Client,
    key: &PublicKey,
    presented: &ReceivedSignature,
    bases: &[(SignatureVersion, String)],
) -> String {
    let signature = presented.signature();
    for (version, base) in bases {
        let profile = version.profile();
        let other_quoting = match version {
            SignatureVersion::Draft6 => quoted(base, presented),
            _ => bare(base),
        };
        if key.verify(other_quoting.as_bytes(), signature, profile).is_ok() {
            return match version {
                SignatureVersion::Draft6 => {
                    "the base was signed with quoted names (draft 15): send `upvest-signature-version: 15`"
                }
                _ => {
                    "the base was signed with bare names (draft 6): quote them, or leave out \
                     `upvest-signature-version: 15`"
                }
            }
            .into();
        }
        if key.verify(format!("{base}\n").as_bytes(), signature, profile).is_ok() {
            return "the base was signed with a line feed at its end: join the lines, do not end them".into();
        }
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            for encoding in [SignatureEncoding::Der, SignatureEncoding::Raw] {
                if key.verify_as(base.as_bytes(), signature, encoding, hash) {
                    return format!(
                        "the base was hashed with {hash:?} and the signature encoded as {encoding:?}: DER goes with \
                         SHA-512 on every curve, raw r||s with the hash that RFC 9421 gives the curve"
                    );
                }
            }
        }
        if let Some((id, _)) =
            client.keys().find(|(_, other)| other.verify(base.as_bytes(), signature, profile).is_ok())
        {
            return format!("the signature was made with the client's key '{id}': name that one in `keyid`");
        }
    }
    "another private key than the registered one, or a covered value was changed after signing: compare \
     `signature_base` with the text that was signed, line by line"
        .into()
}

/// Returns the signature base with quoted component names, as draft 15 has them.
fn quoted(base: &str, presented: &ReceivedSignature) -> String {
    let names = presented.components().chain(["@signature-params"]);
    let lines = base
        .lines()
        .zip(names)
        .map(|(line, name)| format!("\"{name}\"{}", &line[name.len().min(line.len())..]));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the signature base with bare component names, as draft 6 has them.
fn bare(base: &str) -> String {
    let lines = base.lines().map(|line| match line.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((name, value)) => format!("{name}{value}"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns a 401 whose document contains the likely cause and the signature bases.
fn explain(detail: String, cause: &str, bases: &[(SignatureVersion, String)]) -> Problem {
    let mut explanation = Map::new();
    explanation.insert("likely_cause".into(), json!(cause));
    if let Some((version, base)) = bases.first() {
        explanation.insert("signature_version".into(), json!(version.name()));
        explanation.insert("signature_base".into(), json!(base));
    }
    let others: Vec<Value> = bases.iter().skip(1).map(|(_, base)| json!(base)).collect();
    if !others.is_empty() {
        explanation.insert("other_bases_tried".into(), json!(others));
    }
    Problem::Unauthorised(Unauthorised { detail, explanation, is_telling: true })
}
