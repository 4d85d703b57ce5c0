//! The fields `signature-input` and `signature`.

use http::HeaderMap;
use sfv::BareItemFromInput;

use crate::sf::{self, BareItem, DictionaryMember};
use crate::{Component, VerifyError};

const INPUT: &str = "signature-input";

/// Maximum number of covered components. Clients cover ten to fifteen; the limit keeps the search for
/// duplicates cheap.
const MAX_COMPONENTS: usize = 100;
/// Maximum number of components with parameters. `;key` and `@query-param` read a whole field or query for each
/// component, so a few large fields would let an unauthenticated request cause much work.
const MAX_WITH_PARAMETERS: usize = 16;
/// Maximum number of signatures in one message. A message that passes gateways collects one or two.
const MAX_SIGNATURES: usize = 16;

/// A parsed signature that has not been verified yet.
///
/// The rules are RFC 9421 sections 2, 2.3, 4.1 and 4.2, on structured fields of RFC 8941.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedSignature {
    label: String,
    /// Everything behind `label=`, as received: the value of the line `@signature-params`.
    text: String,
    /// The same text in the one spacing that RFC 9421 section 2.3 allows, if it differs.
    canonical: Option<String>,
    pub(crate) components: Vec<Component>,
    parameters: KnownParameters,
    signature: Vec<u8>,
}

/// The text of `signature-input` that was signed, if it was sent in another spacing than its canonical one.
///
/// RFC 9421 section 2.3 has the canonical text signed; clients that build the field by hand sign the text that they
/// send. The two differ in blanks alone, so either may verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamsText {
    /// The text as received.
    Received,
    /// The text in the spacing of a strict serialisation (RFC 8941 section 4.1).
    Canonical,
}

/// The parameters of a signature that this crate reads.
#[derive(Debug, Clone, PartialEq, Default)]
struct KnownParameters {
    key_id: Option<String>,
    nonce: Option<String>,
    alg: Option<String>,
    tag: Option<String>,
    created: Option<i64>,
    expires: Option<i64>,
}

impl ReceivedSignature {
    /// Parses the two fields. Among several signatures it takes `sig1`, or else the first that can be read.
    ///
    /// # Errors
    /// Fails with a [`VerifyError`] that names the field, label, component or parameter at fault.
    pub fn parse(headers: &HeaderMap) -> Result<ReceivedSignature, VerifyError> {
        ReceivedSignature::choose(headers, |_| true)
    }

    /// Parses the two fields and chooses among several signatures one for which `counts` returns true, mostly by its
    /// key id: `sig1` if it is among them, else the first.
    ///
    /// Other signatures may be for another verifier (RFC 9421 section 7.2.6) and are ignored, even those that cannot be
    /// read. If `counts` accepts none, the result is the first one that can be read.
    ///
    /// # Errors
    /// Fails with a [`VerifyError`] that names the field, label, component or parameter at fault.
    pub fn choose(
        headers: &HeaderMap,
        counts: impl Fn(&ReceivedSignature) -> bool,
    ) -> Result<ReceivedSignature, VerifyError> {
        const SIGNATURE: &str = "signature";
        let input = text(headers, INPUT)?.ok_or(VerifyError::MissingSignatureInput)?;
        let signature = text(headers, SIGNATURE)?.ok_or(VerifyError::MissingSignature)?;
        let respaced = sf::normalize_spacing(&input);
        let (members, mut signatures) = (members(INPUT, &respaced)?, self::members(SIGNATURE, &signature)?);
        let (texts, canonical) = (sf::member_texts(&input), sf::member_texts(&respaced));
        if texts.len() != members.len() || canonical.len() != members.len() {
            return Err(unparsable(INPUT, "its members cannot be told apart"));
        }
        if members.len() > MAX_SIGNATURES {
            return Err(VerifyError::TooManySignatures { count: members.len(), most: MAX_SIGNATURES });
        }
        let mut candidates: Vec<_> = members.into_iter().zip(texts.into_iter().zip(canonical)).collect();
        // The sort is stable, so that the others stay in the order of the field.
        candidates.sort_by_key(|(member, _)| member.key != "sig1");
        // The result if `counts` accepts none: the first readable signature, or the error of the first candidate.
        let mut other = Err(unparsable(INPUT, "it is empty"));
        for (at, (member, texts)) in candidates.into_iter().enumerate() {
            let found = signature_of(member.key, &mut signatures)
                .and_then(|bytes| ReceivedSignature::from_member(member, texts, bytes));
            match found {
                Ok(presented) if counts(&presented) => return Ok(presented),
                found if at == 0 || (found.is_ok() && other.is_err()) => other = found,
                _ => {}
            }
        }
        other
    }

