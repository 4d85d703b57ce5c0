//! Private keys: generating, reading, writing, signing.

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

use crate::key::{algorithm_of, malformed};
use crate::{Algorithm, KeyError, PublicKey, SignError, SignatureEncoding, ecdsa, pem};

/// A private key. `Debug` shows only the public half.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

/// A key pair of the cryptographic library.
enum Pair {
    // Signs in DER over the curve's own hash; the other encodings are derived from that.
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Generates a key with the random source of the machine.
    ///
    /// # Errors
    /// Fails with [`KeyError::Generation`] if the cryptographic library fails.
    pub fn generate(kind: Algorithm) -> Result<Self, KeyError> {
        let pair = match algorithm(kind) {
            Some(algorithm) => EcdsaKeyPair::generate(algorithm).map(Pair::Ecdsa),
            None => Ed25519KeyPair::generate().map(Pair::Ed25519),
        };
        Self::new(kind, pair.map_err(|Unspecified| KeyError::Generation)?)
    }

    /// Generates a key with the random source of the caller, which must be suitable for cryptography.
    ///
    /// The private scalar is drawn until it lies in the range of the curve (FIPS 186-5, A.2.2).
    ///
    /// # Errors
    /// Fails with [`KeyError::Generation`] if 64 scalars in a row are out of range, or if the cryptographic library
    /// fails.
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
        // More than a few scalars out of range in a row mean that the source is not random.
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

    /// Reads a PEM file: `EC PRIVATE KEY` (SEC 1, RFC 5915), `PRIVATE KEY` (PKCS#8, RFC 5208) or `ENCRYPTED PRIVATE
    /// KEY` (PBES2 of RFC 8018 with PBKDF2 or scrypt and AES).
    ///
    /// Other blocks, such as `EC PARAMETERS`, may stand around it. The passphrase is ignored when the key is not
    /// encrypted.
    ///
    /// # Errors
    /// Fails if the file has no private key that can be read. The error names the remedy, for instance for the old
    /// encryption of `openssl ec -aes256`.
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
                // A wrong passphrase can give any result, so only errors of the method are certain.
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

    /// Reads unencrypted PKCS#8.
    fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|error| malformed(&error.to_string()))?;
        let curve = info.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        let kind = algorithm_of(info.algorithm.oid, curve)?;
        let pair = match algorithm(kind) {
            Some(algorithm) => EcdsaKeyPair::from_pkcs8(algorithm, der).map(Pair::Ecdsa),
            // "Unchecked" accepts a PKCS#8 file without the public half, as OpenSSL writes it.
            None => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Pair::Ed25519),
        };
        Self::new(kind, pair.map_err(|rejected| malformed(&rejected.to_string()))?)
    }

    /// Reads a SEC 1 key by trying the curves.
    fn from_sec1_der(der: &[u8]) -> Result<Self, KeyError> {
        for kind in [Algorithm::P256, Algorithm::P384, Algorithm::P521] {
            let pair = algorithm(kind).map(|algorithm| EcdsaKeyPair::from_private_key_der(algorithm, der));
            if let Some(Ok(pair)) = pair {
                return Self::new(kind, Pair::Ecdsa(pair));
            }
        }
        Err(malformed("it is no SEC 1 key of the curves P-256, P-384 or P-521"))
    }

    /// Builds the key and derives its public half.
    fn new(kind: Algorithm, pair: Pair) -> Result<Self, KeyError> {
        let public = match &pair {
            Pair::Ecdsa(pair) => PublicKey::from_raw(kind, pair.public_key().as_ref()),
            Pair::Ed25519(pair) => PublicKey::from_raw(kind, pair.public_key().as_ref()),
        }?;
        Ok(Self { pair, public })
    }

    /// Returns the key as unencrypted PKCS#8, version 1, in PEM, which `openssl pkey` and Python's `cryptography` read.
    /// The text is wiped when it is dropped.
    ///
    /// # Errors
    /// Fails with [`KeyError::Generation`] if the cryptographic library fails, for which it has no reason.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let document = match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1(),
            Pair::Ed25519(pair) => pair.to_pkcs8v1(),
        };
        let document = document.map_err(|Unspecified| KeyError::Generation)?;
        Ok(Zeroizing::new(pem::write("PRIVATE KEY", document.as_ref())))
    }

    /// Returns the public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the algorithm of the key.
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// Signs a signature base. `encoding` chooses the form of an ECDSA signature: DER over SHA-512, or raw `r‖s` over
    /// the hash of the curve; it is ignored for Ed25519.
    ///
    /// # Errors
    /// Fails with [`SignError::Key`] if the cryptographic library fails, for which it has no reason.
    pub fn sign(&self, base: &[u8], encoding: SignatureEncoding) -> Result<Vec<u8>, SignError> {
        self.signature(base, encoding).map_err(|Unspecified| SignError::Key)
    }

    /// Signs with the errors of the cryptographic library.
    fn signature(&self, base: &[u8], encoding: SignatureEncoding) -> Result<Vec<u8>, Unspecified> {
        let kind = self.algorithm();
        let pair = match &self.pair {
            Pair::Ed25519(pair) => return Ok(pair.sign(base).as_ref().to_vec()),
            Pair::Ecdsa(pair) => pair,
        };
        if encoding == SignatureEncoding::Raw {
            let der = pair.sign(&SystemRandom::new(), base)?;
            let (r, s) = ecdsa::parse_der(der.as_ref(), kind.size()).map_err(|_| Unspecified)?;
            return Ok(ecdsa::to_raw(r, s, kind.size()));
        }
        // ECDSA uses as many leading bits of the hash as the order has (FIPS 186-5 section 6.4.1). For the smaller
        // curves SHA-512 is therefore the same as its first 32 or 48 bytes, which the library takes in place of the
        // hash of the curve.
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

/// Returns the signing algorithm of a curve; `None` for Ed25519.
fn algorithm(kind: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match kind {
        Algorithm::P256 => Some(&curve::ECDSA_P256_SHA256_ASN1_SIGNING),
        Algorithm::P384 => Some(&curve::ECDSA_P384_SHA384_ASN1_SIGNING),
        Algorithm::P521 => Some(&curve::ECDSA_P521_SHA512_ASN1_SIGNING),
        Algorithm::Ed25519 => None,
    }
}
