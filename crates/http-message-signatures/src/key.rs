//! Public keys: reading, writing, verifying.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{self as curve, EcdsaVerificationAlgorithm, ParsedPublicKey, UnparsedPublicKey};
use pkcs8::ObjectIdentifier;
use pkcs8::spki::SubjectPublicKeyInfoRef;

use crate::{EcdsaFormat, Profile, SignatureEncoding, VerifyError, ecdsa, pem};

/// The supported key algorithms: ECDSA on three NIST curves, and Ed25519.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on the curve P-256 (secp256r1).
    P256,
    /// ECDSA on the curve P-384 (secp384r1).
    P384,
    /// ECDSA on the curve P-521 (secp521r1), which RFC 9421 does not register.
    P521,
    /// EdDSA on the curve edwards25519 (RFC 8032).
    Ed25519,
}

/// The hash function of an ECDSA signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The error for a key that cannot be read or generated. Its text names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A text that is neither PEM nor JWK.
    #[error("this is no key: expected PEM (`-----BEGIN PUBLIC KEY-----`) or a JWK (`{{\"kty\": ...}}`)")]
    NotAKey,
    /// A key in a known format, with damaged content.
    #[error("the key cannot be read: {0}")]
    Malformed(String),
    /// A good key of an algorithm that is not supported.
    #[error("{0} keys are not supported: use EC P-521, P-384 or P-256, or Ed25519")]
    Unsupported(String),
    /// A private key in the place of a public one: a secret is about to be disclosed.
    #[error(
        "this is a private key: keep it secret and give only the public one, made by \
         `openssl pkey -in private.pem -pubout`"
    )]
    PrivateInsteadOfPublic,
    /// A public key in the place of a private one.
    #[error("this is a public key, but signing needs the private one")]
    PublicInsteadOfPrivate,
    /// A certificate, which contains the public key.
    #[error(
        "this is a certificate: take the key out of it with `openssl x509 -in certificate.pem -pubkey -noout`"
    )]
    Certificate,
    /// A key in the encrypted OpenSSL format that preceded PKCS#8.
    #[error(
        "the key is encrypted in the old OpenSSL format (`Proc-Type: 4,ENCRYPTED`): convert it with \
         `openssl pkcs8 -topk8 -in old.pem -out new.pem`"
    )]
    LegacyEncryption,
    /// An encrypted key without a passphrase.
    #[error("the key is encrypted and needs a passphrase")]
    PassphraseMissing,
    /// An encrypted key with a passphrase that does not open it.
    #[error("the key cannot be decrypted: the passphrase is wrong")]
    PassphraseWrong,
    /// A key with an obsolete encryption scheme, such as PBES1 or DES.
    #[error(
        "the key is encrypted in a way that is not supported: convert it with \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.pem -out new.pem`"
    )]
    EncryptionUnsupported,
    /// A failure of the cryptographic library.
    #[error("no key could be made")]
    Generation,
}

impl Algorithm {
    /// All supported algorithms.
    pub const ALL: &'static [Algorithm] =
        &[Algorithm::P256, Algorithm::P384, Algorithm::P521, Algorithm::Ed25519];

