//! HTTP message signatures: RFC 9421, and the profile of the Upvest Investment API.
//!
//! Three versions of the scheme are data of the same code ([`Version::profile`]): draft 6 and draft 15 in Upvest's
//! profile (ECDSA in DER over SHA-512), and RFC 9421 itself. Keys are P-256, P-384, P-521 and Ed25519.
//!
//! The crate is pure: no clock, no network, no storage. The caller looks up the key, remembers nonces and supplies the
//! time.
//!
//! ```
//! use http::{HeaderMap, HeaderValue};
//! use httpsig::{Algorithm, Message, Parameters, Policy, ReceivedSignature, SigningKey, Version};
//!
//! let key = SigningKey::generate(Algorithm::P521)?;
//! let body = br#"{"title":"t"}"#;
//! let mut headers = HeaderMap::new();
//! headers.insert("accept", HeaderValue::from_static("application/json"));
//! let (name, value) = httpsig::body_digest(Version::Draft15, body);
//! headers.insert(name, value);
//!
//! // The client signs …
//! let message = Message {
//!     method: "POST",
//!     scheme: "https",
//!     authority: "api.example.com",
//!     path: "/webhooks",
//!     query: None,
//!     headers: &headers,
//!     body,
//!     status: None,
//! };
//! let parameters = Parameters {
//!     key_id: "0b8f6f0e",
//!     created: 1_700_000_000,
//!     expires: Some(1_700_000_010),
//!     nonce: Some("n0nce0000000001"),
//!     alg: None,
//!     tag: None,
//! };
//! let components = httpsig::usual_components(&message, Version::Draft15);
//! let signed = httpsig::sign(&message, &components, &parameters, &key, Version::Draft15)?;
//! let mut sent = headers.clone();
//! sent.insert("signature-input", signed.signature_input.parse()?);
//! sent.insert("signature", signed.signature.parse()?);
//!
//! // … and the server verifies.
//! let received = Message { headers: &sent, ..message };
//! let presented = ReceivedSignature::parse(received.headers)?;
//! assert_eq!(presented.key_id(), Some("0b8f6f0e"));
//! let (public, policy, now) = (key.public(), Policy::default(), 1_700_000_003);
//! httpsig::verify(&received, &presented, &public, Version::Draft15, &policy, now)?;
//!
//! let forged = Message { body: b"{}", ..received };
//! assert!(httpsig::verify(&forged, &presented, &public, Version::Draft15, &policy, now).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base;
mod component;
mod digest;
mod ecdsa;
mod error;
pub mod fields;
mod jwk;
mod key;
mod params;
mod pem;
mod policy;
mod profile;
mod query;
mod sf;
mod sign;
mod signing_key;

pub use base::{ComponentReader, Message};
pub(crate) use component::Component;
pub use digest::body_digest;
pub use ecdsa::SignatureEncoding;
pub use error::VerifyError;
pub use key::{Algorithm, Hash, KeyError, PublicKey};
pub use params::{ParamsText, ReceivedSignature};
pub use policy::{Policy, verify};
pub use profile::{Profile, Version};
pub use sign::{Parameters, SignError, Signed, sign, usual_components};
pub use signing_key::SigningKey;
