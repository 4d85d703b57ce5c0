//! Profiles: the points in which applications of HTTP message signatures differ.

use crate::{DigestField, SignatureEncoding};

/// The points in which an application of HTTP message signatures may differ from RFC 9421. Everything else is the same
/// code.
///
/// [`Profile::RFC_9421`] is the default. A service that follows an older draft gets a profile of its own:
///
/// ```
/// use http_message_signatures::{DigestField, EcdsaFormat, Profile};
///
/// const OLD_DRAFT: Profile = Profile::RFC_9421
///     .with_unquoted_names()
///     .with_digest_fields(DigestField::Digest, &[DigestField::ContentDigest])
///     .with_ecdsa(EcdsaFormat::Der);
/// assert_eq!(OLD_DRAFT.digest_field.name(), "digest");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Profile {
    /// Whether component names stand in double quotes on the left of a line of the signature base (RFC 9421 section
    /// 2.5). They always do inside the `signature-input` field.
    pub quoted_names: bool,
    /// The field into which a signer writes the digest of the body, and which a verifier accepts.
    pub digest_field: DigestField,
    /// Further fields that a verifier accepts for the digest of the body.
    pub other_digest_fields: &'static [DigestField],
    /// The form of ECDSA signatures.
    pub ecdsa: EcdsaFormat,
    /// Whether the value of `@query-param` is percent-encoded again (RFC 9421 section 2.2.8) or stands decoded.
    pub encoded_query_params: bool,
    /// Whether `@query-params`, the name in older drafts, is accepted for `@query-param` as well.
    pub query_params_name: bool,
}

/// The form of ECDSA signatures that a profile makes and accepts. Ed25519 has only one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EcdsaFormat {
    /// Makes and accepts `r‖s` over the hash of the curve (RFC 9421 sections 3.3.4 and 3.3.5).
    Raw,
    /// Makes `r‖s` over the hash of the curve, and accepts DER over SHA-512 on every curve as well.
    RawOrDer,
    /// Makes DER over SHA-512 on every curve, and accepts `r‖s` over the hash of the curve as well.
    Der,
}

impl EcdsaFormat {
    /// Returns the encoding of the signatures that a signer makes.
    pub(crate) const fn made(self) -> SignatureEncoding {
        match self {
            EcdsaFormat::Raw | EcdsaFormat::RawOrDer => SignatureEncoding::Raw,
            EcdsaFormat::Der => SignatureEncoding::Der,
        }
    }

    /// Returns whether a verifier accepts DER over SHA-512.
    pub(crate) const fn accepts_der(self) -> bool {
        !matches!(self, EcdsaFormat::Raw)
    }
}

impl Profile {
    /// RFC 9421 with the digests of RFC 9530.
    pub const RFC_9421: Profile = Profile {
        quoted_names: true,
        digest_field: DigestField::ContentDigest,
        other_digest_fields: &[],
        ecdsa: EcdsaFormat::Raw,
        encoded_query_params: true,
        query_params_name: false,
    };

    /// Leaves out the quotes around component names in the signature base, as older drafts do.
    #[must_use]
    pub const fn with_unquoted_names(self) -> Profile {
        Profile { quoted_names: false, ..self }
    }

    /// Sets the field into which a signer writes the digest of the body, and the other fields that a verifier accepts
    /// for it.
    #[must_use]
    pub const fn with_digest_fields(self, written: DigestField, others: &'static [DigestField]) -> Profile {
        Profile { digest_field: written, other_digest_fields: others, ..self }
    }

    /// Sets the form of ECDSA signatures.
    #[must_use]
    pub const fn with_ecdsa(self, ecdsa: EcdsaFormat) -> Profile {
        Profile { ecdsa, ..self }
    }

    /// Takes the value of `@query-param` decoded, as older drafts do.
    #[must_use]
    pub const fn with_decoded_query_params(self) -> Profile {
        Profile { encoded_query_params: false, ..self }
    }

    /// Accepts `@query-params`, the name in older drafts, for `@query-param`.
    #[must_use]
    pub const fn with_query_params_name(self) -> Profile {
        Profile { query_params_name: true, ..self }
    }

    /// Returns the fields that may carry the digest of the body; a signer writes the first one.
    pub fn digest_fields(&self) -> impl Iterator<Item = DigestField> + use<> {
        std::iter::once(self.digest_field).chain(self.other_digest_fields.iter().copied())
    }
}

impl Default for Profile {
    fn default() -> Profile {
        Profile::RFC_9421
    }
}
