//! Signing of messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::component::push_string;
use crate::{ComponentReader, Message, ReceivedSignature, SigningKey, VerifyError, Version};

/// The parameters of a signature (RFC 9421 section 2.3), written in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// `keyid`: the name by which the verifier finds the key.
    pub key_id: &'a str,
    /// `created`, in seconds since 1970.
    pub created: i64,
    /// `expires`, in seconds since 1970.
    pub expires: Option<i64>,
    /// `nonce`: unique per key while the signature is valid.
    pub nonce: Option<&'a str>,
    /// `alg`: the algorithm. It may be left out, because the verifier takes it from the key.
    pub alg: Option<&'a str>,
    /// `tag`: the application's name for this kind of signature.
    pub tag: Option<&'a str>,
}

/// The values of the two fields, and the signature base for explanations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Value of the field `signature-input`.
    pub signature_input: String,
    /// Value of the field `signature`.
    pub signature: String,
    /// The signature base, over which the signature is made.
    pub base: String,
}

/// The error for a message that cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// A parameter with other characters than printable ASCII, to which strings of structured fields are limited (RFC
    /// 8941 section 3.3.3).
    #[error("the signature parameter `{0}` contains characters that are not printable ASCII")]
    Text(&'static str),
    /// A number of more than fifteen digits, the limit of structured fields (RFC 8941 section 3.3.1).
    #[error("the signature parameter `{0}` has more than fifteen digits")]
    Number(&'static str),
    /// A component that the message cannot cover.
    #[error(transparent)]
    Component(#[from] VerifyError),
    /// A failure of the cryptographic library.
    #[error("the key could not sign")]
    Key,
}

/// Signs the named components, in that order, under the label `sig1`. The profile of the version chooses the encoding
/// of ECDSA: DER over SHA-512 for the drafts, raw `r‖s` over the curve's hash for RFC 9421.
///
/// A component is a bare name such as `@method`, or a serialised identifier such as `"content-digest";sf`.
///
/// # Errors
/// Fails if a component is unknown, listed twice or not in the message, or if a parameter cannot be written.
pub fn sign(
    message: &Message<'_>,
    components: &[&str],
    parameters: &Parameters<'_>,
    key: &SigningKey,
    version: Version,
) -> Result<Signed, SignError> {
    let mut signature_input = String::from("sig1=(");
    for (at, component) in components.iter().enumerate() {
        if at > 0 {
            signature_input.push(' ');
        }
        if component.starts_with('"') {
            signature_input.push_str(component);
        } else {
            signature_input.extend(["\"", component, "\""]);
        }
    }
    signature_input.push(')');
    write_parameters(&mut signature_input, parameters)?;
    let presented = ReceivedSignature::unsigned(&signature_input)?;
    let base = presented.base(message, version, &ComponentReader::standard(message))?;
    let bytes = key.sign(base.as_bytes(), version.profile().ecdsa)?;
    Ok(Signed { signature_input, signature: format!("sig1=:{}:", STANDARD.encode(bytes)), base })
}

/// Writes the parameters behind the list of components.
fn write_parameters(out: &mut String, parameters: &Parameters<'_>) -> Result<(), SignError> {
    let texts = [("nonce", parameters.nonce), ("alg", parameters.alg), ("tag", parameters.tag)];
    let numbers = [("created", Some(parameters.created)), ("expires", parameters.expires)];
    text(out, "keyid", parameters.key_id)?;
    for (name, value) in numbers.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        if !(-999_999_999_999_999..=999_999_999_999_999).contains(&value) {
            return Err(SignError::Number(name));
        }
        out.extend([";", name, "=", &value.to_string()]);
    }
    for (name, value) in texts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        text(out, name, value)?;
    }
    Ok(())
}

/// Writes a parameter whose value is a string.
fn text(out: &mut String, name: &'static str, value: &str) -> Result<(), SignError> {
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(SignError::Text(name));
    }
    out.extend([";", name, "="]);
    push_string(out, value);
    Ok(())
}

/// Returns the components that Upvest documents for this message, as far as they are there, plus `upvest-api-version`
/// and `date` after draft 6.
pub fn usual_components(message: &Message<'_>, version: Version) -> Vec<&'static str> {
    const FIELDS: [&str; 10] = [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "content-digest",
        "digest",
        "idempotency-key",
        "upvest-client-id",
        "upvest-api-version",
        "date",
    ];
    let mut components = match (message.status, message.query) {
        (Some(_), _) => vec!["@status"],
        (None, None) => vec!["@method", "@path"],
        (None, Some(_)) => vec!["@method", "@path", "@query"],
    };
    let digests = version.profile().digest_fields;
    let digest = digests.iter().find(|field| message.headers.contains_key(**field));
    components.extend(FIELDS.into_iter().filter(|&field| match field {
        "content-digest" | "digest" => digest == Some(&field),
        "upvest-api-version" | "date" if version == Version::Draft6 => false,
        _ => message.headers.contains_key(field),
    }));
    components
}