    /// Parses the value of `signature-input` for a signature that is still to be made.
    pub(crate) fn unsigned(field: &str) -> Result<ReceivedSignature, VerifyError> {
        let member = members(INPUT, field)?.pop().ok_or(VerifyError::MissingSignatureInput)?;
        let text = sf::member_texts(field).pop().ok_or(VerifyError::MissingSignatureInput)?;
        ReceivedSignature::from_member(member, (text, text), Vec::new())
    }

    /// Builds a signature from its member, from the two texts of that member, and from its bytes.
    fn from_member(
        member: DictionaryMember<'_>,
        texts: (&str, &str),
        signature: Vec<u8>,
    ) -> Result<ReceivedSignature, VerifyError> {
        let BareItem::InnerList(items) = member.value else {
            return Err(unparsable(INPUT, &format!("`{}` is not a list in parentheses", member.key)));
        };
        let with_parameters = items.iter().filter(|(_, parameters)| !parameters.is_empty()).count();
        for (count, most, what) in [
            (items.len(), MAX_COMPONENTS, "components"),
            (with_parameters, MAX_WITH_PARAMETERS, "components with parameters"),
        ] {
            if count > most {
                return Err(VerifyError::TooManyComponents { count, most, what });
            }
        }
        let components = items
            .iter()
            .map(|(bare, parameters)| Component::parse(bare, parameters))
            .collect::<Result<Vec<_>, _>>()?;
        for (at, component) in components.iter().enumerate() {
            if components[..at].contains(component) {
                return Err(VerifyError::DuplicateComponent { component: component.to_string() });
            }
        }
        if let Some(parameter) = sf::first_duplicate(&member.parameters, |(key, _)| key) {
            return Err(VerifyError::DuplicateParameter { parameter: parameter.to_owned() });
        }
        let mut parameters = KnownParameters::default();
        for (key, value) in &member.parameters {
            parameters.set(key, value)?;
        }
        let (text, canonical) = texts;
        Ok(ReceivedSignature {
            label: member.key.to_owned(),
            text: text.to_owned(),
            canonical: (canonical != text).then(|| canonical.to_owned()),
            components,
            parameters,
            signature,
        })
    }

    /// Returns the dictionary key under which both fields carry this signature, such as `sig1`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns whether the member of `signature-input` was sent in the spacing of its strict serialisation (RFC 8941
    /// section 4.1), so that both variants of [`ParamsText`] are one text.
    pub fn is_canonical(&self) -> bool {
        self.canonical.is_none()
    }

    /// Returns the value of `@signature-params` in one of its two spacings.
    pub(crate) fn params(&self, text: ParamsText) -> &str {
        match (text, &self.canonical) {
            (ParamsText::Canonical, Some(canonical)) => canonical,
            _ => &self.text,
        }
    }

    /// Returns `keyid`, which names the key of the signer. It is not verified yet.
    pub fn key_id(&self) -> Option<&str> {
        self.parameters.key_id.as_deref()
    }

    /// Returns [`key_id`](Self::key_id), which must be present.
    ///
    /// # Errors
    /// Fails with [`VerifyError::MissingKeyId`] if it is absent.
    pub fn require_key_id(&self) -> Result<&str, VerifyError> {
        self.key_id().ok_or(VerifyError::MissingKeyId)
    }

    /// Returns `nonce`, which is unique per key while the signature is valid.
    pub fn nonce(&self) -> Option<&str> {
        self.parameters.nonce.as_deref()
    }

    /// Returns `created`, in seconds since 1970.
    pub fn created(&self) -> Option<i64> {
        self.parameters.created
    }

