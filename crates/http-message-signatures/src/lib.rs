#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod base;
mod component;
mod digest;
mod ecdsa;
mod error;
pub mod fields;
mod jwk;
mod key;
mod message;
mod params;
mod pem;
mod policy;
mod profile;
mod query;
mod sf;
mod sign;
mod signing_key;

pub use base::ComponentReader;
pub(crate) use component::Component;
pub use digest::{DigestField, body_digest};
pub use ecdsa::SignatureEncoding;
pub use error::VerifyError;
pub use key::{Algorithm, Hash, KeyError, PublicKey};
pub use message::Message;
pub use params::{ParamsText, ReceivedSignature};
pub use policy::{Policy, RequiredComponent, RequiredWhen, verify};
pub use profile::{EcdsaFormat, Profile};
pub use sign::{Parameters, SignError, Signed, sign, sign_request, sign_response};
pub use signing_key::SigningKey;
