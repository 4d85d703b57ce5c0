//! The three versions of the signature scheme, as data.

/// The specification that a signature follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// draft-ietf-httpbis-message-signatures-06, with the unquoted names that Upvest writes into the signature base.
    Draft6,
    /// draft-ietf-httpbis-message-signatures-15 in Upvest's profile: ECDSA in DER over SHA-512.
    Draft15,
    /// RFC 9421.
    Rfc9421,
}

/// The differences between the versions. Everything else is the same code.
#[derive(Debug)]
pub struct Profile {
    /// A name for people: log lines, problem documents.
    pub name: &'static str,
    /// Whether component names stand in double quotes on the left of a line of the signature base. They always do
    /// inside the `signature-input` field.
    pub quoted: bool,
    /// Fields that may carry the digest of the body, in lower case. A signer writes the first one.
    pub digest_fields: &'static [&'static str],
    /// The encoding of ECDSA signatures that this crate makes.
    pub ecdsa: crate::SignatureEncoding,
    /// Whether the value of `@query-param` is percent-encoded again (RFC 9421 section 2.2.8) or stands decoded
    /// (draft-15 section 2.2.8).
    pub query_param_encoded: bool,
}

impl Version {
    /// Returns the data of this version.
    pub const fn profile(self) -> &'static Profile {
        match self {
            Version::Draft6 => &Profile {
                name: "draft 6",
                quoted: false,
                digest_fields: &["digest", "content-digest"],
                ecdsa: crate::SignatureEncoding::Der,
                query_param_encoded: false,
            },
            Version::Draft15 => &Profile {
                name: "draft 15",
                quoted: true,
                digest_fields: &["content-digest"],
                ecdsa: crate::SignatureEncoding::Der,
                query_param_encoded: false,
            },
            Version::Rfc9421 => &Profile {
                name: "RFC 9421",
                quoted: true,
                digest_fields: &["content-digest"],
                ecdsa: crate::SignatureEncoding::Raw,
                query_param_encoded: true,
            },
        }
    }
}