    /// Returns `expires`, in seconds since 1970.
    pub fn expires(&self) -> Option<i64> {
        self.parameters.expires
    }

    /// Returns `alg`, the algorithm that the sender claims; see [`crate::PublicKey::check_alg`].
    pub fn alg(&self) -> Option<&str> {
        self.parameters.alg.as_deref()
    }

    /// Returns `tag`, the application's name for this kind of signature.
    pub fn tag(&self) -> Option<&str> {
        self.parameters.tag.as_deref()
    }

    /// Returns whether the component of that name is covered without any component parameters.
    pub fn covers(&self, name: &str) -> bool {
        self.components.iter().any(|component| component.name() == name && component.is_plain())
    }

    /// Returns whether the whole value of the component is covered: plainly, or with `;sf` or `;bs`, but not one `;key`
    /// of it.
    pub fn covers_whole(&self, name: &str) -> bool {
        self.components.iter().any(|component| component.name() == name && component.is_whole())
    }

    /// Returns the names of the covered components in their order, without their parameters.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.components.iter().map(Component::name)
    }

    /// Returns the bytes of the signature, undecoded beyond base64.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl KnownParameters {
    /// Stores a parameter under its name.
    fn set(&mut self, key: &str, value: &BareItemFromInput<'_>) -> Result<(), VerifyError> {
        match key {
            "created" => self.created = Some(integer("created", value)?),
            "expires" => self.expires = Some(integer("expires", value)?),
            "keyid" => self.key_id = Some(string("keyid", value)?),
            "nonce" => self.nonce = Some(string("nonce", value)?),
            "alg" => self.alg = Some(string("alg", value)?),
            "tag" => self.tag = Some(string("tag", value)?),
            // RFC 9421 section 2.3 leaves the list open; an unknown parameter is signed like the rest and has no
            // effect.
            _ => {}
        }
        Ok(())
    }
}

/// Returns the value of a parameter that must be an integer.
fn integer(parameter: &'static str, value: &BareItemFromInput<'_>) -> Result<i64, VerifyError> {
    let expected = "a whole number of seconds since 1970 without quotes";
    value.as_integer().map(i64::from).ok_or(VerifyError::ParameterType { parameter, expected })
}

/// Returns the value of a parameter that must be a string.
fn string(parameter: &'static str, value: &BareItemFromInput<'_>) -> Result<String, VerifyError> {
    let text = value.as_string().map(|text| text.as_str().to_owned());
    text.ok_or(VerifyError::ParameterType { parameter, expected: "a string in double quotes" })
}

/// Returns the text of a field; `None` when there is no such field.
fn text(headers: &HeaderMap, header: &str) -> Result<Option<String>, VerifyError> {
    let not_ascii = |_| unparsable(header, "it contains characters that are not visible ASCII");
    sf::join_lines(headers, header).transpose().map_err(not_ascii)
}

/// Parses a dictionary and refuses a repeated label.
fn members<'a>(header: &'static str, text: &'a str) -> Result<Vec<DictionaryMember<'a>>, VerifyError> {
    let members = sf::dictionary(text).map_err(|error| unparsable(header, &error.to_string()))?;
    match sf::first_duplicate(&members, |member| member.key) {
        Some(label) => Err(VerifyError::DuplicateLabel { header, label: label.to_owned() }),
        None => Ok(members),
    }
}

/// Takes the bytes of the signature with this label out of the members of the field `signature`.
fn signature_of(label: &str, signatures: &mut Vec<DictionaryMember<'_>>) -> Result<Vec<u8>, VerifyError> {
    let at = signatures.iter().position(|member| member.key == label);
    let at = at.ok_or_else(|| VerifyError::LabelMissing { label: label.to_owned() })?;
    match signatures.swap_remove(at).value {
        BareItem::Item(BareItemFromInput::ByteSequence(bytes)) => Ok(bytes),
        _ => Err(unparsable("signature", &format!("`{label}` is not a byte sequence `:base64:`"))),
    }
}

/// Returns the error for a field that does not follow its specification.
pub(crate) fn unparsable(header: &str, reason: &str) -> VerifyError {
    VerifyError::Unparsable { header: header.to_owned(), reason: reason.to_owned() }
}