    /// Returns the usual name, which JWK uses as well (RFC 7518 section 6.2.1.1, RFC 8037): `P-521`, `Ed25519`.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::P256 => "P-256",
            Algorithm::P384 => "P-384",
            Algorithm::P521 => "P-521",
            Algorithm::Ed25519 => "Ed25519",
        }
    }

    /// Returns the hash function that RFC 9421 section 3.3 pairs with the curve; the one for P-521 is its natural
    /// continuation. Ed25519 hashes inside, with SHA-512.
    pub const fn hash(self) -> Hash {
        match self {
            Algorithm::P256 => Hash::Sha256,
            Algorithm::P384 => Hash::Sha384,
            Algorithm::P521 | Algorithm::Ed25519 => Hash::Sha512,
        }
    }

    /// Returns the length in bytes of a coordinate, and of r and s.
    pub(crate) const fn size(self) -> usize {
        match self {
            Algorithm::P256 | Algorithm::Ed25519 => 32,
            Algorithm::P384 => 48,
            Algorithm::P521 => 66,
        }
    }

    /// Returns the `alg` values that fit a key of this algorithm: those of RFC 9421 section 6.2.2, and values of the
    /// same pattern for what is not registered, P-521 and DER over SHA-512.
    const fn alg(self, ecdsa: EcdsaFormat) -> &'static [&'static str] {
        match (self, ecdsa.accepts_der()) {
            (Algorithm::P256, false) => &["ecdsa-p256-sha256"],
            (Algorithm::P256, true) => &["ecdsa-p256-sha256", "ecdsa-p256-sha512"],
            (Algorithm::P384, false) => &["ecdsa-p384-sha384"],
            (Algorithm::P384, true) => &["ecdsa-p384-sha384", "ecdsa-p384-sha512"],
            (Algorithm::P521, _) => &["ecdsa-p521-sha512"],
            (Algorithm::Ed25519, _) => &["ed25519"],
        }
    }

    /// Returns the bytes of the `SubjectPublicKeyInfo` in front of the bare key (RFC 5480, RFC 8410).
    pub(crate) const fn spki_prefix(self) -> &'static [u8] {
        match self {
            Algorithm::P256 => {
                b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
                  \x03\x42\0"
            }
            Algorithm::P384 => {
                b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\0\x22\x03\x62\0"
            }
            Algorithm::P521 => {
                b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\0\x23\
                  \x03\x81\x86\0"
            }
            Algorithm::Ed25519 => b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\0",
        }
    }

    /// Returns the verification algorithm of a curve with a hash function; `None` for Ed25519.
    fn ecdsa(self, hash: Hash) -> Option<&'static EcdsaVerificationAlgorithm> {
        Some(match (self, hash) {
            (Algorithm::P256, Hash::Sha256) => &curve::ECDSA_P256_SHA256_ASN1,
            (Algorithm::P256, Hash::Sha384) => &curve::ECDSA_P256_SHA384_ASN1,
            (Algorithm::P256, Hash::Sha512) => &curve::ECDSA_P256_SHA512_ASN1,
            (Algorithm::P384, Hash::Sha256) => &curve::ECDSA_P384_SHA256_ASN1,
            (Algorithm::P384, Hash::Sha384) => &curve::ECDSA_P384_SHA384_ASN1,
            (Algorithm::P384, Hash::Sha512) => &curve::ECDSA_P384_SHA512_ASN1,
            (Algorithm::P521, Hash::Sha256) => &curve::ECDSA_P521_SHA256_ASN1,
            (Algorithm::P521, Hash::Sha384) => &curve::ECDSA_P521_SHA384_ASN1,
            (Algorithm::P521, Hash::Sha512) => &curve::ECDSA_P521_SHA512_ASN1,
            (Algorithm::Ed25519, _) => return None,
        })
    }
}

/// Returns the algorithm for the object identifiers of a `SubjectPublicKeyInfo` or a PKCS#8 file.
pub(crate) fn algorithm_of(
    algorithm: ObjectIdentifier,
    curve: Option<ObjectIdentifier>,
) -> Result<Algorithm, KeyError> {
    const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
    const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
    const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
    const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    match (algorithm, curve) {
        (ED25519, _) => Ok(Algorithm::Ed25519),
        (EC, Some(P256)) => Ok(Algorithm::P256),
        (EC, Some(P384)) => Ok(Algorithm::P384),
        (EC, Some(P521)) => Ok(Algorithm::P521),
        (EC, Some(other)) => Err(KeyError::Unsupported(format!("EC {other}"))),
        (EC, None) => Err(KeyError::Unsupported("EC with a curve that is not named".to_owned())),
        (RSA, _) => Err(KeyError::Unsupported("RSA".to_owned())),
        (other, _) => Err(KeyError::Unsupported(other.to_string())),
    }
}

/// A public key of a supported algorithm. It is checked when it is read, so that every value is a point of its curve.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// DER of the `SubjectPublicKeyInfo`, for EC with an uncompressed point: equal keys are equal bytes.
    spki: Box<[u8]>,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, ", self.algorithm.name())?;
        self.raw().iter().take(9).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

