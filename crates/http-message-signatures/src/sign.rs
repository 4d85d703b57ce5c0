//! Signing of messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use http::{HeaderMap, HeaderValue, Request, Response};

use crate::component::push_string;
use crate::{ComponentReader, Message, Profile, ReceivedSignature, SigningKey, VerifyError, body_digest};

/// The parameters of a signature (RFC 9421 section 2.3), written in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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

impl<'a> Parameters<'a> {
    /// Sets the key id and the time of creation, in seconds since 1970; all others are left out.
    pub const fn new(key_id: &'a str, created: i64) -> Parameters<'a> {
        Parameters { key_id, created, expires: None, nonce: None, alg: None, tag: None }
    }

    /// Sets `expires`, in seconds since 1970.
    #[must_use]
    pub const fn with_expires(self, expires: i64) -> Parameters<'a> {
        Parameters { expires: Some(expires), ..self }
    }

    /// Sets `nonce`.
    #[must_use]
    pub const fn with_nonce(self, nonce: &'a str) -> Parameters<'a> {
        Parameters { nonce: Some(nonce), ..self }
    }

    /// Sets `alg`.
    #[must_use]
    pub const fn with_alg(self, alg: &'a str) -> Parameters<'a> {
        Parameters { alg: Some(alg), ..self }
    }

    /// Sets `tag`.
    #[must_use]
    pub const fn with_tag(self, tag: &'a str) -> Parameters<'a> {
        Parameters { tag: Some(tag), ..self }
    }
}

/// The values of the two fields, and the signature base for explanations.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// Value of the field `signature-input`.
    pub signature_input: String,
    /// Value of the field `signature`.
    pub signature: String,
    /// The signature base, over which the signature is made. It may contain tokens and personal data.
    pub base: String,
}

impl Signed {
    /// Writes the fields `signature-input` and `signature` into the headers of the message, in place of earlier ones.
    ///
    /// # Errors
    /// Fails with [`SignError::HeaderValue`] if one of them is no header value; the headers are unchanged then.
    pub fn insert_into(&self, headers: &mut HeaderMap) -> Result<(), SignError> {
        let value = |name, text| HeaderValue::from_str(text).map_err(|_| SignError::HeaderValue(name));
        let input = value("signature-input", &self.signature_input)?;
        let signature = value("signature", &self.signature)?;
        headers.insert("signature-input", input);
        headers.insert("signature", signature);
        Ok(())
    }
}

/// The error for a message that cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
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
    /// A value with characters that no header may have.
    #[error("the value of the header `{0}` contains characters that no header may have")]
    HeaderValue(&'static str),
    /// A failure of the cryptographic library.
    #[error("the key could not sign")]
    Key,
}

/// Signs the named components, in that order, under the label `sig1`. The profile chooses the form of ECDSA.
///
/// A component is a bare name such as `@method`, or a serialised identifier such as `"content-digest";sf`. The message
/// must already have the digest of its body ([`body_digest`]); [`sign_request`] and [`sign_response`] add it.
///
/// # Errors
/// Fails if a component is unknown, listed twice or not in the message, or if a parameter cannot be written.
pub fn sign(
    message: &Message<'_>,
    components: &[&str],
    parameters: &Parameters<'_>,
    key: &SigningKey,
    profile: &Profile,
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
    let base = presented.base(message, profile, &ComponentReader::standard(message))?;
    let bytes = key.sign(base.as_bytes(), profile.ecdsa.made())?;
    Ok(Signed { signature_input, signature: format!("sig1=:{}:", STANDARD.encode(bytes)), base })
}

/// Signs a request: inserts the digest of its body, `signature-input` and `signature`, in place of earlier ones.
///
/// The digest of a body is always covered, behind the named components unless it is one of them. Without a body there
/// is a digest only if it is named.
///
/// ```
/// use http_message_signatures::{Algorithm, Parameters, Profile, SigningKey, sign_request};
///
/// let key = SigningKey::generate(Algorithm::Ed25519)?;
/// let mut request = http::Request::post("https://example.com/orders").body(r#"{"amount":"1.00"}"#)?;
/// let parameters = Parameters::new("key-1", 1_700_000_000).with_nonce("b3k2pp5k7z");
/// sign_request(&mut request, &["@method", "@target-uri"], &parameters, &key, &Profile::RFC_9421)?;
/// assert_eq!(
///     request.headers()["signature-input"],
///     r#"sig1=("@method" "@target-uri" "content-digest");keyid="key-1";created=1700000000;nonce="b3k2pp5k7z""#
/// );
/// assert!(request.headers().contains_key("content-digest"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Fails as [`sign`] does; the request is unchanged then.
pub fn sign_request<B: AsRef<[u8]>>(
    request: &mut Request<B>,
    components: &[&str],
    parameters: &Parameters<'_>,
    key: &SigningKey,
    profile: &Profile,
) -> Result<Signed, SignError> {
    let message = Message::from_request(request);
    let (headers, signed) = signed_headers(&message, components, parameters, key, profile)?;
    *request.headers_mut() = headers;
    Ok(signed)
}

/// Signs a response, as [`sign_request`] signs a request.
///
/// # Errors
/// Fails as [`sign`] does; the response is unchanged then.
pub fn sign_response<B: AsRef<[u8]>>(
    response: &mut Response<B>,
    components: &[&str],
    parameters: &Parameters<'_>,
    key: &SigningKey,
    profile: &Profile,
) -> Result<Signed, SignError> {
    let message = Message::from_response(response);
    let (headers, signed) = signed_headers(&message, components, parameters, key, profile)?;
    *response.headers_mut() = headers;
    Ok(signed)
}

/// Returns the headers of a message with its digest and its signature.
fn signed_headers(
    message: &Message<'_>,
    components: &[&str],
    parameters: &Parameters<'_>,
    key: &SigningKey,
    profile: &Profile,
) -> Result<(HeaderMap, Signed), SignError> {
    let (mut headers, mut components) = (message.headers.clone(), components.to_vec());
    let digest = profile.digest_field.name();
    let is_listed = components
        .iter()
        .any(|component| component.trim_start_matches('"').split('"').next() == Some(digest));
    if is_listed || !message.body.is_empty() {
        let (name, value) = body_digest(profile, message.body)?;
        headers.insert(name, value);
    }
    if !is_listed && !message.body.is_empty() {
        components.push(digest);
    }
    let signed = sign(&message.with_headers(&headers), &components, parameters, key, profile)?;
    signed.insert_into(&mut headers)?;
    Ok((headers, signed))
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
