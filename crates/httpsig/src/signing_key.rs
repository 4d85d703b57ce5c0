//! Private keys: making, reading, writing, signing.

use std::fmt;

use aws_lc_rs::agreement;
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self as curve, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use pkcs8::pkcs5::Error as PkcsError;
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::key::{kind_of, malformed};
use crate::{Algorithm, KeyError, PublicKey, SignError, SignatureEncoding, ecdsa, pem};

/// A private key. `Debug` shows only the public half.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    // Writes DER over the curve's own hash; everything else is made from that.
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key from the machine's random source.
    pub fn generate(kind: Algorithm) -> Result<Self, KeyError> {
        let pair = match algorithm(kind) {
            Some(algorithm) => EcdsaKeyPair::generate(algorithm).map(Pair::Ecdsa),
            None => Ed25519KeyPair::generate().map(Pair::Ed25519),
        };
        Self::new(kind, pair.map_err(|Unspecified| KeyError::Generation)?)
    }

    /// A new key from the caller's random source, which must be one for cryptography.
    ///
    /// The private scalar is drawn until it lies in the range of the curve (FIPS 186-5, A.2.2).
    pub fn generate_from(kind: Algorithm, mut fill: impl FnMut(&mut [u8])) -> Result<Self, KeyError> {
        let algorithm = match kind {
            Algorithm::P256 => &agreement::ECDH_P256,
            Algorithm::P384 => &agreement::ECDH_P384,
            Algorithm::P521 => &agreement::ECDH_P521,
            Algorithm::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                fill(seed.as_mut_slice());
                let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice());
                return Self::new(kind, Pair::Ed25519(pair.map_err(|_| KeyError::Generation)?));
            }
        };
        let mut scalar = Zeroizing::new(vec![0; kind.size()]);
        // More than a few in a row out of range means a source that is none.
        for _ in 0..64 {
            fill(&mut scalar);
            if kind == Algorithm::P521 {
                // 521 bits are 65 bytes and one bit.
                scalar[0] &= 1;
            }
            if let Ok(key) = agreement::PrivateKey::from_private_key(algorithm, &scalar) {
                let der: Pkcs8V1Der<'_> = key.as_der().map_err(|Unspecified| KeyError::Generation)?;
                return Self::from_pkcs8_der(der.as_ref());
            }
        }
        Err(KeyError::Generation)
    }

    /// A PEM file: `EC PRIVATE KEY` (SEC 1, RFC 5915), `PRIVATE KEY` (PKCS#8, RFC 5208) or `ENCRYPTED PRIVATE
    /// KEY` (PBES2 of RFC 8018 with PBKDF2 or scrypt and AES). Other blocks, such as `EC PARAMETERS`, may
    /// stand around it. The passphrase is not looked at when the key is not encrypted.
    ///
    /// # Errors
    /// With the sentence that says what to do, for instance for the old encryption of `openssl ec -aes256`.
    pub fn from_pem(pem: &str, passphrase: Option<&str>) -> Result<Self, KeyError> {
        let blocks = pem::blocks(pem);
        let Some(block) = blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY")) else {
            let public =
                blocks.iter().any(|block| block.label == "PUBLIC KEY" || block.label == "CERTIFICATE");
            return Err(if public { KeyError::PublicInsteadOfPrivate } else { KeyError::NotAKey });
        };
        if block.legacy_encryption {
            return Err(KeyError::LegacyEncryption);
        }
        let der = block.decode().ok_or_else(|| malformed("its base64 is broken"))?;
        match block.label {
            "PRIVATE KEY" => Self::from_pkcs8_der(&der),
            "EC PRIVATE KEY" => Self::from_sec1_der(&der),
            "ENCRYPTED PRIVATE KEY" => {
                let passphrase = passphrase.ok_or(KeyError::PassphraseMissing)?;
                let info = EncryptedPrivateKeyInfoRef::try_from(der.as_slice());
                let plain = info.map_err(|_| KeyError::EncryptionUnsupported)?.decrypt(passphrase);
                // What a wrong passphrase gives can look like anything; only the method is told for certain.
                let plain = plain.map_err(|error| match error {
                    pkcs8::Error::EncryptedPrivateKey(
                        PkcsError::UnsupportedAlgorithm { .. }
                        | PkcsError::NoPbes1CryptSupport
                        | PkcsError::AlgorithmParametersInvalid { .. },
                    ) => KeyError::EncryptionUnsupported,
                    _ => KeyError::PassphraseWrong,
                })?;
                Self::from_pkcs8_der(plain.as_bytes())
            }
            other => Err(KeyError::Unsupported(other.trim_end_matches(" PRIVATE KEY").to_owned())),
        }
    }

    fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|error| malformed(&error.to_string()))?;
        let curve = info.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        let kind = kind_of(info.algorithm.oid, curve)?;
        let pair = match algorithm(kind) {
            Some(algorithm) => EcdsaKeyPair::from_pkcs8(algorithm, der).map(Pair::Ecdsa),
            // Unchecked means that a PKCS#8 file without the public half is taken; OpenSSL writes it so.
            None => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Pair::Ed25519),
        };
        Self::new(kind, pair.map_err(|rejected| malformed(&rejected.to_string()))?)
    }

    fn from_sec1_der(der: &[u8]) -> Result<Self, KeyError> {
        for kind in [Algorithm::P256, Algorithm::P384, Algorithm::P521] {
            let pair = algorithm(kind).map(|algorithm| EcdsaKeyPair::from_private_key_der(algorithm, der));
            if let Some(Ok(pair)) = pair {
                return Self::new(kind, Pair::Ecdsa(pair));
            }
        }
        Err(malformed("it is no SEC 1 key of the curves P-256, P-384 or P-521"))
    }

    fn new(kind: Algorithm, pair: Pair) -> Result<Self, KeyError> {
        let public = match &pair {
            Pair::Ecdsa(pair) => PublicKey::from_raw(kind, pair.public_key().as_ref()),
            Pair::Ed25519(pair) => PublicKey::from_raw(kind, pair.public_key().as_ref()),
        }?;
        Ok(Self { pair, public })
    }

    /// Unencrypted PKCS#8, version 1, that `openssl pkey` and Python's `cryptography` read. The text is wiped
    /// when it is dropped.
    ///
    /// # Errors
    /// [`KeyError::Generation`] if the cryptographic library fails, which it has no reason to.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let document = match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1(),
            Pair::Ed25519(pair) => pair.to_pkcs8v1(),
        };
        let document = document.map_err(|Unspecified| KeyError::Generation)?;
        Ok(Zeroizing::new(pem::write("PRIVATE KEY", document.as_ref())))
    }

    /// The other half.
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    pub fn kind(&self) -> Algorithm {
        self.public.kind()
    }

    /// Signs a base. `encoding` chooses the profile of an ECDSA key: DER over SHA-512, or raw `r‖s` over the
    /// curve's hash; for Ed25519 it has no meaning.
    ///
    /// # Errors
    /// [`SignError::Key`] if the cryptographic library fails, which it has no reason to.
    pub fn sign(&self, base: &[u8], encoding: SignatureEncoding) -> Result<Vec<u8>, SignError> {
        self.signature(base, encoding).map_err(|Unspecified| SignError::Key)
    }

    fn signature(&self, base: &[u8], encoding: SignatureEncoding) -> Result<Vec<u8>, Unspecified> {
        let kind = self.kind();
        let pair = match &self.pair {
            Pair::Ed25519(pair) => return Ok(pair.sign(base).as_ref().to_vec()),
            Pair::Ecdsa(pair) => pair,
        };
        if encoding == SignatureEncoding::Raw {
            let der = pair.sign(&SystemRandom::new(), base)?;
            let (r, s) = ecdsa::parse_der(der.as_ref(), kind.size()).map_err(|_| Unspecified)?;
            return Ok(ecdsa::to_raw(r, s, kind.size()));
        }
        // ECDSA takes as many leading bits of the hash as the order has (FIPS 186-5 section 6.4.1). For the
        // smaller curves that makes SHA-512 the same as its first 32 or 48 bytes, which the library takes in
        // place of the curve's hash.
        let hash = digest::digest(&digest::SHA512, base);
        let signature = match kind {
            Algorithm::P256 => {
                pair.sign_digest(&Digest::import_less_safe(&hash.as_ref()[..32], &digest::SHA256)?)
            }
            Algorithm::P384 => {
                pair.sign_digest(&Digest::import_less_safe(&hash.as_ref()[..48], &digest::SHA384)?)
            }
            Algorithm::P521 | Algorithm::Ed25519 => pair.sign_digest(&hash),
        };
        signature.map(|signature| signature.as_ref().to_vec())
    }
}

fn algorithm(kind: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match kind {
        Algorithm::P256 => Some(&curve::ECDSA_P256_SHA256_ASN1_SIGNING),
        Algorithm::P384 => Some(&curve::ECDSA_P384_SHA384_ASN1_SIGNING),
        Algorithm::P521 => Some(&curve::ECDSA_P521_SHA512_ASN1_SIGNING),
        Algorithm::Ed25519 => None,
    }
}