impl PublicKey {
    /// Reads a public key as PEM or JWK, which the first character distinguishes.
    ///
    /// # Errors
    /// Fails if the text is no public key of a supported algorithm. For a private key or a certificate, the error names
    /// the remedy.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        if text.trim_start().starts_with('{') { Self::from_jwk(text) } else { Self::from_spki_pem(text) }
    }

    /// Reads `-----BEGIN PUBLIC KEY-----` (RFC 7468 section 13), also with other text around it.
    ///
    /// # Errors
    /// Fails if the text has no such block, a damaged one, or a private key beside it.
    pub fn from_spki_pem(pem: &str) -> Result<Self, KeyError> {
        let blocks = pem::blocks(pem);
        if blocks.iter().any(|block| block.label.ends_with("PRIVATE KEY")) {
            return Err(KeyError::PrivateInsteadOfPublic);
        }
        let Some(block) = blocks.iter().find(|block| block.label == "PUBLIC KEY") else {
            return Err(match blocks.first().map(|block| block.label) {
                Some("CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") => KeyError::Certificate,
                Some("RSA PUBLIC KEY") => KeyError::Unsupported("RSA".to_owned()),
                _ => KeyError::NotAKey,
            });
        };
        Self::from_spki_der(&block.decode().ok_or_else(|| malformed("its base64 is broken"))?)
    }

    /// Reads the DER of a `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7, RFC 5480, RFC 8410). A compressed point is
    /// expanded.
    ///
    /// # Errors
    /// Fails if the DER is damaged, or the key is not of a supported algorithm.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|error| malformed(&error.to_string()))?;
        let curve = info.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        let kind = algorithm_of(info.algorithm.oid, curve)?;
        let raw = info.subject_public_key.as_bytes().ok_or_else(|| malformed("the key has odd bits"))?;
        Self::from_raw(kind, raw)
    }

    /// Reads a JSON Web Key (RFC 7517, RFC 7518 section 6.2, RFC 8037).
    ///
    /// # Errors
    /// Fails if the JSON is no public key of a supported algorithm.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        crate::jwk::read(json)
    }

    /// Builds a key from its bare bytes: the point of a curve, or the 32 bytes of Ed25519.
    pub(crate) fn from_raw(kind: Algorithm, raw: &[u8]) -> Result<Self, KeyError> {
        let off = || malformed(&format!("it is no point of the curve {}", kind.name()));
        let Some(algorithm) = kind.ecdsa(kind.hash()) else {
            ParsedPublicKey::new(&curve::ED25519, raw).map_err(|_| off())?;
            return Ok(Self { algorithm: kind, spki: [kind.spki_prefix(), raw].concat().into() });
        };
        let parsed = ParsedPublicKey::new(algorithm, raw).map_err(|_| off())?;
        let canonical: PublicKeyX509Der<'_> = parsed.as_der().map_err(|_| off())?;
        let spki: Box<[u8]> = canonical.as_ref().into();
        let uncompressed = spki.len() == kind.spki_prefix().len() + 1 + 2 * kind.size();
        if uncompressed && spki.starts_with(kind.spki_prefix()) {
            Ok(Self { algorithm: kind, spki })
        } else {
            Err(off())
        }
    }

    /// Returns the algorithm of the key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the DER of the `SubjectPublicKeyInfo`.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Returns the PEM of the `SubjectPublicKeyInfo`, as `openssl pkey -pubout` writes it.
    pub fn to_spki_pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.spki)
    }

    /// Returns the key as JWK, without `kid`.
    pub fn to_jwk(&self) -> String {
        crate::jwk::write(self)
    }

    /// Returns the uncompressed point, or the 32 bytes of Ed25519.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.spki[self.algorithm.spki_prefix().len()..]
    }

    /// Checks that the `alg` parameter, if it is present, names an algorithm of this key that the profile
    /// accepts (RFC 9421 section 3.2, step 6).
    ///
    /// # Errors
    /// Fails with [`VerifyError::AlgorithmMismatch`] if it names another one.
    pub fn check_alg(&self, alg: Option<&str>, profile: &Profile) -> Result<(), VerifyError> {
        match alg {
            Some(alg) if !self.algorithm.alg(profile.ecdsa).contains(&alg) => {
                Err(VerifyError::AlgorithmMismatch { alg: alg.to_owned(), key: self.algorithm.name() })
            }
            _ => Ok(()),
        }
    }

    /// Verifies a signature over a signature base and returns the encoding of the signature.
    ///
    /// ECDSA in raw `r‖s` is verified over the hash of RFC 9421 for the curve. If the profile accepts DER, a signature
    /// that parses as DER is verified over SHA-512 whatever the curve. This is the only expensive step of a
    /// verification.
    ///
    /// # Errors
    /// Fails with [`VerifyError::SignatureShape`] before any curve arithmetic, or with [`VerifyError::Mismatch`] after
    /// it.
    pub fn verify(
        &self,
        base: &[u8],
        signature: &[u8],
        profile: &Profile,
    ) -> Result<SignatureEncoding, VerifyError> {
        let encoding = match self.algorithm {
            Algorithm::Ed25519 if signature.len() == 64 => Ok(SignatureEncoding::Ed25519),
            Algorithm::Ed25519 => Err("it is not 64 bytes long"),
            _ => self.ecdsa_encoding(signature, profile.ecdsa),
        };
        let shape = |reason| VerifyError::SignatureShape { key: self.algorithm.name(), reason };
        let encoding = encoding.map_err(shape)?;
        let hash = if encoding == SignatureEncoding::Raw { self.algorithm.hash() } else { Hash::Sha512 };
        if self.verify_as(base, signature, encoding, hash) {
            Ok(encoding)
        } else {
            Err(VerifyError::Mismatch)
        }
    }

    /// Returns the encoding of an ECDSA signature by its shape. Fails with the reason, for people.
    fn ecdsa_encoding(
        &self,
        signature: &[u8],
        format: EcdsaFormat,
    ) -> Result<SignatureEncoding, &'static str> {
        let size = self.algorithm.size();
        let der = ecdsa::parse_der(signature, size);
        match (der, ecdsa::parse_raw(signature, size)) {
            (Ok(_), _) if format.accepts_der() => Ok(SignatureEncoding::Der),
            (_, Some((r, s))) if [r, s].iter().any(|n| n.iter().all(|&byte| byte == 0)) => {
                Err("r or s is zero")
            }
            (_, Some(_)) => Ok(SignatureEncoding::Raw),
            (Ok(_), None) => Err("it is DER instead of raw r‖s"),
            (Err(reason), None) if format.accepts_der() => Err(reason),
            (Err(_), None) => Err("it is not raw r‖s of this curve"),
        }
    }

    /// Returns whether a signature is valid if it is read in one given way; `hash` is ignored for Ed25519.
    ///
    /// It serves explanations, such as "this is DER over SHA-256".
    pub fn verify_as(&self, base: &[u8], signature: &[u8], encoding: SignatureEncoding, hash: Hash) -> bool {
        let size = self.algorithm.size();
        let holds =
            |algorithm, der: &[u8]| UnparsedPublicKey::new(algorithm, self.raw()).verify(base, der).is_ok();
        match (self.algorithm.ecdsa(hash), encoding) {
            (None, SignatureEncoding::Ed25519) => {
                UnparsedPublicKey::new(&curve::ED25519, self.raw()).verify(base, signature).is_ok()
            }
            (Some(algorithm), SignatureEncoding::Der) => {
                ecdsa::parse_der(signature, size).is_ok() && holds(algorithm, signature)
            }
            (Some(algorithm), SignatureEncoding::Raw) => {
                ecdsa::parse_raw(signature, size).is_some_and(|(r, s)| holds(algorithm, &ecdsa::to_der(r, s)))
            }
            (None, SignatureEncoding::Der | SignatureEncoding::Raw)
            | (Some(_), SignatureEncoding::Ed25519) => false,
        }
    }
}

/// Returns the error for a key with damaged content.
pub(crate) fn malformed(reason: &str) -> KeyError {
    KeyError::Malformed(reason.to_owned())
}
